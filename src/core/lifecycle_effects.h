// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What the steps of the operations mean to the lifecycle: for each step of each operation the
 * events that its success is, in order, and at which side. A step that only looks has one row with
 * no table.
 *
 * The executor needs no more than this to keep the tables' values: after DONE of a step it feeds
 * the events to gw_life_step() and does what the result says (OK: store `to`; else the plan halts,
 * because something was done that the tables do not know). test_effects walks every operation in
 * both directions through tables and headline, and fails if a step has no row here, or a row no
 * step.
 *
 * Pure data; any thread.
 */
#pragma once

#include "core/lifecycle.h"
#include "core/operation.h"

struct gw_life_effect {
    enum gw_operation_id operation; /* a failback is listed as SWITCHOVER */
    enum gw_step_id step;
    const struct gw_life_table *table; /* NULL: this step changes nothing of the lifecycle */
    enum gw_run_side side;             /* SVC: whose service; AUTH: for whom the event is */
    unsigned event; /* AUTH: that of home; gw_life_effect_event() gives the one of the side */
    bool maybe;     /* only if it was seen: a tail, a fence that could be set */
};

/* The i-th of them; NULL past the end. */
const struct gw_life_effect *gw_life_effect(unsigned i);

/* The event of a row when NEW is `new_label`. */
unsigned gw_life_effect_event(const struct gw_life_effect *e, enum gw_label new_label);
