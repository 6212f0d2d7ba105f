// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* --help, from the table of commands. */
#include "base/checked.h"
#include "term/args.h"
#include "term/pages.h"

#include <stdio.h>
#include <string.h>

#define WIDTH 78
#define OPTION_WIDTH 28

/* Words of text, wrapped, behind `indent` blanks; the cursor is at column `at`. */
static void wrap(const char *text, int indent, int at)
{
    bool first = true;
    while (*text != '\0') {
        int n = (int)strcspn(text, " \n");
        if (!first && at + 1 + n > WIDTH) {
            printf("\n");
            at = 0;
            first = true;
        }
        if (at < indent)
            at += printf("%*s", indent - at, "");
        at += printf("%s%.*s", first ? "" : " ", n, text);
        first = false;
        text += n;
        if (strncmp(text, "\n\n", 2) == 0) {
            printf("\n\n");
            at = 0;
            first = true;
        }
        text += strspn(text, " \n");
    }
    printf("\n");
}

static void print_option(const struct gw_term_option *o)
{
    int at = 0;
    if (o->letter != 0)
        at += printf("  -%c, ", o->letter);
    else
        at += printf("      ");
    at += printf("--%s%s%s", o->name, o->arg != NULL ? " " : "", o->arg != NULL ? o->arg : "");
    if (at > OPTION_WIDTH - 2) {
        printf("\n");
        at = 0;
    }
    wrap(o->help, OPTION_WIDTH, at);
}

/* What the command works on: " (--socket PATH | --dir DIR)", or nothing. */
static void print_targets(const struct gw_term_program *p, const struct gw_term_command *command)
{
    const struct gw_term_option *has[2] = { NULL };
    size_t n = 0;
    for (size_t i = 0; i < p->n_common && n < GW_ARRAY_SIZE(has); i++) {
        if (p->common[i].target != NULL && gw_term_command_has(command, &p->common[i]))
            has[n++] = &p->common[i].option;
    }
    if (n == 2)
        printf(" (--%s %s | --%s %s)", has[0]->name, has[0]->arg, has[1]->name, has[1]->arg);
    else if (n == 1)
        printf(" --%s %s", has[0]->name, has[0]->arg);
}

static void help_command(const struct gw_term_program *p, const struct gw_term_command *command)
{
    printf("usage: %s %s", p->name, command->name);
    if (command->operands != NULL)
        printf(" %s", command->operands);
    print_targets(p, command);
    printf(" [OPTION]...\n\n");
    wrap(command->text, 0, 0);
    printf("\n");
    for (const struct gw_term_option *o = command->options; o != NULL && o->name != NULL; o++)
        print_option(o);
    for (size_t i = 0; i < p->n_common; i++) {
        if (gw_term_command_has(command, &p->common[i]))
            print_option(&p->common[i].option);
    }
}

static void print_commands(const struct gw_term_program *p, const char *group)
{
    size_t n = group != NULL ? strlen(group) : 0;
    for (size_t i = 0; i < p->n_commands; i++) {
        const struct gw_term_command *c = &p->commands[i];
        if (group != NULL && (strncmp(c->name, group, n) != 0 || c->name[n] != ' '))
            continue;
        if (group == NULL && c->heading != NULL)
            printf("%s%s:\n", i > 0 ? "\n" : "", c->heading);
        int at = printf("  %s%s%s", c->name, c->operands != NULL ? " " : "",
                        c->operands != NULL ? c->operands : "");
        if (at > OPTION_WIDTH - 2) {
            printf("\n");
            at = 0;
        }
        wrap(c->summary, OPTION_WIDTH, at);
    }
}

static void help_group(const struct gw_term_program *p, const char *group)
{
    printf("usage: %s %s COMMAND ...\n\n", p->name, group);
    print_commands(p, group);
    printf("\n%s %s COMMAND --help explains a command.\n", p->name, group);
}

static void help_main(const struct gw_term_program *p)
{
    printf("usage: %s %s\n\n", p->name, p->usage);
    wrap(p->about, 0, 0);
    printf("\n");
    print_commands(p, NULL);
    printf("\nExit codes:\n");
    for (int i = 0; i < GW_EXIT_MAX; i++)
        wrap(p->exits[i], 5, printf("  %d", i));
    printf("\n%s COMMAND --help explains a command.\n", p->name);
}

void gw_term_help(const struct gw_term_args *a)
{
    if (a->command != NULL)
        help_command(a->program, a->command);
    else if (a->group != NULL)
        help_group(a->program, a->group);
    else
        help_main(a->program);
}
