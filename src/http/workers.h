// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Threads that run handlers: made when needed, up to a limit, kept until the end. Inside of
 * http/server.h.
 *
 * Threads: any may submit; jobs run in parallel, begun in the order of submission.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>

/* Part of whatever is to be done. */
struct gw_http_job {
    struct gw_http_job *next;
};

/* stopped: the pool was stopped before it began; do not begin, only clean up. */
typedef void gw_http_job_fn(struct gw_http_job *job, bool stopped);

struct gw_http_workers;

int gw_http_workers_new(unsigned threads_max, unsigned waiting_max, gw_http_job_fn *fn,
                        struct gw_http_workers **ret, struct gw_error *err);
/* False: too many are waiting, or it is stopped; fn will not be called. */
bool gw_http_workers_submit(struct gw_http_workers *w, struct gw_http_job *job);
/* Returns when every job has been run or given back. Submitting later gives false. */
void gw_http_workers_stop(struct gw_http_workers *w);
void gw_http_workers_free(struct gw_http_workers *w); /* after stop; NULL is fine */
