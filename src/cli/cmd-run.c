// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* run list, show, log, watch, and what a person decides about a run. */
#include "base/checked.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/follow.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOG_POLL_NS (500 * GW_NS_PER_MS)

static char *path_of(struct gw_term *t, const char *pattern)
{
    return gw_http_path(pattern, cli_operand(t, 0));
}

int cli_cmd_run_list(struct gw_term *t)
{
    static const struct gw_term_column columns[] = {
        { "id", "RUN", GW_TERM_TEXT },
        { "plan", "PLAN", GW_TERM_TEXT },
        { "operation", "OPERATION", GW_TERM_TEXT },
        { "mode", "MODE", GW_TERM_TEXT },
        { "state", "STATE", GW_TERM_TEXT },
        { "created", "CREATED", GW_TERM_TEXT },
        { "ended", "ENDED", GW_TERM_TEXT },
        { "requester", "BY", GW_TERM_TEXT },
        { "reason", "REASON", GW_TERM_TEXT },
    };
    char *path = cli_query(strdup("/api/v1/runs"), "plan", gw_term_arg(&t->args, "plan"));
    path = cli_query(path, "unfinished", gw_term_flag(&t->args, "unfinished") ? "true" : NULL);
    path = cli_query(path, "limit", gw_term_arg(&t->args, "limit"));
    int r = cli_get(t, path, &t->result);
    if (r < 0 || t->json)
        return r;
    const json_t *runs = gw_term_at(t->result, "runs");
    if (gw_term_flag(&t->args, "names")) {
        for (size_t i = 0; i < json_array_size(runs); i++)
            gw_term_say("%s", gw_term_text(json_array_get(runs, i), "id"));
        return GW_EXIT_OK;
    }
    if (json_array_size(runs) == 0)
        gw_term_say("No runs are known at this site.");
    gw_term_table(columns, GW_ARRAY_SIZE(columns), runs);
    return GW_EXIT_OK;
}

int cli_cmd_run_show(struct gw_term *t)
{
    int r = cli_get(t, path_of(t, "/api/v1/runs/{}"), &t->result);
    if (r == 0 && !t->json)
        cli_run_show(t->result);
    return r;
}

int cli_cmd_run_watch(struct gw_term *t)
{
    json_auto_t *run = NULL;
    int r = cli_get(t, path_of(t, "/api/v1/runs/{}"), &run);
    return r < 0 ? r : cli_follow(t, gw_term_text(run, "id"), run, CLI_RUN_DONE);
}

/* ---- log --------------------------------------------------------------------------------------
 */

/* Entries from number *next on. */
static void show_entries(const struct gw_term *t, const json_t *entries, size_t *next)
{
    for (; *next < json_array_size(entries); (*next)++) {
        const json_t *e = json_array_get(entries, *next);
        char *detail = NULL;
        if (t->json) {
            gw_term_print_json_line(e);
            continue;
        }
        const json_t *d = gw_term_at(e, "detail");
        if (json_object_size(d) > 0)
            detail = json_dumps(d, JSON_COMPACT);
        gw_term_say("%4llu  %-20s  %-11s %-14s %-10s %s",
                    (unsigned long long)gw_term_number(e, "seq"), gw_term_text(e, "time"),
                    gw_term_text(e, "kind"), gw_term_text(e, "step"), gw_term_text(e, "site"),
                    detail != NULL      ? detail
                    : json_is_string(d) ? json_string_value(d)
                                        : "");
        free(detail);
    }
    fflush(stdout);
}

static int follow_log(struct gw_term *t)
{
    for (size_t next = 0;;) {
        json_auto_t *log = NULL, *run = NULL;
        /* The run first: what it logs before its end is then in the log that is read after it. */
        int r = cli_get(t, path_of(t, "/api/v1/runs/{}"), &run);
        if (r == 0)
            r = cli_get(t, path_of(t, "/api/v1/runs/{}/log"), &log);
        if (r < 0)
            return r;
        show_entries(t, gw_term_at(log, "log"), &next);
        if (cli_run_kind(gw_term_text(run, "state")) >= CLI_RUN_DONE || ferror(stdout))
            return GW_EXIT_OK;
        nanosleep(&(struct timespec){ 0, (long)LOG_POLL_NS }, NULL);
    }
}

int cli_cmd_run_log(struct gw_term *t)
{
    if (gw_term_flag(&t->args, "follow"))
        return follow_log(t);
    int r = cli_get(t, path_of(t, "/api/v1/runs/{}/log"), &t->result);
    size_t next = 0;
    if (r == 0 && !t->json)
        show_entries(t, gw_term_at(t->result, "log"), &next);
    return r;
}

/* ---- decisions --------------------------------------------------------------------------------
 */

static int decide(struct gw_term *t, const char *what, const char *consequence,
                  enum cli_run_kind wanted)
{
    const char *id = cli_operand(t, 0);
    json_auto_t *body = json_object(), *answer = NULL;
    int r = cli_put_person(t, body);
    if (r == 0)
        r = cli_put_text(t, body, "reason", "reason", CLI_REASON_BYTES_MAX);
    if (r == 0 && consequence != NULL)
        r = gw_term_confirm(t, "run", id, consequence);
    if (r != 0)
        return r;
    r = cli_send(t, "POST", gw_http_path("/api/v1/runs/{}/{}", id, what), json_incref(body),
                 &answer);
    if (r < 0)
        return r;
    json_t *run = json_object_get(answer, "run");
    run = run != NULL ? run : answer;
    const char *now = gw_term_text(run, "id")[0] != '\0' ? gw_term_text(run, "id") : id;
    if (!gw_term_flag(&t->args, "no-wait"))
        return cli_follow(t, now, run, wanted);
    t->result = json_pack("{s:O}", "run", run);
    if (!t->json)
        gw_term_say("Recorded; godwit run watch %s follows it.", now);
    return GW_EXIT_OK;
}

int cli_cmd_run_approve(struct gw_term *t)
{
    return decide(t, "approve", NULL, CLI_RUN_DONE);
}

int cli_cmd_run_cancel(struct gw_term *t)
{
    return decide(t, "cancel", NULL, CLI_RUN_CANCELLED);
}

int cli_cmd_run_resume(struct gw_term *t)
{
    return decide(t, "resume", NULL, CLI_RUN_DONE);
}

int cli_cmd_run_retry(struct gw_term *t)
{
    return decide(t, "retry", NULL, CLI_RUN_DONE);
}

int cli_cmd_run_skip(struct gw_term *t)
{
    return decide(t, "skip",
                  "The step at which the run halted counts as done from now on, on your word.",
                  CLI_RUN_DONE);
}

int cli_cmd_run_revert(struct gw_term *t)
{
    return decide(t, "revert",
                  "What the run did is undone in reverse order, as far as that is still possible.",
                  CLI_RUN_CANCELLED);
}

int cli_cmd_run_abort(struct gw_term *t)
{
    return decide(t, "abort",
                  "The run ends where it is. Nothing is taken back: what it has done so far stays, "
                  "and a person puts the rest right.",
                  CLI_RUN_ABORTED);
}

int cli_cmd_run_override(struct gw_term *t)
{
    return decide(
        t, "override",
        "Neither site knows whether the handover came to pass. From now on this site goes "
        "by your word: where you type it, service may come up; the other site must not "
        "serve, now or later.",
        CLI_RUN_DONE);
}
