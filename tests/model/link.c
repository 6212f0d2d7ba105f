// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The link: hello, verdict, what follows from it, and the end of a session. */
#include "world.h"

#include <string.h>

bool may_connect(const struct world *w)
{
    return w->connects > 0 && w->s[0].up && w->s[1].up && !w->ses.up;
}

/* What each side does before it makes its statement (own_hello). */
static void before_hello(struct world *w, unsigned s)
{
    struct site *x = &w->s[s];
    if (x->role == GW_ROLE_ACTIVE)
        return;
    if (x->pending != PEND_NONE)
        settle(w, s);
    if (x->dseq != x->rseq)
        journal_sync(w, s);
    if (x->token && w->s[1 - s].role == GW_ROLE_ACTIVE && on(R17_HELLO)) {
        x->token = 0;
        say("%c voids its token", 'A' + s);
    }
}

static bool is_ancestor(const struct world *w, unsigned old, unsigned of)
{
    for (unsigned u = of; u != 0; u = w->inc[u].parent)
        if (u == old)
            return true;
    return false;
}

static void depose(struct world *w, unsigned t)
{
    unsigned u = w->s[1 - t].cur;
    while (u != 0 && w->inc[u].birth == GW_BIRTH_RESTART)
        u = w->inc[u].parent;
    /* Only a promotion that the deposed side does not know may depose it; a crash may not. */
    if (is_ancestor(w, u, w->s[t].cur))
        violated(w, WRONGLY_DEPOSED);
    if (!on(EPOCH_RESTART) && w->inc[w->s[t].cur].site != w->inc[w->inc[w->s[t].cur].parent].site)
        violated(w, WRONGLY_DEPOSED);
    fence(w, t);
}

/* ---- streams -------------------------------------------------------------------------------- */

static void adopt_at_fork(struct world *w, unsigned t, unsigned uuid)
{
    struct site *y = &w->s[t];
    settle(w, t);
    y->cur = (uint8_t)uuid;
    y->role = GW_ROLE_STANDBY;
    y->service = SV_NONE;
    y->clean = 1;
    y->token = 0;
    y->recorded = GW_RECORDED_UNSYNC;
    y->sync_boot = 0;
    y->reached_uuid = y->jstream = y->cur;
    y->reached_seq = y->rseq = y->dseq = y->aseq = y->seq;
    if (w->inc[uuid].epoch > y->highest)
        y->highest = w->inc[uuid].epoch;
}

static bool start_stream(struct world *w, unsigned s, int row)
{
    struct site *x = &w->s[s], *y = &w->s[1 - s];
    if (y->cur != x->cur)
        adopt_at_fork(w, 1 - s, x->cur);
    if (!x->attached) {
        if (row != 6 || x->nseq != y->dseq || (x->op && !x->op_claimed))
            return false;
        x->attached = 1;
    }
    while (x->nring > 0 && x->ring[0].seq <= y->dseq) {
        memmove(&x->ring[0], &x->ring[1], (RING - 1) * sizeof x->ring[0]);
        x->ring[--x->nring] = (struct record){ 0 };
    }
    x->acked = y->dseq;
    if (on(R5_STREAM)) { /* what left the ring here was believed, too */
        x->cl_uuid = x->cur;
        x->cl_seq = y->dseq;
    }
    y->jstream = x->cur;
    w->ses = (struct session){ .up = 1, .source = (uint8_t)s, .mode = MODE_STREAM };
    w->ses.numbers = x->cur;
    w->ses.sync_from = x->nseq;
    if (x->sync_recorded && x->sync_boot != y->boot + 1)
        x->sync_recorded = 0; /* R18: recorded anew once this boot has everything */
    return true;
}

/* ---- copies --------------------------------------------------------------------------------- */

/* The source's half: UNSYNC, the ring into bits, the union durable (R6). */
static void start_copy(struct world *w, unsigned s, const struct gw_verdict *v)
{
    struct site *x = &w->s[s], *y = &w->s[1 - s];
    if (serving(x) && (x->sync_recorded || x->recorded == GW_RECORDED_NONE)) {
        promise_nothing(w, s);
    }
    if (!serving(x)) {
        settle(w, s);
        x->nseq = 0;
    }
    ring_to_set(w, s);
    x->attached = 0;
    if (v->compare_all)
        x->set = ALL;
    if (v->diverged)
        y->signed_cur = y->cur; /* a person has seen the list and signed */
    w->ses = (struct session){ .up = 1, .source = (uint8_t)s, .mode = MODE_PREPARE };
    w->ses.numbers = serving(x) ? x->cur : (uint8_t)(SESSION + w->sessions++);
    /* Kept until the target has it, too. */
    if (y->pending == PEND_NONE)
        y->undo_diverged = v->diverged;
    x->set |= y->set;
    if (on(R6_SET))
        maps_save(w, s);
}

bool may_prepare(const struct world *w)
{
    return w->ses.up && w->ses.mode == MODE_PREPARE;
}

/* The target's half: its journal applied (R7), an undo file (R16: the one it has), the union
 * durable, and inconsistent from here on (R6). */
void prepare(struct world *w)
{
    unsigned s = w->ses.source;
    struct site *x = &w->s[s], *y = &w->s[1 - s];
    if (on(R7)) {
        settle(w, 1 - s);
    } else {
        memset(y->journal, 0, sizeof y->journal);
        y->nj = y->jd = y->ja = 0;
    }
    if (y->pending != PEND_RESYNC || !on(R16)) {
        y->undo_mask = y->undo = 0;
        y->undo_fuzzy = y->fuzzy || crashed_active(y);
    }
    if (on(R6_SET)) {
        y->set |= x->set;
        maps_save(w, 1 - s);
    }
    if (on(R6_MARK)) {
        y->pending = PEND_RESYNC;
        y->consistent = 0;
    }
    y->role = GW_ROLE_STANDBY;
    y->service = SV_NONE;
    y->clean = 1;
    y->confirmed = y->token = y->may_serve = 0;
    y->fuzzy = 0;
    y->jstream = w->ses.numbers;
    if (on(R4) || y->dseq < x->nseq)
        y->dseq = x->nseq;
    y->rseq = y->aseq = x->nseq;
    x->acked = x->nseq;
    x->attached = serving(x);
    w->ses.mode = MODE_RESYNC;
    say("%c is a target now: inconsistent until FIN, set %u", 'A' + 1 - s, x->set);
    check_union(w);
}

/* ---- verdict --------------------------------------------------------------------------------- */

/* True if anything came of it. */
static bool flow(struct world *w, const struct gw_verdict *v)
{
    unsigned s = (unsigned)v->source;
    struct site *x = &w->s[s];
    if (!serving(x) && x->role == GW_ROLE_ACTIVE) {
        if (crashed_active(x) && w->incs >= INCS)
            return false;
        begin_serving(w, s); /* confirmed: then they look again */
        return true;
    }
    struct site *y = &w->s[1 - s];
    if (y->role == GW_ROLE_ACTIVE && y->may_serve)
        return false; /* no replica is started on a side that was promoted to serve next */
    y->service = SV_NONE;
    bool stream = v->action == GW_VERDICT_IN_SYNC || v->action == GW_VERDICT_STREAM;
    if (stream && !serving(x))
        return false; /* nothing to heal */
    if (!stream && !serving(x) && w->sessions + SESSION >= 15)
        return false;
    check_flow(w, v);
    if (stream)
        return start_stream(w, s, v->row);
    start_copy(w, s, v);
    return true;
}

void connect_sites(struct world *w)
{
    struct gw_verdict v;
    bool something = false;
    before_hello(w, 0);
    before_hello(w, 1);
    judge(w, &v);
    say("they connect: row %d, %s", v.row, v.sentence);
    switch (v.action) {
    case GW_VERDICT_DEPOSE:
        depose(w, (unsigned)v.target);
        something = true;
        break;
    case GW_VERDICT_SPLIT_BRAIN:
        if (v.row == 2) {
            fence(w, 0);
            fence(w, 1);
            something = true;
        }
        w->split = v.row == 13;
        break;
    case GW_VERDICT_FULL:
    case GW_VERDICT_IN_SYNC:
    case GW_VERDICT_STREAM:
    case GW_VERDICT_RESYNC:
        something = flow(w, &v);
        break;
    case GW_VERDICT_REFUSE:
    case GW_VERDICT_ROLLED_BACK:
    case GW_VERDICT_QUESTION:
    case GW_VERDICT_ACTION_MAX:
        break;
    }
    if (something) {
        w->connects--;
        w->split = 0;
    }
}

/* A person names the survivor of a split brain, at the side that will be overwritten. */
bool may_choose(const struct world *w, unsigned s)
{
    return w->split && !w->ses.up && w->s[s].consistent && !serving(&w->s[1 - s]) && w->s[1 - s].up;
}

void choose(struct world *w, unsigned s)
{
    w->s[1 - s].survivor = w->s[s].cur;
    w->split = 0;
    say("a person names %c the survivor", 'A' + s);
}

/* ---- end ------------------------------------------------------------------------------------- */

bool may_lose_link(const struct world *w)
{
    return w->losses > 0 && w->ses.up;
}

void lose_link(struct world *w)
{
    w->losses--;
    say("the link is lost");
    session_over(w);
}

void session_over(struct world *w)
{
    struct site *x = &w->s[w->ses.source];
    if (w->ses.mode == MODE_RESYNC || !serving(x)) {
        ring_to_set(w, w->ses.source);
        x->attached = 0;
    }
    x->set |= x->flight;
    x->flight = 0;
    if (!serving(x))
        x->nseq = x->acked = 0;
    w->ses = (struct session){ 0 };
}
