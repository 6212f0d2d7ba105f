// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The layout of one slot of DIR/meta; the file itself is metafile.c. */
#include "engine/meta.h"

#include "base/bytes.h"
#include "base/cleanup.h"
#include "base/hash.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static const uint8_t magic[8] = { 'G', 'W', 'M', 'E', 'T', 'A', 0, 1 };

#define HEAD_BYTES 24u /* magic, format, length, generation */
#define SUM_AT (GW_META_SLOT_BYTES - 8u)
#define VOLUME_BYTES (16u + 8u + GW_VOLUME_NAME_MAX)

/* The largest state fits: head, names, 7 flags and small fields, lineage, volumes, the rest. */
static_assert(HEAD_BYTES + GW_PLAN_NAME_MAX + 2 * GW_SITE_NAME_MAX + 16 + 8 + GW_LINEAGE_BYTES_MAX +
                      4 + GW_VOLUMES_MAX * VOLUME_BYTES + 6 * 8 + 1 + 16 + 16 + 16 + 1 + GW_ID_MAX +
                      16 + 1 + 40 + 1 + 16 + GW_PERSON_MAX + 16 + 8 + GW_PERSON_MAX + 8 +
                      GW_RESHAPE_BYTES <=
                  SUM_AT,
              "a meta slot holds the largest state");

static void put_uuid(struct gw_writer *w, const struct gw_uuid *u)
{
    gw_put_bytes(w, u->b, sizeof u->b);
}

static void get_uuid(struct gw_reader *r, struct gw_uuid *ret)
{
    gw_get_bytes(r, ret->b, sizeof ret->b);
}

static bool get_bool(struct gw_reader *r)
{
    uint8_t v = gw_get_u8(r);
    if (v > 1)
        r->failed = true;
    return v == 1;
}

/* A number below `max`. */
static uint8_t get_below(struct gw_reader *r, uint8_t max)
{
    uint8_t v = gw_get_u8(r);
    if (v >= max)
        r->failed = true;
    return r->failed ? 0 : v;
}

/* gw_put_text looks for the NUL; a field without one is refused before. */
static void put_text(struct gw_writer *w, const char *text, size_t n)
{
    if (strnlen(text, n) == n)
        w->failed = true;
    else
        gw_put_text(w, text, n);
}

static void put_identity(struct gw_writer *w, const struct gw_meta *m)
{
    put_text(w, m->plan_name, sizeof m->plan_name);
    for (int i = 0; i < 2; i++)
        put_text(w, m->site_name[i], sizeof m->site_name[i]);
    put_uuid(w, &m->plan);
    gw_put_u8(w, m->site);
    gw_put_u8(w, (uint8_t)m->role);
    gw_put_u8(w, m->clean);
    gw_put_u8(w, m->consistent);
    gw_put_u8(w, m->blank);
    gw_put_u8(w, m->seed_me);
    gw_put_u8(w, m->seed_compare);
    gw_put_u8(w, m->unverified);
    gw_lineage_encode(w, &m->lineage);
    gw_put_u32(w, m->n_volumes);
    for (uint32_t i = 0; i < m->n_volumes; i++) {
        put_uuid(w, &m->volume[i].uuid);
        gw_put_u64(w, m->volume[i].bytes);
        put_text(w, m->volume[i].name, sizeof m->volume[i].name);
    }
}

static void get_identity(struct gw_reader *r, struct gw_meta *m)
{
    gw_get_text(r, m->plan_name, sizeof m->plan_name);
    for (int i = 0; i < 2; i++)
        gw_get_text(r, m->site_name[i], sizeof m->site_name[i]);
    get_uuid(r, &m->plan);
    m->site = get_below(r, 2);
    m->role = (enum gw_role)get_below(r, GW_ROLE_MAX);
    m->clean = get_bool(r);
    m->consistent = get_bool(r);
    m->blank = get_bool(r);
    m->seed_me = get_bool(r);
    m->seed_compare = get_bool(r);
    m->unverified = get_bool(r);
    gw_lineage_decode(r, &m->lineage);
    m->n_volumes = gw_get_u32(r);
    if (m->n_volumes > GW_VOLUMES_MAX) {
        r->failed = true;
        m->n_volumes = 0;
    }
    for (uint32_t i = 0; i < m->n_volumes; i++) {
        get_uuid(r, &m->volume[i].uuid);
        m->volume[i].bytes = gw_get_u64(r);
        if (m->volume[i].bytes > GW_VOLUME_BYTES_MAX)
            r->failed = true;
        gw_get_text(r, m->volume[i].name, sizeof m->volume[i].name);
    }
}

static uint32_t format_of(const struct gw_meta *m)
{
    return m->reshapes > 0 ? 2 : 1;
}

static void put_state(struct gw_writer *w, const struct gw_meta *m)
{
    gw_put_u64(w, m->seq);
    gw_put_u64(w, m->chain);
    gw_put_u64(w, m->journal_pos);
    gw_put_u64(w, m->seq_reserved);
    gw_put_u64(w, m->highest_epoch);
    gw_put_u64(w, m->reigns);
    put_uuid(w, &m->reached_uuid);
    gw_put_u64(w, m->reached_seq);
    gw_put_u8(w, m->may_serve);
    gw_put_u8(w, (uint8_t)m->recorded);
    put_uuid(w, &m->sync_boot);
    gw_put_u64(w, m->recorded_seq);
    gw_put_u64(w, m->recorded_wall_ns);
    put_uuid(w, &m->active_boot);
    gw_put_u8(w, (uint8_t)m->pending);
    put_text(w, m->pending_id, sizeof m->pending_id);
    put_uuid(w, &m->resync_source);
    gw_put_u8(w, m->token_valid);
    put_uuid(w, &m->token.uuid);
    gw_put_u64(w, m->token.epoch);
    gw_put_u64(w, m->token.seq);
    gw_put_u64(w, m->token.chain);
    gw_put_u8(w, m->released);
    put_uuid(w, &m->survivor);
    put_text(w, m->survivor_by, sizeof m->survivor_by);
    put_uuid(w, &m->signed_tail);
    gw_put_u64(w, m->signed_wall_ns);
    put_text(w, m->signed_by, sizeof m->signed_by);
    if (format_of(m) == 1)
        return;
    gw_put_u64(w, m->reshapes);
    gw_reshape_put(w, &m->pending_shape);
}

static void get_state(struct gw_reader *r, uint32_t format, struct gw_meta *m)
{
    m->seq = gw_get_u64(r);
    m->chain = gw_get_u64(r);
    m->journal_pos = gw_get_u64(r);
    m->seq_reserved = gw_get_u64(r);
    m->highest_epoch = gw_get_u64(r);
    m->reigns = gw_get_u64(r);
    get_uuid(r, &m->reached_uuid);
    m->reached_seq = gw_get_u64(r);
    m->may_serve = get_bool(r);
    m->recorded = (enum gw_recorded)get_below(r, GW_RECORDED_MAX);
    get_uuid(r, &m->sync_boot);
    m->recorded_seq = gw_get_u64(r);
    m->recorded_wall_ns = gw_get_u64(r);
    get_uuid(r, &m->active_boot);
    m->pending = (enum gw_pending)get_below(r, GW_PENDING_MAX);
    gw_get_text(r, m->pending_id, sizeof m->pending_id);
    get_uuid(r, &m->resync_source);
    m->token_valid = get_bool(r);
    get_uuid(r, &m->token.uuid);
    m->token.epoch = gw_get_u64(r);
    m->token.seq = gw_get_u64(r);
    m->token.chain = gw_get_u64(r);
    m->released = get_bool(r);
    get_uuid(r, &m->survivor);
    gw_get_text(r, m->survivor_by, sizeof m->survivor_by);
    get_uuid(r, &m->signed_tail);
    m->signed_wall_ns = gw_get_u64(r);
    gw_get_text(r, m->signed_by, sizeof m->signed_by);
    if (format == 1)
        return;
    m->reshapes = gw_get_u64(r);
    gw_reshape_get(r, &m->pending_shape);
    if (m->reshapes == 0)
        r->failed = true;
}

int gw_meta_encode(const struct gw_meta *m, uint8_t *slot, struct gw_error *err)
{
    if (m->site > 1 || m->role >= GW_ROLE_MAX || m->recorded >= GW_RECORDED_MAX ||
        m->pending >= GW_PENDING_MAX || m->lineage.n > GW_LINEAGE_MAX ||
        m->n_volumes > GW_VOLUMES_MAX ||
        (m->reshapes == 0 && m->pending_shape.kind != GW_RESHAPE_NONE))
        return gw_error_set(err, -EINVAL, "the plan's state has a field out of its range");

    struct gw_writer w = gw_writer(slot, SUM_AT);
    gw_put_bytes(&w, magic, sizeof magic);
    gw_put_u32(&w, format_of(m));
    size_t length_at = w.pos;
    gw_put_u32(&w, 0);
    gw_put_u64(&w, m->generation);
    put_identity(&w, m);
    put_state(&w, m);
    if (w.failed)
        return gw_error_set(err, -EINVAL, "the plan's state has a text that is too long");

    struct gw_writer length = gw_writer(slot + length_at, 4);
    gw_put_u32(&length, (uint32_t)w.pos);
    gw_put_zeros_to(&w, SUM_AT);
    struct gw_writer sum = gw_writer(slot + SUM_AT, 8);
    gw_put_u64(&sum, gw_hash64(slot, SUM_AT, 0));
    return 0;
}

int gw_meta_decode(const uint8_t *slot, struct gw_meta *ret, struct gw_error *err)
{
    struct gw_reader sum = gw_reader(slot + SUM_AT, 8);
    if (memcmp(slot, magic, sizeof magic) != 0)
        return gw_error_set(err, -EBADMSG, "this is not the state of a plan (magic at offset 0)");
    /* Before the format: a flipped bit must not look like a newer version. */
    if (gw_get_u64(&sum) != gw_hash64(slot, SUM_AT, 0))
        return gw_error_set(err, -EBADMSG, "checksum mismatch");

    struct gw_reader r = gw_reader(slot, SUM_AT);
    gw_get_view(&r, sizeof magic);
    uint32_t format = gw_get_u32(&r);
    if (format > GW_META_FORMAT_MAX)
        return gw_error_set(err, -EPROTONOSUPPORT,
                            "format %u was written by a newer godwit, this one knows up to %u: "
                            "start the newer one",
                            format, GW_META_FORMAT_MAX);
    CLEANUP_FREE struct gw_meta *m = calloc(1, sizeof *m);
    if (m == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot decode the plan's state");
    uint32_t length = gw_get_u32(&r);
    m->generation = gw_get_u64(&r);
    get_identity(&r, m);
    get_state(&r, format, m);
    if (format == 0 || r.failed || length != r.pos || m->generation == 0)
        return gw_error_set(err, -EBADMSG, "a field is out of its range near offset %zu", r.pos);
    *ret = *m;
    return 0;
}
