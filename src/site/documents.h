// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Plans of this site in memory: one struct for each living plan of the catalog, and parsed
 * documents by hash. Everything here can be had again from the catalog.
 *
 * Threads: site_plan structs live until site_stop and are found by name under site.mu. A document
 * is immutable and counted: take one, use it, give it back; an edit puts another in its place.
 */
#pragma once

#include "catalog/plans.h"
#include "core/words.h"
#include "plan/planfile.h"
#include "site/side.h"
#include "site/site.h"

struct site_document {
    int refs; /* atomic */
    uint64_t version;
    char hash[GW_PLANFILE_HASH_TEXT];
    struct gw_planfile *plan;
};

struct site_plan {
    struct site_plan *next;
    char name[SITE_NAME_TEXT];
    char uuid_text[GW_UUID_TEXT];
    struct gw_uuid uuid;

    /* Held by who changes the data plane of the plan at this site: a step, or the reconciler (which
     * only tries). Taken before site.mu. */
    pthread_mutex_t plan_mu;

    /* Under site.mu: */
    bool gone; /* retired: skipped by everybody */
    struct site_document *doc;
    char peer[SITE_NAME_TEXT];
    json_t *side;      /* ours, as last looked (side.h) */
    json_t *peer_side; /* theirs, as last heard */
    uint64_t side_boot_ns, peer_side_boot_ns;
    struct site_lag lag;
    struct site_rpo rpo;        /* the monitor's own, and so is what follows: */
    json_t *last_point;         /* points.h */
    uint64_t points_changed_ns; /* the directory's mtime when it was looked for */
    uint64_t points_looked_boot_ns;
    struct site_workload_seen seen;
    bool look_now, looking;   /* at the workload */
    bool touched, tell;       /* looked at by the monitor soon; then told to the peer */
    char fence_why[256];      /* deposed: to be fenced by a look thread; "": not */
    bool fence_source;        /* ... and its source at once, by the fencing thread */
    bool fence_ordered;       /* ... whatever its directory says: the other site asked for it */
    bool ask_fence;           /* a revoke asks the other site to fence itself: told with beats */
    bool volumes_due;         /* its volumes are not as the document says: for a look thread */
    uint64_t volumes_boot_ns; /* they are looked at again then */
    char volumes_why[256];    /* what the last try said, told once */

    /* The monitor's own: */
    char headline[32];        /* last phase that was told as an event */
    bool polled;              /* its process is asked for its status */
    uint64_t sent_boot_ns;    /* the document, to the peer */
    uint64_t replace_boot_ns; /* the run of a replaced side: not before */
    uint64_t retry_boot_ns;   /* a start that failed: not before */
    uint64_t settle_boot_ns;  /* runs of which the sites think differently: not before */
};

void site_document_unref(struct site_document *d); /* NULL is fine */
static inline void site_cleanup_document(struct site_document **d)
{
    site_document_unref(*d);
}
#define CLEANUP_DOCUMENT __attribute__((cleanup(site_cleanup_document)))

/* Parse a canonical text that is already known to be good. */
int site_document_new(const char *canonical, uint64_t version, const char *hash,
                      struct site_document **ret, struct gw_error *err);
/* The document that a run was pinned to, from the catalog's history. */
int site_document_pinned(struct site *s, const struct site_plan *p, const char *hash,
                         struct site_document **ret, struct gw_error *err);
/* The plan's present document. */
struct site_document *site_plan_document(struct site *s, struct site_plan *p);

/* -ENOENT with a sentence (and the nearest name, if one is near). */
int site_plan_find(struct site *s, const char *name, struct site_plan **ret, struct gw_error *err);
struct site_plan *site_plan_by_uuid(struct site *s, const struct gw_uuid *uuid);
/* Read all living plans of the catalog; at the start, and after one was added, edited, deleted. */
int site_plans_load(struct site *s, struct gw_error *err);

/* Read, change, write the plan's row: `change` may be called again if somebody was faster. */
typedef void site_plan_change_fn(struct gw_catalog_plan *row, void *arg);
int site_plan_update(struct site *s, const struct site_plan *p, site_plan_change_fn *change,
                     void *arg, struct gw_error *err);

/* The engine's name of a volume of a plan: made from both, the same at both sites. */
struct gw_uuid site_volume_uuid(const struct site_plan *p, const char *volume);

/* Which label has this site in the document. */
enum gw_label site_label(const struct gw_planfile *plan, const char *site);
