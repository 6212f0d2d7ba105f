// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/lineage.h"

#include <assert.h>
#include <string.h>

const struct gw_incarnation *gw_lineage_current(const struct gw_lineage *l)
{
    return l->n > 0 ? &l->e[l->n - 1] : NULL;
}

struct gw_uuid gw_lineage_uuid(const struct gw_lineage *l)
{
    return l->n > 0 ? l->e[l->n - 1].uuid : (struct gw_uuid){ { 0 } };
}

uint64_t gw_lineage_epoch(const struct gw_lineage *l)
{
    return l->n > 0 ? l->e[l->n - 1].epoch : 0;
}

int gw_lineage_find(const struct gw_lineage *l, const struct gw_uuid *uuid)
{
    /* None names nothing: it must never look like a common ancestor. */
    if (gw_uuid_is_none(uuid))
        return -1;
    for (uint32_t i = l->n; i-- > 0;)
        if (gw_uuid_equal(&l->e[i].uuid, uuid))
            return (int)i;
    return -1;
}

void gw_lineage_append(struct gw_lineage *l, const struct gw_incarnation *e)
{
    assert(l->n <= GW_LINEAGE_MAX);
    struct gw_incarnation copy = *e; /* may point into *l */
    if (l->n == GW_LINEAGE_MAX) {
        memmove(&l->e[1], &l->e[2], (GW_LINEAGE_MAX - 2) * sizeof l->e[0]);
        l->n--;
    }
    l->e[l->n++] = copy;
}

uint64_t gw_epoch_next(uint8_t site, uint64_t highest_seen)
{
    assert(site <= 1);
    uint64_t parity = site == 0 ? 1 : 0;
    uint64_t step = (highest_seen & 1) == parity ? 2 : 1;
    return highest_seen > UINT64_MAX - step ? 0 : highest_seen + step;
}

int gw_lineage_common(const struct gw_lineage *a, const struct gw_lineage *b, int *ret_b)
{
    for (uint32_t i = a->n; i-- > 0;) {
        int j = gw_lineage_find(b, &a->e[i].uuid);
        if (j >= 0) {
            if (ret_b != NULL)
                *ret_b = j;
            return (int)i;
        }
    }
    return -1;
}

bool gw_lineage_gap_after(const struct gw_lineage *l, int after)
{
    uint32_t first = after < 0 ? 1 : (uint32_t)after + 1;
    for (uint32_t i = first; i < l->n; i++)
        if (!gw_uuid_equal(&l->e[i].parent, &l->e[i - 1].uuid))
            return true;
    return false;
}

bool gw_lineage_promoted_after(const struct gw_lineage *l, int after)
{
    for (uint32_t i = after < 0 ? 0 : (uint32_t)after + 1; i < l->n; i++)
        if (l->e[i].birth == GW_BIRTH_PROMOTION)
            return true;
    return false;
}

uint64_t gw_lineage_newest_promotion(const struct gw_lineage *l)
{
    for (uint32_t i = l->n; i-- > 0;)
        if (l->e[i].birth != GW_BIRTH_RESTART)
            return l->e[i].epoch;
    return 0;
}

void gw_lineage_encode(struct gw_writer *w, const struct gw_lineage *l)
{
    assert(l->n <= GW_LINEAGE_MAX);
    gw_put_u32(w, l->n);
    gw_put_u32(w, 0);
    for (uint32_t i = 0; i < l->n; i++) {
        const struct gw_incarnation *e = &l->e[i];
        size_t end = w->pos + GW_INCARNATION_BYTES;
        gw_put_u64(w, e->epoch);
        gw_put_bytes(w, e->uuid.b, sizeof e->uuid.b);
        gw_put_bytes(w, e->parent.b, sizeof e->parent.b);
        gw_put_u64(w, e->fork_seq);
        gw_put_u64(w, e->had_seq);
        gw_put_u64(w, e->wall_ns);
        gw_put_u8(w, e->site);
        gw_put_u8(w, (uint8_t)e->birth);
        gw_put_zeros_to(w, end);
    }
}

/* Does entry i follow from the ones before it? */
static bool entry_follows(const struct gw_lineage *l, uint32_t i)
{
    const struct gw_incarnation *e = &l->e[i];
    if (gw_uuid_is_none(&e->uuid) || e->site > 1 || e->epoch == 0)
        return false;
    if (i == 0)
        return e->birth == GW_BIRTH_CREATION && gw_uuid_is_none(&e->parent);
    for (uint32_t k = 0; k < i; k++)
        if (gw_uuid_equal(&l->e[k].uuid, &e->uuid))
            return false;

    const struct gw_incarnation *before = &l->e[i - 1];
    bool follows = gw_uuid_equal(&e->parent, &before->uuid);
    bool trimmed = i == 1 && l->n == GW_LINEAGE_MAX && !gw_uuid_is_none(&e->parent);
    if (!follows && !trimmed)
        return false;
    switch (e->birth) {
    case GW_BIRTH_CREATION:
        return false;
    case GW_BIRTH_PROMOTION:
        return e->epoch > before->epoch;
    case GW_BIRTH_RESTART:
        return follows ? e->epoch == before->epoch : e->epoch >= before->epoch;
    }
    return false; /* a number that is no birth */
}

static void entry_decode(struct gw_reader *r, struct gw_incarnation *e)
{
    uint8_t pad[GW_INCARNATION_BYTES - 66];
    static const uint8_t zeros[sizeof pad];

    e->epoch = gw_get_u64(r);
    gw_get_bytes(r, e->uuid.b, sizeof e->uuid.b);
    gw_get_bytes(r, e->parent.b, sizeof e->parent.b);
    e->fork_seq = gw_get_u64(r);
    e->had_seq = gw_get_u64(r);
    e->wall_ns = gw_get_u64(r);
    e->site = gw_get_u8(r);
    uint8_t birth = gw_get_u8(r);
    gw_get_bytes(r, pad, sizeof pad);
    if (birth < GW_BIRTH_CREATION || birth > GW_BIRTH_RESTART ||
        memcmp(pad, zeros, sizeof pad) != 0)
        r->failed = true;
    else
        e->birth = (enum gw_birth)birth;
}

bool gw_lineage_decode(struct gw_reader *r, struct gw_lineage *ret)
{
    uint32_t n = gw_get_u32(r);
    uint32_t reserved = gw_get_u32(r);

    *ret = (struct gw_lineage){ 0 };
    if (n > GW_LINEAGE_MAX || reserved != 0)
        r->failed = true;
    if (!r->failed)
        ret->n = n;
    for (uint32_t i = 0; i < ret->n && !r->failed; i++) {
        entry_decode(r, &ret->e[i]);
        if (!r->failed && !entry_follows(ret, i))
            r->failed = true;
    }
    if (r->failed)
        *ret = (struct gw_lineage){ 0 };
    return !r->failed;
}
