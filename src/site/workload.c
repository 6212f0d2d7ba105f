// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/workload.h"

#include "base/cleanup.h"
#include "work/template.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct site_workload {
    const struct gw_planfile *plan;
    const char *site;
    struct gw_env *env;
    struct gw_work work;
    struct gw_work_group *group; /* as many as the plan has */
};

/* ---- from the plan's words --------------------------------------------------------------------
 */

static unsigned ms32(uint64_t ms)
{
    return ms > UINT32_MAX ? UINT32_MAX : (unsigned)ms;
}

static struct gw_work_check check_of(const struct gw_planfile_check *c)
{
    struct gw_work_check out = {
        .kind = c->tcp != NULL    ? GW_CHECK_TCP
                : c->http != NULL ? GW_CHECK_HTTP
                                  : GW_CHECK_EXEC,
        .address = c->tcp,
        .argv = c->exec.item,
        .interval_ms = ms32(c->interval_ms),
        .timeout_ms = ms32(c->timeout_ms),
        .settle_ms = ms32(c->settle_ms),
        .threshold = c->threshold,
    };
    if (c->http != NULL) {
        out.url = c->http->url;
        out.expect = c->http->expect;
        out.body = c->http->body;
    }
    return out;
}

static struct gw_work_instance instance_of(const struct gw_planfile_group *g,
                                           const struct gw_planfile_instance *i)
{
    return (struct gw_work_instance){
        .name = i->name,
        .group = g->name,
        .driver = gw_driver_name(i->driver),
        .start_timeout_ms = ms32(i->start_timeout_ms),
        .stop_timeout_ms = ms32(i->stop_timeout_ms),
        .start = i->start.item,
        .stop = i->stop.item,
        .status = i->status.item,
    };
}

static int fill_group(struct gw_work_group *out, const struct gw_planfile_group *g)
{
    struct gw_work_instance *instances = calloc(g->n_instances + 1, sizeof *instances);
    struct gw_work_check *checks = calloc(g->n_health + 1, sizeof *checks);
    uint64_t within_ms = 0;
    *out = (struct gw_work_group){ .name = g->name,
                                   .priority = (int)g->priority,
                                   .instance = instances,
                                   .n_instances = g->n_instances,
                                   .check = checks,
                                   .n_checks = g->n_health };
    if (instances == NULL || checks == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < g->n_instances; i++)
        instances[i] = instance_of(g, &g->instances[i]);
    for (size_t i = 0; i < g->n_health; i++) {
        checks[i] = check_of(&g->health[i]);
        within_ms = g->health[i].within_ms > within_ms ? g->health[i].within_ms : within_ms;
    }
    out->health_timeout_ms = ms32(within_ms);
    return 0;
}

static int make_env(struct site_workload *w, const struct site_workload_facts *f,
                    struct gw_error *err)
{
    CLEANUP_FREE struct gw_hook_volume *volumes = calloc(w->plan->n_volumes, sizeof *volumes);
    if (volumes == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < w->plan->n_volumes; i++)
        volumes[i] = (struct gw_hook_volume){ .name = w->plan->volumes[i].name,
                                              .socket = f->nbd,
                                              .size_bytes = w->plan->volumes[i].size_bytes };
    struct gw_hook_facts facts = {
        .plan = w->plan->plan,
        .run = f->run,
        .operation = f->operation,
        .mode = f->mode != NULL ? f->mode : "real",
        .direction = f->direction,
        .site = w->site,
        .recovery_point = f->recovery_point,
        .recovery_wall_ns = f->recovery_wall_ns,
        .epoch = f->epoch,
        .volume = volumes,
        .n_volumes = w->plan->n_volumes,
    };
    return gw_hook_env(&facts, &w->env, err);
}

int site_workload_new(const struct gw_planfile *plan, const char *site,
                      const struct site_workload_facts *facts,
                      const struct site_workload_children *children, int stop_fd,
                      struct site_workload **ret, struct gw_error *err)
{
    struct site_workload *w = calloc(1, sizeof *w);
    if (w == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    w->plan = plan;
    w->site = site;
    int r = 0;
    w->group = calloc(plan->n_groups + 1, sizeof *w->group);
    for (size_t i = 0; w->group != NULL && r == 0 && i < plan->n_groups; i++)
        r = fill_group(&w->group[i], &plan->groups[i]);
    if (w->group == NULL || r < 0)
        r = gw_error_set(err, -ENOMEM, "out of memory");
    if (r == 0)
        r = make_env(w, facts, err);
    if (r < 0) {
        site_workload_free(w);
        return r;
    }
    w->work = (struct gw_work){ .stop_fd = stop_fd, .env = gw_env_list(w->env) };
    if (children != NULL) {
        w->work.child_started = children->started;
        w->work.child_ended = children->ended;
        w->work.ctx = children->ctx;
    }
    *ret = w;
    return 0;
}

void site_workload_free(struct site_workload *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; w->group != NULL && i < w->plan->n_groups; i++) {
        free((void *)(uintptr_t)w->group[i].instance);
        free((void *)(uintptr_t)w->group[i].check);
    }
    free(w->group);
    gw_env_free(w->env);
    free(w);
}

/* ---- reports ----------------------------------------------------------------------------------
 */

static json_t *text_json(const char *t)
{
    json_t *j = json_string(t);
    return j != NULL ? j : json_string_nocheck("?");
}

static json_t *health_json(const struct gw_health *h)
{
    json_t *a = json_array();
    for (size_t i = 0; i < h->n; i++)
        json_array_append_new(a, json_pack("{s:o, s:s, s:o}", "check", text_json(h->check[i].name),
                                           "colour", gw_colour_name(h->check[i].colour), "text",
                                           text_json(h->check[i].text)));
    return a;
}

static json_t *report_json(const struct gw_groups_report *r)
{
    json_t *groups = json_array();
    for (size_t i = 0; i < r->n; i++) {
        const struct gw_group_report *g = &r->group[i];
        json_t *members = json_array();
        for (size_t k = 0; k < g->n_instances; k++)
            json_array_append_new(members,
                                  json_pack("{s:o, s:s, s:s, s:o, s:I}", "instance",
                                            text_json(g->instance[k].name), "outcome",
                                            gw_work_outcome_name(g->instance[k].outcome), "state",
                                            gw_instance_state_name(g->instance[k].state), "text",
                                            text_json(g->instance[k].text), "ms",
                                            (json_int_t)(g->instance[k].took_ns / 1000000)));
        json_array_append_new(
            groups, json_pack("{s:o, s:i, s:s, s:o, s:o}", "group", text_json(g->name), "priority",
                              g->priority, "outcome", gw_work_outcome_name(g->outcome), "instances",
                              members, "health", health_json(&g->health)));
    }
    return json_pack("{s:s, s:o, s:o}", "outcome", gw_work_outcome_name(r->outcome), "text",
                     text_json(r->text), "groups", groups);
}

/* The report's outcome as a code; the report is given away or freed. */
static int conclude(struct gw_groups_report *r, const char *what, json_t **ret,
                    struct gw_error *err)
{
    if (ret != NULL)
        *ret = report_json(r);
    int code = 0;
    if (r->cancelled)
        code = gw_error_set(err, -ECANCELED, "%s was cancelled", what);
    else if (r->outcome == GW_WORK_UNKNOWN)
        code = gw_error_set(err, -ETIMEDOUT, "%s: %s", what, r->text);
    else if (!gw_work_outcome_ok(r->outcome))
        code = gw_error_set(err, -EREMOTEIO, "%s: %s", what, r->text);
    gw_groups_report_done(r);
    return code;
}

int site_workload_start(struct site_workload *w, json_t **ret, struct gw_error *err)
{
    struct gw_groups_report report = { 0 };
    if (w->plan->n_groups == 0)
        return 0;
    int r = gw_groups_start(w->group, w->plan->n_groups, &w->work, &report, err);
    return r < 0 ? r : conclude(&report, "starting the workload", ret, err);
}

int site_workload_stop(struct site_workload *w, bool go_on, json_t **ret, struct gw_error *err)
{
    struct gw_groups_report report = { 0 };
    if (w->plan->n_groups == 0)
        return 0;
    int r = gw_groups_stop(w->group, w->plan->n_groups, &w->work, go_on, &report, err);
    return r < 0 ? r : conclude(&report, "stopping the workload", ret, err);
}

int site_workload_health(struct site_workload *w, json_t **ret, struct gw_error *err)
{
    struct gw_groups_report report = { 0 };
    if (w->plan->n_groups == 0)
        return 0;
    int r = gw_groups_health(w->group, w->plan->n_groups, &w->work, &report, err);
    return r < 0 ? r : conclude(&report, "the workload's health", ret, err);
}

int site_workload_look(struct site_workload *w, struct site_workload_state *ret, json_t **ret_json,
                       struct gw_error *err)
{
    struct gw_groups_report report = { 0 };
    *ret = (struct site_workload_state){ .known = true };
    for (size_t i = 0; i < w->plan->n_groups; i++)
        ret->any = ret->any || w->plan->groups[i].n_instances > 0;
    if (!ret->any)
        return 0;
    int r = gw_groups_status(w->group, w->plan->n_groups, &w->work, &report, err);
    if (r < 0) {
        ret->known = false;
        return r;
    }
    ret->all_running = gw_groups_all(&report, GW_INSTANCE_RUNNING);
    ret->all_stopped = gw_groups_all(&report, GW_INSTANCE_STOPPED);
    ret->known = report.outcome == GW_WORK_DONE;
    ret->healthy = ret->all_running;
    for (size_t i = 0; i < report.n; i++)
        ret->healthy = ret->healthy && (w->group[i].n_checks == 0 ||
                                        report.group[i].health.colour == GW_COLOUR_GREEN);
    if (ret_json != NULL)
        *ret_json = report_json(&report);
    gw_groups_report_done(&report);
    return 0;
}

/* ---- hooks, routes, data checks ---------------------------------------------------------------
 */

static const struct gw_commands *hooks_of(const struct gw_planfile_group *g,
                                          enum gw_hook_point point)
{
    switch (point) {
    case GW_HOOK_PRE_FAILOVER:
        return &g->hooks.pre_failover;
    case GW_HOOK_POST_RECOVER:
        return &g->hooks.post_recover;
    case GW_HOOK_PRE_FAILBACK:
        return &g->hooks.pre_failback;
    case GW_HOOK_POST_FAILBACK:
        return &g->hooks.post_failback;
    case GW_HOOK_POINT_MAX:
        break;
    }
    return NULL;
}

static json_t *output_json(const struct gw_child_result *c)
{
    char text[256];
    gw_child_result_text(c, text, sizeof text);
    return json_pack("{s:s, s:o, s:I}", "end", gw_child_end_name(c->end), "text", text_json(text),
                     "ms", (json_int_t)(c->took_ns / 1000000));
}

/* What a command's end means for the step that ran it. */
static int judge(const struct gw_child_result *c, const char *what, struct gw_error *err)
{
    char text[256];
    if (gw_child_ok(c))
        return 0;
    gw_child_result_text(c, text, sizeof text);
    if (c->end == GW_CHILD_CANCELLED)
        return gw_error_set(err, -ECANCELED, "%s: %s", what, text);
    if (c->end == GW_CHILD_TIMED_OUT)
        return gw_error_set(err, -ETIMEDOUT, "%s: %s", what, text);
    return gw_error_set(err, -EREMOTEIO, "%s: %s", what, text);
}

static int run_hook(struct site_workload *w, const struct gw_planfile_group *g,
                    enum gw_hook_point point, const struct gw_command *c, json_t *out,
                    struct gw_error *err)
{
    struct gw_work_hook hook = {
        .point = point, .group = g->name, .argv = c->exec.item, .timeout_ms = ms32(c->timeout_ms)
    };
    struct gw_child_result result = { 0 };
    int r = gw_hook_run(&hook, &w->work, &result, err);
    if (r < 0)
        return r;
    char what[128];
    snprintf(what, sizeof what, "hook %s of group '%s'", gw_hook_point_name(point), g->name);
    r = judge(&result, what, err);
    json_t *j = output_json(&result);
    json_object_set_new(j, "hook", text_json(what));
    json_array_append_new(out, j);
    gw_child_result_done(&result);
    return r;
}

int site_workload_hooks(struct site_workload *w, enum gw_hook_point point, json_t **ret,
                        struct gw_error *err)
{
    json_t *out = json_array();
    int r = 0;
    for (unsigned priority = 0; r == 0 && priority <= GW_PLANFILE_PRIORITY_MAX; priority++) {
        for (size_t i = 0; r == 0 && i < w->plan->n_groups; i++) {
            const struct gw_planfile_group *g = &w->plan->groups[i];
            const struct gw_commands *hooks = hooks_of(g, point);
            if (hooks == NULL || g->priority != priority)
                continue;
            for (size_t k = 0; r == 0 && k < hooks->n; k++)
                r = run_hook(w, g, point, &hooks->item[k], out, err);
        }
    }
    if (ret != NULL)
        *ret = out;
    else
        json_decref(out);
    return r;
}

/* Route number i; its name is its kind and place, for the plan file gives it none. */
static struct gw_work_route route_of(const struct gw_planfile *p, size_t i, char name[32])
{
    const struct gw_planfile_route *route = &p->routes[i];
    snprintf(name, 32, "%s %zu", gw_route_name(route), i + 1);
    struct gw_work_route out = { .name = name, .driver = gw_route_name(route) };
    if (route->exec != NULL) {
        out.set = route->exec->set.item;
        out.status = route->exec->status.item;
        out.timeout_ms = ms32(route->exec->timeout_ms);
    }
    return out;
}

int site_workload_route(struct site_workload *w, const char *site, json_t **ret,
                        struct gw_error *err)
{
    json_t *out = json_array();
    int r = 0;
    for (size_t i = 0; r == 0 && i < w->plan->n_routes; i++) {
        char name[32];
        struct gw_work_route route = route_of(w->plan, i, name);
        struct gw_route_report report = { 0 };
        gw_route_apply(&route, site, &w->work, &report);
        json_array_append_new(out,
                              json_pack("{s:s, s:s, s:o, s:o}", "route", name, "outcome",
                                        gw_work_outcome_name(report.outcome), "site",
                                        text_json(report.site), "text", text_json(report.text)));
        if (report.cancelled)
            r = gw_error_set(err, -ECANCELED, "route %s: cancelled", name);
        else if (report.outcome == GW_WORK_UNKNOWN)
            r = gw_error_set(err, -ETIMEDOUT, "route %s: %s", name, report.text);
        else if (!gw_work_outcome_ok(report.outcome))
            r = gw_error_set(err, -EREMOTEIO, "route %s: %s", name, report.text);
    }
    if (ret != NULL)
        *ret = out;
    else
        json_decref(out);
    return r;
}

int site_workload_routed(struct site_workload *w, const char *site, struct gw_error *err)
{
    for (size_t i = 0; i < w->plan->n_routes; i++) {
        char name[32];
        struct gw_work_route route = route_of(w->plan, i, name);
        struct gw_route_report report = { 0 };
        gw_route_observe(&route, &w->work, &report);
        if (report.site[0] == '\0')
            return gw_error_set(err, -ETIMEDOUT, "nobody knows where route %s leads: %s", name,
                                report.text);
        if (strcmp(report.site, site) != 0)
            return gw_error_set(err, -ENOENT, "route %s leads to %s", name, report.site);
    }
    return 0;
}

static int run_data_check(struct site_workload *w, const struct gw_command *c,
                          const struct gw_template_value *values, json_t *out, struct gw_error *err)
{
    char **argv = NULL;
    int r = gw_template_argv(c->exec.item, values, &argv, err);
    if (r < 0)
        return r;
    struct gw_child_spec spec = { .name = "data check",
                                  .argv = (const char *const *)argv,
                                  .env = w->work.env,
                                  .timeout_ms = ms32(c->timeout_ms),
                                  .stop_fd = w->work.stop_fd };
    struct gw_child_result result = { 0 };
    r = gw_child_run(&spec, &result, err);
    if (r == 0) {
        char what[160];
        snprintf(what, sizeof what, "data check '%s'", argv[0]);
        r = judge(&result, what, err);
        json_t *j = output_json(&result);
        json_object_set_new(j, "check", text_json(argv[0]));
        json_array_append_new(out, j);
        gw_child_result_done(&result);
    }
    gw_template_argv_free(argv);
    return r;
}

int site_workload_data_checks(struct site_workload *w, char *const *paths, json_t **ret,
                              struct gw_error *err)
{
    const struct gw_planfile *p = w->plan;
    CLEANUP_FREE struct gw_template_value *values = calloc(p->n_volumes + 2, sizeof *values);
    CLEANUP_FREE char(*names)[80] = calloc(p->n_volumes + 1, sizeof *names);
    if (values == NULL || names == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < p->n_volumes; i++) {
        snprintf(names[i], sizeof names[i], "volume:%s", p->volumes[i].name);
        values[i] = (struct gw_template_value){ names[i], paths[i] };
    }
    values[p->n_volumes] = (struct gw_template_value){ "site", w->site };
    json_t *out = json_array();
    int r = 0;
    for (size_t i = 0; r == 0 && i < p->checks.data.n; i++)
        r = run_data_check(w, &p->checks.data.item[i], values, out, err);
    if (ret != NULL)
        *ret = out;
    else
        json_decref(out);
    return r;
}
