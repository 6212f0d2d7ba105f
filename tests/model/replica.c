// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The standby side: receive, journal, apply in order, undo, adopt; recovery points and backups. */
#include "world.h"

static bool is_replica(const struct site *s)
{
    return s->up && s->role != GW_ROLE_ACTIVE && s->service == SV_NONE;
}

/* ---- journal -------------------------------------------------------------------------------- */

bool may_receive(const struct world *w)
{
    const struct site *x = &w->s[w->ses.source], *t = &w->s[1 - w->ses.source];
    return w->ses.up && w->ses.mode != MODE_PREPARE && w->ses.received < x->nring &&
           t->nj < JOURNAL;
}

void receive(struct world *w)
{
    struct site *t = &w->s[1 - w->ses.source];
    const struct record *r = &w->s[w->ses.source].ring[w->ses.received++];
    t->journal[t->nj++] = *r;
    t->rseq = r->seq;
    t->jstream = w->ses.numbers;
    if (r->type == REC_WRITE || (r->type == REC_INJECT && on(R10_INJECTED)))
        t->p_since |= (uint8_t)(t->p_have << r->block);
    say("%c receives number %u", 'A' + 1 - w->ses.source, t->rseq);
    if (bound.eager)
        settle(w, 1 - w->ses.source);
}

bool may_journal_sync(const struct world *w, unsigned s)
{
    return is_replica(&w->s[s]) && (w->s[s].dseq != w->s[s].rseq);
}

void journal_sync(struct world *w, unsigned s)
{
    struct site *t = &w->s[s];
    t->jd = t->nj;
    t->dseq = t->rseq;
    say("%c makes its journal durable through %u", 'A' + s, t->dseq);
}

/* ---- apply ---------------------------------------------------------------------------------- */

/* R13 */
bool may_apply(const struct world *w, unsigned s)
{
    const struct site *t = &w->s[s];
    return is_replica(t) && t->ja < (on(R13) ? t->jd : t->nj);
}

static void drop_applied(struct site *t)
{
    unsigned n = t->ja;
    for (unsigned i = 0; i < JOURNAL; i++)
        t->journal[i] = i + n < JOURNAL ? t->journal[i + n] : (struct record){ 0 };
    t->nj -= (uint8_t)n;
    t->jd = t->jd > n ? (uint8_t)(t->jd - n) : 0;
    t->ja = 0;
}

/* The position into meta, after an fdatasync of the volumes. */
bool may_mark(const struct world *w, unsigned s)
{
    return is_replica(&w->s[s]) && w->s[s].ja > 0;
}

void mark(struct world *w, unsigned s)
{
    struct site *t = &w->s[s];
    t->disk = t->eff;
    t->reached_uuid = t->jstream;
    t->reached_seq = t->aseq;
    if (t->pending == PEND_NONE)
        t->seq = t->aseq;
    drop_applied(t);
    say("%c marks its position, %u", 'A' + s, t->aseq);
}

static void write_block(struct site *t, const struct record *r)
{
    uint8_t bit = (uint8_t)(1u << r->block);
    bool keep = r->type == REC_INJECT || on(UNDO_FIRST);
    if (t->pending == PEND_RESYNC && keep && !(t->undo_mask & bit)) { /* the first image wins */
        t->undo_mask |= bit;
        t->undo = with_block(t->undo, r->block, block_of(t->eff, r->block));
    }
    t->eff = with_block(t->eff, r->block, r->value);
}

/* R8: flush, then the source's identity in one step. */
static void adopt(struct world *w, unsigned s, const struct record *fin)
{
    struct site *t = &w->s[s];
    unsigned epoch = w->inc[fin->value].epoch;
    if (on(R8))
        t->disk = t->eff;
    t->cur = fin->value;
    t->seq = t->fin_seq;
    t->fuzzy = fin->block;
    t->aseq = t->fin_seq;
    if (t->jstream >= SESSION)
        t->rseq = t->dseq = t->fin_seq;
    t->jstream = t->cur;
    if (epoch > t->highest)
        t->highest = (uint8_t)epoch;
    t->reached_uuid = t->cl_uuid = t->dcl_uuid = t->cur;
    t->reached_seq = t->cl_seq = t->dcl_seq = t->seq;
    t->pending = PEND_NONE;
    t->consistent = t->clean = 1;
    t->role = GW_ROLE_STANDBY;
    t->recorded = GW_RECORDED_UNSYNC;
    t->sync_boot = 0;
    t->token = 0;
    t->signed_cur = t->survivor = t->fin_seq = 0;
    t->undo = t->undo_mask = t->undo_diverged = t->undo_fuzzy = 0;
    t->set = t->dset = 0;
    w->ses.finished = w->ses.up;
    say("%c adopts FIN: it stands at %u:%u", 'A' + s, t->cur, t->seq);
}

void apply(struct world *w, unsigned s)
{
    struct site *t = &w->s[s];
    const struct record r = t->journal[t->ja++];
    t->aseq = r.seq;
    t->token = 0; /* it is true for its own moment only */
    if (t->found > 0)
        t->found--;
    say("%c applies number %u", 'A' + s, r.seq);
    if (r.type == REC_WRITE || r.type == REC_INJECT) {
        write_block(t, &r);
    } else if (r.type == REC_FIN && t->pending == PEND_RESYNC) {
        adopt(w, s, &r);
        drop_applied(t);
    } else if (r.type == REC_HANDOVER || r.type == REC_VOID) {
        bool matched = r.type == REC_HANDOVER && r.value == t->cur && t->pending == PEND_NONE &&
                       t->consistent && t->set == 0;
        /* Nobody can release on a token of a session that is gone. */
        if (on(R17_SESSION) && !(w->ses.up && w->ses.source != s && w->ses.token_seq == r.seq))
            matched = false;
        mark(w, s);
        t->token = matched;
        t->token_uuid = matched ? t->cur : 0;
        t->token_seq = matched ? r.seq : 0;
    }
}

/* Everything received is durable, applied, marked. */
void settle(struct world *w, unsigned s)
{
    struct site *t = &w->s[s];
    if (t->nj == 0 && t->dseq == t->rseq)
        return;
    t->jd = t->nj;
    t->dseq = t->rseq;
    while (t->ja < t->nj)
        apply(w, s);
    if (t->ja > 0)
        mark(w, s);
}

uint8_t settled(const struct world *w, unsigned s)
{
    const struct site *t = &w->s[s];
    uint8_t image = t->eff;
    for (unsigned i = t->ja; i < t->nj; i++)
        if (t->journal[i].type == REC_WRITE || t->journal[i].type == REC_INJECT)
            image = with_block(image, t->journal[i].block, t->journal[i].value);
    return image;
}

/* ---- points and backups ---------------------------------------------------------------------- */

/* R15: not before the journal found at start is replayed, not while inconsistent. */
bool may_point(const struct world *w, unsigned s)
{
    const struct site *t = &w->s[s];
    return w->points > 0 && is_replica(t) && t->pending == PEND_NONE && t->consistent &&
           (t->found == 0 || !on(R15));
}

void point(struct world *w, unsigned s)
{
    struct site *t = &w->s[s];
    w->points--;
    if (t->ja > 0)
        mark(w, s);
    t->p_have = 1;
    t->p_cur = t->cur;
    t->p_seq = t->seq;
    t->p_img = t->eff;
    t->p_fuzzy = t->fuzzy;
    t->p_reigns = t->reigns;
    t->p_since = 0;
    for (unsigned i = 0; i < t->nj; i++)
        if (t->journal[i].type == REC_WRITE || t->journal[i].type == REC_INJECT)
            t->p_since |= (uint8_t)(1u << t->journal[i].block);
    say("%c makes a recovery point at %u:%u", 'A' + s, t->p_cur, t->p_seq);
    const uint8_t *is = image_at(w, t->p_cur, t->p_seq);
    if (!t->fuzzy && is != NULL && *is != t->p_img)
        violated(w, POINT_NOT_PREFIX);
}

/* A copy of a standby's whole directory, taken between two records. */
bool may_backup(const struct world *w, unsigned s)
{
    const struct site *t = &w->s[s];
    return w->restores > 0 && !t->b_have && is_replica(t) && t->pending == PEND_NONE && t->nj == 0;
}

void backup(struct world *w, unsigned s)
{
    struct site *t = &w->s[s];
    t->b_have = 1;
    t->b_img = t->eff;
    t->b_cur = t->cur;
    t->b_seq = t->seq;
    t->b_set = t->dset;
    t->b_cl_uuid = t->dcl_uuid;
    t->b_cl_seq = t->dcl_seq;
    t->b_reached_uuid = t->reached_uuid;
    t->b_reached_seq = t->reached_seq;
    t->b_highest = t->highest;
    say("%c is copied to a backup at %u:%u", 'A' + s, t->b_cur, t->b_seq);
}
