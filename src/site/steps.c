// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/steps.h"

#include "base/clock.h"
#include "site/dataplane.h"
#include "site/interrupt.h"
#include "site/monitor.h"
#include "site/plandir.h"
#include "site/points.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const struct site_step_row *find(enum gw_step_id id)
{
    const struct site_step_row *tables[] = { site_steps_data, site_steps_work, site_steps_check };
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++) {
        for (const struct site_step_row *r = tables[i]; r->effect != NULL; r++) {
            if (r->id == id)
                return r;
        }
    }
    return NULL;
}

const char *site_step_site(const struct site_step *t, enum gw_run_side side)
{
    return t->call->run->site[side];
}

uint64_t site_step_deadline(const struct site_step *t)
{
    uint64_t ms = t->call->step->timeout_ms != 0 ? t->call->step->timeout_ms : 60000;
    return gw_boot_ns() + ms * GW_NS_PER_MS;
}

int site_step_pause(struct site_step *t, uint64_t deadline_ns, unsigned ms, const char *what,
                    struct gw_error *err)
{
    if (gw_stop_wait(t->stop_fd, ms))
        return gw_error_set(
            err, -ECANCELED, "%s while waiting for %s",
            gw_stop_wanted(gw_stop_fd(t->site->stop)) ? "the daemon ends" : "cut short", what);
    if (gw_boot_ns() >= deadline_ns)
        return gw_error_set(err, -ETIMEDOUT, "the time is up while waiting for %s", what);
    return 0;
}

/* ---- children of steps are on record ----------------------------------------------------------
 */

/* Until when the newest state here reaches, by the clock of the site that wrote it: as the replica
 * has it while there is one, later as the promotion kept it. 0: not known. */
static uint64_t newest_wall_ns(struct site_step *t)
{
    CLEANUP_SITE_JSON json_t *status = NULL, *ours = NULL, *theirs = NULL;
    struct gw_error none = { 0 };
    uint64_t age, at = 0;
    if (site_dp_status(t->site, t->plan, &status, &none) == 0 &&
        strcmp(site_text(status, "process"), "replica") == 0)
        return gw_time_parse(site_text(site_at(status, "source"), "time"), &at) ? at : 0;
    site_sides(t->site, t->plan, &ours, &theirs, &age);
    return site_number(site_at(ours, "facts"), "recovery_wall_ns");
}

uint64_t site_step_recovery_wall_ns(struct site_step *t)
{
    uint64_t at = site_number(t->params, "point_wall_ns");
    return at != 0 ? at : newest_wall_ns(t);
}

int site_step_workload(struct site_step *t, struct site_workload **ret, struct gw_error *err)
{
    const struct gw_run *run = t->call->run;
    struct site_dp_paths at;
    struct site_plandir dir;
    int r = site_dp_paths(t->site, t->plan, &at, err);
    if (r == 0)
        r = site_plandir_look(at.dir, &dir, err);
    if (r < 0)
        return r;
    char direction[2 * GW_RUN_NAME_MAX + 2];
    snprintf(direction, sizeof direction, "%s>%s", run->site[GW_SIDE_OLD], run->site[GW_SIDE_NEW]);
    struct site_workload_facts facts = {
        .run = run->id,
        .operation = gw_operation_name(run->operation),
        .mode = run->dry_run ? "dry-run" : "real",
        .direction = direction,
        .nbd = at.nbd,
        .epoch = dir.epoch,
    };
    if (run->operation == GW_OPERATION_FAILOVER) {
        const char *point = site_text(t->params, "point");
        facts.recovery_point = point[0] != '\0' ? point : SITE_POINT_LATEST;
        facts.recovery_wall_ns = site_step_recovery_wall_ns(t);
    }
    struct site_workload_children hooks = { 0 };
    if (t->children != NULL)
        hooks = site_children_hooks(t->children);
    return site_workload_new(t->doc->plan, t->site->name, &facts,
                             t->children != NULL ? &hooks : NULL, t->stop_fd, ret, err);
}

/* ---- authority --------------------------------------------------------------------------------
 */

bool site_step_reigns(const struct site_step *t, const struct site_plandir *dir)
{
    return dir->mine && dir->epoch > site_number(t->params, "from_epoch");
}

struct reign {
    const char *holder;
    uint64_t epoch;
    bool changed;
};

static void take_reign(struct gw_catalog_plan *row, void *arg)
{
    struct reign *g = arg;
    g->changed = strcmp(row->holder, g->holder) != 0 || row->epoch != g->epoch;
    row->holder = g->holder;
    row->epoch = g->epoch;
    row->fenced_reason = NULL; /* its newest reign was begun here, by a person's word */
    if (g->changed)
        row->role_wall_ns = gw_wall_ns();
}

int site_step_learn_reign(struct site_step *t, struct gw_error *err)
{
    struct site_dp_paths at;
    struct site_plandir dir;
    int r = site_dp_paths(t->site, t->plan, &at, err);
    if (r == 0)
        r = site_plandir_look(at.dir, &dir, err);
    if (r < 0)
        return r;
    if (!dir.exists || dir.role != GW_ROLE_ACTIVE)
        return gw_error_set(err, -EPERM, "this side is %s, not active",
                            dir.exists ? gw_role_name(dir.role) : "not there");
    struct reign g = { .holder = t->site->name, .epoch = dir.epoch };
    r = site_plan_update(t->site, t->plan, take_reign, &g, err);
    if (r == 0 && g.changed && t->call->run->operation != GW_OPERATION_ACTIVATE)
        r = gw_catalog_plan_note(t->site->catalog, t->plan->uuid_text,
                                 "{\"synced\":false,\"role_changed\":true}", err);
    return r;
}

/* ---- calling ----------------------------------------------------------------------------------
 */

static int begin(struct site *s, const struct gw_run_call *call, struct site_step *ret,
                 struct gw_error *err)
{
    *ret = (struct site_step){ .site = s, .call = call, .stop_fd = gw_stop_fd(s->stop) };
    int r = site_plan_find(s, call->run->plan, &ret->plan, err);
    if (r == 0)
        r = site_document_pinned(s, ret->plan, call->run->plan_hash, &ret->doc, err);
    if (r < 0)
        return r;
    ret->params = json_loads(call->run->params, 0, NULL);
    ret->detail = json_object();
    ret->old_here = call->here == GW_SIDE_OLD;
    return ret->detail != NULL ? 0 : gw_error_set(err, -ENOMEM, "out of memory");
}

static void finish(struct site_step *t)
{
    site_document_unref(t->doc);
    json_decref(t->params);
    json_decref(t->detail);
}

static bool is_unknown(int code)
{
    return code == -ETIMEDOUT || code == -ECANCELED || code == -ECONNRESET || code == -EPROTO;
}

/* The evidence as text; what does not fit is left out member by member, biggest first. */
static void write_detail(json_t *detail, char ret[GW_RUN_DETAIL_MAX])
{
    for (;;) {
        CLEANUP_FREE char *text = json_dumps(detail, JSON_COMPACT);
        if (text == NULL)
            break;
        if (strlen(text) < GW_RUN_DETAIL_MAX) {
            memcpy(ret, text, strlen(text) + 1);
            return;
        }
        const char *key, *biggest = NULL;
        json_t *value;
        size_t most = 0;
        json_object_foreach(detail, key, value)
        {
            size_t n = json_dumpb(value, NULL, 0, JSON_ENCODE_ANY);
            if (n > most && strcmp(key, "sentence") != 0) {
                most = n;
                biggest = key;
            }
        }
        if (biggest == NULL)
            break;
        json_object_del(detail, biggest);
    }
    snprintf(ret, GW_RUN_DETAIL_MAX, "{}");
}

static void conclude(struct site_step *t, int r, const struct gw_error *err,
                     struct gw_run_outcome *ret)
{
    if (r < 0)
        json_object_set_new(t->detail, "sentence", gw_control_text(err->msg));
    else if (r == SITE_STEP_WAITS)
        json_object_set_new(t->detail, "sentence", gw_control_text(t->waits_for));
    write_detail(t->detail, ret->detail);
    if (r == SITE_STEP_WAITS)
        ret->outcome = GW_OUTCOME_WAITING;
    else if (r == SITE_SEEN_DESIRED)
        ret->outcome = GW_OUTCOME_DESIRED;
    else if (r == SITE_SEEN_EARLIER)
        ret->outcome = GW_OUTCOME_EARLIER;
    else if (r == SITE_SEEN_NEITHER)
        ret->outcome = GW_OUTCOME_NEITHER;
    else if (r < 0)
        ret->outcome = is_unknown(r) ? GW_OUTCOME_UNKNOWN : GW_OUTCOME_FAILED;
    else
        ret->outcome = GW_OUTCOME_DONE;
    site_monitor_touch(t->site, t->call->run->plan);
}

/* With what can cut it short, where that is safe: what it does is taken back, or done again. */
static int do_effect(struct site_step *t, site_step_fn *fn, bool undo, struct gw_error *err)
{
    const struct gw_run_call *call = t->call;
    struct site_interrupt in;
    if (undo || call->dry || call->index >= gw_operation_ponr(call->op))
        return fn(t, err);
    int r = site_interrupt_init(&in, t->site, call->run->id, call->until_boot_ns, err);
    if (r == 0) {
        t->stop_fd = in.fd;
        r = fn(t, err);
        t->stop_fd = gw_stop_fd(t->site->stop);
    }
    site_interrupt_done(&in);
    return r;
}

static void run_with(struct site *s, const struct gw_run_call *call, struct gw_run_outcome *ret,
                     bool undo)
{
    struct gw_error err = { 0 };
    struct site_step t;
    *ret = (struct gw_run_outcome){ .outcome = GW_OUTCOME_FAILED };
    int r = begin(s, call, &t, &err);
    const struct site_step_row *row = find(call->step->id);
    if (r == 0 && row == NULL)
        r = gw_error_set(&err, -ENOSYS, "this godwit does not know the step '%s'",
                         gw_step_name(call->step->id));
    if (r == 0 && row != NULL) {
        site_step_fn *fn = undo ? row->undo : row->effect;
        struct site_children children;
        site_children_init(&children, s, call->run->plan, call->run->id,
                           gw_step_name(call->step->id), call->attempt);
        t.children = &children;
        pthread_mutex_lock(&t.plan->plan_mu);
        r = site_children_settle(s, call->run->id, &err);
        if (r == 0 && fn != NULL)
            r = do_effect(&t, fn, undo, &err);
        pthread_mutex_unlock(&t.plan->plan_mu);
        t.children = NULL;
        site_children_done(&children);
    }
    if (t.detail == NULL)
        snprintf(ret->detail, sizeof ret->detail, "{\"sentence\":\"%.200s\"}", err.msg);
    else
        conclude(&t, r, &err, ret);
    finish(&t);
}

void site_step_effect(struct site *s, const struct gw_run_call *call, struct gw_run_outcome *ret)
{
    run_with(s, call, ret, false);
}

void site_step_undo(struct site *s, const struct gw_run_call *call, struct gw_run_outcome *ret)
{
    run_with(s, call, ret, true);
}

void site_step_observe(struct site *s, const struct gw_run_call *call, struct gw_run_outcome *ret)
{
    struct gw_error err = { 0 };
    struct site_step t;
    *ret = (struct gw_run_outcome){ .outcome = GW_OUTCOME_UNKNOWN };
    int r = begin(s, call, &t, &err);
    const struct site_step_row *row = find(call->step->id);
    if (r == 0 && row != NULL && t.detail != NULL) {
        /* A step without an observe leaves nothing behind: it is simply done again. */
        r = row->observe != NULL ? row->observe(&t, &err) : SITE_SEEN_EARLIER;
        conclude(&t, r, &err, ret);
        if (r < 0) /* it could not be seen */
            ret->outcome = GW_OUTCOME_UNKNOWN;
        else if (r == 0)
            ret->outcome = GW_OUTCOME_DESIRED;
    }
    finish(&t);
}
