// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * From probes to suspicion: does this site believe that the other site is gone?
 *
 * Probes of several kinds of channel come in, and signs of life. A kind *fails* after `threshold`
 * consecutive failures, and is good again after `recover` consecutive successes (hysteresis). What
 * is believed:
 *
 *      CALM         nothing fails
 *      SERVICE_DOWN the service fails, but the site answers: an HA event, never a failover by
 * itself SUSPECT      something fails that is not the service alone GONE         as many kinds fail
 * as the plan demands, and nothing gives a sign of life
 *
 * Leaving CALM for SUSPECT or GONE counts as a flap; too many of them in an hour hold the plan
 * until a person clears it. What a site that is unwell itself sees is worth nothing: its own health
 * comes in too. Times are of one monotonic clock, in milliseconds. Pure; one thread at a time.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum gw_channel {
    GW_CHANNEL_SITE_LINK = 0, /* the other site's daemon */
    GW_CHANNEL_DATA_LINK,     /* replication */
    GW_CHANNEL_SERVICE,       /* the workload's own checks */
    GW_CHANNEL_HOST, /* anything else at that site that answers: management board, gateway */
    GW_CHANNEL_MAX,
};
const char *gw_channel_name(enum gw_channel c);

struct gw_suspect_limits {
    uint32_t threshold;   /* consecutive failures (3) */
    uint32_t recover;     /* consecutive successes (3) */
    uint32_t kinds;       /* kinds of channel that have to fail (2) */
    uint32_t hold_ms;     /* the silence in all (60 s) */
    uint32_t life_ms;     /* a sign of life this young vetoes (15 s) */
    uint32_t fresh_ms;    /* a probe's answer is worth something for so long (30 s) */
    uint32_t late_ms;     /* own loop: later than this, and one is unwell (2 s) */
    uint32_t ha_grace_ms; /* before a dead service at a living site is escalated (120 s) */
    uint32_t flaps;       /* in an hour: then held (3) */
};
struct gw_suspect_limits gw_suspect_limits_default(void);

#define GW_SUSPECT_FLAP_WINDOW_MS 3600000u
#define GW_SUSPECT_FLAPS_MAX 16u /* that are remembered; limits.flaps is at most this */

enum gw_known { GW_KNOWN_UNKNOWN = 0, GW_KNOWN_NO, GW_KNOWN_YES, GW_KNOWN_MAX };
const char *gw_known_name(enum gw_known a);

enum gw_belief {
    GW_BELIEF_CALM = 0,
    GW_BELIEF_SERVICE_DOWN,
    GW_BELIEF_SUSPECT,
    GW_BELIEF_GONE,
    GW_BELIEF_MAX,
};
const char *gw_belief_name(enum gw_belief b);

struct gw_suspect {
    struct gw_suspect_limits limits;
    struct {
        bool used, failing;
        uint32_t failures, successes; /* consecutive */
        uint64_t at_ms;               /* of the last probe */
    } channel[GW_CHANNEL_MAX];
    bool vantage_used; /* a second vantage point is configured */
    enum gw_known vantage_sees;
    uint64_t vantage_at_ms;
    uint64_t life_at_ms;
    bool life_seen;
    enum gw_known references; /* the observer reaches its reference addresses */
    uint64_t references_at_ms;
    uint64_t late_ms; /* how late its own loop was, at worst since it was asked */
    enum gw_belief belief;
    uint64_t since_ms; /* of the belief */
    uint64_t flap_at_ms[GW_SUSPECT_FLAPS_MAX];
    unsigned nflaps;
    bool held;
};

void gw_suspect_init(struct gw_suspect *s, const struct gw_suspect_limits *limits, uint64_t now_ms);
/* A probe of a channel was answered, or was not. */
void gw_suspect_probe(struct gw_suspect *s, enum gw_channel c, bool answered, uint64_t now_ms);
/* What the second vantage point sees of the other site. */
void gw_suspect_vantage(struct gw_suspect *s, enum gw_known sees, uint64_t now_ms);
/* Replication bytes, client writes, a beat in the register: anything that only a living site does.
 */
void gw_suspect_life(struct gw_suspect *s, uint64_t now_ms);
void gw_suspect_self(struct gw_suspect *s, enum gw_known references, uint64_t late_ms,
                     uint64_t now_ms);
/* A person has looked: flaps are forgotten. */
void gw_suspect_clear(struct gw_suspect *s);

/* What follows from all of it at this moment: the facts of rule.h. */
struct gw_suspicion {
    enum gw_belief belief;
    unsigned failing;           /* kinds that fail and are fresh */
    uint32_t failures;          /* the smallest count among them */
    enum gw_known vantage;      /* the second vantage point agrees that it is gone */
    enum gw_known site_is_gone; /* not a dead service at a living site */
    uint64_t silence_ms;        /* since the last sign of life of any kind */
    enum gw_known life;         /* a sign of life in the window */
    enum gw_known healthy;      /* the observer itself */
    bool escalate;              /* the service is down longer than ha_grace: tell people */
    bool held;
};
struct gw_suspicion gw_suspect_assess(struct gw_suspect *s, uint64_t now_ms);
