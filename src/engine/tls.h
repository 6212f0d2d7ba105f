// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * TLS 1.3 with mutual authentication, from memory to memory. No socket and no waiting: ciphertext
 * goes in and out through two buffers, and engine/transport.c moves them. (gw_tls_load and
 * gw_tls_free are in engine/transport.h.)
 *
 *     s = gw_tls_session_new(tls, client, server_name)
 *     loop: gw_tls_handshake(s)   0 done; -EAGAIN: send what is in gw_tls_out, or if there is
 *                                 nothing, fill gw_tls_in; else failed (send gw_tls_out: the alert)
 *     gw_tls_encrypt(s, ...)      while gw_tls_room(s); then send gw_tls_out, gw_tls_out_done
 *     gw_tls_decrypt(s, ...)      bytes; -EAGAIN: fill gw_tls_in again
 *
 * Threads: one sends (encrypt, out, out_done, room, bye) and one receives (in, in_filled, decrypt).
 * GnuTLS allows one thread each way, except around a key update, where both meet in the same keys;
 * it updates by itself after 2^24 records. So each call into GnuTLS is under a lock. No call waits
 * or enters the kernel under it.
 *
 * The session keeps a reference to its struct gw_tls.
 */
#pragma once

#include "engine/transport.h"

#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <sys/types.h>

#define GW_TLS_RECORD_BYTES 16384u /* plaintext of the largest record */
#define GW_TLS_BATCH_RECORDS 4u    /* encrypted between two calls of the kernel */

/* ---- tls.c: credentials, and who the peer is ------------------------------------------------- */

struct gw_tls *gw_tls_ref(struct gw_tls *t);
gnutls_certificate_credentials_t gw_tls_credentials(const struct gw_tls *t);
const char *gw_tls_cert_file(const struct gw_tls *t);
/*
 * Is the certificate that the peer sent signed by our CA, valid now, and for the peer's name?
 * 0, or -EKEYREJECTED with the sentence, and the alert to send.
 */
int gw_tls_verify_peer(struct gw_tls *t, gnutls_session_t session,
                       gnutls_alert_description_t *ret_alert, struct gw_error *err);

/* ---- tls_session.c --------------------------------------------------------------------------- */

struct gw_tls_session;

/* server_name: client only, NULL = none. */
int gw_tls_session_new(struct gw_tls *t, bool client, const char *server_name,
                       struct gw_tls_session **ret, struct gw_error *err);
void gw_tls_session_free(struct gw_tls_session *s);

/* -EKEYREJECTED: a certificate was refused, ours or theirs. -EPROTO: anything else. */
int gw_tls_handshake(struct gw_tls_session *s, struct gw_error *err);

/* Ciphertext to send: pointer and length; then say that it went. */
const uint8_t *gw_tls_out(struct gw_tls_session *s, size_t *ret_len);
void gw_tls_out_done(struct gw_tls_session *s);
/* Is there room for one more record? */
bool gw_tls_room(const struct gw_tls_session *s);
/* One record; len <= GW_TLS_RECORD_BYTES. Only while gw_tls_room. */
int gw_tls_encrypt(struct gw_tls_session *s, const void *data, size_t len, struct gw_error *err);
/* Tell the peer that nothing more comes (into out). */
void gw_tls_bye(struct gw_tls_session *s);

/* Where to put received ciphertext; only after -EAGAIN, when it is empty. 0 bytes filled: the end
 * of the stream. */
uint8_t *gw_tls_in(struct gw_tls_session *s, size_t *ret_cap);
void gw_tls_in_filled(struct gw_tls_session *s, size_t len);
/* Bytes, or -EAGAIN. -ECONNRESET: the peer closed. Bytes are at most one record. */
ssize_t gw_tls_decrypt(struct gw_tls_session *s, void *buf, size_t cap, struct gw_error *err);
/*
 * In TLS 1.3 a client learns only after the handshake whether its certificate is accepted. True
 * while it has received nothing: a connection that breaks now may have been refused for that.
 */
bool gw_tls_unconfirmed(const struct gw_tls_session *s);
