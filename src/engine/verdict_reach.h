// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What the handshake verdict derives from a side's statement: what kind of side it is, how far it
 * reaches in an incarnation, whether maps still cover the difference, whether it has a tail.
 *
 * A side's numbers are not equally exact. A standby and a cleanly stopped active side know their
 * seq; an active side that crashed (or serves) is only known to lie below its durable reservation,
 * because its counter is in memory. So there are two bounds: `held` (surely) and `most` (at most).
 *
 * Internal to the verdict; pure.
 */
#pragma once

#include "engine/verdict.h"

bool gw_reach_blank(const struct gw_side *s);
/* Serves, or would if it could: role ACTIVE, or crashed while active. */
bool gw_reach_is_active(const struct gw_side *s);
bool gw_reach_sets_empty(const struct gw_side *s);

/* Highest seq of s->lineage.e[i] that s surely holds (or held and has rewound into its set). */
uint64_t gw_reach_held(const struct gw_side *s, int i);
/* Highest seq of s->lineage.e[i] that s can ever have used or held. */
uint64_t gw_reach_most(const struct gw_side *s, int i);

/*
 * Row 3: what `other` knows of the reign of `active` shows that `active` runs on an older copy of
 * its own state.
 */
bool gw_reach_rolled_back(const struct gw_side *active, const struct gw_side *other);

/* R5: `clearer` dropped bits on the word of a peer that had got further than `s` has now. */
bool gw_reach_below_cleared(const struct gw_side *s, const struct gw_side *clearer);

/*
 * The maps of the two do not cover all that may differ; the reason as the end of a sentence, or
 * NULL. ia, ib: indices of the last common incarnation.
 */
const char *gw_reach_uncovered(const struct gw_side *a, int ia, const struct gw_side *b, int ib);

/* Entry `after` + 1 of `s` may be one that `other` has trimmed away, so that it proves no fork. */
bool gw_reach_hidden(const struct gw_side *s, int after, const struct gw_side *other);

/* Where `source` left the last common incarnation (its index is); 0 if that is trimmed away. */
uint64_t gw_reach_fork(const struct gw_side *source, int is);
/* The target (last common incarnation: it there, is at the source) may hold writes of its own that
 * are not in the source's image. */
bool gw_reach_has_tail(const struct gw_side *target, int it, const struct gw_side *source, int is);
