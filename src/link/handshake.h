// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* TLS 1.3 over a socket, with a deadline, for probes. Inside of this folder. */
#pragma once

#include "base/error.h"
#include "http/cert.h"
#include "link/identity.h"

#include <stdbool.h>
#include <stdint.h>

struct gw_handshake;

/* Shake hands over fd (non-blocking, not taken over). server_name: client only; NULL none. */
int gw_handshake_new(int fd, bool client, const struct gw_identity *identity,
                     const char *server_name, uint64_t deadline_ns, struct gw_handshake **ret,
                     struct gw_error *err);
void gw_handshake_free(struct gw_handshake *h);
/* The other side's certificate. -EKEYREJECTED: it showed none, or what is none. */
int gw_handshake_peer(const struct gw_handshake *h, struct gw_cert_info *ret, struct gw_error *err);
/* Tell it that its certificate is not accepted. */
void gw_handshake_refuse(struct gw_handshake *h);
int gw_handshake_send(struct gw_handshake *h, const char *text, struct gw_error *err);
/*
 * Read up to the first newline (which is dropped). -EKEYREJECTED: it refuses our certificate, with
 * its reason; -ECONNRESET: it closed without a word; -ETIMEDOUT.
 */
int gw_handshake_read_line(struct gw_handshake *h, char *ret, size_t size, struct gw_error *err);
