// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The plan file: what is protected, where, how it is started, and what may be done with it.
 *
 *     struct gw_plan_errors errors = { 0 };
 *     struct gw_planfile *plan = NULL;
 *     r = gw_planfile_parse("shop.yaml", bytes, len, GW_DOC_YAML, &errors, &plan, &err);
 *     ...                                  r < 0: `errors` has everything that is wrong
 *     gw_planfile_canonical(plan, &text, &err);   gw_planfile_hash(text, hash);
 *     gw_planfile_free(plan);
 *
 * The same decoder takes YAML (files) and JSON (the API). All keys of the format are decoded,
 * checked and kept; gw_planfile_later() says which of those that a plan uses nothing acts on yet.
 *
 * **The canonical text** is JSON on one line with sorted keys and *all defaults filled in*, each
 * value in one notation only. It is what both sites keep, and its SHA-256 is the plan's hash. So a
 * plan means the same after a release that changes a default, two notations of the same plan have
 * the same hash, and parsing the canonical text gives that text again. A text that is stored is
 * never written anew by a later release: hash the bytes that are there.
 *
 * Values that were left out: texts and pointers are NULL, lists have n == 0, sizes, rates and
 * durations without a default are 0. Unless said otherwise 0 never is a value that can be given.
 *
 * Ownership: everything belongs to the plan, gw_planfile_free() frees it all. Nothing changes after
 * parsing; any number of threads may read.
 */
#pragma once

#include "plan/cron.h"
#include "plan/doc.h"
#include "plan/schema.h"

#define GW_PLANFILE_VOLUMES_MAX 64u /* as the engine's limits.h */
#define GW_PLANFILE_GROUPS_MAX 64u
#define GW_PLANFILE_INSTANCES_MAX 64u /* of a group */
#define GW_PLANFILE_PRIORITY_MAX 1000u
#define GW_PLANFILE_BLOCK_BYTES 4096u
#define GW_PLANFILE_VOLUME_BYTES_MAX (1ull << 50)

/* The order of the words is that of the enums. */
enum gw_replication_mode { GW_REPLICATION_ASYNC, GW_REPLICATION_SYNC };
enum gw_on_link_loss { GW_ON_LINK_LOSS_CONTINUE, GW_ON_LINK_LOSS_SUSPEND };
enum gw_compression { GW_COMPRESSION_NONE, GW_COMPRESSION_ZSTD };
enum gw_driver { GW_DRIVER_EXEC, GW_DRIVER_SYSTEMD, GW_DRIVER_LIBVIRT };
enum gw_failover_mode {
    GW_FAILOVER_AUTO,
    GW_FAILOVER_APPROVE,
    GW_FAILOVER_MANUAL,
    GW_FAILOVER_OBSERVE,
};
enum gw_isolated_start { GW_ISOLATED_START_WAIT, GW_ISOLATED_START_SERVE };
enum gw_lease_lost { GW_LEASE_LOST_CONSISTENCY, GW_LEASE_LOST_AVAILABILITY };
enum gw_failback_mode { GW_FAILBACK_MANUAL };
enum gw_on_unhealthy { GW_ON_UNHEALTHY_HALT, GW_ON_UNHEALTHY_RETURN };
enum gw_record_type { GW_RECORD_A, GW_RECORD_AAAA, GW_RECORD_CNAME };

/* ---- people ---- */
struct gw_planfile_contact {
    const char *name;
    const char *webhook;     /* URL that gets a POST; or */
    struct gw_texts command; /* a program that is run */
};

/* ---- data ---- */
struct gw_planfile_volume {
    const char *name;
    uint64_t size_bytes;  /* a multiple of 4 KiB */
    struct gw_at_path at; /* gw_planfile_path() looks it up by the site's name */
};

struct gw_planfile_limit {
    struct gw_cron cron;  /* holds in each minute that it names */
    uint64_t limit_per_s; /* bytes */
};

struct gw_planfile_bandwidth {
    uint64_t limit_per_s; /* bytes; 0: no limit */
    size_t n_schedule;
    struct gw_planfile_limit *schedule; /* the first that matches is taken */
};

struct gw_planfile_replication {
    enum gw_replication_mode mode;
    enum gw_on_link_loss on_link_loss; /* sync mode */
    enum gw_compression compression;
    struct gw_planfile_bandwidth bandwidth;
};

struct gw_planfile_keep {
    uint32_t count, hourly, daily, weekly; /* 0: none of these */
};

struct gw_planfile_points {
    struct gw_commands freeze, thaw; /* both or none */
    uint64_t interval_ms;            /* 0: on request only */
    struct gw_planfile_keep keep;
    uint64_t max_age_ms;   /* 0: no limit */
    uint64_t immutable_ms; /* 0: none */
};

struct gw_planfile_journal {
    uint64_t size_bytes; /* limit of the standby's journal */
    uint64_t keep_ms;    /* how long applied records are kept; 0: not at all */
};

/* ---- workloads ---- */
struct gw_planfile_attach {
    const char *volume; /* name of a volume of the plan */
    const char *mount;  /* NULL: handed over as NBD only */
};

struct gw_planfile_instance {
    const char *name; /* unique in the plan */
    enum gw_driver driver;
    struct gw_texts start, stop, status; /* exec: argv each */
    const char *unit;                    /* systemd */
    const char *domain;                  /* libvirt */
    uint64_t start_timeout_ms, stop_timeout_ms;
    size_t n_attach;
    struct gw_planfile_attach *attach;
};

struct gw_planfile_http {
    const char *url;
    uint32_t expect;  /* status code */
    const char *body; /* text that must be in the answer; NULL: any */
};

/* A health check, or a probe of a failure detector: exactly one of tcp, http and exec is set. */
struct gw_planfile_check {
    const char *tcp; /* host:port */
    struct gw_planfile_http *http;
    struct gw_texts exec;
    uint64_t interval_ms; /* from one try to the next */
    uint64_t timeout_ms;  /* of one try */
    uint64_t settle_ms;   /* so long it stays green before it counts; 0: at once */
    uint64_t within_ms;   /* red when it is not green by then */
    uint32_t threshold;   /* so many tries in a row must agree */
};

struct gw_planfile_hooks {
    struct gw_commands pre_failover, post_recover, pre_failback, post_failback;
};

struct gw_planfile_group {
    const char *name;
    uint32_t priority; /* 1..1000; ascending on start, descending on stop; equal ones in parallel */
    bool active_active;
    size_t n_instances;
    struct gw_planfile_instance *instances;
    size_t n_health;
    struct gw_planfile_check *health; /* all must be green */
    struct gw_planfile_hooks hooks;
};

/* ---- routes: exactly one pointer is set ---- */
struct gw_planfile_dns {
    const char *server, *zone, *record; /* server: host or host:port */
    enum gw_record_type type;
    uint32_t ttl_s;
    const char *tsig;      /* path of the key's file */
    struct gw_at_texts at; /* addresses (CNAME: a name) while that site is active */
};

struct gw_planfile_haproxy {
    const char *socket, *backend;
    struct gw_at_texts at; /* servers that get traffic while that site is active */
};

struct gw_planfile_address {
    const char *interface;
    const char *ip; /* with its prefix: "10.9.0.5/24" */
};

struct gw_planfile_route_exec {
    struct gw_texts set;    /* argv; "{site}" becomes the name of the site that gets traffic */
    struct gw_texts status; /* argv; prints the name of the site that has it */
    uint64_t timeout_ms;
};

struct gw_planfile_route {
    struct gw_planfile_dns *dns;
    struct gw_planfile_haproxy *haproxy;
    struct gw_planfile_address *address;
    struct gw_planfile_route_exec *exec;
};

/* ---- failover ---- */
struct gw_planfile_detect {
    uint64_t interval_ms;
    uint32_t threshold;
    size_t n_probes;
    struct gw_planfile_check *probes;
    struct gw_planfile_check *second; /* a second point of view; NULL: none */
    uint64_t hold_ms;                 /* 0 can be given */
    uint64_t ha_grace_ms;             /* 0 can be given */
};

struct gw_planfile_lease { /* witness mode */
    uint64_t renew_ms, round_trip_ms, stop_ms, validity_ms, promise_ms, lock_delay_ms;
    uint32_t tries;
    enum gw_lease_lost lost;
};

struct gw_planfile_fence {
    const char *agent;
    struct gw_pairs params; /* no secrets: those are in files that are named here */
};

struct gw_planfile_failover {
    enum gw_failover_mode mode;
    struct gw_planfile_detect detect;
    struct gw_planfile_lease lease;
    enum gw_isolated_start isolated_start;
    uint64_t auto_rpo_ms;
    uint32_t approvals;       /* people besides the requester: 0, 1, 2 */
    uint64_t commit_after_ms; /* 0: by hand */
    size_t n_fence;
    struct gw_planfile_fence *fence;
};

/* ---- failback ---- */
struct gw_planfile_window {
    struct gw_cron cron; /* each start */
    uint64_t length_ms;
};

struct gw_planfile_failback {
    enum gw_failback_mode mode; /* never automatic */
    uint32_t approvals;
    struct gw_planfile_window *window; /* NULL: at any time */
    uint64_t max_outage_ms;
    enum gw_on_unhealthy on_unhealthy;
};

/* ---- the rest ---- */
struct gw_planfile_checks {
    struct gw_commands data; /* on a clone; "{volume:NAME}" becomes the clone's path */
};

struct gw_planfile_verify {
    uint64_t every_ms;
    uint64_t rate_per_s; /* bytes; 0: no limit */
};

struct gw_planfile_measure {
    const char *name;
    const char *at;            /* site */
    struct gw_commands remove; /* lifts it */
};

struct gw_planfile_network {
    const char *netns;
};

struct gw_planfile_pass {
    uint64_t rto_ms, rpo_ms; /* 0: the plan's own */
};

struct gw_planfile_tests {
    uint64_t every_ms; /* 0: not scheduled */
    struct gw_planfile_network network;
    bool rehearse;
    struct gw_planfile_pass pass;
};

struct gw_planfile_runbook_step { /* placed before or after a named step; by hand or a command */
    const char *name;
    const char *before, *after; /* exactly one */
    const char *manual;         /* what a person does; or */
    struct gw_texts exec;
    const char *expect, *verify, *if_it_fails, *owner;
    struct gw_texts operations; /* which; none: all */
    uint64_t target_ms;         /* 0: no target */
    uint64_t timeout_ms;
};

struct gw_planfile_runbook {
    const char *owner;
    size_t n_steps;
    struct gw_planfile_runbook_step *steps;
};

struct gw_planfile {
    const char *plan;      /* its name */
    const char *home, *dr; /* names of sites */
    uint64_t rpo_ms, rto_ms, failback_rto_ms;
    uint64_t max_dr_time_ms;
    size_t n_contacts;
    struct gw_planfile_contact *contacts;
    struct gw_planfile_replication replication;
    size_t n_volumes; /* at least one */
    struct gw_planfile_volume *volumes;
    struct gw_planfile_points recovery_points;
    size_t n_groups;
    struct gw_planfile_group *groups; /* as written; sort by priority to start */
    size_t n_routes;
    struct gw_planfile_route *routes;
    struct gw_planfile_failover failover;
    struct gw_planfile_failback failback;
    struct gw_planfile_checks checks;
    struct gw_planfile_verify *verify; /* NULL: not scheduled */
    struct gw_planfile_journal journal;
    size_t n_security_measures;
    struct gw_planfile_measure *security_measures;
    struct gw_planfile_tests *tests; /* NULL: none */
    struct gw_planfile_runbook runbook;

    struct gw_arena *arena; /* of gw_planfile_free() */
};

/*
 * Decode and check everything. On failure -EINVAL (-EMSGSIZE, -ENOMEM): `errors` (may be NULL) has
 * all sentences in the order of the document, `err` the first one with `name` and line, and how
 * many more there are. `name` is for messages only ("shop.yaml", "request").
 */
int gw_planfile_parse(const char *name, const void *bytes, size_t len, enum gw_doc_format format,
                      struct gw_plan_errors *errors, struct gw_planfile **ret,
                      struct gw_error *err);
void gw_planfile_free(struct gw_planfile *plan);

/* *ret is the canonical text, freed by the caller with free(). */
int gw_planfile_canonical(const struct gw_planfile *plan, char **ret, struct gw_error *err);

#define GW_PLANFILE_HASH_TEXT 65 /* SHA-256 in hex, and NUL */
int gw_planfile_hash(const char *canonical, char ret[GW_PLANFILE_HASH_TEXT], struct gw_error *err);

/* What this plan says that nothing acts on yet (drivers, routes, modes, schedules of later
 * releases), with path and sentence, for `plan check`. Keys at their defaults are not mentioned. */
void gw_planfile_later(const struct gw_planfile *plan, struct gw_plan_errors *ret);
bool gw_driver_supported(enum gw_driver driver);
const char *gw_driver_name(enum gw_driver driver);
bool gw_route_supported(const struct gw_planfile_route *route);
const char *gw_route_name(const struct gw_planfile_route *route); /* "dns" ... */

/* NULL: there is none of that name. */
const struct gw_planfile_volume *gw_planfile_volume(const struct gw_planfile *plan,
                                                    const char *name);
/* Where a volume is at a site; NULL if the site is not of this plan. */
const char *gw_planfile_path(const struct gw_planfile *plan,
                             const struct gw_planfile_volume *volume, const char *site);
/* What `at` says for a site; NULL if the site is not of this plan. */
const struct gw_texts *gw_planfile_at(const struct gw_planfile *plan, const struct gw_at_texts *at,
                                      const char *site);
/* The other site; NULL if the site is not of this plan. */
const char *gw_planfile_other(const struct gw_planfile *plan, const char *site);
/* The limit of the link at a time (seconds since 1970), bytes a second; 0: none. */
uint64_t gw_planfile_bandwidth(const struct gw_planfile *plan, int64_t at_s,
                               enum gw_cron_zone zone);

/* All keys with their types, defaults and meanings, as Markdown (docs/plan-file.md). Freed by the
 * caller; NULL: out of memory. */
char *gw_planfile_reference(void);
