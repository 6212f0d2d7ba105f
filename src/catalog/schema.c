// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/schema.h"

#include "base/cleanup.h"
#include "catalog/limits.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

/*
 * How to change it: never edit a version that was released; add a row to `versions`, raise
 * GW_CATALOG_SCHEMA_VERSION, and keep a file of the version before under tests/unit/catalog.
 */

static const char version_1[] =
    "CREATE TABLE identity ("
    "  id INTEGER PRIMARY KEY CHECK (id = 1), site TEXT NOT NULL, created_wall_ns INTEGER NOT NULL,"
    "  instance TEXT NOT NULL, generation INTEGER NOT NULL, boot_id TEXT NOT NULL,"
    "  fenced INTEGER NOT NULL, fenced_reason TEXT) STRICT;"

    "CREATE TABLE peers ("
    "  site TEXT PRIMARY KEY, link_address TEXT NOT NULL, data_address TEXT NOT NULL,"
    "  fingerprint TEXT NOT NULL, certificate TEXT NOT NULL, paired_wall_ns INTEGER NOT NULL,"
    "  paired_by TEXT NOT NULL, seen_wall_ns INTEGER NOT NULL, clock_offset_ns INTEGER NOT NULL,"
    "  rtt_ns INTEGER NOT NULL, instance TEXT NOT NULL, generation INTEGER NOT NULL) STRICT;"

    "CREATE TABLE plans ("
    "  uuid TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, hash TEXT NOT NULL,"
    "  document TEXT NOT NULL, original TEXT NOT NULL, revision INTEGER NOT NULL,"
    "  activated INTEGER NOT NULL, want TEXT NOT NULL, mode TEXT NOT NULL, held_reason TEXT,"
    "  fenced_reason TEXT, holder TEXT NOT NULL, epoch INTEGER NOT NULL, committed INTEGER NOT "
    "NULL,"
    "  phase TEXT NOT NULL, phase_wall_ns INTEGER NOT NULL, role_wall_ns INTEGER NOT NULL,"
    "  activated_wall_ns INTEGER NOT NULL, created_wall_ns INTEGER NOT NULL, state TEXT NOT NULL,"
    "  retired_wall_ns INTEGER NOT NULL, evidence_dir TEXT) STRICT;"
    "CREATE UNIQUE INDEX plans_living ON plans (name) WHERE retired_wall_ns = 0;"

    "CREATE TABLE plan_versions ("
    "  uuid TEXT NOT NULL REFERENCES plans, version INTEGER NOT NULL, hash TEXT NOT NULL,"
    "  document TEXT NOT NULL, original TEXT NOT NULL, who TEXT NOT NULL,"
    "  wall_ns INTEGER NOT NULL, PRIMARY KEY (uuid, version)) STRICT, WITHOUT ROWID;"

    "CREATE TABLE runs ("
    "  id TEXT PRIMARY KEY, plan TEXT NOT NULL, fixed TEXT NOT NULL, row TEXT NOT NULL,"
    "  open INTEGER NOT NULL) STRICT, WITHOUT ROWID;"
    "CREATE INDEX runs_open ON runs (plan) WHERE open = 1;"
    "CREATE TRIGGER runs_fixed BEFORE UPDATE OF id, plan, fixed ON runs"
    "  BEGIN SELECT RAISE(ABORT, 'what a run is does not change'); END;"
    "CREATE TRIGGER runs_delete BEFORE DELETE ON runs"
    "  BEGIN SELECT RAISE(ABORT, 'runs are kept'); END;"

    /* aside 0: the log; more: what was cut off it, the first time, the second, ... */
    "CREATE TABLE run_entries ("
    "  run TEXT NOT NULL REFERENCES runs, aside INTEGER NOT NULL, number INTEGER NOT NULL,"
    "  entry TEXT NOT NULL, PRIMARY KEY (run, aside, number)) STRICT, WITHOUT ROWID;"
    "CREATE TRIGGER run_entries_insert BEFORE INSERT ON run_entries"
    "  WHEN NEW.aside <> 0 OR NEW.number <> (SELECT count(*) FROM run_entries"
    "    WHERE run = NEW.run AND aside = 0)"
    "  BEGIN SELECT RAISE(ABORT, 'the log of a run grows at its end only'); END;"
    "CREATE TRIGGER run_entries_update BEFORE UPDATE ON run_entries"
    "  WHEN NEW.run <> OLD.run OR NEW.number <> OLD.number OR NEW.entry <> OLD.entry"
    "    OR OLD.aside <> 0 OR NEW.aside <= 0"
    "  BEGIN SELECT RAISE(ABORT, 'the log of a run is append-only'); END;"
    "CREATE TRIGGER run_entries_delete BEFORE DELETE ON run_entries"
    "  BEGIN SELECT RAISE(ABORT, 'the log of a run is append-only'); END;"

    "CREATE TABLE run_inbox ("
    "  run TEXT NOT NULL, step INTEGER NOT NULL, attempt INTEGER NOT NULL, undo INTEGER NOT NULL,"
    "  value TEXT NOT NULL, PRIMARY KEY (run, step, attempt, undo)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE run_requests ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, value TEXT NOT NULL,"
    "  taken INTEGER NOT NULL) STRICT;"
    "CREATE TABLE run_epochs (plan TEXT PRIMARY KEY, epoch INTEGER NOT NULL) STRICT,"
    "  WITHOUT ROWID;"

    "CREATE TABLE timings ("
    "  id INTEGER PRIMARY KEY, plan_uuid TEXT NOT NULL, operation TEXT NOT NULL,"
    "  step TEXT NOT NULL, ms INTEGER NOT NULL, wall_ns INTEGER NOT NULL) STRICT;"
    "CREATE INDEX timings_step ON timings (operation, step, plan_uuid);"

    "CREATE TABLE signatures ("
    "  plan_uuid TEXT NOT NULL, tail TEXT NOT NULL, who TEXT NOT NULL, wall_ns INTEGER NOT NULL,"
    "  disposition TEXT NOT NULL, reason TEXT, summary TEXT NOT NULL, epoch INTEGER NOT NULL,"
    "  PRIMARY KEY (plan_uuid, tail)) STRICT;"

    "CREATE TABLE events ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, wall_ns INTEGER NOT NULL, kind TEXT NOT NULL,"
    "  plan TEXT, run TEXT, severity TEXT NOT NULL, text TEXT NOT NULL, data TEXT NOT NULL) STRICT;"
    "CREATE INDEX events_plan ON events (plan, id);"

    "CREATE TABLE idempotency ("
    "  owner TEXT NOT NULL, key TEXT NOT NULL, request_hash TEXT NOT NULL,"
    "  expires_wall_ns INTEGER NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL, location "
    "TEXT,"
    "  PRIMARY KEY (owner, key)) STRICT;"

    "CREATE TABLE outbox ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, plan TEXT, run TEXT, contact TEXT NOT NULL,"
    "  kind TEXT NOT NULL, body TEXT NOT NULL, created_wall_ns INTEGER NOT NULL,"
    "  state TEXT NOT NULL, tries INTEGER NOT NULL, due_boot_ns INTEGER NOT NULL,"
    "  boot_id TEXT NOT NULL, last_error TEXT, ended_wall_ns INTEGER NOT NULL) STRICT;"
    "CREATE INDEX outbox_pending ON outbox (id) WHERE state = 'PENDING';"

    "CREATE TABLE children ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT, plan TEXT, run TEXT NOT NULL, step TEXT NOT NULL,"
    "  attempt INTEGER NOT NULL, what TEXT NOT NULL, pid INTEGER NOT NULL, pgid INTEGER NOT NULL,"
    "  start_ticks INTEGER NOT NULL, boot_id TEXT NOT NULL, wall_ns INTEGER NOT NULL,"
    "  record TEXT) STRICT;"

    "CREATE TABLE audit ("
    "  seq INTEGER PRIMARY KEY, wall_ns INTEGER NOT NULL, who TEXT NOT NULL, uid INTEGER NOT NULL,"
    "  certificate TEXT, origin TEXT NOT NULL, action TEXT NOT NULL, object TEXT NOT NULL,"
    "  outcome TEXT NOT NULL, detail TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL) STRICT;"
    "CREATE TRIGGER audit_insert BEFORE INSERT ON audit"
    "  WHEN NEW.seq <> 1 + coalesce((SELECT max(seq) FROM audit), 0)"
    "  BEGIN SELECT RAISE(ABORT, 'the audit log grows at its end only'); END;"
    "CREATE TRIGGER audit_update BEFORE UPDATE ON audit"
    "  BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;"
    "CREATE TRIGGER audit_delete BEFORE DELETE ON audit"
    "  BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;";

static const char *const versions[] = { version_1 };
static_assert(sizeof versions / sizeof versions[0] == GW_CATALOG_SCHEMA_VERSION,
              "each version has its way from the one before");

int gw_schema_version(struct gw_db *db, uint64_t *ret_version, struct gw_error *err)
{
    uint64_t id = 0, version = 0;
    int r = gw_db_number(db, "PRAGMA application_id", GW_NO_BINDS, &id, err);
    if (r >= 0)
        r = gw_db_number(db, "PRAGMA user_version", GW_NO_BINDS, &version, err);
    if (r < 0)
        return r;
    if (id != GW_SCHEMA_APPLICATION_ID || version == 0)
        return gw_error_set(err, -EUCLEAN, "%s is not the catalog of a godwit site", db->path);
    if (version > GW_CATALOG_SCHEMA_VERSION)
        return gw_error_set(err, -EPROTONOSUPPORT,
                            "%s was written by a newer godwit (schema %llu, this one knows %d): "
                            "start the newer program, or restore a backup of before the upgrade",
                            db->path, (unsigned long long)version, GW_CATALOG_SCHEMA_VERSION);
    *ret_version = version;
    return 0;
}

/* From version `from` to the next, and nothing else, in one transaction. */
static int step_up(struct gw_db *db, uint64_t from, struct gw_error *err)
{
    char mark[96];
    snprintf(mark, sizeof mark, "PRAGMA application_id = %d; PRAGMA user_version = %llu",
             GW_SCHEMA_APPLICATION_ID, (unsigned long long)from + 1);
    int r = gw_db_exec(db, "BEGIN IMMEDIATE", err);
    if (r >= 0)
        r = gw_db_exec(db, versions[from], err);
    if (r >= 0)
        r = gw_db_exec(db, mark, err);
    if (r >= 0)
        r = gw_db_exec(db, "COMMIT", err);
    if (r < 0 && sqlite3_get_autocommit(db->handle) == 0)
        gw_db_exec(db, "ROLLBACK", NULL);
    return r;
}

static int migrate_from(struct gw_db *db, uint64_t version, struct gw_error *err)
{
    for (; version < GW_CATALOG_SCHEMA_VERSION; version++)
        if (step_up(db, version, err) < 0)
            return gw_error_wrap(err, "cannot bring the catalog's schema from %llu to %llu",
                                 (unsigned long long)version, (unsigned long long)version + 1);
    return 0;
}

int gw_schema_migrate(struct gw_db *db, struct gw_error *err)
{
    uint64_t version;
    int r = gw_schema_version(db, &version, err);
    return r < 0 ? r : migrate_from(db, version, err);
}

int gw_schema_create(struct gw_db *db, struct gw_error *err)
{
    return migrate_from(db, 0, err);
}
