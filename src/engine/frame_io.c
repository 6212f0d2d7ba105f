// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/frame_io.h"

#include "base/hash.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int gw_frame_send(struct gw_conn *conn, enum gw_frame_type type, const void *payload, size_t len,
                  struct gw_error *err)
{
    struct gw_frame f = {
        .type = type,
        .version = GW_PROTOCOL_MAX,
        .bytes = (uint32_t)len,
        .raw_bytes = (uint32_t)len,
        .payload_hash = type == GW_FRAME_DATA ? 0 : gw_hash64(payload, len, 0),
    };
    uint8_t head[GW_FRAME_HEADER_BYTES];
    gw_frame_encode(&f, head);
    struct iovec iov[2] = { { .iov_base = head, .iov_len = sizeof head } };
    memcpy(&iov[1].iov_base, &payload, sizeof payload); /* sent, not written to */
    iov[1].iov_len = len;
    return gw_conn_send(conn, iov, len > 0 ? 2 : 1, err);
}

int gw_frame_send_goodbye(struct gw_conn *conn, enum gw_goodbye_reason reason, const char *sentence,
                          struct gw_error *err)
{
    struct gw_goodbye g = { .reason = reason };
    snprintf(g.sentence, sizeof g.sentence, "%s", sentence);
    uint8_t buf[GW_GOODBYE_BYTES_MAX];
    size_t n = gw_goodbye_encode(&g, buf, sizeof buf);
    return gw_frame_send(conn, GW_FRAME_GOODBYE, buf, n, err);
}

int gw_frame_check_head(const uint8_t head[GW_FRAME_HEADER_BYTES], size_t cap, struct gw_frame *ret,
                        struct gw_error *err)
{
    if (gw_frame_decode(head, ret) < 0)
        return gw_error_set(err, -EPROTO,
                            "the peer does not speak godwit's protocol, or a frame "
                            "header is damaged");
    if (ret->bytes > cap)
        return gw_error_set(err, -EPROTO, "the peer sent a frame of %u bytes where %zu are allowed",
                            ret->bytes, cap);
    return 0;
}

int gw_frame_check_payload(const struct gw_frame *f, const uint8_t *buf, struct gw_error *err)
{
    return gw_frame_payload_ok(f, buf)
               ? 0
               : gw_error_set(err, -EBADMSG, "a frame from the peer is damaged");
}

int gw_frame_recv(struct gw_conn *conn, struct gw_frame *ret, uint8_t *buf, size_t cap,
                  struct gw_error *err)
{
    uint8_t head[GW_FRAME_HEADER_BYTES];
    int r = gw_conn_recv(conn, head, sizeof head, err);
    if (r == 0)
        r = gw_frame_check_head(head, cap, ret, err);
    if (r == 0)
        r = gw_conn_recv(conn, buf, ret->bytes, err);
    return r < 0 ? r : gw_frame_check_payload(ret, buf, err);
}

static int check_type(const struct gw_frame *f, const uint8_t *buf, enum gw_frame_type want,
                      const char *what, struct gw_error *err)
{
    struct gw_goodbye g;
    if (f->type == GW_FRAME_GOODBYE && gw_goodbye_decode(buf, f->bytes, &g)) {
        int code = g.reason == GW_GOODBYE_RETRY ? -EAGAIN : -ECONNREFUSED;
        return gw_error_set(err, code, "the peer says (%s): %s", gw_goodbye_name(g.reason),
                            g.sentence);
    }
    if (f->type != want)
        return gw_error_set(err, -EPROTO, "the peer sent frame type %d instead of its %s",
                            (int)f->type, what);
    return 0;
}

int gw_frame_expect(struct gw_conn *conn, enum gw_frame_type want, const char *what,
                    struct gw_frame *ret, uint8_t *buf, size_t cap, struct gw_error *err)
{
    int r = gw_frame_recv(conn, ret, buf, cap, err);
    return r < 0 ? r : check_type(ret, buf, want, what, err);
}

int gw_hello_check_version(const struct gw_hello *theirs, struct gw_error *err)
{
    if (theirs->version_min <= GW_PROTOCOL_MAX && theirs->version_max >= GW_PROTOCOL_MIN)
        return 0;
    return gw_error_set(err, -EPROTO,
                        "the peer speaks protocol %u to %u, this side %u to %u; upgrade the older",
                        theirs->version_min, theirs->version_max, GW_PROTOCOL_MIN, GW_PROTOCOL_MAX);
}

int gw_hello_of_plan(const struct gw_frame *f, const uint8_t *buf, const struct gw_uuid *plan,
                     struct gw_hello *ret, struct gw_error *err)
{
    int r = check_type(f, buf, GW_FRAME_HELLO, "hello", err);
    if (r < 0)
        return r;
    if (!gw_hello_decode(buf, f->bytes, ret))
        return gw_error_set(err, -EPROTO, "the hello is malformed");
    r = gw_hello_check_version(ret, err);
    if (r < 0)
        return r;
    if (!gw_uuid_equal(&ret->side.plan, plan)) {
        char theirs[GW_UUID_TEXT], mine[GW_UUID_TEXT];
        gw_uuid_format(&ret->side.plan, theirs);
        gw_uuid_format(plan, mine);
        return gw_error_set(err, -EPERM,
                            "the source serves plan %s, this directory belongs to plan %s", theirs,
                            mine);
    }
    return 0;
}
