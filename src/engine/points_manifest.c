// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/bundle.h"
#include "engine/points.h"

#include <assert.h>
#include <string.h>

static_assert(GW_BUNDLE_MAGIC_BYTES == sizeof GW_POINT_MAGIC - 1, "magic is 8 bytes");
static_assert(16 + 2 * GW_ID_MAX + 1 + GW_LINEAGE_BYTES_MAX + 5 * 8 + 4 +
                      GW_VOLUMES_MAX * (16 + 8 + GW_VOLUME_NAME_MAX) + 8 <=
                  GW_POINT_MANIFEST_BYTES_MAX,
              "point manifest fits its limit");

static bool kind_ok(unsigned kind)
{
    return kind == GW_POINT_CLONE || kind == GW_POINT_COPY;
}

size_t gw_point_encode(const struct gw_point *p, uint8_t *buf, size_t cap)
{
    if (!kind_ok(p->kind) || !gw_bundle_id_ok(p->id))
        return 0;
    struct gw_writer w = gw_bundle_begin(buf, cap, GW_POINT_MAGIC);
    gw_put_text(&w, p->id, sizeof p->id);
    gw_put_text(&w, p->tag, sizeof p->tag);
    gw_put_u8(&w, (uint8_t)p->kind);
    gw_lineage_encode(&w, &p->lineage);
    gw_put_u64(&w, p->seq);
    gw_put_u64(&w, p->chain);
    gw_put_u64(&w, p->journal_pos);
    gw_put_u64(&w, p->reigns);
    gw_put_u64(&w, p->wall_ns);
    gw_volumes_put(&w, p->volume, p->n_volumes);
    return gw_bundle_end(&w);
}

bool gw_point_decode(const uint8_t *buf, size_t len, struct gw_point *ret)
{
    struct gw_reader r;
    if (!gw_bundle_check(buf, len, GW_POINT_MAGIC, &r))
        return false;
    struct gw_point p = { 0 };
    gw_get_text(&r, p.id, sizeof p.id);
    gw_get_text(&r, p.tag, sizeof p.tag);
    uint8_t kind = gw_get_u8(&r);
    if (r.failed || !kind_ok(kind) || !gw_bundle_id_ok(p.id))
        return false;
    p.kind = (enum gw_point_kind)kind;
    if (!gw_lineage_decode(&r, &p.lineage))
        return false;
    p.seq = gw_get_u64(&r);
    p.chain = gw_get_u64(&r);
    p.journal_pos = gw_get_u64(&r);
    p.reigns = gw_get_u64(&r);
    p.wall_ns = gw_get_u64(&r);
    gw_volumes_get(&r, p.volume, &p.n_volumes);
    if (r.failed || gw_reader_left(&r) != 0)
        return false;
    *ret = p;
    return true;
}
