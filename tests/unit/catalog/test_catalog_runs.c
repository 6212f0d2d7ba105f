// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Runs: rows, logs, epochs, inbox, requests. */
#include "fixture.h"

#include "catalog/catalog_internal.h"

#include <stdio.h>

#define RUN_2 "01hzzzzzzzbbbbbbbbbbbbbbbb"

static void test_run_id(void **state)
{
    char a[GW_CATALOG_RUN_ID_TEXT], b[GW_CATALOG_RUN_ID_TEXT], c[GW_CATALOG_RUN_ID_TEXT];
    (void)state;
    gw_catalog_run_id(1700000000000000000ull, a);
    gw_catalog_run_id(1700000000000000000ull, b);
    gw_catalog_run_id(1700000000001000000ull, c);
    assert_int_equal(strlen(a), 26);
    assert_memory_equal(a, b, 10);
    assert_string_not_equal(a, b);
    assert_true(strcmp(a, c) < 0 && strcmp(b, c) < 0);
}

/* ---- rows ------------------------------------------------------------------------------------ */

static void test_rows(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_run run = sample_run(RUN_ID), got;
    refused(f, -ENOENT, RUN_ID, gw_catalog_run_get(f->c, RUN_ID, &f->mem, &got, &f->err));
    refused(f, -ENOENT, RUN_ID, gw_catalog_run_set(f->c, RUN_ID, "{}", true, &f->err));
    add_run(f, RUN_ID);
    refused(f, -EEXIST, "", gw_catalog_run_add(f->c, &run, &f->err));
    ok(f, gw_catalog_run_get(f->c, RUN_ID, &f->mem, &got, &f->err));
    assert_string_equal(got.plan, "shop");
    assert_string_equal(got.fixed, run.fixed);
    assert_string_equal(got.row, run.row);
    assert_true(got.open);
    ok(f, gw_catalog_run_set(f->c, RUN_ID, "{\"state\":\"DONE\"}", false, &f->err));
    fixture_reopen(f);
    ok(f, gw_catalog_run_get(f->c, RUN_ID, &f->mem, &got, &f->err));
    assert_string_equal(got.row, "{\"state\":\"DONE\"}");
    assert_false(got.open);
    /* What a run is does not change, and it is kept. */
    file_refuses(f, "UPDATE runs SET fixed = 'x'", "does not change");
    file_refuses(f, "UPDATE runs SET plan = 'x'", "does not change");
    file_refuses(f, "DELETE FROM runs", "kept");
}

static size_t list(struct fixture *f, const char *plan, bool open, const char *prefix,
                   uint64_t limit, const char ***ret)
{
    size_t n = 99;
    ok(f, gw_catalog_run_list(f->c, plan, open, prefix, limit, &f->mem, ret, &n, &f->err));
    return n;
}

static void test_lists(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_run other = sample_run(RUN_2);
    const char **ids = NULL;
    assert_int_equal(list(f, NULL, false, NULL, 0, &ids), 0);
    add_run(f, RUN_ID);
    other.plan = "books";
    other.open = false;
    ok(f, gw_catalog_run_add(f->c, &other, &f->err));
    assert_int_equal(list(f, NULL, false, NULL, 0, &ids), 2);
    assert_string_equal(ids[0], RUN_2); /* the newest first */
    assert_string_equal(ids[1], RUN_ID);
    assert_int_equal(list(f, NULL, false, NULL, 1, &ids), 1);
    assert_int_equal(list(f, NULL, true, NULL, 0, &ids), 1);
    assert_string_equal(ids[0], RUN_ID);
    assert_int_equal(list(f, "books", false, NULL, 0, &ids), 1);
    assert_int_equal(list(f, "books", true, NULL, 0, &ids), 0);
    assert_int_equal(list(f, NULL, false, "01hzzzzzzza", 0, &ids), 1);
    assert_int_equal(list(f, NULL, false, "01h", 0, &ids), 2);
    assert_int_equal(list(f, NULL, false, "01h%", 0, &ids), 0); /* no pattern */
}

/* ---- logs ------------------------------------------------------------------------------------ */

static void write_log(struct fixture *f, unsigned from, unsigned n)
{
    for (unsigned i = from; i < from + n; i++) {
        char text[32];
        snprintf(text, sizeof text, "{\"entry\":%u}", i);
        ok(f, gw_catalog_run_entry_add(f->c, RUN_ID, i, text, &f->err));
    }
}

static size_t read_log(struct fixture *f, uint64_t from, uint64_t limit, const char ***ret)
{
    size_t n = 99;
    ok(f, gw_catalog_run_entry_list(f->c, RUN_ID, from, limit, &f->mem, ret, &n, &f->err));
    return n;
}

static void test_log(void **state)
{
    struct fixture *f = *state;
    const char **texts = NULL;
    uint64_t n = 9;
    assert_true(gw_catalog_run_entry_add(f->c, RUN_ID, 0, "{}", &f->err) < 0); /* of no run */
    add_run(f, RUN_ID);
    ok(f, gw_catalog_run_entry_count(f->c, RUN_ID, &n, &f->err));
    assert_int_equal(n, 0);
    write_log(f, 0, 3);
    fixture_reopen(f);
    ok(f, gw_catalog_run_entry_count(f->c, RUN_ID, &n, &f->err));
    assert_int_equal(n, 3);
    assert_int_equal(read_log(f, 0, 100, &texts), 3);
    assert_string_equal(texts[2], "{\"entry\":2}");
    assert_int_equal(read_log(f, 1, 1, &texts), 1);
    assert_string_equal(texts[0], "{\"entry\":1}");
    assert_int_equal(read_log(f, 3, 100, &texts), 0);
    /* It grows at its end, and nowhere else. */
    refused(f, -EPERM, "at its end only", gw_catalog_run_entry_add(f->c, RUN_ID, 4, "{}", &f->err));
    refused(f, -EPERM, "at its end only", gw_catalog_run_entry_add(f->c, RUN_ID, 2, "{}", &f->err));
    write_log(f, 3, 1);
}

/* What is cut off is kept, under a number of its own, as often as that happens. */
static void test_log_cut(void **state)
{
    struct fixture *f = *state;
    const char **texts = NULL;
    uint64_t n = 0;
    add_run(f, RUN_ID);
    write_log(f, 0, 4);
    ok(f, gw_catalog_run_entry_cut(f->c, RUN_ID, 2, &f->err));
    assert_int_equal(read_log(f, 0, 100, &texts), 2);
    ok(f, gw_catalog_run_entry_add(f->c, RUN_ID, 2, "{\"other\":2}", &f->err));
    ok(f, gw_catalog_run_entry_cut(f->c, RUN_ID, 1, &f->err));
    ok(f, gw_catalog_run_entry_cut(f->c, RUN_ID, 1, &f->err)); /* nothing is there to cut */
    assert_int_equal(read_log(f, 0, 100, &texts), 1);
    ok(f, gw_catalog_number(f->c, "SELECT count(*) FROM run_entries WHERE aside = 1", GW_NO_BINDS,
                            &n, &f->err));
    assert_int_equal(n, 2);
    ok(f, gw_catalog_number(f->c, "SELECT count(*) FROM run_entries WHERE aside = 2", GW_NO_BINDS,
                            &n, &f->err));
    assert_int_equal(n, 2);
}

/* Somebody with sqlite3 at hand: the file itself refuses. (Who takes the triggers away is found by
 * the hashes in the entries, which layer run checks as it reads them.) */
static void test_log_tampering(void **state)
{
    struct fixture *f = *state;
    add_run(f, RUN_ID);
    write_log(f, 0, 3);
    ok(f, gw_catalog_run_entry_cut(f->c, RUN_ID, 2, &f->err));
    file_refuses(f, "UPDATE run_entries SET entry = 'x' WHERE number = 1", "append-only");
    file_refuses(f, "UPDATE run_entries SET number = 9 WHERE number = 1", "append-only");
    file_refuses(f, "UPDATE run_entries SET run = 'x' WHERE number = 1", "append-only");
    file_refuses(f, "UPDATE run_entries SET aside = 0 WHERE number = 2", "append-only");
    file_refuses(f, "DELETE FROM run_entries WHERE number = 1", "append-only");
    file_refuses(f, "DELETE FROM run_entries WHERE aside = 1", "append-only");
    file_refuses(f, "INSERT OR REPLACE INTO run_entries VALUES ('" RUN_ID "', 0, 1, 'x')",
                 "at its end");
    file_refuses(f, "INSERT OR REPLACE INTO run_entries VALUES ('" RUN_ID "', 1, 2, 'x')",
                 "at its end");
}

/* ---- epochs, inbox, requests ----------------------------------------------------------------- */

static void test_epochs(void **state)
{
    struct fixture *f = *state;
    uint64_t epoch = 9;
    ok(f, gw_catalog_run_epoch_get(f->c, "shop", &epoch, &f->err));
    assert_int_equal(epoch, 0);
    ok(f, gw_catalog_run_epoch_raise(f->c, "shop", 5, &f->err));
    ok(f, gw_catalog_run_epoch_raise(f->c, "shop", 3, &f->err)); /* never lowers it */
    fixture_reopen(f);
    ok(f, gw_catalog_run_epoch_get(f->c, "shop", &epoch, &f->err));
    assert_int_equal(epoch, 5);
    ok(f, gw_catalog_run_epoch_get(f->c, "books", &epoch, &f->err));
    assert_int_equal(epoch, 0);
}

static void test_inbox(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_run_inbox in = { .run = RUN_ID, .step = 3, .attempt = 1, .value = "begun" };
    const char *value = NULL;
    assert_int_equal(gw_catalog_run_inbox_get(f->c, &in, &f->mem, &value, &f->err), 0);
    ok(f, gw_catalog_run_inbox_put(f->c, &in, &f->err));
    fixture_reopen(f); /* a crash: it is known that it was begun */
    assert_int_equal(gw_catalog_run_inbox_get(f->c, &in, &f->mem, &value, &f->err), 1);
    assert_string_equal(value, "begun");
    in.value = "done";
    ok(f, gw_catalog_run_inbox_put(f->c, &in, &f->err));
    assert_int_equal(gw_catalog_run_inbox_get(f->c, &in, &f->mem, &value, &f->err), 1);
    assert_string_equal(value, "done");
    /* Another attempt, the undo: others. */
    in.undo = true;
    assert_int_equal(gw_catalog_run_inbox_get(f->c, &in, &f->mem, &value, &f->err), 0);
    in.undo = false;
    in.attempt = 2;
    assert_int_equal(gw_catalog_run_inbox_get(f->c, &in, &f->mem, &value, &f->err), 0);
}

static void test_requests(void **state)
{
    struct fixture *f = *state;
    const char *value = NULL;
    uint64_t id = 0, first;
    assert_int_equal(gw_catalog_run_request_next(f->c, RUN_ID, &f->mem, &id, &value, &f->err), 0);
    ok(f, gw_catalog_run_request_put(f->c, RUN_ID, "cancel", &f->err));
    ok(f, gw_catalog_run_request_put(f->c, RUN_2, "resume", &f->err));
    ok(f, gw_catalog_run_request_put(f->c, RUN_ID, "retry", &f->err));
    fixture_reopen(f);
    assert_int_equal(gw_catalog_run_request_next(f->c, RUN_ID, &f->mem, &id, &value, &f->err), 1);
    assert_string_equal(value, "cancel"); /* the oldest first */
    first = id;
    ok(f, gw_catalog_run_request_take(f->c, id, &f->err));
    assert_int_equal(gw_catalog_run_request_next(f->c, RUN_ID, &f->mem, &id, &value, &f->err), 1);
    assert_string_equal(value, "retry");
    assert_true(id > first);
    ok(f, gw_catalog_run_request_take(f->c, id, &f->err));
    assert_int_equal(gw_catalog_run_request_next(f->c, RUN_ID, &f->mem, &id, &value, &f->err), 0);
}

/* An append is one change: entries, row, request and epoch, or nothing of it. */
static void test_together(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_run got;
    uint64_t n = 9, epoch = 9;
    add_run(f, RUN_ID);
    write_log(f, 0, 1);
    struct gw_catalog_tx tx = { 0 };
    ok(f, gw_catalog_begin(f->c, &tx, &f->err));
    ok(f, gw_catalog_run_epoch_raise(f->c, "shop", 7, &f->err));
    ok(f, gw_catalog_run_set(f->c, RUN_ID, "{}", false, &f->err));
    write_log(f, 1, 1);
    refused(f, -EPERM, "at its end", gw_catalog_run_entry_add(f->c, RUN_ID, 5, "{}", &f->err));
    gw_catalog_rollback(&tx);
    ok(f, gw_catalog_run_entry_count(f->c, RUN_ID, &n, &f->err));
    ok(f, gw_catalog_run_epoch_get(f->c, "shop", &epoch, &f->err));
    ok(f, gw_catalog_run_get(f->c, RUN_ID, &f->mem, &got, &f->err));
    assert_int_equal(n, 1);
    assert_int_equal(epoch, 0);
    assert_true(got.open);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_new, fixture_free)
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_run_id),
        T(test_rows),
        T(test_lists),
        T(test_log),
        T(test_log_cut),
        T(test_log_tampering),
        T(test_epochs),
        T(test_inbox),
        T(test_requests),
        T(test_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
