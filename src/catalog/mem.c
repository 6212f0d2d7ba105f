// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/mem.h"

#include "base/checked.h"
#include "catalog/limits.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct gw_catalog_block {
    struct gw_catalog_block *next;
    size_t bytes, used;
    alignas(max_align_t) unsigned char data[];
};

static struct gw_catalog_block *block_new(size_t bytes)
{
    size_t want = GW_MAX(bytes, (size_t)GW_CATALOG_MEM_BLOCK_BYTES), all;
    if (ckd_add(&all, want, sizeof(struct gw_catalog_block)) || all > PTRDIFF_MAX)
        return NULL;
    struct gw_catalog_block *b = calloc(1, all);
    if (b != NULL)
        b->bytes = want;
    return b;
}

void *gw_catalog_mem_alloc(struct gw_catalog_mem *mem, size_t bytes)
{
    const size_t align = alignof(max_align_t);
    size_t rounded;
    if (ckd_add(&rounded, bytes, align - 1))
        return NULL;
    rounded &= ~(align - 1);
    struct gw_catalog_block *b = mem->blocks;
    if (b == NULL || b->bytes - b->used < rounded) {
        b = block_new(rounded);
        if (b == NULL)
            return NULL;
        b->next = mem->blocks;
        mem->blocks = b;
    }
    void *p = b->data + b->used;
    b->used += rounded;
    return p;
}

char *gw_catalog_mem_text(struct gw_catalog_mem *mem, const char *text, size_t len)
{
    size_t all;
    if (ckd_add(&all, len, 1))
        return NULL;
    char *p = gw_catalog_mem_alloc(mem, all);
    if (p != NULL && len > 0)
        memcpy(p, text, len);
    return p;
}

void gw_catalog_mem_done(struct gw_catalog_mem *mem)
{
    while (mem->blocks != NULL) {
        struct gw_catalog_block *b = mem->blocks;
        mem->blocks = b->next;
        free(b);
    }
}
