// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Going back: an unfinished resync by its undo file, or a standby to an older recovery point. */
#pragma once

#include "engine/journal.h"
#include "engine/plan.h"
#include "engine/promote.h"

/* meta.pending is RESYNC or ROLLBACK with an undo id. Resumable. */
int gw_rewind_undo(struct gw_plan *p, struct gw_promote_result *ret, struct gw_error *err);
/* Resumable; the journal is replayed and open. */
int gw_rewind_to_point(struct gw_plan *p, struct gw_journal *journal, const char *id,
                       struct gw_promote_result *ret, struct gw_error *err);
