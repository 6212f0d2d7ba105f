// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Changing the volumes of a protected plan: one volume grows, is added or is removed.
 *
 * A plan's volumes lie in *slots*; records, hot log and undo files name a volume by its slot. A
 * slot never moves: a new volume takes the next one, a removed one leaves its slot *empty* (uuid
 * none, no bytes) for good. So nothing that names a volume ever has to be translated.
 *
 * A change is one ordered record (SHAPE) of the stream. Its life:
 *
 *     prepare, at both sides   gw_plan_prepare_change: files are there, long enough, and read as
 *                              zeros where the change adds to them; link and map of a new volume.
 *                              Nothing refers to them yet, so it may be done again or left over.
 *     pending, at the source   the change is in meta before SHAPE is in the ring
 *     SHAPE, at the target     all before it is in the volumes; the new table and the position
 *                              behind the record are one store of meta (V1)
 *     adopt, at the source     when the target has it; before that no client sees it (V2)
 *
 * V1  A target has the old table and the image before SHAPE, or the new table and the image behind
 *     it. A change that it cannot make is refused, durably passed over, and said in a RESULT.
 * V2  The source adopts what the target has, never the other way round: so a target that is
 *     promoted never lacks a volume, or a part of one, that a client could write to.
 * V3  Whoever has a pending change learns from the next hello what became of it: the peer's table
 *     is the new one (adopt) or still the old one, and no SHAPE is on its way (forget).
 * V4  What is added reads as zeros at both sides: nothing has to be copied, and no side is ever
 *     without a consistent image.
 *
 * This file's functions are pure; those on a plan are in reshape_plan.c.
 */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "engine/verdict.h"

enum gw_reshape_kind {
    GW_RESHAPE_NONE = 0,
    GW_RESHAPE_GROW = 1,
    GW_RESHAPE_ADD = 2,
    GW_RESHAPE_REMOVE = 3,
    GW_RESHAPE_MAX,
};
const char *gw_reshape_name(enum gw_reshape_kind k);

struct gw_reshape {
    enum gw_reshape_kind kind;
    struct gw_side_volume volume; /* as it is to be; remove: as it is */
};

#define GW_RESHAPE_BYTES 96u /* u8 kind, 7 zeros, uuid, u64 bytes, text[64] name */

void gw_reshape_put(struct gw_writer *w, const struct gw_reshape *c);
/* Fails the reader on a kind out of range, a name that none can have, a size out of range. */
void gw_reshape_get(struct gw_reader *r, struct gw_reshape *ret);

/* The uuid of a volume by its name: both sites make the same without asking each other. */
struct gw_uuid gw_volume_uuid(const struct gw_uuid *plan, const char *name);
/* Letters, digits, '.', '_' and '-', not starting with '.', and not "hot". */
bool gw_volume_name_ok(const char *name);
static inline bool gw_slot_is_empty(const struct gw_side_volume *v)
{
    return v->bytes == 0;
}
void gw_slot_empty(struct gw_side_volume *ret, unsigned slot);
/* The slot of the volume of this name or uuid; -1: none. */
int gw_slot_by_name(const struct gw_side_volume *v, uint32_t n, const char *name);
int gw_slot_by_uuid(const struct gw_side_volume *v, uint32_t n, const struct gw_uuid *uuid);

/* The slot that the change is about, or a refusal with the sentence. A change that is made already
 * is -EALREADY. */
int gw_reshape_check(const struct gw_side_volume *v, uint32_t n, const struct gw_reshape *c,
                     struct gw_error *err);
/* Make it in the table; it was checked. */
void gw_reshape_apply(struct gw_side_volume *v, uint32_t *n, const struct gw_reshape *c);
/* The same slots, as row 0 of the verdict compares them. */
bool gw_shape_equal(const struct gw_side_volume *a, uint32_t n_a, const struct gw_side_volume *b,
                    uint32_t n_b);
