// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Routes about runs. */
#include "base/clock.h"
#include "control/message.h"
#include "site/actions.h"
#include "site/api.h"
#include "site/evidence.h"
#include "site/mates.h"
#include "site/runs.h"
#include "site/runstore.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ASK_MS 20000u
#define TAKEN_NS (3 * GW_NS_PER_S)
#define TAKEN_LOOK_MS 10u
#define LIST_DEFAULT 50u
#define LIST_MAX 200u

/* ---- runs -------------------------------------------------------------------------------------
 */

int site_api_runs(struct gw_http_call *call, struct gw_error *err)
{
    uint64_t limit = LIST_DEFAULT;
    bool unfinished = false;
    json_t *o = NULL;
    int r = gw_http_call_query_u64(call, "limit", &limit, err);
    if (r == 0 && (limit == 0 || limit > LIST_MAX))
        r = gw_error_set(err, -EINVAL, "limit: 1 to %u are possible", LIST_MAX);
    if (r == 0)
        r = gw_http_call_query_bool(call, "unfinished", &unfinished, err);
    if (r == 0)
        r = site_run_list_json(site_api_site(call), gw_http_call_query(call, "plan"), unfinished,
                               limit, &o, err);
    return site_api_answer(call, r, o, err);
}

static int run_of(struct gw_http_call *call, char ret[GW_RUN_ID_MAX], struct gw_error *err)
{
    return site_run_find(site_api_site(call), gw_http_call_param(call, "run"), ret, err);
}

int site_api_run(struct gw_http_call *call, struct gw_error *err)
{
    char id[GW_RUN_ID_MAX];
    json_t *o = NULL;
    int r = run_of(call, id, err);
    if (r == 0)
        r = site_run_json(site_api_site(call), id, &o, err);
    return site_api_answer(call, r, o, err);
}

int site_api_run_steps(struct gw_http_call *call, struct gw_error *err)
{
    char id[GW_RUN_ID_MAX];
    CLEANUP_SITE_JSON json_t *o = NULL;
    int r = run_of(call, id, err);
    if (r == 0)
        r = site_run_json(site_api_site(call), id, &o, err);
    return site_api_answer(
        call, r, json_pack("{s:s, s:O?}", "run", id, "steps", json_object_get(o, "steps")), err);
}

int site_api_run_log(struct gw_http_call *call, struct gw_error *err)
{
    char id[GW_RUN_ID_MAX];
    uint64_t from = 0;
    json_t *o = NULL;
    int r = gw_http_call_query_u64(call, "from", &from, err);
    if (r == 0)
        r = run_of(call, id, err);
    if (r == 0)
        r = site_run_log_json(site_api_site(call), id, from, &o, err);
    return site_api_answer(call, r, o, err);
}

int site_api_run_evidence(struct gw_http_call *call, struct gw_error *err)
{
    char id[GW_RUN_ID_MAX];
    json_t *o = NULL;
    int r = run_of(call, id, err);
    if (r == 0)
        r = site_evidence_json(site_api_site(call), id, &o, err);
    return site_api_answer(call, r, o, err);
}

/* A run that stands still takes a word at once: until then it would be shown as before, and who
 * follows it would believe that nothing came of it. Not for ever. */
static void await_taken(struct site *s, const char *id, const struct gw_run_look *before)
{
    CLEANUP_FREE struct gw_run_look *now = malloc(sizeof *now);
    enum gw_run_state st = before->view.state;
    uint64_t end_ns = gw_boot_ns() + TAKEN_NS;
    struct gw_error none = { 0 };
    if (now == NULL || !(st == GW_RUN_HALTED || st == GW_RUN_WAITING_APPROVAL ||
                         st == GW_RUN_SCHEDULED || st == GW_RUN_WAITING || st == GW_RUN_IN_DOUBT))
        return;
    while (gw_boot_ns() < end_ns && gw_run_look(site_run_env(s), id, false, now, &none) == 0 &&
           now->view.entries == before->view.entries &&
           !gw_stop_wait(gw_stop_fd(s->stop), TAKEN_LOOK_MS))
        ;
}

/* The coordinator answers a choice, so it is asked there; an override holds where it is said. */
static int ask(struct site *s, const char *id, enum gw_choice choice, const struct site_person *who,
               const char *reason, struct gw_error *err)
{
    CLEANUP_FREE struct gw_run_look *look = calloc(1, sizeof *look);
    if (look == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = gw_run_look(site_run_env(s), id, false, look, err);
    if (site_runstore_is_damage(r) && choice == GW_CHOICE_ABORT)
        return site_runstore_close_damaged(s->catalog, id, err);
    if (r < 0)
        return r;
    char name[200];
    snprintf(name, sizeof name, "%s@%s", who->name, s->name);
    if (look->view.coordinator == look->me || choice == GW_CHOICE_OVERRIDE)
        r = site_run_ask(s, id, choice, who, reason, err);
    else
        r = site_mate_call(s, look->run.site[look->view.coordinator], "ask",
                           json_pack("{s:s, s:s, s:s, s:s}", "run", id, "choice",
                                     gw_choice_name(choice), "who", name, "reason", reason),
                           ASK_MS, NULL, NULL, err);
    if (r == 0)
        await_taken(s, id, look);
    return r;
}

/* The word itself; in a function that is done once for one Idempotency-Key. */
static int say(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    const json_t *body = gw_http_call_json(call);
    const char *word = gw_http_call_param(call, "choice");
    struct site_person who;
    enum gw_choice choice;
    char id[GW_RUN_ID_MAX];
    json_t *o = NULL;
    if (!gw_choice_parse(word, &choice) || choice == GW_CHOICE_NONE)
        return gw_error_set(err, -ENOENT,
                            "there is no choice '%s'; there are approve, cancel, resume, retry, "
                            "skip, revert, abort and override",
                            word);
    int r = site_api_speaker(call, &who, err);
    if (r == 0 && choice != GW_CHOICE_APPROVE)
        r = site_api_may_act(call, err);
    if (r == 0)
        r = run_of(call, id, err);
    struct site_audited log = { .seq = 0 };
    if (r == 0)
        r = site_audit_begin(s, &who, word, id, json_incref((json_t *)(uintptr_t)body), &log, err);
    if (r == 0)
        r = ask(s, id, choice, &who, site_text(body, "reason"), err);
    site_audit_end(s, &log, r, NULL, err);
    if (r == 0)
        r = site_run_json(s, id, &o, err);
    return site_api_answer(call, r, o, err);
}

int site_api_run_ask(struct gw_http_call *call, struct gw_error *err)
{
    return site_api_once(call, say, err);
}
