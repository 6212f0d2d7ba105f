// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The source of a session: what it injects, what an acknowledgement means; the handover. */
#include "world.h"

static void push(struct world *w, unsigned s, enum record_type type, unsigned block, unsigned value)
{
    struct site *x = &w->s[s];
    unsigned seq = take_number(w, s);
    x->ring[x->nring++] = (struct record){
        .type = type & 7, .block = block & 1, .value = value & 15, .seq = (uint8_t)seq
    };
}

/* ---- copy ----------------------------------------------------------------------------------- */

/* Read under the range lock. After FIN nothing is injected (R3). */
bool may_inject(const struct world *w, unsigned b)
{
    const struct site *x = &w->s[w->ses.source];
    if (!w->ses.up || w->ses.mode != MODE_RESYNC || !(x->set & (1u << b)))
        return false;
    return (!w->ses.fin_queued || !on(R3_FIN)) && !(x->op && x->op_block == b) &&
           x->nring + 1 < RING && has_room(w, w->ses.source);
}

void inject(struct world *w, unsigned b)
{
    struct site *x = &w->s[w->ses.source];
    x->set &= (uint8_t) ~(1u << b);
    x->flight |= (uint8_t)(1u << b);
    push(w, w->ses.source, REC_INJECT, b, block_of(x->eff, b));
    say("%c injects block %u (%u), number %u", 'A' + w->ses.source, b, block_of(x->eff, b),
        x->nseq);
}

/* Nothing is left to inject, and no write is about to mark a bit. */
bool may_fin(const struct world *w)
{
    const struct site *x = &w->s[w->ses.source];
    return w->ses.up && w->ses.mode == MODE_RESYNC && !w->ses.fin_queued &&
           (x->set == 0 && (!(x->op && !x->op_claimed) || !on(R3_FIN))) && x->nring < RING &&
           has_room(w, w->ses.source);
}

/* The position to adopt: this record's, or where the source stands if the numbers are a session's.
 */
void fin(struct world *w)
{
    unsigned s = w->ses.source;
    struct site *x = &w->s[s];
    push(w, s, REC_FIN, x->fuzzy, x->cur);
    w->ses.fin_queued = 1;
    w->s[1 - s].fin_seq = w->ses.numbers >= SESSION ? x->seq : x->nseq;
    say("%c queues FIN, number %u", 'A' + s, x->nseq);
}

/* ---- acknowledgements ----------------------------------------------------------------------- */

/* The position that the source believes. Numbers are of this session only (R4). */
static unsigned believed(const struct world *w)
{
    const struct site *t = &w->s[1 - w->ses.source];
    unsigned d = on(R3_DURABLE) ? t->dseq : t->rseq;
    return d < t->rseq ? d : t->rseq;
}

bool may_ack(const struct world *w)
{
    const struct site *x = &w->s[w->ses.source];
    if (!w->ses.up || w->ses.mode == MODE_PREPARE)
        return false;
    return (w->ses.received > 0 && x->ring[0].seq <= believed(w)) ||
           (w->ses.finished && w->ses.mode == MODE_RESYNC) ||
           (w->ses.token_seq != 0 && !w->ses.token_matched && w->s[1 - w->ses.source].token &&
            w->s[1 - w->ses.source].aseq >= w->ses.token_seq);
}

static bool again_in_ring(const struct site *x, unsigned b)
{
    for (unsigned i = 1; i < x->nring; i++)
        if (x->ring[i].type == REC_INJECT && x->ring[i].block == b)
            return true;
    return false;
}

/* In order and durable (R3). A block that was marked again keeps its bit. */
static void pop(struct site *x)
{
    unsigned b = x->ring[0].block;
    if (x->ring[0].type == REC_INJECT && !again_in_ring(x, b)) {
        x->flight &= (uint8_t) ~(1u << b);
        if (!on(R3_AGAIN))
            x->set &= (uint8_t) ~(1u << b);
    }
    for (unsigned i = 0; i + 1 < x->nring; i++)
        x->ring[i] = x->ring[i + 1];
    x->ring[--x->nring] = (struct record){ 0 };
}

void ack(struct world *w)
{
    unsigned s = w->ses.source, through = believed(w);
    struct site *x = &w->s[s];
    const struct site *t = &w->s[1 - s];
    while (w->ses.received > 0 && x->ring[0].seq <= through) {
        pop(x);
        w->ses.received--;
        x->acked = (uint8_t)through;
        if (w->ses.numbers < SESSION) { /* R5 */
            x->cl_uuid = w->ses.numbers;
            x->cl_seq = (uint8_t)through;
        }
    }
    say("%c hears that %u is durable", 'A' + s, through);
    if (t->token && w->ses.token_seq != 0 && t->aseq >= w->ses.token_seq)
        w->ses.token_matched = 1;
    if (!w->ses.finished || w->ses.mode != MODE_RESYNC || w->ses.received > 0)
        return;
    say("%c hears that %c is consistent", 'A' + s, 'A' + 1 - s);
    if (w->ses.numbers >= SESSION) {
        session_over(w); /* healed */
        return;
    }
    w->ses.mode = MODE_STREAM;
    w->ses.sync_from = x->nseq;
}

/* ---- handover ------------------------------------------------------------------------------- */

static bool equal(const struct world *w, unsigned s)
{
    const struct site *x = &w->s[s];
    return w->ses.up && w->ses.source == s && w->ses.mode == MODE_STREAM && x->attached &&
           x->nring == 0 && (x->set | x->flight) == 0 && x->acked == x->nseq;
}

/* Quiesce, fdatasync (R17), both sets empty, then the token's record. */
bool may_hand_over(const struct world *w, unsigned s)
{
    const struct site *x = &w->s[s];
    return w->handovers > 0 && x->service == SV_SERVING && !x->op && equal(w, s) && has_room(w, s);
}

void hand_over(struct world *w, unsigned s)
{
    struct site *x = &w->s[s];
    w->handovers--;
    x->service = SV_QUIESCED;
    if (on(R17_FSYNC))
        x->disk = x->eff;
    push(w, s, REC_HANDOVER, 0, x->cur);
    w->ses.token_seq = x->nseq;
    w->ses.token_matched = 0;
    say("%c quiesces and sends HANDOVER, number %u", 'A' + s, x->nseq);
}

bool may_release(const struct world *w, unsigned s)
{
    const struct site *x = &w->s[s];
    return x->service == SV_QUIESCED && w->ses.token_matched && w->ses.token_seq == x->nseq &&
           equal(w, s);
}

void release(struct world *w, unsigned s)
{
    struct site *x = &w->s[s];
    say("%c releases: it serves no more", 'A' + s);
    session_over(w);
    maps_save(w, s);
    x->recorded = GW_RECORDED_UNSYNC;
    x->sync_boot = 0;
    out_of_service(x);
    x->role = GW_ROLE_STANDBY;
}

/* Called off: an empty token after it voids it at the target. */
bool may_void(const struct world *w, unsigned s)
{
    const struct site *x = &w->s[s];
    return x->service == SV_QUIESCED && w->ses.up && w->ses.token_seq == x->nseq && on(R17_VOID) &&
           x->nring < RING && has_room(w, s);
}

void void_token(struct world *w, unsigned s)
{
    push(w, s, REC_VOID, 0, 0);
    w->ses.token_matched = 0;
    say("%c sends an empty token, number %u", 'A' + s, w->s[s].nseq);
}

/* told: it is durable at the target. Else UNSYNC is made durable here instead. */
bool may_unquiesce(const struct world *w, unsigned s, bool told)
{
    const struct site *x = &w->s[s];
    if (x->service != SV_QUIESCED)
        return false;
    if (told && on(R17_VOID))
        return w->ses.up && w->ses.token_seq != 0 && w->ses.token_seq < x->nseq && x->nring == 0;
    return true;
}

void unquiesce(struct world *w, unsigned s, bool told)
{
    struct site *x = &w->s[s];
    x->service = SV_SERVING;
    w->ses.token_seq = w->ses.token_matched = 0;
    if (!told && on(R17_VOID)) {
        promise_nothing(w, s);
        if (w->ses.up && on(R17_RECORD))
            session_over(w); /* the next hello voids it, before anything else is recorded */
    }
    say("%c calls the handover off%s", 'A' + s, told ? "" : ", UNSYNC is durable");
}
