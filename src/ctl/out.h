// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What people read: aligned rows, tables, a progress bar; and the JSON they are made from. All on
 * standard output but for progress, which goes to standard error.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Members by path ("verify.running"). Absent, null or of another type: "", 0, false, NULL. */
const json_t *ctl_at(const json_t *o, const char *path);
const char *ctl_text(const json_t *o, const char *path);
uint64_t ctl_number(const json_t *o, const char *path);
bool ctl_true(const json_t *o, const char *path);

/* "label          text" */
void ctl_row(const char *label, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void ctl_say(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* a sentence */

enum ctl_kind {
    CTL_KIND_TEXT,
    CTL_KIND_NUMBER,
    CTL_KIND_BYTES,
    CTL_KIND_BOOL, /* "yes", "" */
    CTL_KIND_UUID, /* the first group */
};

struct ctl_column {
    const char *key, *header;
    enum ctl_kind kind;
};

/* An array of objects, one a line; numbers to the right. Nothing if it is empty. */
void ctl_table(const struct ctl_column *columns, size_t n, const json_t *rows);

#define CTL_DURATION_TEXT 32
/* "1 h 20 min", "12 s". */
void ctl_duration_format(double seconds, char ret[CTL_DURATION_TEXT]);

/*
 * Progress of something measured in bytes: a bar with rate and time left where standard error is a
 * terminal, else a line every few seconds. Zero-initialise but for `what` and `quiet`.
 */
struct ctl_progress {
    const char *what;
    bool quiet;
    uint64_t begin_ns, begin_bytes, last_ns;
    bool drawn;
};
void ctl_progress(struct ctl_progress *p, uint64_t done, uint64_t total);
void ctl_progress_end(struct ctl_progress *p); /* leave the bar */
