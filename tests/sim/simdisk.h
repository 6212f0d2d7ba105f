// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The disk and machine of a site: a memdisk (tests/lib/memdisk.h) whose operations take virtual
 * time, let other fibers run, and fail on request; with the site's clocks, boot id and uuids.
 *
 * A write of several pages may be cut by the death of its process after any page. A datasync makes
 * durable what was written before it began, or before it ended: the seed says. Crash points are
 * counted, and one may be armed: there the process dies, or the machine with it.
 */
#pragma once

#include "memdisk.h"

enum simdisk_crash { SIMDISK_PROCESS, SIMDISK_POWER };

/* What the rest of the simulator has to do at a crash: kill the processes of the site. */
typedef void simdisk_crash_fn(int site, enum simdisk_crash kind);
/* Called at every crash point before a crash: to look at what is there at this very moment. */
typedef void simdisk_look_fn(int site, const char *crash_point);

void simdisk_init(simdisk_crash_fn *crash, simdisk_look_fn *look);
struct memdisk *simdisk_memdisk(int site);
struct gw_io *simdisk_io(int site);

/* Nothing is lost but locks; or what was not synced is, and the machine boots anew. */
void simdisk_process_loss(int site);
void simdisk_power_loss(int site);

/* The next power loss of this site: what is not synced survives (`rest`), or is lost; but for the
 * places named here, where it is the other way round. */
struct survivor {
    const char *path; /* a part of it */
    uint64_t from, to;
};
void simdisk_survive(int site, bool rest, const struct survivor *s, unsigned n);

/* The disk as it is now, and back to that; nothing runs at the site. */
void simdisk_backup(int site);
void simdisk_restore(int site);

/* Virtual time that a write or a sync takes, at most. */
void simdisk_speed(int site, uint64_t write_ns, uint64_t sync_ns);
/* The nth next operation of these kinds (MEMDISK_*) of this site fails with this code. */
void simdisk_fail(int site, unsigned ops, unsigned nth, int code);
/* So many 4 KiB blocks may still be taken; UINT64_MAX: no limit. */
void simdisk_room(int site, uint64_t blocks);
struct gw_uuid simdisk_boot_id(int site);

/* Die at the nth time from now that this crash point is reached at this site; NULL: never. */
void simdisk_arm(int site, const char *crash_point, unsigned nth, enum simdisk_crash kind);
bool simdisk_is_armed(int site);
/* Points reached since the start of the run, by index in gw_crash_points. */
unsigned simdisk_reached(int site, unsigned point);
unsigned simdisk_points(void);

/* A second name for a file, as a symbolic link is. */
bool simdisk_link(int site, const char *target, const char *name);
