// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The schema of the catalog: its tables, and the way from each older version. Used inside the
 * catalog only.
 *
 * The version is SQLite's user_version, the file's kind its application_id. A migration is one
 * transaction: a crash leaves the old version or the new one.
 */
#pragma once

#include "catalog/db.h"

#define GW_SCHEMA_APPLICATION_ID 0x47574354 /* "GWCT" */

/* The version of the file. -EUCLEAN: it is not a catalog; -EPROTONOSUPPORT: of a newer godwit. */
int gw_schema_version(struct gw_db *db, uint64_t *ret_version, struct gw_error *err);
/* Bring an older file to GW_CATALOG_SCHEMA_VERSION. */
int gw_schema_migrate(struct gw_db *db, struct gw_error *err);
/* All tables, in an empty file. */
int gw_schema_create(struct gw_db *db, struct gw_error *err);
