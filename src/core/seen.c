// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The source's words to values of REPL. */
#include "core/seen.h"

#include "base/checked.h"

#include <string.h>

static const struct {
    const char *word;
    enum gw_repl repl;
} in_session[] = {
    { "seeding", GW_LIFE_REPL_SEEDING },
    { "resync", GW_LIFE_REPL_RESYNC },
    { "async", GW_LIFE_REPL_ASYNC },
    { "sync", GW_LIFE_REPL_SYNC },
};

static bool is(const char *word, const char *what)
{
    return word != NULL && strcmp(word, what) == 0;
}

/* Without a session. SYNC recorded: no write is acknowledged before it is taken back. */
static enum gw_repl alone(const struct gw_repl_seen *s)
{
    if (is(s->recorded, "sync"))
        return GW_LIFE_REPL_SUSPENDED;
    if (s->attached == GW_TRI_YES && is(s->recorded, "async"))
        return GW_LIFE_REPL_ASYNC;
    return GW_LIFE_REPL_UNSYNC;
}

bool gw_repl_from_seen(const struct gw_repl_seen *s, enum gw_repl *ret_repl,
                       enum gw_tri *ret_link_up)
{
    bool diverged = s->tail_waits == GW_TRI_YES || s->two_histories == GW_TRI_YES;
    if (is(s->replication, "disconnected") || is(s->replication, "assessing")) {
        *ret_repl = diverged ? GW_LIFE_REPL_DIVERGED : alone(s);
        *ret_link_up = gw_tri_of(is(s->replication, "assessing"));
        return true;
    }
    for (size_t i = 0; i < GW_ARRAY_SIZE(in_session); i++) {
        if (is(s->replication, in_session[i].word)) {
            *ret_repl = in_session[i].repl;
            *ret_link_up = GW_TRI_YES;
            return true;
        }
    }
    return false;
}
