// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/view.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/seen.h"
#include "site/mates.h"
#include "site/recall.h"
#include "site/runs.h"

#include <stdio.h>
#include <string.h>

#define CHOICES_TEXT 128u
#define CLOCK_SUSPECT_NS (2 * GW_NS_PER_S)
#define ROOM_BYTES_MIN (256ull << 20)

/* ---- reading sides ----------------------------------------------------------------------------
 */

const json_t *site_view_dp(const struct site_view *v, enum gw_label label)
{
    const json_t *side = v->side[label];
    return v->fresh[label] && site_true(side, "dp_known") ? site_at(side, "dp") : NULL;
}

static bool is_source(const json_t *dp)
{
    return strcmp(site_text(dp, "process"), "source") == 0;
}

static enum gw_label other(enum gw_label l)
{
    return gw_label_other(l);
}

const json_t *site_view_active(const struct site_view *v)
{
    return v->holder == GW_HOLDER_NONE
               ? NULL
               : v->side[v->holder == GW_HOLDER_HOME ? GW_LABEL_HOME : GW_LABEL_DR];
}

const json_t *site_view_standby(const struct site_view *v)
{
    return v->holder == GW_HOLDER_NONE
               ? NULL
               : v->side[v->holder == GW_HOLDER_HOME ? GW_LABEL_DR : GW_LABEL_HOME];
}

static enum gw_label holder_label(const struct site_view *v)
{
    return v->holder == GW_HOLDER_DR ? GW_LABEL_DR : GW_LABEL_HOME;
}

/* The claim of the higher epoch counts, whoever remembers it. */
static void find_holder(struct site_view *v)
{
    const char *holder = "";
    for (int l = 0; l < GW_LABEL_MAX; l++) {
        uint64_t epoch = site_number(v->side[l], "epoch");
        if (v->side[l] != NULL && (epoch > v->epoch || (epoch == v->epoch && holder[0] == '\0'))) {
            v->epoch = epoch;
            holder = site_text(v->side[l], "holder");
        }
    }
    if (strcmp(holder, v->site[GW_LABEL_HOME]) == 0)
        v->holder = GW_HOLDER_HOME;
    else if (strcmp(holder, v->site[GW_LABEL_DR]) == 0)
        v->holder = GW_HOLDER_DR;
    else
        v->holder = GW_HOLDER_NONE;
}

/* ---- the tables' values -----------------------------------------------------------------------
 */

static enum gw_svc svc_of(const struct site_view *v, enum gw_label l)
{
    static const enum gw_svc all[] = { GW_SVC_STOPPED,  GW_SVC_STARTING,  GW_SVC_RUNNING,
                                       GW_SVC_DEGRADED, GW_SVC_QUIESCING, GW_SVC_FENCED };
    if (!v->fresh[l])
        return GW_SVC_UNKNOWN;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(site_text(v->side[l], "svc"), gw_svc_name(all[i])) == 0)
            return all[i];
    }
    return GW_SVC_UNKNOWN;
}

static bool tail_waits(const json_t *dp)
{
    const json_t *assess = site_at(dp, "assess");
    return is_source(dp) && strcmp(site_text(dp, "replication"), "assessing") == 0 &&
           site_true(assess, "done") && site_number(assess, "tail_blocks") > 0;
}

static bool split(const json_t *dp)
{
    return strcmp(site_text(site_at(dp, "verdict"), "action"), "split-brain") == 0;
}

/* REPL and the link, from the source; without one from the replica, as far as that can tell. */
static void fill_repl(struct site_view *v)
{
    const json_t *dp = v->holder == GW_HOLDER_NONE ? NULL : site_view_dp(v, holder_label(v));
    struct gw_phase_facts *f = &v->facts;
    f->repl = GW_LIFE_REPL_NONE;
    if (is_source(dp)) {
        struct gw_repl_seen seen = {
            .replication = site_text(dp, "replication"),
            .recorded = site_text(dp, "recorded"),
            .attached = gw_tri_of(site_true(dp, "attached")),
            .tail_waits = gw_tri_of(tail_waits(dp)),
            .two_histories = gw_tri_of(split(dp)),
        };
        gw_repl_from_seen(&seen, &f->repl, &f->link_up);
    } else if (v->holder != GW_HOLDER_NONE) {
        const char *state = site_text(site_view_dp(v, other(holder_label(v))), "state");
        if (strcmp(state, "streaming") == 0)
            f->repl = GW_LIFE_REPL_ASYNC;
        else if (strcmp(state, "resync") == 0)
            f->repl = GW_LIFE_REPL_RESYNC;
        else if (strcmp(state, "seeding") == 0)
            f->repl = GW_LIFE_REPL_SEEDING;
    }
    f->dir_from = f->repl == GW_LIFE_REPL_NONE ? GW_HOLDER_NONE : v->holder;
}

static enum gw_tri tri_fact(const json_t *side, const char *name)
{
    const json_t *j = site_at(site_at(side, "facts"), name);
    return json_is_true(j) ? GW_TRI_YES : json_is_false(j) ? GW_TRI_NO : GW_TRI_UNKNOWN;
}

static void fill_history(struct site_view *v)
{
    struct gw_phase_facts *f = &v->facts;
    const json_t *ours = v->side[v->here], *active = site_view_active(v);
    const json_t *judge = active != NULL ? active : ours;
    f->retired = GW_TRI_NO;
    f->activated = gw_tri_of(site_true(ours, "activated"));
    f->role_changed = tri_fact(judge, "role_changed");
    f->synced = tri_fact(judge, "synced");
    f->committed = gw_tri_of(site_true(judge, "committed"));
    f->memory_older = GW_TRI_NO;
    f->suspect = GW_TRI_NO;
    f->split_brain =
        gw_tri_of(split(site_view_dp(v, GW_LABEL_HOME)) || split(site_view_dp(v, GW_LABEL_DR)));
    if (v->fresh[other(v->here)])
        f->memory_older =
            gw_tri_of(site_number(v->side[other(v->here)], "epoch") > site_number(ours, "epoch"));
}

static void fill_link(struct site *s, struct site_plan *p, struct site_view *v)
{
    struct gw_phase_facts *f = &v->facts;
    struct site_mate_state mate;
    site_mate_state(s, p->peer, &mate);
    /* A run goes to and fro: who cannot call us is as little there as who does not answer. */
    f->peer_reachable = gw_tri_of(mate.reachable && mate.one_way[0] == '\0');
    memcpy(v->one_way, mate.one_way, sizeof v->one_way);
    f->clock_suspect = mate.clock_known ? gw_tri_of(mate.offset_ns > (int64_t)CLOCK_SUSPECT_NS ||
                                                    mate.offset_ns < -(int64_t)CLOCK_SUSPECT_NS)
                                        : GW_TRI_UNKNOWN;
    const json_t *dp = v->holder == GW_HOLDER_NONE ? NULL : site_view_dp(v, holder_label(v));
    if (v->fresh[GW_LABEL_HOME] && v->fresh[GW_LABEL_DR])
        f->drift = gw_tri_of(strcmp(site_text(v->side[GW_LABEL_HOME], "hash"),
                                    site_text(v->side[GW_LABEL_DR], "hash")) != 0);
    const json_t *lag = site_at(site_view_active(v), "lag");
    bool known = dp != NULL && site_true(lag, "known");
    uint64_t lag_ms = (uint64_t)(site_real(lag, "seconds") * 1000.0);
    bool follows = site_true(lag, "follows");
    const struct gw_planfile *plan = v->doc->plan;
    if (known) {
        f->lag_ok = gw_tri_of(follows && lag_ms <= plan->rpo_ms);
        f->cutover_ok = gw_tri_of(follows && lag_ms * 2 <= plan->failback.max_outage_ms);
    }
    f->tail_unsigned = dp == NULL ? GW_TRI_UNKNOWN : gw_tri_of(tail_waits(dp));
    enum gw_label there = other(holder_label(v)); /* nobody holds it yet: DR will stand by */
    const json_t *standby = v->side[there];
    if (!v->fresh[there])
        return;
    f->preflight_ok = gw_tri_of(site_number(standby, "room_bytes") >= ROOM_BYTES_MIN &&
                                site_at(standby, "dir_error") != NULL &&
                                json_is_null(site_at(standby, "dir_error")));
    f->capacity = gw_tri_of(site_number(standby, "room_bytes") < ROOM_BYTES_MIN ||
                            (v->fresh[other(there)] &&
                             site_number(v->side[other(there)], "room_bytes") < ROOM_BYTES_MIN));
    const json_t *replica = site_view_dp(v, there);
    if (replica != NULL && site_number(replica, "journal_max_bytes") > 0)
        f->journal_full = gw_tri_of(site_number(replica, "journal_used_bytes") * 10 >=
                                    site_number(replica, "journal_max_bytes") * 9);
}

/* What this release does not watch yet cannot be bad: no witness, no fence devices, no tests are
 * configured that anything acts on. */
static void fill_not_watched(struct gw_phase_facts *f)
{
    f->witness_lost = f->fence_stale = f->test_overdue = GW_TRI_NO;
}

/* The standby's volumes are served by a source or not at all; no process, no source. Where nothing
 * is known, both may be writing. */
static void fill_stray(struct site_view *v)
{
    if (v->holder == GW_HOLDER_NONE)
        return;
    enum gw_label there = other(holder_label(v));
    const json_t *dp = site_view_dp(v, there), *unit = site_at(v->side[there], "unit");
    bool none = v->fresh[there] && (json_is_null(unit) || site_number(unit, "pid") == 0);
    if (none || dp != NULL)
        v->facts.stray = gw_tri_of(none || !is_source(dp) ||
                                   (strcmp(site_text(dp, "service"), "serving") != 0 &&
                                    strcmp(site_text(dp, "service"), "quiesced") != 0));
}

static void fill_resources(struct site_view *v)
{
    v->facts.resource_missing = GW_TRI_NO;
    for (int l = 0; l < GW_LABEL_MAX; l++) {
        const json_t *unit = v->fresh[l] ? site_at(v->side[l], "unit") : NULL;
        bool wanted = v->fresh[l] && strcmp(site_text(v->side[l], "want"), "NONE") != 0;
        if (wanted && (unit == NULL || json_is_null(unit) ||
                       (strcmp(site_text(unit, "state"), "up") != 0 &&
                        strcmp(site_text(unit, "state"), "starting") != 0)))
            v->facts.resource_missing = GW_TRI_YES;
    }
}

static enum gw_mode mode_of(const json_t *side)
{
    static const struct {
        const char *name;
        enum gw_mode mode;
    } modes[] = { { "AUTO", GW_MODE_AUTO },
                  { "APPROVE", GW_MODE_APPROVE },
                  { "MANUAL", GW_MODE_MANUAL },
                  { "OBSERVE_ONLY", GW_MODE_OBSERVE_ONLY },
                  { "HELD", GW_MODE_HELD } };
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(site_text(side, "mode"), modes[i].name) == 0)
            return modes[i].mode;
    }
    return GW_MODE_HELD;
}

bool site_view_stuck(const struct site_view *v, const char *run, char ret_why[SITE_WHY_TEXT])
{
    for (int l = 0; l < GW_LABEL_MAX; l++) {
        const json_t *stuck = v->fresh[l] ? site_at(v->side[l], "stuck") : NULL;
        if (strcmp(site_text(stuck, "run"), run) != 0 || stuck == NULL)
            continue;
        snprintf(ret_why, SITE_WHY_TEXT, "%s: %.400s", v->site[l], site_text(stuck, "why"));
        return true;
    }
    return false;
}

/* "retry, abort": those that are offered, and no others. */
static void put_choices(unsigned choices, char ret[CHOICES_TEXT])
{
    size_t at = 0;
    ret[0] = '\0';
    for (int c = 1; c < GW_CHOICE_MAX; c++) {
        const char *name = gw_choice_name((enum gw_choice)c);
        if ((choices & (1u << c)) != 0 && at + strlen(name) + 3 < CHOICES_TEXT)
            at += (size_t)sprintf(ret + at, "%s%s", at > 0 ? ", " : "", name);
    }
}

void site_view_make(struct site *s, struct site_plan *p, struct site_view *ret)
{
    *ret = (struct site_view){ .doc = site_plan_document(s, p) };
    struct site_view *v = ret;
    v->here = site_label(v->doc->plan, s->name);
    v->site[GW_LABEL_HOME] = v->doc->plan->home;
    v->site[GW_LABEL_DR] = v->doc->plan->dr;
    site_sides(s, p, &v->side[v->here], &v->side[other(v->here)], &v->peer_age_ns);
    v->fresh[v->here] = v->side[v->here] != NULL;
    v->fresh[other(v->here)] =
        v->side[other(v->here)] != NULL && v->peer_age_ns < SITE_MATE_SILENT_MS * GW_NS_PER_MS;
    find_holder(v);
    struct gw_phase_facts *f = &v->facts;
    f->holder = v->holder;
    f->lease = GW_LEASE_NOT_USED;
    f->mode = mode_of(v->side[v->here]);
    if (strcmp(site_text(v->side[other(v->here)], "mode"), "HELD") == 0)
        f->mode = GW_MODE_HELD; /* also one that is out of sight: it has not released it */
    fill_repl(v);
    for (int l = 0; l < GW_LABEL_MAX; l++)
        f->svc[l] = svc_of(v, (enum gw_label)l);
    fill_history(v);
    if (site_fenced(s))
        f->memory_older = GW_TRI_YES;
    fill_link(s, p, v);
    fill_stray(v);
    fill_resources(v);
    fill_not_watched(f);
    site_runs_fill_view(s, p, v);
    gw_phase_of(f, &v->phase);
    char choices[CHOICES_TEXT];
    put_choices(v->choices, choices);
    struct gw_phase_names names = { .plan = p->name,
                                    .home = v->site[GW_LABEL_HOME],
                                    .dr = v->site[GW_LABEL_DR],
                                    .run = v->run,
                                    .step = v->step,
                                    .holder = v->holder,
                                    .op = f->op,
                                    .choices = choices };
    gw_phase_expand(v->phase.sentence, &names, v->sentence, sizeof v->sentence);
    gw_phase_expand(v->phase.next, &names, v->next, sizeof v->next);
    if (strcmp(v->run_state, gw_run_state_name(GW_RUN_SCHEDULED)) == 0)
        snprintf(v->next, sizeof v->next,
                 "nothing: the %s begins by itself; godwit run show %s says when, godwit run "
                 "cancel %s takes it back",
                 v->operation, v->run, v->run);
    if (v->run_why[0] == '\0')
        return;
    snprintf(v->sentence, sizeof v->sentence, "%s stands still at %s: %.200s", v->operation,
             v->step, v->run_why);
    snprintf(v->next, sizeof v->next, "mend what the sentence names; the run goes on by itself");
}

void site_view_make_now(struct site *s, struct site_plan *p, struct site_view *ret)
{
    CLEANUP_SITE_JSON json_t *side __attribute__((unused)) = NULL;
    struct gw_error err = { 0 };
    if (site_side_look_now(s, p, &side, &err) < 0)
        gw_log(GW_LOG_ERROR, "%s: %s", p->name, err.msg);
    site_mates_ask(s, p);
    site_view_make(s, p, ret);
}

void site_view_done(struct site_view *v)
{
    site_document_unref(v->doc);
    json_decref(v->side[GW_LABEL_HOME]);
    json_decref(v->side[GW_LABEL_DR]);
}
