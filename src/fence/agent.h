// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* One call of a fence agent, by the agent API: "key=value" lines on standard input. */
#pragma once

#include "fence/device.h"

#include <stdint.h>

enum gw_fence_action {
    GW_FENCE_ACTION_OFF,
    GW_FENCE_ACTION_STATUS,
    GW_FENCE_ACTION_MONITOR,
};
const char *gw_fence_action_name(enum gw_fence_action action);

/* What the agent says of itself. -ENOENT: there is no such agent. */
int gw_fence_describe(const char *agent, struct gw_fence_metadata *ret, struct gw_error *err);

/* The names of d's parameters are among the agent's, and none that it needs is missing; -EINVAL. */
int gw_fence_check_params(const struct gw_fence_device *d, const struct gw_fence_metadata *m,
                          struct gw_error *err);

/*
 * What the agent reads, secrets filled in; new, and to be wiped with gw_fence_input_free. -EACCES:
 * a secret's file is open to others; -EINVAL: a value with a line break.
 */
int gw_fence_input(const struct gw_fence_device *d, const struct gw_fence_metadata *m,
                   enum gw_fence_action action, char **ret, struct gw_error *err);
void gw_fence_input_free(char *input);

/* Run it, for at most timeout_ms. ret as of gw_child_run. */
int gw_fence_call(const struct gw_fence_device *d, const char *input, unsigned timeout_ms,
                  const struct gw_fence_how *how, struct gw_child_result *ret,
                  struct gw_error *err);
