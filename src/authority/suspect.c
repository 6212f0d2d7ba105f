// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Suspicion: several kinds of evidence, hysteresis, vetoes, and doubt about oneself. */
#include "authority/suspect.h"

#include "base/checked.h"

#include <string.h>

struct gw_suspect_limits gw_suspect_limits_default(void)
{
    return (struct gw_suspect_limits){ .threshold = 3,
                                       .recover = 3,
                                       .kinds = 2,
                                       .hold_ms = 60000,
                                       .life_ms = 15000,
                                       .fresh_ms = 30000,
                                       .late_ms = 2000,
                                       .ha_grace_ms = 120000,
                                       .flaps = 3 };
}

const char *gw_channel_name(enum gw_channel c)
{
    static const char *const names[GW_CHANNEL_MAX] = { "site link", "data link", "service",
                                                       "host" };
    return (unsigned)c < GW_CHANNEL_MAX ? names[c] : "invalid";
}

const char *gw_known_name(enum gw_known a)
{
    static const char *const names[GW_KNOWN_MAX] = { "unknown", "no", "yes" };
    return (unsigned)a < GW_KNOWN_MAX ? names[a] : "invalid";
}

const char *gw_belief_name(enum gw_belief b)
{
    static const char *const names[GW_BELIEF_MAX] = { "calm", "service down", "suspect", "gone" };
    return (unsigned)b < GW_BELIEF_MAX ? names[b] : "invalid";
}

static uint64_t passed(uint64_t then, uint64_t now)
{
    return now > then ? now - then : 0;
}

/* Silence begins with the start: what was before, nobody knows. */
void gw_suspect_init(struct gw_suspect *s, const struct gw_suspect_limits *limits, uint64_t now_ms)
{
    *s = (struct gw_suspect){ .limits = *limits, .life_at_ms = now_ms, .since_ms = now_ms };
    s->limits.flaps = GW_MIN(s->limits.flaps, GW_SUSPECT_FLAPS_MAX);
}

static void note_flap(struct gw_suspect *s, uint64_t now_ms)
{
    unsigned n = 0;
    for (unsigned i = 0; i < s->nflaps; i++) {
        if (passed(s->flap_at_ms[i], now_ms) < GW_SUSPECT_FLAP_WINDOW_MS)
            s->flap_at_ms[n++] = s->flap_at_ms[i];
    }
    if (n == GW_SUSPECT_FLAPS_MAX)
        memmove(s->flap_at_ms, s->flap_at_ms + 1, --n * sizeof s->flap_at_ms[0]);
    s->flap_at_ms[n++] = now_ms;
    s->nflaps = n;
    if (s->limits.flaps > 0 && n >= s->limits.flaps)
        s->held = true;
}

static unsigned failing(const struct gw_suspect *s, uint64_t now_ms, uint32_t *ret_failures)
{
    unsigned n = 0;
    *ret_failures = 0;
    for (unsigned c = 0; c < GW_CHANNEL_MAX; c++) {
        if (!s->channel[c].failing || passed(s->channel[c].at_ms, now_ms) > s->limits.fresh_ms)
            continue;
        if (n++ == 0 || s->channel[c].failures < *ret_failures)
            *ret_failures = s->channel[c].failures;
    }
    return n;
}

/* Does anything but the service answer? */
static bool site_answers(const struct gw_suspect *s, uint64_t now_ms)
{
    for (unsigned c = 0; c < GW_CHANNEL_MAX; c++) {
        if (c != GW_CHANNEL_SERVICE && s->channel[c].used && s->channel[c].successes > 0 &&
            passed(s->channel[c].at_ms, now_ms) <= s->limits.fresh_ms)
            return true;
    }
    return false;
}

static enum gw_belief believe(const struct gw_suspect *s, uint64_t now_ms)
{
    uint32_t failures;
    const unsigned n = failing(s, now_ms, &failures);
    if (n == 0)
        return GW_BELIEF_CALM;
    if (n == 1 && s->channel[GW_CHANNEL_SERVICE].failing && site_answers(s, now_ms))
        return GW_BELIEF_SERVICE_DOWN;
    const bool alive = s->life_seen && passed(s->life_at_ms, now_ms) <= s->limits.life_ms;
    return n >= s->limits.kinds && !site_answers(s, now_ms) && !alive ? GW_BELIEF_GONE
                                                                      : GW_BELIEF_SUSPECT;
}

static void rethink(struct gw_suspect *s, uint64_t now_ms)
{
    const enum gw_belief now = believe(s, now_ms);
    if (now == s->belief)
        return;
    if (s->belief < GW_BELIEF_SUSPECT && now >= GW_BELIEF_SUSPECT)
        note_flap(s, now_ms);
    s->belief = now;
    s->since_ms = now_ms;
}

void gw_suspect_probe(struct gw_suspect *s, enum gw_channel c, bool answered, uint64_t now_ms)
{
    s->channel[c].used = true;
    s->channel[c].at_ms = now_ms;
    if (answered) {
        s->channel[c].failures = 0;
        if (++s->channel[c].successes >= s->limits.recover)
            s->channel[c].failing = false;
        if (c != GW_CHANNEL_SERVICE) /* a front end elsewhere may answer for a dead site */
            gw_suspect_life(s, now_ms);
    } else {
        s->channel[c].successes = 0;
        if (++s->channel[c].failures >= s->limits.threshold)
            s->channel[c].failing = true;
    }
    rethink(s, now_ms);
}

void gw_suspect_vantage(struct gw_suspect *s, enum gw_known sees, uint64_t now_ms)
{
    s->vantage_used = true;
    s->vantage_sees = sees;
    s->vantage_at_ms = now_ms;
    if (sees == GW_KNOWN_YES)
        gw_suspect_life(s, now_ms);
}

void gw_suspect_life(struct gw_suspect *s, uint64_t now_ms)
{
    s->life_seen = true;
    s->life_at_ms = GW_MAX(s->life_at_ms, now_ms);
}

void gw_suspect_self(struct gw_suspect *s, enum gw_known references, uint64_t late_ms,
                     uint64_t now_ms)
{
    s->references = references;
    s->references_at_ms = now_ms;
    s->late_ms = late_ms;
}

void gw_suspect_clear(struct gw_suspect *s)
{
    s->nflaps = 0;
    s->held = false;
}

static enum gw_known healthy(const struct gw_suspect *s, uint64_t now_ms)
{
    if (s->late_ms > s->limits.late_ms)
        return GW_KNOWN_NO;
    if (passed(s->references_at_ms, now_ms) > s->limits.fresh_ms)
        return GW_KNOWN_UNKNOWN;
    return s->references;
}

/* The vantage point's view in the negative: does it, too, see nothing? */
static enum gw_known agrees(const struct gw_suspect *s, uint64_t now_ms)
{
    if (!s->vantage_used || s->vantage_sees == GW_KNOWN_UNKNOWN ||
        passed(s->vantage_at_ms, now_ms) > s->limits.fresh_ms)
        return GW_KNOWN_UNKNOWN;
    return s->vantage_sees == GW_KNOWN_NO ? GW_KNOWN_YES : GW_KNOWN_NO;
}

struct gw_suspicion gw_suspect_assess(struct gw_suspect *s, uint64_t now_ms)
{
    struct gw_suspicion r = { 0 };
    rethink(s, now_ms);
    r.belief = s->belief;
    r.failing = failing(s, now_ms, &r.failures);
    r.vantage = agrees(s, now_ms);
    r.silence_ms = passed(s->life_at_ms, now_ms);
    r.life = s->life_seen && r.silence_ms <= s->limits.life_ms ? GW_KNOWN_YES : GW_KNOWN_NO;
    r.site_is_gone = s->belief == GW_BELIEF_GONE ? GW_KNOWN_YES : GW_KNOWN_NO;
    r.healthy = healthy(s, now_ms);
    r.escalate =
        s->belief == GW_BELIEF_SERVICE_DOWN && passed(s->since_ms, now_ms) >= s->limits.ha_grace_ms;
    r.held = s->held;
    return r;
}
