// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The words that the whole core shares: three-valued facts, and the two sites of a plan.
 *
 * A fact is YES, NO or not known, and not known is zero: what nobody filled in is not known. No
 * rule of the core takes the absence of a fact for the fact.
 *
 * What a run can be of is enum gw_operation_id (operation.h), its states are in run_state.h.
 *
 * Pure, no state. In the whole core names are the words of the API and the command line, stable,
 * lower case; each _name() of the lifecycle gives "invalid" for a number outside its enum, each
 * _parse() false for a word outside it.
 */
#pragma once

#include <stdbool.h>

enum gw_tri {
    GW_TRI_UNKNOWN = 0,
    GW_TRI_NO,
    GW_TRI_YES,
    GW_TRI_MAX,
};
const char *gw_tri_name(enum gw_tri t); /* "unknown", "no", "yes" */

static inline enum gw_tri gw_tri_of(bool known_value)
{
    return known_value ? GW_TRI_YES : GW_TRI_NO;
}

/* The two sites of a plan. "home" and "dr" are labels: `adopt` exchanges them. */
enum gw_label {
    GW_LABEL_HOME = 0,
    GW_LABEL_DR,
    GW_LABEL_MAX,
};
const char *gw_label_name(enum gw_label l);

static inline enum gw_label gw_label_other(enum gw_label l)
{
    return l == GW_LABEL_HOME ? GW_LABEL_DR : GW_LABEL_HOME;
}
