// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Where the programs are that the demo drives: beside the running executable in a build tree, in
 * the directory the user names, or installed.
 */
#pragma once

#include "base/error.h"

#include <limits.h>
#include <stdbool.h>

struct programs {
    char replica[PATH_MAX], ctl[PATH_MAX], nbdkit[PATH_MAX];
    char plugin[PATH_MAX];                    /* the file; "godwit" if nbdkit knows it by name */
    char build_dir[PATH_MAX];                 /* where they were found; "" = installed */
    char godwitd[PATH_MAX], godwit[PATH_MAX]; /* of programs_find_site */
};

/* dir: NULL, or where to look first: a build directory, or one that holds the programs. */
int programs_find(const char *dir, struct programs *ret, struct gw_error *err);

/* godwitd and godwit, which are beside those that programs_find found. */
int programs_find_site(struct programs *p, struct gw_error *err);

/* The path of a program that is executable: on the PATH or where administrators' tools are, or
 * name itself if it has a slash. */
bool program_on_path(const char *name, char ret[PATH_MAX]);
