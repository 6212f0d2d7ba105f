// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Backups, what is refused as one, and restoring. */
#include "fixture.h"

#include "catalog/audit.h"
#include "catalog/backup.h"
#include "catalog/db.h"
#include "catalog/events.h"
#include "catalog/identity.h"
#include "catalog/schema.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void take(struct fixture *f, char ret_file[128])
{
    path_of(f, "backup.db", ret_file);
    ok(f, gw_catalog_backup(f->c, ret_file, &f->err));
}

static void test_backup(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_backup_info info;
    struct stat st;
    char file[128], other[128];
    add_plan(f);
    add_run(f, RUN_ID);
    take(f, file);
    refused(f, -EEXIST, "backup.db", gw_catalog_backup(f->c, file, &f->err));
    assert_int_equal(stat(file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    ok(f, gw_catalog_backup_check(file, &f->mem, &info, &f->err));
    assert_string_equal(info.site, "lyon");
    assert_int_equal(info.plans, 1);
    assert_int_equal(info.runs, 1);
    assert_int_equal(info.audit_entries, 1);
    assert_true(info.last_audit_wall_ns > 0);
    assert_int_equal(info.generation, 1);
    static const char *const leftovers[] = { "backup.db-wal", "backup.db-shm", "backup.db.new",
                                             "backup.db-journal" };
    for (size_t i = 0; i < 4; i++) {
        path_of(f, leftovers[i], other);
        assert_int_not_equal(access(other, F_OK), 0);
    }
    path_of(f, "nowhere/backup.db", other);
    refused(f, -ENOENT, "cannot back up", gw_catalog_backup(f->c, other, &f->err));
}

struct writer {
    struct fixture *f;
    atomic_bool stop;
    atomic_uint written;
};

static void *write_on(void *arg)
{
    struct writer *w = arg;
    const struct gw_catalog_event e = { .kind = "k", .text = "t" };
    while (!atomic_load(&w->stop)) {
        assert_int_equal(gw_catalog_event_add(w->f->c, &e, NULL, NULL), 0);
        atomic_fetch_add(&w->written, 1);
    }
    return NULL;
}

/* What was reported before the backup began is in it, and it is whole, while writes go on. */
static void test_backup_online(void **state)
{
    struct fixture *f = *state;
    struct writer w = { .f = f };
    pthread_t t;
    char name[32], file[128];
    assert_int_equal(pthread_create(&t, NULL, write_on, &w), 0);
    for (unsigned i = 0; i < 10; i++) {
        snprintf(name, sizeof name, "backup-%u", i);
        path_of(f, name, file);
        unsigned before = atomic_load(&w.written);
        ok(f, gw_catalog_backup(f->c, file, &f->err));
        CLEANUP_DB struct gw_db db = { 0 };
        uint64_t n = 0;
        ok(f, gw_db_open(&db, file, GW_DB_READONLY, &f->err));
        ok(f, gw_db_number(&db, "SELECT count(*) FROM events", GW_NO_BINDS, &n, &f->err));
        assert_true(n >= before && n <= atomic_load(&w.written) + 1);
    }
    atomic_store(&w.stop, true);
    pthread_join(t, NULL);
}

static void test_refused_files(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_backup_info info;
    char file[128], live[128];
    path_of(f, "none", file);
    refused(f, -ENOENT, "none", gw_catalog_backup_check(file, &f->mem, &info, &f->err));
    path_of(f, GW_CATALOG_FILE, live);
    refused(f, -EINVAL, "running catalog", gw_catalog_backup_check(live, &f->mem, &info, &f->err));
    FILE *to = fopen(file, "w");
    for (unsigned i = 0; i < 5000; i++)
        fputs("not a database ", to);
    fclose(to);
    refused(f, -EUCLEAN, "damaged", gw_catalog_backup_check(file, &f->mem, &info, &f->err));

    take(f, file);
    int fd = open(file, O_RDWR);
    char junk[2000];
    memset(junk, 0x5a, sizeof junk);
    assert_int_equal(pwrite(fd, junk, sizeof junk, 4096), sizeof junk);
    close(fd);
    refused(f, -EUCLEAN, "damaged", gw_catalog_backup_check(file, &f->mem, &info, &f->err));
    refused(f, -EUCLEAN, "damaged", gw_catalog_restore(file, f->dir, "lyon", "anna", 1, &f->err));
    fixture_reopen(f); /* the catalog is where it was */
}

static void test_restore(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_identity before, after;
    struct gw_catalog_plan plan;
    struct gw_audit_entry *rows;
    struct gw_audit_verdict v;
    char file[128], kept[128];
    size_t n;
    add_plan(f);
    ok(f, gw_catalog_identity_get(f->c, &f->mem, &before, &f->err));
    take(f, file);
    /* The site lives on after its backup. */
    const struct gw_audit_entry later = { .who = "bob", .action = "plan.apply" };
    for (unsigned i = 0; i < 3; i++)
        ok(f, gw_audit_append(f->c, &later, NULL, &f->err));
    ok(f, gw_catalog_plan_note(f->c, PLAN_UUID, "{\"later\":1}", &f->err));
    before.generation = 4;
    ok(f, gw_catalog_identity_set(f->c, &before, &f->err));
    gw_catalog_close(f->c);
    f->c = NULL;

    refused(f, -EINVAL, "backup of site \"lyon\"",
            gw_catalog_restore(file, f->dir, "paris", "anna", 1, &f->err));
    ok(f, gw_catalog_restore(file, f->dir, "lyon", "anna", 77, &f->err));
    fixture_reopen(f);
    ok(f, gw_catalog_plan_get(f->c, "shop", &f->mem, &plan, &f->err));
    assert_string_equal(plan.state, "{}");
    ok(f, gw_catalog_identity_get(f->c, &f->mem, &after, &f->err));
    assert_string_not_equal(after.instance, before.instance);
    assert_int_equal(after.generation, 5);
    assert_true(after.fenced);
    assert_non_null(strstr(after.fenced_reason, "backup"));

    /* The log says what it lost, and that is no finding. */
    const struct gw_audit_filter filter = { .action = "catalog.restored" };
    ok(f, gw_audit_read(f->c, &filter, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 1);
    assert_string_equal(rows[0].who, "anna");
    assert_non_null(strstr(rows[0].detail, "\"earlier_head\":{\"count\":4,"));
    ok(f, gw_audit_verify(f->c, &v, &f->err));
    assert_int_equal(v.bad_seq, 0);
    assert_int_equal(v.count, 2);
    path_of(f, "catalog.db.before-restore-1", kept);
    assert_int_equal(access(kept, F_OK), 0);

    /* Onto nothing, and again: the kept one stays. */
    gw_catalog_close(f->c);
    f->c = NULL;
    ok(f, gw_catalog_restore(file, f->dir, "lyon", "anna", 78, &f->err));
    path_of(f, "catalog.db.before-restore-2", kept);
    assert_int_equal(access(kept, F_OK), 0);
    fixture_reopen(f);
    ok(f, gw_catalog_identity_get(f->c, &f->mem, &after, &f->err));
    assert_int_equal(after.generation, 6);
}

/* A log that lies about without its catalog must not be replayed onto the restored one. */
static void test_restore_orphan_log(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_plan plan;
    struct gw_audit_verdict v;
    char file[128], wal[128], orphan[128], db[128];
    take(f, file);
    add_plan(f);
    path_of(f, "catalog.db-wal", wal);
    path_of(f, "catalog.db-wal.orphan", orphan);
    path_of(f, GW_CATALOG_FILE, db);
    char copy[128];
    path_of(f, "copy", copy);
    assert_int_equal(link(wal, copy), 0); /* closing takes it away */
    gw_catalog_close(f->c);
    f->c = NULL;
    assert_int_equal(unlink(db), 0);
    assert_int_equal(rename(copy, wal), 0);
    refused(f, -ENOENT, "restored from a backup or rebuilt",
            gw_catalog_open(f->dir, &f->c, &f->err));
    ok(f, gw_catalog_restore(file, f->dir, "lyon", "anna", 1, &f->err));
    assert_int_equal(access(orphan, F_OK), 0);
    fixture_reopen(f);
    refused(f, -ENOENT, "shop", gw_catalog_plan_get(f->c, "shop", &f->mem, &plan, &f->err));
    ok(f, gw_audit_verify(f->c, &v, &f->err));
    assert_int_equal(v.bad_seq, 0);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_new, fixture_free)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_backup),  T(test_backup_online),      T(test_refused_files),
        T(test_restore), T(test_restore_orphan_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
