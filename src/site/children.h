// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Commands that a step runs are on record before their first instruction (executor rule 6): after a
 * crash of the daemon they are found, and ended, before the step is done again.
 *
 *     struct site_children c;
 *     site_children_init(&c, site, plan, run, step, attempt);
 *     const struct site_workload_children hooks = site_children_hooks(&c);
 *     ... run things with hooks ...
 *     site_children_done(&c);
 *
 * What a start command left running on purpose (a service) is not ended: only the command itself.
 *
 * Threads: the hooks may be called from several at once.
 */
#pragma once

#include "site/documents.h"
#include "site/workload.h"

#define SITE_CHILDREN_MAX 256u /* at once, of one step */
#define SITE_CHILD_GRACE_MS 5000u

struct site_children {
    struct site *site;
    const char *plan, *run, *step;
    uint64_t attempt;
    pthread_mutex_t mu;
    unsigned n;
    struct {
        pid_t pid;
        uint64_t id; /* of its row */
    } child[SITE_CHILDREN_MAX];
};

void site_children_init(struct site_children *c, struct site *s, const char *plan, const char *run,
                        const char *step, uint64_t attempt);
void site_children_done(struct site_children *c);
struct site_workload_children site_children_hooks(struct site_children *c);

/* End what a former life of this daemon left running for this run. 0: nothing of it runs. */
int site_children_settle(struct site *s, const char *run, struct gw_error *err);
