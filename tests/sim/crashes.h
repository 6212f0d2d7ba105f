// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Every crash point, one by one, by process death and by power loss; and in pairs. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* `stories` runs for each point, kind and site; pairs: a second crash is armed when the first has
 * struck. Exit status: 1 if a run failed, or a point was never reached. */
int crashes_run(unsigned stories, bool pairs, unsigned jobs);
/* One of these runs, in this process. */
int crashes_one(unsigned stories, bool pairs, uint64_t job);
