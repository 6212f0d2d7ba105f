// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The rule for automatic failover: a table of guards. All must hold. Each says what it looked at,
 * what it demands, where that came from and how old it is, so that a person reads the same list at
 * any time: would it fail over now, why, why not.
 *
 * What is not known is not "yes": it makes the verdict AWAIT_APPROVAL, unless a guard says "no"
 * that no approval can overrule (the other site is alive, this one is unwell, or a lease runs).
 *
 * Pure; any thread.
 */
#pragma once

#include "authority/attempts.h"
#include "authority/record.h"
#include "authority/suspect.h"

enum gw_rule_mode {
    GW_RULE_MODE_AUTO = 0,
    GW_RULE_MODE_APPROVE,
    GW_RULE_MODE_MANUAL,
    GW_RULE_MODE_OBSERVE, /* evaluates all, logs what it would have done */
    GW_RULE_MODE_MAX,
};
const char *gw_rule_mode_name(enum gw_rule_mode m);

enum gw_case_id {
    GW_CASE_M = 0,   /* nothing in the way, and an attempt is left */
    GW_CASE_E1,      /* the holder's lease has lapsed, or it is fenced */
    GW_CASE_E2,      /* enough failures, kinds, and a second vantage point */
    GW_CASE_E2_SITE, /* it is the site that is gone, not its service */
    GW_CASE_E2_HOLD, /* the silence has lasted */
    GW_CASE_E3,      /* no sign of life */
    GW_CASE_E4,      /* the observer is healthy */
    GW_CASE_D1,      /* what the copy is worth */
    GW_CASE_D2,      /* consistent, and a recovery point */
    GW_CASE_R1,      /* this site is ready */
    GW_CASE_F1,      /* the holder can be revoked */
    GW_CASE_MAX_ID,
};

struct gw_rule_facts {
    enum gw_rule_mode mode;
    enum gw_known in_the_way; /* a run, hold, maintenance or test */
    enum gw_attempts_verdict attempts;

    enum gw_known lapsed_there, lapsed_here; /* authority.h */
    enum gw_known fence_verified;
    enum gw_known witness_answers;
    enum gw_known enforced; /* the record: the lease is in the holder's write path */

    struct gw_suspicion suspicion;
    struct gw_suspect_limits limits;

    enum gw_known has_record;
    struct gw_copy_state copy; /* of the record */
    enum gw_known this_boot;   /* SYNC names this replica's present boot id */
    uint64_t record_age_ms, record_age_max_ms;
    uint64_t auto_rpo_ms;

    enum gw_known consistent; /* all volumes at one seq */
    unsigned points;
    enum gw_known ready;
    uint64_t ready_age_ms, ready_age_max_ms;
};

#define GW_RULE_TEXT 128

struct gw_rule_row {
    enum gw_case_id id;
    enum gw_known holds;
    char value[GW_RULE_TEXT];  /* what was seen */
    char wanted[GW_RULE_TEXT]; /* what is demanded */
    const char *source;
    uint64_t age_ms;
};

enum gw_rule_verdict {
    GW_DECISION_NO = 0,
    GW_DECISION_FAIL_OVER,
    GW_DECISION_AWAIT_APPROVAL,
    GW_DECISION_WOULD, /* observe: it would have failed over */
    GW_DECISION_MAX_ID,
};
const char *gw_rule_verdict_name(enum gw_rule_verdict v);

struct gw_rule_result {
    enum gw_rule_verdict verdict;
    unsigned failed, unknown; /* how many guards */
    struct gw_rule_row rows[GW_CASE_MAX_ID];
};

void gw_rule_judge(const struct gw_rule_facts *f, struct gw_rule_result *ret);

const char *gw_case_label(enum gw_case_id g); /* "E2''" */
const char *gw_case_title(enum gw_case_id g); /* for people */
