// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The step function: an event is taken in, then what is due is done.
 *
 * Invariants, each checked by the model and the simulator:
 *  A1  the write path is granted only while this site is the holder by its durable state, has let
 *      go of nothing, and (witness) a renewal *sent* less than H ago was borne out by one other.
 *  A2  an epoch, a release, a promise of a new epoch, SYNC and a swap that may land late are
 * durable before the effect by which anybody could learn of them. A3  a lapsed lease ends with its
 * incarnation. A4  d.highest never sinks, so that a number is used once.
 *
 *      NONE --acquire--> VALID --H - S passed--> EXPIRING --H passed--> LAPSED
 *                          ^------a renewal---------+                     |
 *                          ^---------------acquire, new incarnation-------+
 *      any --a later epoch of the other site is seen--> NONE, fenced
 */
#include "authority/authority_internal.h"

#include <assert.h>

void gw_authority_init(struct gw_authority *s, const struct gw_authority_config *config,
                       const struct gw_authority_durable *durable)
{
    *s = (struct gw_authority){ .config = *config, .d = *durable, .revision = -1 };
    if (s->d.epoch == 0) {
        s->d.holder = GW_SEAT_NONE;
        s->d.released_to = GW_SEAT_NONE;
    }
}

struct gw_authority_effect *gw_au_effect(struct gw_authority_effects *out,
                                         enum gw_authority_effect_kind kind)
{
    assert(out->n < GW_AUTHORITY_EFFECTS_MAX);
    struct gw_authority_effect *e = &out->e[out->n++];
    *e = (struct gw_authority_effect){ .kind = kind };
    return e;
}

void gw_au_store(const struct gw_authority *s, struct gw_authority_effects *out)
{
    gw_au_effect(out, GW_DO_STORE)->durable = s->d;
}

/* P1: one's own parity, above everything that was seen. */
uint64_t gw_au_next_epoch(const struct gw_authority *s, uint64_t highest)
{
    if (!gw_au_keeps(s, GW_RULE_P1_PARITY))
        return highest + 1;
    return gw_authority_next_number(highest, gw_au_self(s));
}

void gw_au_close(struct gw_authority *s, struct gw_authority_effects *out)
{
    if (!s->open)
        return;
    s->close_id = ++s->serial;
    gw_au_effect(out, GW_DO_REVOKE)->id = s->close_id;
    s->open = false;
    s->closed = false;
}

static void depose(struct gw_authority *s, struct gw_authority_effects *out)
{
    s->open = true; /* whatever is believed: it is told to close */
    gw_au_close(s, out);
    s->grip = GW_GRIP_NONE;
    s->goal = GW_GOAL_NONE;
    s->told_service = s->alone = s->unsync_recorded = s->void_due = s->waiting = false;
    s->confirmed = s->copy_known = s->copy_due = s->away_due = false;
}

void gw_au_adopt(struct gw_authority *s, uint64_t epoch, enum gw_seat holder,
                 enum gw_seat released_to, struct gw_authority_effects *out)
{
    const bool held = s->d.holder == gw_au_self(s);
    const bool let_go = s->d.released_to != GW_SEAT_NONE;
    s->d.epoch = epoch;
    s->d.highest = GW_MAX(s->d.highest, epoch);
    s->d.holder = holder;
    s->d.released_to = released_to;
    s->d.intent = false;
    if (!held)
        s->d.served = false;
    if (holder != gw_au_self(s)) {
        s->d.peer_epoch = epoch;
        s->d.split = false;
        s->d.sole = s->d.push = s->d.sync_sent = s->d.overridden = s->d.alone = false;
        if (held) {
            s->d.token = false;
            s->d.fenced = !let_go; /* it may have a tail; who let go has none */
            depose(s, out);
        }
    }
    gw_au_store(s, out);
    if (s->d.fenced && held && holder != gw_au_self(s))
        gw_au_effect(out, GW_DO_FENCED);
}

void gw_au_reign(struct gw_authority *s, uint64_t epoch, struct gw_authority_effects *out)
{
    if (s->d.holder != gw_au_self(s))
        s->d.served = false; /* a takeover; else it goes on */
    s->d.epoch = epoch;
    s->d.highest = GW_MAX(s->d.highest, epoch);
    s->d.holder = gw_au_self(s);
    s->d.own_epoch = epoch;
    s->d.released_to = GW_SEAT_NONE;
    s->d.boot = s->boot;
    s->d.fenced = s->d.token = false;
    s->grip = GW_GRIP_NONE;
    s->told_service = false;
    s->alone = s->unsync_recorded = false;
    gw_au_store(s, out);
}

void gw_au_send(struct gw_authority *s, struct gw_authority_effects *out,
                struct gw_authority_message m)
{
    m.epoch = s->d.epoch;
    m.holder = s->d.holder;
    m.own = s->d.own_epoch;
    m.released_to = s->d.released_to;
    m.token = s->d.token;
    gw_au_effect(out, GW_DO_SEND)->message = m;
}

void gw_au_ask(struct gw_authority *s, struct gw_asking *q, struct gw_authority_effects *out,
               struct gw_authority_message m)
{
    *q = (struct gw_asking){ .busy = true, .id = ++s->serial, .sent = s->now };
    m.serial = q->id;
    gw_au_send(s, out, m);
}

static bool answers(const struct gw_authority *s, struct gw_asking *q, uint64_t serial)
{
    if (!q->busy || q->id != serial)
        return false;
    q->busy = false;
    return gw_instant_passed_max(&q->sent, &s->now) <= gw_au_ms(s->config.limits.reply_ms);
}

/* Whatever the peer says, it says what it knows. */
static void hear(struct gw_authority *s, const struct gw_authority_message *m,
                 struct gw_authority_effects *out)
{
    if (m->holder != GW_SEAT_FIRST && m->holder != GW_SEAT_SECOND)
        return;
    if (m->own > s->d.peer_epoch && m->own < s->d.epoch && s->d.holder == gw_au_self(s) &&
        !s->config.witness) {
        /* Two promotions that did not know of each other: numbers say nothing about time, so the
         * higher does not simply win. Who serves, serves on; else a person names the survivor. */
        s->d.peer_epoch = m->own;
        s->d.split = true;
        gw_au_store(s, out);
    }
    if (m->epoch > s->d.epoch && m->holder != gw_au_self(s)) {
        gw_au_adopt(s, m->epoch, m->holder, m->released_to, out);
    } else if (m->epoch == s->d.epoch && m->holder == s->d.holder && m->holder != gw_au_self(s) &&
               m->released_to != s->d.released_to && !s->config.witness) {
        s->d.released_to = m->released_to;
        gw_au_store(s, out);
    } else if (m->epoch > s->d.highest) {
        s->d.highest = m->epoch; /* a number of one's own that was promised and forgotten */
        gw_au_store(s, out);
    }
    if (m->token && !s->d.token && m->holder != gw_au_self(s) && m->epoch == s->d.epoch) {
        s->d.token = true;
        gw_au_store(s, out);
    }
}

static void on_message(struct gw_authority *s, const struct gw_authority_message *m,
                       struct gw_authority_effects *out)
{
    hear(s, m, out);
    switch (m->kind) {
    case GW_MSG_CONTACT:
        gw_au_send(
            s, out,
            (struct gw_authority_message){ .kind = GW_MSG_CONTACT_ANSWER, .serial = m->serial });
        break;
    case GW_MSG_CONTACT_ANSWER:
        if (answers(s, &s->contact, m->serial)) {
            s->spoken = true;
            if (s->d.peer_fenced) { /* it answers: whatever was verified, it does not hold */
                s->d.peer_fenced = false;
                gw_au_store(s, out);
            }
            if (!s->config.witness)
                gw_au_pair_spoken(s, m, out);
        }
        break;
    case GW_MSG_PROMISE:
        gw_au_voter_promise(s, m, out);
        break;
    case GW_MSG_PROMISE_ANSWER:
        if (answers(s, &s->ask, m->serial))
            gw_au_holder_promised(s, m, out);
        break;
    case GW_MSG_TOKEN_VOID:
        gw_au_handover_void(s, m, out);
        break;
    case GW_MSG_TOKEN_VOID_ANSWER:
        if (answers(s, &s->voiding, m->serial))
            gw_au_handover_voided(s, m, out);
        break;
    case GW_MSG_MAX:
        break;
    }
}

static void on_boot(struct gw_authority *s, const struct gw_authority_event *ev,
                    struct gw_authority_effects *out)
{
    s->boot = ev->boot;
    s->serial = ev->nonce;
    s->open = ev->serving;
    s->closed = !ev->serving;
    s->look = true;
    /* A promise of an earlier life may run: none is kept on a disk, so all count as given now. */
    if (gw_au_keeps(s, GW_RULE_WAIT_RESTART)) {
        s->promised = true;
        s->promised_at = s->now;
    }
    /* SYNC says received, not durable: what it proved went with the machine's memory. */
    if (!s->d.served && s->d.claim_of_boot && !gw_uuid_equal(&s->d.boot, &s->boot))
        s->d.claim = GW_CLAIM_UNKNOWN;
    s->waiting = s->d.wait; /* from now on: when it began is not known any more */
    s->wait_from = s->now;
    s->maintenance_from = s->now;
    if (!s->config.witness)
        gw_au_pair_boot(s, out);
}

static void on_fence(struct gw_authority *s, bool fenced, struct gw_authority_effects *out)
{
    /* W3: until the register knows, the fence is all that keeps the other site from believing it.
     */
    if (!fenced && s->d.push && gw_au_is_holder(s) && gw_au_keeps(s, GW_RULE_W3_PUSH)) {
        out->refusal = GW_REFUSE_WITNESS;
        return;
    }
    s->d.peer_fenced = fenced;
    gw_au_store(s, out);
}

static enum gw_refusal on_order(struct gw_authority *s, const struct gw_authority_event *ev,
                                struct gw_authority_effects *out)
{
    switch (ev->order) {
    case GW_ORDER_CREATE:
        if (s->d.epoch != 0)
            return GW_REFUSE_HOLDER;
        gw_au_reign(s, gw_au_next_epoch(s, 0), out);
        if (!s->config.witness)
            gw_au_holder_begin(s, &s->now);
        return GW_ALLOWED;
    case GW_ORDER_RELEASE:
    case GW_ORDER_TOKEN:
    case GW_ORDER_CANCEL:
    case GW_ORDER_BACK:
        return gw_au_handover_order(s, ev, out);
    case GW_ORDER_TAKE:
    case GW_ORDER_FAIL_OVER:
    case GW_ORDER_FORCE:
    case GW_ORDER_CONFIRM:
    case GW_ORDER_STOP:
        return s->config.witness ? gw_au_challenger_order(s, ev, out)
                                 : gw_au_pair_order(s, ev, out);
    case GW_ORDER_CLEAR:
        s->d.fenced = false;
        gw_au_store(s, out);
        return GW_ALLOWED;
    case GW_ORDER_MAINTENANCE:
        return gw_au_holder_maintenance(s, ev);
    case GW_ORDER_MAX:
        break;
    }
    return GW_REFUSE_MODE;
}

bool gw_authority_is_active(const struct gw_authority *s)
{
    /* W1: a release that may still land keeps the path closed, whatever is decided meanwhile. */
    const uint8_t letting_go = 1u << GW_SWAP_RELEASE;
    return gw_au_is_holder(s) && s->grip == GW_GRIP_VALID && s->goal != GW_GOAL_RELEASE &&
           s->goal != GW_GOAL_BACK && (s->d.unresolved & letting_go) == 0 && !s->void_due &&
           !s->waiting && !s->d.fenced;
}

/* The authority came here: what was lost on the way, and the path opens. */
void gw_au_serve(struct gw_authority *s, struct gw_authority_effects *out)
{
    if (s->told_service)
        return;
    /* Said before it is written down that it was said, and before the path opens: a crash between
     * has it said twice, never lost. */
    const bool same = s->d.served;
    struct gw_authority_effect *e = gw_au_effect(out, GW_DO_SERVE);
    e->claim = same ? GW_CLAIM_SAME : s->d.claim;
    e->watermark = same ? 0 : s->d.claim_watermark;
    if (!same) {
        s->d.served = true;
        gw_au_store(s, out);
    }
    s->told_service = true;
}

static void grant(struct gw_authority *s, struct gw_authority_effects *out)
{
    if (!gw_authority_is_active(s)) {
        gw_au_close(s, out);
        return;
    }
    const bool news = s->granted_for.boot_ns != s->valid_from.boot_ns ||
                      s->granted_for.raw_ns != s->valid_from.raw_ns;
    if (s->open && (!news || !s->config.witness))
        return;
    uint64_t deadline = UINT64_MAX;
    if (s->config.witness) { /* what is left of H, by the faster of the holder's measures */
        const uint64_t passed = gw_instant_passed_max(&s->valid_from, &s->now);
        deadline = s->now.boot_ns + gw_au_ms(s->config.limits.hold_ms) - passed;
    }
    gw_au_serve(s, out);
    gw_au_effect(out, GW_DO_GRANT)->deadline_ns = deadline;
    s->granted_for = s->valid_from;
    s->open = true;
    s->closed = false;
}

static void speak(struct gw_authority *s, struct gw_authority_effects *out)
{
    const uint64_t passed = gw_instant_passed_max(&s->contact_tried, &s->now);
    if (s->contact.busy &&
        gw_instant_passed_max(&s->contact.sent, &s->now) > gw_au_ms(s->config.limits.reply_ms))
        s->contact.busy = false;
    if (s->contact.busy ||
        (gw_instant_is_set(&s->contact_tried) && passed < gw_au_ms(s->config.limits.renew_ms)))
        return;
    s->contact_tried = s->now;
    gw_au_ask(s, &s->contact, out, (struct gw_authority_message){ .kind = GW_MSG_CONTACT });
}

static void stop_waiting(struct gw_authority *s, struct gw_authority_effects *out)
{
    s->waiting = s->d.wait = false;
    gw_au_store(s, out);
}

static void drive(struct gw_authority *s, struct gw_authority_effects *out)
{
    if (s->config.witness) {
        gw_au_register_overdue(s);
        gw_au_holder_lapse(s, out);
    }
    gw_au_handover_pursue(s, out);
    if (s->config.witness) {
        gw_au_challenger_pursue(s, out);
        gw_au_holder_renew(s, out);
        gw_au_register_poll(s, out);
    }
    speak(s, out);
    if (s->waiting &&
        gw_instant_passed_min(&s->wait_from, &s->now) >= gw_authority_wait_ns(&s->config.limits))
        stop_waiting(s, out);
    grant(s, out);
}

void gw_authority_step(struct gw_authority *s, const struct gw_authority_event *ev,
                       struct gw_authority_effects *out)
{
    out->n = 0;
    out->refusal = GW_ALLOWED;
    s->now = ev->now;
    s->wall_s = ev->wall_s;
    s->fresh = ev->fresh;
    switch (ev->kind) {
    case GW_EV_BOOT:
        on_boot(s, ev, out);
        break;
    case GW_EV_READ:
        gw_au_register_read(s, ev, out);
        break;
    case GW_EV_SWAP:
        gw_au_register_swapped(s, ev, out);
        break;
    case GW_EV_MESSAGE:
        on_message(s, &ev->message, out);
        break;
    case GW_EV_CLOSED:
        s->closed = !s->open && ev->id == s->close_id;
        break;
    case GW_EV_COPY:
        gw_au_holder_copy(s, &ev->copy, out);
        break;
    case GW_EV_SETTLED:
        s->settled = true;
        break;
    case GW_EV_ORDER:
        out->refusal = on_order(s, ev, out);
        break;
    case GW_EV_FENCED:
    case GW_EV_UNFENCED:
        on_fence(s, ev->kind == GW_EV_FENCED, out);
        break;
    case GW_EV_TICK:
    case GW_EV_MAX:
        break;
    }
    drive(s, out);
}
