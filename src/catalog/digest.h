// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * SHA-256 over a sequence of typed values, each with its length, so that no two sequences look
 * alike. Used inside the catalog only.
 */
#pragma once

#include "base/error.h"
#include "catalog/hash.h"

#include <stddef.h>
#include <stdint.h>

struct gw_digest {
    void *handle; /* gnutls_hash_hd_t */
    int code;     /* the first failure, sticky */
};

void gw_digest_init(struct gw_digest *d);
void gw_digest_text(struct gw_digest *d, const char *text);
void gw_digest_number(struct gw_digest *d, uint64_t v);
int gw_digest_end(struct gw_digest *d, char ret[GW_CATALOG_HASH_TEXT], struct gw_error *err);

/* SHA-256 of bytes as they are. */
int gw_sha256_hex(const void *data, size_t len, char ret[GW_CATALOG_HASH_TEXT],
                  struct gw_error *err);
