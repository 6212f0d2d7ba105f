// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Payloads of frames and of the two records that carry statements (FIN, HANDOVER).
 *
 * A decoder accepts exactly what its encoder can have written: the whole length, no unknown flag,
 * zeros where nothing is said, every enum and range checked. It fills *ret only on success.
 */
#include "base/checked.h"
#include "engine/dirtymap.h"
#include "engine/frame.h"
#include "engine/wire.h"

#include <assert.h>

static_assert(GW_START_BYTES == 8 + 16 + 8 + 8 + 8, "START layout");
static_assert(GW_ACK_BYTES == 16 + 4 * 8 + 8 + 2 * 8 + 8, "ACK layout");
static_assert(GW_BLOCKS_PER_EXTENT % 8 == 0, "a DIFF has whole bytes of bits");
static_assert(12 + 2 + GW_VERDICT_SENTENCE_MAX <= GW_VERDICT_BYTES_MAX, "VERDICT fits");

/* Sites are -1, 0, 1; on the wire 0, 1, 2. */
static int get_site(struct gw_reader *r)
{
    uint8_t v = gw_get_u8(r);

    if (v > 2)
        r->failed = true;
    return (int)v - 1;
}

/* VERDICT: u8 row, action, source + 1, target + 1 | u8 flags (1 diverged, 2 compare all), 3 zeros
 *          | u64 fork_seq | u16 length, sentence */
size_t gw_verdict_encode(const struct gw_verdict *v, uint8_t *buf, size_t cap)
{
    struct gw_writer w = gw_writer(buf, cap);

    gw_put_u8(&w, (uint8_t)v->row);
    gw_put_u8(&w, (uint8_t)v->action);
    gw_put_u8(&w, (uint8_t)(v->source + 1));
    gw_put_u8(&w, (uint8_t)(v->target + 1));
    gw_put_u8(&w, (uint8_t)((v->diverged ? 1 : 0) | (v->compare_all ? 2 : 0)));
    gw_put_zeros_to(&w, 8);
    gw_put_u64(&w, v->fork_seq);
    gw_wire_put_sentence(&w, v->sentence, sizeof v->sentence);
    return gw_wire_done(&w);
}

bool gw_verdict_decode(const uint8_t *buf, size_t len, struct gw_verdict *ret)
{
    struct gw_reader r = gw_reader(buf, len);
    struct gw_verdict v = { 0 };

    v.row = gw_get_u8(&r);
    uint8_t action = gw_get_u8(&r);
    v.source = get_site(&r);
    v.target = get_site(&r);
    uint8_t flags = gw_wire_get_flags(&r, 3);
    gw_wire_get_zeros(&r, 3);
    v.fork_seq = gw_get_u64(&r);
    gw_wire_get_sentence(&r, v.sentence, sizeof v.sentence);
    if (!gw_wire_at_end(&r) || action >= GW_VERDICT_ACTION_MAX)
        return false;
    if (v.row >= (int)GW_ARRAY_SIZE(gw_verdict_rows))
        return false;
    if (v.source >= 0 && v.source == v.target)
        return false;
    v.action = (enum gw_verdict_action)action;
    v.diverged = (flags & 1) != 0;
    v.compare_all = (flags & 2) != 0;
    *ret = v;
    return true;
}

/* START: u8 mode, u8 flags (1 session numbers, 2 target zero, 4 sync), 6 zeros | uuid
 *        | u64 first_seq | u64 chain | 8 zeros */
size_t gw_start_encode(const struct gw_start *s, uint8_t *buf, size_t cap)
{
    struct gw_writer w = gw_writer(buf, cap);

    gw_put_u8(&w, (uint8_t)s->mode);
    gw_put_u8(&w, (uint8_t)((s->session_numbers ? 1 : 0) | (s->target_zero ? 2 : 0) |
                            (s->sync ? 4 : 0) | (s->fork ? 8 : 0)));
    gw_put_zeros_to(&w, 8);
    gw_put_bytes(&w, s->uuid.b, sizeof s->uuid.b);
    gw_put_u64(&w, s->first_seq);
    gw_put_u64(&w, s->chain);
    gw_put_zeros_to(&w, GW_START_BYTES);
    return gw_wire_done(&w);
}

bool gw_start_decode(const uint8_t *buf, size_t len, struct gw_start *ret)
{
    struct gw_reader r = gw_reader(buf, len);
    struct gw_start s = { 0 };
    uint8_t mode = gw_get_u8(&r);
    uint8_t flags = gw_wire_get_flags(&r, 15);

    gw_wire_get_zeros(&r, 6);
    gw_get_bytes(&r, s.uuid.b, sizeof s.uuid.b);
    s.first_seq = gw_get_u64(&r);
    s.chain = gw_get_u64(&r);
    gw_wire_get_zeros(&r, 8);
    if (!gw_wire_at_end(&r) || mode < GW_SESSION_STREAM || mode >= GW_SESSION_MODE_MAX)
        return false;
    s.mode = (enum gw_session_mode)mode;
    s.session_numbers = (flags & 1) != 0;
    s.target_zero = (flags & 2) != 0;
    s.sync = (flags & 4) != 0;
    s.fork = (flags & 8) != 0;
    if (s.fork && s.mode != GW_SESSION_ASSESS)
        return false;
    *ret = s;
    return true;
}

/* MAP: u16 volume, u8 kind, 5 zeros | u64 page | bits */
size_t gw_map_encode(const struct gw_map_page *m, uint8_t *buf, size_t cap)
{
    struct gw_writer w = gw_writer(buf, cap);

    gw_put_u16(&w, m->volume);
    gw_put_u8(&w, m->kind);
    gw_put_zeros_to(&w, 8);
    gw_put_u64(&w, m->page);
    gw_put_bytes(&w, m->bits, GW_BITMAP_PAGE_BYTES);
    return gw_wire_done(&w);
}

/* Pages that the map of the largest volume has. */
static bool map_page_ok(uint8_t kind, uint64_t page)
{
    uint64_t unit;

    if (kind == GW_MAP_FINE)
        unit = GW_BLOCK_BYTES;
    else if (kind == GW_MAP_COARSE)
        unit = GW_EXTENT_BYTES;
    else
        return false;
    return page <= (GW_VOLUME_BYTES_MAX / unit - 1) / GW_BITMAP_PAGE_BITS;
}

bool gw_map_decode(const uint8_t *buf, size_t len, struct gw_map_page *ret)
{
    struct gw_reader r = gw_reader(buf, len);
    struct gw_map_page m = { 0 };

    m.volume = gw_get_u16(&r);
    m.kind = gw_get_u8(&r);
    gw_wire_get_zeros(&r, 5);
    m.page = gw_get_u64(&r);
    m.bits = gw_get_view(&r, GW_BITMAP_PAGE_BYTES);
    if (!gw_wire_at_end(&r) || m.volume >= GW_VOLUMES_MAX || !map_page_ok(m.kind, m.page))
        return false;
    *ret = m;
    return true;
}

size_t gw_ready_encode(const struct gw_ready *v, uint8_t *buf, size_t cap)
{
    struct gw_writer w = gw_writer(buf, cap);

    gw_put_u64(&w, v->dirty_blocks);
    gw_put_u64(&w, v->coarse_extents);
    return gw_wire_done(&w);
}

bool gw_ready_decode(const uint8_t *buf, size_t len, struct gw_ready *ret)
{
    struct gw_reader r = gw_reader(buf, len);
    struct gw_ready v = { 0 };

    v.dirty_blocks = gw_get_u64(&r);
    v.coarse_extents = gw_get_u64(&r);
    if (!gw_wire_at_end(&r))
        return false;
    *ret = v;
    return true;
}

/* ACK: uuid (R4: in every one) | u64 received, durable, applied, chain
 *      | u8 flags (1 finished, 2 token matched), 7 zeros | u64 journal used, max | u64 echo */
size_t gw_ack_encode(const struct gw_ack *a, uint8_t *buf, size_t cap)
{
    struct gw_writer w = gw_writer(buf, cap);

    gw_put_bytes(&w, a->uuid.b, sizeof a->uuid.b);
    gw_put_u64(&w, a->received);
    gw_put_u64(&w, a->durable);
    gw_put_u64(&w, a->applied);
    gw_put_u64(&w, a->chain);
    gw_put_u8(&w, (uint8_t)((a->finished ? 1 : 0) | (a->token_matched ? 2 : 0)));
    gw_put_zeros_to(&w, 56);
    gw_put_u64(&w, a->journal_used_bytes);
    gw_put_u64(&w, a->journal_max_bytes);
    gw_put_u64(&w, a->echo_ns);
    return gw_wire_done(&w);
}

bool gw_ack_decode(const uint8_t *buf, size_t len, struct gw_ack *ret)
{
    struct gw_reader r = gw_reader(buf, len);
    struct gw_ack a = { 0 };

    gw_get_bytes(&r, a.uuid.b, sizeof a.uuid.b);
    a.received = gw_get_u64(&r);
    a.durable = gw_get_u64(&r);
    a.applied = gw_get_u64(&r);
    a.chain = gw_get_u64(&r);
    uint8_t flags = gw_wire_get_flags(&r, 3);
    gw_wire_get_zeros(&r, 7);
    a.journal_used_bytes = gw_get_u64(&r);
    a.journal_max_bytes = gw_get_u64(&r);
    a.echo_ns = gw_get_u64(&r);
    if (!gw_wire_at_end(&r))
        return false;
    a.finished = (flags & 1) != 0;
    a.token_matched = (flags & 2) != 0;
    *ret = a;
    return true;
}

/* DIFF: u64 seq | u16 volume, u8 flags (1 verify), zero, u32 length | u64 offset | bits */
size_t gw_diff_encode(const struct gw_diff *d, uint8_t *buf, size_t cap)
{
    struct gw_writer w = gw_writer(buf, cap);

    gw_put_u64(&w, d->seq);
    gw_put_u16(&w, d->volume);
    gw_put_u8(&w, (uint8_t)((d->verify ? 1 : 0) | (d->fork ? 2 : 0)));
    gw_put_u8(&w, 0);
    gw_put_u32(&w, d->length);
    gw_put_u64(&w, d->offset);
    gw_put_bytes(&w, d->differs, sizeof d->differs);
    return gw_wire_done(&w);
}

/* The range is that of one HASH, HASH_FORK or VERIFY record: whole blocks from a block boundary
 * (but for the end of a volume), inside one extent. */
static bool diff_range_ok(const struct gw_diff *d)
{
    uint64_t end;

    if (d->length == 0 || d->length > GW_EXTENT_BYTES || d->offset % GW_BLOCK_BYTES != 0)
        return false;
    if (ckd_add(&end, d->offset, (uint64_t)d->length) || end > GW_VOLUME_BYTES_MAX)
        return false;
    if (d->offset / GW_EXTENT_BYTES != (end - 1) / GW_EXTENT_BYTES)
        return false;
    uint32_t blocks = (d->length + GW_BLOCK_BYTES - 1) / GW_BLOCK_BYTES;
    for (uint32_t i = blocks; i < GW_BLOCKS_PER_EXTENT; i++)
        if ((d->differs[i / 8] >> (i % 8) & 1) != 0)
            return false;
    return true;
}

bool gw_diff_decode(const uint8_t *buf, size_t len, struct gw_diff *ret)
{
    struct gw_reader r = gw_reader(buf, len);
    struct gw_diff d = { 0 };

    d.seq = gw_get_u64(&r);
    d.volume = gw_get_u16(&r);
    uint8_t flags = gw_wire_get_flags(&r, 3);
    gw_wire_get_zeros(&r, 1);
    d.length = gw_get_u32(&r);
    d.offset = gw_get_u64(&r);
    gw_get_bytes(&r, d.differs, sizeof d.differs);
    if (!gw_wire_at_end(&r) || d.volume >= GW_VOLUMES_MAX || !diff_range_ok(&d) || flags == 3)
        return false;
    d.verify = (flags & 1) != 0;
    d.fork = (flags & 2) != 0;
    *ret = d;
    return true;
}

size_t gw_heartbeat_encode(const struct gw_heartbeat *h, uint8_t *buf, size_t cap)
{
    struct gw_writer w = gw_writer(buf, cap);

    gw_put_u64(&w, h->wall_ns);
    gw_put_u64(&w, h->boot_ns);
    gw_put_u64(&w, h->head_seq);
    gw_put_u64(&w, h->pending_bytes);
    gw_put_u64(&w, h->resync_left_bytes);
    return gw_wire_done(&w);
}

bool gw_heartbeat_decode(const uint8_t *buf, size_t len, struct gw_heartbeat *ret)
{
    struct gw_reader r = gw_reader(buf, len);
    struct gw_heartbeat h = { 0 };

    h.wall_ns = gw_get_u64(&r);
    h.boot_ns = gw_get_u64(&r);
    h.head_seq = gw_get_u64(&r);
    h.pending_bytes = gw_get_u64(&r);
    h.resync_left_bytes = gw_get_u64(&r);
    if (!gw_wire_at_end(&r))
        return false;
    *ret = h;
    return true;
}

const char *gw_goodbye_name(enum gw_goodbye_reason reason)
{
    switch (reason) {
    case GW_GOODBYE_STOPPING:
        return "stopping";
    case GW_GOODBYE_RETRY:
        return "retry";
    case GW_GOODBYE_FELL_BEHIND:
        return "fell-behind";
    case GW_GOODBYE_REFUSED:
        return "refused";
    case GW_GOODBYE_NO_SPACE:
        return "no-space";
    case GW_GOODBYE_BAD_DATA:
        return "bad-data";
    case GW_GOODBYE_SUPERSEDED:
        return "superseded";
    case GW_GOODBYE_FAILED:
        return "failed";
    case GW_GOODBYE_REASON_MAX:
        break;
    }
    return "unknown";
}

/* RESULT: u64 seq | u32 code | u16 length, sentence */
size_t gw_result_encode(const struct gw_result *v, uint8_t *buf, size_t cap)
{
    struct gw_writer w = gw_writer(buf, cap);

    gw_put_u64(&w, v->seq);
    gw_put_u32(&w, v->code);
    gw_wire_put_sentence(&w, v->sentence, sizeof v->sentence);
    return gw_wire_done(&w);
}

bool gw_result_decode(const uint8_t *buf, size_t len, struct gw_result *ret)
{
    struct gw_reader r = gw_reader(buf, len);
    struct gw_result v = { 0 };

    v.seq = gw_get_u64(&r);
    v.code = gw_get_u32(&r);
    gw_wire_get_sentence(&r, v.sentence, sizeof v.sentence);
    if (!gw_wire_at_end(&r) || v.code > 4095)
        return false;
    *ret = v;
    return true;
}

/* GOODBYE: u16 reason | u16 length, sentence */
size_t gw_goodbye_encode(const struct gw_goodbye *g, uint8_t *buf, size_t cap)
{
    struct gw_writer w = gw_writer(buf, cap);

    gw_put_u16(&w, (uint16_t)g->reason);
    gw_wire_put_sentence(&w, g->sentence, sizeof g->sentence);
    return gw_wire_done(&w);
}

bool gw_goodbye_decode(const uint8_t *buf, size_t len, struct gw_goodbye *ret)
{
    struct gw_reader r = gw_reader(buf, len);
    struct gw_goodbye g = { 0 };
    uint16_t reason = gw_get_u16(&r);

    gw_wire_get_sentence(&r, g.sentence, sizeof g.sentence);
    if (!gw_wire_at_end(&r) || reason < GW_GOODBYE_STOPPING || reason >= GW_GOODBYE_REASON_MAX)
        return false;
    g.reason = (enum gw_goodbye_reason)reason;
    *ret = g;
    return true;
}

size_t gw_fin_encode(const struct gw_fin *f, uint8_t *buf, size_t cap)
{
    struct gw_writer w = gw_writer(buf, cap);

    gw_put_u64(&w, f->seq);
    gw_put_u64(&w, f->chain);
    gw_lineage_encode(&w, &f->lineage);
    return gw_wire_done(&w);
}

bool gw_fin_decode(const uint8_t *buf, size_t len, struct gw_fin *ret)
{
    struct gw_reader r = gw_reader(buf, len);
    struct gw_fin f = { 0 };

    f.seq = gw_get_u64(&r);
    f.chain = gw_get_u64(&r);
    /* R8: this is the identity that the target takes over; there is no FIN from a blank side. */
    if (!gw_lineage_decode(&r, &f.lineage) || !gw_wire_at_end(&r) || f.lineage.n == 0)
        return false;
    *ret = f;
    return true;
}

size_t gw_token_encode(const struct gw_token *t, uint8_t *buf, size_t cap)
{
    struct gw_writer w = gw_writer(buf, cap);

    gw_put_bytes(&w, t->uuid.b, sizeof t->uuid.b);
    gw_put_u64(&w, t->epoch);
    gw_put_u64(&w, t->seq);
    gw_put_u64(&w, t->chain);
    return gw_wire_done(&w);
}

bool gw_token_decode(const uint8_t *buf, size_t len, struct gw_token *ret)
{
    struct gw_reader r = gw_reader(buf, len);
    struct gw_token t = { 0 };

    gw_get_bytes(&r, t.uuid.b, sizeof t.uuid.b);
    t.epoch = gw_get_u64(&r);
    t.seq = gw_get_u64(&r);
    t.chain = gw_get_u64(&r);
    if (!gw_wire_at_end(&r))
        return false;
    *ret = t;
    return true;
}
