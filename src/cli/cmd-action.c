// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What moves a plan: activate ... release; and the forecast of it. */
#include "base/checked.h"
#include "base/clock.h"
#include "base/size.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define POINT_BYTES_MAX 127u
#define SITE_BYTES_MAX 63u

/* ---- forecast ---------------------------------------------------------------------------------
 */

int cli_cmd_forecast(struct gw_term *t)
{
    char *path = gw_http_path("/api/v1/plans/{}/forecast", cli_operand(t, 0));
    int r = cli_get(t, cli_query(path, "to", gw_term_arg(&t->args, "to")), &t->result);
    if (r < 0 || t->json)
        return r;
    const json_t *sentences = gw_term_at(t->result, "sentences");
    for (size_t i = 0; i < json_array_size(sentences); i++)
        gw_term_say("%s", json_string_value(json_array_get(sentences, i)));
    if (json_array_size(sentences) == 0)
        cli_show(t->result, NULL);
    return GW_EXIT_OK;
}

/* ---- bodies -----------------------------------------------------------------------------------
 */

/* Has the command this option at all? */
static bool has(const struct gw_term *t, const char *name)
{
    const struct gw_term_option *o = t->args.command->options;
    while (o != NULL && o->name != NULL && strcmp(o->name, name) != 0)
        o++;
    return o != NULL && o->name != NULL;
}

static bool is_dry(const struct gw_term *t)
{
    return has(t, "dry-run") && gw_term_flag(&t->args, "dry-run");
}

/* --override GUARD, each with the same reason. */
static int put_overrides(struct gw_term *t, json_t *body)
{
    json_auto_t *list = json_array();
    const char *guard;
    for (unsigned i = 0; (guard = gw_term_arg_nth(&t->args, "override", i)) != NULL; i++) {
        int r = gw_term_readable(t, "--override", guard, POINT_BYTES_MAX);
        if (r != 0)
            return r;
        json_array_append_new(list, json_string(guard));
    }
    if (json_array_size(list) == 0)
        return 0;
    if (!gw_term_flag(&t->args, "reason"))
        return gw_term_usage(t, "--override needs --reason TEXT: it is recorded with your name");
    json_object_set(body, "override", list);
    return 0;
}

/* --at and --abort-by. */
static int put_times(struct gw_term *t, json_t *body)
{
    const char *at = gw_term_arg(&t->args, "at"), *by = gw_term_arg(&t->args, "abort-by");
    char text[CLI_TIME_TEXT];
    uint64_t ms;
    if (at != NULL) {
        if (!cli_time_parse(at, gw_wall_ns(), text))
            return gw_term_usage(t,
                                 "--at: '%s' is not a time (02:00, \"2026-11-22 02:00\", "
                                 "2026-11-22T02:00:00Z, +90m)",
                                 at);
        json_object_set_new(body, "at", json_string(text));
    }
    if (by != NULL) {
        if (!gw_term_duration_parse(by, &ms) || ms == 0 || ms > INT64_MAX)
            return gw_term_usage(t, "--abort-by: '%s' is not a duration (30s, 5m, 2h)", by);
        json_object_set_new(body, "abort_by_ms", json_integer((json_int_t)ms));
    }
    return 0;
}

/* --rate SIZE, a second. */
static int put_rate(struct gw_term *t, json_t *body)
{
    const char *text = gw_term_arg(&t->args, "rate");
    char hint[64];
    uint64_t bytes;
    if (text == NULL)
        return 0;
    gw_term_size_hint(text, hint, sizeof hint);
    if (!gw_size_parse(text, &bytes) || bytes == 0 || bytes > INT64_MAX)
        return gw_term_usage(t, "--rate: '%s' is not a size (64MiB, 20GiB)%s", text, hint);
    json_object_set_new(body, "rate_bytes", json_integer((json_int_t)bytes));
    return 0;
}

/* Every option that the command has. */
static int put_options(struct gw_term *t, json_t *body)
{
    static const struct {
        const char *option, *member;
        size_t bytes_max;
    } texts[] = {
        { "point", "point", POINT_BYTES_MAX },
        { "confirm-site-down", "confirm_site_down", SITE_BYTES_MAX },
        { "reason", "reason", CLI_REASON_BYTES_MAX },
    };
    int r = cli_put_person(t, body);
    for (size_t i = 0; r == 0 && i < GW_ARRAY_SIZE(texts); i++) {
        if (has(t, texts[i].option))
            r = cli_put_text(t, body, texts[i].option, texts[i].member, texts[i].bytes_max);
    }
    if (r == 0 && has(t, "rate"))
        r = put_rate(t, body);
    if (r == 0 && has(t, "dry-run"))
        r = cli_put_flag(t, body, "dry-run", "dry_run");
    if (r == 0 && has(t, "override"))
        r = put_overrides(t, body);
    if (r == 0 && has(t, "at"))
        r = put_times(t, body);
    return r;
}

int cli_act(struct gw_term *t, const char *action, const char *consequence, json_t **ret)
{
    const char *plan = cli_operand(t, 0);
    json_auto_t *body = json_object();
    if (body == NULL)
        return gw_term_no_memory(t);
    int r = put_options(t, body);
    if (r == 0 && consequence != NULL && !is_dry(t))
        r = gw_term_confirm(t, "plan", plan, consequence);
    if (r != 0)
        return r;
    return cli_send(t, "POST", gw_http_path("/api/v1/plans/{}/actions/{}", plan, action),
                    json_incref(body), ret);
}

static int act(struct gw_term *t, const char *action, const char *consequence, const char *said)
{
    json_auto_t *answer = NULL;
    int r = cli_act(t, action, consequence, &answer);
    return r != 0 ? r : cli_answer(t, answer, said);
}

/* ---- actions ----------------------------------------------------------------------------------
 */

int cli_cmd_activate(struct gw_term *t)
{
    return act(t, "activate", NULL, "Activated.");
}

int cli_cmd_deactivate(struct gw_term *t)
{
    return act(t, "deactivate",
               "The plan's workloads are stopped and it is no longer replicated. Activating it "
               "again compares both sites.",
               "Deactivated.");
}

int cli_cmd_failover(struct gw_term *t)
{
    return act(t, "failover",
               "The standby site takes over. What the active site acknowledged and had not sent is "
               "not there; it is kept, counted and shown when that site returns.",
               "Failed over.");
}

int cli_cmd_switchover(struct gw_term *t)
{
    return act(t, "switchover",
               "Service stops at the active site and starts at the other one. Nothing is lost.",
               "Switched over.");
}

int cli_cmd_reverse(struct gw_term *t)
{
    return act(t, "reverse",
               "The returned site is brought up to date from the active one. What only it has is "
               "kept aside first, and a person signs for it.",
               "Replicating in reverse.");
}

int cli_cmd_failback(struct gw_term *t)
{
    return act(t, "failback", "Service stops at the DR site and starts at home. Nothing is lost.",
               "Failed back.");
}

int cli_cmd_commit(struct gw_term *t)
{
    return act(t, "commit",
               "The failover is accepted: its recovery point cannot be changed any more.",
               "Committed.");
}

int cli_cmd_revert(struct gw_term *t)
{
    return act(t, "revert",
               "Service returns to the site it came from. What was written since the failover is "
               "kept aside, and is not in the volumes any more.",
               "Reverted.");
}

int cli_cmd_adopt(struct gw_term *t)
{
    return act(t, "adopt", "The active site becomes the plan's home, and its home the DR site.",
               "Adopted.");
}

int cli_cmd_hold(struct gw_term *t)
{
    return act(t, "hold", NULL, "Held: nothing is done automatically until godwit release.");
}

int cli_cmd_release(struct gw_term *t)
{
    return act(t, "release", NULL, "Released.");
}
