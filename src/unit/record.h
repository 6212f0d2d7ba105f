// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The record of a unit's process: PLAN.unit, so that it is found again after a restart of ours. A
 * text of fixed lines, for people as well:
 *
 *     godwit-unit 1
 *     plan shop
 *     kind source
 *     pid 4711
 *     start 8812345               ticks since boot
 *     boot 7e3f...                boot id
 *     command 0123456789abcdef    hash of the command line and environment
 *     began 1763806980000000000   wall time, for people
 *     control /var/lib/godwit/run/shop.sock
 *     sum 0123456789abcdef        XXH3-64 of all lines before
 *
 * Threads: no state.
 */
#pragma once

#include "unit/pid.h"
#include "unit/unit.h"

#define GW_UNIT_RECORD_BYTES_MAX 1024u
#define GW_UNIT_CONTROL_MAX 108 /* with the NUL: what a socket's address holds */

struct gw_unit_record {
    char plan[GW_UNIT_PLAN_MAX];
    enum gw_unit_kind kind;
    struct gw_pid id;
    uint64_t command_hash;
    uint64_t began_wall_ns;
    char control[GW_UNIT_CONTROL_MAX];
};

/* A name that may be part of a file's name and of a line. Pure. */
bool gw_unit_plan_valid(const char *plan);

/* Pure. encode: bytes without a NUL; 0: a text in it does not fit a line. decode: -EBADMSG. */
size_t gw_unit_record_encode(const struct gw_unit_record *r, char ret[GW_UNIT_RECORD_BYTES_MAX]);
int gw_unit_record_decode(const char *text, size_t len, struct gw_unit_record *ret,
                          struct gw_error *err);

/* Durable when they return: temp file, fsync, rename, fsync of the directory. Mode 0600. */
int gw_unit_file_write(const char *path, const char *data, size_t len, struct gw_error *err);
int gw_unit_record_write(const char *path, const struct gw_unit_record *r, struct gw_error *err);
/* -ENOENT: none. -EBADMSG: damaged. */
int gw_unit_record_read(const char *path, struct gw_unit_record *ret, struct gw_error *err);
