// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The exact divergent tail, from the assess that found it to the undo file that keeps its content.
 *
 * An assess over a source that has pinned the state at the fork (point `fork-<epoch>`) finds the
 * tail exactly: blocks of this side's own set that differ from what the source holds and from what
 * it held at the fork. That is known only then: once the resync begins the own set is joined with
 * the source's, and the source goes on writing. So it is saved when it is signed, as
 * `DIR/tail-<i>`, and goes into the undo file, as `DIR/undo/<id>/tail-<i>`, before anything is
 * overwritten.
 *
 * A file has the format of a dirty map: fine bits are the blocks, cleared-through is {the side's
 * incarnation, the seq at which the source's lineage left it}. One that names others is of an older
 * divergence and counts as none; as does one of which a page is damaged: the tail found in the undo
 * file is then a superset again, never less.
 */
#pragma once

#include "engine/bitmap.h"
#include "engine/io.h"
#include "engine/meta.h"

struct gw_assessed {
    struct gw_uuid uuid; /* of the side that diverged */
    uint64_t fork_seq;
};

/* Save; replaces what is there. blocks[i] for each volume of m. Durable when it returns 0. */
int gw_assessed_save(struct gw_io *io, const char *dir, const struct gw_meta *m,
                     const struct gw_assessed *a, struct gw_bitmap *const *blocks,
                     struct gw_error *err);
/* Copy into the undo file `id`. 1: done; 0: there is nothing that fits. */
int gw_assessed_keep(struct gw_io *io, const char *dir, const struct gw_meta *m,
                     const struct gw_assessed *a, const char *id, struct gw_error *err);
/* Remove what was saved; nothing there is no error. */
int gw_assessed_forget(struct gw_io *io, const char *dir, struct gw_error *err);
