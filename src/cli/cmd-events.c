// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* events; audit show, verify. */
#include "base/checked.h"
#include "base/clock.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define ID_MAX 64

/* ---- events -----------------------------------------------------------------------------------
 */

static void show_event(const struct gw_term *t, const json_t *e)
{
    const char *plan = gw_term_text(e, "plan"), *severity = gw_term_text(e, "severity");
    if (t->json) {
        gw_term_print_json_line(e);
        return;
    }
    bool quiet = severity[0] == '\0' || strcmp(severity, "info") == 0;
    gw_term_say("%-20s  %s%s%s%s%s  %s", gw_term_text(e, "time"), plan, plan[0] ? " " : "",
                gw_term_text(e, "kind"), quiet ? "" : " ", quiet ? "" : severity,
                gw_term_text(e, "text"));
}

struct stream {
    struct gw_term *t;
    char last_id[ID_MAX];
};

static int take_event(void *ctx, const char *id, const char *kind, const char *data)
{
    struct stream *s = ctx;
    if (kind == NULL || data == NULL)
        return ferror(stdout) ? -EPIPE : 0;
    struct gw_error why = { 0 };
    json_auto_t *e = NULL;
    if (gw_http_json_parse(data, strlen(data), 0, &e, &why) < 0)
        e = json_pack("{s:s, s:s}", "kind", kind, "text", "an event that is not JSON");
    if (id != NULL)
        snprintf(s->last_id, sizeof s->last_id, "%s", id);
    const char *plan = gw_term_arg(&s->t->args, "plan");
    if (plan == NULL || strcmp(plan, gw_term_text(e, "plan")) == 0)
        show_event(s->t, e);
    fflush(stdout);
    return ferror(stdout) ? -EPIPE : 0;
}

/* For ever: godwitd may be restarted meanwhile, and what was missed is asked for. */
static int follow(struct gw_term *t)
{
    struct stream s = { .t = t };
    bool lost = false;
    for (;;) {
        int r = cli_events(t, strdup("/api/v1/events"), s.last_id, take_event, &s);
        if (r == -EPIPE || r == -ENOMEM)
            return r == -EPIPE ? GW_EXIT_OK : r;
        if (r < 0 && s.last_id[0] == '\0' && !lost && r != -ETIMEDOUT)
            return r; /* it was never there */
        if (r < 0 && !lost)
            gw_term_note("godwit: %s; trying again", t->err.msg);
        lost = r < 0;
        t->err = (struct gw_error){ 0 };
        nanosleep(&(struct timespec){ 1, 0 }, NULL);
    }
}

int cli_cmd_events(struct gw_term *t)
{
    if (gw_term_flag(&t->args, "follow"))
        return follow(t);
    char *path =
        cli_query(strdup("/api/v1/events?follow=no"), "plan", gw_term_arg(&t->args, "plan"));
    path = cli_query(path, "after", gw_term_arg(&t->args, "after"));
    path = cli_query(path, "limit", gw_term_arg(&t->args, "limit"));
    int r = cli_get(t, path, &t->result);
    if (r < 0 || t->json)
        return r;
    const json_t *events = gw_term_at(t->result, "events");
    for (size_t i = 0; i < json_array_size(events); i++)
        show_event(t, json_array_get(events, i));
    return GW_EXIT_OK;
}

/* ---- audit ------------------------------------------------------------------------------------
 */

int cli_cmd_audit_show(struct gw_term *t)
{
    static const struct gw_term_column columns[] = {
        { "seq", "SEQ", GW_TERM_NUMBER },       { "time", "TIME", GW_TERM_TEXT },
        { "who", "WHO", GW_TERM_TEXT },         { "origin", "FROM", GW_TERM_TEXT },
        { "action", "ACTION", GW_TERM_TEXT },   { "object", "OBJECT", GW_TERM_TEXT },
        { "outcome", "OUTCOME", GW_TERM_TEXT },
    };
    char *path = cli_query(strdup("/api/v1/audit"), "after", gw_term_arg(&t->args, "after"));
    path = cli_query(path, "limit", gw_term_arg(&t->args, "limit"));
    path = cli_query(path, "who", gw_term_arg(&t->args, "who"));
    path = cli_query(path, "action", gw_term_arg(&t->args, "action"));
    int r = cli_get(t, path, &t->result);
    if (r == 0 && !t->json)
        gw_term_table(columns, GW_ARRAY_SIZE(columns), gw_term_at(t->result, "audit"));
    return r;
}

int cli_cmd_audit_verify(struct gw_term *t)
{
    int r = cli_get(t, strdup("/api/v1/audit/verify"), &t->result);
    if (r < 0)
        return r;
    unsigned long long count = gw_term_number(t->result, "count"),
                       bad = gw_term_number(t->result, "bad_seq");
    if (!gw_term_true(t->result, "intact")) {
        gw_error_set(&t->err, -EBADMSG, "the audit log was changed: entry %llu of %llu: %s", bad,
                     count, gw_term_text(t->result, "what"));
        return GW_EXIT_FAILED;
    }
    if (!t->json)
        gw_term_say("%llu entries, unbroken; the last one is %s.", count,
                    gw_term_text(t->result, "head"));
    return GW_EXIT_OK;
}
