// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "http/cert.h"

#include "base/clock.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void cleanup_crt(gnutls_x509_crt_t *crt)
{
    if (*crt != NULL)
        gnutls_x509_crt_deinit(*crt);
}
#define CLEANUP_CRT __attribute__((cleanup(cleanup_crt)))

bool gw_cert_fingerprint_equal(const struct gw_cert_fingerprint *a,
                               const struct gw_cert_fingerprint *b)
{
    return memcmp(a->b, b->b, sizeof a->b) == 0;
}

void gw_cert_fingerprint_format(const struct gw_cert_fingerprint *f,
                                char ret[GW_CERT_FINGERPRINT_TEXT])
{
    for (size_t i = 0; i < sizeof f->b; i++)
        snprintf(ret + 2 * i, 3, "%02x", f->b[i]);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

bool gw_cert_fingerprint_parse(const char *text, struct gw_cert_fingerprint *ret)
{
    struct gw_cert_fingerprint f;
    if (strlen(text) != GW_CERT_FINGERPRINT_TEXT - 1)
        return false;
    for (size_t i = 0; i < sizeof f.b; i++) {
        int high = hex(text[2 * i]), low = hex(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        f.b[i] = (uint8_t)(high * 16 + low);
    }
    *ret = f;
    return true;
}

/* Whose it is: the first dNSName, or the common name. Control characters and quotes of strangers
 * become "?", for it goes into logs. */
static void read_name(gnutls_x509_crt_t crt, char ret[GW_CERT_NAME_MAX])
{
    size_t n = GW_CERT_NAME_MAX - 1;
    int r = GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE;
    for (unsigned i = 0; i < 8; i++) {
        n = GW_CERT_NAME_MAX - 1;
        r = gnutls_x509_crt_get_subject_alt_name(crt, i, ret, &n, NULL);
        if (r == GNUTLS_SAN_DNSNAME || r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            break;
    }
    if (r != GNUTLS_SAN_DNSNAME) {
        n = GW_CERT_NAME_MAX - 1;
        r = gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, ret, &n);
    }
    ret[r >= 0 && n < GW_CERT_NAME_MAX ? n : 0] = '\0';
    for (char *p = ret; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || (unsigned char)*p >= 0x7f || *p == '"')
            *p = '?';
    }
}

static uint64_t ns_of(time_t t)
{
    return t > 0 ? (uint64_t)t * GW_NS_PER_S : 0;
}

static void read_info(gnutls_x509_crt_t crt, const void *der, size_t len, struct gw_cert_info *ret)
{
    *ret = (struct gw_cert_info){
        .from_wall_ns = ns_of(gnutls_x509_crt_get_activation_time(crt)),
        .until_wall_ns = ns_of(gnutls_x509_crt_get_expiration_time(crt)),
    };
    gnutls_hash_fast(GNUTLS_DIG_SHA256, der, len, ret->fingerprint.b);
    read_name(crt, ret->name);
}

int gw_cert_read_der(const void *der, size_t len, struct gw_cert_info *ret, struct gw_error *err)
{
    CLEANUP_CRT gnutls_x509_crt_t crt = NULL;
    if (len > GW_CERT_DER_BYTES_MAX)
        return gw_error_set(err, -EBADMSG, "a certificate of more than %u bytes",
                            GW_CERT_DER_BYTES_MAX);
    /* The library takes it as a pointer it could write to; it does not. */
    gnutls_datum_t d = { .data = (unsigned char *)(uintptr_t)der, .size = (unsigned)len };
    if (gnutls_x509_crt_init(&crt) < 0)
        return gw_error_set(err, -ENOMEM, "out of memory for a certificate");
    int r = gnutls_x509_crt_import(crt, &d, GNUTLS_X509_FMT_DER);
    if (r < 0)
        return gw_error_set(err, -EBADMSG, "not a certificate: %s", gnutls_strerror(r));
    read_info(crt, der, len, ret);
    return 0;
}

static int copy_der(const gnutls_datum_t *der, uint8_t **ret, size_t *ret_bytes,
                    struct gw_error *err)
{
    uint8_t *copy = malloc(der->size);
    if (copy == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory for a certificate");
    memcpy(copy, der->data, der->size);
    *ret = copy;
    *ret_bytes = der->size;
    return 0;
}

int gw_cert_read_pem(const char *pem, size_t len, struct gw_cert_info *ret, uint8_t **ret_der,
                     size_t *ret_der_bytes, struct gw_error *err)
{
    gnutls_datum_t d = { .data = (unsigned char *)(uintptr_t)pem, .size = (unsigned)len };
    gnutls_datum_t der = { 0 };
    if (len > GW_CERT_PEM_BYTES_MAX)
        return gw_error_set(err, -EBADMSG, "a PEM text of more than %u bytes",
                            GW_CERT_PEM_BYTES_MAX);
    static const char begin[] = "-----BEGIN CERTIFICATE";
    const char *first = memmem(pem, len, begin, strlen(begin));
    size_t behind = first != NULL ? len - (size_t)(first - pem) - strlen(begin) : 0;
    if (first != NULL && memmem(first + strlen(begin), behind, begin, strlen(begin)) != NULL)
        return gw_error_set(err, -EBADMSG, "more than one certificate in PEM");
    int r = gnutls_pem_base64_decode2("CERTIFICATE", &d, &der);
    if (r < 0)
        return gw_error_set(err, -EBADMSG, "not a certificate in PEM: %s", gnutls_strerror(r));
    struct gw_cert_info info;
    r = gw_cert_read_der(der.data, der.size, &info, err);
    if (r == 0 && ret_der != NULL)
        r = copy_der(&der, ret_der, ret_der_bytes, err);
    if (r == 0)
        *ret = info;
    gnutls_free(der.data);
    return r;
}

int gw_cert_check_times(const struct gw_cert_info *info, const char *whose, uint64_t wall_ns,
                        struct gw_error *err)
{
    char when[GW_TIME_TEXT];
    if (wall_ns < info->from_wall_ns) {
        gw_time_format(info->from_wall_ns, when);
        return gw_error_set(err, -EKEYREJECTED,
                            "%s certificate (for \"%s\") is not valid before %s; compare the "
                            "clocks of both sites",
                            whose, info->name, when);
    }
    if (wall_ns > info->until_wall_ns) {
        gw_time_format(info->until_wall_ns, when);
        return gw_error_set(err, -EKEYREJECTED,
                            "%s certificate (for \"%s\") expired at %s; if that is not past, "
                            "compare the clocks of both sites",
                            whose, info->name, when);
    }
    return 0;
}
