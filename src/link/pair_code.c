// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "link/pair_code.h"

#include <ctype.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>

#define CHARACTERS 48u /* 30 bytes, 5 bits each */
#define GROUP 6u
#define CHECK_BYTES 3u
#define BODY_BYTES (GW_PAIR_CODE_BYTES - CHECK_BYTES)
#define DIGEST_BYTES 32u

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; /* Crockford: no I, L, O, U */
static const char key_label[] = "godwit pairing key 1";
static const char proof_label_b[] = "godwit pairing 1: proof of the joining site";
static const char proof_label_a[] = "godwit pairing 1: proof of the inviting site";
static const char check_label[] = "godwit pairing code";

static int value_of(char c)
{
    c = (char)toupper((unsigned char)c);
    if (c == 'O')
        c = '0';
    if (c == 'I' || c == 'L')
        c = '1';
    const char *at = c != '\0' ? strchr(alphabet, c) : NULL;
    return at != NULL ? (int)(at - alphabet) : -1;
}

static void checksum(const uint8_t body[BODY_BYTES], uint8_t ret[CHECK_BYTES])
{
    uint8_t text[sizeof check_label + BODY_BYTES], digest[DIGEST_BYTES];
    memcpy(text, check_label, sizeof check_label);
    memcpy(text + sizeof check_label, body, BODY_BYTES);
    gnutls_hash_fast(GNUTLS_DIG_SHA256, text, sizeof text, digest);
    memcpy(ret, digest, CHECK_BYTES);
    gnutls_memset(text, 0, sizeof text);
}

void gw_pair_code_format(const struct gw_pair_code *code, char ret[GW_PAIR_CODE_TEXT])
{
    uint8_t bytes[GW_PAIR_CODE_BYTES] = { GW_PAIR_CODE_VERSION };
    memcpy(bytes + 1, code->prefix, GW_PAIR_PREFIX_BYTES);
    memcpy(bytes + 1 + GW_PAIR_PREFIX_BYTES, code->secret, GW_PAIR_SECRET_BYTES);
    checksum(bytes, bytes + BODY_BYTES);
    size_t used = 0;
    for (unsigned i = 0; i < CHARACTERS; i++) {
        unsigned bit = i * 5, at = bit / 8;
        unsigned two = (unsigned)bytes[at] << 8 | (at + 1 < GW_PAIR_CODE_BYTES ? bytes[at + 1] : 0);
        if (i > 0 && i % GROUP == 0)
            ret[used++] = '-';
        ret[used++] = alphabet[two >> (11 - bit % 8) & 31];
    }
    ret[used] = '\0';
    gnutls_memset(bytes, 0, sizeof bytes);
}

/* The characters that count, as bytes. */
static int decode(const char *text, uint8_t bytes[GW_PAIR_CODE_BYTES], struct gw_error *err)
{
    unsigned n = 0;
    memset(bytes, 0, GW_PAIR_CODE_BYTES);
    for (; *text != '\0'; text++) {
        if (*text == '-' || isspace((unsigned char)*text))
            continue;
        int v = value_of(*text);
        if (v < 0)
            return gw_error_set(err, -EINVAL, "not a pairing code: there is no \"%c\" in one",
                                isprint((unsigned char)*text) ? *text : '?');
        for (unsigned b = 0; n < CHARACTERS && b < 5; b++) {
            unsigned bit = n * 5 + b;
            if ((v >> (4 - b) & 1) != 0)
                bytes[bit / 8] |= (uint8_t)(0x80u >> (bit % 8));
        }
        n++;
    }
    if (n != CHARACTERS)
        return gw_error_set(err, -EINVAL, "not a pairing code: it has %u characters, not %u", n,
                            CHARACTERS);
    return 0;
}

int gw_pair_code_parse(const char *text, struct gw_pair_code *ret, struct gw_error *err)
{
    uint8_t bytes[GW_PAIR_CODE_BYTES], check[CHECK_BYTES];
    int r = decode(text, bytes, err);
    if (r < 0)
        return r;
    checksum(bytes, check);
    if (memcmp(check, bytes + BODY_BYTES, CHECK_BYTES) != 0)
        return gw_error_set(
            err, -EINVAL, "a character of the pairing code is wrong: compare it with the original");
    if (bytes[0] != GW_PAIR_CODE_VERSION)
        return gw_error_set(err, -EPROTONOSUPPORT,
                            "the pairing code is of version %u, this site knows %u: the sites run "
                            "different versions of godwit",
                            bytes[0], GW_PAIR_CODE_VERSION);
    memcpy(ret->prefix, bytes + 1, GW_PAIR_PREFIX_BYTES);
    memcpy(ret->secret, bytes + 1 + GW_PAIR_PREFIX_BYTES, GW_PAIR_SECRET_BYTES);
    gnutls_memset(bytes, 0, sizeof bytes);
    return 0;
}

bool gw_pair_code_matches(const struct gw_pair_code *code, const struct gw_cert_fingerprint *f)
{
    return memcmp(code->prefix, f->b, GW_PAIR_PREFIX_BYTES) == 0;
}

void gw_pair_key(const uint8_t secret[GW_PAIR_SECRET_BYTES], uint8_t ret[GW_PAIR_KEY_BYTES])
{
    uint8_t text[sizeof key_label + GW_PAIR_SECRET_BYTES];
    memcpy(text, key_label, sizeof key_label);
    memcpy(text + sizeof key_label, secret, GW_PAIR_SECRET_BYTES);
    gnutls_hash_fast(GNUTLS_DIG_SHA256, text, sizeof text, ret);
    gnutls_memset(text, 0, sizeof text);
}

/* With its length, so that no two lists of texts are the same bytes. */
static void add(gnutls_hmac_hd_t h, const char *text)
{
    size_t len = strlen(text);
    const uint8_t n[4] = { (uint8_t)(len >> 24), (uint8_t)(len >> 16), (uint8_t)(len >> 8),
                           (uint8_t)len };
    gnutls_hmac(h, n, sizeof n);
    gnutls_hmac(h, text, len);
}

void gw_pair_proof(const uint8_t key[GW_PAIR_KEY_BYTES], const struct gw_pair_transcript *t,
                   enum gw_pair_direction direction, char ret[GW_PAIR_PROOF_TEXT])
{
    gnutls_hmac_hd_t h;
    struct gw_cert_fingerprint digest = { { 0 } };
    bool from_a = direction == GW_PAIR_FROM_A;
    if (gnutls_hmac_init(&h, GNUTLS_MAC_SHA256, key, GW_PAIR_KEY_BYTES) < 0) {
        ret[0] = '\0'; /* no memory: equal to no proof */
        return;
    }
    add(h, from_a ? proof_label_a : proof_label_b);
    gnutls_hmac(h, t->a.b, sizeof t->a.b);
    gnutls_hmac(h, t->b.b, sizeof t->b.b);
    add(h, t->a_site);
    add(h, t->b_site);
    add(h, t->b_link);
    add(h, t->b_data);
    add(h, t->nonce);
    if (from_a) {
        add(h, t->a_link);
        add(h, t->a_data);
    }
    gnutls_hmac_deinit(h, digest.b);
    gw_cert_fingerprint_format(&digest, ret); /* as long, and as hex */
}

bool gw_pair_proof_equal(const char *a, const char *b)
{
    size_t len = GW_PAIR_PROOF_TEXT - 1;
    return strlen(a) == len && strlen(b) == len && gnutls_memcmp(a, b, len) == 0;
}
