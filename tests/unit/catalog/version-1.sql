-- SPDX-License-Identifier: Apache-2.0
-- Copyright the godwit authors
-- A catalog as schema version 1 wrote it: a plan, a run of it, its log, two entries of the audit log.
CREATE TABLE identity ( id INTEGER PRIMARY KEY CHECK (id = 1), site TEXT NOT NULL, created_wall_ns
  INTEGER NOT NULL, instance TEXT NOT NULL, generation INTEGER NOT NULL, boot_id TEXT NOT NULL,
  fenced INTEGER NOT NULL, fenced_reason TEXT) STRICT;
CREATE TABLE peers ( site TEXT PRIMARY KEY, link_address TEXT NOT NULL, data_address TEXT NOT
  NULL, fingerprint TEXT NOT NULL, certificate TEXT NOT NULL, paired_wall_ns INTEGER NOT NULL,
  paired_by TEXT NOT NULL, seen_wall_ns INTEGER NOT NULL, clock_offset_ns INTEGER NOT NULL, rtt_ns
  INTEGER NOT NULL, instance TEXT NOT NULL, generation INTEGER NOT NULL) STRICT;
CREATE TABLE pair_codes ( hash TEXT PRIMARY KEY, made_by TEXT NOT NULL, created_wall_ns INTEGER
  NOT NULL, boot_id TEXT NOT NULL, expires_boot_ns INTEGER NOT NULL, tries_left INTEGER NOT NULL,
  used_wall_ns INTEGER NOT NULL, used_by TEXT) STRICT;
CREATE TABLE plans ( uuid TEXT PRIMARY KEY, name TEXT NOT NULL, version INTEGER NOT NULL, hash
  TEXT NOT NULL, document TEXT NOT NULL, original TEXT NOT NULL, revision INTEGER NOT NULL,
  activated INTEGER NOT NULL, want TEXT NOT NULL, mode TEXT NOT NULL, held_reason TEXT,
  fenced_reason TEXT, holder TEXT NOT NULL, epoch INTEGER NOT NULL, committed INTEGER NOT NULL,
  phase TEXT NOT NULL, phase_wall_ns INTEGER NOT NULL, role_wall_ns INTEGER NOT NULL,
  activated_wall_ns INTEGER NOT NULL, created_wall_ns INTEGER NOT NULL, state TEXT NOT NULL,
  retired_wall_ns INTEGER NOT NULL, evidence_dir TEXT) STRICT;
CREATE UNIQUE INDEX plans_living ON plans (name) WHERE retired_wall_ns = 0;
CREATE TABLE plan_versions ( uuid TEXT NOT NULL REFERENCES plans, version INTEGER NOT NULL, hash
  TEXT NOT NULL, document TEXT NOT NULL, original TEXT NOT NULL, who TEXT NOT NULL, wall_ns
  INTEGER NOT NULL, PRIMARY KEY (uuid, version)) STRICT, WITHOUT ROWID;
CREATE TABLE runs ( id TEXT PRIMARY KEY, plan TEXT NOT NULL, plan_uuid TEXT NOT NULL REFERENCES
  plans, operation TEXT NOT NULL, mode TEXT NOT NULL, params TEXT NOT NULL, requester TEXT NOT
  NULL, old_site TEXT NOT NULL, new_site TEXT NOT NULL, plan_version INTEGER NOT NULL, plan_hash
  TEXT NOT NULL, created_wall_ns INTEGER NOT NULL, term INTEGER NOT NULL, revision INTEGER NOT
  NULL, coordinator TEXT NOT NULL, epoch INTEGER NOT NULL, state TEXT NOT NULL, reason TEXT,
  approvals_needed INTEGER NOT NULL, scheduled_wall_ns INTEGER NOT NULL, abort_by_ms INTEGER NOT
  NULL, started_wall_ns INTEGER NOT NULL, started_boot_ns INTEGER NOT NULL, started_boot_id TEXT
  NOT NULL, finished_wall_ns INTEGER NOT NULL, timestamps TEXT NOT NULL, result TEXT NOT NULL,
  cancel_by TEXT, cancel_wall_ns INTEGER NOT NULL) STRICT;
CREATE UNIQUE INDEX runs_one ON runs (plan_uuid) WHERE finished_wall_ns = 0 AND mode = 'real';
CREATE INDEX runs_plan ON runs (plan, id);
CREATE TRIGGER runs_final BEFORE UPDATE ON runs WHEN OLD.finished_wall_ns <> 0 AND (NEW.state <> OLD.state OR NEW.finished_wall_ns <> OLD.finished_wall_ns OR NEW.coordinator <> OLD.coordinator OR NEW.epoch <> OLD.epoch)
  BEGIN SELECT RAISE(ABORT, 'a finished run does not change'); END;
CREATE TABLE run_log ( run TEXT NOT NULL REFERENCES runs, seq INTEGER NOT NULL, step TEXT NOT
  NULL, attempt INTEGER NOT NULL, kind TEXT NOT NULL, site TEXT NOT NULL, epoch INTEGER NOT NULL,
  plan_hash TEXT NOT NULL, wall_ns INTEGER NOT NULL, boot_ns INTEGER NOT NULL, boot_id TEXT NOT
  NULL, detail TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL, peer_durable INTEGER NOT
  NULL, PRIMARY KEY (run, seq)) STRICT, WITHOUT ROWID;
CREATE TRIGGER run_log_insert BEFORE INSERT ON run_log WHEN NEW.seq <> 1 + coalesce((SELECT max(seq) FROM run_log WHERE run = NEW.run), 0)
  BEGIN SELECT RAISE(ABORT, 'a run log grows at its end only'); END;
CREATE TRIGGER run_log_update BEFORE UPDATE OF run, seq, step, attempt, kind, site, epoch, plan_hash, wall_ns, boot_ns, boot_id, detail, prev, hash ON run_log
  BEGIN SELECT RAISE(ABORT, 'a run log is append-only'); END;
CREATE TRIGGER run_log_delete BEFORE DELETE ON run_log
  BEGIN SELECT RAISE(ABORT, 'a run log is append-only'); END;
CREATE TABLE inbox ( run TEXT NOT NULL, step TEXT NOT NULL, action TEXT NOT NULL, attempt INTEGER
  NOT NULL, plan_uuid TEXT NOT NULL, from_site TEXT NOT NULL, epoch INTEGER NOT NULL, term INTEGER
  NOT NULL, wall_ns INTEGER NOT NULL, state TEXT NOT NULL, outcome TEXT NOT NULL, ended_wall_ns
  INTEGER NOT NULL, PRIMARY KEY (run, step, action, attempt)) STRICT;
CREATE TABLE inbox_fences ( plan_uuid TEXT PRIMARY KEY, epoch INTEGER NOT NULL) STRICT;
CREATE TABLE approvals ( run TEXT NOT NULL REFERENCES runs, who TEXT NOT NULL, wall_ns INTEGER NOT
  NULL, plan_hash TEXT NOT NULL, epoch INTEGER NOT NULL, expires_wall_ns INTEGER NOT NULL, reason
  TEXT, PRIMARY KEY (run, who)) STRICT;
CREATE TABLE timings ( id INTEGER PRIMARY KEY, plan_uuid TEXT NOT NULL, operation TEXT NOT NULL,
  step TEXT NOT NULL, ms INTEGER NOT NULL, wall_ns INTEGER NOT NULL) STRICT;
CREATE INDEX timings_step ON timings (operation, step, plan_uuid);
CREATE TABLE signatures ( plan_uuid TEXT NOT NULL, tail TEXT NOT NULL, who TEXT NOT NULL, wall_ns
  INTEGER NOT NULL, disposition TEXT NOT NULL, reason TEXT, summary TEXT NOT NULL, epoch INTEGER
  NOT NULL, PRIMARY KEY (plan_uuid, tail)) STRICT;
CREATE TABLE events ( id INTEGER PRIMARY KEY AUTOINCREMENT, wall_ns INTEGER NOT NULL, kind TEXT
  NOT NULL, plan TEXT, run TEXT, severity TEXT NOT NULL, text TEXT NOT NULL, data TEXT NOT NULL)
  STRICT;
CREATE INDEX events_plan ON events (plan, id);
CREATE TABLE idempotency ( owner TEXT NOT NULL, key TEXT NOT NULL, request_hash TEXT NOT NULL,
  expires_wall_ns INTEGER NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL, location TEXT,
  PRIMARY KEY (owner, key)) STRICT;
CREATE TABLE children ( id INTEGER PRIMARY KEY AUTOINCREMENT, plan TEXT, run TEXT NOT NULL, step
  TEXT NOT NULL, attempt INTEGER NOT NULL, what TEXT NOT NULL, pid INTEGER NOT NULL, pgid INTEGER
  NOT NULL, start_ticks INTEGER NOT NULL, boot_id TEXT NOT NULL, wall_ns INTEGER NOT NULL) STRICT;
CREATE TABLE audit ( seq INTEGER PRIMARY KEY, wall_ns INTEGER NOT NULL, who TEXT NOT NULL, uid
  INTEGER NOT NULL, certificate TEXT, origin TEXT NOT NULL, action TEXT NOT NULL, object TEXT NOT
  NULL, outcome TEXT NOT NULL, detail TEXT NOT NULL, prev TEXT NOT NULL, hash TEXT NOT NULL)
  STRICT;
CREATE TRIGGER audit_insert BEFORE INSERT ON audit WHEN NEW.seq <> 1 + coalesce((SELECT max(seq) FROM audit), 0)
  BEGIN SELECT RAISE(ABORT, 'the audit log grows at its end only'); END;
CREATE TRIGGER audit_update BEFORE UPDATE ON audit
  BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_delete BEFORE DELETE ON audit
  BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
INSERT INTO identity VALUES (1, 'lyon', 1795345594858161959, 'be4cab98-1ce0-46e3-a20f-4c25b46208fb', 1, '', 0, NULL);
INSERT INTO plans VALUES ('11111111-2222-4333-8444-555555555555', 'shop', 1, 'h1', '{"plan":"shop"}', 'plan: shop\n', 1, 0, 'NONE', 'APPROVE', NULL, NULL, 'paris', 5, 0, '', 0, 0, 0, 1000, '{}', 0, NULL);
INSERT INTO plan_versions VALUES ('11111111-2222-4333-8444-555555555555', 1, 'h1', '{"plan":"shop"}', 'plan: shop\n', 'anna', 1000);
INSERT INTO runs VALUES ('01hzzzzzzzaaaaaaaaaaaaaaaa', 'shop', '11111111-2222-4333-8444-555555555555', 'failback', 'real', '{"a":2,"b":1}', 'anna', 'paris', 'lyon', 1, 'h1', 2000, 1, 1, 'paris', 5, 'RUNNING', NULL, 1, 0, 0, 0, 0, '', 0, '{}', '{}', NULL, 0);
INSERT INTO run_log VALUES ('01hzzzzzzzaaaaaaaaaaaaaaaa', 1, 'CHECK', 1, 'INTENT', 'paris', 5, 'h1', 3, 4, 'b', '', '0000000000000000000000000000000000000000000000000000000000000000', '2235d479a87964421ac4a5d37f984c6bac7cd7bd48d6a6a0b2dbf74288555a79', 0);
INSERT INTO run_log VALUES ('01hzzzzzzzaaaaaaaaaaaaaaaa', 2, 'CHECK', 1, 'DONE', 'paris', 5, 'h1', 3, 4, 'b', 'fine', '2235d479a87964421ac4a5d37f984c6bac7cd7bd48d6a6a0b2dbf74288555a79', '09f0b8fa271bbb50e150a5ada79f68e08b3b59722eeef94d3b2dde73e8b8c29c', 0);
INSERT INTO audit VALUES (1, 1795345594858161959, 'godwit', -1, NULL, 'daemon', 'catalog.created', 'lyon', 'done', '{"earlier_head":"missing"}', '0000000000000000000000000000000000000000000000000000000000000000', '24c3739d378e0ba5f89c9a664dc854f71f011252beda5fe2bdd0ea5a01a30570');
INSERT INTO audit VALUES (2, 5, 'anna', 1000, NULL, 'unix', 'run.start', '01hzzzzzzzaaaaaaaaaaaaaaaa', 'done', '{}', '24c3739d378e0ba5f89c9a664dc854f71f011252beda5fe2bdd0ea5a01a30570', 'c06b017cb7d2ac0cfb9d26d1ba6924f3dd3b901aab1c3f7a465cbd5a46763e8c');
PRAGMA application_id = 1196901204;
PRAGMA user_version = 1;
