// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Certificates as identities: a site *is* its certificate, known by the SHA-256 of its DER bytes.
 *
 * No authorities, no chains: who is paired is pinned, byte for byte. Validity in time is still
 * checked, for the data link does it too, and a clock that is wrong is found here first.
 *
 * Threads: no state.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_CERT_FINGERPRINT_BYTES 32
#define GW_CERT_FINGERPRINT_TEXT 65 /* lower-case hex with the NUL */
#define GW_CERT_NAME_MAX 64
#define GW_CERT_PEM_BYTES_MAX 16384u
#define GW_CERT_DER_BYTES_MAX 8192u
#define GW_HTTP_ADDRESS_TEXT 72

struct gw_cert_fingerprint {
    uint8_t b[GW_CERT_FINGERPRINT_BYTES];
};

struct gw_cert_info {
    struct gw_cert_fingerprint fingerprint;
    char name[GW_CERT_NAME_MAX];          /* first dNSName, else common name; "" if it has none */
    uint64_t from_wall_ns, until_wall_ns; /* validity */
};

bool gw_cert_fingerprint_equal(const struct gw_cert_fingerprint *a,
                               const struct gw_cert_fingerprint *b);
void gw_cert_fingerprint_format(const struct gw_cert_fingerprint *f,
                                char ret[GW_CERT_FINGERPRINT_TEXT]);
bool gw_cert_fingerprint_parse(const char *text, struct gw_cert_fingerprint *ret);

/* Read one certificate. -EBADMSG: it is none. Both take bytes of strangers. */
int gw_cert_read_der(const void *der, size_t len, struct gw_cert_info *ret, struct gw_error *err);
/* PEM text of exactly one certificate; *ret_der (may be NULL) is freed with free(). */
int gw_cert_read_pem(const char *pem, size_t len, struct gw_cert_info *ret, uint8_t **ret_der,
                     size_t *ret_der_bytes, struct gw_error *err);
/* -EKEYREJECTED with a sentence that speaks of the clocks, unless it is valid now. */
int gw_cert_check_times(const struct gw_cert_info *info, const char *whose, uint64_t wall_ns,
                        struct gw_error *err);
