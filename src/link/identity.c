// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "link/identity.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "link/file.h"

#include <ctype.h>
#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define DAY_S (24 * 60 * 60)
#define SERIAL_BYTES 16
#define KEY_ID_BYTES 32

struct gw_identity {
    char *site, *cert_file, *key_file, *pem;
    struct gw_cert_info info;
};

static void cleanup_crt(gnutls_x509_crt_t *crt)
{
    if (*crt != NULL)
        gnutls_x509_crt_deinit(*crt);
}
#define CLEANUP_CRT __attribute__((cleanup(cleanup_crt)))

static void cleanup_key(gnutls_x509_privkey_t *key)
{
    if (*key != NULL)
        gnutls_x509_privkey_deinit(*key);
}
#define CLEANUP_KEY __attribute__((cleanup(cleanup_key)))

static void cleanup_datum(gnutls_datum_t *d)
{
    if (d->data != NULL) {
        gnutls_memset(d->data, 0, d->size); /* it may be a private key */
        gnutls_free(d->data);
    }
}
#define CLEANUP_DATUM __attribute__((cleanup(cleanup_datum)))

bool gw_site_name_valid(const char *name)
{
    bool letter = false;
    size_t len = strlen(name);
    if (len == 0 || len > GW_SITE_NAME_BYTES_MAX || !isalnum((unsigned char)name[0]) ||
        strstr(name, "..") != NULL)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        if (c >= 0x80 || (!isalnum(c) && strchr("-_.", c) == NULL))
            return false;
        letter = letter || isalpha(c);
    }
    return letter;
}

/* ---- making ---------------------------------------------------------------------------------- */

static int library(int r, const char *what, struct gw_error *err)
{
    return r >= 0 ? 0 : gw_error_set(err, -EIO, "cannot %s: %s", what, gnutls_strerror(r));
}

static int make_key(gnutls_x509_privkey_t key, const char *file, struct gw_error *err)
{
    CLEANUP_DATUM gnutls_datum_t pem = { 0 };
    int r = gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
                                         GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    if (r >= 0)
        r = gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem);
    r = library(r, "make a key", err);
    if (r < 0)
        return r;
    return gw_link_file_replace(file, 0600, (const char *)pem.data, pem.size, err);
}

static int fill_names(gnutls_x509_crt_t crt, const char *site)
{
    unsigned len = (unsigned)strlen(site);
    int r = gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, site, len);
    if (r >= 0)
        r = gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, site, len,
                                                 GNUTLS_FSAN_SET);
    return r;
}

static int fill_certificate(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key, const char *site)
{
    uint8_t serial[SERIAL_BYTES];
    const time_t now = time(NULL);
    int r = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial);
    serial[0] = (serial[0] & 0x7f) | 0x40; /* positive, and no leading zero */
    if (r >= 0)
        r = gnutls_x509_crt_set_version(crt, 3);
    if (r >= 0)
        r = gnutls_x509_crt_set_serial(crt, serial, sizeof serial);
    if (r >= 0)
        r = fill_names(crt, site);
    /* A day early: the peer's clock may be behind ours. */
    if (r >= 0)
        r = gnutls_x509_crt_set_activation_time(crt, now - DAY_S);
    if (r >= 0)
        r = gnutls_x509_crt_set_expiration_time(crt, now + (time_t)GW_IDENTITY_YEARS * 365 * DAY_S);
    if (r >= 0)
        r = gnutls_x509_crt_set_key(crt, key);
    if (r >= 0)
        r = gnutls_x509_crt_set_ca_status(crt, 1);
    if (r >= 0)
        r = gnutls_x509_crt_set_key_usage(crt,
                                          GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_DIGITAL_SIGNATURE);
    if (r >= 0)
        r = gnutls_x509_crt_sign2(crt, crt, key, GNUTLS_DIG_SHA256, 0);
    return r;
}

static int make_certificate(gnutls_x509_privkey_t key, const char *site, const char *file,
                            struct gw_error *err)
{
    CLEANUP_CRT gnutls_x509_crt_t crt = NULL;
    CLEANUP_DATUM gnutls_datum_t pem = { 0 };
    int r = gnutls_x509_crt_init(&crt);
    if (r >= 0)
        r = fill_certificate(crt, key, site);
    if (r >= 0)
        r = gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem);
    r = library(r, "make a certificate", err);
    if (r < 0)
        return r;
    return gw_link_file_replace(file, 0644, (const char *)pem.data, pem.size, err);
}

/* ---- opening --------------------------------------------------------------------------------- */

static int load_key(const char *file, gnutls_x509_privkey_t key, struct gw_error *err)
{
    char *text = NULL;
    size_t len = 0;
    int r = gw_link_file_read(file, &text, &len, err);
    if (r < 0)
        return r;
    gnutls_datum_t d = { .data = (unsigned char *)text, .size = (unsigned)len };
    r = gnutls_x509_privkey_import2(key, &d, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_memset(text, 0, len);
    free(text);
    return r >= 0 ? 0
                  : gw_error_set(err, -EINVAL, "\"%s\" is not a private key in PEM: %s", file,
                                 gnutls_strerror(r));
}

/* The key in the file, made if there is none. */
static int open_key(const struct gw_identity *id, gnutls_x509_privkey_t key, struct gw_error *err)
{
    if (access(id->key_file, F_OK) == 0)
        return load_key(id->key_file, key, err);
    return errno == ENOENT ? make_key(key, id->key_file, err)
                           : gw_error_errno(err, -errno, "cannot look at \"%s\"", id->key_file);
}

static int make_pair(const struct gw_identity *id, struct gw_error *err)
{
    CLEANUP_KEY gnutls_x509_privkey_t key = NULL;
    int r = library(gnutls_x509_privkey_init(&key), "make a key", err);
    if (r == 0)
        r = open_key(id, key, err);
    if (r == 0)
        r = make_certificate(key, id->site, id->cert_file, err);
    return r;
}

static int check_pair(const struct gw_identity *id, struct gw_error *err)
{
    CLEANUP_KEY gnutls_x509_privkey_t key = NULL;
    CLEANUP_CRT gnutls_x509_crt_t crt = NULL;
    uint8_t of_key[KEY_ID_BYTES], of_crt[KEY_ID_BYTES];
    size_t key_len = sizeof of_key, crt_len = sizeof of_crt;
    gnutls_datum_t pem = { .data = (unsigned char *)id->pem, .size = (unsigned)strlen(id->pem) };
    int r = library(gnutls_x509_privkey_init(&key), "read a key", err);
    if (r == 0)
        r = load_key(id->key_file, key, err);
    if (r < 0)
        return r;
    r = gnutls_x509_crt_init(&crt);
    if (r >= 0)
        r = gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM);
    if (r >= 0)
        r = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, of_crt, &crt_len);
    if (r >= 0)
        r = gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, of_key, &key_len);
    r = library(r, "read the identity", err);
    if (r == 0 && (key_len != crt_len || memcmp(of_key, of_crt, key_len) != 0))
        return gw_error_set(err, -EINVAL,
                            "the key in \"%s\" does not belong to the certificate in \"%s\"",
                            id->key_file, id->cert_file);
    return r;
}

static int load_pair(struct gw_identity *id, struct gw_error *err)
{
    size_t len = 0;
    int r = gw_link_file_read(id->cert_file, &id->pem, &len, err);
    if (r < 0)
        return r;
    r = gw_cert_read_pem(id->pem, len, &id->info, NULL, NULL, err);
    if (r < 0)
        return gw_error_set(err, -EINVAL, "\"%s\": %s", id->cert_file, err != NULL ? err->msg : "");
    if (strcmp(id->info.name, id->site) != 0)
        return gw_error_set(err, -EEXIST,
                            "\"%s\" is the identity of site \"%s\", not of \"%s\": a site does not "
                            "change its name; take another state directory",
                            id->cert_file, id->info.name, id->site);
    if (access(id->key_file, F_OK) < 0)
        return gw_error_set(err, -EINVAL,
                            "\"%s\" is missing: bring it back from a backup, or remove \"%s\" too "
                            "and pair again as a new site",
                            id->key_file, id->cert_file);
    r = check_pair(id, err);
    return r < 0 ? r : gw_cert_check_times(&id->info, "our own", gw_wall_ns(), err);
}

static int name_files(struct gw_identity *id, const char *dir, const char *site,
                      struct gw_error *err)
{
    id->site = strdup(site);
    if (asprintf(&id->cert_file, "%s/" GW_SITE_PEM_FILE, dir) < 0)
        id->cert_file = NULL;
    if (asprintf(&id->key_file, "%s/" GW_SITE_KEY_FILE, dir) < 0)
        id->key_file = NULL;
    return id->site != NULL && id->cert_file != NULL && id->key_file != NULL
               ? 0
               : gw_error_set(err, -ENOMEM, "out of memory");
}

int gw_identity_open(const char *dir, const char *site, bool create, struct gw_identity **ret,
                     struct gw_error *err)
{
    if (!gw_site_name_valid(site))
        return gw_error_set(err, -EINVAL,
                            "\"%.80s\" is not a name for a site: 1 to %u letters, digits, \"-\", "
                            "\"_\" and \".\", beginning with a letter or digit",
                            site, GW_SITE_NAME_BYTES_MAX);
    struct gw_identity *id = calloc(1, sizeof *id);
    if (id == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = name_files(id, dir, site, err);
    if (r == 0 && create && access(id->cert_file, F_OK) < 0 && errno == ENOENT)
        r = make_pair(id, err);
    if (r == 0)
        r = load_pair(id, err);
    if (r < 0) {
        gw_identity_free(id);
        return gw_error_wrap(err, "identity of site %s", site);
    }
    *ret = id;
    return 0;
}

void gw_identity_free(struct gw_identity *id)
{
    if (id == NULL)
        return;
    free(id->site);
    free(id->cert_file);
    free(id->key_file);
    free(id->pem);
    free(id);
}

const char *gw_identity_site(const struct gw_identity *id)
{
    return id->site;
}

const char *gw_identity_cert_file(const struct gw_identity *id)
{
    return id->cert_file;
}

const char *gw_identity_key_file(const struct gw_identity *id)
{
    return id->key_file;
}

const char *gw_identity_pem(const struct gw_identity *id)
{
    return id->pem;
}

const struct gw_cert_info *gw_identity_info(const struct gw_identity *id)
{
    return &id->info;
}
