// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * How long it took from one entry of a run's log to another, whatever was done to the wall clocks
 * meanwhile: by the durations in the entries (run/entry.h), which are boot time, and by wall time
 * only where there is none: a daemon was started anew, a site took over from the other.
 *
 * Pure. Any thread.
 */
#pragma once

#include <jansson.h>
#include <stdint.h>

/* log: entries as site_run_entry_json makes them; from <= to are indices. offset_ns: OLD's clock
 * minus NEW's as measured, counted where NEW takes over; 0 if it is not known. */
uint64_t site_elapsed_ns(const json_t *log, size_t from, size_t to, int64_t offset_ns);
