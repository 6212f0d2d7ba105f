// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Targets, routes, JSON, problem documents, event streams: all without a socket. */
#include "http/problem.h"
#include "http/route.h"
#include "http/sse.h"
#include "support.h"

static int never(struct gw_http_call *c, struct gw_error *err)
{
    return 0;
}

static const struct gw_http_route routes[] = {
    { "GET", "/api/v1/plans", never, 0, "status limit", "list" },
    { "GET", "/api/v1/plans/{plan}", never, 0, NULL, "show" },
    { "PUT", "/api/v1/plans/{plan}", never, 0, NULL, "apply" },
    { "GET", "/api/v1/plans/check", never, 0, NULL, "literal" },
    { "POST", "/api/v1/plans/{plan}/actions/{action}", never, 0, NULL, "act" },
};

static int find(const char *method, const char *target, struct gw_http_match *match,
                char allow[GW_HTTP_ALLOW_MAX], struct gw_error *err)
{
    static struct gw_http_target t;
    int r = gw_http_target_parse(target, strlen(target), &t, err);
    if (r < 0)
        return r;
    return gw_http_route_find(routes, 5, method, &t, match, allow, err);
}

static void test_routes(void **state)
{
    struct gw_http_match m;
    struct gw_error err = { 0 };
    char allow[GW_HTTP_ALLOW_MAX];
    gw_http_routes_check(routes, 5);
    assert_ok(find("GET", "/api/v1/plans?limit=3&status=", &m, allow, &err), &err);
    assert_ptr_equal(m.route, &routes[0]);
    assert_ok(find("HEAD", "/api/v1/plans/a%2Fb%20c", &m, allow, &err), &err);
    assert_ptr_equal(m.route, &routes[1]);
    assert_int_equal(m.n_params, 1);
    assert_string_equal(m.params[0].value, "a/b c");
    assert_ok(find("GET", "/api/v1/plans/check", &m, allow, &err), &err);
    assert_ptr_equal(m.route, &routes[3]);
    assert_ok(find("POST", "/api/v1/plans/shop/actions/failover", &m, allow, &err), &err);
    assert_int_equal(m.n_params, 2);
    assert_memory_equal(m.params[1].name, "action", m.params[1].name_len);
    assert_string_equal(m.params[1].value, "failover");

    assert_int_equal(find("DELETE", "/api/v1/plans/shop", &m, allow, &err), -EOPNOTSUPP);
    assert_string_equal(allow, "GET, HEAD, PUT");
    assert_int_equal(find("GET", "/api/v1/plan/shop", &m, allow, &err), -ENOENT);
    assert_string_equal(err.msg, "there is no /api/v1/plan/shop; did you mean /api/v1/plans/shop?");
    assert_int_equal(find("GET", "/elsewhere", &m, allow, &err), -ENOENT);
    assert_string_equal(err.msg, "there is no /elsewhere");
    assert_int_equal(find("GET", "/api/v1/plans?limits=3", &m, allow, &err), -EINVAL);
    assert_string_equal(err.msg, "unknown query parameter \"limits\"; possible are: status limit");
}

static void test_targets(void **state)
{
    static const char *const bad[] = {
        "",       "plans",       "http://x/",
        "/a//b",  "/a/",         "/a/../b",
        "/./a",   "/%2e%2e/a",   "/a%",
        "/a%2",   "/a%zz",       "/a%00b",
        "/a%0ab", "/a\x7f",      "/a%ff",
        "/a\xc3", "/a%ed%a0%80", "/a?x=1&x=2",
        "/a?x=%", "/a?b=%c0%80", "/a%f4%90%80%80",
    };
    static struct gw_http_target t;
    struct gw_error err = { 0 };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (gw_http_target_parse(bad[i], strlen(bad[i]), &t, &err) != -EINVAL)
            fail_msg("\"%s\" was taken", bad[i]);
    }
    assert_ok(gw_http_target_parse("/", 1, &t, &err), &err);
    assert_int_equal(t.n_segments, 0);
    const char *good = "/p%C3%A4/%e2%82%ac?a=1+2%2B3&b&c==&&";
    assert_ok(gw_http_target_parse(good, strlen(good), &t, &err), &err);
    assert_string_equal(t.segments[0], "p\xc3\xa4");
    assert_int_equal(t.n_queries, 3);
    assert_string_equal(t.queries[0].value, "1 2+3");
    assert_string_equal(t.queries[1].value, "");
    assert_string_equal(t.queries[2].value, "=");
    assert_string_equal(t.query_text, "a=1+2%2B3&b&c==&&");
    char many[GW_HTTP_TARGET_BYTES_MAX + 2];
    memset(many, 'x', sizeof many);
    many[0] = '/';
    assert_int_equal(gw_http_target_parse(many, GW_HTTP_TARGET_BYTES_MAX, &t, &err), -ENAMETOOLONG);
    assert_ok(gw_http_target_parse(many, GW_HTTP_TARGET_BYTES_MAX - 1, &t, &err), &err);
    assert_int_equal(gw_http_target_parse("/1/2/3/4/5/6/7/8/9/0/1/2/3/4/5/6/7", 34, &t, &err),
                     -EINVAL);
}

static void test_paths(void **state)
{
    char *path = gw_http_path("/plans/{}/runs/{}", "a b/\xc3\xa4", "x-1_.~");
    assert_string_equal(path, "/plans/a%20b%2F%C3%A4/runs/x-1_.~");
    free(path);
}

static void test_json(void **state)
{
    json_t *j = NULL;
    struct gw_error err = { 0 };
    char deep[2 * GW_HTTP_DEPTH_MAX + 8] = "";
    const char *text = NULL;
    uint64_t n = 7;
    assert_int_equal(gw_http_json_parse("{\n \"a\": nope}", 13, 0, &j, &err), -EBADMSG);
    assert_contains(err.msg, "line 2, column ");
    assert_int_equal(gw_http_json_parse("{\"a\":1,\"a\":2}", 13, 0, &j, &err), -EBADMSG);
    assert_contains(err.msg, "duplicate");
    assert_int_equal(gw_http_json_parse("\"\xff\"", 3, 0, &j, &err), -EBADMSG);
    assert_int_equal(gw_http_json_parse("\"\\u0000\"", 8, 0, &j, &err), -EBADMSG);
    assert_int_equal(gw_http_json_parse("", 0, 0, &j, &err), -EBADMSG);
    memset(deep, '[', GW_HTTP_DEPTH_MAX + 1);
    assert_int_equal(gw_http_json_parse(deep, GW_HTTP_DEPTH_MAX + 1, 0, &j, &err), -EBADMSG);
    assert_contains(err.msg, "nested deeper");
    assert_int_equal(gw_http_json_parse("[1,2,3]", 7, 3, &j, &err), -EBADMSG);
    assert_null(j);
    const char *good = "{\"name\":\"x\",\"n\":3,\"null\":null}";
    assert_ok(gw_http_json_parse(good, strlen(good), 9, &j, &err), &err);
    assert_ok(gw_http_json_text(j, "name", true, &text, &err), &err);
    assert_string_equal(text, "x");
    assert_int_equal(gw_http_json_text(j, "n", true, &text, &err), -EINVAL);
    assert_string_equal(err.msg, "\"n\": not a text");
    assert_int_equal(gw_http_json_u64(j, "null", true, &n, &err), -EINVAL);
    assert_ok(gw_http_json_u64(j, "null", false, &n, &err), &err);
    assert_int_equal(n, 7);
    assert_ok(gw_http_json_members(j, "n name null", &err), &err);
    assert_int_equal(gw_http_json_members(j, "n names null", &err), -EINVAL);
    assert_string_equal(err.msg, "unknown member \"name\"; did you mean \"names\"?");
    json_decref(j);
}

static void test_problems(void **state)
{
    struct gw_error err = { 0 };
    struct gw_http_problem p;
    gw_error_set(&err, -ENOENT, "there is no plan \"shp\"");
    json_t *j = gw_http_problem_new(404, "not-found", &err);
    char *text = json_dumps(j, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(text, "{\"code\":\"ENOENT\",\"detail\":\"there is no plan \\\"shp\\\"\","
                              "\"status\":404,\"title\":\"Not found\","
                              "\"type\":\"urn:godwit:problem:not-found\"}");
    gw_http_problem_read(404, text, strlen(text), &p, NULL);
    assert_int_equal(p.code, -ENOENT);
    assert_string_equal(p.name, "not-found");
    assert_string_equal(p.detail, "there is no plan \"shp\"");
    assert_false(p.unknown);
    free(text);
    json_decref(j);

    static const char *const garbage[] = { "", "<html>", "[1]", "{\"detail\":7}",
                                           "{\"type\":\"x\"}" };
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        gw_http_problem_read(503, garbage[i], strlen(garbage[i]), &p, NULL);
        assert_int_equal(p.code, -EAGAIN);
        assert_string_equal(p.name, "");
        assert_string_equal(p.detail, "the server answered 503 Service Unavailable");
    }
    j = gw_http_problem_new(504, "outcome-unknown", NULL);
    text = json_dumps(j, 0);
    gw_http_problem_read(504, text, strlen(text), &p, NULL);
    assert_true(p.unknown);
    free(text);
    json_decref(j);
    assert_int_equal(gw_http_problem_kind(-EBUSY).status, 409);
    assert_string_equal(gw_http_problem_kind(-ETIMEDOUT).name, "outcome-unknown");
    assert_int_equal(gw_http_problem_kind(-EIO).status, 500);
}

struct seen {
    char text[512];
    int stop_after;
};

static int on_event(void *ctx, const char *id, const char *kind, const char *data)
{
    struct seen *s = ctx;
    size_t at = strlen(s->text);
    snprintf(s->text + at, sizeof s->text - at, "[%s|%s|%s]", id, kind != NULL ? kind : "-",
             data != NULL ? data : "-");
    return s->stop_after != 0 && --s->stop_after == 0 ? 42 : 0;
}

static void test_sse(void **state)
{
    static const char stream[] = "\xef\xbb\xbfid: 1\nevent: run\ndata: {}\n\n"
                                 ": alive\r\n"
                                 "data:a\rdata: b\r\r"
                                 "id: 2\r\ndata\r\n\r\n"
                                 "event: nothing\n\n"
                                 "unknown: x\ndata: last\n\ndata: cut";
    struct gw_error err = { 0 };
    /* Whole, and byte by byte. */
    for (size_t step = 1; step <= sizeof stream; step += sizeof stream - 1) {
        struct seen s = { 0 };
        struct gw_sse *sse = gw_sse_new(on_event, &s);
        for (size_t i = 0; i < sizeof stream - 1; i += step) {
            size_t left = sizeof stream - 1 - i;
            assert_ok(gw_sse_feed(sse, stream + i, left < step ? left : step, &err), &err);
        }
        assert_string_equal(s.text,
                            "[1|run|{}][1|-|-][1|message|a\nb][2|message|][2|message|last]");
        gw_sse_free(sse);
    }
    struct seen s = { .stop_after = 1 };
    struct gw_sse *sse = gw_sse_new(on_event, &s);
    assert_int_equal(gw_sse_feed(sse, "data: 1\n\ndata: 2\n\n", 18, &err), 42);
    assert_string_equal(s.text, "[|message|1]");
    gw_sse_free(sse);
    sse = gw_sse_new(on_event, &s);
    char *big = malloc(GW_SSE_LINE_BYTES_MAX + 1);
    memset(big, 'x', GW_SSE_LINE_BYTES_MAX + 1);
    assert_int_equal(gw_sse_feed(sse, big, GW_SSE_LINE_BYTES_MAX + 1, &err), -EMSGSIZE);
    free(big);
    gw_sse_free(sse);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_routes),   cmocka_unit_test(test_targets),
        cmocka_unit_test(test_paths),    cmocka_unit_test(test_json),
        cmocka_unit_test(test_problems), cmocka_unit_test(test_sse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
