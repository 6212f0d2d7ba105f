// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Copies of volumes, and where they differ. */
#include "model.h"

#include "fibers.h"
#include "simdisk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t zeros[MODEL_PAGE];

static uint64_t pages_of(unsigned volume)
{
    return (model_bytes(volume) + MODEL_PAGE - 1) / MODEL_PAGE;
}

static void *must(void *p)
{
    if (!p)
        abort();
    return p;
}

void image_take(struct image *ret, int site)
{
    for (unsigned v = 0; v < model_volumes(); v++) {
        const struct mem_inode *f = memdisk_file(simdisk_memdisk(site), model_path(v));
        ret->page[v] = must(calloc(pages_of(v), sizeof *ret->page[v]));
        for (uint64_t i = 0; f && i < pages_of(v); i++) {
            const uint8_t *now = memdisk_page(f, i);
            if (now)
                ret->page[v][i] = memcpy(must(malloc(MODEL_PAGE)), now, MODEL_PAGE);
        }
    }
}

void image_free(struct image *i)
{
    for (unsigned v = 0; v < model_volumes(); v++) {
        for (uint64_t p = 0; i->page[v] && p < pages_of(v); p++)
            free(i->page[v][p]);
        free(i->page[v]);
        i->page[v] = NULL;
    }
}

static bool pages_differ(const uint8_t *a, const uint8_t *b)
{
    if (a == b)
        return false;
    return memcmp(a ? a : zeros, b ? b : zeros, MODEL_PAGE) != 0;
}

static const char *place(unsigned volume, uint64_t page, const uint8_t *a, const uint8_t *b)
{
    static char text[160];
    uint64_t x, y;
    unsigned i = 0;
    a = a ? a : zeros;
    b = b ? b : zeros;
    while (memcmp(a + i, b + i, MODEL_CELL) == 0)
        i += MODEL_CELL;
    memcpy(&x, a + i, 8);
    memcpy(&y, b + i, 8);
    snprintf(text, sizeof text, "volume %u at %llu: one shows op %llu, the other op %llu", volume,
             (unsigned long long)(page * MODEL_PAGE + i), (unsigned long long)x,
             (unsigned long long)y);
    return text;
}

const char *image_difference(const struct image *a, const struct image *b)
{
    for (unsigned v = 0; v < model_volumes(); v++) {
        for (uint64_t p = 0; p < pages_of(v); p++) {
            if (pages_differ(a->page[v][p], b->page[v][p]))
                return place(v, p, a->page[v][p], b->page[v][p]);
        }
    }
    return "";
}

const char *model_sites_differ(void)
{
    for (unsigned v = 0; v < model_volumes(); v++) {
        const struct mem_inode *f = memdisk_file(simdisk_memdisk(0), model_path(v));
        const struct mem_inode *g = memdisk_file(simdisk_memdisk(1), model_path(v));
        for (uint64_t p = 0; p < pages_of(v); p++) {
            const uint8_t *a = f ? memdisk_page(f, p) : NULL, *b = g ? memdisk_page(g, p) : NULL;
            if (pages_differ(a, b))
                return place(v, p, a, b);
        }
    }
    return "";
}

bool image_block_differs(const struct image *a, const struct image *b, unsigned volume,
                         uint64_t block)
{
    return pages_differ(a->page[volume][block], b->page[volume][block]);
}
