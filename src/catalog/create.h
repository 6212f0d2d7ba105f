// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* A catalog that is made under another name first, so that it appears as a whole. Used inside the
 * catalog only. */
#pragma once

#include "base/error.h"

#define GW_CATALOG_NEW_FILE GW_CATALOG_FILE ".new"

/* Nothing of an interrupted attempt is in the way of DIR/catalog.db.new any more. */
int gw_create_clear(const char *dir, struct gw_error *err);
/*
 * DIR/catalog.db.new is complete and closed: make it durable, and make it the catalog. Logs that
 * lie about without their catalog are moved aside before: SQLite would replay them onto the new
 * one. -EEXIST: there is a catalog.
 */
int gw_create_publish(const char *dir, struct gw_error *err);
