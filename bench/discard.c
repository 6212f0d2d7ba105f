// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A peer for measurements: it greets as the blank standby of a plan, agrees with the verdict, and
 * acknowledges whatever comes without keeping any of it. What is left is the active site's own
 * cost.
 *
 *     godwit-bench-discard PLAN-DIRECTORY HOST:PORT        (no TLS: loopback)
 *
 * It is no replica: it writes nothing, also not to the plan directory, so each start is blank
 * again. Acknowledgements come as often as a replica's: a source's cost depends on it. Payloads are
 * not hashed, record headers are: the source compares the chain.
 *
 * One thread, one session at a time. Frames that need a stored image (comparisons, points,
 * handovers) end the session with a sentence.
 */
#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/frame_io.h"
#include "engine/plan.h"
#include "engine/record.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct session {
    struct gw_conn *conn;
    struct gw_start start;
    uint64_t seed;
    uint64_t seq, chain;
    bool finished;
    uint64_t unacked_bytes, unacked_since_ns;
    uint64_t echo_ns;
    uint8_t *buf; /* GW_FRAME_BYTES_MAX */
};

/* ---- opening --------------------------------------------------------------------------------- */

static int exchange_hello(struct session *s, struct gw_plan *plan, struct gw_verdict *ret,
                          struct gw_error *err)
{
    CLEANUP_FREE struct gw_hello *mine = calloc(1, sizeof *mine);
    CLEANUP_FREE struct gw_hello *theirs = calloc(1, sizeof *theirs);
    if (mine == NULL || theirs == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    struct gw_frame f = { 0 };
    int r = gw_frame_recv(s->conn, &f, s->buf, GW_HELLO_BYTES_MAX, err);
    if (r == 0)
        r = gw_hello_of_plan(&f, s->buf, &plan->meta.plan, theirs, err);
    if (r < 0)
        return r;
    mine->version_min = GW_PROTOCOL_MIN;
    mine->version_max = GW_PROTOCOL_MAX;
    pthread_mutex_lock(&plan->mu);
    mine->changes = plan->meta.generation;
    gw_plan_side(plan, &mine->side);
    pthread_mutex_unlock(&plan->mu);
    gw_verdict_decide(&mine->side, &theirs->side, ret);
    size_t n = gw_hello_encode(mine, s->buf, GW_HELLO_BYTES_MAX);
    return gw_frame_send(s->conn, GW_FRAME_HELLO, s->buf, n, err);
}

static int exchange_verdict(struct session *s, const struct gw_verdict *v, struct gw_error *err)
{
    struct gw_verdict theirs;
    size_t n = gw_verdict_encode(v, s->buf, GW_VERDICT_BYTES_MAX);
    int r = gw_frame_send(s->conn, GW_FRAME_VERDICT, s->buf, n, err);
    struct gw_frame f = { 0 };
    if (r == 0)
        r = gw_frame_expect(s->conn, GW_FRAME_VERDICT, "verdict", &f, s->buf, GW_FRAME_BYTES_MAX,
                            err);
    if (r < 0)
        return r;
    if (!gw_verdict_decode(s->buf, f.bytes, &theirs) || !gw_verdict_equal(v, &theirs))
        return gw_error_set(err, -EPROTO, "the sides do not agree");
    return 0;
}

/* The union of both sets is the source's alone: this side has none. R6 wants its size back. */
static int exchange_sets(struct session *s, struct gw_error *err)
{
    struct gw_ready ready = { 0 };
    int r = gw_frame_send(s->conn, GW_FRAME_MAP_END, NULL, 0, err);
    while (r == 0) {
        struct gw_frame f = { 0 };
        struct gw_map_page m;
        r = gw_frame_recv(s->conn, &f, s->buf, GW_MAP_BYTES, err);
        if (r < 0 || f.type == GW_FRAME_MAP_END)
            break;
        if (f.type != GW_FRAME_MAP || !gw_map_decode(s->buf, f.bytes, &m))
            return gw_error_set(err, -EPROTO, "the source's set is malformed");
        uint64_t *n = m.kind == GW_MAP_FINE ? &ready.dirty_blocks : &ready.coarse_extents;
        for (size_t i = 0; i < GW_BITMAP_PAGE_BYTES; i++)
            *n += (unsigned)__builtin_popcount(m.bits[i]);
    }
    if (r < 0)
        return r;
    size_t n = gw_ready_encode(&ready, s->buf, GW_READY_BYTES);
    return gw_frame_send(s->conn, GW_FRAME_READY, s->buf, n, err);
}

static int open_session(struct session *s, struct gw_plan *plan, struct gw_error *err)
{
    struct gw_verdict v;
    int r = exchange_hello(s, plan, &v, err);
    if (r == 0)
        r = exchange_verdict(s, &v, err);
    struct gw_frame f = { 0 };
    if (r == 0)
        r = gw_frame_expect(s->conn, GW_FRAME_START, "START", &f, s->buf, GW_FRAME_BYTES_MAX, err);
    if (r < 0)
        return r;
    if (!gw_start_decode(s->buf, f.bytes, &s->start) || s->start.mode != GW_SESSION_FULL)
        return gw_error_set(err, -EPROTO, "only the seeding of a blank side can be discarded");
    s->seed = gw_record_seed(&s->start.uuid);
    s->seq = s->start.first_seq - 1;
    s->chain = s->start.chain;
    return exchange_sets(s, err);
}

/* ---- the stream ------------------------------------------------------------------------------ */

static int acknowledge(struct session *s, struct gw_error *err)
{
    struct gw_ack a = {
        .uuid = s->start.uuid,
        .received = s->seq,
        .durable = s->seq,
        .applied = s->seq,
        .chain = s->chain,
        .finished = s->finished,
        .journal_max_bytes = GW_JOURNAL_BYTES_DEFAULT,
        .echo_ns = s->echo_ns,
    };
    s->echo_ns = 0;
    s->unacked_bytes = 0;
    uint8_t buf[GW_ACK_BYTES];
    size_t n = gw_ack_encode(&a, buf, sizeof buf);
    return gw_frame_send(s->conn, GW_FRAME_ACK, buf, n, err);
}

static int take_fin(struct session *s, const uint8_t *payload, size_t len, struct gw_error *err)
{
    CLEANUP_FREE struct gw_fin *fin = malloc(sizeof *fin);
    if (fin == NULL || !gw_fin_decode(payload, len, fin))
        return gw_error_set(err, -EPROTO, "the FIN record is malformed");
    s->chain = fin->chain;
    s->finished = true;
    return 0;
}

static int on_data(struct session *s, const struct gw_frame *f, struct gw_error *err)
{
    if (f->flags & GW_FRAME_ZSTD)
        return gw_error_set(err, -EPROTO, "compressed batches are not measured here");
    for (size_t at = 0; at < f->bytes;) {
        struct gw_record rec;
        const uint8_t *here = s->buf + at;
        int64_t used = gw_record_decode(here, f->bytes - at, s->seed, false, &rec);
        if (used < 0)
            return gw_error_set(err, -EBADMSG, "a record from the source is damaged");
        if (!gw_record_changes(rec.type) && rec.type != GW_RECORD_FIN)
            return gw_error_set(err, -EPROTO, "a record of type %d needs a stored image",
                                (int)rec.type);
        at += (size_t)used;
        s->seq = rec.seq;
        s->chain = gw_chain_next(s->chain, rec.header_hash);
        int r = rec.type == GW_RECORD_FIN
                    ? take_fin(s, here + GW_RECORD_HEADER_BYTES, rec.payload_bytes, err)
                    : 0;
        if (r < 0)
            return r;
    }
    if (s->unacked_bytes == 0)
        s->unacked_since_ns = gw_boot_ns();
    s->unacked_bytes += f->bytes;
    return s->start.sync ? acknowledge(s, err) : 0;
}

static int on_frame(struct session *s, const struct gw_frame *f, struct gw_error *err)
{
    struct gw_heartbeat hb;
    struct gw_goodbye g;
    if (f->type == GW_FRAME_DATA)
        return on_data(s, f, err);
    if (f->type == GW_FRAME_BARRIER)
        return acknowledge(s, err);
    if (f->type == GW_FRAME_HEARTBEAT && gw_heartbeat_decode(s->buf, f->bytes, &hb)) {
        s->echo_ns = hb.boot_ns;
        return acknowledge(s, err);
    }
    if (f->type == GW_FRAME_GOODBYE && gw_goodbye_decode(s->buf, f->bytes, &g))
        return gw_error_set(err, -ECONNABORTED, "the source ends the session: %s", g.sentence);
    return gw_error_set(err, -EPROTO, "frame of type %d is not expected here", (int)f->type);
}

/* The rhythm of a replica's group sync: GW_DURABLE_BYTES or GW_DURABLE_MS_MAX, whatever is first.
 */
static int acknowledge_in_time(struct session *s, struct gw_error *err)
{
    while (s->unacked_bytes > 0) {
        uint64_t age_ms = (gw_boot_ns() - s->unacked_since_ns) / GW_NS_PER_MS;
        if (s->unacked_bytes >= GW_DURABLE_BYTES || age_ms >= GW_DURABLE_MS_MAX)
            return acknowledge(s, err);
        struct pollfd p = { .fd = gw_conn_fd(s->conn), .events = POLLIN };
        if (poll(&p, 1, (int)(GW_DURABLE_MS_MAX - age_ms)) > 0)
            break;
    }
    return 0;
}

static int run_session(struct session *s, struct gw_plan *plan, struct gw_error *err)
{
    int r = open_session(s, plan, err);
    while (r == 0) {
        struct gw_frame f = { 0 };
        r = acknowledge_in_time(s, err);
        if (r == 0)
            r = gw_frame_recv(s->conn, &f, s->buf, GW_FRAME_BYTES_MAX, err);
        if (r == 0)
            r = on_frame(s, &f, err);
    }
    return r;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: godwit-bench-discard PLAN-DIRECTORY HOST:PORT\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    struct gw_error err;
    struct gw_plan *plan = NULL;
    struct gw_listener *listener = NULL;
    uint8_t *buf = malloc(GW_FRAME_BYTES_MAX);
    int r = buf == NULL ? gw_error_set(&err, -ENOMEM, "out of memory")
                        : gw_plan_open(gw_io_posix(), argv[1], GW_PLAN_READ_ONLY, &plan, &err);
    if (r == 0)
        r = gw_listener_open(argv[2], NULL, &listener, &err);
    if (r == 0) {
        printf("listening on %s\n", gw_listener_address(listener));
        fflush(stdout);
    }
    while (r == 0) {
        struct session s = { .buf = buf };
        r = gw_listener_accept(listener, GW_GREETING_MS, -1, &s.conn, &err);
        if (r == 0 && run_session(&s, plan, &err) < 0)
            gw_log(GW_LOG_INFO, "%s", err.msg);
        gw_conn_close(s.conn);
    }
    fprintf(stderr, "godwit-bench-discard: %s\n", err.msg);
    gw_listener_close(listener);
    gw_plan_close(plan);
    free(buf);
    return EXIT_FAILURE;
}
