// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The man page and the shell completion, from the table of commands. */
#include "base/checked.h"
#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>

/* ---- man(7) -----------------------------------------------------------------------------------
 */

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

static void man_option(const struct ctl_option *o)
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

static void man_command(const struct ctl_command *c)
{
    printf(".SS \"");
    roff(c->name);
    if (c->operands != NULL) {
        printf(" ");
        roff(c->operands);
    }
    printf("\"\n");
    unsigned target = c->flags & (CTL_SOCKET | CTL_DIR);
    if (target != 0)
        printf("With %s%s%s: ", (target & CTL_SOCKET) != 0 ? "\\fB\\-\\-socket\\fR" : "",
               target == (CTL_SOCKET | CTL_DIR) ? " or " : "",
               (target & CTL_DIR) != 0 ? "\\fB\\-\\-dir\\fR" : "");
    roff(c->summary);
    printf(".\n.PP\n");
    roff(c->text);
    if ((c->flags & CTL_DESTRUCTIVE) != 0)
        printf(" Asks to type the plan's name unless \\fB\\-\\-yes\\fR is given.");
    printf("\n");
    for (const struct ctl_option *o = c->options; o != NULL && o->name != NULL; o++)
        man_option(o);
}

static void man_head(void)
{
    printf(".\\\" Made by godwit-ctl man.\n"
           ".TH GODWIT-CTL 1 \"\" \"godwit %s\" \"User Commands\"\n"
           ".SH NAME\ngodwit\\-ctl \\- look at and steer a godwit plan without anything else\n"
           ".SH SYNOPSIS\n.B godwit\\-ctl\n.I COMMAND\n"
           "(\\fB\\-\\-socket\\fR \\fIPATH\\fR | \\fB\\-\\-dir\\fR \\fIDIR\\fR) "
           "[\\fIOPTION\\fR]...\n"
           ".SH DESCRIPTION\n",
           GW_VERSION);
    roff(
        "The break-glass tool of godwit. It speaks to a data-plane process, which is the source "
        "(the nbdkit plugin) or the replica (godwit-replica), over its control socket, or works on "
        "a plan directory that no process serves. Commands that only read a directory also work "
        "beside a running process.\n\nSizes are written with binary units (4096, 64MiB, 20GiB), "
        "durations with ms, s, m, h or d (a bare number is seconds).");
    printf("\n");
}

int ctl_cmd_man(struct ctl *c)
{
    (void)c;
    man_head();
    printf(".SH OPTIONS\n");
    for (size_t i = 0; i < ctl_n_common_options; i++)
        man_option(&ctl_common_options[i].option);
    printf(".TP\n\\fB\\-\\-version\\fR\nprint the version\n");
    printf(".SH COMMANDS\n");
    for (size_t i = 0; i < ctl_n_commands; i++)
        man_command(&ctl_commands[i]);
    printf(".SH EXIT STATUS\n");
    for (int i = 0; i < CTL_EXIT_MAX; i++) {
        printf(".TP\n.B %d\n", i);
        roff(ctl_exits[i]);
        printf("\n");
    }
    printf(".SH FILES\n.TP\n.I DIR/divergence.log\n");
    roff("who discarded which kept tail, and when: one JSON object a line");
    printf("\n.SH SEE ALSO\n.BR nbdkit (1),\n.BR godwit\\-replica (1)\n");
    return CTL_OK;
}

/* ---- bash -------------------------------------------------------------------------------------
 */

/* All first words, or the second words behind `group`. */
static void bash_words(const char *group)
{
    char last[CTL_WORD_MAX] = "";
    for (size_t i = 0; i < ctl_n_commands; i++) {
        const char *name = ctl_commands[i].name;
        size_t n = strcspn(name, " ");
        if (group != NULL) {
            if (name[n] == ' ' && n == strlen(group) && strncmp(name, group, n) == 0)
                printf("%s ", name + n + 1);
        } else if (strlen(last) != n || strncmp(last, name, n) != 0) {
            snprintf(last, sizeof last, "%.*s", (int)n, name);
            printf("%s ", last);
        }
    }
}

static void bash_options(const struct ctl_command *c)
{
    printf("        '%s') opts='", c->name);
    for (const struct ctl_option *o = c->options; o != NULL && o->name != NULL; o++)
        printf("--%s ", o->name);
    for (size_t i = 0; i < ctl_n_common_options; i++) {
        if (ctl_command_has(c, &ctl_common_options[i]))
            printf("--%s ", ctl_common_options[i].option.name);
    }
    printf("'; op='%s' ;;\n", c->operands != NULL ? c->operands : "");
}

/* The groups as a shell pattern "point|divergence"; and a case line for each. */
static void bash_groups(bool pattern)
{
    char last[CTL_WORD_MAX] = "";
    for (size_t i = 0; i < ctl_n_commands; i++) {
        const char *name = ctl_commands[i].name;
        size_t n = strcspn(name, " ");
        if (name[n] == '\0' || (strlen(last) == n && strncmp(last, name, n) == 0))
            continue;
        const char *bar = last[0] != '\0' ? "|" : "";
        snprintf(last, sizeof last, "%.*s", (int)n, name);
        if (pattern) {
            printf("%s%s", bar, last);
        } else {
            printf("        '%s') words='", last);
            bash_words(last);
            printf("' ;;\n");
        }
    }
}

/* Options whose value the shell can complete as a path, and those with another value. */
static void bash_values(bool path)
{
    const char *bar = "";
    for (size_t i = 0; i < ctl_n_commands + ctl_n_common_options; i++) {
        const struct ctl_option *o = i < ctl_n_commands
                                         ? ctl_commands[i].options
                                         : &ctl_common_options[i - ctl_n_commands].option;
        for (; o != NULL && o->name != NULL; o = i < ctl_n_commands ? o + 1 : NULL) {
            bool is_path =
                o->arg != NULL && (strcmp(o->arg, "PATH") == 0 || strcmp(o->arg, "DIR") == 0 ||
                                   strcmp(o->arg, "FILE") == 0);
            if (o->arg == NULL || is_path != path)
                continue;
            printf("%s--%s", bar, o->name);
            if (o->letter != 0)
                printf("|-%c", o->letter);
            bar = "|";
        }
    }
}

int ctl_cmd_completion(struct ctl *c)
{
    if (strcmp(c->args.operand[0], "bash") != 0)
        return ctl_usage(c, "there is a completion for bash only, not for '%s'",
                         c->args.operand[0]);
    printf("# Made by godwit-ctl completion bash.\n"
           "_godwit_ctl() {\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local cmd= words= opts= op= i\n    case $prev in\n        ");
    bash_values(true);
    printf(")\n            compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
           "        ");
    bash_values(false);
    printf(")\n            return ;;\n    esac\n"
           "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "        case ${COMP_WORDS[i]} in\n"
           "            --socket|--dir|--timeout|-s|-d|-t) ((i++)) ;;\n"
           "            -*) ;;\n"
           "            *) cmd+=${cmd:+ }${COMP_WORDS[i]}\n"
           "               case $cmd in ");
    bash_groups(true);
    printf(") ;; *) break ;; esac ;;\n        esac\n    done\n"
           "    case $cmd in\n        '') words='");
    bash_words(NULL);
    printf("' ;;\n");
    bash_groups(false);
    for (size_t i = 0; i < ctl_n_commands; i++)
        bash_options(&ctl_commands[i]);
    printf("    esac\n"
           "    case $cur in -*) words=$opts ;; esac\n"
           "    if [[ -z $words && $op == *DIR* || $op == *OUT* ]]; then\n"
           "        compopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\"))\n"
           "    elif [[ $op == SHELL ]]; then\n"
           "        COMPREPLY=($(compgen -W bash -- \"$cur\"))\n"
           "    else\n"
           "        COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
           "    fi\n"
           "}\n"
           "complete -F _godwit_ctl godwit-ctl\n");
    return CTL_OK;
}
