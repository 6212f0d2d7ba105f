// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Forecasts: nothing overflows, nothing that is not known becomes a number, zero loss is proven. */
#include "base/checked.h"
#include "core/forecast.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MIB (1024ull * 1024)
#define NK GW_NOT_KNOWN

static void is_time(uint64_t bytes, uint64_t rate, uint64_t inflow, enum gw_forecast_kind kind,
                    uint64_t ms)
{
    struct gw_forecast_time t = { .ms = 77 };
    gw_forecast_sync(bytes, rate, inflow, &t);
    assert_int_equal(t.kind, kind);
    assert_int_equal(t.ms, ms);
}

static void test_sync(void **state)
{
    is_time(100 * MIB, 10 * MIB, 0, GW_FORECAST_KNOWN, 10000);
    is_time(100 * MIB, 20 * MIB, 10 * MIB, GW_FORECAST_KNOWN, 10000);
    is_time(100 * MIB, 10 * MIB, NK, GW_FORECAST_AT_LEAST, 10000);
    is_time(100 * MIB, 10 * MIB, 10 * MIB, GW_FORECAST_NEVER, 0);
    is_time(100 * MIB, 10 * MIB, 11 * MIB, GW_FORECAST_NEVER, 0);
    is_time(100 * MIB, 0, 0, GW_FORECAST_NEVER, 0);
    is_time(100 * MIB, NK, 0, GW_FORECAST_UNKNOWN, 0);
    is_time(NK, 10 * MIB, 0, GW_FORECAST_UNKNOWN, 0);
    is_time(0, 0, 10 * MIB, GW_FORECAST_KNOWN, 0);
    is_time(0, NK, NK, GW_FORECAST_KNOWN, 0);
    is_time(1, 3, 0, GW_FORECAST_KNOWN, 333);
    /* Where 64 bits would overflow. */
    is_time(UINT64_MAX - 1, UINT64_MAX - 1, 0, GW_FORECAST_KNOWN, 1000);
    is_time(1ull << 62, 1ull << 40, 0, GW_FORECAST_KNOWN, (1ull << 22) * 1000);
    is_time(UINT64_MAX - 1, 1, 0, GW_FORECAST_NEVER, 0);
}

static void test_rate(void **state)
{
    assert_int_equal(gw_forecast_rate(10 * MIB, 2000), 5 * MIB);
    assert_int_equal(gw_forecast_rate(0, 1000), 0);
    assert_int_equal(gw_forecast_rate(10 * MIB, 0), NK);
    assert_int_equal(gw_forecast_rate(10 * MIB, GW_FORECAST_RATE_MS_MIN - 1), NK);
    assert_int_equal(gw_forecast_rate(NK, 1000), NK);
    assert_int_equal(gw_forecast_rate(1, NK), NK);
    assert_int_equal(gw_forecast_rate(UINT64_MAX - 1, 200), NK - 1);
}

static void test_quantiles(void **state)
{
    uint64_t median = 1, p90 = 1;
    gw_forecast_quantiles(NULL, 0, &median, &p90);
    assert_int_equal(median, NK);
    assert_int_equal(p90, NK);
    uint64_t one[] = { 42 };
    gw_forecast_quantiles(one, 1, &median, &p90);
    assert_int_equal(median, 42);
    assert_int_equal(p90, 42);
    uint64_t ten[] = { 10, 9, 8, 7, 6, 5, 4, 3, 2, 1 };
    gw_forecast_quantiles(ten, GW_ARRAY_SIZE(ten), &median, &p90);
    assert_int_equal(median, 5);
    assert_int_equal(p90, 9);
    uint64_t large[] = { UINT64_MAX, 0, UINT64_MAX - 1 };
    gw_forecast_quantiles(large, 3, &median, &p90);
    assert_int_equal(median, UINT64_MAX - 1);
    assert_int_equal(p90, UINT64_MAX);
}

static void test_outage(void **state)
{
    struct gw_forecast_outage o;
    const struct gw_forecast_step steps[] = {
        { .in_outage = false, .median_ms = 60000, .p90_ms = 90000, .target_ms = NK },
        { .in_outage = true, .median_ms = 1000, .p90_ms = 3000, .target_ms = 5000 },
        { .in_outage = true, .median_ms = 200, .p90_ms = 100, .target_ms = NK },
        { .in_outage = true, .median_ms = NK, .p90_ms = NK, .target_ms = 700 },
    };
    gw_forecast_outage(steps, GW_ARRAY_SIZE(steps), &o);
    assert_int_equal(o.typical.kind, GW_FORECAST_KNOWN);
    assert_int_equal(o.typical.ms, 1900);
    assert_int_equal(o.cautious.ms, 3000 + 200 + 700); /* never below the typical one */
    assert_int_equal(o.steps, 3);
    assert_int_equal(o.guessed, 1);
    assert_int_equal(o.missing, 0);

    const struct gw_forecast_step gap[] = {
        { .in_outage = true, .median_ms = NK, .p90_ms = NK, .target_ms = NK },
        { .in_outage = true, .median_ms = 10, .p90_ms = 20, .target_ms = NK },
    };
    gw_forecast_outage(gap, 2, &o);
    assert_int_equal(o.typical.kind, GW_FORECAST_AT_LEAST);
    assert_int_equal(o.cautious.kind, GW_FORECAST_AT_LEAST);
    assert_int_equal(o.typical.ms, 10);
    gw_forecast_outage(gap, 1, &o);
    assert_int_equal(o.typical.kind, GW_FORECAST_UNKNOWN);
    gw_forecast_outage(NULL, 0, &o);
    assert_int_equal(o.typical.kind, GW_FORECAST_UNKNOWN);

    const struct gw_forecast_step huge[] = {
        { .in_outage = true, .median_ms = UINT64_MAX - 1, .p90_ms = UINT64_MAX - 1 },
        { .in_outage = true, .median_ms = UINT64_MAX - 1, .p90_ms = UINT64_MAX - 1 },
    };
    gw_forecast_outage(huge, 2, &o);
    assert_int_equal(o.typical.ms, GW_FORECAST_LONG_MS);
}

static const struct gw_loss_facts dead = {
    .override_since = GW_TRI_NO,
    .old_answers = GW_TRI_NO,
    .repl = GW_LIFE_REPL_ASYNC,
    .pending_bytes = 41 * MIB,
    .pending_ms = 3200,
    .silent_ms = 120000,
};

static void loss_is(const struct gw_loss_facts *f, enum gw_loss_kind kind, const char *text)
{
    struct gw_loss l;
    char said[GW_FORECAST_TEXT_MAX];
    gw_forecast_loss(f, &l);
    gw_forecast_loss_text(&l, said);
    assert_string_equal(said, text);
    assert_int_equal(l.kind, kind);
}

static void test_loss(void **state)
{
    struct gw_loss_facts f = dead;
    loss_is(&f, GW_LOSS_AT_LEAST,
            "at least 41.0 MiB of the last 3.2 s; of what came after: not known since 2 min ago");
    f.pending_bytes = NK;
    loss_is(&f, GW_LOSS_UNKNOWN, "how much is lost is not known: not known since 2 min ago");
    f.silent_ms = NK;
    loss_is(&f, GW_LOSS_UNKNOWN, "how much is lost is not known: it was never heard of");

    f = dead; /* a silent site that was in SYNC may have gone on alone since */
    f.repl = GW_LIFE_REPL_SYNC;
    f.recorded_sync = GW_TRI_YES;
    loss_is(&f, GW_LOSS_AT_LEAST,
            "nothing that it had told of; of what came after: not known since 2 min ago");

    f = dead;
    f.released_equal = GW_TRI_YES;
    loss_is(&f, GW_LOSS_NONE, "nothing is lost");
    f.override_since = GW_TRI_UNKNOWN; /* P3: a token proves nothing once an override intervened */
    loss_is(&f, GW_LOSS_AT_LEAST,
            "at least 41.0 MiB of the last 3.2 s; of what came after: not known since 2 min ago");
    f.override_since = GW_TRI_YES;
    loss_is(&f, GW_LOSS_AT_LEAST,
            "at least 41.0 MiB of the last 3.2 s; of what came after: not known since 2 min ago");

    f = dead;
    f.old_answers = f.old_quiet = GW_TRI_YES;
    loss_is(&f, GW_LOSS_KNOWN, "41.0 MiB of the last 3.2 s would be lost");
    struct gw_loss_facts fresh = f;
    fresh.pending_ms = 0; /* "of the last 0 ms" tells nobody anything */
    loss_is(&fresh, GW_LOSS_KNOWN, "41.0 MiB would be lost");
    f.pending_bytes = 0;
    loss_is(&f, GW_LOSS_NONE, "nothing is lost");
    f.repl = GW_LIFE_REPL_UNSYNC; /* nothing pending in the stream says nothing of the map */
    loss_is(&f, GW_LOSS_UNKNOWN,
            "how much is lost is not known: writes that it has not sent are not counted");
    f.pending_bytes = MIB;
    loss_is(&f, GW_LOSS_AT_LEAST,
            "at least 1.0 MiB of the last 3.2 s; of what came after: writes that it has not sent "
            "are not "
            "counted");
}

/* No facts at all are never "nothing is lost", and no single fact makes it so. */
static void test_loss_unknown(void **state)
{
    struct gw_loss l;
    gw_forecast_loss(&(struct gw_loss_facts){ .pending_bytes = NK }, &l);
    assert_int_equal(l.kind, GW_LOSS_UNKNOWN);
    for (unsigned i = 0; i < 3 * 3 * 3 * 3 * 3 * GW_LIFE_REPL_MAX; i++) {
        unsigned n = i;
        struct gw_loss_facts f = { .pending_bytes = 0, .pending_ms = 0, .silent_ms = 5 };
        f.released_equal = n % 3, n /= 3;
        f.override_since = n % 3, n /= 3;
        f.recorded_sync = n % 3, n /= 3;
        f.old_answers = n % 3, n /= 3;
        f.old_quiet = n % 3, n /= 3;
        f.repl = n;
        gw_forecast_loss(&f, &l);
        if (l.kind != GW_LOSS_NONE)
            continue;
        bool released = f.released_equal == GW_TRI_YES && f.override_since == GW_TRI_NO;
        bool seen = f.old_answers == GW_TRI_YES && f.old_quiet == GW_TRI_YES &&
                    (f.repl == GW_LIFE_REPL_SYNC || f.repl == GW_LIFE_REPL_ASYNC);
        assert_true(released || seen);
    }
}

static void duration_is(uint64_t ms, const char *text)
{
    char said[GW_DURATION_TEXT];
    gw_forecast_duration(ms, said);
    assert_string_equal(said, text);
}

static void test_words(void **state)
{
    duration_is(0, "0 ms");
    duration_is(350, "350 ms");
    duration_is(9990, "9.9 s");
    duration_is(41000, "41 s");
    duration_is(200000, "3 min 20 s");
    duration_is(3600000, "1 h");
    duration_is(7500000, "2 h 5 min");
    duration_is(90000000, "1 d 1 h");
    char text[GW_FORECAST_TEXT_MAX];
    gw_forecast_time_text(&(struct gw_forecast_time){ .kind = GW_FORECAST_NEVER }, text);
    assert_string_equal(text, "never at this rate");
    gw_forecast_time_text(&(struct gw_forecast_time){ .kind = GW_FORECAST_AT_LEAST, .ms = 5000 },
                          text);
    assert_string_equal(text, "at least 5.0 s");
    gw_forecast_time_text(&(struct gw_forecast_time){ .kind = GW_FORECAST_UNKNOWN }, text);
    assert_string_equal(text, "not known");
}

static void test_direction(void **state)
{
    char text[GW_FORECAST_TEXT_MAX];
    struct gw_direction d = { GW_HOLDER_HOME, GW_TRI_YES, GW_TRI_YES };
    gw_forecast_direction_text(&d, GW_HOLDER_NONE, GW_OPERATION_NONE, "madrid", "lisbon", text);
    assert_string_equal(text, "madrid is active and data flows madrid -> lisbon");
    d.active = GW_HOLDER_DR;
    gw_forecast_direction_text(&d, GW_HOLDER_HOME, GW_OPERATION_FAILBACK, "madrid", "lisbon", text);
    assert_string_equal(text,
                        "lisbon is active and data flows lisbon -> madrid; after the failback "
                        "madrid serves and data flows madrid -> lisbon");
    d.active = GW_HOLDER_HOME;
    gw_forecast_direction_text(&d, GW_HOLDER_DR, GW_OPERATION_FAILOVER, "madrid", "lisbon", text);
    assert_string_equal(text,
                        "madrid is active and data flows madrid -> lisbon; after the failover "
                        "lisbon serves, and data flows lisbon -> madrid once that is back");
    d.active = GW_HOLDER_NONE;
    gw_forecast_direction_text(&d, GW_HOLDER_DR, GW_OPERATION_FAILOVER, "madrid", "lisbon", text);
    assert_non_null(strstr(text, "neither site is active"));
    static const struct {
        enum gw_tri seen, flows;
        const char *text;
    } rest[] = {
        { GW_TRI_YES, GW_TRI_NO, "madrid is active, and no data flows to lisbon" },
        { GW_TRI_YES, GW_TRI_UNKNOWN,
          "madrid is active; whether data flows to lisbon is not known" },
        { GW_TRI_NO, GW_TRI_NO,
          "madrid was active when it was last heard of, and no data flows to lisbon" },
        { GW_TRI_NO, GW_TRI_UNKNOWN,
          "madrid was active when it was last heard of; whether data flows to lisbon is not "
          "known" },
    };
    for (size_t i = 0; i < sizeof rest / sizeof *rest; i++) {
        d = (struct gw_direction){ GW_HOLDER_HOME, rest[i].seen, rest[i].flows };
        gw_forecast_direction_text(&d, GW_HOLDER_NONE, GW_OPERATION_NONE, "madrid", "lisbon", text);
        assert_string_equal(text, rest[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sync),      cmocka_unit_test(test_rate),
        cmocka_unit_test(test_quantiles), cmocka_unit_test(test_outage),
        cmocka_unit_test(test_loss),      cmocka_unit_test(test_loss_unknown),
        cmocka_unit_test(test_words),     cmocka_unit_test(test_direction),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
