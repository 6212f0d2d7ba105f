// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Two sites in simulated time, for the executor as it is shipped: daemons with a store each, a
 * link, data planes, workloads. Nothing here has a thread or a clock; sim_tick moves everything on.
 *
 * Clients are the judges: while a workload runs and its volume is served it writes once a second,
 * each write with a number of its own. Two sites that serve at once, and a write that was
 * acknowledged and is nowhere any more, are violations (sim_blame); the first of them is kept.
 *
 * sim.c        time, link, daemons, persons
 * sim_plane.c  data planes, workloads, clients
 * sim_steps.c  what each step does, undoes and observes
 * sim_mutate.c rules broken on purpose
 */
#pragma once

#include "memstore.h"
#include "run/execute.h"
#include "run/receive.h"

#define SIM_WRITES_MAX 16384u
#define SIM_TICK_MS 200u
#define SIM_FAULTS_MAX 2u
#define SIM_MS 1000000ull

enum sim_role { SIM_NONE = 0, SIM_ACTIVE, SIM_STANDBY, SIM_FENCED };
enum sim_unit { SIM_OFF = 0, SIM_SOURCE, SIM_REPLICA };

/* What goes wrong, at a moment of a step. Until it heals, where that makes sense. */
enum sim_fault_kind {
    SIM_KILL_COORD = 0, /* the coordinator's daemon */
    SIM_KILL_PEER,      /* the other daemon */
    SIM_KILL_RECEIVER, /* the daemon that carries the step out for the other, in the middle of it */
    SIM_KILL_PLANE_OLD,
    SIM_KILL_PLANE_NEW,
    SIM_KILL_SITE_OLD, /* daemon, data plane and workloads */
    SIM_KILL_SITE_NEW,
    SIM_CUT_LINK,
    SIM_LOSE_ANSWERS, /* what is sent arrives, what is answered does not */
    SIM_EFFECT_FAILS,
    SIM_EFFECT_UNKNOWN, /* it happens, and its outcome is a time-out */
    SIM_OBSERVE_BLIND,  /* observe cannot see */
    SIM_OBSERVE_NEITHER,
    SIM_STORE_FULL, /* of the coordinator */
    SIM_FAULT_MAX,
};
const char *sim_fault_name(enum sim_fault_kind kind);

struct sim_fault {
    enum sim_fault_kind kind;
    unsigned step; /* index */
    enum gw_run_moment moment;
    bool undo;
    uint64_t heal_ms;
    /* kept by the simulation */
    bool fired, healed;
    uint64_t at_ns;
    int victim; /* number of the site whose daemon it killed, or -1 */
};

struct sim;

struct sim_site {
    struct sim *sim;
    unsigned number;
    /* the daemon */
    bool daemon;
    struct memstore *store;
    struct gw_run_at_work *at_work;
    struct gw_run_env env;
    struct gw_run_driver *driver;
    char driven[GW_RUN_ID_MAX];
    uint64_t due_ns;
    uint64_t reopen_ns; /* after an error */
    bool wanted;        /* a thread for the run is to be started */
    /* on disk */
    enum sim_role role;
    uint32_t reign;
    uint32_t data[SIM_WRITES_MAX];
    unsigned n_data;
    bool revoked, verified, notified;
    /* units, workloads */
    enum sim_unit want, unit;
    uint64_t unit_back_ns;
    bool authorised; /* may serve: started by a step, or compared with the other site since */
    bool quiesced, token;
    bool workload, workload_want;
};

struct sim {
    uint64_t now_ns;
    int64_t wall_skew_ns;
    bool link, lose_answers;
    bool duplicate; /* every message arrives twice */
    bool vague;     /* what cannot be delivered is a time-out, not "not connected" */
    struct sim_site site[2];
    unsigned old; /* number of the site that is OLD in the present run */
    uint64_t epoch;
    unsigned next_write;
    bool kept[SIM_WRITES_MAX]; /* set aside on purpose, with a name */
    bool signed_tail;
    uint64_t tail_since_ns, person_since_ns;
    bool confirmed_down; /* a person has said that OLD is down */
    int route;
    struct sim_fault fault[SIM_FAULTS_MAX];
    unsigned n_faults;
    /* the person: what is chosen at a halt, in this order; then abort */
    enum gw_choice prefers[8];
    unsigned n_prefers, decided;
    uint64_t override_after_ms; /* 0: never. A person overrides a doubt at NEW after so long */
    uint64_t doubt_since_ns;
    bool overridden;
    int cancel_at; /* asks for a cancel before the effect of that step; -1: never */
    bool cancel_asked;
    /* counters */
    unsigned notified, released, runs;
    char last_effect[2][128]; /* of each site: (run, step, attempt), to see one done twice */
    uint64_t down_ns;         /* nobody has been serving for so long */
    bool trace;
    char violation[512];
};

/* A rule that is broken on purpose; the matrix must notice. */
enum sim_mutation {
    SIM_SOUND = 0,
    SIM_REDO_ONCE,
    SIM_SKIP_OBSERVE,
    SIM_OBSERVE_NOTHING,
    SIM_NO_PEER_DURABILITY,
    SIM_UNDO_AFTER_PONR,
    SIM_NO_INBOX,
    SIM_NO_EXPOSURE,
    SIM_TELL_NOBODY,
    SIM_LOST_LOG,
    SIM_FORGET_REPLICATION,
    SIM_FORGET_UNDO,
    SIM_TIMEOUT_IS_DONE,
    SIM_TIMEOUT_IS_FAILURE,
    SIM_NO_TAKE_OVER,
    SIM_HEALTH_IGNORED,
    SIM_CANCEL_IGNORED,
    SIM_ENDLESS_WAIT,
    SIM_MUTATION_MAX,
};
const char *sim_mutation_name(enum sim_mutation m);
extern enum sim_mutation sim_mutation;

#define SIM_PLAN "shop"

void sim_init(struct sim *s, enum gw_operation_id op);
void sim_done(struct sim *s);
void sim_blame(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void sim_trace(struct sim *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Create the run at its coordinator. `more` may set what is not as usual; NULL is fine. */
void sim_begin(struct sim *s, enum gw_operation_id op, const char *id,
               void (*more)(struct gw_run *run));
void sim_tick(struct sim *s);
/* Until every run has ended at both sites; blames what takes longer than that. */
void sim_settle(struct sim *s, uint64_t limit_ms);
/* A site that was dead from the start comes back. */
void sim_return(struct sim *s, struct sim_site *site);
bool sim_over(struct sim *s);
void sim_ask(struct sim *s, struct sim_site *at, const char *id, enum gw_choice choice);

/* sim_plane.c */
void sim_plane_tick(struct sim *s, struct sim_site *site);
void sim_clients(struct sim *s);
void sim_replicate(struct sim *s, struct sim_site *from, struct sim_site *to, unsigned writes_max);
bool sim_exported(const struct sim_site *site);
bool sim_serving(const struct sim_site *site);
bool sim_connected(struct sim *s, struct sim_site *from);
bool sim_diverged(const struct sim_site *from, const struct sim_site *to);
bool sim_same(const struct sim_site *a, const struct sim_site *b);
void sim_unit_start(struct sim_site *site, enum sim_unit unit);
void sim_unit_stop(struct sim_site *site);
void sim_kill_plane(struct sim_site *site);
void sim_keep(struct sim *s, const struct sim_site *site, unsigned from);

/* sim_steps.c: ctx is a struct sim_site */
void sim_effect(void *ctx, const struct gw_run_call *call, struct gw_run_outcome *ret);
void sim_undo(void *ctx, const struct gw_run_call *call, struct gw_run_outcome *ret);
void sim_observe(void *ctx, const struct gw_run_call *call, struct gw_run_outcome *ret);

/* sim_mutate.c */
void sim_mutate(struct sim_site *site); /* its env */

static inline struct sim_site *sim_other(struct sim_site *site)
{
    return &site->sim->site[1 - site->number];
}
