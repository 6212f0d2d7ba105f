// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * One SQLite connection: opening, statements, errors. Used inside the catalog only.
 *
 * Values are bound as an array, so that the compiler checks their types:
 *
 *     r = gw_db_run(db, "DELETE FROM peers WHERE site = ?", GW_BINDS(GW_T(site)), err);
 *
 *     CLEANUP_CURSOR struct gw_cursor cur = { 0 };
 *     r = gw_db_query(db, sql, binds, &cur, err);
 *     while (r >= 0 && (r = gw_cursor_next(&cur, err)) > 0)
 *         ... sqlite3_column_int64(cur.stmt, 0) ...
 *
 * Threads: one at a time; the caller has the lock.
 */
#pragma once

#include "base/error.h"
#include "catalog/mem.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

struct gw_db {
    sqlite3 *handle; /* NULL: not open */
    char *path;
    void *owner; /* whoever has this connection; for on_error */
    /* Told about every error, before it is returned. NULL: nobody. */
    void (*on_error)(void *owner, int code, const char *sentence);
};

enum gw_db_flags {
    GW_DB_READONLY = 1,
    GW_DB_SINGLE = 2, /* a file that is being made: no log beside it, nothing durable until the
                         caller syncs it; worthless after a crash */
};

/* The file must be there; `db` { 0 }. */
int gw_db_open(struct gw_db *db, const char *path, unsigned flags, struct gw_error *err);
void gw_db_close(struct gw_db *db);
#define CLEANUP_DB __attribute__((cleanup(gw_db_close)))

/* Sentence and code of the connection's last error: "cannot WHAT: ...". */
int gw_db_error(struct gw_db *db, const char *what, struct gw_error *err);
/* PRAGMA quick_check; -EUCLEAN with what it found and the ways out. */
int gw_db_check(struct gw_db *db, struct gw_error *err);

enum gw_bind_type {
    GW_BIND_END,
    GW_BIND_TEXT, /* NULL: NULL */
    GW_BIND_UNSIGNED,
    GW_BIND_SIGNED,
};
struct gw_bind {
    enum gw_bind_type type;
    const char *text;
    uint64_t number;
};
#define GW_T(v) ((struct gw_bind){ .type = GW_BIND_TEXT, .text = (v) })
#define GW_U(v) ((struct gw_bind){ .type = GW_BIND_UNSIGNED, .number = (v) })
#define GW_I(v) ((struct gw_bind){ .type = GW_BIND_SIGNED, .number = (uint64_t)(v) })
#define GW_BINDS(...) ((const struct gw_bind[]){ __VA_ARGS__, { .type = GW_BIND_END } })
#define GW_NO_BINDS ((const struct gw_bind[]){ { .type = GW_BIND_END } })

struct gw_cursor {
    struct gw_db *db;
    sqlite3_stmt *stmt;
};
int gw_db_query(struct gw_db *db, const char *sql, const struct gw_bind *binds,
                struct gw_cursor *ret, struct gw_error *err);
/* Further values, from parameter `first` (1, 2, ...) on. */
int gw_cursor_bind(struct gw_cursor *cur, int first, const struct gw_bind *binds,
                   struct gw_error *err);
/* 1: a row; 0: no more. */
int gw_cursor_next(struct gw_cursor *cur, struct gw_error *err);
void gw_cursor_done(struct gw_cursor *cur);
#define CLEANUP_CURSOR __attribute__((cleanup(gw_cursor_done)))

/* Any number of statements without values and rows. */
int gw_db_exec(struct gw_db *db, const char *sql, struct gw_error *err);
/* One statement without rows; the number of rows that it changed. */
int gw_db_run(struct gw_db *db, const char *sql, const struct gw_bind *binds, struct gw_error *err);
/* A query for one number: 1, or 0 and *ret untouched if there is no row or it is NULL. */
int gw_db_number(struct gw_db *db, const char *sql, const struct gw_bind *binds, uint64_t *ret,
                 struct gw_error *err);
/* A query for one text, into mem: 1, or 0 and *ret untouched. */
int gw_db_text(struct gw_db *db, const char *sql, const struct gw_bind *binds,
               struct gw_catalog_mem *mem, const char **ret, struct gw_error *err);
