// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What agents say of themselves: those that Debian ships, and documents that are wrong. */
#include "fence/agent.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define AGENT(inside)                                                                              \
    "<?xml version=\"1.0\" ?>\n<resource-agent name=\"x\">" inside "</resource-agent>"

static void test_shipped(void **state)
{
    static const struct {
        const char *agent, *parameter;
        bool required, monitor;
    } rows[] = {
        { "fence_ipmilan", "lanplus", false, true },
        { "fence_dummy", "status_file", false, true },
        { "fence_virsh", "plug", true, true },
        { "fence_redfish", "systems_uri", false, true },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_fence_metadata m;
        struct gw_error err = { 0 };
        if (gw_fence_describe(rows[i].agent, &m, &err) < 0)
            fail_msg("%s: %s", rows[i].agent, err.msg);
        const struct gw_fence_parameter *p = gw_fence_metadata_find(&m, rows[i].parameter);
        assert_non_null(p);
        assert_int_equal(p->required, rows[i].required);
        assert_true(m.off && m.status);
        assert_int_equal(m.monitor, rows[i].monitor);
        assert_null(gw_fence_metadata_find(&m, "no such thing"));
        assert_true(gw_fence_metadata_find(&m, "action")->has_default);
        gw_fence_metadata_done(&m);
    }
}

static int check_virsh(const struct gw_fence_metadata *m, const char *ip, const char *plug)
{
    const struct gw_fence_param params[] = { { ip, "h" }, { plug, "vm" }, { "username", "u" } };
    const struct gw_fence_device d = {
        .name = "x", .agent = "fence_virsh", .params = params, .n_params = 3
    };
    return gw_fence_check_params(&d, m, NULL);
}

/* "ipaddr" is the old name of "ip"; one of the two is needed, and either will do. */
static void test_old_names(void **state)
{
    struct gw_fence_metadata m;
    assert_int_equal(gw_fence_describe("fence_virsh", &m, NULL), 0);
    assert_int_equal(check_virsh(&m, "ip", "plug"), 0);
    assert_int_equal(check_virsh(&m, "ipaddr", "port"), 0);
    assert_int_equal(check_virsh(&m, "ip", "ipaddr"), -EINVAL);
    assert_int_equal(check_virsh(&m, "plug", "port"), -EINVAL);
    gw_fence_metadata_done(&m);
}

static void test_not_an_agent(void **state)
{
    struct gw_fence_metadata m;
    struct gw_error err = { 0 };
    assert_int_equal(gw_fence_describe("fence_nothing_like_it", &m, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "install fence-agents"));
    assert_int_equal(gw_fence_describe("true", &m, &err), -EINVAL);
    assert_int_equal(gw_fence_describe("false", &m, &err), -EIO);
}

static void test_documents(void **state)
{
    static const struct {
        const char *text;
        int code;
        const char *sentence;
    } rows[] = {
        { AGENT(""), 0, "" },
        { AGENT("<parameters><parameter name=\"a\"/></parameters><actions><action name=\"off\"/>"
                "</actions>"),
          0, "" },
        { "", -EINVAL, "line 1" },
        { "garbage", -EINVAL, "line 1" },
        { "<html/>", -EINVAL, "it is not about an agent" },
        { AGENT("<parameter/>"), -EINVAL, "a parameter without a name" },
        { AGENT("<parameter name=\"a\">"), -EINVAL, "line 2" },
        { "<!DOCTYPE x [<!ENTITY a \"b\">]>" AGENT(""), -EINVAL, "line 1" },
        { "<!DOCTYPE resource-agent><resource-agent/>", -EINVAL, "it has a document type" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_fence_metadata m;
        struct gw_error err = { 0 };
        int r = gw_fence_metadata_read(rows[i].text, strlen(rows[i].text), &m, &err);
        if (r != rows[i].code || strstr(err.msg, rows[i].sentence) == NULL)
            fail_msg("%s: %d %s", rows[i].text, r, err.msg);
        assert_true(r == 0 || m.n_parameters == 0);
        gw_fence_metadata_done(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped),
        cmocka_unit_test(test_old_names),
        cmocka_unit_test(test_not_an_agent),
        cmocka_unit_test(test_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
