// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Words that are nearly right, for "did you mean". Pure. */
#pragma once

#define GW_NEAR_WORD_MAX 40 /* longer words have no neighbours */

/* The one of `words` (NULL-terminated) that `word` was probably meant to be, or NULL. */
const char *gw_near_miss(const char *word, const char *const *words);
