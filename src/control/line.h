// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Lines over a non-blocking stream socket, with limits in bytes and time. Used by both ends of the
 * control protocol; knows no JSON. Not for others.
 *
 * Calling sequence: gw_line_init, gw_line_read until it says no, gw_line_done. One thread reads;
 * gw_line_send has no state and may be called by it between reads. The socket stays the caller's.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_line {
    int fd, cancel_fd;
    char *buf;
    size_t len, cap;
    size_t taken; /* bytes of the line given out last; dropped at the next read */
};

/* cancel_fd: readable = stop; -1: none. */
void gw_line_init(struct gw_line *l, int fd, int cancel_fd);
void gw_line_done(struct gw_line *l);

/*
 * The next line without its newline: 1, and a view that is valid until the next call. Otherwise
 *   0              the peer closed (its sending half) between two lines
 *   -EBADMSG       ... or inside a line
 *   -ETIMEDOUT     no byte came for idle_ms (0: wait for ever)
 *   -ETIME         a line was begun and did not end within line_ms
 *   -EMSGSIZE      more than GW_CONTROL_LINE_BYTES_MAX bytes without a newline
 *   -ECONNABORTED  cancel_fd became readable
 *   -ENOMEM, or what the socket said
 */
int gw_line_read(struct gw_line *l, unsigned idle_ms, unsigned line_ms, char **ret,
                 size_t *ret_len);

/*
 * Send all bytes within ms (-ETIMEDOUT; 0: for ever). Once cancel_fd (-1: none) is readable at most
 * GW_CONTROL_STOP_MS more: a server that stops still delivers the answer to "stop".
 */
int gw_line_send(int fd, int cancel_fd, const char *data, size_t len, unsigned ms);

/*
 * Throw away what the peer is still sending, for at most ms: closing a unix socket with unread
 * bytes would make the peer's send fail before it could read why.
 */
void gw_line_drain(int fd, int cancel_fd, unsigned ms);
