// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The rows of the handshake verdict, one function each, tried in order. The pair is ordered by site
 * number first, so that both sides compute the same. See verdict.h for the table.
 */
#include "engine/verdict.h"

#include "engine/verdict_reach.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct pair {
    const struct gw_side *s[2]; /* by site number (row 0 refuses two of the same site) */
    bool same;                  /* same current incarnation */
    int at[2];                  /* index of the last common incarnation in each; -1: none */
    int active;                 /* "the active" of the pair, or -1 */
};

static const char *name(const struct gw_side *s)
{
    if (s->site_name[0] != '\0')
        return s->site_name;
    return s->site == 0 ? "the first site" : "the second site";
}

static uint64_t epoch(const struct gw_side *s)
{
    return gw_lineage_epoch(&s->lineage);
}

__attribute__((format(printf, 2, 3))) static void say(struct gw_verdict *v, const char *fmt, ...)
{
    size_t used = strlen(v->sentence);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(v->sentence + used, sizeof v->sentence - used, fmt, ap);
    va_end(ap);
}

static int find_active(const struct pair *p)
{
    if (p->s[0]->serving != p->s[1]->serving)
        return p->s[0]->serving ? 0 : 1;
    if (gw_reach_is_active(p->s[0]) == gw_reach_is_active(p->s[1]))
        return -1;
    return gw_reach_is_active(p->s[0]) ? 0 : 1;
}

/* Why the maps do not cover this flow, or NULL. */
static const char *uncovered(const struct pair *p, int row, int source)
{
    const struct gw_side *s = p->s[source], *t = p->s[1 - source];
    if (row == 5)
        return NULL; /* everything is copied anyway */
    if (p->at[0] < 0)
        return "they have no ancestor in common";
    if (row != 4)
        return gw_reach_uncovered(p->s[0], p->at[0], p->s[1], p->at[1]);
    /* R6 made the set of the resync durable on both sides; the target's own position says nothing
     * until FIN (R8). A source older than what the target has cleared would still not cover. */
    if (gw_reach_below_cleared(t, s)) /* how far the resync had come is in `reached` */
        return "the target was restored from an older copy";
    return gw_reach_below_cleared(s, t) ? "the source was restored from an older copy" : NULL;
}

static const char *flow_words(enum gw_verdict_action action)
{
    if (action == GW_VERDICT_IN_SYNC)
        return "in sync, stream";
    return gw_verdict_action_name(action);
}

/* Data goes from `source` to the other side; the reason is printf-like. */
__attribute__((format(printf, 5, 6))) static bool flow(const struct pair *p, struct gw_verdict *v,
                                                       int source, enum gw_verdict_action action,
                                                       const char *fmt, ...)
{
    const struct gw_side *s = p->s[source], *t = p->s[1 - source];
    char why[GW_VERDICT_SENTENCE_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);

    if (t->serving) {
        v->action = GW_VERDICT_QUESTION;
        say(v,
            "a person decides: %s would be overwritten from %s (%s), but it is serving, and no "
            "rule "
            "stops a serving site: stop it there, or replace the other side",
            name(t), name(s), why);
        return true;
    }
    const char *hole = uncovered(p, v->row, source);
    v->compare_all = hole != NULL;
    v->action = hole != NULL ? GW_VERDICT_RESYNC : action;
    v->source = source;
    v->target = 1 - source;
    say(v, "%s from %s to %s: %s", flow_words(v->action), name(s), name(t), why);
    if (hole != NULL)
        say(v, "; everything is compared, because %s", hole);
    if (v->row == 8 || v->row == 12 || v->row == 13)
        v->fork_seq = gw_reach_fork(s, p->at[source]);
    if (v->row == 12 || v->row == 13)
        v->diverged = gw_reach_has_tail(t, p->at[1 - source], s, p->at[source]);
    if (v->diverged)
        say(v,
            t->tail_signed ? "; what becomes of %s's own writes since is signed"
                           : "; %s may hold writes of its own since: assess, list and sign them "
                             "first",
            name(t));
    return true;
}

/* Row 0: not the same plan, or not the same volumes. */
static bool row_0(const struct pair *p, struct gw_verdict *v)
{
    const struct gw_side *a = p->s[0], *b = p->s[1];
    char why[GW_VERDICT_SENTENCE_MAX] = "";

    if (a->site != 0 || b->site != 1)
        snprintf(why, sizeof why,
                 "they do not say that they are the first and the second site of the plan; is one "
                 "directory a copy of the other?");
    else if (!gw_uuid_equal(&a->plan, &b->plan))
        snprintf(why, sizeof why, "their plan ids differ; is it the right peer?");
    else if (a->format != b->format)
        snprintf(why, sizeof why,
                 "their formats are %" PRIu32 " and %" PRIu32 "; upgrade the older one", a->format,
                 b->format);
    else if (a->n_volumes != b->n_volumes || a->n_volumes > GW_VOLUMES_MAX)
        snprintf(why, sizeof why,
                 "they have %" PRIu32 " and %" PRIu32 " volumes; give both the same list",
                 a->n_volumes, b->n_volumes);
    for (uint32_t i = 0; why[0] == '\0' && i < a->n_volumes; i++) {
        const struct gw_side_volume *x = &a->volume[i], *y = &b->volume[i];
        if (!gw_uuid_equal(&x->uuid, &y->uuid))
            snprintf(why, sizeof why,
                     "volume %" PRIu32 " (\"%s\") has not the same id at both; give both the same "
                     "list in the same order",
                     i, x->name);
        else if (x->bytes != y->bytes)
            snprintf(why, sizeof why,
                     "volume \"%s\" has %" PRIu64 " and %" PRIu64 " bytes; make the sizes equal",
                     x->name, x->bytes, y->bytes);
    }
    if (why[0] == '\0')
        return false;
    v->action = GW_VERDICT_REFUSE;
    say(v, "refused: %s and %s: %s", name(a), name(b), why);
    return true;
}

/* Row 1 (R19: two serving sides never resync). */
static bool row_1(const struct pair *p, struct gw_verdict *v)
{
    uint64_t e0 = gw_lineage_newest_promotion(&p->s[0]->lineage);
    uint64_t e1 = gw_lineage_newest_promotion(&p->s[1]->lineage);
    if (!p->s[0]->serving || !p->s[1]->serving || e0 == e1)
        return false;
    v->action = GW_VERDICT_DEPOSE;
    v->target = e0 < e1 ? 0 : 1;
    const struct gw_side *t = p->s[v->target], *s = p->s[1 - v->target];
    say(v,
        "%s is deposed: both sites serve and %s was promoted later (epoch %" PRIu64
        " after %" PRIu64
        "); it stops serving at once and its writes since are kept until a person has signed what "
        "becomes of them",
        name(t), name(s), e0 < e1 ? e1 : e0, e0 < e1 ? e0 : e1);
    return true;
}

static bool row_2(const struct pair *p, struct gw_verdict *v)
{
    if (!p->s[0]->serving || !p->s[1]->serving)
        return false;
    v->action = GW_VERDICT_SPLIT_BRAIN;
    say(v,
        "split brain: %s and %s both serve under epoch %" PRIu64
        "; both freeze and are kept as they are: a person names the survivor",
        name(p->s[0]), name(p->s[1]), gw_lineage_newest_promotion(&p->s[0]->lineage));
    return true;
}

static bool row_3(const struct pair *p, struct gw_verdict *v)
{
    if (gw_reach_blank(p->s[0]) || gw_reach_blank(p->s[1]))
        return false;
    for (int i = 0; i < 2; i++) {
        const struct gw_side *x = p->s[i], *y = p->s[1 - i];
        if (!gw_reach_is_active(x) || !gw_reach_rolled_back(x, y))
            continue;
        v->action = GW_VERDICT_ROLLED_BACK;
        say(v,
            "refused: %s runs on an older copy of its own state: %s knows more of its reign "
            "(epoch %" PRIu64 ") and is the better copy; nothing is copied: stop the former and "
            "promote or keep the latter",
            name(x), name(y), epoch(x));
        return true;
    }
    return false;
}

/* Row 4: whatever the epochs; a recorded choice of row 13 is resumed by the same rule. */
static bool row_4(const struct pair *p, struct gw_verdict *v)
{
    bool ok[2], blank[2];
    for (int i = 0; i < 2; i++) {
        blank[i] = gw_reach_blank(p->s[i]);
        ok[i] = !blank[i] && p->s[i]->consistent;
    }
    if ((ok[0] && ok[1]) || (blank[0] && blank[1]))
        return false;
    if (ok[0] || ok[1]) {
        int s = ok[0] ? 0 : 1;
        if (blank[1 - s])
            return false;
        return flow(p, v, s, GW_VERDICT_RESYNC, "%s is not consistent, the copy is taken up again",
                    name(p->s[1 - s]));
    }
    v->action = GW_VERDICT_REFUSE;
    say(v, "refused: neither %s nor %s holds a consistent image: roll the undo of one back first",
        name(p->s[0]), name(p->s[1]));
    return true;
}

static bool row_5(const struct pair *p, struct gw_verdict *v)
{
    bool blank[2] = { gw_reach_blank(p->s[0]), gw_reach_blank(p->s[1]) };
    if (!blank[0] && !blank[1])
        return false;
    int t = blank[0] ? 0 : 1;
    if (!blank[1 - t] && p->s[t]->seed_me)
        return flow(p, v, 1 - t, GW_VERDICT_FULL, "%s is blank and takes everything",
                    name(p->s[t]));
    v->action = GW_VERDICT_REFUSE;
    if (blank[1 - t])
        say(v, "refused: both %s and %s are blank: create the plan's image at one of them first",
            name(p->s[0]), name(p->s[1]));
    else
        say(v, "refused: %s is blank but was not told to take everything from %s: say so there",
            name(p->s[t]), name(p->s[1 - t]));
    return true;
}

/* Who leads where nothing else decides: the active, else the site that wrote the incarnation. */
static int leader(const struct pair *p)
{
    if (p->active >= 0)
        return p->active;
    return gw_lineage_current(&p->s[0]->lineage)->site == 1 ? 1 : 0;
}

static bool row_6(const struct pair *p, struct gw_verdict *v)
{
    if (!p->same || p->s[0]->seq != p->s[1]->seq || !gw_reach_sets_empty(p->s[0]) ||
        !gw_reach_sets_empty(p->s[1]))
        return false;
    return flow(p, v, leader(p), GW_VERDICT_IN_SYNC, "both stand at %" PRIu64 " of epoch %" PRIu64,
                p->s[0]->seq, epoch(p->s[0]));
}

/* Row 7. A crashed side has no ring, and takes a new incarnation before its first frame. */
static bool row_7(const struct pair *p, struct gw_verdict *v)
{
    if (!p->same || p->active < 0)
        return false;
    const struct gw_side *x = p->s[p->active], *y = p->s[1 - p->active];
    if (x->crashed_active || !x->ring_whole || y->seq < x->ring_base || y->seq > x->seq ||
        !gw_reach_sets_empty(x) || !gw_reach_sets_empty(y))
        return false;
    return flow(p, v, p->active, GW_VERDICT_STREAM,
                "the ring holds everything after %" PRIu64 " of epoch %" PRIu64, y->seq, epoch(x));
}

static bool at_fork(const struct gw_side *x, const struct gw_side *y)
{
    const struct gw_incarnation *e = gw_lineage_current(&x->lineage);
    struct gw_uuid theirs = gw_lineage_uuid(&y->lineage);
    return gw_reach_is_active(x) && !x->crashed_active && e->birth == GW_BIRTH_PROMOTION &&
           x->lineage.n >= 2 && gw_uuid_equal(&e->parent, &theirs) && y->seq == e->fork_seq &&
           x->ring_whole && x->ring_base <= e->fork_seq && x->seq >= e->fork_seq &&
           gw_reach_sets_empty(x) && !y->serving && !y->crashed_active && gw_reach_sets_empty(y);
}

static bool row_8(const struct pair *p, struct gw_verdict *v)
{
    for (int i = 0; i < 2; i++)
        if (at_fork(p->s[i], p->s[1 - i]))
            return flow(p, v, i, GW_VERDICT_STREAM,
                        "%s stands exactly where epoch %" PRIu64 " began (%" PRIu64 ")",
                        name(p->s[1 - i]), epoch(p->s[i]), p->s[1 - i]->seq);
    return false;
}

/* Row 9 (R18: only the boot that the record names holds what it promised). */
static bool row_9(const struct pair *p, struct gw_verdict *v)
{
    if (!p->same || p->active < 0)
        return false;
    const struct gw_side *x = p->s[p->active], *y = p->s[1 - p->active];
    if (x->serving || !x->crashed_active || !x->boot_changed || x->recorded != GW_RECORDED_SYNC ||
        gw_uuid_is_none(&x->sync_boot) || !gw_uuid_equal(&x->sync_boot, &y->boot_id))
        return false;
    /* R5: restored from an older copy under the same boot, it no longer holds what it had. */
    if (gw_reach_below_cleared(y, x))
        return false;
    return flow(p, v, 1 - p->active, GW_VERDICT_RESYNC,
                "%s crashed with its machine and had recorded that the other has every "
                "acknowledged write; it serves only after this",
                name(x));
}

/* Row 10 (R19: a crashed active that nobody replaced is source). */
static bool row_10(const struct pair *p, struct gw_verdict *v)
{
    if (!p->same || p->active < 0)
        return false;
    const struct gw_side *x = p->s[p->active];
    return flow(p, v, p->active, GW_VERDICT_RESYNC, "%s %s", name(x),
                x->serving
                    ? "is active"
                    : "was the active one and may hold acknowledged writes that only it has");
}

static bool row_11(const struct pair *p, struct gw_verdict *v)
{
    if (!p->same)
        return false;
    uint64_t q0 = p->s[0]->seq, q1 = p->s[1]->seq;
    if (q0 != q1)
        return flow(p, v, q0 > q1 ? 0 : 1, GW_VERDICT_RESYNC,
                    "neither is active, and it stands further on (%" PRIu64 " against %" PRIu64 ")",
                    q0 > q1 ? q0 : q1, q0 > q1 ? q1 : q0);
    return flow(p, v, leader(p), GW_VERDICT_RESYNC,
                "neither is active, both stand at %" PRIu64 ", and it wrote epoch %" PRIu64, q0,
                epoch(p->s[0]));
}

/* Which side goes on alone after the last common ancestor (row 12); -1: both do (row 13). */
static int longer(const struct pair *p)
{
    bool goes_on[2], promoted[2];
    for (int i = 0; i < 2; i++) {
        goes_on[i] = p->at[i] < (int)p->s[i]->lineage.n - 1;
        promoted[i] = gw_lineage_promoted_after(&p->s[i]->lineage, p->at[i]);
    }
    if (goes_on[0] != goes_on[1])
        return goes_on[0] ? 0 : 1;
    if (promoted[0] != promoted[1])
        return promoted[0] ? 0 : 1;
    if (promoted[0])
        return -1;
    /* Two restarts: no fork if one of them is only trimmed away at the other side. */
    bool hidden0 = gw_reach_hidden(p->s[0], p->at[0], p->s[1]);
    bool hidden1 = gw_reach_hidden(p->s[1], p->at[1], p->s[0]);
    if (hidden0 != hidden1)
        return hidden0 ? 1 : 0;
    return -1;
}

static bool row_12(const struct pair *p, struct gw_verdict *v)
{
    if (p->at[0] < 0)
        return false;
    int s = longer(p);
    if (s < 0)
        return false;
    return flow(p, v, s, GW_VERDICT_RESYNC,
                "its lineage goes on (epoch %" PRIu64 ") where the other's (epoch %" PRIu64
                ") was left",
                epoch(p->s[s]), epoch(p->s[1 - s]));
}

/* Site that a person has named as survivor; -1: no choice, or two that contradict each other. */
static int survivor(const struct pair *p)
{
    int chosen = -1;
    for (int i = 0; i < 2; i++) {
        const struct gw_uuid *u = &p->s[i]->survivor;
        bool known0 = gw_lineage_find(&p->s[0]->lineage, u) >= 0;
        bool known1 = gw_lineage_find(&p->s[1]->lineage, u) >= 0;
        if (known0 == known1)
            continue; /* names neither or both: chooses nothing */
        int site = known0 ? 0 : 1;
        if (chosen >= 0 && chosen != site)
            return -1;
        chosen = site;
    }
    return chosen >= 0 && p->s[chosen]->consistent ? chosen : -1;
}

static bool row_13(const struct pair *p, struct gw_verdict *v)
{
    if (p->at[0] < 0)
        return false;
    int s = survivor(p);
    if (s >= 0)
        return flow(p, v, s, GW_VERDICT_RESYNC, "it was named the survivor of the split brain");
    v->action = GW_VERDICT_SPLIT_BRAIN;
    say(v,
        "split brain: %s (epoch %" PRIu64 ") and %s (epoch %" PRIu64
        ") both went on by themselves; nothing is overwritten until a person names the survivor",
        name(p->s[0]), epoch(p->s[0]), name(p->s[1]), epoch(p->s[1]));
    return true;
}

static bool row_14(const struct pair *p, struct gw_verdict *v)
{
    v->action = GW_VERDICT_REFUSE;
    say(v,
        "refused: %s and %s hold unrelated images: neither is copied over the other; to give one "
        "up, replace that site and seed it from the other",
        name(p->s[0]), name(p->s[1]));
    return true;
}

void gw_verdict_decide(const struct gw_side *a, const struct gw_side *b, struct gw_verdict *ret)
{
    static bool (*const rows[])(const struct pair *p, struct gw_verdict *v) = {
        row_0, row_1, row_2,  row_3,  row_4,  row_5,  row_6,  row_7,
        row_8, row_9, row_10, row_11, row_12, row_13, row_14,
    };
    struct pair p = { .s = { a, b }, .at = { -1, -1 } };
    if (a->site > b->site) {
        p.s[0] = b;
        p.s[1] = a;
    }
    struct gw_uuid u0 = gw_lineage_uuid(&p.s[0]->lineage), u1 = gw_lineage_uuid(&p.s[1]->lineage);
    p.same = !gw_uuid_is_none(&u0) && gw_uuid_equal(&u0, &u1);
    p.at[0] = gw_lineage_common(&p.s[0]->lineage, &p.s[1]->lineage, &p.at[1]);
    p.active = find_active(&p);

    for (int row = 0; row < 15; row++) {
        *ret = (struct gw_verdict){ .row = row, .source = -1, .target = -1 };
        if (rows[row](&p, ret))
            return;
    }
    assert(false); /* row 14 always holds */
}
