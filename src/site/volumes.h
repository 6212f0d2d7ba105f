// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Volumes of a plan that is protected: grown, added and removed, the standby first (engine:
 * reshape.h).
 *
 * What the plan's document says is what shall be. An edit first makes both sites ready for it: all
 * that can be refused is refused then, and nothing was changed. Then the new document is stored,
 * and the site where the plan is active brings about what it says, one volume after the other. That
 * is done at once, and again by the monitor's look threads for as long as document and data plane
 * differ; so whatever dies in the middle, the rest follows by itself.
 *
 * Threads: any. site_volumes_go_on holds the plan's plan_mu.
 */
#pragma once

#include "plan/planfile_diff.h"
#include "site/documents.h"

/* Every change of volumes in `changes` could be made now: no run is on, the standby follows, files
 * are there at both sites. `plan` is the new one. -EPERM, -EBUSY and what the data plane says. */
int site_volumes_prepare(struct site *s, struct site_plan *p, const struct gw_planfile *plan,
                         const struct gw_planfile_changes *changes, struct gw_error *err);
/* The peer, where the plan is active, asks for it. */
int site_volumes_prepare_here(struct site *s, struct site_plan *p, const json_t *params,
                              struct gw_error *err);

/* Do the volumes differ from the document? Then a look thread goes on with them, now and then. */
void site_volumes_look(struct site *s, struct site_plan *p, const json_t *ours);
/* In a look thread. */
void site_volumes_due(struct site *s, struct site_plan *p);
/* Bring about what the document says. 0: it is so, or nothing is to be done here. */
int site_volumes_go_on(struct site *s, struct site_plan *p, bool wait, struct gw_error *err);

/* What has to happen to a volume of the document until the data plane has it: "add", "grow"; NULL:
 * nothing. `dp` is a source's status. */
const char *site_volumes_word(const json_t *dp, const struct gw_planfile_volume *v);

/* The slots of this site's volumes as names, "" for an empty one, new: the same order at a new
 * standby. */
int site_volumes_slots(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err);
