// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What a site remembers, as it is found at the start: catalog, identity, pins.
 *
 *     there                     opened
 *     nothing at all, --init    made: a new site
 *     identity or plan directories, and no catalog
 *                               it was lost. Never taken for a new site: refused with the ways out
 *     --restore FILE            from a backup (site/backup.h); comes up fenced
 *     --rebuild                 a new catalog with the pins of peers/; comes up fenced, and gets
 *                               its plans and runs from the peers (site/recall.h)
 *
 * A restore or rebuild that was cut short is on disk (restore/, rebuild.wanted) and is gone on with
 * at the next start. What is replaced is moved aside, never deleted.
 *
 * Beside each pin lies peers/SITE.addr, where the site is reached: a catalog can be lost, and the
 * way to who can replace it must not be in it.
 *
 * Threads: at the start, before there are others; site_memory_note_peers: any.
 */
#pragma once

#include "site/site.h"

/* Opens s->catalog, s->identity, s->trust; sets instance, generation, fenced. */
int site_memory_open(struct site *s, const struct site_options *o, struct gw_error *err);

/* Write peers/SITE.addr of all peers of the catalog that are not written yet. */
int site_memory_note_peers(struct site *s, struct gw_error *err);
