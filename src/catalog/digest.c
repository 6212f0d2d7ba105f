// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/digest.h"

#include "base/bytes.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdint.h>
#include <string.h>

#define SHA256_BYTES 32

static void hex(const uint8_t raw[SHA256_BYTES], char ret[GW_CATALOG_HASH_TEXT])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SHA256_BYTES; i++) {
        ret[2 * i] = digits[raw[i] >> 4];
        ret[2 * i + 1] = digits[raw[i] & 15];
    }
    ret[GW_CATALOG_HASH_TEXT - 1] = '\0';
}

static int failed(int code, struct gw_error *err)
{
    return gw_error_set(err, -EIO, "SHA-256: %s", gnutls_strerror(code));
}

void gw_digest_init(struct gw_digest *d)
{
    gnutls_hash_hd_t h = NULL;
    *d = (struct gw_digest){ .code = gnutls_hash_init(&h, GNUTLS_DIG_SHA256) };
    d->handle = d->code < 0 ? NULL : h;
}

static void add(struct gw_digest *d, const void *data, size_t len)
{
    if (d->code >= 0)
        d->code = gnutls_hash(d->handle, data, len);
}

void gw_digest_number(struct gw_digest *d, uint64_t v)
{
    uint8_t raw[8];
    struct gw_writer w = gw_writer(raw, sizeof raw);
    gw_put_u64(&w, v);
    add(d, raw, sizeof raw);
}

void gw_digest_text(struct gw_digest *d, const char *text)
{
    size_t len = strlen(text);
    gw_digest_number(d, len);
    add(d, text, len);
}

int gw_digest_end(struct gw_digest *d, char ret[GW_CATALOG_HASH_TEXT], struct gw_error *err)
{
    uint8_t raw[SHA256_BYTES] = { 0 };
    if (d->handle != NULL)
        gnutls_hash_deinit(d->handle, raw);
    d->handle = NULL;
    if (d->code < 0)
        return failed(d->code, err);
    hex(raw, ret);
    return 0;
}

int gw_sha256_hex(const void *data, size_t len, char ret[GW_CATALOG_HASH_TEXT],
                  struct gw_error *err)
{
    uint8_t raw[SHA256_BYTES];
    int code = gnutls_hash_fast(GNUTLS_DIG_SHA256, data, len, raw);
    if (code < 0)
        return failed(code, err);
    hex(raw, ret);
    return 0;
}
