// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Connections: blocking byte streams between two sites, TCP with TLS 1.3 and mutual
 * authentication (GnuTLS), or plain TCP on loopback when asked for.
 *
 * Addresses: "host:port", "[ipv6]:port". Port 0 at a listener takes a free one. "unix:PATH", at a
 * listener only: somebody else listens, and passes TCP connections on to the socket at PATH
 * (engine/passed.h); from there on they are as if accepted here.
 *
 * Certificates are checked by both sides: signed by `ca`, valid now, and for exactly `peer` (a
 * dNSName or, without any, the common name; no wildcards). -EKEYREJECTED: one was refused, theirs
 * by us or ours by them. In TLS 1.3 a client whose certificate is refused learns it from its first
 * gw_conn_recv, not from gw_conn_connect.
 *
 * Threads: one thread may send and another receive at the same time; gw_conn_shutdown may be called
 * from any thread and makes both return with -ECONNABORTED. Close when no other thread uses it.
 * Session tickets and renegotiation are off.
 *
 * After a failed send or receive that direction stays failed; only a receive that timed out before
 * its first byte may be repeated. gw_conn_close does not wait for what is on its way to the peer: a
 * last word must be answered (GOODBYE) to be known to have arrived.
 */
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Files are PEM. Loaded at gw_tls_load; errors name the file. */
struct gw_tls_files {
    const char *ca;   /* who signs the peer */
    const char *cert; /* ours, with its chain */
    const char *key;
    const char *peer; /* name that must be in the peer's certificate; NULL: any signed by ca */
};
struct gw_tls;
/* Connections and listeners keep what they need of it: it may be freed at any time, e.g. after the
 * files were renewed and loaded again. */
int gw_tls_load(const struct gw_tls_files *files, struct gw_tls **ret, struct gw_error *err);
void gw_tls_free(struct gw_tls *t);

struct gw_conn;

/*
 * Connect (and shake hands) within timeout_ms. tls NULL: plain TCP, allowed only if the address is
 * loopback. `server_name` is sent as the TLS server name (the plan's uuid) and is not what the
 * certificate is checked against: tls->peer is. cancel_fd: readable = give up (-ECONNABORTED); -1.
 * Errors tell the layer: cannot resolve, cannot connect, TLS: the peer's certificate ....
 */
int gw_conn_connect(const char *address, struct gw_tls *tls, const char *server_name,
                    unsigned timeout_ms, int cancel_fd, struct gw_conn **ret, struct gw_error *err);

struct gw_listener;
/* Plain listeners (tls NULL) bind to loopback addresses only, and take from there only what is
 * passed to them. */
int gw_listener_open(const char *address, struct gw_tls *tls, struct gw_listener **ret,
                     struct gw_error *err);
/* "127.0.0.1:34567": the address really bound; "unix:PATH". */
const char *gw_listener_address(const struct gw_listener *l);
/*
 * Wait for one connection and shake hands (at most timeout_ms for the handshake; a slow or garbage
 * client costs only that and is reported as an error with -EPROTO; call again). -ECONNABORTED when
 * cancel_fd became readable.
 */
int gw_listener_accept(struct gw_listener *l, unsigned timeout_ms, int cancel_fd,
                       struct gw_conn **ret, struct gw_error *err);
void gw_listener_close(struct gw_listener *l);

/*
 * The same without waiting, for who serves many callers at once (engine/greeter.h). *ret has not
 * shaken hands: call gw_listener_shake when the caller has said something, and again after each
 * -EAGAIN when poll says *ret_events; 0: it is whom the certificate names (or the listener is
 * plain). From take: -EAGAIN nobody is there; -EPROTO, -EPERM what was passed on is no connection,
 * or not from whom it may come: it is gone, go on.
 */
int gw_listener_fd(const struct gw_listener *l);
int gw_listener_take(struct gw_listener *l, struct gw_conn **ret, struct gw_error *err);
int gw_listener_shake(struct gw_listener *l, struct gw_conn *c, short *ret_events,
                      struct gw_error *err);

/* "127.0.0.1:43210", for logs. */
const char *gw_conn_peer(const struct gw_conn *c);
/*
 * Give up a send or receive that makes no progress for so long: -ETIMEDOUT. 0 = for ever.
 * Default 0. Both directions, at any time.
 */
void gw_conn_idle_timeout(struct gw_conn *c, unsigned ms);
/* Send all of it. Pieces smaller than a TLS record are put together: a header costs no record. */
int gw_conn_send(struct gw_conn *c, const struct iovec *iov, int n, struct gw_error *err);
/* Receive exactly len bytes. -ECONNRESET "the peer closed the connection" on an early end. */
int gw_conn_recv(struct gw_conn *c, void *buf, size_t len, struct gw_error *err);
/* What has come, at least one byte; -EAGAIN: nothing now. Poll gw_conn_fd only after that: TLS may
 * hold more than the kernel. */
ssize_t gw_conn_recv_some(struct gw_conn *c, void *buf, size_t cap, struct gw_error *err);
int gw_conn_fd(const struct gw_conn *c);
/* Stop both directions at once, from any thread. */
void gw_conn_shutdown(struct gw_conn *c);
void gw_conn_close(struct gw_conn *c); /* NULL is fine */
