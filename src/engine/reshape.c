// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/reshape.h"

#include "base/hash.h"
#include "engine/limits.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

typedef unsigned long long ull;

const char *gw_reshape_name(enum gw_reshape_kind k)
{
    static const char *const names[] = { "none", "grow", "add", "remove" };
    return names[k];
}

struct gw_uuid gw_volume_uuid(const struct gw_uuid *plan, const char *name)
{
    char text[GW_UUID_TEXT + 1 + 256];
    gw_uuid_format(plan, text);
    size_t at = strlen(text);
    int n = snprintf(text + at, sizeof text - at, "/%.255s", name);
    struct gw_hash128 h = gw_hash128(text, at + (size_t)n, 0);
    struct gw_uuid u;
    memcpy(u.b, &h, sizeof u.b);
    u.b[6] = (uint8_t)((u.b[6] & 0x0f) | 0x80); /* RFC 9562 version 8: made from a name */
    u.b[8] = (uint8_t)((u.b[8] & 0x3f) | 0x80);
    return u;
}

bool gw_volume_name_ok(const char *name)
{
    size_t n = strnlen(name, GW_VOLUME_NAME_MAX);
    if (n == 0 || n == GW_VOLUME_NAME_MAX || name[0] == '.' || strcmp(name, "hot") == 0)
        return false;
    return strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == n;
}

void gw_reshape_put(struct gw_writer *w, const struct gw_reshape *c)
{
    static const uint8_t zeros[7];
    gw_put_u8(w, (uint8_t)c->kind);
    gw_put_bytes(w, zeros, sizeof zeros);
    gw_put_bytes(w, c->volume.uuid.b, sizeof c->volume.uuid.b);
    gw_put_u64(w, c->volume.bytes);
    gw_put_text(w, c->volume.name, sizeof c->volume.name);
}

void gw_reshape_get(struct gw_reader *r, struct gw_reshape *ret)
{
    struct gw_reshape c = { .kind = GW_RESHAPE_NONE };
    uint8_t zeros[7] = { 0 }, kind = gw_get_u8(r);
    gw_get_bytes(r, zeros, sizeof zeros);
    for (size_t i = 0; i < sizeof zeros; i++)
        r->failed |= zeros[i] != 0;
    gw_get_bytes(r, c.volume.uuid.b, sizeof c.volume.uuid.b);
    c.volume.bytes = gw_get_u64(r);
    gw_get_text(r, c.volume.name, sizeof c.volume.name);
    if (r->failed || kind >= GW_RESHAPE_MAX || c.volume.bytes > GW_VOLUME_BYTES_MAX ||
        (kind == GW_RESHAPE_NONE ? c.volume.name[0] != '\0'
                                 : !gw_volume_name_ok(c.volume.name) || c.volume.bytes == 0 ||
                                       gw_uuid_is_none(&c.volume.uuid)))
        r->failed = true;
    c.kind = r->failed ? GW_RESHAPE_NONE : (enum gw_reshape_kind)kind;
    *ret = c;
}

void gw_slot_empty(struct gw_side_volume *ret, unsigned slot)
{
    *ret = (struct gw_side_volume){ .bytes = 0 };
    /* A name that no volume can have, each once: tables are checked for that. */
    snprintf(ret->name, sizeof ret->name, "~%u", slot);
}

int gw_slot_by_name(const struct gw_side_volume *v, uint32_t n, const char *name)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!gw_slot_is_empty(&v[i]) && strcmp(v[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

int gw_slot_by_uuid(const struct gw_side_volume *v, uint32_t n, const struct gw_uuid *uuid)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!gw_slot_is_empty(&v[i]) && gw_uuid_equal(&v[i].uuid, uuid))
            return (int)i;
    }
    return -1;
}

static int check_grow(const struct gw_side_volume *v, int at, const struct gw_reshape *c,
                      struct gw_error *err)
{
    const char *name = c->volume.name;
    if (at < 0)
        return gw_error_set(err, -ENOENT, "the plan has no volume '%s'", name);
    if (c->volume.bytes < v[at].bytes)
        return gw_error_set(err, -EINVAL,
                            "volume '%s' cannot shrink from %llu to %llu bytes: what is behind the "
                            "new end would be lost; add a smaller volume and copy",
                            name, (ull)v[at].bytes, (ull)c->volume.bytes);
    if (c->volume.bytes == v[at].bytes)
        return gw_error_set(err, -EALREADY, "volume '%s' has %llu bytes already", name,
                            (ull)c->volume.bytes);
    return at;
}

static int check_add(const struct gw_side_volume *v, uint32_t n, int at, const struct gw_reshape *c,
                     struct gw_error *err)
{
    const char *name = c->volume.name;
    if (at >= 0 && v[at].bytes == c->volume.bytes && strcmp(v[at].name, name) == 0)
        return gw_error_set(err, -EALREADY, "the plan has volume '%s' already", name);
    if (at >= 0 || gw_slot_by_name(v, n, name) >= 0)
        return gw_error_set(err, -EEXIST, "the plan has another volume '%s'", name);
    if (n >= GW_VOLUMES_MAX)
        return gw_error_set(err, -ENOSPC,
                            "a plan has at most %u volumes in its life, with those that were "
                            "removed: make a new plan",
                            GW_VOLUMES_MAX);
    return (int)n;
}

static int check_remove(const struct gw_side_volume *v, uint32_t n, int at,
                        const struct gw_reshape *c, struct gw_error *err)
{
    uint32_t live = 0;
    for (uint32_t i = 0; i < n; i++)
        live += !gw_slot_is_empty(&v[i]);
    if (at < 0)
        return gw_error_set(err, -EALREADY, "the plan has no volume '%s'", c->volume.name);
    if (live == 1)
        return gw_error_set(err, -EINVAL, "'%s' is the plan's only volume: delete the plan instead",
                            c->volume.name);
    return at;
}

int gw_reshape_check(const struct gw_side_volume *v, uint32_t n, const struct gw_reshape *c,
                     struct gw_error *err)
{
    int at = gw_slot_by_uuid(v, n, &c->volume.uuid);
    if (!gw_volume_name_ok(c->volume.name))
        return gw_error_set(err, -EINVAL, "'%s' is not a volume name", c->volume.name);
    if (c->volume.bytes > GW_VOLUME_BYTES_MAX ||
        (c->volume.bytes == 0 && c->kind != GW_RESHAPE_REMOVE))
        return gw_error_set(err, -EINVAL, "volume '%s': %llu bytes are impossible", c->volume.name,
                            (ull)c->volume.bytes);
    switch (c->kind) {
    case GW_RESHAPE_GROW:
        return check_grow(v, at, c, err);
    case GW_RESHAPE_ADD:
        return check_add(v, n, at, c, err);
    case GW_RESHAPE_REMOVE:
        return check_remove(v, n, at, c, err);
    case GW_RESHAPE_NONE:
    case GW_RESHAPE_MAX:
        break;
    }
    return gw_error_set(err, -EINVAL, "no change of volumes was named");
}

void gw_reshape_apply(struct gw_side_volume *v, uint32_t *n, const struct gw_reshape *c)
{
    int at = gw_reshape_check(v, *n, c, NULL);
    assert(at >= 0);
    if (c->kind == GW_RESHAPE_GROW) {
        v[at].bytes = c->volume.bytes;
    } else if (c->kind == GW_RESHAPE_ADD) {
        v[at] = c->volume;
        ++*n;
    } else {
        gw_slot_empty(&v[at], (unsigned)at);
    }
}

bool gw_shape_equal(const struct gw_side_volume *a, uint32_t n_a, const struct gw_side_volume *b,
                    uint32_t n_b)
{
    bool same = n_a == n_b;
    for (uint32_t i = 0; same && i < n_a; i++)
        same = gw_uuid_equal(&a[i].uuid, &b[i].uuid) && a[i].bytes == b[i].bytes;
    return same;
}
