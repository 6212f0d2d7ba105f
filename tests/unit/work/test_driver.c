// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* One instance: started, stopped, looked at through the driver `exec`. */
#include "base/clock.h"
#include "work/driver.h"
#include "work/stop.h"
#include "world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

struct fixture {
    struct world w;
    struct gw_work work;
    struct gw_work_instance i;
    unsigned started, ended;
    char last_what[64], last_text[GW_WORK_TEXT_MAX];
    int refuse;
};

static int on_started(void *ctx, const char *what, const struct gw_child_record *record,
                      struct gw_error *err)
{
    struct fixture *f = ctx;
    f->started++;
    snprintf(f->last_what, sizeof f->last_what, "%s", what);
    return f->refuse == 0 ? 0 : gw_error_set(err, f->refuse, "no room for the record");
}

static void on_ended(void *ctx, const char *what, const struct gw_child_result *result)
{
    struct fixture *f = ctx;
    f->ended++;
    gw_child_result_text(result, f->last_text, sizeof f->last_text);
}

/* It runs if the file `up` is there. */
static void setup(struct fixture *f, const char *start, const char *stop, const char *status)
{
    static const char *argv[3][2];
    *f = (struct fixture){ .started = 0 };
    world_init(&f->w);
    argv[0][0] = world_script(&f->w, "start", start);
    argv[1][0] = world_script(&f->w, "stop", stop);
    argv[2][0] =
        world_script(&f->w, "status", status != NULL ? status : "test -e up && exit 0; exit 3");
    f->work = (struct gw_work){
        .stop_fd = -1, .child_started = on_started, .child_ended = on_ended, .ctx = f
    };
    f->i = (struct gw_work_instance){ .name = "pg",
                                      .group = "database",
                                      .start = argv[0],
                                      .stop = argv[1],
                                      .status = argv[2],
                                      .poll_ms = 10 };
}

static void check(const struct gw_instance_report *r, enum gw_work_outcome outcome,
                  enum gw_instance_state state, const char *text)
{
    assert_string_equal(gw_work_outcome_name(r->outcome), gw_work_outcome_name(outcome));
    assert_string_equal(gw_instance_state_name(r->state), gw_instance_state_name(state));
    if (strstr(r->text, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", r->text, text);
    assert_string_equal(r->name, "pg");
}

static void test_start_stop(void **state)
{
    struct fixture f;
    struct gw_instance_report r;
    setup(&f, "env | grep GODWIT_ | sort >env; touch up", "rm up", NULL);
    f.work.env = ARGV("GODWIT_PLAN=shop");
    f.i.env = ARGV("GODWIT_X=1");

    gw_instance_status(&f.i, &f.work, &r);
    check(&r, GW_WORK_DONE, GW_INSTANCE_STOPPED, "STOPPED");
    gw_instance_start(&f.i, &f.work, &r);
    check(&r, GW_WORK_DONE, GW_INSTANCE_RUNNING, "RUNNING");
    assert_true(r.seen_boot_ns > 0 && r.seen_boot_ns <= gw_boot_ns());
    assert_string_equal(f.last_what, "start of \"pg\"");
    assert_int_equal(f.started, 1); /* status commands are not told */
    assert_int_equal(f.ended, 1);
    char *env = world_read(&f.w, "env");
    assert_non_null(strstr(env, "GODWIT_GROUP=database\nGODWIT_INSTANCE=pg\nGODWIT_PLAN=shop\n"
                                "GODWIT_X=1\n"));
    free(env);

    gw_instance_start(&f.i, &f.work, &r);
    check(&r, GW_WORK_ALREADY, GW_INSTANCE_RUNNING, "RUNNING");
    assert_int_equal(f.started, 1);
    gw_instance_stop(&f.i, &f.work, &r);
    check(&r, GW_WORK_DONE, GW_INSTANCE_STOPPED, "STOPPED");
    gw_instance_stop(&f.i, &f.work, &r);
    check(&r, GW_WORK_ALREADY, GW_INSTANCE_STOPPED, "STOPPED");
    assert_int_equal(f.started, 2);
    world_done(&f.w);
}

/* It is up a while after `start` has returned. */
static void test_start_late(void **state)
{
    struct fixture f;
    struct gw_instance_report r;
    setup(&f, "echo x >asked", "true",
          "test -e asked || exit 3; echo x >>looks; test $(wc -l <looks) -gt 3 && exit 0; exit 3");
    gw_instance_start(&f.i, &f.work, &r);
    check(&r, GW_WORK_DONE, GW_INSTANCE_RUNNING, "RUNNING");
    char *looks = world_read(&f.w, "looks");
    assert_string_equal(looks, "x\nx\nx\nx\n");
    free(looks);
    world_done(&f.w);
}

static void test_start_never(void **state)
{
    struct fixture f;
    struct gw_instance_report r;
    setup(&f, "true", "true", "echo no pid file; exit 3");
    f.i.start_timeout_ms = 1500; /* the status has to be looked at within it */
    gw_instance_start(&f.i, &f.work, &r);
    check(&r, GW_WORK_UNKNOWN, GW_INSTANCE_STOPPED,
          "after start: status: exit code 3: no pid file");
    assert_true(r.took_ns >= 1500 * GW_NS_PER_MS);
    f.i.stop_timeout_ms = 200;
    world_script(&f.w, "status", "exit 0");
    gw_instance_stop(&f.i, &f.work, &r);
    check(&r, GW_WORK_UNKNOWN, GW_INSTANCE_RUNNING, "still RUNNING");
    world_done(&f.w);
}

static void test_start_refused(void **state)
{
    struct fixture f;
    struct gw_instance_report r;
    setup(&f, "echo no licence; exit 7", "true", NULL);
    gw_instance_start(&f.i, &f.work, &r);
    check(&r, GW_WORK_FAILED, GW_INSTANCE_STOPPED, "STOPPED; start: exit code 7: no licence");
    assert_string_equal(f.last_text, "exit code 7: no licence");
    /* It complains, and is up all the same: what is seen counts. */
    world_script(&f.w, "start", "touch up; echo was up already; exit 1");
    gw_instance_start(&f.i, &f.work, &r);
    check(&r, GW_WORK_DONE, GW_INSTANCE_RUNNING, "although start: exit code 1: was up already");
    world_done(&f.w);
}

static void test_start_hangs(void **state)
{
    struct fixture f;
    struct gw_instance_report r;
    setup(&f, "sleep 1000", "true", NULL);
    f.i.start_timeout_ms = 300;
    gw_instance_start(&f.i, &f.work, &r);
    check(&r, GW_WORK_UNKNOWN, GW_INSTANCE_STOPPED, "the time it was given");
    world_done(&f.w);
}

static void test_status_codes(void **state)
{
    static const struct {
        const char *status;
        enum gw_instance_state usual, own;
    } rows[] = {
        { "exit 0", GW_INSTANCE_RUNNING, GW_INSTANCE_UNKNOWN },
        { "exit 3", GW_INSTANCE_STOPPED, GW_INSTANCE_UNKNOWN },
        { "exit 1", GW_INSTANCE_UNKNOWN, GW_INSTANCE_FAILED },
        { "exit 10", GW_INSTANCE_UNKNOWN, GW_INSTANCE_RUNNING },
        { "exit 11", GW_INSTANCE_UNKNOWN, GW_INSTANCE_RUNNING },
        { "exit 20", GW_INSTANCE_UNKNOWN, GW_INSTANCE_STOPPED },
        { "kill -9 $$", GW_INSTANCE_UNKNOWN, GW_INSTANCE_UNKNOWN },
        { "sleep 1000", GW_INSTANCE_UNKNOWN, GW_INSTANCE_UNKNOWN },
    };
    struct fixture f;
    setup(&f, "true", "true", "true");
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        struct gw_instance_report r;
        f.i.status_timeout_ms = strcmp(rows[k].status, "sleep 1000") == 0 ? 150 : 0;
        struct gw_work_instance own = f.i;
        world_script(&f.w, "status", rows[k].status);
        gw_instance_status(&f.i, &f.work, &r);
        check(&r, rows[k].usual == GW_INSTANCE_UNKNOWN ? GW_WORK_UNKNOWN : GW_WORK_DONE,
              rows[k].usual, "");
        assert_int_equal(r.seen_boot_ns != 0, rows[k].usual != GW_INSTANCE_UNKNOWN);
        own.running = (struct gw_exit_codes){ .n = 2, .code = { 10, 11 } };
        own.stopped = (struct gw_exit_codes){ .n = 1, .code = { 20 } };
        own.failed = (struct gw_exit_codes){ .n = 1, .code = { 1 } };
        gw_instance_status(&own, &f.work, &r);
        check(&r, rows[k].own == GW_INSTANCE_UNKNOWN ? GW_WORK_UNKNOWN : GW_WORK_DONE, rows[k].own,
              "");
    }
    world_done(&f.w);
}

/* FAILED: start gives up at once; for stop it is as good as stopped, but is asked to stop once. */
static void test_failed_state(void **state)
{
    struct fixture f;
    struct gw_instance_report r;
    setup(&f, "echo x >>starts", "echo x >>stops", "echo crashed; exit 9");
    f.i.failed = (struct gw_exit_codes){ .n = 1, .code = { 9 } };
    gw_instance_start(&f.i, &f.work, &r);
    check(&r, GW_WORK_FAILED, GW_INSTANCE_FAILED,
          "FAILED after start: status: exit code 9: crashed");
    gw_instance_stop(&f.i, &f.work, &r);
    check(&r, GW_WORK_DONE, GW_INSTANCE_FAILED, "FAILED");
    char *stops = world_read(&f.w, "stops");
    assert_string_equal(stops, "x\n");
    free(stops);
    world_done(&f.w);
}

static void test_missing_program(void **state)
{
    struct fixture f;
    struct gw_instance_report r;
    setup(&f, "true", "true", NULL);
    f.i.start = ARGV("/no/such/program");
    gw_instance_start(&f.i, &f.work, &r);
    check(&r, GW_WORK_FAILED, GW_INSTANCE_STOPPED, "cannot execute \"/no/such/program\"");
    f.i.status = ARGV("/no/such/program");
    gw_instance_status(&f.i, &f.work, &r);
    check(&r, GW_WORK_UNKNOWN, GW_INSTANCE_UNKNOWN, "cannot execute");
    world_done(&f.w);
}

/* The caller cannot put it on record: it does not run, and that is no success. */
static void test_not_on_record(void **state)
{
    struct fixture f;
    struct gw_instance_report r;
    setup(&f, "touch up", "rm up", NULL);
    f.refuse = -ENOSPC;
    gw_instance_start(&f.i, &f.work, &r);
    check(&r, GW_WORK_FAILED, GW_INSTANCE_STOPPED, "no room for the record");
    assert_false(world_has(&f.w, "up"));
    assert_int_equal(f.ended, 0);
    world_done(&f.w);
}

static void test_cancelled(void **state)
{
    struct fixture f;
    struct gw_instance_report r;
    struct gw_stop *stop;
    struct gw_error err = { 0 };
    setup(&f, "touch up", "rm up", NULL);
    assert_int_equal(gw_stop_new(&stop, &err), 0);
    gw_stop_set(stop);
    f.work.stop_fd = gw_stop_fd(stop);
    gw_instance_start(&f.i, &f.work, &r);
    check(&r, GW_WORK_NOT_BEGUN, GW_INSTANCE_UNKNOWN, "cancelled before start");
    assert_true(r.cancelled);
    assert_false(world_has(&f.w, "up"));
    gw_stop_free(stop);
    world_done(&f.w);
}

static void test_incomplete(void **state)
{
    struct gw_error err = { 0 };
    const char *const ok[] = { "true", NULL }, *const relative[] = { "bin/true", NULL };
    struct gw_work_instance i = { .name = "x", .start = ok, .stop = ok, .status = ok };
    assert_int_equal(gw_instance_check(&i, &err), 0);
    i.status = NULL;
    assert_int_equal(gw_instance_check(&i, &err), -EINVAL);
    assert_string_equal(err.msg, "instance \"x\": status is missing");
    i.status = relative;
    assert_int_equal(gw_instance_check(&i, &err), -EINVAL);
    i.status = ok;
    i.driver = "systemd";
    assert_int_equal(gw_instance_check(&i, &err), -EINVAL);
    assert_string_equal(err.msg, "instance \"x\": there is no driver \"systemd\"");
    struct gw_instance_report r;
    gw_instance_start(&i, &GW_WORK_NONE, &r);
    assert_int_equal(r.outcome, GW_WORK_FAILED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_stop),    cmocka_unit_test(test_start_late),
        cmocka_unit_test(test_start_never),   cmocka_unit_test(test_start_refused),
        cmocka_unit_test(test_start_hangs),   cmocka_unit_test(test_status_codes),
        cmocka_unit_test(test_failed_state),  cmocka_unit_test(test_missing_program),
        cmocka_unit_test(test_not_on_record), cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_incomplete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
