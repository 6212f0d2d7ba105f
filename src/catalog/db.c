// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/db.h"

#include "base/cleanup.h"
#include "catalog/limits.h"
#include "catalog/text.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAYS_OUT                                                                                   \
    "; restore a backup (godwit site restore), or move the file away and let the site be rebuilt " \
    "from its peer"

/* ---- errors ---------------------------------------------------------------------------------- */

/* The operating system's word on an I/O error says more than SQLite's. But after a failed fsync
 * nothing may be assumed, whatever the cause was. */
static int io_code(struct gw_db *db, int extended)
{
    if (extended == SQLITE_IOERR_FSYNC || extended == SQLITE_IOERR_DIR_FSYNC)
        return -EIO;
    int e = sqlite3_system_errno(db->handle);
    return e == ENOSPC || e == EDQUOT ? -ENOSPC : -EIO;
}

static int constraint_code(int extended)
{
    if (extended == SQLITE_CONSTRAINT_TRIGGER)
        return -EPERM;
    if (extended == SQLITE_CONSTRAINT_FOREIGNKEY)
        return -ENOENT;
    if (extended == SQLITE_CONSTRAINT_UNIQUE || extended == SQLITE_CONSTRAINT_PRIMARYKEY ||
        extended == SQLITE_CONSTRAINT_ROWID)
        return -EEXIST;
    return -EINVAL;
}

static int code_of(struct gw_db *db, int extended)
{
    switch (extended & 0xff) {
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_IOERR:
        return extended == SQLITE_IOERR_NOMEM ? -ENOMEM : io_code(db, extended);
    case SQLITE_CONSTRAINT:
        return constraint_code(extended);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
        return -EUCLEAN;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CANTOPEN:
        return sqlite3_system_errno(db->handle) > 0 ? -sqlite3_system_errno(db->handle) : -ENOENT;
    case SQLITE_READONLY:
    case SQLITE_PERM:
        return -EROFS;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_TOOBIG:
        return -E2BIG;
    default: /* SQLite's codes, not an enum of ours */
        return -EINVAL;
    }
}

static int error_say(struct gw_db *db, int code, const char *what, struct gw_error *err)
{
    const char *cause = sqlite3_errmsg(db->handle);
    if (code == -ENOSPC)
        return gw_error_set(err, code,
                            "cannot %s: no room left on the disk of %s; nothing of this was "
                            "recorded",
                            what, db->path);
    if (code == -EUCLEAN)
        return gw_error_set(err, code, "cannot %s: %s is damaged: %s" WAYS_OUT, what, db->path,
                            cause);
    if (code == -EBUSY)
        return gw_error_set(err, code, "cannot %s: another program holds %s", what, db->path);
    if (code == -EIO)
        return gw_error_errno(err, code, "cannot %s: %s of %s (system error %d)", what, cause,
                              db->path, sqlite3_system_errno(db->handle));
    return gw_error_set(err, code, "cannot %s: %s", what, cause);
}

int gw_db_error(struct gw_db *db, const char *what, struct gw_error *err)
{
    struct gw_error own = { 0 };
    if (err == NULL)
        err = &own;
    int code = error_say(db, code_of(db, sqlite3_extended_errcode(db->handle)), what, err);
    if (db->on_error != NULL)
        db->on_error(db->owner, code, err->msg);
    return code;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* The write-ahead log needs shared memory, which network file systems do not have. */
static int use_wal(struct gw_db *db, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    const char *mode = "";
    int r = gw_db_text(db, "PRAGMA journal_mode = WAL", GW_NO_BINDS, &mem, &mode, err);
    if (r < 0)
        return r;
    if (strcmp(mode, "wal") != 0)
        return gw_error_set(err, -EOPNOTSUPP,
                            "%s cannot have a write-ahead log: put the state directory on a local "
                            "file system",
                            db->path);
    return 0;
}

static int configure(struct gw_db *db, unsigned flags, struct gw_error *err)
{
    sqlite3_extended_result_codes(db->handle, 1);
    sqlite3_busy_timeout(db->handle, GW_CATALOG_BUSY_MS);
    sqlite3_limit(db->handle, SQLITE_LIMIT_LENGTH, GW_CATALOG_VALUE_BYTES);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    int r = gw_db_exec(db,
                       "PRAGMA foreign_keys = ON; PRAGMA recursive_triggers = ON;"
                       "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON;"
                       "PRAGMA synchronous = FULL;",
                       err);
    if (r >= 0 && (flags & GW_DB_SINGLE) != 0)
        r = gw_db_exec(db, "PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY", err);
    if (r >= 0 && (flags & (GW_DB_READONLY | GW_DB_SINGLE)) == 0)
        r = use_wal(db, err);
    char limit[64];
    snprintf(limit, sizeof limit, "PRAGMA journal_size_limit = %d", GW_CATALOG_WAL_BYTES);
    return r < 0 ? r : gw_db_exec(db, limit, err);
}

int gw_db_open(struct gw_db *db, const char *path, unsigned flags, struct gw_error *err)
{
    db->path = strdup(path);
    if (db->path == NULL)
        return gw_error_set(err, -ENOMEM, "no memory to open %s", path);
    int mode = (flags & GW_DB_READONLY) != 0 ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    int rc = sqlite3_open_v2(path, &db->handle, mode | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                             NULL);
    if (db->handle == NULL) {
        gw_db_close(db);
        return gw_error_set(err, -ENOMEM, "no memory to open %s", path);
    }
    int r = rc != SQLITE_OK ? gw_db_error(db, "open the catalog", err) : configure(db, flags, err);
    if (r < 0)
        gw_db_close(db);
    return r < 0 ? r : 0;
}

void gw_db_close(struct gw_db *db)
{
    if (db->handle != NULL) {
        int rc = sqlite3_close(db->handle);
        assert(rc == SQLITE_OK); /* a statement was left open: our own bug */
    }
    free(db->path);
    *db = (struct gw_db){ 0 };
}

int gw_db_check(struct gw_db *db, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    const char *found = "no answer";
    int r = gw_db_text(db, "PRAGMA quick_check(1)", GW_NO_BINDS, &mem, &found, err);
    if (r < 0)
        return r;
    if (strcmp(found, "ok") != 0)
        return gw_error_set(err, -EUCLEAN, "%s is damaged: %s" WAYS_OUT, db->path, found);
    return 0;
}

/* ---- statements ------------------------------------------------------------------------------ */

static int bind_text(struct gw_cursor *cur, int at, const char *text)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    const char *clean = text == NULL ? NULL : gw_text_clean(&mem, text);
    if (text != NULL && clean == NULL)
        return SQLITE_NOMEM;
    return sqlite3_bind_text(cur->stmt, at, clean, -1, SQLITE_TRANSIENT);
}

int gw_cursor_bind(struct gw_cursor *cur, int first, const struct gw_bind *binds,
                   struct gw_error *err)
{
    int rc = SQLITE_OK;
    for (int at = first; rc == SQLITE_OK && binds->type != GW_BIND_END; binds++, at++) {
        if (binds->type == GW_BIND_TEXT) {
            rc = bind_text(cur, at, binds->text);
        } else {
            if (binds->type == GW_BIND_UNSIGNED && binds->number > INT64_MAX)
                return gw_error_set(err, -ERANGE, "%llu is more than the catalog can hold",
                                    (unsigned long long)binds->number);
            rc = sqlite3_bind_int64(cur->stmt, at, (sqlite3_int64)binds->number);
        }
    }
    if (rc == SQLITE_TOOBIG)
        return gw_error_set(err, -E2BIG, "a text is longer than %d bytes", GW_CATALOG_VALUE_BYTES);
    return rc == SQLITE_OK ? 0 : gw_db_error(cur->db, "use the catalog", err);
}

int gw_db_query(struct gw_db *db, const char *sql, const struct gw_bind *binds,
                struct gw_cursor *ret, struct gw_error *err)
{
    struct gw_cursor cur = { .db = db };
    if (sqlite3_prepare_v2(db->handle, sql, -1, &cur.stmt, NULL) != SQLITE_OK)
        return gw_db_error(db, "use the catalog", err);
    int r = gw_cursor_bind(&cur, 1, binds, err);
    if (r < 0)
        gw_cursor_done(&cur);
    else
        *ret = cur;
    return r;
}

int gw_cursor_next(struct gw_cursor *cur, struct gw_error *err)
{
    int rc = sqlite3_step(cur->stmt);
    if (rc == SQLITE_ROW)
        return 1;
    if (rc == SQLITE_DONE)
        return 0;
    return gw_db_error(
        cur->db, sqlite3_stmt_readonly(cur->stmt) ? "read the catalog" : "write the catalog", err);
}

void gw_cursor_done(struct gw_cursor *cur)
{
    sqlite3_finalize(cur->stmt);
    cur->stmt = NULL;
}

int gw_db_exec(struct gw_db *db, const char *sql, struct gw_error *err)
{
    if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) != SQLITE_OK)
        return gw_db_error(db, "use the catalog", err);
    return 0;
}

int gw_db_run(struct gw_db *db, const char *sql, const struct gw_bind *binds, struct gw_error *err)
{
    CLEANUP_CURSOR struct gw_cursor cur = { 0 };
    int r = gw_db_query(db, sql, binds, &cur, err);
    if (r >= 0)
        r = gw_cursor_next(&cur, err);
    return r < 0 ? r : sqlite3_changes(db->handle);
}

int gw_db_number(struct gw_db *db, const char *sql, const struct gw_bind *binds, uint64_t *ret,
                 struct gw_error *err)
{
    CLEANUP_CURSOR struct gw_cursor cur = { 0 };
    int r = gw_db_query(db, sql, binds, &cur, err);
    if (r >= 0)
        r = gw_cursor_next(&cur, err);
    if (r <= 0 || sqlite3_column_type(cur.stmt, 0) == SQLITE_NULL)
        return r < 0 ? r : 0;
    *ret = (uint64_t)sqlite3_column_int64(cur.stmt, 0);
    return 1;
}

int gw_db_text(struct gw_db *db, const char *sql, const struct gw_bind *binds,
               struct gw_catalog_mem *mem, const char **ret, struct gw_error *err)
{
    CLEANUP_CURSOR struct gw_cursor cur = { 0 };
    int r = gw_db_query(db, sql, binds, &cur, err);
    if (r >= 0)
        r = gw_cursor_next(&cur, err);
    if (r <= 0 || sqlite3_column_type(cur.stmt, 0) == SQLITE_NULL)
        return r < 0 ? r : 0;
    const char *text = (const char *)sqlite3_column_text(cur.stmt, 0);
    const char *kept =
        text == NULL ? NULL
                     : gw_catalog_mem_text(mem, text, (size_t)sqlite3_column_bytes(cur.stmt, 0));
    if (kept == NULL)
        return gw_error_set(err, -ENOMEM, "no memory for an answer of the catalog");
    *ret = kept;
    return 1;
}
