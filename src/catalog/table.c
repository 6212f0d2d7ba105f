// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/table.h"

#include "base/cleanup.h"
#include "catalog/limits.h"
#include "catalog/text.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- putting a statement together ------------------------------------------------------------ */

struct sql {
    char text[GW_CATALOG_SQL_BYTES];
    size_t len;
};

__attribute__((format(printf, 2, 3))) static void sql_add(struct sql *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(s->text + s->len, sizeof s->text - s->len, fmt, ap);
    va_end(ap);
    assert(n >= 0 && (size_t)n < sizeof s->text - s->len); /* tables and tails are our own */
    s->len += (size_t)n;
}

static void sql_columns(struct sql *s, const struct gw_table *t, size_t first)
{
    for (size_t i = first; i < t->n_columns; i++)
        sql_add(s, "%s%s", i == first ? "" : ", ", t->columns[i].name);
}

static size_t column_index(const struct gw_table *t, const char *name)
{
    size_t i = 0;
    while (i < t->n_columns && strcmp(t->columns[i].name, name) != 0)
        i++;
    assert(i < t->n_columns);
    return i;
}

/* ---- values ---------------------------------------------------------------------------------- */

static const char *member_text(const void *row, const struct gw_column *col)
{
    const char *text;
    memcpy(&text, (const char *)row + col->offset, sizeof text);
    return text;
}

static uint64_t member_number(const void *row, const struct gw_column *col)
{
    uint64_t v;
    memcpy(&v, (const char *)row + col->offset, sizeof v);
    return v;
}

static unsigned member_enum(const void *row, const struct gw_column *col)
{
    unsigned v;
    memcpy(&v, (const char *)row + col->offset, sizeof v);
    assert(v < col->n_names);
    return v;
}

static int bind_of(const void *row, const struct gw_column *col, struct gw_catalog_mem *mem,
                   struct gw_bind *ret, struct gw_error *err)
{
    const char *text = NULL;
    bool yes;
    switch (col->type) {
    case GW_COLUMN_TEXT:
        text = member_text(row, col);
        *ret = GW_T(text == NULL ? "" : text);
        return 0;
    case GW_COLUMN_OPT:
        *ret = GW_T(member_text(row, col));
        return 0;
    case GW_COLUMN_JSON:
        if (gw_text_json(mem, member_text(row, col), &text, err) < 0)
            return gw_error_wrap(err, "'%s' of a row", col->name);
        *ret = GW_T(text);
        return 0;
    case GW_COLUMN_NUMBER:
        *ret = GW_U(member_number(row, col));
        return 0;
    case GW_COLUMN_SIGNED:
        *ret = GW_I(member_number(row, col));
        return 0;
    case GW_COLUMN_BOOL:
        memcpy(&yes, (const char *)row + col->offset, sizeof yes);
        *ret = GW_U(yes ? 1 : 0);
        return 0;
    case GW_COLUMN_ENUM:
        *ret = GW_T(col->names[member_enum(row, col)]);
        return 0;
    }
    assert(false);
    return -EINVAL;
}

/* Columns first to last-1, as parameters 1, 2, ... */
static int bind_row(struct gw_cursor *cur, const struct gw_table *t, size_t first, size_t end,
                    const void *row, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    int r = 0;
    for (size_t i = first; r >= 0 && i < end; i++) {
        struct gw_bind one[2] = { { 0 }, { .type = GW_BIND_END } };
        r = bind_of(row, &t->columns[i], &mem, &one[0], err);
        if (r >= 0)
            r = gw_cursor_bind(cur, (int)(i - first) + 1, one, err);
    }
    return r;
}

static int column_text(struct gw_cursor *cur, int at, struct gw_catalog_mem *mem, char *to,
                       struct gw_error *err)
{
    const char *text = (const char *)sqlite3_column_text(cur->stmt, at);
    const char *kept = NULL;
    if (text != NULL) {
        kept = gw_catalog_mem_text(mem, text, (size_t)sqlite3_column_bytes(cur->stmt, at));
        if (kept == NULL)
            return gw_error_set(err, -ENOMEM, "no memory for a row of the catalog");
    }
    memcpy(to, &kept, sizeof kept);
    return 0;
}

static int column_read(struct gw_cursor *cur, int at, const struct gw_column *col,
                       struct gw_catalog_mem *mem, char *to, struct gw_error *err)
{
    sqlite3_int64 v = 0;
    bool yes;
    int which;
    switch (col->type) {
    case GW_COLUMN_TEXT:
    case GW_COLUMN_OPT:
    case GW_COLUMN_JSON:
        return column_text(cur, at, mem, to, err);
    case GW_COLUMN_NUMBER:
    case GW_COLUMN_SIGNED:
        v = sqlite3_column_int64(cur->stmt, at);
        memcpy(to, &v, sizeof v);
        return 0;
    case GW_COLUMN_BOOL:
        yes = sqlite3_column_int64(cur->stmt, at) != 0;
        memcpy(to, &yes, sizeof yes);
        return 0;
    case GW_COLUMN_ENUM:
        which = gw_names_parse(col->names, col->n_names, col->name,
                               (const char *)sqlite3_column_text(cur->stmt, at), err);
        if (which < 0)
            return gw_error_wrap(err, "the catalog holds what this godwit does not know");
        memcpy(to, &which, sizeof which);
        return 0;
    }
    assert(false);
    return -EINVAL;
}

int gw_table_row(struct gw_cursor *cur, const struct gw_table *t, struct gw_catalog_mem *mem,
                 void *ret, struct gw_error *err)
{
    int r = 0;
    for (size_t i = 0; r >= 0 && i < t->n_columns; i++)
        r = column_read(cur, (int)i, &t->columns[i], mem, (char *)ret + t->columns[i].offset, err);
    return r;
}

/* ---- statements ------------------------------------------------------------------------------ */

int gw_table_insert(struct gw_db *db, const struct gw_table *t, const void *row, bool auto_id,
                    struct gw_error *err)
{
    CLEANUP_CURSOR struct gw_cursor cur = { 0 };
    struct sql s = { .len = 0 };
    size_t first = auto_id ? 1 : 0;
    sql_add(&s, "INSERT INTO %s (", t->name);
    sql_columns(&s, t, first);
    sql_add(&s, ") VALUES (");
    for (size_t i = first; i < t->n_columns; i++)
        sql_add(&s, "%s", i == first ? "?" : ", ?");
    sql_add(&s, ")");
    int r = gw_db_query(db, s.text, GW_NO_BINDS, &cur, err);
    if (r >= 0)
        r = bind_row(&cur, t, first, t->n_columns, row, err);
    return r < 0 ? r : gw_cursor_next(&cur, err);
}

int gw_table_update(struct gw_db *db, const struct gw_table *t, const char *first, const char *last,
                    const void *row, const char *where, const struct gw_bind *binds,
                    struct gw_error *err)
{
    CLEANUP_CURSOR struct gw_cursor cur = { 0 };
    struct sql s = { .len = 0 };
    size_t from = column_index(t, first), end = column_index(t, last) + 1;
    sql_add(&s, "UPDATE %s SET ", t->name);
    for (size_t i = from; i < end; i++)
        sql_add(&s, "%s%s = ?", i == from ? "" : ", ", t->columns[i].name);
    sql_add(&s, " %s", where);
    int r = gw_db_query(db, s.text, GW_NO_BINDS, &cur, err);
    if (r >= 0)
        r = bind_row(&cur, t, from, end, row, err);
    if (r >= 0)
        r = gw_cursor_bind(&cur, (int)(end - from) + 1, binds, err);
    if (r >= 0)
        r = gw_cursor_next(&cur, err);
    return r < 0 ? r : sqlite3_changes(db->handle);
}

static int table_query(struct gw_db *db, const struct gw_table *t, const char *tail,
                       const struct gw_bind *binds, struct gw_cursor *ret, struct gw_error *err)
{
    struct sql s = { .len = 0 };
    sql_add(&s, "SELECT ");
    sql_columns(&s, t, 0);
    sql_add(&s, " FROM %s %s", t->name, tail);
    return gw_db_query(db, s.text, binds, ret, err);
}

/* Room for twice as many rows; the old place stays in mem until it is freed as a whole. */
static char *rows_grow(struct gw_catalog_mem *mem, char *rows, size_t n, size_t row_bytes)
{
    char *more = gw_catalog_mem_alloc(mem, (n == 0 ? 8 : 2 * n) * row_bytes);
    if (more != NULL && n > 0)
        memcpy(more, rows, n * row_bytes);
    return more;
}

int gw_table_select(struct gw_db *db, const struct gw_table *t, const char *tail,
                    const struct gw_bind *binds, struct gw_catalog_mem *mem, void **ret_rows,
                    size_t *ret_n, struct gw_error *err)
{
    CLEANUP_CURSOR struct gw_cursor cur = { 0 };
    char *rows = NULL;
    size_t n = 0, room = 0;
    int r = table_query(db, t, tail, binds, &cur, err);
    while (r >= 0 && (r = gw_cursor_next(&cur, err)) > 0) {
        if (n == room) {
            rows = rows_grow(mem, rows, n, t->row_bytes);
            if (rows == NULL)
                return gw_error_set(err, -ENOMEM, "no memory for rows of the catalog");
            room = n == 0 ? 8 : 2 * n;
        }
        r = gw_table_row(&cur, t, mem, rows + n * t->row_bytes, err);
        n++;
    }
    if (r < 0)
        return r;
    *ret_rows = rows;
    *ret_n = n;
    return 0;
}

int gw_table_get(struct gw_db *db, const struct gw_table *t, const char *tail,
                 const struct gw_bind *binds, struct gw_catalog_mem *mem, void *ret,
                 struct gw_error *err)
{
    CLEANUP_CURSOR struct gw_cursor cur = { 0 };
    int r = table_query(db, t, tail, binds, &cur, err);
    if (r >= 0)
        r = gw_cursor_next(&cur, err);
    if (r <= 0)
        return r;
    void *row = gw_catalog_mem_alloc(mem, t->row_bytes);
    if (row == NULL)
        return gw_error_set(err, -ENOMEM, "no memory for a row of the catalog");
    r = gw_table_row(&cur, t, mem, row, err);
    if (r < 0)
        return r;
    memcpy(ret, row, t->row_bytes);
    return 1;
}

int gw_names_parse(const char *const *names, size_t n, const char *what, const char *name,
                   struct gw_error *err)
{
    for (size_t i = 0; name != NULL && i < n; i++)
        if (strcmp(names[i], name) == 0)
            return (int)i;
    char all[GW_ERROR_MSG_MAX / 2] = "";
    size_t len = 0;
    for (size_t i = 0; i < n && len < sizeof all; i++)
        len += (size_t)snprintf(all + len, sizeof all - len, "%s%s", i == 0 ? "" : ", ", names[i]);
    return gw_error_set(err, -EINVAL, "\"%s\" is no %s; there are %s", name == NULL ? "" : name,
                        what, all);
}
