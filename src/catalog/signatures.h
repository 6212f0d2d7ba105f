// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Who signed for a divergent tail, and what was decided about it. Kept for good. */
#pragma once

#include "catalog/catalog.h"

struct gw_catalog_signature {
    const char *plan_uuid;
    const char *tail; /* which tail: its identifier in the data plane */
    const char *who;
    uint64_t wall_ns;
    const char *disposition; /* discard, export, ... */
    const char *reason;      /* or NULL */
    const char *summary;     /* JSON: what was shown to the person: writes, bytes, volumes */
    uint64_t epoch;
};

/* -EEXIST: somebody else has signed for that tail, or decided otherwise; the same person with the
 * same disposition again is fine. */
int gw_catalog_signature_add(struct gw_catalog *c, const struct gw_catalog_signature *row,
                             struct gw_error *err);
/* -ENOENT: unsigned. */
int gw_catalog_signature_get(struct gw_catalog *c, const char *plan_uuid, const char *tail,
                             struct gw_catalog_mem *mem, struct gw_catalog_signature *ret,
                             struct gw_error *err);
/* The newest first; NULL: of all plans. */
int gw_catalog_signature_list(struct gw_catalog *c, const char *plan_uuid,
                              struct gw_catalog_mem *mem, struct gw_catalog_signature **ret_rows,
                              size_t *ret_n, struct gw_error *err);
