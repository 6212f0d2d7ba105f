// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/catalog_internal.h"

#include "base/cleanup.h"

struct gw_db *gw_catalog_read_begin(struct gw_catalog *c)
{
    /* Only this thread can have stored its own name, so no order with other memory is needed. */
    if (atomic_load_explicit(&c->owner, memory_order_relaxed) == (unsigned long)pthread_self())
        return &c->writer;
    pthread_mutex_lock(&c->reader_lock);
    return &c->reader;
}

void gw_catalog_read_end(struct gw_db **db)
{
    struct gw_catalog *c = (*db)->owner;
    if (*db == &c->reader)
        pthread_mutex_unlock(&c->reader_lock);
}

int gw_catalog_write(struct gw_catalog *c, const char *sql, const struct gw_bind *binds,
                     struct gw_error *err)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    int r = gw_catalog_begin(c, &tx, err);
    if (r < 0)
        return r;
    int n = gw_db_run(&c->writer, sql, binds, err);
    if (n < 0)
        return n;
    r = gw_catalog_commit(&tx, err);
    return r < 0 ? r : n;
}

int gw_catalog_insert(struct gw_catalog *c, const struct gw_table *t, const void *row,
                      uint64_t *ret_id, struct gw_error *err)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    int r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = gw_table_insert(&c->writer, t, row, true, err);
    if (r < 0)
        return r;
    uint64_t id = (uint64_t)sqlite3_last_insert_rowid(c->writer.handle);
    r = gw_catalog_commit(&tx, err);
    if (r >= 0 && ret_id != NULL)
        *ret_id = id;
    return r;
}

int gw_catalog_get(struct gw_catalog *c, const struct gw_table *t, const char *tail,
                   const struct gw_bind *binds, struct gw_catalog_mem *mem, void *ret,
                   struct gw_error *err)
{
    CATALOG_READ(c, db);
    return gw_table_get(db, t, tail, binds, mem, ret, err);
}

int gw_catalog_list(struct gw_catalog *c, const struct gw_table *t, const char *tail,
                    const struct gw_bind *binds, struct gw_catalog_mem *mem,
                    struct gw_catalog_rows *ret, struct gw_error *err)
{
    CATALOG_READ(c, db);
    return gw_table_select(db, t, tail, binds, mem, &ret->rows, &ret->n, err);
}

int gw_catalog_number(struct gw_catalog *c, const char *sql, const struct gw_bind *binds,
                      uint64_t *ret, struct gw_error *err)
{
    CATALOG_READ(c, db);
    return gw_db_number(db, sql, binds, ret, err);
}
