// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What the running source says of its replication, as a value of REPL.
 *
 * The source's words are those of its status ("replication", "recorded", "attached"; see
 * docs/operations.md, Status words). A word that this version does not know gives nothing: the
 * caller then knows nothing, and the headline says so.
 *
 * Pure, any thread.
 */
#pragma once

#include "core/values.h"

struct gw_repl_seen {
    const char *replication;   /* "disconnected", "assessing", ...; NULL: no source answers */
    const char *recorded;      /* "none", "async", "sync", "unsync"; NULL: not known */
    enum gw_tri attached;      /* writes are kept in order for the peer, not only marked */
    enum gw_tri tail_waits;    /* the peer has writes of its own that nobody signed for */
    enum gw_tri two_histories; /* the verdict is one that only a person resolves */
};

/* False: nothing can be said, nothing is set. *ret_link_up: is there a session. */
bool gw_repl_from_seen(const struct gw_repl_seen *s, enum gw_repl *ret_repl,
                       enum gw_tri *ret_link_up);
