// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Single values as people write them: parsed, written back in one way only, and guessed at.
 *
 * Parsers are true if the text is such a value, and set *ret_...; formatters write the shortest
 * notation that means exactly the same, so that parse(format(x)) == x. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_VALUE_TEXT 32
#define GW_NAME_BYTES_MAX 63u

/* "30s", "500ms", "5m", "4h", "14d"; the unit is required, except for 0. */
bool gw_duration_parse(const char *text, uint64_t *ret_ms);
void gw_duration_format(uint64_t ms, char ret[GW_VALUE_TEXT]);

/* "200MiB/s". */
bool gw_rate_parse(const char *text, uint64_t *ret_bytes_per_s);
void gw_rate_format(uint64_t bytes_per_s, char ret[GW_VALUE_TEXT]);

/* Sizes: parsed by base/size.h. "20GiB"; never rounded, unlike gw_size_format(). */
void gw_size_format_exact(uint64_t bytes, char ret[GW_VALUE_TEXT]);

/* [a-z0-9][a-z0-9-]{0,62}: plans, sites, volumes, groups, instances. */
bool gw_name_ok(const char *text);
/* "host:port", "[::1]:port"; port 0 only if `listen`. */
bool gw_address_ok(const char *text, bool listen);
/* "unix:/absolute/path" that fits into a socket address. */
bool gw_unix_address_ok(const char *text);
/* http:// or https:// with a host, no user and password in it, no blanks. */
bool gw_url_ok(const char *text);
/* Absolute, no "." or ".." or empty parts, no '/' at the end, not "/" itself. */
bool gw_abs_path_ok(const char *text);
/* "10.9.0.5/24", "fd00::5/64". */
bool gw_cidr_ok(const char *text);

/* What was probably meant ("20GB": "20GiB"), or "" if there is no guess. */
#define GW_HINT_TEXT 96
void gw_size_guess(const char *text, char ret[GW_HINT_TEXT]);
void gw_duration_guess(const char *text, char ret[GW_HINT_TEXT]);
void gw_rate_guess(const char *text, char ret[GW_HINT_TEXT]);
void gw_name_guess(const char *text, char ret[GW_HINT_TEXT]);
