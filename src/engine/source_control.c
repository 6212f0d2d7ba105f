// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What an operator or the site daemon asks of a running source. */
#include "base/checked.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/source_internal.h"
#include "engine/tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static uint64_t deadline(const struct gw_source *s, unsigned timeout_ms)
{
    return gw_io_boot_ns(s->plan->io) + timeout_ms * GW_NS_PER_MS;
}

static bool passed(const struct gw_source *s, uint64_t at)
{
    return gw_io_boot_ns(s->plan->io) >= at;
}

int gw_source_grant(struct gw_source *s, uint64_t deadline_boot_ns, struct gw_error *err)
{
    LOCK_SCOPE(s->mu);
    if (!s->cfg.granted)
        return gw_error_set(err, -EINVAL,
                            "this source does not run in granted mode (start it with granted=yes)");
    s->deadline_ns = deadline_boot_ns;
    pthread_cond_broadcast(&s->cv_write);
    return 0;
}

/* Asked again after each wait: a fence, a verdict or a failure may have come meanwhile. */
static int still_quiesced(const struct gw_source *s, struct gw_error *err)
{
    if (s->service == GW_SERVICE_QUIESCED)
        return 0;
    return gw_error_set(err, -EPERM, "no longer quiesced: the source is %s",
                        gw_service_state_name(s->service));
}

static uint64_t in_flight(const struct gw_source *s)
{
    return s->in_flight[0] + s->in_flight[1];
}

int gw_source_quiesce(struct gw_source *s, unsigned timeout_ms, struct gw_error *err)
{
    LOCK_SCOPE(s->mu);
    if (s->service == GW_SERVICE_SERVING) {
        s->service = GW_SERVICE_QUIESCED;
        gw_source_changed(s);
    }
    if (s->service != GW_SERVICE_QUIESCED)
        return gw_error_set(err, -EPERM, "cannot quiesce: the source is %s",
                            gw_service_state_name(s->service));
    uint64_t until = deadline(s, timeout_ms);
    while (in_flight(s) > 0) {
        if (passed(s, until))
            return gw_error_set(err, -ETIMEDOUT, "%llu writes are still in flight after %u ms",
                                (unsigned long long)in_flight(s), timeout_ms);
        gw_source_wait(s, &s->cv_ack, 10);
    }
    return 0;
}

/* A record with an empty token after a HANDOVER voids it at the target, durably. mu held. */
static int void_token(struct gw_source *s, uint64_t until, struct gw_error *err)
{
    struct gw_session *ses = &s->ses;
    if (!s->token_out)
        return 0;
    struct gw_token none = { .epoch = 0 };
    uint8_t buf[GW_TOKEN_BYTES];
    size_t n = gw_token_encode(&none, buf, sizeof buf);
    uint64_t seq =
        gw_source_streaming(s) ? gw_source_put_record(s, GW_RECORD_HANDOVER, buf, (uint32_t)n) : 0;
    while (seq != 0 && gw_source_streaming(s)) {
        if (ses->durable >= seq) {
            ses->token_seq = 0;
            ses->token_matched = s->token_out = false;
            return 0;
        }
        if (passed(s, until))
            break;
        ses->barrier = true;
        pthread_cond_signal(&s->cv_link);
        gw_source_wait(s, &s->cv_ack, 50);
        if (still_quiesced(s, err) < 0)
            return -EPERM;
    }
    /* P2: the target cannot be told; that this side goes on alone is durable here instead. */
    s->plan->meta.recorded = GW_RECORDED_UNSYNC;
    s->plan->meta.recorded_seq = s->seq;
    s->plan->meta.recorded_wall_ns = gw_io_wall_ns(s->plan->io);
    int r = gw_plan_store_meta(s->plan, err);
    if (r < 0)
        return r;
    gw_log(GW_LOG_WARNING, "the target could not be told that the handover is off: its token is "
                           "true for its own moment only; recorded UNSYNC here");
    s->sync_recorded = s->token_out = false;
    /* A session that is still up would record again that the peer has it all. The next one begins
     * with a hello, by which the target voids its token. */
    if (ses->up)
        gw_session_kill(s, GW_GOODBYE_RETRY, "the handover is off");
    if (s->cfg.on_link_loss == GW_LINK_LOSS_CONTINUE)
        s->sync_on = false;
    gw_source_wake_answers(s);
    pthread_cond_broadcast(&s->cv_write);
    return 0;
}

int gw_source_unquiesce(struct gw_source *s, unsigned timeout_ms, struct gw_error *err)
{
    LOCK_SCOPE(s->mu);
    if (s->service != GW_SERVICE_QUIESCED)
        return gw_error_set(err, -EPERM, "not quiesced: the source is %s",
                            gw_service_state_name(s->service));
    int r = void_token(s, deadline(s, timeout_ms), err);
    if (r < 0)
        return r;
    s->service = GW_SERVICE_SERVING;
    pthread_cond_broadcast(&s->cv_write);
    gw_source_changed(s);
    return 0;
}

/* Wait until nothing is left to tell the peer. mu held. */
static int drain(struct gw_source *s, uint64_t until, struct gw_error *err)
{
    for (;;) {
        if (still_quiesced(s, err) < 0)
            return -EPERM;
        if (gw_source_streaming(s) && gw_ring_empty(s->ring) && gw_plan_maps_empty(s->plan) &&
            s->ses.durable == s->seq)
            return 0;
        if (passed(s, until))
            return gw_error_set(err, -ETIMEDOUT,
                                "the peer is not equal yet: replication is %s, %llu records and "
                                "%llu blocks are left; still quiesced, nothing was handed over",
                                gw_repl_state_name(s->repl),
                                (unsigned long long)(s->seq - s->acked_seq),
                                (unsigned long long)gw_plan_dirty_blocks(s->plan));
        s->ses.barrier = true;
        pthread_cond_signal(&s->cv_link);
        gw_source_wait(s, &s->cv_ack, 50);
    }
}

int gw_source_equal(struct gw_source *s, unsigned timeout_ms, struct gw_token *ret,
                    struct gw_error *err)
{
    pthread_mutex_lock(s->mu);
    bool quiesced = s->service == GW_SERVICE_QUIESCED && in_flight(s) == 0;
    pthread_mutex_unlock(s->mu);
    if (!quiesced)
        return gw_error_set(err, -EPERM, "quiesce first: equality needs a source without writers");
    int r = gw_plan_sync_volumes(s->plan, err); /* R17 */
    LOCK_SCOPE(s->mu);
    if (r < 0) {
        gw_source_fail(s, err);
        return r;
    }
    uint64_t until = deadline(s, timeout_ms);
    r = drain(s, until, err);
    if (r < 0)
        return r;
    struct gw_session *ses = &s->ses;
    if (ses->token_seq == 0) {
        struct gw_token t = { .uuid = s->uuid,
                              .epoch = gw_lineage_epoch(&s->plan->meta.lineage),
                              .seq = s->seq + 1,
                              .chain = s->chain };
        uint8_t buf[GW_TOKEN_BYTES];
        size_t n = gw_token_encode(&t, buf, sizeof buf);
        ses->token_seq = gw_source_put_record(s, GW_RECORD_HANDOVER, buf, (uint32_t)n);
        if (ses->token_seq == 0)
            return gw_error_set(err, -EAGAIN, "no room for the handover record");
        s->token = t;
        s->token_out = true;
    }
    while (!ses->token_matched || ses->durable < s->seq) {
        if (still_quiesced(s, err) < 0)
            return -EPERM;
        if (!gw_source_streaming(s))
            return gw_error_set(err, -ENOTCONN,
                                "the link was lost before the target proved equality; still "
                                "quiesced, try again or unquiesce");
        if (passed(s, until))
            return gw_error_set(err, -ETIMEDOUT,
                                "the target did not prove equality in %u ms; "
                                "the outcome is UNKNOWN until it is asked again",
                                timeout_ms);
        ses->barrier = true;
        pthread_cond_signal(&s->cv_link);
        gw_source_wait(s, &s->cv_ack, 50);
    }
    *ret = s->token;
    return 0;
}

int gw_source_release(struct gw_source *s, struct gw_error *err)
{
    struct gw_plan *p = s->plan;
    pthread_mutex_lock(s->mu);
    bool ok = s->service == GW_SERVICE_QUIESCED && in_flight(s) == 0 && s->ses.token_matched &&
              s->ses.token_seq == s->seq && s->ses.durable == s->seq && gw_plan_maps_empty(p) &&
              gw_ring_empty(s->ring);
    if (ok) {
        /* From here on nothing is served, whatever happens to the rest of this function. */
        s->service = GW_SERVICE_RELEASED;
        pthread_cond_broadcast(&s->cv_write);
        gw_source_park(s);
    }
    bool gone = !ok && s->service != GW_SERVICE_QUIESCED;
    const char *state = gw_service_state_name(s->service);
    pthread_mutex_unlock(s->mu);
    if (gone)
        return gw_error_set(err, -EPERM, "cannot release: the source is %s", state);
    if (!ok)
        return gw_error_set(err, -EPERM,
                            "cannot release: the target has not proven equality (run equal first)");
    /* The maps are empty: durable, then the hot log, then the role (R11, R12). */
    int r = gw_plan_persist_maps(p, err);
    if (r == 0)
        r = gw_hotset_forget(p->hot, err);
    pthread_mutex_lock(s->mu);
    gw_crash_point(p->io, "source.release.before");
    if (r == 0) {
        struct gw_meta *m = &p->meta;
        m->role = GW_ROLE_STANDBY;
        m->clean = true;
        m->released = true;
        m->token = s->token;
        m->token_valid = false;
        m->seq = s->seq;
        m->chain = s->chain;
        m->recorded = GW_RECORDED_UNSYNC;
        r = gw_plan_store_meta(p, err);
        gw_crash_point(p->io, "source.release.after");
    }
    gw_session_kill(s, GW_GOODBYE_STOPPING, "handed over");
    gw_source_changed(s);
    pthread_mutex_unlock(s->mu);
    if (r < 0)
        return gw_error_wrap(err, "the release is UNKNOWN: this side serves no more, but could not "
                                  "record it; restart it and compare");
    return 0;
}

/* It served nothing since it was opened, or can write no more: only the role is made durable. What
 * was hot stays in the log and counts at the next open. */
static int fence_role(struct gw_source *s, struct gw_error *err)
{
    LOCK_SCOPE(s->mu);
    s->plan->meta.role = GW_ROLE_FENCED;
    return gw_plan_store_meta(s->plan, err);
}

int gw_source_fence(struct gw_source *s, const char *why, struct gw_error *err)
{
    struct gw_plan *p = s->plan;
    pthread_mutex_lock(s->mu);
    bool served = s->service == GW_SERVICE_SERVING || s->service == GW_SERVICE_QUIESCED;
    s->service = GW_SERVICE_FENCED;
    gw_source_set_reason(s, "fenced: %s", why);
    pthread_cond_broadcast(&s->cv_write);
    gw_source_wake_answers(s);
    /* R11: those in flight take their seq and mark; their clients get an error. */
    while (in_flight(s) > 0)
        gw_source_wait(s, &s->cv_ack, 10);
    if (s->ses.up)
        gw_session_kill(s, GW_GOODBYE_STOPPING, "fenced: %s", why);
    gw_source_fall_behind(s, "fenced");
    if (served)
        gw_source_park(s);
    pthread_mutex_unlock(s->mu);
    if (!served)
        return fence_role(s, err);
    int r = gw_plan_sync_volumes(p, err);
    if (r == 0)
        r = gw_plan_persist_maps(p, err); /* R11: bits durable, then hot log, then role */
    if (r == 0)
        r = gw_hotset_forget(p->hot, err);
    LOCK_SCOPE(s->mu);
    if (r == 0) {
        p->meta.role = GW_ROLE_FENCED;
        p->meta.seq = s->seq;
        p->meta.chain = 0;
        p->meta.clean = true;
        r = gw_plan_store_meta(p, err);
    }
    return r;
}

int gw_source_verify(struct gw_source *s, uint64_t rate_bytes, struct gw_error *err)
{
    LOCK_SCOPE(s->mu);
    if (!gw_source_streaming(s))
        return gw_error_set(err, -ENOTCONN, "verify needs a streaming peer; replication is %s",
                            gw_repl_state_name(s->repl));
    if (s->service != GW_SERVICE_SERVING)
        return gw_error_set(err, -EPERM, "verify needs a serving source; this one is %s",
                            gw_service_state_name(s->service));
    if (s->verify_wanted)
        return gw_error_set(err, -EALREADY, "a verify is running already");
    s->st.verify = (struct gw_verify_status){ .running = true,
                                              .begun_wall_ns = gw_io_wall_ns(s->plan->io),
                                              .begun_ns = gw_io_boot_ns(s->plan->io),
                                              .total_bytes = gw_plan_volume_bytes(s->plan) };
    s->verify_rate = rate_bytes;
    gw_bucket_init(&s->verify_bucket, rate_bytes, gw_io_boot_ns(s->plan->io));
    s->verify_volume = 0;
    s->verify_from = s->seq;
    s->verify_at = s->verify_sent = s->verify_answered = 0;
    s->verify_wanted = true;
    pthread_cond_signal(&s->cv_link);
    return 0;
}

int gw_source_resync(struct gw_source *s, bool all, struct gw_error *err)
{
    LOCK_SCOPE(s->mu);
    if (s->service != GW_SERVICE_SERVING && s->service != GW_SERVICE_QUIESCED)
        return gw_error_set(err, -EPERM, "the source is %s", gw_service_state_name(s->service));
    for (unsigned i = 0; all && i < s->plan->meta.n_volumes; i++)
        gw_dirtymap_mark_all_coarse(s->plan->map[i]);
    /* Also one that is being opened: it goes by what we said of our sets before. */
    if (s->ses.conn != NULL)
        gw_session_kill(s, GW_GOODBYE_RETRY, "resync asked for");
    return 0;
}

int gw_source_point(struct gw_source *s, const char *id, const char *tag, unsigned timeout_ms,
                    struct gw_error *err)
{
    char payload[2 * GW_ID_MAX] = "";
    size_t a = strlen(id) + 1, b = strlen(tag) + 1;
    if (a > GW_ID_MAX || b > GW_ID_MAX)
        return gw_error_set(err, -EINVAL, "an id or tag is at most %u bytes", GW_ID_MAX - 1);
    memcpy(payload, id, a);
    memcpy(payload + a, tag, b);
    LOCK_SCOPE(s->mu);
    if (s->token_out)
        return gw_error_set(err, -EPERM, "a handover is under way: no point behind its token");
    uint64_t seq = gw_source_streaming(s)
                       ? gw_source_put_record(s, GW_RECORD_POINT, payload, (uint32_t)(a + b))
                       : 0;
    if (seq == 0)
        return gw_error_set(err, -ENOTCONN, "a point needs a streaming peer; replication is %s",
                            gw_repl_state_name(s->repl));
    uint64_t until = deadline(s, timeout_ms);
    while (s->ses.result.seq != seq) {
        if (!gw_source_streaming(s) || passed(s, until))
            return gw_error_set(
                err, -ETIMEDOUT,
                "the peer did not report the point at seq %llu; whether it exists is "
                "UNKNOWN, list the points there",
                (unsigned long long)seq);
        s->ses.barrier = true;
        pthread_cond_signal(&s->cv_link);
        gw_source_wait(s, &s->cv_ack, 50);
    }
    if (s->ses.result.code == 0)
        return 0;
    return gw_error_set(err, -(int)s->ses.result.code, "the peer could not make the point: %s",
                        s->ses.result.sentence);
}

void gw_source_bandwidth(struct gw_source *s, uint64_t bytes_per_s)
{
    LOCK_SCOPE(s->mu);
    gw_bucket_rate(&s->bucket, bytes_per_s, gw_io_boot_ns(s->plan->io));
    pthread_cond_signal(&s->cv_link);
}

int gw_source_set_peer(struct gw_source *s, const char *address, struct gw_tls *tls,
                       struct gw_error *err)
{
    if (strlen(address) >= sizeof s->peer_address)
        return gw_error_set(err, -ENAMETOOLONG, "the peer's address '%s' is too long", address);
    LOCK_SCOPE(s->mu);
    struct gw_tls *old = s->new_tls;
    snprintf(s->peer_address, sizeof s->peer_address, "%s", address);
    s->cfg.peer = s->peer_address;
    s->new_tls = s->cfg.tls = tls != NULL ? gw_tls_ref(tls) : NULL;
    gw_tls_free(old);
    if (s->ses.conn != NULL)
        gw_session_kill(s, GW_GOODBYE_RETRY, "the peer is another machine now: %s", address);
    pthread_cond_broadcast(&s->cv_link);
    return 0;
}

void gw_source_get_status(struct gw_source *s, struct gw_source_status *ret)
{
    LOCK_SCOPE(s->mu);
    *ret = s->st;
    ret->service = s->service;
    ret->repl = s->repl;
    memcpy(ret->reason, s->reason, sizeof ret->reason);
    ret->seq = s->seq;
    ret->received_seq = s->ses.received;
    ret->durable_seq = s->acked_seq;
    ret->applied_seq = s->ses.applied;
    ret->pending_bytes = gw_ring_used_bytes(s->ring);
    ret->ring_bytes = gw_ring_size_bytes(s->ring);
    ret->attached = s->attached;
    ret->dirty_blocks = gw_plan_dirty_blocks(s->plan);
    ret->coarse_extents = gw_plan_coarse_extents(s->plan);
    ret->hot_extents = gw_hotset_count(s->plan->hot);
    ret->in_flight = in_flight(s);
    ret->resync_left_bytes = ret->dirty_blocks * GW_BLOCK_BYTES;
    ret->deadline_ns = s->cfg.granted ? s->deadline_ns : 0;
    ret->token_matched = s->ses.token_matched;
}

void gw_source_wait_change(struct gw_source *s, unsigned timeout_ms)
{
    LOCK_SCOPE(s->mu);
    uint64_t seen = s->changes;
    uint64_t until = deadline(s, timeout_ms);
    while (s->changes == seen && !passed(s, until))
        gw_source_wait(s, &s->cv_change, GW_MIN(timeout_ms, 100u));
}
