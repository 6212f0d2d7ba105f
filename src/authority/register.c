// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The register as this site sees it, and its swaps.
 *
 * One swap at a time is in flight. One whose outcome is not known may still land, as long as the
 * revision that it expects is the register's (W1). So nothing is concluded from a read that shows
 * the old value; a swap of one's own that wins on that revision, or a moved revision, settles all
 * of them: what the register then holds is what is true.
 */
#include "authority/authority_internal.h"

/* A swap of these, landing late, would change who is active. A late renewal or re-acquisition only
 * says again what is known of the same holder. */
#define DANGEROUS ((1u << GW_SWAP_TAKE) | (1u << GW_SWAP_RELEASE) | (1u << GW_SWAP_BACK))

static void settle(struct gw_authority *s, int64_t revision, struct gw_authority_effects *out)
{
    /* W1: only a moved revision settles. */
    if (s->d.unresolved == 0 ||
        (revision <= s->d.unresolved_revision && gw_au_keeps(s, GW_RULE_W1)))
        return;
    s->d.unresolved = 0;
    if (s->d.holder != gw_au_self(s))
        s->d.wait = s->waiting = false; /* the takeover that it was for did not land */
    gw_au_store(s, out);
}

/* What the register says of the epoch that this site knows, too. */
static void learn_same(struct gw_authority *s, const struct gw_tenure *rec,
                       struct gw_authority_effects *out)
{
    if (rec->holder != s->d.holder || rec->released_to == s->d.released_to)
        return;
    s->d.released_to = rec->released_to;
    if (rec->holder == gw_au_self(s)) { /* a release whose outcome was not known has landed */
        s->grip = GW_GRIP_NONE;
        s->goal = GW_GOAL_NONE;
        gw_au_close(s, out);
    }
    gw_au_store(s, out);
}

/* W3: taken without the register, on a fence that holds, and the register knows a later reign of
 * the other site, which this one had never heard of: the number was too low, not the takeover
 * wrong. */
static void climb(struct gw_authority *s, struct gw_authority_effects *out)
{
    gw_au_reign(s, gw_au_next_epoch(s, s->d.highest), out);
    gw_au_holder_begin(s, &s->now);
}

static void learn(struct gw_authority *s, int64_t revision, const struct gw_tenure *rec,
                  struct gw_authority_effects *out)
{
    if (revision != s->revision) {
        /* The beat moved before this reply came: stamped late, which is safe for a challenger. */
        const bool first = s->revision < 0;
        s->moved = first && !gw_au_keeps(s, GW_RULE_WAIT_RESTART)
                       ? (struct gw_instant){ .boot_ns = 1, .raw_ns = 1 }
                       : s->now;
    }
    s->revision = revision;
    s->has_record = rec != NULL;
    if (rec != NULL) {
        s->record = *rec;
        s->d.highest = GW_MAX(s->d.highest, rec->epoch);
        if (rec->epoch > s->d.epoch && s->d.push && s->d.peer_fenced && gw_au_is_holder(s)) {
            climb(s, out);
        } else if (rec->epoch > s->d.epoch) {
            gw_au_adopt(s, rec->epoch, rec->holder, rec->released_to, out);
            if (rec->holder == gw_au_self(s)) {
                s->d.incarnation = rec->incarnation;
                s->d.fenced = false;
                s->waiting = s->d.wait; /* it was forced */
                s->grip = GW_GRIP_NONE; /* its lease ran out unseen: acquired anew */
                s->goal = GW_GOAL_NONE;
            }
        } else if (rec->epoch == s->d.epoch) {
            learn_same(s, rec, out);
        }
    }
    settle(s, revision, out);
}

void gw_au_register_read(struct gw_authority *s, const struct gw_authority_event *ev,
                         struct gw_authority_effects *out)
{
    if (!s->read.busy || s->read.id != ev->id)
        return;
    s->read.busy = false;
    if (ev->outcome != GW_REGISTER_WON || (ev->revision > 0 && !ev->has_record)) {
        s->witness_away = true;
        return;
    }
    s->witness_away = false;
    /* A read that was sent before a newer revision was seen may be answered after it. */
    if (ev->revision < s->revision && ev->revision >= s->read_after)
        return;
    s->look = false;
    learn(s, ev->revision, ev->has_record ? &ev->record : NULL, out);
}

static void won(struct gw_authority *s, int64_t revision, bool in_time,
                struct gw_authority_effects *out)
{
    const struct gw_swap_state swap = s->swap;
    if (revision < s->revision)
        return; /* overtaken: a read has shown what came after it */
    if (revision != s->revision)
        s->moved = s->now;
    s->revision = revision;
    s->record = swap.record;
    s->has_record = true;
    s->look = false;
    s->d.unresolved = 0;
    if (swap.kind == GW_SWAP_TAKE)
        gw_au_challenger_won(s, &swap, in_time, out);
    else
        gw_au_holder_won(s, &swap, in_time, out);
}

void gw_au_register_swapped(struct gw_authority *s, const struct gw_authority_event *ev,
                            struct gw_authority_effects *out)
{
    if (s->swap.id != ev->id)
        return;
    const bool in_time = s->swap.busy && gw_instant_passed_max(&s->swap.sent, &s->now) <=
                                             gw_au_ms(s->config.limits.reply_ms);
    s->swap.busy = false;
    if (ev->outcome == GW_REGISTER_UNKNOWN) {
        s->look = s->witness_away = true;
        return;
    }
    s->witness_away = false;
    s->swap.id = 0; /* answered: a second answer is none */
    if (ev->outcome == GW_REGISTER_WON) {
        won(s, ev->revision, in_time, out);
        return;
    }
    if (s->swap.kind == GW_SWAP_TAKE && s->goal == GW_GOAL_FAIL_OVER)
        s->goal = GW_GOAL_NONE; /* the ground moved: it is judged anew. A person's word stands */
    if (ev->has_record && ev->revision > s->revision)
        learn(s, ev->revision, &ev->record, out);
    else
        s->look = true;
}

/* What was not answered within R is not known. */
void gw_au_register_overdue(struct gw_authority *s)
{
    const uint64_t reply_ns = gw_au_ms(s->config.limits.reply_ms);
    if (s->swap.busy && gw_instant_passed_max(&s->swap.sent, &s->now) > reply_ns) {
        s->swap.busy = false;
        s->look = s->witness_away = true;
    }
    if (s->read.busy && gw_instant_passed_max(&s->read.sent, &s->now) > reply_ns) {
        s->read.busy = false;
        s->witness_away = true;
    }
}

/* A holder learns from its swaps and reads only in doubt; everybody else looks every r. */
void gw_au_register_poll(struct gw_authority *s, struct gw_authority_effects *out)
{
    const struct gw_authority_limits *l = &s->config.limits;
    const uint64_t passed = gw_instant_passed_max(&s->witness_tried, &s->now);
    const bool first = !gw_instant_is_set(&s->witness_tried);
    const bool doubt = s->look || s->witness_away;
    const bool due = doubt || (passed >= gw_au_ms(l->renew_ms) && !s->swap.busy &&
                               !(gw_au_is_holder(s) && s->grip == GW_GRIP_VALID));
    /* Between two tries of one that fails at once, half of R. */
    if (s->read.busy || !due || (!first && passed < gw_au_ms(l->reply_ms) / 2))
        return;
    s->witness_tried = s->now;
    s->read_after = s->revision;
    s->read = (struct gw_asking){ .busy = true, .id = ++s->serial, .sent = s->now };
    gw_au_effect(out, GW_DO_READ)->id = s->read.id;
}

bool gw_au_register_ready(const struct gw_authority *s)
{
    return !s->look && !s->swap.busy && !s->witness_away && (s->has_record || s->revision == 0);
}

struct gw_tenure gw_au_register_mine(const struct gw_authority *s, uint64_t epoch,
                                     struct gw_uuid incarnation)
{
    const bool same = s->has_record && s->record.holder == gw_au_self(s);
    struct gw_tenure r = { .voters = GW_VOTERS_ALL };
    if (same)
        r = s->record;
    r.since_s = same && s->record.epoch == epoch ? s->record.since_s : s->wall_s;
    r.epoch = epoch;
    r.holder = gw_au_self(s);
    r.incarnation = incarnation;
    r.released_to = GW_SEAT_NONE;
    r.enforced = !s->config.availability;
    if (s->copy_known)
        r.copy = s->copy;
    if (s->away_due) {
        r.voters = GW_VOTERS_ALL & (uint8_t)~s->away;
        r.maintenance = s->away;
        r.maintenance_until_s = s->away != 0 ? s->wall_s + s->maintenance_s : 0;
    }
    return r;
}

void gw_au_register_swap(struct gw_authority *s, enum gw_swap kind, struct gw_tenure rec,
                         struct gw_authority_effects *out)
{
    bool store = false;
    rec.beat = s->has_record ? s->record.beat + 1 : 1;
    if (((1u << kind) & DANGEROUS) != 0) { /* W1, W4: remembered before it can land */
        s->d.unresolved |= (uint8_t)(1u << kind);
        s->d.unresolved_revision = s->revision;
        s->d.highest = GW_MAX(s->d.highest, rec.epoch);
        store = true;
    }
    if (rec.copy.kind == GW_COPY_SYNC && !s->d.sync_sent && gw_au_keeps(s, GW_RULE_W2)) {
        s->d.sync_sent = true; /* W2: from when it is sent */
        store = true;
    }
    s->sync_sent_here |= rec.copy.kind == GW_COPY_SYNC;
    if (store)
        gw_au_store(s, out);
    s->swap = (struct gw_swap_state){ .busy = true,
                                      .kind = kind,
                                      .id = ++s->serial,
                                      .sent = s->now,
                                      .expected = s->revision,
                                      .record = rec };
    struct gw_authority_effect *e = gw_au_effect(out, GW_DO_SWAP);
    e->id = s->swap.id;
    e->expected = s->swap.expected;
    e->record = rec;
}
