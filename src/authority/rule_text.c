// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The rule's words. */
#include "authority/rule.h"

static const struct {
    const char *label, *title;
} guards[GW_CASE_MAX_ID] = {
    [GW_CASE_M] = { "M", "nothing is in the way, and an attempt is left" },
    [GW_CASE_E1] = { "E1", "the holder's lease has lapsed, or it is fenced" },
    [GW_CASE_E2] = { "E2", "several kinds of channel fail, and somebody else agrees" },
    [GW_CASE_E2_SITE] = { "E2'", "it is the site that is gone" },
    [GW_CASE_E2_HOLD] = { "E2''", "the silence has lasted" },
    [GW_CASE_E3] = { "E3", "no sign of life" },
    [GW_CASE_E4] = { "E4", "this site is healthy itself" },
    [GW_CASE_D1] = { "D1", "the copy is worth it" },
    [GW_CASE_D2] = { "D2", "the copy is consistent" },
    [GW_CASE_R1] = { "R1", "this site is ready" },
    [GW_CASE_F1] = { "F1", "the holder can be revoked" },
};

const char *gw_case_label(enum gw_case_id g)
{
    return (unsigned)g < GW_CASE_MAX_ID ? guards[g].label : "invalid";
}

const char *gw_case_title(enum gw_case_id g)
{
    return (unsigned)g < GW_CASE_MAX_ID ? guards[g].title : "invalid";
}

const char *gw_rule_mode_name(enum gw_rule_mode m)
{
    static const char *const names[GW_RULE_MODE_MAX] = { "auto", "approve", "manual", "observe" };
    return (unsigned)m < GW_RULE_MODE_MAX ? names[m] : "invalid";
}

const char *gw_rule_verdict_name(enum gw_rule_verdict v)
{
    static const char *const names[GW_DECISION_MAX_ID] = { "no", "fail over", "await approval",
                                                           "would fail over" };
    return (unsigned)v < GW_DECISION_MAX_ID ? names[v] : "invalid";
}
