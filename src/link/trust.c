// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "link/trust.h"

#include "base/cleanup.h"
#include "link/file.h"
#include "link/identity.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#define SUFFIX ".pem"

struct pin {
    struct pin *next;
    char site[GW_CERT_NAME_MAX];
    struct gw_cert_info info;
    char *pem;
};

struct gw_trust {
    char *dir;
    pthread_mutex_t lock; /* innermost; guards pins, and the files behind them */
    struct pin *pins;
};

static void free_pin(struct pin *p)
{
    if (p != NULL)
        free(p->pem);
    free(p);
}

char *gw_trust_file(const struct gw_trust *t, const char *site)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s" SUFFIX, t->dir, site) < 0 ? NULL : path;
}

static struct pin **find_site(struct gw_trust *t, const char *site)
{
    struct pin **p = &t->pins;
    while (*p != NULL && strcmp((*p)->site, site) != 0)
        p = &(*p)->next;
    return p;
}

static struct pin *find_certificate(struct gw_trust *t, const struct gw_cert_fingerprint *f)
{
    struct pin *p = t->pins;
    while (p != NULL && !gw_cert_fingerprint_equal(&p->info.fingerprint, f))
        p = p->next;
    return p;
}

static int read_certificate(const char *site, const char *pem, struct gw_cert_info *ret,
                            struct gw_error *err)
{
    if (!gw_site_name_valid(site))
        return gw_error_set(err, -EINVAL, "\"%.80s\" is not a name for a site", site);
    int r = gw_cert_read_pem(pem, strlen(pem), ret, NULL, NULL, err);
    if (r == -EBADMSG)
        return gw_error_set(err, -EINVAL, "%s", err != NULL ? err->msg : "");
    if (r == 0 && strcmp(ret->name, site) != 0)
        return gw_error_set(err, -EINVAL, "the certificate is of site \"%s\", not of \"%s\"",
                            ret->name, site);
    return r;
}

/* A new pin, not in the table; NULL: *ret_r says why. */
static struct pin *make_pin(const char *site, const char *pem, int *ret_r, struct gw_error *err)
{
    struct gw_cert_info info = { 0 };
    *ret_r = read_certificate(site, pem, &info, err);
    if (*ret_r < 0)
        return NULL;
    struct pin *p = calloc(1, sizeof *p);
    char *copy = strdup(pem);
    if (p == NULL || copy == NULL) {
        free(p);
        free(copy);
        *ret_r = gw_error_set(err, -ENOMEM, "out of memory");
        return NULL;
    }
    snprintf(p->site, sizeof p->site, "%s", site);
    p->info = info;
    p->pem = copy;
    return p;
}

/* ---- opening --------------------------------------------------------------------------------- */

static struct pin *read_pin(const char *path, const char *site, int *ret_r, struct gw_error *err)
{
    char *pem = NULL;
    size_t len;
    *ret_r = gw_link_file_read(path, &pem, &len, err);
    if (*ret_r < 0)
        return NULL;
    struct pin *p = make_pin(site, pem, ret_r, err);
    free(pem);
    return p;
}

static int load_file(struct gw_trust *t, const char *name, struct gw_error *err)
{
    CLEANUP_FREE char *site = strndup(name, strlen(name) - strlen(SUFFIX));
    CLEANUP_FREE char *path = site != NULL ? gw_trust_file(t, site) : NULL;
    int r;
    if (path == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    struct pin *p = read_pin(path, site, &r, err);
    if (p == NULL)
        return gw_error_wrap(err, "pinned certificate \"%s\"", path);
    p->next = t->pins;
    t->pins = p;
    return 0;
}

static int load_all(struct gw_trust *t, struct gw_error *err)
{
    DIR *d = opendir(t->dir);
    int r = 0;
    if (d == NULL)
        return gw_error_errno(err, -errno, "cannot read the directory \"%s\"", t->dir);
    for (const struct dirent *e; r == 0 && (e = readdir(d)) != NULL;) {
        size_t len = strlen(e->d_name);
        if (len > strlen(SUFFIX) && strcmp(e->d_name + len - strlen(SUFFIX), SUFFIX) == 0)
            r = load_file(t, e->d_name, err);
    }
    closedir(d);
    return r;
}

int gw_trust_open(const char *dir, struct gw_trust **ret, struct gw_error *err)
{
    if (mkdir(dir, 0700) < 0 && errno != EEXIST)
        return gw_error_errno(err, -errno, "cannot make the directory \"%s\"", dir);
    struct gw_trust *t = calloc(1, sizeof *t);
    if (t == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    pthread_mutex_init(&t->lock, NULL);
    t->dir = strdup(dir);
    int r = t->dir != NULL ? load_all(t, err) : gw_error_set(err, -ENOMEM, "out of memory");
    if (r < 0) {
        gw_trust_free(t);
        return r;
    }
    *ret = t;
    return 0;
}

void gw_trust_free(struct gw_trust *t)
{
    if (t == NULL)
        return;
    for (struct pin *p = t->pins, *next; p != NULL; p = next) {
        next = p->next;
        free_pin(p);
    }
    pthread_mutex_destroy(&t->lock);
    free(t->dir);
    free(t);
}

/* ---- pins ------------------------------------------------------------------------------------ */

/* Under the lock. 1: it is pinned already. */
static int may_pin(struct gw_trust *t, const struct pin *p, bool replace, struct gw_error *err)
{
    const struct pin *same = find_certificate(t, &p->info.fingerprint);
    const struct pin *old = *find_site(t, p->site);
    if (same != NULL && strcmp(same->site, p->site) != 0)
        return gw_error_set(err, -EEXIST, "this is the certificate of site \"%s\"", same->site);
    if (same != NULL)
        return 1;
    if (old != NULL && !replace)
        return gw_error_set(err, -EEXIST,
                            "site \"%s\" is paired with another certificate; new hardware is "
                            "brought in by replacing the site",
                            p->site);
    return 0;
}

int gw_trust_pin(struct gw_trust *t, const char *site, const char *pem, bool replace,
                 struct gw_error *err)
{
    int r;
    struct pin *p = make_pin(site, pem, &r, err);
    if (p == NULL)
        return r;
    CLEANUP_FREE char *path = gw_trust_file(t, site);
    LOCK_SCOPE(&t->lock);
    r = path != NULL ? may_pin(t, p, replace, err) : gw_error_set(err, -ENOMEM, "out of memory");
    if (r == 0)
        r = gw_link_file_replace(path, 0600, pem, strlen(pem), err);
    if (r != 0) {
        free_pin(p);
        return r < 0 ? r : 0;
    }
    struct pin **at = find_site(t, site);
    if (*at != NULL) {
        struct pin *old = *at;
        *at = old->next;
        free_pin(old);
    }
    p->next = t->pins;
    t->pins = p;
    return 0;
}

int gw_trust_unpin(struct gw_trust *t, const char *site, struct gw_error *err)
{
    CLEANUP_FREE char *path = gw_trust_file(t, site);
    LOCK_SCOPE(&t->lock);
    struct pin **at = find_site(t, site), *old = *at;
    if (path == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    if (old == NULL)
        return gw_error_set(err, -ENOENT, "site \"%s\" is not paired", site);
    /* Not trusted from now on, whatever the disk says. */
    *at = old->next;
    free_pin(old);
    return gw_link_file_remove(path, err);
}

int gw_trust_get(struct gw_trust *t, const char *site, struct gw_cert_info *ret_info,
                 char **ret_pem, struct gw_error *err)
{
    LOCK_SCOPE(&t->lock);
    const struct pin *p = *find_site(t, site);
    if (p == NULL)
        return gw_error_set(err, -ENOENT, "site \"%s\" is not paired", site);
    char *copy = ret_pem != NULL ? strdup(p->pem) : NULL;
    if (ret_pem != NULL && copy == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    if (ret_pem != NULL)
        *ret_pem = copy;
    if (ret_info != NULL)
        *ret_info = p->info;
    return 0;
}

bool gw_trust_find(struct gw_trust *t, const struct gw_cert_fingerprint *f,
                   char ret_site[GW_CERT_NAME_MAX])
{
    LOCK_SCOPE(&t->lock);
    const struct pin *p = find_certificate(t, f);
    if (p == NULL)
        return false;
    memcpy(ret_site, p->site, sizeof p->site);
    return true;
}

int gw_trust_identify(struct gw_trust *t, const struct gw_http_peer *peer,
                      char ret_name[GW_CERT_NAME_MAX], struct gw_error *err)
{
    struct gw_cert_info info;
    if (gw_trust_find(t, &peer->fingerprint, ret_name))
        return 0;
    if (peer->certificate == NULL ||
        gw_cert_read_der(peer->certificate, peer->certificate_bytes, &info, NULL) < 0)
        info.name[0] = '\0';
    return gw_error_set(err, -EPERM,
                        "the certificate that was shown (for \"%s\") is not of a paired site; pair "
                        "the sites (again, if one was set up anew)",
                        info.name);
}
