// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The inside of a catalog: two connections, one transaction at a time. Used inside the catalog
 * only.
 *
 * Invariants
 *   1. depth > 0 exactly while a thread holds writer_lock for a transaction; that thread is
 * `owner`.
 *   2. Nothing is written outside a transaction.
 *   3. Once SQLite undid the whole transaction by itself, `doomed` is set, and nothing more of it
 *      is carried out: else the rest would be committed statement by statement.
 *   4. `failure` never goes away.
 */
#pragma once

#include "catalog/audit_head.h"
#include "catalog/catalog.h"
#include "catalog/db.h"
#include "catalog/limits.h"
#include "catalog/table.h"

#include <pthread.h>
#include <stdatomic.h>

struct gw_catalog {
    char *dir;

    /* Recursive: a transaction inside one takes it again. Lock order: writer_lock, reader_lock. */
    pthread_mutex_t writer_lock;
    struct gw_db writer;
    unsigned depth;
    bool doomed;
    struct gw_error doom, failure;
    atomic_ulong owner; /* pthread_self of the transaction; 0: none */

    /* audit.head as it is on disk; guarded by writer_lock. */
    bool head_known; /* false: missing, damaged, or it contradicts the log: left alone */
    struct gw_audit_head head;
    bool head_behind; /* entries were appended in this transaction */

    pthread_mutex_t reader_lock;
    struct gw_db reader;
};

/*
 * The connection to read with, locked: the reader's, or in its own transaction the writer's.
 *     CATALOG_READ(c, db);
 *     gw_table_get(db, ...);
 * Never call a function that locks while it is held: read into memory, leave the scope, go on.
 */
struct gw_db *gw_catalog_read_begin(struct gw_catalog *c);
void gw_catalog_read_end(struct gw_db **db);
#define CATALOG_READ(c, db)                                                                        \
    __attribute__((cleanup(gw_catalog_read_end))) struct gw_db *db = gw_catalog_read_begin(c)

/* What most functions are: one statement, or one look. Each is a transaction, or reads. */

/* The number of rows it changed. */
int gw_catalog_write(struct gw_catalog *c, const char *sql, const struct gw_bind *binds,
                     struct gw_error *err);
/* Of a table that numbers its rows: its first column is not written. *ret_id (may be NULL) is the
 * number that the row got. */
int gw_catalog_insert(struct gw_catalog *c, const struct gw_table *t, const void *row,
                      uint64_t *ret_id, struct gw_error *err);
/* 1, or 0: no such row. */
int gw_catalog_get(struct gw_catalog *c, const struct gw_table *t, const char *tail,
                   const struct gw_bind *binds, struct gw_catalog_mem *mem, void *ret,
                   struct gw_error *err);
struct gw_catalog_rows {
    void *rows;
    size_t n;
};
int gw_catalog_list(struct gw_catalog *c, const struct gw_table *t, const char *tail,
                    const struct gw_bind *binds, struct gw_catalog_mem *mem,
                    struct gw_catalog_rows *ret, struct gw_error *err);
/* 1, or 0 and *ret untouched: no row, or NULL. */
int gw_catalog_number(struct gw_catalog *c, const char *sql, const struct gw_bind *binds,
                      uint64_t *ret, struct gw_error *err);

static inline uint64_t gw_catalog_limit(uint64_t limit)
{
    return limit == 0 || limit > GW_CATALOG_ROWS_MAX ? GW_CATALOG_ROWS_MAX : limit;
}
