// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The directory in which a story happens. The demo is the whole process, so that it may sit down
 * where it works: all names are short then, in the commands that it tells too.
 */
#pragma once

#include "demo/demo.h"
#include "demo/story.h"

#include "base/error.h"

#include <limits.h>

struct stage {
    char path[PATH_MAX];
    bool made; /* by us: it goes with its content */
};

/* Made, or found empty; it is the current directory afterwards, with "log" in it. */
int stage_set(const struct demo_options *o, struct stage *st, struct gw_error *err);
/* What was there before us stays: an empty directory that was named. */
void stage_clear(const struct stage *st, const struct demo_options *o, struct story *story);
/* What a process said last, for whoever must find out why it went wrong. */
void stage_show_log(struct story *story, const char *path);
