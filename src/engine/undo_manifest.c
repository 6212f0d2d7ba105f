// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/bundle.h"
#include "engine/undo.h"

#include <assert.h>

static_assert(GW_BUNDLE_MAGIC_BYTES == sizeof GW_UNDO_MAGIC - 1, "magic is 8 bytes");
/* Everything at its largest fits, so that an encode can only fail for a caller's small buffer. */
static_assert(16 + GW_LINEAGE_BYTES_MAX + 6 * 8 + 16 + 1 + GW_PERSON_MAX + 4 +
                      GW_VOLUMES_MAX * (16 + 8 + GW_VOLUME_NAME_MAX) + 8 <=
                  GW_UNDO_MANIFEST_BYTES_MAX,
              "undo manifest fits its limit");

size_t gw_undo_manifest_encode(const struct gw_undo_manifest *m, uint8_t *buf, size_t cap)
{
    struct gw_writer w = gw_bundle_begin(buf, cap, GW_UNDO_MAGIC);
    gw_lineage_encode(&w, &m->lineage);
    gw_put_u64(&w, m->seq);
    gw_put_u64(&w, m->chain);
    gw_put_u64(&w, m->wall_ns);
    gw_put_bytes(&w, m->source.b, sizeof m->source.b);
    gw_put_u64(&w, m->fork_seq);
    gw_put_u64(&w, m->reigns);
    gw_put_u8(&w, m->diverged ? 1 : 0);
    gw_put_text(&w, m->signed_by, sizeof m->signed_by);
    gw_put_u64(&w, m->signed_wall_ns);
    gw_volumes_put(&w, m->volume, m->n_volumes);
    return gw_bundle_end(&w);
}

bool gw_undo_manifest_decode(const uint8_t *buf, size_t len, struct gw_undo_manifest *ret)
{
    struct gw_reader r;
    if (!gw_bundle_check(buf, len, GW_UNDO_MAGIC, &r))
        return false;
    struct gw_undo_manifest m = { 0 };
    if (!gw_lineage_decode(&r, &m.lineage))
        return false;
    m.seq = gw_get_u64(&r);
    m.chain = gw_get_u64(&r);
    m.wall_ns = gw_get_u64(&r);
    gw_get_bytes(&r, m.source.b, sizeof m.source.b);
    m.fork_seq = gw_get_u64(&r);
    m.reigns = gw_get_u64(&r);
    uint8_t diverged = gw_get_u8(&r);
    m.diverged = diverged == 1;
    gw_get_text(&r, m.signed_by, sizeof m.signed_by);
    m.signed_wall_ns = gw_get_u64(&r);
    gw_volumes_get(&r, m.volume, &m.n_volumes);
    if (r.failed || diverged > 1 || gw_reader_left(&r) != 0)
        return false;
    *ret = m;
    return true;
}
