// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A plan's directory at this site, as the control plane sees it: made, looked at, promoted while no
 * process has it open. What a running process says of itself comes over its control socket instead
 * (site/dataplane.h).
 *
 * Threads: no state; any thread may call. site_plandir_look works beside a running process: meta is
 * one slot written whole, so what is read is one of its states, never a mixture.
 */
#pragma once

#include "base/error.h"
#include "engine/meta.h"
#include "engine/promote.h"

#include <jansson.h>
#include <stdbool.h>

/* What a site has of a plan, on disk. */
struct site_plandir {
    bool exists; /* false: no such directory, all else is zero */
    enum gw_role role;
    bool blank, consistent, clean, released, token_valid, may_serve, unverified;
    enum gw_pending pending;
    enum gw_recorded recorded;
    uint64_t epoch, highest_epoch, seq, reigns;
    struct gw_uuid incarnation, plan;
    bool mine; /* the newest incarnation was born here */
    enum gw_birth birth;
    char first_site[GW_SITE_NAME_MAX]; /* whose epochs are odd */
};

/* -EBADMSG and the like: it is there and cannot be read; never "does not exist". */
int site_plandir_look(const char *dir, struct site_plandir *ret, struct gw_error *err);

/* Nothing was ever in it that is not in the volumes: no write, no copy. What an activation that
 * failed leaves behind; unless its source has run, which the catalog knows (activated_wall_ns). */
bool site_plandir_unused(const struct site_plandir *d);
/* Are the volumes of a directory those of the spec, at the same paths and of the same sizes? */
bool site_plandir_fits(const char *dir, const struct gw_plan_spec *spec);
/* Remove one that is not used, and that no process has open. The volumes stay. */
int site_plandir_discard(const char *dir, struct gw_error *err);

/*
 * Make it, or find that it was made by the same word before (then 0 too, *ret_made false): create
 * is repeated after a crash, and must not take a directory of another plan for its own (-EEXIST).
 */
int site_plandir_create(const char *dir, struct gw_plan_spec *spec, bool *ret_made,
                        struct gw_error *err);

/* Promote while no process serves it; -EBUSY or the like if one does. The new epoch is above
 * `above_epoch`, which this side may not have heard of. */
int site_plandir_promote(const char *dir, const struct gw_promote_options *options,
                         uint64_t above_epoch, struct gw_promote_result *ret, struct gw_error *err);

/* A side that was promoted and shall not serve after all: fenced for good, as its source would do
 * it (gw_source_fence). While no process has it open. 0 also if it is no active side. */
int site_plandir_stand_down(const char *dir, struct gw_error *err);

/* Names of the volumes by slot, "" for an empty one (engine/reshape.h): [text], new. */
int site_plandir_slots(const char *dir, json_t **ret, struct gw_error *err);

/* {"exists", "role", "epoch", ...}, new; NULL if memory is short. */
json_t *site_plandir_json(const struct site_plandir *d);
