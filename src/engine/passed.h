// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * TCP connections passed from one process to another: who listens at a site's one data port gives
 * each connection, before a byte of it is read, to the process of its plan.
 *
 * The receiver has a unix datagram socket at a path (a listener of "unix:PATH",
 * engine/transport.h); the sender sends one datagram with the word GW_PASSED_WORD and exactly one
 * descriptor. It needs no accept and no answer, so that neither can hold up the other: a full queue
 * is -EAGAIN, a receiver that has ended -ECONNREFUSED or -ENOENT.
 *
 * Who may send: root and the user that the receiver runs as. The kernel says who it was
 * (SCM_CREDENTIALS), besides mode 0600 of the path. What is not one connected TCP socket of such a
 * sender is closed and refused.
 *
 * Threads: no state.
 */
#pragma once

#include "base/error.h"
#include "engine/address.h"

#define GW_PASSED_PREFIX "unix:"
#define GW_PASSED_WORD "GWPASS1\n"
#define GW_PASSED_PATH_MAX 108 /* with the NUL: what a socket's address holds */

/* The path of an address "unix:PATH", or NULL. */
const char *gw_passed_path(const char *address);

/*
 * Make the receiving socket. A socket that a killed process left there is replaced; the caller sees
 * to it that there is one process a path (the plan's lock). -EADDRINUSE: somebody receives there.
 * -EEXIST: PATH is not a socket. Not to be waited for: nonblocking.
 */
int gw_passed_open(const char *path, int *ret_fd, struct gw_error *err);
/* The next connection (nonblocking, close-on-exec) and its peer. -EAGAIN: none now. -EPROTO,
 * -EPERM: something else came, and is gone; go on. */
int gw_passed_take(int fd, int *ret_fd, struct gw_address *ret_peer, struct gw_error *err);

/* A socket connected to the receiver at path: -ENOENT, -ECONNREFUSED: nobody receives. */
int gw_passed_connect(const char *path, int *ret_fd, struct gw_error *err);
/* Pass conn_fd, which stays the caller's to close. -EAGAIN: the queue is full; poll for POLLOUT.
 * -ECONNREFUSED: the receiver has ended. */
int gw_passed_send(int fd, int conn_fd, struct gw_error *err);
