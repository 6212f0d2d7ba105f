// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What the data-plane processes say of themselves, asked all the time and kept: the last `status`
 * of each plan's control socket, how old it is, and whether it may be believed.
 *
 *     gw_polls_new(&config, &polls, &err)
 *     gw_polls_add(polls, "shop", "/run/shop.sock", &err)      asked from now on, every second
 *     gw_polls_get(polls, "shop", 1000, &answer, &err)         not older than a second
 *     gw_poll_answer_done(&answer)
 *     gw_polls_remove(polls, "shop")
 *     gw_polls_free(polls)
 *
 * The absence of an answer is never an answer: when a process does not answer, `known` is false and
 * the last status stays beside it with its age, for people. It is false from the first failed
 * attempt on.
 *
 * Cost: the plans are spread over the interval; one that hangs is asked less and less often (down
 * to every GW_POLL_SLOW_MS), so that a few do not hold up the rest.
 *
 * Threads: config.threads of its own; any may call. config.changed is called from them without
 * locks; it may call gw_polls_get with GW_POLL_ANY_AGE, and nothing else of this.
 */
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#define GW_POLL_MS 1000u
#define GW_POLL_TIMEOUT_MS 800u
#define GW_POLL_SLOW_MS 15000u
#define GW_POLL_THREADS 3u
#define GW_POLL_ANY_AGE UINT32_MAX

struct gw_polls;

struct gw_polls_config { /* 0: the default */
    unsigned every_ms, timeout_ms, threads;
    void *arg;
    /* The status became another one in what matters (known or not; state, service, replication,
     * reason, verdict; a resync that ended). Not called for counters. May be NULL. */
    void (*changed)(void *arg, const char *plan);
};

struct gw_poll_answer {
    bool known;          /* the last attempt was answered */
    json_t *status;      /* the last answer (a reference of the caller's), or NULL: never any */
    uint64_t age_ns;     /* of status */
    uint64_t wall_ns;    /* when it came, for people */
    struct gw_error why; /* not known: what the last attempt said */
};
void gw_poll_answer_done(struct gw_poll_answer *a);

int gw_polls_new(const struct gw_polls_config *config, struct gw_polls **ret, struct gw_error *err);
void gw_polls_free(struct gw_polls *p); /* NULL is fine */

/* -EEXIST. The first question is asked at once. */
int gw_polls_add(struct gw_polls *p, const char *plan, const char *control, struct gw_error *err);
void gw_polls_remove(struct gw_polls *p, const char *plan); /* none: nothing happens */
/*
 * What is known, not older than max_age_ms: if what is kept is older (or is not known) it is asked
 * anew, and waited for (at most the time-out). GW_POLL_ANY_AGE: what there is, at once. 0 also when
 * nothing is known: look at ret->known. -ENOENT: not added.
 */
int gw_polls_get(struct gw_polls *p, const char *plan, unsigned max_age_ms,
                 struct gw_poll_answer *ret, struct gw_error *err);
/* Ask soon: something was just done to it. */
void gw_polls_wake(struct gw_polls *p, const char *plan);
