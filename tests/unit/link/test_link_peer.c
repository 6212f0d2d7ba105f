// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Calls between two sites: results, refusals, versions, strangers, clocks, throughput. */
#include "sites.h"

struct world {
    struct site a, b;
    struct gw_peer *peer; /* b calls a */
    int calls;
    char from[64], id[64];
};

static int do_add(void *ctx, const struct gw_link_request *q, json_t **ret, struct gw_error *err)
{
    struct world *w = ctx;
    uint64_t x = 0, y = 0;
    int r = gw_http_json_u64(q->params, "x", true, &x, err);
    if (r == 0)
        r = gw_http_json_u64(q->params, "y", false, &y, err);
    w->calls++;
    snprintf(w->from, sizeof w->from, "%s", q->from);
    snprintf(w->id, sizeof w->id, "%s", q->id);
    *ret = json_pack("{s:I, s:i}", "sum", (json_int_t)(x + y), "protocol", q->protocol);
    return r;
}

static int do_guard(void *ctx, const struct gw_link_request *q, json_t **ret, struct gw_error *err)
{
    gw_error_set(err, -EBUSY, "run 7 is on");
    gw_http_reply_problem(q->call, 409, "guard", err);
    return gw_http_reply_member(q->call, "guard", json_string("one-run"));
}

static int do_nothing(void *ctx, const struct gw_link_request *q, json_t **ret,
                      struct gw_error *err)
{
    return 0;
}

static int do_unknown(void *ctx, const struct gw_link_request *q, json_t **ret,
                      struct gw_error *err)
{
    return gw_error_set(err, -ETIMEDOUT, "the source did not answer");
}

static const struct gw_link_method methods[] = {
    { "add", "x y", do_add },
    { "guard", NULL, do_guard },
    { "any", "*", do_nothing },
    { "unknown", NULL, do_unknown },
};

static int open_world(void **state)
{
    static struct world w;
    w = (struct world){ 0 };
    site_open(&w.a, "madrid");
    site_open(&w.b, "lisbon");
    site_trust(&w.a, &w.b);
    site_serve(&w.a, methods, 4, &w);
    w.peer = peer_of(&w.b, &w.a, "madrid");
    *state = &w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    gw_peer_free(w->peer);
    site_close(&w->a);
    site_close(&w->b);
    return 0;
}

static void test_calls(void **state)
{
    struct world *w = *state;
    struct gw_error err = { 0 };
    json_t *result = NULL, *problem = NULL;
    enum gw_http_outcome outcome;
    json_t *params = json_pack("{s:i, s:i}", "x", 2, "y", 3);
    assert_ok(gw_peer_call(w->peer, "add", params, CALL_MS, &result, &outcome, &problem, &err),
              &err);
    assert_int_equal(outcome, GW_HTTP_DONE);
    assert_int_equal(json_integer_value(json_object_get(result, "sum")), 5);
    assert_int_equal(json_integer_value(json_object_get(result, "protocol")), GW_LINK_PROTOCOL);
    assert_string_equal(w->from, "lisbon");
    assert_int_equal(strlen(w->id), 36);
    json_decref(result);
    json_object_set_new(params, "z", json_true());
    assert_int_equal(gw_peer_call(w->peer, "add", params, CALL_MS, NULL, &outcome, NULL, &err),
                     -EINVAL);
    assert_contains(err.msg, "unknown member \"z\"; ");
    assert_int_equal(w->calls, 1);
    result = NULL;
    assert_ok(gw_peer_call(w->peer, "any", params, CALL_MS, &result, &outcome, NULL, &err), &err);
    assert_int_equal(json_object_size(result), 0);
    json_decref(result);
    json_decref(params);

    assert_int_equal(gw_peer_call(w->peer, "guard", NULL, CALL_MS, NULL, &outcome, &problem, &err),
                     -EBUSY);
    assert_int_equal(outcome, GW_HTTP_REFUSED);
    assert_string_equal(err.msg, "run 7 is on");
    assert_string_equal(json_string_value(json_object_get(problem, "guard")), "one-run");
    json_decref(problem);
    assert_int_equal(gw_peer_call(w->peer, "nothing", NULL, CALL_MS, NULL, &outcome, NULL, &err),
                     -ENOSYS);
    assert_contains(err.msg, "it may run an older version");
    /* What the peer does not know of a third party we do not know either. */
    assert_int_equal(gw_peer_call(w->peer, "unknown", NULL, CALL_MS, NULL, &outcome, NULL, &err),
                     -ETIMEDOUT);
    assert_int_equal(outcome, GW_HTTP_UNKNOWN);
}

static void test_strangers(void **state)
{
    struct world *w = *state;
    struct gw_error err = { 0 };
    struct site other;
    enum gw_http_outcome outcome;
    site_open(&other, "lisbon");
    struct gw_peer *p = peer_of(&other, &w->a, "madrid");
    assert_int_equal(gw_peer_call(p, "add", NULL, CALL_MS, NULL, &outcome, NULL, &err), -EPERM);
    assert_int_equal(outcome, GW_HTTP_REFUSED);
    assert_contains(err.msg, "is not of a paired site");
    gw_peer_free(p);
    /* The pin of that name is another one's now: from the next call on, on open connections too. */
    assert_ok(gw_peer_call(w->peer, "any", NULL, CALL_MS, NULL, NULL, NULL, &err), &err);
    site_trust(&w->a, &other);
    assert_int_equal(gw_peer_call(w->peer, "any", NULL, CALL_MS, NULL, NULL, NULL, &err), -EPERM);
    site_trust(&w->a, &w->b);
    assert_ok(gw_peer_call(w->peer, "any", NULL, CALL_MS, NULL, NULL, NULL, &err), &err);
    assert_ok(gw_trust_unpin(w->a.trust, "lisbon", &err), &err);
    assert_int_equal(gw_peer_call(w->peer, "any", NULL, CALL_MS, NULL, NULL, NULL, &err), -EPERM);
    site_close(&other);
    assert_int_equal(w->calls, 0);
}

static void test_envelopes(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *sentence;
    } cases[] = {
        { "{\"from\":\"lisbon\",\"protocol\":1,\"request\":\"r\",\"params\":{\"x\":1}}", 0, "" },
        /* The version after ours keeps to ours. */
        { "{\"from\":\"lisbon\",\"protocol\":2,\"request\":\"r\",\"params\":{\"x\":1}}", 0, "" },
        { "{\"from\":\"lisbon\",\"protocol\":3,\"request\":\"r\",\"params\":{\"x\":1}}",
          -EPROTONOSUPPORT, "speaks link protocol 3" },
        { "{\"from\":\"lisbon\",\"protocol\":0,\"request\":\"r\",\"params\":{\"x\":1}}",
          -EPROTONOSUPPORT, "upgrade the older one" },
        { "{\"from\":\"porto\",\"protocol\":1,\"request\":\"r\",\"params\":{\"x\":1}}", -EPERM,
          "of site \"porto\", its certificate of \"lisbon\"" },
        { "{\"from\":\"lisbon\",\"protocol\":1,\"request\":\"r\"}", -EINVAL,
          "\"params\" is missing" },
        { "{\"from\":\"lisbon\",\"protocol\":1,\"params\":{}}", -EINVAL, "\"request\" is missing" },
        { "{\"from\":\"lisbon\",\"protocol\":\"1\",\"request\":\"r\",\"params\":{}}", -EINVAL,
          "\"protocol\"" },
        { "{\"from\":\"lisbon\",\"protocol\":1,\"request\":\"r\",\"params\":[]}", -EINVAL,
          "not an object" },
    };
    struct world *w = *state;
    struct gw_error err = { 0 };
    struct gw_http_client *client;
    const struct gw_http_client_config config = {
        .address = w->a.address,
        .cert_file = gw_identity_cert_file(w->b.id),
        .key_file = gw_identity_key_file(w->b.id),
        .pin = gw_identity_info(w->a.id)->fingerprint,
    };
    assert_ok(gw_http_client_new(&config, &client, &err), &err);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gw_http_response a;
        const struct gw_http_request request = { .method = "POST",
                                                 .path = "/link/v1/add",
                                                 .body = cases[i].text,
                                                 .body_bytes = strlen(cases[i].text),
                                                 .timeout_ms = CALL_MS };
        err = (struct gw_error){ 0 };
        int r = gw_http_client_call(client, &request, &a, &err);
        if (r != cases[i].code || strstr(err.msg, cases[i].sentence) == NULL)
            fail_msg("case %zu: %d: %s", i, r, err.msg);
        gw_http_response_done(&a);
    }
    gw_http_client_free(client);
    assert_int_equal(w->calls, 2);
}

static void test_clock(void **state)
{
    struct gw_clock_sample s;
    const uint64_t day_ns = 24ull * 3600 * GW_NS_PER_S;
    /* Theirs is 1000 ahead; 40 there, 60 back, 7 spent. */
    assert_true(gw_clock_estimate(5000, 6040, 6047, 5107, &s));
    assert_int_equal(s.rtt_ns, 100);
    assert_int_equal(s.uncertain_ns, 50);
    assert_int_equal(s.offset_ns, 990); /* the asymmetry is inside what is uncertain */
    assert_true(gw_clock_estimate(day_ns, 10, 20, day_ns + 30, &s));
    assert_int_equal(s.offset_ns, -(int64_t)day_ns);
    assert_false(gw_clock_estimate(100, 10, 5, 200, &s));
    assert_false(gw_clock_estimate(200, 10, 20, 100, &s));
    assert_false(gw_clock_estimate(100, 10, 200, 150, &s));

    struct world *w = *state;
    struct gw_peer_hello hello;
    struct gw_error err = { 0 };
    uint64_t rate = 0;
    assert_ok(gw_peer_ping(w->peer, 5, CALL_MS, &hello, NULL, &err), &err);
    assert_string_equal(hello.site, "madrid");
    assert_int_equal(hello.protocol, GW_LINK_PROTOCOL);
    assert_true(hello.clock.rtt_ns > 0 && hello.clock.rtt_ns <= hello.rtt_median_ns);
    /* It is the same clock. */
    assert_true(llabs(hello.clock.offset_ns) <= (long long)hello.clock.uncertain_ns + 1000000);
    assert_ok(gw_peer_throughput(w->peer, 4u << 20, 5000, &rate, &err), &err);
    assert_true(rate > 1u << 20);
}

static void test_nobody(void **state)
{
    struct world *w = *state;
    struct gw_error err = { 0 };
    enum gw_http_outcome outcome;
    gw_link_close(w->a.link);
    w->a.link = NULL;
    assert_int_equal(gw_peer_call(w->peer, "any", NULL, CALL_MS, NULL, &outcome, NULL, &err),
                     -ECONNREFUSED);
    assert_int_equal(outcome, GW_HTTP_NOT_SENT);
    assert_contains(err.msg, "site madrid (127.0.0.1:");
    gw_peer_cancel(w->peer);
    assert_int_equal(gw_peer_call(w->peer, "any", NULL, CALL_MS, NULL, &outcome, NULL, &err),
                     -ECANCELED);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_calls, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_strangers, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_envelopes, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_clock, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_nobody, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
