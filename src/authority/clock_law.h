// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The law of clocks: which durations keep two sites from being active at once, and how time that
 * passed is measured.
 *
 * Only durations are compared, each on one clock, so that it does not matter what time a clock
 * shows; what matters is how fast it may run. A holder may be active for H from the *send* time of
 * its last renewal, a voter is bound for T_g from the *receipt*. The holder takes the larger of two
 * measures of what passed, a voter the smaller; both within rho of real time:
 *
 *      H (1 + rho) <= T_g (1 - rho)     the holder stops before a voter is free
 *      r + n R     <= H - S             n tries of a renewal fit before the self-fence begins
 *      watchdog    <= H - R             the watchdog is faster than the end of the lease
 *      A_x         >= longest I/O       what is in flight has landed before the other side begins
 *
 * Pure; any thread.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_AUTHORITY_PPM 1000000u

/* Limits of the limits: nothing below is sensible for a duration that a person writes. */
#define GW_AUTHORITY_RHO_PPM_MAX 500000u
#define GW_AUTHORITY_MS_MAX 3600000u
#define GW_AUTHORITY_TRIES_MAX 100u

struct gw_authority_limits {
    uint32_t rho_ppm;     /* rho: worst rate error of a clock */
    uint32_t renew_ms;    /* r: time between two renewals */
    uint32_t reply_ms;    /* R: a slower reply does not count */
    uint32_t tries;       /* n: renewals that may fail before the self-fence begins */
    uint32_t stop_ms;     /* S: worst stop time of the write path */
    uint32_t hold_ms;     /* H: how long a renewal lets the holder be active */
    uint32_t promise_ms;  /* T_g: how long a voter is bound by it */
    uint32_t delay_ms;    /* A_x: lock delay on top of T_g */
    uint32_t io_ms;       /* longest I/O that may be in flight */
    uint32_t watchdog_ms; /* 0: no watchdog */
};

/* rho 10 %, r 3 s, R 2 s, n 3, S 6 s, H 18 s, T_g 22 s, A_x 5 s. */
struct gw_authority_limits gw_authority_limits_default(void);

#define GW_AUTHORITY_FAULTS_MAX 16

struct gw_authority_fault {
    const char *name; /* what fails: "hold", "tries", "watchdog", "delay", or a parameter */
    char text[GW_ERROR_MSG_MAX]; /* which inequality, both sides of it, by how much, the way out */
};

/* Every inequality that does not hold. Returns how many (0: the limits are safe). */
size_t gw_authority_limits_check(const struct gw_authority_limits *l,
                                 struct gw_authority_fault ret[static GW_AUTHORITY_FAULTS_MAX]);

/* When, in real time after the last renewal that was received, the other site may begin at the
 * earliest: T_g + A_x. */
uint64_t gw_authority_wait_ns(const struct gw_authority_limits *l);

/*
 * A reading of a site's clocks. CLOCK_BOOTTIME goes on in a suspend but is slewed;
 * CLOCK_MONOTONIC_RAW is not slewed but stops in a suspend, so that the time spent suspended (boot
 * - monotonic) is added. All zero is "never". Readings are of one boot of a machine; none is kept
 * across a restart.
 */
struct gw_instant {
    uint64_t boot_ns; /* CLOCK_BOOTTIME */
    uint64_t raw_ns;  /* CLOCK_MONOTONIC_RAW + (CLOCK_BOOTTIME - CLOCK_MONOTONIC) */
};

static inline bool gw_instant_is_set(const struct gw_instant *t)
{
    return t->boot_ns != 0 || t->raw_ns != 0;
}

/* What passed since `then`, for a holder: the larger measure. A clock that went backward gives 0.
 */
uint64_t gw_instant_passed_max(const struct gw_instant *then, const struct gw_instant *now);
/* The same for a voter: the smaller measure. */
uint64_t gw_instant_passed_min(const struct gw_instant *then, const struct gw_instant *now);
