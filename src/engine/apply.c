// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* See apply.h. Records that change a volume are gathered and written sorted (apply_write.c); every
 * other record is a barrier (apply_control.c). */
#include "engine/apply_internal.h"

#include "base/checked.h"
#include "base/cleanup.h"

#include <errno.h>
#include <stdlib.h>

#define STEP_BYTES (1024u * 1024u)

int gw_applier_new(struct gw_plan *plan, struct gw_journal *journal,
                   const struct gw_applier_hooks *hooks, struct gw_applier **ret,
                   struct gw_error *err)
{
    struct gw_applier *a = calloc(1, sizeof *a);
    if (a != NULL) {
        a->buf = malloc(GW_FRAME_BYTES_MAX + GW_JOURNAL_BATCH_HEADER_BYTES);
        a->run = malloc(GW_EXTENT_BYTES);
        a->change = calloc(GW_APPLY_RECORDS, sizeof *a->change);
    }
    if (a == NULL || a->buf == NULL || a->run == NULL || a->change == NULL) {
        gw_applier_free(a);
        return gw_error_set(err, -ENOMEM, "out of memory");
    }
    a->plan = plan;
    a->journal = journal;
    if (hooks != NULL)
        a->hooks = *hooks;
    a->address = plan->meta.journal_pos;
    a->seq = plan->meta.seq;
    a->chain = plan->meta.chain;
    a->stream = gw_lineage_uuid(&plan->meta.lineage);
    a->marked = true;
    if (plan->meta.pending == GW_PENDING_RESYNC) {
        int r = gw_applier_open_undo(a, err);
        if (r < 0) {
            gw_applier_free(a);
            return r;
        }
    }
    *ret = a;
    return 0;
}

void gw_applier_use_recent(struct gw_applier *a, struct gw_recent *c)
{
    a->recent = c;
}

void gw_applier_free(struct gw_applier *a)
{
    if (a == NULL)
        return;
    gw_undo_close(a->undo);
    free(a->buf);
    free(a->run);
    free(a->change);
    free(a);
}

void gw_apply_publish_undo(struct gw_applier *a)
{
    uint64_t blocks = a->undo != NULL ? gw_undo_blocks(a->undo) : 0;
    uint64_t bytes = a->undo != NULL ? gw_undo_file_bytes(a->undo) : 0;
    LOCK_SCOPE(&a->plan->mu);
    a->undo_blocks = blocks;
    a->undo_bytes = bytes;
}

void gw_applier_undo_size(const struct gw_applier *a, uint64_t *ret_blocks, uint64_t *ret_bytes)
{
    *ret_blocks = a->undo_blocks;
    *ret_bytes = a->undo_bytes;
}

int gw_applier_open_undo(struct gw_applier *a, struct gw_error *err)
{
    gw_undo_close(a->undo);
    a->undo = NULL;
    if (a->plan->meta.pending_id[0] == '\0')
        return 0; /* seeding: there is no old state to keep */
    struct gw_undo_manifest *m = malloc(sizeof *m);
    if (m == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r =
        gw_undo_open(a->plan->io, a->plan->dir, a->plan->meta.pending_id, false, &a->undo, m, err);
    const struct gw_meta *meta = &a->plan->meta;
    if (r < 0)
        gw_undo_way_out(meta->site_name[meta->site], meta->site_name[1 - meta->site], err);
    a->undo_diverged = r == 0 && m->diverged;
    gw_apply_publish_undo(a);
    free(m);
    return r;
}

const struct gw_undo *gw_applier_undo(const struct gw_applier *a)
{
    return a->undo;
}

uint64_t gw_applier_address(const struct gw_applier *a)
{
    return a->address;
}

uint64_t gw_applier_seq(const struct gw_applier *a)
{
    return a->seq;
}

uint64_t gw_applier_chain(const struct gw_applier *a)
{
    return a->chain;
}

bool gw_applier_marked(const struct gw_applier *a)
{
    return a->marked;
}

void gw_applier_begin(struct gw_applier *a, uint64_t seq, uint64_t chain)
{
    a->seq = seq;
    a->chain = chain;
}

/* ---- the mark ------------------------------------------------------------------------------ */

/* Position into meta (mu held). While a resync is pending the image has no position of its own
 * lineage; how far the stream was received counts for R5. */
void gw_apply_position(struct gw_applier *a)
{
    struct gw_meta *m = &a->plan->meta;
    m->journal_pos = a->address;
    m->reached_uuid = a->stream;
    m->reached_seq = a->seq;
    if (m->pending == GW_PENDING_NONE && !m->blank) {
        m->seq = a->seq;
        m->chain = a->chain;
    }
}

int gw_applier_mark(struct gw_applier *a, struct gw_error *err)
{
    if (a->marked)
        return 0;
    int r = gw_plan_sync_volumes(a->plan, err);
    if (r < 0)
        return r;
    LOCK_SCOPE(&a->plan->mu);
    gw_apply_position(a);
    r = gw_plan_store_meta(a->plan, err);
    if (r == 0)
        a->marked = true;
    return r;
}

/* ---- one batch ----------------------------------------------------------------------------- */

/* A token is true for its own moment: data after it means that the handover was called off. */
static int void_stale_token(struct gw_applier *a, struct gw_error *err)
{
    LOCK_SCOPE(&a->plan->mu);
    if (!a->plan->meta.token_valid)
        return 0;
    a->plan->meta.token_valid = false;
    return gw_plan_store_meta(a->plan, err);
}

static int check_target(const struct gw_applier *a, const struct gw_record *rec,
                        struct gw_error *err)
{
    uint64_t end;
    if (!gw_record_has_range(rec->type))
        return 0;
    if (rec->volume >= a->plan->meta.n_volumes || rec->length == 0 ||
        ckd_add(&end, rec->offset, (uint64_t)rec->length) ||
        end > a->plan->meta.volume[rec->volume].bytes)
        return gw_error_set(err, -EBADMSG, "record %llu names a range outside of its volume",
                            (unsigned long long)rec->seq);
    return 0;
}

/* One batch, from the journal or from memory. */
struct batch {
    uint64_t address, next; /* in the journal */
    struct gw_journal_batch head;
    const uint8_t *records;
    size_t len;
    bool verified; /* the payloads were when they came */
};

static int apply_batch(struct gw_applier *a, const struct batch *b, struct gw_error *err)
{
    const struct gw_journal_batch *batch = &b->head;
    uint64_t address = b->address, next = b->next;
    size_t len = b->len;
    uint64_t seed = gw_record_seed(&batch->uuid);
    int r = void_stale_token(a, err);
    a->stream = batch->uuid;
    a->n_changes = 0;
    for (size_t at = 0; r >= 0 && at < len;) {
        struct gw_record rec;
        int64_t used = gw_record_decode(b->records + at, len - at, seed, !b->verified, &rec);
        if (used < 0)
            return gw_error_set(
                err, -EBADMSG,
                "journal record at address %llu + %zu is damaged; nothing of it was "
                "applied; resync this side from its source",
                (unsigned long long)address, at);
        const uint8_t *payload = b->records + at + GW_RECORD_HEADER_BYTES;
        at += (size_t)used;
        uint64_t chain_before = a->chain;
        a->seq = rec.seq;
        a->chain = gw_chain_next(a->chain, rec.header_hash);
        a->marked = false;
        r = check_target(a, &rec, err);
        if (r < 0)
            return r;
        if (gw_record_changes(rec.type)) {
            a->change[a->n_changes++] = (struct change){ rec, payload };
            if (a->n_changes == GW_APPLY_RECORDS)
                r = gw_apply_flush(a, err);
        } else {
            r = gw_apply_flush(a, err);
            if (r == 0)
                r = gw_apply_control(a, address, next, &rec, payload, chain_before, err);
        }
    }
    return r < 0 ? r : gw_apply_flush(a, err);
}

/* The batch at the present address. -ERANGE: none yet. */
static int read_batch(struct gw_applier *a, struct batch *b, struct gw_error *err)
{
    *b = (struct batch){ .address = a->address };
    if (a->recent != NULL)
        b->records = gw_recent_take(a->recent, b->address, &b->len, &b->head, &b->next);
    if (b->records != NULL) {
        b->verified = true;
        return 0;
    }
    b->records = a->buf;
    return gw_journal_read(a->journal, b->address, a->buf,
                           GW_FRAME_BYTES_MAX + GW_JOURNAL_BATCH_HEADER_BYTES, &b->len, &b->head,
                           &b->next, err);
}

int gw_applier_step(struct gw_applier *a, uint64_t limit, struct gw_error *err)
{
    uint64_t done = 0;
    while (done < STEP_BYTES && a->address < limit) {
        struct batch b;
        uint64_t seq = a->seq, chain = a->chain;
        struct gw_uuid stream = a->stream;
        int r = read_batch(a, &b, err);
        if (r == -ERANGE)
            return done > 0;
        if (r < 0)
            return r;
        r = apply_batch(a, &b, err);
        if (b.verified)
            gw_recent_done(a->recent);
        if (r < 0) { /* the whole batch again: re-applying is idempotent */
            a->seq = seq;
            a->chain = chain;
            a->stream = stream;
            return r;
        }
        LOCK_SCOPE(&a->plan->mu);
        a->address = b.next;
        done += b.len;
    }
    return done > 0;
}
