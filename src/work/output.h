// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What a command said, within limits: its beginning, its end, how much it was in all, and the
 * SHA-256 of every byte (evidence: the whole text can be proven later without having been kept).
 *
 * Plain memory of the caller: gw_output_init .. gw_output_done. One thread.
 */
#pragma once

#include "base/error.h"
#include "work/limits.h"

#include <stddef.h>
#include <stdint.h>

#define GW_SHA256_TEXT 65 /* hexadecimal, with the NUL */

struct gw_output {
    uint64_t total_bytes;
    char sha256[GW_SHA256_TEXT]; /* set by gw_output_finish */
    char *text;                  /* set by gw_output_finish; see there */
    /* private */
    char *head, *tail;
    void *hash;
};

int gw_output_init(struct gw_output *o, struct gw_error *err);
void gw_output_done(struct gw_output *o);
void gw_output_add(struct gw_output *o, const void *data, size_t len);
/*
 * No more will come: sets sha256 and text. The text is valid UTF-8 whatever was said: what is not
 * becomes '?', as do control characters but newline and tab; where bytes were left out stands
 * "[... 1234 bytes left out ...]" on a line of its own.
 */
int gw_output_finish(struct gw_output *o, struct gw_error *err);
/* The last line with anything in it, for a sentence; "" if there is none. Cut to cap. */
void gw_output_last_line(const struct gw_output *o, char *ret, size_t cap);

/* Bytes of strangers as text for people and JSON, by the rule above; malloc'ed, NULL: no memory. */
char *gw_output_clean(const void *data, size_t len);
/* The same in place, for text that may have been cut in the middle of a character. */
void gw_output_scrub(char *text);
