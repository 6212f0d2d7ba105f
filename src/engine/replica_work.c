// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Two workers of a replica: group fdatasync of the journal, and the applier's thread. */
#include "base/checked.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/frame_io.h"
#include "engine/replica_internal.h"

#include <errno.h>
#include <string.h>

#define MARK_BYTES (64ull * 1024 * 1024)

/* Composed and sent under one lock: two threads acknowledge, and the numbers may never go back. */
int gw_replica_send_ack(struct gw_replica *r, struct gw_error *err)
{
    LOCK_SCOPE(&r->send_mu);
    pthread_mutex_lock(r->mu);
    struct gw_conn *conn = r->ses.live && r->ses.started ? r->ses.conn : NULL;
    struct gw_ack a = {
        .uuid = r->ses.uuid,
        .received = r->received_seq,
        .durable = r->durable_seq,
        .applied = r->applied_seq,
        .chain = r->durable_chain,
        .finished = r->ses.finished,
        .token_matched = r->ses.token_matched,
        .journal_used_bytes = gw_journal_used_bytes(r->journal),
        .journal_max_bytes = gw_journal_max_bytes(r->journal),
        .echo_ns = r->ses.echo_ns,
    };
    r->ses.echo_ns = 0;
    pthread_mutex_unlock(r->mu);
    if (conn == NULL)
        return 0;
    uint8_t buf[GW_ACK_BYTES];
    size_t n = gw_ack_encode(&a, buf, sizeof buf);
    return gw_frame_send(conn, GW_FRAME_ACK, buf, n, err);
}

/* When must the journal be made durable? 0: now. mu held. */
static unsigned sync_in_ms(const struct gw_replica *r)
{
    if (r->ses.barrier)
        return 0;
    uint64_t unsynced = r->received_addr - r->durable_addr;
    if (unsynced == 0)
        return 1000;
    if (unsynced >= GW_DURABLE_BYTES)
        return 0;
    uint64_t age = (gw_io_boot_ns(r->plan->io) - r->unsynced_since_ns) / GW_NS_PER_MS;
    return age >= GW_DURABLE_MS_MAX ? 0 : GW_DURABLE_MS_MAX - (unsigned)age;
}

void *gw_replica_sync_main(void *arg)
{
    struct gw_replica *r = arg;
    pthread_mutex_lock(r->mu);
    while (!r->stop) {
        unsigned ms = sync_in_ms(r);
        if (r->failed || ms > 0) {
            gw_replica_wait(r, &r->cv_sync, GW_MAX(ms, 1u));
            continue;
        }
        r->ses.barrier = false;
        uint64_t addr = r->received_addr, seq = r->received_seq, chain = r->received_chain;
        uint64_t numbering = r->numberings;
        r->unsynced_since_ns = gw_io_boot_ns(r->plan->io);
        pthread_mutex_unlock(r->mu);
        struct gw_error err;
        int x = gw_journal_sync(r->journal, NULL, &err);
        pthread_mutex_lock(r->mu);
        if (x < 0) {
            gw_replica_fail(r, &err);
            continue;
        }
        r->durable_addr = addr;
        if (r->numberings == numbering) { /* else these are of a session that is gone */
            r->durable_seq = seq;
            r->durable_chain = chain;
        }
        pthread_cond_signal(&r->cv_apply);
        gw_replica_changed(r);
        pthread_mutex_unlock(r->mu);
        gw_replica_send_ack(r, &err); /* a lost link is noticed by the session thread */
        pthread_mutex_lock(r->mu);
    }
    pthread_mutex_unlock(r->mu);
    return NULL;
}

/* A point asked for over the control socket: between two records, volumes synced and marked. */
static void serve_point(struct gw_replica *r)
{
    struct gw_point *p = r->point_wanted;
    struct gw_error err = { .code = 0 };
    r->point_serving = true;
    pthread_mutex_unlock(r->mu);
    int x = gw_applier_mark(r->applier, &err);
    if (x == 0)
        x = gw_replica_make_point(r, p, &err);
    pthread_mutex_lock(r->mu);
    r->point_result = x;
    r->point_error = err;
    r->point_serving = false;
    r->point_done = true;
    gw_replica_changed(r);
}

/* R15: what could not be applied for want of room may be in the volumes in part. */
static void refuse_point(struct gw_replica *r)
{
    r->point_result = gw_error_set(&r->point_error, -ENOSPC,
                                   "no point can be made while applying pauses for want of room: "
                                   "the image is between two records");
    r->point_done = true;
    gw_replica_changed(r);
}

static void trim_journal(struct gw_replica *r)
{
    /* Some of what is applied is kept: a promotion to an older point reads from it which blocks it
     * rewinds. A little at a time, so that what is trimmed is what is needed next. */
    uint64_t pos = r->plan->meta.journal_pos, keep = gw_journal_max_bytes(r->journal) / 4;
    struct gw_error err;
    if (pos > keep && gw_journal_trim(r->journal, pos - keep, &err) < 0)
        gw_log(GW_LOG_WARNING, "cannot trim the journal: %s", err.msg);
}

/* No room for another segment: everything that is applied and marked goes, older points or not. A
 * promotion to one of them then compares everything instead of reading it from here. */
static int make_room(struct gw_replica *r, struct gw_error *err)
{
    int x = gw_applier_mark(r->applier, err);
    if (x == 0)
        x = gw_journal_trim(r->journal, r->plan->meta.journal_pos, err);
    pthread_mutex_lock(r->mu);
    r->need_room = false;
    gw_replica_changed(r);
    pthread_mutex_unlock(r->mu);
    return x;
}

static int apply_once(struct gw_replica *r, uint64_t limit, uint64_t *marked_addr,
                      struct gw_error *err)
{
    int x = gw_applier_step(r->applier, limit, err);
    if (x < 0)
        return x;
    pthread_mutex_lock(r->mu);
    r->applied_addr = gw_applier_address(r->applier);
    r->applied_seq = gw_applier_seq(r->applier);
    bool idle = r->applied_addr == r->durable_addr;
    bool tell = x > 0 && idle;
    gw_replica_changed(r);
    pthread_mutex_unlock(r->mu);
    if (tell)
        gw_replica_send_ack(r, err);
    if (!gw_applier_marked(r->applier) &&
        (x == 0 || r->applied_addr - *marked_addr >= MARK_BYTES)) {
        *marked_addr = r->applied_addr;
        int y = gw_applier_mark(r->applier, err);
        if (y < 0)
            return y;
        trim_journal(r);
    }
    return x;
}

void *gw_replica_apply_main(void *arg)
{
    struct gw_replica *r = arg;
    uint64_t marked_addr = r->applied_addr;
    bool paused = false;
    pthread_mutex_lock(r->mu);
    while (!r->stop) {
        if (r->point_wanted != NULL && !r->point_done && !r->failed) {
            if (paused)
                refuse_point(r);
            else
                serve_point(r);
        }
        if (r->failed) {
            gw_replica_wait(r, &r->cv_apply, 1000);
            continue;
        }
        uint64_t limit = r->durable_addr; /* R13 */
        bool room = r->need_room;
        pthread_mutex_unlock(r->mu);
        struct gw_error err;
        int x = apply_once(r, limit, &marked_addr, &err);
        int y = x >= 0 && room ? make_room(r, &err) : 0;
        x = y < 0 ? y : x;
        pthread_mutex_lock(r->mu);
        if (!gw_no_room(x) && paused) {
            paused = false;
            gw_replica_set_reason(r, "%s", "");
        }
        if (gw_no_room(x) && gw_plan_check_store(r->plan, &err) == 0) {
            paused = true;
            gw_replica_set_reason(r, "applying pauses: %s; make room, it goes on by itself",
                                  err.msg);
            gw_replica_wait(r, &r->cv_apply, 1000);
            pthread_mutex_unlock(r->mu);
            /* A full disk leaves the undo file failed: what it holds is read anew. */
            if (gw_applier_undo(r->applier) != NULL && gw_applier_open_undo(r->applier, &err) < 0)
                gw_log(GW_LOG_WARNING, "%s", err.msg);
            pthread_mutex_lock(r->mu);
        } else if (x < 0) {
            gw_replica_fail(r, &err);
        } else if (x == 0 && r->applied_addr == r->durable_addr) {
            gw_replica_wait(r, &r->cv_apply, 500);
        }
    }
    pthread_mutex_unlock(r->mu);
    return NULL;
}

int gw_replica_settle(struct gw_replica *r, struct gw_error *err)
{
    pthread_mutex_lock(r->mu);
    while (!r->failed && !r->stop &&
           (r->applied_addr != r->received_addr || !gw_applier_marked(r->applier))) {
        if (r->durable_addr != r->received_addr) {
            r->ses.barrier = true;
            pthread_cond_signal(&r->cv_sync);
        }
        pthread_cond_signal(&r->cv_apply);
        gw_replica_wait(r, &r->cv_change, 20);
    }
    bool ok = !r->failed && !r->stop;
    pthread_mutex_unlock(r->mu);
    return ok ? 0 : gw_error_set(err, -ESHUTDOWN, "the replica is stopping or has failed");
}
