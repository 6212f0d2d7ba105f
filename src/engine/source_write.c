// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The write path: see source.h for the order of steps and why. */
#include "base/checked.h"
#include "base/clock.h"
#include "base/cond.h"
#include "engine/source_internal.h"

#include <errno.h>
#include <string.h>

#define HOLE_BYTES_MAX (1ull << 31) /* skipped in one step */

/* One piece of a client's request: inside one extent (data), or at most GW_ZERO_BYTES_MAX. */
struct piece {
    unsigned volume;
    enum gw_record_type type;
    const void *data; /* NULL for zeros */
    uint64_t off;
    uint32_t len;
    unsigned flags;

    struct gw_range range;
    unsigned parity;
    bool claimed; /* room in the ring is promised */
    uint64_t seq;
};

static uint32_t piece_payload(const struct piece *p)
{
    return p->data != NULL ? p->len : 0;
}

/* S3: asked before a request begins and again before its answer. */
static int deadline_gate(const struct gw_source *s)
{
    return s->cfg.granted && gw_io_boot_ns(s->plan->io) >= s->deadline_ns ? -EAGAIN : 0;
}

/* 0: go; -EAGAIN: wait; else the request's error. */
static int service_gate(struct gw_source *s)
{
    switch (s->service) {
    case GW_SERVICE_SERVING:
        return deadline_gate(s);
    case GW_SERVICE_WAITING:
    case GW_SERVICE_QUIESCED:
        return -EAGAIN;
    case GW_SERVICE_FAILED:
        return -EIO;
    case GW_SERVICE_RELEASED:
    case GW_SERVICE_FENCED:
    case GW_SERVICE_STOPPED:
        return -ESHUTDOWN;
    }
    return -EIO;
}

static bool interrupted(const struct gw_source *s)
{
    return s->cfg.interrupted != NULL && s->cfg.interrupted();
}

/* A request that has waited too long at the gate fails. */
static bool waited_out(const struct gw_source *s, uint64_t since_ns)
{
    return s->cfg.wait_ms_max != 0 &&
           gw_io_boot_ns(s->plan->io) - since_ns > s->cfg.wait_ms_max * GW_NS_PER_MS;
}

/* R1: every extent of the range is hot, durably. All are asked for, so that one log write serves.
 */
static bool all_hot(struct gw_source *s, const struct piece *p)
{
    bool hot = true;
    uint64_t last = (p->off + p->len - 1) / GW_EXTENT_BYTES;
    for (uint64_t e = p->off / GW_EXTENT_BYTES; e <= last; e++)
        hot = gw_hotset_ask(s->plan->hot, p->volume, e) && hot;
    if (gw_hotset_has_work(s->plan->hot))
        pthread_cond_signal(&s->cv_hot);
    if (!hot && gw_hotset_is_full(s->plan->hot))
        pthread_cond_signal(&s->cv_keeper);
    return hot;
}

/* True while a session copies the set and has not queued FIN: a write may just mark its bits. */
static bool may_skip(const struct gw_source *s)
{
    return s->ses.up && !s->ses.fin_queued &&
           (s->ses.mode == GW_SESSION_RESYNC || s->ses.mode == GW_SESSION_FULL);
}

/*
 * Room in the ring, or the decision to do without. -EAGAIN: wait (throttle).
 * A full ring holds writers for throttle_ms and then falls behind: RPO grows, nothing blocks.
 */
static int ring_gate(struct gw_source *s, struct piece *p)
{
    p->claimed = false;
    if (!s->attached)
        return 0;
    if (gw_ring_claim(s->ring, piece_payload(p))) {
        s->full_since_ns = 0;
        p->claimed = true;
        return 0;
    }
    if (may_skip(s))
        return 0;
    if (s->sync_on)
        return -EAGAIN; /* the keeper records UNSYNC first, or the policy is to suspend */
    uint64_t now = gw_io_boot_ns(s->plan->io);
    if (s->full_since_ns == 0)
        s->full_since_ns = now;
    if (s->ses.up && now - s->full_since_ns < s->cfg.throttle_ms * GW_NS_PER_MS)
        return -EAGAIN;
    gw_source_fall_behind(s, s->ses.up ? "the link is slower than the writer" : "the link is down");
    return 0;
}

/* Steps 1 and 2. Returns with the range held and the request counted, or an error. */
static int piece_begin(struct gw_source *s, struct piece *p)
{
    uint64_t gate_since = 0;
    bool waited = false;
    LOCK_SCOPE(s->mu);
    for (;; waited = true) {
        int r = service_gate(s);
        if (waited && interrupted(s))
            return -ESHUTDOWN;
        if (r == -EAGAIN) {
            uint64_t now = gw_io_boot_ns(s->plan->io);
            gate_since = gate_since == 0 ? now : gate_since;
            if (waited_out(s, gate_since))
                return -EIO;
            gw_source_wait(s, &s->cv_write, 100);
            continue;
        }
        if (r < 0)
            return r;
        gate_since = 0;
        if (!gw_source_may_number(s)) {
            gw_source_wait(s, &s->cv_write, 100);
            continue;
        }
        if (!all_hot(s, p)) {
            gw_source_wait(s, &s->cv_write, 200);
            continue;
        }
        /* The ring before the range: who waits for room holds nothing that another waits for. */
        if (ring_gate(s, p) < 0) {
            gw_source_wait(s, &s->cv_write, 20);
            continue;
        }
        if (gw_rangelock_try(&s->range[p->volume], &p->range, p->off, p->len))
            break;
        if (p->claimed)
            gw_ring_unclaim(s->ring, piece_payload(p));
        gw_source_wait(s, &s->cv_range, 200);
    }
    p->parity = s->parity;
    s->in_flight[p->parity]++;
    if (!p->claimed)
        s->detached_ops++;
    return 0;
}

/* Step 3. */
static int piece_local(struct gw_source *s, const struct piece *p)
{
    struct gw_file *f = s->plan->vol[p->volume];
    gw_crash_point(s->plan->io, "write.before");
    int r;
    if (p->data != NULL) {
        r = p->flags & GW_WRITE_FUA ? gw_io_pwrite_durable(f, p->data, p->len, p->off)
                                    : gw_io_pwrite(f, p->data, p->len, p->off);
    } else {
        unsigned flags = 0;
        if (p->flags & GW_WRITE_MAY_TRIM)
            flags |= GW_ZERO_PUNCH;
        if (p->flags & GW_WRITE_FAST)
            flags |= GW_ZERO_FAST;
        r = gw_io_zero(f, p->off, p->len, flags);
        if (r == 0 && (p->flags & GW_WRITE_FUA))
            r = gw_io_datasync(f);
    }
    gw_crash_point(s->plan->io, "write.after");
    return r;
}

/*
 * Steps 4 and 5: the seq is taken while the range is held; the payload is copied after.
 * A failed local write stays in the set (R20): how much of it reached the disk is unknown. Returns
 * with mu held: the answer is decided under the same hold.
 */
static void piece_end(struct gw_source *s, struct piece *p, int local)
{
    struct gw_slot *slot = NULL;
    /* "Not supported" is said before anything is touched. */
    bool touched = local != -EOPNOTSUPP;
    pthread_mutex_lock(s->mu);
    struct gw_record rec = {
        .type = p->type,
        .volume = (uint16_t)p->volume,
        .payload_bytes = piece_payload(p),
        .length = p->len,
        .offset = p->off,
        .seq = touched ? ++s->seq : s->seq,
    };
    p->seq = rec.seq;
    bool queue = p->claimed && s->attached && local == 0;
    if (queue)
        slot = gw_ring_reserve(s->ring, &rec);
    else {
        if (p->claimed)
            gw_ring_unclaim(s->ring, rec.payload_bytes);
        if (touched)
            gw_dirtymap_mark(s->plan->map[p->volume], p->off, p->len);
    }
    if (!p->claimed)
        s->detached_ops--;
    if (local < 0 && touched)
        gw_source_fall_behind(s, "a local write failed");
    uint64_t seed = s->seed;
    gw_source_release_range(s, p->volume, &p->range);
    s->st.writes++;
    s->st.write_bytes += p->len;
    pthread_mutex_unlock(s->mu);

    if (slot != NULL)
        gw_ring_fill(s->ring, slot, p->data, seed);

    pthread_mutex_lock(s->mu);
    s->in_flight[p->parity]--;
    if (s->in_flight[p->parity] == 0 && s->retire == GW_RETIRE_WAIT_OPS)
        pthread_cond_signal(&s->cv_keeper);
    if (s->service != GW_SERVICE_SERVING)
        pthread_cond_broadcast(&s->cv_ack); /* a quiesce or a fence waits for us */
    if (s->sender_waits && slot != NULL)
        pthread_cond_signal(&s->cv_link);
}

/* In sync mode: until the peer is as far, or no answer depends on it any more. False: interrupted.
 */
static bool wait_for_peer(struct gw_source *s, struct gw_answer *a)
{
    bool go_on = true;
    gw_cond_init(&a->cv);
    a->next = s->answers;
    s->answers = a;
    while (go_on && s->sync_on && !gw_source_answered(s, a)) {
        if (s->service != GW_SERVICE_SERVING && s->service != GW_SERVICE_QUIESCED)
            break;
        if (a->durable && s->ses.up && !s->ses.barrier) {
            s->ses.barrier = true;
            pthread_cond_signal(&s->cv_link);
        }
        gw_source_wait(s, &a->cv, 200);
        go_on = !interrupted(s);
    }
    struct gw_answer **at = &s->answers;
    while (*at != a)
        at = &(*at)->next;
    *at = a->next;
    pthread_cond_destroy(&a->cv);
    return go_on;
}

/*
 * Step 6. In sync mode the answer waits for the peer: received for a write, durable for FUA and
 * flush. S3: no success after the deadline or outside service, whatever the local disk did. mu
 * held.
 */
static int answer(struct gw_source *s, uint64_t seq, bool durable)
{
    uint64_t since = gw_io_boot_ns(s->plan->io);
    struct gw_answer a = { .seq = seq, .durable = durable };
    for (;;) {
        /* Looked at again after each wait below: service may have begun only now. */
        if (s->sync_on && !wait_for_peer(s, &a))
            return -ESHUTDOWN;
        /* In flight when a quiesce began: the quiesce waits for it, and it may be answered. */
        int r = s->service == GW_SERVICE_QUIESCED ? deadline_gate(s) : service_gate(s);
        if (r != -EAGAIN)
            return r;
        if (waited_out(s, since))
            return -EIO;
        if (interrupted(s))
            return -ESHUTDOWN;
        gw_source_wait(s, &s->cv_write, 100);
    }
}

/* Returns with mu held, in any case. */
static int run_piece(struct gw_source *s, struct piece *p)
{
    int r = piece_begin(s, p);
    if (r < 0) {
        pthread_mutex_lock(s->mu);
        return r;
    }
    r = piece_local(s, p);
    piece_end(s, p, r);
    return r;
}

static int check_range(const struct gw_source *s, unsigned volume, uint64_t off, uint64_t len)
{
    uint64_t end, bytes = volume < GW_VOLUMES_MAX ? s->volume_bytes[volume] : 0;
    if (bytes == 0)
        return -ENODEV;
    if (ckd_add(&end, off, len) || end > bytes)
        return -EINVAL;
    return 0;
}

int gw_source_write(struct gw_source *s, unsigned volume, const void *buf, uint64_t len,
                    uint64_t off, unsigned flags)
{
    int r = check_range(s, volume, off, len);
    struct piece p = { .seq = 0 };
    for (uint64_t done = 0; r == 0 && done < len; done += p.len) {
        uint64_t room = GW_EXTENT_BYTES - (off + done) % GW_EXTENT_BYTES;
        p = (struct piece){
            .volume = volume,
            .type = GW_RECORD_WRITE,
            .data = (const uint8_t *)buf + done,
            .off = off + done,
            .len = (uint32_t)GW_MIN(room, len - done),
            .flags = flags,
        };
        r = run_piece(s, &p);
        if (r == 0 && done + p.len == len)
            r = answer(s, p.seq, (flags & GW_WRITE_FUA) != 0);
        pthread_mutex_unlock(s->mu);
    }
    return r;
}

/*
 * A range that is a hole is zero here, and so it is in the image that the peer has at `ret->seq`:
 * nothing changes, nothing is sent. That makes the discard of a whole fresh disk (mkfs) cheap.
 * Looked at under the range lock: whatever made the hole has its seq by then, and in sync mode the
 * answer waits for that. ret->len: so many bytes from `at` on; 0: there is data.
 */
static int skip_hole(struct gw_source *s, unsigned volume, uint64_t at, uint64_t end,
                     struct piece *ret)
{
    uint64_t start;
    *ret = (struct piece){ .off = at };
    int r = gw_io_next_data(s->plan->vol[volume], at, end, &start, NULL);
    if (r < 0 || start <= at)
        return r;
    end = GW_MIN(start, end);
    end = GW_MIN(end, at + HOLE_BYTES_MAX);
    pthread_mutex_lock(s->mu);
    while (!gw_rangelock_try(&s->range[volume], &ret->range, at, end - at)) {
        gw_source_wait(s, &s->cv_range, 100);
        if (interrupted(s)) {
            pthread_mutex_unlock(s->mu);
            return -ESHUTDOWN;
        }
    }
    ret->seq = s->seq;
    pthread_mutex_unlock(s->mu);
    r = gw_io_next_data(s->plan->vol[volume], at, end, &start, NULL);
    LOCK_SCOPE(s->mu);
    gw_source_release_range(s, volume, &ret->range);
    if (r == 0)
        ret->len = (uint32_t)(GW_MIN(start, end) - at);
    return r;
}

int gw_source_zero(struct gw_source *s, unsigned volume, uint64_t len, uint64_t off, unsigned flags)
{
    int r = check_range(s, volume, off, len);
    struct piece p = { .seq = 0 };
    uint64_t seq = 0;
    bool skipped = false;
    for (uint64_t done = 0; r == 0 && done < len; done += p.len) {
        uint64_t at = off + done;
        r = skip_hole(s, volume, at, off + len, &p);
        seq = GW_MAX(seq, p.seq);
        skipped |= p.len > 0;
        if (r < 0 || p.len > 0)
            continue;
        uint64_t room = GW_ZERO_BYTES_MAX - at % GW_ZERO_BYTES_MAX;
        p = (struct piece){
            .volume = volume,
            .type = GW_RECORD_ZERO,
            .off = at,
            .len = (uint32_t)GW_MIN(room, len - done),
            .flags = flags,
        };
        r = run_piece(s, &p);
        pthread_mutex_unlock(s->mu);
        seq = GW_MAX(seq, p.seq);
    }
    if (r < 0 || len == 0)
        return r;
    if (skipped && (flags & GW_WRITE_FUA))
        return gw_source_flush(s, volume); /* what made the hole may not be durable */
    LOCK_SCOPE(s->mu);
    return answer(s, seq, (flags & GW_WRITE_FUA) != 0);
}

/* Reads harm nothing until the authority is gone, so a quiesce lets them through. */
static int read_gate(struct gw_source *s)
{
    uint64_t since = gw_io_boot_ns(s->plan->io);
    LOCK_SCOPE(s->mu);
    for (;;) {
        int r = s->service == GW_SERVICE_QUIESCED ? deadline_gate(s) : service_gate(s);
        if (r != -EAGAIN)
            return r;
        if (waited_out(s, since))
            return -EIO;
        if (interrupted(s))
            return -ESHUTDOWN;
        gw_source_wait(s, &s->cv_write, 100);
    }
}

int gw_source_read(struct gw_source *s, unsigned volume, void *buf, uint64_t len, uint64_t off)
{
    int r = check_range(s, volume, off, len);
    if (r == 0)
        r = read_gate(s);
    if (r < 0 || len == 0)
        return r;
    r = gw_io_pread(s->plan->vol[volume], buf, len, off);
    if (r < 0)
        return r;
    return read_gate(s); /* what was read may be another side's past by now (S3) */
}

int gw_source_flush(struct gw_source *s, unsigned volume)
{
    if (volume >= GW_VOLUMES_MAX || s->volume_bytes[volume] == 0)
        return -ENODEV;
    pthread_mutex_lock(s->mu);
    if (s->io_failed) { /* R20: sticky; no later success masks it */
        pthread_mutex_unlock(s->mu);
        return -EIO;
    }
    uint64_t seq = s->seq; /* covers everything answered before, on every connection */
    s->st.flushes++;
    pthread_mutex_unlock(s->mu);
    int r = gw_io_datasync(s->plan->vol[volume]);
    if (r < 0) {
        struct gw_error err;
        gw_error_errno(&err, r, "cannot make volume '%s' durable",
                       s->plan->meta.volume[volume].name);
        LOCK_SCOPE(s->mu);
        gw_source_fail(s, &err);
        return -EIO;
    }
    LOCK_SCOPE(s->mu);
    return answer(s, seq, true);
}
