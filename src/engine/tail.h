// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The divergent tail: writes that this side acknowledged in a reign that ended without them, found
 * in an undo file: blocks of the undo file that an assess found to be exactly it (`tail-<i>`, see
 * engine/assessed.h). Without that list: blocks of the side's *own* set (`own-<i>`, coarse extents
 * included) whose old content differs from what the volume holds now: a superset (`exact` false),
 * as the survivor may have written the same blocks after the fork. An own set that is missing or
 * damaged counts as everything. Whether there is a tail at all is the verdict's word (`diverged` in
 * the undo file's manifest): the list of a side that did not diverge is of blocks that were copied
 * to it, nothing more.
 *
 * Nothing here changes a volume or the undo file; the volumes are read as they are, so a list that
 * is to mean something is made while nothing is applied to them.
 */
#pragma once

#include "engine/undo.h"

struct gw_tail_range { /* merged neighbours */
    unsigned volume;
    uint64_t offset, length; /* bytes; clipped to the volume */
};

struct gw_tail {
    uint64_t blocks, bytes;
    bool exact;
    bool damaged; /* the undo file is damaged: what could still be read is listed, more is lost */
    size_t n;
    struct gw_tail_range *range; /* sorted by volume, offset */
};

/* `volumes[i]` is the open volume i. Free with gw_tail_done. A damaged undo file is not an error
 * here (look at ret->damaged): what is left of the tail is worth having. */
int gw_tail_find(struct gw_io *io, const char *dir, const char *id, struct gw_file *const *volumes,
                 struct gw_tail *ret, struct gw_error *err);
void gw_tail_done(struct gw_tail *t);

/*
 * Write the kept blocks of the tail to `out_dir` (created; must not exist): for each volume with a
 * tail a sparse raw file `<volume name>.tail` of the volume's size that holds the old content at
 * its place, and `ranges.txt`, one "volume offset length" a line, written last: without it an
 * export is not complete. All durable when it returns 0; a failed export is removed.
 */
int gw_tail_export(struct gw_io *io, const char *dir, const char *id, const struct gw_tail *t,
                   const char *out_dir, struct gw_error *err);
