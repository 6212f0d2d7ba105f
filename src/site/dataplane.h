// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The process of a plan at this site: started as source or replica, stopped, asked. What shall run
 * is the catalog's `want`; who changes it holds the plan's plan_mu.
 *
 * Calls over the control socket have three outcomes (control/client.h): done, refused, unknown. An
 * unknown one is -ETIMEDOUT, -ECONNRESET, -EPROTO or -ECANCELED here, and the caller looks again
 * before anything else.
 *
 * Threads: any; calls of one plan by one thread at a time (plan_mu).
 */
#pragma once

#include "control/client.h"
#include "site/documents.h"

#define SITE_DP_READY_MS 30000u
#define SITE_DP_CALL_MS 20000u

/* Paths of a plan at this site. */
struct site_dp_paths {
    char dir[PATH_MAX], control[PATH_MAX], nbd[PATH_MAX], data[PATH_MAX];
};
int site_dp_paths(const struct site *s, const struct site_plan *p, struct site_dp_paths *ret,
                  struct gw_error *err);

/* It shall run as this kind, and answers. A process of the other kind is stopped first. */
int site_dp_start(struct site *s, struct site_plan *p, const struct gw_planfile *plan,
                  enum gw_unit_kind kind, struct gw_error *err);
/* It shall not run; 0: it does not. */
int site_dp_stop(struct site *s, struct site_plan *p, struct gw_error *err);
/* Make `want` durable. */
int site_dp_want(struct site *s, const struct site_plan *p, enum gw_catalog_want want,
                 struct gw_error *err);

/* Send {"cmd": ...} (taken over) and wait; *ret may be NULL. */
int site_dp_call(struct site *s, struct site_plan *p, json_t *request, unsigned timeout_ms,
                 json_t **ret, struct gw_error *err);
/* Its status, asked now. -ENOENT, -ECONNREFUSED: it does not run. */
int site_dp_status(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err);
