// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Manifests of undo files and of recovery points. First byte: bit 0 sealed (magic, length and
 * checksum made right), bit 1 a point's.
 */
#include "engine/bundle.h"
#include "engine/points.h"
#include "engine/undo.h"
#include "fuzz.h"

static void seal(uint8_t *data, size_t len, const char *magic)
{
    if (len < GW_BUNDLE_MAGIC_BYTES + 4 + 4 + 8)
        return;
    memcpy(data, magic, GW_BUNDLE_MAGIC_BYTES);
    struct gw_writer w = gw_writer(data + GW_BUNDLE_MAGIC_BYTES + 4, 4);
    gw_put_u32(&w, (uint32_t)len);
    fuzz_seal(data, len, 0);
}

static void undo(const uint8_t *data, size_t len)
{
    static struct gw_undo_manifest m, n;
    static uint8_t first[GW_UNDO_MANIFEST_BYTES_MAX], second[GW_UNDO_MANIFEST_BYTES_MAX];
    if (!gw_undo_manifest_decode(data, len, &m))
        return;
    size_t bytes = gw_undo_manifest_encode(&m, first, sizeof first);
    FUZZ_CHECK(bytes == len && gw_undo_manifest_decode(first, bytes, &n));
    FUZZ_CHECK(gw_undo_manifest_encode(&n, second, sizeof second) == bytes);
    FUZZ_CHECK(memcmp(first, second, bytes) == 0);
    FUZZ_CHECK(m.n_volumes <= GW_VOLUMES_MAX && gw_volumes_ok(m.volume, m.n_volumes));
}

static void point(const uint8_t *data, size_t len)
{
    static struct gw_point p, q;
    static uint8_t first[GW_POINT_MANIFEST_BYTES_MAX], second[GW_POINT_MANIFEST_BYTES_MAX];
    if (!gw_point_decode(data, len, &p))
        return;
    size_t bytes = gw_point_encode(&p, first, sizeof first);
    FUZZ_CHECK(bytes == len && gw_point_decode(first, bytes, &q));
    FUZZ_CHECK(gw_point_encode(&q, second, sizeof second) == bytes);
    FUZZ_CHECK(memcmp(first, second, bytes) == 0);
    FUZZ_CHECK(gw_bundle_id_ok(p.id) && gw_volumes_ok(p.volume, p.n_volumes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    bool is_point = (data[0] & 2) != 0;
    uint8_t *copy = fuzz_copy(data + 1, size - 1);
    if (data[0] & 1)
        seal(copy, size - 1, is_point ? GW_POINT_MAGIC : GW_UNDO_MAGIC);
    if (is_point)
        point(copy, size - 1);
    else
        undo(copy, size - 1);
    free(copy);
    return 0;
}
