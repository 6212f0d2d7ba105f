// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* TLS credentials, and the check of the peer's certificate. */
#include "engine/tls.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gw_tls {
    atomic_int refs; /* of the owner and of every session */
    gnutls_certificate_credentials_t credentials;
    char *ca, *cert, *key; /* file names, for sentences */
    char *peer;            /* NULL: any name */
};

static void cleanup_datum(gnutls_datum_t *d)
{
    if (d->data != NULL) {
        gnutls_memset(d->data, 0, d->size); /* it may be a private key */
        gnutls_free(d->data);
    }
}

static void cleanup_crt(gnutls_x509_crt_t *crt)
{
    if (*crt != NULL)
        gnutls_x509_crt_deinit(*crt);
}

static void cleanup_tls(struct gw_tls **t)
{
    gw_tls_free(*t);
}

/* what: "CA", "certificate", "key". */
static int load_file(const char *what, const char *file, gnutls_datum_t *ret, struct gw_error *err)
{
    errno = 0;
    int r = gnutls_load_file(file, ret);
    if (r >= 0)
        return 0;
    if (r == GNUTLS_E_FILE_ERROR && errno != 0)
        return gw_error_errno(err, -errno, "cannot read the TLS %s file \"%s\"", what, file);
    return gw_error_set(err, -EIO, "cannot read the TLS %s file \"%s\": %s", what, file,
                        gnutls_strerror(r));
}

static int load_ca(struct gw_tls *t, struct gw_error *err)
{
    __attribute__((cleanup(cleanup_datum))) gnutls_datum_t data = { 0 };
    int r = load_file("CA", t->ca, &data, err);

    if (r < 0)
        return r;
    r = gnutls_certificate_set_x509_trust_mem(t->credentials, &data, GNUTLS_X509_FMT_PEM);
    if (r < 0)
        return gw_error_set(err, -EINVAL, "\"%s\" is not a CA certificate in PEM: %s", t->ca,
                            gnutls_strerror(r));
    if (r == 0)
        return gw_error_set(err, -EINVAL, "there is no CA certificate in \"%s\"", t->ca);
    return 0;
}

/* So that the sentence names the right one of two files. */
static bool is_certificate(const gnutls_datum_t *data)
{
    gnutls_x509_crt_t *list = NULL;
    unsigned n = 0;

    if (gnutls_x509_crt_list_import2(&list, &n, data, GNUTLS_X509_FMT_PEM, 0) < 0)
        return false;
    for (unsigned i = 0; i < n; i++)
        gnutls_x509_crt_deinit(list[i]);
    gnutls_free(list);
    return n > 0;
}

static int load_own(struct gw_tls *t, struct gw_error *err)
{
    __attribute__((cleanup(cleanup_datum))) gnutls_datum_t cert = { 0 };
    __attribute__((cleanup(cleanup_datum))) gnutls_datum_t key = { 0 };
    int r = load_file("certificate", t->cert, &cert, err);

    if (r == 0)
        r = load_file("key", t->key, &key, err);
    if (r < 0)
        return r;
    if (!is_certificate(&cert))
        return gw_error_set(err, -EINVAL, "there is no certificate in PEM in \"%s\"", t->cert);
    r = gnutls_certificate_set_x509_key_mem2(t->credentials, &cert, &key, GNUTLS_X509_FMT_PEM, NULL,
                                             0);
    if (r == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return gw_error_set(err, -EINVAL,
                            "the key in \"%s\" does not belong to the certificate "
                            "in \"%s\"",
                            t->key, t->cert);
    if (r < 0)
        return gw_error_set(err, -EINVAL, "\"%s\" is not an unencrypted private key in PEM: %s",
                            t->key, gnutls_strerror(r));
    return 0;
}

int gw_tls_load(const struct gw_tls_files *files, struct gw_tls **ret, struct gw_error *err)
{
    __attribute__((cleanup(cleanup_tls))) struct gw_tls *t = calloc(1, sizeof *t);

    if (t == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory for TLS");
    atomic_init(&t->refs, 1);
    t->ca = strdup(files->ca);
    t->cert = strdup(files->cert);
    t->key = strdup(files->key);
    t->peer = files->peer != NULL ? strdup(files->peer) : NULL;
    if (t->ca == NULL || t->cert == NULL || t->key == NULL ||
        (files->peer != NULL && t->peer == NULL) ||
        gnutls_certificate_allocate_credentials(&t->credentials) < 0)
        return gw_error_set(err, -ENOMEM, "out of memory for TLS");
    int r = load_ca(t, err);
    if (r == 0)
        r = load_own(t, err);
    if (r < 0)
        return r;
    *ret = t;
    t = NULL;
    return 0;
}

void gw_tls_free(struct gw_tls *t)
{
    if (t == NULL || atomic_fetch_sub(&t->refs, 1) != 1)
        return;
    if (t->credentials != NULL)
        gnutls_certificate_free_credentials(t->credentials);
    free(t->ca);
    free(t->cert);
    free(t->key);
    free(t->peer);
    free(t);
}

struct gw_tls *gw_tls_ref(struct gw_tls *t)
{
    atomic_fetch_add(&t->refs, 1);
    return t;
}

gnutls_certificate_credentials_t gw_tls_credentials(const struct gw_tls *t)
{
    return t->credentials;
}

const char *gw_tls_cert_file(const struct gw_tls *t)
{
    return t->cert;
}

/* The first name in a certificate, for the sentence. */
static void name_of(gnutls_x509_crt_t crt, char ret[256])
{
    for (unsigned i = 0;; i++) {
        size_t n = 255;
        int r = gnutls_x509_crt_get_subject_alt_name(crt, i, ret, &n, NULL);
        if (r == GNUTLS_SAN_DNSNAME && n < 256) {
            ret[n] = '\0';
            break;
        }
        if (r == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE) {
            n = 255;
            if (gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, ret, &n) < 0)
                snprintf(ret, 256, "nobody");
            break;
        }
    }
    for (char *p = ret; *p != '\0'; p++) /* a stranger chose it, and it goes into a log */
        if ((unsigned char)*p < 0x20 || *p == 0x7f || *p == '"')
            *p = '?';
}

static int refuse_status(const struct gw_tls *t, gnutls_x509_crt_t crt, unsigned status,
                         gnutls_alert_description_t *ret_alert, struct gw_error *err)
{
    char when[GW_TIME_TEXT], name[256];

    name_of(crt, name);
    if ((status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNER_NOT_CA |
                   GNUTLS_CERT_SIGNATURE_FAILURE)) != 0) {
        *ret_alert = GNUTLS_A_UNKNOWN_CA;
        return gw_error_set(err, -EKEYREJECTED,
                            "the peer's certificate (for \"%s\") is not signed "
                            "by the CA in \"%s\"",
                            name, t->ca);
    }
    if ((status & GNUTLS_CERT_EXPIRED) != 0) {
        gw_time_format((uint64_t)gnutls_x509_crt_get_expiration_time(crt) * GW_NS_PER_S, when);
        *ret_alert = GNUTLS_A_CERTIFICATE_EXPIRED;
        return gw_error_set(err, -EKEYREJECTED, "the peer's certificate (for \"%s\") expired at %s",
                            name, when);
    }
    if ((status & GNUTLS_CERT_NOT_ACTIVATED) != 0) {
        gw_time_format((uint64_t)gnutls_x509_crt_get_activation_time(crt) * GW_NS_PER_S, when);
        *ret_alert = GNUTLS_A_CERTIFICATE_EXPIRED;
        return gw_error_set(err, -EKEYREJECTED,
                            "the peer's certificate (for \"%s\") is not valid "
                            "before %s; compare the clocks of both sites",
                            name, when);
    }
    __attribute__((cleanup(cleanup_datum))) gnutls_datum_t text = { 0 };
    gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &text, 0);
    *ret_alert = GNUTLS_A_BAD_CERTIFICATE;
    return gw_error_set(err, -EKEYREJECTED,
                        "the peer's certificate (for \"%s\") is not accepted: "
                        "%s",
                        name, text.data != NULL ? (const char *)text.data : "invalid");
}

int gw_tls_verify_peer(struct gw_tls *t, gnutls_session_t session,
                       gnutls_alert_description_t *ret_alert, struct gw_error *err)
{
    __attribute__((cleanup(cleanup_crt))) gnutls_x509_crt_t crt = NULL;
    unsigned n = 0, status = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);

    *ret_alert = GNUTLS_A_BAD_CERTIFICATE;
    if (chain == NULL || n == 0) {
        *ret_alert = GNUTLS_A_CERTIFICATE_REQUIRED;
        return gw_error_set(err, -EKEYREJECTED, "the peer sent no certificate");
    }
    if (gnutls_x509_crt_init(&crt) < 0 ||
        gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER) < 0)
        return gw_error_set(err, -EKEYREJECTED, "the peer's certificate cannot be read");
    /* No check of its purpose: each site connects in one direction and listens in the other. */
    int r = gnutls_certificate_verify_peers2(session, &status);
    if (r < 0)
        return gw_error_set(err, -EKEYREJECTED, "the peer's certificate cannot be checked: %s",
                            gnutls_strerror(r));
    if (status != 0)
        return refuse_status(t, crt, status, ret_alert, err);
    /* A name is one site's identity; a wildcard would be everybody's. */
    if (t->peer != NULL &&
        gnutls_x509_crt_check_hostname2(crt, t->peer, GNUTLS_VERIFY_DO_NOT_ALLOW_WILDCARDS) == 0) {
        char name[256];
        name_of(crt, name);
        *ret_alert = GNUTLS_A_ACCESS_DENIED;
        return gw_error_set(err, -EKEYREJECTED,
                            "the peer's certificate is for \"%s\", not for "
                            "\"%s\"",
                            name, t->peer);
    }
    return 0;
}
