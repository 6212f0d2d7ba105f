// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The line between the two sites: a TCP forwarder that can be cut. The real link goes through it,
 * unchanged and unread (it is TLS), so it is also an independent count of what was sent.
 *
 *     proxy_new(&p, err)            listens on a free port of the loopback interface
 *     proxy_address(p)              what the source is told to connect to
 *     proxy_target(p, "HOST:PORT")  where the replica really listens, from now on
 *     proxy_cut(p)                  every connection ends at once, and no new one is let in
 *     proxy_mend(p)
 *
 * Threads: one inside; the functions may be called from any thread.
 */
#pragma once

#include "base/error.h"

#include <stdint.h>

struct proxy;

int proxy_new(struct proxy **ret, struct gw_error *err);
void proxy_free(struct proxy *p);
const char *proxy_address(const struct proxy *p);
int proxy_target(struct proxy *p, const char *address, struct gw_error *err);
/* Returns when no byte can pass any more. */
void proxy_cut(struct proxy *p);
void proxy_mend(struct proxy *p);
/* Bytes forwarded so far, from the source to the replica, and back. */
uint64_t proxy_sent_bytes(struct proxy *p);
uint64_t proxy_returned_bytes(struct proxy *p);
