// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The supervisor over small processes of our own (helper.c). This program is the subreaper of what
 * outlives its supervisor, so that nothing is left behind.
 */
#include "unit/unit.h"

#include "base/checked.h"
#include "base/clock.h"
#include "control/client.h"
#include "unit/launch.h"
#include "unit/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SOON_MS 20000u
#define PLAN "shop"

static char dir[64], control[96], told[96];
static const char *helper;
static struct gw_error err;
#define OK(x)                                                                                      \
    do {                                                                                           \
        err = (struct gw_error){ 0 };                                                              \
        if ((x) < 0)                                                                               \
            fail_msg("%s: %s", #x, err.msg);                                                       \
    } while (0)

/* ---- a supervisor ------------------------------------------------------------------------------
 */

static atomic_uint changes;

static void changed(void *arg, const char *plan)
{
    struct gw_unit_status st;
    assert_string_equal(plan, PLAN);
    gw_units_get(*(struct gw_units **)arg, plan, &st); /* it may look */
    atomic_fetch_add(&changes, 1);
}

static struct gw_units *units;

static void begin(void)
{
    const struct gw_units_config c = { .dir = dir,
                                       .by = GW_UNITS_BY_OURSELVES,
                                       .arg = &units,
                                       .changed = changed,
                                       .backoff_ms_min = 10,
                                       .backoff_ms_max = 50,
                                       .healthy_ms = 60000 };
    OK(gw_units_new(&c, &units, &err));
}

static void end(void)
{
    gw_units_free(units);
    units = NULL;
}

static int start_as(const char *mode, enum gw_unit_kind kind)
{
    char *argv[] = { (char *)(uintptr_t)helper, (char *)(uintptr_t)mode, control, NULL };
    char variable[128];
    char *env[] = { variable, NULL };
    snprintf(variable, sizeof variable, "GODWIT_HELPER_TELL=%s", told);
    const struct gw_unit_command command = { .argv = argv, .env = env };
    const struct gw_unit_spec spec = {
        .plan = PLAN, .kind = kind, .command = &command, .control = control
    };
    err = (struct gw_error){ 0 };
    return gw_units_start(units, &spec, &err);
}

static int start(const char *mode)
{
    return start_as(mode, GW_UNIT_REPLICA);
}

static struct gw_unit_status status(void)
{
    struct gw_unit_status st;
    assert_int_equal(gw_units_get(units, PLAN, &st), 0);
    return st;
}

static struct gw_unit_status await(enum gw_unit_state state)
{
    const uint64_t until = gw_boot_ns() + SOON_MS * GW_NS_PER_MS;
    for (;;) {
        struct gw_unit_status st = status();
        if (st.state == state)
            return st;
        if (gw_boot_ns() > until)
            fail_msg("%s, not %s: %s", gw_unit_state_name(st.state), gw_unit_state_name(state),
                     st.words);
        poll(NULL, 0, 2);
    }
}

static void call(const char *cmd)
{
    json_t *request = json_pack("{s:s}", "cmd", cmd);
    gw_control_call(control, request, 2000, NULL, NULL, NULL, NULL);
    json_decref(request);
}

static unsigned lines_told(void)
{
    char text[4096] = "";
    int fd = open(told, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    unsigned lines = 0;
    for (ssize_t i = 0; i < n; i++)
        lines += text[i] == '\n';
    if (fd >= 0)
        close(fd);
    return lines;
}

static bool lock_is_free(void)
{
    int fd = -1;
    bool is_free = gw_unit_lock(dir, PLAN, &fd, NULL) == 0;
    if (fd >= 0)
        close(fd);
    return is_free;
}

/* ---- tests -------------------------------------------------------------------------------------
 */

static void start_and_stop(void **state)
{
    (void)state;
    begin();
    struct gw_unit_status st;
    assert_int_equal(gw_units_get(units, PLAN, &st), -ENOENT);
    assert_int_equal(gw_units_wait_ready(units, PLAN, SOON_MS, &err), -ENOENT);
    OK(start("serve"));
    OK(gw_units_wait_ready(units, PLAN, SOON_MS, &err));
    st = status();
    assert_int_equal(st.state, GW_UNIT_UP);
    assert_true(st.wanted && !st.adopted && !st.outdated && st.pid > 0);
    assert_int_equal(getsid(st.pid), st.pid); /* a session of its own */
    assert_false(lock_is_free());
    /* What it has open: standard three, the lock, and what it made itself. */
    char path[64], link[128] = "";
    snprintf(path, sizeof path, "/proc/%d/fd/0", (int)st.pid);
    assert_true(readlink(path, link, sizeof link - 1) > 0);
    assert_string_equal(link, "/dev/null");
    snprintf(path, sizeof path, "/proc/%d/fd/3", (int)st.pid);
    memset(link, 0, sizeof link);
    assert_true(readlink(path, link, sizeof link - 1) > 0);
    assert_non_null(strstr(link, PLAN ".lock"));
    /* Wanted already: nothing happens. */
    OK(start("serve"));
    assert_int_equal(status().pid, st.pid);
    assert_int_equal(gw_units_forget(units, PLAN, &err), -EBUSY);
    OK(gw_units_stop(units, PLAN, 0, &err));
    st = status();
    assert_int_equal(st.state, GW_UNIT_DOWN);
    assert_int_equal(st.pid, 0);
    assert_true(st.have_end);
    assert_int_equal(st.last_code, 0);
    assert_true(lock_is_free());
    OK(gw_units_stop(units, PLAN, 0, &err)); /* again: nothing to do */
    assert_int_equal(lines_told(), 1);
    assert_true(atomic_load(&changes) >= 3);
    OK(gw_units_forget(units, PLAN, &err));
    assert_int_equal(gw_units_get(units, PLAN, &st), -ENOENT);
    end();
}

static void names(void **state)
{
    (void)state;
    char **list = NULL;
    unsigned n = 0;
    begin();
    OK(start("serve"));
    OK(gw_units_list(units, &list, &n, &err));
    assert_int_equal(n, 1);
    assert_string_equal(list[0], PLAN);
    assert_null(list[1]);
    free(list);
    OK(gw_units_stop(units, PLAN, 0, &err));
    assert_int_equal(gw_units_stop(units, "../x", 0, &err), -EINVAL);
    end();
}

/* It cannot even be executed: said at once, and not tried again. */
static void no_such_program(void **state)
{
    (void)state;
    begin();
    const char *right = helper;
    helper = "/nonexistent/program";
    assert_int_equal(start("serve"), -ENOENT);
    helper = right;
    assert_non_null(strstr(err.msg, "cannot execute /nonexistent/program"));
    assert_int_equal(status().state, GW_UNIT_DOWN);
    assert_false(status().wanted);
    assert_true(lock_is_free());
    OK(start("serve"));
    OK(gw_units_stop(units, PLAN, 0, &err));
    end();
}

/* U4. */
static void crashes(void **state)
{
    (void)state;
    begin();
    OK(start("crash"));
    assert_int_equal(gw_units_wait_ready(units, PLAN, SOON_MS, &err), -ECHILD);
    assert_non_null(strstr(err.msg, "the moon is in the wrong house"));
    const uint64_t until = gw_boot_ns() + SOON_MS * GW_NS_PER_MS;
    struct gw_unit_status st;
    do {
        st = status();
        poll(NULL, 0, 2);
    } while (!(st.crash_loop && st.restarts >= GW_UNIT_LOOP_STARTS) && gw_boot_ns() < until);
    assert_true(st.crash_loop);
    assert_true(st.wanted);
    assert_true(st.restarts >= GW_UNIT_LOOP_STARTS);
    assert_int_equal(st.last_code, 3);
    st = await(GW_UNIT_BACKOFF);
    assert_non_null(strstr(st.words, "the moon is in the wrong house"));
    /* 10, 20, 40, 50, 50 ms ...: by then it is the longest. */
    assert_true(st.next_start_ns - st.since_ns == 50 * GW_NS_PER_MS);
    OK(gw_units_stop(units, PLAN, 0, &err));
    const unsigned told_before = lines_told();
    assert_int_equal(status().state, GW_UNIT_DOWN);
    /* Nothing is started any more, although its time would have come. */
    poll(NULL, 0, 100);
    assert_int_equal(lines_told(), told_before);
    end();
}

static void comes_back(void **state)
{
    (void)state;
    begin();
    OK(start("serve"));
    OK(gw_units_wait_ready(units, PLAN, SOON_MS, &err));
    const pid_t first = status().pid;
    call("fail");
    const uint64_t until = gw_boot_ns() + SOON_MS * GW_NS_PER_MS;
    while (status().restarts == 0 && gw_boot_ns() < until)
        poll(NULL, 0, 2);
    OK(gw_units_wait_ready(units, PLAN, SOON_MS, &err));
    struct gw_unit_status st = status();
    assert_int_not_equal(st.pid, first);
    assert_int_equal(st.restarts, 1);
    assert_int_equal(st.last_code, 4);
    assert_false(st.crash_loop);
    OK(gw_units_stop(units, PLAN, 0, &err));
    end();
}

/* U5. */
static void told_by_somebody_else(void **state)
{
    (void)state;
    begin();
    OK(start("serve"));
    OK(gw_units_wait_ready(units, PLAN, SOON_MS, &err));
    call("stop");
    struct gw_unit_status st = await(GW_UNIT_ENDED);
    assert_true(st.wanted);
    assert_int_equal(st.restarts, 0);
    OK(gw_units_wait_end(units, PLAN, 0, &err));
    poll(NULL, 0, 100); /* past any back-off */
    assert_int_equal(status().state, GW_UNIT_ENDED);
    OK(start_as("serve", GW_UNIT_SOURCE)); /* ... another role */
    OK(gw_units_wait_ready(units, PLAN, SOON_MS, &err));
    assert_int_equal(status().kind, GW_UNIT_SOURCE);
    /* An end that was announced. */
    gw_units_let_end(units, PLAN);
    assert_int_equal(gw_units_wait_end(units, PLAN, 1, &err), -ETIMEDOUT);
    call("fail");
    OK(gw_units_wait_end(units, PLAN, SOON_MS, &err));
    assert_int_equal(status().state, GW_UNIT_DOWN);
    end();
}

/* U1. */
static void never_two(void **state)
{
    (void)state;
    begin();
    OK(start("serve"));
    OK(gw_units_wait_ready(units, PLAN, SOON_MS, &err)); /* it has said that it is there */
    assert_int_equal(start_as("serve", GW_UNIT_SOURCE), -EBUSY);
    assert_non_null(strstr(err.msg, "stop it first"));
    struct gw_units *first = units;
    const pid_t pid = status().pid;
    /* Another supervisor takes over what runs, and starts nothing. */
    begin();
    assert_int_equal(start_as("serve", GW_UNIT_SOURCE), -EBUSY);
    OK(start("serve"));
    assert_int_equal(status().pid, pid);
    assert_true(status().adopted);
    end();
    units = first;
    OK(gw_units_stop(units, PLAN, 0, &err));
    assert_int_equal(lines_told(), 1);
    /* Somebody who is on no record holds the lock. */
    int fd = -1;
    OK(gw_unit_lock(dir, PLAN, &fd, &err));
    assert_int_equal(start("serve"), -EBUSY);
    enum gw_unit_kind kind;
    pid_t found;
    assert_int_equal(gw_units_find(units, PLAN, &kind, &found, &err), -EBUSY);
    assert_int_equal(gw_units_stop(units, PLAN, 0, &err), -EBUSY);
    close(fd);
    assert_int_equal(gw_units_find(units, PLAN, &kind, &found, &err), 0);
    assert_int_equal(lines_told(), 1);
    end();
}

/* A stop that is not heard: asked, told, killed. */
static void deaf(void **state)
{
    (void)state;
    begin();
    OK(start("deaf"));
    OK(gw_units_wait_ready(units, PLAN, SOON_MS, &err));
    OK(gw_units_stop(units, PLAN, 100, &err));
    assert_int_equal(status().last_code, 128 + SIGKILL);
    /* One that never made a socket: not asked, told. */
    OK(start("silent"));
    assert_int_equal(gw_units_wait_ready(units, PLAN, 50, &err), -ETIMEDOUT);
    OK(gw_units_stop(units, PLAN, 5000, &err));
    assert_int_equal(status().last_code, 0);
    end();
}

/* ---- without its supervisor --------------------------------------------------------------------
 */

/* In a process of its own: start, say the pid, live until killed. */
static pid_t supervisor(const char *mode, pid_t *ret_unit)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        pid_t unit = -1;
        begin();
        if (start(mode) == 0 && gw_units_wait_ready(units, PLAN, SOON_MS, &err) == 0)
            unit = status().pid;
        if (write(ends[1], &unit, sizeof unit) == sizeof unit)
            pause();
        _exit(1);
    }
    close(ends[1]);
    assert_int_equal(read(ends[0], ret_unit, sizeof *ret_unit), sizeof *ret_unit);
    close(ends[0]);
    assert_true(*ret_unit > 0);
    return pid;
}

static void kill_and_wait(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void supervisor_killed(void **state)
{
    (void)state;
    pid_t unit = 0;
    pid_t pid = supervisor("serve", &unit);
    kill_and_wait(pid);
    begin();
    enum gw_unit_kind kind = GW_UNIT_SOURCE;
    pid_t found = 0;
    assert_int_equal(gw_units_find(units, PLAN, &kind, &found, &err), 1);
    assert_int_equal(kind, GW_UNIT_REPLICA);
    assert_int_equal(found, unit);
    assert_int_equal(start_as("serve", GW_UNIT_SOURCE), -EBUSY);
    OK(start("serve"));
    OK(gw_units_wait_ready(units, PLAN, SOON_MS, &err));
    struct gw_unit_status st = status();
    assert_int_equal(st.pid, unit);
    assert_true(st.adopted && !st.outdated);
    assert_int_equal(lines_told(), 1);
    end();
    /* Taken over with a command line that is another by now: it goes on, and that is a fact. */
    begin();
    OK(start("deaf"));
    st = status();
    assert_int_equal(st.pid, unit);
    assert_true(st.adopted && st.outdated);
    OK(gw_units_stop(units, PLAN, 0, &err));
    end();
    /* Stopped by one who never started it. */
    pid = supervisor("serve", &unit);
    kill_and_wait(pid);
    begin();
    OK(gw_units_stop(units, PLAN, 0, &err));
    assert_true(lock_is_free());
    end();
    waitpid(unit, NULL, 0);
}

/* U5 for one that is nobody's child here: a second supervisor, not the subreaper, watches it. */
static int watch_end(const char *cmd)
{
    pid_t unit = 0;
    pid_t pid = supervisor("serve", &unit);
    kill_and_wait(pid);
    pid_t second = fork();
    if (second == 0) {
        struct gw_unit_status st = { .state = GW_UNIT_DOWN };
        begin();
        if (start("serve") < 0 || gw_units_wait_ready(units, PLAN, SOON_MS, &err) < 0)
            _exit(100);
        call(cmd);
        const uint64_t until = gw_boot_ns() + SOON_MS * GW_NS_PER_MS;
        do {
            poll(NULL, 0, 2);
            gw_units_get(units, PLAN, &st);
        } while (!st.have_end && gw_boot_ns() < until);
        int seen = st.have_end ? (int)st.state : 101;
        if (st.last_code != -1)
            seen = 102;
        gw_units_stop(units, PLAN, 0, &err);
        _exit(seen);
    }
    int code = 0;
    assert_int_equal(waitpid(second, &code, 0), second);
    while (waitpid(-1, NULL, WNOHANG) > 0) { /* what it left to the subreaper */
    }
    return WEXITSTATUS(code);
}

static void adopted_ends(void **state)
{
    (void)state;
    assert_int_equal(watch_end("stop"), GW_UNIT_ENDED);
    int seen = watch_end("fail");
    assert_true(seen == GW_UNIT_BACKOFF || seen == GW_UNIT_STARTING || seen == GW_UNIT_UP);
}

/* U2: killed between fork and the record, the child ends without having begun. */
static void killed_before_the_record(void **state)
{
    (void)state;
    char hole[96];
    snprintf(hole, sizeof hole, "%s/" PLAN ".unit.new", dir);
    /* The record cannot be written: its temporary file is a directory. */
    assert_int_equal(mkdir(hole, 0700), 0);
    begin();
    assert_int_equal(start("serve"), -EISDIR);
    assert_int_equal(lines_told(), 0);
    assert_true(lock_is_free());
    end();
    rmdir(hole);
    /* The same by a kill: the record is a pipe that nobody reads, so that the supervisor waits. */
    assert_int_equal(mkfifo(hole, 0600), 0);
    pid_t pid = fork();
    if (pid == 0) {
        begin();
        start("serve");
        _exit(0);
    }
    const uint64_t until = gw_boot_ns() + SOON_MS * GW_NS_PER_MS;
    while (lock_is_free() && gw_boot_ns() < until)
        poll(NULL, 0, 2);
    assert_false(lock_is_free());
    kill_and_wait(pid);
    while (!lock_is_free() && gw_boot_ns() < until)
        poll(NULL, 0, 2);
    assert_true(lock_is_free());
    assert_int_equal(lines_told(), 0);
    unlink(hole);
}

/* U3: a record of another boot, or of a number that is somebody else's now. */
static void stale_records(void **state)
{
    (void)state;
    struct gw_unit_record r = { .plan = PLAN, .kind = GW_UNIT_REPLICA };
    char path[PATH_MAX];
    OK(gw_unit_file(dir, PLAN, "unit", path, &err));
    snprintf(r.control, sizeof r.control, "%s", control);
    pid_t other = fork();
    if (other == 0) {
        pause();
        _exit(0);
    }
    OK(gw_pid_of(other, &r.id, &err));
    r.id.start_ticks--;
    OK(gw_unit_record_write(path, &r, &err));
    begin();
    OK(start("serve"));
    assert_false(status().adopted);
    assert_int_not_equal(status().pid, other);
    OK(gw_units_stop(units, PLAN, 0, &err));
    r.id.start_ticks++;
    r.id.boot.b[0] ^= 1;
    OK(gw_unit_record_write(path, &r, &err));
    OK(gw_units_stop(units, PLAN, 0, &err));
    assert_int_equal(kill(other, 0), 0); /* it lives */
    /* Damaged: not believed; the lock tells. */
    int fd = open(path, O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "x", 1), 1);
    close(fd);
    OK(start("serve"));
    OK(gw_units_stop(units, PLAN, 0, &err));
    end();
    kill_and_wait(other);
}

/* ---- logs --------------------------------------------------------------------------------------
 */

static void put(const char *path, const char *text, int flags)
{
    int fd = open(path, O_WRONLY | O_CREAT | flags, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void logs(void **state)
{
    (void)state;
    char path[96], old[100], words[32];
    struct stat st;
    int fd = -1;
    snprintf(path, sizeof path, "%s/x.log", dir);
    snprintf(old, sizeof old, "%s.1", path);
    gw_unit_log_tail(path, words, sizeof words);
    assert_string_equal(words, "");
    put(path, "one\ntwo\x1b[31m\n\n", 0);
    gw_unit_log_tail(path, words, sizeof words);
    assert_string_equal(words, "one\ntwo?[31m");
    put(path, "a line that is longer than all the room there is, and more\nlast", O_TRUNC);
    gw_unit_log_tail(path, words, sizeof words);
    assert_string_equal(words, "last");
    OK(gw_unit_log_open(path, &fd, &err));
    close(fd);
    assert_int_equal(access(old, F_OK), -1);
    assert_int_equal(truncate(path, GW_UNIT_LOG_BYTES_MAX + 1), 0);
    OK(gw_unit_log_open(path, &fd, &err));
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(st.st_size, 0);
    close(fd);
    assert_int_equal(stat(old, &st), 0);
    assert_int_equal(st.st_size, GW_UNIT_LOG_BYTES_MAX + 1);
    unlink(path);
    unlink(old);
}

/* Many threads start and stop at once; each process has only its own files. */
#define PLANS 6
static void *one_of_many(void *arg)
{
    struct gw_error e = { 0 };
    char plan[16], at[96];
    snprintf(plan, sizeof plan, "p%d", *(int *)arg);
    snprintf(at, sizeof at, "%s/%s.sock", dir, plan);
    char *argv[] = { (char *)(uintptr_t)helper, (char[]){ "serve" }, at, NULL };
    const struct gw_unit_command command = { .argv = argv };
    const struct gw_unit_spec spec = {
        .plan = plan, .kind = GW_UNIT_SOURCE, .command = &command, .control = at
    };
    for (int i = 0; i < 3; i++)
        if (gw_units_start(units, &spec, &e) < 0 ||
            gw_units_wait_ready(units, plan, SOON_MS, &e) < 0 ||
            gw_units_stop(units, plan, 0, &e) < 0)
            return strdup(e.msg);
    return gw_units_forget(units, plan, &e) < 0 ? strdup(e.msg) : NULL;
}

static void many(void **state)
{
    (void)state;
    const struct gw_units_config c = { .dir = dir, .by = GW_UNITS_BY_OURSELVES };
    pthread_t thread[PLANS];
    int number[PLANS];
    OK(gw_units_new(&c, &units, &err));
    for (int i = 0; i < PLANS; i++) {
        number[i] = i;
        assert_int_equal(pthread_create(&thread[i], NULL, one_of_many, &number[i]), 0);
    }
    for (int i = 0; i < PLANS; i++) {
        void *why = NULL;
        pthread_join(thread[i], &why);
        if (why != NULL)
            fail_msg("%s", (char *)why);
    }
    end();
}

/* ---- each test in a directory of its own -------------------------------------------------------
 */

static int set_up(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%.40s/gw-unit-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    snprintf(control, sizeof control, "%s/c.sock", dir);
    snprintf(told, sizeof told, "%s/told", dir);
    atomic_store(&changes, 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const names_left[] = { PLAN ".unit", PLAN ".lock",  PLAN ".log",
                                              "c.sock",     "c.sock.lock", "told" };
    /* After a failure something may still run. */
    if (units == NULL)
        begin();
    gw_units_stop(units, PLAN, 2000, NULL);
    end();
    for (size_t i = 0; i < GW_ARRAY_SIZE(names_left); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", dir, names_left[i]);
        unlink(path);
    }
    return rmdir(dir);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    helper = getenv("GODWIT_UNIT_HELPER");
    if (helper == NULL) {
        fprintf(stderr, "GODWIT_UNIT_HELPER must say where unit_helper is\n");
        return 77;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const struct CMUnitTest tests[] = {
        TEST(start_and_stop), TEST(names),         TEST(no_such_program),
        TEST(crashes),        TEST(comes_back),    TEST(told_by_somebody_else),
        TEST(never_two),      TEST(deaf),          TEST(supervisor_killed),
        TEST(adopted_ends),   TEST(stale_records), TEST(killed_before_the_record),
        TEST(logs),           TEST(many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
