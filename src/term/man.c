// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The man page, man(7), from the table of commands. */
#include "term/pages.h"
#include "term/term.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* Text with what roff would take for its own made harmless. Hyphens of options are kept as such. */
static void roff(const char *text)
{
    bool begin = true;
    for (const char *p = text; *p != '\0'; p++) {
        if (p[0] == '\n' && p[1] == '\n') {
            printf("\n.PP\n");
            p++;
            begin = true;
            continue;
        }
        if (begin && (*p == '.' || *p == '\''))
            printf("\\&");
        if (*p == '\\')
            printf("\\e");
        else if (*p == '-')
            printf("\\-");
        else
            putchar(*p);
        begin = *p == '\n';
    }
}

static void man_option(const struct gw_term_option *o)
{
    printf(".TP\n\\fB");
    if (o->letter != 0)
        printf("\\-%c\\fR, \\fB", o->letter);
    printf("\\-\\-");
    roff(o->name);
    printf("\\fR");
    if (o->arg != NULL) {
        printf(" \\fI");
        roff(o->arg);
        printf("\\fR");
    }
    printf("\n");
    roff(o->help);
    printf("%s\n", o->required ? " (required)" : o->repeat ? " (may be repeated)" : "");
}

static void man_targets(const struct gw_term_program *p, const struct gw_term_command *c)
{
    unsigned n = 0;
    for (size_t i = 0; i < p->n_common; i++) {
        if (p->common[i].target == NULL || !gw_term_command_has(c, &p->common[i]))
            continue;
        printf("%s\\fB\\-\\-", n++ == 0 ? "With " : " or ");
        roff(p->common[i].option.name);
        printf("\\fR");
    }
    if (n > 0)
        printf(": ");
}

static void man_command(const struct gw_term_program *p, const struct gw_term_command *c)
{
    printf(".SS \"");
    roff(c->name);
    if (c->operands != NULL) {
        printf(" ");
        roff(c->operands);
    }
    printf("\"\n");
    man_targets(p, c);
    roff(c->summary);
    printf(".\n.PP\n");
    roff(c->text);
    if ((c->flags & GW_TERM_DESTRUCTIVE) != 0)
        printf(" Asks to type the name of what it changes unless \\fB\\-\\-yes\\fR is given.");
    printf("\n");
    for (const struct gw_term_option *o = c->options; o != NULL && o->name != NULL; o++)
        man_option(o);
}

static void man_head(const struct gw_term_program *p)
{
    printf(".\\\" Made by %s man.\n.TH ", p->name);
    for (const char *s = p->name; *s != '\0'; s++)
        putchar(toupper((unsigned char)*s));
    printf(" 1 \"\" \"godwit %s\" \"User Commands\"\n.SH NAME\n", p->version);
    roff(p->name);
    printf(" \\- ");
    roff(p->summary);
    printf("\n.SH SYNOPSIS\n.B ");
    roff(p->name);
    printf("\n.I COMMAND\n%s\n.SH DESCRIPTION\n", p->synopsis);
    roff(p->text);
    printf("\n");
}

static void man_commands(const struct gw_term_program *p)
{
    if (p->commands[0].heading == NULL)
        printf(".SH COMMANDS\n");
    for (size_t i = 0; i < p->n_commands; i++) {
        if (p->commands[i].heading != NULL) {
            printf(".SH ");
            for (const char *s = p->commands[i].heading; *s != '\0'; s++)
                putchar(toupper((unsigned char)*s));
            printf("\n");
        }
        man_command(p, &p->commands[i]);
    }
}

void gw_term_man(const struct gw_term_program *p)
{
    man_head(p);
    printf(".SH OPTIONS\n");
    for (size_t i = 0; i < p->n_common; i++)
        man_option(&p->common[i].option);
    printf(".TP\n\\fB\\-\\-version\\fR\nprint the version\n");
    man_commands(p);
    printf(".SH EXIT STATUS\n");
    for (int i = 0; i < GW_EXIT_MAX; i++) {
        printf(".TP\n.B %d\n", i);
        roff(p->exits[i]);
        printf("\n");
    }
    for (const struct gw_term_section *s = p->sections; s != NULL && s->title != NULL; s++)
        printf(".SH %s\n%s\n", s->title, s->roff);
}

int gw_term_cmd_man(struct gw_term *t)
{
    gw_term_man(t->args.program);
    return GW_EXIT_OK;
}
