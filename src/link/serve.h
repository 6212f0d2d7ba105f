// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The serving end of the link: the routes of a site's link server, over a table of methods.
 *
 *     static const struct gw_link_method methods[] = { { "run.append", "...", fn }, ... };
 *     gw_link_open(&config, &link)      listens, with TLS, for paired sites
 *     gw_link_close(link)
 *
 * Served besides the table: pair (link/pair.h; the only one for strangers), ping, sink (throughput)
 * and probe (link/probe.h). The name in the request must be that of the certificate.
 *
 * Threads: methods run in parallel, each in its handler's thread, and may block.
 */
#pragma once

#include "base/error.h"
#include "http/server.h"
#include "link/identity.h"
#include "link/pair.h"
#include "link/trust.h"

#include <jansson.h>

struct gw_link;

/* One call of a peer. */
struct gw_link_request {
    const char *from; /* the site: who holds that certificate */
    const char *id;   /* a UUID, new for each call */
    int protocol;     /* what it speaks */
    const char *method;
    json_t *params;            /* an object, borrowed */
    struct gw_http_call *call; /* for gw_http_call_gone, and gw_http_reply_problem with members: a
                                  reply that was set is the answer, whatever is returned */
};

/* Return 0 and the result (taken over; NULL: {}), or a negative errno with a sentence, which the
 * caller gets as REFUSED with that code. */
typedef int gw_link_fn(void *ctx, const struct gw_link_request *request, json_t **ret_result,
                       struct gw_error *err);

struct gw_link_method {
    const char *name;
    const char *params; /* names of members, blank-separated; NULL: none; "*": not checked */
    gw_link_fn *fn;
};

struct gw_link_config {
    const char *address;                /* to listen at: "0.0.0.0:7001" */
    const struct gw_identity *identity; /* these live until gw_link_close */
    struct gw_trust *trust;
    struct gw_pair_book *book; /* NULL: nobody can pair */
    const struct gw_link_method *methods;
    size_t n_methods;
    void *ctx;
    const char *version; /* of the program, for ping; copied */
};

int gw_link_open(const struct gw_link_config *config, struct gw_link **ret, struct gw_error *err);
const char *gw_link_address(const struct gw_link *link);
void gw_link_close(struct gw_link *link);

/* The decoder of a request's body, pure: members as in struct gw_link_request, borrowed from body.
 * -EINVAL; -EPROTONOSUPPORT. */
int gw_link_request_read(json_t *body, struct gw_link_request *ret, struct gw_error *err);
