// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The inside of a connection, shared by engine/transport.c (bytes) and engine/dial.c (connecting
 * and listening). For others: engine/transport.h.
 */
#pragma once

#include "engine/address.h"
#include "engine/transport.h"

/* Sockets of one machine start with a window that holds a few batches. Between machines the kernel
 * measures what the path needs, and a fixed size would limit it to that much in a round trip. */
#define GW_CONN_LOOPBACK_BUFFER_BYTES (1024 * 1024)
/* Finds a path that swallows everything when nobody has set gw_conn_idle_timeout. */
#define GW_CONN_KEEPALIVE_IDLE_S 10
#define GW_CONN_KEEPALIVE_INTERVAL_S 5
#define GW_CONN_KEEPALIVE_PROBES 4

/* Takes a connected, nonblocking socket; closes it on failure too. */
int gw_conn_new(int fd, const struct gw_address *peer, struct gw_conn **ret, struct gw_error *err);

/* TLS without waiting: begin once, then step until it is not -EAGAIN (poll for *ret_events first).
 * Errors of a step: -EKEYREJECTED, -EPROTO; then the connection is of no use. */
int gw_conn_tls_begin(struct gw_conn *c, struct gw_tls *tls, bool client, const char *server_name,
                      struct gw_error *err);
bool gw_conn_has_tls(const struct gw_conn *c); /* begun */
int gw_conn_tls_step(struct gw_conn *c, short *ret_events, struct gw_error *err);
/* Shake hands before deadline_ns, in the one thread that knows the connection so far. -ETIMEDOUT,
 * -ECONNABORTED (cancel_fd), -EKEYREJECTED, -EPROTO. */
int gw_conn_start_tls(struct gw_conn *c, struct gw_tls *tls, bool client, const char *server_name,
                      uint64_t deadline_ns, int cancel_fd, struct gw_error *err);
