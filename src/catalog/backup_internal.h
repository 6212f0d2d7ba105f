// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Between backup and restore. Used inside the catalog only. */
#pragma once

#include "catalog/backup.h"
#include "catalog/db.h"

/* Open a backup for reading, checked: it is whole, it is a catalog, and none of a newer godwit. */
int gw_backup_open(const char *file, struct gw_db *ret, struct gw_error *err);
/* A copy of everything in `from`, in the file that `to` has open. */
int gw_backup_copy(struct gw_db *from, struct gw_db *to, struct gw_error *err);
