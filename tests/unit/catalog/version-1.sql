-- SPDX-License-Identifier: Apache-2.0
-- Copyright the godwit authors
-- A catalog as schema version 1 wrote it: a plan, an open run of it with two entries, two entries of the
-- audit log.
CREATE TABLE identity ( id INTEGER PRIMARY KEY CHECK (id = 1), site TEXT NOT NULL, created_wall_ns
  INTEGER NOT NULL, instance TEXT NOT NULL, generation INTEGER NOT NULL, boot_id TEXT NOT NULL,
  fenced INTEGER NOT NULL, fenced_reason TEXT) STRICT;
CREATE TABLE peers ( site TEXT PRIMARY KEY, link_address TEXT NOT NULL, data_address TEXT NOT NULL,
  fingerprint TEXT NOT NULL, certificate TEXT NOT NULL, paired_wall_ns INTEGER NOT NULL, paired_by
  TEXT NOT NULL, seen_wall_ns INTEGER NOT NULL, clock_offset_ns INTEGER NOT NULL, rtt_ns INTEGER NOT
  NULL, instance TEXT NOT NULL, generation INTEGER NOT NULL) STRICT;
CREATE TABLE plans ( uuid TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, hash TEXT
  NOT NULL, document TEXT NOT NULL, original TEXT NOT NULL, revision INTEGER NOT NULL, activated
  INTEGER NOT NULL, want TEXT NOT NULL, mode TEXT NOT NULL, held_reason TEXT, fenced_reason TEXT,
  holder TEXT NOT NULL, epoch INTEGER NOT NULL, committed INTEGER NOT NULL, phase TEXT NOT NULL,
  phase_wall_ns INTEGER NOT NULL, role_wall_ns INTEGER NOT NULL, activated_wall_ns INTEGER NOT NULL,
  created_wall_ns INTEGER NOT NULL, state TEXT NOT NULL, retired_wall_ns INTEGER NOT NULL,
  evidence_dir TEXT) STRICT;
CREATE TABLE plan_versions ( uuid TEXT NOT NULL REFERENCES plans, version INTEGER NOT NULL, hash
  TEXT NOT NULL, document TEXT NOT NULL, original TEXT NOT NULL, who TEXT NOT NULL, wall_ns INTEGER
  NOT NULL, PRIMARY KEY (uuid, version)) STRICT, WITHOUT ROWID;
CREATE TABLE runs ( id TEXT PRIMARY KEY, plan TEXT NOT NULL, fixed TEXT NOT NULL, row TEXT NOT NULL,
  open INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE run_entries ( run TEXT NOT NULL REFERENCES runs, aside INTEGER NOT NULL, number INTEGER
  NOT NULL, entry TEXT NOT NULL, PRIMARY KEY (run, aside, number)) STRICT, WITHOUT ROWID;
CREATE TABLE run_inbox ( run TEXT NOT NULL, step INTEGER NOT NULL, attempt INTEGER NOT NULL, undo
  INTEGER NOT NULL, value TEXT NOT NULL, PRIMARY KEY (run, step, attempt, undo)) STRICT, WITHOUT
  ROWID;
CREATE TABLE run_requests ( id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, value TEXT NOT
  NULL, taken INTEGER NOT NULL) STRICT;
CREATE TABLE run_epochs (plan TEXT PRIMARY KEY, epoch INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE timings ( id INTEGER PRIMARY KEY, plan_uuid TEXT NOT NULL, operation TEXT NOT NULL,
  step TEXT NOT NULL, ms INTEGER NOT NULL, wall_ns INTEGER NOT NULL) STRICT;
CREATE TABLE signatures ( plan_uuid TEXT NOT NULL, tail TEXT NOT NULL, who TEXT NOT NULL, wall_ns
  INTEGER NOT NULL, disposition TEXT NOT NULL, reason TEXT, summary TEXT NOT NULL, epoch INTEGER NOT
  NULL, PRIMARY KEY (plan_uuid, tail)) STRICT;
CREATE TABLE events ( id INTEGER PRIMARY KEY AUTOINCREMENT, wall_ns INTEGER NOT NULL, kind TEXT NOT
  NULL, plan TEXT, run TEXT, severity TEXT NOT NULL, text TEXT NOT NULL, data TEXT NOT NULL) STRICT;
CREATE TABLE idempotency ( owner TEXT NOT NULL, key TEXT NOT NULL, request_hash TEXT NOT NULL,
  expires_wall_ns INTEGER NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL, location TEXT,
  PRIMARY KEY (owner, key)) STRICT;
CREATE TABLE outbox ( id INTEGER PRIMARY KEY AUTOINCREMENT, plan TEXT, run TEXT, contact TEXT NOT
  NULL, kind TEXT NOT NULL, body TEXT NOT NULL, created_wall_ns INTEGER NOT NULL, state TEXT NOT
  NULL, tries INTEGER NOT NULL, due_boot_ns INTEGER NOT NULL, boot_id TEXT NOT NULL, last_error
  TEXT, ended_wall_ns INTEGER NOT NULL) STRICT;
CREATE TABLE children ( id INTEGER PRIMARY KEY AUTOINCREMENT, plan TEXT, run TEXT NOT NULL, step
  TEXT NOT NULL, attempt INTEGER NOT NULL, what TEXT NOT NULL, pid INTEGER NOT NULL, pgid INTEGER
  NOT NULL, start_ticks INTEGER NOT NULL, boot_id TEXT NOT NULL, wall_ns INTEGER NOT NULL, record
  TEXT) STRICT;
CREATE TABLE audit ( seq INTEGER PRIMARY KEY, wall_ns INTEGER NOT NULL, who TEXT NOT NULL, uid
  INTEGER NOT NULL, certificate TEXT, origin TEXT NOT NULL, action TEXT NOT NULL, object TEXT NOT
  NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL) STRICT;
CREATE UNIQUE INDEX plans_living ON plans (name) WHERE retired_wall_ns = 0;
CREATE INDEX runs_open ON runs (plan) WHERE open = 1;
CREATE INDEX timings_step ON timings (operation, step, plan_uuid);
CREATE INDEX events_plan ON events (plan, id);
CREATE INDEX outbox_pending ON outbox (id) WHERE state = 'PENDING';
INSERT INTO identity VALUES (1, 'lyon', 1795349783188785601, '9f8ef7f8-a6af-47e1-9e61-a2ee61e47e1a',
  1, '', 0, NULL);
INSERT INTO plans VALUES ('11111111-2222-4333-8444-555555555555', 'shop', 1, 'h1', '{"plan":"shop"}', 'plan: shop
', 1, 0, 'NONE', 'APPROVE', NULL, NULL, 'paris', 5, 0, '', 0, 0, 0, 1000, '{}', 0, NULL);
INSERT INTO plan_versions VALUES ('11111111-2222-4333-8444-555555555555', 1, 'h1', '{"plan":"shop"}', 'plan: shop
', 'anna', 1000);
INSERT INTO runs VALUES ('01hzzzzzzzaaaaaaaaaaaaaaaa', 'shop', '{"operation":"failback"}',
  '{"state":"RUNNING"}', 1);
INSERT INTO run_entries VALUES ('01hzzzzzzzaaaaaaaaaaaaaaaa', 0, 0,
  '{"number":0,"kind":"created"}');
INSERT INTO run_entries VALUES ('01hzzzzzzzaaaaaaaaaaaaaaaa', 0, 1,
  '{"number":1,"kind":"started"}');
INSERT INTO run_epochs VALUES ('shop', 5);
INSERT INTO audit VALUES (1, 1795349783188785601, 'godwit', -1, NULL, 'daemon', 'catalog.created',
  'lyon', 'done', '{"earlier_head":"missing"}',
  '0000000000000000000000000000000000000000000000000000000000000000',
  'd3379663af6408b44e23b8bcf6bc2cd5cc676c31373a17656a79183dc86b0118');
INSERT INTO audit VALUES (2, 5, 'anna', 1000, NULL, 'unix', 'run.start',
  '01hzzzzzzzaaaaaaaaaaaaaaaa', 'done', '{}',
  'd3379663af6408b44e23b8bcf6bc2cd5cc676c31373a17656a79183dc86b0118',
  '618c7fe8eb8a273734207b82b0d6842fc17fce29845e4d1879bc88d64b36faf5');
CREATE TRIGGER runs_fixed BEFORE UPDATE OF id, plan, fixed ON runs BEGIN SELECT RAISE(ABORT,
  'what a run is does not change'); END;
CREATE TRIGGER runs_delete BEFORE DELETE ON runs BEGIN SELECT RAISE(ABORT, 'runs are kept'); END;
CREATE TRIGGER run_entries_insert BEFORE INSERT ON run_entries WHEN NEW.aside <> 0 OR NEW.number <>
  (SELECT count(*) FROM run_entries WHERE run = NEW.run AND aside = 0) BEGIN SELECT RAISE(ABORT,
  'the log of a run grows at its end only'); END;
CREATE TRIGGER run_entries_update BEFORE UPDATE ON run_entries WHEN NEW.run <> OLD.run OR NEW.number
  <> OLD.number OR NEW.entry <> OLD.entry OR OLD.aside <> 0 OR NEW.aside <= 0 BEGIN SELECT
  RAISE(ABORT, 'the log of a run is append-only'); END;
CREATE TRIGGER run_entries_delete BEFORE DELETE ON run_entries BEGIN SELECT RAISE(ABORT,
  'the log of a run is append-only'); END;
CREATE TRIGGER audit_insert BEFORE INSERT ON audit WHEN NEW.seq <> 1 + coalesce((SELECT max(seq)
  FROM audit), 0) BEGIN SELECT RAISE(ABORT, 'the audit log grows at its end only'); END;
CREATE TRIGGER audit_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT,
  'the audit log is append-only'); END;
CREATE TRIGGER audit_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT,
  'the audit log is append-only'); END;
PRAGMA application_id = 1196901204;
PRAGMA user_version = 1;
