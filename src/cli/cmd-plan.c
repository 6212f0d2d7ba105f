// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* plan apply, check, list, show, explain, delete. The status is in cmd-status.c. */
#include "base/checked.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- files ------------------------------------------------------------------------------------
 */

/* The value of the first line "plan: NAME", or "plan": "NAME": which resource it is. The decoder at
 * the other end knows better, and refuses what is not so. */
static int plan_name(struct gw_term *t, const struct cli_file *file, char *ret, size_t cap)
{
    const char *given = gw_term_arg(&t->args, "plan");
    if (given != NULL) {
        snprintf(ret, cap, "%s", given);
        return 0;
    }
    if (file->type[strlen("application/")] == 'j') {
        json_error_t why;
        json_auto_t *o = json_loadb(file->bytes, file->len, 0, &why);
        snprintf(ret, cap, "%s", gw_term_text(o, "plan"));
    } else {
        ret[0] = '\0';
        const char *end = file->bytes + file->len;
        for (const char *p = file->bytes; p < end && ret[0] == '\0';) {
            const char *line_end = memchr(p, '\n', (size_t)(end - p));
            line_end = line_end != NULL ? line_end : end;
            char line[256];
            snprintf(line, sizeof line, "%.*s", (int)GW_MIN(line_end - p, 255), p);
            if (sscanf(line, "plan: \"%127[^\"]", ret) != 1 &&
                sscanf(line, "plan: '%127[^']", ret) != 1 &&
                sscanf(line, "plan: %127[^ \t\r#]", ret) != 1)
                ret[0] = '\0';
            p = line_end + 1;
        }
    }
    if (ret[0] != '\0')
        return 0;
    return gw_error_set(&t->err, -EINVAL,
                        "%s: no line \"plan: NAME\" says which plan it is (or say --plan NAME)",
                        gw_term_arg(&t->args, "file"));
}

static void show_changes(const json_t *changes)
{
    for (size_t i = 0; i < json_array_size(changes); i++) {
        const json_t *one = json_array_get(changes, i);
        gw_term_say("  %s",
                    json_is_string(one) ? json_string_value(one) : gw_term_text(one, "sentence"));
    }
}

int cli_cmd_plan_apply(struct gw_term *t)
{
    struct cli_file file;
    char name[128];
    int r = cli_read_file(t, gw_term_arg(&t->args, "file"), &file);
    if (r < 0)
        return r;
    r = plan_name(t, &file, name, sizeof name);
    char *path = r == 0 ? gw_http_path("/api/v1/plans/{}", name) : NULL;
    if (r == 0)
        r = cli_send_file(t, "PUT", path, &file, gw_term_arg(&t->args, "if-match"), &t->result);
    free(file.bytes);
    if (r < 0 || t->json)
        return r;
    const json_t *changes = gw_term_at(t->result, "changes");
    bool same = json_array_size(changes) == 0 && gw_term_number(t->result, "version") > 1;
    gw_term_say("Plan %s, version %llu%s", gw_term_text(t->result, "plan"),
                (unsigned long long)gw_term_number(t->result, "version"),
                same                            ? ": nothing changed"
                : json_array_size(changes) == 0 ? ""
                                                : ":");
    show_changes(changes);
    return GW_EXIT_OK;
}

static size_t failed_findings(const json_t *findings)
{
    size_t n = 0;
    for (size_t i = 0; i < json_array_size(findings); i++)
        n += !gw_term_true(json_array_get(findings, i), "ok");
    return n;
}

int cli_cmd_plan_check(struct gw_term *t)
{
    static const struct gw_term_column columns[] = {
        { "ok", "OK", GW_TERM_BOOL },       { "site", "SITE", GW_TERM_TEXT },
        { "check", "CHECK", GW_TERM_TEXT }, { "value", "FOUND", GW_TERM_TEXT },
        { "fix", "FIX", GW_TERM_TEXT },
    };
    struct cli_file file;
    const char *name = gw_term_arg(&t->args, "file");
    int r = cli_read_file(t, name, &file);
    if (r < 0)
        return r;
    r = cli_send_file(t, "POST", strdup("/api/v1/plan-check"), &file, NULL, &t->result);
    free(file.bytes);
    if (r < 0)
        return r;
    const json_t *errors = gw_term_at(t->result, "errors");
    const json_t *findings = gw_term_at(t->result, "findings");
    if (!t->json) {
        cli_say_errors(gw_term_say, name, errors);
        gw_term_table(columns, GW_ARRAY_SIZE(columns), findings);
    }
    size_t bad = json_array_size(errors) + failed_findings(findings);
    if (bad > 0)
        return gw_error_set(&t->err, -EINVAL, "%zu errors in %s, and %zu findings at the sites",
                            json_array_size(errors), name, failed_findings(findings));
    if (!t->json)
        gw_term_say("%s is in order.", name);
    return GW_EXIT_OK;
}

/* ---- looking ----------------------------------------------------------------------------------
 */

int cli_cmd_plan_list(struct gw_term *t)
{
    static const struct gw_term_column columns[] = {
        { "plan", "PLAN", GW_TERM_TEXT },           { "status", "STATUS", GW_TERM_TEXT },
        { "phase", "PHASE", GW_TERM_TEXT },         { "active", "ACTIVE AT", GW_TERM_TEXT },
        { "direction", "DIRECTION", GW_TERM_TEXT }, { "lag_seconds", "LAG", GW_TERM_SECONDS },
        { "lag_bytes", "BEHIND", GW_TERM_BYTES },   { "reasons", "REASONS", GW_TERM_LIST },
    };
    int r = cli_get(t, strdup("/api/v1/plans"), &t->result);
    if (r < 0 || t->json)
        return r;
    const json_t *plans = gw_term_at(t->result, "plans");
    if (gw_term_flag(&t->args, "names")) {
        for (size_t i = 0; i < json_array_size(plans); i++)
            gw_term_say("%s", gw_term_text(json_array_get(plans, i), "plan"));
        return GW_EXIT_OK;
    }
    gw_term_table(columns, GW_ARRAY_SIZE(columns), plans);
    if (json_array_size(plans) == 0)
        gw_term_say("There is no plan. godwit plan apply -f FILE makes one.");
    return GW_EXIT_OK;
}

int cli_cmd_plan_show(struct gw_term *t)
{
    int r = cli_get(t, gw_http_path("/api/v1/plans/{}", cli_operand(t, 0)), &t->result);
    if (r < 0 || t->json)
        return r;
    if (gw_term_text(t->result, "text")[0] != '\0') { /* as it was written */
        fputs(gw_term_text(t->result, "text"), stdout);
        return GW_EXIT_OK;
    }
    gw_term_print_json(gw_term_at(t->result, "document"));
    return GW_EXIT_OK;
}

/* Guards of one request: a line each, with the way out of those that are not met. */
static void show_guards(const json_t *guards)
{
    for (size_t i = 0; i < json_array_size(guards); i++) {
        const json_t *g = json_array_get(guards, i);
        const char *value = gw_term_text(g, "value"), *limit = gw_term_text(g, "limit");
        const char *sentence = gw_term_text(g, "sentence"), *out = gw_term_text(g, "way_out");
        gw_term_say("  %-11s %-24s %s%s%s", gw_term_text(g, "verdict"), gw_term_text(g, "guard"),
                    value, limit[0] != '\0' ? ", limit " : "", limit);
        if (sentence[0] != '\0')
            gw_term_say("  %-11s   %s", "", sentence);
        if (out[0] != '\0')
            gw_term_say("  %-11s   %s", "", out);
    }
}

int cli_cmd_plan_explain(struct gw_term *t)
{
    char *path = gw_http_path("/api/v1/plans/{}/guards", cli_operand(t, 0));
    path = cli_query(path, "operation", gw_term_arg(&t->args, "operation"));
    int r = cli_get(t, path, &t->result);
    if (r < 0 || t->json)
        return r;
    const json_t *operations = gw_term_at(t->result, "operations");
    if (gw_term_text(t->result, "sentence")[0] != '\0')
        gw_term_say("%s\n", gw_term_text(t->result, "sentence"));
    show_guards(gw_term_at(t->result, "guards"));
    for (size_t i = 0; i < json_array_size(operations); i++) {
        const json_t *o = json_array_get(operations, i);
        gw_term_say("%s%s: %s", i > 0 ? "\n" : "", gw_term_text(o, "operation"),
                    gw_term_true(o, "allowed") ? "possible" : "refused");
        show_guards(gw_term_at(o, "guards"));
    }
    return GW_EXIT_OK;
}

int cli_cmd_plan_delete(struct gw_term *t)
{
    const char *plan = cli_operand(t, 0);
    json_auto_t *body = json_object(), *answer = NULL;
    int r = cli_put_person(t, body);
    if (r == 0)
        r = cli_put_text(t, body, "reason", "reason", CLI_REASON_BYTES_MAX);
    if (r == 0)
        r = gw_term_confirm(t, "plan", plan,
                            "The plan is no longer protected, at either site. Volumes and evidence "
                            "stay where they are.");
    if (r != 0)
        return r;
    r = cli_send(t, "DELETE", gw_http_path("/api/v1/plans/{}", plan), json_incref(body), &answer);
    return r < 0 ? r : cli_answer(t, answer, "Deleted. Its evidence is kept.");
}
