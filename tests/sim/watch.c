// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * When the oracle looks. Crash points are good moments: the engine has just made something durable,
 * and nothing else runs.
 */
#include "site.h"

#include "engine/apply_internal.h"
#include "engine/points.h"
#include "engine/tail.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- snapshots ------------------------------------------------------------------------------- */

static void take(struct site *s, struct snapshot *ret)
{
    image_free(&ret->image);
    ret->uuid = gw_lineage_uuid(&s->plan->meta.lineage);
    ret->seq = s->plan->meta.seq;
    image_take(&ret->image, s->id);
}

/* A standby's consistent image is exactly a prefix. With its journal applied it also holds what the
 * source was told it has. */
static void check_standby(struct site *s, uint64_t epoch, const struct image *im, unsigned need,
                          const char *what)
{
    struct timeline *t = timeline_find(epoch);
    site_sample(site_peer(s));
    if (t && s->timeline != t)
        model_check(im, t, s->rewound ? 0 : need, true, what);
}

static void resync_begins(struct site *s)
{
    const struct gw_meta *m = &s->plan->meta;
    s->in_resync = true;
    s->resyncs++;
    s->have_after = false;
    s->have_before = m->pending_id[0] != '\0';
    memcpy(s->before_undo, m->pending_id, sizeof s->before_undo);
    world.resyncs++;
    if (!s->have_before)
        return;
    take(s, &s->before);
    s->before_epoch = gw_lineage_epoch(&m->lineage);
    check_standby(s, s->before_epoch, &s->before.image, NEED_PEER, "the standby before a resync");
}

struct lost {
    struct site *s;
    uint64_t n;
};

static void count_lost(void *arg, unsigned volume, uint64_t block, const struct op *o)
{
    struct lost *l = arg;
    l->n++;
    sim_trace("lost by the failover: op %llu, volume %u block %llu", (unsigned long long)o->id,
              volume, (unsigned long long)block);
}

/* The target has adopted its source's image: what was lost by that must be kept (or it had none).
 */
static void resync_ended(struct site *s)
{
    s->in_resync = s->rewound = false;
    if (!s->have_before || !s->replica)
        return;
    image_free(&s->after);
    image_take(&s->after, s->id);
    s->have_after = true;
    struct timeline *was = timeline_find(s->before_epoch),
                    *is = timeline_find(gw_lineage_epoch(&s->plan->meta.lineage));
    if (was && was == is && s->timeline == was)
        /* Nobody was promoted: the standby healed the side that was active (row 9), and so it has
         * whatever that side had promised. */
        model_check(&s->after, was,
                    s->unconfirmed ? NEED_FLUSHED | NEED_PEER : (unsigned)NEED_ANSWERED, false,
                    "the old active, healed by its standby");
    if (!was || !is || timeline_parent(is) != was)
        return;
    struct lost l = { .s = s };
    model_each_lost(&s->before.image, was, is, &s->after, count_lost, &l);
    if (l.n > 0 && !s->replica->applier->undo_diverged)
        sim_fail("site%d: %llu blocks with answered operations of epoch %llu were overwritten, and "
                 "no tail is kept",
                 s->id, (unsigned long long)l.n, (unsigned long long)s->before_epoch);
}

static void must_be(const struct image *now, const struct image *then, const char *what)
{
    const char *d = image_difference(now, then);
    if (d[0])
        sim_fail("%s: %s", what, d);
}

static const struct snapshot *point_at(const struct site *s, const struct gw_uuid *uuid,
                                       uint64_t seq)
{
    for (unsigned i = s->n_snapshots; i-- > 0;) {
        if (gw_uuid_equal(&s->snapshot[i].uuid, uuid) && s->snapshot[i].seq == seq)
            return &s->snapshot[i];
    }
    return NULL;
}

/* One state has one image: a second point of it (the pin at a fork, after going back) is the same.
 */
static void point_made(struct site *s)
{
    struct snapshot p = { .seq = 0 };
    take(s, &p);
    check_standby(s, gw_lineage_epoch(&s->plan->meta.lineage), &p.image, 0, "a recovery point");
    const struct snapshot *before = point_at(s, &p.uuid, p.seq);
    if (before) {
        must_be(&p.image, &before->image, "a second point of the same position");
        image_free(&p.image);
        return;
    }
    if (s->n_snapshots == SITE_SNAPSHOTS_MAX) {
        image_free(&s->snapshot[0].image);
        memmove(s->snapshot, s->snapshot + 1, (SITE_SNAPSHOTS_MAX - 1) * sizeof *s->snapshot);
        s->n_snapshots--;
    }
    s->snapshot[s->n_snapshots++] = p;
}

void watch_crash_point(int site, const char *name)
{
    struct site *s = &world.site[site];
    if (!s->plan)
        return;
    if (strcmp(name, "meta.before") == 0) {
        if (s->replica && s->plan->meta.pending == GW_PENDING_RESYNC && !s->in_resync)
            resync_begins(s);
    } else if (strcmp(name, "replica.adopt.after") == 0) {
        resync_ended(s);
    } else if (strcmp(name, "point.cloned") == 0) {
        point_made(s);
    }
}

/* ---- promotions ------------------------------------------------------------------------------ */

#define PROMOTIONS_MAX 256u

void watch_lineage(const struct gw_lineage *l)
{
    static struct gw_incarnation seen[PROMOTIONS_MAX];
    static unsigned n;
    for (uint32_t i = 0; i < l->n; i++) {
        const struct gw_incarnation *e = &l->e[i];
        unsigned k = 0;
        while (k < n && seen[k].epoch != e->epoch)
            k++;
        if (e->birth != GW_BIRTH_PROMOTION)
            continue;
        if (k < n && !gw_uuid_equal(&seen[k].uuid, &e->uuid))
            sim_fail("two promotions have the number %llu", (unsigned long long)e->epoch);
        if (k == n && n < PROMOTIONS_MAX)
            seen[n++] = *e;
    }
}

void watch_promotion(struct site *s)
{
    const struct gw_lineage *l = &s->meta.lineage;
    const struct gw_incarnation *e = gw_lineage_current(l);
    if (l->n < 2 || e->birth != GW_BIRTH_PROMOTION)
        sim_fail("site%d: epoch %llu came from nowhere", s->id, (unsigned long long)e->epoch);
    struct timeline *was = timeline_find(l->e[l->n - 2].epoch);
    struct image now;
    image_take(&now, s->id);
    const struct snapshot *p = point_at(s, &e->parent, e->fork_seq);
    site_sample(site_peer(s));
    if (s->have_before && gw_uuid_equal(&e->parent, &s->before.uuid) &&
        e->fork_seq == s->before.seq && s->promote.roll_back) {
        must_be(&now, &s->before.image, "promoted after rolling a resync back");
    } else if (s->point[0] && p) {
        must_be(&now, &p->image, "promoted to a recovery point");
    } else if (was && s->timeline == was) {
        model_check(&now, was, s->unconfirmed ? NEED_FLUSHED : NEED_ANSWERED, false,
                    "confirmed alone");
    } else if (was) {
        model_check(&now, was, s->rewound ? 0 : NEED_PEER, true, "promoted");
    }
    sim_trace("site%d: promoted to epoch %llu at seq %llu", s->id, (unsigned long long)e->epoch,
              (unsigned long long)e->fork_seq);
    world.promotions++;
    timeline_new(e->epoch, s->id, was, &now);
    s->unconfirmed = s->rewound = false;
}

/* ---- at rest --------------------------------------------------------------------------------- */

void watch_equal(void)
{
    const char *d = model_sites_differ();
    if (d[0])
        sim_fail("both sides say that they are equal, but %s", d);
    struct site *a = world.site[0].run == RUN_SOURCE ? &world.site[0] : &world.site[1];
    const struct gw_meta *m = &a->plan->meta, *n = &site_peer(a)->plan->meta;
    if (!gw_shape_equal(m->volume, m->n_volumes, n->volume, n->n_volumes))
        sim_fail("both sides say that they are equal, but their volumes are not the same");
    struct image now;
    image_take(&now, a->id);
    site_sample(a);
    model_check(&now, a->timeline, NEED_ANSWERED, false, "the active side, at rest");
    image_free(&now);
}

/* ---- the kept tail --------------------------------------------------------------------------- */

struct kept {
    struct site *s;
    unsigned resyncs;
    struct gw_bitmap *block[MODEL_VOLUMES_MAX], *tail[MODEL_VOLUMES_MAX];
};

/* The next resync began while this one's tail was being read: the snapshots are of that one now. */
static bool is_overtaken(const struct kept *k)
{
    return k->s->resyncs != k->resyncs;
}

static int keep_block(void *arg, unsigned volume, uint64_t block, const uint8_t *content,
                      size_t len, struct gw_error *err)
{
    static const uint8_t zeros[MODEL_PAGE];
    struct kept *k = arg;
    (void)err;
    if (is_overtaken(k))
        return 0;
    const uint8_t *was = k->s->before.image.page[volume][block];
    if (memcmp(content, was ? was : zeros, len) != 0)
        sim_fail("site%d: the undo file holds something else for volume %u block %llu than was "
                 "there before the resync",
                 k->s->id, volume, (unsigned long long)block);
    gw_bitmap_set(k->block[volume], block, 1);
    return 0;
}

static void must_be_tail(void *arg, unsigned volume, uint64_t block, const struct op *o)
{
    struct kept *k = arg;
    if (!gw_bitmap_test(k->tail[volume], block))
        sim_fail("site%d: the kept tail lacks volume %u block %llu with op %llu, which was "
                 "answered and lost by the failover",
                 k->s->id, volume, (unsigned long long)block, (unsigned long long)o->id);
}

static void check_kept(struct kept *k)
{
    struct site *s = k->s;
    for (unsigned v = 0; v < model_volumes(); v++) {
        for (uint64_t b = 0; b * MODEL_PAGE < model_bytes(v); b++) {
            if (image_block_differs(&s->before.image, &s->after, v, b) &&
                !gw_bitmap_test(k->block[v], b))
                sim_fail("site%d: volume %u block %llu was overwritten by the resync and is not in "
                         "the undo file",
                         s->id, v, (unsigned long long)b);
        }
    }
    struct timeline *was = timeline_find(s->before_epoch),
                    *is = timeline_find(gw_lineage_epoch(&s->plan->meta.lineage));
    if (was && is && timeline_parent(is) == was)
        model_each_lost(&s->before.image, was, is, &s->after, must_be_tail, k);
}

static int look_at_tail(struct site *s, struct gw_error *err)
{
    struct gw_io *io = s->plan->io;
    const char *dir = s->plan->dir;
    if (!gw_undo_is_finished(io, dir, s->before_undo))
        return 0; /* there was no tail: it was removed */
    struct kept k = { .s = s, .resyncs = s->resyncs };
    for (unsigned v = 0; v < model_volumes(); v++) {
        uint64_t blocks = (model_bytes(v) + MODEL_PAGE - 1) / MODEL_PAGE;
        k.block[v] = gw_bitmap_new(blocks);
        k.tail[v] = gw_bitmap_new(blocks);
    }
    struct gw_undo *u = NULL;
    struct gw_undo_manifest *um = malloc(sizeof *um);
    if (!um)
        abort();
    int r = gw_undo_open(io, dir, s->before_undo, true, &u, um, err);
    if (r == 0)
        r = gw_undo_each(u, keep_block, &k, err);
    gw_undo_close(u);
    free(um);
    struct gw_tail t = { .n = 0 };
    if (r == 0)
        r = gw_tail_find(io, dir, s->before_undo, s->plan->vol, &t, err);
    if (r == -EIO)
        return 0; /* an operation that was to fail; its code is not that of damage */
    if (r < 0)
        sim_fail("site%d: the kept tail cannot be read: %s", s->id, err->msg);
    for (size_t i = 0; i < t.n; i++)
        gw_bitmap_set(k.tail[t.range[i].volume], t.range[i].offset / MODEL_PAGE,
                      (t.range[i].length + MODEL_PAGE - 1) / MODEL_PAGE);
    gw_tail_done(&t);
    if (!is_overtaken(&k))
        check_kept(&k);
    for (unsigned v = 0; v < model_volumes(); v++) {
        gw_bitmap_free(k.block[v]);
        gw_bitmap_free(k.tail[v]);
    }
    return 0;
}

void watch_tail(struct site *s)
{
    int r;
    if (!s->have_before || !s->have_after || s->in_resync || s->run != RUN_REPLICA)
        return;
    site_call(s, look_at_tail, &r);
    s->have_after = false;
}
