// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What the target says: acknowledgements, differences, goodbye. */
#include "base/checked.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/source_internal.h"

#include <assert.h>
#include <errno.h>

/* One record is durable at the peer, in order (R3). */
static void record_durable(struct gw_source *s, const struct gw_slot *o)
{
    const struct gw_record *rec = &o->rec;
    bool fin = rec->type == GW_RECORD_FIN && s->ses.mode != GW_SESSION_ASSESS;
    s->chain = fin ? s->ses.fin_chain : gw_chain_next(s->chain, rec->header_hash);
    if (rec->type == GW_RECORD_INJECT || rec->type == GW_RECORD_INJECT_ZERO) {
        uint64_t first = rec->offset / GW_BLOCK_BYTES;
        uint64_t n = (rec->length + GW_BLOCK_BYTES - 1) / GW_BLOCK_BYTES;
        gw_dirtymap_acked(s->plan->map[rec->volume], first, n);
    }
}

static void durable_through(struct gw_source *s, uint64_t seq)
{
    const struct gw_slot *o;
    while ((o = gw_ring_oldest(s->ring)) != NULL && o->rec.seq <= seq) {
        record_durable(s, o);
        gw_ring_pop(s->ring);
    }
    s->acked_seq = seq;
    const struct gw_session *ses = &s->ses;
    if (ses->mode == GW_SESSION_ASSESS || ses->session_numbers)
        return;                                            /* nothing is cleared on these numbers */
    for (unsigned i = 0; i < s->plan->meta.n_volumes; i++) /* R5 */
        gw_dirtymap_cleared_through(s->plan->map[i], &s->uuid, seq);
}

/* The target adopted our identity at FIN: it is consistent, and the stream just goes on. */
static void resync_finished(struct gw_source *s)
{
    struct gw_session *ses = &s->ses;
    ses->finished = true;
    s->st.resync_ended_ns = gw_io_boot_ns(s->plan->io);
    gw_crash_point(s->plan->io, "source.fin");
    if (ses->session_numbers) {
        s->st.healed = true;
        gw_session_kill(s, GW_GOODBYE_STOPPING, "healed the peer");
        return;
    }
    ses->mode = GW_SESSION_STREAM;
    s->sync_from = s->seq;
    s->repl = GW_REPL_ASYNC;
    gw_log(GW_LOG_NOTICE, "%s is consistent at seq %llu", ses->peer.site_name,
           (unsigned long long)ses->durable);
    pthread_cond_signal(&s->cv_keeper);
    gw_source_changed(s);
}

/* The target's running hash at `durable` is not ours: it does not hold this stream. */
static int chains_differ(struct gw_source *s, struct gw_error *err)
{
    for (unsigned i = 0; i < s->plan->meta.n_volumes; i++)
        gw_dirtymap_mark_all_coarse(s->plan->map[i]);
    gw_source_fall_behind(s, "the chains differ");
    return gw_error_set(
        err, -EBADMSG,
        "the peer's chain at seq %llu differs from ours: everything will be compared",
        (unsigned long long)s->acked_seq);
}

static int on_ack(struct gw_source *s, const struct gw_ack *a, struct gw_error *err)
{
    struct gw_session *ses = &s->ses;
    if (!gw_uuid_equal(&a->uuid, &s->uuid))
        return 0; /* R4: about another incarnation's numbers */
    if (a->received > ses->sent_seq || a->durable > a->received || a->applied > a->durable ||
        a->durable < ses->durable)
        return gw_error_set(
            err, -EPROTO,
            "the peer's acknowledgement is impossible: received %llu, durable %llu, "
            "applied %llu; sent %llu, durable before %llu",
            (unsigned long long)a->received, (unsigned long long)a->durable,
            (unsigned long long)a->applied, (unsigned long long)ses->sent_seq,
            (unsigned long long)ses->durable);
    ses->received = a->received;
    ses->applied = a->applied;
    if (a->durable > ses->durable) {
        ses->durable = a->durable;
        durable_through(s, a->durable);
        if (!ses->session_numbers && a->chain != s->chain)
            return chains_differ(s, err);
        if (s->write_waiters > 0)
            pthread_cond_broadcast(&s->cv_write);
        if (s->retire == GW_RETIRE_PEER)
            pthread_cond_signal(&s->cv_keeper);
        if (s->sender_waits) /* there may be room to inject more */
            pthread_cond_signal(&s->cv_link);
    }
    if (a->echo_ns != 0) {
        uint64_t now = gw_io_boot_ns(s->plan->io);
        s->st.rtt_ns = now > a->echo_ns ? now - a->echo_ns : 0;
    }
    if (a->finished && ses->fin_queued && !ses->finished)
        resync_finished(s);
    if (a->token_matched && ses->token_seq != 0 && a->durable >= ses->token_seq)
        ses->token_matched = true;
    pthread_cond_broadcast(&s->cv_ack);
    /* Only those that it answers: to wake all for each acknowledgement is most of what a
     * synchronous write costs. */
    for (struct gw_answer *o = s->answers; o != NULL; o = o->next) {
        if (gw_source_answered(s, o))
            pthread_cond_signal(&o->cv);
    }
    if (s->cfg.sync && !s->sync_on)
        pthread_cond_signal(&s->cv_keeper);
    return 0;
}

static bool differs(const struct gw_diff *d, uint64_t i)
{
    return (d->differs[i / 8] >> (i % 8)) & 1;
}

/* R20: a verify difference is dirty on both sides; the target marks its own. */
static void on_verify(struct gw_source *s, const struct gw_diff *d, uint64_t blocks)
{
    uint64_t found = 0;
    for (uint64_t i = 0; i < blocks; i++) {
        if (!differs(d, i))
            continue;
        found++;
        gw_dirtymap_mark(s->plan->map[d->volume], d->offset + i * GW_BLOCK_BYTES, 1);
    }
    if (found > 0)
        gw_log(GW_LOG_ERROR, "verify: %llu blocks of volume '%s' differ at offset %llu",
               (unsigned long long)found, s->plan->meta.volume[d->volume].name,
               (unsigned long long)d->offset);
    if (d->seq > s->verify_from) { /* else of a verify that a lost link ended */
        s->st.verify.differing_blocks += found;
        s->st.verify.checked_bytes += d->length;
        s->verify_answered++;
    }
    gw_source_changed(s);
}

static bool in_peer_set(const struct gw_session *ses, unsigned volume, uint64_t block)
{
    const struct gw_bitmap *fine = ses->peer_fine[volume], *coarse = ses->peer_coarse[volume];
    return (fine != NULL && gw_bitmap_test(fine, block)) ||
           (coarse != NULL && gw_bitmap_test(coarse, block / GW_BLOCKS_PER_EXTENT));
}

static void on_compare(struct gw_source *s, const struct gw_diff *d, uint64_t blocks)
{
    struct gw_session *ses = &s->ses;
    s->st.compared_bytes += d->length;
    for (uint64_t i = 0; i < blocks; i++) {
        if (!differs(d, i))
            continue;
        s->st.compared_differing_blocks++;
        gw_dirtymap_mark(s->plan->map[d->volume], d->offset + i * GW_BLOCK_BYTES, 1);
    }
    uint64_t extent = d->offset / GW_EXTENT_BYTES;
    gw_dirtymap_compared(s->plan->map[d->volume], extent);
    if (ses->asked[d->volume] != NULL)
        gw_bitmap_clear(ses->asked[d->volume], extent, 1);
}

/* What differs, and how much of it is of the peer's own set: with the state at the fork at hand
 * that is asked for once more. */
static void on_assess(struct gw_source *s, const struct gw_diff *d, uint64_t blocks)
{
    struct gw_session *ses = &s->ses;
    uint64_t first = d->offset / GW_BLOCK_BYTES, tail = 0;
    for (uint64_t i = 0; i < blocks; i++) {
        if (!differs(d, i))
            continue;
        s->st.compared_differing_blocks += !d->fork;
        tail += d->fork || ses->peer_rewound || in_peer_set(ses, d->volume, first + i);
    }
    if (!d->fork)
        s->st.compared_bytes += d->length;
    if (tail > 0 && !d->fork && ses->fork.open) {
        /* One for each HASH on its way, and no new one is sent before these are (assess_step). */
        assert(ses->n_again < GW_HASHES_IN_FLIGHT_MAX);
        ses->again[ses->n_again].volume = d->volume;
        ses->again[ses->n_again].off = d->offset;
        ses->again[ses->n_again++].len = d->length;
    } else {
        s->st.tail_blocks += tail;
    }
}

static int on_diff(struct gw_source *s, const struct gw_diff *d, struct gw_error *err)
{
    uint64_t end;
    if (d->volume >= s->plan->meta.n_volumes || d->offset % GW_BLOCK_BYTES != 0 ||
        d->length > GW_EXTENT_BYTES || ckd_add(&end, d->offset, (uint64_t)d->length) ||
        end > s->plan->meta.volume[d->volume].bytes)
        return gw_error_set(err, -EPROTO, "the peer's differences name an impossible range");
    uint64_t blocks = ((uint64_t)d->length + GW_BLOCK_BYTES - 1) / GW_BLOCK_BYTES;
    if (d->verify) {
        on_verify(s, d, blocks);
        return 0;
    }
    if (s->ses.diffs_received >= s->ses.hashes_sent || (d->fork && !s->ses.fork.open))
        return gw_error_set(err, -EPROTO, "the peer answers what was not asked");
    if (s->ses.mode == GW_SESSION_ASSESS)
        on_assess(s, d, blocks);
    else
        on_compare(s, d, blocks);
    s->ses.diffs_received++;
    pthread_cond_signal(&s->cv_link);
    gw_source_changed(s);
    return 0;
}

int gw_source_on_frame(struct gw_source *s, const struct gw_frame *f, const uint8_t *payload,
                       struct gw_error *err)
{
    LOCK_SCOPE(s->mu);
    s->ses.last_heard_ns = gw_io_boot_ns(s->plan->io);
    if (f->type == GW_FRAME_ACK) {
        struct gw_ack a;
        if (gw_ack_decode(payload, f->bytes, &a))
            return on_ack(s, &a, err);
    } else if (f->type == GW_FRAME_DIFF) {
        struct gw_diff d;
        if (gw_diff_decode(payload, f->bytes, &d))
            return on_diff(s, &d, err);
    } else if (f->type == GW_FRAME_RESULT) {
        struct gw_result result;
        if (gw_result_decode(payload, f->bytes, &result)) {
            s->ses.result = result;
            gw_source_on_shape_result(s, &result);
            pthread_cond_broadcast(&s->cv_ack);
            return 0;
        }
    } else if (f->type == GW_FRAME_GOODBYE) {
        struct gw_goodbye g;
        if (gw_goodbye_decode(payload, f->bytes, &g)) {
            if (g.reason == GW_GOODBYE_RETRY)
                gw_session_kill(s, GW_GOODBYE_RETRY, "%s", g.sentence);
            return gw_error_set(err, -ECONNABORTED, "the peer ends the session (%s): %s",
                                gw_goodbye_name(g.reason), g.sentence);
        }
    }
    return gw_error_set(err, -EPROTO, "the peer sent an unexpected or malformed frame (type %d)",
                        (int)f->type);
}
