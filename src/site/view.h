// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The view: both sides of a plan together, as this site knows them, and what follows: the headline,
 * the facts that guards look at, the status that people see.
 *
 *     struct site_view v;
 *     site_view_make(s, p, &v);
 *     ... v.phase, v.facts ...
 *     site_view_done(&v);
 *
 * A side that is older than SITE_MATE_SILENT_MS is kept for people and counts as not known.
 */
#pragma once

#include "core/forecast.h"
#include "core/guard.h"
#include "core/phase.h"
#include "site/documents.h"

#define SITE_WHY_TEXT 512 /* why a run stands still, with the site that says it */

struct site_view {
    struct site_document *doc;
    json_t *side[GW_LABEL_MAX]; /* NULL: never known */
    bool fresh[GW_LABEL_MAX];   /* known now */
    uint64_t peer_age_ns;
    enum gw_label here;
    enum gw_holder holder;
    const char *site[GW_LABEL_MAX]; /* names, of doc */
    uint64_t epoch;

    /* The run that is on, as its row says here; id "" if there is none. */
    char run[40], operation[32], run_state[32], step[32];
    char one_way[256]; /* of the line to the other site: which direction fails, and why; "": none */
    /* It stands still because a site cannot record what it does; shown as halted. "": it does not.
     */
    char run_why[SITE_WHY_TEXT];
    unsigned choices;

    struct gw_phase_facts facts;
    struct gw_phase phase;
    char sentence[GW_PHASE_TEXT_MAX], next[GW_PHASE_TEXT_MAX];
};

void site_view_make(struct site *s, struct site_plan *p, struct site_view *ret);
/* The same of what is so now, for who is about to decide: the process here and the peer are asked
 * and waited for, instead of what they said up to a second ago. */
void site_view_make_now(struct site *s, struct site_plan *p, struct site_view *ret);
void site_view_done(struct site_view *v);
static inline void site_cleanup_view(struct site_view *v)
{
    site_view_done(v);
}
#define CLEANUP_VIEW __attribute__((cleanup(site_cleanup_view)))

/* The side that holds the authority, and the other; NULL if there is no holder or it is not known.
 */
const json_t *site_view_active(const struct site_view *v);
const json_t *site_view_standby(const struct site_view *v);
/* Does one of the sites say that this run stands still? "madrid: no room left on ..." */
bool site_view_stuck(const struct site_view *v, const char *run, char ret_why[SITE_WHY_TEXT]);
/* The status of a side's process; NULL if it is not known now. */
const json_t *site_view_dp(const struct site_view *v, enum gw_label label);

/* Who is active, and whether data flows from there. */
struct gw_direction site_view_direction(const struct site_view *v);

/* The status document of the API, new. */
json_t *site_view_status(struct site *s, struct site_plan *p, const struct site_view *v);
/* A copy that is under way by this status of a source: {what, done_bytes, total_bytes, rate,
 * eta_seconds}, new; NULL: none is. */
json_t *site_view_sync(const json_t *dp);
/* {"volumes": [...]}: with their place and NBD socket at this site. */
json_t *site_view_volumes(struct site *s, struct site_plan *p, const struct site_view *v);
/* For guards; texts in `store` live as long as it. */
struct site_guard_texts {
    char text[GW_GUARD_MAX][128];
};
void site_view_guards(struct site *s, struct site_plan *p, const struct site_view *v,
                      struct gw_guard_facts *ret, struct site_guard_texts *store);
/* Loss if the holder were given up now. */
void site_view_loss(const struct site_view *v, struct gw_loss *ret);
