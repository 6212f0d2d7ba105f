// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * HELLO: a side's statement about itself.
 *
 *      u16 version_min, version_max | u32 format | u64 hash_seed | u64 changes
 *      uuid plan | u8 site, role, recorded, zero | u16 flags, u16 zero | text[64] site name
 *      u64 ring_base, seq, seq_reserved, chain | uuid boot_id, sync_boot
 *      u64 dirty_blocks, coarse_extents | uuid cleared | u64 cleared_seq, highest_epoch
 *      uuid reached | u64 reached_seq | uuid survivor | lineage | u32 volumes
 *      per volume: uuid, u64 bytes, text[64] name
 *
 * HELLO is read before a version is agreed, so this layout is that of every version; a later one
 * adds at the end, which we then do not look at.
 */
#include "engine/frame.h"
#include "engine/wire.h"

#include <assert.h>

enum hello_flag {
    SERVING = 1,
    CONSISTENT = 2,
    BLANK = 4,
    SEED_ME = 8,
    CRASHED_ACTIVE = 16,
    BOOT_CHANGED = 32,
    RING_WHOLE = 64,
    TAIL_SIGNED = 128,
    SEED_COMPARE = 256,
    FLAGS_KNOWN = 511,
};

#define SIDE_FIXED_BYTES (40u + 8u + GW_SITE_NAME_MAX + 4 * 8u + 2 * 16u + 16u + 32u + 16u + 24u)
#define VOLUME_BYTES (16u + 8u + GW_VOLUME_NAME_MAX)
static_assert(SIDE_FIXED_BYTES + GW_LINEAGE_BYTES_MAX + 4 + GW_VOLUMES_MAX * VOLUME_BYTES <=
                  GW_HELLO_BYTES_MAX,
              "the largest HELLO fits");

static void put_uuid(struct gw_writer *w, const struct gw_uuid *u)
{
    gw_put_bytes(w, u->b, sizeof u->b);
}

static struct gw_uuid get_uuid(struct gw_reader *r)
{
    struct gw_uuid u;

    gw_get_bytes(r, u.b, sizeof u.b);
    return u;
}

/* A name is shown and compared: not empty, no control characters. */
static void get_name(struct gw_reader *r, char *ret, size_t n)
{
    gw_get_text(r, ret, n);
    if (ret[0] == '\0' || !gw_wire_text_ok(ret))
        r->failed = true;
}

static uint16_t flags_of(const struct gw_side *s)
{
    return (uint16_t)((s->serving ? SERVING : 0) | (s->consistent ? CONSISTENT : 0) |
                      (s->blank ? BLANK : 0) | (s->seed_me ? SEED_ME : 0) |
                      (s->crashed_active ? CRASHED_ACTIVE : 0) |
                      (s->boot_changed ? BOOT_CHANGED : 0) | (s->ring_whole ? RING_WHOLE : 0) |
                      (s->tail_signed ? TAIL_SIGNED : 0) | (s->seed_compare ? SEED_COMPARE : 0));
}

static void flags_to(uint16_t flags, struct gw_side *s)
{
    s->serving = (flags & SERVING) != 0;
    s->consistent = (flags & CONSISTENT) != 0;
    s->blank = (flags & BLANK) != 0;
    s->seed_me = (flags & SEED_ME) != 0;
    s->crashed_active = (flags & CRASHED_ACTIVE) != 0;
    s->boot_changed = (flags & BOOT_CHANGED) != 0;
    s->ring_whole = (flags & RING_WHOLE) != 0;
    s->tail_signed = (flags & TAIL_SIGNED) != 0;
    s->seed_compare = (flags & SEED_COMPARE) != 0;
}

static void put_side(struct gw_writer *w, const struct gw_side *s)
{
    put_uuid(w, &s->plan);
    gw_put_u8(w, s->site);
    gw_put_u8(w, (uint8_t)s->role);
    gw_put_u8(w, (uint8_t)s->recorded);
    gw_put_u8(w, 0);
    gw_put_u16(w, flags_of(s));
    gw_put_u16(w, 0);
    gw_put_text(w, s->site_name, sizeof s->site_name);
    gw_put_u64(w, s->ring_base);
    gw_put_u64(w, s->seq);
    gw_put_u64(w, s->seq_reserved);
    gw_put_u64(w, s->chain);
    put_uuid(w, &s->boot_id);
    put_uuid(w, &s->sync_boot);
    gw_put_u64(w, s->dirty_blocks);
    gw_put_u64(w, s->coarse_extents);
    put_uuid(w, &s->cleared_uuid);
    gw_put_u64(w, s->cleared_seq);
    gw_put_u64(w, s->highest_epoch);
    put_uuid(w, &s->reached_uuid);
    gw_put_u64(w, s->reached_seq);
    put_uuid(w, &s->survivor);
    gw_lineage_encode(w, &s->lineage);
    gw_put_u32(w, s->n_volumes);
    for (uint32_t i = 0; i < s->n_volumes; i++) {
        put_uuid(w, &s->volume[i].uuid);
        gw_put_u64(w, s->volume[i].bytes);
        gw_put_text(w, s->volume[i].name, sizeof s->volume[i].name);
    }
}

static void get_enums(struct gw_reader *r, struct gw_side *s)
{
    s->site = gw_get_u8(r);
    uint8_t role = gw_get_u8(r);
    uint8_t recorded = gw_get_u8(r);
    gw_wire_get_zeros(r, 1);
    uint16_t flags = gw_get_u16(r);
    gw_wire_get_zeros(r, 2);
    if (s->site > 1 || role >= GW_ROLE_MAX || recorded >= GW_RECORDED_MAX ||
        (flags & ~FLAGS_KNOWN) != 0) {
        r->failed = true;
        return;
    }
    s->role = (enum gw_role)role;
    s->recorded = (enum gw_recorded)recorded;
    flags_to(flags, s);
}

static void get_volumes(struct gw_reader *r, struct gw_side *s)
{
    uint32_t n = gw_get_u32(r);

    if (n > GW_VOLUMES_MAX) {
        r->failed = true;
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        s->volume[i].uuid = get_uuid(r);
        s->volume[i].bytes = gw_get_u64(r);
        get_name(r, s->volume[i].name, sizeof s->volume[i].name);
        if (s->volume[i].bytes > GW_VOLUME_BYTES_MAX)
            r->failed = true;
    }
    s->n_volumes = n;
}

static bool get_side(struct gw_reader *r, struct gw_side *s)
{
    s->plan = get_uuid(r);
    get_enums(r, s);
    get_name(r, s->site_name, sizeof s->site_name);
    s->ring_base = gw_get_u64(r);
    s->seq = gw_get_u64(r);
    s->seq_reserved = gw_get_u64(r);
    s->chain = gw_get_u64(r);
    s->boot_id = get_uuid(r);
    s->sync_boot = get_uuid(r);
    s->dirty_blocks = gw_get_u64(r);
    s->coarse_extents = gw_get_u64(r);
    s->cleared_uuid = get_uuid(r);
    s->cleared_seq = gw_get_u64(r);
    s->highest_epoch = gw_get_u64(r);
    s->reached_uuid = get_uuid(r);
    s->reached_seq = gw_get_u64(r);
    s->survivor = get_uuid(r);
    if (!gw_lineage_decode(r, &s->lineage))
        return false;
    get_volumes(r, s);
    return !r->failed && !(s->blank && s->lineage.n != 0);
}

size_t gw_hello_encode(const struct gw_hello *h, uint8_t *buf, size_t cap)
{
    struct gw_writer w = gw_writer(buf, cap);

    assert(h->side.n_volumes <= GW_VOLUMES_MAX);
    gw_put_u16(&w, h->version_min);
    gw_put_u16(&w, h->version_max);
    gw_put_u32(&w, h->side.format);
    gw_put_u64(&w, h->hash_seed);
    gw_put_u64(&w, h->changes);
    put_side(&w, &h->side);
    return gw_wire_done(&w);
}

bool gw_hello_decode(const uint8_t *buf, size_t len, struct gw_hello *ret)
{
    struct gw_reader r = gw_reader(buf, len);
    struct gw_hello h = { 0 };

    h.version_min = gw_get_u16(&r);
    h.version_max = gw_get_u16(&r);
    h.side.format = gw_get_u32(&r);
    h.hash_seed = gw_get_u64(&r);
    h.changes = gw_get_u64(&r);
    if (h.version_min == 0 || h.version_min > h.version_max || !get_side(&r, &h.side))
        return false;
    if (!gw_wire_at_end(&r) && h.version_max <= GW_PROTOCOL_MAX)
        return false;
    *ret = h;
    return true;
}
