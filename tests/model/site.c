// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* A whole site: crash, restart, promotion (also to older states), restored from a backup. */
#include "world.h"

#include "base/checked.h"

#include <string.h>

/* ---- crash and restart ----------------------------------------------------------------------- */

static unsigned differing(uint8_t a, uint8_t b)
{
    unsigned set = 0;
    for (unsigned i = 0; i < BLOCKS; i++)
        set |= (unsigned)(block_of(a, i) != block_of(b, i)) << i;
    return set;
}

/* Power: of the blocks that were not flushed any subset reached the disk (`kept`), of the journal
 * what is durable and `journal` records more. */
bool may_crash(const struct world *w, unsigned s, bool power, unsigned kept, unsigned journal)
{
    const struct site *x = &w->s[s];
    if (w->crashes == 0 || !x->up)
        return false;
    if (!power)
        return true;
    return bound.power && (kept & ~differing(x->disk, x->eff)) == 0 && x->jd + journal <= x->nj;
}

static void forget_memory(struct site *x)
{
    memset(x->ring, 0, sizeof x->ring);
    x->nring = 0;
    x->set = x->dset;
    x->flight = 0;
    x->cl_uuid = x->dcl_uuid;
    x->cl_seq = x->dcl_seq;
    x->attached = x->sync_on = x->sync_recorded = x->op = x->op_block = x->op_claimed = 0;
    x->confirmed = 0;
    x->op_value = x->nseq = x->acked = x->ja = x->found = 0;
    x->rseq = x->dseq = x->aseq = 0;
    x->service = SV_NONE;
    x->up = 0;
}

void crash(struct world *w, unsigned s, bool power, unsigned kept, unsigned journal)
{
    struct site *x = &w->s[s];
    w->crashes--;
    say("%c: %s", 'A' + s, power ? "POWER LOSS" : "its process dies");
    if (w->ses.up)
        session_over(w);
    if (power) {
        for (unsigned b = 0; b < BLOCKS; b++)
            if (kept & (1u << b))
                x->disk = with_block(x->disk, b, block_of(x->eff, b));
        x->eff = x->disk;
        x->nj = x->jd = (uint8_t)(x->jd + journal);
        for (unsigned i = x->nj; i < JOURNAL; i++)
            x->journal[i] = (struct record){ 0 };
        x->boot++;
        say("   of the disk %u,%u survives, of the journal %u records", block_of(x->disk, 0),
            block_of(x->disk, 1), x->nj);
    }
    forget_memory(x);
}

/* Hot extents are dirty after a crash; the bits are durable before the log forgets them. */
static void open_plan(struct world *w, unsigned s)
{
    struct site *x = &w->s[s];
    if (x->up)
        return;
    x->up = 1;
    x->set |= x->hot;
    x->dset |= x->hot;
    if (x->hot != 0 && on(R2_OPEN))
        x->disk = x->eff; /* R2, also here: no extent leaves without an fdatasync */
    x->hot = 0;
    if (x->role == GW_ROLE_ACTIVE)
        return;
    x->aseq = x->pending == PEND_RESYNC ? x->reached_seq : x->seq;
    x->rseq = x->dseq = x->nj > 0 ? x->journal[x->nj - 1].seq : x->aseq;
    if (on(R14))
        x->jd = x->nj;
}

bool may_restart(const struct world *w, unsigned s)
{
    const struct site *x = &w->s[s];
    return !x->up && x->pending != PEND_REWIND && x->pending != PEND_ROLLBACK;
}

void restart(struct world *w, unsigned s)
{
    struct site *x = &w->s[s];
    say("%c restarts", 'A' + s);
    open_plan(w, s);
    if (x->role == GW_ROLE_ACTIVE)
        x->service = SV_WAITING;
    else if (on(R14) && on(R15)) /* replayed before anything is reported */
        settle(w, s);
    else
        x->found = x->nj;
}

/* ---- promotion --------------------------------------------------------------------------------
 */

static bool is_ancestor(const struct world *w, unsigned old, unsigned of)
{
    for (unsigned u = of; u != 0; u = w->inc[u].parent)
        if (u == old)
            return true;
    return false;
}

bool may_promote(const struct world *w, unsigned s, enum promotion how, enum dies dies)
{
    const struct site *x = &w->s[s];
    if (w->promotions == 0 || serving(x) || w->incs >= INCS || x->may_serve)
        return false;
    if ((x->role == GW_ROLE_ACTIVE) != (how == CONFIRM_ALONE))
        return false;
    if (how == TO_POINT && (!x->p_have || !is_ancestor(w, x->p_cur, x->cur)))
        return false;
    if (x->pending == PEND_REWIND && how != TO_POINT)
        return false;
    bool goes_back = how == TO_POINT || x->pending == PEND_RESYNC || x->pending == PEND_ROLLBACK;
    return dies == DIES_NOT || (goes_back && w->crashes > 0 && x->found == 0);
}

/* What a rewind needs to be durable first: the set (R10), and that it is under way (R9). */
static void begin_rewind(struct world *w, unsigned s, enum pending pending)
{
    if (!on(R9))
        return;
    maps_save(w, s);
    w->s[s].pending = (uint8_t)pending;
    w->s[s].consistent = 0;
}

/* Volumes are restored one by one. True: it was interrupted after the first. */
static bool rewind_volumes(struct site *x, unsigned blocks, uint8_t to, bool dies)
{
    for (unsigned b = 0; b < BLOCKS; b++) {
        if (blocks & (1u << b))
            x->eff = with_block(x->eff, b, block_of(to, b));
        if (dies)
            return true;
    }
    return false;
}

static void end_rewind(struct world *w, unsigned s)
{
    struct site *x = &w->s[s];
    x->disk = x->eff;
    if (!on(R9))
        maps_save(w, s);
    x->consistent = 1;
    x->pending = PEND_NONE;
    x->token = 0;
    x->rseq = x->dseq = x->aseq = x->seq;
    x->jstream = x->cur;
}

static bool roll_back(struct world *w, unsigned s, bool dies)
{
    struct site *x = &w->s[s];
    if (on(UNDO_MARKS))
        x->set |= x->undo_mask;
    begin_rewind(w, s, PEND_ROLLBACK);
    say("%c rolls its undo file back", 'A' + s);
    if (rewind_volumes(x, x->undo_mask, x->undo, dies))
        return true;
    x->fuzzy = x->undo_fuzzy;
    x->undo = x->undo_mask = x->undo_fuzzy = x->undo_diverged = 0;
    end_rewind(w, s);
    return false;
}

static bool rewind_to_point(struct world *w, unsigned s, bool dies, unsigned *had)
{
    struct site *x = &w->s[s];
    bool reaches = x->p_reigns == x->reigns || !on(R10_REIGN);
    if (on(R10))
        x->set |= reaches ? x->p_since : ALL;
    unsigned blocks = on(R10) && on(R10_INJECTED) && on(R10_REIGN) ? x->set : ALL;
    begin_rewind(w, s, PEND_REWIND);
    say("%c goes back to its point %u:%u", 'A' + s, x->p_cur, x->p_seq);
    if (rewind_volumes(x, blocks, x->p_img, dies))
        return true;
    if (x->cur == x->p_cur)
        *had = x->seq;
    x->cur = x->p_cur;
    x->seq = x->p_seq;
    x->fuzzy = x->p_fuzzy;
    end_rewind(w, s);
    return false;
}

static void begin_reign(struct world *w, unsigned s, unsigned had)
{
    struct site *x = &w->s[s];
    bool again = x->role == GW_ROLE_ACTIVE;
    unsigned epoch = w->inc[x->cur].epoch;
    if (on(EPOCH_ABOVE) && x->highest > epoch)
        epoch = x->highest;
    epoch = on(EPOCH_PARITY) ? (unsigned)gw_epoch_next((uint8_t)s, epoch) : epoch + 1;
    unsigned fork = again && !x->clean ? x->reserved : x->seq;
    incarnation_new(w, s, GW_BIRTH_PROMOTION, epoch, fork, GW_MAX(had, (unsigned)x->seq));
    x->seq = x->reserved = (uint8_t)fork;
    x->role = GW_ROLE_ACTIVE;
    x->clean = x->may_serve = 1;
    x->reigns++;
    x->token = 0;
    x->recorded = GW_RECORDED_UNSYNC;
    x->sync_boot = x->signed_cur = x->survivor = 0;
    x->service = SV_WAITING;
    x->rseq = x->dseq = x->aseq = 0;
    say("%c is PROMOTED: incarnation %u, epoch %u, fork %u", 'A' + s, x->cur, epoch, fork);
}

void promote(struct world *w, unsigned s, enum promotion how, enum dies dies)
{
    struct site *x = &w->s[s];
    unsigned had = 0;
    w->promotions--;
    if (w->ses.up)
        session_over(w);
    open_plan(w, s);
    x->found = 0;
    if (x->role != GW_ROLE_ACTIVE && x->pending != PEND_REWIND && x->pending != PEND_ROLLBACK)
        settle(w, s);
    bool newest = how != TO_POINT && x->pending == PEND_NONE;
    bool between = dies == DIES_BETWEEN_VOLUMES, died = false;
    if (x->pending == PEND_RESYNC || x->pending == PEND_ROLLBACK) {
        had = x->seq;
        died = roll_back(w, s, between);
    }
    if (how == TO_POINT && !died)
        died = rewind_to_point(w, s, between, &had);
    if (died || dies == DIES_BEFORE_REIGN) {
        w->promotions++;
        w->crashes--;
        say("%c: its process dies meanwhile", 'A' + s);
        forget_memory(x);
        return;
    }
    if (how == CONFIRM_ALONE)
        promise_nothing(w, s); /* a person says that the peer is no more */
    check_promotion(w, s, newest);
    begin_reign(w, s, had);
}

/* ---- restored from a backup --------------------------------------------------------------------
 */

bool may_restore(const struct world *w, unsigned s)
{
    const struct site *x = &w->s[s];
    return w->restores > 0 && x->b_have && x->role != GW_ROLE_ACTIVE;
}

void restore(struct world *w, unsigned s)
{
    struct site *x = &w->s[s];
    w->restores--;
    say("%c is restored from its backup", 'A' + s);
    if (w->ses.up)
        session_over(w);
    struct site old = {
        .disk = x->b_img,
        .eff = x->b_img,
        .cur = x->b_cur,
        .seq = x->b_seq,
        .highest = x->b_highest,
        .role = GW_ROLE_STANDBY,
        .recorded = GW_RECORDED_UNSYNC,
        .clean = 1,
        .consistent = 1,
        .reached_uuid = x->b_reached_uuid,
        .reached_seq = x->b_reached_seq,
        .set = x->b_set,
        .dset = x->b_set,
        .cl_uuid = x->b_cl_uuid,
        .cl_seq = x->b_cl_seq,
        .dcl_uuid = x->b_cl_uuid,
        .dcl_seq = x->b_cl_seq,
        .up = 1,
        .boot = (uint8_t)(x->boot + 1),
        .rseq = x->b_seq,
        .dseq = x->b_seq,
        .aseq = x->b_seq,
        .jstream = x->b_cur,
    };
    *x = old;
}
