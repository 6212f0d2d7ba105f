// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "unit/command.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct gw_programs programs = { .nbdkit = "/usr/sbin/nbdkit",
                                             .replica = "/opt/godwit-replica",
                                             .plugin = "/opt/plugin.so" };

static void join(char *const *words, char ret[2048])
{
    ret[0] = '\0';
    for (; *words != NULL; words++) {
        strcat(ret, *words);
        strcat(ret, words[1] != NULL ? " " : "");
    }
}

static void assert_builds(const struct gw_command_spec *s, const char *want)
{
    struct gw_unit_command c = { NULL };
    struct gw_error err = { 0 };
    char text[2048];
    if (gw_command_build(&programs, s, &c, &err) < 0)
        fail_msg("%s", err.msg);
    join(c.argv, text);
    assert_string_equal(text, want);
    gw_command_done(&c);
    assert_null(c.argv);
    gw_command_done(&c);
}

static struct gw_command_spec source(void)
{
    return (struct gw_command_spec){ .kind = GW_UNIT_SOURCE,
                                     .dir = "/p/shop",
                                     .control = "/r/shop.sock",
                                     .nbd = "/r/shop.nbd",
                                     .data = "/r/shop.data",
                                     .peer = "10.1.0.2:7000",
                                     .tls = { "/peers/b.pem", "/site.pem", "/site.key", "b" } };
}

static struct gw_command_spec replica(void)
{
    return (struct gw_command_spec){ .kind = GW_UNIT_REPLICA,
                                     .dir = "/p/shop",
                                     .control = "/r/shop.sock",
                                     .data = "/r/shop.data",
                                     .tls = { "/peers/a.pem", "/site.pem", "/site.key", "a" } };
}

static void sources(void **state)
{
    (void)state;
    unsetenv("GODWIT_NBDKIT_PRELOAD");
    struct gw_command_spec s = source();
    assert_builds(&s, "/usr/sbin/nbdkit -f -U /r/shop.nbd /opt/plugin.so dir=/p/shop "
                      "control=/r/shop.sock listen=unix:/r/shop.data tls-ca=/peers/b.pem "
                      "tls-cert=/site.pem tls-key=/site.key tls-peer=b peer=10.1.0.2:7000 "
                      "outlive=yes");
    s = (struct gw_command_spec){ .kind = GW_UNIT_SOURCE,
                                  .dir = "/p",
                                  .control = "/c",
                                  .nbd = "/n",
                                  .listen = "127.0.0.1:1",
                                  .plain = true,
                                  .sync = true,
                                  .suspend = true,
                                  .isolated_start = true,
                                  .granted = true,
                                  .bandwidth_bytes = 1000,
                                  .zstd_level = 3,
                                  .ring_bytes = 8388608,
                                  .throttle_ms = 1,
                                  .unsync_ms = 2,
                                  .wait_ms = 3,
                                  .link_timeout_ms = 4 };
    assert_builds(&s, "/usr/sbin/nbdkit -f -U /n /opt/plugin.so dir=/p control=/c "
                      "listen=127.0.0.1:1 link-timeout-ms=4 outlive=yes plain=yes sync=yes "
                      "on-link-loss=suspend isolated-start=yes granted=yes bandwidth=1000 zstd=3 "
                      "ring=8388608 throttle-ms=1 unsync-ms=2 wait-ms=3");
}

static void replicas(void **state)
{
    (void)state;
    struct gw_command_spec s = replica();
    assert_builds(&s, "/opt/godwit-replica --dir /p/shop --control /r/shop.sock --listen "
                      "unix:/r/shop.data --tls-ca /peers/a.pem --tls-cert /site.pem --tls-key "
                      "/site.key --tls-peer a");
    s.tls.ca = s.tls.cert = s.tls.key = s.tls.peer = NULL;
    s.plain = true;
    s.journal_bytes = 268435456;
    s.reserve_bytes = 7;
    s.link_timeout_ms = 1000;
    assert_builds(&s, "/opt/godwit-replica --dir /p/shop --control /r/shop.sock --listen "
                      "unix:/r/shop.data --link-timeout-ms 1000 --plain --journal-max 268435456 "
                      "--reserve 7");
}

static void preload(void **state)
{
    (void)state;
    struct gw_command_spec s = source(), r = replica();
    struct gw_unit_command c = { NULL };
    setenv("GODWIT_NBDKIT_PRELOAD", "/lib/a.so:/lib/b.so", 1);
    assert_int_equal(gw_command_build(&programs, &s, &c, NULL), 0);
    assert_string_equal(c.env[0], "LD_PRELOAD=/lib/a.so:/lib/b.so");
    assert_null(c.env[1]);
    gw_command_done(&c);
    assert_int_equal(gw_command_build(&programs, &r, &c, NULL), 0);
    assert_null(c.env[0]);
    gw_command_done(&c);
    unsetenv("GODWIT_NBDKIT_PRELOAD");
}

static void assert_refused(const struct gw_command_spec *s, const char *word)
{
    struct gw_unit_command c = { NULL };
    struct gw_error err = { 0 };
    assert_int_equal(gw_command_build(&programs, s, &c, &err), -EINVAL);
    if (strstr(err.msg, word) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.msg, word);
    assert_null(c.argv);
}

static void refused(void **state)
{
    (void)state;
    char longest[128] = "/";
    memset(longest + 1, 'x', 108);
    struct gw_command_spec s = source();
    s.nbd = NULL;
    assert_refused(&s, "NBD socket is missing");
    s = source();
    s.dir = "shop";
    assert_refused(&s, "\"shop\", is not absolute");
    s = source();
    s.control = longest;
    assert_refused(&s, "at most 107");
    s = source();
    s.tls.key = NULL;
    assert_refused(&s, "TLS key is missing");
    s = source();
    s.plain = true;
    assert_refused(&s, "plain as well");
    s = replica();
    s.data = NULL;
    assert_refused(&s, "where the replica takes connections");
    s = source();
    s.zstd_level = -1;
    assert_refused(&s, "zstd");
}

/* This test runs in a build tree, and is told which. */
static void find_programs(void **state)
{
    (void)state;
    struct gw_programs p;
    struct gw_error err = { 0 };
    if (getenv("GODWIT_PROGRAMS") == NULL)
        skip();
    if (gw_programs_find(NULL, &p, &err) < 0)
        fail_msg("%s", err.msg);
    assert_non_null(strstr(p.replica, "/godwit-replica"));
    assert_int_equal(p.replica[0], '/');
    assert_string_not_equal(p.dir, "");
    assert_int_equal(gw_programs_find("/", &p, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "does not hold"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sources), cmocka_unit_test(replicas),      cmocka_unit_test(preload),
        cmocka_unit_test(refused), cmocka_unit_test(find_programs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
