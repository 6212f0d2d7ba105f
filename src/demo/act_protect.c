// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Two sites are made and paired, the plan is applied and activated, and life begins. */
#include "demo/shop.h"

#include "base/bytes.h"
#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/size.h"
#include "demo/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK_BYTES (1u << 20)

/* Bookings of former years: not to be compressed, and the same in every run. */
static void fill(uint8_t *buf, uint64_t *x)
{
    struct gw_writer w = gw_writer(buf, CHUNK_BYTES);
    for (size_t i = 0; i < CHUNK_BYTES / 8; i++) {
        *x = *x * 6364136223846793005ull + 1442695040888963407ull;
        gw_put_u64(&w, *x ^ *x >> 29);
    }
}

static int make_volume(const char *path, uint64_t bytes, uint64_t data_bytes, struct gw_error *err)
{
    CLEANUP_FREE uint8_t *buf = malloc(CHUNK_BYTES);
    CLEANUP_CLOSE int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    uint64_t x = 2026;
    if (buf == NULL || fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
        return gw_error_errno(err, -errno, "cannot make \"%s\"", path);
    for (uint64_t at = 0; at < data_bytes; at += CHUNK_BYTES) {
        fill(buf, &x);
        if (pwrite(fd, buf, CHUNK_BYTES, (off_t)at) != (ssize_t)CHUNK_BYTES)
            return gw_error_errno(err, -errno, "cannot write \"%s\"", path);
    }
    return 0;
}

/* The shop's data, as it is before anybody thinks of a second site. */
static int make_volumes(struct shop *s, struct gw_error *err)
{
    int r = tree_make(TIER_HOME "/volumes", err);
    if (r == 0)
        r = tree_make(TIER_DR "/volumes", err);
    if (r == 0)
        r = make_volume(TIER_HOME "/volumes/ledger.img", SHOP_LEDGER_BYTES, 0, err);
    if (r == 0)
        r = make_volume(TIER_HOME "/volumes/archive.img", SHOP_ARCHIVE_BYTES,
                        SHOP_ARCHIVE_DATA_BYTES, err);
    s->n.volume_bytes = SHOP_LEDGER_BYTES + SHOP_ARCHIVE_BYTES;
    return r;
}

static int pair(struct shop *s, struct gw_error *err)
{
    CLEANUP_STATUS json_t *code = NULL, *tested = NULL;
    int r = daemon_command(&s->home, &code, err, "site", "pair", NULL);
    if (r == 0)
        r = daemon_command(&s->dr, NULL, err, "site", "pair", status_text(code, "code"),
                           proxy_address(s->home.link), NULL);
    if (r == 0)
        r = daemon_command(&s->home, &tested, err, "site", "test", TIER_DR, NULL);
    if (r == 0)
        story_say(&s->story,
                  "Certificates exchanged and pinned. Both ports tried with a real TLS handshake: "
                  "round trip %.1f ms, clock offset %.1f ms.",
                  status_real(tested, "rtt_ms"), status_real(tested, "clock_offset_ms"));
    return r;
}

static bool is_protected(const json_t *status)
{
    return status_is(status, "phase", "PROTECTED");
}

/* Nothing leads customers to a shop that never moved: who set it up did. */
static int lead_customers(struct shop *s, struct gw_error *err)
{
    const char *argv[] = { s->programs.godwit, "demo",    "--role", "route", "set",
                           s->stage.path,      TIER_HOME, NULL };
    int r = process_must(s->processes, argv, DAEMON_MS, NULL, err);
    return r < 0 ? r : customers_new(s->stage.path, s->port[TIER_FRONT], &s->customers, err);
}

static int protect(struct shop *s, struct gw_error *err)
{
    CLEANUP_STATUS json_t *status = NULL, *answer = NULL;
    char sent[GW_SIZE_TEXT], total[GW_SIZE_TEXT];
    int r = shop_write_plan(s, err);
    if (r == 0)
        r = daemon_command(&s->home, NULL, err, "plan", "check", "-f", SHOP_PLAN_FILE, NULL);
    if (r == 0)
        r = daemon_command(&s->home, NULL, err, "plan", "apply", "-f", SHOP_PLAN_FILE, NULL);
    if (r == 0)
        r = lead_customers(s, err);
    uint64_t begin = gw_boot_ns();
    if (r == 0)
        r = daemon_command(&s->home, &answer, err, "plan", "activate", SHOP_PLAN, NULL);
    if (r == 0)
        r = shop_await(s, &s->home, is_protected, "seeding the DR site", &status, err);
    if (r < 0)
        return r;
    s->n.seed_seconds = (double)(gw_boot_ns() - begin) / (double)GW_NS_PER_S;
    s->n.seed_bytes = proxy_sent_bytes(s->dr.data);
    gw_size_format(s->n.seed_bytes, sent);
    gw_size_format(s->n.volume_bytes, total);
    story_say(
        &s->story,
        "Three tiers run at %s: a ledger on the plan's volume, an HTTP service over it, a front "
        "end, in this order, each after the health check of the one before. Volumes of %s "
        "are seeded: %s over the line, %.2f s since the command.",
        TIER_HOME, total, sent, s->n.seed_seconds);
    story_check(&s->story, status_is(status, "active", TIER_HOME),
                "the plan is PROTECTED, active at %s: %s", status_text(status, "active"),
                status_text(status, "sentence"));
    return 0;
}

static int live(struct shop *s, struct gw_error *err)
{
    CLEANUP_STATUS json_t *forecast = NULL;
    struct customers_status st;
    int r = shop_wait_bookings(s, shop_bookings(s, 1), err);
    if (r < 0)
        return r;
    customers_get_status(s->customers, &st);
    story_say(&s->story, "Customers have %llu bookings acknowledged so far. Should %s be lost now:",
              (unsigned long long)st.acknowledged, TIER_HOME);
    r = daemon_command(&s->dr, &forecast, err, "forecast", SHOP_PLAN, NULL);
    if (r == 0)
        shop_tell_forecast(s, forecast);
    return r;
}

int act_protect(struct shop *s, struct gw_error *err)
{
    story_scene(&s->story, "Protect: two sites, one plan");
    int r = make_volumes(s, err);
    if (r == 0)
        r = daemon_start(&s->home, true, err);
    if (r == 0)
        r = daemon_start(&s->dr, true, err);
    if (r == 0)
        r = pair(s, err);
    if (r == 0)
        r = protect(s, err);
    return r < 0 ? r : live(s, err);
}
