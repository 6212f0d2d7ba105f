// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The tables' engine: guards, and the first row whose guard holds. */
#include "core/lifecycle.h"

#include "base/checked.h"

#include <string.h>

const struct gw_life_table *const gw_life_tables[GW_LIFE_TABLES] = {
    &gw_auth_table, &gw_lease_table, &gw_repl_table, &gw_svc_table, &gw_op_table, &gw_mode_table,
};

static const char *const verdict_names[GW_LIFE_VERDICT_MAX] = {
    [GW_LIFE_OK] = "ok",
    [GW_LIFE_REFUSED] = "refused",
    [GW_LIFE_FORCEABLE] = "forceable",
    [GW_LIFE_IMPOSSIBLE] = "impossible",
};

static const char *const action_names[GW_LIFE_ACTION_MAX] = {
    [GW_LIFE_DO_NOTHING] = "",
    [GW_LIFE_DO_RECORD] = "record at both sites",
    [GW_LIFE_DO_NEXT_EPOCH] = "take the next epoch",
    [GW_LIFE_DO_SEIZE] = "take the next epoch, mark the other site",
    [GW_LIFE_DO_OBEY] = "stop serving, be fenced",
    [GW_LIFE_DO_RELABEL] = "exchange the labels",
    [GW_LIFE_DO_UNSYNC] = "record UNSYNC first",
    [GW_LIFE_DO_TURN] = "count the lag anew",
    [GW_LIFE_DO_CONSISTENT] = "note the first consistent state",
    [GW_LIFE_DO_ASK] = "ask a person",
    [GW_LIFE_DO_ALERT] = "alert",
    [GW_LIFE_DO_HALT] = "halt the plan",
    [GW_LIFE_DO_START] = "start",
    [GW_LIFE_DO_STOP] = "stop",
    [GW_LIFE_DO_END_TEST] = "tear the test down first",
};

/* A guard is a fact that has a value: known to be yes, known to be no, or just not known to be
 * yes. The last kind is for refusals only. */
struct guard {
    const char *text;
    size_t fact; /* offset in struct gw_life_facts */
    enum gw_tri wants;
    bool unless; /* holds unless the fact is `wants` */
};

#define FACT(name) offsetof(struct gw_life_facts, name)
#define IS(what, name)                                                                             \
    {                                                                                              \
        .text = (what), .fact = FACT(name), .wants = GW_TRI_YES                                    \
    }
#define IS_NOT(what, name)                                                                         \
    {                                                                                              \
        .text = (what), .fact = FACT(name), .wants = GW_TRI_NO                                     \
    }
#define UNLESS(what, name)                                                                         \
    {                                                                                              \
        .text = (what), .fact = FACT(name), .wants = GW_TRI_YES, .unless = true                    \
    }

static const struct guard guards[GW_WHEN_MAX] = {
    [GW_WHEN_ALWAYS] = { .text = "" },
    [GW_WHEN_ACTIVATED] = IS("the plan is activated", activated),
    [GW_WHEN_NOT_ACTIVATED] = IS_NOT("the plan is not activated", activated),
    [GW_WHEN_OVERRIDE] = IS("a person's override is recorded", override),
    [GW_WHEN_TOKEN_EQUAL] = IS("the other site matched the token", token_equal),
    [GW_WHEN_RELEASED] = IS("a release is recorded", released),
    [GW_WHEN_NOT_RELEASED] = IS_NOT("no release was made", released),
    [GW_WHEN_NOT_TAKEN] = IS("the other site did not take it", not_taken),
    [GW_WHEN_OTHER_FENCED] = IS("the other site is fenced, verified", other_fenced),
    [GW_WHEN_EPOCH_NEWER] = IS("its epoch is later", epoch_newer),
    [GW_WHEN_EPOCH_EQUAL] = IS("its epoch is the same", epoch_equal),
    [GW_WHEN_WITNESS] = IS("a witness answers", witness),
    [GW_WHEN_PEER_BLANK] = IS("the target is blank", peer_blank),
    [GW_WHEN_MAPS_EMPTY] = IS("no write is only in the dirty map", maps_empty),
    [GW_WHEN_UNDO_MISSING] = UNLESS("what is overwritten is not kept", undo_kept),
    [GW_WHEN_TAIL_SIGNED] = IS("the tail is signed for", tail_signed),
    [GW_WHEN_ROLLED_BACK] = IS("the target was rolled back", rolled_back),
    [GW_WHEN_CONTINUES] = IS_NOT("on_link_loss is continue", suspends),
    [GW_WHEN_HOLDER] = IS("this site holds the authority", is_holder),
    [GW_WHEN_COMPARED] = IS("lineages were compared", compared),
    [GW_WHEN_BEFORE_RETURN] = IS_NOT("before the point of no return", past_return),
    [GW_WHEN_UNCOMMITTED] = IS_NOT("a failover is open", committed),
    [GW_WHEN_SPLIT_BRAIN] = IS("both sites went on alone", split_brain),
    [GW_WHEN_WAS_AUTO] = { .text = "it was auto" },
    [GW_WHEN_WAS_MANUAL] = { .text = "it was manual" },
    [GW_WHEN_WAS_OBSERVE] = { .text = "it was observe" },
};

const char *gw_life_verdict_name(enum gw_life_verdict v)
{
    return (unsigned)v < GW_LIFE_VERDICT_MAX ? verdict_names[v] : "invalid";
}

const char *gw_life_action_name(enum gw_life_action a)
{
    return (unsigned)a < GW_LIFE_ACTION_MAX ? action_names[a] : "invalid";
}

const char *gw_life_guard_text(enum gw_life_guard g)
{
    return (unsigned)g < GW_WHEN_MAX ? guards[g].text : "invalid";
}

static bool was(const struct gw_life_facts *f, enum gw_mode mode)
{
    return f->have_mode_before == GW_TRI_YES && f->mode_before == mode;
}

bool gw_life_guard_holds(enum gw_life_guard g, const struct gw_life_facts *f)
{
    if (g == GW_WHEN_ALWAYS)
        return true;
    if ((unsigned)g >= GW_WHEN_MAX)
        return false;
    if (g == GW_WHEN_WAS_AUTO) /* and nothing automatic without a witness, also not again */
        return was(f, GW_MODE_AUTO) && f->witness == GW_TRI_YES;
    if (g == GW_WHEN_WAS_MANUAL)
        return was(f, GW_MODE_MANUAL);
    if (g == GW_WHEN_WAS_OBSERVE)
        return was(f, GW_MODE_OBSERVE_ONLY);
    enum gw_tri fact;
    memcpy(&fact, (const char *)f + guards[g].fact, sizeof fact);
    return (fact == guards[g].wants) != guards[g].unless;
}

static const struct gw_life_row *find(const struct gw_life_table *t, unsigned from, unsigned event,
                                      const struct gw_life_facts *f)
{
    if (from >= t->n_values || event >= t->n_events)
        return NULL;
    for (size_t i = 0; i < t->n_rows; i++) {
        const struct gw_life_row *row = &t->rows[i];
        if ((row->from & GW_LIFE_FROM(from)) != 0 && row->event == event &&
            gw_life_guard_holds((enum gw_life_guard)row->guard, f))
            return row;
    }
    return NULL;
}

void gw_life_step(const struct gw_life_table *t, unsigned from, unsigned event,
                  const struct gw_life_facts *f, struct gw_life_result *ret)
{
    const struct gw_life_row *row = find(t, from, event, f);
    if (row == NULL) {
        *ret = (struct gw_life_result){
            .verdict = GW_LIFE_IMPOSSIBLE,
            .to = from,
            .action = GW_LIFE_DO_HALT,
            .sentence = "this is no state or no event of the table: it was written by another "
                        "version, or it is damaged",
        };
        return;
    }
    bool moves = row->verdict == GW_LIFE_OK && row->to != GW_LIFE_SAME;
    *ret = (struct gw_life_result){
        .verdict = (enum gw_life_verdict)row->verdict,
        .to = moves ? row->to : from,
        .action = (enum gw_life_action)row->action,
        .sentence = row->sentence,
        .row = row,
    };
}
