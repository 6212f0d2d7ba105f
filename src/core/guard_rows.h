// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The guards' two tables: words of each guard (guard_text.c), guards of each request. */
#pragma once

#include "core/guard.h"

struct gw_guard_text {
    const char *name;     /* what --override names */
    const char *looks_at; /* a noun: "the data link" */
    const char *sentence; /* why it refuses */
    const char *way_out;
    const char *unknown; /* instead of sentence where nobody knows; NULL: the same words */
};
extern const struct gw_guard_text gw_guard_texts[GW_GUARD_MAX];

struct gw_guard_row {
    enum gw_guard guard;
    enum gw_guard_use use;
};

struct gw_guard_list {
    const char *name;
    enum gw_operation_id op;
    unsigned n;
    const struct gw_guard_row *rows;
};
extern const struct gw_guard_list gw_guard_lists[GW_REQUEST_MAX];
