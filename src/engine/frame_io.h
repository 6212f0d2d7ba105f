// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Frames over a connection: the header's checksum, limits and the payload's hash in one place. */
#pragma once

#include "engine/frame.h"
#include "engine/transport.h"

/* Send one frame. DATA payloads are records that carry their own checksums: they are not hashed. */
int gw_frame_send(struct gw_conn *conn, enum gw_frame_type type, const void *payload, size_t len,
                  struct gw_error *err);
int gw_frame_send_goodbye(struct gw_conn *conn, enum gw_goodbye_reason reason, const char *sentence,
                          struct gw_error *err);
/* Receive a frame of at most cap payload bytes. -EPROTO, -EBADMSG: not godwit, too long, damaged.
 */
int gw_frame_recv(struct gw_conn *conn, struct gw_frame *ret, uint8_t *buf, size_t cap,
                  struct gw_error *err);

/*
 * Receive a frame of type `want`. A GOODBYE instead is -ECONNREFUSED with the peer's sentence; any
 * other type, or a malformed one by `what`, is -EPROTO.
 */
int gw_frame_expect(struct gw_conn *conn, enum gw_frame_type want, const char *what,
                    struct gw_frame *ret, uint8_t *buf, size_t cap, struct gw_error *err);

/* The parts of gw_frame_recv, for who has the bytes. */
int gw_frame_check_head(const uint8_t head[GW_FRAME_HEADER_BYTES], size_t cap, struct gw_frame *ret,
                        struct gw_error *err);
int gw_frame_check_payload(const struct gw_frame *f, const uint8_t *buf, struct gw_error *err);

/* Exchange protocol versions: the common one is checked. 0 or -EPROTO with the way out. */
int gw_hello_check_version(const struct gw_hello *theirs, struct gw_error *err);
/* A caller's first frame: 0 if it is the hello of this plan, in a version that we speak. -EPERM:
 * another plan; -EPROTO; or what it says in its GOODBYE, as gw_frame_expect. */
int gw_hello_of_plan(const struct gw_frame *f, const uint8_t *buf, const struct gw_uuid *plan,
                     struct gw_hello *ret, struct gw_error *err);
