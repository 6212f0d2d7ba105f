// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A small web server for the tiers: at the site's address and at 127.0.0.1.
 *
 *     tier_web_start(tier, port, answer, arg, &web, err)
 *     tier_web_stop(web)
 *
 * Threads: `answer` is called from several.
 */
#pragma once

#include "demo/tier_internal.h"

struct tier_web;
struct MHD_Connection;

struct tier_request {
    bool post;
    const char *path;
    struct MHD_Connection *conn; /* of tier_web_number */
};

/* The status code; the text is the body. */
typedef unsigned tier_answer_fn(void *arg, const struct tier_request *q,
                                char text[TIER_ANSWER_BYTES]);

int tier_web_start(const struct tier *t, unsigned port, tier_answer_fn *answer, void *arg,
                   struct tier_web **ret, struct gw_error *err);
void tier_web_stop(struct tier_web *w);

/* "name=NUMBER" of the query; 0: it is not there. */
uint64_t tier_web_number(const struct tier_request *q, const char *name);
