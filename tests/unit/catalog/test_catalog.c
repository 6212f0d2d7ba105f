// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Opening, creating, schema versions, transactions, threads, values, memory. */
#include "fixture.h"

#include "catalog/audit.h"
#include "catalog/catalog_internal.h"
#include "catalog/events.h"
#include "catalog/identity.h"
#include "catalog/outbox.h"
#include "catalog/schema.h"
#include "catalog/text.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- opening --------------------------------------------------------------------------------- */

static void test_create(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    char path[128];
    refused(f, -EEXIST, "already", gw_catalog_create(f->dir, "lyon", &f->err));
    path_of(f, GW_CATALOG_FILE, path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    add_plan(f);
    path_of(f, "catalog.db-wal", path);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_string_equal(gw_catalog_dir(f->c), f->dir);
    struct gw_catalog *none = NULL;
    refused(f, -ENOENT, "rebuilt from its peer", gw_catalog_open("/nonexistent", &none, &f->err));
    refused(f, -ENOENT, "cannot make", gw_catalog_create("/nonexistent", "lyon", &f->err));
    gw_catalog_close(NULL);
}

/* What every promise stands on. */
static void test_settings(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *pragma;
        uint64_t value;
    } settings[] = {
        { "PRAGMA synchronous", 2 }, /* FULL */
        { "PRAGMA foreign_keys", 1 },
        { "PRAGMA trusted_schema", 0 },
        { "PRAGMA busy_timeout", GW_CATALOG_BUSY_MS },
    };
    for (size_t i = 0; i < sizeof settings / sizeof settings[0]; i++) {
        uint64_t value = 99;
        ok(f, gw_db_number(&f->c->writer, settings[i].pragma, GW_NO_BINDS, &value, &f->err));
        assert_int_equal(value, settings[i].value);
    }
    const char *mode = "";
    ok(f, gw_db_text(&f->c->writer, "PRAGMA journal_mode", GW_NO_BINDS, &f->mem, &mode, &f->err));
    assert_string_equal(mode, "wal");
}

/* The catalog is lost, audit.head is there: the new log says what the old one had counted. */
static void test_create_anew(void **state)
{
    struct fixture *f = *state;
    struct gw_audit_entry *rows;
    struct gw_audit_verdict v;
    char path[128];
    size_t n;
    const struct gw_audit_entry e = { .who = "anna", .action = "a" };
    ok(f, gw_audit_append(f->c, &e, NULL, &f->err));
    gw_catalog_close(f->c);
    f->c = NULL;
    path_of(f, GW_CATALOG_FILE, path);
    assert_int_equal(unlink(path), 0);
    ok(f, gw_catalog_create(f->dir, "lyon", &f->err));
    fixture_reopen(f);
    const struct gw_audit_filter all = { 0 };
    ok(f, gw_audit_read(f->c, &all, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 1);
    assert_non_null(strstr(rows[0].detail, "{\"earlier_head\":{\"count\":2,"));
    ok(f, gw_audit_verify(f->c, &v, &f->err));
    assert_int_equal(v.bad_seq, 0);
}

static void overwrite(const char *path, off_t at, size_t len)
{
    char junk[512];
    memset(junk, 0x5a, sizeof junk);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    for (size_t done = 0; done < len; done += sizeof junk)
        assert_int_equal(pwrite(fd, junk, sizeof junk, at + (off_t)done), sizeof junk);
    close(fd);
}

static void test_damaged(void **state)
{
    struct fixture *f = *state;
    char path[128];
    path_of(f, GW_CATALOG_FILE, path);
    for (unsigned i = 0; i < 200; i++)
        ok(f, gw_catalog_event_add(f->c,
                                   &(struct gw_catalog_event){ .kind = "k", .text = "some text" },
                                   NULL, &f->err));
    gw_catalog_close(f->c);
    f->c = NULL;
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    overwrite(path, st.st_size - 4096, 4096);
    refused(f, -EUCLEAN, "restore a backup", gw_catalog_open(f->dir, &f->c, &f->err));
    overwrite(path, 0, 1024);
    refused(f, -EUCLEAN, "rebuilt", gw_catalog_open(f->dir, &f->c, &f->err));
    assert_null(f->c);
    assert_int_equal(truncate(path, 0), 0); /* an empty file is an empty database, and no catalog */
    refused(f, -EUCLEAN, "not the catalog", gw_catalog_open(f->dir, &f->c, &f->err));
}

/* ---- versions -------------------------------------------------------------------------------- */

/* DIR/catalog.db as SQL says. */
static void file_of(struct fixture *f, const char *sql)
{
    char path[128];
    sqlite3 *db;
    gw_catalog_close(f->c);
    f->c = NULL;
    path_of(f, GW_CATALOG_FILE, path);
    assert_int_equal(unlink(path), 0);
    char *msg = NULL;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &msg) != SQLITE_OK)
        fail_msg("%s", msg);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static char *version_1(void)
{
    char *sql = NULL;
    size_t len = 0;
    FILE *from = fopen(CATALOG_V1_SQL, "r");
    assert_non_null(from);
    assert_true(getdelim(&sql, &len, '\0', from) > 0);
    fclose(from);
    return sql;
}

/* A file of version 1, as that version wrote it: everything is there, and what is new works. */
static void test_migrate(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_plan plan;
    struct gw_catalog_run run;
    struct gw_catalog_notification note = { .contact = "dba", .kind = "k" };
    struct gw_audit_verdict v;
    const struct gw_audit_head head = {
        .count = 2, .hash = "618c7fe8eb8a273734207b82b0d6842fc17fce29845e4d1879bc88d64b36faf5"
    };
    uint64_t n = 0;
    char *sql = version_1();
    file_of(f, sql);
    free(sql);
    ok(f, gw_audit_head_store(f->dir, &head, &f->err));
    ok(f, gw_catalog_open(f->dir, &f->c, &f->err));
    ok(f, gw_catalog_plan_get(f->c, "shop", &f->mem, &plan, &f->err));
    assert_string_equal(plan.holder, "paris");
    ok(f, gw_catalog_run_get(f->c, RUN_ID, &f->mem, &run, &f->err));
    assert_string_equal(run.row, "{\"state\":\"RUNNING\"}");
    ok(f, gw_catalog_run_entry_count(f->c, RUN_ID, &n, &f->err));
    assert_int_equal(n, 2);
    ok(f, gw_audit_verify(f->c, &v, &f->err));
    assert_int_equal(v.bad_seq, 0);
    assert_int_equal(v.count, 2);
    ok(f, gw_catalog_outbox_add(f->c, &note, NULL, &f->err));
    ok(f, gw_catalog_number(f->c, "PRAGMA user_version", GW_NO_BINDS, &n, &f->err));
    assert_int_equal(n, GW_CATALOG_SCHEMA_VERSION);
    fixture_reopen(f);

    /* It is the schema of a new file, to the letter. */
    struct fixture *fresh = NULL;
    const char *now = NULL, *then = NULL;
    static const char schema[] = "SELECT group_concat(type || name || tbl_name, ' ') FROM"
                                 " (SELECT * FROM sqlite_master ORDER BY name)";
    fixture_new((void **)&fresh);
    ok(f, gw_db_text(&f->c->reader, schema, GW_NO_BINDS, &f->mem, &then, &f->err));
    ok(fresh, gw_db_text(&fresh->c->reader, schema, GW_NO_BINDS, &f->mem, &now, &fresh->err));
    assert_string_equal(then, now);
    fixture_free((void **)&fresh);
}

static void test_newer(void **state)
{
    struct fixture *f = *state;
    gw_catalog_close(f->c);
    f->c = NULL;
    behind_its_back(f, "PRAGMA user_version = 99");
    refused(f, -EPROTONOSUPPORT, "newer godwit (schema 99, this one knows",
            gw_catalog_open(f->dir, &f->c, &f->err));
    behind_its_back(f, "PRAGMA user_version = 2; PRAGMA application_id = 7");
    refused(f, -EUCLEAN, "not the catalog of a godwit site",
            gw_catalog_open(f->dir, &f->c, &f->err));
}

/* A word that this godwit does not know is an error, never a default. */
static void test_unknown_word(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_plan plan;
    add_plan(f);
    behind_its_back(f, "UPDATE plans SET want = 'BOTH'");
    refused(f, -EINVAL, "\"BOTH\" is no want; there are NONE, SOURCE, REPLICA",
            gw_catalog_plan_get(f->c, "shop", &f->mem, &plan, &f->err));
}

/* ---- transactions ---------------------------------------------------------------------------- */

static uint64_t events(struct gw_catalog *c)
{
    uint64_t n = 0;
    assert_true(gw_catalog_number(c, "SELECT count(*) FROM events", GW_NO_BINDS, &n, NULL) > 0);
    return n;
}

static void add_event(struct fixture *f)
{
    const struct gw_catalog_event e = { .kind = "k", .text = "t" };
    ok(f, gw_catalog_event_add(f->c, &e, NULL, &f->err));
}

static int leave_by_return(struct fixture *f)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    ok(f, gw_catalog_begin(f->c, &tx, &f->err));
    add_event(f);
    return -ECANCELED;
}

static void test_transactions(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_tx outer = { 0 }, inner = { 0 };
    struct gw_catalog_plan plan = sample_plan();
    leave_by_return(f);
    assert_int_equal(events(f->c), 0);
    gw_catalog_rollback(&outer); /* nothing in progress: nothing happens */

    ok(f, gw_catalog_begin(f->c, &outer, &f->err));
    add_event(f);
    assert_int_equal(events(f->c), 1); /* a thread sees its own changes */
    ok(f, gw_catalog_begin(f->c, &inner, &f->err));
    add_event(f);
    add_event(f);
    gw_catalog_rollback(&inner);
    ok(f, gw_catalog_begin(f->c, &inner, &f->err));
    add_event(f);
    ok(f, gw_catalog_commit(&inner, &f->err));
    assert_int_equal(events(f->c), 2);
    /* A refusal undoes only what was refused. */
    ok(f, gw_catalog_plan_add(f->c, &plan, "anna", 1, &f->err));
    refused(f, -EEXIST, "shop", gw_catalog_plan_add(f->c, &plan, "anna", 1, &f->err));
    ok(f, gw_catalog_commit(&outer, &f->err));
    fixture_reopen(f);
    assert_int_equal(events(f->c), 2);
    ok(f, gw_catalog_plan_get(f->c, "shop", &f->mem, &plan, &f->err));
}

/* ---- threads --------------------------------------------------------------------------------- */

#define ROUNDS 150

struct worker {
    struct fixture *f;
    const char *name;
    int bad;
};

/* Two events and a note in a transaction, again and again: others see both or none. */
static void *work(void *arg)
{
    struct worker *w = arg;
    struct gw_catalog *c = w->f->c;
    const struct gw_catalog_event e = { .kind = w->name, .text = "t" };
    for (unsigned i = 0; i < ROUNDS; i++) {
        CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
        CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
        struct gw_catalog_plan plan;
        w->bad += gw_catalog_begin(c, &tx, NULL) < 0;
        w->bad += gw_catalog_event_add(c, &e, NULL, NULL) < 0;
        w->bad += gw_catalog_plan_get(c, "shop", &mem, &plan, NULL) < 0;
        plan.epoch++;
        w->bad += gw_catalog_plan_update(c, &plan, NULL) < 0;
        w->bad += gw_catalog_event_add(c, &e, NULL, NULL) < 0;
        if (i % 3 == 2)
            gw_catalog_rollback(&tx);
        else
            w->bad += gw_catalog_commit(&tx, NULL) < 0;
        w->bad += events(c) % 2 != 0;
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct fixture *f = *state;
    struct worker workers[] = { { f, "one", 0 }, { f, "two", 0 } };
    struct gw_catalog_plan plan;
    pthread_t threads[2];
    add_plan(f);
    for (unsigned i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(workers[i].bad, 0);
    }
    ok(f, gw_catalog_plan_get(f->c, "shop", &f->mem, &plan, &f->err));
    assert_int_equal(plan.epoch, 5 + 2 * (ROUNDS - ROUNDS / 3)); /* no update is lost */
    assert_int_equal(events(f->c), 4 * (ROUNDS - ROUNDS / 3));
}

static void *read_once(void *arg)
{
    struct worker *w = arg;
    w->bad = (int)events(w->f->c);
    return NULL;
}

/* A reader does not wait for a transaction, and does not see it. */
static void test_reader(void **state)
{
    struct fixture *f = *state;
    struct worker reader = { f, "reader", -1 };
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    pthread_t t;
    add_event(f);
    ok(f, gw_catalog_begin(f->c, &tx, &f->err));
    add_event(f);
    assert_int_equal(pthread_create(&t, NULL, read_once, &reader), 0);
    pthread_join(t, NULL); /* hangs if it waits for us */
    assert_int_equal(reader.bad, 1);
    ok(f, gw_catalog_commit(&tx, &f->err));
}

/* ---- values ---------------------------------------------------------------------------------- */

static void test_values(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_plan plan = sample_plan();
    plan.epoch = (uint64_t)INT64_MAX + 1;
    refused(f, -ERANGE, "9223372036854775808", gw_catalog_plan_add(f->c, &plan, "a", 1, &f->err));
    plan.epoch = INT64_MAX;
    char *big = malloc(GW_CATALOG_VALUE_BYTES + 2);
    memset(big, 'x', GW_CATALOG_VALUE_BYTES + 1);
    big[GW_CATALOG_VALUE_BYTES + 1] = '\0';
    plan.original = big;
    refused(f, -E2BIG, "longer than", gw_catalog_plan_add(f->c, &plan, "a", 1, &f->err));
    free(big);
    plan.original = "'; DROP TABLE plans; --";
    ok(f, gw_catalog_plan_add(f->c, &plan, "a", 1, &f->err));
    ok(f, gw_catalog_plan_get(f->c, "shop", &f->mem, &plan, &f->err));
    assert_int_equal(plan.epoch, INT64_MAX);
    assert_string_equal(plan.original, "'; DROP TABLE plans; --");
}

static void test_text(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        { "", "" },
        { "plain", "plain" },
        { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xa6", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\xa6" },
        { "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd" },                   /* overlong */
        { "a\xed\xa0\x80", "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* surrogate */
        { "\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
        { "cut \xe2\x82", "cut \xef\xbf\xbd\xef\xbf\xbd" },
    };
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_string_equal(gw_text_clean(&mem, cases[i].in), cases[i].out);
        assert_int_equal(gw_text_is_utf8(cases[i].in), strcmp(cases[i].in, cases[i].out) == 0);
    }
    assert_true(gw_text_is_token("UNDO_INTENT2"));
    assert_false(gw_text_is_token(""));
    assert_false(gw_text_is_token("Undo"));
}

static void test_mem(void **state)
{
    struct gw_catalog_mem mem = { 0 };
    char *first = gw_catalog_mem_text(&mem, "keep", 4);
    for (size_t i = 0; i < 1000; i++) {
        unsigned char *p = gw_catalog_mem_alloc(&mem, i);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t k = 0; k < i; k++)
            assert_int_equal(p[k], 0);
        memset(p, 0xff, i);
    }
    assert_string_equal(first, "keep");
    assert_null(gw_catalog_mem_alloc(&mem, SIZE_MAX));
    assert_null(gw_catalog_mem_alloc(&mem, SIZE_MAX - 64));
    gw_catalog_mem_done(&mem);
    assert_null(mem.blocks);
    gw_catalog_mem_done(&mem);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_new, fixture_free)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_create),
        T(test_create_anew),
        T(test_settings),
        T(test_damaged),
        T(test_migrate),

        T(test_newer),
        T(test_unknown_word),
        T(test_transactions),
        T(test_threads),
        T(test_reader),
        T(test_values),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_mem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
