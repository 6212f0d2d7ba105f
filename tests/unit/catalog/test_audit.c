// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The audit log: appending, reading, exporting, and every way of tampering with it. */
#include "fixture.h"

#include "base/hash.h"
#include "catalog/audit.h"
#include "catalog/audit_head.h"
#include "catalog/catalog_internal.h"
#include "catalog/digest.h"
#include "catalog/limits.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ENTRIES 5 /* in all, with the one that gw_catalog_create wrote */

static uint64_t append(struct fixture *f, const char *action, const char *detail)
{
    const struct gw_audit_entry e = { .wall_ns = 1000,
                                      .who = "anna",
                                      .uid = 1000,
                                      .origin = "unix",
                                      .action = action,
                                      .object = "plan shop",
                                      .outcome = "done",
                                      .detail = detail };
    uint64_t seq = 0;
    ok(f, gw_audit_append(f->c, &e, &seq, &f->err));
    return seq;
}

static int setup(void **state)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    fixture_new(state);
    struct fixture *f = *state;
    ok(f, gw_catalog_begin(f->c, &tx, &f->err));
    for (unsigned i = 2; i <= ENTRIES; i++)
        assert_int_equal(append(f, "plan.apply", "{\"b\": 1, \"a\": [true]}"), i);
    ok(f, gw_catalog_commit(&tx, &f->err));
    return 0;
}

static struct gw_audit_verdict verify(struct fixture *f)
{
    struct gw_audit_verdict v = { 0 };
    ok(f, gw_audit_verify(f->c, &v, &f->err));
    return v;
}

static void assert_whole(struct fixture *f, uint64_t count)
{
    struct gw_audit_verdict v = verify(f);
    if (v.bad_seq != 0 || v.count != count)
        fail_msg("%d entries, bad %d: %s", (int)v.count, (int)v.bad_seq, v.what);
}

static void assert_found(struct fixture *f, uint64_t seq, const char *words)
{
    struct gw_audit_verdict v = verify(f);
    if (v.bad_seq != seq || strstr(v.what, words) == NULL)
        fail_msg("found \"%s\" at %d; expected \"%s\" at %d", v.what, (int)v.bad_seq, words,
                 (int)seq);
}

/* ---- writing and reading --------------------------------------------------------------------- */

static void test_read(void **state)
{
    struct fixture *f = *state;
    struct gw_audit_entry odd = { .wall_ns = 2000,
                                  .who = "b\xc3(b",
                                  .uid = -1,
                                  .certificate = "ab12",
                                  .origin = "link paris",
                                  .action = "run.cancel",
                                  .object = "run \xff",
                                  .outcome = "refused" };
    struct gw_audit_entry *rows;
    char hash[GW_CATALOG_HASH_TEXT];
    uint64_t seq = 0;
    size_t n;
    ok(f, gw_audit_append(f->c, &odd, NULL, &f->err));
    odd.detail = "{";
    refused(f, -EINVAL, "not JSON", gw_audit_append(f->c, &odd, NULL, &f->err));
    fixture_reopen(f);
    struct gw_audit_filter filter = { .who = "anna", .after = 2, .limit = 2 };
    ok(f, gw_audit_read(f->c, &filter, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 2);
    assert_int_equal(rows[0].seq, 3);
    assert_int_equal(rows[0].uid, 1000);
    assert_null(rows[0].certificate);
    assert_string_equal(rows[0].detail, "{\"a\":[true],\"b\":1}");
    assert_string_equal(rows[1].prev, rows[0].hash);
    filter = (struct gw_audit_filter){ .since_wall_ns = 1500, .until_wall_ns = 2500 };
    ok(f, gw_audit_read(f->c, &filter, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 1);
    assert_string_equal(rows[0].who, "b\xef\xbf\xbd(b");
    assert_string_equal(rows[0].object, "run \xef\xbf\xbd");
    assert_string_equal(rows[0].certificate, "ab12");
    assert_int_equal(rows[0].uid, -1);
    filter = (struct gw_audit_filter){ .action = "run.cancel", .object = "plan shop" };
    ok(f, gw_audit_read(f->c, &filter, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 0);
    ok(f, gw_audit_head(f->c, &seq, hash, &f->err));
    assert_int_equal(seq, ENTRIES + 1);
    ok(f, gw_audit_anchor(f->c, seq, hash, &f->err));
    refused(f, -EBADMSG, "another", gw_audit_anchor(f->c, 1, hash, &f->err));
    refused(f, -EBADMSG, "no entry 99", gw_audit_anchor(f->c, 99, hash, &f->err));
    assert_whole(f, ENTRIES + 1);
}

static int count_one(void *arg, const struct gw_audit_entry *entry)
{
    uint64_t *n = arg;
    return entry->seq != ++*n ? -1 : *n == GW_CATALOG_PAGE_ROWS + 7 ? 42 : 0;
}

static void test_walk_pages(void **state)
{
    struct fixture *f = *state;
    uint64_t n = 0;
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    ok(f, gw_catalog_begin(f->c, &tx, &f->err));
    for (unsigned i = 0; i < 2 * GW_CATALOG_PAGE_ROWS; i++)
        append(f, "a", NULL);
    ok(f, gw_catalog_commit(&tx, &f->err));
    assert_int_equal(gw_audit_walk(f->c, count_one, &n, &f->err), 42);
    assert_int_equal(n, GW_CATALOG_PAGE_ROWS + 7);
    assert_whole(f, ENTRIES + 2 * GW_CATALOG_PAGE_ROWS);
}

/* What was rolled back was never logged, and audit.head does not count it. */
static void test_transaction(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_tx tx = { 0 };
    ok(f, gw_catalog_begin(f->c, &tx, &f->err));
    append(f, "rolled.back", NULL);
    gw_catalog_rollback(&tx);
    assert_whole(f, ENTRIES);
    ok(f, gw_catalog_begin(f->c, &tx, &f->err));
    append(f, "kept", NULL);
    struct gw_catalog_tx inner = { 0 };
    ok(f, gw_catalog_begin(f->c, &inner, &f->err));
    append(f, "rolled.back", NULL);
    gw_catalog_rollback(&inner);
    ok(f, gw_catalog_commit(&tx, &f->err));
    assert_whole(f, ENTRIES + 1);
    fixture_reopen(f);
    assert_whole(f, ENTRIES + 1);
}

/* Anybody can check an exported line: take the hash off its end again. */
static void test_export(void **state)
{
    struct fixture *f = *state;
    char *text = NULL, prev[GW_CATALOG_HASH_TEXT] = GW_CATALOG_HASH_NONE;
    size_t len = 0, lines = 0;
    FILE *to = open_memstream(&text, &len);
    ok(f, gw_audit_export(f->c, to, &f->err));
    fclose(to);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"), lines++) {
        json_t *j = json_loads(line, 0, NULL);
        char hash[GW_CATALOG_HASH_TEXT], *tail = strstr(line, ",\"hash\":\"");
        assert_non_null(j);
        assert_non_null(tail);
        memcpy(tail, "}", 2);
        ok(f, gw_sha256_hex(line, strlen(line), hash, &f->err));
        assert_string_equal(hash, json_string_value(json_object_get(j, "hash")));
        assert_string_equal(prev, json_string_value(json_object_get(j, "prev")));
        snprintf(prev, sizeof prev, "%s", hash);
        json_decref(j);
    }
    assert_int_equal(lines, ENTRIES);
    free(text);
    FILE *full = fopen("/dev/full", "w");
    refused(f, -ENOSPC, "cannot export", gw_audit_export(f->c, full, &f->err));
    fclose(full);
}

/* ---- tampering ------------------------------------------------------------------------------- */

static void test_file_refuses(void **state)
{
    struct fixture *f = *state;
    file_refuses(f, "UPDATE audit SET who = 'eve'", "append-only");
    file_refuses(f, "DELETE FROM audit WHERE seq = 5", "append-only");
    file_refuses(f,
                 "INSERT OR REPLACE INTO audit SELECT 3, wall_ns, 'eve', uid, certificate,"
                 " origin, action, object, outcome, detail, prev, hash FROM audit WHERE seq = 3",
                 "at its end");
    file_refuses(f,
                 "INSERT INTO audit SELECT 9, wall_ns, who, uid, certificate, origin, action,"
                 " object, outcome, detail, prev, hash FROM audit WHERE seq = 3",
                 "at its end");
    assert_whole(f, ENTRIES);
}

#define SHIFT_UP                                                                                   \
    "UPDATE audit SET seq = seq + 100 WHERE seq >= 3;"                                             \
    "UPDATE audit SET seq = seq - 99 WHERE seq >= 103;"

static void test_tampering(void **state)
{
    static const struct {
        const char *sql;
        uint64_t seq;
        const char *words;
    } edits[] = {
        { "UPDATE audit SET who = 'eve' WHERE seq = 3", 3, "edited" },
        { "UPDATE audit SET uid = 0 WHERE seq = 2", 2, "edited" },
        { "UPDATE audit SET wall_ns = 999 WHERE seq = 5", 5, "edited" },
        { "UPDATE audit SET certificate = 'x' WHERE seq = 4", 4, "edited" },
        { "UPDATE audit SET origin = 'x' WHERE seq = 4", 4, "edited" },
        { "UPDATE audit SET action = 'x' WHERE seq = 4", 4, "edited" },
        { "UPDATE audit SET object = 'x' WHERE seq = 4", 4, "edited" },
        { "UPDATE audit SET outcome = 'refused' WHERE seq = 4", 4, "edited" },
        { "UPDATE audit SET detail = '{\"b\":2}' WHERE seq = 4", 4, "edited" },
        /* The same in JSON's eyes, and still not what was written. */
        { "UPDATE audit SET detail = '{\"b\":1, \"a\":[true]}' WHERE seq = 4", 4, "edited" },
        { "UPDATE audit SET detail = 'no JSON' WHERE seq = 4", 4, "edited" },
        { "UPDATE audit SET who = CAST(X'ff' AS TEXT) WHERE seq = 4", 4, "edited" },
        { "UPDATE audit SET hash = prev WHERE seq = 4", 4, "edited" },
        { "UPDATE audit SET prev = hash WHERE seq = 4", 4, "edited" },
        { "DELETE FROM audit WHERE seq = 1", 1, "entry 1 is missing, the next is 2" },
        { "DELETE FROM audit WHERE seq IN (3, 4)", 3, "entry 3 is missing, the next is 5" },
        { "DELETE FROM audit WHERE seq = 3; UPDATE audit SET seq = seq - 1 WHERE seq > 3", 3,
          "edited" },
        { SHIFT_UP "INSERT INTO audit SELECT 3, wall_ns, 'eve', uid, certificate, origin, action,"
                   " object, outcome, detail, prev, hash FROM audit WHERE seq = 4",
          3, "edited" },
        { "DELETE FROM audit WHERE seq = 5", 5, "entries 5 to 5 are missing at the end" },
        { "DELETE FROM audit WHERE seq > 2", 3, "entries 3 to 5 are missing at the end" },
        { "DELETE FROM audit", 1, "entries 1 to 5 are missing at the end" },
    };
    for (size_t i = 0; i < sizeof edits / sizeof edits[0]; i++) {
        struct fixture *f = NULL;
        setup((void **)&f);
        behind_its_back(f, edits[i].sql);
        assert_found(f, edits[i].seq, edits[i].words);
        /* Going on, and starting anew, hides nothing. */
        append(f, "later", NULL);
        fixture_reopen(f);
        append(f, "later", NULL);
        struct gw_audit_verdict v = verify(f);
        assert_true(v.bad_seq != 0 && v.bad_seq <= ENTRIES);
        fixture_free((void **)&f);
    }
}

/* A forger who knows how it is hashed: the new chain is sound in itself. */
static void forge(struct fixture *f, uint64_t from)
{
    struct gw_audit_entry *rows;
    size_t n;
    const struct gw_audit_filter all = { 0 };
    ok(f, gw_audit_read(f->c, &all, &f->mem, &rows, &n, &f->err));
    char sql[64];
    snprintf(sql, sizeof sql, "DELETE FROM audit WHERE seq >= %d", (int)from);
    behind_its_back(f, sql);
    gw_catalog_close(f->c);
    char head[128], kept[128];
    path_of(f, GW_AUDIT_HEAD_FILE, head);
    path_of(f, "kept", kept);
    assert_int_equal(rename(head, kept), 0);
    ok(f, gw_catalog_open(f->dir, &f->c, &f->err)); /* has no head to follow */
    for (size_t i = (size_t)from - 1; i < n; i++) {
        rows[i].who = "eve";
        ok(f, gw_audit_append(f->c, &rows[i], NULL, &f->err));
    }
    assert_int_equal(rename(kept, head), 0);
    fixture_reopen(f);
}

static void test_forged(void **state)
{
    struct fixture *f = *state;
    char hash[GW_CATALOG_HASH_TEXT];
    uint64_t seq;
    ok(f, gw_audit_head(f->c, &seq, hash, &f->err));
    forge(f, 4);
    assert_found(f, 5, "the log was written anew");
    refused(f, -EBADMSG, "another", gw_audit_anchor(f->c, seq, hash, &f->err));
}

/* A chain that was mended after an entry was taken out of its middle. */
static void test_inserted(void **state)
{
    struct fixture *f = *state;
    behind_its_back(f, "CREATE TABLE kept AS SELECT * FROM audit WHERE seq > 2;"
                       "DELETE FROM audit WHERE seq > 2");
    append(f, "forged", NULL); /* a sound entry 3 in place of the true one */
    behind_its_back(f, "INSERT INTO audit SELECT * FROM kept WHERE seq > 3; DROP TABLE kept");
    assert_found(f, 4, "does not continue entry 3");
}

/* ---- audit.head ------------------------------------------------------------------------------ */

static void write_head(struct fixture *f, const char *text)
{
    char path[128];
    path_of(f, GW_AUDIT_HEAD_FILE, path);
    if (text == NULL) {
        assert_int_equal(unlink(path), 0);
        return;
    }
    FILE *to = fopen(path, "w");
    assert_non_null(to);
    fputs(text, to);
    assert_int_equal(fclose(to), 0);
}

static void test_head_file(void **state)
{
    struct fixture *f = *state;
    struct gw_audit_head head = { 0 }, loaded;
    ok(f, gw_audit_head_load(f->dir, &head, &f->err));
    assert_int_equal(head.count, ENTRIES);

    /* Behind, after a crash: no finding, and the next start makes it good. */
    gw_catalog_close(f->c);
    f->c = NULL;
    const struct gw_audit_head last = head;
    ok(f, gw_catalog_open(f->dir, &f->c, &f->err));
    append(f, "a", NULL);
    gw_catalog_close(f->c);
    ok(f, gw_audit_head_store(f->dir, &last, &f->err));
    ok(f, gw_catalog_open(f->dir, &f->c, &f->err));
    ok(f, gw_audit_head_load(f->dir, &loaded, &f->err));
    assert_int_equal(loaded.count, ENTRIES + 1);
    assert_whole(f, ENTRIES + 1);
    refused(f, -EALREADY, "goes with", gw_audit_accept(f->c, "anna", 0, "why", 1, &f->err));

    /* Missing or damaged: found, not mended by itself, until a person accepts it. */
    static const char *const contents[] = { NULL, "", "godwit audit head 1\ncount 5\n" };
    for (size_t i = 0; i < sizeof contents / sizeof contents[0]; i++) {
        struct gw_audit_verdict before = verify(f);
        write_head(f, contents[i]);
        fixture_reopen(f);
        assert_found(f, before.count + 1, contents[i] == NULL ? "is missing" : "is damaged");
        append(f, "goes on", NULL);
        fixture_reopen(f);
        assert_found(f, before.count + 2, "cannot be told");
        refused(f, -EINVAL, "UTF-8", gw_audit_accept(f->c, "anna", 0, "\xff", 1, &f->err));
        ok(f, gw_audit_accept(f->c, "anna", 1000, "disk was swapped", 5, &f->err));
        assert_whole(f, before.count + 2);
        fixture_reopen(f);
        append(f, "a", NULL);
        assert_whole(f, before.count + 3);
    }
}

/* A cut tail stays found while the log goes on, until it is accepted; then the acceptance says it.
 */
static void test_accept_cut(void **state)
{
    struct fixture *f = *state;
    struct gw_audit_entry *rows;
    size_t n;
    behind_its_back(f, "DELETE FROM audit WHERE seq > 3");
    for (unsigned i = 0; i < ENTRIES; i++)
        append(f, "goes on", NULL);
    assert_found(f, 5, "written anew");
    ok(f, gw_audit_accept(f->c, "anna", 1000, "looked into it", 5, &f->err));
    assert_whole(f, 3 + ENTRIES + 1);
    append(f, "a", NULL);
    fixture_reopen(f);
    assert_whole(f, 3 + ENTRIES + 2);
    const struct gw_audit_filter filter = { .action = "audit.accepted" };
    ok(f, gw_audit_read(f->c, &filter, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 1);
    assert_non_null(strstr(rows[0].detail, "\"earlier_head\":{\"count\":5,"));
    assert_non_null(strstr(rows[0].detail, "\"reason\":\"looked into it\""));
    behind_its_back(f, "DELETE FROM audit WHERE seq > 8");
    assert_found(f, 9, "missing at the end"); /* an old acceptance excuses nothing new */
}

static void test_head_codec(void **state)
{
    struct gw_audit_head head = { .count = INT64_MAX - 10 }, got;
    char text[GW_AUDIT_HEAD_BYTES], bad[GW_AUDIT_HEAD_BYTES];
    memset(head.hash, 'a', sizeof head.hash - 1);
    size_t len = gw_audit_head_encode(&head, text);
    assert_int_equal(strlen(text), len);
    assert_true(gw_audit_head_decode(text, len, &got));
    assert_int_equal(got.count, head.count);
    assert_string_equal(got.hash, head.hash);
    for (size_t i = 0; i < len; i++) {
        assert_false(gw_audit_head_decode(text, i, &got));
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(bad, text, len);
            bad[i] = (char)(bad[i] ^ (1 << bit));
            assert_false(gw_audit_head_decode(bad, len, &got));
        }
    }
    assert_false(gw_audit_head_decode(text, GW_AUDIT_HEAD_BYTES, &got));
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, fixture_free)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_read),
        T(test_walk_pages),
        T(test_transaction),
        T(test_export),
        T(test_file_refuses),
        cmocka_unit_test(test_tampering),
        T(test_forged),
        T(test_inserted),
        T(test_head_file),
        T(test_accept_cut),
        cmocka_unit_test(test_head_codec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
