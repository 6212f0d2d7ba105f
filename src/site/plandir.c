// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/plandir.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "control/describe.h"
#include "engine/sync_parent.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define WALK_FILES 16 /* open at once */

static int read_meta(const char *dir, struct gw_meta *ret, struct gw_error *err)
{
    struct gw_metafile *file = NULL;
    int r = gw_metafile_open(gw_io_posix(), dir, true, &file, ret, NULL, err);
    if (r == 0)
        gw_metafile_close(file);
    return r;
}

int site_plandir_look(const char *dir, struct site_plandir *ret, struct gw_error *err)
{
    *ret = (struct site_plandir){ .exists = false };
    struct stat st;
    if (stat(dir, &st) < 0 && errno == ENOENT)
        return 0;
    CLEANUP_FREE struct gw_meta *m = calloc(1, sizeof *m);
    if (m == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = read_meta(dir, m, err);
    if (r == -ENOENT) /* an empty directory: a create that was interrupted before its first file */
        return 0;
    if (r < 0)
        return gw_error_wrap(err, "cannot look at the plan in '%s'", dir);
    const struct gw_incarnation *now = gw_lineage_current(&m->lineage);
    *ret = (struct site_plandir){
        .exists = true,
        .role = m->role,
        .blank = m->blank,
        .consistent = m->consistent,
        .clean = m->clean,
        .released = m->released,
        .token_valid = m->token_valid,
        .may_serve = m->may_serve,
        .unverified = m->unverified,
        .pending = m->pending,
        .recorded = m->recorded,
        .epoch = gw_lineage_epoch(&m->lineage),
        .highest_epoch = m->highest_epoch,
        .seq = m->seq,
        .reigns = m->reigns,
        .incarnation = gw_lineage_uuid(&m->lineage),
        .plan = m->plan,
        .mine = now != NULL && now->site == m->site,
        .birth = now != NULL ? now->birth : GW_BIRTH_CREATION,
    };
    memcpy(ret->first_site, m->site_name[0], sizeof ret->first_site);
    return 0;
}

bool site_plandir_unused(const struct site_plandir *d)
{
    if (!d->exists || d->pending != GW_PENDING_NONE)
        return !d->exists;
    return d->role == GW_ROLE_STANDBY
               ? d->blank
               : d->clean && d->seq == 0 && d->reigns <= 1 && d->birth == GW_BIRTH_CREATION;
}

bool site_plandir_fits(const char *dir, const struct gw_plan_spec *spec)
{
    CLEANUP_FREE struct gw_meta *m = calloc(1, sizeof *m);
    struct gw_error none = { 0 };
    if (m == NULL || read_meta(dir, m, &none) < 0 || m->n_volumes != spec->n_volumes)
        return false;
    for (uint32_t i = 0; i < m->n_volumes; i++) {
        const struct gw_plan_volume_spec *v = &spec->volume[i];
        char link[PATH_MAX], now[PATH_MAX], there[PATH_MAX];
        if (gw_slot_is_empty(&m->volume[i]) || v->empty)
            return false;
        if (strcmp(m->volume[i].name, v->name) != 0 || m->volume[i].bytes != v->bytes ||
            snprintf(link, sizeof link, "%s/volumes/%s", dir, v->name) >= (int)sizeof link ||
            realpath(link, there) == NULL || realpath(v->path, now) == NULL ||
            strcmp(there, now) != 0)
            return false;
    }
    return true;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_tree(const char *path, struct gw_error *err)
{
    int r = nftw(path, remove_one, WALK_FILES, FTW_DEPTH | FTW_PHYS);
    if (r == 0 || (r == -1 && errno == ENOENT))
        return 0;
    return gw_error_errno(err, r == -1 ? -errno : r, "cannot remove '%s'", path);
}

/* First under another name: half of a directory is no plan, and none can be made in it. */
int site_plandir_discard(const char *dir, struct gw_error *err)
{
    char away[PATH_MAX];
    if (snprintf(away, sizeof away, "%s.unused", dir) >= (int)sizeof away)
        return gw_error_set(err, -ENAMETOOLONG, "the path '%s' is too long", dir);
    int r = remove_tree(away, err);
    if (r == 0 && rename(dir, away) < 0 && errno != ENOENT)
        r = gw_error_errno(err, -errno, "cannot put '%s' away", dir);
    if (r == 0)
        r = gw_io_sync_parent(gw_io_posix(), dir);
    if (r < 0 && err->code == 0)
        gw_error_errno(err, r, "cannot put '%s' away", dir);
    return r < 0 ? r : remove_tree(away, err);
}

int site_plandir_create(const char *dir, struct gw_plan_spec *spec, bool *ret_made,
                        struct gw_error *err)
{
    struct site_plandir there;
    int r = site_plandir_look(dir, &there, err);
    if (r < 0)
        return r;
    if (there.exists && !gw_uuid_equal(&there.plan, &spec->plan))
        return gw_error_set(err, -EEXIST,
                            "'%s' is the directory of another plan; move it away, nothing in it "
                            "is touched",
                            dir);
    if (!there.exists) {
        r = gw_plan_create(gw_io_posix(), dir, spec, err);
        if (r < 0)
            return r;
    }
    *ret_made = !there.exists;
    return 0;
}

int site_plandir_promote(const char *dir, const struct gw_promote_options *options,
                         uint64_t above_epoch, struct gw_promote_result *ret, struct gw_error *err)
{
    struct gw_plan *plan = NULL;
    int r = gw_plan_open(gw_io_posix(), dir, 0, &plan, err);
    if (r < 0)
        return r;
    plan->meta.highest_epoch = GW_MAX(plan->meta.highest_epoch, above_epoch);
    r = gw_promote_check(plan, options, err);
    if (r == 0)
        r = gw_promote(plan, options, ret, err);
    gw_plan_close(plan);
    return r;
}

int site_plandir_stand_down(const char *dir, struct gw_error *err)
{
    struct gw_plan *plan = NULL;
    int r = gw_plan_open(gw_io_posix(), dir, 0, &plan, err);
    if (r < 0)
        return gw_error_wrap(err, "cannot fence the plan in '%s'", dir);
    if (plan->meta.role == GW_ROLE_ACTIVE) {
        LOCK_SCOPE(&plan->mu);
        plan->meta.role = GW_ROLE_FENCED;
        plan->meta.may_serve = false;
        r = gw_plan_store_meta(plan, err);
    }
    gw_plan_close(plan);
    return r;
}

int site_plandir_slots(const char *dir, json_t **ret, struct gw_error *err)
{
    CLEANUP_FREE struct gw_meta *m = calloc(1, sizeof *m);
    if (m == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = read_meta(dir, m, err);
    if (r < 0)
        return r;
    *ret = json_array();
    for (uint32_t i = 0; i < m->n_volumes; i++)
        json_array_append_new(
            *ret, json_string(gw_slot_is_empty(&m->volume[i]) ? "" : m->volume[i].name));
    return 0;
}

static const char *pending_name(enum gw_pending p)
{
    switch (p) {
    case GW_PENDING_NONE:
        return "none";
    case GW_PENDING_RESYNC:
        return "resync";
    case GW_PENDING_REWIND:
        return "rewind";
    case GW_PENDING_ROLLBACK:
        return "rollback";
    case GW_PENDING_MAX:
        break;
    }
    return "?";
}

json_t *site_plandir_json(const struct site_plandir *d)
{
    if (!d->exists)
        return json_pack("{s:b}", "exists", 0);
    return json_pack(
        "{s:b, s:s, s:I, s:I, s:I, s:b, s:b, s:b, s:b, s:b, s:b, s:s, s:o, s:b, s:s}", "exists", 1,
        "role", gw_role_name(d->role), "epoch", (json_int_t)d->epoch, "highest_epoch",
        (json_int_t)d->highest_epoch, "seq", (json_int_t)d->seq, "blank", d->blank, "consistent",
        d->consistent, "clean", d->clean, "released", d->released, "token_valid", d->token_valid,
        "unverified", d->unverified, "pending", pending_name(d->pending), "incarnation",
        gw_describe_uuid(&d->incarnation), "mine", d->mine, "first_site", d->first_site);
}
