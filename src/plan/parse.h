// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What reading a plan file and reading a site file have in common. */
#pragma once

#include "plan/decode.h"

/* Checks between keys, after decoding; `file` is the decoded struct. NULL: there are none. */
typedef void gw_parse_check_fn(struct gw_decode *d, const void *file);

/* Bytes into a struct of *ret_arena by `schema`. Errors as gw_planfile_parse() has them. */
int gw_parse_file(const char *name, const void *bytes, size_t len, enum gw_doc_format format,
                  const struct gw_schema *schema, gw_parse_check_fn *check,
                  struct gw_plan_errors *errors, struct gw_arena **ret_arena, void **ret,
                  struct gw_error *err);
