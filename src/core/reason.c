// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Why a plan is not better than it is: the table of reasons, and which of them hold. */
#include "core/phase_internal.h"

#include "base/checked.h"

static const struct gw_reason_row rows[GW_REASON_MAX] = {
    { GW_REASON_LINK_DOWN, "LINK_DOWN", false, true, "replication does not flow to {standby}",
      "it is not known whether replication flows to {standby}",
      "godwit site test {standby} names the layer that fails" },
    { GW_REASON_LAGGING, "LAGGING", true, true, "{standby} is behind by more than the RPO",
      "it is not known how far {standby} is behind",
      "look at bandwidth and load: godwit plan status {plan}" },
    { GW_REASON_RESYNCING, "RESYNCING", true, false,
      "{standby} is being brought up to date, and is no consistent copy until then", "",
      "wait: the forecast is in godwit forecast {plan}" },
    { GW_REASON_WITNESS_LOST, "WITNESS_LOST", true, false, "the witness does not answer", "",
      "look at the witness; no failover happens by itself meanwhile" },
    { GW_REASON_PEER_DOWN, "PEER_DOWN", false, true, "the other site does not answer",
      "it is not known what the other site does", "godwit site test names the layer that fails" },
    { GW_REASON_FENCE_STALE, "FENCE_STALE", true, false, "the fence device was not verified lately",
      "", "test the fence device" },
    { GW_REASON_DRIFT, "DRIFT", false, false, "the sites' configurations differ", "",
      "godwit plan check names the differences" },
    { GW_REASON_CAPACITY, "CAPACITY", false, false,
      "there is too little room at a site of the plan", "",
      "make room at {home} and {dr}: godwit plan check has the numbers" },
    { GW_REASON_JOURNAL_FULL, "JOURNAL_FULL", false, false, "the journal at {standby} is full", "",
      "make room at {standby}; it goes on by itself" },
    { GW_REASON_TEST_OVERDUE, "TEST_OVERDUE", false, false, "the last test is too long ago", "",
      "godwit test start {plan}" },
    { GW_REASON_CLOCK_SUSPECT, "CLOCK_SUSPECT", true, false,
      "the sites' clocks differ, or one jumped", "", "look at time synchronisation at both sites" },
    { GW_REASON_RESOURCE_MISSING, "RESOURCE_MISSING", true, false,
      "something that the plan names is not there", "", "godwit plan check names it" },
    { GW_REASON_SERVICE_UNHEALTHY, "SERVICE_UNHEALTHY", false, false,
      "service at {active} is not healthy", "", "look at the service's health checks and log" },
    { GW_REASON_SERVICE_DOWN, "SERVICE_DOWN", false, true, "service does not run",
      "it is not known whether service runs at {active}", "godwit plan status {plan} at {active}" },
    { GW_REASON_TAIL_UNSIGNED, "TAIL_UNSIGNED", true, false,
      "{standby} has writes that nobody else has, and nobody signed for them", "",
      "godwit divergence list {plan}, then godwit divergence sign {plan}" },
    { GW_REASON_UNSYNC, "UNSYNC", true, false, "writes are acknowledged that only {active} has", "",
      "they are copied when the link is back" },
    { GW_REASON_STANDBY_UNKNOWN, "STANDBY_UNKNOWN", false, true,
      "it is not known whether a service runs at {standby}",
      "it is not known whether a service runs at {standby}",
      "its status command there says neither yes nor no: godwit plan status {plan} at {standby}" },
};

const struct gw_reason_row *gw_reason_row(enum gw_reason r)
{
    return (unsigned)r < GW_REASON_MAX ? &rows[r] : NULL;
}

const char *gw_reason_name(enum gw_reason r)
{
    return (unsigned)r < GW_REASON_MAX ? rows[r].name : "invalid";
}

static enum gw_tri link_down(const struct gw_phase_facts *f)
{
    if (f->repl == GW_LIFE_REPL_NONE || f->repl == GW_LIFE_REPL_SUSPENDED)
        return GW_TRI_YES;
    return gw_tri_not(f->link_up);
}

/* Only what follows has a lag; other states have a reason of their own. */
static enum gw_tri lagging(const struct gw_phase_facts *f)
{
    return gw_follows(f->repl) ? gw_tri_not(f->lag_ok) : GW_TRI_NO;
}

/* A daemon that answers and cannot tell what its site does. If it does not answer, that is said. */
static enum gw_tri standby_unknown(const struct gw_phase_facts *f)
{
    return gw_yes(f->peer_reachable) && gw_standby_svc(f) == GW_SVC_UNKNOWN ? GW_TRI_UNKNOWN
                                                                            : GW_TRI_NO;
}

static enum gw_tri service_down(const struct gw_phase_facts *f)
{
    enum gw_svc svc = gw_active_svc(f);
    return svc == GW_SVC_UNKNOWN ? GW_TRI_UNKNOWN : gw_tri_of(!gw_svc_serves(svc));
}

static enum gw_tri tail_unsigned(const struct gw_phase_facts *f)
{
    if (f->repl == GW_LIFE_REPL_DIVERGED)
        return gw_tri_of(!gw_no(f->tail_unsigned));
    return f->tail_unsigned;
}

static enum gw_tri holds(enum gw_reason r, const struct gw_phase_facts *f)
{
    switch (r) {
    case GW_REASON_LINK_DOWN:
        return link_down(f);
    case GW_REASON_LAGGING:
        return lagging(f);
    case GW_REASON_RESYNCING:
        return gw_tri_of(gw_copies(f->repl) || f->repl == GW_LIFE_REPL_DIVERGED);
    case GW_REASON_WITNESS_LOST:
        return f->lease == GW_LEASE_EXPIRING || f->lease == GW_LEASE_LAPSED ? GW_TRI_YES
                                                                            : f->witness_lost;
    case GW_REASON_PEER_DOWN:
        return gw_tri_not(f->peer_reachable);
    case GW_REASON_FENCE_STALE:
        return f->fence_stale;
    case GW_REASON_DRIFT:
        return f->drift;
    case GW_REASON_CAPACITY:
        return f->capacity;
    case GW_REASON_JOURNAL_FULL:
        return f->journal_full;
    case GW_REASON_TEST_OVERDUE:
        return f->test_overdue;
    case GW_REASON_CLOCK_SUSPECT:
        return f->clock_suspect;
    case GW_REASON_RESOURCE_MISSING:
        return f->resource_missing;
    case GW_REASON_SERVICE_UNHEALTHY:
        return gw_tri_of(gw_active_svc(f) == GW_SVC_DEGRADED ||
                         gw_active_svc(f) == GW_SVC_STARTING);
    case GW_REASON_SERVICE_DOWN:
        return service_down(f);
    case GW_REASON_TAIL_UNSIGNED:
        return tail_unsigned(f);
    case GW_REASON_UNSYNC:
        return gw_tri_of(f->repl == GW_LIFE_REPL_UNSYNC);
    case GW_REASON_STANDBY_UNKNOWN:
        return standby_unknown(f);
    case GW_REASON_MAX:
        break;
    }
    return GW_TRI_YES;
}

uint32_t gw_reasons_of(const struct gw_phase_facts *f, uint32_t *ret_unknown)
{
    uint32_t reasons = 0, unknown = 0;
    for (unsigned r = 0; r < GW_REASON_MAX; r++) {
        enum gw_tri t = holds((enum gw_reason)r, f);
        if (t == GW_TRI_YES || (t != GW_TRI_NO && rows[r].core))
            reasons |= 1u << r;
        if (t != GW_TRI_YES && t != GW_TRI_NO && rows[r].core)
            unknown |= 1u << r;
    }
    *ret_unknown = unknown;
    return reasons;
}
