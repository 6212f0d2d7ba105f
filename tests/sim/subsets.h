// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Every subset of two unsynced granules. At the first power loss where at least two are unsynced
 * the seed chooses two of them, and the run goes on once for each of the four subsets of these two
 * that may survive: each in a process of its own, forked there, so that what came before is the
 * same to the last byte. What becomes of the other granules the seed decides, the same in all four.
 *
 * The process that forked ends where it did, with status 1 if one of the four did not end with 0.
 */
#pragma once

#include "memdisk.h"

enum { SUBSETS_NONE = -1, SUBSETS_ALL = 4 }; /* or only that one, 0 to 3 */

/* For the next power loss, and no other. */
void subset_wanted(int which);
/* Did this process go on with one subset of two? */
bool subset_is_chosen(void);

/* Around a power loss: chooses, and forks. */
void subset_begin(struct memdisk *d, unsigned granule);
void subset_end(void);
/* Is this one of the two? *ret: what becomes of it, of n states. */
bool subset_picks(const char *path, uint64_t off, unsigned n, unsigned *ret);
