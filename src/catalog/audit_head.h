// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The file audit.head: how many entries the audit log had, and the hash of the last.
 *
 *     godwit audit head 1
 *     count 12
 *     hash 5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03
 *     check 0123456789abcdef           XXH3 of the three lines above
 *
 * Replaced as a whole: temp file, fdatasync, rename, sync of the directory.
 */
#pragma once

#include "base/error.h"
#include "catalog/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_AUDIT_HEAD_BYTES 160 /* more than any has */

struct gw_audit_head {
    uint64_t count;
    char hash[GW_CATALOG_HASH_TEXT];
};

/* The text with a NUL; returns its length. */
size_t gw_audit_head_encode(const struct gw_audit_head *head, char ret[GW_AUDIT_HEAD_BYTES]);
/* False if it is not one, byte by byte. */
bool gw_audit_head_decode(const char *data, size_t len, struct gw_audit_head *ret);

/* -ENOENT: there is no file; -EUCLEAN: it is damaged. */
int gw_audit_head_load(const char *dir, struct gw_audit_head *ret, struct gw_error *err);
int gw_audit_head_store(const char *dir, const struct gw_audit_head *head, struct gw_error *err);
