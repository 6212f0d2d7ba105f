// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Becoming the target of a resync: sets exchanged, old state kept, marked inconsistent. */
#include "base/checked.h"
#include "base/log.h"
#include "engine/compare.h"
#include "engine/frame_io.h"
#include "engine/replica_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t pages_of(const struct gw_replica *r, unsigned i, int kind)
{
    return gw_bitmap_pages(kind == GW_MAP_FINE ? gw_dirtymap_fine(r->plan->map[i])
                                               : gw_dirtymap_coarse(r->plan->map[i]));
}

/* This side's own set, to the source. */
static int send_set(struct gw_replica *r, struct gw_error *err)
{
    uint8_t buf[GW_MAP_BYTES], bits[GW_BITMAP_PAGE_BYTES];
    for (unsigned i = 0; i < r->plan->meta.n_volumes; i++) {
        for (int kind = GW_MAP_FINE; kind <= GW_MAP_COARSE; kind++) {
            uint64_t pages = pages_of(r, i, kind);
            for (uint64_t p = 0; p < pages; p++) {
                pthread_mutex_lock(r->mu);
                bool any = gw_dirtymap_get_page(r->plan->map[i], kind, p, bits);
                pthread_mutex_unlock(r->mu);
                if (!any)
                    continue;
                struct gw_map_page m = {
                    .volume = (uint16_t)i, .kind = (uint8_t)kind, .page = p, .bits = bits
                };
                size_t n = gw_map_encode(&m, buf, sizeof buf);
                int x = gw_replica_send(r, GW_FRAME_MAP, buf, n, err);
                if (x < 0)
                    return x;
            }
        }
    }
    return gw_replica_send(r, GW_FRAME_MAP_END, NULL, 0, err);
}

/* The union as it comes from the source; kept apart from this side's own set until all is there. */
struct set {
    struct gw_bitmap *map[2][GW_VOLUMES_MAX];
};

static void set_free(struct set *u)
{
    for (unsigned i = 0; u != NULL && i < GW_VOLUMES_MAX; i++) {
        gw_bitmap_free(u->map[0][i]);
        gw_bitmap_free(u->map[1][i]);
    }
    free(u);
}

static int receive_union(struct gw_replica *r, struct set *u, struct gw_error *err)
{
    uint8_t buf[GW_MAP_BYTES];
    for (;;) {
        struct gw_frame f;
        int x = gw_frame_recv(r->ses.conn, &f, buf, sizeof buf, err);
        if (x < 0)
            return x;
        struct gw_map_page m;
        struct gw_goodbye g;
        if (f.type == GW_FRAME_MAP_END)
            return 0;
        if (f.type == GW_FRAME_GOODBYE && gw_goodbye_decode(buf, f.bytes, &g))
            return gw_error_set(err, -ECONNABORTED, "the source ended the session: %s", g.sentence);
        if (f.type != GW_FRAME_MAP || !gw_map_decode(buf, f.bytes, &m) ||
            m.volume >= r->plan->meta.n_volumes || m.page >= pages_of(r, m.volume, m.kind))
            return gw_error_set(err, -EPROTO, "the source's set is malformed");
        struct gw_bitmap **to = &u->map[m.kind][m.volume];
        if (*to == NULL)
            *to = gw_bitmap_new(gw_bitmap_size(m.kind == GW_MAP_FINE
                                                   ? gw_dirtymap_fine(r->plan->map[m.volume])
                                                   : gw_dirtymap_coarse(r->plan->map[m.volume])));
        gw_bitmap_page_or(*to, m.page, m.bits);
    }
}

/* Page by page out of the one set into the other: a page is in memory once. */
static int add_union(struct gw_replica *r, struct set *u, struct gw_error *err)
{
    LOCK_SCOPE(r->mu);
    for (unsigned i = 0; i < r->plan->meta.n_volumes; i++) {
        for (int kind = GW_MAP_FINE; kind <= GW_MAP_COARSE; kind++) {
            struct gw_bitmap *b = u->map[kind][i];
            for (uint64_t p = 0; b != NULL && p < gw_bitmap_pages(b); p++) {
                const uint8_t *bits = gw_bitmap_page(b, p);
                if (bits != NULL && gw_dirtymap_or_page(r->plan->map[i], kind, p, bits) < 0)
                    return gw_error_set(err, -EPROTO, "the source's set is out of range");
                gw_bitmap_clear(b, p * GW_BITMAP_PAGE_BITS, GW_BITMAP_PAGE_BITS);
            }
        }
    }
    return 0;
}

/*
 * The undo file, durable and empty, with this side's own set beside it, before anything changes.
 * Fail closed: no undo file, no resync.
 */
static int make_undo(struct gw_replica *r, char id[GW_ID_MAX], struct gw_error *err)
{
    struct gw_undo_manifest *um = calloc(1, sizeof *um);
    if (um == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    struct gw_plan *p = r->plan;
    pthread_mutex_lock(r->mu);
    bool rewound = gw_replica_was_rewound(r);
    const struct gw_meta *m = &p->meta;
    um->lineage = m->lineage;
    um->seq = m->seq;
    um->chain = m->chain;
    um->wall_ns = gw_io_wall_ns(p->io);
    um->source = gw_lineage_uuid(&r->ses.hello.side.lineage);
    um->fork_seq = r->ses.verdict.fork_seq;
    um->reigns = m->reigns;
    um->diverged = r->ses.verdict.diverged;
    memcpy(um->signed_by, m->signed_by, sizeof um->signed_by);
    um->signed_wall_ns = m->signed_wall_ns;
    um->n_volumes = m->n_volumes;
    memcpy(um->volume, m->volume, sizeof um->volume);
    snprintf(id, GW_ID_MAX, "e%llu-%llu", (unsigned long long)gw_lineage_epoch(&m->lineage),
             (unsigned long long)(um->wall_ns / 1000000));
    struct gw_assessed assessed = { .uuid = gw_lineage_uuid(&m->lineage),
                                    .fork_seq = um->fork_seq };
    pthread_mutex_unlock(r->mu);
    int x = gw_undo_create(p->io, p->dir, id, um, err);
    free(um);
    /* Rewound at the peer: without this file every kept block counts as this side's own. */
    for (unsigned i = 0; !rewound && x == 0 && i < p->meta.n_volumes; i++) {
        char path[PATH_MAX];
        if (gw_slot_is_empty(&p->meta.volume[i]))
            continue;
        if (snprintf(path, sizeof path, "%s/undo/%s/own-%u", p->dir, id, i) >= (int)sizeof path)
            x = gw_error_set(err, -ENAMETOOLONG, "path too long");
        else
            x = gw_dirtymap_save_copy(p->map[i], p->io, path, err);
    }
    if (x == 0)
        x = gw_assessed_keep(p->io, p->dir, &p->meta, &assessed, id, err);
    return x < 0 ? gw_error_wrap(err, "cannot keep the old state, so nothing is overwritten") : 0;
}

/* From here on the image is a target's: inconsistent until FIN. R6: the set is durable before. */
static int become_target(struct gw_replica *r, const char *undo_id, struct gw_error *err)
{
    int x = gw_plan_persist_maps(r->plan, err);
    LOCK_SCOPE(r->mu);
    if (x < 0 && !gw_no_room(x))
        gw_replica_fail(r, err); /* R20: sticky; another session would find the same */
    if (x < 0)
        return x;
    struct gw_meta *m = &r->plan->meta;
    m->pending = GW_PENDING_RESYNC;
    snprintf(m->pending_id, sizeof m->pending_id, "%s", undo_id);
    m->resync_source = gw_lineage_uuid(&r->ses.hello.side.lineage);
    m->consistent = false;
    m->role = GW_ROLE_STANDBY;
    m->released = false;
    m->clean = true;
    m->token_valid = false;
    x = gw_plan_store_meta(r->plan, err);
    gw_crash_point(r->plan->io, "replica.prepared");
    return x;
}

/* The set is here: keep the old state, join the sets, become a target. */
static int make_target(struct gw_replica *r, struct set *u, struct gw_error *err)
{
    const struct gw_meta *m = &r->plan->meta;
    char undo_id[GW_ID_MAX] = "";
    bool resumed = m->pending == GW_PENDING_RESYNC;
    int x = 0;
    if (resumed)
        memcpy(undo_id, m->pending_id, sizeof undo_id); /* R16: the undo file it has */
    else if (!m->blank)
        x = make_undo(r, undo_id, err);
    if (x == 0)
        x = add_union(r, u, err);
    if (x == 0)
        x = become_target(r, undo_id, err);
    if (x < 0 && !resumed && undo_id[0] != '\0') {
        struct gw_error ignored; /* what is left of it is removed at the next start */
        gw_undo_remove(r->plan->io, r->plan->dir, undo_id, &ignored);
    }
    if (x == 0 && !resumed)
        x = gw_applier_open_undo(r->applier, err);
    if (x == 0)
        x = gw_assessed_forget(r->plan->io, r->plan->dir, err);
    return x;
}

/* Numbers and chain of the session's stream; nothing of it is received yet. */
static void positions_from(struct gw_replica *r, const struct gw_start *start)
{
    gw_replica_number(r, start->first_seq - 1, start->chain);
}

int gw_replica_prepare(struct gw_replica *r, const struct gw_start *start, struct gw_error *err)
{
    /* R7: the whole journal is applied first; what is old is then exactly what the volumes hold. */
    int x = gw_replica_settle(r, err);
    if (x == 0)
        x = send_set(r, err);
    if (x < 0)
        return x;
    if (start->mode == GW_SESSION_ASSESS) {
        LOCK_SCOPE(r->mu);
        gw_replica_begin_assess(r, start);
        positions_from(r, start);
        r->state = GW_REPLICA_ASSESSING;
        return 0;
    }
    struct set *u = calloc(1, sizeof *u);
    if (u == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    x = receive_union(r, u, err);
    if (x == 0)
        x = make_target(r, u, err);
    set_free(u);
    if (x < 0)
        return x;
    LOCK_SCOPE(r->mu);
    positions_from(r, start);
    r->state = start->mode == GW_SESSION_FULL ? GW_REPLICA_SEEDING : GW_REPLICA_RESYNC;
    return 0;
}
