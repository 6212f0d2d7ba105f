// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A way to a server on 127.0.0.1 on which things get lost: each connection that comes is treated as
 * the plan says, in their order; those beyond it as its last letter.
 *
 *     p   pass both ways
 *     a   the request is passed on, its answer is lost: the connection ends
 *     r   the request is taken whole, and lost
 *     h   the request is held back; the connection ends. doubt_proxy_deliver() sends it after all
 */
#pragma once

struct doubt_proxy;

struct doubt_proxy *doubt_proxy_new(unsigned to_port, const char *plan);
unsigned doubt_proxy_port(const struct doubt_proxy *p);
/* What was held back reaches the server now, and its answer is awaited (and dropped). */
void doubt_proxy_deliver(struct doubt_proxy *p);
unsigned doubt_proxy_connections(struct doubt_proxy *p);
void doubt_proxy_free(struct doubt_proxy *p);
