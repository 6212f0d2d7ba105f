// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Runs as the API shows them. */
#include "base/clock.h"
#include "catalog/timings.h"
#include "control/message.h"
#include "site/mates.h"
#include "site/runs.h"
#include "site/runs_live.h"
#include "site/runstore.h"
#include "site/runwire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LAST_LOOK 5u /* runs that are looked at for one that was real and has ended */

static json_t *time_json(uint64_t wall_ns)
{
    char when[GW_TIME_TEXT];
    if (wall_ns == 0)
        return json_null();
    gw_time_format(wall_ns, when);
    return json_string(when);
}

/* ---- the log folded by step -------------------------------------------------------------------
 */

struct times {
    uint64_t began_ns, ended_ns, took_ns;
    bool unseen; /* in a dry run */
    bool known;  /* who coordinated it: */
    enum gw_run_side coordinator;
    char detail[GW_RUN_DETAIL_MAX];
};

static int read_all(struct site *s, const char *id, struct gw_run_entry **ret, unsigned *ret_n,
                    struct gw_error *err)
{
    unsigned cap = 64, n = 0;
    struct gw_run_entry *e = NULL;
    for (;;) {
        struct gw_run_entry *more = realloc(e, cap * sizeof *e);
        if (more == NULL) {
            free(e);
            return gw_error_set(err, -ENOMEM, "out of memory");
        }
        e = more;
        int got = site_run_store.read(s->catalog, id, n, e + n, cap - n, err);
        if (got < 0) {
            free(e);
            return got;
        }
        n += (unsigned)got;
        if (n < cap)
            break;
        cap *= 2;
    }
    *ret = e;
    *ret_n = n;
    return 0;
}

static void fold(const struct gw_run_entry *e, unsigned n, struct times *t)
{
    for (unsigned i = 0; i < n; i++) {
        if (e[i].core.step >= GW_OPERATION_STEPS_MAX)
            continue;
        struct times *x = &t[e[i].core.step];
        if (e[i].core.kind == GW_ENTRY_INTENT || !x->known) {
            x->known = true;
            x->coordinator = e[i].core.side;
        }
        if (e[i].core.kind == GW_ENTRY_INTENT && x->began_ns == 0)
            x->began_ns = e[i].wall_ns;
        if (e[i].core.kind != GW_ENTRY_INTENT && e[i].core.kind != GW_ENTRY_UNDO) {
            x->ended_ns = e[i].wall_ns;
            x->took_ns = e[i].took_ns;
        }
        x->unseen = x->unseen || (e[i].core.flags & GW_ENTRY_UNSEEN) != 0;
        if (e[i].detail[0] != '\0')
            memcpy(x->detail, e[i].detail, sizeof x->detail);
    }
}

/* Where the coordinator did it, who may have been another one then than now. */
static const char *place_site(const struct gw_run_look *l, const struct gw_step *st,
                              const struct times *t)
{
    if (st->place == GW_PLACE_OLD)
        return l->run.site[GW_SIDE_OLD];
    if (st->place == GW_PLACE_NEW)
        return l->run.site[GW_SIDE_NEW];
    return l->run.site[t->known ? t->coordinator : l->view.coordinator];
}

/* Of a step of a dry run nothing is done: what was looked at, what could not be, what was not. */
static const char *state_word(const struct gw_run_look *l, const struct gw_step *st,
                              const struct times *t, unsigned i)
{
    enum gw_step_state state = l->view.step[i].state;
    if (!l->run.dry_run || state != GW_STEP_DONE)
        return gw_step_state_name(state);
    return t->unseen ? "unknown" : st->dry == GW_DRY_SKIP ? "not_done" : "checked";
}

/* How long the real step would take: as it did, else its target; null where it waits for a copy. */
static void add_estimate(struct site *s, const struct gw_run_look *l, const struct gw_step *st,
                         json_t *o)
{
    struct gw_catalog_timing t = { 0 };
    struct site_plan *p;
    struct gw_error none = { 0 };
    if (site_plan_find(s, l->run.plan, &p, &none) == 0)
        gw_catalog_timing_get(s->catalog, p->uuid_text, gw_operation_name(l->run.operation),
                              gw_step_name(st->id), &t, &none);
    uint64_t ms = t.n > 0 ? t.median_ms : st->target_ms;
    json_object_set_new(o, "estimate_ms",
                        ms > 0 || t.n > 0 ? json_integer((json_int_t)ms) : json_null());
    json_object_set_new(o, "estimate_from", json_string(t.n > 0 ? "measured" : "target"));
}

static json_t *steps_json(struct site *s, const struct gw_run_look *l,
                          const struct gw_operation *op, const struct times *t,
                          const struct site_run_live *live)
{
    json_t *a = json_array();
    for (unsigned i = 0; i < op->n_steps; i++) {
        const struct gw_step *st = &op->steps[i];
        json_t *detail = t[i].detail[0] != '\0' ? json_loads(t[i].detail, 0, NULL) : NULL;
        bool waits = l->view.step[i].state == GW_STEP_WAITS && live->waits_for[0] != '\0';
        /* A detail that is text alone, and what a step waited for once and waits for no more. */
        const char *words = waits ? live->waits_for
                            : l->view.step[i].state == GW_STEP_DONE && !t[i].unseen
                                ? ""
                                : site_text(detail, "sentence");
        json_array_append_new(
            a,
            json_pack("{s:s, s:s, s:s, s:s, s:i, s:o, s:o, s:o, s:I, s:b, s:b, s:o, s:o}", "step",
                      gw_step_name(st->id), "title", gw_step_text(st->id)->title, "site",
                      place_site(l, st, &t[i]), "state", state_word(l, st, &t[i], i), "attempt",
                      (int)l->view.step[i].attempts, "started", time_json(t[i].began_ns), "ended",
                      t[i].ended_ns >= t[i].began_ns ? time_json(t[i].ended_ns) : json_null(),
                      "seconds",
                      t[i].ended_ns >= t[i].began_ns && t[i].began_ns > 0
                          ? json_real((double)t[i].took_ns / (double)GW_NS_PER_S)
                          : json_null(),
                      "ms", (json_int_t)(t[i].took_ns / GW_NS_PER_MS), "point_of_no_return",
                      (st->flags & GW_STEP_PONR) != 0, "current", l->current == i, "evidence",
                      detail != NULL ? detail : json_null(), "detail", gw_control_text(words)));
        if (l->run.dry_run)
            add_estimate(s, l, st, json_array_get(a, i));
    }
    return a;
}

static json_t *choices_json(unsigned choices)
{
    json_t *a = json_array();
    for (int c = 1; c < GW_CHOICE_MAX; c++) {
        if ((choices & (1u << c)) != 0)
            json_array_append_new(a, json_pack("{s:s, s:s}", "choice",
                                               gw_choice_name((enum gw_choice)c), "text",
                                               gw_choice_sentence((enum gw_choice)c)));
    }
    return a;
}

/* "the step failed: {...}": the evidence of a step in the words of the executor. Of evidence its
 * sentence is for people. */
static json_t *readable(const char *detail)
{
    const char *brace = strchr(detail, '{');
    CLEANUP_SITE_JSON json_t *d = brace != NULL ? json_loads(brace, 0, NULL) : NULL;
    const char *sentence = site_text(d, "sentence");
    if (sentence[0] == '\0')
        return gw_control_text(detail);
    char text[GW_RUN_DETAIL_MAX];
    snprintf(text, sizeof text, "%.*s%s", (int)(brace - detail), detail, sentence);
    return gw_control_text(text);
}

/* The last words that say why a run stands where it stands. */
static json_t *why_json(const struct gw_run_entry *e, unsigned n)
{
    for (unsigned i = n; i > 0; i--) {
        CLEANUP_SITE_JSON json_t *d = json_loads(e[i - 1].detail, 0, NULL);
        const char *sentence = site_text(d, "sentence");
        if (sentence[0] != '\0')
            return gw_control_text(sentence);
        if (d == NULL && e[i - 1].detail[0] != '\0')
            return readable(e[i - 1].detail);
    }
    return json_string("");
}

static json_t *sentence_json(const struct gw_run_look *l, const struct gw_run_entry *e, unsigned n,
                             const struct site_run_live *live)
{
    char result[256];
    if (l->shown == GW_RUN_DONE) {
        site_run_result(l, result, sizeof result);
        for (unsigned i = 0; i < n; i++) {
            if ((e[i].core.flags & GW_ENTRY_UNSEEN) != 0)
                return json_string("A dry run: nothing was changed, and not everything could be "
                                   "looked at.");
        }
        return gw_control_text(result);
    }
    if (live->waits_for[0] != '\0')
        return gw_control_text(live->waits_for);
    /* What its log says last is of a step that is past, unless the run stands or ended there. */
    bool stands = l->shown != GW_RUN_RUNNING && l->shown != GW_RUN_SCHEDULED &&
                  l->shown != GW_RUN_WAITING_APPROVAL;
    return stands ? why_json(e, n) : json_string("");
}

/* Approved, and the executor has not come to it yet. */
static enum gw_run_state shown(const struct gw_run_look *l)
{
    if (l->shown == GW_RUN_WAITING_APPROVAL && l->view.approvals >= l->run.approvals)
        return GW_RUN_RUNNING;
    return l->shown;
}

static int look(struct site *s, const char *id, struct gw_run_look *ret, struct gw_error *err)
{
    struct gw_run run;
    int r = site_run_store.load(s->catalog, id, &run, err);
    if (r < 0)
        return r;
    const char *peer =
        run.site[strcmp(run.site[GW_SIDE_OLD], s->name) == 0 ? GW_SIDE_NEW : GW_SIDE_OLD];
    struct site_mate_state mate;
    site_mate_state(s, peer, &mate);
    r = gw_run_look(site_run_env(s), id, !mate.reachable, ret, err);
    if (r == 0)
        ret->choices = site_run_choices(ret, mate.reachable);
    return r;
}

/* What the log cannot say: that nothing can be written to it. */
static void say_stuck(struct site *s, const struct gw_run_look *l, json_t *o)
{
    struct site_plan *p;
    struct gw_error none = { 0 };
    char why[SITE_WHY_TEXT];
    if (gw_run_state_ended(l->shown) || site_plan_find(s, l->run.plan, &p, &none) < 0)
        return;
    CLEANUP_VIEW struct site_view v;
    site_view_make(s, p, &v);
    if (!site_view_stuck(&v, l->run.id, why))
        return;
    json_object_set_new(o, "state", json_string(gw_run_state_name(GW_RUN_HALTED)));
    json_object_set_new(o, "sentence", gw_control_text(why));
}

/* *ret_entries: its log, for the caller to free in any case. */
static int run_json(struct site *s, const char *id, struct gw_run_entry **ret_entries, json_t **ret,
                    struct gw_error *err)
{
    CLEANUP_FREE struct gw_run_look *l = calloc(1, sizeof *l);
    CLEANUP_FREE struct times *t = calloc(GW_OPERATION_STEPS_MAX, sizeof *t);
    unsigned n = 0;
    if (l == NULL || t == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = look(s, id, l, err);
    if (r == 0)
        r = read_all(s, id, ret_entries, &n, err);
    if (site_runstore_is_damage(r)) { /* shown as that: the others are no worse for it */
        const struct gw_error why = *err;
        return site_runstore_damaged(s->catalog, id, &why, ret, err);
    }
    if (r < 0)
        return r;
    const struct gw_operation *op = gw_operation_get(l->run.operation);
    const struct gw_run_entry *e = *ret_entries;
    fold(e, n, t);
    struct site_run_live live;
    site_run_live(s, l, &live);
    json_t *params = json_loads(l->run.params, 0, NULL);
    json_t *o = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:I, s:I, s:s, s:b, s:o, s:I, s:o}",
        "id", l->run.id, "plan", l->run.plan, "operation", gw_operation_name(l->run.operation),
        "state", gw_run_state_name(shown(l)), "old_site", l->run.site[GW_SIDE_OLD], "new_site",
        l->run.site[GW_SIDE_NEW], "coordinator", l->run.site[l->view.coordinator], "requester",
        l->run.requester, "created", time_json(l->run.created_wall_ns), "scheduled",
        time_json(l->run.start_wall_ns), "created_wall_ns", (json_int_t)l->run.created_wall_ns,
        "epoch", (json_int_t)l->view.epoch, "plan_hash", l->run.plan_hash, "dry_run",
        l->run.dry_run, "params", params != NULL ? params : json_null(), "approvals_needed",
        (json_int_t)l->run.approvals, "choices", choices_json(l->choices));
    if (o == NULL) {
        site_run_live_done(&live);
        return gw_error_set(err, -ENOMEM, "out of memory");
    }
    json_object_set_new(o, "approvals", json_integer((json_int_t)l->view.approvals));
    json_object_set_new(o, "updated", n > 0 ? time_json(e[n - 1].wall_ns) : json_null());
    json_object_set_new(o, "ended",
                        n > 0 && gw_run_state_ended(l->shown) ? time_json(e[n - 1].wall_ns)
                                                              : json_null());
    json_object_set_new(o, "reason",
                        l->run.reason[0] != '\0' ? gw_control_text(l->run.reason) : json_null());
    json_object_set_new(o, "sentence", sentence_json(l, e, n, &live));
    json_object_set(o, "progress", live.progress != NULL ? live.progress : json_null());
    json_object_set_new(o, "mode", json_string(l->run.dry_run ? "dry-run" : "real"));
    json_object_set_new(o, "steps", op != NULL ? steps_json(s, l, op, t, &live) : json_array());
    site_run_live_done(&live);
    say_stuck(s, l, o);
    *ret = o;
    return 0;
}

int site_run_json(struct site *s, const char *id, json_t **ret, struct gw_error *err)
{
    struct gw_run_entry *entries = NULL;
    int r = run_json(s, id, &entries, ret, err);
    free(entries);
    return r;
}

int site_run_log_json(struct site *s, const char *id, uint64_t from, json_t **ret,
                      struct gw_error *err)
{
    struct gw_run run;
    CLEANUP_FREE struct gw_run_entry *e = NULL;
    unsigned n = 0;
    int r = site_run_store.load(s->catalog, id, &run, err);
    if (r == 0)
        r = read_all(s, id, &e, &n, err);
    if (r < 0)
        return r;
    json_t *a = json_array();
    for (unsigned i = 0; i < n; i++) {
        if (e[i].number >= from)
            json_array_append_new(
                a, site_run_entry_json(&run, gw_operation_get(run.operation), &e[i]));
    }
    *ret = json_pack("{s:s, s:o}", "run", run.id, "log", a);
    return 0;
}

int site_run_list_json(struct site *s, const char *plan, bool unfinished, uint64_t limit,
                       json_t **ret, struct gw_error *err)
{
    char(*ids)[GW_RUN_ID_MAX] = NULL;
    size_t n = 0;
    int r = site_runstore_list(s->catalog, plan, unfinished, limit, &ids, &n, err);
    json_t *a = json_array();
    for (size_t i = 0; r == 0 && i < n; i++) {
        json_t *o = NULL;
        r = site_run_json(s, ids[i], &o, err);
        if (r == 0) {
            json_object_del(o, "steps"); /* the list is for finding one */
            json_array_append_new(a, o);
        }
    }
    free(ids);
    if (r < 0) {
        json_decref(a);
        return r;
    }
    *ret = json_pack("{s:o}", "runs", a);
    return 0;
}

json_t *site_run_last_json(struct site *s, const char *plan)
{
    char(*ids)[GW_RUN_ID_MAX] = NULL;
    struct gw_error none = { 0 };
    size_t n = 0;
    json_t *found = NULL;
    if (site_runstore_list(s->catalog, plan, false, LAST_LOOK, &ids, &n, &none) < 0)
        return json_null();
    for (size_t i = 0; i < n && found == NULL; i++) {
        CLEANUP_SITE_JSON json_t *o = NULL;
        if (site_run_json(s, ids[i], &o, &none) < 0 || site_true(o, "dry_run") ||
            !json_is_string(site_at(o, "ended")))
            continue;
        found = json_pack("{s:O, s:O, s:O, s:O, s:O}", "id", json_object_get(o, "id"), "operation",
                          json_object_get(o, "operation"), "state", json_object_get(o, "state"),
                          "ended", json_object_get(o, "ended"), "requester",
                          json_object_get(o, "requester"));
    }
    free(ids);
    return found != NULL ? found : json_null();
}

int site_run_find(struct site *s, const char *text, char ret_id[GW_RUN_ID_MAX],
                  struct gw_error *err)
{
    return site_runstore_find(s->catalog, text, ret_id, err);
}
