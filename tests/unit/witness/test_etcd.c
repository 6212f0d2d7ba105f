// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The register, against real etcd: what a CAS says must be what happened, or UNKNOWN. */
#include "base/clock.h"
#include "doubt_proxy.h"
#include "etcd_server.h"
#include "witness/etcd_message.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MS 20000u     /* what must come comes within this, on any machine */
#define SHORT_MS 700u /* for what does not come */

static struct gw_register_value get(struct gw_register *reg, const char *key)
{
    struct gw_register_value v;
    struct gw_error err = { 0 };
    if (gw_register_read(reg, key, MS, &v, &err) < 0)
        fail_msg("read: %s", err.msg);
    return v;
}

static struct gw_register_swap swap(struct gw_register *reg, const char *key, uint64_t expected,
                                    const char *text)
{
    struct gw_register_swap s;
    struct gw_error err = { 0 };
    if (gw_register_cas(reg, key, expected, text, MS, &s, &err) < 0)
        fail_msg("cas: %s", err.msg);
    return s;
}

static void check_won(const struct gw_register_swap *s, const char *text)
{
    assert_string_equal(gw_register_outcome_name(s->outcome), "won");
    assert_string_equal(s->now.text, text);
    assert_true(s->now.revision > 0);
}

static void check_lost(const struct gw_register_swap *s, uint64_t revision, const char *text)
{
    assert_string_equal(gw_register_outcome_name(s->outcome), "lost");
    assert_string_equal(s->now.text, text);
    assert_int_equal(s->now.revision, revision);
}

/* ---- one member -------------------------------------------------------------------------------
 */

static int one_member(void **state)
{
    static struct etcd_server server;
    etcd_server_init(&server, 1, false);
    *state = &server;
    return 0;
}

static int done(void **state)
{
    etcd_server_done(*state);
    return 0;
}

static void test_compare_and_swap(void **state)
{
    struct gw_register *reg = etcd_server_open(*state, NULL, NULL);
    struct gw_register_value v = get(reg, "cas");
    assert_int_equal(v.revision, 0);
    assert_string_equal(v.text, "");

    struct gw_register_swap a = swap(reg, "cas", 0, "{\"n\":1}");
    check_won(&a, "{\"n\":1}");
    v = get(reg, "cas");
    assert_int_equal(v.revision, a.now.revision);
    assert_string_equal(v.text, "{\"n\":1}");

    struct gw_register_swap b = swap(reg, "cas", 0, "{\"n\":2}"); /* it is there already */
    check_lost(&b, a.now.revision, "{\"n\":1}");
    b = swap(reg, "cas", a.now.revision, "{\"n\":3}");
    check_won(&b, "{\"n\":3}");
    assert_true(b.now.revision > a.now.revision);
    struct gw_register_swap c = swap(reg, "cas", a.now.revision, "{\"n\":4}"); /* too late */
    check_lost(&c, b.now.revision, "{\"n\":3}");
    gw_register_free(reg);
}

/* The very text that is there: an earlier delivery won. */
static void test_twice_the_same(void **state)
{
    struct gw_register *reg = etcd_server_open(*state, NULL, NULL);
    struct gw_register_swap a = swap(reg, "twice", 0, "mine 1");
    struct gw_register_swap b = swap(reg, "twice", 0, "mine 1");
    check_won(&b, "mine 1");
    assert_int_equal(b.now.revision, a.now.revision);
    gw_register_free(reg);
}

static void test_bad_arguments(void **state)
{
    struct gw_register *reg = etcd_server_open(*state, NULL, NULL);
    struct gw_register_swap s;
    char text[GW_REGISTER_TEXT_BYTES_MAX + 2], key[GW_REGISTER_KEY_BYTES_MAX + 2];
    memset(text, 'x', sizeof text);
    memset(key, 'k', sizeof key);
    text[sizeof text - 1] = key[sizeof key - 1] = '\0';
    static const char *const bad[] = { "", "a\nb", "\xc3\xa9" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(gw_register_cas(reg, "bad", 0, bad[i], MS, &s, NULL), -EINVAL);
        assert_int_equal(s.outcome, GW_REGISTER_NOT_DONE);
        assert_int_equal(gw_register_cas(reg, bad[i], 0, "x", MS, &s, NULL), -EINVAL);
    }
    assert_int_equal(gw_register_cas(reg, "bad", 0, text, MS, &s, NULL), -EINVAL);
    assert_int_equal(gw_register_cas(reg, key, 0, "x", MS, &s, NULL), -EINVAL);
    assert_int_equal(get(reg, "bad").revision, 0);
    /* As long as possible: goes and comes. */
    text[sizeof text - 2] = '\0';
    struct gw_register_swap long_one = swap(reg, "bad", 0, text);
    check_won(&long_one, text);
    assert_string_equal(get(reg, "bad").text, text);
    gw_register_free(reg);
}

struct racer {
    struct etcd_server *server;
    unsigned number, won;
    pthread_t thread;
};

#define RACERS 4u
#define RACES 25u

static void *race(void *arg)
{
    struct racer *me = arg;
    struct gw_register *reg = etcd_server_open(me->server, NULL, NULL);
    for (unsigned i = 0; i < RACES; i++) {
        char text[64], key[32];
        snprintf(text, sizeof text, "racer %u", me->number);
        snprintf(key, sizeof key, "race%u", i);
        struct gw_register_swap s;
        if (gw_register_cas(reg, key, 0, text, MS, &s, NULL) == 0 && s.outcome == GW_REGISTER_WON)
            me->won++;
    }
    gw_register_free(reg);
    return NULL;
}

static void test_one_winner(void **state)
{
    struct racer racer[RACERS] = { { .server = *state } };
    unsigned won = 0;
    for (unsigned i = 0; i < RACERS; i++) {
        racer[i] = (struct racer){ .server = *state, .number = i };
        assert_int_equal(pthread_create(&racer[i].thread, NULL, race, &racer[i]), 0);
    }
    for (unsigned i = 0; i < RACERS; i++) {
        pthread_join(racer[i].thread, NULL);
        won += racer[i].won;
    }
    assert_int_equal(won, RACES);
}

/* ---- answers and requests that get lost -------------------------------------------------------
 */

struct doubt {
    struct doubt_proxy *proxy;
    struct gw_register *reg, *straight;
};

static void doubt_begin(struct doubt *d, struct etcd_server *server, const char *plan)
{
    char url[64];
    d->proxy = doubt_proxy_new(server->client_port[0], plan);
    snprintf(url, sizeof url, "http://127.0.0.1:%u", doubt_proxy_port(d->proxy));
    d->reg = etcd_server_open(server, url, NULL);
    d->straight = etcd_server_open(server, NULL, NULL);
}

static void doubt_end(struct doubt *d)
{
    gw_register_free(d->reg);
    gw_register_free(d->straight);
    doubt_proxy_free(d->proxy);
}

static void test_answer_lost_once(void **state)
{
    struct doubt d;
    doubt_begin(&d, *state, "ap");
    struct gw_register_swap s = swap(d.reg, "answer", 0, "mine 7");
    check_won(&s, "mine 7"); /* it lost against itself: the first delivery landed */
    assert_int_equal(doubt_proxy_connections(d.proxy), 2);
    assert_int_equal(get(d.straight, "answer").revision, s.now.revision);
    doubt_end(&d);
}

static void test_request_lost_once(void **state)
{
    struct doubt d;
    doubt_begin(&d, *state, "rp");
    struct gw_register_swap s = swap(d.reg, "request", 0, "mine 8");
    check_won(&s, "mine 8");
    doubt_end(&d);
}

/* Whether it landed or not, what is known is the same: nothing. */
static void test_unknown(void **state)
{
    static const char *const plans[] = { "a", "r" };
    static const char *const key[] = { "unknown-a", "unknown-r" };
    for (int i = 0; i < 2; i++) {
        struct doubt d;
        struct gw_register_swap s;
        struct gw_error err = { 0 };
        doubt_begin(&d, *state, plans[i]);
        assert_true(gw_register_cas(d.reg, key[i], 0, "mine 9", SHORT_MS, &s, &err) < 0);
        assert_string_equal(gw_register_outcome_name(s.outcome), "unknown");
        struct gw_register_value v = get(d.straight, key[i]);
        assert_string_equal(v.text, i == 0 ? "mine 9" : "");
        doubt_end(&d);
    }
}

/* Rule W1: a read that shows the old value resolves nothing, a CAS on the old revision does. */
static void test_delayed_delivery(void **state)
{
    struct doubt d;
    struct gw_register_swap s;
    doubt_begin(&d, *state, "hr");
    struct gw_register_swap first = swap(d.straight, "delayed", 0, "old");
    assert_true(
        gw_register_cas(d.reg, "delayed", first.now.revision, "mine 10", SHORT_MS, &s, NULL) < 0);
    assert_string_equal(gw_register_outcome_name(s.outcome), "unknown");
    assert_string_equal(get(d.straight, "delayed").text, "old");
    doubt_proxy_deliver(d.proxy); /* and yet it lands */
    assert_string_equal(get(d.straight, "delayed").text, "mine 10");
    doubt_end(&d);

    doubt_begin(&d, *state, "hr");
    uint64_t revision = get(d.straight, "delayed").revision;
    assert_true(gw_register_cas(d.reg, "delayed", revision, "mine 11", SHORT_MS, &s, NULL) < 0);
    struct gw_register_swap other = swap(d.straight, "delayed", revision, "resolved");
    check_won(&other, "resolved");
    doubt_proxy_deliver(d.proxy); /* too late for ever */
    assert_string_equal(get(d.straight, "delayed").text, "resolved");
    doubt_end(&d);
}

static void test_nobody_there(void **state)
{
    char url[64];
    struct gw_register_swap s;
    struct gw_register_value v;
    struct gw_error err = { 0 };
    snprintf(url, sizeof url, "http://127.0.0.1:%u", etcd_server_free_port());
    struct gw_register *reg = etcd_server_open(*state, url, NULL);
    assert_int_equal(gw_register_cas(reg, "x", 0, "mine", MS, &s, &err), -ECONNREFUSED);
    assert_string_equal(gw_register_outcome_name(s.outcome), "not-done");
    assert_non_null(strstr(err.msg, "the witness"));
    assert_int_equal(gw_register_read(reg, "x", MS, &v, &err), -ECONNREFUSED);
    gw_register_cancel(reg);
    assert_int_equal(gw_register_read(reg, "x", MS, &v, &err), -ECANCELED);
    gw_register_free(reg);
}

/* ---- a witness that forgot --------------------------------------------------------------------
 */

static void check_forgot(struct gw_register *reg, uint64_t revision)
{
    struct gw_register_value v;
    struct gw_register_swap s;
    struct gw_error err = { 0 };
    assert_int_equal(gw_register_read(reg, "memory", MS, &v, &err), -ESTALE);
    assert_non_null(strstr(err.msg, "restored from a backup"));
    /* And stays so. */
    assert_int_equal(gw_register_cas(reg, "memory", revision, "mine", MS, &s, &err), -ESTALE);
    assert_string_equal(gw_register_outcome_name(s.outcome), "not-done");
}

static void test_forgot(void **state)
{
    struct etcd_server server;
    struct gw_register_identity known;
    etcd_server_init(&server, 1, false);
    struct gw_register *reg = etcd_server_open(&server, NULL, NULL);
    struct gw_register_swap a = swap(reg, "memory", 0, "one");
    etcd_server_kill(&server, 0);
    etcd_server_save(&server);
    etcd_server_start(&server, 0);
    etcd_server_await(&server, 0);
    a = swap(reg, "memory", a.now.revision, "two"); /* the same store: fine */
    check_won(&a, "two");
    gw_register_identity(reg, &known);
    assert_true(known.store != 0 && known.changes == a.now.revision);

    etcd_server_kill(&server, 0);
    etcd_server_restore(&server); /* it has forgotten "two" */
    etcd_server_start(&server, 0);
    etcd_server_await(&server, 0);
    check_forgot(reg, a.now.revision);
    gw_register_free(reg);
    reg = etcd_server_open(&server, NULL, &known); /* also after our own restart */
    check_forgot(reg, a.now.revision);
    gw_register_free(reg);
    reg = etcd_server_open(&server, NULL, NULL); /* trusted anew */
    assert_string_equal(get(reg, "memory").text, "one");

    etcd_server_kill(&server, 0);
    etcd_server_wipe(&server); /* another store at the same address */
    etcd_server_start(&server, 0);
    etcd_server_await(&server, 0);
    check_forgot(reg, a.now.revision);
    gw_register_free(reg);
    etcd_server_done(&server);
}

/* ---- three members ----------------------------------------------------------------------------
 */

static int three_members(void **state)
{
    static struct etcd_server server;
    etcd_server_init(&server, 3, false);
    *state = &server;
    return 0;
}

static void test_leader_killed(void **state)
{
    struct etcd_server *server = *state;
    struct gw_register *reg = etcd_server_open(server, NULL, NULL);
    struct gw_register_swap s = swap(reg, "leader", 0, "n 0");
    for (int round = 1; round <= 2; round++) {
        char text[32];
        int leader = etcd_server_leader(server);
        snprintf(text, sizeof text, "n %d", round);
        etcd_server_kill(server, leader);
        struct gw_register_swap next = { .outcome = GW_REGISTER_UNKNOWN };
        /* Until another leads: not done, or unknown, and asked again, unchanged. */
        while (gw_register_cas(reg, "leader", s.now.revision, text, MS, &next, NULL) < 0)
            ;
        check_won(&next, text);
        assert_string_equal(get(reg, "leader").text, text);
        s = next;
        etcd_server_start(server, leader);
        etcd_server_await(server, leader);
    }
    gw_register_free(reg);
}

/* A member that hangs costs its share of the time, not all of it. */
static void test_member_stopped(void **state)
{
    struct etcd_server *server = *state;
    struct gw_register *reg = etcd_server_open(server, NULL, NULL);
    struct gw_register_swap s = swap(reg, "stopped", 0, "n 0");
    int follower = (etcd_server_leader(server) + 1) % 3;
    etcd_server_signal(server, follower, SIGSTOP);
    for (int i = 1; i <= 3; i++) {
        char text[32];
        snprintf(text, sizeof text, "n %d", i);
        s = swap(reg, "stopped", s.now.revision, text);
        check_won(&s, text);
    }
    etcd_server_signal(server, follower, SIGCONT);
    gw_register_free(reg);
}

/* Without a majority nothing is known, within the time that was given; afterwards all is. */
static void test_no_majority(void **state)
{
    struct etcd_server *server = *state;
    struct gw_register *reg = etcd_server_open(server, NULL, NULL);
    struct gw_register_swap first = swap(reg, "majority", 0, "n 0"), s;
    struct gw_register_value v;
    struct gw_register_health h;
    struct gw_error err = { 0 };
    etcd_server_signal(server, 0, SIGSTOP);
    etcd_server_signal(server, 1, SIGSTOP);
    uint64_t begin_ns = gw_boot_ns();
    assert_true(gw_register_read(reg, "majority", SHORT_MS, &v, &err) < 0);
    assert_true(gw_register_cas(reg, "majority", first.now.revision, "n 1", SHORT_MS, &s, &err) <
                0);
    assert_string_equal(gw_register_outcome_name(s.outcome), "unknown");
    assert_true(gw_boot_ns() - begin_ns >= SHORT_MS * GW_NS_PER_MS); /* it did wait */
    assert_int_equal(gw_register_health(reg, 3 * SHORT_MS, &h, &err), 0);
    assert_int_equal(h.members, 3);
    assert_int_equal(h.answering, 1);
    assert_true(h.why[0] != '\0');
    etcd_server_signal(server, 0, SIGCONT);
    etcd_server_signal(server, 1, SIGCONT);
    while (gw_register_cas(reg, "majority", first.now.revision, "n 1", MS, &s, &err) < 0)
        ;
    check_won(&s, "n 1"); /* the one that was in doubt, or this one: one of them */
    assert_string_equal(get(reg, "majority").text, "n 1");
    gw_register_free(reg);
}

/* ---- TLS --------------------------------------------------------------------------------------
 */

static int try_tls(struct etcd_server *server, const char *ca, const char *ours,
                   struct gw_error *err)
{
    char cert[64], key[64];
    const char *url = server->url[0];
    struct gw_register *reg = NULL;
    struct gw_register_value v;
    snprintf(cert, sizeof cert, "%s.pem", ours != NULL ? ours : "");
    snprintf(key, sizeof key, "%s.key", ours != NULL ? ours : "");
    const struct gw_etcd_config config = {
        .endpoints = &url,
        .n_endpoints = 1,
        .prefix = "/godwit",
        .ca_file = etcd_server_path(server, ca),
        .cert_file = ours != NULL ? etcd_server_path(server, cert) : NULL,
        .key_file = ours != NULL ? etcd_server_path(server, key) : NULL,
    };
    assert_int_equal(gw_etcd_open(&config, &reg, err), 0);
    int r = gw_register_read(reg, "tls", MS, &v, err);
    gw_register_free(reg);
    return r;
}

static void test_tls(void **state)
{
    struct etcd_server server;
    struct gw_error err = { 0 };
    etcd_server_init(&server, 1, true);
    assert_int_equal(try_tls(&server, "ca.pem", "client", &err), 0);
    assert_int_equal(try_tls(&server, "other-ca.pem", "client", &err), -EKEYREJECTED);
    assert_non_null(strstr(err.msg, "not trusted"));
    assert_true(try_tls(&server, "ca.pem", "other", &err) < 0); /* it does not want us */
    assert_true(try_tls(&server, "ca.pem", NULL, &err) < 0);
    assert_int_equal(try_tls(&server, "missing.pem", "client", &err), -EKEYREJECTED);
    assert_int_equal(try_tls(&server, "ca.pem", "missing", &err), -EKEYREJECTED);
    /* The certificate is for localhost. */
    snprintf(server.url[0], sizeof server.url[0], "https://127.0.0.1:%u", server.client_port[0]);
    assert_int_equal(try_tls(&server, "ca.pem", "client", &err), -EKEYREJECTED);
    etcd_server_done(&server);
}

static void test_addresses(void **state)
{
    static const struct {
        const char *url, *sentence;
    } rows[] = {
        { "w1:2379", "is not an address: https://HOST:PORT is" },
        { "http://10.0.0.1:2379", "is without TLS" },
        { "https://w1", "is not an address" },
        { "https://w1:2379/path", "is not an address" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_error err = { 0 };
        struct gw_register *reg = NULL;
        const struct gw_etcd_config config = {
            .endpoints = &rows[i].url, .n_endpoints = 1, .prefix = "/godwit", .ca_file = "ca.pem"
        };
        assert_int_equal(gw_etcd_open(&config, &reg, &err), -EINVAL);
        assert_non_null(strstr(err.msg, rows[i].sentence));
    }
    struct gw_register *reg = NULL;
    const struct gw_etcd_config none = { .prefix = "/godwit" };
    assert_int_equal(gw_etcd_open(&none, &reg, NULL), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest one[] = {
        cmocka_unit_test(test_compare_and_swap), cmocka_unit_test(test_twice_the_same),
        cmocka_unit_test(test_bad_arguments),    cmocka_unit_test(test_one_winner),
        cmocka_unit_test(test_answer_lost_once), cmocka_unit_test(test_request_lost_once),
        cmocka_unit_test(test_unknown),          cmocka_unit_test(test_delayed_delivery),
        cmocka_unit_test(test_nobody_there),
    };
    const struct CMUnitTest three[] = {
        cmocka_unit_test(test_leader_killed),
        cmocka_unit_test(test_member_stopped),
        cmocka_unit_test(test_no_majority),
    };
    const struct CMUnitTest own[] = {
        cmocka_unit_test(test_forgot),
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_addresses),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(one, one_member, done) +
           cmocka_run_group_tests(three, three_members, done) +
           cmocka_run_group_tests(own, NULL, NULL);
}
