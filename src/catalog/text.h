// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* UTF-8, and JSON texts. Used inside the catalog only. */
#pragma once

#include "base/error.h"
#include "catalog/mem.h"

#include <stdbool.h>

bool gw_text_is_utf8(const char *text);
/* `text` itself if it is UTF-8, else a copy in mem with U+FFFD for what is not; NULL: no memory. */
const char *gw_text_clean(struct gw_catalog_mem *mem, const char *text);
/* Capital letters, digits and underscores, as in "UNDO_INTENT", not too long. */
bool gw_text_is_token(const char *text);
/* A JSON text in its canonical form (sorted, no white space) in mem; NULL counts as {}. -EINVAL. */
int gw_text_json(struct gw_catalog_mem *mem, const char *text, const char **ret,
                 struct gw_error *err);
/* Object `patch` over object `old`, in canonical form: members with null are removed; with `keep`
 * those that `old` has stay as they are. -EINVAL. */
int gw_text_json_merge(struct gw_catalog_mem *mem, const char *old, const char *patch, bool keep,
                       const char **ret, struct gw_error *err);
