// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Runs, their copies, logs, the inbox, approvals. */
#include "fixture.h"

#include "catalog/approvals.h"
#include "catalog/inbox.h"
#include "catalog/runlog.h"

#include <stdio.h>
#include <stdlib.h>

#define RUN_2 "01hzzzzzzzbbbbbbbbbbbbbbbb"

static int setup(void **state)
{
    fixture_new(state);
    add_plan(*state);
    return 0;
}

/* ---- runs ------------------------------------------------------------------------------------ */

static void test_run_id(void **state)
{
    char a[GW_CATALOG_RUN_ID_TEXT], b[GW_CATALOG_RUN_ID_TEXT], c[GW_CATALOG_RUN_ID_TEXT];
    gw_catalog_run_id(1700000000000000000ull, a);
    gw_catalog_run_id(1700000000000000000ull, b);
    gw_catalog_run_id(1700000000001000000ull, c);
    assert_int_equal(strlen(a), 26);
    assert_memory_equal(a, b, 10);
    assert_string_not_equal(a, b);
    assert_true(strcmp(a, c) < 0 && strcmp(b, c) < 0);
}

static void test_one_unfinished(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_run run = sample_run(RUN_ID), got, *rows;
    size_t n;
    refused(f, -ENOENT, "no run", gw_catalog_run_current(f->c, PLAN_UUID, &f->mem, &got, &f->err));
    add_run(f, RUN_ID);
    refused(f, -EEXIST, "already", gw_catalog_run_add(f->c, &run, &f->err));
    run.id = RUN_2;
    refused(f, -EEXIST, "failback " RUN_ID " (RUNNING)", gw_catalog_run_add(f->c, &run, &f->err));
    run.mode = GW_CATALOG_RUN_DRY; /* is in nobody's way */
    ok(f, gw_catalog_run_add(f->c, &run, &f->err));
    ok(f, gw_catalog_run_current(f->c, PLAN_UUID, &f->mem, &got, &f->err));
    assert_string_equal(got.id, RUN_ID);
    assert_string_equal(got.params, "{\"a\":2,\"b\":1}");
    assert_int_equal(got.term, 1);
    ok(f, gw_catalog_run_set_state(f->c, RUN_ID, GW_CATALOG_RUN_DONE, NULL, &f->err));
    run.id = "01hzzzzzzzcccccccccccccccc";
    run.mode = GW_CATALOG_RUN_REAL;
    ok(f, gw_catalog_run_add(f->c, &run, &f->err));
    run.plan_uuid = "nowhere";
    run.id = "x";
    refused(f, -ENOENT, "not in the catalog", gw_catalog_run_add(f->c, &run, &f->err));

    struct gw_catalog_run_filter all = { 0 };
    ok(f, gw_catalog_run_list(f->c, &all, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 3);
    assert_string_equal(rows[2].id, RUN_ID);
    all.unfinished = true;
    all.limit = 1;
    ok(f, gw_catalog_run_list(f->c, &all, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 1);
    assert_string_equal(rows[0].id, "01hzzzzzzzcccccccccccccccc");
    all.before = rows[0].id;
    ok(f, gw_catalog_run_list(f->c, &all, &f->mem, &rows, &n, &f->err));
    assert_string_equal(rows[0].id, RUN_2);
    all.plan = "other";
    ok(f, gw_catalog_run_list(f->c, &all, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 0);

    ok(f, gw_catalog_run_get(f->c, "01hzzzzzzza", &f->mem, &got, &f->err));
    assert_string_equal(got.id, RUN_ID);
    refused(f, -ENOTUNIQ, "say more", gw_catalog_run_get(f->c, "01hz", &f->mem, &got, &f->err));
    refused(f, -ENOENT, "\"01h\"", gw_catalog_run_get(f->c, "01h", &f->mem, &got, &f->err));
    refused(f, -ENOENT, "\"01h%\"", gw_catalog_run_get(f->c, "01h%", &f->mem, &got, &f->err));
}

static void test_run_changes(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_run run, late;
    add_run(f, RUN_ID);
    ok(f, gw_catalog_run_get(f->c, RUN_ID, &f->mem, &run, &f->err));
    late = run;
    run.state = GW_CATALOG_RUN_WAITING;
    run.reason = "waits for a signature";
    run.coordinator = "thief"; /* is not taken */
    ok(f, gw_catalog_run_update(f->c, &run, &f->err));
    assert_int_equal(run.revision, 2);
    refused(f, -ESTALE, "meanwhile", gw_catalog_run_update(f->c, &late, &f->err));

    ok(f, gw_catalog_run_stamp(f->c, RUN_ID, "fault", 11, &f->err));
    ok(f, gw_catalog_run_stamp(f->c, RUN_ID, "fault", 12, &f->err)); /* the first counts */
    ok(f, gw_catalog_run_cancel(f->c, RUN_ID, "bob", 20, &f->err));
    ok(f, gw_catalog_run_cancel(f->c, RUN_ID, "eve", 21, &f->err)); /* the first counts */
    ok(f, gw_catalog_run_take_over(f->c, RUN_ID, "lyon", &f->err));
    ok(f, gw_catalog_run_take_over(f->c, RUN_ID, "lyon", &f->err));
    refused(f, -ENOENT, "no run", gw_catalog_run_stamp(f->c, "zzzz", "fault", 1, &f->err));
    fixture_reopen(f);
    ok(f, gw_catalog_run_get(f->c, RUN_ID, &f->mem, &run, &f->err));
    assert_int_equal(run.state, GW_CATALOG_RUN_WAITING);
    assert_string_equal(run.reason, "waits for a signature");
    assert_string_equal(run.coordinator, "lyon");
    assert_int_equal(run.term, 2);
    assert_string_equal(run.timestamps, "{\"fault\":11}");
    assert_string_equal(run.cancel_by, "bob");
    assert_int_equal(run.cancel_wall_ns, 20);
    assert_int_equal(run.finished_wall_ns, 0);

    /* The end is the end; what comes after it may still be noted. */
    run.state = GW_CATALOG_RUN_DONE;
    ok(f, gw_catalog_run_update(f->c, &run, &f->err));
    assert_true(run.finished_wall_ns > 0);
    late = run;
    late.state = GW_CATALOG_RUN_RUNNING;
    refused(f, -ESTALE, "has ended: DONE", gw_catalog_run_update(f->c, &late, &f->err));
    late.state = GW_CATALOG_RUN_DONE;
    late.epoch++;
    refused(f, -EPERM, "finished run", gw_catalog_run_update(f->c, &late, &f->err));
    refused(f, -ESTALE, "DONE",
            gw_catalog_run_set_state(f->c, RUN_ID, GW_CATALOG_RUN_FAILED, "", &f->err));
    ok(f, gw_catalog_run_set_state(f->c, RUN_ID, GW_CATALOG_RUN_DONE, "", &f->err));
    refused(f, -ESTALE, "DONE", gw_catalog_run_take_over(f->c, RUN_ID, "paris", &f->err));
    ok(f, gw_catalog_run_stamp(f->c, RUN_ID, "re-protected", 99, &f->err));
    ok(f, gw_catalog_run_get(f->c, RUN_ID, &f->mem, &run, &f->err));
    run.result = "{\"rto_ms\":5}";
    ok(f, gw_catalog_run_update(f->c, &run, &f->err));
    ok(f, gw_catalog_run_get(f->c, RUN_ID, &f->mem, &run, &f->err));
    assert_string_equal(run.timestamps, "{\"fault\":11,\"re-protected\":99}");
    assert_string_equal(run.result, "{\"rto_ms\":5}");
}

static void test_run_copies(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_run copy = sample_run(RUN_ID), got, other;
    copy.term = 1;
    copy.revision = 3;
    ok(f, gw_catalog_run_copy(f->c, &copy, &f->err));
    ok(f, gw_catalog_run_copy(f->c, &copy, &f->err));
    copy.revision = 5;
    copy.state = GW_CATALOG_RUN_HALTED;
    copy.reason = "red";
    ok(f, gw_catalog_run_copy(f->c, &copy, &f->err));
    ok(f, gw_catalog_run_get(f->c, RUN_ID, &f->mem, &got, &f->err));
    assert_int_equal(got.revision, 5);
    assert_int_equal(got.state, GW_CATALOG_RUN_HALTED);
    copy.revision = 4;
    refused(f, -ESTALE, "of the past", gw_catalog_run_copy(f->c, &copy, &f->err));

    /* We took the run over: the old coordinator, however busy, is of the past. */
    ok(f, gw_catalog_run_take_over(f->c, RUN_ID, "lyon", &f->err));
    copy.revision = 1000;
    refused(f, -ESTALE, "\"lyon\" coordinates in term 2",
            gw_catalog_run_copy(f->c, &copy, &f->err));

    other = copy;
    other.term = 3;
    other.operation = "failover";
    refused(f, -EBADMSG, "operation", gw_catalog_run_copy(f->c, &other, &f->err));
    other = copy;
    other.params = "{\"a\": 2, \"b\": 1}"; /* the same in other words */
    other.term = 3;
    other.state = GW_CATALOG_RUN_DONE;
    refused(f, -EBADMSG, "has not ended", gw_catalog_run_copy(f->c, &other, &f->err));
    other.finished_wall_ns = 50;
    ok(f, gw_catalog_run_copy(f->c, &other, &f->err));
    other.revision++;
    other.result = "{\"x\":1}";
    other.finished_wall_ns = 60;
    ok(f, gw_catalog_run_copy(f->c, &other, &f->err));
    ok(f, gw_catalog_run_get(f->c, RUN_ID, &f->mem, &got, &f->err));
    assert_string_equal(got.result, "{\"x\":1}");
    assert_int_equal(got.finished_wall_ns, 50);
    other.revision++;
    other.state = GW_CATALOG_RUN_FAILED;
    refused(f, -ESTALE, "has ended here: DONE", gw_catalog_run_copy(f->c, &other, &f->err));

    copy = sample_run(RUN_2);
    copy.term = copy.revision = 1;
    ok(f, gw_catalog_run_copy(f->c, &copy, &f->err));
    copy.id = "01hzzzzzzzcccccccccccccccc";
    refused(f, -EEXIST, RUN_2, gw_catalog_run_copy(f->c, &copy, &f->err));
}

/* ---- the log --------------------------------------------------------------------------------- */

static struct gw_catalog_log entry(const char *kind, const char *detail)
{
    return (struct gw_catalog_log){ .run = RUN_ID,
                                    .step = "HANDOVER",
                                    .attempt = 1,
                                    .kind = kind,
                                    .site = "lyon",
                                    .epoch = 5,
                                    .plan_hash = "h1",
                                    .wall_ns = 7,
                                    .boot_ns = 8,
                                    .boot_id = "b",
                                    .detail = detail };
}

/* Three entries, given back. */
static void write_log(struct fixture *f, struct gw_catalog_log ret[3])
{
    static const char *const kinds[] = { "DECISION", "INTENT", "DONE" };
    for (unsigned i = 0; i < 3; i++) {
        const struct gw_catalog_log e = entry(kinds[i], i == 2 ? "\xff out" : "");
        ok(f, gw_catalog_log_append(f->c, &e, &f->mem, &ret[i], &f->err));
    }
}

static void test_log(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_log e = entry("INTENT", ""), written[3], *rows;
    char hash[GW_CATALOG_HASH_TEXT];
    uint64_t seq = 9;
    size_t n;
    refused(f, -ENOENT, "no run", gw_catalog_log_append(f->c, &e, &f->mem, NULL, &f->err));
    add_run(f, RUN_ID);
    e.kind = "intent";
    refused(f, -EINVAL, "kind", gw_catalog_log_append(f->c, &e, &f->mem, NULL, &f->err));
    ok(f, gw_catalog_log_head(f->c, RUN_ID, &seq, hash, &f->err));
    assert_int_equal(seq, 0);
    assert_string_equal(hash, GW_CATALOG_HASH_NONE);
    write_log(f, written);
    assert_string_equal(written[0].prev, GW_CATALOG_HASH_NONE);
    assert_string_equal(written[1].prev, written[0].hash);
    fixture_reopen(f);
    ok(f, gw_catalog_log_head(f->c, RUN_ID, &seq, hash, &f->err));
    assert_int_equal(seq, 3);
    assert_string_equal(hash, written[2].hash);
    ok(f, gw_catalog_log_read(f->c, RUN_ID, 1, 1, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 1);
    assert_string_equal(rows[0].kind, "INTENT");
    ok(f, gw_catalog_log_read(f->c, RUN_ID, 0, 0, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 3);
    assert_string_equal(rows[2].detail, "\xef\xbf\xbd out");
    ok(f, gw_catalog_log_verify(f->c, RUN_ID, &seq, &f->err));
    assert_int_equal(seq, 3);

    ok(f, gw_catalog_log_unsent(f->c, RUN_ID, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 3);
    ok(f, gw_catalog_log_peer_durable(f->c, RUN_ID, 2, &f->err));
    ok(f, gw_catalog_log_unsent(f->c, RUN_ID, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].seq, 3);
    /* One of ours that comes back: the peer has it. */
    ok(f, gw_catalog_log_copy(f->c, &written[2], &seq, &f->err));
    ok(f, gw_catalog_log_unsent(f->c, RUN_ID, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 0);
    ok(f, gw_catalog_log_verify(f->c, RUN_ID, &seq, &f->err));
}

static void test_log_copies(void **state)
{
    struct fixture *f = *state;
    struct fixture *peer = NULL;
    struct gw_catalog_log written[3], bad, *rows;
    uint64_t next = 0;
    size_t n;
    add_run(f, RUN_ID);
    write_log(f, written);

    fixture_new((void **)&peer);
    refused(peer, -ENOENT, "no run", gw_catalog_log_copy(peer->c, &written[0], &next, &peer->err));
    add_plan(peer);
    add_run(peer, RUN_ID);
    refused(peer, -ENODATA, "1 to 1", gw_catalog_log_copy(peer->c, &written[1], &next, &peer->err));
    assert_int_equal(next, 1);
    ok(peer, gw_catalog_log_copy(peer->c, &written[0], &next, &peer->err));
    assert_int_equal(next, 2);
    ok(peer, gw_catalog_log_copy(peer->c, &written[0], &next, &peer->err));
    assert_int_equal(next, 2);
    bad = written[1];
    bad.detail = "another";
    refused(peer, -EBADMSG, "does not match its hash",
            gw_catalog_log_copy(peer->c, &bad, &next, &peer->err));
    bad = written[1];
    bad.hash = NULL;
    refused(peer, -EBADMSG, "hash", gw_catalog_log_copy(peer->c, &bad, NULL, &peer->err));
    ok(peer, gw_catalog_log_copy(peer->c, &written[1], NULL, &peer->err));

    /* Both go on by themselves: the third entry differs. */
    struct gw_catalog_log own = entry("NOTE", "peer"), own_written;
    ok(peer, gw_catalog_log_append(peer->c, &own, &peer->mem, &own_written, &peer->err));
    refused(peer, -EBADMSG, "both sites",
            gw_catalog_log_copy(peer->c, &written[2], &next, &peer->err));
    struct gw_catalog_log fourth = entry("NOTE", "four");
    ok(f, gw_catalog_log_append(f->c, &fourth, &f->mem, &fourth, &f->err));
    refused(peer, -EBADMSG, "does not continue",
            gw_catalog_log_copy(peer->c, &fourth, &next, &peer->err));
    ok(peer, gw_catalog_log_unsent(peer->c, RUN_ID, &peer->mem, &rows, &n, &peer->err));
    assert_int_equal(n, 1); /* what came from the peer need not be sent there */
    ok(peer, gw_catalog_log_verify(peer->c, RUN_ID, &next, &peer->err));
    assert_int_equal(next, 3);
    fixture_free((void **)&peer);
}

static void test_log_tampering(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_log written[3];
    uint64_t seq = 0;
    add_run(f, RUN_ID);
    write_log(f, written);
    /* The file itself refuses. */
    file_refuses(f, "UPDATE run_log SET detail = 'x'", "append-only");
    file_refuses(f, "UPDATE run_log SET seq = 9 WHERE seq = 3", "append-only");
    file_refuses(f, "DELETE FROM run_log WHERE seq = 3", "append-only");
    file_refuses(f,
                 "INSERT OR REPLACE INTO run_log SELECT run, 3, step, 7, kind, site, epoch,"
                 " plan_hash, wall_ns, boot_ns, boot_id, detail, prev, hash, 0 FROM run_log",
                 "at its end");
    static const struct {
        const char *sql, *undo, *words;
        uint64_t seq;
    } edits[] = {
        { "UPDATE run_log SET detail = 'x' WHERE seq = 2",
          "UPDATE run_log SET detail = ''"
          " WHERE seq = 2",
          "entry 2 does not match its hash: it was edited", 2 },
        { "UPDATE run_log SET hash = prev WHERE seq = 1", NULL, "entry 1", 1 },
        { "DELETE FROM run_log WHERE seq = 1", NULL, "entry 1 is missing", 1 },
    };
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        behind_its_back(f, edits[i].sql);
        refused(f, -EBADMSG, edits[i].words, gw_catalog_log_verify(f->c, RUN_ID, &seq, &f->err));
        assert_int_equal(seq, edits[i].seq);
        if (edits[i].undo != NULL) {
            behind_its_back(f, edits[i].undo);
            ok(f, gw_catalog_log_verify(f->c, RUN_ID, &seq, &f->err));
        }
    }
}

/* ---- the inbox ------------------------------------------------------------------------------- */

static struct gw_catalog_effect effect(const char *step, uint64_t epoch, uint64_t term)
{
    return (struct gw_catalog_effect){ .run = RUN_ID,
                                       .step = step,
                                       .action = "EFFECT",
                                       .attempt = 1,
                                       .plan_uuid = PLAN_UUID,
                                       .from_site = "paris",
                                       .epoch = epoch,
                                       .term = term,
                                       .wall_ns = 4 };
}

static void test_inbox(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_effect e = effect("PROMOTE", 5, 1), known = { 0 }, *rows;
    size_t n;
    uint64_t epoch = 9;
    refused(f, -ENOENT, "never begun",
            gw_catalog_inbox_end(f->c,
                                 &(struct gw_catalog_effect){ .run = RUN_ID,
                                                              .step = "PROMOTE",
                                                              .action = "EFFECT",
                                                              .attempt = 1,
                                                              .state = GW_CATALOG_EFFECT_DONE },
                                 &f->err));
    ok(f, gw_catalog_inbox_epoch(f->c, PLAN_UUID, &epoch, &f->err));
    assert_int_equal(epoch, 0);
    assert_int_equal(gw_catalog_inbox_begin(f->c, &e, &f->mem, &known, &f->err), 0);
    fixture_reopen(f); /* a crash: it is known that it was begun */
    assert_int_equal(gw_catalog_inbox_begin(f->c, &e, &f->mem, &known, &f->err), 1);
    assert_int_equal(known.state, GW_CATALOG_EFFECT_INTENT);
    ok(f, gw_catalog_inbox_open(f->c, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 1);
    assert_string_equal(rows[0].step, "PROMOTE");
    refused(f, -EINVAL, "INTENT", gw_catalog_inbox_end(f->c, &e, &f->err));
    e.state = GW_CATALOG_EFFECT_UNKNOWN;
    ok(f, gw_catalog_inbox_end(f->c, &e, &f->err));
    e.state = GW_CATALOG_EFFECT_DONE;
    e.outcome = "epoch 6";
    e.ended_wall_ns = 9;
    ok(f, gw_catalog_inbox_end(f->c, &e, &f->err));
    ok(f, gw_catalog_inbox_end(f->c, &e, &f->err));
    e.state = GW_CATALOG_EFFECT_FAILED;
    refused(f, -EBADMSG, "ended DONE here", gw_catalog_inbox_end(f->c, &e, &f->err));
    assert_int_equal(gw_catalog_inbox_begin(f->c, &e, &f->mem, &known, &f->err), 1);
    assert_int_equal(known.state, GW_CATALOG_EFFECT_DONE);
    assert_string_equal(known.outcome, "epoch 6");
    assert_int_equal(known.ended_wall_ns, 9);
    /* Another attempt, another action: other effects. */
    e.attempt = 2;
    assert_int_equal(gw_catalog_inbox_begin(f->c, &e, &f->mem, &known, &f->err), 0);
    e.action = "UNDO";
    assert_int_equal(gw_catalog_inbox_begin(f->c, &e, &f->mem, &known, &f->err), 0);
    ok(f, gw_catalog_inbox_list(f->c, RUN_ID, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 3);
    assert_string_equal(gw_catalog_effect_state_name(rows[0].state), "DONE");
    ok(f, gw_catalog_inbox_list(f->c, "other", &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 0);
}

static void test_inbox_refusals(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_effect e = effect("SERVE", 5, 1), known, *rows;
    uint64_t epoch = 0;
    size_t n;
    add_run(f, RUN_ID);
    assert_int_equal(gw_catalog_inbox_begin(f->c, &e, &f->mem, &known, &f->err), 0);
    ok(f, gw_catalog_inbox_fence(f->c, PLAN_UUID, 3, &f->err)); /* never lowers it */
    ok(f, gw_catalog_inbox_epoch(f->c, PLAN_UUID, &epoch, &f->err));
    assert_int_equal(epoch, 5);
    e.epoch = 4;
    refused(f, -ESTALE, "epoch 5 has begun",
            gw_catalog_inbox_begin(f->c, &e, &f->mem, &known, &f->err));
    e.epoch = 6;
    e.attempt = 2;
    assert_int_equal(gw_catalog_inbox_begin(f->c, &e, &f->mem, &known, &f->err), 0);
    e.epoch = 5; /* also what was answered before */
    e.attempt = 1;
    refused(f, -ESTALE, "epoch 6 has begun",
            gw_catalog_inbox_begin(f->c, &e, &f->mem, &known, &f->err));
    e.epoch = 6;
    ok(f, gw_catalog_run_take_over(f->c, RUN_ID, "lyon", &f->err));
    refused(f, -ESTALE, "\"lyon\" coordinates in term 2",
            gw_catalog_inbox_begin(f->c, &e, &f->mem, &known, &f->err));
    e.term = 2;
    assert_int_equal(gw_catalog_inbox_begin(f->c, &e, &f->mem, &known, &f->err), 1);
    ok(f, gw_catalog_inbox_prune(f->c, UINT32_MAX, &f->err)); /* it has not ended */
    ok(f, gw_catalog_inbox_list(f->c, RUN_ID, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 2);
    ok(f, gw_catalog_run_set_state(f->c, RUN_ID, GW_CATALOG_RUN_REVERTED, NULL, &f->err));
    refused(f, -ESTALE, "has ended here: REVERTED",
            gw_catalog_inbox_begin(f->c, &e, &f->mem, &known, &f->err));
    ok(f, gw_catalog_inbox_prune(f->c, INT64_MAX, &f->err));
    ok(f, gw_catalog_inbox_list(f->c, RUN_ID, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 0);
    refused(f, -ESTALE, "has ended here",
            gw_catalog_inbox_begin(f->c, &e, &f->mem, &known, &f->err));
}

/* ---- approvals ------------------------------------------------------------------------------- */

static void test_approvals(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_approval a = {
        .run = RUN_ID, .who = "bob", .wall_ns = 3, .plan_hash = "h1", .epoch = 5
    };
    struct gw_catalog_approval *rows;
    struct gw_catalog_run run;
    uint64_t n = 9;
    size_t count;
    refused(f, -ENOENT, "no run", gw_catalog_approval_add(f->c, &a, &f->err));
    add_run(f, RUN_ID);
    a.who = "anna";
    refused(f, -EPERM, "somebody else", gw_catalog_approval_add(f->c, &a, &f->err));
    a.who = "bob";
    a.plan_hash = "h0";
    refused(f, -ESTALE, "another version", gw_catalog_approval_add(f->c, &a, &f->err));
    a.plan_hash = "h1";
    a.epoch = 4;
    refused(f, -ESTALE, "epoch 5", gw_catalog_approval_add(f->c, &a, &f->err));
    a.epoch = 5;
    ok(f, gw_catalog_approval_add(f->c, &a, &f->err));
    ok(f, gw_catalog_approval_add(f->c, &a, &f->err)); /* a copy */
    a.wall_ns = 4;
    refused(f, -EEXIST, "already", gw_catalog_approval_add(f->c, &a, &f->err));
    a.who = "carl";
    a.expires_wall_ns = 100;
    ok(f, gw_catalog_approval_add(f->c, &a, &f->err));
    ok(f, gw_catalog_approval_count(f->c, RUN_ID, 99, &n, &f->err));
    assert_int_equal(n, 2);
    ok(f, gw_catalog_approval_count(f->c, RUN_ID, 100, &n, &f->err)); /* expired */
    assert_int_equal(n, 1);
    ok(f, gw_catalog_approval_list(f->c, RUN_ID, &f->mem, &rows, &count, &f->err));
    assert_int_equal(count, 2);
    assert_string_equal(rows[0].who, "bob");
    /* Another epoch: nobody approved that. */
    ok(f, gw_catalog_run_get(f->c, RUN_ID, &f->mem, &run, &f->err));
    run.epoch = 6;
    ok(f, gw_catalog_run_update(f->c, &run, &f->err));
    ok(f, gw_catalog_approval_count(f->c, RUN_ID, 1, &n, &f->err));
    assert_int_equal(n, 0);
    ok(f, gw_catalog_run_set_state(f->c, RUN_ID, GW_CATALOG_RUN_ABORTED, NULL, &f->err));
    a.who = "dora";
    a.epoch = 6;
    refused(f, -ESTALE, "ended", gw_catalog_approval_add(f->c, &a, &f->err));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, fixture_free)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_run_id),
        T(test_one_unfinished),
        T(test_run_changes),
        T(test_run_copies),
        T(test_log),
        T(test_log_copies),
        T(test_log_tampering),
        T(test_inbox),
        T(test_inbox_refusals),
        T(test_approvals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
