// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What will be lost. Zero is said only where it is proven: by a release with a matched token that
 * no override followed, or by an old site that answers, writes nothing, and has nothing pending.
 */
#include "core/forecast.h"

/* Are all acknowledged writes that the other site lacks in the stream? */
static bool counted(enum gw_repl repl)
{
    return repl == GW_LIFE_REPL_SYNC || repl == GW_LIFE_REPL_ASYNC;
}

/* A silent site in SYNC may have recorded UNSYNC for itself since: without a witness only it knows.
 * So SYNC means zero for the last word, and what came after it is not known. */
static void judge_silent(const struct gw_loss_facts *f, struct gw_loss *ret)
{
    bool synced = f->recorded_sync == GW_TRI_YES && f->repl == GW_LIFE_REPL_SYNC;
    ret->silent_ms = f->silent_ms;
    ret->bytes = synced ? 0 : f->pending_bytes;
    ret->ms = synced ? 0 : f->pending_ms;
    /* What is only in a dirty map no figure of the stream counts: its zero is not a bound. */
    if (!counted(f->repl) && ret->bytes == 0)
        ret->bytes = ret->ms = GW_NOT_KNOWN;
    ret->kind = ret->bytes == GW_NOT_KNOWN ? GW_LOSS_UNKNOWN : GW_LOSS_AT_LEAST;
}

void gw_forecast_loss(const struct gw_loss_facts *f, struct gw_loss *ret)
{
    *ret = (struct gw_loss){ .bytes = GW_NOT_KNOWN, .ms = GW_NOT_KNOWN, .silent_ms = GW_NOT_KNOWN };
    bool proven = f->released_equal == GW_TRI_YES && f->override_since == GW_TRI_NO;
    bool here = f->old_answers == GW_TRI_YES && f->old_quiet == GW_TRI_YES;
    bool nothing_pending = here && counted(f->repl) && f->pending_bytes == 0;
    if (proven || nothing_pending) {
        *ret = (struct gw_loss){ .kind = GW_LOSS_NONE };
        return;
    }
    if (here && counted(f->repl) && f->pending_bytes != GW_NOT_KNOWN) {
        *ret = (struct gw_loss){ .kind = GW_LOSS_KNOWN,
                                 .bytes = f->pending_bytes,
                                 .ms = f->pending_ms };
        return;
    }
    judge_silent(f, ret);
    if (f->old_answers == GW_TRI_YES)
        ret->silent_ms = 0;
}
