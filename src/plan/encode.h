// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A C struct back into a document, by its table: the canonical form. What was left out and has no
 * default stays out; everything else is written, in the one notation that plan/value.h makes.
 */
#pragma once

#include "plan/schema.h"

#include <jansson.h>

/* The names of the plan's sites: keys of what differs by site. NULL in a site file. */
struct gw_encode_sites {
    const char *home, *dr;
};

/* NULL: out of memory. A new reference. */
json_t *gw_encode(const struct gw_schema *schema, const void *base,
                  const struct gw_encode_sites *sites);
/* One field; NULL with *ret_absent: it was left out. */
json_t *gw_encode_field(const struct gw_field *f, const void *base,
                        const struct gw_encode_sites *sites, bool *ret_absent);
