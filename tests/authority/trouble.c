// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Misfortune; and the person at the console, whose words are true. */
#include "world.h"

#include <string.h>

static void cut(struct world *w, unsigned a, unsigned b, bool one_way)
{
    w->cut[a][b] = true;
    if (!one_way)
        w->cut[b][a] = true;
}

static void pause_daemon(struct world *w, unsigned s, uint64_t ns, bool path_too)
{
    w->site[s].paused_until = w->now + ns;
    if (path_too)
        w->site[s].path_paused_until = w->now + ns;
}

static void cut_some(struct world *w)
{
    static const unsigned pairs[3][2] = { { 0, 1 }, { 0, 2 }, { 1, 2 } };
    const uint64_t set = 1 + chance(w, 7);
    for (unsigned i = 0; i < 3; i++) {
        if (set & (1u << i)) {
            const bool turn = happens(w, 50);
            cut(w, pairs[i][turn], pairs[i][!turn], happens(w, 30));
        }
    }
    say(w, "cut: first-second %d%d first-witness %d%d second-witness %d%d", w->cut[0][1],
        w->cut[1][0], w->cut[0][2], w->cut[2][0], w->cut[1][2], w->cut[2][1]);
}

/* A wide area: loss up to 5 %, stalls of up to 20 s on one way or all. */
static void noise(struct world *w)
{
    bool stalled = false; /* one at a time: two in a row would be one of 40 s */
    for (unsigned i = 0; i < NODES * NODES; i++)
        stalled |= w->cut[i / NODES][i % NODES];
    memset(w->cut, 0, sizeof w->cut);
    w->loss = (double)chance(w, 51) / 1000;
    w->delay_max = happens(w, 10) ? 2 * SEC : 300 * MS;
    if (!stalled && happens(w, 50)) {
        later(w, chance(w, 20 * SEC), DO_TROUBLE, 0);
        cut_some(w);
    } else {
        later(w, 20 * SEC + chance(w, 300 * SEC), DO_TROUBLE, 0);
    }
}

void on_trouble(struct world *w)
{
    if (w->o.noise) {
        if (!w->healing)
            noise(w);
        return;
    }
    later(w, SEC + chance(w, happens(w, 30) ? 60 * SEC : 12 * SEC), DO_TROUBLE, 0);
    if (w->healing)
        return;
    const unsigned s = (unsigned)chance(w, 2);
    const uint64_t kind = chance(w, 100);
    if (kind < 40) {
        memset(w->cut, 0, sizeof w->cut);
    } else if (kind < 70) {
        cut_some(w);
    } else if (kind < 78) {
        say(w, "daemon of site %u is killed", s);
        daemon_kill(w, s);
    } else if (kind < 86) {
        if (w->site[s].power) {
            say(w, "site %u loses power", s);
            power_off(w, s);
        }
    } else if (kind < 94) {
        pause_daemon(w, s, chance(w, 60 * SEC), happens(w, 50));
    } else {
        w->loss = happens(w, 30) ? 0.3 : 0.02;
        w->delay_max = happens(w, 30) ? 3 * SEC : 200 * MS;
    }
}

/* The rule for automatic failover, as far as this world has something to judge. */
static void judge(struct world *w, unsigned s)
{
    const struct gw_authority *a = &w->site[s].core;
    if (!w->o.witness || !a->has_record || a->record.holder == s || a->d.holder == s)
        return;
    const struct gw_copy_state *c = &a->record.copy;
    const bool good = c->kind == GW_COPY_ASYNC ||
                      (c->kind == GW_COPY_SYNC && gw_uuid_equal(&c->replica_boot, &a->boot));
    if (!good || a->d.fenced || a->record.released_to != GW_SEAT_NONE)
        return;
    const bool lapsed = gw_authority_lapsed_there(a) && gw_authority_lapsed_here(a);
    if (!lapsed && (a->config.without & (1u << GW_RULE_REVOKE)) == 0 && !a->d.peer_fenced)
        return;
    if (!lapsed && path_is_open(w, 1 - s) && !happens(w, 5))
        return;
    if (site_order_refusal(w, s, GW_ORDER_FAIL_OVER) == GW_ALLOWED) {
        w->fail_overs++;
        say(w, "site %u fails over", s);
        site_order(w, s, GW_ORDER_FAIL_OVER);
    }
}

static bool peer_is_off(const struct world *w, unsigned s)
{
    return !w->site[1 - s].power;
}

static void fence(struct world *w, unsigned s)
{
    struct site *peer = &w->site[1 - s];
    say(w, "site %u has its peer fenced", s);
    peer->fenced_off = true;
    if (peer->power)
        power_off(w, 1 - s);
    struct gw_authority_event ev = { .kind = GW_EV_FENCED };
    site_step(w, s, &ev);
}

static void unfence(struct world *w, unsigned s)
{
    struct gw_authority_event ev = { .kind = GW_EV_UNFENCED };
    if (!w->site[1 - s].fenced_off || !daemon_runs(w, s))
        return;
    site_step(w, s, &ev);
    if (w->site[s].disk.peer_fenced) /* refused: the register does not know yet */
        return;
    w->site[1 - s].fenced_off = false;
    if (!w->site[1 - s].power)
        later(w, chance(w, 10 * SEC), DO_RISE, 1 - s);
}

static void force(struct world *w, unsigned s)
{
    if (!w->site[s].daemon || (w->site[s].core.d.holder == s && w->o.witness))
        return;
    /* In pair mode the word has to be true: nothing else protects. */
    if (!w->o.witness && !peer_is_off(w, s))
        return;
    /* Whoever lets a site start alone cannot fail over by a word: it may come back. What can be
     * taken back is a release that an interrupted takeover (W7) never finished. */
    const struct gw_authority_durable *d = &w->site[s].core.d;
    if (!w->o.witness && d->holder == s && path_is_open(w, 1 - s))
        return;
    if (!w->o.witness && w->o.isolated_start && (d->holder != s || !w->site[1 - s].disk.intent) &&
        d->released_to != 1 - s)
        return;
    if (w->o.witness && happens(w, 40) && !w->site[1 - s].fenced_off && !w->site[s].fenced_off)
        fence(w, s);
    if (w->failed || !daemon_runs(w, s))
        return;
    say(w, "a person forces site %u: %s", s,
        gw_refusal_text(site_order_refusal(w, s, GW_ORDER_FORCE)));
    w->forced++;
    site_order(w, s, GW_ORDER_FORCE);
}

/* What a patient person does for a site that does not serve. */
static void help(struct world *w, unsigned s)
{
    struct site *t = &w->site[s];
    const struct gw_authority *a = &t->core;
    const bool other_open = path_is_open(w, 1 - s);
    if (!daemon_runs(w, s))
        return;
    if (s == 0 && a->d.epoch == 0)
        site_order(w, s, GW_ORDER_CREATE);
    if (a->d.split && !other_open && happens(w, 20)) {
        say(w, "a person names site %u the survivor", s);
        site_order(w, s, GW_ORDER_CONFIRM);
    }
    if (a->d.fenced && can_hear(w, s, 1 - s) && can_hear(w, 1 - s, s))
        site_order(w, s, GW_ORDER_CLEAR);
    if (a->d.holder != s && a->d.released_to == s) {
        w->takes++;
        site_order(w, s, GW_ORDER_TAKE);
    }
    if (a->d.holder == s && a->d.released_to != GW_SEAT_NONE && !other_open && happens(w, 20)) {
        say(w, "a person takes back at site %u", s);
        w->backs++;
        site_order(w, s, GW_ORDER_BACK);
    }
    if (a->goal == GW_GOAL_RELEASE && happens(w, 40)) {
        say(w, "a person cancels at site %u", s);
        site_order(w, s, GW_ORDER_CANCEL);
    }
}

/* Pair mode, alone, and it is true that the other is down. */
static void confirm(struct world *w, unsigned s)
{
    if (!daemon_runs(w, s) || !peer_is_off(w, s) || w->site[s].core.d.holder != s)
        return;
    if (w->o.isolated_start) /* the other may come back by itself, as the plan says */
        return;
    say(w, "a person confirms site %u: %s", s,
        gw_refusal_text(site_order_refusal(w, s, GW_ORDER_CONFIRM)));
    site_order(w, s, GW_ORDER_CONFIRM);
}

static void handover(struct world *w, unsigned s)
{
    if (!daemon_runs(w, s) || !path_is_open(w, s) || w->site[s].core.d.holder != s)
        return;
    say(w, "a person hands over from site %u", s);
    /* Quiesce and the final sync come first, as in a real run: then both are equal. */
    if (!can_hear(w, s, 1 - s) || !can_hear(w, 1 - s, s) || !w->site[s].path.attached ||
        !daemon_runs(w, 1 - s))
        return;
    site_order(w, s, GW_ORDER_RELEASE);
    if (w->site[s].core.goal != GW_GOAL_RELEASE || !w->site[s].daemon)
        return;
    for (unsigned i = 0; i < w->nwrites; i++) { /* R17: equal, and durable */
        w->site[1 - s].has[i] = w->site[s].has[i];
        w->site[1 - s].flushed[i] = w->site[s].flushed[i] = w->site[s].has[i];
    }
    site_order(w, s, GW_ORDER_TOKEN);
}

void on_operator(struct world *w)
{
    later(w, 500 * MS + chance(w, 2 * SEC), DO_OPERATOR, 0);
    for (unsigned s = 0; s < 2; s++) {
        if (daemon_runs(w, s))
            judge(w, s);
        if (w->failed)
            return;
        help(w, s);
        if (happens(w, w->healing ? 50 : 3))
            unfence(w, s);
    }
    if (w->healing || w->failed || w->o.noise)
        return;
    const unsigned s = (unsigned)chance(w, 2);
    const bool stuck = w->site[s].core.d.released_to == 1 - s && peer_is_off(w, s);
    if (happens(w, 3))
        handover(w, s);
    else if (happens(w, 1) || (!w->o.witness && stuck && happens(w, 50)))
        force(w, s);
    else if (!w->o.witness && happens(w, 3))
        confirm(w, s);
}

void heal(struct world *w)
{
    say(w, "everything is healed");
    memset(w->cut, 0, sizeof w->cut);
    w->loss = 0;
    w->delay_max = 200 * MS;
    for (unsigned s = 0; s < 2; s++) {
        struct site *t = &w->site[s];
        t->paused_until = t->path_paused_until = 0;
        if (t->fenced_off)
            continue; /* by the person, when the other site lets it */
        if (!t->power)
            power_on(w, s);
        else if (!t->daemon)
            daemon_start(w, s);
    }
}
