// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Rows and structs: a table of columns says which member of the struct is which column, and reading
 * and writing follow from it. Used inside the catalog only.
 */
#pragma once

#include "catalog/db.h"

#include <stddef.h>

enum gw_column_type {
    GW_COLUMN_TEXT,   /* const char *; NULL is written as "" */
    GW_COLUMN_OPT,    /* const char *, or NULL */
    GW_COLUMN_JSON,   /* const char *, checked and made canonical; NULL is written as {} */
    GW_COLUMN_NUMBER, /* uint64_t */
    GW_COLUMN_SIGNED, /* int64_t */
    GW_COLUMN_BOOL,   /* bool */
    GW_COLUMN_ENUM,   /* an enum from 0; written as its name */
};

struct gw_column {
    const char *name;
    enum gw_column_type type;
    size_t offset;
    const char *const *names; /* of an enum */
    size_t n_names;
};

struct gw_table {
    const char *name;
    size_t row_bytes;
    const struct gw_column *columns;
    size_t n_columns;
};

/* "columns" of struct S; the member has the column's name. */
#define GW_COLUMN(S, member, t)                                                                    \
    {                                                                                              \
#member, GW_COLUMN_##t, offsetof(S, member), NULL, 0                                       \
    }
#define GW_COLUMN_OF(S, member, table)                                                             \
    {                                                                                              \
#member, GW_COLUMN_ENUM, offsetof(S, member), table, sizeof(table) / sizeof((table)[0])    \
    }

/* INSERT; without its first column if `auto_id`. */
int gw_table_insert(struct gw_db *db, const struct gw_table *t, const void *row, bool auto_id,
                    struct gw_error *err);
/* UPDATE of columns first to last (both included) WHERE; the number of rows changed. */
int gw_table_update(struct gw_db *db, const struct gw_table *t, const char *first, const char *last,
                    const void *row, const char *where, const struct gw_bind *binds,
                    struct gw_error *err);
/* SELECT all columns, then `tail` ("WHERE site = ? ORDER BY ..."). Rows and texts go into mem. */
int gw_table_select(struct gw_db *db, const struct gw_table *t, const char *tail,
                    const struct gw_bind *binds, struct gw_catalog_mem *mem, void **ret_rows,
                    size_t *ret_n, struct gw_error *err);
/* The first row: 1, or 0 and *ret untouched. */
int gw_table_get(struct gw_db *db, const struct gw_table *t, const char *tail,
                 const struct gw_bind *binds, struct gw_catalog_mem *mem, void *ret,
                 struct gw_error *err);
/* One row from an open cursor whose first columns are the table's. */
int gw_table_row(struct gw_cursor *cur, const struct gw_table *t, struct gw_catalog_mem *mem,
                 void *ret, struct gw_error *err);

/* The index of a name, or -EINVAL with the names that there are. */
int gw_names_parse(const char *const *names, size_t n, const char *what, const char *name,
                   struct gw_error *err);
