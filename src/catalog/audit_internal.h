// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Between the files of the audit log, and catalog.c. Used inside the catalog only. */
#pragma once

#include "catalog/audit.h"
#include "catalog/catalog_internal.h"

#include <jansson.h>

/*
 * Entries that take over from an earlier audit.head (a new catalog in place of a lost one, a
 * restore, a person's acceptance) have these actions, and say in their detail what audit.head said:
 * "earlier_head": {"count": N, "hash": "..."}, or "missing", or "damaged".
 */
#define GW_AUDIT_CREATED "catalog.created"
#define GW_AUDIT_RESTORED "catalog.restored"
#define GW_AUDIT_ACCEPTED "audit.accepted"

/* What DIR/audit.head says, in that form. A new reference; NULL: no memory. */
json_t *gw_audit_earlier_head(const char *dir);

extern const struct gw_table gw_audit_table;
/* Append to an open transaction of any connection; texts of entry go through mem. */
int gw_audit_insert(struct gw_db *db, const struct gw_audit_entry *entry, uint64_t *ret_seq,
                    struct gw_error *err);
/* The canonical JSON that is hashed; to be freed. -EBADMSG: detail is not in canonical form. */
int gw_audit_canonical(const struct gw_audit_entry *e, char **ret, struct gw_error *err);
/* SHA-256 of it. */
int gw_audit_hash(const struct gw_audit_entry *e, char ret[GW_CATALOG_HASH_TEXT],
                  struct gw_error *err);
int gw_audit_last(struct gw_db *db, uint64_t *ret_seq, char ret_hash[GW_CATALOG_HASH_TEXT],
                  struct gw_error *err);
/* Does the log go on from what audit.head says (`head`, or its absence: `problem` -ENOENT,
 * -EUCLEAN)? 1 or 0. */
int gw_audit_head_fits(struct gw_db *db, const struct gw_audit_head *head, int problem,
                       struct gw_error *err);

/* At the opening of the catalog: load audit.head, and let it catch up after a crash. */
int gw_audit_head_start(struct gw_catalog *c, struct gw_error *err);
/* After a commit that appended entries, still in the writers' turn. */
void gw_audit_head_follow(struct gw_catalog *c);
