// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Records that say something instead of changing a volume: compare, FIN, HANDOVER, POINT, SHAPE.
 */
#include "engine/apply_internal.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "engine/compare.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* plan->mu held. At a replay nobody asks. */
static bool is_asked(const struct gw_applier *a, uint64_t address)
{
    return a->hooks.asked != NULL && a->hooks.asked(a->hooks.arg, address);
}

static int compare(struct gw_applier *a, uint64_t address, const struct gw_record *rec,
                   const uint8_t *payload, struct gw_error *err)
{
    pthread_mutex_lock(&a->plan->mu);
    bool asked = is_asked(a, address);
    pthread_mutex_unlock(&a->plan->mu);
    if (!asked)
        return 0; /* of a session that is gone: nobody waits for the answer */
    struct gw_diff d = {
        .seq = rec->seq,
        .volume = rec->volume,
        .verify = rec->type == GW_RECORD_VERIFY,
        .offset = rec->offset,
        .length = rec->length,
    };
    uint64_t found = 0, seed = gw_compare_seed(&a->stream, rec->volume, rec->offset);
    int r =
        gw_compare_blocks(gw_apply_volume(a, rec), rec, payload, seed, a->run, d.differs, &found);
    if (r < 0)
        return gw_apply_volume_error(a, rec, r, "read", err);
    if (found > 0 && d.verify) {
        pthread_mutex_lock(&a->plan->mu);
        for (uint64_t i = 0; i * GW_BLOCK_BYTES < rec->length; i++) {
            if ((d.differs[i / 8] >> (i % 8)) & 1)
                gw_dirtymap_mark(a->plan->map[rec->volume], rec->offset + i * GW_BLOCK_BYTES, 1);
        }
        /* R20: no decision without a person may rely on this side until it is mended. */
        a->plan->meta.unverified = true;
        r = gw_plan_store_meta(a->plan, err);
        pthread_mutex_unlock(&a->plan->mu);
        if (r == 0)
            r = gw_plan_persist_maps(a->plan, err);
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
    gw_apply_publish_undo(a);
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

/*
 * R17: the target proves that it holds exactly this stream, durable. An empty token voids. Proven
 * to the session that asked, or to nobody: the source of one that is gone may have gone on since.
 */
static int on_handover(struct gw_applier *a, uint64_t address, uint64_t next,
                       const struct gw_record *rec, const uint8_t *payload, uint64_t chain_before,
                       struct gw_error *err)
{
    struct gw_token t;
    if (!gw_token_decode(payload, rec->payload_bytes, &t))
        return gw_error_set(err, -EBADMSG,
                            "the HANDOVER record at journal address %llu is malformed",
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
                  t.chain == chain_before && m->consistent && gw_plan_maps_empty(a->plan) &&
                  is_asked(a, address);
        m->token_valid = matched;
        if (matched)
            m->token = t;
        a->address = next;
        gw_apply_position(a);
        r = gw_plan_store_meta(a->plan, err);
        if (r == 0)
            a->marked = true;
    }
    gw_crash_point(a->plan->io, "replica.token");
    if (r == 0 && a->hooks.token != NULL)
        a->hooks.token(a->hooks.arg, address, matched);
    return r;
}

static int on_point(struct gw_applier *a, uint64_t address, uint64_t next,
                    const struct gw_record *rec, const uint8_t *payload, struct gw_error *err)
{
    if (a->hooks.point == NULL)
        return 0;
    const char *id = (const char *)payload;
    size_t n = strnlen(id, rec->payload_bytes);
    if (n + 1 >= rec->payload_bytes || payload[rec->payload_bytes - 1] != '\0')
        return gw_error_set(err, -EBADMSG, "a POINT record is malformed");
    int r = 0;
    if (!is_target(a)) {
        a->address = next;
        a->marked = false;
        r = gw_applier_mark(a, err);
    }
    if (r == 0)
        a->hooks.point(a->hooks.arg, address, rec->seq, id, id + n + 1);
    return r;
}

struct behind { /* the record that is being applied */
    struct gw_applier *a;
    uint64_t next;
};

static void position_behind(void *arg)
{
    struct behind *b = arg;
    b->a->address = b->next;
    gw_apply_position(b->a);
}

/*
 * V1: the new table and the position behind the record are one store. A change that cannot be made
 * is passed over as durably, before anybody hears of it: no replay may come to another end.
 */
static int on_shape(struct gw_applier *a, uint64_t address, uint64_t next,
                    const struct gw_record *rec, const uint8_t *payload, struct gw_error *err)
{
    struct gw_reader reader = gw_reader(payload, rec->payload_bytes);
    struct gw_reshape c;
    struct gw_error why = { .code = 0 };
    gw_reshape_get(&reader, &c);
    if (reader.failed || c.kind == GW_RESHAPE_NONE || reader.pos != rec->payload_bytes)
        return gw_error_set(err, -EBADMSG, "the SHAPE record at journal address %llu is malformed",
                            (unsigned long long)address);
    bool refused = is_target(a);
    int x = refused ? gw_error_set(&why, -EBUSY, "a resync is under way") : 0;
    int r = gw_plan_sync_volumes(a->plan, err);
    if (r < 0)
        return r;
    if (!refused) {
        struct behind b = { .a = a, .next = next };
        x = gw_plan_reshape(a->plan, &c, position_behind, &b, &refused, &why);
        if (x < 0 && !refused) {
            *err = why;
            return x;
        }
        a->marked = x == 0;
    }
    if (x < 0) {
        a->address = next;
        a->marked = false;
        r = gw_applier_mark(a, err);
    }
    if (r == 0 && a->hooks.shape != NULL)
        a->hooks.shape(a->hooks.arg, address, rec->seq, x, why.msg);
    return r;
}

int gw_apply_control(struct gw_applier *a, uint64_t address, uint64_t next,
                     const struct gw_record *rec, const uint8_t *payload, uint64_t chain_before,
                     struct gw_error *err)
{
    switch (rec->type) {
    case GW_RECORD_HASH:
    case GW_RECORD_VERIFY:
        return compare(a, address, rec, payload, err);
    case GW_RECORD_FIN:
        return on_fin(a, address, next, rec, payload, err);
    case GW_RECORD_HANDOVER:
        return on_handover(a, address, next, rec, payload, chain_before, err);
    case GW_RECORD_POINT:
        return on_point(a, address, next, rec, payload, err);
    case GW_RECORD_SHAPE:
        return on_shape(a, address, next, rec, payload, err);
    case GW_RECORD_WRITE:
    case GW_RECORD_ZERO:
    case GW_RECORD_INJECT:
    case GW_RECORD_INJECT_ZERO:
    case GW_RECORD_HASH_FORK: /* of an assess: never journaled */
    case GW_RECORD_TYPE_MAX:
        break;
    }
    abort(); /* a record that changes data is no barrier */
}
