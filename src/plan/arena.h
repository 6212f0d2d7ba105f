// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Memory that is given back all at once: a decoded file is one arena and many pointers into it.
 *
 *     struct gw_arena *a = gw_arena_new(budget_bytes);
 *     p = gw_arena_alloc(a, n);      zeroed, aligned for any type; NULL: out of memory or of budget
 *     gw_arena_free(a);
 *
 * Threads: none of its own; one arena belongs to one thread at a time. What was decoded into it may
 * be read by many.
 */
#pragma once

#include <stddef.h>

struct gw_arena;

/* NULL: out of memory. More than `budget_bytes` in all is refused: outside bytes decide how much is
 * asked for. */
struct gw_arena *gw_arena_new(size_t budget_bytes);
void gw_arena_free(struct gw_arena *a); /* NULL is fine */
void *gw_arena_alloc(struct gw_arena *a, size_t bytes);
/* n * size, checked. */
void *gw_arena_array(struct gw_arena *a, size_t n, size_t size);
/* A copy of `len` bytes with a NUL behind them. */
char *gw_arena_text(struct gw_arena *a, const char *text, size_t len);
