// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Inside the layer: one HTTP exchange, or a mere TCP connection, with limits in time and size, that
 * can be cancelled at once. libcurl does the work, also for names and for hosts with two addresses.
 *
 * Threads: any; calls are independent.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct gw_fetch {
    const char *url;
    const char *post_json; /* NULL: GET */
    unsigned timeout_ms;
    int stop_fd;       /* -1: none */
    bool connect_only; /* be connected, say nothing */
    bool follow;       /* redirects, as long as they stay on scheme, host and port */
    bool may_proxy;    /* as the environment says; else never */
};

struct gw_fetch_result {
    unsigned status;
    size_t body_len;
    bool body_cut; /* there was more than GW_FETCH_BODY_BYTES */
    char *body;    /* NUL-terminated */
};

/*
 * 0: there was an answer; free it with gw_fetch_result_done. -ETIMEDOUT: none in time; -ECANCELED;
 * -EINVAL: not a URL; -ENXIO: no such host; -EXDEV: redirected to elsewhere; -ECONNREFUSED: not to
 * be connected; -EPROTO: TLS or HTTP went wrong. The sentence names no more than scheme and host.
 */
int gw_fetch(const struct gw_fetch *f, struct gw_fetch_result *ret, struct gw_error *err);
void gw_fetch_result_done(struct gw_fetch_result *r);
/* "https://host:port", for sentences; "?" if it is none. */
void gw_fetch_origin(const char *url, char *ret, size_t cap);
/* Is it a URL that this can fetch? */
bool gw_fetch_url_ok(const char *url);
