// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Messages between executors (run/world.h) as JSON, for the site link, and back. Pure. The readers
 * check every member's type, range and length: what comes is from another machine.
 */
#pragma once

#include "run/world.h"

#include <jansson.h>

json_t *site_run_message_json(const struct gw_run_message *m);
/* ret->entries is malloc'ed into *ret_entries, freed by the caller. -EINVAL with the member. */
int site_run_message_read(const json_t *o, struct gw_run_message *ret,
                          struct gw_run_entry **ret_entries, struct gw_error *err);
json_t *site_run_reply_json(const struct gw_run_reply *r);
/* gw_run_reply_done frees. */
int site_run_reply_read(const json_t *o, struct gw_run_reply *ret, struct gw_error *err);
/* The fixed fields of a run alone, and back (the catalog keeps them so). */
json_t *site_run_fixed_json(const struct gw_run *run);
int site_run_read(const json_t *o, struct gw_run *ret, struct gw_error *err);
/* The same of an entry. */
json_t *site_run_entry_store(const struct gw_run_entry *e);
int site_run_entry_load(const json_t *o, struct gw_run_entry *ret, struct gw_error *err);
/* One entry for people and evidence: {"number","kind","step","attempt","site","time","took_ms",
 * "by","detail":{...},"hash"}. */
json_t *site_run_entry_json(const struct gw_run *run, const struct gw_operation *op,
                            const struct gw_run_entry *e);
