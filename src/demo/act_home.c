// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The way home: a planned failback, both sites compared, and the last reckoning. */
#include "demo/shop.h"

#include "base/clock.h"
#include "base/size.h"
#include "demo/interrupt.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define LOOK_MS 50

/* ---- failback ------------------------------------------------------------------------------ */

static bool is_protected(const json_t *status)
{
    return status_is(status, "phase", "PROTECTED") && status_is(status, "active", TIER_HOME);
}

static int check_outage(struct shop *s, struct gw_error *err)
{
    struct customers_status st;
    int r = shop_wait_bookings(s, shop_bookings(s, 0.5), err);
    if (r < 0)
        return r;
    customers_get_status(s->customers, &st);
    const struct customers_stint *from = &st.stint[1], *to = &st.stint[2];
    bool moved = st.n_stints == 3 && strcmp(to->site, TIER_HOME) == 0 && to->routed_first_ns > 0;
    if (moved)
        s->n.outage_ms = (double)(to->routed_first_ns - from->routed_last_ns) / GW_NS_PER_MS;
    story_check(&s->story, moved,
                "customers book at %s again: %.0f ms from the last acknowledgement at %s to the "
                "first at home, for one who follows the route",
                to->site, s->n.outage_ms, TIER_DR);
    return 0;
}

int act_failback(struct shop *s, struct gw_error *err)
{
    CLEANUP_STATUS json_t *forecast = NULL, *answer = NULL, *status = NULL;
    story_scene(&s->story, "Failback: home, in order");
    int r = daemon_command(&s->dr, &forecast, err, "forecast", SHOP_PLAN, "--to", TIER_HOME, NULL);
    if (r < 0)
        return r;
    shop_tell_forecast(s, forecast);
    s->n.forecast_outage_ms = status_real(forecast, "outage.typical.ms");
    r = daemon_command(&s->dr, &answer, err, "failback", SHOP_PLAN, "--yes", NULL);
    if (r < 0)
        return r;
    snprintf(s->n.failback_run, sizeof s->n.failback_run, "%s", status_text(answer, "run.id"));
    shop_tell_run(s, 2, answer);
    r = check_outage(s, err);
    if (r == 0)
        r = shop_await(s, &s->home, is_protected, "being protected at home", &status, err);
    if (r == 0)
        story_check(&s->story, shop_step(s->steps[2], "equal") != NULL,
                    "both sites proved that they hold the same before %s released, and the plan is "
                    "%s again: %s",
                    TIER_DR, status_text(status, "phase"), status_text(status, "sentence"));
    return r;
}

/* ---- both sites compared ------------------------------------------------------------------- */

static int await_ctl(struct shop *s, bool (*ready)(const json_t *), const char *what, json_t **ret,
                     struct gw_error *err)
{
    uint64_t end = gw_boot_ns() + DAEMON_MS * GW_NS_PER_MS;
    for (;;) {
        CLEANUP_STATUS json_t *status = NULL;
        int r = daemon_ctl(&s->home, true, &status, err, "status", NULL);
        if (r == 0 && ready(status)) {
            if (ret != NULL)
                *ret = json_incref(status);
            return 0;
        }
        if (r == 0 && gw_boot_ns() >= end)
            r = gw_error_set(err, -ETIMEDOUT, "%s took too long", what);
        struct pollfd f = { .fd = interrupt_fd(), .events = POLLIN };
        if (r == 0 && poll(&f, 1, LOOK_MS) > 0)
            r = interrupt_error(err);
        if (r < 0)
            return r;
    }
}

static bool is_verified(const json_t *status)
{
    return status_true(status, "verify.done");
}

static bool is_drained(const json_t *status)
{
    uint64_t seq = status_number(status, "seq");
    return status_number(status, "applied_seq") >= seq &&
           status_number(status, "durable_seq") >= seq;
}

static int verify(struct shop *s, struct gw_error *err)
{
    CLEANUP_STATUS json_t *status = NULL;
    char bytes[GW_SIZE_TEXT];
    int r = daemon_command(&s->home, NULL, err, "verify", SHOP_PLAN, NULL);
    if (r == 0)
        r = await_ctl(s, is_verified, "comparing both sites", &status, err);
    if (r < 0)
        return r;
    s->n.verified_bytes = status_number(status, "verify.checked_bytes");
    gw_size_format(s->n.verified_bytes, bytes);
    story_check(&s->story,
                s->n.verified_bytes == s->n.volume_bytes &&
                    status_number(status, "verify.differing_blocks") == 0,
                "verify, while customers book: %s compared, %llu blocks differ", bytes,
                (unsigned long long)status_number(status, "verify.differing_blocks"));
    return 0;
}

static int stop_all(struct shop *s, struct gw_error *err)
{
    story_say(&s->story, "The customers go home, and the plan is deactivated:");
    customers_stop(s->customers);
    int r = await_ctl(s, is_drained, "applying the last bookings", NULL, err);
    if (r == 0)
        r = daemon_command(&s->home, NULL, err, "plan", "deactivate", SHOP_PLAN, "--yes", NULL);
    if (r == 0)
        story_check(&s->story,
                    daemon_data_plane(&s->home) == 0 && daemon_data_plane(&s->dr) == 0 &&
                        tier_pid(s->stage.path, TIER_HOME, TIER_LEDGER) == 0,
                    "nothing of the plan runs any more, at either site");
    return r;
}

static int compare(struct shop *s, struct gw_error *err)
{
    static const char *const images[SHOP_VOLUMES][2] = {
        { TIER_HOME "/volumes/ledger.img", TIER_DR "/volumes/ledger.img" },
        { TIER_HOME "/volumes/archive.img", TIER_DR "/volumes/archive.img" },
    };
    char size[GW_SIZE_TEXT];
    s->n.equal = true;
    for (int i = 0; i < SHOP_VOLUMES; i++) {
        const char *argv[] = { "cmp", images[i][0], images[i][1], NULL };
        struct process_output o;
        story_command(&s->story, argv, "");
        int r = process_run(s->processes, argv, DAEMON_MS, &o, err);
        if (r < 0)
            return r;
        s->n.equal = s->n.equal && o.code == 0;
        process_output_done(&o);
    }
    gw_size_format(s->n.volume_bytes, size);
    story_check(&s->story, s->n.equal, "both sites' volumes (%s) %s", size,
                s->n.equal ? "are the same, byte for byte" : "DIFFER");
    return 0;
}

/* ---- the reckoning ------------------------------------------------------------------------- */

static bool same_absence(const struct ledger_audit *now, const struct ledger_audit *then)
{
    if (now->missing != then->missing)
        return false;
    for (uint64_t i = 0; i < now->n; i++) {
        if (now->absent[i] != (i < then->n && then->absent[i]))
            return false;
    }
    return true;
}

static int reckon(struct shop *s, struct gw_error *err)
{
    struct ledger_book book = { .n = 0 };
    struct ledger_audit a = { .n = 0 };
    struct customers_status st;
    int r = customers_book(s->customers, &book, err);
    if (r == 0)
        r = ledger_audit(TIER_HOME "/volumes/ledger.img", &book, &a, err);
    if (r == 0) {
        customers_get_status(s->customers, &st);
        s->n.acknowledged = a.acknowledged;
        s->n.in_doubt = a.in_doubt;
        story_check(&s->story, same_absence(&a, &s->lost) && a.foreign == 0,
                    "of %llu acknowledged bookings %llu are in the ledger and %llu, no other, in "
                    "the signed tail",
                    (unsigned long long)a.acknowledged,
                    (unsigned long long)(a.acknowledged - a.missing),
                    (unsigned long long)s->n.lost_in_tail);
        story_check(&s->story, st.n_stints == 3 && st.wrong == 0,
                    "never did two sites acknowledge at the same time: %u changes of site, seen by "
                    "customers who tried both sites all the time",
                    st.n_stints - 1);
    }
    ledger_book_done(&book);
    ledger_audit_done(&a);
    return r;
}

static int check_records(struct shop *s, struct gw_error *err)
{
    struct daemon *const both[] = { &s->home, &s->dr };
    bool intact = true;
    uint64_t n = 0;
    for (int i = 0; i < 2; i++) {
        CLEANUP_STATUS json_t *audit = NULL;
        int r = daemon_command(both[i], &audit, err, "audit", "verify", NULL);
        if (r < 0)
            return r;
        intact = intact && status_true(audit, "intact");
        n += status_number(audit, "count");
    }
    story_check(&s->story, intact, "both audit logs are whole: %llu entries, hash-chained",
                (unsigned long long)n);
    return 0;
}

int act_end(struct shop *s, struct gw_error *err)
{
    story_scene(&s->story, "The reckoning");
    int r = verify(s, err);
    if (r == 0)
        r = stop_all(s, err);
    if (r == 0)
        r = compare(s, err);
    if (r == 0)
        r = reckon(s, err);
    return r < 0 ? r : check_records(s, err);
}
