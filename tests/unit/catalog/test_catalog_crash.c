// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* kill -9 while it is written, full disks, I/O errors. Children are forked before a catalog is
 * open. */
#include "fixture.h"

#include "base/checked.h"
#include "catalog/audit.h"
#include "catalog/catalog_internal.h"
#include "catalog/events.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define KILLS 12
#define NOT_HERE 77 /* a child's exit code: the machine does not allow it */

/* The next entry of the run's log, which says its number. */
static int add_entry(struct gw_catalog *c, struct gw_error *err)
{
    char text[32];
    uint64_t n = 0;
    int r = gw_catalog_run_entry_count(c, RUN_ID, &n, err);
    snprintf(text, sizeof text, "entry %llu", (unsigned long long)n);
    return r < 0 ? r : gw_catalog_run_entry_add(c, RUN_ID, n, text, err);
}

/* An event, an entry of a run and one of the audit log in one transaction. */
static int commit_one(struct gw_catalog *c, struct gw_error *err)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    const struct gw_catalog_event event = { .kind = "k", .text = "t" };
    const struct gw_audit_entry audit = { .who = "anna", .action = "a" };
    int r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = gw_catalog_event_add(c, &event, NULL, err);
    if (r >= 0)
        r = add_entry(c, err);
    if (r >= 0)
        r = gw_audit_append(c, &audit, NULL, err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}

struct counts {
    uint64_t events, log, audit;
};

/* The log of the run is what was written, one after the other. */
static uint64_t count_entries(struct fixture *f)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    const char **texts = NULL;
    size_t n = 0;
    ok(f, gw_catalog_run_entry_list(f->c, RUN_ID, 0, 100000, &mem, &texts, &n, &f->err));
    for (size_t i = 0; i < n; i++) {
        char text[32];
        snprintf(text, sizeof text, "entry %zu", i);
        assert_string_equal(texts[i], text);
    }
    return n;
}

/* How many of each there are; nothing is between them. */
static struct counts look(struct fixture *f)
{
    struct counts n = { 0 };
    struct gw_audit_verdict v;
    ok(f, gw_catalog_number(f->c, "SELECT count(*) FROM events", GW_NO_BINDS, &n.events, &f->err));
    n.log = count_entries(f);
    ok(f, gw_audit_verify(f->c, &v, &f->err));
    if (v.bad_seq != 0)
        fail_msg("%s", v.what);
    n.audit = v.count - 1; /* the one of its creation */
    return n;
}

static int setup(void **state)
{
    fixture_new(state);
    struct fixture *f = *state;
    add_plan(f);
    add_run(f, RUN_ID);
    gw_catalog_close(f->c);
    f->c = NULL;
    return 0;
}

/* ---- kill -9 --------------------------------------------------------------------------------- */

static void child_commits(const char *dir, int report)
{
    struct gw_catalog *c;
    if (gw_catalog_open(dir, &c, NULL) < 0)
        _exit(1);
    while (commit_one(c, NULL) >= 0)
        if (write(report, "x", 1) != 1)
            _exit(2);
    _exit(3);
}

static void test_kill(void **state)
{
    struct fixture *f = *state;
    uint64_t reported = 0;
    for (unsigned round = 0; round < KILLS; round++) {
        int pipes[2];
        char byte[256];
        assert_int_equal(pipe(pipes), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(pipes[0]);
            child_commits(f->dir, pipes[1]);
        }
        close(pipes[1]);
        /* After some reports, at another place of the next commit each time. */
        for (unsigned i = 0; i < 2 + round % 3; i++)
            reported += (uint64_t)GW_MAX(read(pipes[0], byte, 1), (ssize_t)0);
        struct timespec wait = { .tv_nsec = 300000L * round };
        nanosleep(&wait, NULL); /* where it dies is the point, not that it got anywhere */
        assert_int_equal(kill(pid, SIGKILL), 0);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        ssize_t n;
        while ((n = read(pipes[0], byte, sizeof byte)) > 0)
            reported += (uint64_t)n;
        close(pipes[0]);
        fixture_reopen(f);
        struct counts found = look(f);
        assert_true(found.events == found.log && found.log == found.audit);
        /* What was reported is there; at most one more a kill was on disk and not reported yet. */
        assert_true(found.events >= reported && found.events <= reported + round + 1);
        gw_catalog_close(f->c);
        f->c = NULL;
    }
    assert_true(reported >= 2 * KILLS);
}

/* ---- full disks ------------------------------------------------------------------------------ */

static void test_full(void **state)
{
    struct fixture *f = *state;
    char pragma[64];
    uint64_t pages = 0;
    struct counts before, after;
    ok(f, gw_catalog_open(f->dir, &f->c, &f->err));
    ok(f, gw_db_number(&f->c->writer, "PRAGMA page_count", GW_NO_BINDS, &pages, &f->err));
    snprintf(pragma, sizeof pragma, "PRAGMA max_page_count = %d", (int)pages);
    ok(f, gw_db_exec(&f->c->writer, pragma, &f->err));
    int r = 0;
    for (unsigned i = 0; r >= 0 && i < 1000; i++)
        r = commit_one(f->c, &f->err);
    assert_int_equal(r, -ENOSPC);
    assert_non_null(strstr(f->err.msg, "no room left"));
    before = look(f);
    assert_true(before.events == before.log && before.log == before.audit);

    /* It spoils the transaction it happens in, also if nobody looks at the error. */
    static char big[40000];
    memset(big, 'x', sizeof big - 1);
    const struct gw_catalog_event event = { .kind = "k", .text = big }, small = { .kind = "k" };
    struct gw_catalog_tx tx = { 0 };
    ok(f, gw_catalog_begin(f->c, &tx, &f->err));
    ok(f, gw_catalog_event_prune(f->c, 1, &f->err));
    r = 0;
    for (unsigned i = 0; r >= 0 && i < 100; i++)
        r = gw_catalog_event_add(f->c, &event, NULL, &f->err);
    assert_int_equal(r, -ENOSPC);
    refused(f, -ENOSPC, "no room", gw_catalog_event_add(f->c, &small, NULL, &f->err));
    refused(f, -ENOSPC, "no room", gw_catalog_commit(&tx, &f->err));
    after = look(f);
    assert_int_equal(after.events, before.events);

    /* Room again: on it goes, without a restart. */
    assert_int_equal(gw_catalog_failed(f->c, NULL), 0);
    ok(f, gw_db_exec(&f->c->writer, "PRAGMA max_page_count = 100000", &f->err));
    ok(f, commit_one(f->c, &f->err));
    assert_int_equal(look(f).events, before.events + 1);
}

static bool say(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);
    bool said = fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text);
    close(fd);
    return said;
}

/* A small real file system on `dir`, in a mount namespace of our own. */
static bool mount_small(const char *dir)
{
    char uid[32], gid[32];
    snprintf(uid, sizeof uid, "0 %d 1", (int)getuid());
    snprintf(gid, sizeof gid, "0 %d 1", (int)getgid());
    return unshare(CLONE_NEWUSER | CLONE_NEWNS) == 0 && say("/proc/self/uid_map", uid) &&
           say("/proc/self/setgroups", "deny") && say("/proc/self/gid_map", gid) &&
           mount("none", dir, "tmpfs", 0, "size=1m") == 0;
}

static void fill(const struct fixture *f)
{
    char path[128];
    static const char block[4096];
    path_of(f, "filler", path);
    int fd = open(path, O_WRONLY | O_CREAT, 0600);
    assert_true(fd >= 0);
    while (write(fd, block, sizeof block) > 0)
        ;
    assert_int_equal(errno, ENOSPC);
    close(fd);
}

static void child_full_disk(const char *dir)
{
    struct fixture f = { .dir = "" };
    uint64_t done = 0;
    int r = 0;
    setenv("CMOCKA_TEST_ABORT", "1", 1); /* a failed assertion ends this process */
    if (!mount_small(dir))
        _exit(NOT_HERE);
    assert_true(strlen(dir) < sizeof f.dir);
    strcpy(f.dir, dir);
    ok(&f, gw_catalog_create(f.dir, "lyon", &f.err));
    ok(&f, gw_catalog_open(f.dir, &f.c, &f.err));
    add_plan(&f);
    add_run(&f, RUN_ID);
    while ((r = commit_one(f.c, &f.err)) >= 0)
        done++;
    assert_int_equal(r, -ENOSPC);
    assert_non_null(strstr(f.err.msg, "no room left"));
    assert_int_equal(gw_catalog_failed(f.c, NULL), 0);
    assert_int_equal(look(&f).events, done);
    /* It opens on a full disk; not without room for its shared memory, which is an I/O error in
     * SQLite's eyes. */
    fill(&f);
    fixture_reopen(&f);
    gw_catalog_close(f.c);
    f.c = NULL;
    char shm[128];
    path_of(&f, "catalog.db-shm", shm);
    if (unlink(shm) == 0)
        fill(&f);
    refused(&f, -ENOSPC, "no room left", gw_catalog_open(f.dir, &f.c, &f.err));
    assert_int_equal(mount("none", dir, "tmpfs", MS_REMOUNT, "size=4m"), 0);
    ok(&f, gw_catalog_open(f.dir, &f.c, &f.err));
    ok(&f, commit_one(f.c, &f.err));
    fixture_reopen(&f);
    assert_int_equal(look(&f).events, done + 1);
    gw_catalog_close(f.c);
    gw_catalog_mem_done(&f.mem);
    _exit(0);
}

static void test_full_disk(void **state)
{
    struct fixture *f = *state;
    char dir[128];
    int status;
    path_of(f, "small", dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        child_full_disk(dir);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == NOT_HERE) {
        print_message("no namespaces on this machine, skipping\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- I/O errors ------------------------------------------------------------------------------ */

/* A file that may not grow is an I/O error in SQLite's eyes: it sticks, reading goes on. */
static void test_io_error(void **state)
{
    struct fixture *f = *state;
    struct rlimit old, tight;
    ok(f, gw_catalog_open(f->dir, &f->c, &f->err));
    ok(f, commit_one(f->c, &f->err));
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = (struct rlimit){ .rlim_cur = 4096, .rlim_max = old.rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    int r = commit_one(f->c, &f->err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_int_equal(r, -EIO);
    refused(f, -EIO, "cannot", gw_catalog_failed(f->c, &f->err));
    refused(f, -EIO, "restart the daemon", commit_one(f->c, &f->err));
    assert_int_equal(look(f).events, 1);
    fixture_reopen(f);
    assert_int_equal(gw_catalog_failed(f->c, NULL), 0);
    ok(f, commit_one(f->c, &f->err));
    assert_int_equal(look(f).events, 2);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, fixture_free)
int main(void)
{
    const struct CMUnitTest tests[] = { T(test_kill), T(test_full), T(test_full_disk),
                                        T(test_io_error) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
