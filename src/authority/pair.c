// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Pair mode: no third place, so a person decides about everything but a handover. The claim is
 * durable at both sites; a site that restarts speaks to its peer before it serves, because the peer
 * may have been given the authority meanwhile.
 */
#include "authority/authority_internal.h"

void gw_au_pair_boot(struct gw_authority *s, struct gw_authority_effects *out)
{
    (void)out;
    if (!gw_au_is_holder(s) || s->d.fenced || s->d.split)
        return;
    /* W7: a takeover that was interrupted is not done again before the peer was spoken to, even
     * where the plan lets a site start alone. */
    const bool redo = s->d.intent && !gw_au_keeps(s, GW_RULE_W7);
    const bool alone = s->config.isolated_start && !s->d.intent && !gw_au_holder_must_settle(s);
    if (s->open || alone || redo)
        gw_au_holder_begin(s, &s->now);
}

/* P3: the release stands at this moment, by the word of who made it. */
static void take(struct gw_authority *s, struct gw_authority_effects *out)
{
    s->goal = GW_GOAL_NONE;
    s->d.claim = GW_CLAIM_ZERO;
    s->d.claim_of_boot = false;
    s->d.incarnation = s->fresh;
    s->d.intent = true; /* W7: until the peer has heard of it */
    s->d.overridden = s->d.sync_sent = false;
    gw_au_reign(s, gw_au_next_epoch(s, s->d.highest), out);
    gw_au_holder_begin(s, &s->now);
}

static bool released_here(const struct gw_authority *s)
{
    return s->d.holder == gw_au_peer(s) && s->d.released_to == gw_au_self(s);
}

void gw_au_pair_spoken(struct gw_authority *s, const struct gw_authority_message *m,
                       struct gw_authority_effects *out)
{
    if (s->goal == GW_GOAL_TAKE) {
        if (released_here(s) && m->epoch == s->d.epoch && m->released_to == gw_au_self(s))
            take(s, out);
        else
            s->goal = GW_GOAL_NONE;
        return;
    }
    if (!gw_au_is_holder(s) || s->d.fenced || s->d.split)
        return;
    const bool begins = s->grip != GW_GRIP_VALID && !gw_au_holder_must_settle(s);
    if (begins)
        gw_au_holder_begin(s, &s->now);
    if (s->d.intent || (begins && !gw_uuid_equal(&s->d.boot, &s->boot))) {
        s->d.intent = false;
        s->d.boot = s->boot;
        gw_au_store(s, out);
    }
}

/* A person's word that the other site does not serve, and never learns of it but from this. */
static enum gw_refusal seize(struct gw_authority *s, bool promote, struct gw_authority_effects *out)
{
    s->goal = GW_GOAL_NONE;
    s->d.overridden = true;
    s->d.intent = s->d.split = false;
    s->d.served = s->d.claim_of_boot = false; /* a word is no proof, also of one's own image */
    s->d.incarnation = s->fresh;
    s->settled = true;
    gw_au_reign(s, promote ? gw_au_next_epoch(s, s->d.highest) : s->d.epoch, out);
    gw_au_holder_begin(s, &s->now);
    return GW_ALLOWED;
}

static enum gw_refusal force(struct gw_authority *s, struct gw_authority_effects *out)
{
    if (s->d.epoch == 0)
        return GW_REFUSE_NOT_HOLDER;
    /* Also who has released: a person's word that nobody took it. */
    if (gw_au_is_holder(s))
        return GW_REFUSE_HOLDER;
    /* P2: a token proves equality at its time. P3: with an override, a release proves no more. */
    const bool released = released_here(s);
    s->d.claim = s->d.token || released ? GW_CLAIM_EQUAL_AT : GW_CLAIM_UNKNOWN;
    if ((s->d.token && !gw_au_keeps(s, GW_RULE_P2_TOKEN)) ||
        (released && !gw_au_keeps(s, GW_RULE_P3)))
        s->d.claim = GW_CLAIM_ZERO;
    s->d.sync_sent = false;
    return seize(s, true, out);
}

enum gw_refusal gw_au_pair_order(struct gw_authority *s, const struct gw_authority_event *ev,
                                 struct gw_authority_effects *out)
{
    if (ev->order == GW_ORDER_STOP) {
        s->goal = s->goal >= GW_GOAL_TAKE ? GW_GOAL_NONE : s->goal;
        return GW_ALLOWED;
    }
    if (s->d.fenced)
        return GW_REFUSE_FENCED;
    if (ev->order == GW_ORDER_FORCE)
        return force(s, out);
    if (ev->order == GW_ORDER_FAIL_OVER)
        return GW_REFUSE_MODE;
    if (ev->order == GW_ORDER_CONFIRM) {
        if (s->d.holder != gw_au_self(s))
            return GW_REFUSE_NOT_HOLDER;
        if (s->grip == GW_GRIP_VALID)
            return GW_REFUSE_HOLDER;
        s->d.claim = GW_CLAIM_UNKNOWN;
        return seize(s, gw_au_keeps(s, GW_RULE_P1_ISOLATED), out); /* P1: it is a promotion */
    }
    if (!released_here(s))
        return GW_REFUSE_NOT_RELEASED;
    if (!gw_au_keeps(s, GW_RULE_P3)) {
        take(s, out);
        return GW_ALLOWED;
    }
    s->goal = GW_GOAL_TAKE;
    s->contact.busy = false;
    s->contact_tried = (struct gw_instant){ 0 };
    return GW_ALLOWED;
}
