// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Holding a thread back where it is about to do something: the way in which a history says that one
 * thing has happened and the next one has not. What is held is an operation on the disk before it
 * has any effect, or a crash point; both are places where the engine holds no lock (but for the
 * store of meta, which is therefore not to be held, and the crash points around it).
 */
#pragma once

#include "memdisk.h"

struct hold;

/*
 * From now on whoever begins one of these operations (MEMDISK_*: READ, WRITE, SYNC, ZERO) on a file
 * of the site whose path contains `path`, in bytes [from, to), waits; `skip`: so many go through
 * first. A name that is made durable as it is written counts as WRITE.
 */
struct hold *hold_io(int site, unsigned ops, const char *path, uint64_t from, uint64_t to,
                     unsigned skip);
struct hold *hold_at(int site, const char *crash_point);
unsigned hold_waiting(const struct hold *h); /* how many wait there now */
void hold_let_go(struct hold *h);            /* those who wait go on, and nobody waits any more */

/* simdisk.c: where it happens. */
void hold_opened(const struct gw_file *f, const char *path);
void hold_closed(const struct gw_file *f);
void hold_file(int site, unsigned op, const struct gw_file *f, uint64_t off, uint64_t len);
void hold_crash_point(int site, const char *name);
