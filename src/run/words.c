// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Names of what the layer's enums say. */
#include "run/world.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *pick(const char *const *names, unsigned n, unsigned i)
{
    return i < n ? names[i] : "invalid";
}

const char *gw_outcome_name(enum gw_outcome outcome)
{
    static const char *const names[GW_OUTCOME_MAX] = { "done",    "failed",  "waiting", "unknown",
                                                       "desired", "earlier", "neither" };
    return pick(names, GW_OUTCOME_MAX, outcome);
}

const char *gw_run_message_name(enum gw_run_message_kind kind)
{
    static const char *const names[GW_RUN_MESSAGE_MAX] = { "copy", "pull", "effect", "undo",
                                                           "observe" };
    return pick(names, GW_RUN_MESSAGE_MAX, kind);
}

const char *gw_run_answer_name(enum gw_run_answer answer)
{
    static const char *const names[GW_ANSWER_MAX] = { "ok",  "old_epoch", "ended",    "ahead",
                                                      "gap", "busy",      "conflict", "invalid" };
    return pick(names, GW_ANSWER_MAX, answer);
}

const char *gw_run_moment_name(enum gw_run_moment moment)
{
    static const char *const names[GW_RUN_MOMENT_MAX] = { "before_effect", "after_effect",
                                                          "after_record" };
    return pick(names, GW_RUN_MOMENT_MAX, moment);
}

void gw_run_reply_done(struct gw_run_reply *reply)
{
    free(reply->entries);
    reply->entries = NULL;
    reply->n = 0;
}

bool gw_run_same_person(const char *a, const char *b)
{
    size_t n = strcspn(a, "@");
    return n == strcspn(b, "@") && strncasecmp(a, b, n) == 0;
}
