// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Home comes back fenced, its tail is itemised and signed, and the delta brings it up to date. */
#include "demo/shop.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/size.h"
#include "demo/volume.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const volumes[SHOP_VOLUMES] = { "ledger", "archive" };

/* ---- home is back -------------------------------------------------------------------------- */

static bool home_is_heard(const json_t *status)
{
    return status_true(status, "sites." TIER_HOME ".reachable") &&
           status_is(status, "sites." TIER_HOME ".svc", "fenced");
}

/* What the site says of itself, and what we see. */
static bool home_is_fenced(struct shop *s, const json_t *status)
{
    bool tiers = false;
    for (int i = 0; i < TIER_ROLES; i++)
        tiers = tiers || tier_pid(s->stage.path, TIER_HOME, (enum tier_role)i) > 0;
    return !tiers && !status_is(status, "sites." TIER_HOME ".service", "serving");
}

int act_return(struct shop *s, struct gw_error *err)
{
    CLEANUP_STATUS json_t *status = NULL, *forecast = NULL;
    story_scene(&s->story, "Home returns");
    daemon_mend(&s->home, &s->dr);
    int r = daemon_start(&s->home, false, err);
    if (r == 0)
        r = shop_await(s, &s->dr, home_is_heard, "hearing of home", &status, err);
    if (r == 0)
        r = shop_wait_bookings(s, shop_bookings(s, 0.25), err);
    if (r < 0)
        return r;
    story_check(&s->story, home_is_fenced(s, status),
                "%s is back, %s, and serves nobody; the plan is %s", TIER_HOME,
                status_text(status, "sites." TIER_HOME ".svc"), status_text(status, "phase"));
    r = daemon_command(&s->dr, &forecast, err, "forecast", SHOP_PLAN, "--to", TIER_HOME, NULL);
    if (r == 0)
        shop_tell_forecast(s, forecast);
    return r;
}

/* ---- reverse ------------------------------------------------------------------------------- */

/* Blocks in which the volumes of both sites differ, counted by ourselves. */
static int count_differing(uint64_t *ret_bytes, struct gw_error *err)
{
    uint64_t sum = 0;
    for (int i = 0; i < SHOP_VOLUMES; i++) {
        char home[64], dr[64];
        uint64_t blocks = 0;
        snprintf(home, sizeof home, TIER_HOME "/volumes/%s.img", volumes[i]);
        snprintf(dr, sizeof dr, TIER_DR "/volumes/%s.img", volumes[i]);
        int r = volume_compare(home, dr, &blocks, err);
        if (r < 0)
            return r;
        sum += blocks * VOLUME_BLOCK_BYTES;
    }
    *ret_bytes = sum;
    return 0;
}

/* Until a signature is asked for (*ret is the plan's status then), or there was nothing to sign. */
static int await_assessment(struct shop *s, json_t **ret, struct gw_error *err)
{
    uint64_t end = gw_boot_ns() + DAEMON_MS * GW_NS_PER_MS;
    for (;;) {
        CLEANUP_STATUS json_t *status = NULL, *run = NULL;
        int r = daemon_ask(&s->dr, &status, err, "plan", "status", SHOP_PLAN, NULL);
        if (r == 0)
            r = daemon_ask(&s->dr, &run, err, "run", "show", s->n.reverse_run, NULL);
        if (r == 0 && (status_true(status, "divergence.done") || status_true(run, "ended"))) {
            *ret = json_incref(status);
            return 0;
        }
        if (r == 0 && gw_boot_ns() >= end)
            r = gw_error_set(err, -ETIMEDOUT, "assessing home took too long: %s",
                             status_text(status, "run.why"));
        if (r == 0)
            r = shop_pause(err);
        if (r < 0)
            return r;
    }
}

static int sign(struct shop *s, const json_t *status, struct gw_error *err)
{
    CLEANUP_STATUS json_t *list = NULL;
    char tail[GW_SIZE_TEXT];
    uint64_t bytes = status_number(status, "divergence.bytes");
    gw_size_format(bytes, tail);
    int r = daemon_command(&s->dr, &list, err, "divergence", "list", SHOP_PLAN, NULL);
    if (r < 0)
        return r;
    story_say(&s->story,
              "%s has up to %s that only it ever had. Nothing is overwritten before a person has "
              "signed that they are kept aside:",
              TIER_HOME, tail);
    story_check(&s->story, bytes > 0 && status_is(status, "divergence.site", TIER_HOME),
                "the run waits for a signature");
    return daemon_command(&s->dr, NULL, err, "divergence", "sign", SHOP_PLAN, "--by", SHOP_PERSON,
                          NULL);
}

static int sync_back(struct shop *s, const char *run, struct gw_error *err)
{
    CLEANUP_STATUS json_t *answer = NULL;
    char delta[GW_SIZE_TEXT], sent[GW_SIZE_TEXT], total[GW_SIZE_TEXT];
    uint64_t begin = gw_boot_ns(), line = proxy_sent_bytes(s->home.data);
    struct customers_status before, after;
    customers_get_status(s->customers, &before);
    int r = daemon_command(&s->dr, &answer, err, "run", "watch", run, NULL);
    if (r < 0)
        return r;
    s->n.resync_seconds = (double)(gw_boot_ns() - begin) / (double)GW_NS_PER_S;
    s->n.resync_line_bytes = proxy_sent_bytes(s->home.data) - line;
    customers_get_status(s->customers, &after);
    gw_size_format(s->n.delta_bytes, delta);
    gw_size_format(s->n.volume_bytes, total);
    gw_size_format(s->n.resync_line_bytes, sent);
    shop_tell_run(s, 1, answer);
    story_say(
        &s->story,
        "%s of %s differed (every block was counted). %s crossed the line in %.2f s, compressed, "
        "with live writes, hashes and TLS.",
        delta, total, sent, s->n.resync_seconds);
    story_check(&s->story, s->n.resync_line_bytes < s->n.seed_bytes,
                "home came back by delta: %.1f %% of what seeding took",
                100.0 * (double)s->n.resync_line_bytes / (double)s->n.seed_bytes);
    story_check(&s->story, after.acknowledged > before.acknowledged,
                "%llu bookings were acknowledged at %s meanwhile",
                (unsigned long long)(after.acknowledged - before.acknowledged), TIER_DR);
    return 0;
}

/* ---- the tail ------------------------------------------------------------------------------ */

static void itemise(struct shop *s, const json_t *shown)
{
    for (int v = 0; v < SHOP_VOLUMES; v++) {
        uint64_t ranges = 0, bytes = 0, first = 0;
        char size[GW_SIZE_TEXT];
        size_t i;
        const json_t *range;
        json_array_foreach(json_object_get(shown, "ranges"), i, range)
        {
            if (!status_is(range, "volume", volumes[v]))
                continue;
            if (ranges++ == 0)
                first = status_number(range, "offset");
            bytes += status_number(range, "length");
        }
        gw_size_format(bytes, size);
        if (ranges > 0)
            story_item(&s->story, volumes[v], "%s in %llu ranges, the first at %llu", size,
                       (unsigned long long)ranges, (unsigned long long)first);
        else
            story_item(&s->story, volumes[v], "nothing");
        s->n.tail_bytes += bytes;
    }
}

static int examine_tail(struct shop *s, struct gw_error *err)
{
    CLEANUP_STATUS json_t *list = NULL, *shown = NULL;
    int r = daemon_ctl(&s->home, false, &list, err, "divergence", "list", NULL);
    if (r < 0)
        return r;
    const json_t *first = json_array_get(json_object_get(list, "undo"), 0);
    const char *id = status_text(first, "id");
    if (!story_check(&s->story, first != NULL,
                     "%s keeps the old content of all that was "
                     "overwritten: %llu blocks",
                     TIER_HOME, (unsigned long long)status_number(first, "blocks")))
        return 0;
    r = daemon_ctl(&s->home, false, &shown, err, "divergence", "show", id, NULL);
    if (r == 0)
        r = daemon_ctl(&s->home, false, NULL, err, "divergence", "export", id, "tail", NULL);
    if (r == 0 && s->n.lost > 0)
        r = ledger_search("tail/ledger.tail", &s->book, &s->lost, &s->n.lost_in_tail, err);
    if (r < 0)
        return r;
    itemise(s, shown);
    if (!status_true(shown, "exact"))
        story_say(&s->story,
                  "That is at most: without reflinks there is no image of the fork to "
                  "compare with, so that whole extents count that %s wrote last.",
                  TIER_HOME);
    if (s->options->sync)
        return 0;
    story_check(&s->story, status_is(shown, "signed_by", SHOP_PERSON),
                "the tail is kept, itemised and signed by %s", status_text(shown, "signed_by"));
    story_check(&s->story, s->n.lost_in_tail == s->n.lost,
                "%llu of the %llu lost bookings are in it, each as it was written",
                (unsigned long long)s->n.lost_in_tail, (unsigned long long)s->n.lost);
    return 0;
}

static bool is_swapped(const json_t *status)
{
    return status_is(status, "phase", "PROTECTED_SWAPPED") ||
           status_is(status, "phase", "READY_TO_FAIL_BACK");
}

int act_reverse(struct shop *s, struct gw_error *err)
{
    CLEANUP_STATUS json_t *answer = NULL, *status = NULL, *after = NULL;
    story_scene(&s->story, "Reverse: home is brought up to date");
    int r = daemon_command(&s->dr, &answer, err, "reverse", SHOP_PLAN, "--yes", "--no-wait", NULL);
    snprintf(s->n.reverse_run, sizeof s->n.reverse_run, "%s", status_text(answer, "run.id"));
    if (r == 0)
        r = await_assessment(s, &status, err);
    if (r < 0)
        return r;
    r = count_differing(&s->n.delta_bytes, err);
    if (r == 0 && status_true(status, "divergence.done"))
        r = sign(s, status, err);
    if (r == 0)
        r = sync_back(s, s->n.reverse_run, err);
    if (r == 0)
        r = examine_tail(s, err);
    if (r == 0)
        r = shop_await(s, &s->dr, is_swapped, "replicating home", &after, err);
    if (r == 0)
        story_check(&s->story, status_is(after, "active", TIER_DR), "the plan is %s: %s",
                    status_text(after, "phase"), status_text(after, "sentence"));
    return r;
}
