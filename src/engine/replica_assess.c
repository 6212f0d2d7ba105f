// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A replica that is compared before anything is written: how much differs, and which blocks of its
 * own set are a divergent tail. No journal, no change of any kind until a person signs.
 */
#include "base/checked.h"
#include "base/cleanup.h"
#include "engine/compare.h"
#include "engine/frame_io.h"
#include "engine/replica_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool gw_replica_was_rewound(const struct gw_replica *r)
{
    struct gw_side *own = malloc(sizeof *own);
    if (own == NULL)
        return true; /* a superset is always true */
    gw_plan_side(r->plan, own);
    bool rewound = r->ses.verdict.diverged && gw_side_was_rewound(own, r->ses.verdict.fork_seq);
    free(own);
    return rewound;
}

void gw_replica_begin_assess(struct gw_replica *r, const struct gw_start *start)
{
    bool all = gw_replica_was_rewound(r);
    for (unsigned i = 0; i < r->plan->meta.n_volumes; i++) {
        const struct gw_bitmap *fine = gw_dirtymap_fine(r->plan->map[i]);
        const struct gw_bitmap *coarse = gw_dirtymap_coarse(r->plan->map[i]);
        struct gw_bitmap *own = gw_bitmap_new(gw_bitmap_size(fine));
        gw_bitmap_or(own, fine);
        for (uint64_t e = gw_bitmap_next(coarse, 0); e != UINT64_MAX;
             e = gw_bitmap_next(coarse, e + 1))
            gw_bitmap_set(own, e * GW_BLOCKS_PER_EXTENT, GW_BLOCKS_PER_EXTENT);
        if (all)
            gw_bitmap_set(own, 0, gw_bitmap_size(own));
        gw_bitmap_free(r->ses.own_fine[i]);
        r->ses.own_fine[i] = own;
        gw_bitmap_free(r->tail[i]);
        r->tail[i] = gw_bitmap_new(gw_bitmap_size(fine));
    }
    r->ses.fork = start->fork;
    r->st.tail = (struct gw_replica_tail){ .known = false };
    r->assessed = (struct gw_assessed){ .uuid = gw_lineage_uuid(&r->plan->meta.lineage),
                                        .fork_seq = r->ses.verdict.fork_seq };
}

/* Blocks of the range that differ and are this side's own: the tail, as far as HASH can tell. */
static void add_to_tail(struct gw_replica *r, const struct gw_record *rec, const uint8_t *differs)
{
    r->st.tail.known = true;
    for (uint64_t i = 0; i * GW_BLOCK_BYTES < rec->length; i++) {
        uint64_t block = rec->offset / GW_BLOCK_BYTES + i;
        if (((differs[i / 8] >> (i % 8)) & 1) &&
            gw_bitmap_test(r->ses.own_fine[rec->volume], block))
            r->st.tail.blocks += gw_bitmap_set(r->tail[rec->volume], block, 1);
    }
}

/* What does not differ from the state at the fork was written by the survivor alone. On return
 * `differs` is what stays. */
static void sift_tail(struct gw_replica *r, const struct gw_record *rec, uint8_t *differs)
{
    for (uint64_t i = 0; i * GW_BLOCK_BYTES < rec->length; i++) {
        uint64_t block = rec->offset / GW_BLOCK_BYTES + i;
        uint8_t bit = (uint8_t)(1u << (i % 8));
        if (!(differs[i / 8] & bit))
            r->st.tail.blocks -= gw_bitmap_clear(r->tail[rec->volume], block, 1);
        else if (!gw_bitmap_test(r->tail[rec->volume], block))
            differs[i / 8] = (uint8_t)(differs[i / 8] & ~bit);
    }
}

static int answer_hash(struct gw_replica *r, const struct gw_record *rec, const uint8_t *hashes,
                       uint8_t *scratch, struct gw_error *err)
{
    struct gw_diff d = { .seq = rec->seq,
                         .volume = rec->volume,
                         .offset = rec->offset,
                         .length = rec->length,
                         .fork = rec->type == GW_RECORD_HASH_FORK };
    uint64_t found = 0;
    int x = gw_compare_blocks(r->plan->vol[rec->volume], rec, hashes,
                              gw_compare_seed(&r->ses.uuid, rec->volume, rec->offset), scratch,
                              d.differs, &found);
    if (x < 0)
        return gw_error_errno(err, x, "cannot read volume '%s'",
                              r->plan->meta.volume[rec->volume].name);
    pthread_mutex_lock(r->mu);
    if (d.fork)
        sift_tail(r, rec, d.differs);
    else
        add_to_tail(r, rec, d.differs);
    pthread_mutex_unlock(r->mu);
    uint8_t buf[GW_DIFF_BYTES];
    size_t n = gw_diff_encode(&d, buf, sizeof buf);
    return gw_replica_send(r, GW_FRAME_DIFF, buf, n, err);
}

static bool belongs(const struct gw_replica *r, const struct gw_record *rec)
{
    uint64_t end;
    if (rec->seq <= r->received_seq)
        return false;
    if (rec->type == GW_RECORD_FIN)
        return rec->payload_bytes == 0;
    return (rec->type == GW_RECORD_HASH || (rec->type == GW_RECORD_HASH_FORK && r->ses.fork)) &&
           rec->volume < r->plan->meta.n_volumes &&
           !ckd_add(&end, rec->offset, (uint64_t)rec->length) &&
           end <= r->plan->meta.volume[rec->volume].bytes;
}

/* The numbers of the session are acknowledged so that the source can go on. */
static int acknowledge(struct gw_replica *r, const struct gw_record *rec, struct gw_error *err)
{
    pthread_mutex_lock(r->mu);
    if (rec->type == GW_RECORD_FIN) {
        r->st.tail.known = r->st.tail.complete = true;
        r->st.tail.exact = r->ses.fork;
        gw_replica_changed(r);
    }
    r->received_seq = r->durable_seq = r->applied_seq = rec->seq;
    r->received_chain = gw_chain_next(r->received_chain, rec->header_hash);
    r->durable_chain = r->received_chain;
    pthread_mutex_unlock(r->mu);
    return gw_replica_send_ack(r, err);
}

int gw_replica_assess(struct gw_replica *r, const uint8_t *records, size_t len,
                      struct gw_error *err)
{
    CLEANUP_FREE uint8_t *scratch = malloc(GW_EXTENT_BYTES);
    if (scratch == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    for (size_t at = 0; at < len;) {
        struct gw_record rec = { 0 };
        int64_t used = gw_record_decode(records + at, len - at, r->ses.seed, true, &rec);
        if (used < 0 || !belongs(r, &rec))
            return gw_error_set(err, -EPROTO,
                                "the source sends more than hashes while it compares");
        int x = 0;
        if (rec.type != GW_RECORD_FIN)
            x = answer_hash(r, &rec, records + at + GW_RECORD_HEADER_BYTES, scratch, err);
        if (x == 0)
            x = acknowledge(r, &rec, err);
        if (x < 0)
            return x;
        at += (size_t)used;
    }
    return 0;
}

/* Nobody signs what was not counted. mu held. */
static int check_counted(const struct gw_replica *r, struct gw_error *err)
{
    struct gw_uuid own = gw_lineage_uuid(&r->plan->meta.lineage);
    if (r->st.tail.complete && !gw_uuid_is_none(&own) && gw_uuid_equal(&own, &r->assessed.uuid))
        return 0;
    if (r->st.tail.known && gw_uuid_equal(&own, &r->assessed.uuid))
        return gw_error_set(err, -EPERM,
                            "the tail is still being counted: %llu blocks so far; sign when the "
                            "comparison is through",
                            (unsigned long long)r->st.tail.blocks);
    return gw_error_set(err, -EPERM,
                        "nothing waits for a signature: no source has compared this side since it "
                        "was started");
}

/* A copy of the tail's blocks, if they are exactly it; mu held. */
static bool copy_tail(const struct gw_replica *r, struct gw_bitmap **ret)
{
    if (!r->st.tail.exact)
        return false;
    for (unsigned i = 0; i < r->plan->meta.n_volumes; i++) {
        ret[i] = gw_bitmap_new(gw_bitmap_size(r->tail[i]));
        gw_bitmap_or(ret[i], r->tail[i]);
    }
    return true;
}

int gw_replica_save_assessed(struct gw_replica *r, struct gw_error *err)
{
    struct gw_bitmap *blocks[GW_VOLUMES_MAX] = { NULL };
    pthread_mutex_lock(r->mu);
    int x = check_counted(r, err);
    bool exact = x == 0 && copy_tail(r, blocks);
    struct gw_assessed a = r->assessed;
    pthread_mutex_unlock(r->mu);
    struct gw_plan *p = r->plan;
    if (x == 0)
        x = exact ? gw_assessed_save(p->io, p->dir, &p->meta, &a, blocks, err)
                  : gw_assessed_forget(p->io, p->dir, err);
    for (unsigned i = 0; i < GW_VOLUMES_MAX; i++)
        gw_bitmap_free(blocks[i]);
    return x;
}
