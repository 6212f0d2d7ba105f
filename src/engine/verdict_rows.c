// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The verdict's words: names, and the table from which help and docs are made. */
#include "engine/verdict.h"

const char *gw_role_name(enum gw_role role)
{
    switch (role) {
    case GW_ROLE_STOPPED:
        return "stopped";
    case GW_ROLE_ACTIVE:
        return "active";
    case GW_ROLE_STANDBY:
        return "standby";
    case GW_ROLE_FENCED:
        return "fenced";
    case GW_ROLE_MAX:
        break;
    }
    return "unknown";
}

const char *gw_verdict_action_name(enum gw_verdict_action action)
{
    switch (action) {
    case GW_VERDICT_REFUSE:
        return "refuse";
    case GW_VERDICT_DEPOSE:
        return "depose";
    case GW_VERDICT_SPLIT_BRAIN:
        return "split-brain";
    case GW_VERDICT_ROLLED_BACK:
        return "rolled-back";
    case GW_VERDICT_QUESTION:
        return "question";
    case GW_VERDICT_FULL:
        return "full";
    case GW_VERDICT_IN_SYNC:
        return "in-sync";
    case GW_VERDICT_STREAM:
        return "stream";
    case GW_VERDICT_RESYNC:
        return "resync";
    case GW_VERDICT_ACTION_MAX:
        break;
    }
    return "unknown";
}

bool gw_verdict_equal(const struct gw_verdict *a, const struct gw_verdict *b)
{
    return a->row == b->row && a->action == b->action && a->source == b->source &&
           a->target == b->target && a->diverged == b->diverged &&
           a->compare_all == b->compare_all && a->fork_seq == b->fork_seq;
}

const struct gw_verdict_row gw_verdict_rows[15] = {
    { 0, "the plan, its volumes (id, size, order) or the format differ", "refused" },
    { 1, "both serve, and one was promoted later",
      "the earlier one is deposed: it stops serving at once and is fenced" },
    { 2, "both serve otherwise", "split brain: both freeze, both are kept" },
    { 3,
      "one is active (serves, or crashed while active), and the other knows more of its reign than "
      "it does itself: an incarnation, or a number beyond its reservation",
      "refused: the active was rolled back, the other is the better copy; a person decides" },
    { 4, "one is not consistent",
      "the consistent one is source, both sets are copied (a resumed resync); none: refused" },
    { 5, "one is blank",
      "everything is copied from the other, if the blank one was told to take it; both: refused" },
    { 6, "same incarnation, same position, both sets empty", "in sync: stream" },
    { 7,
      "same incarnation; the active's ring reaches down to the standby's position without a gap, "
      "and nothing else is dirty",
      "stream from there" },
    { 8,
      "the standby stands exactly where the active was promoted, clean, and the ring holds all "
      "since",
      "stream: the standby adopts the new reign in-band" },
    { 9,
      "same incarnation; the active crashed with its machine, and had recorded that the standby, "
      "which has run on since, has every acknowledged write",
      "the standby is source" },
    { 10, "same incarnation; one is active or crashed while active",
      "it is source, both sets are copied" },
    { 11, "same incarnation otherwise",
      "the higher position is source, both sets are copied; equal: the site that wrote it" },
    { 12,
      "one lineage goes on where the other ends, or only one side was promoted since the common "
      "ancestor",
      "it is source, both sets are copied; a tail of the other is assessed and signed first" },
    { 13, "both went on by themselves since the common ancestor",
      "split brain: a person names the survivor; with a recorded choice it is source" },
    { 14, "nothing in common", "refused: unrelated images" },
};
