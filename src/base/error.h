// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Errors: a negative errno value *and* a sentence.
 *
 * A function that can fail returns 0 (or a count) on success and -Exxx on failure, and fills the
 * struct gw_error it was given. Callers add context on the way up:
 *
 *     r = journal_open(dir, &j, err);
 *     if (r < 0)
 *         return gw_error_wrap(err, "cannot open plan %s", name);
 *
 * which reads "cannot open plan shop: journal segment 17: checksum mismatch at 4096".
 *
 * Ownership: the struct is plain memory owned by the caller; no allocation, nothing to free.
 * Threads: none of its own; one struct belongs to one thread at a time.
 * `err` may be NULL everywhere: the code is still returned.
 */
#pragma once

#define GW_ERROR_MSG_MAX 512

struct gw_error {
    int code; /* negative errno value; 0 = no error */
    char msg[GW_ERROR_MSG_MAX];
};

/* Set code (a negative errno value) and sentence. Returns code, so that it can be returned. */
int gw_error_set(struct gw_error *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Like gw_error_set, and appends ": strerror(-code)". */
int gw_error_errno(struct gw_error *err, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "prefix: " before the sentence. Returns err->code (-EIO if err is NULL). */
int gw_error_wrap(struct gw_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
