// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Events: what happened at this site, numbered. A number is never used again, also after pruning,
 * so that a client can ask for what came after the last one it saw.
 */
#pragma once

#include "catalog/catalog.h"

enum gw_catalog_severity {
    GW_CATALOG_INFO,
    GW_CATALOG_NOTICE,
    GW_CATALOG_WARNING,
    GW_CATALOG_ERROR,
    GW_CATALOG_SEVERITY_MAX,
};
const char *gw_catalog_severity_name(enum gw_catalog_severity severity); /* "info", ... */

struct gw_catalog_event {
    uint64_t id; /* ignored when added */
    uint64_t wall_ns;
    const char *kind;
    const char *plan; /* name, or NULL */
    const char *run;  /* or NULL */
    enum gw_catalog_severity severity;
    const char *text;
    const char *data; /* JSON */
};

int gw_catalog_event_add(struct gw_catalog *c, const struct gw_catalog_event *row, uint64_t *ret_id,
                         struct gw_error *err);
/*
 * Those after `after`, the oldest first, at most `limit` (0: GW_CATALOG_ROWS_MAX); of one plan, or
 * of all (NULL). *ret_missed (may be NULL): some after `after` were pruned already.
 */
int gw_catalog_event_read(struct gw_catalog *c, uint64_t after, const char *plan, uint64_t limit,
                          struct gw_catalog_mem *mem, struct gw_catalog_event **ret_rows,
                          size_t *ret_n, bool *ret_missed, struct gw_error *err);
/* The last number given; 0: none. */
int gw_catalog_event_last(struct gw_catalog *c, uint64_t *ret_id, struct gw_error *err);
/* Keep the newest `keep`. */
int gw_catalog_event_prune(struct gw_catalog *c, uint64_t keep, struct gw_error *err);
