// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/story.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WIDTH 96

#define BOLD "\033[1m"
#define DIM "\033[2m"
#define GREEN "\033[32m"
#define RED "\033[31m"
#define PLAIN "\033[0m"

void story_init(struct story *s, FILE *out)
{
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");
    *s = (struct story){ .out = out };
    s->colour = isatty(fileno(out)) == 1 && term != NULL && strcmp(term, "dumb") != 0 &&
                (no == NULL || no[0] == '\0');
}

static const char *ink(const struct story *s, const char *colour)
{
    return s->colour ? colour : "";
}

/* Words of `text` behind a mark of `indent` columns that is printed already; lines that follow are
 * indented as far and end with `end` before they break. */
static void wrap(struct story *s, const char *text, int indent, const char *end)
{
    int at = indent;
    bool first = true;
    while (*(text += strspn(text, " \n")) != '\0') {
        int n = (int)strcspn(text, " \n");
        if (!first && at + 1 + n > WIDTH - (int)strlen(end)) {
            fprintf(s->out, "%s\n%*s", end, indent, "");
            at = indent;
            first = true;
        }
        at += fprintf(s->out, "%s%.*s", first ? "" : " ", n, text);
        first = false;
        text += n;
    }
    fprintf(s->out, "%s\n", ink(s, PLAIN));
    fflush(s->out);
}

void story_scene(struct story *s, const char *fmt, ...)
{
    va_list ap;
    fprintf(s->out, "\n%s%u. ", ink(s, BOLD), ++s->scenes);
    va_start(ap, fmt);
    vfprintf(s->out, fmt, ap);
    va_end(ap);
    fprintf(s->out, "%s\n", ink(s, PLAIN));
    fflush(s->out);
}

void story_say(struct story *s, const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(s->out, "   ");
    wrap(s, text, 3, "");
}

void story_item(struct story *s, const char *label, const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(s->out, "     %-11s ", label);
    wrap(s, text, 17, "");
}

void story_typed(struct story *s, const char *fmt, ...)
{
    char text[4096];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(s->out, "%s   $ ", ink(s, DIM));
    wrap(s, text, 5, " \\");
}

void story_command(struct story *s, const char *const *argv, const char *more)
{
    char text[4096];
    const char *name = strrchr(argv[0], '/');
    int n = snprintf(text, sizeof text, "%s", name != NULL ? name + 1 : argv[0]);
    for (int i = 1; argv[i] != NULL && n < (int)sizeof text; i++) {
        bool plain = argv[i][0] != '\0' && strpbrk(argv[i], " \t\n'\"\\&;|<>*?()`") == NULL;
        n += snprintf(text + n, sizeof text - (size_t)n, plain ? " %s" : " '%s'", argv[i]);
    }
    story_typed(s, "%s%s", text, more);
}

bool story_check(struct story *s, bool held, const char *fmt, ...)
{
    assert(s->n_checks < STORY_CHECKS_MAX);
    struct story_check *c = &s->check[s->n_checks++];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->text, sizeof c->text, fmt, ap);
    va_end(ap);
    c->held = held;
    s->n_failed += !held;
    fprintf(s->out, "   %s%s%s ", ink(s, held ? GREEN : RED), held ? "ok  " : "FAIL",
            ink(s, PLAIN));
    wrap(s, c->text, 8, "");
    return held;
}

void story_error(struct story *s, const char *fmt, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(s->out, "\n%sgodwit demo: ", ink(s, RED));
    wrap(s, text, 13, "");
}

void story_row(struct story *s, const char *label, const char *value, const char *remark)
{
    fprintf(s->out, "   %-18s %s%14s%s   %s\n", label, ink(s, BOLD), value, ink(s, PLAIN), remark);
}
