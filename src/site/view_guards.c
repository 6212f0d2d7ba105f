// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What guards look at, from the view. What is not looked at stays "not known", and refuses. */
#include "site/view.h"

#include "base/clock.h"
#include "base/size.h"
#include "site/mates.h"

#include <stdio.h>
#include <string.h>

static void set(struct gw_guard_facts *f, enum gw_guard g, enum gw_tri ok)
{
    f->ok[g] = ok;
}

static void both(struct gw_guard_facts *f, enum gw_guard yes, enum gw_guard no, enum gw_tri fact)
{
    f->ok[yes] = fact;
    f->ok[no] = fact == GW_TRI_UNKNOWN ? fact : gw_tri_of(fact == GW_TRI_NO);
}

static enum gw_tri inverse(enum gw_tri t)
{
    return t == GW_TRI_UNKNOWN ? t : gw_tri_of(t == GW_TRI_NO);
}

static const json_t *standby_dir(const struct site_view *v)
{
    if (v->holder == GW_HOLDER_NONE)
        return NULL;
    enum gw_label l = v->holder == GW_HOLDER_HOME ? GW_LABEL_DR : GW_LABEL_HOME;
    return v->fresh[l] ? site_at(v->side[l], "dir") : NULL;
}

static void say_lag(struct gw_guard_facts *f, const struct site_view *v,
                    struct site_guard_texts *store)
{
    const json_t *lag = site_at(site_view_active(v), "lag");
    char bytes[GW_SIZE_TEXT], limit[GW_DURATION_TEXT];
    gw_size_format(site_number(lag, "bytes"), bytes);
    gw_forecast_duration(v->doc->plan->failback.max_outage_ms, limit);
    snprintf(store->text[GW_GUARD_LAG_IN_BUDGET], sizeof store->text[0], "%.1f s, %s",
             site_real(lag, "seconds"), bytes);
    snprintf(store->text[GW_GUARD_ROOM], sizeof store->text[0], "outage at most %s", limit);
    f->value[GW_GUARD_LAG_IN_BUDGET] = store->text[GW_GUARD_LAG_IN_BUDGET];
    f->limit[GW_GUARD_LAG_IN_BUDGET] = store->text[GW_GUARD_ROOM];
}

/* Is there something in the plan that nothing acts on yet? */
static enum gw_tri drivers_known(const struct gw_planfile *plan)
{
    for (size_t g = 0; g < plan->n_groups; g++) {
        for (size_t i = 0; i < plan->groups[g].n_instances; i++) {
            if (!gw_driver_supported(plan->groups[g].instances[i].driver))
                return GW_TRI_NO;
        }
    }
    for (size_t i = 0; i < plan->n_routes; i++) {
        if (!gw_route_supported(&plan->routes[i]))
            return GW_TRI_NO;
    }
    return GW_TRI_YES;
}

static enum gw_tri in_window(const struct gw_planfile *plan)
{
    const struct gw_planfile_window *w = plan->failback.window;
    if (w == NULL)
        return GW_TRI_YES;
    bool open = false;
    int64_t begins, ends;
    if (gw_cron_window(&w->cron, w->length_ms / 1000, (int64_t)(gw_wall_ns() / GW_NS_PER_S),
                       GW_CRON_LOCAL, &open, &begins, &ends) < 0)
        return GW_TRI_UNKNOWN;
    return gw_tri_of(open);
}

static void fill_state(const struct site_view *v, struct gw_guard_facts *f)
{
    const struct gw_phase_facts *x = &v->facts;
    set(f, GW_GUARD_NOT_RETIRED, inverse(x->retired));
    both(f, GW_GUARD_ACTIVATED, GW_GUARD_NOT_ACTIVATED, x->activated);
    set(f, GW_GUARD_NO_OTHER_RUN, gw_tri_of(v->run[0] == '\0'));
    both(f, GW_GUARD_HELD, GW_GUARD_NOT_HELD, gw_tri_of(x->mode == GW_MODE_HELD));
    set(f, GW_GUARD_MEMORY_CURRENT, inverse(x->memory_older));
    both(f, GW_GUARD_SPLIT_BRAIN, GW_GUARD_NO_SPLIT_BRAIN, x->split_brain);
    set(f, GW_GUARD_HOLDER_KNOWN, gw_tri_of(v->holder != GW_HOLDER_NONE));
    set(f, GW_GUARD_ACTIVE_AT_DR, gw_tri_of(v->holder == GW_HOLDER_DR));
    set(f, GW_GUARD_ASKED_AT_STANDBY,
        gw_tri_of(v->holder != GW_HOLDER_NONE && v->holder != gw_holder_of(v->here)));
    set(f, GW_GUARD_PEER_REACHABLE, x->peer_reachable);
    set(f, GW_GUARD_LINK_UP, x->link_up);
    set(f, GW_GUARD_PLANS_EQUAL, inverse(x->drift));
    set(f, GW_GUARD_SYNCED_SINCE_CHANGE, x->synced);
    /* While a failover is open a reverse also commits it: that it does, whoever follows. And new
     * hardware has followed nobody yet, whatever was heard of the machine before it. */
    set(f, GW_GUARD_NOT_FOLLOWING,
        gw_tri_of((x->repl != GW_LIFE_REPL_SYNC && x->repl != GW_LIFE_REPL_ASYNC) ||
                  x->committed != GW_TRI_YES ||
                  json_is_object(site_at(site_at(v->side[v->here], "facts"), "replaced"))));
    set(f, GW_GUARD_LAG_IN_BUDGET, x->cutover_ok);
    set(f, GW_GUARD_COMMITTED, x->committed);
    set(f, GW_GUARD_FAILOVER_OPEN, inverse(x->committed));
    set(f, GW_GUARD_BEFORE_ROUTE,
        gw_tri_of(!site_true(site_at(site_view_active(v), "facts"), "routed")));
    /* Met also where no tail is known. */
    set(f, GW_GUARD_TAIL_SIGNED, gw_tri_of(x->tail_unsigned != GW_TRI_YES));
    set(f, GW_GUARD_TAIL_WAITS, x->tail_unsigned);
    set(f, GW_GUARD_PREFLIGHT, x->preflight_ok);
    set(f, GW_GUARD_ROOM, inverse(x->capacity));
    set(f, GW_GUARD_CLOCKS, inverse(x->clock_suspect));
}

void site_view_guards(struct site *s, struct site_plan *p, const struct site_view *v,
                      struct gw_guard_facts *ret, struct site_guard_texts *store)
{
    *ret = (struct gw_guard_facts){ .ok = { GW_TRI_UNKNOWN } };
    struct gw_guard_facts *f = ret;
    fill_state(v, f);
    const struct gw_phase_facts *x = &v->facts;
    const json_t *dir = standby_dir(v);
    if (dir != NULL)
        set(f, GW_GUARD_STANDBY_CONSISTENT,
            gw_tri_of(site_true(dir, "consistent") && !site_true(dir, "blank")));
    if (v->holder != GW_HOLDER_NONE) {
        enum gw_svc svc = x->svc[v->holder == GW_HOLDER_HOME ? GW_LABEL_HOME : GW_LABEL_DR];
        set(f, GW_GUARD_SERVICE_HEALTHY,
            svc == GW_SVC_UNKNOWN ? GW_TRI_UNKNOWN : gw_tri_of(svc == GW_SVC_RUNNING));
    }
    set(f, GW_GUARD_DRIVERS_KNOWN, drivers_known(v->doc->plan));
    set(f, GW_GUARD_IN_WINDOW, in_window(v->doc->plan));
    set(f, GW_GUARD_CERTIFICATES, GW_TRI_YES); /* an expired one is refused by TLS: no link */
    set(f, GW_GUARD_WITNESS, GW_TRI_YES);      /* pair mode: there is none to ask */
    set(f, GW_GUARD_NOT_THE_ACTIVE,
        gw_tri_of(v->holder != GW_HOLDER_NONE && v->holder == gw_holder_of(v->here)));
    say_lag(f, v, store);
    struct site_mate_state mate;
    site_mate_state(s, p->peer, &mate);
    snprintf(store->text[GW_GUARD_PEER_REACHABLE], sizeof store->text[0], "%.127s",
             mate.one_way[0] != '\0' ? mate.one_way
             : mate.reachable        ? "answers"
                                     : mate.why);
    f->value[GW_GUARD_PEER_REACHABLE] = store->text[GW_GUARD_PEER_REACHABLE];
    f->value[GW_GUARD_NO_OTHER_RUN] = v->run[0] != '\0' ? v->run : "none";
}
