// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The table of the plan file. */
#pragma once

#include "plan/schema.h"

extern const struct gw_schema gw_planfile_schema; /* struct gw_planfile */
