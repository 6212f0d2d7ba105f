// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Recovery points and divergent tails of a plan: what this site has, and what both have. */
#pragma once

#include "site/documents.h"

/* {"points":[...], "site"} of this site's process or directory. */
int site_points_here(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err);
/* {"pending": tail of the last assess or null, "kept":[...], "site"} at this site. */
int site_divergence_here(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err);
/* Both sites': {"sites":{NAME: ..., or {"error"}}}. */
int site_points(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err);
int site_divergence(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err);
/* At the peer of this source, exactly here. `id` "" is named after the time. */
int site_point_create(struct site *s, struct site_plan *p, const char *id, const char *tag,
                      json_t **ret, struct gw_error *err);
