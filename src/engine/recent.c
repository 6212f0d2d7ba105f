// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/recent.h"

#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define FRAME_ROOM (GW_JOURNAL_BATCH_HEADER_BYTES + GW_FRAME_BYTES_MAX)
#define CIRCLE_BYTES (24u * 1024 * 1024)
#define KEPT_MAX 1024u
#define ALIGN 64u

struct kept {
    size_t at, len; /* in the circle; len with the batch header's room */
    uint64_t address;
    struct gw_journal_batch batch;
};

struct gw_recent {
    pthread_mutex_t mu;
    uint8_t *circle, *aside;
    size_t head; /* where the next frame goes */
    bool held;   /* the applier works on the oldest */
    bool is_aside;
    unsigned first, n;
    struct kept kept[KEPT_MAX]; /* a ring, oldest first */
};

int gw_recent_new(struct gw_recent **ret, struct gw_error *err)
{
    struct gw_recent *c = calloc(1, sizeof *c);
    if (c != NULL) {
        c->circle = malloc(CIRCLE_BYTES);
        c->aside = malloc(FRAME_ROOM);
    }
    if (c == NULL || c->circle == NULL || c->aside == NULL) {
        if (c != NULL) {
            free(c->circle);
            free(c->aside);
            free(c);
        }
        return gw_error_set(err, -ENOMEM, "out of memory");
    }
    pthread_mutex_init(&c->mu, NULL);
    *ret = c;
    return 0;
}

void gw_recent_free(struct gw_recent *c)
{
    if (c == NULL)
        return;
    pthread_mutex_destroy(&c->mu);
    free(c->circle);
    free(c->aside);
    free(c);
}

static void forget_oldest(struct gw_recent *c)
{
    c->first = (c->first + 1) % KEPT_MAX;
    c->n--;
}

uint8_t *gw_recent_reserve(struct gw_recent *c)
{
    LOCK_SCOPE(&c->mu);
    if (c->n == 0 || c->head + FRAME_ROOM > CIRCLE_BYTES)
        c->head = 0;
    /* Oldest first round the circle, so what is in the way is the oldest, or nothing is. */
    while (c->n > 0 && c->kept[c->first].at + c->kept[c->first].len > c->head &&
           c->kept[c->first].at < c->head + FRAME_ROOM) {
        if (c->held) {
            c->is_aside = true;
            return c->aside;
        }
        forget_oldest(c);
    }
    c->is_aside = false;
    return c->circle + c->head;
}

void gw_recent_put(struct gw_recent *c, uint64_t address, size_t len,
                   const struct gw_journal_batch *batch)
{
    LOCK_SCOPE(&c->mu);
    if (c->is_aside || (c->n == KEPT_MAX && c->held))
        return;
    if (c->n == KEPT_MAX)
        forget_oldest(c);
    struct kept *k = &c->kept[(c->first + c->n++) % KEPT_MAX];
    *k = (struct kept){ .at = c->head, .len = len, .address = address, .batch = *batch };
    c->head += (len + ALIGN - 1) / ALIGN * ALIGN;
}

const uint8_t *gw_recent_take(struct gw_recent *c, uint64_t address, size_t *ret_len,
                              struct gw_journal_batch *ret, uint64_t *ret_next)
{
    LOCK_SCOPE(&c->mu);
    assert(!c->held);
    while (c->n > 0 && c->kept[c->first].address < address)
        forget_oldest(c);
    const struct kept *k = &c->kept[c->first];
    if (c->n == 0 || k->address != address)
        return NULL;
    c->held = true;
    *ret = k->batch;
    ret->bytes = (uint32_t)k->len;
    *ret_len = k->len - GW_JOURNAL_BATCH_HEADER_BYTES;
    *ret_next = address + k->len;
    return c->circle + k->at + GW_JOURNAL_BATCH_HEADER_BYTES;
}

void gw_recent_done(struct gw_recent *c)
{
    LOCK_SCOPE(&c->mu);
    assert(c->held);
    c->held = false; /* forgotten by the next take, for it may be asked for again */
}
