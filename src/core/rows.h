// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * How the rows of a lifecycle table are written. Inside a file lifecycle_*.c only.
 *
 * A row begins with the set of values it is for, IN1(a) to IN3(a, b, c) or a named set; then event,
 * guard, and one of the four verdicts with what belongs to it:
 *     TO(value, action, sentence)  STAY(action, sentence)  REFUSE(sentence)  FORCE(sentence)
 *     NEVER(sentence)
 */
#pragma once

#include "core/lifecycle.h"

#include "base/checked.h"

#define ROW(set, on, when, ...)                                                                    \
    {                                                                                              \
        .from = (set), .event = (on), .guard = GW_WHEN_##when, __VA_ARGS__                         \
    }
#define TO(value, what, words)                                                                     \
    .verdict = GW_LIFE_OK, .to = (value), .action = GW_LIFE_DO_##what, .sentence = (words)
#define STAY(what, words) TO(GW_LIFE_SAME, what, words)
#define REFUSE(words) .verdict = GW_LIFE_REFUSED, .to = GW_LIFE_SAME, .sentence = (words)
#define FORCE(words) .verdict = GW_LIFE_FORCEABLE, .to = GW_LIFE_SAME, .sentence = (words)
#define NEVER(words)                                                                               \
    .verdict = GW_LIFE_IMPOSSIBLE, .to = GW_LIFE_SAME, .action = GW_LIFE_DO_HALT,                  \
    .sentence = (words)

#define IN1(a) GW_LIFE_FROM(a)
#define IN2(a, b) (GW_LIFE_FROM(a) | GW_LIFE_FROM(b))
#define IN3(a, b, c) (IN2(a, b) | GW_LIFE_FROM(c))

#define TABLE(short_name, words)                                                                   \
    {                                                                                              \
        .name = (short_name), .title = (words), .n_values = GW_ARRAY_SIZE(value_names),            \
        .n_events = GW_ARRAY_SIZE(event_names), .value_name = value_names,                         \
        .event_name = event_names, .rows = rows, .n_rows = GW_ARRAY_SIZE(rows),                    \
    }
