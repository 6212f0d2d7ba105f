// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What errors become, and what options put into requests. */
#include "cli/cli.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- errors -----------------------------------------------------------------------------------
 */

int cli_exit_of(const struct gw_term *t, int code)
{
    const json_t *problem = cli_of(t)->problem;
    (void)code; /* the answer says it better than an errno value */
    if (t->asked)
        return GW_EXIT_UNKNOWN;
    if (gw_term_text(problem, "guard")[0] != '\0')
        return GW_EXIT_REFUSED;
    return GW_EXIT_FAILED;
}

json_t *cli_error_json(const struct gw_term *t)
{
    json_t *error = json_object();
    if (cli_of(t)->problem != NULL)
        json_object_update(error, cli_of(t)->problem);
    json_object_set_new(error, "message", gw_http_json_string(t->err.msg));
    json_t *o = json_pack("{s:b, s:o}", "ok", 0, "error", error);
    if (o != NULL && t->result != NULL) /* what is known of the run that failed */
        json_object_update_missing(o, t->result);
    return o;
}

void cli_say_errors(void (*say)(const char *fmt, ...), const char *file, const json_t *errors)
{
    for (size_t i = 0; i < json_array_size(errors); i++) {
        const json_t *e = json_array_get(errors, i);
        char line[32] = "";
        if (gw_term_number(e, "line") > 0)
            snprintf(line, sizeof line, ":%llu", (unsigned long long)gw_term_number(e, "line"));
        const char *path = gw_term_text(e, "path");
        say("%s%s: %s%s%s", file, line, path, path[0] != '\0' ? ": " : "",
            json_is_string(e) ? json_string_value(e) : gw_term_text(e, "message"));
    }
}

void cli_explain(const struct gw_term *t)
{
    const json_t *problem = cli_of(t)->problem;
    const char *guard = gw_term_text(problem, "guard"), *out = gw_term_text(problem, "way_out");
    if (problem == NULL || t->json)
        return;
    if (json_array_size(gw_term_at(problem, "errors")) > 0) {
        const struct gw_term_option *o = t->args.command->options;
        while (o != NULL && o->name != NULL && strcmp(o->name, "file") != 0)
            o++;
        const char *file = o != NULL && o->name != NULL ? gw_term_arg(&t->args, "file") : NULL;
        cli_say_errors(gw_term_note, file != NULL ? file : "request",
                       gw_term_at(problem, "errors"));
    }
    if (guard[0] != '\0')
        gw_term_note("  guard    %s", guard);
    if (out[0] != '\0')
        gw_term_note("  way out  %s", out);
    if (guard[0] != '\0' && gw_term_true(problem, "forceable"))
        gw_term_note("  or       --override %s --reason TEXT, if you take that on yourself", guard);
}

/* ---- options ----------------------------------------------------------------------------------
 */

int cli_put_text(struct gw_term *t, json_t *body, const char *option, const char *member,
                 size_t bytes_max)
{
    const char *text = gw_term_arg(&t->args, option);
    if (text == NULL)
        return 0;
    char what[GW_TERM_WORD_MAX];
    snprintf(what, sizeof what, "--%s", option);
    int r = gw_term_readable(t, what, text, bytes_max);
    if (r == 0 && json_object_set_new(body, member, json_string(text)) < 0)
        return gw_term_no_memory(t);
    return r;
}

int cli_put_flag(struct gw_term *t, json_t *body, const char *option, const char *member)
{
    if (gw_term_flag(&t->args, option) && json_object_set_new(body, member, json_true()) < 0)
        return gw_term_no_memory(t);
    return 0;
}

int cli_put_person(struct gw_term *t, json_t *body)
{
    if (gw_term_flag(&t->args, "by"))
        return cli_put_text(t, body, "by", "by", CLI_PERSON_BYTES_MAX);
    const struct passwd *pw = getpwuid(getuid());
    char name[CLI_PERSON_BYTES_MAX + 1];
    if (pw != NULL)
        snprintf(name, sizeof name, "%s", pw->pw_name);
    else
        snprintf(name, sizeof name, "uid %u", (unsigned)getuid());
    if (json_object_set_new(body, "by", gw_http_json_string(name)) < 0)
        return gw_term_no_memory(t);
    return 0;
}
