// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The identity of a site: a key and a self-signed certificate that names it, made once.
 *
 * site.key (mode 0600) and site.pem: ECDSA P-256, common name and dNSName are the site's name,
 * valid for ten years. The certificate is its own authority (CA:TRUE), so that the data link, which
 * checks against a CA file, takes the pinned certificate of the peer for that: tls-ca =
 * peers/PEER.pem, tls-cert = site.pem, tls-key = site.key, tls-peer = PEER.
 *
 * A site whose key is lost is a new site to its peers: it pairs again.
 *
 * Threads: an identity does not change once it is open; anybody may read it.
 */
#pragma once

#include "base/error.h"
#include "http/cert.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_SITE_NAME_BYTES_MAX 63 /* a label of a certificate's name */
#define GW_IDENTITY_YEARS 10
#define GW_SITE_KEY_FILE "site.key"
#define GW_SITE_PEM_FILE "site.pem"

struct gw_identity;

/* 1 to 63 letters, digits, "-", "_" and ".", beginning with a letter or digit, with a letter in it,
 * without "..": a file name and a name of a certificate. */
bool gw_site_name_valid(const char *name);

/*
 * Open the identity in directory dir; made if there is none and `create`. -ENOENT: there is none.
 * -EEXIST: it is there for another name (its files are not touched). -EINVAL: the name, or a file
 * that is not what it should be. -EKEYREJECTED: it is expired.
 * Both files are replaced as a whole and durable; half of a pair (a crash) is made again.
 */
int gw_identity_open(const char *dir, const char *site, bool create, struct gw_identity **ret,
                     struct gw_error *err);
void gw_identity_free(struct gw_identity *id); /* NULL is fine */

const char *gw_identity_site(const struct gw_identity *id);
const char *gw_identity_cert_file(const struct gw_identity *id);
const char *gw_identity_key_file(const struct gw_identity *id);
const char *gw_identity_pem(const struct gw_identity *id); /* the certificate */
const struct gw_cert_info *gw_identity_info(const struct gw_identity *id);
