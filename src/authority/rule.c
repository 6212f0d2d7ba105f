// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The rule for automatic failover, guard by guard. */
#include "authority/rule.h"

#include "base/checked.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

typedef void guard_fn(const struct gw_rule_facts *f, struct gw_rule_row *r);

static void put(char ret[GW_RULE_TEXT], const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put(char ret[GW_RULE_TEXT], const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(ret, GW_RULE_TEXT, fmt, ap);
    va_end(ap);
}

static enum gw_known yes_if(bool b)
{
    return b ? GW_KNOWN_YES : GW_KNOWN_NO;
}

static enum gw_known negation(enum gw_known a)
{
    return a == GW_KNOWN_UNKNOWN ? a : yes_if(a == GW_KNOWN_NO);
}

static enum gw_known both(enum gw_known a, enum gw_known b)
{
    if (a == GW_KNOWN_NO || b == GW_KNOWN_NO)
        return GW_KNOWN_NO;
    return a == GW_KNOWN_YES && b == GW_KNOWN_YES ? GW_KNOWN_YES : GW_KNOWN_UNKNOWN;
}

static enum gw_known either(enum gw_known a, enum gw_known b)
{
    if (a == GW_KNOWN_YES || b == GW_KNOWN_YES)
        return GW_KNOWN_YES;
    return a == GW_KNOWN_NO && b == GW_KNOWN_NO ? GW_KNOWN_NO : GW_KNOWN_UNKNOWN;
}

static void guard_m(const struct gw_rule_facts *f, struct gw_rule_row *r)
{
    const enum gw_known clear = both(negation(f->in_the_way), yes_if(!f->suspicion.held));
    r->holds = both(clear, yes_if(f->attempts == GW_ATTEMPTS_FREE));
    put(r->value, "%s; %s; held for flapping: %s",
        f->in_the_way == GW_KNOWN_NO ? "nothing in the way" : "a run, hold, maintenance or test",
        f->attempts == GW_ATTEMPTS_FREE ? "an attempt is left" : "no attempt is left",
        f->suspicion.held ? "yes" : "no");
    put(r->wanted, "nothing in the way, an attempt left, not held");
    r->source = "this site";
}

static void guard_e1(const struct gw_rule_facts *f, struct gw_rule_row *r)
{
    r->holds = either(f->fence_verified, both(f->lapsed_there, f->lapsed_here));
    put(r->value, "at the witness: %s, here: %s; fence verified: %s",
        gw_known_name(f->lapsed_there), gw_known_name(f->lapsed_here),
        gw_known_name(f->fence_verified));
    put(r->wanted, "lapsed at both, or a verified fence");
    r->source = "this site's clock";
}

static void guard_e2(const struct gw_rule_facts *f, struct gw_rule_row *r)
{
    const struct gw_suspicion *s = &f->suspicion;
    const bool enough = s->failing >= f->limits.kinds && s->failures >= f->limits.threshold;
    r->holds = both(yes_if(enough), s->vantage);
    put(r->value, "%u kinds of channel fail, %" PRIu32 " times in a row; second vantage point: %s",
        s->failing, s->failures, gw_known_name(s->vantage));
    put(r->wanted, "%" PRIu32 " kinds, %" PRIu32 " times, and the second vantage point agrees",
        f->limits.kinds, f->limits.threshold);
    r->source = "probes";
}

static void guard_site(const struct gw_rule_facts *f, struct gw_rule_row *r)
{
    r->holds = f->suspicion.site_is_gone;
    put(r->value, "%s", gw_belief_name(f->suspicion.belief));
    put(r->wanted, "the site, not only its service, is gone");
    r->source = "probes";
}

static void guard_hold(const struct gw_rule_facts *f, struct gw_rule_row *r)
{
    r->holds = yes_if(f->suspicion.silence_ms >= f->limits.hold_ms);
    put(r->value, "silent for %" PRIu64 " s", f->suspicion.silence_ms / 1000);
    put(r->wanted, "%" PRIu32 " s", f->limits.hold_ms / 1000);
    r->source = "all channels";
}

static void guard_e3(const struct gw_rule_facts *f, struct gw_rule_row *r)
{
    r->holds = negation(f->suspicion.life);
    put(r->value, "sign of life: %s", gw_known_name(f->suspicion.life));
    put(r->wanted, "none for %" PRIu32 " s", f->limits.life_ms / 1000);
    r->source = "all channels";
    r->age_ms = f->suspicion.silence_ms;
}

static void guard_e4(const struct gw_rule_facts *f, struct gw_rule_row *r)
{
    r->holds = f->suspicion.healthy;
    put(r->value, "this site is healthy: %s", gw_known_name(f->suspicion.healthy));
    put(r->wanted, "reaches its reference addresses, and its own loop is not late");
    r->source = "this site";
}

/* Never UNSYNC, nor a copy of which nothing is stated. */
static enum gw_known copy_is_good(const struct gw_rule_facts *f)
{
    switch (f->copy.kind) {
    case GW_COPY_SYNC:
        return f->this_boot;
    case GW_COPY_ASYNC:
        /* The statement is as old as the last renewal, and that ended with the holder: what came
         * after it is at most that much more. */
        return yes_if(f->copy.lag_ms <= f->auto_rpo_ms && f->record_age_ms <= f->record_age_max_ms);
    case GW_COPY_NONE:
    case GW_COPY_UNSYNC:
    case GW_COPY_MAX:
        break;
    }
    return GW_KNOWN_NO;
}

static void guard_d1(const struct gw_rule_facts *f, struct gw_rule_row *r)
{
    r->holds = f->has_record == GW_KNOWN_YES ? copy_is_good(f) : GW_KNOWN_UNKNOWN;
    if (f->has_record != GW_KNOWN_YES)
        put(r->value, "the register could not be read");
    else if (f->copy.kind == GW_COPY_SYNC)
        put(r->value, "sync, of this replica's present boot: %s", gw_known_name(f->this_boot));
    else
        put(r->value, "%s, lag %" PRIu64 " ms", gw_copy_name(f->copy.kind), f->copy.lag_ms);
    put(r->wanted, "sync of this boot, or async with a lag of at most %" PRIu64 " ms",
        f->auto_rpo_ms);
    r->source = "register";
    r->age_ms = f->record_age_ms;
}

static void guard_d2(const struct gw_rule_facts *f, struct gw_rule_row *r)
{
    r->holds = both(f->consistent, yes_if(f->points > 0));
    put(r->value, "consistent: %s; %u recovery points", gw_known_name(f->consistent), f->points);
    put(r->wanted, "all volumes at one seq, a recovery point");
    r->source = "replica";
}

static void guard_r1(const struct gw_rule_facts *f, struct gw_rule_row *r)
{
    const bool fresh = f->ready_age_ms <= f->ready_age_max_ms;
    r->holds = fresh ? f->ready : GW_KNOWN_UNKNOWN;
    put(r->value, "ready: %s%s", gw_known_name(f->ready),
        fresh ? "" : ", but looked at too long ago");
    put(r->wanted, "green, at most %" PRIu64 " s old", f->ready_age_max_ms / 1000);
    r->source = "checks of this site";
    r->age_ms = f->ready_age_ms;
}

static void guard_f1(const struct gw_rule_facts *f, struct gw_rule_row *r)
{
    r->holds = both(f->witness_answers, either(f->enforced, f->fence_verified));
    put(r->value, "witness answers: %s; lease in the holder's write path: %s; fence verified: %s",
        gw_known_name(f->witness_answers), gw_known_name(f->enforced),
        gw_known_name(f->fence_verified));
    put(r->wanted, "the witness, and one of the two");
    r->source = "register";
}

/* `final`: its "no" is not for a person to approve away, only to override by name. */
static const struct {
    guard_fn *look;
    bool final;
} guards[GW_CASE_MAX_ID] = {
    [GW_CASE_M] = { guard_m, true },          [GW_CASE_E1] = { guard_e1, true },
    [GW_CASE_E2] = { guard_e2, true },        [GW_CASE_E2_SITE] = { guard_site, true },
    [GW_CASE_E2_HOLD] = { guard_hold, true }, [GW_CASE_E3] = { guard_e3, true },
    [GW_CASE_E4] = { guard_e4, true },        [GW_CASE_D1] = { guard_d1, false },
    [GW_CASE_D2] = { guard_d2, false },       [GW_CASE_R1] = { guard_r1, false },
    [GW_CASE_F1] = { guard_f1, false },
};

static enum gw_rule_verdict verdict(enum gw_rule_mode mode, bool final_no, bool all)
{
    if (mode == GW_RULE_MODE_MANUAL || final_no)
        return GW_DECISION_NO;
    if (mode == GW_RULE_MODE_OBSERVE)
        return all ? GW_DECISION_WOULD : GW_DECISION_NO;
    return mode == GW_RULE_MODE_AUTO && all ? GW_DECISION_FAIL_OVER : GW_DECISION_AWAIT_APPROVAL;
}

void gw_rule_judge(const struct gw_rule_facts *f, struct gw_rule_result *ret)
{
    bool final_no = false;
    *ret = (struct gw_rule_result){ 0 };
    for (unsigned g = 0; g < GW_CASE_MAX_ID; g++) {
        struct gw_rule_row *r = &ret->rows[g];
        r->id = (enum gw_case_id)g;
        guards[g].look(f, r);
        ret->failed += r->holds == GW_KNOWN_NO;
        ret->unknown += r->holds == GW_KNOWN_UNKNOWN;
        final_no |= guards[g].final && r->holds == GW_KNOWN_NO;
    }
    ret->verdict = verdict(f->mode, final_no, ret->failed == 0 && ret->unknown == 0);
}
