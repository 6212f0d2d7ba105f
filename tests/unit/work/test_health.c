// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Health checks against a real server and real programs. */
#include "base/clock.h"
#include "work/health.h"
#include "work/stop.h"
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

static struct gw_health look(const struct gw_work_check *c, size_t n)
{
    struct gw_health h;
    struct gw_error err = { 0 };
    if (gw_health_look(c, n, &GW_WORK_NONE, &h, &err) < 0)
        fail_msg("%s", err.msg);
    assert_int_equal(h.n, n);
    return h;
}

static void check_one(const struct gw_work_check *c, enum gw_colour colour, const char *text)
{
    struct gw_health h = look(c, 1);
    if (h.colour != colour || strstr(h.check[0].text, text) == NULL)
        fail_msg("%s is %s: %s (expected %s: %s)", h.check[0].name, gw_colour_name(h.colour),
                 h.check[0].text, gw_colour_name(colour), text);
    assert_int_equal(h.check[0].asked, 1);
    assert_true(h.check[0].seen_boot_ns > 0 && h.check[0].seen_boot_ns <= gw_boot_ns());
    gw_health_done(&h);
}

static void check_url(unsigned port, const char *path, unsigned expect, const char *body,
                      enum gw_colour colour, const char *text)
{
    char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%u%s", port, path);
    const struct gw_work_check c = { .kind = GW_CHECK_HTTP,
                                     .url = url,
                                     .expect = expect,
                                     .body = body,
                                     .timeout_ms = strcmp(path, "/silent") == 0 ? 150 : 0 };
    check_one(&c, colour, text);
}

static void test_http(void **state)
{
    struct world w;
    world_init(&w);
    unsigned port = world_serve(&w);
    check_url(port, "/ok", 0, NULL, GW_COLOUR_GREEN, "status 200");
    check_url(port, "/ok", 200, "is well", GW_COLOUR_GREEN, "status 200");
    check_url(port, "/ok", 200, "is ill", GW_COLOUR_RED, "the body does not hold \"is ill\"");
    check_url(port, "/bad", 0, NULL, GW_COLOUR_RED, "status 503 (expected 200)");
    check_url(port, "/bad", 503, NULL, GW_COLOUR_GREEN, "status 503");
    check_url(port, "/silent", 0, NULL, GW_COLOUR_RED, "no answer within 150 ms");
    check_url(port, "/big", 0, "begin", GW_COLOUR_GREEN, "status 200");
    check_url(port, "/big", 0, "end", GW_COLOUR_RED, "in its first 64 KiB");
    check_url(port, "/endless", 0, "begin", GW_COLOUR_GREEN, "status 200");
    check_url(port, "/here", 0, "well", GW_COLOUR_GREEN, "status 200"); /* stays on the host */
    check_url(port, "/here", 302, NULL, GW_COLOUR_GREEN, "status 302");
    check_url(port, "/away", 0, NULL, GW_COLOUR_RED, "redirected to another host");
    check_url(port, "/loop", 0, NULL, GW_COLOUR_RED, "redirects");
    assert_int_equal(world_asked(&w, "/loop"), GW_FETCH_HOPS_MAX + 1);
    world_done(&w);
}

/* A port where nobody listens: bound, so that nobody else gets it, and not listening. */
static int deaf(unsigned *ret_port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *ret_port = ntohs(a.sin_port);
    return fd;
}

static void test_tcp(void **state)
{
    struct world w;
    char address[64];
    unsigned closed;
    world_init(&w);
    snprintf(address, sizeof address, "127.0.0.1:%u", world_serve(&w));
    struct gw_work_check c = { .kind = GW_CHECK_TCP, .address = address };
    check_one(&c, GW_COLOUR_GREEN, "connected");
    int fd = deaf(&closed);
    snprintf(address, sizeof address, "127.0.0.1:%u", closed);
    check_one(&c, GW_COLOUR_RED, "Connection refused");
    snprintf(address, sizeof address, "no-such-host.invalid:1");
    check_one(&c, GW_COLOUR_UNKNOWN, "no-such-host.invalid:1");
    close(fd);
    world_done(&w);
}

static void test_exec(void **state)
{
    struct gw_work_check c = { .kind = GW_CHECK_EXEC, .timeout_ms = 5000 };
    c.argv = ARGV("true");
    check_one(&c, GW_COLOUR_GREEN, "exit code 0");
    c.argv = ARGV("/bin/sh", "-c", "echo replaying; exit 2");
    check_one(&c, GW_COLOUR_RED, "exit code 2: replaying");
    c.argv = ARGV("/bin/sh", "-c", "kill -9 $$");
    check_one(&c, GW_COLOUR_RED, "killed by signal 9");
    c.argv = ARGV("/no/such/check");
    check_one(&c, GW_COLOUR_UNKNOWN, "cannot execute \"/no/such/check\"");
    c.timeout_ms = 100;
    c.argv = ARGV("sleep", "1000");
    check_one(&c, GW_COLOUR_RED, "the time it was given");
}

static void test_incomplete(void **state)
{
    static const char *const addresses[] = { "",          "host",       "host:",  ":80",
                                             "host:0",    "host:65536", "a b:80", "user@host:80",
                                             "host/x:80", "::1:80",     "[]:80",  "host:8o" };
    static const char *const urls[] = { "", "host", "ftp://host/", "file:///etc/passwd",
                                        "http://" };
    struct gw_error err = { 0 };
    struct gw_work_check c = { .kind = GW_CHECK_TCP };
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        c.address = addresses[i];
        if (gw_check_check(&c, &err) != -EINVAL)
            fail_msg("\"%s\" was taken for an address", addresses[i]);
    }
    c.address = "[::1]:5432";
    assert_int_equal(gw_check_check(&c, &err), 0);
    c.address = "db-1.example:5432";
    assert_int_equal(gw_check_check(&c, &err), 0);
    c.kind = GW_CHECK_HTTP;
    for (size_t i = 0; i < sizeof urls / sizeof urls[0]; i++) {
        c.url = urls[i];
        if (gw_check_check(&c, &err) != -EINVAL)
            fail_msg("\"%s\" was taken for a URL", urls[i]);
    }
    c.url = "http://host/";
    c.expect = 42;
    assert_int_equal(gw_check_check(&c, &err), -EINVAL);
    c.kind = GW_CHECK_EXEC;
    assert_int_equal(gw_check_check(&c, &err), -EINVAL);
    check_one(&c, GW_COLOUR_UNKNOWN, "exec is missing");
}

/* Secrets of a URL are in no sentence. */
static void test_names(void **state)
{
    const struct gw_work_check rows[] = {
        { .kind = GW_CHECK_HTTP, .url = "http://eva:hunter2@127.0.0.1:1/ok?token=hunter2" },
        { .kind = GW_CHECK_EXEC, .argv = ARGV("/usr/lib/godwit/pg-ready", "hunter2") },
        { .kind = GW_CHECK_TCP, .address = "127.0.0.1:1" },
        { .kind = GW_CHECK_TCP, .address = "127.0.0.1:1", .name = "the database" },
    };
    static const char *const names[] = { "http 127.0.0.1:1/ok", "exec pg-ready", "tcp 127.0.0.1:1",
                                         "the database" };
    struct gw_health h = look(rows, 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(h.check[i].name, names[i]);
        assert_null(strstr(h.check[i].text, "hunter2"));
    }
    gw_health_done(&h);
}

/* ---- waiting -----------------------------------------------------------------------------------
 */

static struct gw_health await(const struct gw_work_check *c, size_t n, unsigned timeout_ms,
                              int stop_fd)
{
    struct gw_health h;
    struct gw_error err = { 0 };
    const struct gw_work work = { .stop_fd = stop_fd };
    if (gw_health_await(c, n, timeout_ms, &work, &h, &err) < 0)
        fail_msg("%s", err.msg);
    return h;
}

/* Green only after a while: an exec check that counts how often it was asked. */
static void test_await_becomes_green(void **state)
{
    struct world w;
    char text[GW_WORK_TEXT_MAX];
    world_init(&w);
    const char *argv[] = { world_script(&w, "check", "echo x >>n; test $(wc -l <n) -ge 4"), NULL };
    const struct gw_work_check c[] = {
        { .kind = GW_CHECK_EXEC, .argv = argv, .interval_ms = 10 },
        { .kind = GW_CHECK_EXEC, .argv = ARGV("true"), .interval_ms = 10 },
    };
    struct gw_health h = await(c, 2, WORLD_WAIT_MS, -1);
    assert_int_equal(h.colour, GW_COLOUR_GREEN);
    assert_int_equal(h.check[0].asked, 4);
    assert_false(h.cancelled);
    gw_health_text(&h, text);
    assert_string_equal(text, "GREEN");
    gw_health_done(&h);
    world_done(&w);
}

static void test_await_nothing(void **state)
{
    struct gw_health h = await(NULL, 0, 1000, -1);
    assert_int_equal(h.colour, GW_COLOUR_GREEN);
    gw_health_done(&h);
}

static void test_await_red(void **state)
{
    struct world w;
    char url[64], text[GW_WORK_TEXT_MAX], want[128];
    world_init(&w);
    unsigned port = world_serve(&w);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/bad", port);
    const struct gw_work_check c[] = {
        { .kind = GW_CHECK_EXEC, .argv = ARGV("true"), .interval_ms = 50 },
        { .kind = GW_CHECK_HTTP, .url = url, .interval_ms = 50 },
        { .kind = GW_CHECK_EXEC, .argv = ARGV("/no/such/check"), .interval_ms = 50 },
    };
    struct gw_health h = await(c, 3, 200, -1);
    assert_int_equal(h.colour, GW_COLOUR_RED);
    assert_int_equal(h.check[0].colour, GW_COLOUR_GREEN);
    assert_int_equal(h.check[1].colour, GW_COLOUR_RED);
    assert_int_equal(h.check[2].colour, GW_COLOUR_UNKNOWN);
    assert_true(h.check[1].asked > 1);
    assert_true(h.took_ns >= 200 * GW_NS_PER_MS && h.took_ns < 5 * GW_NS_PER_S);
    gw_health_text(&h, text);
    snprintf(want, sizeof want, "http 127.0.0.1:%u/bad is RED: status 503 (expected 200)", port);
    assert_string_equal(text, want);
    gw_health_done(&h);
    world_done(&w);
}

/* Nobody could tell: that is not green, and not red. */
static void test_await_unknown(void **state)
{
    const struct gw_work_check c = { .kind = GW_CHECK_EXEC,
                                     .argv = ARGV("/no/such/check"),
                                     .interval_ms = 20 };
    struct gw_health h = await(&c, 1, 100, -1);
    assert_int_equal(h.colour, GW_COLOUR_UNKNOWN);
    gw_health_done(&h);
    /* One that is asked for the first time when all time is over. */
    const struct gw_work_check slow = { .kind = GW_CHECK_EXEC, .argv = ARGV("sleep", "1000") };
    h = await(&slow, 1, 100, -1);
    assert_int_equal(h.colour, GW_COLOUR_UNKNOWN);
    assert_string_equal(h.check[0].text, "no answer yet");
    gw_health_done(&h);
}

static void test_settle(void **state)
{
    struct gw_work_check c = {
        .kind = GW_CHECK_EXEC, .argv = ARGV("true"), .interval_ms = 50, .settle_ms = 200
    };
    struct gw_health h = await(&c, 1, WORLD_WAIT_MS, -1);
    assert_int_equal(h.colour, GW_COLOUR_GREEN);
    assert_true(h.took_ns >= 200 * GW_NS_PER_MS);
    assert_true(h.check[0].asked >= 2);
    gw_health_done(&h);

    c.settle_ms = 60000;
    h = await(&c, 1, 200, -1);
    assert_int_equal(h.colour, GW_COLOUR_UNKNOWN);
    assert_non_null(strstr(h.check[0].text, "has to be for 60 s"));
    gw_health_done(&h);
}

static void test_threshold(void **state)
{
    const struct gw_work_check c = {
        .kind = GW_CHECK_EXEC, .argv = ARGV("true"), .interval_ms = 10, .threshold = 3
    };
    struct gw_health h = await(&c, 1, WORLD_WAIT_MS, -1);
    assert_int_equal(h.colour, GW_COLOUR_GREEN);
    assert_int_equal(h.check[0].asked, 3);
    gw_health_done(&h);
}

/* One bad answer begins the settling anew; with a threshold it does not. */
static void test_flapping(void **state)
{
    struct world w;
    world_init(&w);
    const char *argv[] = { world_script(&w, "check", "echo x >>n; test $(wc -l <n) -ne 3"), NULL };
    struct gw_work_check c = {
        .kind = GW_CHECK_EXEC, .argv = argv, .interval_ms = 60, .settle_ms = 200
    };
    struct gw_health h = await(&c, 1, WORLD_WAIT_MS, -1);
    assert_int_equal(h.colour, GW_COLOUR_GREEN);
    assert_true(h.took_ns >= 320 * GW_NS_PER_MS); /* two intervals, and then all of 200 ms */
    gw_health_done(&h);

    world_remove(&w, "n");
    c.threshold = 2;
    h = await(&c, 1, WORLD_WAIT_MS, -1);
    assert_int_equal(h.colour, GW_COLOUR_GREEN);
    assert_true(h.check[0].asked >= 4);
    gw_health_done(&h);
    world_done(&w);
}

struct canceller {
    struct world *w;
    struct gw_stop *stop;
};

static void *cancel(void *arg)
{
    struct canceller *c = arg;
    char line[16];
    world_await(c->w, "asked", line, sizeof line);
    gw_stop_set(c->stop);
    return NULL;
}

/* Cancelled in the middle of an HTTP request without an answer, and of a check that hangs. */
static void test_await_cancelled(void **state)
{
    struct world w;
    char url[64];
    pthread_t thread;
    struct canceller can = { .w = &w };
    world_init(&w);
    world_fifo(&w, "asked");
    assert_int_equal(gw_stop_new(&can.stop, NULL), 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/silent", world_serve(&w));
    const char *argv[] = { world_script(&w, "check", "echo x >asked; sleep 1000"), NULL };
    const struct gw_work_check c[] = {
        { .kind = GW_CHECK_HTTP, .url = url, .timeout_ms = 100000 },
        { .kind = GW_CHECK_EXEC, .argv = argv, .timeout_ms = 100000 },
        { .kind = GW_CHECK_EXEC, .argv = ARGV("true"), .interval_ms = 100000 },
    };
    assert_int_equal(pthread_create(&thread, NULL, cancel, &can), 0);
    struct gw_health h = await(c, 3, 100000, gw_stop_fd(can.stop));
    pthread_join(thread, NULL);
    assert_true(h.cancelled);
    assert_int_equal(h.colour, GW_COLOUR_UNKNOWN);
    assert_true(h.took_ns < 10 * GW_NS_PER_S);
    gw_health_done(&h);
    gw_stop_free(can.stop);
    world_done(&w);
}

/* More checks than threads: all of them are asked. */
static void test_many(void **state)
{
    enum { MANY = GW_WORK_PARALLEL_MAX * 2 + 5 };
    struct world w;
    char address[64];
    struct gw_work_check c[MANY];
    world_init(&w);
    snprintf(address, sizeof address, "127.0.0.1:%u", world_serve(&w));
    for (size_t i = 0; i < MANY; i++)
        c[i] = (struct gw_work_check){ .kind = GW_CHECK_TCP,
                                       .address = address,
                                       .timeout_ms = WORLD_WAIT_MS };
    struct gw_health h = await(c, MANY, WORLD_WAIT_MS, -1);
    assert_int_equal(h.colour, GW_COLOUR_GREEN);
    for (size_t i = 0; i < MANY; i++)
        assert_true(h.check[i].asked > 0);
    gw_health_done(&h);
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_http),
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_exec),
        cmocka_unit_test(test_incomplete),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_await_becomes_green),
        cmocka_unit_test(test_await_nothing),
        cmocka_unit_test(test_await_red),
        cmocka_unit_test(test_await_unknown),
        cmocka_unit_test(test_settle),
        cmocka_unit_test(test_threshold),
        cmocka_unit_test(test_flapping),
        cmocka_unit_test(test_await_cancelled),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
