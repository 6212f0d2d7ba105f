// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The inside of a plan directory, shared by plan.c, plan_create.c and reshape_plan.c. */
#pragma once

#include "engine/plan.h"

/* Open what the plan names so; its size and its lock are checked. */
int gw_plan_open_volume(struct gw_plan *p, const struct gw_side_volume *v, struct gw_file **ret,
                        struct gw_error *err);
int gw_plan_open_map(struct gw_plan *p, const struct gw_side_volume *v, struct gw_dirtymap **ret,
                     struct gw_error *err);
/* Is there anything but zeros in [from, to)? Data that is all zeros is none. */
int gw_volume_holds_data(struct gw_file *f, uint64_t from, uint64_t to, bool *ret,
                         struct gw_error *err);
