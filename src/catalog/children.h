// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Processes that were started for a step or a unit: recorded before they run on, found again after
 * a crash of the daemon. (pid, start time, boot id) is one process for certain.
 */
#pragma once

#include "catalog/catalog.h"

struct gw_catalog_child {
    uint64_t id;            /* ignored when added */
    const char *plan;       /* name, or NULL */
    const char *run, *step; /* "" if it belongs to none */
    uint64_t attempt;
    const char *what; /* for people: "start of pg", a hook's name */
    int64_t pid, pgid;
    uint64_t start_ticks; /* of /proc/PID/stat */
    const char *boot_id;
    uint64_t wall_ns;
    const char *record; /* as who started it knows it again, opaque; or NULL */
};

int gw_catalog_child_add(struct gw_catalog *c, const struct gw_catalog_child *row, uint64_t *ret_id,
                         struct gw_error *err);
/* It ended. Gone already is fine. */
int gw_catalog_child_delete(struct gw_catalog *c, uint64_t id, struct gw_error *err);
/* Of one run, or all (NULL); the oldest first. */
int gw_catalog_child_list(struct gw_catalog *c, const char *run, struct gw_catalog_mem *mem,
                          struct gw_catalog_child **ret_rows, size_t *ret_n, struct gw_error *err);
/* Forget those of other boots: they cannot be alive. */
int gw_catalog_child_prune(struct gw_catalog *c, const char *boot_id, struct gw_error *err);
