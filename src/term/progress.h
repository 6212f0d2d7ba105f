// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Progress of something measured in bytes, on standard error: a bar with rate and time left where
 * that is a terminal, else a line every few seconds, none for what is quick. Zero-initialise but
 * for `what` and `quiet`. Whoever prints something else meanwhile ends the bar first; it is drawn
 * again with the next call.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct gw_term_progress {
    const char *what;
    bool quiet;
    uint64_t begin_ns, begin_bytes, last_ns;
    bool drawn;
};

/* Rate and time left are measured from the first call on. */
void gw_term_progress(struct gw_term_progress *p, uint64_t done_bytes, uint64_t total_bytes);
/* The same with a rate (bytes a second) and a time left that somebody else measured; negative:
 * not known. */
void gw_term_progress_as_told(struct gw_term_progress *p, uint64_t done_bytes, uint64_t total_bytes,
                              double rate, double left_seconds);
void gw_term_progress_end(struct gw_term_progress *p); /* leave the bar */
