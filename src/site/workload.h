// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The workload of a plan at this site: what the plan file says, as layer `work` acts on it.
 *
 *     struct site_workload *w;
 *     site_workload_new(doc, "madrid", &facts, &w, &err)
 *     site_workload_start(w, stop_fd, children, ctx, &text, &err)
 *     site_workload_free(w)
 *
 * It is made anew for each call from a pinned plan document, so that an edit never changes what is
 * under way. Nothing here remembers anything.
 *
 * Threads: one at a time a struct; different ones are independent. All calls block.
 */
#pragma once

#include "plan/planfile.h"
#include "work/group.h"
#include "work/hook.h"
#include "work/route.h"

#include <jansson.h>

struct site_workload;

/* Who runs it, for the environment of commands. Texts are borrowed until _free. */
struct site_workload_facts {
    const char *run, *operation, *mode, *direction;
    const char *recovery_point;
    const char *nbd; /* socket of the source that serves the volumes here; NULL: none does */
    uint64_t epoch, recovery_wall_ns;
};

struct site_workload_children { /* as in struct gw_work */
    int (*started)(void *ctx, const char *what, const struct gw_child_record *record,
                   struct gw_error *err);
    void (*ended)(void *ctx, const char *what, const struct gw_child_result *result);
    void *ctx;
};

int site_workload_new(const struct gw_planfile *plan, const char *site,
                      const struct site_workload_facts *facts,
                      const struct site_workload_children *children, int stop_fd,
                      struct site_workload **ret, struct gw_error *err);
void site_workload_free(struct site_workload *w);

/*
 * Start, stop, look at all groups. 0: as wished, and seen to be so; -ETIMEDOUT: nobody knows;
 * -ECANCELED; another: it is not so, the sentence says which member. *ret (may be NULL) is a report
 * as JSON in each case.
 */
int site_workload_start(struct site_workload *w, json_t **ret, struct gw_error *err);
int site_workload_stop(struct site_workload *w, bool go_on, json_t **ret, struct gw_error *err);
/* Every check of every group once: 0 all green. */
int site_workload_health(struct site_workload *w, json_t **ret, struct gw_error *err);

/* What is seen: does anything run, is it healthy. */
struct site_workload_state {
    bool known, all_running, all_stopped, healthy, any; /* any: the plan has instances */
};
int site_workload_look(struct site_workload *w, struct site_workload_state *ret, json_t **ret_json,
                       struct gw_error *err);

/* All hooks of that point, group after group in ascending priority; the first that fails ends it.
 */
int site_workload_hooks(struct site_workload *w, enum gw_hook_point point, json_t **ret,
                        struct gw_error *err);
/* Lead clients to `site`; 0: each route was observed to do so. */
int site_workload_route(struct site_workload *w, const char *site, json_t **ret,
                        struct gw_error *err);
/* Do all routes lead there? 0 yes; -ENOENT no; -ETIMEDOUT nobody knows. */
int site_workload_routed(struct site_workload *w, const char *site, struct gw_error *err);
/* The plan's data checks on clones: `paths[i]` is the clone of volume i. 0: all passed. */
int site_workload_data_checks(struct site_workload *w, char *const *paths, json_t **ret,
                              struct gw_error *err);
