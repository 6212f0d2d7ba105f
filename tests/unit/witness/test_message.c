// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* etcd's messages: what we send, byte for byte, and what we make of what comes back. */
#include "base/cleanup.h"
#include "http/json.h"
#include "witness/etcd_message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEADER "\"header\":{\"cluster_id\":\"14841639068965178418\",\"revision\":\"42\"}"
#define KEY "/godwit/k" /* L2dvZHdpdC9r */
#define KV(value) "{\"key\":\"L2dvZHdpdC9r\",\"mod_revision\":\"17\"" value "}"

static json_t *parse(const char *text)
{
    json_error_t why;
    json_t *j = json_loads(text, 0, &why);
    if (j == NULL)
        fail_msg("%s: %s", text, why.text);
    return j;
}

static void test_bodies(void **state)
{
    CLEANUP_HTTP_JSON json_t *range = gw_etcd_range_body(KEY);
    CLEANUP_HTTP_JSON json_t *txn = gw_etcd_txn_body(KEY, 17, "mine");
    CLEANUP_FREE char *range_text = json_dumps(range, JSON_COMPACT);
    CLEANUP_FREE char *txn_text = json_dumps(txn, JSON_COMPACT);
    assert_string_equal(range_text, "{\"key\":\"L2dvZHdpdC9r\"}");
    assert_string_equal(
        txn_text, "{\"compare\":[{\"key\":\"L2dvZHdpdC9r\",\"target\":\"MOD\",\"result\":\"EQUAL\","
                  "\"mod_revision\":\"17\"}],\"success\":[{\"request_put\":{\"key\":"
                  "\"L2dvZHdpdC9r\",\"value\":\"bWluZQ==\"}}],\"failure\":[{\"request_range\":{"
                  "\"key\":\"L2dvZHdpdC9r\"}}]}");
}

static void test_range(void **state)
{
    static const struct {
        const char *text;
        int code;
        uint64_t revision;
        const char *value;
    } rows[] = {
        { "{" HEADER "}", 0, 0, "" },
        { "{" HEADER ",\"kvs\":[" KV(",\"value\":\"bWluZQ==\"") "],\"count\":\"1\"}", 0, 17,
          "mine" },
        { "{" HEADER ",\"kvs\":[" KV("") "]}", 0, 17, "" }, /* set to nothing, by somebody */
        { "{}", -EPROTO, 0, "" },
        { "{\"header\":{\"cluster_id\":\"1\"}}", -EPROTO, 0, "" },
        { "{\"header\":{\"cluster_id\":\"1\",\"revision\":\"x\"}}", -EPROTO, 0, "" },
        { "{\"header\":{\"cluster_id\":\"1\",\"revision\":-4}}", -EPROTO, 0, "" },
        { "{\"header\":{\"cluster_id\":\"1\",\"revision\":\"99999999999999999999\"}}", -EPROTO, 0,
          "" },
        { "{" HEADER ",\"kvs\":[]}", -EPROTO, 0, "" },
        { "{" HEADER ",\"kvs\":{}}", -EPROTO, 0, "" },
        { "{" HEADER ",\"kvs\":[7]}", -EPROTO, 0, "" },
        { "{" HEADER ",\"kvs\":[" KV("") "," KV("") "]}", -EPROTO, 0, "" },
        { "{" HEADER ",\"kvs\":[{\"key\":\"eA==\",\"mod_revision\":\"17\"}]}", -EPROTO, 0, "" },
        { "{" HEADER ",\"kvs\":[{\"key\":\"L2dvZHdpdC9r\"}]}", -EPROTO, 0, "" },
        { "{" HEADER ",\"kvs\":[" KV(",\"value\":\"!!!!\"") "]}", -EPROTO, 17, "" },
        { "{" HEADER ",\"kvs\":[" KV(",\"value\":7") "]}", -EPROTO, 17, "" },
        { "{" HEADER ",\"kvs\":[" KV(",\"value\":\"YQBi\"") "]}", -EPROTO, 17, "" }, /* a NUL */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_register_value v;
        struct gw_etcd_header header;
        struct gw_error err = { 0 };
        CLEANUP_HTTP_JSON json_t *j = parse(rows[i].text);
        int r = gw_etcd_read_range(j, KEY, &header, &v, &err);
        if (r != rows[i].code)
            fail_msg("%s: %d %s", rows[i].text, r, err.msg);
        assert_string_equal(v.text, r < 0 && rows[i].revision == 0 ? "" : rows[i].value);
        if (r == 0) {
            assert_int_equal(v.revision, rows[i].revision);
            assert_true(header.cluster_id == 14841639068965178418u);
            assert_int_equal(header.revision, 42);
        }
    }
}

static void test_txn(void **state)
{
    static const struct {
        const char *text;
        int code, won;
        uint64_t revision;
        const char *value;
    } rows[] = {
        { "{" HEADER ",\"succeeded\":true,\"responses\":[{\"response_put\":{}}]}", 0, 1, 42, "" },
        { "{" HEADER
          ",\"responses\":[{\"response_range\":{\"kvs\":[" KV(",\"value\":\"bWluZQ==\"") "]}}]}",
          0, 0, 17, "mine" },
        { "{" HEADER ",\"succeeded\":false,\"responses\":[{\"response_range\":{}}]}", 0, 0, 0, "" },
        /* It says that it won, and not what it did. */
        { "{" HEADER ",\"succeeded\":true}", -EPROTO, 1, 0, "" },
        { "{" HEADER ",\"succeeded\":true,\"responses\":[{\"response_range\":{}}]}", -EPROTO, 1, 0,
          "" },
        { "{" HEADER ",\"responses\":[{\"response_put\":{}}]}", -EPROTO, 0, 0, "" },
        { "{" HEADER ",\"responses\":[]}", -EPROTO, 0, 0, "" },
        { "{\"succeeded\":true,\"responses\":[{\"response_put\":{}}]}", -EPROTO, 1, 0, "" },
        { "{" HEADER ",\"succeeded\":\"true\",\"responses\":[{\"response_put\":{}}]}", -EPROTO, 0,
          0, "" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_register_value v;
        struct gw_etcd_header header;
        struct gw_error err = { 0 };
        bool won;
        CLEANUP_HTTP_JSON json_t *j = parse(rows[i].text);
        int r = gw_etcd_read_txn(j, KEY, &header, &won, &v, &err);
        if (r != rows[i].code || won != rows[i].won)
            fail_msg("%s: %d %s", rows[i].text, r, err.msg);
        assert_int_equal(v.revision, rows[i].revision);
        assert_string_equal(v.text, rows[i].value);
    }
}

/* Only what etcd refuses before it proposes it is surely not done. */
static void test_errors(void **state)
{
    static const struct {
        const char *text;
        bool not_done;
        int code;
        const char *sentence;
    } rows[] = {
        { "{\"error\":\"etcdserver: key is not provided\",\"code\":3}", true, -EINVAL,
          "etcdserver: key is not provided" },
        { "{\"error\":\"etcdserver: permission denied\",\"code\":7}", true, -EACCES,
          "etcdserver: permission denied" },
        { "{\"error\":\"etcdserver: invalid auth token\",\"code\":16}", true, -EACCES,
          "etcdserver: invalid auth token" },
        { "{\"error\":\"etcdserver: request timed out\",\"code\":14}", false, -EAGAIN,
          "etcdserver: request timed out" },
        { "{\"error\":\"etcdserver: mvcc: database space exceeded\",\"code\":8}", false, -ENOSPC,
          "etcdserver: mvcc: database space exceeded" },
        { "{\"error\":\"context deadline exceeded\",\"code\":4}", false, -EAGAIN,
          "context deadline exceeded" },
        { "{\"code\":\"3\"}", false, -EAGAIN, "it answered 503" },
        { "{}", false, -EAGAIN, "it answered 503" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[128];
        bool not_done;
        int code;
        CLEANUP_HTTP_JSON json_t *j = parse(rows[i].text);
        gw_etcd_read_error(j, 503, &not_done, &code, text, sizeof text);
        assert_int_equal(not_done, rows[i].not_done);
        assert_int_equal(code, rows[i].code);
        assert_string_equal(text, rows[i].sentence);
    }
    char text[64];
    bool not_done = true;
    int code;
    gw_etcd_read_error(NULL, 500, &not_done, &code, text, sizeof text);
    assert_false(not_done);
    assert_string_equal(text, "it answered 500");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_txn),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
