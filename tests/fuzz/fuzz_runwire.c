// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Messages between the executors of two sites, as JSON. First byte: bit 0 a reply. */
#include "fuzz.h"
#include "site/runwire.h"

/* What was taken can be said again, and reads the same. */
static void check_message(const struct gw_run_message *m)
{
    struct gw_error err = { 0 };
    struct gw_run_message again;
    struct gw_run_entry *entries = NULL;
    json_t *o = site_run_message_json(m), *twice;
    FUZZ_CHECK(o != NULL);
    FUZZ_CHECK(site_run_message_read(o, &again, &entries, &err) == 0);
    twice = site_run_message_json(&again);
    FUZZ_CHECK(json_equal(o, twice));
    FUZZ_CHECK(m->from <= GW_SIDE_NEW && m->n <= GW_RUN_COPY_MAX);
    json_decref(o);
    json_decref(twice);
    free(entries);
}

static void check_reply(struct gw_run_reply *r)
{
    struct gw_error err = { 0 };
    struct gw_run_reply again = { 0 };
    json_t *o = site_run_reply_json(r), *twice;
    FUZZ_CHECK(o != NULL && r->answer < GW_ANSWER_MAX);
    FUZZ_CHECK(site_run_reply_read(o, &again, &err) == 0);
    twice = site_run_reply_json(&again);
    FUZZ_CHECK(json_equal(o, twice));
    json_decref(o);
    json_decref(twice);
    gw_run_reply_done(&again);
    gw_run_reply_done(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_error err = { 0 };
    if (size == 0)
        return 0;
    json_t *o = json_loadb((const char *)data + 1, size - 1, JSON_REJECT_DUPLICATES, NULL);
    if (o == NULL)
        return 0;
    if ((data[0] & 1) != 0) {
        struct gw_run_reply r = { 0 };
        if (site_run_reply_read(o, &r, &err) == 0)
            check_reply(&r);
    } else {
        struct gw_run_message m;
        struct gw_run_entry *entries = NULL;
        if (site_run_message_read(o, &m, &entries, &err) == 0)
            check_message(&m);
        free(entries);
    }
    json_decref(o);
    return 0;
}
