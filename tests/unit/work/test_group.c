// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Groups: order, side by side, gates, cancelling, doing it again. */
#include "base/clock.h"
#include "work/group.h"
#include "work/stop.h"
#include "world.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define MEMBERS 5

/*
 * Groups in the order of the file: "web" (2: w1, w2), "db" (1: pg), "cache" (2: mc), "front" (9:
 * fe). One script is all instances; what is done is written to `log`, what is up is a file NAME.up.
 * A file NAME.start or NAME.stop is run by it in place of what it would do.
 */
struct fixture {
    struct world w;
    const char *script;
    const char *argv[MEMBERS][3][4];
    struct gw_work_instance instance[MEMBERS];
    struct gw_work_check gate; /* of "db": the file `gate` */
    const char *gate_argv[2];
    struct gw_work_group group[4];
    struct gw_work work;
};

static const char script[] =
    "name=$GODWIT_INSTANCE\n"
    "case $1 in\n"
    "status) test -e $name.unclear && exit 4; test -e $name.up && exit 0; exit 3 ;;\n"
    "start) echo +$name >>log; test -e $name.start && . ./$name.start; echo >$name.up ;;\n"
    "stop) echo -$name >>log; test -e $name.stop && . ./$name.stop; rm -f $name.up ;;\n"
    "esac";

static void setup(struct fixture *f)
{
    static const char *const names[MEMBERS] = { "w1", "w2", "pg", "mc", "fe" };
    static const char *const verbs[3] = { "start", "stop", "status" };
    static char path[WORLD_PATH];
    *f = (struct fixture){ .work = { .stop_fd = -1 } };
    world_init(&f->w);
    snprintf(path, sizeof path, "%s", world_script(&f->w, "svc", script));
    for (size_t i = 0; i < MEMBERS; i++) {
        for (size_t k = 0; k < 3; k++) {
            f->argv[i][k][0] = path;
            f->argv[i][k][1] = verbs[k];
        }
        f->instance[i] = (struct gw_work_instance){ .name = names[i],
                                                    .start = f->argv[i][0],
                                                    .stop = f->argv[i][1],
                                                    .status = f->argv[i][2],
                                                    .poll_ms = 10 };
    }
    f->gate_argv[0] = world_script(&f->w, "gate-check", "test -e gate");
    f->gate =
        (struct gw_work_check){ .kind = GW_CHECK_EXEC, .argv = f->gate_argv, .interval_ms = 20 };
    world_write(&f->w, "gate", "");
    f->group[0] = (struct gw_work_group){ "web", 2, &f->instance[0], 2, NULL, 0, 0 };
    f->group[1] = (struct gw_work_group){ "db", 1, &f->instance[2], 1, &f->gate, 1, 200 };
    f->group[2] = (struct gw_work_group){ "cache", 2, &f->instance[3], 1, NULL, 0, 0 };
    f->group[3] = (struct gw_work_group){ "front", 9, &f->instance[4], 1, NULL, 0, 0 };
}

static void start(struct fixture *f, struct gw_groups_report *ret)
{
    struct gw_error err = { 0 };
    if (gw_groups_start(f->group, 4, &f->work, ret, &err) < 0)
        fail_msg("%s", err.msg);
}

static void stop(struct fixture *f, bool go_on, struct gw_groups_report *ret)
{
    struct gw_error err = { 0 };
    if (gw_groups_stop(f->group, 4, &f->work, go_on, ret, &err) < 0)
        fail_msg("%s", err.msg);
}

static void status(struct fixture *f, struct gw_groups_report *ret)
{
    struct gw_error err = { 0 };
    if (gw_groups_status(f->group, 4, &f->work, ret, &err) < 0)
        fail_msg("%s", err.msg);
}

/* "w1 w2 pg mc fe" in that order: one letter each. */
static void check(const struct gw_groups_report *r, enum gw_work_outcome outcome,
                  const char *members)
{
    static const char letters[GW_WORK_MAX] = { [GW_WORK_NOT_BEGUN] = '.',
                                               [GW_WORK_DONE] = 'd',
                                               [GW_WORK_ALREADY] = 'a',
                                               [GW_WORK_FAILED] = 'f',
                                               [GW_WORK_UNKNOWN] = 'u' };
    char seen[16];
    size_t n = 0;
    for (size_t g = 0; g < r->n; g++) {
        for (size_t i = 0; i < r->group[g].n_instances; i++)
            seen[n++] = letters[r->group[g].instance[i].outcome];
    }
    seen[n] = '\0';
    assert_string_equal(seen, members);
    assert_string_equal(gw_work_outcome_name(r->outcome), gw_work_outcome_name(outcome));
    assert_int_equal(r->text[0] != '\0', !gw_work_outcome_ok(outcome));
}

static int line_of(const char *log, const char *what)
{
    int line = 0;
    for (const char *p = log; *p != '\0'; p = strchr(p, '\n') + 1, line++) {
        if (strncmp(p, what, strlen(what)) == 0 && p[strlen(what)] == '\n')
            return line;
    }
    return -1;
}

static void test_order(void **state)
{
    struct fixture f;
    struct gw_groups_report r;
    setup(&f);
    start(&f, &r);
    check(&r, GW_WORK_DONE, "ddddd");
    assert_int_equal(r.group[1].health.colour, GW_COLOUR_GREEN);
    assert_int_equal(r.group[1].health.n, 1);
    gw_groups_report_done(&r);
    char *log = world_read(&f.w, "log");
    assert_int_equal(line_of(log, "+pg"), 0);
    assert_int_equal(line_of(log, "+fe"), 4);
    assert_true(line_of(log, "+w1") > 0 && line_of(log, "+w2") > 0 && line_of(log, "+mc") > 0);
    free(log);

    start(&f, &r); /* again: nothing is started */
    check(&r, GW_WORK_ALREADY, "aaaaa");
    gw_groups_report_done(&r);
    world_remove(&f.w, "log");

    stop(&f, false, &r);
    check(&r, GW_WORK_DONE, "ddddd");
    gw_groups_report_done(&r);
    log = world_read(&f.w, "log");
    assert_int_equal(line_of(log, "-fe"), 0);
    assert_int_equal(line_of(log, "-pg"), 4);
    free(log);
    stop(&f, false, &r);
    check(&r, GW_WORK_ALREADY, "aaaaa");
    gw_groups_report_done(&r);
    world_done(&f.w);
}

/* Each of the three of a priority waits until the other two have begun. */
static void test_side_by_side(void **state)
{
    struct fixture f;
    struct gw_groups_report r;
    setup(&f);
    static const char *const names[] = { "w1", "w2", "mc" };
    for (size_t i = 0; i < 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "%s.fifo", names[i]);
        world_fifo(&f.w, name);
        snprintf(name, sizeof name, "%s.start", names[i]);
        world_write(&f.w, name,
                    "for o in w1 w2 mc; do test $o = $name || echo x >$o.fifo & done\n"
                    "exec 3<>$name.fifo; read a <&3; read b <&3; test \"$a$b\" = xx || exit 1\n");
    }
    start(&f, &r);
    check(&r, GW_WORK_DONE, "ddddd");
    gw_groups_report_done(&r);
    world_done(&f.w);
}

static void test_gate(void **state)
{
    struct fixture f;
    struct gw_groups_report r;
    setup(&f);
    world_remove(&f.w, "gate");
    start(&f, &r);
    check(&r, GW_WORK_FAILED, "..d..");
    assert_int_equal(r.group[1].outcome, GW_WORK_FAILED);
    assert_int_equal(r.group[1].health.colour, GW_COLOUR_RED);
    assert_string_equal(r.text, "health of group \"db\": exec gate-check is RED: exit code 1");
    gw_groups_report_done(&r);
    char *log = world_read(&f.w, "log");
    assert_string_equal(log, "+pg\n");
    free(log);
    world_write(&f.w, "gate", ""); /* retry: goes on where it was */
    start(&f, &r);
    check(&r, GW_WORK_DONE, "ddadd");
    gw_groups_report_done(&r);
    world_done(&f.w);
}

/* A check that cannot be made is not a green one. */
static void test_gate_unknown(void **state)
{
    struct fixture f;
    struct gw_groups_report r;
    setup(&f);
    f.gate_argv[0] = "/no/such/check";
    start(&f, &r);
    check(&r, GW_WORK_UNKNOWN, "..d..");
    gw_groups_report_done(&r);
    world_done(&f.w);
}

static void test_member_fails(void **state)
{
    struct fixture f;
    struct gw_groups_report r;
    setup(&f);
    world_write(&f.w, "w2.start", "echo no licence; exit 5\n");
    start(&f, &r);
    check(&r, GW_WORK_FAILED, "dfdd."); /* its fellows are started, the next wave is not */
    assert_string_equal(r.text, "\"w2\" of group \"web\": STOPPED; start: exit code 5: no licence");
    gw_groups_report_done(&r);
    world_done(&f.w);
}

static void test_stop_fails(void **state)
{
    struct fixture f;
    struct gw_groups_report r;
    setup(&f);
    start(&f, &r);
    gw_groups_report_done(&r);
    world_write(&f.w, "mc.stop", "exit 1\n");
    stop(&f, false, &r);
    check(&r, GW_WORK_FAILED, "dd.fd"); /* the database stays up under what may still use it */
    gw_groups_report_done(&r);
    stop(&f, true, &r);
    check(&r, GW_WORK_FAILED, "aadfa"); /* a site that must not serve: go on */
    gw_groups_report_done(&r);
    world_done(&f.w);
}

struct canceller {
    struct fixture *f;
    struct gw_stop *stop;
};

static void *cancel(void *arg)
{
    struct canceller *c = arg;
    char line[16];
    world_await(&c->f->w, "begun", line, sizeof line);
    gw_stop_set(c->stop);
    return NULL;
}

static void test_cancel(void **state)
{
    struct fixture f;
    struct gw_groups_report r;
    struct canceller can = { .f = &f };
    pthread_t thread;
    setup(&f);
    assert_int_equal(gw_stop_new(&can.stop, NULL), 0);
    world_fifo(&f.w, "begun");
    world_write(&f.w, "w1.start", "echo x >begun; sleep 1000\n");
    f.work.stop_fd = gw_stop_fd(can.stop);
    assert_int_equal(pthread_create(&thread, NULL, cancel, &can), 0);
    start(&f, &r);
    pthread_join(thread, NULL);
    assert_true(r.cancelled);
    assert_int_equal(r.outcome, GW_WORK_UNKNOWN);
    assert_int_equal(r.group[0].instance[0].outcome, GW_WORK_UNKNOWN); /* w1: half-way */
    assert_int_equal(r.group[1].instance[0].outcome, GW_WORK_DONE);    /* pg */
    assert_int_equal(r.group[3].instance[0].outcome, GW_WORK_NOT_BEGUN);
    gw_groups_report_done(&r);

    start(&f, &r); /* cancelled before it begins */
    assert_true(r.cancelled);
    check(&r, GW_WORK_UNKNOWN, ".....");
    gw_groups_report_done(&r);
    gw_stop_free(can.stop);
    f.work.stop_fd = -1;
    world_remove(&f.w, "w1.start");
    start(&f, &r); /* and on from there */
    assert_int_equal(r.outcome, GW_WORK_DONE);
    gw_groups_report_done(&r);
    world_done(&f.w);
}

static void test_status(void **state)
{
    struct fixture f;
    struct gw_groups_report r;
    setup(&f);
    status(&f, &r);
    check(&r, GW_WORK_DONE, "ddddd");
    assert_true(gw_groups_all(&r, GW_INSTANCE_STOPPED));
    assert_false(gw_groups_may_run(&r));
    gw_groups_report_done(&r);

    start(&f, &r);
    gw_groups_report_done(&r);
    status(&f, &r);
    assert_true(gw_groups_all(&r, GW_INSTANCE_RUNNING));
    assert_true(gw_groups_may_run(&r));
    assert_int_equal(r.group[1].health.colour, GW_COLOUR_GREEN);
    gw_groups_report_done(&r);

    world_write(&f.w, "pg.unclear", "");
    status(&f, &r);
    check(&r, GW_WORK_UNKNOWN, "ddudd");
    assert_false(gw_groups_all(&r, GW_INSTANCE_RUNNING));
    assert_true(gw_groups_may_run(&r));
    assert_int_equal(r.group[1].health.n, 0);
    gw_groups_report_done(&r);
    world_done(&f.w);
}

static void test_health(void **state)
{
    struct fixture f;
    struct gw_groups_report r;
    struct gw_error err = { 0 };
    setup(&f);
    assert_int_equal(gw_groups_health(f.group, 4, &f.work, &r, &err), 0);
    assert_int_equal(r.outcome, GW_WORK_DONE);
    gw_groups_report_done(&r);
    world_remove(&f.w, "gate");
    assert_int_equal(gw_groups_health(f.group, 4, &f.work, &r, &err), 0);
    assert_int_equal(r.outcome, GW_WORK_FAILED);
    assert_int_equal(r.group[1].health.check[0].asked, 1);
    gw_groups_report_done(&r);
    world_done(&f.w);
}

static void test_nothing(void **state)
{
    struct gw_groups_report r;
    struct gw_error err = { 0 };
    assert_int_equal(gw_groups_start(NULL, 0, &GW_WORK_NONE, &r, &err), 0);
    assert_int_equal(r.outcome, GW_WORK_DONE);
    assert_false(gw_groups_all(&r, GW_INSTANCE_RUNNING)); /* there is nothing that runs */
    gw_groups_report_done(&r);

    const struct gw_work_instance incomplete = { .name = "x" };
    const struct gw_work_group g = { "g", 1, &incomplete, 1, NULL, 0, 0 };
    assert_int_equal(gw_groups_start(&g, 1, &GW_WORK_NONE, &r, &err), -EINVAL);
    assert_string_equal(err.msg, "group \"g\": instance \"x\": start is missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),        cmocka_unit_test(test_side_by_side),
        cmocka_unit_test(test_gate),         cmocka_unit_test(test_gate_unknown),
        cmocka_unit_test(test_member_fails), cmocka_unit_test(test_stop_fails),
        cmocka_unit_test(test_cancel),       cmocka_unit_test(test_status),
        cmocka_unit_test(test_health),       cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
