// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/create.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "catalog/audit_internal.h"
#include "catalog/files.h"
#include "catalog/rows.h"
#include "catalog/schema.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const log_suffixes[] = { "-wal", "-shm", "-journal" };

int gw_create_clear(const char *dir, struct gw_error *err)
{
    char path[GW_PATH_BYTES], log[GW_PATH_BYTES];
    int r = gw_path_join(path, dir, GW_CATALOG_NEW_FILE, err);
    for (size_t i = 0; r >= 0 && i < GW_ARRAY_SIZE(log_suffixes); i++) {
        r = gw_path_add(log, path, log_suffixes[i], err);
        if (r >= 0 && unlink(log) < 0 && errno != ENOENT)
            r = gw_error_errno(err, -errno, "cannot remove %s", log);
    }
    return r < 0 ? r : gw_file_fresh(path, err);
}

/* The log of a catalog that is gone. */
static int orphan_aside(const char *path, const char *suffix, struct gw_error *err)
{
    char log[GW_PATH_BYTES], aside[GW_PATH_BYTES];
    int r = gw_path_add(log, path, suffix, err);
    if (r >= 0)
        r = gw_path_add(aside, log, ".orphan", err);
    if (r < 0)
        return r;
    return access(log, F_OK) == 0 ? gw_file_move(log, aside, true, err) : 0;
}

int gw_create_publish(const char *dir, struct gw_error *err)
{
    char from[GW_PATH_BYTES], to[GW_PATH_BYTES];
    int r = gw_path_join(from, dir, GW_CATALOG_NEW_FILE, err);
    if (r >= 0)
        r = gw_path_join(to, dir, GW_CATALOG_FILE, err);
    if (r >= 0 && access(to, F_OK) == 0)
        r = gw_error_set(err, -EEXIST, "there is a catalog %s already", to);
    for (size_t i = 0; r >= 0 && i < GW_ARRAY_SIZE(log_suffixes); i++)
        r = orphan_aside(to, log_suffixes[i], err);
    if (r >= 0)
        r = gw_file_sync(from, err);
    return r < 0 ? r : gw_file_move(from, to, false, err);
}

/* ---- a new catalog --------------------------------------------------------------------------- */

static int write_identity(struct gw_db *db, const char *site, uint64_t wall_ns,
                          struct gw_error *err)
{
    char instance[GW_UUID_TEXT];
    const struct gw_uuid u = gw_uuid_new();
    gw_uuid_format(&u, instance);
    const struct gw_catalog_identity row = {
        .site = site, .created_wall_ns = wall_ns, .instance = instance, .generation = 1
    };
    return gw_table_insert(db, &gw_identity_table, &row, false, err);
}

static int write_first_entry(struct gw_db *db, const char *dir, const char *site, uint64_t wall_ns,
                             struct gw_error *err)
{
    json_t *j = json_pack("{s:o?}", "earlier_head", gw_audit_earlier_head(dir));
    CLEANUP_FREE char *detail = j == NULL ? NULL : json_dumps(j, JSON_COMPACT);
    json_decref(j);
    if (detail == NULL)
        return gw_error_set(err, -ENOMEM, "no memory for an entry of the audit log");
    const struct gw_audit_entry entry = { .wall_ns = wall_ns,
                                          .who = "godwit",
                                          .uid = -1,
                                          .origin = "daemon",
                                          .action = GW_AUDIT_CREATED,
                                          .object = site,
                                          .outcome = "done",
                                          .detail = detail };
    return gw_audit_insert(db, &entry, NULL, err);
}

static int fill(const char *dir, const char *site, struct gw_error *err)
{
    CLEANUP_DB struct gw_db db = { 0 };
    char path[GW_PATH_BYTES];
    uint64_t wall_ns = gw_wall_ns();
    int r = gw_path_join(path, dir, GW_CATALOG_NEW_FILE, err);
    if (r >= 0)
        r = gw_db_open(&db, path, GW_DB_SINGLE, err);
    if (r >= 0)
        r = gw_schema_create(&db, err);
    if (r >= 0)
        r = write_identity(&db, site, wall_ns, err);
    return r < 0 ? r : write_first_entry(&db, dir, site, wall_ns, err);
}

int gw_catalog_create(const char *dir, const char *site, struct gw_error *err)
{
    char path[GW_PATH_BYTES];
    int r = gw_path_join(path, dir, GW_CATALOG_FILE, err);
    if (r >= 0 && access(path, F_OK) == 0)
        return gw_error_set(err, -EEXIST, "there is a catalog %s already", path);
    if (r >= 0)
        r = gw_create_clear(dir, err);
    if (r >= 0)
        r = fill(dir, site, err);
    if (r >= 0)
        r = gw_create_publish(dir, err);
    return r < 0 ? gw_error_wrap(err, "cannot make the catalog of site %s", site) : 0;
}
