// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Clocks. Durations and deadlines are CLOCK_BOOTTIME nanoseconds: they go on while the machine is
 * suspended and never jump. Wall time (CLOCK_REALTIME) is for people only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define GW_NS_PER_S 1000000000ull
#define GW_NS_PER_MS 1000000ull
#define GW_NS_PER_DAY (86400 * GW_NS_PER_S)

uint64_t gw_boot_ns(void);
uint64_t gw_wall_ns(void);

/* "2026-11-21T22:57:03Z" of a wall time in ns. */
#define GW_TIME_TEXT 32
void gw_time_format(uint64_t wall_ns, char ret[GW_TIME_TEXT]);
/* The other way, also with a fraction of a second. False: another format, a day that no month has,
 * before 1970, or past what nanoseconds in an int64_t can say (the year 2262). */
bool gw_time_parse(const char *text, uint64_t *ret_wall_ns);
