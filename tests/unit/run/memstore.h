// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A store of runs in memory: the reference of run/store.h. What a function has returned 0 for is
 * durable: it survives memstore_crash, which forgets nothing else but can be told to forget the
 * last appends (a store that lies about durability: the tests must notice).
 *
 * One thread.
 */
#pragma once

#include "run/store.h"

struct memstore;

struct memstore *memstore_new(void);
void memstore_free(struct memstore *m);

extern const struct gw_run_store memstore_store; /* ctx: struct memstore */

/* The process dies: the last `lose` appended entries of every run are gone. */
void memstore_crash(struct memstore *m, unsigned lose);
/* The next `skip` writes succeed, all after them fail with -ENOSPC until it is called with -1. */
void memstore_fill(struct memstore *m, int skip);

unsigned memstore_runs(const struct memstore *m);
const char *memstore_id(const struct memstore *m, unsigned i);
const struct gw_run_row *memstore_row(const struct memstore *m, const char *run);
/* Entries of a run, or of those that were set aside. */
const struct gw_run_entry *memstore_log(const struct memstore *m, const char *run, uint32_t *ret_n);
uint32_t memstore_aside(const struct memstore *m, const char *run);
unsigned memstore_requests(const struct memstore *m, const char *run);

/* Rules to break. */
extern bool memstore_no_inbox; /* remembers no effect */
extern bool memstore_no_stale; /* appends whatever the length */
