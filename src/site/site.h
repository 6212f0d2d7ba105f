// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * godwitd, the daemon of a site: what its parts share.
 *
 *     site_start(&options, &site, &err)    opens the state directory, adopts what runs, serves
 *     ... until a signal ...
 *     site_stop(site)                      the data plane goes on
 *
 * What must survive `kill -9` is in the catalog or in the plan directories; this struct holds only
 * what can be had again by looking. The parts, each in a file of its own:
 *
 *     documents.h   parsed plan documents by (plan, hash)
 *     dataplane.h   the plan's process here: started, stopped, asked
 *     side.h        what this site knows of its side of a plan, as one JSON document
 *     mates.h       the peers: calls, beats, their sides
 *     monitor.h     the loop that looks, notices, reconciles
 *     view.h        both sides together: the headline, guards' facts, forecasts
 *     actions.h     what a person may ask for
 *     runs.h        runs: threads, the catalog behind the executor, effects of steps
 *     api.h, rpc.h  the two doors: people, and the peer
 *
 * Threads: one for the monitor, one for beats to each peer, one a run, those of the servers, of
 * units, polls and the data port. Lock order: plan_mu of a plan (held over a change of its data
 * plane), then site.mu (short: lists and cached documents, never over I/O, a call or a catalog
 * transaction). The catalog locks for itself.
 */
#pragma once

#include "base/cleanup.h"
#include "base/error.h"
#include "catalog/catalog.h"
#include "http/events.h"
#include "http/server.h"
#include "link/identity.h"
#include "link/pair.h"
#include "link/serve.h"
#include "link/trust.h"
#include "plan/sitefile.h"
#include "unit/dataport.h"
#include "unit/poll.h"
#include "unit/unit.h"
#include "work/contact.h"
#include "work/stop.h"

#include <jansson.h>
#include <limits.h>
#include <pthread.h>

#define SITE_NAME_TEXT 64
#define SITE_SOCKET_PATH_MAX 100u /* of state_dir/run/PLAN.sock: what a socket's address holds */

struct site_interrupt;
struct site_mate;
struct site_plan;
struct site_runner;

struct site {
    struct gw_sitefile *file;
    char name[SITE_NAME_TEXT];
    char state_dir[PATH_MAX];
    char boot_id[GW_UUID_TEXT];
    char config[PATH_MAX]; /* the site file */
    /* Of the catalog (catalog/identity.h). Fenced: its memory may be older than what the peers have
     * seen; nothing is started or decided until it was compared. Under mu. */
    char instance[GW_UUID_TEXT];
    uint64_t generation;
    bool fenced;
    char fenced_why[128];
    int lock_fd; /* state_dir/lock: one daemon */

    struct gw_catalog *catalog;
    struct gw_programs programs;
    struct gw_identity *identity;
    struct gw_trust *trust;
    struct gw_pair_book *book;
    struct gw_tls *probe_tls;
    struct gw_units *units;
    struct gw_polls *polls;
    struct gw_dataport *data;
    struct gw_notifier *notifier;
    struct gw_http_events *events;
    struct gw_http_server *api;
    struct gw_link *link;
    struct gw_stop *stop; /* set once: every thread ends */

    pthread_mutex_t mu;
    pthread_cond_t changed;  /* something in the lists below changed; base/cond.h clock */
    struct site_plan *plans; /* living plans of the catalog, never removed before site_stop */
    struct site_mate *mates;
    struct site_runner *runners;
    struct site_interrupt *interrupts; /* effects that can be cut short now */
    uint64_t changes;                  /* whatever it was: all plans are looked at and told */
    bool runs_stale;                   /* a mate is back: open runs are looked at again */
    uint64_t touches;                  /* of single plans: site_plan.touched */
    uint64_t tells;                    /* sides that mates should hear of at once: site_plan.tell */
    char replaced_by[128];             /* who made the last code that replaces a site; "" */

    pthread_t monitor;
    bool monitor_runs;
    uint64_t restart_boot_ns; /* start anew then; 0: not; mu */
    pthread_t recall;
    bool recall_runs;
};

struct site_options {
    const char *config;   /* the site file */
    const char *programs; /* where the data plane's programs are; NULL: see unit/command.h */
    bool make;            /* make catalog and identity if there are none */
    bool rebuild;         /* the catalog was lost: make it anew */
    const char *restore;  /* a backup; NULL: none */
};

int site_start(const struct site_options *options, struct site **ret, struct gw_error *err);
void site_stop(struct site *s);
/* Start anew (SIGHUP to ourselves, main.c) once what was asked has been answered. */
void site_restart_soon(struct site *s);

/* "STATE/plans/shop", "STATE/run/shop.sock": -ENAMETOOLONG with the sentence. */
int site_path(const struct site *s, char ret[PATH_MAX], const char *folder, const char *name,
              const char *suffix, struct gw_error *err);

/* ---- telling people -------------------------------------------------------------------------- */

enum site_severity { SITE_INFO, SITE_NOTICE, SITE_WARNING, SITE_ERROR };
/* An event: stored, published to whoever follows, logged. `data` is taken over, may be NULL. A
 * catalog that cannot take it is logged and not an error of the caller's: it is a message. */
void site_event(struct site *s, const char *kind, const char *plan, const char *run,
                enum site_severity severity, json_t *data, const char *fmt, ...)
    __attribute__((format(printf, 7, 8)));

struct gw_catalog_event;
/* An event as JSON text, for streams; freed by the caller. */
char *site_event_text(const struct gw_catalog_event *e);
/* A site was paired with: kept, and called from now on. */
int site_paired(struct site *s, const struct gw_pair_site *peer, const char *by,
                struct gw_error *err);

/* Who asks for something. */
struct site_person {
    char name[128];   /* login name, or that of whom they speak for; never the site, which is: */
    int64_t uid;      /* -1: not on this machine */
    char origin[160]; /* "unix", "link lisbon" */
};
/* The audit log; -ENOSPC and the like refuse what was to be done: no action without its entry. */
int site_audit(struct site *s, const struct site_person *who, const char *action,
               const char *object, const char *outcome, json_t *detail, struct gw_error *err);

/*
 * An action with an outcome: one entry when it begins (without it nothing is done), one with what
 * came of it: "done", "refused" (the way it is, it cannot be), "failed". The second names the first
 * in its detail ("begun"). One that never got the second was interrupted.
 */
struct site_audited {
    const struct site_person *who;
    const char *action, *object;
    uint64_t seq; /* 0: not begun */
};
int site_audit_begin(struct site *s, const struct site_person *who, const char *action,
                     const char *object, json_t *detail, struct site_audited *ret,
                     struct gw_error *err);
/* Returns r; nothing is written for what was not begun. `detail` is taken over, may be NULL. */
int site_audit_end(struct site *s, const struct site_audited *a, int r, json_t *detail,
                   const struct gw_error *why);

/* ---- JSON ------------------------------------------------------------------------------------ */

/* Members of objects with a default where they are missing or of another type. Borrowed. */
const char *site_text(const json_t *o, const char *key); /* "" */
uint64_t site_number(const json_t *o, const char *key);  /* 0 */
double site_real(const json_t *o, const char *key);      /* 0 */
bool site_true(const json_t *o, const char *key);        /* false */
const json_t *site_at(const json_t *o, const char *key); /* NULL-safe json_object_get */
static inline void site_cleanup_json(json_t **j)
{
    json_decref(*j);
}
#define CLEANUP_SITE_JSON __attribute__((cleanup(site_cleanup_json)))
