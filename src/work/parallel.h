// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The same for many, side by side: fn(ctx, 0) .. fn(ctx, n - 1), each once, in as many threads as
 * there are (at most GW_WORK_PARALLEL_MAX; fewer if the machine has no more, the caller's at
 * least). Returns when all have returned. Threads: any; not from within an fn with more than a few.
 */
#pragma once

#include <stddef.h>

void gw_parallel(size_t n, void (*fn)(void *ctx, size_t i), void *ctx);
