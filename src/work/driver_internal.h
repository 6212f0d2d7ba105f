// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Inside the layer: the drivers of driver.c and route.c. */
#pragma once

#include "work/driver.h"
#include "work/route.h"

extern const struct gw_work_driver gw_driver_exec;
extern const struct gw_route_driver gw_route_exec;
