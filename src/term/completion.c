// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The completion for bash, from the table of commands. */
#include "base/checked.h"
#include "term/pages.h"
#include "term/term.h"

#include <stdio.h>
#include <string.h>

/* All first words, or the second words behind `group`. */
static void bash_words(const struct gw_term_program *p, const char *group)
{
    char last[GW_TERM_WORD_MAX] = "";
    for (size_t i = 0; i < p->n_commands; i++) {
        const char *name = p->commands[i].name;
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

static void bash_options(const struct gw_term_program *p, const struct gw_term_command *c)
{
    printf("        '%s') opts='", c->name);
    for (const struct gw_term_option *o = c->options; o != NULL && o->name != NULL; o++)
        printf("--%s ", o->name);
    for (size_t i = 0; i < p->n_common; i++) {
        if (gw_term_command_has(c, &p->common[i]))
            printf("--%s ", p->common[i].option.name);
    }
    printf("'; op='%s' ;;\n", c->operands != NULL ? c->operands : "");
}

/* The groups as a shell pattern "point|divergence"; and a case line for each. */
static void bash_groups(const struct gw_term_program *p, bool pattern)
{
    char last[GW_TERM_WORD_MAX] = "";
    for (size_t i = 0; i < p->n_commands; i++) {
        const char *name = p->commands[i].name;
        size_t n = strcspn(name, " ");
        if (name[n] == '\0' || (strlen(last) == n && strncmp(last, name, n) == 0))
            continue;
        const char *bar = last[0] != '\0' ? "|" : "";
        snprintf(last, sizeof last, "%.*s", (int)n, name);
        if (pattern) {
            printf("%s%s", bar, last);
        } else {
            printf("        '%s') words='", last);
            bash_words(p, last);
            printf("' ;;\n");
        }
    }
}

/* Options whose value the shell can complete as a path, and those with another value. */
static void bash_values(const struct gw_term_program *p, bool path)
{
    const char *bar = "";
    for (size_t i = 0; i < p->n_commands + p->n_common; i++) {
        const struct gw_term_option *o =
            i < p->n_commands ? p->commands[i].options : &p->common[i - p->n_commands].option;
        for (; o != NULL && o->name != NULL; o = i < p->n_commands ? o + 1 : NULL) {
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

/* Common options that take the next word: they may stand before the command. */
static void bash_takes_next(const struct gw_term_program *p)
{
    const char *bar = "";
    for (int letters = 0; letters < 2; letters++) {
        for (size_t i = 0; i < p->n_common; i++) {
            const struct gw_term_option *o = &p->common[i].option;
            if (o->arg == NULL || (letters == 1 && o->letter == 0))
                continue;
            if (letters == 1)
                printf("%s-%c", bar, o->letter);
            else
                printf("%s--%s", bar, o->name);
            bar = "|";
        }
    }
}

/* The words of the operands, by the first word of $op that is known. */
static void bash_operands(const struct gw_term_program *p)
{
    for (const struct gw_term_operand *o = p->operands; o != NULL && o->word != NULL; o++) {
        printf("            *%s*) ", o->word);
        if (o->command == NULL)
            printf("compopt -o filenames; COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n");
        else
            printf("words=$(%s 2>/dev/null) ;;\n", o->command);
    }
}

static void bash_command(const struct gw_term_program *p)
{
    printf("    for ((i = 1; i < COMP_CWORD; i++)); do\n"
           "        case ${COMP_WORDS[i]} in\n"
           "            ");
    bash_takes_next(p);
    printf(") ((i++)) ;;\n"
           "            -*) ;;\n"
           "            *) cmd+=${cmd:+ }${COMP_WORDS[i]}\n"
           "               case $cmd in ");
    bash_groups(p, true);
    printf(") ;; *) break ;; esac ;;\n        esac\n    done\n");
}

void gw_term_completion_bash(const struct gw_term_program *p)
{
    char name[GW_TERM_WORD_MAX];
    snprintf(name, sizeof name, "%s", p->name);
    for (char *s = name; *s != '\0'; s++)
        *s = *s == '-' ? '_' : *s;
    printf("# Made by %s completion bash.\n"
           "_%s() {\n"
           "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
           "    local cmd= words= opts= op= i\n    case $prev in\n        ",
           p->name, name);
    bash_values(p, true);
    printf(")\n            compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\")); return ;;\n"
           "        ");
    bash_values(p, false);
    printf(")\n            return ;;\n    esac\n");
    bash_command(p);
    printf("    case $cmd in\n        '') words='");
    bash_words(p, NULL);
    printf("' ;;\n");
    bash_groups(p, false);
    for (size_t i = 0; i < p->n_commands; i++)
        bash_options(p, &p->commands[i]);
    printf("    esac\n"
           "    case $cur in\n"
           "        -*) words=$opts ;;\n"
           "        *) [[ -n $words ]] || case $op in\n");
    bash_operands(p);
    printf("            *SHELL*) words=bash ;;\n"
           "        esac ;;\n"
           "    esac\n"
           "    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
           "}\n"
           "complete -F _%s %s\n",
           name, p->name);
}

int gw_term_cmd_completion(struct gw_term *t)
{
    if (strcmp(t->args.operand[0], "bash") != 0)
        return gw_term_usage(t, "there is a completion for bash only, not for '%s'",
                             t->args.operand[0]);
    gw_term_completion_bash(t->args.program);
    return GW_EXIT_OK;
}
