// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Children by their record: found, awaited and ended by somebody who did not start them. */
#include "base/clock.h"
#include "work/child.h"
#include "work/stop.h"
#include "world.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

static enum gw_child_life find(const struct gw_child_record *record)
{
    struct gw_error err = { 0 };
    enum gw_child_life life = GW_CHILD_GONE;
    if (gw_child_find(record, &life, &err) < 0)
        fail_msg("%s", err.msg);
    return life;
}

/* ---- a caller that is killed -------------------------------------------------------------------
 */

struct caller {
    pid_t pid;
    int record_fd; /* the record comes out here */
};

struct caller_side {
    int fd;
    bool hang; /* never come back from `started` */
};

static int write_record(void *ctx, const struct gw_child_record *record, struct gw_error *err)
{
    const struct caller_side *side = ctx;
    char text[GW_CHILD_RECORD_TEXT];
    gw_child_record_format(record, text);
    if (write(side->fd, text, sizeof text) != sizeof text)
        _exit(2);
    while (side->hang)
        pause();
    return 0;
}

/* A process that runs the command and is nothing but the caller of gw_child_run. */
static struct caller caller_start(const char *script, bool hang)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct caller_side side = { .fd = ends[1], .hang = hang };
        struct gw_child_result result;
        const struct gw_child_spec spec = {
            .name = "x", .argv = ARGV(script), .stop_fd = -1, .started = write_record, .ctx = &side
        };
        _exit(gw_child_run(&spec, &result, NULL) == 0 && gw_child_ok(&result) ? 0 : 1);
    }
    close(ends[1]);
    return (struct caller){ .pid = pid, .record_fd = ends[0] };
}

static struct gw_child_record caller_record(struct caller *c)
{
    char text[GW_CHILD_RECORD_TEXT];
    struct gw_error err = { 0 };
    struct gw_child_record record;
    assert_int_equal(read(c->record_fd, text, sizeof text), sizeof text);
    if (gw_child_record_parse(text, &record, &err) < 0)
        fail_msg("%s", err.msg);
    close(c->record_fd);
    return record;
}

static void caller_kill(struct caller *c)
{
    int status;
    assert_int_equal(kill(c->pid, SIGKILL), 0);
    assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
    assert_true(WIFSIGNALED(status));
}

static void test_caller_killed(void **state)
{
    struct world w;
    struct gw_error err = { 0 };
    char line[16];
    world_init(&w);
    world_fifo(&w, "up");
    struct caller c =
        caller_start(world_script(&w, "script", "echo x >up; exec sleep 1000"), false);
    struct gw_child_record record = caller_record(&c);
    world_await(&w, "up", line, sizeof line);
    caller_kill(&c);

    assert_int_equal(find(&record), GW_CHILD_ALIVE);
    assert_int_equal(gw_child_await(&record, 0, -1, &err), -ETIMEDOUT);
    assert_int_equal(gw_child_await(&record, 50, -1, NULL), -ETIMEDOUT);
    assert_int_equal(gw_child_end(&record, 5000, &err), 0);
    assert_int_equal(find(&record), GW_CHILD_GONE);
    assert_int_equal(gw_child_await(&record, 0, -1, &err), 0);
    assert_int_equal(gw_child_end(&record, 5000, &err), 0); /* again is harmless */
    world_done(&w);
}

/* Killed before it had put the child on record: the command never runs. */
static void test_caller_killed_before(void **state)
{
    struct world w;
    struct gw_error err = { 0 };
    world_init(&w);
    struct caller c = caller_start(world_script(&w, "script", "echo x >ran"), true);
    struct gw_child_record record = caller_record(&c);
    assert_int_equal(find(&record), GW_CHILD_ALIVE); /* held */
    caller_kill(&c);
    assert_int_equal(gw_child_await(&record, WORLD_WAIT_MS, -1, &err), 0);
    assert_int_equal(find(&record), GW_CHILD_GONE);
    assert_false(world_has(&w, "ran"));
    world_done(&w);
}

/* The command goes on to its end without its caller, and that can be awaited. */
static void test_await_to_its_end(void **state)
{
    struct world w;
    struct gw_error err = { 0 };
    char line[16];
    world_init(&w);
    world_fifo(&w, "up");
    world_fifo(&w, "go");
    struct caller c = caller_start(
        world_script(&w, "script", "echo x >up; read x <go; echo done >marker"), false);
    struct gw_child_record record = caller_record(&c);
    world_await(&w, "up", line, sizeof line);
    caller_kill(&c);
    world_signal(&w, "go");
    assert_int_equal(gw_child_await(&record, WORLD_WAIT_MS, -1, &err), 0);
    assert_true(world_has(&w, "marker"));
    world_done(&w);
}

struct later {
    const struct world *w;
    struct gw_stop *stop;
};

static void *stop_later(void *arg)
{
    struct later *l = arg;
    gw_stop_set(l->stop);
    return NULL;
}

static void test_await_cancelled(void **state)
{
    struct world w;
    struct gw_error err = { 0 };
    struct later l = { .w = &w };
    pthread_t thread;
    world_init(&w);
    assert_int_equal(gw_stop_new(&l.stop, &err), 0);
    struct caller c = caller_start(world_script(&w, "script", "exec sleep 1000"), false);
    struct gw_child_record record = caller_record(&c);
    assert_int_equal(pthread_create(&thread, NULL, stop_later, &l), 0);
    assert_int_equal(gw_child_await(&record, WORLD_WAIT_MS, gw_stop_fd(l.stop), &err), -ECANCELED);
    pthread_join(thread, NULL);
    caller_kill(&c);
    assert_int_equal(gw_child_end(&record, 0, &err), 0);
    gw_stop_free(l.stop);
    world_done(&w);
}

/* The command is gone, what it left behind in its group is not: found, and ended on request. */
static void test_remains(void **state)
{
    struct world w;
    struct gw_error err = { 0 };
    char line[16];
    world_init(&w);
    world_fifo(&w, "up");
    const char *script = world_script(
        &w, "script", "(trap '' TERM; echo x >up; while :; do sleep 1000; done) & read x <never");
    world_fifo(&w, "never");
    struct caller c = caller_start(script, false);
    struct gw_child_record record = caller_record(&c);
    world_await(&w, "up", line, sizeof line);
    caller_kill(&c);
    assert_int_equal(kill(record.pid, SIGKILL), 0); /* itself only */
    assert_int_equal(gw_child_await(&record, WORLD_WAIT_MS, -1, &err), 0);
    assert_int_equal(find(&record), GW_CHILD_REMAINS);

    struct gw_child_record stranger = record; /* another command whose number was the same */
    stranger.token.b[0] ^= 1;
    assert_int_equal(find(&stranger), GW_CHILD_GONE);
    assert_int_equal(gw_child_end(&stranger, 0, &err), 0);
    assert_int_equal(find(&record), GW_CHILD_REMAINS);

    assert_int_equal(gw_child_end(&record, 100, &err), 0); /* it ignores SIGTERM */
    assert_int_equal(find(&record), GW_CHILD_GONE);
    world_done(&w);
}

/* A number that is somebody else's by now, and a record from before a reboot. */
static void test_not_that_process(void **state)
{
    struct world w;
    struct gw_error err = { 0 };
    world_init(&w);
    struct caller c = caller_start(world_script(&w, "script", "exec sleep 1000"), false);
    struct gw_child_record record = caller_record(&c), other = record;
    other.start_ticks++;
    assert_int_equal(find(&other), GW_CHILD_GONE);
    assert_int_equal(gw_child_await(&other, WORLD_WAIT_MS, -1, &err), 0);
    other = record;
    other.boot.b[0] ^= 1;
    assert_int_equal(find(&other), GW_CHILD_GONE);
    assert_int_equal(gw_child_end(&other, 0, &err), 0);
    assert_int_equal(find(&record), GW_CHILD_ALIVE); /* it was not touched */
    caller_kill(&c);
    assert_int_equal(gw_child_end(&record, 0, &err), 0);
    world_done(&w);
}

static void test_record_text(void **state)
{
    static const char good[] = "child 1 4711 123456 01234567-89ab-4def-8123-456789abcdef "
                               "fedcba98-7654-4210-8fed-cba987654321";
    static const char *const bad[] = {
        "",
        "child 1",
        "child 2 4711 123456 01234567-89ab-4def-8123-456789abcdef "
        "fedcba98-7654-4210-8fed-cba987654321",
        "child 1 1 123456 01234567-89ab-4def-8123-456789abcdef "
        "fedcba98-7654-4210-8fed-cba987654321",
        "child 1 -4711 1 01234567-89ab-4def-8123-456789abcdef fedcba98-7654-4210-8fed-cba987654321",
        "child 1 04711 1 01234567-89ab-4def-8123-456789abcdef fedcba98-7654-4210-8fed-cba987654321",
        "child 1 4711 -1 01234567-89ab-4def-8123-456789abcdef fedcba98-7654-4210-8fed-cba987654321",
        "child 1 4711  1 01234567-89ab-4def-8123-456789abcdef fedcba98-7654-4210-8fed-cba987654321",
        "child 1 4711 1 01234567-89AB-4def-8123-456789abcdef fedcba98-7654-4210-8fed-cba987654321",
        "child 1 4711 1 01234567-89ab-4def-8123-456789abcdef fedcba98-7654-4210-8fed-cba98765432",
        "child 1 4711 1 01234567-89ab-4def-8123-456789abcdef fedcba98-7654-4210-8fed-cba987654321 ",
        "child 1 99999999999 1 01234567-89ab-4def-8123-456789abcdef "
        "fedcba98-7654-4210-8fed-cba987654321",
    };
    struct gw_error err = { 0 };
    struct gw_child_record record = { .pid = 0 };
    char text[GW_CHILD_RECORD_TEXT];
    assert_int_equal(gw_child_record_parse(good, &record, &err), 0);
    assert_int_equal(record.pid, 4711);
    assert_int_equal(record.start_ticks, 123456);
    gw_child_record_format(&record, text);
    assert_string_equal(text, good);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct gw_child_record untouched = { .pid = 7 };
        assert_int_equal(gw_child_record_parse(bad[i], &untouched, &err), -EINVAL);
        assert_int_equal(untouched.pid, 7);
    }
    const struct gw_child_record none = { .pid = 0 };
    enum gw_child_life life;
    assert_int_equal(gw_child_find(&none, &life, &err), -EINVAL); /* not: group 0, our own */
    assert_int_equal(gw_child_end(&none, 0, &err), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_caller_killed),    cmocka_unit_test(test_caller_killed_before),
        cmocka_unit_test(test_await_to_its_end), cmocka_unit_test(test_await_cancelled),
        cmocka_unit_test(test_remains),          cmocka_unit_test(test_not_that_process),
        cmocka_unit_test(test_record_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
