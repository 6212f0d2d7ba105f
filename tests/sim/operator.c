// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "operator.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t both_since_ns; /* both sites run as source since then */
static bool healed;            /* a healer said that its peer is equal */
static int refused_healer = -1;

/* ---- looking --------------------------------------------------------------------------------- */

struct site *operator_source(void)
{
    bool a = world.site[0].run == RUN_SOURCE && site_runs(&world.site[0]);
    bool b = world.site[1].run == RUN_SOURCE && site_runs(&world.site[1]);
    return a == b ? NULL : &world.site[b];
}

bool operator_is_well(void)
{
    struct site *s = operator_source();
    if (!s || !s->source || s->source->service != GW_SERVICE_SERVING)
        return false;
    struct site *t = site_peer(s);
    if (t->run != RUN_REPLICA || !site_runs(t) || !t->replica)
        return false;
    return s->source->ses.up && gw_source_streaming(s->source) &&
           t->replica->state == GW_REPLICA_STREAMING && !t->plan->meta.pending;
}

const char *operator_report(void)
{
    static char text[2400];
    size_t n = 0;
    for (int i = 0; i < 2; i++) {
        struct site *s = &world.site[i];
        const char *state = "down", *reason = s->err.msg;
        if (s->source && site_runs(s)) {
            state = gw_service_state_name(s->source->service);
            reason = s->source->reason;
        } else if (s->replica && site_runs(s)) {
            state = gw_replica_state_name(s->replica->state);
            reason = s->replica->reason;
        }
        n += (size_t)snprintf(text + n, sizeof text - n, "site%d: %s, %s (%s); ", i,
                              s->run == RUN_NONE      ? "nothing"
                              : s->run == RUN_SOURCE  ? "source"
                              : s->run == RUN_REPLICA ? "replica"
                              : s->run == RUN_HEAL    ? "healer"
                                                      : "promotion",
                              state, reason);
    }
    return text;
}

/* ---- acting ---------------------------------------------------------------------------------- */

static int do_sign(struct site *s, struct gw_error *err)
{
    return s->replica ? gw_replica_sign(s->replica, "sim", err) : 0;
}

static int do_choose(struct site *s, struct gw_error *err)
{
    struct site *keep = site_peer(s);
    if (!keep->plan || !s->replica)
        return 0;
    struct gw_uuid survivor = gw_lineage_uuid(&keep->plan->meta.lineage);
    return gw_replica_choose(s->replica, &survivor, "sim", err);
}

static void start_what_should_run(struct site *s)
{
    site_look(s);
    const struct gw_meta *m = &s->meta;
    if (m->pending == GW_PENDING_REWIND || m->pending == GW_PENDING_ROLLBACK) {
        char id[GW_ID_MAX];
        memcpy(id, m->pending_id, sizeof id);
        bool back = m->pending == GW_PENDING_ROLLBACK;
        site_promote(s, back ? NULL : id, back, false);
        return;
    }
    bool serves = m->role == GW_ROLE_ACTIVE && m->consistent;
    if (!site_start(s, serves ? RUN_SOURCE : RUN_REPLICA))
        return;
    if (s->result == -EPERM || s->result == -EUCLEAN)
        site_start(s, serves ? RUN_REPLICA : RUN_SOURCE);
}

static void replace_by(struct site *s, enum run run)
{
    site_stop(s);
    if (s->run == RUN_NONE) {
        site_look(s);
        site_start(s, run);
    }
}

static void tend_source(struct site *s)
{
    struct gw_source *src = s->source;
    int r;
    switch (src->service) {
    case GW_SERVICE_FAILED:
    case GW_SERVICE_STOPPED:
        site_stop(s);
        return;
    case GW_SERVICE_FENCED:
    case GW_SERVICE_RELEASED:
        replace_by(s, RUN_REPLICA);
        return;
    case GW_SERVICE_WAITING:
    case GW_SERVICE_SERVING:
    case GW_SERVICE_QUIESCED:
        break;
    }
    struct site *t = site_peer(s);
    if (t->run != RUN_REPLICA || !site_runs(t))
        return;
    if (src->repl == GW_REPL_ASSESSING && src->st.assessed)
        site_call(t, do_sign, &r);
    const struct gw_verdict *v = &src->st.verdict;
    if (src->ses.up || !src->st.have_verdict)
        return;
    if (v->action == GW_VERDICT_SPLIT_BRAIN && v->row == 13 &&
        gw_uuid_is_none(&t->plan->meta.survivor))
        site_call(t, do_choose, &r);
    if (v->action == GW_VERDICT_QUESTION)
        site_stop(s); /* the other side has the newer reign: it is to serve */
}

static void tend_heal(struct site *s)
{
    struct gw_source *src = s->source;
    if (src->st.healed) {
        healed = true;
        refused_healer = -1;
        site_stop(s);
        return;
    }
    if (src->service == GW_SERVICE_FAILED) {
        site_stop(s);
        return;
    }
    const struct gw_verdict *v = &src->st.verdict;
    if (src->st.have_verdict && !src->ses.up && v->source != s->id && v->source >= 0) {
        refused_healer = s->id;
        site_stop(s);
        return;
    }
    int r;
    struct site *t = site_peer(s);
    if (src->repl == GW_REPL_ASSESSING && src->st.assessed && t->run == RUN_REPLICA)
        site_call(t, do_sign, &r);
    if (v->action == GW_VERDICT_SPLIT_BRAIN && v->row == 13 && t->run == RUN_REPLICA &&
        site_runs(t) && gw_uuid_is_none(&t->plan->meta.survivor))
        site_call(t, do_choose, &r);
}

static bool may_serve(const struct site *s)
{
    return s->plan && s->plan->meta.consistent && !s->plan->meta.blank;
}

/* Both follow and nobody leads: after a handover that was interrupted, or a heal. */
static void tend_nobody(void)
{
    struct site *a = &world.site[0], *b = &world.site[1];
    if (a->run != RUN_REPLICA || b->run != RUN_REPLICA || !site_runs(a) || !site_runs(b))
        return;
    for (int i = 0; i < 2; i++) {
        struct site *s = &world.site[i];
        if (s->plan->meta.token_valid) { /* a handover stopped half way: it holds everything */
            site_stop(s);
            if (s->run == RUN_NONE)
                site_promote(s, NULL, false, false);
            return;
        }
    }
    int first = refused_healer >= 0 ? !refused_healer : (int)sim_below(2);
    if (!may_serve(&world.site[first]))
        first = !first;
    struct site *s = &world.site[first];
    if (!may_serve(s))
        return;
    site_stop(s);
    if (s->run != RUN_NONE)
        return;
    if (healed) {
        healed = false;
        site_promote(s, NULL, false, false);
    } else {
        site_look(s);
        site_start(s, RUN_HEAL);
    }
}

static uint64_t epoch_of(const struct site *s)
{
    return s->plan ? gw_lineage_epoch(&s->plan->meta.lineage) : 0;
}

/* Two sources: where neither listens they cannot meet. The newer reign counts. */
static void tend_both(void)
{
    struct site *a = &world.site[0], *b = &world.site[1];
    if (a->run != RUN_SOURCE || b->run != RUN_SOURCE || !site_runs(a) || !site_runs(b)) {
        both_since_ns = 0;
        return;
    }
    if (both_since_ns == 0)
        both_since_ns = sched_now();
    if (sched_now() - both_since_ns < 5 * SIM_NS_PER_S)
        return;
    replace_by(epoch_of(a) < epoch_of(b) ? a : b, RUN_REPLICA);
    both_since_ns = 0;
}

void operator_tend(void)
{
    for (int i = 0; i < 2; i++) {
        struct site *s = &world.site[i];
        if (s->run == RUN_NONE)
            start_what_should_run(s);
        else if (!site_runs(s))
            continue;
        else if (s->run == RUN_SOURCE && s->source)
            tend_source(s);
        else if (s->run == RUN_HEAL && s->source)
            tend_heal(s);
        else if (s->run == RUN_REPLICA && s->replica &&
                 (s->replica->failed || strstr(s->replica->reason, "restart the plan")))
            site_stop(s);
    }
    tend_both();
    tend_nobody();
    for (int i = 0; i < 2; i++)
        watch_tail(&world.site[i]);
}

bool operator_settle(uint64_t timeout_ns)
{
    uint64_t until = sched_now() + timeout_ns;
    while (!operator_is_well()) {
        if (sched_now() >= until)
            return false;
        operator_tend();
        sched_sleep(100 * SIM_NS_PER_MS);
    }
    return true;
}

static bool at_rest(void)
{
    struct site *s = operator_source();
    if (!s || !operator_is_well())
        return false;
    struct gw_source *src = s->source;
    struct gw_replica *rep = site_peer(s)->replica;
    if (src->in_flight[0] + src->in_flight[1] > 0 || !gw_ring_empty(src->ring) ||
        !gw_plan_maps_empty(s->plan) || src->ses.durable != src->seq)
        return false;
    return rep->applied_addr == rep->received_addr && rep->applied_seq == src->seq &&
           gw_plan_maps_empty(rep->plan);
}

bool operator_rest(uint64_t timeout_ns)
{
    uint64_t until = sched_now() + timeout_ns;
    bool load = world.load;
    world.load = false;
    while (!at_rest()) {
        if (sched_now() >= until) {
            world.load = load;
            return false;
        }
        operator_tend();
        sched_sleep(50 * SIM_NS_PER_MS);
    }
    watch_equal();
    for (int i = 0; i < 2; i++)
        watch_tail(&world.site[i]);
    sim_trace("at rest: both sites are equal");
    world.load = load;
    return true;
}
