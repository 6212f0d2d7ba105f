// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/promote.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/apply.h"
#include "engine/journal.h"
#include "engine/points.h"
#include "engine/rewind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int gw_promote_check(const struct gw_plan *p, const struct gw_promote_options *o,
                     struct gw_error *err)
{
    const struct gw_meta *m = &p->meta;
    if (m->blank)
        return gw_error_set(err, -EUCLEAN,
                            "this side is blank or was never seeded completely: "
                            "there is nothing to promote");
    if (m->role == GW_ROLE_ACTIVE && m->may_serve)
        return gw_error_set(err, -EALREADY,
                            "this side was promoted already (epoch %llu): start the "
                            "source here",
                            (unsigned long long)gw_lineage_epoch(&m->lineage));
    if (m->role == GW_ROLE_ACTIVE && !o->confirm_alone)
        return gw_error_set(err, -EPERM,
                            "this side is the active one and restarts by speaking to its peer; if "
                            "the peer is lost and you know that nobody serves there, say so "
                            "(--confirm-alone): that begins a new reign");
    if (m->role == GW_ROLE_ACTIVE && o->point != NULL)
        return gw_error_set(err, -EINVAL, "an active side has no recovery points to go back to");
    if (m->pending == GW_PENDING_RESYNC && !o->roll_back && o->point == NULL)
        return gw_error_set(err, -EUCLEAN,
                            "a resync of this side is unfinished, its image is a mixture; finish "
                            "the resync, or promote with --roll-back to the state before it");
    return 0;
}

static int replay_journal(struct gw_plan *p, struct gw_journal **ret_journal, uint64_t *ret_bytes,
                          struct gw_error *err)
{
    struct gw_journal_report report;
    int r = gw_journal_open(p->io, p->dir, &p->meta.plan, p->meta.journal_pos, UINT64_MAX, false,
                            ret_journal, &report, err);
    if (r < 0)
        return r;
    struct gw_applier *a;
    r = gw_applier_new(p, *ret_journal, NULL, &a, err);
    if (r < 0)
        return r;
    while ((r = gw_applier_step(a, gw_journal_end(*ret_journal), err)) > 0) {
    }
    if (r == 0)
        r = gw_applier_mark(a, err);
    gw_applier_free(a);
    *ret_bytes = report.bytes;
    gw_crash_point(p->io, "promote.replayed");
    return r < 0 ? gw_error_wrap(err, "cannot replay the journal") : 0;
}

/* Bring the volumes to the state that the new reign begins from. */
static int settle_image(struct gw_plan *p, const struct gw_promote_options *o,
                        struct gw_promote_result *ret, struct gw_error *err)
{
    struct gw_meta *m = &p->meta;
    struct gw_journal *journal = NULL;
    int r = 0;
    if (m->role != GW_ROLE_ACTIVE && m->pending != GW_PENDING_REWIND &&
        m->pending != GW_PENDING_ROLLBACK)
        r = replay_journal(p, &journal, &ret->replayed_bytes, err); /* R7: also before an undo */
    else if (m->role != GW_ROLE_ACTIVE) {
        struct gw_journal_report report;
        r = gw_journal_open(p->io, p->dir, &m->plan, m->journal_pos, UINT64_MAX, false, &journal,
                            &report, err);
    }
    if (r == 0 && (m->pending == GW_PENDING_RESYNC || m->pending == GW_PENDING_ROLLBACK)) {
        /* A resync that the journal finished (FIN) is no longer pending here. */
        r = gw_rewind_undo(p, ret, err);
    }
    const char *point = m->pending == GW_PENDING_REWIND ? m->pending_id : o->point;
    if (r == 0 && point != NULL)
        r = gw_rewind_to_point(p, journal, point, ret, err);
    gw_journal_close(journal);
    if (r == 0 && !m->consistent)
        r = gw_error_set(err, -EUCLEAN,
                         "the image is not consistent and nothing is left to roll "
                         "back; resync this side from its peer");
    return r;
}

/* Of a promotion that a crash ended before the reign began, after which the standby went on. */
static bool is_stale(struct gw_plan *p, const struct gw_point *now)
{
    CLEANUP_FREE struct gw_point *there = malloc(sizeof *there);
    struct gw_error err;
    return there != NULL && gw_point_load(p->io, p->dir, now->id, there, &err) == 0 &&
           (there->seq != now->seq || there->chain != now->chain);
}

/* Where there are reflinks the state at the fork is pinned: an exact list of the tail later. */
static void pin_fork(struct gw_plan *p, uint64_t epoch, struct gw_promote_result *ret)
{
    struct gw_point *pt = calloc(1, sizeof *pt);
    struct gw_error err;
    if (pt == NULL)
        return;
    const struct gw_meta *m = &p->meta;
    snprintf(pt->id, sizeof pt->id, "fork-%llu", (unsigned long long)epoch);
    snprintf(pt->tag, sizeof pt->tag, "fork");
    pt->lineage = m->lineage;
    pt->seq = m->seq;
    pt->chain = m->chain;
    pt->journal_pos = m->journal_pos;
    pt->reigns = m->reigns;
    pt->wall_ns = gw_io_wall_ns(p->io);
    pt->n_volumes = m->n_volumes;
    memcpy(pt->volume, m->volume, sizeof pt->volume);
    if (is_stale(p, pt))
        gw_point_remove(p->io, p->dir, pt->id, &err);
    int r = gw_point_create(p->io, p->dir, p->vol, GW_POINT_CLONE_ONLY, 0, pt, &err);
    ret->fork_point = r == 0 || r == -EEXIST;
    if (!ret->fork_point)
        gw_log(GW_LOG_INFO,
               "no point at the fork (%s): a later list of the divergent tail is a "
               "superset",
               err.msg);
    free(pt);
}

static int begin_reign(struct gw_plan *p, struct gw_promote_result *ret, struct gw_error *err)
{
    LOCK_SCOPE(&p->mu);
    struct gw_meta *m = &p->meta;
    bool restart = m->role == GW_ROLE_ACTIVE;
    struct gw_incarnation e = {
        .epoch = ret->epoch,
        .uuid = gw_io_new_uuid(p->io),
        .parent = gw_lineage_uuid(&m->lineage),
        .fork_seq = restart && !m->clean ? m->seq_reserved : m->seq,
        .had_seq = GW_MAX(m->seq, ret->had_seq),
        .wall_ns = gw_io_wall_ns(p->io),
        .site = m->site,
        .birth = GW_BIRTH_PROMOTION,
    };
    if (e.fork_seq != m->seq)
        m->chain = 0;
    m->seq = m->seq_reserved = e.fork_seq;
    gw_lineage_append(&m->lineage, &e);
    m->highest_epoch = e.epoch;
    m->role = GW_ROLE_ACTIVE;
    m->clean = true;
    m->may_serve = true;
    m->reigns++;
    ret->token = m->token_valid;
    ret->unverified = m->unverified;
    ret->fork_seq = e.fork_seq;
    m->token_valid = false;
    m->released = false;
    m->recorded = GW_RECORDED_UNSYNC;
    m->recorded_seq = m->seq;
    m->recorded_wall_ns = e.wall_ns;
    m->signed_tail = (struct gw_uuid){ { 0 } };
    m->survivor = (struct gw_uuid){ { 0 } };
    gw_crash_point(p->io, "promote.meta");
    int r = gw_plan_store_meta(p, err);
    gw_crash_point(p->io, "promote.done");
    return r;
}

int gw_promote(struct gw_plan *p, const struct gw_promote_options *o, struct gw_promote_result *ret,
               struct gw_error *err)
{
    uint64_t began = gw_io_boot_ns(p->io);
    *ret = (struct gw_promote_result){ .epoch = 0 };
    int r = gw_promote_check(p, o, err);
    if (r == 0)
        r = settle_image(p, o, ret, err);
    if (r < 0)
        return gw_error_wrap(err, "cannot promote");
    ret->epoch = gw_plan_next_epoch(p);
    if (p->meta.role != GW_ROLE_ACTIVE)
        pin_fork(p, ret->epoch, ret);
    r = begin_reign(p, ret, err);
    if (r < 0)
        return gw_error_wrap(err, "cannot promote");
    ret->seconds = (double)(gw_io_boot_ns(p->io) - began) / (double)GW_NS_PER_S;
    return 0;
}
