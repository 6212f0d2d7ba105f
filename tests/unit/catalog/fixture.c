// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "fixture.h"

#include "base/log.h"

#include <ftw.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

void remove_tree(const char *dir)
{
    assert_int_equal(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), 0);
}

static void quiet(enum gw_log_level level, const char *line)
{
}

int fixture_new(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    gw_log_sink(quiet);
    snprintf(f->dir, sizeof f->dir, "%s/gw-catalog-XXXXXX",
             getenv("TMPDIR") != NULL && strlen(getenv("TMPDIR")) < 32 ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(f->dir));
    ok(f, gw_catalog_create(f->dir, "lyon", &f->err));
    ok(f, gw_catalog_open(f->dir, &f->c, &f->err));
    *state = f;
    return 0;
}

int fixture_free(void **state)
{
    struct fixture *f = *state;
    gw_catalog_close(f->c);
    gw_catalog_mem_done(&f->mem);
    remove_tree(f->dir);
    free(f);
    return 0;
}

void fixture_reopen(struct fixture *f)
{
    gw_catalog_close(f->c);
    f->c = NULL;
    ok(f, gw_catalog_open(f->dir, &f->c, &f->err));
}

struct gw_catalog_plan sample_plan(void)
{
    return (struct gw_catalog_plan){ .uuid = PLAN_UUID,
                                     .name = "shop",
                                     .version = 1,
                                     .hash = "h1",
                                     .document = "{\"plan\":\"shop\"}",
                                     .original = "plan: shop\n",
                                     .mode = GW_CATALOG_MODE_APPROVE,
                                     .holder = "paris",
                                     .epoch = 5,
                                     .created_wall_ns = 1000 };
}

void add_plan(struct fixture *f)
{
    const struct gw_catalog_plan plan = sample_plan();
    ok(f, gw_catalog_plan_add(f->c, &plan, "anna", 1000, &f->err));
}

struct gw_catalog_run sample_run(const char *id)
{
    return (struct gw_catalog_run){ .id = id,
                                    .plan = "shop",
                                    .fixed = "{\"operation\":\"failback\"}",
                                    .row = "{\"state\":\"RUNNING\"}",
                                    .open = true };
}

void add_run(struct fixture *f, const char *id)
{
    const struct gw_catalog_run run = sample_run(id);
    ok(f, gw_catalog_run_add(f->c, &run, &f->err));
}

void path_of(const struct fixture *f, const char *name, char ret[128])
{
    snprintf(ret, 128, "%s/%s", f->dir, name);
}

void behind_its_back(const struct fixture *f, const char *sql)
{
    static const char no_triggers[] =
        "DROP TRIGGER IF EXISTS audit_insert; DROP TRIGGER IF EXISTS audit_update;"
        "DROP TRIGGER IF EXISTS audit_delete; DROP TRIGGER IF EXISTS run_entries_insert;"
        "DROP TRIGGER IF EXISTS run_entries_update; DROP TRIGGER IF EXISTS run_entries_delete;";
    char path[128];
    sqlite3 *db;
    path_of(f, GW_CATALOG_FILE, path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    char *msg = NULL;
    if (sqlite3_exec(db, no_triggers, NULL, NULL, &msg) != SQLITE_OK ||
        sqlite3_exec(db, sql, NULL, NULL, &msg) != SQLITE_OK)
        fail_msg("%s: %s", sql, msg);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

void file_refuses(const struct fixture *f, const char *sql, const char *words)
{
    char path[128], *msg = NULL;
    sqlite3 *db;
    path_of(f, GW_CATALOG_FILE, path);
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    /* What an INSERT OR REPLACE deletes fires triggers only then. */
    assert_int_equal(sqlite3_exec(db, "PRAGMA recursive_triggers = OFF", NULL, NULL, NULL), 0);
    int rc = sqlite3_exec(db, sql, NULL, NULL, &msg);
    if (rc != SQLITE_CONSTRAINT || strstr(msg, words) == NULL)
        fail_msg("%s: %d, %s", sql, rc, msg);
    sqlite3_free(msg);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}
