// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Backups of a site: one file (site/archive.h) with its catalog, identity, pins and site file. It
 * holds the site's private key: mode 0600, and to be kept like a key. Plan directories are not in
 * it: they are large, change all the time, and the peer has the data.
 *
 * The way back has two halves, with a restart between them, because nothing may have the old
 * catalog open:
 *
 *     site_backup_stage   checks the file and puts its members into STATE/restore: whole, or not
 *                         at all
 *     site_backup_apply   at the next start: makes them what the site remembers. Can be repeated
 *
 * A restored site is fenced: its memory may be older than what the peer has seen (site/recall.h).
 *
 * Threads: site_backup any; the others at the start, or one at a time.
 */
#pragma once

#include "site/site.h"

/* Write the file, an absolute path. -EEXIST: it is there, and is not overwritten. *ret says what is
 * in it. */
int site_backup(struct site *s, const char *file, const struct site_person *who, json_t **ret,
                struct gw_error *err);

/* -EINVAL: it is of another site. `by`: who wants it, for the audit log. */
int site_backup_stage(const char *state_dir, const char *site, const char *file, const char *by,
                      json_t **ret, struct gw_error *err);
/* 1: done; 0: nothing is staged. */
int site_backup_apply(const char *state_dir, const char *site, struct gw_error *err);
