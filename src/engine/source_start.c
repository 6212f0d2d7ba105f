// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The opening of a session: hello, verdict, what follows from it, and the exchange of sets. */
#include "base/checked.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "engine/frame_io.h"
#include "engine/source_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The source's own statement (mu held). */
void gw_source_own_side(const struct gw_source *s, struct gw_side *ret)
{
    gw_plan_side(s->plan, ret);
    ret->serving = s->service == GW_SERVICE_SERVING || s->service == GW_SERVICE_QUIESCED;
    if (ret->serving) {
        ret->seq = s->seq;
        ret->chain = 0; /* the peer's chain is checked against ours at its position */
        ret->ring_whole = s->attached && s->detached_ops == 0;
        ret->ring_base = s->acked_seq;
    } else if (!s->cfg.heal_only && ret->role == GW_ROLE_ACTIVE && s->plan->meta.clean) {
        ret->ring_whole = true; /* nothing was written since: the ring begins at seq */
        ret->ring_base = ret->seq;
    }
}

static int exchange_hello(struct gw_source *s, struct gw_side *ret_own, struct gw_error *err)
{
    struct gw_session *ses = &s->ses;
    CLEANUP_FREE struct gw_hello *mine = calloc(1, sizeof *mine);
    CLEANUP_FREE struct gw_hello *theirs = calloc(1, sizeof *theirs);
    CLEANUP_FREE uint8_t *buf = malloc(GW_HELLO_BYTES_MAX);
    if (mine == NULL || theirs == NULL || buf == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    pthread_mutex_lock(s->mu);
    gw_source_own_side(s, &mine->side);
    *ret_own = mine->side;
    mine->version_min = GW_PROTOCOL_MIN;
    mine->version_max = GW_PROTOCOL_MAX;
    mine->changes = s->plan->meta.generation;
    struct gw_uuid nonce = gw_io_new_uuid(s->plan->io);
    memcpy(&mine->hash_seed, nonce.b, sizeof mine->hash_seed);
    ses->generation = s->plan->meta.generation;
    pthread_mutex_unlock(s->mu);
    size_t n = gw_hello_encode(mine, buf, GW_HELLO_BYTES_MAX);
    struct gw_frame f = { 0 };
    int r = gw_frame_send(s->ses.conn, GW_FRAME_HELLO, buf, n, err);
    if (r == 0)
        r = gw_frame_expect(ses->conn, GW_FRAME_HELLO, "hello", &f, buf, GW_HELLO_BYTES_MAX, err);
    if (r < 0)
        return r;
    if (!gw_hello_decode(buf, f.bytes, theirs))
        return gw_error_set(err, -EPROTO, "the peer's hello is malformed");
    r = gw_hello_check_version(theirs, err);
    if (r < 0)
        return r;
    ses->peer = theirs->side;
    ses->peer_version = theirs->version_max;
    bool adopted;
    r = gw_source_adopt_shape(s, &theirs->side, &adopted, err);
    if (r < 0)
        return r;
    LOCK_SCOPE(s->mu);
    if (adopted) /* what we said of ourselves is no longer so */
        gw_session_kill(s, GW_GOODBYE_RETRY, "%s", "");
    if (!gw_uuid_equal(&theirs->side.plan, &s->plan->meta.plan))
        return 0; /* the verdict says so */
    return gw_plan_saw_epoch(s->plan, theirs->side.highest_epoch, err);
}

static int exchange_verdict(struct gw_source *s, const struct gw_side *own, struct gw_error *err)
{
    struct gw_session *ses = &s->ses;
    struct gw_verdict theirs;
    gw_verdict_decide(own, &ses->peer, &ses->verdict);
    uint8_t buf[GW_GOODBYE_BYTES_MAX + GW_VERDICT_BYTES_MAX];
    size_t n = gw_verdict_encode(&ses->verdict, buf, sizeof buf);
    int r = gw_frame_send(s->ses.conn, GW_FRAME_VERDICT, buf, n, err);
    struct gw_frame f = { 0 };
    if (r == 0)
        r = gw_frame_expect(ses->conn, GW_FRAME_VERDICT, "verdict", &f, buf, sizeof buf, err);
    if (r < 0)
        return r;
    if (!gw_verdict_decode(buf, f.bytes, &theirs))
        return gw_error_set(err, -EPROTO, "the peer's verdict is malformed");
    pthread_mutex_lock(s->mu);
    s->st.verdict = ses->verdict;
    s->st.have_verdict = true;
    gw_source_changed(s);
    pthread_mutex_unlock(s->mu);
    if (gw_verdict_equal(&ses->verdict, &theirs))
        return 0;
    /* A verdict that deposes is obeyed whoever found it. */
    if (theirs.action == GW_VERDICT_DEPOSE && theirs.target == own->site) {
        ses->verdict = theirs;
        return 0;
    }
    return gw_error_set(err, -EPROTO, "the sides do not agree: row %d here, row %d there (%s | %s)",
                        ses->verdict.row, theirs.row, ses->verdict.sentence, theirs.sentence);
}

/* What the verdict means for a process that can only be a source. 0: go on as source. */
int gw_source_obey(struct gw_source *s, const struct gw_verdict *v, struct gw_error *err)
{
    int me = s->plan->meta.site;
    gw_log(GW_LOG_INFO, "verdict row %d, %s: %s", v->row, gw_verdict_action_name(v->action),
           v->sentence);
    pthread_mutex_lock(s->mu);
    bool serving = s->service == GW_SERVICE_SERVING || s->service == GW_SERVICE_QUIESCED;
    pthread_mutex_unlock(s->mu);
    switch (v->action) {
    case GW_VERDICT_DEPOSE:
    case GW_VERDICT_SPLIT_BRAIN:
        /* Rows 1 and 2 only: nothing else stops a serving side (row 13 beside an idle one asks). */
        if (serving && (v->row == 2 || (v->action == GW_VERDICT_DEPOSE && v->target == me))) {
            struct gw_error fe;
            if (gw_source_fence(s, v->sentence, &fe) < 0)
                gw_log(GW_LOG_ERROR, "cannot fence cleanly: %s", fe.msg);
        }
        break;
    case GW_VERDICT_REFUSE:
    case GW_VERDICT_ROLLED_BACK:
    case GW_VERDICT_QUESTION:
        break;
    case GW_VERDICT_FULL:
    case GW_VERDICT_IN_SYNC:
    case GW_VERDICT_STREAM:
    case GW_VERDICT_RESYNC:
        if (v->source == me)
            return 0;
        pthread_mutex_lock(s->mu);
        if (s->service == GW_SERVICE_WAITING && !s->cfg.heal_only) {
            /* The peer is source: this process must not serve. */
            gw_source_set_reason(s, "%s; start godwit-replica on this side", v->sentence);
            s->service = GW_SERVICE_FENCED;
        }
        pthread_cond_broadcast(&s->cv_write);
        pthread_mutex_unlock(s->mu);
        return gw_error_set(err, -EPERM, "%s; start godwit-replica on this side", v->sentence);
    case GW_VERDICT_ACTION_MAX:
        break;
    }
    return gw_error_set(err, -EPERM, "%s", v->sentence);
}

/* ---- sets --------------------------------------------------------------------------------- */

static uint64_t bitmap_pages(const struct gw_source *s, unsigned i, int kind)
{
    return gw_bitmap_pages(kind == GW_MAP_FINE ? gw_dirtymap_fine(s->plan->map[i])
                                               : gw_dirtymap_coarse(s->plan->map[i]));
}

static int take_page(struct gw_source *s, const struct gw_map_page *m, struct gw_error *err)
{
    if (m->volume >= s->plan->meta.n_volumes || m->page >= bitmap_pages(s, m->volume, m->kind))
        return gw_error_set(err, -EPROTO, "the peer's set names a page that does not exist");
    LOCK_SCOPE(s->mu);
    struct gw_session *ses = &s->ses;
    if (ses->mode == GW_SESSION_ASSESS) {
        struct gw_bitmap **own =
            m->kind == GW_MAP_FINE ? &ses->peer_fine[m->volume] : &ses->peer_coarse[m->volume];
        if (*own == NULL)
            *own = gw_bitmap_new(gw_bitmap_size(m->kind == GW_MAP_FINE
                                                    ? gw_dirtymap_fine(s->plan->map[m->volume])
                                                    : gw_dirtymap_coarse(s->plan->map[m->volume])));
        gw_bitmap_page_or(*own, m->page, m->bits);
    }
    /* The union is a superset: to keep the peer's set here as well can only cost a compare. */
    if (gw_dirtymap_or_page(s->plan->map[m->volume], m->kind, m->page, m->bits) < 0)
        return gw_error_set(err, -EPROTO, "the peer's set is out of range");
    return 0;
}

static int receive_set(struct gw_source *s, struct gw_error *err)
{
    uint8_t buf[GW_MAP_BYTES];
    for (;;) {
        struct gw_frame f = { 0 };
        int r = gw_frame_recv(s->ses.conn, &f, buf, sizeof buf, err);
        if (r < 0)
            return r;
        if (f.type == GW_FRAME_MAP_END)
            return 0;
        struct gw_map_page m;
        struct gw_goodbye g;
        if (f.type == GW_FRAME_GOODBYE && gw_goodbye_decode(buf, f.bytes, &g))
            return gw_error_set(err, -ECONNREFUSED, "the peer says (%s): %s",
                                gw_goodbye_name(g.reason), g.sentence);
        if (f.type != GW_FRAME_MAP || !gw_map_decode(buf, f.bytes, &m))
            return gw_error_set(err, -EPROTO, "the peer's set is malformed");
        r = take_page(s, &m, err);
        if (r < 0)
            return r;
    }
}

static uint64_t bits_of(const uint8_t *bits)
{
    uint64_t n = 0;
    for (size_t i = 0; i < GW_BITMAP_PAGE_BYTES; i++)
        n += (unsigned)__builtin_popcount(bits[i]);
    return n;
}

/* *ret: how much that is. */
static int send_set(struct gw_source *s, struct gw_ready *ret, struct gw_error *err)
{
    *ret = (struct gw_ready){ 0 };
    uint8_t buf[GW_MAP_BYTES], bits[GW_BITMAP_PAGE_BYTES];
    for (unsigned i = 0; i < s->plan->meta.n_volumes; i++) {
        for (int kind = GW_MAP_FINE; kind <= GW_MAP_COARSE; kind++) {
            uint64_t pages = bitmap_pages(s, i, kind);
            for (uint64_t p = 0; p < pages; p++) {
                pthread_mutex_lock(s->mu);
                bool any = gw_dirtymap_get_page(s->plan->map[i], kind, p, bits);
                pthread_mutex_unlock(s->mu);
                if (!any)
                    continue;
                *(kind == GW_MAP_FINE ? &ret->dirty_blocks : &ret->coarse_extents) += bits_of(bits);
                struct gw_map_page m = {
                    .volume = (uint16_t)i, .kind = (uint8_t)kind, .page = p, .bits = bits
                };
                size_t n = gw_map_encode(&m, buf, sizeof buf);
                int r = gw_frame_send(s->ses.conn, GW_FRAME_MAP, buf, n, err);
                if (r < 0)
                    return r;
            }
        }
    }
    return gw_frame_send(s->ses.conn, GW_FRAME_MAP_END, NULL, 0, err);
}

/* The target is prepared. R6: it holds all of D, of which `sent` is the size. */
static int receive_ready(struct gw_source *s, const struct gw_ready *sent, struct gw_error *err)
{
    uint8_t buf[GW_GOODBYE_BYTES_MAX];
    struct gw_frame f = { 0 };
    struct gw_ready ready;
    int r =
        gw_frame_expect(s->ses.conn, GW_FRAME_READY, "answer to START", &f, buf, sizeof buf, err);
    if (r == 0 && !gw_ready_decode(buf, f.bytes, &ready))
        r = gw_error_set(err, -EPROTO, "the peer's answer to START is malformed");
    if (r == 0 &&
        (ready.dirty_blocks < sent->dirty_blocks || ready.coarse_extents < sent->coarse_extents))
        r = gw_error_set(
            err, -EPROTO,
            "the peer holds %llu blocks and %llu extents of the %llu and %llu to copy",
            (unsigned long long)ready.dirty_blocks, (unsigned long long)ready.coarse_extents,
            (unsigned long long)sent->dirty_blocks, (unsigned long long)sent->coarse_extents);
    return r;
}

static int send_start(struct gw_source *s, const struct gw_start *start, struct gw_error *err)
{
    uint8_t buf[GW_START_BYTES];
    size_t n = gw_start_encode(start, buf, sizeof buf);
    return gw_frame_send(s->ses.conn, GW_FRAME_START, buf, n, err);
}

static void session_up(struct gw_source *s)
{
    s->ses.up = true;
    s->had_session = true;
    s->ses.last_heard_ns = gw_io_boot_ns(s->plan->io);
    s->link_lost_ns = 0;
    gw_source_set_reason(s, "%s", "");
    pthread_cond_broadcast(&s->cv_write);
    pthread_cond_signal(&s->cv_keeper);
    gw_source_changed(s);
}

/* ---- the two kinds of start ---------------------------------------------------------------- */

/* Free what the peer has, and prove that what it has is our stream. mu held. */
static int catch_up_chain(struct gw_source *s, struct gw_error *err)
{
    uint64_t at = s->ses.peer.seq;
    const struct gw_slot *o;
    if (at > s->seq)
        return gw_error_set(err, -EPROTO, "the peer is ahead of its source");
    gw_ring_rewind(s->ring, at);
    while ((o = gw_ring_oldest(s->ring)) != NULL && o->rec.seq <= at) {
        s->chain = gw_chain_next(s->chain, o->rec.header_hash);
        gw_ring_pop(s->ring);
    }
    s->acked_seq = at;
    if (!s->chain_known) {
        /* A crash lost the number; row 7 holds by seq and empty sets: go on from the peer's. */
        s->chain = s->ses.peer.chain;
        s->chain_known = true;
    }
    if (s->ses.peer.chain == s->chain) {
        /* R5: what the hello acknowledged is as gone from the ring as what an ACK does. */
        struct gw_uuid theirs = gw_lineage_uuid(&s->ses.peer.lineage);
        for (unsigned i = 0; gw_uuid_equal(&theirs, &s->uuid) && i < s->plan->meta.n_volumes; i++)
            gw_dirtymap_cleared_through(s->plan->map[i], &s->uuid, at);
        return 0;
    }
    /* Same names, other content: never stream over that. The next verdict compares everything. */
    for (unsigned i = 0; i < s->plan->meta.n_volumes; i++)
        gw_dirtymap_mark_all_coarse(s->plan->map[i]);
    gw_source_fall_behind(s, "the chains differ");
    gw_session_kill(s, GW_GOODBYE_RETRY, "the peer's chain at seq %llu differs, comparing all",
                    (unsigned long long)at);
    return -ECANCELED;
}

/* No record of before may be left in the ring, and no writer may be about to put one there. */
static void empty_ring(struct gw_source *s)
{
    gw_source_fall_behind(s, "a resync begins");
    while (gw_ring_claims(s->ring) > 0 || !gw_ring_all_filled(s->ring))
        gw_source_wait(s, &s->cv_write, 1);
    gw_ring_reset(s->ring);
}

/*
 * Row 6 without a ring: the last session ended after the target had adopted FIN and before that was
 * known here. Nothing was written since, so an empty ring begins here. mu held.
 */
static void attach_in_sync(struct gw_source *s)
{
    if (s->ses.verdict.row != 6 || s->detached_ops > 0 || s->seq != s->ses.peer.seq ||
        !gw_plan_maps_empty(s->plan))
        return;
    empty_ring(s);
    if (s->seq != s->ses.peer.seq || s->detached_ops > 0) /* the lock was dropped */
        return;
    s->acked_seq = s->seq;
    s->chain = s->ses.peer.chain;
    s->chain_known = true;
    s->attached = true;
}

static int start_stream(struct gw_source *s, struct gw_error *err)
{
    struct gw_session *ses = &s->ses;
    ses->mode = GW_SESSION_STREAM;
    pthread_mutex_lock(s->mu);
    int r = 0;
    while (!gw_ring_all_filled(s->ring)) /* copies under way: microseconds */
        gw_source_wait(s, &s->cv_link, 1);
    if (!s->attached)
        attach_in_sync(s);
    if (!s->attached || s->detached_ops > 0)
        r = -ECANCELED; /* fell behind since the hello */
    if (r == 0)
        r = catch_up_chain(s, err);
    struct gw_start start = {
        .mode = GW_SESSION_STREAM,
        .sync = s->cfg.sync,
        .uuid = s->uuid,
        .first_seq = s->acked_seq + 1,
        .chain = s->chain,
    };
    ses->received = ses->durable = ses->applied = s->acked_seq;
    ses->sent_seq = s->acked_seq;
    if (r == -ECANCELED && !ses->dead)
        gw_session_kill(s, GW_GOODBYE_RETRY, "the source fell behind meanwhile");
    pthread_mutex_unlock(s->mu);
    if (r < 0)
        return r;
    r = send_start(s, &start, err);
    if (r == 0)
        r = receive_ready(s, &(struct gw_ready){ 0 }, err);
    if (r < 0)
        return r;
    LOCK_SCOPE(s->mu);
    if (!s->attached) {
        gw_session_kill(s, GW_GOODBYE_FELL_BEHIND, "fell behind");
        return -ECANCELED;
    }
    if (s->sync_recorded && !gw_uuid_equal(&s->ses.peer.boot_id, &s->plan->meta.sync_boot)) {
        s->sync_recorded = false; /* R18: recorded anew once this boot has everything */
        s->sync_from = s->seq;
    }
    s->repl = s->sync_recorded ? GW_REPL_SYNC : GW_REPL_ASYNC;
    session_up(s);
    return 0;
}

static bool is_active(const struct gw_source *s)
{
    return s->service == GW_SERVICE_SERVING || s->service == GW_SERVICE_QUIESCED;
}

static void choose_numbers(struct gw_source *s, struct gw_start *start)
{
    struct gw_session *ses = &s->ses;
    if (is_active(s)) {
        start->uuid = s->uuid;
    } else {
        /* Not active: it heals its peer under numbers of this session only (Identity). */
        ses->session_numbers = true;
        s->uuid = gw_io_new_uuid(s->plan->io);
        s->seed = gw_record_seed(&s->uuid);
        s->seq = 0;
        start->uuid = s->uuid;
        start->session_numbers = true;
    }
    struct gw_uuid nonce = gw_io_new_uuid(s->plan->io);
    memcpy(&start->chain, nonce.b, sizeof start->chain);
    start->first_seq = s->seq + 1;
    s->chain = start->chain;
    memcpy(&ses->fin_chain, nonce.b + 8, sizeof ses->fin_chain);
    s->chain_known = true;
    s->acked_seq = s->seq;
    ses->sent_seq = ses->received = ses->durable = ses->applied = s->seq;
}

static bool seeding_can_resume(const struct gw_source *s)
{
    const struct gw_side *peer = &s->ses.peer;
    struct gw_uuid uuid;
    uint64_t seq;
    gw_plan_cleared(s->plan, &uuid, &seq);
    return !gw_uuid_is_none(&peer->reached_uuid) && gw_uuid_equal(&uuid, &peer->reached_uuid) &&
           peer->reached_seq >= seq;
}

static int start_copy(struct gw_source *s, enum gw_session_mode mode, struct gw_error *err)
{
    struct gw_session *ses = &s->ses;
    ses->mode = mode;
    bool fork = mode == GW_SESSION_ASSESS &&
                gw_fork_open(&ses->fork, s->plan, &ses->peer.lineage, ses->verdict.fork_seq);
    pthread_mutex_lock(s->mu);
    int r = mode == GW_SESSION_ASSESS ? 0 : gw_source_record_unsync(s, err);
    /* A stop or a fence that came meanwhile stores this reign's numbers: they are not to be
     * touched.
     */
    if (r == 0 && !is_active(s) && !s->cfg.heal_only)
        r = gw_error_set(err, -ESHUTDOWN, "the source stopped while a session was opened");
    if (r < 0) {
        pthread_mutex_unlock(s->mu);
        return r;
    }
    empty_ring(s);
    r = gw_source_lose_shape(s, err);
    if (r < 0) {
        pthread_mutex_unlock(s->mu);
        return r;
    }
    struct gw_start start = { .mode = mode, .sync = s->cfg.sync };
    choose_numbers(s, &start);
    /* Only a target that never received anything is zero where this side is: a trim that was not
     * acknowledged before a crash left a hole here and data there. */
    start.target_zero = mode == GW_SESSION_FULL && !ses->peer.seed_compare &&
                        gw_uuid_is_none(&ses->peer.reached_uuid);
    ses->target_zero = start.target_zero;
    start.fork = fork;
    if (ses->verdict.compare_all || (mode == GW_SESSION_FULL && !seeding_can_resume(s))) {
        for (unsigned i = 0; i < s->plan->meta.n_volumes; i++)
            gw_dirtymap_mark_all_coarse(s->plan->map[i]);
    }
    pthread_mutex_unlock(s->mu);
    r = send_start(s, &start, err);
    if (r == 0)
        r = receive_set(s, err);
    if (r < 0)
        return r;
    struct gw_ready sent = { 0 };
    if (mode != GW_SESSION_ASSESS) {
        /* R6: D is durable on both sides before the first resync write. */
        r = gw_plan_persist_maps(s->plan, err);
        if (r < 0)
            return r;
        gw_crash_point(s->plan->io, "source.union");
        r = send_set(s, &sent, err);
        if (r < 0)
            return r;
    }
    r = receive_ready(s, &sent, err);
    if (r < 0)
        return r;
    LOCK_SCOPE(s->mu);
    s->st.resync_started_ns = gw_io_boot_ns(s->plan->io);
    s->st.resync_ended_ns = 0;
    s->st.resync_total_bytes = gw_plan_dirty_blocks(s->plan) * GW_BLOCK_BYTES;
    s->st.compared_bytes = s->st.compared_differing_blocks = s->st.tail_blocks = 0;
    s->st.resync_sent_bytes = 0;
    s->st.assessed = false;
    ses->peer_rewound = gw_side_was_rewound(&ses->peer, ses->verdict.fork_seq);
    if (mode == GW_SESSION_ASSESS) {
        s->repl = GW_REPL_ASSESSING;
    } else {
        s->repl = mode == GW_SESSION_FULL ? GW_REPL_SEEDING : GW_REPL_RESYNC;
        s->attached = true; /* from here on live writes are in the same stream */
    }
    session_up(s);
    return 0;
}

/* Row 0: what the hello said about who we are is no longer so. */
static bool identity_moved(const struct gw_source *s, const struct gw_side *said)
{
    struct gw_uuid then = gw_lineage_uuid(&said->lineage);
    struct gw_uuid now = gw_lineage_uuid(&s->plan->meta.lineage);
    return !gw_uuid_equal(&then, &now) || said->role != s->plan->meta.role;
}

int gw_session_open(struct gw_source *s, struct gw_error *err)
{
    struct gw_side own;
    int r = exchange_hello(s, &own, err);
    if (r < 0 || s->ses.dead)
        return r;
    r = exchange_verdict(s, &own, err);
    if (r < 0)
        return r;
    r = gw_source_obey(s, &s->ses.verdict, err);
    if (r < 0) {
        pthread_mutex_lock(s->mu);
        gw_session_kill(s, GW_GOODBYE_REFUSED, "%s", err->msg);
        pthread_mutex_unlock(s->mu);
        return r;
    }
    pthread_mutex_lock(s->mu);
    if (s->service == GW_SERVICE_WAITING && !s->cfg.heal_only) {
        /* Confirmed (row 10, or nobody replaced us): serve. The identity may be new: look again. */
        r = gw_source_begin_serving(s, err);
        gw_session_kill(s, GW_GOODBYE_RETRY, "%s", "");
    } else if (identity_moved(s, &own)) {
        gw_session_kill(s, GW_GOODBYE_RETRY, "%s", ""); /* row 0 */
    }
    bool again = s->ses.dead;
    pthread_mutex_unlock(s->mu);
    if (r < 0 || again)
        return r;
    const struct gw_verdict *v = &s->ses.verdict;
    bool equal = v->action == GW_VERDICT_STREAM || v->action == GW_VERDICT_IN_SYNC;
    if (equal && s->cfg.heal_only) {
        LOCK_SCOPE(s->mu);
        s->st.healed = true;
        gw_session_kill(s, GW_GOODBYE_STOPPING, "nothing to heal");
        return 0;
    }
    if (equal) {
        r = start_stream(s, err);
        return r == -ECANCELED ? 0 : r;
    }
    enum gw_session_mode mode = GW_SESSION_RESYNC;
    if (v->action == GW_VERDICT_FULL)
        mode = GW_SESSION_FULL;
    else if (v->diverged && !s->ses.peer.tail_signed)
        mode = GW_SESSION_ASSESS; /* itemise; a person signs; then the resync */
    return start_copy(s, mode, err);
}
