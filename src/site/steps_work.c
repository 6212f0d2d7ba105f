// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Steps that act on the workload and on routes. */
#include "base/clock.h"
#include "site/dataplane.h"
#include "site/monitor.h"
#include "site/steps.h"

#include <errno.h>

/* `then`: what the workload is when fn has succeeded; the headline goes by it at once, not only
 * when the monitor has looked. */
static int with_workload(struct site_step *t,
                         int (*fn)(struct site_workload *, json_t **, struct gw_error *),
                         const char *name, enum gw_svc then, struct gw_error *err)
{
    struct site_workload *w = NULL;
    json_t *report = NULL;
    int r = site_step_workload(t, &w, err);
    if (r < 0)
        return r;
    r = fn(w, &report, err);
    if (report != NULL)
        json_object_set_new(t->detail, name, report);
    site_workload_free(w);
    if (r == 0)
        site_monitor_saw(t->site, t->plan, then);
    else
        site_monitor_look_soon(t->site, t->plan);
    return r;
}

static int stop_all(struct site_workload *w, json_t **ret, struct gw_error *err)
{
    return site_workload_stop(w, false, ret, err);
}

static int stop(struct site_step *t, struct gw_error *err)
{
    return with_workload(t, stop_all, "workload", GW_SVC_STOPPED, err);
}

static int start(struct site_step *t, struct gw_error *err)
{
    return with_workload(t, site_workload_start, "workload", GW_SVC_RUNNING, err);
}

static int seen(struct site_step *t, struct site_workload_state *ret, struct gw_error *err)
{
    struct site_workload *w = NULL;
    int r = site_step_workload(t, &w, err);
    if (r == 0)
        r = site_workload_look(w, ret, NULL, err);
    site_workload_free(w);
    if (r == 0 && !ret->known)
        r = gw_error_set(err, -EAGAIN, "the workload's state is not known");
    return r;
}

/* Starting and stopping what is half so already is safe: only the whole is the goal. */
static int stopped(struct site_step *t, struct gw_error *err)
{
    struct site_workload_state st;
    int r = seen(t, &st, err);
    if (r < 0)
        return r;
    return !st.any || st.all_stopped ? SITE_SEEN_DESIRED : SITE_SEEN_EARLIER;
}

static int started(struct site_step *t, struct gw_error *err)
{
    struct site_workload_state st;
    int r = seen(t, &st, err);
    if (r < 0)
        return r;
    return !st.any || (st.all_running && st.healthy) ? SITE_SEEN_DESIRED : SITE_SEEN_EARLIER;
}

/* ---- hooks ------------------------------------------------------------------------------------
 */

static int hooks(struct site_step *t, enum gw_hook_point point, struct gw_error *err)
{
    struct site_workload *w = NULL;
    json_t *report = NULL;
    int r = site_step_workload(t, &w, err);
    if (r < 0)
        return r;
    r = site_workload_hooks(w, point, &report, err);
    if (report != NULL)
        json_object_set_new(t->detail, "hooks", report);
    site_workload_free(w);
    return r;
}

static void tell_contacts(struct site_step *t, const char *event, const char *subject)
{
    const struct gw_planfile *plan = t->doc->plan;
    struct gw_error err = { 0 };
    for (size_t i = 0; i < plan->n_contacts; i++) {
        const struct gw_planfile_contact *c = &plan->contacts[i];
        struct gw_work_contact contact = { .name = c->name,
                                           .webhook = c->webhook,
                                           .command = c->command.item };
        struct gw_notice notice = { .event = event,
                                    .severity = "info",
                                    .site = t->site->name,
                                    .plan = t->plan->name,
                                    .run = t->call->run->id,
                                    .subject = subject,
                                    .wall_ns = gw_wall_ns() };
        if (gw_notifier_post(t->site->notifier, &contact, 1, &notice, &err) < 0)
            json_object_set_new(t->detail, "contact_error", json_string("not posted"));
    }
}

static int notify(struct site_step *t, struct gw_error *err)
{
    char subject[256], event[64];
    const char *op = gw_operation_name(t->call->run->operation);
    snprintf(event, sizeof event, "%s.begins", op);
    snprintf(subject, sizeof subject, "%s of plan %s: %s to %s, run %s", op, t->plan->name,
             site_step_site(t, GW_SIDE_OLD), site_step_site(t, GW_SIDE_NEW), t->call->run->id);
    tell_contacts(t, event, subject);
    if (t->call->run->operation == GW_OPERATION_FAILOVER)
        return hooks(t, GW_HOOK_PRE_FAILOVER, err);
    return t->call->run->operation == GW_OPERATION_FAILBACK ? hooks(t, GW_HOOK_PRE_FAILBACK, err)
                                                            : 0;
}

static int verify(struct site_step *t, struct gw_error *err)
{
    bool home = t->call->run->operation == GW_OPERATION_FAILBACK ||
                t->call->run->operation == GW_OPERATION_REVERT;
    int r = hooks(t, home ? GW_HOOK_POST_FAILBACK : GW_HOOK_POST_RECOVER, err);
    return r < 0 ? r : with_workload(t, site_workload_health, "health", GW_SVC_RUNNING, err);
}

/* ---- routes -----------------------------------------------------------------------------------
 */

static int route(struct site_step *t, struct gw_error *err)
{
    struct site_workload *w = NULL;
    json_t *report = NULL;
    int r = site_step_workload(t, &w, err);
    if (r < 0)
        return r;
    r = site_workload_route(w, site_step_site(t, GW_SIDE_NEW), &report, err);
    if (report != NULL)
        json_object_set_new(t->detail, "routes", report);
    site_workload_free(w);
    if (r == 0 && t->doc->plan->n_routes > 0) /* from here on a failover cannot be reverted */
        r = gw_catalog_plan_note(t->site->catalog, t->plan->uuid_text, "{\"routed\":true}", err);
    return r;
}

static int routed(struct site_step *t, struct gw_error *err)
{
    struct site_workload *w = NULL;
    int r = site_step_workload(t, &w, err);
    if (r == 0)
        r = site_workload_routed(w, site_step_site(t, GW_SIDE_NEW), err);
    site_workload_free(w);
    if (r == -ENOENT)
        return SITE_SEEN_EARLIER;
    return r < 0 ? r : SITE_SEEN_DESIRED;
}

const struct site_step_row site_steps_work[] = {
    { GW_STEP_NOTIFY, notify, NULL, NULL },  { GW_STEP_STOP, stop, start, stopped },
    { GW_STEP_START, start, stop, started }, { GW_STEP_VERIFY, verify, NULL, NULL },
    { GW_STEP_ROUTE, route, NULL, routed },  { .effect = NULL },
};
