// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The inside of the applier, shared by apply*.c. See apply.h. */
#pragma once

#include "engine/apply.h"

#define GW_APPLY_RECORDS 4096u /* of one window */

struct change {
    struct gw_record rec;
    const uint8_t *payload;
};

struct gw_applier {
    struct gw_plan *plan;
    struct gw_journal *journal;
    struct gw_recent *recent; /* may be NULL */
    struct gw_applier_hooks hooks;
    uint64_t address;
    uint64_t seq, chain;
    struct gw_uuid stream; /* names the last record applied */
    _Atomic bool marked;
    struct gw_undo *undo;             /* the apply thread's alone */
    uint64_t undo_blocks, undo_bytes; /* of it, for others; guarded by plan->mu */
    bool undo_diverged;               /* it holds a tail: kept after FIN */

    uint8_t *buf; /* one batch */
    uint8_t *run; /* coalesced neighbours; also old content, also compare */
    struct change *change;
    unsigned n_changes;
};

/* apply_write.c: write what was gathered to the volumes, old content kept first. */
int gw_apply_flush(struct gw_applier *a, struct gw_error *err);
/* apply_control.c: a record that changes no volume; everything before it is written. */
int gw_apply_control(struct gw_applier *a, uint64_t address, uint64_t next,
                     const struct gw_record *rec, const uint8_t *payload, uint64_t chain_before,
                     struct gw_error *err);
/* "cannot WHAT volume 'x' at OFFSET: cause" */
int gw_apply_volume_error(const struct gw_applier *a, const struct gw_record *rec, int code,
                          const char *what, struct gw_error *err);
struct gw_file *gw_apply_volume(const struct gw_applier *a, const struct gw_record *rec);
/* Tell others what the undo file holds now (takes plan->mu). */
void gw_apply_publish_undo(struct gw_applier *a);
/* Position into meta; plan->mu held. */
void gw_apply_position(struct gw_applier *a);
