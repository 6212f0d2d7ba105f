// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * engine/greeter.h over the simulated link: one caller after another, because the real one is about
 * sockets and poll, which there are none of here (tests/unit/test_greeter.c has it). What a hello
 * must be is the engine's.
 */
#include "engine/greeter.h"

#include "base/cleanup.h"
#include "engine/frame_io.h"

#include "simnet_internal.h"

#include <errno.h>

#define PATIENCE_MS 2000u

static int greet(const struct gw_greeter *g, struct gw_conn *conn, struct gw_hello *hello,
                 struct gw_error *err)
{
    CLEANUP_FREE uint8_t *buf = simnet_must(malloc(GW_HELLO_BYTES_MAX));
    struct gw_frame f;
    gw_conn_idle_timeout(conn, PATIENCE_MS);
    int r = gw_frame_recv(conn, &f, buf, GW_HELLO_BYTES_MAX, err);
    return r < 0 ? r : gw_hello_of_plan(&f, buf, &g->plan, hello, err);
}

void gw_greeter_run(const struct gw_greeter *g)
{
    CLEANUP_FREE struct gw_hello *hello = simnet_must(malloc(sizeof *hello));
    struct gw_error err, ignored;
    struct gw_conn *conn;
    uint64_t number = 0;
    while (gw_listener_accept(g->listener, PATIENCE_MS, g->stop_fd, &conn, &err) == 0) {
        int r = greet(g, conn, hello, &err);
        if (r == 0) {
            g->greeted(g->arg, conn, hello, ++number);
            continue;
        }
        if (r == -EPERM || r == -EPROTO)
            gw_frame_send_goodbye(conn, GW_GOODBYE_REFUSED, err.msg, &ignored);
        if (g->refused != NULL)
            g->refused(g->arg);
        gw_conn_close(conn);
    }
}
