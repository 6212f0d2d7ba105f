// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Routes by command. */
#include "work/route.h"
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

struct fixture {
    struct world w;
    const char *set[3], *status[2];
    struct gw_work_route route;
};

static void setup(struct fixture *f, const char *set, const char *status)
{
    world_init(&f->w);
    f->set[0] = world_script(&f->w, "set", set);
    f->set[1] = "{site}";
    f->set[2] = NULL;
    f->status[0] = world_script(&f->w, "status", status);
    f->status[1] = NULL;
    f->route = (struct gw_work_route){
        .name = "www", .set = f->set, .status = f->status, .timeout_ms = 500, .poll_ms = 10
    };
}

static void check(const struct gw_route_report *r, enum gw_work_outcome outcome, const char *site,
                  const char *text)
{
    assert_string_equal(gw_work_outcome_name(r->outcome), gw_work_outcome_name(outcome));
    assert_string_equal(r->site, site);
    if (strstr(r->text, text) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", r->text, text);
}

static void test_apply(void **state)
{
    struct fixture f;
    struct gw_route_report r;
    setup(&f, "echo \"$1\" >now; echo $GODWIT_ROUTE $GODWIT_ROUTE_SITE >>log", "cat now");
    world_write(&f.w, "now", "madrid\n");
    gw_route_observe(&f.route, &GW_WORK_NONE, &r);
    check(&r, GW_WORK_DONE, "madrid", "it leads to \"madrid\"");
    gw_route_apply(&f.route, "lisbon", &GW_WORK_NONE, &r);
    check(&r, GW_WORK_DONE, "lisbon", "it leads to \"lisbon\"");
    gw_route_apply(&f.route, "lisbon", &GW_WORK_NONE, &r);
    check(&r, GW_WORK_ALREADY, "lisbon", "");
    char *log = world_read(&f.w, "log");
    assert_string_equal(log, "www lisbon\n"); /* once */
    free(log);
    world_done(&f.w);
}

static void test_status_unclear(void **state)
{
    static const char *const rows[] = {
        "true",
        "echo; echo madrid",
        "echo madrid; echo lisbon",
        "echo the site is madrid",
        "echo madrid; exit 1",
        "kill -9 $$",
        "printf %0100d 1",
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture f;
        struct gw_route_report r;
        setup(&f, "true", rows[i]);
        gw_route_observe(&f.route, &GW_WORK_NONE, &r);
        check(&r, GW_WORK_UNKNOWN, "", "nobody knows where it leads");
        world_done(&f.w);
    }
}

/* What the command says is not what counts. */
static void test_lying_set(void **state)
{
    struct fixture f;
    struct gw_route_report r;
    setup(&f, "exit 0", "echo madrid");
    gw_route_apply(&f.route, "lisbon", &GW_WORK_NONE, &r);
    check(&r, GW_WORK_UNKNOWN, "madrid", "after it was set it leads to \"madrid\"");
    world_script(&f.w, "set", "echo zone is locked; exit 4");
    gw_route_apply(&f.route, "lisbon", &GW_WORK_NONE, &r);
    check(&r, GW_WORK_FAILED, "madrid", "exit code 4: zone is locked; it leads to \"madrid\"");
    world_script(&f.w, "set", "echo locked; exit 4");
    world_script(&f.w, "status", "exit 1");
    gw_route_apply(&f.route, "lisbon", &GW_WORK_NONE, &r);
    check(&r, GW_WORK_UNKNOWN, "", "nobody knows");
    world_script(&f.w, "set", "sleep 1000");
    world_script(&f.w, "status", "echo madrid");
    gw_route_apply(&f.route, "lisbon", &GW_WORK_NONE, &r);
    check(&r, GW_WORK_UNKNOWN, "madrid", "the time it was given");
    world_done(&f.w);
}

static void test_cancelled(void **state)
{
    struct fixture f;
    struct gw_route_report r;
    struct gw_stop *stop;
    setup(&f, "echo \"$1\" >now", "cat now");
    assert_int_equal(gw_stop_new(&stop, NULL), 0);
    gw_stop_set(stop);
    const struct gw_work work = { .stop_fd = gw_stop_fd(stop) };
    gw_route_apply(&f.route, "lisbon", &work, &r);
    check(&r, GW_WORK_NOT_BEGUN, "", "cancelled");
    assert_false(world_has(&f.w, "now"));
    gw_stop_free(stop);
    world_done(&f.w);
}

static void test_incomplete(void **state)
{
    const char *const ok[] = { "true", NULL }, *const typo[] = { "set", "{stie}", NULL };
    struct gw_error err = { 0 };
    struct gw_work_route r = { .name = "www", .set = ok, .status = ok };
    assert_int_equal(gw_route_check(&r, &err), 0);
    r.set = typo;
    assert_int_equal(gw_route_check(&r, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "there is no {stie} here (there is: {site}"));
    r.set = NULL;
    assert_int_equal(gw_route_check(&r, &err), -EINVAL);
    r.set = ok;
    r.driver = "dns";
    assert_int_equal(gw_route_check(&r, &err), -EINVAL);
    assert_string_equal(err.msg, "route \"www\": there is no driver \"dns\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_apply),      cmocka_unit_test(test_status_unclear),
        cmocka_unit_test(test_lying_set),  cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_incomplete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
