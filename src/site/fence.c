// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/fence.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/step.h"
#include "site/children.h"
#include "site/dataplane.h"
#include "site/monitor.h"
#include "site/plandir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SERVE_MS 60000u
#define PAUSE_MS 50u

/* The workload as this site runs it for `operation`; `children` NULL: not on record. */
static int workload(struct site *s, struct site_plan *p, struct site_workload_facts facts,
                    struct site_children *children, struct site_document *doc,
                    struct site_workload **ret, struct gw_error *err)
{
    struct site_dp_paths at;
    int r = site_dp_paths(s, p, &at, err);
    if (r < 0)
        return r;
    facts.nbd = at.nbd;
    struct site_workload_children hooks = { 0 };
    if (children != NULL)
        hooks = site_children_hooks(children);
    return site_workload_new(doc->plan, s->name, &facts, children != NULL ? &hooks : NULL,
                             gw_stop_fd(s->stop), ret, err);
}

/* ---- out of service ---------------------------------------------------------------------------
 */

static void set_fenced(struct gw_catalog_plan *row, void *arg)
{
    row->fenced_reason = arg;
    row->want = GW_CATALOG_WANT_NONE;
}

static int stop_workload(struct site *s, struct site_plan *p, struct gw_error *err)
{
    CLEANUP_DOCUMENT struct site_document *doc = site_plan_document(s, p);
    struct site_workload *w = NULL;
    int r =
        workload(s, p, (struct site_workload_facts){ .operation = "fence" }, NULL, doc, &w, err);
    if (r == 0)
        r = site_workload_stop(w, true, NULL, err);
    site_workload_free(w);
    site_monitor_look_soon(s, p);
    return r;
}

bool site_fence_deposed(const struct site *s, const json_t *ours)
{
    const json_t *dir = site_at(ours, "dir");
    const char *role = site_text(dir, "role"), *holder = site_text(ours, "holder");
    return (strcmp(role, gw_role_name(GW_ROLE_ACTIVE)) == 0 ||
            strcmp(role, gw_role_name(GW_ROLE_FENCED)) == 0) &&
           !site_true(dir, "released") && holder[0] != '\0' && strcmp(holder, s->name) != 0 &&
           site_number(ours, "epoch") > site_number(dir, "epoch") &&
           strcmp(site_text(ours, "want"), gw_catalog_want_name(GW_CATALOG_WANT_SOURCE)) == 0;
}

int site_fence_source(struct site *s, struct site_plan *p, const char *reason, struct gw_error *err)
{
    int r = site_dp_call(s, p, json_pack("{s:s, s:s}", "cmd", "fence", "reason", reason),
                         SITE_DP_CALL_MS, NULL, err);
    /* No process, or one that is no source: it serves nothing. */
    return r == -ENOENT || r == -ECONNREFUSED || r == -ENOSYS ? 0 : r;
}

int site_fence_plan_locked(struct site *s, struct site_plan *p, const char *reason,
                           struct gw_error *err)
{
    char *why = (char *)(uintptr_t)reason;
    int r = site_plan_update(s, p, set_fenced, why, err);
    if (r < 0)
        return r;
    site_event(s, "plan.fenced", p->name, NULL, SITE_WARNING, NULL,
               "this site must not serve the plan: %s", reason);
    /* The data first: a writer that goes on after this gets errors, whatever the workload does. */
    struct gw_error no = { 0 };
    r = site_dp_call(s, p, json_pack("{s:s, s:s}", "cmd", "fence", "reason", reason),
                     SITE_DP_CALL_MS, NULL, &no);
    int stopped = stop_workload(s, p, err);
    if (site_dp_stop(s, p, err) < 0)
        return -EIO;
    if (r < 0 && no.code != -ENOENT && no.code != -ECONNREFUSED && no.code != -ENOSYS)
        gw_log(GW_LOG_WARNING, "%s: fencing the source: %s", p->name, no.msg);
    return stopped;
}

int site_fence_plan(struct site *s, struct site_plan *p, const char *reason, struct gw_error *err)
{
    LOCK_SCOPE(&p->plan_mu);
    return site_fence_plan_locked(s, p, reason, err);
}

/* ---- back in service --------------------------------------------------------------------------
 */

/* Is the source here serving now? A fenced one is not, nor one that waits for its peer. */
static bool serves(struct site *s, struct site_plan *p, char ret_service[32])
{
    CLEANUP_SITE_JSON json_t *status = NULL;
    struct gw_error none = { 0 };
    ret_service[0] = '\0';
    if (site_dp_status(s, p, &status, &none) < 0)
        return false;
    snprintf(ret_service, 32, "%s", site_text(status, "service"));
    return strcmp(ret_service, "serving") == 0;
}

/* A reign of this side that is newer than all of the other's, begun here or there already. */
static int begin_reign(struct site *s, struct site_plan *p, uint64_t above_epoch,
                       struct site_plandir *ret, struct gw_error *err)
{
    const struct gw_promote_options alone = { .confirm_alone = true };
    struct gw_promote_result result;
    struct site_dp_paths at;
    int r = site_dp_paths(s, p, &at, err);
    if (r == 0)
        r = site_plandir_look(at.dir, ret, err);
    if (r < 0 || (ret->role == GW_ROLE_ACTIVE && ret->mine && ret->epoch > above_epoch))
        return r;
    r = site_dp_want(s, p, GW_CATALOG_WANT_NONE, err);
    if (r == 0)
        r = site_dp_stop(s, p, err);
    if (r == 0)
        r = site_plandir_promote(at.dir, &alone, above_epoch, &result, err);
    return r < 0 ? r : site_plandir_look(at.dir, ret, err);
}

struct reign {
    const char *holder;
    uint64_t epoch;
};

static void take_back(struct gw_catalog_plan *row, void *arg)
{
    const struct reign *g = arg;
    if (row->epoch < g->epoch) {
        row->epoch = g->epoch;
        row->role_wall_ns = gw_wall_ns();
    }
    row->holder = g->holder;
    row->fenced_reason = NULL;
    row->committed = true;
    row->want = GW_CATALOG_WANT_SOURCE;
}

/* The row, and what the next runs go by: see promote in steps_data.c. */
static int note_reign(struct site *s, struct site_plan *p, uint64_t epoch, bool promoted,
                      struct gw_error *err)
{
    struct reign g = { .holder = s->name, .epoch = epoch };
    CLEANUP_SITE_JSON json_t *facts =
        json_pack("{s:b, s:b, s:n, s:n, s:b}", "synced", 0, "role_changed", 1,
                  "failed_over_wall_ns", "routed", "reverted", promoted);
    CLEANUP_FREE char *text = json_dumps(facts, JSON_COMPACT);
    if (text == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = gw_catalog_plan_note(s->catalog, p->uuid_text, text, err);
    return r < 0 ? r : site_plan_update(s, p, take_back, &g, err);
}

static int serve(struct site *s, struct site_plan *p, const struct site_document *doc,
                 struct gw_error *err)
{
    uint64_t deadline_ns = gw_boot_ns() + SERVE_MS * GW_NS_PER_MS;
    char now[32];
    int r = site_dp_start(s, p, doc->plan, GW_UNIT_SOURCE, err);
    while (r == 0 && !serves(s, p, now)) {
        if (gw_boot_ns() >= deadline_ns)
            r = gw_error_set(err, -ETIMEDOUT, "the source does not serve: it is %s",
                             now[0] != '\0' ? now : "not there");
        else if (gw_stop_wait(gw_stop_fd(s->stop), PAUSE_MS))
            r = gw_error_set(err, -ECANCELED, "the daemon ends while waiting for the source");
    }
    return r;
}

static int start_workload(struct site *s, struct site_plan *p, struct site_document *doc,
                          const char *run, struct gw_error *err)
{
    struct site_children children;
    struct site_workload *w = NULL;
    struct site_dp_paths at;
    struct site_plandir dir = { 0 };
    if (site_dp_paths(s, p, &at, err) < 0 || site_plandir_look(at.dir, &dir, err) < 0)
        return err->code;
    struct site_workload_facts facts = { .run = run, .operation = "revert", .epoch = dir.epoch };
    site_children_init(&children, s, p->name, run, gw_step_name(GW_STEP_REVOKE), 1);
    int r = site_children_settle(s, run, err);
    if (r == 0)
        r = workload(s, p, facts, &children, doc, &w, err);
    if (r == 0)
        r = site_workload_start(w, NULL, err);
    site_workload_free(w);
    site_children_done(&children);
    if (r == 0)
        site_monitor_saw(s, p, GW_SVC_RUNNING);
    else
        site_monitor_look_soon(s, p);
    return r;
}

int site_unfence_plan(struct site *s, struct site_plan *p, const struct site_unfence *why,
                      struct gw_error *err)
{
    LOCK_SCOPE(&p->plan_mu);
    CLEANUP_DOCUMENT struct site_document *doc = site_plan_document(s, p);
    struct site_plandir dir;
    char now[32];
    int r = 0;
    /* It was never fenced, or all of this was done before: only the workload may be missing. */
    if (!serves(s, p, now)) {
        r = begin_reign(s, p, why->above_epoch, &dir, err);
        if (r == 0)
            r = note_reign(s, p, dir.epoch, why->promoted, err);
        if (r == 0)
            r = serve(s, p, doc, err);
        if (r < 0)
            return gw_error_wrap(err, "%s cannot serve again", s->name);
        site_event(s, "plan.unfenced", p->name, why->run, SITE_NOTICE, NULL,
                   "the failover was taken back: this site serves again, epoch %llu",
                   (unsigned long long)dir.epoch);
    }
    r = start_workload(s, p, doc, why->run, err);
    return r < 0 ? gw_error_wrap(err, "%s serves its volumes again", s->name) : 0;
}
