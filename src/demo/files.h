// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The files of a small office: several hundred, of all sizes, the same in every run; and what a
 * day's work changes in them. The tree on this machine is the truth that volumes are compared with.
 */
#pragma once

#include "base/error.h"

#include <stdint.h>

/* Makes `tree` (must not exist). */
int files_make(const char *tree, struct gw_error *err);

struct files_work {
    const char *who;    /* goes into names and contents */
    unsigned added;     /* new letters */
    unsigned rewritten; /* letters with a new content; the first is number `from` */
    unsigned from;
    unsigned removed;       /* books, from the end of the year `from` chooses */
    uint64_t picture_bytes; /* one new large file; 0: none */
};

/*
 * Do the work in `tree` (its directories are made if they are missing), and write to `script` the
 * commands with which debugfs does the same to a filesystem image.
 */
int files_do_work(const char *tree, const char *script, const struct files_work *work,
                  struct gw_error *err);
/* Names, below the tree, of what work makes. */
#define FILES_NAME_MAX 96
void files_letter_name(const struct files_work *work, unsigned i, char ret[FILES_NAME_MAX]);
void files_picture_name(const struct files_work *work, char ret[FILES_NAME_MAX]);
