// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Groups are sorted by priority and cut into waves; a wave is a set of jobs (one a member, then one
 * a group for its health) that run side by side. Each job writes to its own report and to nothing
 * else; outcomes are summed up when all of a wave have returned.
 */
#include "work/group.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "work/parallel.h"
#include "work/stop.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct job {
    size_t group, instance;
};

struct all {
    const struct gw_work_group *spec;
    const struct gw_work *w;
    struct gw_groups_report *report;
    void (*act)(const struct gw_work_instance *i, const struct gw_work *w,
                struct gw_instance_report *ret);
    bool once; /* health: look, do not wait */
    size_t *order;
    struct job *job; /* of the wave at hand */
    size_t n_jobs;
};

/* ---- outcomes -------------------------------------------------------------------------------- */

/* The worse of two. NOT_BEGUN beside something that went wrong is its consequence. */
static enum gw_work_outcome worse(enum gw_work_outcome a, enum gw_work_outcome b)
{
    static const int rank[GW_WORK_MAX] = {
        [GW_WORK_ALREADY] = 0, [GW_WORK_DONE] = 1,   [GW_WORK_NOT_BEGUN] = 2,
        [GW_WORK_UNKNOWN] = 3, [GW_WORK_FAILED] = 4,
    };
    return rank[a] > rank[b] ? a : b;
}

static void sum_up_group(struct gw_group_report *g)
{
    g->outcome = GW_WORK_ALREADY;
    g->text[0] = '\0';
    for (size_t i = 0; i < g->n_instances; i++) {
        const struct gw_instance_report *m = &g->instance[i];
        if (!gw_work_outcome_ok(m->outcome) && worse(m->outcome, g->outcome) != g->outcome)
            snprintf(g->text, sizeof g->text, "\"%.50s\" of group \"%.50s\": %.130s", m->name,
                     g->name, m->text[0] != '\0' ? m->text : gw_work_outcome_name(m->outcome));
        g->outcome = worse(m->outcome, g->outcome);
    }
}

static void sum_up_health(struct gw_group_report *g)
{
    char text[GW_WORK_TEXT_MAX];
    if (g->health.check == NULL || g->health.colour == GW_COLOUR_GREEN)
        return;
    gw_health_text(&g->health, text);
    snprintf(g->text, sizeof g->text, "health of group \"%.50s\": %.180s", g->name, text);
    g->outcome =
        worse(g->outcome, g->health.colour == GW_COLOUR_RED ? GW_WORK_FAILED : GW_WORK_UNKNOWN);
}

static void sum_up(struct all *a, uint64_t begun_ns)
{
    struct gw_groups_report *r = a->report;
    r->outcome = r->n > 0 ? GW_WORK_ALREADY : GW_WORK_DONE;
    for (size_t k = 0; k < r->n; k++) { /* in the order of what happened: the first counts */
        struct gw_group_report *g = &r->group[a->order[k]];
        gw_output_scrub(g->text);
        if (!gw_work_outcome_ok(g->outcome) && worse(g->outcome, r->outcome) != r->outcome)
            snprintf(r->text, sizeof r->text, "%s",
                     g->text[0] != '\0' ? g->text : gw_work_outcome_name(g->outcome));
        r->outcome = worse(g->outcome, r->outcome);
    }
    r->cancelled = gw_stop_wanted(a->w->stop_fd) && !gw_work_outcome_ok(r->outcome);
    if (r->outcome == GW_WORK_NOT_BEGUN) { /* all that was begun went well, then came the cancel */
        r->outcome = GW_WORK_UNKNOWN;
        snprintf(r->text, sizeof r->text, "cancelled before all was done");
    }
    r->took_ns = gw_boot_ns() - begun_ns;
}

/* ---- waves ----------------------------------------------------------------------------------- */

static void member_job(void *ctx, size_t i)
{
    struct all *a = ctx;
    const struct job *j = &a->job[i];
    struct gw_work_instance instance = a->spec[j->group].instance[j->instance];
    if (instance.group == NULL)
        instance.group = a->spec[j->group].name;
    a->act(&instance, a->w, &a->report->group[j->group].instance[j->instance]);
}

static void health_job(void *ctx, size_t i)
{
    struct all *a = ctx;
    const struct gw_work_group *g = &a->spec[a->job[i].group];
    struct gw_group_report *report = &a->report->group[a->job[i].group];
    struct gw_error err = { 0 };
    int r = a->once ? gw_health_look(g->check, g->n_checks, a->w, &report->health, &err)
                    : gw_health_await(g->check, g->n_checks, g->health_timeout_ms, a->w,
                                      &report->health, &err);
    if (r < 0) {
        report->outcome = GW_WORK_UNKNOWN;
        snprintf(report->text, sizeof report->text, "health of group \"%.50s\": %.180s", g->name,
                 err.msg);
    }
}

static void run_members(struct all *a, const size_t *group, size_t n)
{
    a->n_jobs = 0;
    for (size_t k = 0; k < n; k++) {
        for (size_t i = 0; i < a->spec[group[k]].n_instances; i++)
            a->job[a->n_jobs++] = (struct job){ .group = group[k], .instance = i };
    }
    gw_parallel(a->n_jobs, member_job, a);
    for (size_t k = 0; k < n; k++)
        sum_up_group(&a->report->group[group[k]]);
}

/* Of those groups whose members are as they should be. */
static void run_health(struct all *a, const size_t *group, size_t n)
{
    a->n_jobs = 0;
    for (size_t k = 0; k < n; k++) {
        const struct gw_group_report *g = &a->report->group[group[k]];
        if (a->spec[group[k]].n_checks > 0 && gw_work_outcome_ok(g->outcome))
            a->job[a->n_jobs++] = (struct job){ .group = group[k] };
    }
    gw_parallel(a->n_jobs, health_job, a);
    for (size_t k = 0; k < n; k++)
        sum_up_health(&a->report->group[group[k]]);
}

static bool wave_ok(const struct all *a, const size_t *group, size_t n)
{
    for (size_t k = 0; k < n; k++) {
        if (!gw_work_outcome_ok(a->report->group[group[k]].outcome))
            return false;
    }
    return true;
}

/* How many groups from `at` on have its priority. */
static size_t wave_len(const struct all *a, size_t at)
{
    size_t n = 1;
    while (at + n < a->report->n &&
           a->spec[a->order[at + n]].priority == a->spec[a->order[at]].priority)
        n++;
    return n;
}

/* ---- begin and end of a call ----------------------------------------------------------------- */

static void sort(struct all *a, bool descending)
{
    for (size_t i = 0; i < a->report->n; i++) { /* by insertion: stable, and they are few */
        size_t at = i;
        for (; at > 0; at--) {
            int before = a->spec[a->order[at - 1]].priority, own = a->spec[i].priority;
            if (descending ? before >= own : before <= own)
                break;
            a->order[at] = a->order[at - 1];
        }
        a->order[at] = i;
    }
}

static void report_group(const struct gw_work_group *g, struct gw_group_report *ret,
                         struct gw_instance_report *members)
{
    ret->instance = members;
    ret->n_instances = g->n_instances;
    ret->priority = g->priority;
    snprintf(ret->name, sizeof ret->name, "%s", g->name);
    for (size_t i = 0; i < g->n_instances; i++) {
        snprintf(members[i].name, sizeof members[i].name, "%s", g->instance[i].name);
        snprintf(members[i].group, sizeof members[i].group, "%s", g->name);
    }
}

static int count(const struct gw_work_group *groups, size_t n, size_t *ret_members,
                 struct gw_error *err)
{
    size_t members = 0;
    if (n > GW_GROUPS_MAX)
        return gw_error_set(err, -EINVAL, "more than %u groups", GW_GROUPS_MAX);
    for (size_t i = 0; i < n; i++) {
        if (groups[i].name == NULL || strlen(groups[i].name) >= GW_WORK_NAME_MAX)
            return gw_error_set(err, -EINVAL, "a group without a name, or with one too long");
        for (size_t k = 0; k < groups[i].n_instances; k++) {
            int r = gw_instance_check(&groups[i].instance[k], err);
            if (r < 0)
                return gw_error_wrap(err, "group \"%s\"", groups[i].name);
        }
        members += groups[i].n_instances;
    }
    if (members > GW_MEMBERS_MAX)
        return gw_error_set(err, -EINVAL, "more than %u instances", GW_MEMBERS_MAX);
    *ret_members = members;
    return 0;
}

static void all_done(struct all *a)
{
    free(a->order);
    free(a->job);
}

static int all_init(struct all *a, const struct gw_work_group *groups, size_t n,
                    const struct gw_work *w, struct gw_groups_report *report, struct gw_error *err)
{
    size_t members = 0;
    int r = count(groups, n, &members, err);
    if (r < 0)
        return r;
    *a = (struct all){ .spec = groups, .w = w, .report = report };
    a->order = calloc(n + 1, sizeof *a->order);
    a->job = calloc(members + n + 1, sizeof *a->job);
    report->group = calloc(n + 1, sizeof *report->group);
    report->members = calloc(members + 1, sizeof *report->members);
    if (a->order == NULL || a->job == NULL || report->group == NULL || report->members == NULL) {
        all_done(a);
        return gw_error_set(err, -ENOMEM, "out of memory");
    }
    report->n = n;
    for (size_t i = 0, at = 0; i < n; at += groups[i].n_instances, i++)
        report_group(&groups[i], &report->group[i], report->members + at);
    return 0;
}

/* ---- the calls ------------------------------------------------------------------------------- */

int gw_groups_start(const struct gw_work_group *groups, size_t n, const struct gw_work *w,
                    struct gw_groups_report *ret, struct gw_error *err)
{
    const uint64_t begun = gw_boot_ns();
    struct gw_groups_report report = { .n = 0 };
    struct all a;
    int r = all_init(&a, groups, n, w, &report, err);
    if (r < 0) {
        gw_groups_report_done(&report);
        return r;
    }
    a.act = gw_instance_start;
    sort(&a, false);
    for (size_t at = 0, len; at < n && !gw_stop_wanted(w->stop_fd); at += len) {
        len = wave_len(&a, at);
        run_members(&a, a.order + at, len);
        if (wave_ok(&a, a.order + at, len))
            run_health(&a, a.order + at, len);
        if (!wave_ok(&a, a.order + at, len))
            break;
    }
    sum_up(&a, begun);
    all_done(&a);
    *ret = report;
    return 0;
}

int gw_groups_stop(const struct gw_work_group *groups, size_t n, const struct gw_work *w,
                   bool go_on, struct gw_groups_report *ret, struct gw_error *err)
{
    const uint64_t begun = gw_boot_ns();
    struct gw_groups_report report = { .n = 0 };
    struct all a;
    int r = all_init(&a, groups, n, w, &report, err);
    if (r < 0) {
        gw_groups_report_done(&report);
        return r;
    }
    a.act = gw_instance_stop;
    sort(&a, true);
    for (size_t at = 0, len; at < n && !gw_stop_wanted(w->stop_fd); at += len) {
        len = wave_len(&a, at);
        run_members(&a, a.order + at, len);
        if (!go_on && !wave_ok(&a, a.order + at, len))
            break;
    }
    sum_up(&a, begun);
    all_done(&a);
    *ret = report;
    return 0;
}

static bool all_run(const struct gw_group_report *g)
{
    for (size_t i = 0; i < g->n_instances; i++) {
        if (g->instance[i].state != GW_INSTANCE_RUNNING)
            return false;
    }
    return true;
}

int gw_groups_status(const struct gw_work_group *groups, size_t n, const struct gw_work *w,
                     struct gw_groups_report *ret, struct gw_error *err)
{
    const uint64_t begun = gw_boot_ns();
    struct gw_groups_report report = { .n = 0 };
    struct all a;
    int r = all_init(&a, groups, n, w, &report, err);
    if (r < 0) {
        gw_groups_report_done(&report);
        return r;
    }
    a.act = gw_instance_status;
    a.once = true;
    sort(&a, false);
    run_members(&a, a.order, n);
    a.n_jobs = 0;
    for (size_t i = 0; i < n; i++) {
        if (groups[i].n_checks > 0 && all_run(&report.group[i]))
            a.job[a.n_jobs++] = (struct job){ .group = i };
    }
    gw_parallel(a.n_jobs, health_job, &a); /* what it says is not part of the outcome */
    sum_up(&a, begun);
    all_done(&a);
    *ret = report;
    return 0;
}

int gw_groups_health(const struct gw_work_group *groups, size_t n, const struct gw_work *w,
                     struct gw_groups_report *ret, struct gw_error *err)
{
    const uint64_t begun = gw_boot_ns();
    struct gw_groups_report report = { .n = 0 };
    struct all a;
    int r = all_init(&a, groups, n, w, &report, err);
    if (r < 0) {
        gw_groups_report_done(&report);
        return r;
    }
    a.once = true;
    sort(&a, false);
    for (size_t i = 0; i < n; i++)
        report.group[i].outcome = GW_WORK_DONE; /* of members nothing is asked */
    run_health(&a, a.order, n);
    sum_up(&a, begun);
    all_done(&a);
    *ret = report;
    return 0;
}

void gw_groups_report_done(struct gw_groups_report *r)
{
    for (size_t i = 0; i < r->n; i++)
        gw_health_done(&r->group[i].health);
    free(r->group);
    free(r->members);
    *r = (struct gw_groups_report){ .n = 0 };
}

bool gw_groups_all(const struct gw_groups_report *r, enum gw_instance_state state)
{
    size_t members = 0;
    for (size_t g = 0; g < r->n; g++) {
        for (size_t i = 0; i < r->group[g].n_instances; i++, members++) {
            if (r->group[g].instance[i].state != state)
                return false;
        }
    }
    return members > 0;
}

bool gw_groups_may_run(const struct gw_groups_report *r)
{
    for (size_t g = 0; g < r->n; g++) {
        for (size_t i = 0; i < r->group[g].n_instances; i++) {
            enum gw_instance_state s = r->group[g].instance[i].state;
            if (s != GW_INSTANCE_STOPPED && s != GW_INSTANCE_FAILED)
                return true;
        }
    }
    return false;
}
