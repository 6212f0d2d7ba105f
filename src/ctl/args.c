// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "ctl/args.h"

#include "base/checked.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define WORDS_MAX 64

static int unknown(struct gw_error *err, const char *what, const char *word,
                   const char *const *words, const char *dashes, const char *help)
{
    const char *near = ctl_nearest(word, words);
    if (near != NULL)
        return gw_error_set(err, -EINVAL, "unknown %s '%s%s'; did you mean '%s%s'?", what, dashes,
                            word, dashes, near);
    return gw_error_set(err, -EINVAL, "unknown %s '%s%s'; see %s", what, dashes, word, help);
}

/* ---- finding the command ----------------------------------------------------------------------
 */

static const struct ctl_option *common(const char *name, size_t len, char letter)
{
    for (size_t i = 0; i < ctl_n_common_options; i++) {
        const struct ctl_option *o = &ctl_common_options[i].option;
        if (letter != 0 ? o->letter == letter
                        : strlen(o->name) == len && strncmp(o->name, name, len) == 0)
            return o;
    }
    return NULL;
}

/* Whether the option word argv[i] takes the next word. Only common ones may stand before the
 * command, so that others need not be known yet. */
static bool takes_next(const char *word)
{
    const struct ctl_option *o;
    if (word[1] == '-')
        o = strchr(word, '=') != NULL ? NULL : common(word + 2, strlen(word + 2), 0);
    else
        o = word[2] != '\0' ? NULL : common("", 0, word[1]);
    return o != NULL && o->arg != NULL;
}

/* Length of the first word of a command's name if it has two, else 0. */
static size_t group_len(const struct ctl_command *c)
{
    const char *blank = strchr(c->name, ' ');
    return blank != NULL ? (size_t)(blank - c->name) : 0;
}

static bool is_group(const char *word)
{
    for (size_t i = 0; i < ctl_n_commands; i++) {
        size_t n = group_len(&ctl_commands[i]);
        if (n > 0 && n == strlen(word) && strncmp(word, ctl_commands[i].name, n) == 0)
            return true;
    }
    return false;
}

static const struct ctl_command *find_command(const char *first, const char *second)
{
    char name[2 * CTL_WORD_MAX];
    int n = snprintf(name, sizeof name, "%s%s%s", first, second != NULL ? " " : "",
                     second != NULL ? second : "");
    for (size_t i = 0; n > 0 && (size_t)n < sizeof name && i < ctl_n_commands; i++) {
        if (strcmp(ctl_commands[i].name, name) == 0)
            return &ctl_commands[i];
    }
    return NULL;
}

static int unknown_command(const char *group, const char *word, struct gw_error *err)
{
    const char *words[WORDS_MAX + 1] = { NULL };
    char firsts[WORDS_MAX][CTL_WORD_MAX];
    assert(ctl_n_commands <= WORDS_MAX);
    size_t n = 0;
    for (size_t i = 0; i < ctl_n_commands; i++) {
        const char *name = ctl_commands[i].name;
        size_t g = group_len(&ctl_commands[i]);
        if (group == NULL) {
            snprintf(firsts[i], CTL_WORD_MAX, "%.*s", (int)(g > 0 ? g : strlen(name)), name);
            words[n++] = firsts[i];
        } else if (g == strlen(group) && strncmp(group, name, g) == 0) {
            words[n++] = name + g + 1;
        }
    }
    char help[CTL_WORD_MAX * 2];
    snprintf(help, sizeof help, "godwit-ctl %s%s--help", group != NULL ? group : "",
             group != NULL ? " " : "");
    char what[CTL_WORD_MAX * 2];
    snprintf(what, sizeof what, "command%s%s", group != NULL ? " of " : "",
             group != NULL ? group : "");
    return unknown(err, what, word, words, "", help);
}

/* ---- options ----------------------------------------------------------------------------------
 */

static const struct ctl_option *find_option(const struct ctl_command *c, const char *name,
                                            size_t len, char letter)
{
    for (const struct ctl_option *o = c->options; o != NULL && o->name != NULL; o++) {
        if (letter != 0 ? o->letter == letter
                        : strlen(o->name) == len && strncmp(o->name, name, len) == 0)
            return o;
    }
    for (size_t i = 0; i < ctl_n_common_options; i++) {
        const struct ctl_option *o = &ctl_common_options[i].option;
        if (ctl_command_has(c, &ctl_common_options[i]) && o == common(name, len, letter))
            return o;
    }
    return NULL;
}

static int no_such_option(const struct ctl_command *c, const char *name, size_t len, char letter,
                          struct gw_error *err)
{
    const struct ctl_option *o = common(name, len, letter);
    if (o != NULL && o->letter == 'd' && (c->flags & CTL_SOCKET) != 0)
        return gw_error_set(err, -EINVAL, "%s needs the running process: --socket, not --dir",
                            c->name);
    if (o != NULL && o->letter == 's' && (c->flags & CTL_DIR) != 0)
        return gw_error_set(err, -EINVAL, "%s works on a plan directory: --dir, not --socket",
                            c->name);
    if (o != NULL)
        return gw_error_set(err, -EINVAL, "%s has no option --%s; see godwit-ctl %s --help",
                            c->name, o->name, c->name);
    const char *words[WORDS_MAX + 1] = { NULL };
    size_t n = 0;
    for (o = c->options; o != NULL && o->name != NULL && n < WORDS_MAX; o++)
        words[n++] = o->name;
    for (size_t i = 0; i < ctl_n_common_options && n < WORDS_MAX; i++) {
        if (ctl_command_has(c, &ctl_common_options[i]))
            words[n++] = ctl_common_options[i].option.name;
    }
    char word[CTL_WORD_MAX + 1], help[2 * CTL_WORD_MAX];
    snprintf(word, sizeof word, "%.*s", letter != 0 ? 1 : (int)len, letter != 0 ? &letter : name);
    snprintf(help, sizeof help, "godwit-ctl %s --help", c->name);
    return unknown(err, "option", word, words, letter != 0 ? "-" : "--", help);
}

static int put(struct ctl_args *a, const struct ctl_option *o, const char *value,
               struct gw_error *err)
{
    for (unsigned i = 0; i < a->n_given && !o->repeat; i++) {
        if (a->given[i].option == o)
            return gw_error_set(err, -EINVAL, "--%s is given twice", o->name);
    }
    if (a->n_given == CTL_GIVEN_MAX)
        return gw_error_set(err, -EINVAL, "too many options");
    a->given[a->n_given++] = (struct ctl_given){ o, value };
    return 0;
}

/* One option word; *ret_used: it took the next word, too. */
static int take_option(struct ctl_args *a, const char *word, const char *next, bool *ret_used,
                       struct gw_error *err)
{
    bool is_long = word[1] == '-';
    const char *name = is_long ? word + 2 : "";
    char letter = is_long ? (char)0 : word[1];
    size_t len = strcspn(name, "=");
    const char *value = is_long && name[len] == '=' ? name + len + 1 : NULL;
    if (!is_long && word[2] != '\0')
        return gw_error_set(err, -EINVAL, "'%s': write short options one by one", word);
    const struct ctl_option *o = find_option(a->command, name, len, letter);
    if (o == NULL)
        return no_such_option(a->command, name, len, letter, err);
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
static void find_words(int argc, char **argv, struct ctl_args *a, int ret_at[2])
{
    ret_at[0] = ret_at[1] = 0;
    for (int i = 1, n = 0; i < argc && n < 2; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            a->help = true;
        if (strcmp(argv[i], "--version") == 0)
            a->version = true;
        if (strcmp(argv[i], "--") == 0)
            return;
        if (argv[i][0] == '-' && argv[i][1] != '\0') {
            i += takes_next(argv[i]);
            continue;
        }
        ret_at[n++] = i;
        if (n == 1 && !is_group(argv[i]) && strcmp(argv[i], "help") != 0)
            return;
    }
}

static int find(int argc, char **argv, struct ctl_args *a, int ret_at[2], struct gw_error *err)
{
    find_words(argc, argv, a, ret_at);
    if (ret_at[0] == 0)
        return a->help || a->version
                   ? 0
                   : gw_error_set(err, -EINVAL, "name a command; see godwit-ctl --help");
    const char *first = argv[ret_at[0]], *second = ret_at[1] > 0 ? argv[ret_at[1]] : NULL;
    if (strcmp(first, "help") == 0) { /* "help point create" is "point create --help" */
        a->help = true;
        if (second == NULL)
            return 0;
        first = second;
        second = is_group(first) && ret_at[1] + 1 < argc ? argv[ret_at[1] + 1] : NULL;
    }
    if (!is_group(first)) {
        a->command = find_command(first, NULL);
        return a->command != NULL ? 0 : unknown_command(NULL, first, err);
    }
    a->group = first;
    if (second != NULL) {
        a->command = find_command(first, second);
        return a->command != NULL ? 0 : unknown_command(first, second, err);
    }
    return a->help ? 0
                   : gw_error_set(err, -EINVAL, "%s what? See godwit-ctl %s --help", first, first);
}

static int check_operands(const struct ctl_args *a, struct gw_error *err)
{
    const char *spec = a->command->operands != NULL ? a->command->operands : "";
    unsigned least = 0, most = 0;
    for (const char *p = spec; *p != '\0'; p += strspn(p, " ")) {
        least += *p != '[';
        most++;
        p += strcspn(p, " ");
    }
    assert(most <= CTL_OPERANDS_MAX);
    if (a->n_operands < least)
        return gw_error_set(err, -EINVAL, "%s needs %s", a->command->name, spec);
    if (a->n_operands > most)
        return gw_error_set(err, -EINVAL, "%s: unexpected '%s'", a->command->name,
                            a->operand[most]);
    return 0;
}

static int check(const struct ctl_args *a, struct gw_error *err)
{
    const struct ctl_command *c = a->command;
    for (const struct ctl_option *o = c->options; o != NULL && o->name != NULL; o++) {
        if (o->required && ctl_arg(a, o->name) == NULL)
            return gw_error_set(err, -EINVAL, "%s needs --%s %s (%s)", c->name, o->name,
                                o->arg != NULL ? o->arg : "", o->help);
    }
    int r = check_operands(a, err);
    if (r < 0)
        return r;
    unsigned target = c->flags & (CTL_SOCKET | CTL_DIR);
    bool socket = (target & CTL_SOCKET) != 0 && ctl_flag(a, "socket");
    bool dir = (target & CTL_DIR) != 0 && ctl_flag(a, "dir");
    if (target == 0 || socket != dir)
        return 0;
    if (socket)
        return gw_error_set(err, -EINVAL, "--socket or --dir, not both");
    return gw_error_set(
        err, -EINVAL, "%s needs %s%s%s", c->name, (target & CTL_SOCKET) != 0 ? "--socket PATH" : "",
        target == (CTL_SOCKET | CTL_DIR) ? " or " : "", (target & CTL_DIR) != 0 ? "--dir DIR" : "");
}

int ctl_args_parse(int argc, char **argv, struct ctl_args *ret, struct gw_error *err)
{
    *ret = (struct ctl_args){ 0 };
    int at[2];
    int r = find(argc, argv, ret, at, err);
    if (r < 0 || ret->help || ret->version || ret->command == NULL)
        return r;
    bool options = true;
    for (int i = 1; i < argc && r == 0; i++) {
        bool used = false;
        if (i == at[0] || i == at[1])
            continue;
        if (options && strcmp(argv[i], "--") == 0) {
            options = false;
        } else if (options && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
            ret->help = true;
            return 0;
        } else if (options && argv[i][0] == '-' && argv[i][1] != '\0') {
            r = take_option(ret, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &used, err);
        } else if (ret->n_operands == CTL_OPERANDS_MAX) {
            r = gw_error_set(err, -EINVAL, "%s: unexpected '%s'", ret->command->name, argv[i]);
        } else {
            ret->operand[ret->n_operands++] = argv[i];
        }
        i += used;
    }
    return r < 0 ? r : check(ret, err);
}

/* ---- values -----------------------------------------------------------------------------------
 */

const char *ctl_arg_nth(const struct ctl_args *a, const char *name, unsigned i)
{
    assert(find_option(a->command, name, strlen(name), 0) != NULL);
    for (unsigned k = 0; k < a->n_given; k++) {
        if (strcmp(a->given[k].option->name, name) == 0 && i-- == 0)
            return a->given[k].value;
    }
    return NULL;
}

const char *ctl_arg(const struct ctl_args *a, const char *name)
{
    return ctl_arg_nth(a, name, 0);
}

bool ctl_flag(const struct ctl_args *a, const char *name)
{
    return ctl_arg(a, name) != NULL;
}
