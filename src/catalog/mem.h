// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The memory that rows live in.
 *
 *     CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
 *     struct gw_catalog_plan plan;
 *     r = gw_catalog_plan_get(catalog, "shop", &mem, &plan, err);
 *
 * Everything that the pointers of a row lead to belongs to the `mem` that the row was read with: it
 * is valid until gw_catalog_mem_done, also after later reads into the same mem, and is freed as a
 * whole. So a row is a plain struct that can be copied, changed member by member and written
 * again; there is nothing to free in it.
 *
 * Threads: one thread at a time a mem.
 */
#pragma once

#include <stddef.h>

struct gw_catalog_block;

struct gw_catalog_mem { /* { 0 } is an empty one */
    struct gw_catalog_block *blocks;
};

/* Zeroed, aligned for any type; NULL when there is no memory. */
void *gw_catalog_mem_alloc(struct gw_catalog_mem *mem, size_t bytes);
/* A copy of len bytes and a NUL; NULL when there is no memory. */
char *gw_catalog_mem_text(struct gw_catalog_mem *mem, const char *text, size_t len);
/* Frees everything and leaves an empty mem. */
void gw_catalog_mem_done(struct gw_catalog_mem *mem);

#define CLEANUP_CATALOG_MEM __attribute__((cleanup(gw_catalog_mem_done)))
