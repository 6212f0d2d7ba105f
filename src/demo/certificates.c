// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/certificates.h"

#include "demo/tree.h"

#include <errno.h>
#include <stdio.h>

#define TOOL_MS 60000u

static int write_template(const char *path, const char *name, const char *more,
                          struct gw_error *err)
{
    FILE *f = fopen(path, "we");
    if (f == NULL)
        return gw_error_errno(err, -errno, "cannot create \"%s\"", path);
    fprintf(f, "cn = \"%s\"\nexpiration_days = 2\n%s", name, more);
    return fclose(f) == 0 ? 0 : gw_error_errno(err, -errno, "cannot write \"%s\"", path);
}

static int make_key(struct processes *ps, const char *key, struct gw_error *err)
{
    const char *argv[] = { "certtool",  "--generate-privkey", "--key-type", "ecdsa", "--curve",
                           "secp256r1", "--outfile",          key,          NULL };
    return process_must(ps, argv, TOOL_MS, NULL, err);
}

static int make_ca(struct processes *ps, struct gw_error *err)
{
    const char *argv[] = { "certtool",   "--generate-self-signed", "--load-privkey", "tls/ca.key",
                           "--template", "tls/ca.template",        "--outfile",      "tls/ca.pem",
                           NULL };
    int r = write_template("tls/ca.template", "godwit demo CA", "ca\ncert_signing_key\n", err);
    if (r == 0)
        r = make_key(ps, "tls/ca.key", err);
    return r < 0 ? r : process_must(ps, argv, TOOL_MS, NULL, err);
}

static int make_site(struct processes *ps, const char *name, struct gw_error *err)
{
    char key[64], template[64], cert[64], more[128];
    snprintf(key, sizeof key, "tls/%s.key", name);
    snprintf(template, sizeof template, "tls/%s.template", name);
    snprintf(cert, sizeof cert, "tls/%s.pem", name);
    snprintf(more, sizeof more, "dns_name = \"%s\"\nsigning_key\ntls_www_server\ntls_www_client\n",
             name);
    const char *argv[] = { "certtool",
                           "--generate-certificate",
                           "--load-privkey",
                           key,
                           "--load-ca-certificate",
                           "tls/ca.pem",
                           "--load-ca-privkey",
                           "tls/ca.key",
                           "--template",
                           template,
                           "--outfile",
                           cert,
                           NULL };
    int r = write_template(template, name, more, err);
    if (r == 0)
        r = make_key(ps, key, err);
    return r < 0 ? r : process_must(ps, argv, TOOL_MS, NULL, err);
}

int certificates_make(struct processes *ps, const char *const names[2], struct gw_error *err)
{
    int r = tree_make("tls", err);
    if (r == 0)
        r = make_ca(ps, err);
    for (int i = 0; i < 2 && r == 0; i++)
        r = make_site(ps, names[i], err);
    return r < 0 ? gw_error_wrap(err, "cannot make certificates") : 0;
}
