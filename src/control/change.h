// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* A change of the volumes as the arguments of a control command, once for source and replica. */
#pragma once

#include "engine/plan.h"

#include <jansson.h>

/*
 * Arguments "change name bytes path uuid". change: "grow", "add" or "remove"; name; bytes of grow
 * and add; path and uuid of add (without a uuid it is made of the plan's and the name, alike at
 * both sites). The path is borrowed from the request. Takes plan->mu.
 */
int gw_control_arg_change(const json_t *request, struct gw_plan *plan, struct gw_reshape *ret,
                          const char **ret_path, struct gw_error *err);
