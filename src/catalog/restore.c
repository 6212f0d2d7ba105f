// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/backup_internal.h"

#include "base/cleanup.h"
#include "base/uuid.h"
#include "catalog/audit_internal.h"
#include "catalog/create.h"
#include "catalog/files.h"
#include "catalog/rows.h"
#include "catalog/schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEPT_MAX 1000 /* catalogs of before restores that are kept beside the new one */

/*
 * The order of things: everything is decided in DIR/catalog.db.new; then the old catalog is moved
 * aside, its log before the file; then the new one gets the name. A crash between the last two
 * leaves no catalog, which gw_catalog_open refuses with the way out: restore again.
 */

/* ---- the restored catalog -------------------------------------------------------------------- */

/* The generation of the catalog that is replaced, if it can still say so. */
static uint64_t generation_of(const char *dir)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog *old = NULL;
    struct gw_catalog_identity id = { 0 };
    /* Opening and closing it also brings what is in its log into the file. */
    if (gw_catalog_open(dir, &old, NULL) >= 0)
        gw_catalog_identity_get(old, &mem, &id, NULL);
    gw_catalog_close(old);
    return id.generation;
}

static int new_identity(struct gw_db *db, const char *site, uint64_t old_generation,
                        struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_identity id;
    char instance[GW_UUID_TEXT];
    const struct gw_uuid u = gw_uuid_new();
    int r = gw_identity_read(db, &mem, &id, err);
    if (r < 0)
        return r;
    if (strcmp(id.site, site) != 0)
        return gw_error_set(err, -EINVAL, "it is the backup of site \"%s\", this is \"%s\"",
                            id.site, site);
    gw_uuid_format(&u, instance);
    id.instance = instance;
    id.generation = 1 + (id.generation > old_generation ? id.generation : old_generation);
    id.boot_id = "";
    id.fenced = true;
    id.fenced_reason = "the catalog was restored from a backup";
    return gw_identity_write(db, &id, err);
}

static int new_entry(struct gw_db *db, const char *dir, const char *file, const char *who,
                     uint64_t wall_ns, struct gw_error *err)
{
    json_t *j = json_pack("{s:o?, s:s}", "earlier_head", gw_audit_earlier_head(dir), "file", file);
    CLEANUP_FREE char *detail = j == NULL ? NULL : json_dumps(j, JSON_COMPACT);
    json_decref(j);
    if (detail == NULL)
        return gw_error_set(err, -EINVAL, "the name of the backup is not UTF-8");
    const struct gw_audit_entry entry = { .wall_ns = wall_ns,
                                          .who = who,
                                          .uid = -1,
                                          .origin = "daemon",
                                          .action = GW_AUDIT_RESTORED,
                                          .object = "catalog",
                                          .outcome = "done",
                                          .detail = detail };
    return gw_audit_insert(db, &entry, NULL, err);
}

static int fill(const char *file, const char *dir, const char *site, const char *who,
                uint64_t wall_ns, struct gw_error *err)
{
    CLEANUP_DB struct gw_db from = { 0 }, to = { 0 };
    char path[GW_PATH_BYTES];
    int r = gw_backup_open(file, &from, err);
    if (r >= 0)
        r = gw_path_join(path, dir, GW_CATALOG_NEW_FILE, err);
    if (r >= 0)
        r = gw_db_open(&to, path, GW_DB_SINGLE, err);
    if (r >= 0)
        r = gw_backup_copy(&from, &to, err);
    if (r >= 0)
        r = gw_schema_migrate(&to, err);
    if (r >= 0)
        r = new_identity(&to, site, generation_of(dir), err);
    if (r >= 0) /* requests of then are not in progress now */
        r = gw_db_exec(&to, "DELETE FROM idempotency WHERE status = 0", err);
    return r < 0 ? r : new_entry(&to, dir, file, who, wall_ns, err);
}

/* ---- the old one ----------------------------------------------------------------------------- */

/* DIR/catalog.db.before-restore-N, the first N that is free. */
static int kept_name(const char *path, char ret[GW_PATH_BYTES], struct gw_error *err)
{
    for (unsigned n = 1; n <= KEPT_MAX; n++) {
        char suffix[32];
        snprintf(suffix, sizeof suffix, ".before-restore-%u", n);
        int r = gw_path_add(ret, path, suffix, err);
        if (r < 0 || access(ret, F_OK) != 0)
            return r;
    }
    return gw_error_set(err, -EEXIST, "too many catalogs of before restores are kept beside %s",
                        path);
}

static int move_aside(const char *dir, struct gw_error *err)
{
    char path[GW_PATH_BYTES], kept[GW_PATH_BYTES], log[GW_PATH_BYTES], kept_log[GW_PATH_BYTES];
    int r = gw_path_join(path, dir, GW_CATALOG_FILE, err);
    if (r < 0 || access(path, F_OK) != 0)
        return r;
    r = kept_name(path, kept, err);
    if (r >= 0)
        r = gw_path_add(log, path, "-wal", err);
    if (r >= 0)
        r = gw_path_add(kept_log, kept, "-wal", err);
    if (r >= 0 && access(log, F_OK) == 0)
        r = gw_file_move(log, kept_log, false, err);
    return r < 0 ? r : gw_file_move(path, kept, false, err);
}

int gw_catalog_restore(const char *file, const char *dir, const char *site, const char *who,
                       uint64_t wall_ns, struct gw_error *err)
{
    int r = gw_create_clear(dir, err);
    if (r >= 0)
        r = fill(file, dir, site, who, wall_ns, err);
    if (r >= 0)
        r = move_aside(dir, err);
    if (r >= 0)
        r = gw_create_publish(dir, err);
    return r < 0 ? gw_error_wrap(err, "cannot restore the catalog from %s", file) : 0;
}
