// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Looking up and connecting with a deadline, told apart by layer. Inside of this folder. */
#pragma once

#include "base/error.h"

#include <stdint.h>

#define GW_RESOLVE_TEXT 320

/* Which layer failed. */
enum gw_connect_layer { GW_CONNECT_NAME, GW_CONNECT_ROUTE, GW_CONNECT_PORT, GW_CONNECT_DONE };

struct gw_connection {
    enum gw_connect_layer reached;   /* DONE: connected; else the layer that failed */
    int fd;                          /* non-blocking, close-on-exec; the caller's; -1 */
    char addresses[GW_RESOLVE_TEXT]; /* what the name resolved to */
    uint64_t name_ns, connect_ns;    /* how long that took */
};

/* 0, or a negative errno, a sentence and the layer. deadline_ns: base/clock.h. */
int gw_connect(const char *address, uint64_t deadline_ns, struct gw_connection *ret,
               struct gw_error *err);
/* 0, -ETIMEDOUT. events: of poll(). */
int gw_await(int fd, short events, uint64_t deadline_ns);
