// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/ring.h"

#include "base/checked.h"
#include "base/hash.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/*
 * Bytes are counted without end (head, tail); position = count % size. Claims are counted at their
 * worst: record + the largest skip it could cause, so that a reserve never fails.
 */
struct gw_ring {
    uint8_t *buf;
    uint64_t size;
    uint64_t head, tail; /* bytes ever reserved, ever freed (skips included) */
    uint64_t claimed;
    struct gw_slot *slot;
    uint64_t n_slots; /* a power of two */
    uint64_t s_head, s_sent, s_tail;
    uint64_t s_claimed;
};

static uint64_t claim_bytes(uint32_t payload_bytes)
{
    /* A skip is shorter than the record that causes it. */
    return 2 * gw_record_bytes(payload_bytes);
}

struct gw_ring *gw_ring_new(uint64_t bytes)
{
    struct gw_ring *r = calloc(1, sizeof *r);
    if (r == NULL)
        return NULL;
    r->size = bytes;
    r->n_slots = 1024;
    while (r->n_slots < bytes / 2048)
        r->n_slots *= 2;
    r->buf = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                  -1, 0);
    void *slots = mmap(NULL, r->n_slots * sizeof *r->slot, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (r->buf == MAP_FAILED || slots == MAP_FAILED) {
        if (r->buf != MAP_FAILED)
            munmap(r->buf, bytes);
        if (slots != MAP_FAILED)
            munmap(slots, r->n_slots * sizeof *r->slot);
        free(r);
        return NULL;
    }
    r->slot = slots;
    return r;
}

void gw_ring_free(struct gw_ring *r)
{
    if (r == NULL)
        return;
    munmap(r->buf, r->size);
    munmap(r->slot, r->n_slots * sizeof *r->slot);
    free(r);
}

void gw_ring_reset(struct gw_ring *r)
{
    assert(r->claimed == 0 && r->s_claimed == 0);
    r->head = r->tail = 0;
    r->s_head = r->s_sent = r->s_tail = 0;
    madvise(r->buf, r->size, MADV_DONTNEED);
}

static struct gw_slot *slot_at(const struct gw_ring *r, uint64_t n)
{
    return &r->slot[n & (r->n_slots - 1)];
}

bool gw_ring_claim(struct gw_ring *r, uint32_t payload_bytes)
{
    uint64_t need = claim_bytes(payload_bytes);
    if (r->head - r->tail + r->claimed + need > r->size)
        return false;
    if (r->s_head - r->s_tail + r->s_claimed + 1 > r->n_slots)
        return false;
    r->claimed += need;
    r->s_claimed++;
    return true;
}

void gw_ring_unclaim(struct gw_ring *r, uint32_t payload_bytes)
{
    assert(r->s_claimed > 0);
    r->claimed -= claim_bytes(payload_bytes);
    r->s_claimed--;
}

struct gw_slot *gw_ring_reserve(struct gw_ring *r, const struct gw_record *rec)
{
    gw_ring_unclaim(r, rec->payload_bytes);
    uint32_t bytes = (uint32_t)gw_record_bytes(rec->payload_bytes);
    uint64_t pos = r->head % r->size;
    uint32_t skip = 0;
    if (pos + bytes > r->size) {
        skip = (uint32_t)(r->size - pos);
        pos = 0;
    }
    struct gw_slot *s = slot_at(r, r->s_head++);
    s->rec = *rec;
    s->pos = pos;
    s->bytes = bytes;
    s->skip = skip;
    atomic_store_explicit(&s->filled, false, memory_order_relaxed);
    r->head += skip + bytes;
    assert(r->head - r->tail <= r->size);
    return s;
}

uint8_t *gw_ring_payload(struct gw_ring *r, const struct gw_slot *s)
{
    return r->buf + s->pos + GW_RECORD_HEADER_BYTES;
}

void gw_ring_fill(struct gw_ring *r, struct gw_slot *s, const void *payload, uint64_t seed)
{
    uint8_t *at = r->buf + s->pos;
    uint32_t n = s->rec.payload_bytes;
    if (n > 0) {
        uint8_t *to = at + GW_RECORD_HEADER_BYTES;
        if (payload != NULL)
            memcpy(to, payload, n);
        /* Hashed from the copy, while it is in the cache. */
        s->rec.payload_hash = gw_hash64(to, n, s->rec.seq);
    }
    gw_record_encode(&s->rec, seed, at);
    memset(at + GW_RECORD_HEADER_BYTES + n, 0, s->bytes - GW_RECORD_HEADER_BYTES - n);
    atomic_store_explicit(&s->filled, true, memory_order_release);
}

unsigned gw_ring_batch(struct gw_ring *r, size_t max, const uint8_t **ret_data, size_t *ret_bytes)
{
    unsigned n = 0;
    size_t bytes = 0;
    for (uint64_t i = r->s_sent; i != r->s_head; i++) {
        const struct gw_slot *s = slot_at(r, i);
        if (!atomic_load_explicit(&s->filled, memory_order_acquire))
            break;
        /* What begins at 0 does not follow, whether it skipped or the one before ended exactly. */
        if (n > 0 && (s->pos == 0 || bytes + s->bytes > max))
            break;
        if (n == 0)
            *ret_data = r->buf + s->pos;
        bytes += s->bytes;
        n++;
        if (gw_record_ends_batch(s->rec.type))
            break;
    }
    *ret_bytes = bytes;
    return n;
}

const struct gw_slot *gw_ring_unsent(const struct gw_ring *r, unsigned i)
{
    assert(r->s_sent + i < r->s_head);
    return slot_at(r, r->s_sent + i);
}

void gw_ring_sent(struct gw_ring *r, unsigned records)
{
    r->s_sent += records;
    assert(r->s_sent <= r->s_head);
}

void gw_ring_rewind(struct gw_ring *r, uint64_t seq)
{
    r->s_sent = r->s_tail;
    while (r->s_sent != r->s_head && slot_at(r, r->s_sent)->rec.seq <= seq)
        r->s_sent++;
}

const struct gw_slot *gw_ring_oldest(const struct gw_ring *r)
{
    return r->s_tail == r->s_head ? NULL : slot_at(r, r->s_tail);
}

void gw_ring_pop(struct gw_ring *r)
{
    assert(r->s_tail != r->s_head && r->s_tail < r->s_sent);
    const struct gw_slot *s = slot_at(r, r->s_tail);
    r->tail += s->skip + s->bytes;
    r->s_tail++;
    if (r->s_tail == r->s_head) /* empty: start over where the cache is warm */
        r->head = r->tail = 0;
}

void gw_ring_each(const struct gw_ring *r, void (*fn)(void *arg, const struct gw_slot *s),
                  void *arg)
{
    for (uint64_t i = r->s_tail; i != r->s_head; i++)
        fn(arg, slot_at(r, i));
}

bool gw_ring_empty(const struct gw_ring *r)
{
    return r->s_tail == r->s_head;
}

uint64_t gw_ring_used_bytes(const struct gw_ring *r)
{
    return r->head - r->tail + r->claimed;
}

uint64_t gw_ring_size_bytes(const struct gw_ring *r)
{
    return r->size;
}

bool gw_ring_all_filled(const struct gw_ring *r)
{
    for (uint64_t i = r->s_tail; i != r->s_head; i++) {
        if (!atomic_load_explicit(&slot_at(r, i)->filled, memory_order_acquire))
            return false;
    }
    return true;
}

uint64_t gw_ring_claims(const struct gw_ring *r)
{
    return r->s_claimed;
}
