// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What must hold: after every step, when a session begins, at a promotion. */
#include "world.h"

const char *const broken_text[BROKEN_MAX] = {
    [OK] = "fine",
    [NOT_PREFIX] = "a standby that says it is consistent is not the prefix that it names",
    [NOT_COVERED] = "blocks differ that neither map knows, and nothing is compared",
    [STREAM_DIFFERS] = "the verdict streams, but the images differ by more than the ring holds",
    [TAIL_MISSED] = "an answered write is overwritten, and nobody was asked to sign",
    [SYNC_LOST] = "a write answered under a recorded SYNC is lost after one fault",
    [INCONSISTENT_SOURCE] = "a side that is not consistent is source",
    [EPOCH_TWICE] = "two promotions have the same epoch number",
    [WRONGLY_DEPOSED] = "a side is deposed by one whose reign it knows",
    [POINT_NOT_PREFIX] = "a recovery point is not the prefix that its manifest names",
    [TOKEN_STALE] = "a token is valid, and its writer answered more and did not record UNSYNC",
    [BAD_UNDO] = "a target's undo file does not lead back to the state that it names",
    [SECOND_ACTIVE] = "a side begins to serve again beside another active one",
};

static bool in_ring(const struct site *x, unsigned b)
{
    for (unsigned i = 0; i < x->nring; i++)
        if (x->ring[i].type == REC_WRITE && x->ring[i].block == b)
            return true;
    return false;
}

/* Nothing that was answered may be lost by what begins here, unless a person signs. */
static void check_tail(struct world *w, const struct gw_verdict *v)
{
    unsigned s = (unsigned)v->source, t = (unsigned)v->target;
    bool asked = w->s[t].pending == PEND_RESYNC ? w->s[t].undo_diverged : v->diverged;
    for (unsigned i = 1; i <= w->writes; i++) {
        const struct value *x = &w->value[i];
        if (!x->acked || !holds(w, t, i))
            continue;
        if (!holds(w, s, i)) {
            if (!asked)
                violated(w, TAIL_MISSED);
        } else if (x->synced && x->boot == w->s[t].boot && block_of(settled(w, t), x->block) == i &&
                   block_of(settled(w, s), x->block) < i) {
            violated(w, SYNC_LOST); /* the source has it by its number, but no longer in fact */
        }
    }
}

void check_flow(struct world *w, const struct gw_verdict *v)
{
    unsigned s = (unsigned)v->source, t = (unsigned)v->target;
    const struct site *x = &w->s[s];
    bool stream = v->action == GW_VERDICT_IN_SYNC || v->action == GW_VERDICT_STREAM;
    if (!x->consistent || x->pending != PEND_NONE)
        violated(w, INCONSISTENT_SOURCE);
    check_tail(w, v);
    uint8_t theirs = settled(w, t);
    for (unsigned b = 0; stream && b < BLOCKS; b++) {
        bool differ = block_of(theirs, b) != block_of(settled(w, s), b);
        if (differ && !in_ring(x, b) && !(x->op && x->op_block == b))
            violated(w, STREAM_DIFFERS);
    }
}

/* The copy begins: every difference is in the set that the source will send. */
void check_union(struct world *w)
{
    const struct site *x = &w->s[w->ses.source], *y = &w->s[1 - w->ses.source];
    for (unsigned b = 0; b < BLOCKS; b++) {
        bool known = (x->set >> b) & 1 || (x->op && x->op_block == b);
        if (block_of(x->eff, b) != block_of(y->eff, b) && !known)
            violated(w, NOT_COVERED);
    }
}

static bool is_prefix(struct world *w, const struct site *x, unsigned seq, uint8_t image)
{
    const uint8_t *is = image_at(w, x->cur, seq);
    return is == NULL || *is == image;
}

/* The image of a new reign is a prefix; a standby that never lost its boot has every write that was
 * answered under a SYNC that names it. */
void check_promotion(struct world *w, unsigned s, bool newest)
{
    const struct site *x = &w->s[s];
    if (x->role != GW_ROLE_ACTIVE && !x->fuzzy && !is_prefix(w, x, x->seq, x->eff))
        violated(w, NOT_PREFIX);
    for (unsigned i = 1; newest && i <= w->writes; i++) {
        const struct value *v = &w->value[i];
        if (v->synced && w->inc[v->uuid].site != s && v->boot == x->boot && !x->b_have &&
            !holds(w, s, i))
            violated(w, SYNC_LOST);
    }
}

static void check_replica(struct world *w, const struct site *x, unsigned s)
{
    if (x->pending == PEND_NONE && x->consistent && !x->fuzzy &&
        !is_prefix(w, x, x->rseq, settled(w, s)))
        violated(w, NOT_PREFIX);
    if (x->pending == PEND_RESYNC && !x->undo_fuzzy) {
        uint8_t before = x->eff;
        for (unsigned b = 0; b < BLOCKS; b++)
            if (x->undo_mask & (1u << b))
                before = with_block(before, b, block_of(x->undo, b));
        if (!is_prefix(w, x, x->seq, before))
            violated(w, BAD_UNDO);
    }
}

/* R17: a token says that its holder has all that its writer ever answered. A promotion replays the
 * journal first, so that any durable record behind it voids it. */
static void check_token(struct world *w, const struct site *x, const struct site *y)
{
    if (!x->token || x->ja < x->jd || y->recorded == GW_RECORDED_UNSYNC)
        return;
    for (unsigned i = 1; i <= w->writes; i++)
        if (w->value[i].acked && w->value[i].uuid == x->token_uuid &&
            w->value[i].seq > x->token_seq)
            violated(w, TOKEN_STALE);
}

void check_world(struct world *w)
{
    for (unsigned s = 0; s < SITES; s++) {
        const struct site *x = &w->s[s];
        if (x->up && x->role != GW_ROLE_ACTIVE)
            check_replica(w, x, s);
        check_token(w, x, &w->s[1 - s]);
    }
}
