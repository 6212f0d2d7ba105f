// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Home is lost, and the DR site takes over on an operator's word. */
#include "demo/shop.h"

#include "base/clock.h"
#include "demo/volume.h"

#include <string.h>

int act_disaster(struct shop *s, struct gw_error *err)
{
    struct customers_status st;
    story_scene(&s->story, "Home is lost");
    int r = 0;
    if (!s->options->sync) {
        daemon_cut(&s->home, &s->dr);
        customers_get_status(s->customers, &st);
        s->acknowledged_at_cut = st.acknowledged;
        r = shop_wait_bookings(s, shop_bookings(s, 0.25), err);
        if (r < 0)
            return r;
        customers_get_status(s->customers, &st);
        story_say(&s->story,
                  "The line between the sites was cut first; %s went on, and acknowledged %llu "
                  "bookings that %s does not have. Then it died, all of it:",
                  TIER_HOME, (unsigned long long)(st.acknowledged - s->acknowledged_at_cut),
                  TIER_DR);
    }
    s->kill_ns = gw_boot_ns();
    r = daemon_kill_site(&s->home, s->stage.path, err);
    if (r == 0 && s->options->sync)
        daemon_cut(&s->home, &s->dr); /* nobody listens there any more */
    return r;
}

/* The first booking that the DR site acknowledged, to anybody. */
static int first_at_dr(struct shop *s, struct gw_error *err)
{
    struct customers_status st;
    int r = shop_wait_bookings(s, SHOP_BOOKINGS_SEEN, err);
    if (r < 0)
        return r;
    customers_get_status(s->customers, &st);
    const struct customers_stint *at = &st.stint[st.n_stints - 1];
    bool moved = st.n_stints == 2 && strcmp(at->site, TIER_DR) == 0;
    if (moved)
        s->n.rto_seconds = (double)(at->first_ns - s->kill_ns) / (double)GW_NS_PER_S;
    story_check(&s->story, moved,
                "customers book at %s: %.2f s from the death of %s to the first acknowledgement "
                "(the command took %.2f s in all; it is typed at once here)",
                at->site, s->n.rto_seconds, TIER_HOME, s->n.command_seconds);
    return 0;
}

/* What is missing at DR, and how far back it goes. */
static int count_loss(struct shop *s, struct gw_error *err)
{
    int r = customers_book(s->customers, &s->book, err);
    if (r == 0)
        r = volume_read(s->processes, TIER_DR "/run/" SHOP_PLAN ".nbd", "ledger", "failover.img",
                        err);
    if (r == 0)
        r = ledger_audit("failover.img", &s->book, &s->lost, err);
    if (r < 0)
        return r;
    const struct ledger_audit *a = &s->lost;
    uint64_t first = 0;
    while (first < a->n && !a->absent[first])
        first++;
    s->n.lost = a->missing;
    uint64_t at = customers_acknowledged_ns(s->customers, first);
    if (a->missing > 0 && at < s->kill_ns)
        s->n.rpo_seconds = (double)(s->kill_ns - at) / (double)GW_NS_PER_S;
    return 0;
}

static void check_loss(struct shop *s, uint64_t acknowledged_at_home)
{
    const struct ledger_audit *a = &s->lost;
    uint64_t after_cut = acknowledged_at_home - s->acknowledged_at_cut;
    story_check(&s->story, a->foreign == 0, "no record at %s is damaged or nobody's", TIER_DR);
    if (s->options->sync)
        story_check(&s->story, a->missing == 0,
                    "sync mode: of %llu acknowledged bookings none is missing at %s",
                    (unsigned long long)a->acknowledged, TIER_DR);
    else
        /* The answer of what had crossed the line may have come after the cut. */
        story_check(&s->story, a->missing > 0 && a->missing + CUSTOMERS >= after_cut,
                    "async mode: of %llu acknowledged bookings %llu are missing at %s, %.2f s of "
                    "work; %llu were acknowledged after the cut",
                    (unsigned long long)a->acknowledged, (unsigned long long)a->missing, TIER_DR,
                    s->n.rpo_seconds, (unsigned long long)after_cut);
}

static int fail_over(struct shop *s, struct gw_error *err)
{
    CLEANUP_STATUS json_t *forecast = NULL, *answer = NULL;
    int r = daemon_command(&s->dr, &forecast, err, "forecast", SHOP_PLAN, NULL);
    if (r < 0)
        return r;
    shop_tell_forecast(s, forecast);
    uint64_t begin = gw_boot_ns();
    r = daemon_command(&s->dr, &answer, err, "failover", SHOP_PLAN, "--confirm-site-down",
                       TIER_HOME, "--yes", NULL);
    if (r < 0)
        return r;
    s->n.command_seconds = (double)(gw_boot_ns() - begin) / (double)GW_NS_PER_S;
    snprintf(s->n.failover_run, sizeof s->n.failover_run, "%s", status_text(answer, "run.id"));
    shop_tell_run(s, 0, answer);
    return 0;
}

int act_failover(struct shop *s, struct gw_error *err)
{
    CLEANUP_STATUS json_t *status = NULL;
    struct customers_status st;
    char route[TIER_SITE_MAX] = "";
    story_scene(&s->story, "Failover: an operator at %s decides", TIER_DR);
    customers_get_status(s->customers, &st);
    int r = fail_over(s, err);
    if (r == 0)
        r = first_at_dr(s, err);
    if (r == 0)
        r = daemon_command(&s->dr, &status, err, "plan", "status", SHOP_PLAN, NULL);
    if (r == 0)
        r = count_loss(s, err);
    if (r < 0)
        return r;
    customers_get_status(s->customers, &st);
    tier_route(s->stage.path, route);
    story_check(&s->story,
                status_is(status, "active", TIER_DR) && status_is(status, "phase", "FAILED_OVER"),
                "the plan is %s, active at %s: %s", status_text(status, "phase"),
                status_text(status, "active"), status_text(status, "sentence"));
    story_check(&s->story, strcmp(route, TIER_DR) == 0, "the route leads customers to %s", route);
    check_loss(s, st.stint[0].acknowledged);
    return shop_wait_bookings(s, shop_bookings(s, 1), err);
}
