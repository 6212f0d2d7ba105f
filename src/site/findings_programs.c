// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* `plan check`: the programs that the plan names, as this site finds them. */
#include "site/findings.h"
#include "work/child.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct programs {
    const struct site_findings *f;
    const char **seen; /* each is looked at once */
    size_t n, missing;
    bool no_memory;
};

static bool is_new(struct programs *p, const char *program)
{
    for (size_t i = 0; i < p->n; i++) {
        if (strcmp(p->seen[i], program) == 0)
            return false;
    }
    const char **more = reallocarray(p->seen, p->n + 1, sizeof *more);
    if (more == NULL) {
        p->no_memory = true;
        return true;
    }
    p->seen = more;
    p->seen[p->n++] = program;
    return true;
}

static void look(struct programs *p, const struct gw_texts *argv, const char *of, const char *what)
{
    struct gw_error err = { 0 };
    char check[160];
    if (argv->n == 0 || !is_new(p, argv->item[0]) || gw_child_findable(argv->item[0], &err) == 0)
        return;
    p->missing++;
    snprintf(check, sizeof check, "%s %s", what, of);
    site_finding_add(p->f, check, false, err.msg,
                     "install it here and let godwitd execute it, or correct the plan");
}

static void look_all(struct programs *p, const struct gw_commands *c, const char *of,
                     const char *what)
{
    for (size_t i = 0; i < c->n; i++)
        look(p, &c->item[i].exec, of, what);
}

static void look_group(struct programs *p, const struct gw_planfile_group *g)
{
    for (size_t i = 0; i < g->n_instances; i++) {
        const struct gw_planfile_instance *in = &g->instances[i];
        look(p, &in->start, in->name, "start of");
        look(p, &in->stop, in->name, "stop of");
        look(p, &in->status, in->name, "status of");
    }
    for (size_t i = 0; i < g->n_health; i++)
        look(p, &g->health[i].exec, g->name, "health of");
    look_all(p, &g->hooks.pre_failover, g->name, "hook pre_failover of");
    look_all(p, &g->hooks.post_recover, g->name, "hook post_recover of");
    look_all(p, &g->hooks.pre_failback, g->name, "hook pre_failback of");
    look_all(p, &g->hooks.post_failback, g->name, "hook post_failback of");
}

void site_findings_programs(const struct site_findings *f)
{
    struct programs p = { .f = f };
    const struct gw_planfile *plan = f->plan;
    char value[64];
    for (size_t i = 0; i < plan->n_groups; i++)
        look_group(&p, &plan->groups[i]);
    for (size_t i = 0; i < plan->n_routes; i++) {
        if (plan->routes[i].exec == NULL)
            continue;
        look(&p, &plan->routes[i].exec->set, "traffic", "route of");
        look(&p, &plan->routes[i].exec->status, "traffic", "route of");
    }
    look_all(&p, &plan->recovery_points.freeze, "recovery points", "freeze of");
    look_all(&p, &plan->recovery_points.thaw, "recovery points", "thaw of");
    look_all(&p, &plan->checks.data, "data", "check of");
    for (size_t i = 0; i < plan->n_contacts; i++)
        look(&p, &plan->contacts[i].command, plan->contacts[i].name, "contact");
    snprintf(value, sizeof value, "%zu of %zu can be executed", p.n - p.missing, p.n);
    if (p.missing == 0 && p.n > 0 && !p.no_memory)
        site_finding_add(f, "programs", true, value, "");
    free(p.seen);
}
