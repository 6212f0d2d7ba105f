// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Devices: only what is seen counts. The agents here are scripts of the agent API whose device is a
 * file, which it is up to them to tell the truth about; and fence_dummy.
 */
#include "fence/topology.h"
#include "world.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MS 20000u /* enough on any machine */
#define SHORT_MS 900u

/* Reads its parameters, keeps what it was told, and does `off` and `status`. */
static const char *agent(const struct world *w, const char *name, const char *off,
                         const char *status)
{
    char body[2048];
    snprintf(body, sizeof body,
             "if [ \"$1\" = -o ]; then\n"
             "cat <<E\n"
             "<resource-agent name=\"x\"><parameters>\n"
             "<parameter name=\"action\" required=\"1\"><content default=\"reboot\"/></parameter>\n"
             "<parameter name=\"ip\" required=\"1\"><content type=\"string\"/></parameter>\n"
             "<parameter name=\"password\" required=\"0\"/>\n"
             "<parameter name=\"identity_file\" required=\"0\"/>\n"
             "</parameters><actions><action name=\"off\"/><action name=\"status\"/>\n"
             "<action name=\"monitor\"/></actions></resource-agent>\n"
             "E\n"
             "exit 0; fi\n"
             "cat >told.$$; action=$(sed -n 's/^action=//p' told.$$)\n"
             "tr '\\0' ' ' </proc/$$/cmdline >>line; env >>environment\n"
             "cat told.$$ >>told; rm told.$$; echo $action >>actions\n"
             "case $action in\n"
             "off) %s;;\n"
             "status|monitor) %s;;\n"
             "*) echo unknown action; exit 1;; esac\n",
             off, status);
    return world_script(w, name, body);
}

#define TRUTH "if [ -e is-off ]; then exit 2; else exit 0; fi"

static const struct gw_fence_param ip[] = { { "ip", "10.0.0.1" } };
static const struct gw_fence_how how = { .stop_fd = -1 };

static struct gw_fence_report off(const char *agent_path, unsigned timeout_ms)
{
    struct gw_fence_report report;
    struct gw_error err = { 0 };
    const struct gw_fence_device d = { .name = "the device",
                                       .agent = agent_path,
                                       .params = ip,
                                       .n_params = 1,
                                       .timeout_ms = timeout_ms };
    if (gw_fence_off(&d, &how, &report, &err) < 0)
        fail_msg("%s", err.msg);
    return report;
}

static void check(const struct gw_fence_report *r, const char *verdict, const char *text)
{
    if (strcmp(gw_fence_verdict_name(r->verdict), verdict) != 0 || strstr(r->text, text) == NULL)
        fail_msg("%s: %s; not %s: %s", gw_fence_verdict_name(r->verdict), r->text, verdict, text);
}

static void test_honest(void **state)
{
    struct world w;
    world_init(&w);
    struct gw_fence_report r = off(agent(&w, "fence_honest", "touch is-off", TRUTH), MS);
    check(&r, "verified", "the device is off; off: exit code 0");
    assert_int_equal(r.looks, 1);
    assert_true(r.began_wall_ns != 0 && r.took_ns != 0);
    char *actions = world_read(&w, "actions");
    assert_string_equal(actions, "off\nstatus\n"); /* and nothing else, no reboot above all */
    free(actions);
    world_done(&w);
}

/* It takes a while: it is looked at until it is off. */
static void test_slow(void **state)
{
    struct world w;
    world_init(&w);
    struct gw_fence_report r =
        off(agent(&w, "fence_slow", "true",
                  "echo x >>looks; if [ $(wc -l <looks) -ge 3 ]; then exit 2; else exit 0; fi"),
            MS);
    check(&r, "verified", "the device is off");
    assert_int_equal(r.looks, 3);
    world_done(&w);
}

/* "Done", says the agent; "on", says the device. */
static void test_liar(void **state)
{
    struct world w;
    world_init(&w);
    struct gw_fence_report r = off(agent(&w, "fence_liar", "exit 0", TRUTH), SHORT_MS);
    check(&r, "not-fenced", "the device is still on; off: exit code 0");
    world_done(&w);
}

/* "Failed", says the agent; "off", says the device: what is seen counts. */
static void test_off_all_the_same(void **state)
{
    struct world w;
    world_init(&w);
    struct gw_fence_report r =
        off(agent(&w, "fence_sulky", "touch is-off; echo no answer; exit 1", TRUTH), MS);
    check(&r, "verified", "the device is off; off: exit code 1: no answer");
    world_done(&w);
}

/* 1 is every error: not "off", whatever came before. */
static void test_no_status(void **state)
{
    struct world w;
    world_init(&w);
    struct gw_fence_report r =
        off(agent(&w, "fence_blind", "touch is-off", "echo no route; exit 1"), SHORT_MS);
    check(&r, "unknown", "whether the device is on is not known: exit code 1: no route");
    world_done(&w);
}

static void test_hangs(void **state)
{
    struct world w;
    world_init(&w);
    struct gw_fence_report r = off(agent(&w, "fence_hung", "sleep 1000", "sleep 1000"), SHORT_MS);
    check(&r, "unknown", "is not known: ended after");
    /* Only the switching hangs: the device is asked all the same. */
    r = off(agent(&w, "fence_hung", "touch is-off; sleep 1000", TRUTH), 3000);
    check(&r, "verified", "off: ended after");
    world_done(&w);
}

static void test_killed(void **state)
{
    struct world w;
    world_init(&w);
    struct gw_fence_report r = off(agent(&w, "fence_dies", "kill -9 $$", "kill -9 $$"), SHORT_MS);
    check(&r, "unknown", "killed by signal 9");
    world_done(&w);
}

/* ---- parameters and secrets -------------------------------------------------------------------
 */

static void secret_file(const struct world *w, const char *name, const char *text, mode_t mode)
{
    world_write(w, name, text);
    assert_int_equal(chmod(world_path(w, name), mode), 0);
}

static int try_params(const char *path, const struct gw_fence_param *params, size_t n,
                      struct gw_error *err)
{
    struct gw_fence_report report;
    const struct gw_fence_device d = {
        .name = "the device", .agent = path, .params = params, .n_params = n, .timeout_ms = MS
    };
    struct gw_error other = { 0 };
    int r = gw_fence_off(&d, &how, &report, err), m = gw_fence_monitor(&d, &how, &other);
    assert_int_equal(r, m); /* what would fail is found by monitoring */
    assert_true(r == 0 || report.verdict == GW_FENCE_UNKNOWN);
    return r;
}

static void test_params(void **state)
{
    struct world w;
    struct gw_error err = { 0 };
    world_init(&w);
    const char *path = agent(&w, "fence_honest", "touch is-off", "[ -e is-off ] && exit 2; exit 0");
    static const struct gw_fence_param typo[] = { { "ip", "x" }, { "pasword", "x" } };
    static const struct gw_fence_param action[] = { { "ip", "x" }, { "action", "on" } };
    static const struct gw_fence_param lines[] = { { "ip", "x\naction=on" } };
    assert_int_equal(try_params(path, typo, 2, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "has no parameter \"pasword\""));
    assert_int_equal(try_params(path, action, 2, &err), -EINVAL);
    assert_int_equal(try_params(path, typo, 0, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "needs the parameter \"ip\""));
    assert_int_equal(try_params(path, lines, 1, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "line break"));
    assert_false(world_has(&w, "actions")); /* nothing was tried */
    world_done(&w);
}

static void test_secrets(void **state)
{
    struct world w;
    struct gw_error err = { 0 };
    world_init(&w);
    const char *path = agent(&w, "fence_honest", "touch is-off", "exit 2");
    char file[256], open_file[256];
    snprintf(file, sizeof file, "%s", world_path(&w, "secret"));
    snprintf(open_file, sizeof open_file, "%s", world_path(&w, "open"));
    const struct gw_fence_param good[] = { { "ip", "10.0.0.1" },
                                           { "password_file", file },
                                           { "identity_file", "/some/key" } };
    const struct gw_fence_param bad[] = { { "ip", "10.0.0.1" }, { "password_file", open_file } };
    assert_int_equal(try_params(path, good, 3, &err), -ENOENT);
    secret_file(&w, "secret", "hunter2\nsecond line\n", 0600);
    secret_file(&w, "open", "hunter3\n", 0640);
    assert_int_equal(try_params(path, bad, 2, &err), -EACCES);
    assert_non_null(strstr(err.msg, "chmod 600"));
    secret_file(&w, "open", "\n", 0600);
    assert_int_equal(try_params(path, bad, 2, &err), -EINVAL);

    struct gw_fence_report report;
    const struct gw_fence_device d = {
        .name = "x", .agent = path, .params = good, .n_params = 3, .timeout_ms = MS
    };
    assert_int_equal(gw_fence_off(&d, &how, &report, &err), 0);
    check(&report, "verified", "");
    char *told = world_read(&w, "told"), *line = world_read(&w, "line"),
         *environment = world_read(&w, "environment");
    assert_non_null(strstr(told, "ip=10.0.0.1\npassword=hunter2\nidentity_file=/some/key\n"
                                 "action=off\n"));
    assert_null(strstr(told, "second line"));
    assert_null(strstr(line, "hunter2")); /* nobody sees it in a list of processes */
    assert_null(strstr(environment, "hunter2"));
    free(told);
    free(line);
    free(environment);
    world_done(&w);
}

/* ---- commands ---------------------------------------------------------------------------------
 */

static void test_commands(void **state)
{
    static const struct {
        const char *exec, *verify, *verdict, *text;
    } rows[] = {
        { "touch closed", "[ -e closed ]", "verified", "seen to be closed; off: exit code 0" },
        { "touch closed", NULL, "unverified", "nothing can be looked at" },
        { "exit 3", NULL, "unknown", "it failed; off: exit code 3" },
        { "exit 0", "exit 1", "unknown", "it was not seen to be closed" },
        { "exit 3", "exit 0", "verified", "off: exit code 3" },
        { "sleep 1000", "exit 1", "unknown", "off: ended after" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        struct gw_fence_report r;
        struct gw_error err = { 0 };
        world_init(&w);
        const char *exec[] = { world_script(&w, "exec", rows[i].exec), NULL };
        const char *verify[] = { NULL, NULL };
        if (rows[i].verify != NULL)
            verify[0] = world_script(&w, "verify", rows[i].verify);
        const struct gw_fence_device d = { .name = "the switch",
                                           .exec = exec,
                                           .verify = rows[i].verify != NULL ? verify : NULL,
                                           .timeout_ms = i == 5 ? SHORT_MS : MS };
        assert_int_equal(gw_fence_off(&d, &how, &r, &err), 0);
        check(&r, rows[i].verdict, rows[i].text);
        world_done(&w);
    }
    const char *nothing[] = { "no-such-program-anywhere", NULL };
    struct gw_error err = { 0 };
    const struct gw_fence_device d = { .name = "the switch", .exec = nothing };
    assert_int_equal(gw_fence_monitor(&d, &how, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "the switch"));
}

/* ---- levels -----------------------------------------------------------------------------------
 */

static struct gw_fence_outcome site(struct world *w, const char *plan, char ran[64])
{
    /* Each device: a digit (its level) and a letter: g good, l liar, b blind, c a command. */
    struct gw_fence_member member[GW_FENCE_DEVICES_MAX] = { 0 };
    struct gw_fence_report reports[GW_FENCE_DEVICES_MAX];
    struct gw_fence_outcome outcome;
    static char paths[4][256];
    static const char *command[] = { "true", NULL };
    size_t n = 0;
    snprintf(paths[0], sizeof paths[0], "%s", agent(w, "fence_g", "exit 0", "exit 2"));
    snprintf(paths[1], sizeof paths[1], "%s", agent(w, "fence_l", "exit 0", "exit 0"));
    snprintf(paths[2], sizeof paths[2], "%s", agent(w, "fence_b", "exit 0", "exit 1"));
    for (const char *p = plan; *p != '\0'; p += 2, n++) {
        const int which = p[1] == 'g' ? 0 : p[1] == 'l' ? 1 : 2;
        member[n].level = (unsigned)(p[0] - '0');
        member[n].device = (struct gw_fence_device){ .name = p[1] == 'c' ? "command" : paths[which],
                                                     .agent = p[1] == 'c' ? NULL : paths[which],
                                                     .exec = p[1] == 'c' ? command : NULL,
                                                     .params = ip,
                                                     .n_params = 1,
                                                     .timeout_ms = p[1] == 'g' ? MS : SHORT_MS };
    }
    gw_fence_site(member, n, &how, reports, &outcome);
    for (size_t i = 0; i < n; i++)
        ran[i] = reports[i].began_wall_ns != 0 ? 'y' : 'n';
    ran[n] = '\0';
    return outcome;
}

static void test_levels(void **state)
{
    static const struct {
        const char *plan, *verdict, *ran;
        unsigned level;
    } rows[] = {
        { "", "unknown", "", 0 },
        { "1g", "verified", "y", 1 },
        { "1g2g", "verified", "yn", 1 },    /* the first that passes ends it */
        { "2g1g", "verified", "ny", 1 },    /* by number, not by place */
        { "1l2g", "verified", "yy", 2 },    /* the next, if it does not pass */
        { "1g1l2g", "verified", "yyy", 2 }, /* all of a level are needed */
        { "1g1g", "verified", "yy", 1 },
        { "1l2b", "unknown", "yy", 2 },  /* the better of two failures is told */
        { "1c2g", "verified", "yy", 2 }, /* unverified is not enough to stop */
        { "1c2l", "unverified", "yy", 1 },
        { "1g1c", "unverified", "yy", 1 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        char ran[64];
        world_init(&w);
        struct gw_fence_outcome o = site(&w, rows[i].plan, ran);
        if (strcmp(gw_fence_verdict_name(o.verdict), rows[i].verdict) != 0 ||
            strcmp(ran, rows[i].ran) != 0 || o.level != rows[i].level)
            fail_msg("\"%s\": %s at level %u, ran %s (%s)", rows[i].plan,
                     gw_fence_verdict_name(o.verdict), o.level, ran, o.text);
        world_done(&w);
    }
}

/* ---- one that is shipped ----------------------------------------------------------------------
 */

static void test_dummy(void **state)
{
    struct world w;
    struct gw_fence_report r;
    struct gw_error err = { 0 };
    world_init(&w);
    world_write(&w, "device", "on");
    const struct gw_fence_param params[] = { { "status_file", world_path(&w, "device") } };
    const struct gw_fence_device d = {
        .name = "fence_dummy", .agent = "fence_dummy", .params = params, .n_params = 1
    };
    if (gw_fence_monitor(&d, &how, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(gw_fence_off(&d, &how, &r, &err), 0);
    check(&r, "verified", "the device is off");
    char *device = world_read(&w, "device");
    assert_string_equal(device, "off");
    free(device);
    assert_int_equal(gw_fence_monitor(&d, &how, &err), 0); /* off, and it answers */
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_honest),    cmocka_unit_test(test_slow),
        cmocka_unit_test(test_liar),      cmocka_unit_test(test_off_all_the_same),
        cmocka_unit_test(test_no_status), cmocka_unit_test(test_hangs),
        cmocka_unit_test(test_killed),    cmocka_unit_test(test_params),
        cmocka_unit_test(test_secrets),   cmocka_unit_test(test_commands),
        cmocka_unit_test(test_levels),    cmocka_unit_test(test_dummy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
