// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The active side: the write path, hot set, map, what it records, how it begins and ends. */
#include "world.h"

static bool copying(const struct world *w, unsigned s)
{
    return w->ses.up && w->ses.source == s && w->ses.mode == MODE_RESYNC;
}

/* ---- writes -------------------------------------------------------------------------------- */

/* claim: room in the ring is promised; else the ring is full while a copy runs, and the write will
 * only mark its bit. */
bool may_write(const struct world *w, unsigned s, unsigned b, bool claim)
{
    const struct site *x = &w->s[s];
    if (b >= bound.blocks || x->service != SV_SERVING || x->op || w->writes >= bound.writes ||
        !has_room(w, s))
        return false;
    if (claim)
        return x->attached && x->nring + 1 < RING;
    bool streaming = w->ses.up && w->ses.mode == MODE_STREAM;
    return !x->attached || (streaming && !on(DETACH)) ||
           (copying(w, s) && (!w->ses.fin_queued || !on(R3_FIN)));
}

/* The hot log is durable before data can reach a disk (R1). The number comes later. */
void write_local(struct world *w, unsigned s, unsigned b, bool claim)
{
    struct site *x = &w->s[s];
    unsigned v = ++w->writes;
    if (on(R1))
        x->hot |= (uint8_t)(1u << b);
    x->eff = with_block(x->eff, b, v);
    x->op = 1;
    x->op_block = b & 1;
    x->op_claimed = claim;
    x->op_value = (uint8_t)v;
    w->value[v].block = (uint8_t)b;
    say("%c writes block %u = %u to its volume%s", 'A' + s, b, v,
        claim || !x->attached ? "" : " (ring full: will only mark it)");
}

bool may_number(const struct world *w, unsigned s)
{
    return serving(&w->s[s]) && w->s[s].op;
}

static void op_done(struct world *w, unsigned s, bool marks)
{
    struct site *x = &w->s[s];
    struct value *v = &w->value[x->op_value];
    unsigned seq = take_number(w, s);
    uint8_t *is = image_at(w, x->cur, seq);
    *is = with_block(*is, x->op_block, x->op_value);
    v->uuid = x->cur;
    v->seq = (uint8_t)seq;
    if (x->op_claimed && x->attached && !marks)
        x->ring[x->nring++] = (struct record){
            .type = REC_WRITE, .block = x->op_block, .value = x->op_value & 15, .seq = (uint8_t)seq
        };
    else
        x->set |= (uint8_t)(1u << x->op_block);
    x->hot |= (uint8_t)(1u << x->op_block); /* it is there already, with R1 */
    x->op = x->op_block = x->op_claimed = 0;
    x->op_value = 0;
}

void write_number(struct world *w, unsigned s)
{
    unsigned v = w->s[s].op_value, n = w->s[s].nring;
    op_done(w, s, false);
    say("%c gives %u the number %u:%u, %s%s", 'A' + s, v, w->s[s].cur, w->s[s].nseq,
        w->s[s].nring > n ? "in the ring" : "marks its bit", w->s[s].sync_on ? "" : ", answers it");
    if (!w->s[s].sync_on)
        w->value[v].acked = 1;
}

/* Sync mode: received by the peer, in a stream. */
bool may_answer(const struct world *w, unsigned v)
{
    const struct value *x = &w->value[v];
    if (x->uuid == 0 || x->acked)
        return false;
    for (unsigned i = 0; i < SITES; i++) {
        const struct site *s = &w->s[i];
        if (!serving(s) || s->cur != x->uuid)
            continue;
        return !s->sync_on || (w->ses.up && w->ses.source == i && w->ses.mode == MODE_STREAM &&
                               w->s[1 - i].rseq >= x->seq);
    }
    return false;
}

void write_answer(struct world *w, unsigned v)
{
    struct value *x = &w->value[v];
    unsigned s = w->s[0].cur == x->uuid && serving(&w->s[0]) ? 0 : 1;
    x->acked = 1;
    x->synced = w->s[s].sync_on && w->s[s].recorded == GW_RECORDED_SYNC;
    x->boot = x->synced ? w->s[1 - s].boot : 0;
    say("%c answers the write %u%s", 'A' + s, v, x->synced ? " under a recorded SYNC" : "");
}

/* ---- hot set, map, ring -------------------------------------------------------------------- */

bool may_fsync(const struct world *w, unsigned s)
{
    return serving(&w->s[s]) && w->s[s].disk != w->s[s].eff;
}

void volumes_fsync(struct world *w, unsigned s)
{
    w->s[s].disk = w->s[s].eff;
    say("%c makes its volumes durable", 'A' + s);
}

/* R2 */
bool may_evict(const struct world *w, unsigned s, unsigned b)
{
    const struct site *x = &w->s[s];
    if (!serving(x) || !(x->hot & (1u << b)) || (x->op && x->op_block == b))
        return false;
    if (on(R2_FSYNC) && block_of(x->disk, b) != block_of(x->eff, b))
        return false;
    for (unsigned i = 0; i < x->nring && on(R2_PEER); i++)
        if (x->ring[i].type == REC_WRITE && x->ring[i].block == b)
            return false;
    return true;
}

void hot_evict(struct world *w, unsigned s, unsigned b)
{
    struct site *x = &w->s[s];
    if (on(R2_PEER))
        maps_save(w, s);
    x->hot &= (uint8_t) ~(1u << b);
    say("%c: block %u leaves the hot set", 'A' + s, b);
}

/* Clears, and cleared-through with them (R5), are made durable lazily. Bits that only a session's
 * own numbers vouch for stay durable until FIN. */
bool may_save(const struct world *w, unsigned s)
{
    const struct site *x = &w->s[s];
    bool of_session = w->ses.up && w->ses.source == s && w->ses.numbers >= SESSION;
    return x->up && !(of_session && !w->ses.finished) &&
           (x->dset != (x->set | x->flight) || x->dcl_uuid != x->cl_uuid ||
            x->dcl_seq != x->cl_seq);
}

void maps_save(struct world *w, unsigned s)
{
    struct site *x = &w->s[s];
    x->dset = x->set | x->flight;
    x->dcl_uuid = x->cl_uuid;
    x->dcl_seq = x->cl_seq;
    say("%c makes its map durable (%u)", 'A' + s, x->dset);
}

void ring_to_set(struct world *w, unsigned s)
{
    struct site *x = &w->s[s];
    for (unsigned i = 0; i < x->nring; i++) {
        if (x->ring[i].type == REC_WRITE)
            x->set |= (uint8_t)(1u << x->ring[i].block);
        x->ring[i] = (struct record){ 0 };
    }
    x->nring = 0;
}

/* The ring is full: records become bits. In sync mode writers wait instead. */
bool may_fall_behind(const struct world *w, unsigned s)
{
    const struct site *x = &w->s[s];
    return serving(x) && x->attached && x->nring > 0 && !x->sync_on &&
           !(w->ses.up && w->ses.mode == MODE_PREPARE);
}

void fall_behind(struct world *w, unsigned s)
{
    say("%c falls behind: what is in its ring becomes bits", 'A' + s);
    ring_to_set(w, s);
    w->s[s].attached = 0;
    if (w->ses.up)
        session_over(w);
}

/* ---- beginning ------------------------------------------------------------------------------ */

void begin_serving(struct world *w, unsigned s)
{
    struct site *x = &w->s[s];
    if (!on(EPOCH_RESTART) && crashed_active(x) && w->incs < INCS) {
        unsigned fork = x->reserved;
        incarnation_new(w, s, GW_BIRTH_PROMOTION, x->highest + 2u, fork, x->seq);
        x->seq = (uint8_t)fork;
    } else if (crashed_active(x) && on(NEW_UUID)) {
        unsigned fork = x->reserved;
        incarnation_new(w, s, GW_BIRTH_RESTART, w->inc[x->cur].epoch, fork, x->seq);
        x->seq = (uint8_t)fork;
    }
    bool promoted = x->may_serve;
    x->clean = x->may_serve = 0;
    x->active_boot = x->boot;
    x->reserved = (uint8_t)(x->seq + STEPS);
    x->confirmed = 1;
    x->nseq = x->acked = x->seq;
    x->attached = 1;
    x->service = SV_SERVING;
    x->sync_recorded = bound.sync && x->recorded == GW_RECORDED_SYNC;
    x->sync_on = x->sync_recorded;
    say("%c begins to serve at %u:%u", 'A' + s, x->cur, x->seq);
    if (!promoted && serving(&w->s[1 - s]))
        violated(w, SECOND_ACTIVE);
    /* A restart beside a peer that was promoted since, or holds the token of a release. */
    if (!promoted && w->s[1 - s].role == GW_ROLE_ACTIVE && w->s[1 - s].cur > x->cur)
        violated(w, SECOND_ACTIVE);
}

/* Right after a promotion; every other restart speaks to its peer first. */
bool may_serve_alone(const struct world *w, unsigned s)
{
    const struct site *x = &w->s[s];
    return x->up && x->service == SV_WAITING && (x->may_serve || !on(SPEAK_FIRST)) &&
           (w->incs < INCS || !crashed_active(x));
}

void serve_alone(struct world *w, unsigned s)
{
    begin_serving(w, s);
}

/* ---- SYNC and UNSYNC ------------------------------------------------------------------------ */

/* Everything answered before sync_on is received: SYNC, with the boot of the replica (R18). Async
 * mode records that too. */
bool may_record(const struct world *w, unsigned s)
{
    const struct site *x = &w->s[s];
    if (!serving(x) || !w->ses.up || w->ses.source != s || w->ses.mode != MODE_STREAM ||
        !x->attached)
        return false;
    if (!bound.sync)
        return x->recorded != GW_RECORDED_ASYNC;
    return !x->sync_on || (!x->sync_recorded && w->s[1 - s].rseq >= w->ses.sync_from);
}

void record_sync(struct world *w, unsigned s)
{
    struct site *x = &w->s[s];
    if (!bound.sync) {
        x->recorded = GW_RECORDED_ASYNC;
    } else if (!x->sync_on) {
        x->sync_on = 1;
        w->ses.sync_from = x->nseq;
        return;
    } else {
        x->recorded = GW_RECORDED_SYNC;
        x->sync_boot = (uint8_t)(w->s[1 - s].boot + 1);
        x->sync_recorded = 1;
    }
    say("%c records %s", 'A' + s, bound.sync ? "SYNC" : "ASYNC");
}

/* UNSYNC: from here on an answered write is as volatile as that of any disk until it is flushed. */
void promise_nothing(struct world *w, unsigned s)
{
    struct site *x = &w->s[s];
    x->recorded = GW_RECORDED_UNSYNC;
    x->sync_boot = 0;
    x->sync_on = x->sync_recorded = 0;
    for (unsigned i = 1; i <= w->writes; i++)
        w->value[i].synced = w->value[i].boot = 0;
}

/* The link is lost in sync mode, policy continue. */
bool may_go_alone(const struct world *w, unsigned s)
{
    const struct site *x = &w->s[s];
    return serving(x) && x->sync_on && !w->ses.up;
}

void go_alone(struct world *w, unsigned s)
{
    struct site *x = &w->s[s];
    if (x->sync_recorded && on(UNSYNC_FIRST))
        promise_nothing(w, s);
    x->sync_recorded = x->sync_on = 0;
    say("%c goes on alone%s", 'A' + s,
        x->recorded == GW_RECORDED_UNSYNC ? ", UNSYNC is durable" : "");
}

/* ---- end ------------------------------------------------------------------------------------ */

void out_of_service(struct site *x)
{
    x->seq = x->nseq;
    x->clean = 1;
    x->hot = 0;
    x->service = SV_NONE;
    x->confirmed = x->attached = x->sync_on = x->sync_recorded = 0;
    x->nseq = x->acked = 0;
    x->rseq = x->dseq = x->aseq = x->seq;
    x->jstream = x->cur;
}

/* R11: the write in flight takes its number and marks, its client gets no success. A side that
 * waits has served nothing: only its role changes. */
void fence(struct world *w, unsigned s)
{
    struct site *x = &w->s[s];
    say("%c is fenced", 'A' + s);
    if (!serving(x)) {
        x->role = GW_ROLE_FENCED;
        x->service = SV_NONE;
        x->rseq = x->dseq = x->aseq = x->seq;
        x->fuzzy = !x->clean;
        return;
    }
    if (x->op && on(R11))
        op_done(w, s, true);
    x->op = x->op_block = x->op_claimed = 0;
    x->op_value = 0;
    ring_to_set(w, s);
    x->disk = x->eff;
    maps_save(w, s);
    out_of_service(x);
    x->role = GW_ROLE_FENCED;
}

bool may_stop(const struct world *w, unsigned s)
{
    return w->stops > 0 && serving(&w->s[s]) && !w->s[s].op;
}

/* R12: fdatasync, bits of what the peer has not, then the hot log is cleared. */
void stop_clean(struct world *w, unsigned s)
{
    struct site *x = &w->s[s];
    w->stops--;
    say("%c stops cleanly", 'A' + s);
    if (w->ses.up)
        session_over(w);
    for (unsigned i = 0; i < x->nring && !on(R12); i++)
        x->ring[i].type = REC_NONE;
    ring_to_set(w, s);
    x->disk = x->eff;
    maps_save(w, s);
    out_of_service(x);
    x->up = 0;
    x->rseq = x->dseq = x->aseq = 0;
}
