// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Two background threads of a source: the hot log (writers wait for it, so it does nothing else),
 * and the keeper, which does what is slow: retire extents, persist maps, reserve numbers, record
 * SYNC and UNSYNC.
 */
#include "base/checked.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/source_internal.h"

#include <errno.h>

void *gw_source_hot_main(void *arg)
{
    struct gw_source *s = arg;
    struct gw_hotset *hot = s->plan->hot;
    pthread_mutex_lock(s->mu);
    for (;;) {
        s->hot_parked = s->park;
        while (!s->stop && (s->park || !gw_hotset_has_work(hot))) {
            s->hot_parked = s->park;
            gw_source_wait(s, &s->cv_hot, s->park ? 10 : 1000);
        }
        s->hot_parked = false;
        if (s->stop)
            break;
        if (gw_hotset_begin(hot) < 0) {
            gw_source_wait(s, &s->cv_hot, 1000);
            continue;
        }
        pthread_mutex_unlock(s->mu);
        struct gw_error err = { .code = 0 };
        int r = gw_hotset_write(hot, &err);
        pthread_mutex_lock(s->mu);
        gw_hotset_end(hot, r);
        if (r < 0)
            gw_source_fail(s, &err);
        pthread_cond_broadcast(&s->cv_write);
        pthread_cond_signal(&s->cv_keeper);
    }
    s->hot_parked = true; /* for good */
    pthread_mutex_unlock(s->mu);
    return NULL;
}

/* Run a step that does I/O without the lock. */
static int unlocked(struct gw_source *s, int (*step)(struct gw_plan *, struct gw_error *),
                    struct gw_error *err)
{
    pthread_mutex_unlock(s->mu);
    int r = step(s->plan, err);
    pthread_mutex_lock(s->mu);
    return r;
}

/* A failure is for good, whatever it is (R20): what was not synced may be gone. */
static int sync_volumes(struct gw_source *s)
{
    struct gw_error err = { .code = 0 };
    int r = unlocked(s, gw_plan_sync_volumes, &err);
    if (r < 0)
        gw_source_fail(s, &err);
    return r;
}

/* No room for the bits is told, and passes: until then extents stay hot (R2), and service goes on
 * as long as there are cold ones. Any other failure is for good. */
static int save_maps(struct gw_source *s)
{
    struct gw_error err = { .code = 0 };
    int r = unlocked(s, gw_plan_persist_maps, &err);
    if (gw_no_room(r))
        gw_source_set_reason(s, "%s", err.msg);
    else if (r < 0)
        gw_source_fail(s, &err);
    return r;
}

static bool maps_unsaved(const struct gw_source *s)
{
    for (unsigned i = 0; i < s->plan->meta.n_volumes; i++) {
        if (gw_dirtymap_unsaved(s->plan->map[i]))
            return true;
    }
    return false;
}

/* Bits that only this session's numbers vouch for stay durable until FIN (R5 has no number). */
static bool may_persist_clears(const struct gw_source *s)
{
    return !(s->ses.up && s->ses.session_numbers && !s->ses.finished);
}

static bool peer_has(const struct gw_source *s, uint64_t seq)
{
    if (!s->attached)
        return true; /* they are bits, and the bits were made durable before this is asked */
    const struct gw_slot *oldest = gw_ring_oldest(s->ring);
    return oldest == NULL || oldest->rec.seq > seq;
}

/*
 * R2: the previous generation leaves after a local fdatasync since its last write, and when no
 * record in it is undurable at the peer, or its bits are durable. One step a call; true: did one.
 */
static bool retire_step(struct gw_source *s)
{
    struct gw_hotset *hot = s->plan->hot;
    switch (s->retire) {
    case GW_RETIRE_NONE:
        if (gw_hotset_has_previous(hot) || !gw_hotset_wants_rotation(hot))
            return false;
        gw_hotset_rotate(hot);
        s->parity ^= 1;
        s->retire = GW_RETIRE_WAIT_OPS;
        pthread_cond_signal(&s->cv_hot);
        pthread_cond_broadcast(&s->cv_write);
        return true;
    case GW_RETIRE_WAIT_OPS:
        if (s->in_flight[s->parity ^ 1] > 0)
            return false;
        s->retire_seq = s->seq;
        s->retire = GW_RETIRE_DATASYNC;
        return true;
    case GW_RETIRE_DATASYNC:
        if (sync_volumes(s) < 0)
            return false;
        s->retire = GW_RETIRE_PEER;
        return true;
    case GW_RETIRE_PEER:
        if (!gw_hotset_previous_carried(hot))
            return false;
        if (!peer_has(s, s->retire_seq)) {
            /* Nobody acknowledges and writers wait: bits take the place of the ring. */
            if (s->ses.up || !gw_hotset_is_full(hot) || s->sync_on)
                return false;
            gw_source_fall_behind(s, "the hot set is full and the peer is away");
        }
        if (maps_unsaved(s) && save_maps(s) < 0)
            return false;
        /* The lock was dropped: a writer may have asked for an extent of it, or a ring come back.
         */
        if (!peer_has(s, s->retire_seq) || !gw_hotset_previous_carried(hot))
            return true;
        {
            struct gw_uuid uuid;
            uint64_t seq;
            gw_dirtymap_get_cleared(s->plan->map[0], &uuid, &seq);
            gw_hotset_retire(hot, &uuid, seq);
        }
        s->retire = GW_RETIRE_NONE;
        pthread_cond_signal(&s->cv_hot);
        return true;
    }
    return false;
}

static void reserve_numbers(struct gw_source *s)
{
    bool active = s->service == GW_SERVICE_SERVING || s->service == GW_SERVICE_QUIESCED;
    if (!active || s->seq + GW_SEQ_RESERVE / 2 < s->plan->meta.seq_reserved)
        return;
    struct gw_error err;
    s->plan->meta.seq_reserved = s->seq + GW_SEQ_RESERVE;
    if (gw_plan_store_meta(s->plan, &err) < 0)
        gw_source_fail(s, &err);
    pthread_cond_broadcast(&s->cv_write);
}

static int record(struct gw_source *s, enum gw_recorded what, const struct gw_uuid *boot,
                  struct gw_error *err)
{
    struct gw_meta *m = &s->plan->meta;
    m->recorded = what;
    m->sync_boot = boot != NULL ? *boot : (struct gw_uuid){ { 0 } };
    m->recorded_seq = s->seq;
    m->recorded_wall_ns = gw_io_wall_ns(s->plan->io);
    int r = gw_plan_store_meta(s->plan, err);
    if (r < 0)
        gw_source_fail(s, err);
    gw_source_changed(s);
    return r;
}

/*
 * The peer is about to be, or may become, less than what SYNC says: durable before that happens.
 * Also the first time a peer is copied to: from FIN on it could be promoted, so that from now on
 * this side never serves again without asking.
 */
int gw_source_record_unsync(struct gw_source *s, struct gw_error *err)
{
    bool serving = s->service == GW_SERVICE_SERVING || s->service == GW_SERVICE_QUIESCED;
    if (!serving || (!s->sync_recorded && s->plan->meta.recorded != GW_RECORDED_NONE))
        return 0;
    if (s->sync_recorded) {
        /* What was answered under SYNC is at the peer, and here perhaps in the page cache only.
         * From UNSYNC on this side counts as the one that has it all, also after a power loss. */
        int r = unlocked(s, gw_plan_sync_volumes, err);
        if (r < 0) {
            gw_source_fail(s, err);
            return r;
        }
        if (!s->sync_recorded ||
            (s->service != GW_SERVICE_SERVING && s->service != GW_SERVICE_QUIESCED))
            return 0;
    }
    gw_crash_point(s->plan->io, "source.unsync");
    int r = record(s, GW_RECORDED_UNSYNC, NULL, err);
    if (r < 0)
        return r;
    s->sync_recorded = false;
    if (s->cfg.on_link_loss == GW_LINK_LOSS_CONTINUE) {
        s->sync_on = false; /* only now: W2 */
        gw_source_wake_answers(s);
        pthread_cond_broadcast(&s->cv_write);
    }
    return 0;
}

/*
 * Sync mode while the link is lost. W2: SYNC counts until UNSYNC is durable. With the policy
 * `suspend` writes wait for the peer instead, once it has been in sync.
 */
static void without_peer(struct gw_source *s)
{
    struct gw_error err;
    if (s->cfg.on_link_loss == GW_LINK_LOSS_SUSPEND && s->sync_promised) {
        gw_source_set_reason(s, "the peer is not in sync and the plan says suspend: writes wait");
        return;
    }
    if (!s->sync_recorded) { /* lost before it was ever promised */
        s->sync_on = false;
        gw_source_wake_answers(s);
        return;
    }
    uint64_t now = gw_io_boot_ns(s->plan->io);
    if (s->ses.up || now - s->link_lost_ns < s->cfg.unsync_ms * GW_NS_PER_MS)
        return; /* a resync records UNSYNC itself before it begins */
    if (gw_source_record_unsync(s, &err) == 0)
        gw_source_set_reason(s, "%s%s" GW_GOING_ON_ALONE, s->reason,
                             s->reason[0] != '\0' ? "; " : "");
}

/*
 * What this side may claim about its peer, durable before it is relied on. R18: SYNC names the boot
 * id of the replica that has it all.
 */
static void record_sync(struct gw_source *s)
{
    struct gw_error err;
    if (s->service != GW_SERVICE_SERVING && s->service != GW_SERVICE_QUIESCED)
        return;
    bool streaming = gw_source_streaming(s);
    if (!s->cfg.sync) {
        if (streaming && s->plan->meta.recorded != GW_RECORDED_ASYNC)
            record(s, GW_RECORDED_ASYNC, NULL, &err);
        return;
    }
    if (!streaming) {
        if (s->sync_on)
            without_peer(s);
        return;
    }
    if (!s->sync_on) {
        s->sync_on = true; /* from now on no write is acknowledged that the peer has not received */
        s->sync_from = s->seq;
    } else if (!s->sync_recorded && s->ses.received >= s->sync_from) {
        s->sync_recorded = s->sync_promised = true;
        record(s, GW_RECORDED_SYNC, &s->ses.peer.boot_id, &err);
        s->repl = GW_REPL_SYNC;
        gw_source_set_reason(s, "%s", "");
        gw_source_changed(s);
    }
}

/*
 * Both threads stand still, outside of any I/O, for the rest of this source's life: a release or a
 * fence has no writer left and is about to clear the hot log itself.
 */
void gw_source_park(struct gw_source *s)
{
    s->park = true;
    pthread_cond_broadcast(&s->cv_hot);
    pthread_cond_broadcast(&s->cv_keeper);
    while (s->threads_running && (!s->hot_parked || !s->keeper_parked))
        gw_source_wait(s, &s->cv_change, 5);
}

void *gw_source_keeper_main(void *arg)
{
    struct gw_source *s = arg;
    uint64_t persisted_ns = 0;
    pthread_mutex_lock(s->mu);
    while (!s->stop) {
        if (s->io_failed || s->park) {
            s->keeper_parked = true;
            gw_source_wait(s, &s->cv_keeper, s->park ? 10 : 1000);
            continue;
        }
        s->keeper_parked = false;
        reserve_numbers(s);
        record_sync(s);
        bool did = retire_step(s);
        /* Clears are made durable lazily: a set bit on disk is a superset. */
        uint64_t now = gw_io_boot_ns(s->plan->io);
        if (maps_unsaved(s) && may_persist_clears(s) && now - persisted_ns > 2 * GW_NS_PER_S) {
            persisted_ns = now;
            did = save_maps(s) == 0;
        }
        if (!did)
            gw_source_wait(s, &s->cv_keeper, s->cfg.sync ? 20 : 100);
    }
    s->keeper_parked = true; /* for good */
    pthread_mutex_unlock(s->mu);
    return NULL;
}
