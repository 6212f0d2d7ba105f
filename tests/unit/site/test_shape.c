// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Shapes: bodies are checked by the words that the document is made from. */
#include "site/api.h"
#include "site/shape.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct site_shape shape = {
    "Test", "by:text8 why?:text at?:time n?:int yes?:bool list?:[text4] any?:any", NULL
};

static void refuse(const char *body, const char *words)
{
    struct gw_error err = { 0 };
    json_t *o = json_loads(body, 0, NULL);
    assert_non_null(o);
    assert_int_equal(site_shape_check(&shape, o, &err), -EINVAL);
    if (strstr(err.msg, words) == NULL)
        fail_msg("%s: '%s' is not in '%s'", body, words, err.msg);
    json_decref(o);
}

static void take(const char *body)
{
    struct gw_error err = { 0 };
    json_t *o = json_loads(body, 0, NULL);
    assert_non_null(o);
    if (site_shape_check(&shape, o, &err) != 0)
        fail_msg("%s: %s", body, err.msg);
    json_decref(o);
}

static void test_check(void **state)
{
    (void)state;
    take("{\"by\":\"eva\"}");
    take(
        "{\"by\":\"12345678\",\"why\":null,\"n\":0,\"yes\":false,\"list\":[\"abcd\"],\"any\":[1]}");
    refuse("{}", "by: is missing");
    refuse("{\"by\":null}", "by: is missing");
    refuse("{\"by\":\"123456789\"}", "by: at most 8 bytes, this has 9");
    refuse("{\"by\":\"a\\nb\"}", "by: control characters");
    refuse("{\"by\":7}", "by: a text is wanted, this is a number");
    refuse("{\"by\":\"e\",\"n\":1.5}", "n: a whole number is wanted");
    refuse("{\"by\":\"e\",\"n\":-1}", "n: a number below 0");
    refuse("{\"by\":\"e\",\"n\":\"1\"}", "n: a number is wanted, this is a text");
    refuse("{\"by\":\"e\",\"yes\":1}", "yes: true or false is wanted, this is a number");
    refuse("{\"by\":\"e\",\"list\":\"a\"}", "list: a list is wanted, this is a text");
    refuse("{\"by\":\"e\",\"list\":[\"a\",\"abcde\"]}", "list[1]: at most 4 bytes");
    refuse("{\"by\":\"e\",\"list\":[{}]}", "list[0]: a text is wanted, this is an object");
    refuse("{\"by\":\"e\",\"yess\":true}", "unknown member \"yess\"; did you mean \"yes\"?");
}

static void test_schema(void **state)
{
    (void)state;
    char *text = site_shape_schema(&shape);
    assert_non_null(text);
    json_t *o = json_loads(text, 0, NULL);
    json_t *p = json_object_get(o, "properties");
    assert_int_equal(json_array_size(json_object_get(o, "required")), 1);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(p, "by"), "maxLength")), 8);
    assert_string_equal(json_string_value(json_object_get(json_object_get(p, "list"), "type")),
                        "array");
    json_decref(o);
    free(text);
}

/* Every name that is used is there: the document can be made. */
static void test_the_whole_document(void **state)
{
    (void)state;
    struct gw_error err = { 0 };
    json_t *o = NULL;
    if (site_api_document(&o, &err) != 0)
        fail_msg("%s", err.msg);
    for (unsigned i = 0; i < site_api_n_routes; i++) {
        const struct gw_http_route *r = &site_api_routes[i];
        assert_true(r->request == NULL || site_shape_find(r->request) != NULL);
        assert_true(r->response == NULL || site_shape_find(r->response) != NULL);
        /* What is answered with a shape of its own is said, and what acts has a body with one. */
        if (r->response == NULL && strcmp(r->path, "/api/v1/openapi.json") != 0)
            assert_true((r->flags & GW_HTTP_STREAM) != 0);
        if (strcmp(r->method, "GET") != 0)
            assert_true(r->request != NULL || (r->flags & GW_HTTP_RAW) != 0);
    }
    json_decref(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check),
        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_the_whole_document),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
