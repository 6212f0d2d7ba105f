// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Members of JSON by path ("verify.running"). Absent or of another type: "", 0, false. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

const json_t *status_at(const json_t *o, const char *path);
const char *status_text(const json_t *o, const char *path);
bool status_is(const json_t *o, const char *path, const char *text);
uint64_t status_number(const json_t *o, const char *path);
double status_real(const json_t *o, const char *path);
bool status_true(const json_t *o, const char *path);

static inline void status_cleanup(json_t **o)
{
    json_decref(*o);
}
#define CLEANUP_STATUS __attribute__((cleanup(status_cleanup)))
