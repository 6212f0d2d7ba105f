// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Messages of runs as JSON: every field of an answer arrives. */
#include "site/runwire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct gw_run_reply full(void)
{
    struct gw_run_reply r = { .answer = GW_ANSWER_BUSY, .have = 7, .epoch = 9 };
    r.outcome.outcome = GW_OUTCOME_EARLIER;
    strcpy(r.outcome.detail, "{\"x\":1}");
    strcpy(r.busy, "01k0000000000000000000000");
    strcpy(r.sentence, "another run of the plan is not over");
    r.entries = calloc(2, sizeof *r.entries);
    r.n = 2;
    for (uint32_t i = 0; i < r.n; i++) {
        r.entries[i].number = i;
        r.entries[i].core.kind = i == 0 ? GW_ENTRY_CREATED : GW_ENTRY_STARTED;
        r.entries[i].core.step = GW_NO_STEP;
        r.entries[i].core.epoch = 9;
        strcpy(r.entries[i].by, "anna");
    }
    return r;
}

static void test_reply(void **state)
{
    struct gw_run_reply r = full(), got = { 0 };
    struct gw_error err = { 0 };
    (void)state;
    json_t *o = site_run_reply_json(&r);
    assert_int_equal(site_run_reply_read(o, &got, &err), 0);
    assert_int_equal(got.answer, r.answer);
    assert_int_equal(got.have, r.have);
    assert_int_equal(got.epoch, r.epoch);
    assert_int_equal(got.outcome.outcome, r.outcome.outcome);
    assert_string_equal(got.outcome.detail, r.outcome.detail);
    assert_string_equal(got.busy, r.busy);
    assert_string_equal(got.sentence, r.sentence);
    assert_int_equal(got.n, r.n);
    for (uint32_t i = 0; i < r.n; i++)
        assert_true(gw_run_entry_equal(&got.entries[i], &r.entries[i]));
    gw_run_reply_done(&got);

    json_object_del(o, "busy"); /* of an older release */
    assert_int_equal(site_run_reply_read(o, &got, &err), 0);
    assert_string_equal(got.busy, "");
    gw_run_reply_done(&got);
    json_object_set_new(o, "busy", json_integer(1));
    assert_int_equal(site_run_reply_read(o, &got, &err), -22);
    json_decref(o);
    gw_run_reply_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_reply) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
