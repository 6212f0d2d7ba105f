// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Letting go, and taking back what nobody took.
 *
 * A release is made only when the write path has acknowledged that it is closed. From when it is
 * sent it may land, whatever is decided then: the path stays closed until the outcome is known
 * (W1).
 */
#include "authority/authority_internal.h"

static enum gw_refusal release(struct gw_authority *s)
{
    if (!gw_au_is_holder(s))
        return s->d.holder == gw_au_self(s) ? GW_REFUSE_RELEASED : GW_REFUSE_NOT_HOLDER;
    if (s->d.unresolved != 0)
        return GW_REFUSE_UNRESOLVED;
    if (s->grip != GW_GRIP_VALID)
        return GW_REFUSE_LEASE;
    if (s->config.witness && (s->witness_away || !s->has_record))
        return GW_REFUSE_WITNESS;
    s->goal = GW_GOAL_RELEASE;
    return GW_ALLOWED;
}

static enum gw_refusal cancel(struct gw_authority *s)
{
    if (!gw_au_is_holder(s))
        return s->d.holder == gw_au_self(s) ? GW_REFUSE_RELEASED : GW_REFUSE_NOT_HOLDER;
    s->goal = GW_GOAL_NONE;
    if (s->d.token && !s->void_due) {
        s->void_due = true;
        s->void_from = s->now;
    }
    return GW_ALLOWED;
}

/* W6: the target died before it took what was released to it. */
static enum gw_refusal take_back(struct gw_authority *s)
{
    if (s->d.holder != gw_au_self(s))
        return GW_REFUSE_NOT_HOLDER;
    if (s->d.released_to == GW_SEAT_NONE)
        return GW_REFUSE_NOT_RELEASED;
    if (!gw_au_keeps(s, GW_RULE_W6))
        return GW_REFUSE_MODE;
    s->goal = GW_GOAL_BACK;
    return GW_ALLOWED;
}

enum gw_refusal gw_au_handover_order(struct gw_authority *s, const struct gw_authority_event *ev,
                                     struct gw_authority_effects *out)
{
    if (ev->order == GW_ORDER_RELEASE)
        return release(s);
    if (ev->order == GW_ORDER_CANCEL)
        return cancel(s);
    if (ev->order == GW_ORDER_BACK)
        return take_back(s);
    if (!gw_au_is_holder(s))
        return GW_REFUSE_NOT_HOLDER;
    s->d.token = true;
    gw_au_store(s, out);
    return GW_ALLOWED;
}

static void let_go(struct gw_authority *s, struct gw_authority_effects *out)
{
    if (s->open || !s->closed)
        return;
    if (!s->config.witness) {
        s->d.released_to = gw_au_peer(s);
        s->goal = GW_GOAL_NONE;
        s->grip = GW_GRIP_NONE;
        gw_au_store(s, out); /* durable before the peer can hear of it (contact) */
        return;
    }
    if (!gw_au_register_ready(s))
        return;
    struct gw_tenure rec = gw_au_register_mine(s, s->d.epoch, s->d.incarnation);
    rec.released_to = gw_au_peer(s);
    gw_au_register_swap(s, GW_SWAP_RELEASE, rec, out);
}

static void come_back(struct gw_authority *s, struct gw_authority_effects *out)
{
    const uint64_t next =
        gw_au_next_epoch(s, GW_MAX(s->d.highest, s->has_record ? s->record.epoch : 0));
    if (s->config.witness) {
        if (gw_au_register_ready(s))
            gw_au_register_swap(s, GW_SWAP_BACK, gw_au_register_mine(s, next, s->fresh), out);
        return;
    }
    if (s->ask.busy &&
        gw_instant_passed_max(&s->ask.sent, &s->now) > gw_au_ms(s->config.limits.reply_ms))
        s->ask.busy = false;
    if (s->ask.busy || gw_au_holder_must_settle(s))
        return;
    s->ask_epoch = next;
    gw_au_ask(s, &s->ask, out,
              (struct gw_authority_message){
                  .kind = GW_MSG_PROMISE, .fresh_epoch = true, .wanted = next });
}

/* P2: the target's word that the token is void, or UNSYNC where the target's successor looks. */
static void make_void(struct gw_authority *s, struct gw_authority_effects *out)
{
    const uint64_t reply_ns = gw_au_ms(s->config.limits.reply_ms);
    if (s->voiding.busy && gw_instant_passed_max(&s->voiding.sent, &s->now) > reply_ns)
        s->voiding.busy = false;
    if (!s->voiding.busy)
        gw_au_ask(s, &s->voiding, out, (struct gw_authority_message){ .kind = GW_MSG_TOKEN_VOID });
    if (gw_instant_passed_max(&s->void_from, &s->now) <= reply_ns || !gw_au_keeps(s, GW_RULE_P2))
        return;
    if (s->config.witness) {
        if (!s->copy_known || s->copy.kind != GW_COPY_UNSYNC) {
            s->copy = (struct gw_copy_state){ .kind = GW_COPY_UNSYNC,
                                              .watermark = s->copy.watermark,
                                              .at_s = s->wall_s };
            s->copy_known = s->copy_due = true;
        }
        return;
    }
    s->d.token = s->d.sync_sent = false;
    s->d.alone = true;
    s->void_due = false;
    gw_au_store(s, out);
}

void gw_au_handover_pursue(struct gw_authority *s, struct gw_authority_effects *out)
{
    if (s->goal == GW_GOAL_RELEASE)
        let_go(s, out);
    if (s->goal == GW_GOAL_BACK)
        come_back(s, out);
    if (s->void_due)
        make_void(s, out);
}

void gw_au_handover_void(struct gw_authority *s, const struct gw_authority_message *m,
                         struct gw_authority_effects *out)
{
    const bool theirs = s->d.holder == gw_au_peer(s) && m->holder == gw_au_peer(s);
    if (theirs && s->d.token) {
        s->d.token = false;
        gw_au_store(s, out);
    }
    gw_au_send(s, out,
               (struct gw_authority_message){
                   .kind = GW_MSG_TOKEN_VOID_ANSWER, .serial = m->serial, .granted = theirs });
}

void gw_au_handover_voided(struct gw_authority *s, const struct gw_authority_message *m,
                           struct gw_authority_effects *out)
{
    if (!m->granted || !s->void_due)
        return;
    s->void_due = s->d.token = false;
    gw_au_store(s, out);
}
