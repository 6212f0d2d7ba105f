// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Hooks: their environment, and everything that they do wrong. */
#include "work/hook.h"
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

static void test_points(void **state)
{
    for (int i = 0; i < GW_HOOK_POINT_MAX; i++) {
        enum gw_hook_point p = (enum gw_hook_point)i;
        assert_int_equal(gw_hook_point_parse(gw_hook_point_name(p)), p);
    }
    assert_int_equal(gw_hook_point_parse("pre_failsafe"), GW_HOOK_POINT_MAX);
}

static const struct gw_hook_volume volumes[] = {
    { .name = "pgdata", .socket = "/run/godwit/shop 1.nbd", .size_bytes = 20ull << 30 },
    { .name = "log-2.old", .socket = NULL, .size_bytes = 4096 },
};

static const struct gw_hook_facts facts = {
    .plan = "shop",
    .run = "r-17",
    .operation = "failback",
    .mode = "real",
    .direction = "lisbon>madrid",
    .site = "madrid",
    .recovery_point = "p-3",
    .epoch = 7,
    .recovery_wall_ns = 1732229823ull * 1000000000ull,
    .volume = volumes,
    .n_volumes = 2,
};

static void test_environment(void **state)
{
    static const struct {
        const char *name, *value;
    } rows[] = {
        { "GODWIT_PLAN", "shop" },
        { "GODWIT_RUN", "r-17" },
        { "GODWIT_OPERATION", "failback" },
        { "GODWIT_MODE", "real" },
        { "GODWIT_DIRECTION", "lisbon>madrid" },
        { "GODWIT_SITE", "madrid" },
        { "GODWIT_EPOCH", "7" },
        { "GODWIT_RECOVERY_POINT", "p-3" },
        { "GODWIT_RECOVERY_TIME", "2024-11-21T22:57:03Z" },
        { "GODWIT_VOLUMES", "pgdata log-2.old" },
        { "GODWIT_VOLUME_pgdata_NBD", "nbd+unix:///pgdata?socket=/run/godwit/shop%201.nbd" },
        { "GODWIT_VOLUME_pgdata_SOCKET", "/run/godwit/shop 1.nbd" },
        { "GODWIT_VOLUME_pgdata_EXPORT", "pgdata" },
        { "GODWIT_VOLUME_pgdata_SIZE", "21474836480" },
        { "GODWIT_VOLUME_log_2_old_SIZE", "4096" },
    };
    struct gw_error err = { 0 };
    struct gw_env *e;
    if (gw_hook_env(&facts, &e, &err) < 0)
        fail_msg("%s", err.msg);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (gw_env_get(e, rows[i].name) == NULL)
            fail_msg("%s is not set", rows[i].name);
        assert_string_equal(gw_env_get(e, rows[i].name), rows[i].value);
    }
    assert_null(gw_env_get(e, "GODWIT_VOLUME_log_2_old_NBD")); /* it is not served */
    gw_env_free(e);

    const struct gw_hook_facts few = { .plan = "shop" };
    assert_int_equal(gw_hook_env(&few, &e, &err), 0);
    assert_string_equal(gw_env_list(e)[0], "GODWIT_PLAN=shop");
    assert_null(gw_env_list(e)[1]); /* what is not known is not set */
    gw_env_free(e);
}

static void test_uri(void **state)
{
    char *uri = gw_nbd_uri("/a/b?c=d&e#f%g.nbd", "n\xc3\xa4me");
    assert_string_equal(uri, "nbd+unix:///n%C3%A4me?socket=/a/b%3Fc%3Dd%26e%23f%25g.nbd");
    free(uri);
}

struct told {
    char started[64], ended[64];
};

static int on_started(void *ctx, const char *what, const struct gw_child_record *record,
                      struct gw_error *err)
{
    struct told *t = ctx;
    snprintf(t->started, sizeof t->started, "%s", what);
    return 0;
}

static void on_ended(void *ctx, const char *what, const struct gw_child_result *result)
{
    struct told *t = ctx;
    gw_child_result_text(result, t->ended, sizeof t->ended);
}

static void test_run(void **state)
{
    struct world w;
    struct gw_error err = { 0 };
    struct gw_env *e;
    struct told told = { "", "" };
    struct gw_child_result r;
    world_init(&w);
    assert_int_equal(gw_hook_env(&facts, &e, &err), 0);
    const struct gw_work work = { .stop_fd = -1,
                                  .env = gw_env_list(e),
                                  .ctx = &told,
                                  .child_started = on_started,
                                  .child_ended = on_ended };
    const char *argv[] = { world_script(&w, "hook",
                                        "echo $GODWIT_HOOK $GODWIT_GROUP $GODWIT_PLAN \"$1\""),
                           "$(reboot); `reboot`", NULL };
    struct gw_work_hook hook = { .point = GW_HOOK_PRE_FAILBACK, .group = "web", .argv = argv };
    assert_int_equal(gw_hook_run(&hook, &work, &r, &err), 0);
    assert_true(gw_child_ok(&r));
    assert_string_equal(r.output.text,
                        "pre_failback web shop $(reboot); `reboot`\n"); /* no shell */
    assert_string_equal(told.started, "hook pre_failback of \"web\"");
    assert_string_equal(told.ended, "exit code 0: pre_failback web shop $(reboot); `reboot`");
    gw_child_result_done(&r);

    hook.group = NULL;
    assert_int_equal(gw_hook_run(&hook, &work, &r, &err), 0);
    assert_string_equal(told.started, "hook pre_failback");
    assert_string_equal(r.output.text, "pre_failback shop $(reboot); `reboot`\n");
    gw_child_result_done(&r);
    gw_env_free(e);
    world_done(&w);
}

static void test_what_hooks_do_wrong(void **state)
{
    static const struct {
        const char *body, *text;
        enum gw_child_end end;
    } rows[] = {
        { "echo cannot reach the balancer >&2; exit 9", "exit code 9: cannot reach the balancer",
          GW_CHILD_EXITED },
        { "echo waiting; sleep 1000", "ended after 0.5 s, the time it was given: waiting",
          GW_CHILD_TIMED_OUT },
        { "head -c 4000000 /dev/zero; exit 1", "exit code 1: ", GW_CHILD_EXITED },
        { "yes | head -c 4000000; echo end; exit 1", "exit code 1: end", GW_CHILD_EXITED },
    };
    struct world w;
    world_init(&w);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[GW_WORK_TEXT_MAX];
        struct gw_error err = { 0 };
        struct gw_child_result r;
        const char *argv[] = { world_script(&w, "hook", rows[i].body), NULL };
        const struct gw_work_hook hook = { .point = GW_HOOK_POST_RECOVER,
                                           .argv = argv,
                                           .timeout_ms = i == 1 ? 500 : WORLD_WAIT_MS };
        assert_int_equal(gw_hook_run(&hook, &GW_WORK_NONE, &r, &err), 0);
        assert_false(gw_child_ok(&r));
        assert_int_equal(r.end, rows[i].end);
        gw_child_result_text(&r, text, sizeof text);
        if (strncmp(text, rows[i].text, strlen(rows[i].text)) != 0)
            fail_msg("\"%s\" does not begin with \"%s\"", text, rows[i].text);
        assert_true(strlen(r.output.text) < GW_OUTPUT_HEAD_BYTES + GW_OUTPUT_TAIL_BYTES + 100);
        gw_child_result_done(&r);
    }
    struct gw_error err = { 0 };
    struct gw_child_result r;
    const struct gw_work_hook empty = { .point = GW_HOOK_POST_RECOVER };
    assert_int_equal(gw_hook_run(&empty, &GW_WORK_NONE, &r, &err), -EINVAL);
    assert_string_equal(err.msg, "hook post_recover is missing");
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_points),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_uri),
        cmocka_unit_test(test_run),
        cmocka_unit_test(test_what_hooks_do_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
