// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The holder's lease: renewed at the register, or by a promise of the peer; and its statement of
 * what the peer's copy is worth. */
#include "authority/authority_internal.h"

void gw_au_holder_begin(struct gw_authority *s, const struct gw_instant *sent)
{
    /* From the send: the renewal may have been received right after it. */
    s->valid_from = gw_au_keeps(s, GW_RULE_SEND_STAMP) ? *sent : s->now;
    s->grip = GW_GRIP_VALID;
}

/* W5: the machine was restarted, so the peer may have what this image lost. */
bool gw_au_holder_must_settle(const struct gw_authority *s)
{
    return gw_au_keeps(s, GW_RULE_W5) && s->d.sync_sent && !gw_uuid_is_none(&s->d.boot) &&
           !gw_uuid_equal(&s->d.boot, &s->boot) && !s->settled;
}

void gw_au_holder_lapse(struct gw_authority *s, struct gw_authority_effects *out)
{
    const struct gw_authority_limits *l = &s->config.limits;
    if (s->grip != GW_GRIP_VALID && s->grip != GW_GRIP_EXPIRING)
        return;
    const uint64_t passed = gw_instant_passed_max(&s->valid_from, &s->now);
    /* Nobody else can be active, or the plan prefers to go on: in portions, so that what is granted
     * ends soon when this ends. */
    if ((gw_au_is_alone(s) || s->config.availability) && s->grip == GW_GRIP_VALID) {
        if (passed >= gw_au_ms(l->hold_ms - l->stop_ms)) /* renewals are tried all the same */
            s->valid_from = s->now;
        return;
    }
    if (passed >= gw_au_ms(l->hold_ms)) {
        s->grip = GW_GRIP_LAPSED;
        gw_au_close(s, out);
    } else if (passed >= gw_au_ms(l->hold_ms - l->stop_ms) && s->grip == GW_GRIP_VALID) {
        s->grip = GW_GRIP_EXPIRING;
        gw_au_effect(out, GW_DO_STOP);
        gw_au_close(s, out);
    }
}

static bool holds(const struct gw_authority *s)
{
    return s->grip == GW_GRIP_VALID || s->grip == GW_GRIP_EXPIRING;
}

static void renew_there(struct gw_authority *s, struct gw_authority_effects *out)
{
    const bool behind = s->has_record && s->record.epoch < s->d.epoch;
    if (behind && s->d.push && !gw_au_keeps(s, GW_RULE_W3_PUSH))
        return;
    if (holds(s)) {
        gw_au_register_swap(s, GW_SWAP_RENEW, gw_au_register_mine(s, s->d.epoch, s->d.incarnation),
                            out);
        return;
    }
    /* A lapsed lease is never revived: a new incarnation. A person's word is a promotion (P1). */
    const uint64_t highest = GW_MAX(s->d.highest, s->has_record ? s->record.epoch : 0);
    const bool promote = s->confirmed && gw_au_keeps(s, GW_RULE_P1_ISOLATED);
    const uint64_t epoch = promote ? gw_au_next_epoch(s, highest) : s->d.epoch;
    gw_au_register_swap(s, GW_SWAP_ACQUIRE, gw_au_register_mine(s, epoch, s->fresh), out);
}

/* W4: what the peer's promise may be asked for. */
static bool may_ask_epoch(const struct gw_authority *s)
{
    return s->d.unresolved == 0 || !gw_au_keeps(s, GW_RULE_W4_UNRESOLVED);
}

static void renew_here(struct gw_authority *s, struct gw_authority_effects *out)
{
    const struct gw_authority_limits *l = &s->config.limits;
    const bool votes = !s->has_record || (s->record.voters & (1u << gw_au_peer(s))) != 0;
    if (s->ask.busy && gw_instant_passed_max(&s->ask.sent, &s->now) > gw_au_ms(l->reply_ms))
        s->ask.busy = false;
    if (s->ask.busy || !votes ||
        (gw_instant_is_set(&s->renew_tried) &&
         gw_instant_passed_max(&s->renew_tried, &s->now) < gw_au_ms(l->reply_ms) / 2))
        return;
    const bool fresh = !holds(s) && gw_au_keeps(s, GW_RULE_W4_EPOCH);
    if (!holds(s) && !may_ask_epoch(s))
        return;
    s->renew_tried = s->now;
    s->ask_epoch = fresh ? gw_au_next_epoch(s, s->d.highest) : 0;
    gw_au_ask(s, &s->ask, out,
              (struct gw_authority_message){
                  .kind = GW_MSG_PROMISE, .fresh_epoch = fresh, .wanted = s->ask_epoch });
}

static void end_maintenance(struct gw_authority *s, struct gw_authority_effects *out)
{
    const uint64_t passed_s = gw_instant_passed_max(&s->maintenance_from, &s->now) / GW_NS_PER_S;
    if (!s->has_record || s->record.holder != gw_au_self(s) || s->record.maintenance == 0 ||
        s->away_due)
        return;
    if (s->maintenance_s == 0 && s->record.maintenance_until_s > s->wall_s)
        s->maintenance_s = s->record.maintenance_until_s - s->wall_s; /* after a restart */
    if (passed_s < s->maintenance_s)
        return;
    s->away = 0;
    s->away_due = true;
    (void)out;
}

static bool is_holding_on(const struct gw_authority *s)
{
    return s->goal != GW_GOAL_BACK && (s->goal != GW_GOAL_RELEASE || !s->closed);
}

void gw_au_holder_renew(struct gw_authority *s, struct gw_authority_effects *out)
{
    const struct gw_authority_limits *l = &s->config.limits;
    /* W4: who has released asks nobody. */
    const bool released = s->d.released_to != GW_SEAT_NONE && gw_au_keeps(s, GW_RULE_W4_RELEASED);
    if (s->d.epoch == 0 || s->d.holder != gw_au_self(s) || released || s->d.fenced ||
        !is_holding_on(s))
        return;
    if (!holds(s) && gw_au_holder_must_settle(s))
        return;
    end_maintenance(s, out);
    const bool behind = s->has_record && s->record.epoch < s->d.epoch;
    const bool due = !holds(s) || behind || s->copy_due || s->away_due || s->d.unresolved != 0 ||
                     gw_instant_passed_max(&s->valid_from, &s->now) >= gw_au_ms(l->renew_ms);
    if (!due)
        return;
    if (s->away_due && s->d.sole && s->away == 0) {
        /* Others vote again from when this is *sent*: what is granted ends by the lease already. */
        s->d.sole = false;
        gw_au_store(s, out);
    }
    if (!holds(s) && gw_au_is_alone(s) && (s->witness_away || !s->look))
        gw_au_holder_begin(s, &s->now);
    if (gw_au_register_ready(s) && gw_au_is_holder(s))
        renew_there(s, out);
    else if (s->witness_away)
        renew_here(s, out);
}

/* What a swap of one's own has put into the register. */
static void recorded(struct gw_authority *s, const struct gw_tenure *rec,
                     struct gw_authority_effects *out)
{
    if (s->copy_known && gw_copy_equal(&rec->copy, &s->copy))
        s->copy_due = false;
    if (s->away_due && rec->maintenance == s->away) {
        s->away_due = false;
        s->maintenance_from = s->now;
    }
    s->d.sole = rec->voters == (1u << gw_au_self(s)) && !s->away_due;
    if (rec->copy.kind == GW_COPY_SYNC)
        s->d.sync_sent = true; /* W2: it was when it was sent */
    if (rec->copy.kind != GW_COPY_UNSYNC || !s->copy_known || s->copy.kind != GW_COPY_UNSYNC)
        return;
    s->d.sync_sent = false;
    s->d.token = false;
    s->void_due = false; /* P2: recorded, so the cancel proceeds */
    s->unsync_recorded = true;
}

static void allow_alone(struct gw_authority *s, bool on, struct gw_authority_effects *out)
{
    if (!s->config.sync || s->alone == on)
        return;
    s->alone = on;
    gw_au_effect(out, GW_DO_ALONE)->on = on;
}

void gw_au_holder_won(struct gw_authority *s, const struct gw_swap_state *swap, bool in_time,
                      struct gw_authority_effects *out)
{
    const bool held = holds(s);
    if (swap->record.epoch < s->d.epoch)
        return; /* sent before the peer promised a later one: it is pushed up next */
    if (swap->kind == GW_SWAP_RELEASE) {
        s->d.released_to = gw_au_peer(s);
        s->goal = GW_GOAL_NONE;
        s->grip = GW_GRIP_NONE;
        gw_au_store(s, out);
        return;
    }
    if (swap->record.epoch > s->d.epoch) /* W6, or a person's word */
        gw_au_reign(s, swap->record.epoch, out);
    s->goal = s->goal == GW_GOAL_BACK ? GW_GOAL_NONE : s->goal;
    s->d.incarnation = swap->record.incarnation;
    s->d.boot = s->boot;
    s->d.push = false;
    s->confirmed = false;
    recorded(s, &swap->record, out);
    gw_au_store(s, out);
    if (s->unsync_recorded && s->copy.kind == GW_COPY_UNSYNC)
        allow_alone(s, true, out);
    const bool revives = held || !gw_au_keeps(s, GW_RULE_NO_REVIVAL);
    if (in_time && (swap->kind != GW_SWAP_RENEW || revives))
        gw_au_holder_begin(s, &swap->sent);
}

void gw_au_holder_promised(struct gw_authority *s, const struct gw_authority_message *m,
                           struct gw_authority_effects *out)
{
    const bool back = s->goal == GW_GOAL_BACK && !s->config.witness;
    if (!m->granted || m->wanted != s->ask_epoch || s->d.holder != gw_au_self(s))
        return;
    if (m->wanted == 0) {
        if (holds(s) || !gw_au_keeps(s, GW_RULE_NO_REVIVAL) || !gw_au_keeps(s, GW_RULE_W4_EPOCH))
            gw_au_holder_begin(s, &s->ask.sent);
        return;
    }
    if (holds(s) || (!back && !gw_au_is_holder(s) && gw_au_keeps(s, GW_RULE_W4_RELEASED)))
        return;
    if (!may_ask_epoch(s) || gw_au_holder_must_settle(s))
        return;
    s->goal = GW_GOAL_NONE;
    s->d.incarnation = s->fresh;
    gw_au_reign(s, m->wanted, out);
    gw_au_holder_begin(s, &s->ask.sent);
}

/* Leaving W2 out: what it forbids. */
static bool alone_at_once(const struct gw_authority *s)
{
    if (!gw_au_keeps(s, GW_RULE_W2) && !s->d.sync_sent)
        return true;
    return !gw_au_keeps(s, GW_RULE_W2_RESTART) && !s->sync_sent_here && s->has_record &&
           s->record.copy.kind != GW_COPY_SYNC;
}

void gw_au_holder_copy(struct gw_authority *s, const struct gw_copy_state *copy,
                       struct gw_authority_effects *out)
{
    s->copy = *copy;
    s->copy_known = true;
    /* An ASYNC watermark goes with the next renewal; what decides goes at once. */
    s->copy_due = copy->kind != GW_COPY_ASYNC;
    if (copy->kind != GW_COPY_UNSYNC) {
        allow_alone(s, false, out);
        s->unsync_recorded = false;
    }
    if (s->config.witness) {
        if (copy->kind == GW_COPY_SYNC && !s->d.sync_sent && gw_au_keeps(s, GW_RULE_W2)) {
            s->d.sync_sent = true; /* W2, W5: answers rest on two memories from here on */
            gw_au_store(s, out);
        }
        if (copy->kind == GW_COPY_UNSYNC && alone_at_once(s))
            allow_alone(s, true, out);
        return;
    }
    s->copy_due = false;
    s->d.sync_sent = copy->kind == GW_COPY_SYNC;
    s->d.alone = copy->kind == GW_COPY_UNSYNC;
    gw_au_store(s, out);
    if (copy->kind == GW_COPY_UNSYNC)
        allow_alone(s, true, out);
}

enum gw_refusal gw_au_holder_maintenance(struct gw_authority *s,
                                         const struct gw_authority_event *ev)
{
    if (!s->config.witness)
        return GW_REFUSE_MODE;
    if (!gw_au_is_holder(s))
        return GW_REFUSE_NOT_HOLDER;
    if (s->grip != GW_GRIP_VALID)
        return GW_REFUSE_LEASE;
    if ((ev->away & (1u << gw_au_self(s))) != 0 || (ev->away & ~GW_VOTERS_ALL) != 0)
        return GW_REFUSE_MODE;
    s->away = ev->away;
    s->maintenance_s = ev->away_s;
    s->away_due = true;
    return GW_ALLOWED;
}
