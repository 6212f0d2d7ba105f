// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Plans: the document with its versions, and what this site has decided about the plan.
 *
 * A plan is known by its uuid for good; its name is unique among plans that are not retired, and
 * free again afterwards. The row has two counters: `version` is the document's (people see it, the
 * ETag is made of it), `revision` is the row's and rises with every change of anything.
 *
 * A change is read, modify, update; the update says -ESTALE if another one came between:
 *
 *     gw_catalog_plan_get(c, "shop", &mem, &plan, err);
 *     plan.want = GW_CATALOG_WANT_SOURCE;
 *     gw_catalog_plan_update(c, &plan, err);
 * or inside a transaction, where nobody can come between.
 */
#pragma once

#include "catalog/catalog.h"

/* Which data-plane process should run at this site. */
enum gw_catalog_want {
    GW_CATALOG_WANT_NONE,
    GW_CATALOG_WANT_SOURCE,
    GW_CATALOG_WANT_REPLICA,
    GW_CATALOG_WANT_MAX,
};
const char *gw_catalog_want_name(enum gw_catalog_want want); /* "NONE", "SOURCE", "REPLICA" */

enum gw_catalog_mode {
    GW_CATALOG_MODE_AUTO,
    GW_CATALOG_MODE_APPROVE,
    GW_CATALOG_MODE_MANUAL,
    GW_CATALOG_MODE_OBSERVE_ONLY,
    GW_CATALOG_MODE_HELD,
    GW_CATALOG_MODE_MAX,
};
const char *gw_catalog_mode_name(enum gw_catalog_mode mode); /* "AUTO", ... */
/* 0, or -EINVAL; the names above. */
int gw_catalog_mode_parse(const char *name, enum gw_catalog_mode *ret);

struct gw_catalog_plan {
    const char *uuid, *name;
    uint64_t version;     /* of the document, from 1 */
    const char *hash;     /* of the document, hex */
    const char *document; /* canonical, JSON */
    const char *original; /* as it was handed in */
    uint64_t revision;    /* of the row; kept by the catalog */

    bool activated;
    enum gw_catalog_want want;
    enum gw_catalog_mode mode;
    const char *held_reason;   /* why it is HELD, or NULL */
    const char *fenced_reason; /* not served until lineages are compared: why; or NULL */

    const char *holder; /* site that holds the authority; "" none */
    uint64_t epoch;
    bool committed; /* false from FAILED_OVER until the commit */

    const char *phase;          /* headline as last seen, to notice changes; "" none */
    uint64_t phase_wall_ns;     /* since when */
    uint64_t role_wall_ns;      /* last change of roles; 0 none */
    uint64_t activated_wall_ns; /* 0: not */
    uint64_t created_wall_ns;
    const char *state; /* JSON: small facts that have no column */

    uint64_t retired_wall_ns; /* deleted; 0: lives */
    const char *evidence_dir; /* where its evidence is kept, or NULL */
};

/*
 * A new plan, and version `row->version` in its history, by `who`. -EEXIST: a living plan has the
 * name, or a plan the uuid. `revision` of the row is ignored: it begins at 1.
 */
int gw_catalog_plan_add(struct gw_catalog *c, const struct gw_catalog_plan *row, const char *who,
                        uint64_t wall_ns, struct gw_error *err);
/* A living plan by name; -ENOENT. */
int gw_catalog_plan_get(struct gw_catalog *c, const char *name, struct gw_catalog_mem *mem,
                        struct gw_catalog_plan *ret, struct gw_error *err);
/* Living or retired, by uuid; -ENOENT. */
int gw_catalog_plan_get_uuid(struct gw_catalog *c, const char *uuid, struct gw_catalog_mem *mem,
                             struct gw_catalog_plan *ret, struct gw_error *err);
/* By name; with `retired` those as well, after the living. */
int gw_catalog_plan_list(struct gw_catalog *c, bool retired, struct gw_catalog_mem *mem,
                         struct gw_catalog_plan **ret_rows, size_t *ret_n, struct gw_error *err);
/*
 * Write everything from `activated` to `evidence_dir`, but not the document. -ESTALE: the row is
 * not at `row->revision` any more. On success row->revision is the new one.
 */
int gw_catalog_plan_update(struct gw_catalog *c, struct gw_catalog_plan *row, struct gw_error *err);
/*
 * A new version of the document: version, hash, document, original of `row` replace those of
 * row->uuid, and are added to the history. -ESTALE unless the plan is at `expected_version` and
 * row->version is larger. On success row->revision is the new one.
 */
int gw_catalog_plan_edit(struct gw_catalog *c, struct gw_catalog_plan *row,
                         uint64_t expected_version, const char *who, uint64_t wall_ns,
                         struct gw_error *err);
/* Merge a JSON object into `state`, members with null are removed. Never stale: for facts that only
 * one thread writes. */
int gw_catalog_plan_note(struct gw_catalog *c, const char *uuid, const char *json,
                         struct gw_error *err);

struct gw_catalog_plan_version {
    const char *uuid;
    uint64_t version;
    const char *hash, *document, *original;
    const char *who;
    uint64_t wall_ns;
};

/* The newest first. */
int gw_catalog_plan_versions(struct gw_catalog *c, const char *uuid, struct gw_catalog_mem *mem,
                             struct gw_catalog_plan_version **ret_rows, size_t *ret_n,
                             struct gw_error *err);
/* By hash: the document a run was pinned to. -ENOENT. */
int gw_catalog_plan_version_get(struct gw_catalog *c, const char *uuid, const char *hash,
                                struct gw_catalog_mem *mem, struct gw_catalog_plan_version *ret,
                                struct gw_error *err);
