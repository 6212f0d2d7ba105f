// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/memory.h"

#include "base/clock.h"
#include "base/log.h"
#include "catalog/audit.h"
#include "catalog/idempotency.h"
#include "catalog/identity.h"
#include "catalog/peers.h"
#include "catalog/plans.h"
#include "link/file.h"
#include "site/backup.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEPT_MAX 1000 /* damaged catalogs that are kept */
#define PIN_SUFFIX ".pem"
#define WHY_REBUILT "its catalog was lost and made anew"
#define WAYS_OUT                                                                                   \
    "godwitd --rebuild makes a new one from the other site and the plan directories, godwitd "     \
    "--restore FILE takes a backup; either comes up fenced until it was compared"

static int state_path(const struct site *s, char ret[PATH_MAX], const char *name,
                      struct gw_error *err)
{
    if (snprintf(ret, PATH_MAX, "%s/%s", s->state_dir, name) >= PATH_MAX)
        return gw_error_set(err, -ENAMETOOLONG, "the path '%s/%s' is too long", s->state_dir, name);
    return 0;
}

static bool there(const struct site *s, const char *name)
{
    char path[PATH_MAX];
    return state_path(s, path, name, NULL) == 0 && access(path, F_OK) == 0;
}

/* ---- addresses of peers -----------------------------------------------------------------------
 */

static int addr_path(const struct site *s, char ret[PATH_MAX], const char *peer,
                     struct gw_error *err)
{
    return site_path(s, ret, "peers", peer, ".addr", err);
}

static int note_peer(const struct site *s, const struct gw_catalog_peer *row, struct gw_error *err)
{
    char path[PATH_MAX];
    char *now = NULL;
    size_t len = 0;
    struct gw_error none = { 0 };
    CLEANUP_SITE_JSON json_t *o =
        json_pack("{s:s, s:s}", "link", row->link_address, "data", row->data_address);
    CLEANUP_FREE char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
    if (text == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = addr_path(s, path, row->site, err);
    if (r < 0)
        return r;
    bool same = gw_link_file_read(path, &now, &len, &none) == 0 && strcmp(now, text) == 0;
    free(now);
    return same ? 0 : gw_link_file_replace(path, 0600, text, strlen(text), err);
}

int site_memory_note_peers(struct site *s, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_peer *rows = NULL;
    size_t n = 0;
    int r = gw_catalog_peer_list(s->catalog, &mem, &rows, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = note_peer(s, &rows[i], err);
    return r;
}

/* The site file may know a better one. */
static int read_address(const struct site *s, const char *peer, char ret_link[GW_PAIR_ADDRESS_MAX],
                        char ret_data[GW_PAIR_ADDRESS_MAX], struct gw_error *err)
{
    const struct gw_sitefile_peer *said = gw_sitefile_peer(s->file, peer);
    CLEANUP_FREE char *text = NULL;
    char path[PATH_MAX];
    size_t len = 0;
    struct gw_error none = { 0 };
    int r = addr_path(s, path, peer, err);
    if (r < 0)
        return r;
    if (gw_link_file_read(path, &text, &len, &none) < 0)
        text = NULL;
    CLEANUP_SITE_JSON json_t *o = text != NULL ? json_loads(text, 0, NULL) : NULL;
    const char *link = said != NULL && said->link != NULL ? said->link : site_text(o, "link");
    const char *data = said != NULL && said->data != NULL ? said->data : site_text(o, "data");
    if (link[0] == '\0' || data[0] == '\0')
        return gw_error_set(err, -ENOENT,
                            "the addresses of site %s are not known any more: name its link and "
                            "data address under `peers` of the site file",
                            peer);
    snprintf(ret_link, GW_PAIR_ADDRESS_MAX, "%.*s", GW_PAIR_ADDRESS_MAX - 1, link);
    snprintf(ret_data, GW_PAIR_ADDRESS_MAX, "%.*s", GW_PAIR_ADDRESS_MAX - 1, data);
    return 0;
}

/* ---- a new catalog in place of a lost one -----------------------------------------------------
 */

typedef int pin_fn(struct site *s, const char *peer, struct gw_error *err);

static int each_pin(struct site *s, pin_fn *fn, unsigned *ret_n, struct gw_error *err)
{
    char dir[PATH_MAX];
    int r = state_path(s, dir, "peers", err);
    DIR *d = r == 0 ? opendir(dir) : NULL;
    *ret_n = 0;
    if (d == NULL)
        return r < 0 || errno == ENOENT ? r : gw_error_errno(err, -errno, "cannot list '%s'", dir);
    for (const struct dirent *e; r == 0 && (e = readdir(d)) != NULL;) {
        char name[GW_CERT_NAME_MAX];
        size_t len = strlen(e->d_name), end = sizeof PIN_SUFFIX - 1;
        if (len <= end || len - end >= sizeof name ||
            strcmp(e->d_name + len - end, PIN_SUFFIX) != 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)(len - end), e->d_name);
        if (!gw_site_name_valid(name))
            continue;
        r = fn(s, name, err);
        ++*ret_n;
    }
    closedir(d);
    return r;
}

static int check_pin(struct site *s, const char *peer, struct gw_error *err)
{
    char link[GW_PAIR_ADDRESS_MAX], data[GW_PAIR_ADDRESS_MAX];
    return read_address(s, peer, link, data, err);
}

static int add_pin(struct site *s, const char *peer, struct gw_error *err)
{
    char link[GW_PAIR_ADDRESS_MAX], data[GW_PAIR_ADDRESS_MAX], print[GW_CERT_FINGERPRINT_TEXT];
    CLEANUP_FREE char *pem = NULL;
    struct gw_cert_info info;
    int r = read_address(s, peer, link, data, err);
    if (r == 0)
        r = gw_trust_get(s->trust, peer, &info, &pem, err);
    if (r < 0)
        return r;
    gw_cert_fingerprint_format(&info.fingerprint, print);
    const struct gw_catalog_peer row = { .site = peer,
                                         .link_address = link,
                                         .data_address = data,
                                         .fingerprint = print,
                                         .certificate = pem,
                                         .paired_wall_ns = gw_wall_ns(),
                                         .paired_by = "its pin, kept when the catalog was lost",
                                         .instance = "" };
    return gw_catalog_peer_put(s->catalog, &row, err);
}

/* What a rebuild needs is looked at before anything is touched. */
static int check_rebuild(struct site *s, struct gw_error *err)
{
    struct gw_identity *id = NULL;
    unsigned pins = 0;
    int r = gw_identity_open(s->state_dir, s->name, false, &id, err);
    gw_identity_free(id);
    if (r < 0)
        return gw_error_wrap(err,
                             "without its identity no other site believes this one: restore "
                             "a backup, or replace this site from the other one (godwit site "
                             "replace %s)",
                             s->name);
    r = each_pin(s, check_pin, &pins, err);
    if (r == 0 && pins == 0)
        r = gw_error_set(err, -ENOENT,
                         "'%s' has no pinned site in peers: there is nobody to rebuild from",
                         s->state_dir);
    return r;
}

/* catalog.db to catalog.db.damaged-N, its log before it. */
static int set_aside(struct site *s, struct gw_error *err)
{
    static const char *const suffixes[] = { "-wal", "-shm", "" };
    char path[PATH_MAX], kept[PATH_MAX], from[PATH_MAX + 8], to[PATH_MAX + 8];
    int r = state_path(s, path, GW_CATALOG_FILE, err);
    if (r < 0 || access(path, F_OK) < 0)
        return r;
    unsigned n = 0;
    do {
        if (++n > KEPT_MAX)
            return gw_error_set(err, -EEXIST, "too many damaged catalogs in '%s'", s->state_dir);
        snprintf(kept, sizeof kept, "%.*s.damaged-%u", PATH_MAX - 32, path, n);
    } while (access(kept, F_OK) == 0);
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++) {
        snprintf(from, sizeof from, "%s%s", path, suffixes[i]);
        snprintf(to, sizeof to, "%s%s", kept, suffixes[i]);
        if (rename(from, to) < 0 && errno != ENOENT)
            return gw_error_errno(err, -errno, "cannot move '%s' aside", from);
    }
    gw_log(GW_LOG_NOTICE, "the damaged catalog is kept as '%s'", kept);
    return 0;
}

static int audit_rebuilt(struct site *s, struct gw_error *err)
{
    const struct gw_audit_entry entry = { .wall_ns = gw_wall_ns(),
                                          .who = "godwitd",
                                          .uid = (int64_t)getuid(),
                                          .origin = "--rebuild",
                                          .action = "site-rebuild",
                                          .object = s->name,
                                          .outcome = "begun",
                                          .detail = "{}" };
    return gw_audit_append(s->catalog, &entry, NULL, err);
}

/* Peers and the fence are in it before anybody can take it for a new site's. */
static int fill_new(struct site *s, struct gw_error *err)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    unsigned pins = 0;
    int r = gw_catalog_begin(s->catalog, &tx, err);
    if (r == 0)
        r = gw_catalog_identity_fence(s->catalog, true, WHY_REBUILT, err);
    if (r == 0)
        r = each_pin(s, add_pin, &pins, err);
    if (r == 0)
        r = audit_rebuilt(s, err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}

static int begin_anew(struct site *s, struct gw_error *err)
{
    char marker[PATH_MAX];
    int r = state_path(s, marker, "rebuild.wanted", err);
    if (r == 0)
        r = check_rebuild(s, err);
    if (r == 0)
        r = gw_link_file_replace(marker, 0600, "", 0, err);
    if (r == 0)
        r = set_aside(s, err);
    if (r == 0)
        r = gw_catalog_create(s->state_dir, s->name, err);
    if (r == 0)
        r = gw_catalog_open(s->state_dir, &s->catalog, err);
    if (r == 0)
        r = fill_new(s, err);
    return r < 0 ? r : gw_link_file_remove(marker, err);
}

/* ---- opening ----------------------------------------------------------------------------------
 */

static bool has_plan_dirs(const struct site *s)
{
    char path[PATH_MAX];
    bool any = false;
    if (state_path(s, path, "plans", NULL) < 0)
        return false;
    DIR *d = opendir(path);
    if (d == NULL)
        return false;
    for (const struct dirent *e; (e = readdir(d)) != NULL;)
        any = any || e->d_name[0] != '.';
    closedir(d);
    return any;
}

/* There is no catalog. A new site has nothing else either. */
static int make_new(struct site *s, bool make, struct gw_error *err)
{
    bool plans = has_plan_dirs(s);
    if (plans || there(s, GW_SITE_PEM_FILE))
        return gw_error_set(err, -ENOENT,
                            "'%s' has %s and no catalog: it was lost. " WAYS_OUT
                            "; a new site takes another state directory",
                            s->state_dir, plans ? "plan directories" : "an identity");
    if (!make)
        return gw_error_set(err, -ENOENT,
                            "there is no catalog in '%s': godwitd --init makes a new site; if it "
                            "was lost, " WAYS_OUT,
                            s->state_dir);
    int r = gw_catalog_create(s->state_dir, s->name, err);
    return r < 0 ? r : gw_catalog_open(s->state_dir, &s->catalog, err);
}

static int open_catalog(struct site *s, const struct site_options *o, struct gw_error *err)
{
    if (there(s, "rebuild.wanted")) /* cut short: whatever it made is not to be believed */
        return begin_anew(s, err);
    int r = gw_catalog_open(s->state_dir, &s->catalog, err);
    if (r == 0 || (r != -ENOENT && r != -EUCLEAN))
        return r;
    if (o->rebuild)
        return begin_anew(s, err);
    return r == -ENOENT ? make_new(s, o->make, err)
                        : gw_error_set(err, r, "%s. " WAYS_OUT, err->msg);
}

static int check_catalog(struct site *s, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_identity id = { 0 };
    bool rebooted = false;
    int r = gw_catalog_identity_get(s->catalog, &mem, &id, err);
    if (r < 0)
        return r;
    if (strcmp(id.site, s->name) != 0)
        return gw_error_set(err, -EINVAL,
                            "'%s' is of site '%s', the site file says '%s': a site keeps its name",
                            s->state_dir, id.site, s->name);
    snprintf(s->instance, sizeof s->instance, "%s", id.instance);
    s->generation = id.generation;
    s->fenced = id.fenced;
    snprintf(s->fenced_why, sizeof s->fenced_why, "%s",
             id.fenced_reason != NULL ? id.fenced_reason : "");
    r = gw_catalog_identity_boot(s->catalog, s->boot_id, &rebooted, err);
    return r < 0 ? r : gw_catalog_idempotency_reset(s->catalog, err);
}

/* A backup takes the place of nothing that is still worth something. */
static int may_restore(struct site *s, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_plan *rows = NULL;
    struct gw_catalog *now = NULL;
    struct gw_error none = { 0 };
    size_t n = 0;
    if (gw_catalog_open(s->state_dir, &now, &none) < 0)
        return 0;
    int r = gw_catalog_plan_list(now, true, &mem, &rows, &n, err);
    gw_catalog_close(now);
    if (r == 0 && n > 0)
        r = gw_error_set(err, -EEXIST,
                         "'%s' has a sound catalog with %zu plans (%s ...): a backup would forget "
                         "them. Move %s away if that is what you want",
                         s->state_dir, n, rows[0].name, GW_CATALOG_FILE);
    return r;
}

static int restore_first(struct site *s, const struct site_options *o, struct gw_error *err)
{
    int r = 0;
    if (o->restore != NULL && !there(s, "restore")) {
        r = may_restore(s, err);
        if (r == 0)
            r = site_backup_stage(s->state_dir, s->name, o->restore, "godwitd --restore", NULL,
                                  err);
    }
    return r < 0 ? r : site_backup_apply(s->state_dir, s->name, err);
}

int site_memory_open(struct site *s, const struct site_options *o, struct gw_error *err)
{
    char peers[PATH_MAX];
    int r = restore_first(s, o, err);
    if (r >= 0)
        r = site_path(s, peers, "peers", "", "", err);
    if (r == 0)
        r = gw_trust_open(peers, &s->trust, err);
    if (r == 0)
        r = open_catalog(s, o, err);
    if (r == 0)
        r = check_catalog(s, err);
    if (r == 0)
        r = gw_identity_open(s->state_dir, s->name, o->make, &s->identity, err);
    return r < 0 ? r : site_memory_note_peers(s, err);
}
