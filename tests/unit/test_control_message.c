// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The pure half of the control protocol: requests, answers, arguments, codes. */
#include "control/message.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *line, size_t len, struct gw_error *err)
{
    /* In memory of its own size, so that ASan sees a step past its end. */
    char *copy = malloc(len + (len == 0));
    assert_non_null(copy);
    memcpy(copy, line, len);
    json_t *j = NULL;
    int r = gw_control_request_parse(copy, len, &j, err);
    assert_int_equal(r == 0, j != NULL);
    json_decref(j);
    free(copy);
    return r;
}

static int parse_text(const char *line)
{
    struct gw_error err = { 0 };
    int r = parse(line, strlen(line), &err);
    assert_int_equal(err.code, r);
    assert_int_equal(r < 0, err.msg[0] != '\0');
    return r;
}

static void test_requests(void **state)
{
    (void)state;
    assert_int_equal(parse_text("{\"cmd\":\"status\"}"), 0);
    assert_int_equal(parse_text(" { \"cmd\" : \"point\", \"tag\": \"a\\\"{[\" }\r"), 0);
    assert_int_equal(parse_text("{\"cmd\":\"\"}"), 0);
    assert_int_equal(parse_text(""), -EBADMSG);
    assert_int_equal(parse_text("status"), -EBADMSG);
    assert_int_equal(parse_text("{\"cmd\":\"status\""), -EBADMSG);
    assert_int_equal(parse_text("{\"cmd\":\"status\"}}"), -EBADMSG);
    assert_int_equal(parse_text("{\"cmd\":\"a\"}{\"cmd\":\"b\"}"), -EBADMSG);
    assert_int_equal(parse_text("{\"cmd\":\"a\",\"cmd\":\"b\"}"), -EBADMSG);
    assert_int_equal(parse_text("{\"cmd\":\"a\\u0000b\"}"), -EBADMSG);
    assert_int_equal(parse_text("{\"cmd\":\"\xff\xfe\"}"), -EBADMSG);
    assert_int_equal(parse_text("{\"cmd\":\"a\",\"n\":9223372036854775808}"), -EBADMSG);
    assert_int_equal(parse_text("[]"), -EINVAL);
    assert_int_equal(parse_text("7"), -EINVAL);
    assert_int_equal(parse_text("{}"), -EINVAL);
    assert_int_equal(parse_text("{\"cmd\":7}"), -EINVAL);
    struct gw_error err;
    assert_int_equal(parse("{\"cmd\":\"a\"}\0", 12, &err), -EBADMSG);
}

/* {"cmd":"a","x":[[[...]]]} with n brackets. */
static int parse_nested(unsigned n, char open, char close)
{
    char line[1024] = "{\"cmd\":\"a\",\"x\":";
    size_t len = strlen(line);
    memset(line + len, open, n);
    memset(line + len + n, close, n);
    len += 2 * n;
    line[len++] = '}';
    struct gw_error err;
    return parse(line, len, &err);
}

static void test_limits(void **state)
{
    (void)state;
    assert_int_equal(parse_nested(GW_CONTROL_DEPTH_MAX - 1, '[', ']'), 0);
    assert_int_equal(parse_nested(GW_CONTROL_DEPTH_MAX, '[', ']'), -EBADMSG);
    /* Brackets inside a text are text; an escaped quote does not end it. */
    assert_int_equal(
        parse_text("{\"cmd\":\"a\",\"x\":\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"}"), 0);

    struct gw_error err;
    size_t size = GW_CONTROL_LINE_BYTES_MAX + 16;
    char *line = malloc(size);
    assert_non_null(line);
    memset(line, '[', size);
    assert_int_equal(parse(line, GW_CONTROL_LINE_BYTES_MAX - 1, &err), -EBADMSG);
    assert_non_null(strstr(err.msg, "deeper than 32"));

    size_t len = (size_t)sprintf(line, "{\"cmd\":\"a\",\"x\":[0");
    for (unsigned i = 0; i < GW_CONTROL_VALUES_MAX; i++) {
        line[len++] = ',';
        line[len++] = '0';
    }
    line[len++] = ']';
    line[len++] = '}';
    assert_int_equal(parse(line, len, &err), -EBADMSG);
    assert_non_null(strstr(err.msg, "more than 16384 values"));

    /* The longest line there is: the limit counts the newline. */
    len = (size_t)sprintf(line, "{\"cmd\":\"a\",\"x\":\"");
    memset(line + len, 'x', size - len);
    memcpy(line + GW_CONTROL_LINE_BYTES_MAX - 3, "\"}", 2);
    assert_int_equal(parse(line, GW_CONTROL_LINE_BYTES_MAX - 1, &err), 0);
    memset(line + len, 'x', size - len);
    memcpy(line + GW_CONTROL_LINE_BYTES_MAX - 2, "\"}", 2);
    assert_int_equal(parse(line, GW_CONTROL_LINE_BYTES_MAX, &err), -EMSGSIZE);
    free(line);
}

/* Whatever comes, a decision and no damage: cut, bent and random lines. */
static void test_garbage(void **state)
{
    (void)state;
    static const char good[] =
        "{\"cmd\":\"point\",\"tag\":\"\\u00e9\\\\x\",\"n\":[1,-2.5e3,{}],\"b\":true}";
    struct gw_error err;
    assert_int_equal(parse(good, sizeof good - 1, &err), 0);
    for (size_t n = 0; n < sizeof good - 1; n++)
        assert_int_equal(parse(good, n, &err), -EBADMSG);
    unsigned accepted = 0;
    uint64_t x = 88172645463325252ull;
    for (int i = 0; i < 20000; i++) {
        char line[sizeof good];
        memcpy(line, good, sizeof good);
        for (int k = 0; k < 3; k++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            line[x % (sizeof good - 1)] = (char)(x >> 32);
        }
        int r = parse(line, sizeof good - 1, &err);
        assert_true(r == 0 || r == -EBADMSG || r == -EINVAL);
        accepted += r == 0;
    }
    assert_true(accepted > 0);
}

static int answer(const char *line, bool *garbage, struct gw_error *err)
{
    json_t *j = NULL;
    int r = gw_control_answer_parse(line, strlen(line), garbage, &j, err);
    assert_int_equal(r == 0, j != NULL);
    json_decref(j);
    return r;
}

static void test_answers(void **state)
{
    (void)state;
    struct gw_error err;
    bool garbage;
    assert_int_equal(answer("{\"ok\":true,\"epoch\":3}", &garbage, &err), 0);
    assert_false(garbage);
    assert_int_equal(answer("{\"progress\":{\"n\":1}}", &garbage, &err), 0);
    assert_int_equal(answer("{\"ok\":false,\"error\":{\"code\":\"ENOSPC\",\"message\":\"full\"}}",
                            &garbage, &err),
                     -ENOSPC);
    assert_false(garbage);
    assert_string_equal(err.msg, "full");
    assert_int_equal(
        answer("{\"ok\":false,\"error\":{\"code\":\"EWHAT\",\"message\":\"?\"}}", &garbage, &err),
        -EIO);
    assert_false(garbage);
    static const char *const bad[] = { "",
                                       "{}",
                                       "[]",
                                       "{\"ok\":1}",
                                       "{\"ok\":false}",
                                       "{\"progress\":1}",
                                       "{\"ok\":false,\"progress\":{}}",
                                       "{\"ok\":false,\"error\":{\"code\":\"EIO\"}}",
                                       "{\"ok\":false,\"error\":\"EIO\"}" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(answer(bad[i], &garbage, &err), -EPROTO);
        assert_true(garbage);
    }
}

static void check_error_line(int code, const char *message, const char *expect)
{
    json_t *j = gw_control_error_json(code, message);
    char *line;
    size_t len;
    assert_int_equal(gw_control_line_format(j, &line, &len, NULL), 0);
    assert_int_equal(len, strlen(expect));
    assert_memory_equal(line, expect, len);
    free(line);
    json_decref(j);
}

static void test_lines(void **state)
{
    (void)state;
    check_error_line(
        -EINVAL, "no \"x\"\n",
        "{\"ok\":false,\"error\":{\"code\":\"EINVAL\",\"message\":\"no \\\"x\\\"\\n\"}}\n");
    check_error_line(-ENOENT, "",
                     "{\"ok\":false,\"error\":{\"code\":\"ENOENT\",\"message\":\"No such file or "
                     "directory\"}}\n");
    check_error_line(
        -EIO, "file \"a\xff\xfe\"",
        "{\"ok\":false,\"error\":{\"code\":\"EIO\",\"message\":\"file \\\"a\?\?\\\"\"}}\n");
    struct gw_error err;
    char *line;
    size_t len;
    assert_int_equal(gw_control_line_format(NULL, &line, &len, &err), -ENOMEM);

    char *big = malloc(GW_CONTROL_LINE_BYTES_MAX);
    assert_non_null(big);
    memset(big, 'x', GW_CONTROL_LINE_BYTES_MAX);
    /* {"a":"..."} and the newline are 9 bytes. */
    for (size_t over = 0; over < 2; over++) {
        json_t *j = json_pack("{s:s%}", "a", big, (size_t)GW_CONTROL_LINE_BYTES_MAX - 9 + over);
        assert_int_equal(gw_control_line_format(j, &line, &len, &err), over ? -EMSGSIZE : 0);
        if (!over) {
            assert_int_equal(len, GW_CONTROL_LINE_BYTES_MAX);
            free(line);
        }
        json_decref(j);
    }
    free(big);
}

static void test_codes(void **state)
{
    (void)state;
    assert_string_equal(gw_control_code_name(-ETIMEDOUT), "ETIMEDOUT");
    assert_string_equal(gw_control_code_name(-3000), "EIO");
    assert_string_equal(gw_control_code_name(7), "EIO");
    for (int e = 1; e < 134; e++) {
        if (strerrorname_np(e) != NULL)
            assert_int_equal(gw_control_code_parse(gw_control_code_name(-e)), -e);
    }
    assert_int_equal(gw_control_code_parse(""), -EIO);
    assert_int_equal(gw_control_code_parse("EINVALID"), -EIO);
}

static void test_arguments(void **state)
{
    (void)state;
    struct gw_error err;
    json_t *j = json_pack("{s:s, s:s, s:I, s:I, s:b, s:n}", "cmd", "x", "text", "t", "n",
                          (json_int_t)1 << 40, "minus", (json_int_t)-1, "yes", 1, "null");
    const char *text = "default";
    uint64_t n = 5;
    bool yes = false;
    assert_int_equal(gw_control_arg_text(j, "text", true, &text, &err), 0);
    assert_string_equal(text, "t");
    assert_int_equal(gw_control_arg_text(j, "none", false, &text, &err), 0);
    assert_int_equal(gw_control_arg_text(j, "null", false, &text, &err), 0);
    assert_string_equal(text, "t");
    assert_int_equal(gw_control_arg_text(j, "null", true, &text, &err), -EINVAL);
    assert_int_equal(gw_control_arg_text(j, "none", true, &text, &err), -EINVAL);
    assert_string_equal(err.msg, "argument \"none\" is missing");
    assert_int_equal(gw_control_arg_text(j, "n", false, &text, &err), -EINVAL);
    assert_int_equal(gw_control_arg_u64(j, "n", true, &n, &err), 0);
    assert_true(n == 1ull << 40);
    assert_int_equal(gw_control_arg_u64(j, "minus", true, &n, &err), -EINVAL);
    assert_int_equal(gw_control_arg_u64(j, "yes", true, &n, &err), -EINVAL);
    assert_int_equal(gw_control_arg_u64(j, "none", false, &n, &err), 0);
    assert_true(n == 1ull << 40);
    assert_int_equal(gw_control_arg_bool(j, "yes", true, &yes, &err), 0);
    assert_true(yes);
    assert_int_equal(gw_control_arg_bool(j, "text", true, &yes, &err), -EINVAL);

    assert_int_equal(gw_control_args_check(j, "n text yes  minus null", &err), 0);
    assert_int_equal(gw_control_args_check(j, "n text ye minus null", &err), -EINVAL);
    assert_non_null(strstr(err.msg, "command \"x\" has no argument \"yes\""));
    assert_int_equal(gw_control_args_check(j, "n text yesno minus null", &err), -EINVAL);
    assert_int_equal(gw_control_args_check(j, NULL, &err), -EINVAL);
    json_decref(j);
    j = json_pack("{s:s}", "cmd", "x");
    assert_int_equal(gw_control_args_check(j, NULL, &err), 0);
    json_object_set_new(j, "", json_true());
    assert_int_equal(gw_control_args_check(j, " a  b ", &err), -EINVAL);
    json_decref(j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),  cmocka_unit_test(test_limits),
        cmocka_unit_test(test_garbage),   cmocka_unit_test(test_answers),
        cmocka_unit_test(test_lines),     cmocka_unit_test(test_codes),
        cmocka_unit_test(test_arguments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
