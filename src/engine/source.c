// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Life of a source: made, started, serving, failed, stopped. */
#include "engine/source_internal.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

const char *gw_service_state_name(enum gw_service_state s)
{
    static const char *const names[] = { "waiting", "serving", "quiesced", "released",
                                         "fenced",  "failed",  "stopped" };
    return names[s];
}

const char *gw_repl_state_name(enum gw_repl_state s)
{
    static const char *const names[] = { "disconnected", "assessing", "seeding",
                                         "resync",       "async",     "sync" };
    return names[s];
}

void gw_source_config_init(struct gw_source_config *c)
{
    *c = (struct gw_source_config){
        .ring_bytes = GW_RING_BYTES_DEFAULT,
        .throttle_ms = 1000,
        .unsync_ms = 2000,
        .wait_ms_max = 0,
        .link_timeout_ms = GW_LINK_TIMEOUT_MS_DEFAULT,
    };
}

void gw_source_wait(struct gw_source *s, pthread_cond_t *cv, unsigned ms)
{
    bool writer = cv == &s->cv_write, ranger = cv == &s->cv_range;
    s->write_waiters += writer;
    s->range_waiters += ranger;
    gw_cond_wait_ms(cv, s->mu, ms);
    s->write_waiters -= writer;
    s->range_waiters -= ranger;
}

bool gw_source_answered(const struct gw_source *s, const struct gw_answer *a)
{
    const struct gw_session *ses = &s->ses;
    /* In a resync older numbers say nothing: their records became bits. */
    return ses->up && ses->mode == GW_SESSION_STREAM &&
           (a->durable ? ses->durable : ses->received) >= a->seq;
}

void gw_source_wake_answers(struct gw_source *s)
{
    pthread_cond_broadcast(&s->cv_ack);
    for (struct gw_answer *a = s->answers; a != NULL; a = a->next)
        pthread_cond_signal(&a->cv);
}

void gw_source_release_range(struct gw_source *s, unsigned volume, struct gw_range *range)
{
    gw_rangelock_release(&s->range[volume], range);
    if (s->range_waiters > 0)
        pthread_cond_broadcast(&s->cv_range);
}

void gw_source_changed(struct gw_source *s)
{
    s->changes++;
    pthread_cond_broadcast(&s->cv_change);
}

void gw_source_set_reason(struct gw_source *s, const char *fmt, ...)
{
    char text[GW_ERROR_MSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (strcmp(text, s->reason) == 0)
        return;
    memcpy(s->reason, text, sizeof text);
    if (text[0] != '\0')
        gw_log(GW_LOG_NOTICE, "%s", text);
    gw_source_changed(s);
}

static void wake_everybody(struct gw_source *s)
{
    pthread_cond_broadcast(&s->cv_write);
    pthread_cond_broadcast(&s->cv_link);
    pthread_cond_broadcast(&s->cv_hot);
    pthread_cond_broadcast(&s->cv_keeper);
    gw_source_wake_answers(s);
    gw_source_changed(s);
}

void gw_source_fail(struct gw_source *s, const struct gw_error *err)
{
    s->io_failed = true;
    if (s->service != GW_SERVICE_FAILED) {
        gw_log(GW_LOG_ERROR, "failed, serving no more until restarted: %s", err->msg);
        s->service = GW_SERVICE_FAILED;
    }
    gw_source_set_reason(s, "failed: %s", err->msg);
    wake_everybody(s);
}

bool gw_source_streaming(const struct gw_source *s)
{
    return s->ses.up && !s->ses.dead && s->ses.mode == GW_SESSION_STREAM && s->attached;
}

static void use_identity(struct gw_source *s)
{
    s->uuid = gw_lineage_uuid(&s->plan->meta.lineage);
    s->seed = gw_record_seed(&s->uuid);
    s->seq = s->plan->meta.seq;
    s->acked_seq = s->seq;
    s->chain = s->plan->meta.chain;
    s->chain_known = s->plan->meta.chain != 0 || s->seq == 0;
}

/*
 * From here on the volumes change. What is durable first: not clean, the boot this happens under,
 * numbers reserved. A side that crashed takes a new incarnation (Identity): its counter was in
 * memory, and numbers are not reused.
 */
int gw_source_begin_serving(struct gw_source *s, struct gw_error *err)
{
    struct gw_plan *p = s->plan;
    struct gw_meta *m = &p->meta;
    if (gw_plan_crashed_active(p)) {
        struct gw_incarnation e = {
            .epoch = gw_lineage_epoch(&m->lineage),
            .uuid = gw_io_new_uuid(p->io),
            .parent = gw_lineage_uuid(&m->lineage),
            .fork_seq = m->seq_reserved,
            .had_seq = m->seq,
            .wall_ns = gw_io_wall_ns(p->io),
            .site = m->site,
            .birth = GW_BIRTH_RESTART,
        };
        gw_lineage_append(&m->lineage, &e);
        m->seq = m->seq_reserved;
        m->chain = 0;
    }
    bool promoted = m->may_serve;
    m->clean = false;
    m->may_serve = false;
    m->signed_tail = (struct gw_uuid){ { 0 } }; /* what is written from now on nobody has seen */
    m->active_boot = gw_io_boot_id(p->io);
    m->seq_reserved = m->seq + GW_SEQ_RESERVE;
    int r = gw_plan_store_meta(p, err);
    if (r < 0)
        return gw_error_wrap(err, "cannot begin to serve");
    p->confirmed = true;
    use_identity(s);
    /* Nothing was taken yet: a peer at this seq can be streamed to, unless the counter jumped. */
    s->attached = true;
    s->service = GW_SERVICE_SERVING;
    /* W2, also after a restart: nothing is acknowledged alone before UNSYNC is durable, and with
     * the policy `suspend` nothing at all until the peer is in sync again. */
    bool suspend = s->cfg.on_link_loss == GW_LINK_LOSS_SUSPEND;
    s->sync_recorded = s->cfg.sync && m->recorded == GW_RECORDED_SYNC;
    s->sync_promised = s->sync_recorded ||
                       (s->cfg.sync && suspend && !promoted && m->recorded == GW_RECORDED_UNSYNC);
    s->sync_on = s->sync_promised;
    s->sync_from = s->seq;
    s->link_lost_ns = gw_io_boot_ns(p->io);
    gw_source_set_reason(s, "%s", "");
    wake_everybody(s);
    return 0;
}

static void mark_slot(void *arg, const struct gw_slot *slot)
{
    struct gw_source *s = arg;
    if (slot->rec.type == GW_RECORD_WRITE || slot->rec.type == GW_RECORD_ZERO)
        gw_dirtymap_mark(s->plan->map[slot->rec.volume], slot->rec.offset, slot->rec.length);
}

void gw_source_fall_behind(struct gw_source *s, const char *why)
{
    if (!s->attached)
        return;
    /* S1: from the ring into the maps in one step. Injected blocks are in flight in the maps and
     * are queued again when the session ends. */
    gw_ring_each(s->ring, mark_slot, s);
    s->attached = false;
    s->chain_known = false;
    s->full_since_ns = 0;
    s->st.fell_behind++;
    gw_log(GW_LOG_NOTICE, "writes are only marked from now on, a resync will follow: %s", why);
    if (s->ses.up)
        gw_session_kill(s, GW_GOODBYE_FELL_BEHIND, "%s", why);
    pthread_cond_broadcast(&s->cv_write);
    pthread_cond_signal(&s->cv_keeper);
}

bool gw_source_may_number(struct gw_source *s)
{
    bool active = s->service == GW_SERVICE_SERVING || s->service == GW_SERVICE_QUIESCED;
    if (!active || s->seq + 64 < s->plan->meta.seq_reserved)
        return true; /* numbers of a session only need no reservation */
    pthread_cond_signal(&s->cv_keeper);
    return false;
}

uint64_t gw_source_put_record(struct gw_source *s, enum gw_record_type type, const void *payload,
                              uint32_t len)
{
    if (!gw_source_may_number(s) || !gw_ring_claim(s->ring, len))
        return 0;
    struct gw_record rec = { .type = type, .payload_bytes = len, .length = 0, .seq = ++s->seq };
    struct gw_slot *slot = gw_ring_reserve(s->ring, &rec);
    gw_ring_fill(s->ring, slot, payload, s->seed);
    pthread_cond_signal(&s->cv_link);
    return rec.seq;
}

static int check_role(const struct gw_plan *p, const struct gw_source_config *c,
                      struct gw_error *err)
{
    const struct gw_meta *m = &p->meta;
    if (m->pending == GW_PENDING_REWIND || m->pending == GW_PENDING_ROLLBACK)
        return gw_error_set(
            err, -EUCLEAN, "a rewind to '%s' was interrupted; run the promotion again to finish it",
            m->pending_id);
    if (c->heal_only)
        return 0;
    if (m->role != GW_ROLE_ACTIVE)
        return gw_error_set(err, -EPERM,
                            "this side's role is %s, it must not serve; start godwit-replica here, "
                            "or promote it",
                            gw_role_name(m->role));
    if (!m->consistent)
        return gw_error_set(err, -EUCLEAN,
                            "the image is not consistent; roll back or resync first");
    return 0;
}

int gw_source_new(struct gw_plan *plan, const struct gw_source_config *config,
                  struct gw_source **ret, struct gw_error *err)
{
    int r = check_role(plan, config, err);
    if (r < 0)
        return r;
    if (config->ring_bytes < GW_RING_BYTES_MIN || config->ring_bytes > GW_RING_BYTES_MAX)
        return gw_error_set(err, -EINVAL, "a ring of %llu bytes is not between %llu and %llu",
                            (unsigned long long)config->ring_bytes, GW_RING_BYTES_MIN,
                            GW_RING_BYTES_MAX);
    struct gw_source *s = calloc(1, sizeof *s);
    if (s == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    s->plan = plan;
    s->mu = &plan->mu;
    s->cfg = *config;
    if (config->peer != NULL) {
        snprintf(s->peer_address, sizeof s->peer_address, "%s", config->peer);
        s->cfg.peer = s->peer_address;
    }
    pthread_cond_t *const cvs[] = { &s->cv_write, &s->cv_range,  &s->cv_link,  &s->cv_hot,
                                    &s->cv_ack,   &s->cv_keeper, &s->cv_change };
    for (unsigned i = 0; i < GW_ARRAY_SIZE(cvs); i++)
        gw_cond_init(cvs[i]);
    s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    s->ring = gw_ring_new(config->ring_bytes);
    s->ses.read_buf = malloc(GW_EXTENT_BYTES);
    s->ses.frame_buf = malloc(GW_FRAME_BYTES_MAX + GW_FRAME_HEADER_BYTES);
    gw_bucket_init(&s->bucket, config->bandwidth_bytes, gw_io_boot_ns(plan->io));
    if (s->stop_fd < 0 || s->ring == NULL || s->ses.read_buf == NULL || s->ses.frame_buf == NULL) {
        gw_source_free(s);
        return gw_error_set(err, -ENOMEM, "out of memory or file descriptors");
    }
    s->service = GW_SERVICE_WAITING;
    s->leaving = -1;
    gw_source_publish_volumes(s);
    use_identity(s);
    *ret = s;
    return 0;
}

/*
 * A side that restarts speaks to its peer before it serves. Not needed: when no peer ever was in
 * contact (nobody else can have been promoted), right after a promotion, and where the plan says
 * so.
 */
static bool may_serve_alone(const struct gw_source *s)
{
    const struct gw_meta *m = &s->plan->meta;
    if (s->cfg.heal_only || m->released)
        return false;
    if (s->plan->slot_lost) /* R20: with one bad meta slot a side never serves alone */
        return false;
    return m->may_serve || m->recorded == GW_RECORDED_NONE || s->cfg.isolated_start;
}

int gw_source_start(struct gw_source *s, struct gw_error *err)
{
    int r = 0;
    if (s->cfg.listen != NULL)
        r = gw_listener_open(s->cfg.listen, s->cfg.tls, &s->guard, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(s->mu);
    if (may_serve_alone(s))
        r = gw_source_begin_serving(s, err);
    else
        gw_source_set_reason(s, "waiting to hear from the peer before serving");
    pthread_mutex_unlock(s->mu);
    if (r < 0)
        return r;
    if (pthread_create(&s->hot_thread, NULL, gw_source_hot_main, s) != 0 ||
        pthread_create(&s->keeper_thread, NULL, gw_source_keeper_main, s) != 0 ||
        pthread_create(&s->link_thread, NULL, gw_source_link_main, s) != 0 ||
        (s->guard != NULL && pthread_create(&s->guard_thread, NULL, gw_source_guard_main, s) != 0))
        abort(); /* no threads at the start of a process: nothing to save */
    s->threads_running = true;
    return 0;
}

static uint64_t total_in_flight(const struct gw_source *s)
{
    return s->in_flight[0] + s->in_flight[1];
}

static void stop_threads(struct gw_source *s)
{
    pthread_mutex_lock(s->mu);
    s->stop = true;
    if (s->ses.up)
        gw_session_kill(s, GW_GOODBYE_STOPPING, "the source stops");
    uint64_t one = 1;
    ssize_t n = write(s->stop_fd, &one, sizeof one);
    (void)n;
    wake_everybody(s);
    pthread_mutex_unlock(s->mu);
    pthread_join(s->link_thread, NULL);
    pthread_join(s->hot_thread, NULL);
    pthread_join(s->keeper_thread, NULL);
    if (s->guard != NULL)
        pthread_join(s->guard_thread, NULL);
    s->threads_running = false;
}

static void chain_slot(void *arg, const struct gw_slot *slot)
{
    struct gw_source *s = arg;
    s->chain = gw_chain_next(s->chain, slot->rec.header_hash);
}

/*
 * R12: fdatasync, what is not durable at the peer becomes durable bits, then the hot log is
 * cleared, then the role's clean mark. Each step makes the next one true.
 */
static int stop_clean(struct gw_source *s, struct gw_error *err)
{
    struct gw_plan *p = s->plan;
    int r = gw_plan_sync_volumes(p, err);
    if (r < 0)
        return r;
    gw_crash_point(p->io, "stop.datasync");
    pthread_mutex_lock(s->mu);
    if (s->attached) {
        gw_ring_each(s->ring, mark_slot, s);
        if (s->chain_known)
            gw_ring_each(s->ring, chain_slot, s);
    }
    pthread_mutex_unlock(s->mu);
    r = gw_plan_persist_maps(p, err);
    if (r < 0)
        return r;
    gw_crash_point(p->io, "stop.bits");
    r = gw_hotset_forget(p->hot, err);
    if (r < 0)
        return r;
    LOCK_SCOPE(s->mu);
    p->meta.seq = s->seq;
    p->meta.chain = s->chain_known ? s->chain : 0;
    p->meta.clean = true;
    r = gw_plan_store_meta(p, err);
    gw_crash_point(p->io, "stop.role");
    return r;
}

void gw_source_stop(struct gw_source *s, unsigned drain_ms)
{
    pthread_mutex_lock(s->mu);
    bool served = s->service == GW_SERVICE_SERVING || s->service == GW_SERVICE_QUIESCED;
    if (served) {
        s->service = GW_SERVICE_QUIESCED;
        while (total_in_flight(s) > 0)
            gw_source_wait(s, &s->cv_ack, 50);
        uint64_t until = gw_io_boot_ns(s->plan->io) + drain_ms * GW_NS_PER_MS;
        while (gw_source_streaming(s) && !gw_ring_empty(s->ring) &&
               gw_io_boot_ns(s->plan->io) < until) {
            s->ses.barrier = true;
            pthread_cond_signal(&s->cv_link);
            gw_source_wait(s, &s->cv_ack, 50);
        }
        s->service = GW_SERVICE_STOPPED;
    } else if (s->service == GW_SERVICE_WAITING) {
        s->service = GW_SERVICE_STOPPED;
    }
    pthread_mutex_unlock(s->mu);
    if (s->threads_running)
        stop_threads(s);
    struct gw_error err;
    if (served && !s->io_failed && stop_clean(s, &err) < 0)
        gw_log(GW_LOG_ERROR, "cannot stop cleanly, the next start compares what was hot: %s",
               err.msg);
}

void gw_source_free(struct gw_source *s)
{
    if (s == NULL)
        return;
    assert(!s->threads_running);
    pthread_cond_t *const cvs[] = { &s->cv_write, &s->cv_range,  &s->cv_link,  &s->cv_hot,
                                    &s->cv_ack,   &s->cv_keeper, &s->cv_change };
    for (unsigned i = 0; i < GW_ARRAY_SIZE(cvs); i++)
        pthread_cond_destroy(cvs[i]);
    gw_listener_close(s->guard);
    gw_tls_free(s->new_tls);
    gw_ring_free(s->ring);
    free(s->ses.read_buf);
    free(s->ses.frame_buf);
    if (s->stop_fd >= 0)
        close(s->stop_fd);
    free(s);
}
