// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What no single key can say: rules between keys of a plan. */
#pragma once

#include "plan/decode.h"
#include "plan/planfile.h"

/* After gw_decode(), whether it found errors or not: what was wrong there is passed over here. */
void gw_planfile_check(struct gw_decode *d, const struct gw_planfile *p);
