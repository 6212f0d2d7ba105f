// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Backups of the catalog: one file each, taken while everything goes on, and the way back.
 *
 * The catalog knows no keys: site.key, site.pem and the peers' certificates are files of their own,
 * which the caller backs up beside it.
 */
#pragma once

#include "catalog/catalog.h"

/* Write a consistent copy to `file` (mode 0600), checked and durable before it has that name.
 * -EEXIST: there is something. Writers are not held up. */
int gw_catalog_backup(struct gw_catalog *c, const char *file, struct gw_error *err);

struct gw_catalog_backup_info {
    const char *site, *instance;
    uint64_t generation, schema_version;
    uint64_t plans, runs, audit_entries;
    uint64_t last_audit_wall_ns; /* the newest entry: how old its memory is; 0 none */
};

/* What a backup holds. -EUCLEAN: damaged, or not a catalog; -EPROTONOSUPPORT: of a newer godwit.
 * The file is not changed. */
int gw_catalog_backup_check(const char *file, struct gw_catalog_mem *mem,
                            struct gw_catalog_backup_info *ret, struct gw_error *err);

/*
 * Make the backup the catalog of DIR. No catalog of DIR may be open (the caller has its lock). A
 * catalog that is there is kept beside it, as catalog.db.before-restore-N. `site` must be the one
 * of the backup (-EINVAL). The restored catalog has a new instance, the next generation, is fenced,
 * and its audit log says who restored it and which entries of the old one are not in it.
 */
int gw_catalog_restore(const char *file, const char *dir, const char *site, const char *who,
                       uint64_t wall_ns, struct gw_error *err);
