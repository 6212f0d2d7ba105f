// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The catalog: what a site remembers, in one SQLite file, DIR/catalog.db.
 *
 * Calling sequence
 *     gw_catalog_create   once, when the site is made (or made anew after its catalog was lost)
 *     gw_catalog_open     at every start; migrates an older schema, checks the file
 *     ... the typed functions of the other headers of this folder ...
 *     gw_catalog_close
 * The lock that keeps a second daemon away from DIR is the caller's; SQLite's own locks only keep
 * the file whole when something else (a backup tool) reads it.
 *
 * Promises
 *   - What a function reported as done (0) is on disk: WAL with synchronous=FULL. A kill -9 or a
 * power loss at any moment loses nothing that was reported and leaves nothing half done.
 *   - A full disk is -ENOSPC: the whole transaction is undone, the catalog goes on, and works again
 *     when there is room.
 *   - Any other I/O error while writing is -EIO and sticks: nothing more is written until the
 *     catalog is opened anew (gw_catalog_failed says why), because after a failed fsync nothing may
 *     be assumed; whether that last transaction is there, shows then. Reading goes on.
 *
 * Transactions. Every function here is one by itself. Several become one with
 *
 *     CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
 *     r = gw_catalog_begin(catalog, &tx, err);
 *     if (r < 0)
 *         return r;
 *     ... any functions; return on an error rolls back ...
 *     return gw_catalog_commit(&tx, err);
 *
 * They nest: an inner rollback undoes the inner part only. An error that made SQLite undo
 * everything (full disk, I/O) spoils the outer transaction as well: its commit fails, whatever the
 * caller does, and nothing of it remains.
 *
 * Threads: any number on one catalog. There are two connections, each behind a mutex. Writers take
 * turns; a transaction holds the writers' turn from begin to commit, so keep it short: no call to a
 * peer or a process inside. Readers use the other connection and never wait for a writer's fsync; a
 * thread reads its own uncommitted changes inside its transaction, others see them after the
 * commit. Begin and commit in the same thread. Do not use a catalog in a forked child.
 *
 * Values
 *   - Text is UTF-8; bytes that are not become U+FFFD on the way in. NULL where a member says
 *     "or NULL".
 *   - Members called JSON are JSON texts; NULL is written as {}; what does not parse is -EINVAL.
 *   - Wall times are ns since 1970 (0: none), for people. What must not depend on a clock that
 *     somebody sets carries a boot time and the boot's id.
 *   - Numbers above INT64_MAX are -ERANGE: SQLite has no larger ones.
 *
 * Errors everywhere: -ENOENT no such thing; -EEXIST one is there; -ESTALE somebody was faster, or
 * what is asked for is of the past; -EBADMSG what came is not what is recorded; -EINVAL bad value;
 * -ENOSPC, -EIO, -EROFS as the disk says; -EUCLEAN the file is damaged; -EBUSY another program
 * holds the file; -ENOMEM.
 */
#pragma once

#include "base/error.h"
#include "catalog/mem.h"

#include <stdbool.h>
#include <stdint.h>

#define GW_CATALOG_FILE "catalog.db"

struct gw_catalog;

/*
 * Make DIR/catalog.db for `site`: -EEXIST if there is one. It appears as a whole or not at all. If
 * DIR has an audit.head of an earlier catalog, that one was lost: the first entry of the new audit
 * log records what it had counted (audit.h). The new catalog has a new instance id and generation 1
 * (identity.h); a rebuilt site sets both right with gw_catalog_identity_set.
 */
int gw_catalog_create(const char *dir, const char *site, struct gw_error *err);

/*
 * Open DIR/catalog.db. -ENOENT: there is none (create it, or rebuild it from the peer);
 * -EPROTONOSUPPORT: a newer godwit wrote it; -EUCLEAN: it is damaged, or no catalog at all: the
 * sentence says the ways out.
 */
int gw_catalog_open(const char *dir, struct gw_catalog **ret, struct gw_error *err);
/* No transaction may be open. NULL is fine. */
void gw_catalog_close(struct gw_catalog *c);

/* The sticky failure: its code, and the sentence in err; 0 while all is well. */
int gw_catalog_failed(struct gw_catalog *c, struct gw_error *err);
const char *gw_catalog_dir(const struct gw_catalog *c);

/* One transaction in progress; { 0 } before. */
struct gw_catalog_tx {
    struct gw_catalog *catalog; /* NULL: none */
};

int gw_catalog_begin(struct gw_catalog *c, struct gw_catalog_tx *tx, struct gw_error *err);
/* Ends it either way: after a failed commit everything is undone. */
int gw_catalog_commit(struct gw_catalog_tx *tx, struct gw_error *err);
/* Nothing happens if none is in progress. */
void gw_catalog_rollback(struct gw_catalog_tx *tx);

#define CLEANUP_CATALOG_TX __attribute__((cleanup(gw_catalog_rollback)))
