// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What a session puts into the stream beside the clients' writes: blocks of a resync, hashes to
 * compare, the FIN, a verify. Everything is read under the range lock and takes its seq while the
 * range is held, so that it has its place among the live writes (one ordered stream).
 */
#include "base/checked.h"
#include "base/clock.h"
#include "engine/compare.h"
#include "engine/source_internal.h"

#include <errno.h>

#define HOLE_EXTENTS_MAX 16384u /* cleared under one lock */

struct job {
    enum gw_record_type type;
    unsigned volume;
    uint64_t off;
    uint32_t len;
    uint32_t payload; /* claimed */
    struct gw_range range;
};

static uint64_t volume_bytes(const struct gw_source *s, unsigned i)
{
    return s->plan->meta.volume[i].bytes;
}

static uint32_t clip(const struct gw_source *s, unsigned volume, uint64_t off, uint64_t len)
{
    return (uint32_t)GW_MIN(len, volume_bytes(s, volume) - off);
}

/* Promise room and take the range; false: not now. mu held. */
static bool take(struct gw_source *s, struct job *j)
{
    if (!gw_source_may_number(s) || !gw_ring_claim(s->ring, j->payload))
        return false;
    if (gw_rangelock_try(&s->range[j->volume], &j->range, j->off, j->len))
        return true;
    gw_ring_unclaim(s->ring, j->payload);
    return false;
}

/* ---- reading ------------------------------------------------------------------------------- */

static int read_range(struct gw_source *s, const struct job *j, bool *ret_zero,
                      struct gw_error *err)
{
    bool fork = j->type == GW_RECORD_HASH_FORK;
    struct gw_file *f = fork ? s->ses.fork.volume[j->volume] : s->plan->vol[j->volume];
    int r = gw_read_sparse(f, j->off, j->len, s->ses.read_buf, ret_zero);
    if (r < 0)
        return gw_error_errno(err, r, "cannot read %svolume '%s' at %llu for the resync",
                              fork ? "the fork point's " : "", s->plan->meta.volume[j->volume].name,
                              (unsigned long long)j->off);
    return 0;
}

/* ---- putting ------------------------------------------------------------------------------- */

static void put(struct gw_source *s, struct job *j, const void *payload, uint32_t payload_bytes)
{
    pthread_mutex_lock(s->mu);
    gw_ring_unclaim(s->ring, j->payload);
    bool ok = gw_ring_claim(s->ring, payload_bytes); /* not more than what was just given back */
    struct gw_record rec = {
        .type = j->type,
        .volume = (uint16_t)j->volume,
        .payload_bytes = payload_bytes,
        .length = j->len,
        .offset = j->off,
        .seq = ++s->seq,
    };
    struct gw_slot *slot = ok ? gw_ring_reserve(s->ring, &rec) : NULL;
    uint64_t seed = s->seed;
    gw_source_release_range(s, j->volume, &j->range);
    s->st.resync_sent_bytes += payload_bytes;
    pthread_mutex_unlock(s->mu);
    if (slot != NULL)
        gw_ring_fill(s->ring, slot, payload, seed);
}

static void drop(struct gw_source *s, struct job *j)
{
    LOCK_SCOPE(s->mu);
    gw_ring_unclaim(s->ring, j->payload);
    gw_source_release_range(s, j->volume, &j->range);
    pthread_cond_broadcast(&s->cv_write);
}

static int run_inject(struct gw_source *s, struct job *j, struct gw_error *err)
{
    bool zero;
    int r = read_range(s, j, &zero, err);
    if (r < 0) {
        drop(s, j);
        return r;
    }
    j->type = zero ? GW_RECORD_INJECT_ZERO : GW_RECORD_INJECT;
    put(s, j, zero ? NULL : s->ses.read_buf, zero ? 0 : j->len);
    return 1;
}

static int run_hash(struct gw_source *s, struct job *j, struct gw_error *err)
{
    bool zero;
    int r = read_range(s, j, &zero, err);
    if (r < 0) {
        drop(s, j);
        return r;
    }
    uint8_t hashes[GW_BLOCKS_PER_EXTENT * 16];
    gw_hash_blocks(s->ses.read_buf, j->len, gw_compare_seed(&s->uuid, j->volume, j->off), zero,
                   hashes);
    put(s, j, hashes, gw_hashes_bytes(j->len));
    return 1;
}

/* ---- choosing ------------------------------------------------------------------------------ */

/* The next run of fine bits, round the volumes; marks it in flight. mu held. */
static bool next_fine(struct gw_source *s, struct job *j)
{
    struct gw_session *ses = &s->ses;
    for (unsigned tries = 0; tries <= s->plan->meta.n_volumes; tries++) {
        const struct gw_bitmap *fine = gw_dirtymap_fine(s->plan->map[ses->scan_volume]);
        uint64_t b = gw_bitmap_next(fine, ses->scan_block);
        if (b == UINT64_MAX) {
            ses->scan_volume = (ses->scan_volume + 1) % s->plan->meta.n_volumes;
            ses->scan_block = 0;
            continue;
        }
        uint64_t room = GW_BLOCKS_PER_EXTENT - b % GW_BLOCKS_PER_EXTENT;
        uint64_t n = gw_bitmap_run(fine, b, GW_MIN(room, (uint64_t)GW_INJECT_BLOCKS_MAX));
        j->volume = ses->scan_volume;
        j->off = b * GW_BLOCK_BYTES;
        j->len = clip(s, j->volume, j->off, n * GW_BLOCK_BYTES);
        j->payload = j->len;
        if (!take(s, j))
            return false;
        /* R3: no longer "marked" before it is read; a write that comes later marks it again. */
        gw_dirtymap_inject(s->plan->map[j->volume], b, n);
        ses->scan_block = b + n;
        return true;
    }
    return false;
}

/* The next coarse extent nobody asked about. mu held. */
static bool next_coarse(struct gw_source *s, unsigned *ret_volume, uint64_t *ret_extent)
{
    struct gw_session *ses = &s->ses;
    if (ses->hashes_sent - ses->diffs_received >= GW_HASHES_IN_FLIGHT_MAX)
        return false;
    for (unsigned i = 0; i < s->plan->meta.n_volumes; i++) {
        const struct gw_bitmap *coarse = gw_dirtymap_coarse(s->plan->map[i]);
        if (ses->asked[i] == NULL)
            ses->asked[i] = gw_bitmap_new(gw_bitmap_size(coarse));
        uint64_t e = 0;
        while ((e = gw_bitmap_next(coarse, e)) != UINT64_MAX && gw_bitmap_test(ses->asked[i], e))
            e++; /* at most GW_HASHES_IN_FLIGHT_MAX of them */
        if (e == UINT64_MAX)
            continue;
        *ret_volume = i;
        *ret_extent = e;
        return true;
    }
    return false;
}

/*
 * Seeding an empty target: what is a hole here is zero there. From its first data on an extent is
 * sent (zeros as zeros). A write in flight meanwhile needs no lock: it is in the stream, or marks
 * its own bits.
 */
static int expand_extent(struct gw_source *s, unsigned volume, uint64_t extent,
                         struct gw_error *err)
{
    uint64_t at = extent * GW_EXTENT_BYTES, bytes = volume_bytes(s, volume), start;
    int r = gw_io_next_data(s->plan->vol[volume], at, bytes, &start, NULL);
    if (r < 0)
        return gw_error_errno(err, r, "cannot look for data in volume '%s'",
                              s->plan->meta.volume[volume].name);
    /* A hole of many extents goes in few steps, so that a sparse volume costs what it holds. */
    uint64_t holes = GW_MIN(start / GW_EXTENT_BYTES - extent, (uint64_t)HOLE_EXTENTS_MAX);
    LOCK_SCOPE(s->mu);
    struct gw_dirtymap *map = s->plan->map[volume];
    for (uint64_t e = extent; e < extent + holes; e++)
        gw_dirtymap_compared(map, e);
    if (holes > 0)
        return 1;
    uint64_t end = GW_MIN(at + GW_EXTENT_BYTES, bytes);
    if (start < end) {
        gw_dirtymap_mark(map, start, end - start);
        s->st.resync_total_bytes += end - start;
    }
    gw_dirtymap_compared(map, extent);
    return 1;
}

/* ---- the end of a resync ------------------------------------------------------------------- */

/* Everything is queued; no write may still be about to mark a bit. mu held. */
static bool ready_for_fin(const struct gw_source *s)
{
    if (s->detached_ops > 0 || s->ses.hashes_sent != s->ses.diffs_received)
        return false;
    for (unsigned i = 0; i < s->plan->meta.n_volumes; i++) {
        if (gw_bitmap_count(gw_dirtymap_fine(s->plan->map[i])) > 0 ||
            gw_bitmap_count(gw_dirtymap_coarse(s->plan->map[i])) > 0)
            return false;
    }
    return true;
}

/* FIN carries the identity and the position that the target adopts (R8). After it nothing is
 * injected (R3), and a write that finds the ring full falls behind for good. mu held. */
static int queue_fin(struct gw_source *s)
{
    struct gw_fin fin = {
        .seq = s->ses.session_numbers ? s->plan->meta.seq : s->seq + 1,
        .chain = s->ses.session_numbers ? s->plan->meta.chain : s->ses.fin_chain,
        .lineage = s->plan->meta.lineage,
    };
    uint8_t buf[GW_FIN_BYTES_MAX];
    size_t n = gw_fin_encode(&fin, buf, sizeof buf);
    if (gw_source_put_record(s, GW_RECORD_FIN, buf, (uint32_t)n) == 0)
        return 0;
    s->ses.fin_queued = true;
    s->ses.barrier = true;
    return 1;
}

static int copy_step(struct gw_source *s, struct gw_error *err)
{
    struct job j = { .type = GW_RECORD_INJECT };
    unsigned volume;
    uint64_t extent;
    pthread_mutex_lock(s->mu);
    if (s->ses.fin_queued) {
        pthread_mutex_unlock(s->mu);
        return 0;
    }
    if (next_fine(s, &j)) {
        pthread_mutex_unlock(s->mu);
        return run_inject(s, &j, err);
    }
    if (next_coarse(s, &volume, &extent)) {
        if (s->ses.target_zero) {
            pthread_mutex_unlock(s->mu);
            return expand_extent(s, volume, extent, err);
        }
        j.type = GW_RECORD_HASH;
        j.volume = volume;
        j.off = extent * GW_EXTENT_BYTES;
        j.len = clip(s, volume, j.off, GW_EXTENT_BYTES);
        j.payload = gw_hashes_bytes(j.len);
        bool ok = take(s, &j);
        if (ok) {
            gw_bitmap_set(s->ses.asked[volume], extent, 1);
            s->ses.hashes_sent++;
        }
        pthread_mutex_unlock(s->mu);
        return ok ? run_hash(s, &j, err) : 0;
    }
    int r = ready_for_fin(s) ? queue_fin(s) : 0;
    pthread_mutex_unlock(s->mu);
    return r;
}

/* A range that may hold blocks of the tail is compared once more, with the state at the fork: what
 * this side wrote there since is no tail of the peer. mu held. */
static bool next_again(struct gw_source *s, struct job *j)
{
    struct gw_session *ses = &s->ses;
    if (ses->n_again == 0 || ses->hashes_sent - ses->diffs_received >= GW_HASHES_IN_FLIGHT_MAX)
        return false;
    unsigned last = ses->n_again - 1;
    j->type = GW_RECORD_HASH_FORK;
    j->volume = ses->again[last].volume;
    j->off = ses->again[last].off;
    j->len = ses->again[last].len;
    j->payload = gw_hashes_bytes(j->len);
    if (!take(s, j))
        return false;
    ses->n_again = last;
    return true;
}

/* The next extent, or run of blocks, that has any bit, here or there. mu held. */
static bool next_assessed(struct gw_source *s, struct job *j)
{
    struct gw_session *ses = &s->ses;
    while (ses->scan_volume < s->plan->meta.n_volumes) {
        if (ses->hashes_sent - ses->diffs_received >= GW_HASHES_IN_FLIGHT_MAX)
            return false;
        struct gw_dirtymap *m = s->plan->map[ses->scan_volume];
        uint64_t b = gw_bitmap_next(gw_dirtymap_fine(m), ses->scan_block);
        uint64_t e =
            gw_bitmap_next(gw_dirtymap_coarse(m),
                           (ses->scan_block + GW_BLOCKS_PER_EXTENT - 1) / GW_BLOCKS_PER_EXTENT);
        uint64_t extent = GW_MIN(b == UINT64_MAX ? b : b / GW_BLOCKS_PER_EXTENT, e);
        if (extent == UINT64_MAX) {
            ses->scan_volume++;
            ses->scan_block = 0;
            continue;
        }
        /* A whole extent where it is coarse; else the run of fine bits inside it. */
        uint64_t first = extent * GW_BLOCKS_PER_EXTENT, n = GW_BLOCKS_PER_EXTENT;
        if (extent != e) {
            first = b;
            n = gw_bitmap_run(gw_dirtymap_fine(m), b,
                              GW_BLOCKS_PER_EXTENT - b % GW_BLOCKS_PER_EXTENT);
        }
        j->type = GW_RECORD_HASH;
        j->volume = ses->scan_volume;
        j->off = first * GW_BLOCK_BYTES;
        j->len = clip(s, j->volume, j->off, n * GW_BLOCK_BYTES);
        j->payload = gw_hashes_bytes(j->len);
        if (!take(s, j))
            return false;
        ses->scan_block = first + n;
        return true;
    }
    return false;
}

/* Everything was compared: the target is told that its list is whole, and says that it knows (only
 * then it takes a signature). mu held. */
static int end_assess(struct gw_source *s)
{
    struct gw_session *ses = &s->ses;
    if (s->st.assessed || ses->scan_volume < s->plan->meta.n_volumes || ses->n_again > 0 ||
        ses->hashes_sent != ses->diffs_received)
        return 0;
    if (ses->assess_end_seq == 0) {
        ses->assess_end_seq = gw_source_put_record(s, GW_RECORD_FIN, NULL, 0);
        return ses->assess_end_seq != 0;
    }
    if (ses->durable < ses->assess_end_seq)
        return 0;
    s->st.assessed = true;
    gw_source_set_reason(s,
                         "%s has a divergent tail of %llu blocks%s: it waits for the signature of "
                         "a person (godwit-ctl divergence sign)",
                         ses->peer.site_name, (unsigned long long)s->st.tail_blocks,
                         ses->fork.open ? "" : " at most");
    return 1;
}

/* Assess: compare everything that has a bit, here or there; write nothing. */
static int assess_step(struct gw_source *s, struct gw_error *err)
{
    struct job j = { .type = GW_RECORD_HASH };
    pthread_mutex_lock(s->mu);
    bool ok = next_again(s, &j) || (s->ses.n_again == 0 && next_assessed(s, &j));
    if (ok)
        s->ses.hashes_sent++;
    int r = ok ? 0 : end_assess(s);
    pthread_mutex_unlock(s->mu);
    return ok ? run_hash(s, &j, err) : r;
}

static int verify_step(struct gw_source *s, struct gw_error *err)
{
    struct job j = { .type = GW_RECORD_VERIFY };
    pthread_mutex_lock(s->mu);
    while (s->verify_volume < s->plan->meta.n_volumes && volume_bytes(s, s->verify_volume) == 0)
        s->verify_volume++; /* an empty slot */
    bool more = s->verify_volume < s->plan->meta.n_volumes;
    if (!more && s->verify_sent == s->verify_answered) {
        s->verify_wanted = false;
        s->st.verify.running = false;
        s->st.verify.done = true;
        s->st.verify.ended_ns = gw_io_boot_ns(s->plan->io);
        gw_source_changed(s);
    }
    bool ok = false;
    if (more && s->verify_sent - s->verify_answered < GW_HASHES_IN_FLIGHT_MAX &&
        gw_bucket_take(&s->verify_bucket, 0, gw_io_boot_ns(s->plan->io)) == 0) {
        j.volume = s->verify_volume;
        j.off = s->verify_at;
        j.len = clip(s, j.volume, j.off, GW_EXTENT_BYTES);
        j.payload = gw_hashes_bytes(j.len);
        ok = take(s, &j);
    }
    if (ok) {
        gw_bucket_take(&s->verify_bucket, j.len, gw_io_boot_ns(s->plan->io));
        s->verify_sent++;
        s->verify_at += j.len;
        if (s->verify_at >= volume_bytes(s, j.volume)) {
            s->verify_at = 0;
            s->verify_volume++;
        }
    }
    pthread_mutex_unlock(s->mu);
    return ok ? run_hash(s, &j, err) : 0;
}

int gw_source_inject(struct gw_source *s, struct gw_error *err)
{
    pthread_mutex_lock(s->mu);
    enum gw_session_mode mode = s->ses.mode;
    bool up = s->ses.up && !s->ses.dead;
    bool verify = s->verify_wanted && gw_source_streaming(s) && !s->token_out;
    pthread_mutex_unlock(s->mu);
    if (!up)
        return 0;
    switch (mode) {
    case GW_SESSION_RESYNC:
    case GW_SESSION_FULL:
        return copy_step(s, err);
    case GW_SESSION_ASSESS:
        return assess_step(s, err);
    case GW_SESSION_STREAM:
        return verify ? verify_step(s, err) : 0;
    case GW_SESSION_MODE_MAX:
        break;
    }
    return 0;
}
