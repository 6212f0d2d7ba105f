// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Connections of a replica: accepted, said hello to, judged, received from. */
#include "base/checked.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "engine/frame_io.h"
#include "engine/greeter.h"
#include "engine/replica_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

/* ---- frames -------------------------------------------------------------------------------- */

int gw_replica_send(struct gw_replica *r, enum gw_frame_type type, const void *payload, size_t len,
                    struct gw_error *err)
{
    LOCK_SCOPE(&r->send_mu);
    pthread_mutex_lock(r->mu);
    struct gw_conn *conn = r->ses.live ? r->ses.conn : NULL;
    pthread_mutex_unlock(r->mu);
    /* The session thread takes send_mu before it closes the connection. */
    return conn == NULL ? gw_error_set(err, -ENOTCONN, "no session")
                        : gw_frame_send(conn, type, payload, len, err);
}

void gw_replica_goodbye(struct gw_replica *r, enum gw_goodbye_reason reason, const char *sentence)
{
    struct gw_error ignored;
    LOCK_SCOPE(&r->send_mu);
    pthread_mutex_lock(r->mu);
    struct gw_conn *conn = r->ses.live ? r->ses.conn : NULL;
    pthread_mutex_unlock(r->mu);
    if (conn != NULL)
        gw_frame_send_goodbye(conn, reason, sentence, &ignored);
}

/* ---- accept -------------------------------------------------------------------------------- */

/* Take a caller over. mu held; false: a newer one came before. */
static bool take_over(struct gw_replica *r, struct gw_conn *conn, const struct gw_hello *hello,
                      uint64_t number)
{
    /* The newest connection counts: the old one may be a dead link not yet noticed. */
    if (number < r->newest_caller)
        return false;
    r->newest_caller = number;
    gw_conn_close(r->waiting);
    r->waiting = conn;
    r->waiting_hello = *hello;
    if (r->ses.conn != NULL) {
        r->ses.dead = true;
        gw_conn_shutdown(r->ses.conn);
    }
    pthread_cond_signal(&r->cv_session);
    return true;
}

static void on_greeted(void *arg, struct gw_conn *conn, const struct gw_hello *hello,
                       uint64_t number)
{
    struct gw_replica *r = arg;
    struct gw_error ignored;
    pthread_mutex_lock(r->mu);
    bool taken = take_over(r, conn, hello, number);
    pthread_mutex_unlock(r->mu);
    if (taken)
        return;
    gw_log(GW_LOG_INFO, "a newer connection than that from %s is there", gw_conn_peer(conn));
    gw_frame_send_goodbye(conn, GW_GOODBYE_SUPERSEDED, "a newer connection took over", &ignored);
    gw_conn_close(conn);
}

static void on_refused(void *arg)
{
    struct gw_replica *r = arg;
    LOCK_SCOPE(r->mu);
    r->st.bad_frames++;
}

void *gw_replica_accept_main(void *arg)
{
    struct gw_replica *r = arg;
    gw_greeter_run(&(struct gw_greeter){ .listener = r->listener,
                                         .plan = r->plan->meta.plan,
                                         .stop_fd = r->stop_fd,
                                         .arg = r,
                                         .greeted = on_greeted,
                                         .refused = on_refused });
    return NULL;
}

/* ---- hello and verdict --------------------------------------------------------------------- */

/*
 * R17: the old source calls again as an active side, so the handover that it proved equality for
 * did not happen: the token is voided durably before it can learn that it may serve. mu held.
 */
static int void_token(struct gw_replica *r, struct gw_error *err)
{
    if (!r->plan->meta.token_valid || r->ses.hello.side.role != GW_ROLE_ACTIVE)
        return 0;
    r->plan->meta.token_valid = false;
    return gw_plan_store_meta(r->plan, err);
}

/*
 * Our statement. While streaming, the position is what is durable in the journal: all of it will be
 * applied. In every other state the journal is applied first, so that meta says it all; also when
 * a change of volumes is in it: the source believes the table that it reads here (V3).
 */
static int own_hello(struct gw_replica *r, struct gw_hello *ret, struct gw_error *err)
{
    pthread_mutex_lock(r->mu);
    bool changing = r->plan->meta.pending_shape.kind != GW_RESHAPE_NONE;
    bool whole = r->plan->meta.pending == GW_PENDING_NONE && !r->plan->meta.blank && !changing &&
                 r->shape_addr <= r->applied_addr;
    pthread_mutex_unlock(r->mu);
    int x = whole ? 0 : gw_replica_settle(r, err);
    bool adopted;
    if (x == 0 && changing) /* of its time as a source; the applier rests */
        x = gw_plan_reconcile_shape(r->plan, &r->ses.hello.side, false, &adopted, err);
    if (x < 0)
        return x;
    pthread_mutex_lock(r->mu);
    int v = void_token(r, err);
    if (v < 0) {
        pthread_mutex_unlock(r->mu);
        return v;
    }
    uint64_t addr = r->received_addr;
    r->ses.barrier = true;
    pthread_cond_signal(&r->cv_sync);
    while (!r->stop && !r->failed && r->durable_addr < addr)
        gw_replica_wait(r, &r->cv_change, 100);
    bool ok = !r->stop && !r->failed;
    *ret = (struct gw_hello){
        .version_min = GW_PROTOCOL_MIN,
        .version_max = GW_PROTOCOL_MAX,
        .changes = r->plan->meta.generation,
    };
    gw_plan_side(r->plan, &ret->side);
    const struct gw_meta *m = &r->plan->meta;
    if (m->pending == GW_PENDING_NONE && !m->blank && m->role != GW_ROLE_ACTIVE) {
        ret->side.seq = r->durable_seq;
        ret->side.chain = r->durable_chain;
    }
    pthread_mutex_unlock(r->mu);
    return ok ? 0 : gw_error_set(err, -ESHUTDOWN, "the replica is stopping or has failed");
}

static int judge(struct gw_replica *r, const struct gw_hello *own, struct gw_error *err)
{
    struct gw_conn *conn = r->ses.conn;
    struct gw_verdict v, theirs;
    gw_verdict_decide(&own->side, &r->ses.hello.side, &v);
    uint8_t buf[GW_GOODBYE_BYTES_MAX + GW_VERDICT_BYTES_MAX];
    size_t n = gw_verdict_encode(&v, buf, sizeof buf);
    int x = gw_replica_send(r, GW_FRAME_VERDICT, buf, n, err);
    struct gw_frame f = { 0 };
    if (x == 0)
        x = gw_frame_expect(conn, GW_FRAME_VERDICT, "verdict", &f, buf, sizeof buf, err);
    if (x < 0)
        return x;
    if (!gw_verdict_decode(buf, f.bytes, &theirs))
        return gw_error_set(err, -EPROTO, "the source's verdict is malformed");
    gw_log(GW_LOG_INFO, "verdict row %d, %s: %s", v.row, gw_verdict_action_name(v.action),
           v.sentence);
    LOCK_SCOPE(r->mu);
    x = gw_plan_saw_epoch(r->plan, r->ses.hello.side.highest_epoch, err);
    if (x < 0)
        return x;
    r->ses.verdict = v;
    r->st.verdict = v;
    r->st.have_verdict = true;
    if (!gw_verdict_equal(&v, &theirs))
        return gw_error_set(err, -EPROTO, "the sides do not agree: row %d here, row %d there",
                            v.row, theirs.row);
    if (v.target != own->side.site)
        return gw_error_set(err, -EPERM, "%s", v.sentence);
    return 0;
}

static int receive_start(struct gw_replica *r, struct gw_start *ret, struct gw_error *err)
{
    uint8_t buf[GW_GOODBYE_BYTES_MAX];
    struct gw_frame f;
    int x = gw_frame_expect(r->ses.conn, GW_FRAME_START, "START", &f, buf, sizeof buf, err);
    if (x < 0)
        return x;
    if (!gw_start_decode(buf, f.bytes, ret))
        return gw_error_set(err, -EPROTO, "the source's START is malformed");
    enum gw_verdict_action a = r->ses.verdict.action;
    bool stream = a == GW_VERDICT_STREAM || a == GW_VERDICT_IN_SYNC;
    bool fits = ret->mode == GW_SESSION_STREAM   ? stream
                : ret->mode == GW_SESSION_ASSESS ? a == GW_VERDICT_RESYNC
                : ret->mode == GW_SESSION_FULL   ? a == GW_VERDICT_FULL
                                                 : a == GW_VERDICT_RESYNC;
    if (!fits)
        return gw_error_set(err, -EPROTO, "the source starts what the verdict did not say");
    return 0;
}

/* Row 8: we stand exactly at the fork of a newer reign, everything applied and durable. Adopt it.
 */
static int adopt_at_fork(struct gw_replica *r, const struct gw_start *start, struct gw_error *err)
{
    int x = gw_replica_settle(r, err);
    if (x < 0)
        return x;
    LOCK_SCOPE(r->mu);
    struct gw_meta *m = &r->plan->meta;
    const struct gw_side *src = &r->ses.hello.side;
    struct gw_uuid theirs = gw_lineage_uuid(&src->lineage);
    if (!gw_uuid_equal(&theirs, &start->uuid) || m->seq != r->ses.verdict.fork_seq)
        return gw_error_set(err, -EPROTO, "the source's stream is not at the fork");
    m->lineage = src->lineage;
    m->role = GW_ROLE_STANDBY;
    m->clean = true;
    m->released = false;
    m->token_valid = false;
    m->recorded = GW_RECORDED_UNSYNC; /* of a reign that is over */
    m->reached_uuid = theirs;
    m->reached_seq = m->seq;
    return gw_plan_store_meta(r->plan, err);
}

static int begin_stream(struct gw_replica *r, const struct gw_start *start, struct gw_error *err)
{
    struct gw_uuid mine = gw_lineage_uuid(&r->plan->meta.lineage);
    if (!gw_uuid_equal(&mine, &start->uuid)) {
        int x = adopt_at_fork(r, start, err);
        if (x < 0)
            return x;
    }
    LOCK_SCOPE(r->mu);
    if (start->first_seq != r->durable_seq + 1 || start->chain != r->durable_chain)
        return gw_error_set(
            err, -EPROTO, "the source starts at %llu with another chain, this side is at %llu",
            (unsigned long long)start->first_seq, (unsigned long long)r->durable_seq);
    r->state = GW_REPLICA_STREAMING;
    return 0;
}

static int begin(struct gw_replica *r, const struct gw_start *start, struct gw_error *err)
{
    int x = start->mode == GW_SESSION_STREAM ? begin_stream(r, start, err)
                                             : gw_replica_prepare(r, start, err);
    if (x < 0)
        return x;
    pthread_mutex_lock(r->mu);
    struct gw_replica_session *ses = &r->ses;
    ses->mode = start->mode;
    ses->sync = start->sync;
    ses->session_numbers = start->session_numbers;
    ses->uuid = start->uuid;
    ses->seed = gw_record_seed(&start->uuid);
    ses->start_addr = r->received_addr;
    for (unsigned i = 0; i < r->plan->meta.n_volumes; i++)
        ses->volume_bytes[i] = r->plan->meta.volume[i].bytes;
    ses->started = true;
    gw_replica_set_reason(r, "%s", "");
    gw_replica_changed(r);
    struct gw_ready ready = {
        .dirty_blocks = gw_plan_dirty_blocks(r->plan),
        .coarse_extents = gw_plan_coarse_extents(r->plan),
    };
    pthread_mutex_unlock(r->mu);
    uint8_t buf[GW_READY_BYTES];
    size_t n = gw_ready_encode(&ready, buf, sizeof buf);
    return gw_replica_send(r, GW_FRAME_READY, buf, n, err);
}

/* ---- data ---------------------------------------------------------------------------------- */

/* Verify every record of a batch before anything of it is stored. */
static int check_batch(struct gw_replica *r, const uint8_t *data, size_t len, bool gaps,
                       struct gw_journal_batch *b, uint64_t *ret_chain, bool *ret_shape,
                       struct gw_error *err)
{
    const struct gw_replica_session *ses = &r->ses;
    uint64_t seq = r->received_seq, chain = r->received_chain;
    for (size_t at = 0; at < len;) {
        struct gw_record rec;
        int64_t used = gw_record_decode(data + at, len - at, ses->seed, true, &rec);
        if (used < 0)
            return gw_error_set(err, -EBADMSG, "a record from the source is damaged");
        uint64_t end;
        if (gw_record_has_range(rec.type) && (rec.volume >= GW_VOLUMES_MAX || rec.length == 0 ||
                                              ckd_add(&end, rec.offset, (uint64_t)rec.length) ||
                                              end > ses->volume_bytes[rec.volume]))
            return gw_error_set(err, -EPROTO, "record %llu names a range outside of its volume",
                                (unsigned long long)rec.seq);
        if (rec.seq <= seq || (!gaps && rec.seq != seq + 1))
            return gw_error_set(err, -EPROTO, "record %llu came after %llu: out of order",
                                (unsigned long long)rec.seq, (unsigned long long)seq);
        at += (size_t)used;
        if (gw_record_ends_batch(rec.type) && at != len)
            return gw_error_set(err, -EPROTO, "record %llu does not end its batch",
                                (unsigned long long)rec.seq);
        if (b->records++ == 0)
            b->first_seq = rec.seq;
        b->last_seq = seq = rec.seq;
        chain = gw_chain_next(chain, rec.header_hash);
        *ret_shape |= rec.type == GW_RECORD_SHAPE;
        if (rec.type == GW_RECORD_FIN) {
            struct gw_fin *fin = malloc(sizeof *fin);
            bool ok = fin != NULL && gw_fin_decode(data + at - used + GW_RECORD_HEADER_BYTES,
                                                   rec.payload_bytes, fin);
            chain = ok ? fin->chain : 0;
            free(fin);
            if (!ok)
                return gw_error_set(err, -EPROTO, "the FIN record is malformed");
        }
    }
    *ret_chain = chain;
    return 0;
}

/* The journal is full: the applier gets a moment to make room before the session is given up. */
static int append_patiently(struct gw_replica *r, size_t len, const struct gw_journal_batch *b,
                            uint64_t *ret_address, struct gw_error *err)
{
    for (unsigned tries = 0;; tries++) {
        int x = gw_journal_append(r->journal, r->rx, len, b, ret_address, err);
        if (x != -ENOSPC || tries == 20)
            return x;
        LOCK_SCOPE(r->mu);
        if (r->stop || r->ses.dead)
            return x;
        r->need_room = true;
        r->ses.barrier = true;
        pthread_cond_signal(&r->cv_sync);
        pthread_cond_signal(&r->cv_apply);
        gw_replica_wait(r, &r->cv_change, 100);
    }
}

static int on_data(struct gw_replica *r, const struct gw_frame *f, struct gw_error *err)
{
    uint8_t *records = r->rx + GW_JOURNAL_BATCH_HEADER_BYTES;
    size_t len = f->bytes;
    if (f->flags & GW_FRAME_ZSTD) {
        len = ZSTD_decompress(records, GW_FRAME_BYTES_MAX, r->zx, f->bytes);
        if (ZSTD_isError(len) || len != f->raw_bytes)
            return gw_error_set(err, -EBADMSG, "a compressed batch from the source is damaged");
    }
    pthread_mutex_lock(r->mu);
    enum gw_session_mode mode = r->ses.mode; /* the applier makes it STREAM at FIN */
    pthread_mutex_unlock(r->mu);
    if (mode == GW_SESSION_ASSESS)
        return gw_replica_assess(r, records, len, err);
    struct gw_journal_batch b = {
        .uuid = r->ses.uuid,
        .flags = r->ses.session_numbers ? GW_BATCH_SESSION : 0,
    };
    uint64_t chain = 0;
    bool shape = false;
    int x = check_batch(r, records, len, mode != GW_SESSION_STREAM, &b, &chain, &shape, err);
    if (x < 0 || b.records == 0)
        return x;
    uint64_t address;
    len += GW_JOURNAL_BATCH_HEADER_BYTES;
    x = append_patiently(r, len, &b, &address, err);
    if (x < 0)
        return x;
    gw_recent_put(r->recent, address, len, &b);
    pthread_mutex_lock(r->mu);
    if (r->received_addr == r->durable_addr)
        r->unsynced_since_ns = gw_io_boot_ns(r->plan->io);
    r->received_addr = address + len;
    if (shape) {
        r->shape_addr = r->received_addr;
        r->ses.barrier = true; /* the source waits for what becomes of it */
    }
    r->received_seq = b.last_seq;
    r->received_chain = chain;
    pthread_cond_signal(&r->cv_sync);
    pthread_mutex_unlock(r->mu);
    /* Sync mode: received means written to the journal file; say so at once. */
    return r->ses.sync ? gw_replica_send_ack(r, err) : 0;
}

static int on_heartbeat(struct gw_replica *r, const struct gw_frame *f, struct gw_error *err)
{
    struct gw_heartbeat hb;
    if (!gw_heartbeat_decode(r->rx + GW_JOURNAL_BATCH_HEADER_BYTES, f->bytes, &hb))
        return gw_error_set(err, -EPROTO, "a heartbeat is malformed");
    pthread_mutex_lock(r->mu);
    r->st.heartbeat = hb;
    r->st.heartbeat_ns = gw_io_boot_ns(r->plan->io);
    r->ses.echo_ns = hb.boot_ns;
    pthread_mutex_unlock(r->mu);
    return gw_replica_send_ack(r, err);
}

static int on_frame(struct gw_replica *r, const struct gw_frame *f, struct gw_error *err)
{
    struct gw_goodbye g;
    switch (f->type) {
    case GW_FRAME_DATA:
        return on_data(r, f, err);
    case GW_FRAME_HEARTBEAT:
        return on_heartbeat(r, f, err);
    case GW_FRAME_BARRIER:
        pthread_mutex_lock(r->mu);
        r->ses.barrier = true;
        pthread_cond_signal(&r->cv_sync);
        pthread_mutex_unlock(r->mu);
        return 0;
    case GW_FRAME_GOODBYE:
        if (!gw_goodbye_decode(r->rx + GW_JOURNAL_BATCH_HEADER_BYTES, f->bytes, &g))
            break;
        return gw_error_set(err, -ECONNABORTED, "the source ended the session: %s", g.sentence);
    case GW_FRAME_HELLO:
    case GW_FRAME_VERDICT:
    case GW_FRAME_START:
    case GW_FRAME_MAP:
    case GW_FRAME_MAP_END:
    case GW_FRAME_READY:
    case GW_FRAME_ACK:
    case GW_FRAME_DIFF:
    case GW_FRAME_RESULT:
    case GW_FRAME_TYPE_MAX:
        break;
    }
    return gw_error_set(err, -EPROTO, "an unexpected or malformed frame (type %d)", (int)f->type);
}

/* One frame: a compressed payload goes to zx, everything else in front of the journal's place. */
static int receive_one(struct gw_replica *r, struct gw_error *err)
{
    uint8_t head[GW_FRAME_HEADER_BYTES];
    struct gw_frame f;
    r->rx = gw_recent_reserve(r->recent);
    int x = gw_conn_recv(r->ses.conn, head, sizeof head, err);
    if (x < 0)
        return x;
    if (gw_frame_decode(head, &f) < 0 || f.raw_bytes > GW_FRAME_BYTES_MAX)
        return gw_error_set(err, -EBADMSG, "a frame header from the source is damaged");
    uint8_t *to = f.flags & GW_FRAME_ZSTD ? r->zx : r->rx + GW_JOURNAL_BATCH_HEADER_BYTES;
    x = gw_conn_recv(r->ses.conn, to, f.bytes, err);
    if (x < 0)
        return x;
    if (!gw_frame_payload_ok(&f, to))
        return gw_error_set(err, -EBADMSG, "a frame from the source is damaged");
    pthread_mutex_lock(r->mu);
    r->st.received_bytes += sizeof head + f.bytes;
    pthread_mutex_unlock(r->mu);
    return on_frame(r, &f, err);
}

/* ---- session ------------------------------------------------------------------------------- */

static int run_session(struct gw_replica *r, struct gw_error *err)
{
    struct gw_hello *own = calloc(1, sizeof *own);
    uint8_t *buf = malloc(GW_HELLO_BYTES_MAX);
    int x = own == NULL || buf == NULL ? gw_error_set(err, -ENOMEM, "out of memory")
                                       : own_hello(r, own, err);
    if (x == 0) {
        size_t n = gw_hello_encode(own, buf, GW_HELLO_BYTES_MAX);
        x = gw_replica_send(r, GW_FRAME_HELLO, buf, n, err);
    }
    if (x == 0)
        x = judge(r, own, err);
    free(own);
    free(buf);
    struct gw_start start;
    if (x == 0)
        x = receive_start(r, &start, err);
    if (x == 0)
        x = begin(r, &start, err);
    while (x == 0)
        x = receive_one(r, err);
    return x;
}

static enum gw_goodbye_reason goodbye_for(int code)
{
    switch (code) {
    case -ENOSPC:
    case -EDQUOT:
        return GW_GOODBYE_NO_SPACE;
    case -EPROTO:
    case -EBADMSG:
        return GW_GOODBYE_BAD_DATA;
    case -EPERM:
        return GW_GOODBYE_REFUSED;
    case -ECONNABORTED:
    case -ECONNREFUSED:
    case -EAGAIN:
    case -ECONNRESET:
    case -ETIMEDOUT:
        return 0; /* the peer is gone, or said goodbye itself */
    }
    return GW_GOODBYE_FAILED;
}

static void end_session(struct gw_replica *r, int x, const struct gw_error *err)
{
    enum gw_goodbye_reason reason = goodbye_for(x);
    if (reason != 0)
        gw_replica_goodbye(r, reason, err->msg);
    pthread_mutex_lock(&r->send_mu); /* no other thread is in the middle of a frame */
    pthread_mutex_lock(r->mu);
    struct gw_conn *conn = r->ses.conn;
    if (r->ses.mode == GW_SESSION_ASSESS || (r->ses.session_numbers && r->ses.finished)) {
        /* Numbers of that session only: back to the image's own position. */
        const struct gw_meta *m = &r->plan->meta;
        gw_replica_number(r, m->seq, m->chain);
    }
    for (unsigned i = 0; i < GW_VOLUMES_MAX; i++)
        gw_bitmap_free(r->ses.own_fine[i]);
    r->ses = (struct gw_replica_session){ .barrier = true }; /* what came is made durable */
    if (reason == GW_GOODBYE_BAD_DATA)
        r->st.bad_frames++;
    struct gw_error store;
    if (gw_plan_check_store(r->plan, &store) < 0) { /* R20: another session would find the same */
        gw_replica_fail(r, &store);
    } else if (!r->failed) {
        r->state = x == -EPERM ? GW_REPLICA_REFUSED : GW_REPLICA_LISTENING;
        gw_replica_set_reason(r, "%s", err->msg);
    }
    pthread_cond_signal(&r->cv_sync);
    gw_replica_changed(r);
    pthread_mutex_unlock(r->mu);
    pthread_mutex_unlock(&r->send_mu);
    gw_conn_close(conn);
}

void *gw_replica_session_main(void *arg)
{
    struct gw_replica *r = arg;
    pthread_mutex_lock(r->mu);
    for (;;) {
        while (!r->stop && (r->waiting == NULL || r->failed))
            gw_replica_wait(r, &r->cv_session, 1000);
        if (r->stop)
            break;
        r->ses.conn = r->waiting;
        r->ses.hello = r->waiting_hello;
        r->ses.live = true;
        r->waiting = NULL;
        snprintf(r->st.peer, sizeof r->st.peer, "%s (%s)", r->ses.hello.side.site_name,
                 gw_conn_peer(r->ses.conn));
        gw_conn_idle_timeout(r->ses.conn, r->cfg.link_timeout_ms);
        pthread_mutex_unlock(r->mu);
        struct gw_error err = { .code = 0 };
        int x = run_session(r, &err);
        end_session(r, x, &err);
        pthread_mutex_lock(r->mu);
    }
    pthread_mutex_unlock(r->mu);
    return NULL;
}
