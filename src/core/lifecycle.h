// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The lifecycle of a plan: five small tables.
 *
 *   AUTH   who may be active: the holder, and its lease (a table of its own, lease)
 *   REPL   what flows between the sites; its direction is from the holder to the other
 *   SVC    the service, for each site
 *   OP     the run that is on
 *   MODE   how much may happen without a person
 *
 * A table is rows (from, event, guard, verdict, to, action, sentence). EVERY (state, event) has a
 * row. A pair may have several: they are tried in order, the first whose guard holds counts, and
 * the last one of a pair always holds. Guards look at three-valued facts, and a fact that is not
 * known fulfils no guard that asks for it.
 *
 * Four verdicts, which are different things:
 *   OK          the state becomes `to` (which may be the same) and `action` has to be done
 *   REFUSED     not now; nothing changed; the sentence says why and what to do
 *   FORCEABLE   the same, but a recorded override by a person (facts.override) makes it OK
 *   IMPOSSIBLE  cannot have happened if everything works: the caller halts the plan and says so
 *
 * The tables decide nothing about *when*: guard.h has what is looked at before a run, phase.h the
 * headline, operation.h the steps. lifecycle_effects.h says which event each step of an operation
 * is here; a test walks every operation through the tables with it.
 *
 * Pure: constant tables, no state, any thread. Strings are constants.
 */
#pragma once

#include "core/values.h"

#include <stddef.h>
#include <stdint.h>

/* What guards look at; fill in what is known. `is_holder` and `released` are of the site that the
 * event is about. */
struct gw_life_facts {
    enum gw_tri activated;
    enum gw_tri override;     /* a recorded override of this very guard by a person */
    enum gw_tri token_equal;  /* AUTH: the other site matched the equality token */
    enum gw_tri released;     /* a durable release is recorded; AUTH, take: one to that very site */
    enum gw_tri not_taken;    /* AUTH: the other site said that it did not take the release */
    enum gw_tri other_fenced; /* the other site is fenced, and that was verified */
    enum gw_tri epoch_newer;  /* AUTH: the claim that was seen is of a later epoch than ours */
    enum gw_tri epoch_equal;  /* AUTH: ... of the same epoch */
    enum gw_tri witness;      /* a witness is configured and answers */
    enum gw_tri peer_blank;   /* REPL: the target never held an image */
    enum gw_tri maps_empty;   /* REPL: no write is only in the dirty map */
    enum gw_tri undo_kept;    /* REPL: what a copy overwrites is kept (I8) */
    enum gw_tri tail_signed;  /* REPL */
    enum gw_tri rolled_back;  /* REPL: the target was returned to a consistent state */
    enum gw_tri suspends;     /* REPL: on_link_loss is `suspend` */
    enum gw_tri is_holder;    /* SVC: this site holds the authority */
    enum gw_tri compared;     /* SVC: lineages were compared since the fence */
    enum gw_tri past_return;  /* OP: the point of no return is passed */
    enum gw_tri committed;    /* OP: no failover is open */
    enum gw_tri split_brain;  /* OP */
    enum gw_mode mode_before; /* MODE: what it was when it was held */
    enum gw_tri have_mode_before;
};

enum gw_life_verdict {
    GW_LIFE_OK = 0,
    GW_LIFE_REFUSED,
    GW_LIFE_FORCEABLE,
    GW_LIFE_IMPOSSIBLE,
    GW_LIFE_VERDICT_MAX,
};
const char *gw_life_verdict_name(enum gw_life_verdict v);

/* What has to be done along with the change. The executor has one place for each. */
enum gw_life_action {
    GW_LIFE_DO_NOTHING = 0,
    GW_LIFE_DO_RECORD,     /* write it down, durable, at both sites if both are there */
    GW_LIFE_DO_NEXT_EPOCH, /* take the next epoch, durable, before anything serves */
    GW_LIFE_DO_SEIZE,      /* the same, and the other site is marked: it comes back FENCED */
    GW_LIFE_DO_OBEY,       /* a later epoch rules: stop serving at once, be FENCED */
    GW_LIFE_DO_RELABEL,    /* home and dr change places in the plan */
    GW_LIFE_DO_UNSYNC,     /* UNSYNC is durable before the next write is acknowledged */
    GW_LIFE_DO_TURN,       /* lag is counted anew; nothing consistent since the role change */
    GW_LIFE_DO_CONSISTENT, /* first consistent state: note when */
    GW_LIFE_DO_ASK,        /* a person is asked */
    GW_LIFE_DO_ALERT,      /* an event, and whoever is on call */
    GW_LIFE_DO_HALT,       /* stop, freeze what is there, ask a person */
    GW_LIFE_DO_START,
    GW_LIFE_DO_STOP,
    GW_LIFE_DO_END_TEST, /* the test or rehearsal is torn down first */
    GW_LIFE_ACTION_MAX,
};
const char *gw_life_action_name(enum gw_life_action a);

struct gw_life_row {
    uint32_t from; /* set of values: GW_LIFE_FROM(value) | ... */
    uint8_t event;
    uint8_t guard; /* enum gw_life_guard */
    uint8_t verdict;
    uint8_t to; /* OK: the new value, or GW_LIFE_SAME */
    uint8_t action;
    const char *sentence;
};
#define GW_LIFE_FROM(value) (1u << (value))
#define GW_LIFE_SAME 0xff

struct gw_life_table {
    const char *name, *title;
    unsigned n_values, n_events;
    const char *const *value_name, *const *event_name;
    const struct gw_life_row *rows;
    size_t n_rows;
};

extern const struct gw_life_table gw_auth_table, gw_lease_table, gw_repl_table, gw_svc_table,
    gw_op_table, gw_mode_table;

/* All of them in the order of the text above, for who walks or prints them. */
#define GW_LIFE_TABLES 6
extern const struct gw_life_table *const gw_life_tables[GW_LIFE_TABLES];

enum gw_life_guard {
    GW_WHEN_ALWAYS = 0,
    GW_WHEN_ACTIVATED,
    GW_WHEN_NOT_ACTIVATED, /* known not to be */
    GW_WHEN_OVERRIDE,
    GW_WHEN_TOKEN_EQUAL,
    GW_WHEN_RELEASED,
    GW_WHEN_NOT_RELEASED, /* known not to be */
    GW_WHEN_NOT_TAKEN,
    GW_WHEN_OTHER_FENCED,
    GW_WHEN_EPOCH_NEWER,
    GW_WHEN_EPOCH_EQUAL,
    GW_WHEN_WITNESS,
    GW_WHEN_PEER_BLANK,
    GW_WHEN_MAPS_EMPTY,
    GW_WHEN_UNDO_MISSING, /* not known to be kept */
    GW_WHEN_TAIL_SIGNED,
    GW_WHEN_ROLLED_BACK,
    GW_WHEN_CONTINUES, /* on_link_loss is known to be `continue` */
    GW_WHEN_HOLDER,
    GW_WHEN_COMPARED,
    GW_WHEN_BEFORE_RETURN, /* known to be before the point of no return */
    GW_WHEN_UNCOMMITTED,   /* a failover is known to be open */
    GW_WHEN_SPLIT_BRAIN,
    GW_WHEN_WAS_AUTO,
    GW_WHEN_WAS_MANUAL,
    GW_WHEN_WAS_OBSERVE,
    GW_WHEN_MAX,
};
const char *gw_life_guard_text(enum gw_life_guard g); /* "a release is recorded" */
bool gw_life_guard_holds(enum gw_life_guard g, const struct gw_life_facts *f);

struct gw_life_result {
    enum gw_life_verdict verdict;
    unsigned to; /* the value afterwards; unless OK it is `from` */
    enum gw_life_action action;
    const char *sentence;
    const struct gw_life_row *row; /* NULL: from or event is no number of the table (IMPOSSIBLE) */
};

/* Total: any numbers, any facts. */
void gw_life_step(const struct gw_life_table *t, unsigned from, unsigned event,
                  const struct gw_life_facts *f, struct gw_life_result *ret);

static inline void gw_auth_step(enum gw_holder from, enum gw_auth_event e,
                                const struct gw_life_facts *f, struct gw_life_result *ret)
{
    gw_life_step(&gw_auth_table, from, e, f, ret);
}
static inline void gw_lease_step(enum gw_lease from, enum gw_lease_event e,
                                 const struct gw_life_facts *f, struct gw_life_result *ret)
{
    gw_life_step(&gw_lease_table, from, e, f, ret);
}
static inline void gw_repl_step(enum gw_repl from, enum gw_repl_event e,
                                const struct gw_life_facts *f, struct gw_life_result *ret)
{
    gw_life_step(&gw_repl_table, from, e, f, ret);
}
static inline void gw_svc_step(enum gw_svc from, enum gw_svc_event e, const struct gw_life_facts *f,
                               struct gw_life_result *ret)
{
    gw_life_step(&gw_svc_table, from, e, f, ret);
}
static inline void gw_op_step(enum gw_operation_id from, enum gw_op_event e,
                              const struct gw_life_facts *f, struct gw_life_result *ret)
{
    gw_life_step(&gw_op_table, from, e, f, ret);
}
static inline void gw_mode_step(enum gw_mode from, enum gw_mode_event e,
                                const struct gw_life_facts *f, struct gw_life_result *ret)
{
    gw_life_step(&gw_mode_table, from, e, f, ret);
}
