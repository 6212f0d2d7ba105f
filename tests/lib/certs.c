// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "certs.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define DAY_S (24 * 60 * 60)

struct test_ca {
    gnutls_x509_crt_t crt;
    gnutls_x509_privkey_t key;
};

static void check(int r, const char *what)
{
    if (r >= 0)
        return;
    fprintf(stderr, "certs: %s: %s\n", what, gnutls_strerror(r));
    abort();
}

static gnutls_x509_privkey_t new_key(void)
{
    gnutls_x509_privkey_t key;

    check(gnutls_x509_privkey_init(&key), "key");
    check(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                       GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0),
          "generate");
    return key;
}

/* A certificate without signature. */
static gnutls_x509_crt_t new_crt(gnutls_x509_privkey_t key, const char *cn, time_t from, time_t to)
{
    gnutls_x509_crt_t crt;
    unsigned char serial[8];

    check(getrandom(serial, sizeof serial, 0) == sizeof serial ? 0 : -1, "random");
    serial[0] &= 0x7f;
    check(gnutls_x509_crt_init(&crt), "crt");
    check(gnutls_x509_crt_set_version(crt, 3), "version");
    check(gnutls_x509_crt_set_serial(crt, serial, sizeof serial), "serial");
    check(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn,
                                        (unsigned)strlen(cn)),
          "name");
    check(gnutls_x509_crt_set_activation_time(crt, from), "activation");
    check(gnutls_x509_crt_set_expiration_time(crt, to), "expiration");
    check(gnutls_x509_crt_set_key(crt, key), "set key");
    return crt;
}

static void write_file(const char *dir, const char *stem, const char *suffix,
                       const gnutls_datum_t *data)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/%s.%s", dir, stem, suffix);
    FILE *f = fopen(path, "w");
    if (f == NULL || fwrite(data->data, 1, data->size, f) != data->size || fclose(f) != 0) {
        perror(path);
        abort();
    }
}

static void write_crt(gnutls_x509_crt_t crt, const char *dir, const char *stem)
{
    gnutls_datum_t pem = { 0 };

    check(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem), "export");
    write_file(dir, stem, "pem", &pem);
    gnutls_free(pem.data);
}

struct test_ca *test_ca_new(const char *name)
{
    struct test_ca *ca = calloc(1, sizeof *ca);
    const time_t now = time(NULL);

    if (ca == NULL)
        abort();
    ca->key = new_key();
    ca->crt = new_crt(ca->key, name, now - 100 * DAY_S, now + 100 * DAY_S);
    check(gnutls_x509_crt_set_ca_status(ca->crt, 1), "CA");
    check(gnutls_x509_crt_set_key_usage(ca->crt, GNUTLS_KEY_KEY_CERT_SIGN), "usage");
    check(gnutls_x509_crt_sign2(ca->crt, ca->crt, ca->key, GNUTLS_DIG_SHA256, 0), "sign");
    return ca;
}

void test_ca_free(struct test_ca *ca)
{
    if (ca == NULL)
        return;
    gnutls_x509_crt_deinit(ca->crt);
    gnutls_x509_privkey_deinit(ca->key);
    free(ca);
}

void test_ca_write(const struct test_ca *ca, const char *dir, const char *stem)
{
    write_crt(ca->crt, dir, stem);
}

void test_cert_write(const struct test_ca *ca, const char *dir, const char *stem, const char *name,
                     unsigned flags)
{
    const time_t now = time(NULL);
    time_t from = now - DAY_S, to = now + DAY_S;
    gnutls_datum_t pem = { 0 };

    if ((flags & TEST_CERT_EXPIRED) != 0) {
        from -= 10 * DAY_S;
        to -= 10 * DAY_S;
    } else if ((flags & TEST_CERT_NOT_YET) != 0) {
        from += 10 * DAY_S;
        to += 10 * DAY_S;
    }
    gnutls_x509_privkey_t key = new_key();
    const int in_cn = (flags & TEST_CERT_NAME_IN_CN) != 0;
    gnutls_x509_crt_t crt = new_crt(key, in_cn ? name : "a site", from, to);
    if (!in_cn)
        check(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, name,
                                                   (unsigned)strlen(name), GNUTLS_FSAN_SET),
              "dNSName");
    check(gnutls_x509_crt_sign2(crt, ca->crt, ca->key, GNUTLS_DIG_SHA256, 0), "sign");
    write_crt(crt, dir, stem);
    check(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem), "export key");
    write_file(dir, stem, "key", &pem);
    gnutls_free(pem.data);
    gnutls_x509_crt_deinit(crt);
    gnutls_x509_privkey_deinit(key);
}
