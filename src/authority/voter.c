// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The voter: this site's promise not to take over.
 *
 * A promise runs from its receipt and binds this site first of all (a renewal that the holder
 * obtained here binds the challenger here). That a plain renewal was promised is not written to a
 * disk: after *every* restart a voter behaves as if it had just promised, which is never less. A
 * new epoch (W4) is durable before it is answered, because this site is the only other that knows
 * of it.
 */
#include "authority/authority_internal.h"

static bool may_promise(const struct gw_authority *s, const struct gw_authority_message *m)
{
    if (s->d.epoch == 0 || s->d.holder != gw_au_peer(s) || m->holder != gw_au_peer(s))
        return false;
    /* W4: a takeover of this site's may still land. */
    if (s->d.unresolved != 0 && gw_au_keeps(s, GW_RULE_W4_UNRESOLVED))
        return false;
    if (!m->fresh_epoch)
        return true;
    /* W4: a number that nobody knows, for one that has not released to this site. With no register
     * this is how a release is taken back: then this site forgets that it could take it (W6). */
    return m->wanted > s->d.highest && (!s->config.witness || s->d.released_to != gw_au_self(s) ||
                                        !gw_au_keeps(s, GW_RULE_W4_RELEASED));
}

void gw_au_voter_promise(struct gw_authority *s, const struct gw_authority_message *m,
                         struct gw_authority_effects *out)
{
    struct gw_authority_message answer = { .kind = GW_MSG_PROMISE_ANSWER,
                                           .serial = m->serial,
                                           .wanted = m->wanted,
                                           .fresh_epoch = m->fresh_epoch };
    answer.granted = may_promise(s, m);
    if (answer.granted) {
        s->promised = true;
        s->promised_at = s->now;
        if (s->goal == GW_GOAL_FAIL_OVER)
            s->goal = GW_GOAL_NONE; /* a sign of life */
        if (m->fresh_epoch && gw_au_keeps(s, GW_RULE_W4_DURABLE))
            gw_au_adopt(s, m->wanted, gw_au_peer(s), GW_SEAT_NONE, out);
    }
    gw_au_send(s, out, answer);
}

bool gw_authority_lapsed_here(const struct gw_authority *s)
{
    return !s->promised || !gw_au_keeps(s, GW_RULE_OWN_PROMISE) ||
           gw_instant_passed_min(&s->promised_at, &s->now) >=
               gw_authority_wait_ns(&s->config.limits);
}

bool gw_authority_lapsed_there(const struct gw_authority *s)
{
    return s->has_record && !s->witness_away &&
           gw_instant_passed_min(&s->moved, &s->now) >= gw_authority_wait_ns(&s->config.limits);
}
