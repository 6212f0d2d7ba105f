// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The data port of a site: one TCP port for the data connections of all its plans.
 *
 *     gw_dataport_start(&config, &port, &err)
 *         each caller's ClientHello is looked at (MSG_PEEK: not a byte is taken), the plan that its
 *         server name means (engine/server_name.h) is looked up by config.route, and the connection
 *         is passed to the plan's process (engine/passed.h), which finishes the handshake itself
 *     gw_dataport_stop(port)
 *
 * After that this process has no part in the connection: it may end or be restarted, the
 * connection lives. Nothing is decrypted here and nobody is authenticated here: the plan's process
 * does both, with mutual TLS.
 *
 * The name GW_DATAPORT_PROBE_NAME means this site itself: config.probe gets the connection and
 * shakes hands with the site's own certificate (unit/probe.h does), so that a test of the port
 * needs no plan.
 *
 * Anybody can connect. So that strangers do not keep the peer out: a caller has
 * GW_DATAPORT_HELLO_MS from its connect until it is passed on; at most GW_DATAPORT_GUESTS_MAX are
 * looked at at once, and when another comes the oldest that had GW_DATAPORT_GRACE_MS goes; until
 * one may be sent away newcomers wait in the kernel's queue. Whom it closes it counts, and logs
 * GW_DATAPORT_LINES_MAX lines in GW_DATAPORT_LINES_MS at most.
 *
 * A plan whose process does not run (it is restarted, its role changes) has its callers closed; a
 * source calls again within a second.
 *
 * Threads: one of its own, and one for probes. route runs in the first: it looks into memory, does
 * not wait. All functions may be called from any thread.
 */
#pragma once

#include "base/error.h"
#include "base/uuid.h"
#include "engine/passed.h"

#include <stdint.h>

#define GW_DATAPORT_PROBE_NAME "probe.godwit"
#define GW_DATAPORT_HELLO_MS 10000u
#define GW_DATAPORT_GRACE_MS 500u
#define GW_DATAPORT_GUESTS_MAX 256u
#define GW_DATAPORT_PROBES_MAX 8u   /* waiting; more are closed */
#define GW_DATAPORT_PROBE_MS 10000u /* a probe's socket times out after so long */
#define GW_DATAPORT_LINES_MAX 20u
#define GW_DATAPORT_LINES_MS 10000u

struct gw_dataport;

struct gw_dataport_config {
    const char *listen; /* "host:port"; port 0 takes a free one */
    void *arg;
    /* Where the process of this plan receives its connections ("/run/PLAN.data", no "unix:").
     * 0, or -ENOENT: no such plan here. */
    int (*route)(void *arg, const struct gw_uuid *plan, char ret_path[GW_PASSED_PATH_MAX]);
    /* fd: connected, blocking, with time-outs of GW_DATAPORT_PROBE_MS; the callee closes it. One
     * call at a time, in a thread for it. NULL: probes are closed. */
    void (*probe)(void *arg, int fd);
    unsigned hello_ms; /* 0: GW_DATAPORT_HELLO_MS; tests want less */
};

struct gw_dataport_stats { /* since the start */
    uint64_t accepted, passed, probes;
    uint64_t not_tls;      /* garbage, or a hello without a name */
    uint64_t unknown_name; /* a name that is not of a plan here */
    uint64_t no_process;   /* a plan here whose process takes no connections now */
    uint64_t too_late;     /* time was up, or it had to go for another */
    uint64_t guests;       /* being looked at now */
};

/* -EADDRINUSE and others of a listening socket, with the address in the sentence. */
int gw_dataport_start(const struct gw_dataport_config *config, struct gw_dataport **ret,
                      struct gw_error *err);
/* "0.0.0.0:7000": what was really bound. */
const char *gw_dataport_address(const struct gw_dataport *d);
void gw_dataport_stats(struct gw_dataport *d, struct gw_dataport_stats *ret);
/* Closes the port and whoever was not passed on yet. Ends a running probe. NULL is fine. */
void gw_dataport_stop(struct gw_dataport *d);
