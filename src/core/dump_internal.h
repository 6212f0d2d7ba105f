// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What the printers of the tables share. */
#pragma once

#include "core/dump.h"
#include "core/lifecycle.h"

/* An edge of a diagram: OK and another state. Rows of the same two states become one. */
typedef void gw_edge_fn(FILE *out, const struct gw_life_table *t, unsigned from, unsigned to,
                        const char *label);
void gw_dump_edges(FILE *out, const struct gw_life_table *t, gw_edge_fn *fn);

/* "home, dr" */
void gw_dump_set(FILE *out, const struct gw_life_table *t, uint32_t set);

void gw_dump_page(FILE *out);
