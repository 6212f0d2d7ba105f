// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The numbers at the end: a table for people, JSON for programs. */
#pragma once

#include "demo/world.h"

#include <jansson.h>

void report_table(struct world *w);
/* A new object; NULL when out of memory. `error` is NULL unless the story broke off. */
json_t *report_json(const struct world *w, const char *error, double elapsed_seconds);
