// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Addresses of connections: "host:port", "[ipv6]:port"; looked up, told apart, and written.
 * Used by engine/dial.c; see engine/transport.h for the rest.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define GW_ADDRESS_TEXT 64
#define GW_ADDRESSES_MAX 16 /* of one name; more are ignored */

struct gw_address {
    struct sockaddr_storage sa;
    socklen_t len;
};

struct gw_addresses {
    int n;
    struct gw_address a[GW_ADDRESSES_MAX];
};

/*
 * Look up. At least one address on success. A name server that does not answer costs no more than
 * the deadline (base/clock.h), and cancel_fd (-1: none) is obeyed: the lookup runs in a thread that
 * is left to itself then. -EINVAL malformed, -EHOSTUNREACH unknown, -ETIMEDOUT, -ECONNABORTED.
 * Port 0 is accepted if `listen`.
 */
int gw_address_resolve(const char *address, bool listen, uint64_t deadline_ns, int cancel_fd,
                       struct gw_addresses *ret, struct gw_error *err);

/*
 * What can be said of an address at once: -EINVAL malformed, -EPERM it is known and not of this
 * machine, which without TLS is not allowed. A name that cannot be looked up now may be later: 0.
 */
int gw_address_check(const char *address, bool tls, struct gw_error *err);
bool gw_address_is_loopback(const struct gw_address *a);
/* A listening TCP socket (nonblocking, close-on-exec) and the address really bound (dial.c). For
 * who does not speak on it himself; the rest want gw_listener_open. */
int gw_listen_port(const char *address, bool loopback_only, int *ret_fd,
                   char ret_address[GW_ADDRESS_TEXT], struct gw_error *err);
/* "127.0.0.1:80", "[::1]:80". */
void gw_address_format(const struct gw_address *a, char ret[GW_ADDRESS_TEXT]);

/*
 * Wait until fd has one of `events` (or an error, which the next call on fd will tell): 0.
 * -ECONNABORTED if cancel_fd (-1: none) is readable, which is looked at first; -ETIMEDOUT at
 * deadline_ns (UINT64_MAX: none).
 */
int gw_wait_fd(int fd, short events, int cancel_fd, uint64_t deadline_ns);
