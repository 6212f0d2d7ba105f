// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What an edit of a plan changes, in words, and which of it is no edit.
 *
 *     struct gw_planfile_changes changes = { 0 };
 *     r = gw_planfile_diff(old, new, &changes, &err);
 *     ...                                   changes.n_refused > 0: the edit cannot be taken
 *     gw_planfile_changes_done(&changes);
 *
 * Things with names (volumes, groups, instances, contacts, ...) are compared by name, whatever
 * their order; the rest by place. Pure. Ownership: the caller's, emptied by
 * gw_planfile_changes_done().
 */
#pragma once

#include "base/error.h"
#include "plan/planfile.h"

enum gw_planfile_change_kind {
    GW_CHANGE_SETTING,        /* takes effect from the next run on */
    GW_CHANGE_VOLUME_ADDED,   /* the standby first */
    GW_CHANGE_VOLUME_REMOVED, /* its data stays where it is, unprotected */
    GW_CHANGE_VOLUME_GROWN,   /* the standby first */
    GW_CHANGE_REFUSED,        /* not by an edit; the sentence says how instead */
};

struct gw_planfile_change {
    enum gw_planfile_change_kind kind;
    const char *path;              /* "volumes.pgdata.size", "failback.window" */
    const char *name;              /* of the volume; NULL otherwise */
    const char *sentence;          /* "volume pgdata grows from 20GiB to 30GiB" */
    uint64_t old_bytes, new_bytes; /* of a volume; 0: there is none */
};

struct gw_planfile_changes {
    size_t n, n_refused;
    struct gw_planfile_change *item; /* volumes first, then in the order of keys */

    struct gw_arena *arena; /* of gw_planfile_changes_done() */
};

/* 0 with n == 0: they mean the same. */
int gw_planfile_diff(const struct gw_planfile *old, const struct gw_planfile *new,
                     struct gw_planfile_changes *ret, struct gw_error *err);
void gw_planfile_changes_done(struct gw_planfile_changes *changes);
