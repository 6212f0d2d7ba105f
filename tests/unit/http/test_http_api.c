// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What an API is made of: idempotency keys, entity tags, and the OpenAPI document. */
#include "http/keys.h"
#include "http/openapi.h"
#include "support.h"

#define KEYS_MAX 8

struct kept {
    char who[64], key[64];
    struct gw_http_key_record record;
};

struct world {
    char dir[64], path[96], address[112];
    struct gw_http_server *server;
    struct gw_http_client *client;
    pthread_mutex_t lock;
    struct kept keys[KEYS_MAX];
    int n_keys, acts;
    bool refuse;
    const char *etag;
    struct gw_http_key_store store;
};

static struct kept *find(struct world *w, const char *who, const char *key)
{
    for (int i = 0; i < w->n_keys; i++) {
        if (strcmp(w->keys[i].who, who) == 0 && strcmp(w->keys[i].key, key) == 0)
            return &w->keys[i];
    }
    return NULL;
}

static int key_begin(void *ctx, const char *who, const char *key, const char *request,
                     struct gw_http_key_record *ret, struct gw_error *err)
{
    struct world *w = ctx;
    struct kept *k = find(w, who, key);
    if (k == NULL) {
        k = &w->keys[w->n_keys++];
        snprintf(k->who, sizeof k->who, "%s", who);
        snprintf(k->key, sizeof k->key, "%s", key);
        snprintf(k->record.request, sizeof k->record.request, "%s", request);
        k->record.state = GW_HTTP_KEY_RUNNING;
        ret->state = GW_HTTP_KEY_NEW;
        return 0;
    }
    *ret = k->record;
    ret->body = k->record.body != NULL ? strdup(k->record.body) : NULL;
    ret->location = k->record.location != NULL ? strdup(k->record.location) : NULL;
    return 0;
}

static int key_end(void *ctx, const char *who, const char *key, int status, const char *body,
                   const char *location, struct gw_error *err)
{
    struct kept *k = find(ctx, who, key);
    k->record.state = GW_HTTP_KEY_DONE;
    k->record.status = status;
    k->record.body = strdup(body);
    k->record.location = strdup(location);
    return 0;
}

static int key_forget(void *ctx, const char *who, const char *key, struct gw_error *err)
{
    struct world *w = ctx;
    assert_ptr_equal(find(w, who, key), &w->keys[w->n_keys - 1]);
    w->n_keys--;
    return 0;
}

static int do_act(struct gw_http_call *c, struct gw_error *err)
{
    struct world *w = gw_http_call_ctx(c);
    int r = gw_http_key_begin(c, &w->store, err);
    if (r != 0)
        return r < 0 ? r : 0;
    if (w->refuse)
        gw_http_reply_problem(c, 409, "guard", NULL);
    else {
        gw_http_reply_header(c, "Location", "/runs/7");
        gw_http_reply_json(c, 202, json_pack("{s:i}", "act", ++w->acts));
    }
    return gw_http_key_end(c, &w->store, err);
}

static int do_get(struct gw_http_call *c, struct gw_error *err)
{
    struct world *w = gw_http_call_ctx(c);
    if (gw_http_not_modified(c, w->etag))
        return 0;
    gw_http_reply_etag(c, w->etag);
    return gw_http_reply_json(c, 200, json_object());
}

static int do_put(struct gw_http_call *c, struct gw_error *err)
{
    struct world *w = gw_http_call_ctx(c);
    bool present;
    int r = gw_http_if_match(c, w->etag, &present, err);
    return r < 0 ? r : gw_http_reply_json(c, 200, json_pack("{s:b}", "present", (int)present));
}

static const struct gw_http_route routes[] = {
    { "POST", "/api/v1/plans/{plan}/actions/{action}", do_act, GW_HTTP_KEYED, "dry_run", "act",
      "Action", "Run", 202 },
    { "GET", "/api/v1/plans/{plan}", do_get, 0, NULL, "show", NULL, "Plan" },
    { "PUT", "/api/v1/plans/{plan}", do_put, GW_HTTP_MATCHED | GW_HTTP_RAW, NULL, "apply", "Plan",
      "Plan" },
    { "GET", "/api/v1/events", do_get, GW_HTTP_STREAM, NULL, "follow" },
};

static struct world *open_world(void)
{
    struct world *w = calloc(1, sizeof *w);
    struct gw_error err = { 0 };
    make_dir(w->dir);
    snprintf(w->path, sizeof w->path, "%s/api.sock", w->dir);
    snprintf(w->address, sizeof w->address, "unix:%s", w->path);
    w->store = (struct gw_http_key_store){ w, key_begin, key_end, key_forget };
    w->etag = "v3-abc";
    const struct gw_http_config config = {
        .unix_path = w->path, .routes = routes, .n_routes = 4, .ctx = w
    };
    assert_ok(gw_http_start(&config, &w->server, &err), &err);
    w->client = client_of(w->address);
    return w;
}

static void close_world(struct world *w)
{
    gw_http_client_free(w->client);
    gw_http_stop(w->server);
    for (int i = 0; i < w->n_keys; i++) {
        free(w->keys[i].record.body);
        free(w->keys[i].record.location);
    }
    drop_dir(w->dir);
    free(w);
}

static int call_with(struct world *w, const char *method, const char *path, const char *body,
                     const char *name, const char *value, struct gw_http_response *ret,
                     struct gw_error *err)
{
    const struct gw_http_header header = { name, value };
    const struct gw_http_request request = { .method = method,
                                             .path = path,
                                             .body = body,
                                             .body_bytes = strlen(body),
                                             .headers = &header,
                                             .n_headers = name != NULL ? 1 : 0,
                                             .timeout_ms = CALL_MS };
    return gw_http_client_call(w->client, &request, ret, err);
}

#define ACT "/api/v1/plans/shop/actions/failover"
#define KEY "Idempotency-Key"

static void test_keys(void **state)
{
    struct world *w = open_world();
    struct gw_http_response a;
    struct gw_error err = { 0 };
    assert_ok(call_with(w, "POST", ACT, "{\"a\":1,\"b\":2}", KEY, "k1", &a, &err), &err);
    assert_string_equal(a.text, "{\"act\":1}");
    assert_false(a.replayed);
    gw_http_response_done(&a);
    /* The same request, in other words. */
    assert_ok(call_with(w, "POST", ACT, "{ \"b\": 2, \"a\":1}", KEY, "k1", &a, &err), &err);
    assert_string_equal(a.text, "{\"act\":1}");
    assert_string_equal(a.location, "/runs/7");
    assert_int_equal(a.status, 202);
    assert_true(a.replayed);
    gw_http_response_done(&a);
    /* Another one. */
    static const char *const others[][2] = { { ACT, "{\"a\":2,\"b\":2}" },
                                             { ACT "?dry_run=1", "{\"a\":1,\"b\":2}" },
                                             { "/api/v1/plans/shop/actions/revert",
                                               "{\"a\":1,\"b\":2}" } };
    for (int i = 0; i < 3; i++) {
        assert_int_equal(call_with(w, "POST", others[i][0], others[i][1], KEY, "k1", &a, &err),
                         -EEXIST);
        assert_int_equal(a.status, 422);
        assert_string_equal(a.problem, "key-reused");
        gw_http_response_done(&a);
    }
    w->keys[0].record.state = GW_HTTP_KEY_RUNNING;
    assert_int_equal(call_with(w, "POST", ACT, "{\"a\":1,\"b\":2}", KEY, "k1", &a, &err), -EBUSY);
    assert_string_equal(a.problem, "key-running");
    assert_int_equal(a.retry_after_s, 2);
    gw_http_response_done(&a);
    /* A refusal is forgotten: it can be tried again. */
    w->refuse = true;
    assert_int_equal(call_with(w, "POST", ACT, "{}", KEY, "k2", &a, &err), -EBUSY);
    gw_http_response_done(&a);
    w->refuse = false;
    assert_ok(call_with(w, "POST", ACT, "{}", KEY, "k2", &a, &err), &err);
    assert_string_equal(a.text, "{\"act\":2}");
    gw_http_response_done(&a);
    /* Without a key each is new. */
    assert_ok(call_with(w, "POST", ACT, "{}", NULL, NULL, &a, &err), &err);
    gw_http_response_done(&a);
    assert_int_equal(w->acts, 3);
    assert_int_equal(w->n_keys, 2);
    assert_int_equal(call_with(w, "POST", ACT, "{}", KEY, "a b", &a, &err), -EINVAL);
    gw_http_response_done(&a);
    close_world(w);
}

static void test_etags(void **state)
{
    static const struct {
        const char *if_match, *etag;
        int code;
    } cases[] = {
        { "\"v3-abc\"", "v3-abc", 0 },
        { "\"old\", \"v3-abc\"", "v3-abc", 0 },
        { "*", "v3-abc", 0 },
        { "\"old\"", "v3-abc", -ESTALE },
        { "W/\"v3-abc\"", "v3-abc", -ESTALE }, /* a weak one never matches here */
        { "*", NULL, -ESTALE },
        { "\"v3-abc\"", NULL, -ESTALE },
        { "v3-abc", "v3-abc", -EINVAL },
        { "\"v3-abc", "v3-abc", -EINVAL },
        { "\"a\" \"b\"", "v3-abc", -EINVAL },
    };
    struct world *w = open_world();
    struct gw_http_response a;
    struct gw_error err = { 0 };
    const char *path = "/api/v1/plans/shop";
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        w->etag = cases[i].etag;
        int r = call_with(w, "PUT", path, "x", "If-Match", cases[i].if_match, &a, &err);
        if (r != cases[i].code || (r == -ESTALE && a.status != 412))
            fail_msg("%s: %d, status %d: %s", cases[i].if_match, r, a.status, err.msg);
        if (r == -ESTALE && cases[i].etag != NULL)
            assert_string_equal(a.etag, "\"v3-abc\"");
        gw_http_response_done(&a);
    }
    w->etag = "v3-abc";
    assert_ok(call_with(w, "PUT", path, "x", NULL, NULL, &a, &err), &err);
    assert_string_equal(a.text, "{\"present\":false}");
    gw_http_response_done(&a);
    assert_ok(call_with(w, "GET", path, "", "If-None-Match", "W/\"v3-abc\"", &a, &err), &err);
    assert_int_equal(a.status, 304);
    gw_http_response_done(&a);
    assert_ok(call_with(w, "GET", path, "", "If-None-Match", "\"v2\"", &a, &err), &err);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.etag, "\"v3-abc\"");
    gw_http_response_done(&a);
    close_world(w);
}

static const struct gw_http_schema schemas[] = {
    { "Action", "{\"type\":\"object\"}" },
    { "Run", "{\"type\":\"object\",\"properties\":{\"steps\":{\"type\":\"array\",\"items\":{"
             "\"$ref\":\"#/components/schemas/Step\"}}}}" },
    { "Step", "{\"type\":\"object\"}" },
    { "Plan", "{\"type\":\"object\"}" },
};

static struct gw_http_openapi api_of(const struct gw_http_schema *list, size_t n)
{
    return (struct gw_http_openapi){ .title = "godwit",
                                     .version = "1",
                                     .routes = routes,
                                     .n_routes = 4,
                                     .schemas = list,
                                     .n_schemas = n };
}

static void test_openapi(void **state)
{
    struct gw_error err = { 0 };
    json_t *j = NULL;
    const struct gw_http_openapi api = api_of(schemas, 4);
    assert_ok(gw_http_openapi_make(&api, &j, &err), &err);
    json_t *paths = json_object_get(j, "paths");
    assert_int_equal(json_object_size(paths), 3);
    json_t *act =
        json_object_get(json_object_get(paths, "/api/v1/plans/{plan}/actions/{action}"), "post");
    char *text = json_dumps(act, JSON_COMPACT);
    assert_contains(text, "\"operationId\":\"post_plans_plan_actions_action\"");
    assert_contains(text, "\"tags\":[\"plans\"]");
    assert_contains(text, "{\"name\":\"plan\",\"in\":\"path\",\"required\":true");
    assert_contains(text, "{\"name\":\"dry_run\",\"in\":\"query\",\"required\":false");
    assert_contains(text, "\"Idempotency-Key\",\"in\":\"header\"");
    assert_contains(text, "\"202\":");
    assert_contains(text, "{\"$ref\":\"#/components/schemas/Action\"}");
    assert_contains(text, "application/problem+json");
    free(text);
    assert_int_equal(json_object_size(json_object_get(paths, "/api/v1/plans/{plan}")), 2);
    json_decref(j);
}

static void test_openapi_wrong(void **state)
{
    static const struct {
        struct gw_http_schema last;
        size_t n;
        const char *sentence;
    } cases[] = {
        { { "Other", "{}" }, 5, "schema Other is named by nothing" },
        { { "Plan", "{}" }, 5, "schema Plan is there twice" },
        { { "Other", "{" }, 5, "schema Other: not JSON" },
        { { "Other", "{\"$ref\":\"#/components/schemas/Nope\"}" },
          5,
          "refers to \"#/components/schemas/Nope\", which there is not" },
        { { NULL, NULL }, 3, "names the schema Plan, which there is not" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gw_http_schema list[5];
        struct gw_error err = { 0 };
        json_t *j = NULL;
        memcpy(list, schemas, sizeof schemas);
        list[4] = cases[i].last;
        const struct gw_http_openapi api = api_of(list, cases[i].n);
        assert_int_equal(gw_http_openapi_make(&api, &j, &err), -EINVAL);
        assert_contains(err.msg, cases[i].sentence);
        assert_null(j);
    }
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_etags),
        cmocka_unit_test(test_openapi),
        cmocka_unit_test(test_openapi_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
