// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Suspicion: thresholds, hysteresis, vetoes, flapping; and a day of bad weather. */
#include "authority/suspect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct gw_suspect s;

static void begin(void)
{
    const struct gw_suspect_limits l = gw_suspect_limits_default();
    gw_suspect_init(&s, &l, 1000000);
}

/* A round of probes every 5 s. */
static uint64_t rounds(uint64_t now, unsigned n, bool site, bool data, bool service)
{
    for (unsigned i = 0; i < n; i++) {
        now += 5000;
        gw_suspect_probe(&s, GW_CHANNEL_SITE_LINK, site, now);
        gw_suspect_probe(&s, GW_CHANNEL_DATA_LINK, data, now);
        gw_suspect_probe(&s, GW_CHANNEL_SERVICE, service, now);
        gw_suspect_self(&s, GW_KNOWN_YES, 0, now);
    }
    return now;
}

static void test_site_gone(void **state)
{
    (void)state;
    begin();
    uint64_t t = rounds(1000000, 3, true, true, true);
    assert_int_equal(gw_suspect_assess(&s, t).belief, GW_BELIEF_CALM);
    t = rounds(t, 2, false, false, false);
    assert_int_equal(gw_suspect_assess(&s, t).belief, GW_BELIEF_CALM); /* not yet three */
    t = rounds(t, 2, false, false, false);
    struct gw_suspicion a = gw_suspect_assess(&s, t);
    assert_int_equal(a.belief, GW_BELIEF_GONE);
    assert_int_equal(a.failing, 3);
    assert_int_equal(a.failures, 4);
    assert_int_equal(a.silence_ms, 20000);
    assert_int_equal(a.life, GW_KNOWN_NO);
    assert_int_equal(a.vantage, GW_KNOWN_UNKNOWN);
    gw_suspect_vantage(&s, GW_KNOWN_NO, t);
    assert_int_equal(gw_suspect_assess(&s, t).vantage, GW_KNOWN_YES);
    /* A sign of life vetoes, by whatever way it comes. */
    gw_suspect_life(&s, t);
    a = gw_suspect_assess(&s, t + 1000);
    assert_int_equal(a.life, GW_KNOWN_YES);
    assert_int_equal(a.site_is_gone, GW_KNOWN_NO);
    /* What was probed long ago proves nothing. */
    a = gw_suspect_assess(&s, t + 60000);
    assert_int_equal(a.failing, 0);
    assert_int_equal(a.healthy, GW_KNOWN_UNKNOWN);
}

/* A half-dead primary that still answers: an HA event, shown, never a site that is gone. */
static void test_service_down(void **state)
{
    (void)state;
    begin();
    uint64_t t = rounds(1000000, 10, true, true, false);
    struct gw_suspicion a = gw_suspect_assess(&s, t);
    assert_int_equal(a.belief, GW_BELIEF_SERVICE_DOWN);
    assert_int_equal(a.site_is_gone, GW_KNOWN_NO);
    assert_false(a.escalate);
    t = rounds(t, 30, true, true, false);
    assert_true(gw_suspect_assess(&s, t).escalate);
}

/* The link between the sites is cut, the service is seen by another way. */
static void test_link_only(void **state)
{
    (void)state;
    begin();
    gw_suspect_probe(&s, GW_CHANNEL_HOST, true, 1000000);
    uint64_t t = 1000000;
    for (unsigned i = 0; i < 10; i++) {
        t = rounds(t, 1, false, false, false);
        gw_suspect_probe(&s, GW_CHANNEL_HOST, true, t);
    }
    assert_int_equal(gw_suspect_assess(&s, t).belief, GW_BELIEF_SUSPECT);
}

static void test_hysteresis_and_flaps(void **state)
{
    (void)state;
    begin();
    uint64_t t = 1000000;
    for (unsigned flap = 1; flap <= 3; flap++) {
        t = rounds(t, 4, false, false, false);
        assert_int_equal(gw_suspect_assess(&s, t).belief, GW_BELIEF_GONE);
        assert_int_equal(gw_suspect_assess(&s, t).held, flap == 3);
        t = rounds(t, 2, true, true, true);
        assert_int_equal(gw_suspect_assess(&s, t).belief, GW_BELIEF_SUSPECT); /* not yet three */
        t = rounds(t, 1, true, true, true);
        assert_int_equal(gw_suspect_assess(&s, t).belief, GW_BELIEF_CALM);
    }
    gw_suspect_clear(&s);
    assert_false(gw_suspect_assess(&s, t).held);
    /* Spread over more than an hour they hold nothing. */
    for (unsigned flap = 0; flap < 5; flap++) {
        t = rounds(t + 1900000, 4, false, false, false);
        t = rounds(t, 4, true, true, true);
        assert_false(gw_suspect_assess(&s, t).held);
    }
}

static void test_self(void **state)
{
    (void)state;
    begin();
    gw_suspect_self(&s, GW_KNOWN_YES, 0, 1000000);
    assert_int_equal(gw_suspect_assess(&s, 1000001).healthy, GW_KNOWN_YES);
    gw_suspect_self(&s, GW_KNOWN_YES, 2001, 1000000);
    assert_int_equal(gw_suspect_assess(&s, 1000001).healthy, GW_KNOWN_NO);
    gw_suspect_self(&s, GW_KNOWN_NO, 0, 1000000);
    assert_int_equal(gw_suspect_assess(&s, 1000001).healthy, GW_KNOWN_NO);
}

/* A day: probes lost with 5 %, stalls of all channels for up to 20 s every few minutes. The silence
 * never lasts as long as `hold`, so the rule never holds (E2''). */
static void test_day_of_weather(void **state)
{
    uint64_t rng = 1, t = 1000000, stall_until = 0;
    (void)state;
    begin();
    s.limits.flaps = 0;
    unsigned gone = 0;
    for (unsigned i = 0; i < 86400 / 5; i++) {
        t += 5000;
        for (unsigned c = GW_CHANNEL_SITE_LINK; c <= GW_CHANNEL_SERVICE; c++) {
            rng = rng * 6364136223846793005ull + 1442695040888963407ull;
            if ((rng >> 40) % 100 == 0 && t > stall_until)
                stall_until = t + (rng >> 33) % 20000;
            const bool lost = (rng >> 50) % 100 < 5;
            gw_suspect_probe(&s, (enum gw_channel)c, !lost && t >= stall_until, t);
        }
        const struct gw_suspicion a = gw_suspect_assess(&s, t);
        gone += a.belief == GW_BELIEF_GONE;
        assert_true(a.silence_ms < s.limits.hold_ms);
    }
    print_message("believed gone in %u of 17280 rounds; never for as long as hold\n", gone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_site_gone), cmocka_unit_test(test_service_down),
        cmocka_unit_test(test_link_only), cmocka_unit_test(test_hysteresis_and_flaps),
        cmocka_unit_test(test_self),      cmocka_unit_test(test_day_of_weather),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
