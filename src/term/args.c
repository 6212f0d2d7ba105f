// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "term/args.h"

#include "base/checked.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define OPTIONS_MAX 64 /* of one command, with the common ones */

static int unknown(struct gw_error *err, const char *what, const char *word,
                   const char *const *words, const char *dashes, const char *help)
{
    const char *near = gw_term_nearest(word, words);
    if (near != NULL)
        return gw_error_set(err, -EINVAL, "unknown %s '%s%s'; did you mean '%s%s'?", what, dashes,
                            word, dashes, near);
    return gw_error_set(err, -EINVAL, "unknown %s '%s%s'; see %s", what, dashes, word, help);
}

/* ---- finding the command ----------------------------------------------------------------------
 */

static bool is_option(const struct gw_term_option *o, const char *name, size_t len, char letter)
{
    return letter != 0 ? o->letter == letter
                       : strlen(o->name) == len && strncmp(o->name, name, len) == 0;
}

static const struct gw_term_common_option *common(const struct gw_term_program *p, const char *name,
                                                  size_t len, char letter)
{
    for (size_t i = 0; i < p->n_common; i++) {
        if (is_option(&p->common[i].option, name, len, letter))
            return &p->common[i];
    }
    return NULL;
}

/* Whether the option word argv[i] takes the next word. Only common ones may stand before the
 * command, so that others need not be known yet. */
static bool takes_next(const struct gw_term_program *p, const char *word)
{
    const struct gw_term_common_option *o;
    if (word[1] == '-')
        o = strchr(word, '=') != NULL ? NULL : common(p, word + 2, strlen(word + 2), 0);
    else
        o = word[2] != '\0' ? NULL : common(p, "", 0, word[1]);
    return o != NULL && o->option.arg != NULL;
}

size_t gw_term_group_len(const struct gw_term_command *command)
{
    const char *blank = strchr(command->name, ' ');
    return blank != NULL ? (size_t)(blank - command->name) : 0;
}

bool gw_term_command_has(const struct gw_term_command *command,
                         const struct gw_term_common_option *option)
{
    if (option->option.letter == 'j' && (command->flags & GW_TERM_PLAIN) != 0)
        return false;
    return option->flags == 0 || (command->flags & option->flags) != 0;
}

static bool is_group(const struct gw_term_program *p, const char *word)
{
    for (size_t i = 0; i < p->n_commands; i++) {
        size_t n = gw_term_group_len(&p->commands[i]);
        if (n > 0 && n == strlen(word) && strncmp(word, p->commands[i].name, n) == 0)
            return true;
    }
    return false;
}

static const struct gw_term_command *find_command(const struct gw_term_program *p,
                                                  const char *first, const char *second)
{
    char name[2 * GW_TERM_WORD_MAX];
    int n = snprintf(name, sizeof name, "%s%s%s", first, second != NULL ? " " : "",
                     second != NULL ? second : "");
    for (size_t i = 0; n > 0 && (size_t)n < sizeof name && i < p->n_commands; i++) {
        if (strcmp(p->commands[i].name, name) == 0)
            return &p->commands[i];
    }
    return NULL;
}

static int unknown_command(const struct gw_term_program *p, const char *group, const char *word,
                           struct gw_error *err)
{
    const char *words[GW_TERM_COMMANDS_MAX + 1] = { NULL };
    char firsts[GW_TERM_COMMANDS_MAX][GW_TERM_WORD_MAX];
    assert(p->n_commands <= GW_TERM_COMMANDS_MAX);
    size_t n = 0;
    for (size_t i = 0; i < p->n_commands; i++) {
        const char *name = p->commands[i].name;
        size_t g = gw_term_group_len(&p->commands[i]);
        if (group == NULL) {
            snprintf(firsts[i], GW_TERM_WORD_MAX, "%.*s", (int)(g > 0 ? g : strlen(name)), name);
            words[n++] = firsts[i];
        } else if (g == strlen(group) && strncmp(group, name, g) == 0) {
            words[n++] = name + g + 1;
        }
    }
    char help[GW_TERM_WORD_MAX * 2];
    snprintf(help, sizeof help, "%s %s%s--help", p->name, group != NULL ? group : "",
             group != NULL ? " " : "");
    char what[GW_TERM_WORD_MAX * 2];
    snprintf(what, sizeof what, "command%s%s", group != NULL ? " of " : "",
             group != NULL ? group : "");
    return unknown(err, what, word, words, "", help);
}

/* ---- options ----------------------------------------------------------------------------------
 */

static const struct gw_term_option *find_option(const struct gw_term_args *a, const char *name,
                                                size_t len, char letter)
{
    const struct gw_term_command *c = a->command;
    for (const struct gw_term_option *o = c->options; o != NULL && o->name != NULL; o++) {
        if (is_option(o, name, len, letter))
            return o;
    }
    const struct gw_term_common_option *o = common(a->program, name, len, letter);
    return o != NULL && gw_term_command_has(c, o) ? &o->option : NULL;
}

/* Does the command work on one of the program's targets? */
static bool has_target(const struct gw_term_args *a)
{
    for (size_t i = 0; i < a->program->n_common; i++) {
        const struct gw_term_common_option *o = &a->program->common[i];
        if (o->target != NULL && gw_term_command_has(a->command, o))
            return true;
    }
    return false;
}

static int nearly_an_option(const struct gw_term_args *a, const char *name, size_t len, char letter,
                            struct gw_error *err)
{
    const struct gw_term_program *p = a->program;
    const char *words[OPTIONS_MAX + 1] = { NULL };
    size_t n = 0;
    const struct gw_term_option *o = a->command->options;
    for (; o != NULL && o->name != NULL && n < OPTIONS_MAX; o++)
        words[n++] = o->name;
    for (size_t i = 0; i < p->n_common && n < OPTIONS_MAX; i++) {
        if (gw_term_command_has(a->command, &p->common[i]))
            words[n++] = p->common[i].option.name;
    }
    char word[GW_TERM_WORD_MAX + 1], help[3 * GW_TERM_WORD_MAX];
    snprintf(word, sizeof word, "%.*s", letter != 0 ? 1 : (int)len, letter != 0 ? &letter : name);
    snprintf(help, sizeof help, "%s %s --help", p->name, a->command->name);
    return unknown(err, "option", word, words, letter != 0 ? "-" : "--", help);
}

static int no_such_option(const struct gw_term_args *a, const char *name, size_t len, char letter,
                          struct gw_error *err)
{
    const struct gw_term_common_option *o = common(a->program, name, len, letter);
    if (o == NULL)
        return nearly_an_option(a, name, len, letter, err);
    if (o->target != NULL && has_target(a))
        return gw_error_set(err, -EINVAL, "%s %s", a->command->name, o->target);
    return gw_error_set(err, -EINVAL, "%s has no option --%s; see %s %s --help", a->command->name,
                        o->option.name, a->program->name, a->command->name);
}

static int put(struct gw_term_args *a, const struct gw_term_option *o, const char *value,
               struct gw_error *err)
{
    for (unsigned i = 0; i < a->n_given && !o->repeat; i++) {
        if (a->given[i].option == o)
            return gw_error_set(err, -EINVAL, "--%s is given twice", o->name);
    }
    if (a->n_given == GW_TERM_GIVEN_MAX)
        return gw_error_set(err, -EINVAL, "too many options");
    a->given[a->n_given++] = (struct gw_term_given){ o, value };
    return 0;
}

/* One option word; *ret_used: it took the next word, too. */
static int take_option(struct gw_term_args *a, const char *word, const char *next, bool *ret_used,
                       struct gw_error *err)
{
    bool is_long = word[1] == '-';
    const char *name = is_long ? word + 2 : "";
    char letter = is_long ? (char)0 : word[1];
    size_t len = strcspn(name, "=");
    const char *value = is_long && name[len] == '=' ? name + len + 1 : NULL;
    if (!is_long && word[2] != '\0')
        return gw_error_set(err, -EINVAL, "'%s': write short options one by one", word);
    const struct gw_term_option *o = find_option(a, name, len, letter);
    if (o == NULL)
        return no_such_option(a, name, len, letter, err);
    if (o->arg == NULL && value != NULL)
        return gw_error_set(err, -EINVAL, "--%s takes no value", o->name);
    if (o->arg != NULL && value == NULL) {
        if (next == NULL)
            return gw_error_set(err, -EINVAL, "--%s needs a value: --%s %s", o->name, o->name,
                                o->arg);
        value = next;
        *ret_used = true;
    }
    return put(a, o, value != NULL ? value : "", err);
}

/* ---- the whole line ---------------------------------------------------------------------------
 */

/* The words of the command, wherever they stand: their places in argv, or 0. */
static void find_words(int argc, char **argv, struct gw_term_args *a, int ret_at[2])
{
    ret_at[0] = ret_at[1] = 0;
    for (int i = 1, n = 0; i < argc && n < 2; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            a->help = true;
        if (strcmp(argv[i], "--version") == 0 || strcmp(argv[i], "-V") == 0)
            a->version = true;
        if (strcmp(argv[i], "--") == 0)
            return;
        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            i += takes_next(a->program, argv[i]);
            continue;
        }
        ret_at[n++] = i;
        if (n == 1 && !is_group(a->program, argv[i]) && strcmp(argv[i], "help") != 0)
            return;
    }
}

static int find(int argc, char **argv, struct gw_term_args *a, int ret_at[2], struct gw_error *err)
{
    const struct gw_term_program *p = a->program;
    find_words(argc, argv, a, ret_at);
    if (ret_at[0] == 0)
        return a->help || a->version
                   ? 0
                   : gw_error_set(err, -EINVAL, "name a command; see %s --help", p->name);
    const char *first = argv[ret_at[0]], *second = ret_at[1] > 0 ? argv[ret_at[1]] : NULL;
    if (strcmp(first, "help") == 0) { /* "help point create" is "point create --help" */
        a->help = true;
        if (second == NULL)
            return 0;
        first = second;
        second = is_group(p, first) && ret_at[1] + 1 < argc ? argv[ret_at[1] + 1] : NULL;
    }
    if (!is_group(p, first)) {
        a->command = find_command(p, first, NULL);
        return a->command != NULL ? 0 : unknown_command(p, NULL, first, err);
    }
    a->group = first;
    if (second != NULL) {
        a->command = find_command(p, first, second);
        return a->command != NULL ? 0 : unknown_command(p, first, second, err);
    }
    return a->help ? 0
                   : gw_error_set(err, -EINVAL, "%s what? See %s %s --help", first, p->name, first);
}

static int check_operands(const struct gw_term_args *a, struct gw_error *err)
{
    const char *spec = a->command->operands != NULL ? a->command->operands : "";
    unsigned least = 0, most = 0;
    for (const char *p = spec; *p != '\0'; p += strspn(p, " ")) {
        least += *p != '[';
        most++;
        p += strcspn(p, " ");
    }
    assert(most <= GW_TERM_OPERANDS_MAX);
    if (a->n_operands < least)
        return gw_error_set(err, -EINVAL, "%s needs %s", a->command->name, spec);
    if (a->n_operands > most)
        return gw_error_set(err, -EINVAL, "%s: unexpected '%s'", a->command->name,
                            a->operand[most]);
    return 0;
}

/* Exactly one of the targets that the command has, if it has any. */
static int check_target(const struct gw_term_args *a, struct gw_error *err)
{
    const struct gw_term_option *has[2] = { NULL };
    unsigned n = 0, n_given = 0;
    for (size_t i = 0; i < a->program->n_common; i++) {
        const struct gw_term_common_option *o = &a->program->common[i];
        if (o->target == NULL || !gw_term_command_has(a->command, o))
            continue;
        assert(n < GW_ARRAY_SIZE(has));
        has[n++] = &o->option;
        n_given += gw_term_flag(a, o->option.name);
    }
    if (n == 0 || n_given == 1)
        return 0;
    if (n == 1)
        return gw_error_set(err, -EINVAL, "%s needs --%s %s", a->command->name, has[0]->name,
                            has[0]->arg);
    if (n_given > 1)
        return gw_error_set(err, -EINVAL, "--%s or --%s, not both", has[0]->name, has[1]->name);
    return gw_error_set(err, -EINVAL, "%s needs --%s %s or --%s %s", a->command->name, has[0]->name,
                        has[0]->arg, has[1]->name, has[1]->arg);
}

static int check(const struct gw_term_args *a, struct gw_error *err)
{
    const struct gw_term_command *c = a->command;
    for (const struct gw_term_option *o = c->options; o != NULL && o->name != NULL; o++) {
        if (o->required && gw_term_arg(a, o->name) == NULL)
            return gw_error_set(err, -EINVAL, "%s needs --%s %s (%s)", c->name, o->name,
                                o->arg != NULL ? o->arg : "", o->help);
    }
    int r = check_operands(a, err);
    return r < 0 ? r : check_target(a, err);
}

/* argv[i], which is not a word of the command; *ret_used: it took the next word, too. */
static int take_word(struct gw_term_args *a, char **argv, int i, int argc, bool *options,
                     bool *ret_used, struct gw_error *err)
{
    const char *word = argv[i];
    if (*options && strcmp(word, "--") == 0) {
        *options = false;
        return 0;
    }
    if (*options && word[0] == '-' && word[1] != '\0')
        return take_option(a, word, i + 1 < argc ? argv[i + 1] : NULL, ret_used, err);
    if (a->n_operands == GW_TERM_OPERANDS_MAX)
        return gw_error_set(err, -EINVAL, "%s: unexpected '%s'", a->command->name, word);
    a->operand[a->n_operands++] = word;
    return 0;
}

int gw_term_args_parse(const struct gw_term_program *program, int argc, char **argv,
                       struct gw_term_args *ret, struct gw_error *err)
{
    *ret = (struct gw_term_args){ .program = program };
    int at[2];
    int r = find(argc, argv, ret, at, err);
    if (r < 0 || ret->help || ret->version || ret->command == NULL)
        return r;
    bool options = true;
    for (int i = 1; i < argc && r == 0; i++) {
        bool used = false;
        if (i == at[0] || i == at[1])
            continue;
        if (options && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            ret->help = true;
            return 0;
        }
        r = take_word(ret, argv, i, argc, &options, &used, err);
        i += used;
    }
    return r < 0 ? r : check(ret, err);
}

/* ---- values -----------------------------------------------------------------------------------
 */

const char *gw_term_arg_nth(const struct gw_term_args *a, const char *name, unsigned i)
{
    assert(find_option(a, name, strlen(name), 0) != NULL);
    for (unsigned k = 0; k < a->n_given; k++) {
        if (strcmp(a->given[k].option->name, name) == 0 && i-- == 0)
            return a->given[k].value;
    }
    return NULL;
}

const char *gw_term_arg(const struct gw_term_args *a, const char *name)
{
    return gw_term_arg_nth(a, name, 0);
}

bool gw_term_flag(const struct gw_term_args *a, const char *name)
{
    return gw_term_arg(a, name) != NULL;
}
