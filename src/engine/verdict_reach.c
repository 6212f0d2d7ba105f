// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/verdict_reach.h"

#include "base/checked.h"

bool gw_reach_blank(const struct gw_side *s)
{
    return s->blank || s->lineage.n == 0;
}

bool gw_reach_is_active(const struct gw_side *s)
{
    return s->serving || s->role == GW_ROLE_ACTIVE || s->crashed_active;
}

bool gw_reach_sets_empty(const struct gw_side *s)
{
    return s->dirty_blocks == 0 && s->coarse_extents == 0;
}

static bool is_current(const struct gw_side *s, int i)
{
    return i == (int)s->lineage.n - 1;
}

/* Everything on from the entry is written by this side itself. */
static bool is_own(const struct gw_side *s, int i)
{
    return s->lineage.e[i].site == s->site;
}

uint64_t gw_reach_held(const struct gw_side *s, int i)
{
    if (is_current(s, i))
        return s->seq;
    const struct gw_incarnation *next = &s->lineage.e[i + 1];
    /* fork_seq of a restart bounds what can have been used; it says nothing of what is held. */
    if (next->birth == GW_BIRTH_PROMOTION)
        return GW_MAX(next->fork_seq, next->had_seq);
    return next->had_seq;
}

uint64_t gw_reach_most(const struct gw_side *s, int i)
{
    if (!is_current(s, i)) {
        const struct gw_incarnation *next = &s->lineage.e[i + 1];
        return GW_MAX(next->fork_seq, next->had_seq);
    }
    if ((s->serving || s->crashed_active) && s->seq_reserved > 0)
        return GW_MAX(s->seq, s->seq_reserved - 1);
    return s->seq;
}

bool gw_reach_hidden(const struct gw_side *s, int after, const struct gw_side *other)
{
    const struct gw_lineage *l = &other->lineage;
    const struct gw_incarnation *e = &s->lineage.e[after + 1];
    uint32_t gap = 1;
    while (gap < l->n && gw_uuid_equal(&l->e[gap].parent, &l->e[gap - 1].uuid))
        gap++;
    if (gap >= l->n || e->epoch > l->e[gap].epoch)
        return false;
    /* e may be one of those before the gap, unless s itself puts it after one that came later. */
    for (uint32_t i = gap; i < l->n; i++) {
        int known = gw_lineage_find(&s->lineage, &l->e[i].uuid);
        if (known >= 0)
            return after + 1 < known;
    }
    return true;
}

bool gw_reach_rolled_back(const struct gw_side *active, const struct gw_side *other)
{
    uint64_t reign = gw_lineage_epoch(&active->lineage);
    if (gw_lineage_common(&active->lineage, &other->lineage, NULL) < 0)
        return false; /* equal epoch numbers of unrelated images say nothing */
    for (uint32_t i = 0; i < other->lineage.n; i++) {
        const struct gw_incarnation *e = &other->lineage.e[i];
        if (e->epoch == reign && gw_lineage_find(&active->lineage, &e->uuid) < 0 &&
            !gw_reach_hidden(other, (int)i - 1, active))
            return true;
    }
    /* In an incarnation of the reign, a number that the active can never have used. */
    int j = (int)other->lineage.n - 1;
    int i = gw_lineage_find(&active->lineage, &other->lineage.e[j].uuid);
    return i >= 0 && active->lineage.e[i].epoch == reign && other->seq > gw_reach_most(active, i);
}

bool gw_reach_below_cleared(const struct gw_side *s, const struct gw_side *clearer)
{
    if (gw_uuid_is_none(&clearer->cleared_uuid))
        return false;
    if (gw_uuid_equal(&s->reached_uuid, &clearer->cleared_uuid) &&
        s->reached_seq >= clearer->cleared_seq)
        return false;
    int i = gw_lineage_find(&s->lineage, &clearer->cleared_uuid);
    if (i < 0)
        return true;
    /*
     * Who cleared in an incarnation did so before it went on to the next one. A side that holds the
     * next one too is therefore later than that, whatever its position in the older one was.
     */
    int k = -1;
    if (gw_lineage_common(&clearer->lineage, &s->lineage, &k) >= 0 && i < k)
        return false;
    /* For numbers that s took itself only its reservation is durable. */
    uint64_t reach = is_own(s, i) ? gw_reach_most(s, i) : gw_reach_held(s, i);
    return reach < clearer->cleared_seq;
}

/* The writer of the last common incarnation can never have used a number that the other holds: it
 * runs on an older copy, and its map with it. */
static bool writer_older(const struct gw_side *w, int iw, const struct gw_side *o, int io)
{
    return is_own(w, iw) && gw_reach_held(o, io) > gw_reach_most(w, iw);
}

const char *gw_reach_uncovered(const struct gw_side *a, int ia, const struct gw_side *b, int ib)
{
    if (gw_reach_below_cleared(a, b) || gw_reach_below_cleared(b, a))
        return "one side was restored from an older copy than the other's map goes back to";
    if (gw_lineage_gap_after(&a->lineage, ia) || gw_lineage_gap_after(&b->lineage, ib))
        return "too many reigns lie between them for the maps to go back so far";
    if (writer_older(a, ia, b, ib) || writer_older(b, ib, a, ia))
        return "the side that wrote their last common stretch runs on an older copy of it";
    if (is_current(a, ia) && is_current(b, ib) && a->seq == b->seq && a->chain != 0 &&
        b->chain != 0 && a->chain != b->chain)
        return "they stand at the same position but their streams differ";
    return NULL;
}

uint64_t gw_reach_fork(const struct gw_side *source, int is)
{
    if (is_current(source, is) || gw_lineage_gap_after(&source->lineage, is))
        return 0;
    return source->lineage.e[is + 1].fork_seq;
}

bool gw_reach_has_tail(const struct gw_side *target, int it, const struct gw_side *source, int is)
{
    /* What cannot be proven counts as a tail: assessing it costs a compare, losing it is for ever.
     */
    if (target->crashed_active || gw_lineage_gap_after(&source->lineage, is) ||
        gw_lineage_gap_after(&target->lineage, it))
        return true;
    uint64_t fork = gw_reach_fork(source, is);
    if (gw_reach_held(target, it) > fork)
        return true;
    /* What it wrote there before a restart is bits, or was believed durable at the peer. */
    if (gw_uuid_equal(&target->cleared_uuid, &target->lineage.e[it].uuid) &&
        target->cleared_seq > fork)
        return true;
    /* Something of its own after the fork: empty only if it never took a number in it. */
    if (!is_current(target, it) &&
        (!is_current(target, it + 1) || target->seq > target->lineage.e[it + 1].fork_seq))
        return true;
    /*
     * Bits of a side that took writes stand for acknowledged writes. Bits of one that was only ever
     * a target are the left-over of a resync (R6: the union is on both sides).
     */
    int current = (int)target->lineage.n - 1;
    bool wrote = is_own(target, current) || gw_reach_is_active(target);
    return wrote && !gw_reach_sets_empty(target);
}
