// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The pinned peers of a site: peers/SITE.pem, one certificate each, and the table of them in
 * memory.
 *
 * Threads: any; a pin that is set or removed holds for the next call that is made or served.
 */
#pragma once

#include "base/error.h"
#include "http/cert.h"
#include "http/server.h"

struct gw_trust;

/* Open directory dir (made if missing, mode 0700) and read every SITE.pem in it. A file that cannot
 * be read as a certificate for its name is -EINVAL and named. */
int gw_trust_open(const char *dir, struct gw_trust **ret, struct gw_error *err);
void gw_trust_free(struct gw_trust *t);

/*
 * Pin a certificate for a site: the file is replaced as a whole and durable, then the table.
 * Exactly the same pin again is fine. -EEXIST: the site has another one and `replace` is false, or
 * another site has this certificate. -EINVAL: the certificate is not for this name.
 */
int gw_trust_pin(struct gw_trust *t, const char *site, const char *pem, bool replace,
                 struct gw_error *err);
/* -ENOENT: it is not pinned. */
int gw_trust_unpin(struct gw_trust *t, const char *site, struct gw_error *err);

/* The certificate of a site. *ret_pem (may be NULL) is freed with free(). -ENOENT. */
int gw_trust_get(struct gw_trust *t, const char *site, struct gw_cert_info *ret_info,
                 char **ret_pem, struct gw_error *err);
/* "DIR/SITE.pem", for tls-ca of the data link; to be freed. NULL: no memory. */
char *gw_trust_file(const struct gw_trust *t, const char *site);
/* Whose certificate is it? False: nobody's. */
bool gw_trust_find(struct gw_trust *t, const struct gw_cert_fingerprint *f,
                   char ret_site[GW_CERT_NAME_MAX]);

/* For gw_http_config.identify, with what the trust is as a member of your ctx: 0 or -EPERM. */
int gw_trust_identify(struct gw_trust *t, const struct gw_http_peer *peer,
                      char ret_name[GW_CERT_NAME_MAX], struct gw_error *err);
