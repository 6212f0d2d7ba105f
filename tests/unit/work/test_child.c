// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Commands: how they are started, what they say, how they end. */
#include "base/clock.h"
#include "work/child.h"
#include "work/parallel.h"
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
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define SH(script) ARGV("/bin/sh", "-c", script)

static struct gw_child_result run(const struct gw_child_spec *spec)
{
    struct gw_error err = { 0 };
    struct gw_child_result result;
    struct gw_child_spec s = *spec;
    s.name = "command";
    if (s.stop_fd == 0)
        s.stop_fd = -1;
    int r = gw_child_run(&s, &result, &err);
    if (r < 0)
        fail_msg("%s", err.msg);
    return result;
}

#define RUN(...) run(&(struct gw_child_spec){ __VA_ARGS__ })

static void check_text(const struct gw_child_result *r, const char *want)
{
    char text[GW_WORK_TEXT_MAX];
    gw_child_result_text(r, text, sizeof text);
    assert_string_equal(text, want);
}

static void test_output_and_code(void **state)
{
    struct gw_child_result r = RUN(.argv = SH("echo out; echo err >&2"));
    assert_int_equal(r.end, GW_CHILD_EXITED);
    assert_true(gw_child_ok(&r));
    assert_string_equal(r.output.text, "out\nerr\n");
    assert_false(r.drained);
    check_text(&r, "exit code 0: err");
    gw_child_result_done(&r);

    r = RUN(.argv = SH("echo disk is full; exit 3"));
    assert_false(gw_child_ok(&r));
    assert_int_equal(r.code, 3);
    check_text(&r, "exit code 3: disk is full");
    gw_child_result_done(&r);

    r = RUN(.argv = ARGV("true"));
    check_text(&r, "exit code 0");
    gw_child_result_done(&r);
}

static void test_killed(void **state)
{
    struct gw_child_result r = RUN(.argv = SH("kill -9 $$"));
    assert_int_equal(r.end, GW_CHILD_SIGNALLED);
    assert_int_equal(r.signal, SIGKILL);
    check_text(&r, "killed by signal 9 (Killed)");
    gw_child_result_done(&r);
}

static void test_not_started(void **state)
{
    struct world w;
    world_init(&w);
    world_write(&w, "plain", "#!/bin/sh\n");
    const char *empty = world_script(&w, "empty", ""), *lost = world_script(&w, "lost", "");
    world_write(&w, "empty", "no interpreter is named here\n");
    world_write(&w, "lost", "#!/no/such/interpreter\n");
    const struct {
        const char *path;
        int code;
        const char *why;
    } rows[] = {
        { world_path(&w, "nothing"), ENOENT, "No such file or directory" },
        { world_path(&w, "plain"), EACCES, "Permission denied" },
        { w.dir, EISDIR, "Is a directory" },
        { "no-such-program-anywhere", ENOENT, "No such file or directory" },
        { "./relative", EINVAL, "neither an absolute path nor a plain name" },
        { empty, ENOEXEC, "neither a program nor a script with a #! line" },
        { lost, ENOENT, "it, or the interpreter that it names, is not there" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char want[GW_WORK_TEXT_MAX];
        struct gw_child_result r = RUN(.argv = ARGV(rows[i].path));
        assert_int_equal(r.end, GW_CHILD_NOT_STARTED);
        assert_int_equal(r.failed_errno, rows[i].code);
        snprintf(want, sizeof want, "cannot execute \"%s\": %s", rows[i].path, rows[i].why);
        check_text(&r, want);
        gw_child_result_done(&r);
    }
    struct gw_child_result r = RUN(.argv = ARGV("true"), .dir = world_path(&w, "nowhere"));
    assert_int_equal(r.end, GW_CHILD_NOT_STARTED);
    assert_non_null(strstr(r.failed_text, "cannot change to the directory"));
    gw_child_result_done(&r);
    world_done(&w);
}

static void test_wrong_arguments(void **state)
{
    const char *many[GW_CHILD_ARGS_MAX + 2];
    for (size_t i = 0; i <= GW_CHILD_ARGS_MAX; i++)
        many[i] = "true";
    many[GW_CHILD_ARGS_MAX + 1] = NULL;
    const char *const none[] = { NULL }, *const nothing[] = { "", NULL };
    const char *const *rows[] = { NULL, none, nothing, many };
    for (size_t i = 0; i < 4; i++) {
        struct gw_error err = { 0 };
        struct gw_child_result r;
        const struct gw_child_spec spec = { .name = "x", .argv = rows[i], .stop_fd = -1 };
        assert_int_equal(gw_child_run(&spec, &r, &err), -EINVAL);
        assert_non_null(strstr(err.msg, "x: "));
    }
}

/* Handler 1 is SIG_IGN, 0 SIG_DFL, of a signal that the C library keeps for itself: as if we had
 * inherited that from whoever started us. */
static void treat_kept_signal(unsigned long handler)
{
    const unsigned long action[8] = { handler };
    assert_int_equal(syscall(SYS_rt_sigaction, 32, action, NULL, 8), 0);
}

/* What of ours reaches the child: nothing but what the header says. */
static void test_inheritance(void **state)
{
    int fd = open("/dev/null", O_RDONLY), high = fcntl(fd, F_DUPFD, 50); /* not close-on-exec */
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    signal(SIGPIPE, SIG_IGN);
    treat_kept_signal(1);
    mode_t mask = umask(0777);
    setenv("GODWIT_TEST_SECRET", "hunter2", 1);
    struct gw_child_result r =
        RUN(.argv =
                SH("ls /proc/self/fd | tr '\\n' ' '; readlink /proc/$$/fd/0; pwd; umask;"
                   "grep -E 'SigBlk|SigIgn' /proc/self/status; env; cut -d' ' -f5,6 /proc/$$/stat;"
                   "echo pid $$"),
            .env = ARGV("MINE=1", "LANG=xx"));
    unsetenv("GODWIT_TEST_SECRET");
    umask(mask);
    signal(SIGPIPE, SIG_DFL);
    treat_kept_signal(0);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    close(fd);
    close(high);

    char ids[64];
    const char *t = r.output.text;
    assert_ptr_equal(strstr(t, "0 1 2 3 /dev/null\n/\n0022\n"), t);
    assert_non_null(strstr(t, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"));
    assert_null(strstr(t, "hunter2"));
    assert_non_null(strstr(t, "\nMINE=1\n"));
    assert_non_null(strstr(t, "\nLANG=xx\n"));
    assert_non_null(strstr(t, "\nPATH="));
    assert_non_null(strstr(t, "\nGODWIT_CHILD="));
    snprintf(ids, sizeof ids, "\n%d %d\npid %d\n", r.record.pid, r.record.pid, r.record.pid);
    assert_non_null(strstr(t, ids)); /* a group and a session of its own */
    gw_child_result_done(&r);
}

/* (3 is the directory that ls reads.) With descriptors 0, 1, 2 closed, the pipes get their numbers.
 */
static void test_no_standard_files(void **state)
{
    int saved[3];
    for (int i = 0; i < 3; i++) {
        saved[i] = fcntl(i, F_DUPFD_CLOEXEC, 100);
        close(i);
    }
    struct gw_child_result r = RUN(.argv = SH("echo said; ls /proc/self/fd | tr '\\n' ' '"));
    for (int i = 0; i < 3; i++) {
        dup2(saved[i], i);
        close(saved[i]);
    }
    assert_string_equal(r.output.text, "said\n0 1 2 3 ");
    gw_child_result_done(&r);
}

static void test_megabytes(void **state)
{
    struct gw_child_result r =
        RUN(.argv = SH("head -c 8388608 /dev/zero | tr '\\0' x; echo; echo last"));
    assert_true(gw_child_ok(&r));
    assert_int_equal(r.output.total_bytes, 8388608 + 6);
    assert_true(strlen(r.output.text) < GW_OUTPUT_HEAD_BYTES + GW_OUTPUT_TAIL_BYTES + 100);
    assert_non_null(strstr(r.output.text, "bytes left out"));
    check_text(&r, "exit code 0: last");
    gw_child_result_done(&r);
}

static void check_gone(const struct gw_child_result *r)
{
    struct gw_error err = { 0 };
    enum gw_child_life life = GW_CHILD_ALIVE;
    assert_int_equal(gw_child_find(&r->record, &life, &err), 0);
    assert_int_equal(life, GW_CHILD_GONE);
}

/* What a deadline says, whatever the command achieved until then: nothing, on a busy machine. */
static void check_timed_out(const struct gw_child_result *r, const char *sentence)
{
    char text[GW_WORK_TEXT_MAX];
    assert_int_equal(r->end, GW_CHILD_TIMED_OUT);
    assert_false(gw_child_ok(r));
    gw_child_result_text(r, text, sizeof text);
    assert_ptr_equal(strstr(text, sentence), text);
    check_gone(r);
}

static void test_no_end_of_output(void **state) /* and a deadline all the same */
{
    struct gw_child_result r = RUN(.argv = ARGV("yes"), .timeout_ms = 300);
    check_timed_out(&r, "ended after 0.3 s, the time it was given");
    assert_true(strlen(r.output.text) < GW_OUTPUT_HEAD_BYTES + GW_OUTPUT_TAIL_BYTES + 100);
    gw_child_result_done(&r);
}

static void test_deadline(void **state)
{
    struct gw_child_result r = RUN(.argv = SH("sleep 1000 & wait"), .timeout_ms = 200);
    check_timed_out(&r, "ended after 0.2 s, the time it was given"); /* its children too */
    assert_true(r.took_ns >= 200 * GW_NS_PER_MS);
    assert_int_equal(r.signal, SIGTERM);
    gw_child_result_done(&r);
}

/* ---- the end before its time --------------------------------------------------------------------
 * A deadline and a cancellation end a command in the same way. These tests cancel, for then the
 * command can say when it is ready to be ended.
 */

struct canceller {
    struct world w;
    struct gw_stop *stop;
    pthread_t thread;
};

static void *cancel(void *arg)
{
    struct canceller *c = arg;
    char line[32];
    world_await(&c->w, "event", line, sizeof line);
    gw_stop_set(c->stop);
    return NULL;
}

static void canceller_init(struct canceller *c)
{
    struct gw_error err = { 0 };
    world_init(&c->w);
    world_fifo(&c->w, "event");
    assert_int_equal(gw_stop_new(&c->stop, &err), 0);
}

static void canceller_done(struct canceller *c)
{
    gw_stop_free(c->stop);
    world_done(&c->w);
}

/* Cancelled as soon as `body` has said so by "echo x >event". */
static struct gw_child_result run_cancelled(struct canceller *c, const char *body,
                                            unsigned grace_ms)
{
    const char *script = world_script(&c->w, "script", body);
    assert_int_equal(pthread_create(&c->thread, NULL, cancel, c), 0);
    struct gw_child_result r =
        RUN(.argv = ARGV(script), .stop_fd = gw_stop_fd(c->stop), .grace_ms = grace_ms);
    pthread_join(c->thread, NULL);
    assert_int_equal(r.end, GW_CHILD_CANCELLED);
    assert_false(gw_child_ok(&r));
    check_gone(&r);
    return r;
}

static void test_end_ignored(void **state)
{
    struct canceller c;
    canceller_init(&c);
    struct gw_child_result r =
        run_cancelled(&c, "trap '' TERM; echo x >event; while :; do sleep 1000; done", 200);
    assert_int_equal(r.signal, SIGKILL);
    assert_true(r.took_ns >= 200 * GW_NS_PER_MS);
    gw_child_result_done(&r);
    canceller_done(&c);
}

/* It ends at SIGTERM, but a member of its group does not, and gave up the pipe. */
static void test_end_member(void **state)
{
    struct canceller c;
    canceller_init(&c);
    struct gw_child_result r = run_cancelled(
        &c, "(trap '' TERM; echo x >event; while :; do sleep 1000; done) >/dev/null 2>&1 & wait",
        100);
    gw_child_result_done(&r);
    canceller_done(&c);
}

/* What is asked to end says goodbye: its exit code is kept, and it was cancelled all the same. */
static void test_end_goodbye(void **state)
{
    struct canceller c;
    canceller_init(&c);
    struct gw_child_result r = run_cancelled(
        &c, "trap 'echo bye; exit 0' TERM; echo hi; echo x >event; sleep 1000 & wait", 0);
    assert_string_equal(r.output.text, "hi\nbye\n");
    assert_int_equal(r.code, 0);
    gw_child_result_done(&r);
    canceller_done(&c);
}

/* SIGTERM goes to all of the group: a shell would otherwise wait for what it runs. */
static void test_end_group(void **state)
{
    struct canceller c;
    canceller_init(&c);
    struct gw_child_result r =
        run_cancelled(&c, "trap 'exit 7' TERM; sh -c 'echo x >event; exec sleep 1000'; exit 8", 0);
    assert_int_equal(r.code, 7);
    assert_int_equal(r.signal, 0);
    gw_child_result_done(&r);
    canceller_done(&c);
}

static void test_cancel(void **state)
{
    struct canceller c;
    canceller_init(&c);
    struct gw_child_result r = run_cancelled(&c, "echo x >event; sleep 1000", 0);
    check_text(&r, "ended because it was cancelled");
    gw_child_result_done(&r);

    /* Once it is wanted, nothing begins any more. */
    const char *mark = world_script(&c.w, "mark", "echo ran >ran");
    r = RUN(.argv = ARGV(mark), .stop_fd = gw_stop_fd(c.stop));
    assert_int_equal(r.end, GW_CHILD_NOT_STARTED);
    assert_int_equal(r.failed_errno, ECANCELED);
    assert_false(world_has(&c.w, "ran"));
    gw_child_result_done(&r);
    canceller_done(&c);
}

/* A daemon that keeps the output: nobody waits for it, and its own output does not kill it. */
static void test_daemon(void **state)
{
    struct world w;
    struct gw_error err = { 0 };
    char line[32];
    world_init(&w);
    world_fifo(&w, "go");
    world_fifo(&w, "done");
    const char *script = world_script(&w, "start",
                                      "(read x <go; yes | head -c 1000000; echo $? >done) &\n"
                                      "echo started");
    struct gw_child_result r = RUN(.argv = ARGV(script));
    assert_true(gw_child_ok(&r));
    assert_true(r.drained);
    assert_string_equal(r.output.text, "started\n");
    assert_true(r.took_ns < 5 * GW_NS_PER_S);
    enum gw_child_life life = GW_CHILD_GONE;
    assert_int_equal(gw_child_find(&r.record, &life, &err), 0);
    assert_int_equal(life, GW_CHILD_REMAINS);
    world_signal(&w, "go");
    world_await(&w, "done", line, sizeof line);
    assert_string_equal(line, "0");
    gw_child_result_done(&r);
    world_done(&w);
}

/* What is in the group ends; what left it stays. */
static void test_daemon_survives_end(void **state)
{
    struct canceller c;
    char line[32];
    canceller_init(&c);
    world_fifo(&c.w, "up");
    world_fifo(&c.w, "go");
    world_fifo(&c.w, "done");
    world_script(&c.w, "daemon", "echo x >up; read x <go; echo output; echo alive >done");
    struct gw_child_result r =
        run_cancelled(&c, "setsid ./daemon & read x <up; echo x >event; sleep 1000", 0);
    world_signal(&c.w, "go");
    world_await(&c.w, "done", line, sizeof line);
    assert_string_equal(line, "alive");
    gw_child_result_done(&r);
    canceller_done(&c);
}

static int refuse(void *ctx, const struct gw_child_record *record, struct gw_error *err)
{
    *(struct gw_child_record *)ctx = *record;
    return gw_error_set(err, -ENOSPC, "no room for the record");
}

static void test_refused_by_caller(void **state)
{
    struct world w;
    struct gw_error err = { 0 };
    struct gw_child_record record = { 0 };
    struct gw_child_result r;
    world_init(&w);
    const char *script = world_script(&w, "script", "echo ran >ran");
    const struct gw_child_spec spec = {
        .name = "hook x", .argv = ARGV(script), .stop_fd = -1, .started = refuse, .ctx = &record
    };
    assert_int_equal(gw_child_run(&spec, &r, &err), -ENOSPC);
    assert_string_equal(err.msg, "hook x was not started: no room for the record");
    assert_true(record.pid > 1);
    assert_false(world_has(&w, "ran"));
    world_done(&w);
}

#define MANY 40

struct many {
    unsigned good[MANY];
};

static void one_of_many(void *ctx, size_t i)
{
    struct many *m = ctx;
    char want[32], script[64];
    snprintf(script, sizeof script, "echo %zu", i);
    snprintf(want, sizeof want, "%zu\n", i);
    struct gw_child_result r;
    const struct gw_child_spec spec = { .name = "x", .argv = SH(script), .stop_fd = -1 };
    if (gw_child_run(&spec, &r, NULL) < 0)
        return;
    m->good[i] = gw_child_ok(&r) && strcmp(r.output.text, want) == 0;
    gw_child_result_done(&r);
}

static void test_side_by_side(void **state)
{
    struct many m = { { 0 } };
    gw_parallel(MANY, one_of_many, &m);
    for (size_t i = 0; i < MANY; i++)
        assert_true(m.good[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_and_code),
        cmocka_unit_test(test_killed),
        cmocka_unit_test(test_not_started),
        cmocka_unit_test(test_wrong_arguments),
        cmocka_unit_test(test_inheritance),
        cmocka_unit_test(test_no_standard_files),
        cmocka_unit_test(test_megabytes),
        cmocka_unit_test(test_no_end_of_output),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_end_ignored),
        cmocka_unit_test(test_end_member),
        cmocka_unit_test(test_end_goodbye),
        cmocka_unit_test(test_end_group),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_daemon),
        cmocka_unit_test(test_daemon_survives_end),
        cmocka_unit_test(test_refused_by_caller),
        cmocka_unit_test(test_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
