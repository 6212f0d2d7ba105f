// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Recovery points of a plan: what this site has, what both have, a new one. */
#pragma once

#include "engine/points.h"
#include "site/documents.h"

/* [{id, time, site, epoch, seq, kind, tag, damage}] of this site's plan directory. */
int site_points_here(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err);
/* The newest of this site, {id, time, site}, or null; not looked for at every call. In the
 * monitor's thread. */
json_t *site_points_last(struct site *s, struct site_plan *p);
/*
 * What a person calls a point, as one that this site has and can read: its id, a time (the newest
 * point at or before it), or "latest" or "" (the newest state: ret->id "" and no time). -EINVAL
 * names the points that are near.
 */
#define SITE_POINT_LATEST "latest"
struct site_point {
    char id[GW_ID_MAX];
    uint64_t wall_ns;
};
int site_point_resolve(struct site *s, struct site_plan *p, const char *asked,
                       struct site_point *ret, struct gw_error *err);
/* {"points": [...]} of both; a site that does not answer is named in "missing". */
int site_points(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err);
/* At the standby, exactly here in the stream; the site that serves is asked. `id` "" is named after
 * the time. */
int site_point_create(struct site *s, struct site_plan *p, const char *id, const char *tag,
                      json_t **ret, struct gw_error *err);
