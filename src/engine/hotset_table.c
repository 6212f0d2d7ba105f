// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The extents of a hot set in memory: a small hash table and a queue of keys. */
#include "engine/hotset_internal.h"

#include "base/checked.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_MIN 1024u

/* An entry that is lost is an extent that is not marked: without memory there is nothing to do. */
static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

static void table_make(struct gw_hot_table *t, uint64_t room)
{
    *t = (struct gw_hot_table){ .e = must(calloc(room, sizeof *t->e)), .room = room };
    for (uint64_t i = 0; i < room; i++)
        t->e[i].key = GW_HOT_NO_KEY;
}

void gw_hot_table_init(struct gw_hot_table *t)
{
    table_make(t, ROOM_MIN);
}

void gw_hot_table_done(struct gw_hot_table *t)
{
    free(t->e);
    *t = (struct gw_hot_table){ 0 };
}

void gw_hot_table_clear(struct gw_hot_table *t)
{
    gw_hot_table_done(t);
    gw_hot_table_init(t);
}

/* The place of the key, or the free one where it would be. */
static struct gw_hot_entry *place(const struct gw_hot_table *t, uint64_t key)
{
    uint64_t i = (key * 0x9e3779b97f4a7c15ull) >> 32;
    for (;; i++) {
        struct gw_hot_entry *e = &t->e[i & (t->room - 1)];
        if (e->key == key || e->key == GW_HOT_NO_KEY)
            return e;
    }
}

struct gw_hot_entry *gw_hot_table_find(const struct gw_hot_table *t, uint64_t key)
{
    struct gw_hot_entry *e = place(t, key);
    return e->key == key ? e : NULL;
}

static bool worth_keeping(const struct gw_hot_entry *e)
{
    return e->current || e->previous || e->want != GW_HOT_IDLE;
}

static void rebuild(struct gw_hot_table *t, uint64_t room)
{
    struct gw_hot_table old = *t;
    table_make(t, room);
    for (uint64_t i = 0; i < old.room; i++) {
        if (old.e[i].key == GW_HOT_NO_KEY || !worth_keeping(&old.e[i]))
            continue;
        *place(t, old.e[i].key) = old.e[i];
        t->n++;
    }
    free(old.e);
}

struct gw_hot_entry *gw_hot_table_add(struct gw_hot_table *t, uint64_t key)
{
    assert(key != GW_HOT_NO_KEY);
    if (t->n * 2 >= t->room)
        rebuild(t, t->room * 2);
    struct gw_hot_entry *e = place(t, key);
    assert(e->key == GW_HOT_NO_KEY);
    *e = (struct gw_hot_entry){ .key = key };
    t->n++;
    return e;
}

void gw_hot_table_sweep(struct gw_hot_table *t)
{
    rebuild(t, t->room);
}

void gw_hot_keys_push(struct gw_hot_keys *k, uint64_t key)
{
    if (k->n == k->room) {
        k->room = GW_MAX(k->room * 2, (uint64_t)64);
        k->key = must(realloc(k->key, k->room * sizeof *k->key));
    }
    k->key[k->n++] = key;
}

void gw_hot_keys_drop(struct gw_hot_keys *k, uint64_t n)
{
    assert(n <= k->n);
    k->n -= n;
    if (k->n > 0)
        memmove(k->key, k->key + n, k->n * sizeof *k->key);
}
