// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Health checks: does the service answer?
 *
 *     gw_check_check(&check, err)                        is it complete? (when a plan is checked)
 *     gw_health_await(checks, n, timeout_ms, &work, &health, err)    until all are green and
 * settled gw_health_look(checks, n, &work, &health, err)     each once, side by side
 *     gw_health_done(&health)
 *
 * A check asks every interval_ms and waits at most timeout_ms for an answer. `threshold` answers in
 * a row change its colour (1: each does). Green has to last for settle_ms before it counts.
 * All checks run at the same time; the wait ends when all are green and settled at once.
 *
 *     tcp    a connection is accepted
 *     http   the status is `expect` and the body contains `body`; redirects are followed on the
 *            same scheme, host and port only, and no proxy is used
 *     exec   exit code 0
 *
 * Colours: GREEN; RED: an answer that says no (refused, another status, another exit code), also
 * no answer where one is due (a timeout) after the threshold; UNKNOWN: never asked to the end, or
 * the check itself is broken (no such program, no such name, cancelled). The absence of an answer
 * is never green.
 */
#pragma once

#include "work/work.h"

#include <stdbool.h>
#include <stdint.h>

enum gw_check_kind {
    GW_CHECK_TCP,
    GW_CHECK_HTTP,
    GW_CHECK_EXEC,
    GW_CHECK_KIND_MAX,
};

struct gw_work_check {
    enum gw_check_kind kind;
    const char *name;                            /* for sentences; NULL: made from what it asks */
    const char *address;                         /* tcp: "host:port", "[v6]:port" */
    const char *url;                             /* http */
    unsigned expect;                             /* http: status; 0: 200 */
    const char *body;                            /* http: part of the first 64 KiB; NULL: any */
    const char *const *argv;                     /* exec */
    unsigned interval_ms, timeout_ms, threshold; /* 0: limits.h; 1 */
    unsigned settle_ms;
};

enum gw_colour {
    GW_COLOUR_UNKNOWN,
    GW_COLOUR_GREEN,
    GW_COLOUR_RED,
    GW_COLOUR_MAX,
};
const char *gw_colour_name(enum gw_colour colour);

struct gw_check_report {
    char name[GW_WORK_NAME_MAX * 2];
    enum gw_colour colour;
    char text[GW_WORK_TEXT_MAX]; /* the last evidence: "status 503", "connection refused", ... */
    uint64_t seen_boot_ns;       /* when; 0: never. Its age is gw_boot_ns() - seen */
    uint64_t took_ns;            /* how long the answer took */
    unsigned asked;              /* how often */
};

struct gw_health {
    enum gw_colour colour; /* RED if any is red, else UNKNOWN if any is unknown, else GREEN */
    bool cancelled;
    uint64_t took_ns;
    size_t n;
    struct gw_check_report *check;
};

int gw_check_check(const struct gw_work_check *c, struct gw_error *err);
/* 0 checks are GREEN. timeout_ms 0: limits.h. Negative only if it could not be done at all. */
int gw_health_await(const struct gw_work_check *checks, size_t n, unsigned timeout_ms,
                    const struct gw_work *w, struct gw_health *ret, struct gw_error *err);
int gw_health_look(const struct gw_work_check *checks, size_t n, const struct gw_work *w,
                   struct gw_health *ret, struct gw_error *err);
void gw_health_done(struct gw_health *h);
/* The worst check in a sentence: "http 127.0.0.1:80/ok is RED: status 503 (expected 200)". */
void gw_health_text(const struct gw_health *h, char ret[GW_WORK_TEXT_MAX]);
