// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/backup_internal.h"

#include "base/cleanup.h"
#include "catalog/catalog_internal.h"
#include "catalog/files.h"
#include "catalog/rows.h"
#include "catalog/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define HEADER_BYTES 20
#define HEADER_READ_VERSION 19 /* of the SQLite file format: 2 needs a write-ahead log */

/* ---- taking ---------------------------------------------------------------------------------- */

int gw_backup_copy(struct gw_db *from, struct gw_db *to, struct gw_error *err)
{
    sqlite3_backup *b = sqlite3_backup_init(to->handle, "main", from->handle, "main");
    if (b == NULL)
        return gw_db_error(to, "copy the catalog", err);
    /* In one go: a reader of the write-ahead log holds up no writer. */
    sqlite3_backup_step(b, -1);
    if (sqlite3_backup_finish(b) != SQLITE_OK)
        return gw_db_error(to, "copy the catalog", err);
    /* The copy is one file. */
    return gw_db_exec(to, "PRAGMA journal_mode = DELETE", err);
}

static int write_copy(struct gw_catalog *c, const char *temp, struct gw_error *err)
{
    CLEANUP_DB struct gw_db from = { 0 }, to = { 0 };
    int r = gw_file_fresh(temp, err);
    if (r >= 0)
        r = gw_db_open(&from, c->writer.path, 0, err);
    if (r >= 0)
        r = gw_db_open(&to, temp, GW_DB_SINGLE, err);
    if (r >= 0)
        r = gw_backup_copy(&from, &to, err);
    return r < 0 ? r : gw_db_check(&to, err);
}

int gw_catalog_backup(struct gw_catalog *c, const char *file, struct gw_error *err)
{
    char temp[GW_PATH_BYTES];
    int r = gw_path_add(temp, file, ".new", err);
    if (r >= 0 && access(file, F_OK) == 0)
        return gw_error_set(err, -EEXIST, "there is a file %s already", file);
    if (r >= 0)
        r = write_copy(c, temp, err);
    if (r >= 0)
        r = gw_file_sync(temp, err);
    if (r >= 0)
        r = gw_file_move(temp, file, false, err);
    if (r < 0) {
        unlink(temp);
        return gw_error_wrap(err, "cannot back up the catalog");
    }
    return 0;
}

/* ---- looking --------------------------------------------------------------------------------- */

/* A copy of a running catalog's file is not all of it: the rest is in its log. */
static int refuse_running(const char *file, struct gw_error *err)
{
    unsigned char header[HEADER_BYTES] = { 0 };
    CLEANUP_CLOSE int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return gw_error_errno(err, -errno, "cannot open %s", file);
    if (pread(fd, header, sizeof header, 0) == sizeof header && header[HEADER_READ_VERSION] == 2)
        return gw_error_set(
            err, -EINVAL,
            "%s is the file of a running catalog, not a backup: take one with godwit "
            "site backup",
            file);
    return 0;
}

int gw_backup_open(const char *file, struct gw_db *ret, struct gw_error *err)
{
    uint64_t version;
    int r = refuse_running(file, err);
    if (r >= 0)
        r = gw_db_open(ret, file, GW_DB_READONLY, err);
    if (r >= 0)
        r = gw_db_check(ret, err);
    if (r >= 0)
        r = gw_schema_version(ret, &version, err);
    return r;
}

static int look(struct gw_db *db, struct gw_catalog_mem *mem, struct gw_catalog_backup_info *ret,
                struct gw_error *err)
{
    struct gw_catalog_identity id = { 0 };
    struct gw_catalog_backup_info info = { 0 };
    const struct {
        const char *sql;
        uint64_t *to;
    } numbers[] = {
        { "SELECT count(*) FROM plans WHERE retired_wall_ns = 0", &info.plans },
        { "SELECT count(*) FROM runs", &info.runs },
        { "SELECT count(*) FROM audit", &info.audit_entries },
        { "SELECT wall_ns FROM audit ORDER BY seq DESC LIMIT 1", &info.last_audit_wall_ns },
    };
    int r = gw_schema_version(db, &info.schema_version, err);
    if (r >= 0)
        r = gw_identity_read(db, mem, &id, err);
    for (size_t i = 0; r >= 0 && i < sizeof numbers / sizeof numbers[0]; i++)
        r = gw_db_number(db, numbers[i].sql, GW_NO_BINDS, numbers[i].to, err);
    if (r < 0)
        return r;
    info.site = id.site;
    info.instance = id.instance;
    info.generation = id.generation;
    *ret = info;
    return 0;
}

int gw_catalog_backup_check(const char *file, struct gw_catalog_mem *mem,
                            struct gw_catalog_backup_info *ret, struct gw_error *err)
{
    CLEANUP_DB struct gw_db db = { 0 };
    int r = gw_backup_open(file, &db, err);
    if (r >= 0)
        r = look(&db, mem, ret, err);
    return r < 0 ? gw_error_wrap(err, "cannot use the backup %s", file) : 0;
}
