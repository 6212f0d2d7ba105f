// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "plan/arena.h"

#include "base/checked.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES 8192u
#define ALIGN alignof(max_align_t)

struct chunk {
    struct chunk *next;
    size_t used, bytes;
    alignas(max_align_t) unsigned char data[];
};

struct gw_arena {
    struct chunk *chunks; /* the first one is the one with room */
    size_t left_bytes;    /* of the budget */
};

struct gw_arena *gw_arena_new(size_t budget_bytes)
{
    struct gw_arena *a = calloc(1, sizeof *a);
    if (a != NULL)
        a->left_bytes = budget_bytes;
    return a;
}

void gw_arena_free(struct gw_arena *a)
{
    if (a == NULL)
        return;
    while (a->chunks != NULL) {
        struct chunk *c = a->chunks;
        a->chunks = c->next;
        free(c);
    }
    free(a);
}

void *gw_arena_alloc(struct gw_arena *a, size_t bytes)
{
    size_t room;
    if (ckd_add(&room, bytes, ALIGN - 1))
        return NULL;
    room &= ~(ALIGN - 1);
    if (room > a->left_bytes)
        return NULL;
    struct chunk *c = a->chunks;
    if (c == NULL || c->bytes - c->used < room) {
        size_t data = GW_MAX(room, (size_t)CHUNK_BYTES), whole;
        if (ckd_add(&whole, data, sizeof *c))
            return NULL;
        c = calloc(1, whole);
        if (c == NULL)
            return NULL;
        c->bytes = data;
        c->next = a->chunks;
        a->chunks = c;
    }
    void *p = c->data + c->used;
    c->used += room;
    a->left_bytes -= room;
    return p;
}

void *gw_arena_array(struct gw_arena *a, size_t n, size_t size)
{
    size_t bytes;
    return ckd_mul(&bytes, n, size) ? NULL : gw_arena_alloc(a, bytes);
}

char *gw_arena_text(struct gw_arena *a, const char *text, size_t len)
{
    size_t bytes;
    if (ckd_add(&bytes, len, (size_t)1))
        return NULL;
    char *copy = gw_arena_alloc(a, bytes);
    if (copy != NULL && len > 0)
        memcpy(copy, text, len);
    return copy;
}
