// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Forecasts: how long, how much, and what will be lost. Arithmetic only.
 *
 * A number that nobody knows is GW_NOT_KNOWN, and every result says whether it is known, a lower
 * bound, never, or not known: an unknown rate gives no time, a rate that is not above the inflow
 * gives "never at this rate", and what was acknowledged after the last word of a dead site is
 * "not known since", never zero.
 *
 * Nothing overflows: what does not fit counts as GW_FORECAST_LONG_MS at most.
 *
 * Pure, any thread, no allocation; texts go to the caller's memory and are always terminated.
 * Units are in the names; rates are bytes a second.
 */
#pragma once

#include "core/values.h"

#include <stddef.h>
#include <stdint.h>

#define GW_NOT_KNOWN UINT64_MAX
/* Longer is "never": a hundred years. */
#define GW_FORECAST_LONG_MS (100ull * 366 * 24 * 3600 * 1000)
#define GW_FORECAST_TEXT_MAX 256

enum gw_forecast_kind {
    GW_FORECAST_UNKNOWN = 0,
    GW_FORECAST_KNOWN,
    GW_FORECAST_AT_LEAST, /* a lower bound: a part of it is not known */
    GW_FORECAST_NEVER,    /* not at this rate */
};

struct gw_forecast_time {
    enum gw_forecast_kind kind;
    uint64_t ms; /* KNOWN, AT_LEAST */
};

/* Bytes in a time, as a rate; GW_NOT_KNOWN for no time or too little to measure. */
#define GW_FORECAST_RATE_MS_MIN 200
uint64_t gw_forecast_rate(uint64_t bytes, uint64_t ms);

/* Until `bytes` are copied at `rate` while `inflow` arrives. 0 bytes: 0 ms whatever the rates. An
 * inflow that is not known makes it AT_LEAST. */
void gw_forecast_sync(uint64_t bytes, uint64_t rate_bytes_s, uint64_t inflow_bytes_s,
                      struct gw_forecast_time *ret);

/* ---- outage ------------------------------------------------------------------------------- */

/* Nearest-rank quantiles; sorts `ms` in place. n = 0: both GW_NOT_KNOWN. */
void gw_forecast_quantiles(uint64_t *ms, size_t n, uint64_t *ret_median_ms, uint64_t *ret_p90_ms);

struct gw_forecast_step {
    bool in_outage; /* runs between the last write at the old and the first at the new site */
    uint64_t median_ms, p90_ms; /* GW_NOT_KNOWN: never measured */
    uint64_t target_ms;         /* used instead where there is no history; GW_NOT_KNOWN: none */
};

struct gw_forecast_outage {
    struct gw_forecast_time typical, cautious; /* sums of medians, of p90s */
    unsigned steps, guessed, missing; /* in the outage; by target only; with neither: not counted */
};
/* typical, cautious: AT_LEAST if a step has neither history nor target. The sum of p90s is above
 * the p90 of the sum: cautious on purpose. */
void gw_forecast_outage(const struct gw_forecast_step *steps, size_t n,
                        struct gw_forecast_outage *ret);

/* ---- loss --------------------------------------------------------------------------------- */

enum gw_loss_kind {
    GW_LOSS_UNKNOWN = 0,
    GW_LOSS_NONE, /* proven: released with a matched token, or it answers and has nothing pending */
    GW_LOSS_KNOWN,   /* just that: the other site answers and nothing is being written */
    GW_LOSS_AT_LEAST /* that was pending at the last word; what came after it, nobody knows */
};

struct gw_loss_facts {
    enum gw_tri
        released_equal; /* the old site released with a matched token, and no override since */
    enum gw_tri override_since; /* an override intervened: a token proves nothing any more (P3) */
    enum gw_tri recorded_sync;  /* the last record of the old site is SYNC and names this replica */
    enum gw_tri old_answers;    /* the old site answers now: its figures are of now */
    enum gw_tri old_quiet;      /* and its service is stopped or quiesced */
    enum gw_repl repl;          /* as last known */
    uint64_t pending_bytes;     /* acknowledged there, not durable here, at the last word */
    uint64_t pending_ms;        /* age of the oldest of them then */
    uint64_t silent_ms;         /* since the last word */
};

struct gw_loss {
    enum gw_loss_kind kind;
    uint64_t bytes, ms; /* at risk: KNOWN, AT_LEAST; GW_NOT_KNOWN where not even a bound is known */
    uint64_t silent_ms; /* AT_LEAST, UNKNOWN: "not known since"; GW_NOT_KNOWN: never heard of it */
};
void gw_forecast_loss(const struct gw_loss_facts *f, struct gw_loss *ret);

/* ---- words -------------------------------------------------------------------------------- */

/* "3 min 20 s", "never at this rate", "not known", "at least 5 s". */
void gw_forecast_time_text(const struct gw_forecast_time *t, char ret[GW_FORECAST_TEXT_MAX]);
#define GW_DURATION_TEXT 32
void gw_forecast_duration(uint64_t ms,
                          char ret[GW_DURATION_TEXT]); /* "350 ms", "41 s", "2 h 5 min" */

/* "nothing is lost: ...", "41.0 MiB of the last 3 s ...; not known since 2 min ago". */
void gw_forecast_loss_text(const struct gw_loss *l, char ret[GW_FORECAST_TEXT_MAX]);

/* Which way data flows, if it does and that is known, and what a move turns: "madrid is active and
 * data flows madrid -> lisbon; after the failover lisbon serves and data flows lisbon -> madrid".
 * `to` NONE: no move is asked for. */
struct gw_direction {
    enum gw_holder active; /* the last that was heard of */
    enum gw_tri seen;      /* NO: not now, that was some time ago */
    enum gw_tri flows;     /* there is a session, and something follows */
};
void gw_forecast_direction_text(const struct gw_direction *d, enum gw_holder to,
                                enum gw_operation_id op, const char *home, const char *dr,
                                char ret[GW_FORECAST_TEXT_MAX]);
