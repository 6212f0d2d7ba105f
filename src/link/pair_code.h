// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The one-time code of a pairing, as people carry it from site A to site B, and the proofs that are
 * made with it. Pure.
 *
 *     04A7K2-9QX4TB-...     eight groups of six, 48 characters of Crockford's base32
 *
 * 30 bytes: version (1), the first 16 bytes of the SHA-256 of A's certificate, 10 bytes of secret,
 * and 3 bytes of checksum, so that a typo is told from a wrong code without asking anybody. Case,
 * blanks and dashes do not matter; O is 0, I and L are 1.
 *
 * The key is SHA-256 of a label and the secret: A keeps the key, not the code. Both proofs are
 * HMAC-SHA256 under it of a transcript that binds both certificates, both names and all addresses,
 * with one label for each direction, so that neither can be used for the other, for another
 * certificate, or with an address changed on the way.
 */
#pragma once

#include "base/error.h"
#include "http/cert.h"

#include <stddef.h>
#include <stdint.h>

#define GW_PAIR_CODE_VERSION 1
#define GW_PAIR_CODE_BYTES 30
#define GW_PAIR_PREFIX_BYTES 16 /* of the fingerprint */
#define GW_PAIR_SECRET_BYTES 10
#define GW_PAIR_CODE_TEXT 56 /* 48 characters, 7 dashes, NUL */
#define GW_PAIR_KEY_BYTES 32
#define GW_PAIR_PROOF_TEXT 65 /* hex with the NUL */

struct gw_pair_code {
    uint8_t prefix[GW_PAIR_PREFIX_BYTES];
    uint8_t secret[GW_PAIR_SECRET_BYTES];
};

void gw_pair_code_format(const struct gw_pair_code *code, char ret[GW_PAIR_CODE_TEXT]);
/* -EINVAL: not a code (too short, a character that is none, a typo); -EPROTONOSUPPORT: one of a
 * version that is not known here. */
int gw_pair_code_parse(const char *text, struct gw_pair_code *ret, struct gw_error *err);
/* Is it the certificate that the code is for? */
bool gw_pair_code_matches(const struct gw_pair_code *code, const struct gw_cert_fingerprint *f);
void gw_pair_key(const uint8_t secret[GW_PAIR_SECRET_BYTES], uint8_t ret[GW_PAIR_KEY_BYTES]);

/* What both sides must agree on. Texts are bound with their lengths. */
struct gw_pair_transcript {
    struct gw_cert_fingerprint a, b; /* of the site that made the code; of the one that has it */
    const char *a_site, *b_site;
    const char *a_link, *a_data, *b_link, *b_data; /* addresses; "" none */
    const char *nonce;                             /* B's, new for each try */
};

enum gw_pair_direction { GW_PAIR_FROM_B, GW_PAIR_FROM_A };
/* FROM_B leaves a's addresses out: B does not know them yet. */
void gw_pair_proof(const uint8_t key[GW_PAIR_KEY_BYTES], const struct gw_pair_transcript *t,
                   enum gw_pair_direction direction, char ret[GW_PAIR_PROOF_TEXT]);
/* In constant time. */
bool gw_pair_proof_equal(const char *a, const char *b);
