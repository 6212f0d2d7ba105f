// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A run as it is at this moment, where its log says less: a step that waits wrote down once why it
 * began to wait, and what it waits for changes since.
 *
 * Threads: any.
 */
#pragma once

#include "site/runs.h"

struct site_run_live {
    char waits_for[GW_ERROR_MSG_MAX]; /* of the current step; "" nothing to say */
    json_t *progress; /* {what, done_bytes, total_bytes, rate, eta_seconds} or NULL */
};
/* Of a run that goes on; an ended one has nothing live. */
void site_run_live(struct site *s, const struct gw_run_look *look, struct site_run_live *ret);
void site_run_live_done(struct site_run_live *l);

/* What came of a run that is done, in a sentence for people. */
void site_run_result(const struct gw_run_look *look, char *ret, size_t size);
