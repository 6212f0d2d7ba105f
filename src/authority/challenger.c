// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The challenger: a standby that takes the authority, in witness mode.
 *
 * Every takeover is a swap of the register (W3). What makes it safe is that the old holder was
 * revoked: it has released; or its lease has lapsed, by this site's clock, at the register and at
 * this site's own promise; or a hard fence is verified. A person's override may swap before that,
 * which ends the old holder's renewals, but this site serves only when the wait is over.
 */
#include "authority/authority_internal.h"

static bool revoked(const struct gw_authority *s)
{
    if (s->d.peer_fenced || !gw_au_keeps(s, GW_RULE_REVOKE))
        return true;
    return gw_authority_lapsed_there(s) && gw_authority_lapsed_here(s);
}

static enum gw_refusal check_take(const struct gw_authority *s)
{
    const bool released =
        s->has_record && s->record.released_to == gw_au_self(s) && s->record.epoch == s->d.epoch;
    return released ? GW_ALLOWED : GW_REFUSE_NOT_RELEASED;
}

static enum gw_refusal check_fail_over(const struct gw_authority *s, int64_t judged)
{
    if (!s->has_record || s->witness_away)
        return GW_REFUSE_WITNESS;
    if (judged != s->revision)
        return GW_REFUSE_MOVED;
    if (s->record.maintenance != 0 || s->record.voters != GW_VOTERS_ALL)
        return GW_REFUSE_MODE;
    if (!s->record.enforced && !s->d.peer_fenced)
        return GW_REFUSE_NOT_ENFORCED;
    return revoked(s) ? GW_ALLOWED : GW_REFUSE_LEASE;
}

/* W3: without the register an override is not enough. */
static enum gw_refusal check_force(const struct gw_authority *s)
{
    if (!s->witness_away || s->d.peer_fenced || !gw_au_keeps(s, GW_RULE_W3))
        return GW_ALLOWED;
    return GW_REFUSE_FENCE;
}

static enum gw_refusal confirm(struct gw_authority *s)
{
    if (s->d.holder != gw_au_self(s))
        return GW_REFUSE_NOT_HOLDER;
    if (s->d.released_to != GW_SEAT_NONE)
        return GW_REFUSE_RELEASED;
    if (s->grip == GW_GRIP_VALID)
        return GW_REFUSE_HOLDER;
    s->settled = true; /* W5: or by a person */
    s->confirmed = true;
    return GW_ALLOWED;
}

static enum gw_goal goal_of(enum gw_order o)
{
    if (o == GW_ORDER_TAKE)
        return GW_GOAL_TAKE;
    return o == GW_ORDER_FORCE ? GW_GOAL_FORCE : GW_GOAL_FAIL_OVER;
}

enum gw_refusal gw_au_challenger_order(struct gw_authority *s, const struct gw_authority_event *ev,
                                       struct gw_authority_effects *out)
{
    enum gw_refusal r = GW_ALLOWED;
    (void)out;
    if (ev->order == GW_ORDER_STOP) {
        s->goal = s->goal >= GW_GOAL_TAKE ? GW_GOAL_NONE : s->goal;
        return GW_ALLOWED;
    }
    if (s->d.fenced)
        return GW_REFUSE_FENCED;
    if (ev->order == GW_ORDER_CONFIRM)
        return confirm(s);
    if (s->d.holder == gw_au_self(s))
        return s->d.released_to != GW_SEAT_NONE ? GW_REFUSE_RELEASED : GW_REFUSE_HOLDER;
    if (s->d.epoch == 0)
        return GW_REFUSE_NOT_HOLDER;
    if (ev->order == GW_ORDER_TAKE)
        r = check_take(s);
    else if (ev->order == GW_ORDER_FAIL_OVER)
        r = check_fail_over(s, ev->judged);
    else
        r = check_force(s);
    if (r != GW_ALLOWED)
        return r;
    s->judged = ev->judged;
    s->goal = goal_of(ev->order);
    return GW_ALLOWED;
}

/* What the record allows to say about loss. SYNC holds for the named boot of this machine only. */
static void claim(struct gw_authority *s)
{
    const struct gw_copy_state *c = &s->record.copy;
    s->d.claim = GW_CLAIM_UNKNOWN;
    s->d.claim_watermark = 0;
    s->d.claim_of_boot = s->goal != GW_GOAL_TAKE;
    s->d.boot = s->boot;
    s->d.served = false;
    if (s->goal == GW_GOAL_TAKE) {
        s->d.claim = GW_CLAIM_ZERO;
    } else if (c->kind == GW_COPY_SYNC && gw_uuid_equal(&c->replica_boot, &s->boot)) {
        s->d.claim = GW_CLAIM_ZERO;
    } else if (c->kind == GW_COPY_ASYNC || c->kind == GW_COPY_UNSYNC) {
        s->d.claim = GW_CLAIM_WATERMARK;
        s->d.claim_watermark = c->watermark;
    }
}

static uint64_t next_epoch(const struct gw_authority *s)
{
    const uint64_t there = s->has_record ? s->record.epoch : 0;
    /* W4: above the register's and above what this site knows and has promised. */
    return gw_au_next_epoch(s,
                            gw_au_keeps(s, GW_RULE_W4_EPOCH) ? GW_MAX(there, s->d.highest) : there);
}

/* W3: no register, but a verified fence: durable here, and pushed up when the register is back. */
static void take_alone(struct gw_authority *s, struct gw_authority_effects *out)
{
    s->goal = GW_GOAL_NONE;
    s->d.claim = GW_CLAIM_UNKNOWN; /* the last record seen may be old */
    s->d.incarnation = s->fresh;
    s->d.push = true;
    s->d.overridden = true;
    s->d.sync_sent = false;
    gw_au_reign(s, next_epoch(s), out);
    gw_au_holder_begin(s, &s->now);
}

static struct gw_instant later(struct gw_instant a, struct gw_instant b)
{
    return (struct gw_instant){ .boot_ns = GW_MAX(a.boot_ns, b.boot_ns),
                                .raw_ns = GW_MAX(a.raw_ns, b.raw_ns) };
}

static bool still_right(const struct gw_authority *s)
{
    if (s->goal == GW_GOAL_TAKE)
        return check_take(s) == GW_ALLOWED;
    return s->goal == GW_GOAL_FORCE || check_fail_over(s, s->judged) == GW_ALLOWED;
}

void gw_au_challenger_pursue(struct gw_authority *s, struct gw_authority_effects *out)
{
    if (s->goal < GW_GOAL_TAKE)
        return;
    if (s->d.holder == gw_au_self(s)) {
        s->goal = GW_GOAL_NONE;
        return;
    }
    if (s->goal == GW_GOAL_FORCE && s->witness_away && check_force(s) == GW_ALLOWED) {
        take_alone(s, out);
        return;
    }
    if (!gw_au_register_ready(s))
        return;
    if (!still_right(s)) {
        s->goal = GW_GOAL_NONE;
        return;
    }
    claim(s);
    /* An override revokes by its swap: the old holder renews no more, and what it has ends T_g +
     * A_x after its last renewal. Durable with the swap, for it may land and this site die. */
    s->d.wait = s->goal == GW_GOAL_FORCE && !revoked(s);
    s->wait_from = s->promised ? later(s->moved, s->promised_at) : s->moved;
    gw_au_register_swap(s, GW_SWAP_TAKE, gw_au_register_mine(s, next_epoch(s), s->fresh), out);
}

void gw_au_challenger_won(struct gw_authority *s, const struct gw_swap_state *swap, bool in_time,
                          struct gw_authority_effects *out)
{
    if (swap->record.epoch < s->d.epoch)
        return; /* overtaken by a takeover without the register, which is pushed up next */
    s->d.overridden = s->goal == GW_GOAL_FORCE;
    s->goal = GW_GOAL_NONE;
    s->d.incarnation = swap->record.incarnation;
    s->d.push = s->d.sync_sent = s->d.sole = false;
    s->waiting = s->d.wait;
    gw_au_reign(s, swap->record.epoch, out);
    if (in_time)
        gw_au_holder_begin(s, &swap->sent);
}
