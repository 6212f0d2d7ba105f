// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* --help, from the table of commands. */
#include "ctl/ctl.h"

#include "base/checked.h"

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

static void print_option(const struct ctl_option *o)
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

void ctl_help_command(const struct ctl_command *command)
{
    printf("usage: godwit-ctl %s", command->name);
    if (command->operands != NULL)
        printf(" %s", command->operands);
    unsigned target = command->flags & (CTL_SOCKET | CTL_DIR);
    if (target == (CTL_SOCKET | CTL_DIR))
        printf(" (--socket PATH | --dir DIR)");
    else if (target != 0)
        printf(target == CTL_SOCKET ? " --socket PATH" : " --dir DIR");
    printf(" [OPTION]...\n\n");
    wrap(command->text, 0, 0);
    printf("\n");
    for (const struct ctl_option *o = command->options; o != NULL && o->name != NULL; o++)
        print_option(o);
    for (size_t i = 0; i < ctl_n_common_options; i++) {
        if (ctl_command_has(command, &ctl_common_options[i]))
            print_option(&ctl_common_options[i].option);
    }
}

static void print_commands(const char *group)
{
    size_t n = group != NULL ? strlen(group) : 0;
    for (size_t i = 0; i < ctl_n_commands; i++) {
        const struct ctl_command *c = &ctl_commands[i];
        if (group != NULL && (strncmp(c->name, group, n) != 0 || c->name[n] != ' '))
            continue;
        int at = printf("  %s%s%s", c->name, c->operands != NULL ? " " : "",
                        c->operands != NULL ? c->operands : "");
        wrap(c->summary, OPTION_WIDTH, at);
    }
}

void ctl_help_group(const char *group)
{
    printf("usage: godwit-ctl %s COMMAND ...\n\n", group);
    print_commands(group);
    printf("\ngodwit-ctl %s COMMAND --help explains a command.\n", group);
}

void ctl_help_main(void)
{
    printf("usage: godwit-ctl COMMAND (--socket PATH | --dir DIR) [OPTION]...\n\n");
    wrap("Looks at and steers one godwit plan at one site: a running process over its control "
         "socket, or a plan directory without one.",
         0, 0);
    printf("\n");
    print_commands(NULL);
    printf("\nExit codes:\n");
    for (int i = 0; i < CTL_EXIT_MAX; i++)
        wrap(ctl_exits[i], 5, printf("  %d", i));
    printf("\ngodwit-ctl COMMAND --help explains a command.\n");
}
