// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Whoever calls a listener, greeted: accepted, TLS shaken, the hello of this plan read. Many at
 * once, in one thread that waits for none of them.
 *
 *     gw_greeter_run(&(struct gw_greeter){ .listener = l, .plan = uuid, .stop_fd = fd, ... });
 *
 * in a thread of its own; it returns when stop_fd becomes readable, and has closed everybody whom
 * it had not handed over.
 *
 * Anybody can connect, and then say nothing, stop inside a TLS handshake, or send a byte a second.
 * So that such strangers do not keep the peer out:
 *   G1 Each caller has GW_GREETING_MS in all, however it spends them. No call here waits for one.
 *   G2 At most GW_GREETING_GUESTS_MAX are greeted at once. When another comes one has to go: of
 *      those who had GW_GREETING_GRACE_MS already, the one that came least far, then the oldest.
 *   G3 Until somebody may be sent away, newcomers wait in the kernel's queue: a rush cannot shorten
 *      anybody's time below the grace, which is enough for a handshake between continents.
 * So the peer is greeted as soon as its bytes are here; behind a rush that goes on, after
 * (queue / GUESTS_MAX) * GRACE at most, about a second.
 *
 * Who is refused and why is logged: REFUSED_LINES_MAX lines in REFUSED_LINES_MS, the rest counted.
 *
 * Threads: the callbacks run in the greeter's, one at a time; while one runs nobody is greeted.
 */
#pragma once

#include "base/uuid.h"
#include "engine/frame.h"
#include "engine/transport.h"

struct gw_greeter {
    struct gw_listener *listener;
    struct gw_uuid plan;
    int stop_fd;
    void *arg;
    /* A caller of this plan. conn is the callee's to close. `number` counts callers as they were
     * accepted: who finishes first did not always come first. *hello is valid during the call. */
    void (*greeted)(void *arg, struct gw_conn *conn, const struct gw_hello *hello, uint64_t number);
    void (*refused)(void *arg); /* NULL: nobody counts */
};

void gw_greeter_run(const struct gw_greeter *g);
