// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What phase.c, phase_rows.c and reason.c share: simple questions to the facts. */
#pragma once

#include "core/phase.h"

static inline bool gw_yes(enum gw_tri t)
{
    return t == GW_TRI_YES;
}

static inline bool gw_no(enum gw_tri t)
{
    return t == GW_TRI_NO;
}

/* Not known stays not known. */
static inline enum gw_tri gw_tri_not(enum gw_tri t)
{
    return t == GW_TRI_YES ? GW_TRI_NO : t == GW_TRI_NO ? GW_TRI_YES : GW_TRI_UNKNOWN;
}

static inline enum gw_label gw_active(const struct gw_phase_facts *f)
{
    return f->holder == GW_HOLDER_DR ? GW_LABEL_DR : GW_LABEL_HOME;
}

/* Service where the authority is; STOPPED if it is nowhere. */
static inline enum gw_svc gw_active_svc(const struct gw_phase_facts *f)
{
    return f->holder == GW_HOLDER_NONE ? GW_SVC_STOPPED : f->svc[gw_active(f)];
}

static inline enum gw_svc gw_standby_svc(const struct gw_phase_facts *f)
{
    return f->svc[gw_label_other(gw_active(f))];
}

static inline bool gw_follows(enum gw_repl r)
{
    return r == GW_LIFE_REPL_SYNC || r == GW_LIFE_REPL_ASYNC;
}

static inline bool gw_copies(enum gw_repl r)
{
    return r == GW_LIFE_REPL_SEEDING || r == GW_LIFE_REPL_RESYNC;
}

/* A run that is on and concerns the headline: begun, not ended, not beside. */
bool gw_run_is_on(const struct gw_phase_facts *f);

/* Bits of the reasons that hold; *ret_unknown: those that hold for want of knowledge. */
uint32_t gw_reasons_of(const struct gw_phase_facts *f, uint32_t *ret_unknown);
