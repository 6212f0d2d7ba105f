// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* See apply.h. Records that change a volume are gathered into a window and written sorted; every
 * other record is a barrier. */
#include "engine/apply.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "engine/compare.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WINDOW_BYTES (1024u * 1024u)
#define WINDOW_RECORDS 4096u

struct change {
    struct gw_record rec;
    const uint8_t *payload;
};

struct gw_applier {
    struct gw_plan *plan;
    struct gw_journal *journal;
    struct gw_applier_hooks hooks;
    uint64_t address;
    uint64_t seq, chain;
    struct gw_uuid stream; /* names the last record applied */
    _Atomic bool marked;
    struct gw_undo *undo;
    bool undo_diverged; /* it holds a tail: kept after FIN */

    uint8_t *buf;  /* one batch */
    uint8_t *run;  /* coalesced neighbours; also old content, also compare */
    struct change *change;
    unsigned n_changes;
};

int gw_applier_new(struct gw_plan *plan, struct gw_journal *journal,
                   const struct gw_applier_hooks *hooks, struct gw_applier **ret,
                   struct gw_error *err)
{
    struct gw_applier *a = calloc(1, sizeof *a);
    if (a != NULL) {
        a->buf = malloc(GW_FRAME_BYTES_MAX + GW_JOURNAL_BATCH_HEADER_BYTES);
        a->run = malloc(GW_EXTENT_BYTES);
        a->change = calloc(WINDOW_RECORDS, sizeof *a->change);
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

int gw_applier_open_undo(struct gw_applier *a, struct gw_error *err)
{
    gw_undo_close(a->undo);
    a->undo = NULL;
    if (a->plan->meta.pending_id[0] == '\0')
        return 0; /* seeding: there is no old state to keep */
    struct gw_undo_manifest *m = malloc(sizeof *m);
    if (m == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = gw_undo_open(a->plan->io, a->plan->dir, a->plan->meta.pending_id, false, &a->undo, m,
                         err);
    a->undo_diverged = r == 0 && m->diverged;
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
static void position_into_meta(struct gw_applier *a)
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
    position_into_meta(a);
    r = gw_plan_store_meta(a->plan, err);
    if (r == 0)
        a->marked = true;
    return r;
}

/* ---- changes ------------------------------------------------------------------------------- */

static struct gw_file *volume(const struct gw_applier *a, const struct gw_record *rec)
{
    return a->plan->vol[rec->volume];
}

static int volume_error(const struct gw_applier *a, const struct gw_record *rec, int code,
                        const char *what, struct gw_error *err)
{
    return gw_error_errno(err, code, "cannot %s volume '%s' at %llu", what,
                          a->plan->meta.volume[rec->volume].name, (unsigned long long)rec->offset);
}

/* T3: what these records overwrite goes to the undo file, durable before the first overwrite. */
static int save_old(struct gw_applier *a, struct gw_error *err)
{
    for (unsigned i = 0; i < a->n_changes; i++) {
        const struct gw_record *rec = &a->change[i].rec;
        uint64_t bytes = a->plan->meta.volume[rec->volume].bytes;
        uint64_t last = (rec->offset + rec->length - 1) / GW_BLOCK_BYTES;
        for (uint64_t b = rec->offset / GW_BLOCK_BYTES; b <= last; b++) {
            if (gw_undo_has(a->undo, rec->volume, b))
                continue; /* the first image wins (R16) */
            uint64_t at = b * GW_BLOCK_BYTES;
            size_t n = (size_t)GW_MIN((uint64_t)GW_BLOCK_BYTES, bytes - at);
            int r = gw_io_pread(volume(a, rec), a->run, n, at);
            if (r < 0)
                return volume_error(a, rec, r, "read the old content of", err);
            r = gw_undo_save(a->undo, rec->volume, b, a->run, n, err);
            if (r < 0)
                return r;
        }
    }
    /* Always: an earlier try may have queued blocks and failed before it could sync them. */
    return gw_undo_sync(a->undo, err);
}

static int by_place(const void *x, const void *y)
{
    const struct gw_record *a = &((const struct change *)x)->rec;
    const struct gw_record *b = &((const struct change *)y)->rec;
    if (a->volume != b->volume)
        return a->volume < b->volume ? -1 : 1;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static bool follows(const struct change *a, const struct change *b)
{
    return a->rec.volume == b->rec.volume && a->rec.offset + a->rec.length == b->rec.offset;
}

static bool overlaps(const struct change *a, const struct change *b)
{
    return a->rec.volume == b->rec.volume && b->rec.offset < a->rec.offset + a->rec.length;
}

static int by_seq(const void *x, const void *y)
{
    uint64_t a = ((const struct change *)x)->rec.seq, b = ((const struct change *)y)->rec.seq;
    return a < b ? -1 : a > b;
}

/*
 * Sorted where no two records of the window overlap (then their order cannot be seen, for a crash
 * replays the whole window); else in the order of the stream. True if sorted.
 */
static bool sort_changes(struct gw_applier *a)
{
    qsort(a->change, a->n_changes, sizeof *a->change, by_place);
    uint64_t end = 0;
    for (unsigned i = 1; i < a->n_changes; i++) {
        const struct change *prev = &a->change[i - 1], *c = &a->change[i];
        end = prev->rec.volume == c->rec.volume
                  ? GW_MAX(end, prev->rec.offset + prev->rec.length)
                  : 0;
        if (overlaps(prev, c) || (prev->rec.volume == c->rec.volume && c->rec.offset < end)) {
            qsort(a->change, a->n_changes, sizeof *a->change, by_seq);
            return false;
        }
    }
    return true;
}

/* Write change i and the neighbours that follow it directly; returns how many. */
static int write_run(struct gw_applier *a, unsigned i, bool sorted, struct gw_error *err)
{
    const struct change *c = &a->change[i];
    int r;
    if (gw_record_is_zero(c->rec.type)) {
        r = gw_io_zero(volume(a, &c->rec), c->rec.offset, c->rec.length, GW_ZERO_PUNCH);
        return r < 0 ? volume_error(a, &c->rec, r, "zero", err) : 1;
    }
    unsigned n = 1;
    size_t bytes = c->rec.length;
    while (sorted && i + n < a->n_changes && follows(c + n - 1, c + n) &&
           !gw_record_is_zero(c[n].rec.type) && bytes + c[n].rec.length <= GW_EXTENT_BYTES)
        bytes += c[n++].rec.length;
    const uint8_t *data = c->payload;
    if (n > 1) {
        size_t at = 0;
        for (unsigned k = 0; k < n; k++) {
            memcpy(a->run + at, c[k].payload, c[k].rec.length);
            at += c[k].rec.length;
        }
        data = a->run;
    }
    r = gw_io_pwrite(volume(a, &c->rec), data, bytes, c->rec.offset);
    return r < 0 ? volume_error(a, &c->rec, r, "write", err) : (int)n;
}

static int flush_changes(struct gw_applier *a, struct gw_error *err)
{
    if (a->n_changes == 0)
        return 0;
    if (a->undo != NULL) {
        int r = save_old(a, err);
        if (r < 0)
            return r;
    }
    gw_crash_point(a->plan->io, "replica.apply.before");
    bool sorted = sort_changes(a);
    for (unsigned i = 0; i < a->n_changes;) {
        int n = write_run(a, i, sorted, err);
        if (n < 0)
            return n;
        i += (unsigned)n;
    }
    a->n_changes = 0;
    gw_crash_point(a->plan->io, "replica.apply.after");
    return 0;
}

/* ---- barriers ------------------------------------------------------------------------------ */

static int compare(struct gw_applier *a, uint64_t address, const struct gw_record *rec,
                   const uint8_t *payload, struct gw_error *err)
{
    uint64_t seed;
    if (a->hooks.hash_seed == NULL || !a->hooks.hash_seed(a->hooks.arg, address, &seed))
        return 0; /* of a session that is gone: nobody waits for the answer */
    struct gw_diff d = {
        .seq = rec->seq,
        .volume = rec->volume,
        .verify = rec->type == GW_RECORD_VERIFY,
        .offset = rec->offset,
        .length = rec->length,
    };
    uint64_t found = 0;
    int r = gw_compare_blocks(volume(a, rec), rec, payload, seed, a->run, d.differs, &found);
    if (r < 0)
        return volume_error(a, rec, r, "read", err);
    if (found > 0 && d.verify) {
        LOCK_SCOPE(&a->plan->mu);
        for (uint64_t i = 0; i * GW_BLOCK_BYTES < rec->length; i++) {
            if ((d.differs[i / 8] >> (i % 8)) & 1)
                gw_dirtymap_mark(a->plan->map[rec->volume], rec->offset + i * GW_BLOCK_BYTES, 1);
        }
        /* R20: no decision without a person may rely on this side until it is mended. */
        a->plan->meta.unverified = true;
        r = gw_plan_store_meta(a->plan, err);
        if (r < 0)
            return r;
    }
    a->hooks.diff(a->hooks.arg, address, &d);
    return 0;
}

/*
 * R8: flush, then one durable step: from the old image with an undo file to the source's identity
 * at this position. The set is forgotten after it: until then it is a superset.
 */
static int adopt(struct gw_applier *a, uint64_t next, const struct gw_fin *fin,
                 struct gw_error *err)
{
    struct gw_plan *p = a->plan;
    int r = gw_plan_sync_volumes(p, err);
    if (r < 0)
        return r;
    gw_crash_point(p->io, "replica.adopt.before");
    char undo_id[GW_ID_MAX];
    pthread_mutex_lock(&p->mu);
    struct gw_meta *m = &p->meta;
    memcpy(undo_id, m->pending_id, sizeof undo_id);
    m->lineage = fin->lineage;
    m->highest_epoch = GW_MAX(m->highest_epoch, gw_lineage_epoch(&fin->lineage));
    m->seq = fin->seq;
    m->chain = fin->chain;
    m->journal_pos = next;
    m->reached_uuid = gw_lineage_uuid(&fin->lineage);
    m->reached_seq = fin->seq;
    m->pending = GW_PENDING_NONE;
    m->pending_id[0] = '\0';
    m->consistent = true;
    m->blank = m->seed_me = m->seed_compare = false;
    m->unverified = false;
    m->token_valid = false;
    m->role = GW_ROLE_STANDBY;
    m->clean = true;
    m->signed_tail = (struct gw_uuid){ { 0 } };
    m->survivor = (struct gw_uuid){ { 0 } };
    m->recorded = GW_RECORDED_UNSYNC; /* of a reign that is over: this side never serves alone */
    r = gw_plan_store_meta(p, err);
    if (r == 0) {
        a->seq = fin->seq;
        a->chain = fin->chain;
        a->stream = m->reached_uuid;
        a->address = next;
        a->marked = true;
        for (unsigned i = 0; i < m->n_volumes; i++) {
            gw_dirtymap_clear_all(p->map[i]);
            gw_dirtymap_cleared_through(p->map[i], &m->reached_uuid, fin->seq); /* R5 */
        }
    }
    pthread_mutex_unlock(&p->mu);
    if (r < 0)
        return r;
    gw_crash_point(p->io, "replica.adopt.after");
    r = gw_plan_persist_maps(p, err);
    gw_undo_close(a->undo);
    a->undo = NULL;
    if (r < 0 || undo_id[0] == '\0')
        return r;
    /* A tail is kept until a person discards it; without one the old state is of no more use. */
    return a->undo_diverged ? gw_undo_finish(p->io, p->dir, undo_id, err)
                            : gw_undo_remove(p->io, p->dir, undo_id, err);
}

static bool is_target(const struct gw_applier *a)
{
    LOCK_SCOPE(&a->plan->mu);
    return a->plan->meta.pending == GW_PENDING_RESYNC;
}

static int on_fin(struct gw_applier *a, uint64_t address, uint64_t next,
                  const struct gw_record *rec, const uint8_t *payload, struct gw_error *err)
{
    struct gw_fin *fin = malloc(sizeof *fin);
    if (fin == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = 0;
    if (!gw_fin_decode(payload, rec->payload_bytes, fin))
        r = gw_error_set(err, -EBADMSG, "the FIN record at journal address %llu is malformed",
                         (unsigned long long)address);
    else if (is_target(a))
        r = adopt(a, next, fin, err);
    free(fin);
    if (r == 0 && a->hooks.finished != NULL)
        a->hooks.finished(a->hooks.arg, address);
    return r;
}

/* R17: the target proves that it holds exactly this stream, durable. An empty token voids. */
static int on_handover(struct gw_applier *a, uint64_t address, uint64_t next,
                       const struct gw_record *rec, const uint8_t *payload, uint64_t chain_before,
                       struct gw_error *err)
{
    struct gw_token t;
    if (!gw_token_decode(payload, rec->payload_bytes, &t))
        return gw_error_set(err, -EBADMSG, "the HANDOVER record at journal address %llu is malformed",
                            (unsigned long long)address);
    int r = gw_plan_sync_volumes(a->plan, err);
    if (r < 0)
        return r;
    bool matched;
    {
        LOCK_SCOPE(&a->plan->mu);
        struct gw_meta *m = &a->plan->meta;
        struct gw_uuid current = gw_lineage_uuid(&m->lineage);
        matched = t.epoch != 0 && t.epoch == gw_lineage_epoch(&m->lineage) &&
                  gw_uuid_equal(&t.uuid, &current) && t.seq == rec->seq &&
                  t.chain == chain_before && m->consistent && gw_plan_maps_empty(a->plan);
        m->token_valid = matched;
        if (matched)
            m->token = t;
        a->address = next;
        position_into_meta(a);
        r = gw_plan_store_meta(a->plan, err);
        if (r == 0)
            a->marked = true;
    }
    gw_crash_point(a->plan->io, "replica.token");
    if (r == 0 && a->hooks.token != NULL)
        a->hooks.token(a->hooks.arg, address, matched);
    return r;
}

/* A token is true for its own moment: data after it means that the handover was called off. */
static int void_stale_token(struct gw_applier *a, struct gw_error *err)
{
    LOCK_SCOPE(&a->plan->mu);
    if (!a->plan->meta.token_valid)
        return 0;
    a->plan->meta.token_valid = false;
    return gw_plan_store_meta(a->plan, err);
}

static int on_point(struct gw_applier *a, uint64_t next, const struct gw_record *rec,
                    const uint8_t *payload, struct gw_error *err)
{
    pthread_mutex_lock(&a->plan->mu);
    bool whole = a->plan->meta.pending == GW_PENDING_NONE;
    pthread_mutex_unlock(&a->plan->mu);
    if (a->hooks.point == NULL || !whole)
        return 0; /* R15 */
    const char *id = (const char *)payload;
    size_t n = strnlen(id, rec->payload_bytes);
    if (n + 1 >= rec->payload_bytes || payload[rec->payload_bytes - 1] != '\0')
        return gw_error_set(err, -EBADMSG, "a POINT record is malformed");
    a->address = next;
    a->marked = false;
    int r = gw_applier_mark(a, err);
    if (r == 0)
        a->hooks.point(a->hooks.arg, id, id + n + 1);
    return r;
}

/* ---- one batch ----------------------------------------------------------------------------- */

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

static int barrier(struct gw_applier *a, uint64_t address, uint64_t next,
                   const struct gw_record *rec, const uint8_t *payload, uint64_t chain_before,
                   struct gw_error *err)
{
    int r = flush_changes(a, err);
    if (r < 0)
        return r;
    switch (rec->type) {
    case GW_RECORD_HASH:
    case GW_RECORD_VERIFY:
        return compare(a, address, rec, payload, err);
    case GW_RECORD_FIN:
        return on_fin(a, address, next, rec, payload, err);
    case GW_RECORD_HANDOVER:
        return on_handover(a, address, next, rec, payload, chain_before, err);
    case GW_RECORD_POINT:
        return on_point(a, next, rec, payload, err);
    case GW_RECORD_WRITE:
    case GW_RECORD_ZERO:
    case GW_RECORD_INJECT:
    case GW_RECORD_INJECT_ZERO:
    case GW_RECORD_TYPE_MAX:
        break;
    }
    assert(!"a record that changes data is no barrier");
    return 0;
}

static int apply_batch(struct gw_applier *a, uint64_t address, uint64_t next, size_t len,
                       const struct gw_journal_batch *batch, struct gw_error *err)
{
    uint64_t seed = gw_record_seed(&batch->uuid);
    int r = void_stale_token(a, err);
    a->stream = batch->uuid;
    a->n_changes = 0;
    for (size_t at = 0; r >= 0 && at < len;) {
        struct gw_record rec;
        int64_t used = gw_record_decode(a->buf + at, len - at, seed, true, &rec);
        if (used < 0)
            return gw_error_set(err, -EBADMSG,
                                "journal record at address %llu + %zu is damaged; nothing of it was "
                                "applied; resync this side from its source",
                                (unsigned long long)address, at);
        const uint8_t *payload = a->buf + at + GW_RECORD_HEADER_BYTES;
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
            if (a->n_changes == WINDOW_RECORDS)
                r = flush_changes(a, err);
        } else {
            r = barrier(a, address, next, &rec, payload, chain_before, err);
        }
    }
    return r < 0 ? r : flush_changes(a, err);
}

int gw_applier_step(struct gw_applier *a, uint64_t limit, struct gw_error *err)
{
    uint64_t done = 0;
    while (done < WINDOW_BYTES && a->address < limit) {
        struct gw_journal_batch batch;
        size_t len;
        uint64_t next;
        uint64_t address = a->address, seq = a->seq, chain = a->chain;
        int r = gw_journal_read(a->journal, address, a->buf,
                                GW_FRAME_BYTES_MAX + GW_JOURNAL_BATCH_HEADER_BYTES, &len, &batch,
                                &next, err);
        if (r == -ERANGE)
            return done > 0;
        if (r < 0)
            return r;
        r = apply_batch(a, address, next, len, &batch, err);
        if (r < 0) { /* the whole batch again: re-applying is idempotent */
            a->seq = seq;
            a->chain = chain;
            return r;
        }
        LOCK_SCOPE(&a->plan->mu);
        a->address = next;
        done += len;
    }
    return done > 0;
}
