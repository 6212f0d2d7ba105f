// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* How long steps took, for forecasts: the last GW_CATALOG_TIMINGS_MAX of each plan, operation,
 * step. */
#pragma once

#include "catalog/catalog.h"

int gw_catalog_timing_add(struct gw_catalog *c, const char *plan_uuid, const char *operation,
                          const char *step, uint64_t ms, uint64_t wall_ns, struct gw_error *err);

struct gw_catalog_timing {
    uint64_t n; /* 0: nothing is known, and all below is 0 */
    uint64_t median_ms, p90_ms, max_ms;
};

/* Of one plan, or of all (NULL). p90: nine of ten were not longer (nearest rank). */
int gw_catalog_timing_get(struct gw_catalog *c, const char *plan_uuid, const char *operation,
                          const char *step, struct gw_catalog_timing *ret, struct gw_error *err);
