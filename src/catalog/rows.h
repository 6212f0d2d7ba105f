// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Tables that more than one file of the catalog uses. Used inside the catalog only. */
#pragma once

#include "catalog/identity.h"
#include "catalog/table.h"

#define GW_TABLE(name, row, columns)                                                               \
    {                                                                                              \
        (name), sizeof(row), (columns), sizeof(columns) / sizeof((columns)[0])                     \
    }

extern const struct gw_table gw_identity_table;
int gw_identity_read(struct gw_db *db, struct gw_catalog_mem *mem, struct gw_catalog_identity *ret,
                     struct gw_error *err);
/* Everything but site and created. */
int gw_identity_write(struct gw_db *db, const struct gw_catalog_identity *row,
                      struct gw_error *err);
