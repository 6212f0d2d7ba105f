// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The log of a unit's process. (gw_unit_log_tail is in unit/unit.h.) */
#pragma once

#include "base/error.h"

/* For appending, close-on-exec. Longer than GW_UNIT_LOG_BYTES_MAX: it becomes PATH.1 first. */
int gw_unit_log_open(const char *path, int *ret_fd, struct gw_error *err);
