// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Frame headers and every payload of a frame, but HELLO (fuzz_lineage_hello.c). First byte, modulo
 * 12: 0 a header, 1 a header that is sealed, then one payload each in the order below.
 */
#include "engine/dirtymap.h"
#include "engine/frame.h"
#include "fuzz.h"

#include <errno.h>

static void header(const uint8_t *data, size_t len, bool sealed)
{
    if (len < GW_FRAME_HEADER_BYTES)
        return;
    uint8_t *head = fuzz_copy(data, GW_FRAME_HEADER_BYTES);
    if (sealed)
        fuzz_seal(head, GW_FRAME_HEADER_BYTES, 0);
    struct gw_frame f;
    int r = gw_frame_decode(head, &f);
    FUZZ_CHECK(r == 0 || r == -EBADMSG);
    if (r == 0) {
        uint8_t again[GW_FRAME_HEADER_BYTES];
        gw_frame_encode(&f, again);
        FUZZ_CHECK(memcmp(again, head, sizeof again) == 0);
        FUZZ_CHECK(f.bytes <= GW_FRAME_BYTES_MAX && f.raw_bytes <= GW_FRAME_BYTES_MAX);
        if (f.bytes <= len - GW_FRAME_HEADER_BYTES)
            gw_frame_payload_ok(&f, data + GW_FRAME_HEADER_BYTES);
    }
    free(head);
}

/* A decoder accepts exactly what its encoder writes. */
#define PAYLOAD(type, name, max)                                                                   \
    static void name(const uint8_t *data, size_t len)                                              \
    {                                                                                              \
        static struct type v;                                                                      \
        static uint8_t again[max];                                                                 \
        if (!gw_##name##_decode(data, len, &v))                                                    \
            return;                                                                                \
        size_t n = gw_##name##_encode(&v, again, sizeof again);                                    \
        FUZZ_CHECK(n == len && memcmp(again, data, len) == 0);                                     \
        FUZZ_CHECK(len == 0 || gw_##name##_encode(&v, again, len - 1) == 0);                       \
    }

PAYLOAD(gw_verdict, verdict, GW_VERDICT_BYTES_MAX)
PAYLOAD(gw_start, start, GW_START_BYTES)
PAYLOAD(gw_map_page, map, GW_MAP_BYTES)
PAYLOAD(gw_ready, ready, GW_READY_BYTES)
PAYLOAD(gw_ack, ack, GW_ACK_BYTES)
PAYLOAD(gw_diff, diff, GW_DIFF_BYTES)
PAYLOAD(gw_heartbeat, heartbeat, GW_HEARTBEAT_BYTES)
PAYLOAD(gw_goodbye, goodbye, GW_GOODBYE_BYTES_MAX)
PAYLOAD(gw_fin, fin, GW_FIN_BYTES_MAX)
PAYLOAD(gw_token, token, GW_TOKEN_BYTES)

/* Ranges that the receivers index arrays with. */
static void diff_range(const uint8_t *data, size_t len)
{
    struct gw_diff d;
    if (gw_diff_decode(data, len, &d)) {
        FUZZ_CHECK(d.volume < GW_VOLUMES_MAX && d.length > 0 && d.length <= GW_EXTENT_BYTES);
        FUZZ_CHECK(d.offset % GW_EXTENT_BYTES + d.length <= GW_EXTENT_BYTES);
    }
    diff(data, len);
}

static void map_range(const uint8_t *data, size_t len)
{
    struct gw_map_page m;
    if (gw_map_decode(data, len, &m)) {
        FUZZ_CHECK(m.volume < GW_VOLUMES_MAX && m.kind <= GW_MAP_COARSE);
        FUZZ_CHECK(m.page <= GW_VOLUME_BYTES_MAX / GW_BLOCK_BYTES / GW_BITMAP_PAGE_BITS);
        FUZZ_CHECK(m.bits >= data && m.bits + GW_BITMAP_PAGE_BYTES == data + len);
    }
    map(data, len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const payload[])(const uint8_t *, size_t) = {
        verdict, start, map_range, ready, ack, diff_range, heartbeat, goodbye, fin, token,
    };
    if (size == 0)
        return 0;
    unsigned what = data[0] % 12;
    uint8_t *rest = fuzz_copy(data + 1, size - 1);
    if (what < 2)
        header(rest, size - 1, what == 1);
    else
        payload[what - 2](rest, size - 1);
    free(rest);
    return 0;
}
