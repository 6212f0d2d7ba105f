// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The forecast of an operation, from the view and from the history of steps. */
#pragma once

#include "core/forecast.h"
#include "core/words.h"
#include "site/documents.h"

/* {"operation","from","to","direction","delta_bytes","sync","outage","loss",...}, new; NULL: no
 * memory. */
json_t *site_forecast(struct site *s, struct site_plan *p, enum gw_operation_id op);
json_t *site_loss_json(const struct gw_loss *loss);
