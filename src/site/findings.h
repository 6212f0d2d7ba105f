// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * `plan check`: does the world fit a plan, at both of its sites? Nothing is changed, the plan need
 * not be stored. A site that does not answer is a finding by itself: what is there is not known.
 *
 * Findings: [{"check", "ok", "value", "fix", "site"}], each with the site that looked.
 *
 * Threads: any; both calls read disks, and the first one asks the peer.
 */
#pragma once

#include "plan/planfile.h"
#include "site/site.h"

/* Of both sites, new. */
json_t *site_findings(struct site *s, const struct gw_planfile *plan);
/* Of this one, for the peer that asks: params {"document"}. */
int site_findings_asked(struct site *s, const char *from, const json_t *params, json_t **ret,
                        struct gw_error *err);

/* Inside (findings_volumes.c, findings_programs.c): what is looked at, and one finding more. */
struct site_findings {
    struct site *site;
    const struct gw_planfile *plan;
    json_t *out;
};
void site_finding_add(const struct site_findings *f, const char *check, bool ok, const char *value,
                      const char *fix);
void site_findings_volumes(const struct site_findings *f);
void site_findings_programs(const struct site_findings *f);
