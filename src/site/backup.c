// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/backup.h"

#include "base/clock.h"
#include "base/log.h"
#include "catalog/backup.h"
#include "catalog/identity.h"
#include "link/file.h"
#include "site/archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FORMAT 1
#define NAME_MAX_BYTES 512

/* DIR/NAME into ret, which is a path of the state directory and fits. */
static int join(char ret[PATH_MAX], const char *dir, const char *name, struct gw_error *err)
{
    if (snprintf(ret, PATH_MAX, "%s/%s", dir, name) >= PATH_MAX)
        return gw_error_set(err, -ENAMETOOLONG, "the path '%s/%s' is too long", dir, name);
    return 0;
}

/* fn for each name in a directory that does not begin with a dot; none, if it is not there. */
typedef int each_fn(const char *name, void *arg, struct gw_error *err);

static int each_file(const char *dir, each_fn *fn, void *arg, struct gw_error *err)
{
    DIR *d = opendir(dir);
    int r = 0;
    if (d == NULL)
        return errno == ENOENT ? 0 : gw_error_errno(err, -errno, "cannot list '%s'", dir);
    for (const struct dirent *e; r == 0 && (e = readdir(d)) != NULL;) {
        if (e->d_name[0] != '.')
            r = fn(e->d_name, arg, err);
    }
    closedir(d);
    return r;
}

/* ---- taking -----------------------------------------------------------------------------------
 */

struct taking {
    struct site *site;
    struct site_archive *archive;
    char peers[PATH_MAX];
};

static int add_peer(const char *name, void *arg, struct gw_error *err)
{
    const struct taking *t = arg;
    char path[PATH_MAX], member[NAME_MAX_BYTES];
    snprintf(member, sizeof member, "peers/%.400s", name);
    if (!site_archive_name_valid(member)) /* a file that is being replaced, or somebody else's */
        return 0;
    int r = join(path, t->peers, name, err);
    return r < 0 ? r : site_archive_add_file(t->archive, member, path, err);
}

/* The catalog's own copy, made beside the archive and taken into it. */
static int add_catalog(const struct taking *t, struct gw_error *err)
{
    char copy[PATH_MAX];
    int r = join(copy, t->site->state_dir, "backup.catalog", err);
    if (r < 0)
        return r;
    unlink(copy); /* of a backup that was cut short */
    r = gw_catalog_backup(t->site->catalog, copy, err);
    if (r == 0)
        r = site_archive_add_file(t->archive, GW_CATALOG_FILE, copy, err);
    unlink(copy);
    return r;
}

static int add_all(struct taking *t, struct gw_error *err)
{
    struct site *s = t->site;
    int r = add_catalog(t, err);
    if (r == 0)
        r = site_archive_add_file(t->archive, GW_SITE_KEY_FILE, gw_identity_key_file(s->identity),
                                  err);
    if (r == 0)
        r = site_archive_add_file(t->archive, GW_SITE_PEM_FILE, gw_identity_cert_file(s->identity),
                                  err);
    if (r == 0)
        r = site_archive_add_file(t->archive, "site-file", s->config, err);
    if (r == 0)
        r = site_path(s, t->peers, "peers", "", "", err);
    return r < 0 ? r : each_file(t->peers, add_peer, t, err);
}

static json_t *head_of(const struct site *s)
{
    char when[GW_TIME_TEXT];
    gw_time_format(gw_wall_ns(), when);
    return json_pack("{s:i, s:s, s:s, s:I, s:s, s:s}", "godwit-backup", FORMAT, "site", s->name,
                     "instance", s->instance, "generation", (json_int_t)s->generation, "time", when,
                     "version", GODWIT_VERSION);
}

static int take(struct site *s, const char *file, const struct site_person *who, json_t **ret,
                struct gw_error *err)
{
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER; /* the copy has one name */
    struct taking t = { .site = s };
    struct stat st = { 0 };
    LOCK_SCOPE(&one);
    int r = site_archive_begin(file, &t.archive, err);
    if (r == 0)
        r = add_all(&t, err);
    if (r == 0)
        r = site_archive_end(t.archive, head_of(s), err);
    site_archive_free(t.archive);
    if (r < 0)
        return gw_error_wrap(err, "no backup was made");
    if (stat(file, &st) < 0)
        return gw_error_errno(err, -errno, "cannot look at '%s'", file);
    site_event(s, "site.backup", NULL, NULL, SITE_INFO, NULL, "backed up to '%s' by %s", file,
               who->name);
    *ret = json_pack("{s:o, s:I, s:s}", "file", json_string(file), "bytes", (json_int_t)st.st_size,
                     "note", "it holds this site's private key: keep it like one");
    return *ret != NULL ? 0 : gw_error_set(err, -ENOMEM, "out of memory");
}

int site_backup(struct site *s, const char *file, const struct site_person *who, json_t **ret,
                struct gw_error *err)
{
    struct site_audited log = { .seq = 0 };
    if (file[0] != '/')
        return gw_error_set(err, -EINVAL, "'%s' is not an absolute path", file);
    int r = site_audit_begin(s, who, "site-backup", file, NULL, &log, err);
    if (r == 0)
        r = take(s, file, who, ret, err);
    return site_audit_end(s, &log, r, NULL, err);
}

/* ---- staging ----------------------------------------------------------------------------------
 */

static int remove_name(const char *name, void *arg, struct gw_error *err)
{
    char path[PATH_MAX];
    int r = join(path, arg, name, err);
    if (r == 0 && unlink(path) < 0 && errno != EISDIR && errno != EPERM)
        r = gw_error_errno(err, -errno, "cannot remove '%s'", path);
    return r;
}

/* A directory of ours, with peers/ in it. */
static int remove_staged(const char *dir, struct gw_error *err)
{
    char peers[PATH_MAX], order[PATH_MAX];
    int r = join(peers, dir, "peers", err);
    if (r == 0)
        r = join(order, dir, ".order", err);
    if (r == 0)
        r = each_file(peers, remove_name, peers, err);
    if (r == 0 && rmdir(peers) < 0 && errno != ENOENT)
        r = gw_error_errno(err, -errno, "cannot remove '%s'", peers);
    if (r == 0)
        r = each_file(dir, remove_name, (char *)(uintptr_t)dir, err);
    if (r == 0 && unlink(order) < 0 && errno != ENOENT)
        r = gw_error_errno(err, -errno, "cannot remove '%s'", order);
    if (r == 0 && rmdir(dir) < 0 && errno != ENOENT)
        r = gw_error_errno(err, -errno, "cannot remove '%s'", dir);
    return r;
}

static int sync_dir(const char *dir, struct gw_error *err)
{
    CLEANUP_CLOSE int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return gw_error_errno(err, -errno, "cannot make '%s' durable", dir);
    return 0;
}

static int check_staged(const char *dir, const char *site, const json_t *manifest,
                        struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_backup_info info = { 0 };
    char catalog[PATH_MAX], path[PATH_MAX];
    static const char *const needed[] = { GW_CATALOG_FILE, GW_SITE_KEY_FILE, GW_SITE_PEM_FILE,
                                          "site-file" };
    if (site_number(manifest, "godwit-backup") != FORMAT)
        return gw_error_set(err, -EPROTONOSUPPORT, "it was made by a newer godwit");
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        int r = join(path, dir, needed[i], err);
        if (r == 0 && access(path, F_OK) < 0)
            r = gw_error_set(err, -EBADMSG, "there is no %s in it", needed[i]);
        if (r < 0)
            return r;
    }
    int r = join(catalog, dir, GW_CATALOG_FILE, err);
    if (r == 0)
        r = gw_catalog_backup_check(catalog, &mem, &info, err);
    if (r == 0 && strcmp(info.site, site) != 0)
        r = gw_error_set(err, -EINVAL, "it is of site '%s', and this is '%s'", info.site, site);
    struct gw_identity *id = NULL;
    if (r == 0)
        r = gw_identity_open(dir, site, false, &id, err);
    gw_identity_free(id);
    return r;
}

static int write_order(const char *dir, const char *file, const char *by, struct gw_error *err)
{
    char path[PATH_MAX];
    CLEANUP_SITE_JSON json_t *o = json_pack("{s:s, s:s}", "file", file, "by", by);
    CLEANUP_FREE char *text = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
    if (text == NULL)
        return gw_error_set(err, -EINVAL, "the name of the backup is not UTF-8");
    int r = join(path, dir, ".order", err);
    return r < 0 ? r : gw_link_file_replace(path, 0600, text, strlen(text), err);
}

int site_backup_stage(const char *state_dir, const char *site, const char *file, const char *by,
                      json_t **ret, struct gw_error *err)
{
    char temp[PATH_MAX], staged[PATH_MAX];
    CLEANUP_SITE_JSON json_t *manifest = NULL;
    int r = join(temp, state_dir, "restore.new", err);
    if (r == 0)
        r = join(staged, state_dir, "restore", err);
    if (r == 0 && access(staged, F_OK) == 0)
        r = gw_error_set(err, -EBUSY, "a restore is under way: restart godwitd");
    if (r == 0)
        r = remove_staged(temp, err);
    if (r == 0 && mkdir(temp, 0700) < 0)
        r = gw_error_errno(err, -errno, "cannot make '%s'", temp);
    if (r < 0)
        return r;
    r = site_archive_extract(file, temp, &manifest, err);
    if (r == 0)
        r = check_staged(temp, site, manifest, err);
    if (r == 0)
        r = write_order(temp, file, by, err);
    if (r == 0)
        r = sync_dir(temp, err);
    if (r == 0 && rename(temp, staged) < 0)
        r = gw_error_errno(err, -errno, "cannot call it '%s'", staged);
    if (r == 0)
        r = sync_dir(state_dir, err);
    if (r < 0) {
        remove_staged(temp, NULL);
        return gw_error_wrap(err, "cannot restore from '%s'", file);
    }
    if (ret != NULL)
        *ret = json_pack("{s:s, s:s, s:I}", "site", site, "taken", site_text(manifest, "time"),
                         "generation", (json_int_t)site_number(manifest, "generation"));
    return 0;
}

/* ---- applying ---------------------------------------------------------------------------------
 */

/* Replace STATE/name by the staged one; what was there and differs is kept beside it. */
static int put_file(const char *state_dir, const char *staged, const char *name, mode_t mode,
                    struct gw_error *err)
{
    char from[PATH_MAX], to[PATH_MAX], kept[PATH_MAX];
    char *now = NULL, *new = NULL;
    size_t now_len = 0, new_len = 0;
    int r = join(from, staged, name, err);
    if (r == 0)
        r = join(to, state_dir, name, err);
    if (r == 0)
        r = gw_link_file_read(from, &new, &new_len, err);
    struct gw_error none = { 0 };
    if (r == 0 && gw_link_file_read(to, &now, &now_len, &none) == 0 &&
        (now_len != new_len || memcmp(now, new, new_len) != 0) &&
        snprintf(kept, sizeof kept, "%.*s.before-restore", PATH_MAX - 32, to) > 0)
        r = gw_link_file_replace(kept, mode, now, now_len, err);
    if (r == 0)
        r = gw_link_file_replace(to, mode, new, new_len, err);
    free(now);
    free(new);
    return r;
}

struct putting {
    const char *state_dir, *staged;
};

static int put_peer(const char *name, void *arg, struct gw_error *err)
{
    const struct putting *p = arg;
    char member[NAME_MAX_BYTES];
    snprintf(member, sizeof member, "peers/%.400s", name);
    return put_file(p->state_dir, p->staged, member, 0600, err);
}

static int put_identity(const struct putting *p, struct gw_error *err)
{
    char peers[PATH_MAX], to[PATH_MAX];
    int r = join(to, p->state_dir, "peers", err);
    if (r == 0 && mkdir(to, 0700) < 0 && errno != EEXIST)
        r = gw_error_errno(err, -errno, "cannot make '%s'", to);
    if (r == 0)
        r = put_file(p->state_dir, p->staged, GW_SITE_KEY_FILE, 0600, err);
    if (r == 0)
        r = put_file(p->state_dir, p->staged, GW_SITE_PEM_FILE, 0644, err);
    if (r == 0)
        r = put_file(p->state_dir, p->staged, "site-file", 0600, err);
    if (r == 0)
        r = join(peers, p->staged, "peers", err);
    return r < 0 ? r : each_file(peers, put_peer, (void *)(uintptr_t)p, err);
}

int site_backup_apply(const char *state_dir, const char *site, struct gw_error *err)
{
    char staged[PATH_MAX], order[PATH_MAX], catalog[PATH_MAX], over[PATH_MAX];
    CLEANUP_FREE char *text = NULL;
    size_t len = 0;
    int r = join(staged, state_dir, "restore", err);
    if (r == 0)
        r = join(over, state_dir, "restore.new", err);
    if (r < 0 || access(staged, F_OK) < 0)
        return r;
    r = join(order, staged, ".order", err);
    if (r == 0)
        r = join(catalog, staged, GW_CATALOG_FILE, err);
    if (r == 0)
        r = gw_link_file_read(order, &text, &len, err);
    CLEANUP_SITE_JSON json_t *o = text != NULL ? json_loads(text, 0, NULL) : NULL;
    const struct putting p = { .state_dir = state_dir, .staged = staged };
    if (r == 0)
        r = put_identity(&p, err);
    if (r == 0)
        r = gw_catalog_restore(catalog, state_dir, site, site_text(o, "by"), gw_wall_ns(), err);
    if (r < 0)
        return gw_error_wrap(err, "the restore from '%s' is not complete", site_text(o, "file"));
    /* Under the name of an attempt: what is left of it if we die now is cleared by the next. */
    remove_staged(over, NULL);
    if (rename(staged, over) < 0)
        return gw_error_errno(err, -errno, "cannot rename '%s'", staged);
    r = sync_dir(state_dir, err);
    if (r == 0)
        r = remove_staged(over, err);
    gw_log(GW_LOG_NOTICE, "restored from '%s'; fenced until it was compared with the other sites",
           site_text(o, "file"));
    return r < 0 ? r : 1;
}
