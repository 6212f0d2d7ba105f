// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The link thread of a source: connect, open a session, send what the ring holds, start again. */
#include "base/checked.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/log.h"
#include "engine/frame_io.h"
#include "engine/server_name.h"
#include "engine/source_internal.h"
#include "engine/tls.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

void gw_session_kill(struct gw_source *s, enum gw_goodbye_reason reason, const char *fmt, ...)
{
    struct gw_session *ses = &s->ses;
    if (ses->dead)
        return;
    ses->dead = true;
    s->repl = GW_REPL_DISCONNECTED;
    if (s->verify_wanted) /* of this session; it is not taken up again */
        s->st.verify.ended_ns = gw_io_boot_ns(s->plan->io);
    s->verify_wanted = s->st.verify.running = false;
    ses->goodbye.reason = reason;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(ses->goodbye.sentence, sizeof ses->goodbye.sentence, fmt, ap);
    va_end(ap);
    pthread_cond_broadcast(&s->cv_link);
    gw_source_wake_answers(s);
    gw_source_changed(s);
}

#define LAST_WORDS_MS 500u

struct receiver {
    struct gw_source *s;
    uint8_t buf[4096];
};

static void *receiver_main(void *arg)
{
    struct receiver *rx = arg;
    struct gw_source *s = rx->s;
    struct gw_error err = { .code = 0 };
    for (;;) {
        struct gw_frame f;
        int r = gw_frame_recv(s->ses.conn, &f, rx->buf, sizeof rx->buf, &err);
        if (r == 0)
            r = gw_source_on_frame(s, &f, rx->buf, &err);
        if (r < 0)
            break;
    }
    pthread_mutex_lock(s->mu);
    bool protocol = err.code == -EPROTO || err.code == -EBADMSG;
    gw_session_kill(s, protocol ? GW_GOODBYE_BAD_DATA : 0, "%s", err.msg);
    pthread_mutex_unlock(s->mu);
    /* The sender may stand in a send that nobody reads any more; a goodbye still has its time. */
    gw_conn_idle_timeout(s->ses.conn, LAST_WORDS_MS);
    return NULL;
}

/* One batch from the ring as a DATA frame; zstd where it pays. */
static int send_batch(struct gw_source *s, const uint8_t *data, size_t len, struct gw_error *err)
{
    uint8_t *packed = s->ses.frame_buf + GW_FRAME_HEADER_BYTES;
    size_t n = 0;
    if (s->cfg.zstd_level > 0 && len >= 512) {
        n = ZSTD_compress(packed, GW_FRAME_BYTES_MAX, data, len, s->cfg.zstd_level);
        if (ZSTD_isError(n) || n >= len - len / 16)
            n = 0; /* it does not shrink: send it as it is */
    }
    size_t on_wire = (n > 0 ? n : len) + GW_FRAME_HEADER_BYTES;
    pthread_mutex_lock(s->mu);
    gw_bucket_take(&s->bucket, on_wire, gw_io_boot_ns(s->plan->io)); /* send_loop waits for it */
    s->st.sent_bytes += on_wire;
    s->st.sent_raw_bytes += len;
    pthread_mutex_unlock(s->mu);
    if (n == 0)
        return gw_frame_send(s->ses.conn, GW_FRAME_DATA, data, len, err);
    struct gw_frame f = {
        .type = GW_FRAME_DATA,
        .flags = GW_FRAME_ZSTD,
        .version = GW_PROTOCOL_MAX,
        .bytes = (uint32_t)n,
        .raw_bytes = (uint32_t)len,
        .payload_hash = gw_hash64(packed, n, 0),
    };
    gw_frame_encode(&f, s->ses.frame_buf);
    struct iovec iov = { .iov_base = s->ses.frame_buf, .iov_len = n + GW_FRAME_HEADER_BYTES };
    return gw_conn_send(s->ses.conn, &iov, 1, err);
}

static int send_heartbeat(struct gw_source *s, struct gw_error *err)
{
    pthread_mutex_lock(s->mu);
    struct gw_heartbeat hb = {
        .wall_ns = gw_io_wall_ns(s->plan->io),
        .boot_ns = gw_io_boot_ns(s->plan->io),
        .head_seq = s->seq,
        .pending_bytes = gw_ring_used_bytes(s->ring),
        .resync_left_bytes = gw_plan_dirty_blocks(s->plan) * GW_BLOCK_BYTES +
                             gw_plan_coarse_extents(s->plan) * GW_EXTENT_BYTES,
    };
    /* Several in a link's time-out, however short that is. */
    unsigned ms = GW_MIN(GW_HEARTBEAT_MS, s->cfg.link_timeout_ms / 3);
    s->ses.next_beat_ns = hb.boot_ns + ms * GW_NS_PER_MS;
    pthread_mutex_unlock(s->mu);
    uint8_t buf[GW_HEARTBEAT_BYTES];
    size_t n = gw_heartbeat_encode(&hb, buf, sizeof buf);
    return gw_frame_send(s->ses.conn, GW_FRAME_HEARTBEAT, buf, n, err);
}

#define IDLE_MS 20u

/* A tenth of a second of a limited link at once; at least one record. */
static size_t batch_bytes(const struct gw_source *s)
{
    uint64_t tenth = s->bucket.rate_bytes / 10;
    return s->bucket.rate_bytes == 0 ? GW_BATCH_BYTES : (size_t)GW_MIN(tenth, GW_BATCH_BYTES);
}

#define GATHER_MS 1u

/*
 * Few bytes, and nobody waits for the peer to have them: in a millisecond there may be more. Each
 * batch costs both sites a dozen system calls, and the writers the processor they run on.
 */
static bool worth_gathering(const struct gw_source *s, size_t len)
{
    return len < GW_BATCH_BYTES / 4 && !s->cfg.sync && !s->ses.barrier && !s->stop &&
           s->ses.mode == GW_SESSION_STREAM && s->service == GW_SERVICE_SERVING;
}

/*
 * What the target answers, it answers when it is durable there: acknowledgements free the ring, and
 * a hash is compared when its record is applied. Half of the ring, or of the hashes that may be on
 * their way, waits for that, and no answer to an earlier question is due: it is asked for now. Else
 * either would move once in each GW_DURABLE_MS_MAX. mu held.
 */
static bool pressed(struct gw_source *s)
{
    struct gw_session *ses = &s->ses;
    uint64_t hashes = ses->hashes_sent - ses->diffs_received;
    uint64_t verifies = s->verify_wanted ? s->verify_sent - s->verify_answered : 0;
    if (gw_ring_used_bytes(s->ring) < gw_ring_size_bytes(s->ring) / 2 &&
        hashes < GW_HASHES_IN_FLIGHT_MAX / 2 && verifies < GW_HASHES_IN_FLIGHT_MAX / 2)
        return false;
    if (ses->durable < ses->pressed_seq || ses->sent_seq <= ses->durable)
        return false;
    ses->pressed_seq = ses->sent_seq;
    return true;
}

/* Live records first, then what resync and verify inject; heartbeats in between. */
static int send_loop(struct gw_source *s, struct gw_error *err)
{
    for (;;) {
        pthread_mutex_lock(s->mu);
        if (s->stop || s->ses.dead) {
            pthread_mutex_unlock(s->mu);
            return 0;
        }
        const uint8_t *data = NULL;
        size_t len = 0;
        /* The bandwidth limit holds back data, nothing else: a slow link is no dead one. */
        uint64_t held_ns = gw_bucket_take(&s->bucket, 0, gw_io_boot_ns(s->plan->io));
        unsigned n = held_ns > 0 ? 0 : gw_ring_batch(s->ring, batch_bytes(s), &data, &len);
        if (n > 0 && worth_gathering(s, len)) {
            gw_source_wait(s, &s->cv_link, GATHER_MS);
            if (s->stop || s->ses.dead) {
                pthread_mutex_unlock(s->mu);
                return 0;
            }
            n = gw_ring_batch(s->ring, batch_bytes(s), &data, &len);
        }
        if (n > 0) {
            /* Before the bytes leave, so that no acknowledgement can be ahead of the cursor. */
            s->ses.sent_seq = gw_ring_unsent(s->ring, n - 1)->rec.seq;
            gw_ring_sent(s->ring, n);
        }
        bool barrier = s->ses.barrier && n == 0 && held_ns == 0;
        if (barrier)
            s->ses.barrier = false;
        barrier |= pressed(s);
        bool beat = gw_io_boot_ns(s->plan->io) >= s->ses.next_beat_ns;
        /* Nothing is injected while data waits for the limit: live writes would queue behind it. */
        bool room = held_ns == 0 && gw_ring_used_bytes(s->ring) < gw_ring_size_bytes(s->ring) / 2;
        pthread_mutex_unlock(s->mu);

        int r = 0;
        if (n > 0)
            r = send_batch(s, data, len, err);
        if (r == 0 && barrier)
            r = gw_frame_send(s->ses.conn, GW_FRAME_BARRIER, NULL, 0, err);
        if (r == 0 && beat)
            r = send_heartbeat(s, err);
        if (r == 0 && room)
            r = gw_source_inject(s, err);
        if (r < 0)
            return r;
        if (n > 0 || r > 0 || barrier)
            continue;
        pthread_mutex_lock(s->mu);
        if (!s->stop && !s->ses.dead &&
            (held_ns > 0 || (!s->ses.barrier && gw_ring_batch(s->ring, 1, &data, &len) == 0))) {
            uint64_t ms = held_ns > 0 ? held_ns / GW_NS_PER_MS + 1 : IDLE_MS;
            s->sender_waits = held_ns == 0;
            gw_source_wait(s, &s->cv_link, (unsigned)GW_MIN(ms, (uint64_t)IDLE_MS));
            s->sender_waits = false;
        }
        pthread_mutex_unlock(s->mu);
    }
}

static void requeue_all(struct gw_source *s)
{
    for (unsigned i = 0; i < s->plan->meta.n_volumes; i++)
        gw_dirtymap_requeue(s->plan->map[i]);
}

/* After the connection is gone: what the session held goes back to where it is safe. */
static void session_over(struct gw_source *s)
{
    struct gw_session *ses = &s->ses;
    pthread_mutex_lock(s->mu);
    bool was_up = ses->up;
    bool stream = ses->mode == GW_SESSION_STREAM;
    ses->dead = true;
    if (was_up && !stream)
        /* The target is not consistent: records in flight to it are worth bits only. */
        gw_source_fall_behind(s, "the session ended before the resync was complete");
    ses->up = false;
    requeue_all(s);
    if (was_up && s->attached)
        gw_ring_rewind(s->ring, s->acked_seq);
    for (unsigned i = 0; i < GW_VOLUMES_MAX; i++) {
        gw_bitmap_free(ses->asked[i]);
        gw_bitmap_free(ses->peer_fine[i]);
        gw_bitmap_free(ses->peer_coarse[i]);
    }
    gw_fork_close(&ses->fork);
    struct gw_conn *conn = ses->conn;
    struct gw_session clean = { .read_buf = ses->read_buf, .frame_buf = ses->frame_buf };
    if (was_up)
        s->link_lost_ns = gw_io_boot_ns(s->plan->io);
    s->repl = GW_REPL_DISCONNECTED;
    *ses = clean;
    pthread_cond_broadcast(&s->cv_write);
    gw_source_wake_answers(s);
    pthread_cond_signal(&s->cv_keeper);
    gw_source_changed(s);
    pthread_mutex_unlock(s->mu);
    gw_conn_close(conn);
}

static void say_goodbye(struct gw_source *s)
{
    pthread_mutex_lock(s->mu);
    struct gw_goodbye g = s->ses.goodbye;
    pthread_mutex_unlock(s->mu);
    if (g.reason == 0)
        return;
    struct gw_error err;
    gw_conn_idle_timeout(s->ses.conn, LAST_WORDS_MS);
    gw_frame_send_goodbye(s->ses.conn, g.reason, g.sentence, &err);
}

/* Sending failed: the peer may have said why before it closed. The receiver gets a moment for it.
 */
static void hear_goodbye(struct gw_source *s, int r)
{
    LOCK_SCOPE(s->mu);
    for (unsigned i = 0; r < 0 && i < 30 && !s->ses.dead; i++)
        gw_source_wait(s, &s->cv_link, 10);
}

/* One connection from hello to end. The reason it ended is in ses.goodbye or err. */
static int run_session(struct gw_source *s, struct gw_error *err)
{
    struct gw_session *ses = &s->ses;
    gw_conn_idle_timeout(ses->conn, s->cfg.link_timeout_ms);
    int r = gw_session_open(s, err);
    if (r == 0) {
        struct receiver *rx = malloc(sizeof *rx);
        pthread_t thread;
        if (rx == NULL)
            return gw_error_set(err, -ENOMEM, "out of memory");
        rx->s = s;
        if (pthread_create(&thread, NULL, receiver_main, rx) != 0) {
            free(rx);
            return gw_error_set(err, -EAGAIN, "cannot start a thread");
        }
        r = send_loop(s, err);
        hear_goodbye(s, r);
        say_goodbye(s);
        gw_conn_shutdown(ses->conn);
        pthread_join(thread, NULL);
        free(rx);
        return r;
    }
    say_goodbye(s);
    return r;
}

/* How long until the next try: at once when both sides only have to look again. */
static unsigned pause_ms(struct gw_source *s, int r, unsigned *backoff_ms)
{
    enum gw_goodbye_reason reason = s->ses.goodbye.reason;
    if (r == 0 && (reason == GW_GOODBYE_RETRY || reason == GW_GOODBYE_FELL_BEHIND)) {
        *backoff_ms = GW_RECONNECT_MS_MIN;
        return 1;
    }
    unsigned ms = *backoff_ms;
    *backoff_ms = GW_MIN(*backoff_ms * 2, GW_RECONNECT_MS_MAX);
    if (s->had_session)
        *backoff_ms = GW_RECONNECT_MS_MIN;
    s->had_session = false;
    return ms;
}

/* This process has nothing more to say to a replica: another one takes over here. */
static bool is_over(const struct gw_source *s)
{
    return s->service == GW_SERVICE_FAILED || s->service == GW_SERVICE_RELEASED ||
           s->service == GW_SERVICE_FENCED;
}

void *gw_source_link_main(void *arg)
{
    struct gw_source *s = arg;
    unsigned backoff_ms = GW_RECONNECT_MS_MIN;
    char name[GW_SERVER_NAME_TEXT];
    gw_server_name_format(&s->plan->meta.plan, name);
    for (;;) {
        pthread_mutex_lock(s->mu);
        while (!s->stop && (s->cfg.peer == NULL || is_over(s)))
            gw_source_wait(s, &s->cv_link, 1000);
        bool stop = s->stop;
        char address[GW_PEER_ADDRESS_MAX] = ""; /* both may be changed while we connect */
        struct gw_tls *tls = NULL;
        if (!stop) {
            memcpy(address, s->peer_address, sizeof address);
            tls = s->cfg.tls != NULL ? gw_tls_ref(s->cfg.tls) : NULL;
        }
        pthread_mutex_unlock(s->mu);
        if (stop)
            return NULL;

        struct gw_error err = { .code = 0 };
        struct gw_conn *conn = NULL;
        int r =
            gw_conn_connect(address, tls, name, s->cfg.link_timeout_ms, s->stop_fd, &conn, &err);
        gw_tls_free(tls); /* the connection has its own reference */
        if (r == 0) {
            pthread_mutex_lock(s->mu);
            s->ses.conn = conn;
            pthread_mutex_unlock(s->mu);
            r = run_session(s, &err);
        }
        pthread_mutex_lock(s->mu);
        struct gw_error store;
        if (!is_over(s) && gw_plan_check_store(s->plan, &store) < 0)
            gw_source_fail(s, &store); /* R20: another session would find the same */
        if (!s->stop && !is_over(s)) { /* else the reason is why it is over */
            if (s->ses.goodbye.sentence[0] != '\0')
                gw_source_set_reason(s, "%s", s->ses.goodbye.sentence);
            else if (r < 0)
                gw_source_set_reason(s, "no link to %s: %s%s", s->cfg.peer, err.msg,
                                     s->plan->meta.recorded == GW_RECORDED_UNSYNC && s->cfg.sync
                                         ? "; " GW_GOING_ON_ALONE
                                         : "");
        }
        unsigned ms = pause_ms(s, r, &backoff_ms);
        pthread_mutex_unlock(s->mu);
        session_over(s);
        bool adopted;
        if (gw_source_adopt_shape(s, NULL, &adopted, &err) < 0)
            gw_log(GW_LOG_ERROR, "%s", err.msg); /* the next hello leads here again */
        pthread_mutex_lock(s->mu);
        uint64_t until = gw_io_boot_ns(s->plan->io) + ms * GW_NS_PER_MS;
        while (!s->stop && gw_io_boot_ns(s->plan->io) < until)
            gw_source_wait(s, &s->cv_link, ms);
        pthread_mutex_unlock(s->mu);
    }
}
