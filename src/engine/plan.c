// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/plan_internal.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool gw_plan_path(const struct gw_plan *p, char ret[PATH_MAX], const char *sub, const char *name)
{
    int n = snprintf(ret, PATH_MAX, "%s/%s%s%s", p->dir, sub, name != NULL ? "/" : "",
                     name != NULL ? name : "");
    return n > 0 && n < PATH_MAX;
}

int gw_plan_open_volume(struct gw_plan *p, const struct gw_side_volume *v, struct gw_file **ret,
                        struct gw_error *err)
{
    char path[PATH_MAX];
    if (!gw_plan_path(p, path, "volumes", v->name))
        return gw_error_set(err, -ENAMETOOLONG, "path of volume '%s' is too long", v->name);
    /* One writer also for a file that two plans, a copied plan, or two volumes of one name. */
    int r = gw_io_open(p->io, path, p->read_only ? GW_OPEN_RDONLY : GW_OPEN_LOCK, ret);
    if (r == -EWOULDBLOCK || r == -EBUSY)
        return gw_error_set(err, r,
                            "volume '%s' is in use: %s is open in another process, mounted, or "
                            "another volume of this plan; end that, or point it at another file",
                            v->name, path);
    if (r < 0)
        return gw_error_errno(err, r, "cannot open volume '%s' at %s", v->name, path);
    uint64_t bytes;
    r = gw_io_size(*ret, &bytes);
    if (r < 0)
        return gw_error_errno(err, r, "cannot get the size of volume '%s'", v->name);
    /* It may be longer: grown on purpose, and the plan is told next. */
    if (bytes < v->bytes)
        return gw_error_set(err, -EINVAL,
                            "volume '%s' has %llu bytes but the plan says %llu; restore its size, "
                            "or point %s at the right file",
                            v->name, (unsigned long long)bytes, (unsigned long long)v->bytes, path);
    return 0;
}

int gw_plan_open_map(struct gw_plan *p, const struct gw_side_volume *v, struct gw_dirtymap **ret,
                     struct gw_error *err)
{
    char path[PATH_MAX];
    if (!gw_plan_path(p, path, "dirty", v->name))
        return gw_error_set(err, -ENAMETOOLONG, "path of the map of '%s' is too long", v->name);
    uint64_t damaged = 0;
    int r =
        gw_dirtymap_open(p->io, path, &v->uuid, v->bytes, p->read_only, &p->mu, ret, &damaged, err);
    if (r < 0)
        return r;
    if (damaged > 0)
        gw_log(GW_LOG_WARNING, "%llu damaged pages in %s, counting them as all dirty",
               (unsigned long long)damaged, path);
    p->map_damaged += damaged;
    return 0;
}

static void found_hot(void *arg, unsigned volume, uint64_t extent)
{
    struct gw_plan *p = arg;
    p->hot_recovered++;
    gw_dirtymap_mark_coarse(p->map[volume], extent * GW_EXTENT_BYTES, GW_EXTENT_BYTES);
}

/* R5: the log may know of a later clear than a map: later in the lineage, or in the same stretch.
 */
static void merge_cleared(struct gw_plan *p, unsigned i, const struct gw_hot_recovered *found)
{
    struct gw_uuid uuid;
    uint64_t seq;
    if (gw_uuid_is_none(&found->cleared_uuid))
        return;
    gw_dirtymap_get_cleared(p->map[i], &uuid, &seq);
    int map_at = gw_lineage_find(&p->meta.lineage, &uuid);
    int log_at = gw_lineage_find(&p->meta.lineage, &found->cleared_uuid);
    bool same = gw_uuid_equal(&uuid, &found->cleared_uuid);
    if (same ? seq < found->cleared_seq : log_at > map_at || gw_uuid_is_none(&uuid))
        gw_dirtymap_cleared_through(p->map[i], &found->cleared_uuid, found->cleared_seq);
}

static int open_hot(struct gw_plan *p, struct gw_error *err)
{
    char path[PATH_MAX];
    if (!gw_plan_path(p, path, "dirty", "hot"))
        return gw_error_set(err, -ENAMETOOLONG, "path of the hot-extent log is too long");
    uint64_t extents[GW_VOLUMES_MAX];
    for (unsigned i = 0; i < p->meta.n_volumes; i++)
        extents[i] = (p->meta.volume[i].bytes + GW_EXTENT_BYTES - 1) / GW_EXTENT_BYTES;
    struct gw_hot_recovered found;
    int r = gw_hotset_open(p->io, path, &p->meta.plan, p->read_only, p->meta.n_volumes, extents,
                           found_hot, p, &p->hot, &found, err);
    if (r < 0)
        return r;
    if (found.unknown) {
        gw_log(GW_LOG_WARNING, "%s is damaged, everything will be compared", path);
        p->hot_unknown = true;
        for (unsigned i = 0; i < p->meta.n_volumes; i++)
            gw_dirtymap_mark_all_coarse(p->map[i]);
    }
    for (unsigned i = 0; i < p->meta.n_volumes; i++)
        merge_cleared(p, i, &found);
    if (p->read_only || (!found.any && !found.unknown))
        return 0;
    /*
     * R2: what a process that died had written may be in the page cache only. It is durable before
     * the log forgets where it is, and so are the bits: else the peer gets it, the bits are
     * cleared, and a power loss takes it back here.
     */
    r = gw_plan_sync_volumes(p, err);
    if (r == 0)
        r = gw_plan_persist_maps(p, err);
    return r < 0 ? r : gw_hotset_forget(p->hot, err);
}

static int plan_load(struct gw_plan *p, struct gw_error *err)
{
    int r;
    if (!p->read_only) {
        char path[PATH_MAX];
        if (!gw_plan_path(p, path, "lock", NULL))
            return gw_error_set(err, -ENAMETOOLONG, "the directory's path is too long");
        r = gw_io_lock(p->io, path, &p->lock);
        if (r == -EWOULDBLOCK)
            return gw_error_set(err, -EBUSY,
                                "another process serves this plan (it holds %s); stop it first, or "
                                "talk to it over its control socket",
                                path);
        if (r < 0)
            return gw_error_errno(
                err, r, r == -ENOENT ? "there is no plan directory there (%s)" : "cannot lock %s",
                path);
    }
    r = gw_metafile_open(p->io, p->dir, p->read_only, &p->metafile, &p->meta, &p->slot_lost, err);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < p->meta.n_volumes; i++) {
        const struct gw_side_volume *v = &p->meta.volume[i];
        if (gw_slot_is_empty(v)) {
            p->map[i] = gw_dirtymap_none();
            continue;
        }
        r = gw_plan_open_volume(p, v, &p->vol[i], err);
        if (r < 0)
            return r;
        r = gw_plan_open_map(p, v, &p->map[i], err);
        if (r < 0)
            return r;
    }
    return open_hot(p, err);
}

int gw_plan_open(struct gw_io *io, const char *dir, unsigned flags, struct gw_plan **ret,
                 struct gw_error *err)
{
    struct gw_plan *p = calloc(1, sizeof *p);
    if (p == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    p->io = io;
    p->read_only = (flags & GW_PLAN_READ_ONLY) != 0;
    pthread_mutex_init(&p->mu, NULL);
    pthread_mutex_init(&p->persist_mu, NULL);
    pthread_mutex_init(&p->prepare_mu, NULL);
    int r = 0;
    if (strlen(dir) >= sizeof p->dir)
        r = gw_error_set(err, -ENAMETOOLONG, "the path is too long");
    else
        strcpy(p->dir, dir);
    if (r == 0)
        r = plan_load(p, err);
    if (r < 0) {
        gw_error_wrap(err, "cannot open plan directory '%s'", dir);
        gw_plan_close(p);
        return r;
    }
    *ret = p;
    return 0;
}

void gw_plan_close(struct gw_plan *p)
{
    if (p == NULL)
        return;
    gw_hotset_close(p->hot);
    for (unsigned i = 0; i < GW_VOLUMES_MAX; i++) {
        gw_dirtymap_close(p->map[i]);
        gw_file_close(p->vol[i]);
    }
    gw_metafile_close(p->metafile);
    gw_file_close(p->lock);
    pthread_mutex_destroy(&p->mu);
    pthread_mutex_destroy(&p->persist_mu);
    pthread_mutex_destroy(&p->prepare_mu);
    free(p);
}

int gw_plan_store_meta(struct gw_plan *p, struct gw_error *err)
{
    p->meta.highest_epoch = GW_MAX(p->meta.highest_epoch, gw_lineage_epoch(&p->meta.lineage));
    return gw_metafile_store(p->metafile, &p->meta, err);
}

int gw_plan_check_store(const struct gw_plan *p, struct gw_error *err)
{
    if (p->reshape_failed)
        return gw_error_set(err, -EIO,
                            "a change of volumes is stored and could not be followed; restart the "
                            "plan");
    return gw_metafile_check(p->metafile, err);
}

int gw_plan_saw_epoch(struct gw_plan *p, uint64_t epoch, struct gw_error *err)
{
    if (epoch <= p->meta.highest_epoch)
        return 0;
    if (epoch - p->meta.highest_epoch > GW_EPOCH_STEP_MAX)
        return gw_error_set(err, -EPROTO, "the peer says that it knows of epoch %llu",
                            (unsigned long long)epoch);
    p->meta.highest_epoch = epoch;
    return gw_plan_store_meta(p, err);
}

int gw_plan_persist_maps(struct gw_plan *p, struct gw_error *err)
{
    LOCK_SCOPE(&p->persist_mu);
    for (unsigned i = 0; i < p->meta.n_volumes; i++) {
        int r = gw_dirtymap_persist(p->map[i], err);
        if (r < 0)
            return gw_error_wrap(err, "map of volume '%s'", p->meta.volume[i].name);
    }
    return 0;
}

int gw_plan_sync_volumes(struct gw_plan *p, struct gw_error *err)
{
    LOCK_SCOPE(&p->persist_mu);
    for (unsigned i = 0; i < p->meta.n_volumes; i++) {
        int r = p->vol[i] != NULL ? gw_io_datasync(p->vol[i]) : 0;
        if (r < 0)
            return gw_error_errno(err, r, "cannot make volume '%s' durable",
                                  p->meta.volume[i].name);
    }
    return 0;
}

bool gw_plan_crashed_active(const struct gw_plan *p)
{
    /* R20: a lost slot may have been the one that said "active and not clean". */
    const struct gw_meta *m = &p->meta;
    if (m->role == GW_ROLE_FENCED) /* fenced before it could say how far it had come */
        return !m->clean;
    return m->role == GW_ROLE_ACTIVE && (!m->clean || p->slot_lost) && !p->confirmed;
}

bool gw_side_was_rewound(const struct gw_side *side, uint64_t fork_seq)
{
    struct gw_uuid current = gw_lineage_uuid(&side->lineage);
    /* What left this side's own set did so on a durable acknowledgement, and R5 kept its number. */
    return gw_uuid_equal(&side->cleared_uuid, &current) && side->cleared_seq > fork_seq;
}

uint64_t gw_plan_dirty_blocks(const struct gw_plan *p)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < p->meta.n_volumes; i++)
        n += gw_bitmap_count(gw_dirtymap_fine(p->map[i])) + gw_dirtymap_in_flight(p->map[i]);
    return n;
}

uint64_t gw_plan_coarse_extents(const struct gw_plan *p)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < p->meta.n_volumes; i++)
        n += gw_bitmap_count(gw_dirtymap_coarse(p->map[i]));
    return n;
}

bool gw_plan_maps_empty(const struct gw_plan *p)
{
    for (unsigned i = 0; i < p->meta.n_volumes; i++) {
        if (!gw_dirtymap_empty(p->map[i]))
            return false;
    }
    return true;
}

uint64_t gw_plan_volume_bytes(const struct gw_plan *p)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < p->meta.n_volumes; i++)
        n += p->meta.volume[i].bytes;
    return n;
}

uint64_t gw_plan_next_epoch(const struct gw_plan *p)
{
    return gw_epoch_next(p->meta.site,
                         GW_MAX(p->meta.highest_epoch, gw_lineage_epoch(&p->meta.lineage)));
}

void gw_plan_side(const struct gw_plan *p, struct gw_side *ret)
{
    const struct gw_meta *m = &p->meta;
    *ret = (struct gw_side){
        .plan = m->plan,
        .format = GW_FORMAT,
        .site = m->site,
        .role = m->role,
        .consistent = m->consistent,
        .blank = m->blank,
        .seed_me = m->seed_me,
        .seed_compare = m->seed_compare,
        .crashed_active = gw_plan_crashed_active(p),
        .seq = m->seq,
        .seq_reserved = m->seq_reserved,
        .chain = m->chain,
        .boot_id = gw_io_boot_id(p->io),
        .recorded = m->recorded,
        .sync_boot = m->sync_boot,
        .dirty_blocks = gw_plan_dirty_blocks(p),
        .coarse_extents = gw_plan_coarse_extents(p),
        .highest_epoch = m->highest_epoch,
        .survivor = m->survivor,
        .reached_uuid = m->reached_uuid,
        .reached_seq = m->reached_seq,
        .lineage = m->lineage,
        .n_volumes = m->n_volumes,
    };
    memcpy(ret->site_name, m->site_name[m->site], sizeof ret->site_name);
    memcpy(ret->volume, m->volume, sizeof ret->volume);
    ret->boot_changed = ret->crashed_active && !gw_uuid_equal(&ret->boot_id, &m->active_boot);
    struct gw_uuid current = gw_lineage_uuid(&m->lineage);
    ret->tail_signed =
        !gw_uuid_is_none(&m->signed_tail) && gw_uuid_equal(&m->signed_tail, &current);
    gw_plan_cleared(p, &ret->cleared_uuid, &ret->cleared_seq);
}

void gw_plan_cleared(const struct gw_plan *p, struct gw_uuid *ret_uuid, uint64_t *ret_seq)
{
    *ret_uuid = (struct gw_uuid){ { 0 } };
    *ret_seq = 0;
    for (unsigned i = 0; i < p->meta.n_volumes; i++) {
        if (gw_slot_is_empty(&p->meta.volume[i]))
            continue;
        gw_dirtymap_get_cleared(p->map[i], ret_uuid, ret_seq);
        return;
    }
}
