// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Life of a replica: made, started (journal replayed), stopped; what a person asks of it. */
#include "base/checked.h"
#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"
#include "engine/replica_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

const char *gw_replica_state_name(enum gw_replica_state s)
{
    static const char *const names[] = { "listening", "streaming", "resync", "seeding",
                                         "assessing", "refused",   "failed" };
    return names[s];
}

void gw_replica_config_init(struct gw_replica_config *c)
{
    *c = (struct gw_replica_config){
        .journal_bytes = GW_JOURNAL_BYTES_DEFAULT,
        .link_timeout_ms = GW_LINK_TIMEOUT_MS_DEFAULT,
    };
}

void gw_replica_number(struct gw_replica *r, uint64_t seq, uint64_t chain)
{
    gw_applier_begin(r->applier, seq, chain);
    r->received_seq = r->durable_seq = r->applied_seq = seq;
    r->received_chain = r->durable_chain = chain;
    r->numberings++;
}

void gw_replica_wait(struct gw_replica *r, pthread_cond_t *cv, unsigned ms)
{
    gw_cond_wait_ms(cv, r->mu, ms);
}

void gw_replica_changed(struct gw_replica *r)
{
    r->changes++;
    pthread_cond_broadcast(&r->cv_change);
}

void gw_replica_set_reason(struct gw_replica *r, const char *fmt, ...)
{
    char text[GW_ERROR_MSG_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (strcmp(text, r->reason) == 0)
        return;
    memcpy(r->reason, text, sizeof text);
    if (text[0] != '\0')
        gw_log(GW_LOG_NOTICE, "%s", text);
    gw_replica_changed(r);
}

static void wake_everybody(struct gw_replica *r)
{
    pthread_cond_broadcast(&r->cv_session);
    pthread_cond_broadcast(&r->cv_sync);
    pthread_cond_broadcast(&r->cv_apply);
    gw_replica_changed(r);
}

void gw_replica_fail(struct gw_replica *r, const struct gw_error *err)
{
    if (!r->failed)
        gw_log(GW_LOG_ERROR, "failed, receiving no more until restarted: %s", err->msg);
    r->failed = true;
    r->state = GW_REPLICA_FAILED;
    gw_replica_set_reason(r, "failed: %s", err->msg);
    r->ses.dead = true;
    if (r->ses.conn != NULL)
        gw_conn_shutdown(r->ses.conn);
    wake_everybody(r);
}

static int check_state(const struct gw_plan *p, struct gw_error *err)
{
    const struct gw_meta *m = &p->meta;
    if (m->pending == GW_PENDING_REWIND || m->pending == GW_PENDING_ROLLBACK)
        return gw_error_set(
            err, -EUCLEAN, "a rewind to '%s' was interrupted; run the promotion again to finish it",
            m->pending_id);
    if (m->role == GW_ROLE_ACTIVE && m->may_serve)
        return gw_error_set(err, -EPERM,
                            "this side was promoted and serves next: start the source here");
    return 0;
}

int gw_replica_new(struct gw_plan *plan, const struct gw_replica_config *config,
                   struct gw_replica **ret, struct gw_error *err)
{
    int x = check_state(plan, err);
    if (x < 0)
        return x;
    struct gw_replica *r = calloc(1, sizeof *r);
    if (r == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    r->plan = plan;
    r->mu = &plan->mu;
    r->cfg = *config;
    snprintf(r->listen, sizeof r->listen, "%s", config->listen);
    r->cfg.listen = r->listen;
    pthread_mutex_init(&r->send_mu, NULL);
    pthread_cond_t *const cvs[] = { &r->cv_session, &r->cv_sync, &r->cv_apply, &r->cv_change };
    for (unsigned i = 0; i < GW_ARRAY_SIZE(cvs); i++)
        gw_cond_init(cvs[i]);
    r->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    r->zx = malloc(GW_FRAME_BYTES_MAX);
    if (r->stop_fd < 0 || r->zx == NULL || gw_recent_new(&r->recent, err) < 0) {
        gw_replica_free(r);
        return gw_error_set(err, -ENOMEM, "out of memory or file descriptors");
    }
    *ret = r;
    return 0;
}

/* ---- hooks of the applier: called by the apply thread without mu --------------------------- */

static bool of_this_session(const struct gw_replica *r, uint64_t address)
{
    return r->ses.live && r->ses.started && address >= r->ses.start_addr;
}

static bool hook_asked(void *arg, uint64_t address)
{
    return of_this_session(arg, address);
}

static void hook_diff(void *arg, uint64_t address, const struct gw_diff *d)
{
    struct gw_replica *r = arg;
    (void)address;
    uint8_t buf[GW_DIFF_BYTES];
    struct gw_error err;
    size_t n = gw_diff_encode(d, buf, sizeof buf);
    gw_replica_send(r, GW_FRAME_DIFF, buf, n, &err); /* a lost link is noticed elsewhere */
    LOCK_SCOPE(r->mu);
    for (unsigned i = 0; d->verify && i < sizeof d->differs; i++)
        r->st.verify_differences += (unsigned)__builtin_popcount(d->differs[i]);
}

static void hook_finished(void *arg, uint64_t address)
{
    struct gw_replica *r = arg;
    LOCK_SCOPE(r->mu);
    if (of_this_session(r, address)) {
        r->ses.finished = true;
        r->ses.mode = GW_SESSION_STREAM;
        r->state = GW_REPLICA_STREAMING;
    }
    gw_log(GW_LOG_NOTICE, "consistent at epoch %llu seq %llu",
           (unsigned long long)gw_lineage_epoch(&r->plan->meta.lineage),
           (unsigned long long)r->plan->meta.seq);
    gw_replica_changed(r);
}

static void hook_token(void *arg, uint64_t address, bool matched)
{
    struct gw_replica *r = arg;
    LOCK_SCOPE(r->mu);
    if (of_this_session(r, address))
        r->ses.token_matched = matched;
    gw_replica_changed(r);
}

int gw_replica_make_point(struct gw_replica *r, struct gw_point *p, struct gw_error *err)
{
    pthread_mutex_lock(r->mu);
    const struct gw_meta *m = &r->plan->meta;
    p->lineage = m->lineage;
    p->seq = m->seq;
    p->chain = m->chain;
    p->journal_pos = m->journal_pos;
    p->reigns = m->reigns;
    p->wall_ns = gw_io_wall_ns(r->plan->io);
    p->n_volumes = m->n_volumes;
    memcpy(p->volume, m->volume, sizeof p->volume);
    bool ok = m->consistent && m->pending == GW_PENDING_NONE;
    pthread_mutex_unlock(r->mu);
    if (!ok) /* R15 */
        return gw_error_set(err, -EUCLEAN, "the image is not consistent now, so no point is made");
    return gw_point_create(r->plan->io, r->plan->dir, r->plan->vol, GW_POINT_AUTO,
                           r->cfg.point_reserve_bytes, p, err);
}

static void send_result(struct gw_replica *r, uint64_t address, const struct gw_result *result)
{
    pthread_mutex_lock(r->mu);
    bool tell = of_this_session(r, address);
    pthread_mutex_unlock(r->mu);
    uint8_t buf[GW_RESULT_BYTES_MAX];
    struct gw_error err;
    size_t n = gw_result_encode(result, buf, sizeof buf);
    if (tell)
        gw_replica_send(r, GW_FRAME_RESULT, buf, n, &err); /* a lost link is noticed elsewhere */
}

static void hook_shape(void *arg, uint64_t address, uint64_t seq, int code, const char *why)
{
    struct gw_result result = { .seq = seq, .code = (uint32_t)-code };
    snprintf(result.sentence, sizeof result.sentence, "%s", why);
    if (code < 0)
        gw_log(GW_LOG_WARNING, "a change of volumes is not made: %s", why);
    send_result(arg, address, &result);
}

static void hook_point(void *arg, uint64_t address, uint64_t seq, const char *id, const char *tag)
{
    struct gw_replica *r = arg;
    struct gw_point *p = calloc(1, sizeof *p);
    struct gw_error err = { .code = -ENOMEM, .msg = "out of memory" };
    struct gw_result result = { .seq = seq };
    int x = -ENOMEM;
    if (p != NULL) {
        snprintf(p->id, sizeof p->id, "%s", id);
        snprintf(p->tag, sizeof p->tag, "%s", tag);
        x = gw_replica_make_point(r, p, &err);
    }
    free(p);
    if (x < 0) {
        gw_log(GW_LOG_ERROR, "cannot make point '%s': %s", id, err.msg);
        result.code = (uint32_t)-x;
        memcpy(result.sentence, err.msg, sizeof result.sentence);
    }
    send_result(r, address, &result);
}

/* ---- start and stop ------------------------------------------------------------------------ */

static int open_journal(struct gw_replica *r, struct gw_error *err)
{
    struct gw_plan *p = r->plan;
    struct gw_journal_report report;
    int x = gw_journal_open(p->io, p->dir, &p->meta.plan, p->meta.journal_pos, r->cfg.journal_bytes,
                            false, &r->journal, &report, err);
    if (x < 0)
        return x;
    if (report.torn_bytes > 0)
        gw_log(GW_LOG_NOTICE, "cut off a torn journal tail of %llu bytes at %llu",
               (unsigned long long)report.torn_bytes, (unsigned long long)report.end);
    const struct gw_applier_hooks hooks = {
        .arg = r,
        .diff = hook_diff,
        .finished = hook_finished,
        .token = hook_token,
        .point = hook_point,
        .shape = hook_shape,
        .asked = hook_asked,
    };
    x = gw_applier_new(p, r->journal, &hooks, &r->applier, err);
    if (x == 0)
        gw_applier_use_recent(r->applier, r->recent);
    return x;
}

/* R14, R15: what the journal holds is durable (its open made it so) and replayed before anything
 * is reported. */
static int replay(struct gw_replica *r, struct gw_error *err)
{
    int x;
    while ((x = gw_applier_step(r->applier, gw_journal_end(r->journal), err)) > 0) {
    }
    if (x == 0)
        x = gw_applier_mark(r->applier, err);
    if (x < 0)
        return gw_error_wrap(err, "cannot replay the journal");
    LOCK_SCOPE(r->mu);
    r->received_addr = r->durable_addr = r->applied_addr = gw_applier_address(r->applier);
    r->received_seq = r->durable_seq = r->applied_seq = gw_applier_seq(r->applier);
    r->received_chain = r->durable_chain = gw_applier_chain(r->applier);
    return 0;
}

/*
 * Undo files that a crash left behind. Not pending and not marked finished: either FIN was adopted
 * (then its source is in our lineage, and a tail is kept), or it never began, or was rolled back.
 */
static int tidy_one(void *arg, const char *id)
{
    struct gw_replica *r = arg;
    struct gw_plan *p = r->plan;
    if (strcmp(id, p->meta.pending_id) == 0 || gw_undo_is_finished(p->io, p->dir, id))
        return 0;
    struct gw_error err = { .code = 0 };
    struct gw_undo *u = NULL;
    struct gw_undo_manifest *um = malloc(sizeof *um);
    if (um == NULL || gw_undo_open(p->io, p->dir, id, true, &u, um, &err) < 0) {
        gw_log(GW_LOG_WARNING, "cannot read undo '%s', leaving it: %s", id, err.msg);
        free(um);
        return 0;
    }
    bool adopted = gw_lineage_find(&p->meta.lineage, &um->source) >= 0;
    bool keep = um->diverged && adopted && gw_undo_blocks(u) > 0;
    gw_undo_close(u);
    free(um);
    int x =
        keep ? gw_undo_finish(p->io, p->dir, id, &err) : gw_undo_remove(p->io, p->dir, id, &err);
    gw_log(x < 0 ? GW_LOG_WARNING : GW_LOG_INFO, "undo '%s' of a resync that is over: %s", id,
           x < 0  ? err.msg
           : keep ? "kept, it holds a divergent tail"
                  : "removed");
    return 0;
}

int gw_replica_start(struct gw_replica *r, struct gw_error *err)
{
    int x = open_journal(r, err);
    if (x == 0)
        x = replay(r, err);
    if (x == 0)
        x = gw_undo_list(r->plan->io, r->plan->dir, tidy_one, r, err);
    if (x == 0)
        x = gw_listener_open(r->cfg.listen, r->cfg.tls, &r->listener, err);
    if (x < 0)
        return x;
    if (pthread_create(&r->sync_thread, NULL, gw_replica_sync_main, r) != 0 ||
        pthread_create(&r->apply_thread, NULL, gw_replica_apply_main, r) != 0 ||
        pthread_create(&r->session_thread, NULL, gw_replica_session_main, r) != 0 ||
        pthread_create(&r->accept_thread, NULL, gw_replica_accept_main, r) != 0)
        abort(); /* no threads at the start of a process: nothing to save */
    r->running = true;
    return 0;
}

void gw_replica_stop(struct gw_replica *r)
{
    if (!r->running)
        return;
    gw_replica_goodbye(r, GW_GOODBYE_STOPPING, "the replica stops");
    pthread_mutex_lock(r->mu);
    r->stop = true;
    r->ses.dead = true;
    if (r->ses.conn != NULL)
        gw_conn_shutdown(r->ses.conn);
    uint64_t one = 1;
    ssize_t n = write(r->stop_fd, &one, sizeof one);
    (void)n;
    wake_everybody(r);
    pthread_mutex_unlock(r->mu);
    pthread_join(r->accept_thread, NULL);
    pthread_join(r->session_thread, NULL);
    pthread_join(r->sync_thread, NULL);
    pthread_join(r->apply_thread, NULL);
    r->running = false;
    struct gw_error err;
    /* What was received is applied and marked, so that the next open has nothing to do. */
    if (!r->failed && (gw_journal_sync(r->journal, NULL, &err) < 0 || replay(r, &err) < 0))
        gw_log(GW_LOG_ERROR, "stopped with a journal to replay: %s", err.msg);
}

void gw_replica_free(struct gw_replica *r)
{
    if (r == NULL)
        return;
    assert(!r->running);
    gw_applier_free(r->applier);
    gw_journal_close(r->journal);
    gw_listener_close(r->listener);
    gw_conn_close(r->waiting);
    for (unsigned i = 0; i < GW_VOLUMES_MAX; i++)
        gw_bitmap_free(r->tail[i]);
    pthread_cond_t *const cvs[] = { &r->cv_session, &r->cv_sync, &r->cv_apply, &r->cv_change };
    for (unsigned i = 0; i < GW_ARRAY_SIZE(cvs); i++)
        pthread_cond_destroy(cvs[i]);
    pthread_mutex_destroy(&r->send_mu);
    gw_recent_free(r->recent);
    free(r->zx);
    if (r->stop_fd >= 0)
        close(r->stop_fd);
    free(r);
}

const char *gw_replica_address(const struct gw_replica *r)
{
    return gw_listener_address(r->listener);
}

/* ---- requests ------------------------------------------------------------------------------ */

int gw_replica_point(struct gw_replica *r, struct gw_point *p, struct gw_error *err)
{
    LOCK_SCOPE(r->mu);
    if (r->point_wanted != NULL)
        return gw_error_set(err, -EALREADY, "another point is being made");
    r->point_wanted = p;
    r->point_done = false;
    pthread_cond_signal(&r->cv_apply);
    while (!r->point_done && (r->point_serving || (!r->stop && !r->failed)))
        gw_replica_wait(r, &r->cv_change, 200);
    r->point_wanted = NULL;
    if (!r->point_done)
        return gw_error_set(err, -ESHUTDOWN, "the replica stops");
    *err = r->point_error;
    return r->point_result;
}

static int store_choice(struct gw_replica *r, const char *why, struct gw_error *err)
{
    int x = gw_plan_store_meta(r->plan, err);
    if (x < 0) {
        struct gw_error store;
        if (gw_plan_check_store(r->plan, &store) < 0)
            gw_replica_fail(r, &store);
        return x;
    }
    /* The session looks again with what is known now. */
    struct gw_conn *conn = r->ses.conn;
    if (conn != NULL && r->ses.live) {
        pthread_mutex_unlock(r->mu);
        gw_replica_goodbye(r, GW_GOODBYE_RETRY, why);
        pthread_mutex_lock(r->mu);
    }
    return 0;
}

int gw_replica_sign(struct gw_replica *r, const char *by, struct gw_error *err)
{
    if (by[0] == '\0' || strlen(by) >= GW_PERSON_MAX)
        return gw_error_set(err, -EINVAL, "a signature needs a person's name of at most %u bytes",
                            GW_PERSON_MAX - 1);
    int x = gw_replica_save_assessed(r, err);
    if (x < 0)
        return x;
    LOCK_SCOPE(r->mu);
    struct gw_meta *m = &r->plan->meta;
    m->signed_tail = gw_lineage_uuid(&m->lineage);
    m->signed_wall_ns = gw_io_wall_ns(r->plan->io);
    snprintf(m->signed_by, sizeof m->signed_by, "%s", by);
    return store_choice(r, "the tail was signed", err);
}

int gw_replica_choose(struct gw_replica *r, const struct gw_uuid *survivor, const char *by,
                      struct gw_error *err)
{
    if (by[0] == '\0' || strlen(by) >= GW_PERSON_MAX)
        return gw_error_set(err, -EINVAL, "a choice needs a person's name of at most %u bytes",
                            GW_PERSON_MAX - 1);
    LOCK_SCOPE(r->mu);
    r->plan->meta.survivor = *survivor;
    snprintf(r->plan->meta.survivor_by, sizeof r->plan->meta.survivor_by, "%s", by);
    return store_choice(r, "a survivor was chosen", err);
}

void gw_replica_each_tail(struct gw_replica *r,
                          bool (*fn)(void *arg, unsigned volume, uint64_t offset, uint64_t length),
                          void *arg)
{
    LOCK_SCOPE(r->mu);
    for (unsigned i = 0; i < r->plan->meta.n_volumes; i++) {
        const struct gw_bitmap *b = r->tail[i];
        uint64_t bytes = r->plan->meta.volume[i].bytes;
        for (uint64_t at = 0; b != NULL && (at = gw_bitmap_next(b, at)) != UINT64_MAX;) {
            uint64_t n = gw_bitmap_run(b, at, gw_bitmap_size(b));
            uint64_t off = at * GW_BLOCK_BYTES;
            if (!fn(arg, i, off, GW_MIN(n * GW_BLOCK_BYTES, bytes - off)))
                return;
            at += n;
        }
    }
}

void gw_replica_get_status(struct gw_replica *r, struct gw_replica_status *ret)
{
    LOCK_SCOPE(r->mu);
    *ret = r->st;
    ret->state = r->state;
    memcpy(ret->reason, r->reason, sizeof ret->reason);
    ret->received_seq = r->received_seq;
    ret->durable_seq = r->durable_seq;
    ret->applied_seq = r->applied_seq;
    ret->journal_used_bytes = gw_journal_used_bytes(r->journal);
    ret->journal_max_bytes = gw_journal_max_bytes(r->journal);
    ret->journal_backlog_bytes = r->received_addr - r->applied_addr;
    gw_applier_undo_size(r->applier, &ret->undo_blocks, &ret->undo_bytes);
}

void gw_replica_wait_change(struct gw_replica *r, unsigned timeout_ms)
{
    LOCK_SCOPE(r->mu);
    uint64_t seen = r->changes;
    uint64_t until = gw_io_boot_ns(r->plan->io) + timeout_ms * GW_NS_PER_MS;
    while (r->changes == seen && gw_io_boot_ns(r->plan->io) < until)
        gw_replica_wait(r, &r->cv_change, GW_MIN(timeout_ms, 100u));
}
