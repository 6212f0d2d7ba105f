// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Log lines on standard error: "<level>prefix: sentence", one write each, safe from any thread.
 *
 * Sentences are lower case with the cause last and user strings quoted. The level number before
 * the line is the one that the journal of a service manager understands; it is left out when
 * standard error is a terminal.
 */
#pragma once

enum gw_log_level {
    GW_LOG_ERROR = 3,
    GW_LOG_WARNING = 4,
    GW_LOG_NOTICE = 5,
    GW_LOG_INFO = 6,
    GW_LOG_DEBUG = 7,
};

/* The fixed prefix, "plan/site/epoch". Call before other threads log; the text is copied. */
void gw_log_prefix(const char *prefix);
/* Lines above this level are dropped. Default GW_LOG_INFO; GODWIT_LOG=debug in the environment
 * of a process sets GW_LOG_DEBUG. */
void gw_log_level_max(enum gw_log_level level);
/* Send lines to `sink` instead of standard error (a server with a log of its own). The line has
 * neither prefix nor newline. NULL restores standard error. */
void gw_log_sink(void (*sink)(enum gw_log_level level, const char *line));

void gw_log(enum gw_log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
