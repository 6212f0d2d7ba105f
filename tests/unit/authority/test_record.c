// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The register's value: there and back, and everything that is refused. */
#include "authority/record.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct gw_tenure good(void)
{
    struct gw_tenure r = { .epoch = 3,
                           .holder = GW_SEAT_FIRST,
                           .beat = 17,
                           .enforced = true,
                           .released_to = GW_SEAT_NONE,
                           .voters = GW_VOTERS_ALL,
                           .since_s = 1700000000 };
    memset(r.incarnation.b, 7, sizeof r.incarnation.b);
    r.copy = (struct gw_copy_state){
        .kind = GW_COPY_ASYNC, .watermark = 99, .lag_ms = 5, .at_s = 1700000001
    };
    return r;
}

static void test_there_and_back(void **state)
{
    char text[GW_TENURE_TEXT_MAX];
    struct gw_tenure r = good(), back;
    struct gw_error err = { 0 };
    (void)state;
    for (unsigned k = 0; k < GW_COPY_MAX; k++) {
        r.copy = (struct gw_copy_state){ .kind = (enum gw_copy)k };
        if (k == GW_COPY_SYNC)
            r.copy.replica_boot = r.incarnation;
        r.maintenance = k == 0 ? GW_VOTER_WITNESS : 0;
        r.voters = GW_VOTERS_ALL & (uint8_t)~r.maintenance;
        r.released_to = k == 1 ? GW_SEAT_SECOND : GW_SEAT_NONE;
        assert_int_equal(gw_tenure_encode(&r, text, &err), 0);
        assert_int_equal(gw_tenure_decode(text, strlen(text), &back, &err), 0);
        assert_true(gw_tenure_equal(&r, &back));
    }
}

static void refused(struct gw_tenure r, const char *words)
{
    struct gw_error err = { 0 };
    assert_int_equal(gw_tenure_check(&r, &err), -EINVAL);
    assert_non_null(strstr(err.msg, words));
}

static void test_contradictions(void **state)
{
    struct gw_tenure r = good();
    (void)state;
    r.epoch = 4;
    refused(r, "odd"); /* P1 */
    r = good();
    r.released_to = GW_SEAT_FIRST;
    refused(r, "released");
    r = good();
    r.voters = GW_VOTER_SECOND;
    refused(r, "holder is not among");
    r = good();
    r.copy.kind = GW_COPY_SYNC;
    refused(r, "without the boot id");
    r = good();
    memset(&r.incarnation, 0, sizeof r.incarnation);
    refused(r, "no incarnation");
    r = good();
    r.maintenance = GW_VOTER_WITNESS;
    refused(r, "votes");
    r = good();
    r.epoch = UINT64_MAX;
    refused(r, "range");
}

/* One change of the text at a time. */
static void test_strict(void **state)
{
    static const struct {
        const char *from, *to;
        int code;
    } rows[] = {
        { "\"version\":1", "\"version\":2", -EPROTO },
        { "\"version\":1", "\"version\":0", -EINVAL },
        { "\"version\":1,", "", -EINVAL },
        { "\"beat\":17", "\"beat\":-1", -EINVAL },
        { "\"beat\":17", "\"beat\":17.5", -EINVAL },
        { "\"beat\":17", "\"beat\":17,\"beat\":18", -EINVAL },
        { "\"beat\":17", "\"beat\":17,\"more\":18", -EINVAL },
        { "\"enforced\":true", "\"enforced\":1", -EINVAL },
        { "\"enforced\":true,", "", -EINVAL },
        { "\"first\",\"second\"", "\"first\",\"first\"", -EINVAL },
        { "\"first\",\"second\"", "\"first\",\"third\"", -EINVAL },
        { "\"lag_ms\":5", "\"lag_ms\":5,\"x\":1", -EINVAL },
        { "\"state\":\"async\"", "\"state\":\"fine\"", -EINVAL },
        { "}}", "}", -EINVAL },
    };
    char text[GW_TENURE_TEXT_MAX], changed[2 * GW_TENURE_TEXT_MAX];
    struct gw_tenure r = good(), back = { .epoch = 77 };
    struct gw_error err = { 0 };
    (void)state;
    assert_int_equal(gw_tenure_encode(&r, text, &err), 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *at = strstr(text, rows[i].from);
        if (at == NULL)
            continue;
        snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - text), text, rows[i].to,
                 at + strlen(rows[i].from));
        assert_int_equal(gw_tenure_decode(changed, strlen(changed), &back, &err), rows[i].code);
        assert_int_equal(back.epoch, 77); /* untouched */
    }
    memset(changed, ' ', sizeof changed);
    assert_int_equal(gw_tenure_decode(changed, GW_TENURE_TEXT_MAX, &back, &err), -EINVAL);
    assert_int_equal(gw_tenure_decode("[]", 2, &back, &err), -EINVAL);
    assert_int_equal(gw_tenure_decode("", 0, &back, &err), -EINVAL);
}

static void test_epochs(void **state)
{
    (void)state;
    assert_int_equal(gw_authority_next_number(0, GW_SEAT_FIRST), 1);
    assert_int_equal(gw_authority_next_number(0, GW_SEAT_SECOND), 2);
    assert_int_equal(gw_authority_next_number(5, GW_SEAT_FIRST), 7);
    assert_int_equal(gw_authority_next_number(5, GW_SEAT_SECOND), 6);
    assert_false(gw_epoch_is_of(0, GW_SEAT_SECOND));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_strict),
        cmocka_unit_test(test_epochs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
