// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What the demo tells while it goes on: scenes, sentences, the commands that were given, and
 * checks. A check is printed and counted; the story may go on after one that failed, but it does
 * not end well.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define STORY_CHECKS_MAX 64
#define STORY_CHECK_TEXT 240

struct story_check {
    bool held;
    char text[STORY_CHECK_TEXT];
};

struct story {
    FILE *out;
    bool colour;
    unsigned scenes;
    unsigned n_checks, n_failed;
    struct story_check check[STORY_CHECKS_MAX];
};

/* Colours only if `out` is a terminal that has them, and NO_COLOR is not set. */
void story_init(struct story *s, FILE *out);
void story_scene(struct story *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A sentence or several, wrapped. */
void story_say(struct story *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A labelled line of a list. */
void story_item(struct story *s, const char *label, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* "$ ..." as a person would type it; argv[0] without its directory. `more` is put behind it: " &"
 */
void story_command(struct story *s, const char *const *argv, const char *more);
/* The same from a text. */
void story_typed(struct story *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Returns held. */
bool story_check(struct story *s, bool held, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void story_error(struct story *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A row of the closing table. */
void story_row(struct story *s, const char *label, const char *value, const char *remark);
