// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Routes about what a site stands on: another machine in place of a lost one, backups. */
#include "catalog/plans.h"
#include "http/problem.h"
#include "site/api.h"
#include "site/backup.h"
#include "site/recall.h"
#include "site/replace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int replace(struct gw_http_call *call, struct gw_error *err)
{
    const json_t *body = gw_http_call_json(call);
    struct site_person who;
    struct site_refusal no = { .forceable = false };
    json_t *answer = NULL;
    const struct site_replacement how = { .code = site_text(body, "code"),
                                          .link = site_text(body, "link"),
                                          .data = site_text(body, "data") };
    int r = site_api_speaker(call, &who, err);
    if (r == 0)
        r = site_replace(site_api_site(call), gw_http_call_param(call, "site"), &how, &who, &answer,
                         &no, err);
    if (r == -EPERM && no.guard[0] != '\0') {
        gw_http_reply_problem(call, 409, "guard", err);
        gw_http_reply_member(call, "guard", json_string(no.guard));
        gw_http_reply_member(call, "forceable", json_boolean(no.forceable));
        return gw_http_reply_member(call, "way_out", json_string(no.way_out));
    }
    return site_api_answer(call, r, answer, err);
}

int site_api_site_replace(struct gw_http_call *call, struct gw_error *err)
{
    return site_api_once(call, replace, err);
}

/* ---- backups ----------------------------------------------------------------------------------
 */

int site_api_site_backup(struct gw_http_call *call, struct gw_error *err)
{
    struct site_person who;
    json_t *answer = NULL;
    site_api_person(call, &who);
    int r = site_backup(site_api_site(call), site_text(gw_http_call_json(call), "file"), &who,
                        &answer, err);
    return site_api_answer(call, r, answer, err);
}

/* A backup takes the place of a memory without plans: of a site that was just made. */
static int has_no_plans(struct site *s, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_plan *rows = NULL;
    size_t n = 0;
    int r = gw_catalog_plan_list(s->catalog, true, &mem, &rows, &n, err);
    if (r == 0 && n > 0)
        r = gw_error_set(err, -EEXIST,
                         "this site remembers %zu plans (%s ...), which a backup would forget. "
                         "Compare it with the other site (--from-peer); or stop godwitd, move "
                         "catalog.db out of '%s', and start it with --restore FILE",
                         n, rows[0].name, s->state_dir);
    return r;
}

static int from_file(struct site *s, const char *file, const struct site_person *who, json_t **ret,
                     struct gw_error *err)
{
    int r = has_no_plans(s, err);
    if (r == 0)
        r = site_backup_stage(s->state_dir, s->name, file, who->name, ret, err);
    if (r < 0)
        return r;
    json_object_set_new(*ret, "done", json_false());
    json_object_set_new(*ret, "restarts", json_true());
    json_object_set_new(*ret, "next",
                        json_string("godwitd starts anew by itself; fenced until "
                                    "what it remembers was compared"));
    site_restart_soon(s);
    return 0;
}

static int from_word(struct site *s, bool alone, const struct site_person *who, json_t **ret,
                     struct gw_error *err)
{
    int r = alone ? site_recall_alone(s, who, err)
                  : site_recall_begin(s, "a person had it compared anew", err);
    if (r == 0)
        *ret =
            json_pack("{s:s, s:b, s:b, s:s}", "site", s->name, "done", alone, "restarts", 0, "next",
                      alone ? "the fence is lifted on your word"
                            : "fenced until it was compared; godwit events says when");
    return r;
}

int site_api_site_restore(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    const json_t *body = gw_http_call_json(call);
    const char *file = site_text(body, "file");
    bool peer = site_true(body, "from_peer"), alone = site_true(body, "alone");
    struct site_person who;
    json_t *answer = NULL;
    int r = site_api_speaker(call, &who, err);
    if (r == 0 && (file[0] != '\0') + peer + alone != 1)
        r = gw_error_set(err, -EINVAL, "one of file, from_peer and alone is wanted");
    struct site_audited log = { .seq = 0 };
    if (r == 0)
        r = site_audit_begin(s, &who, "site-restore", s->name,
                             json_incref((json_t *)(uintptr_t)body), &log, err);
    if (r == 0)
        r = file[0] != '\0' ? from_file(s, file, &who, &answer, err)
                            : from_word(s, alone, &who, &answer, err);
    site_audit_end(s, &log, r, NULL, err);
    return site_api_answer(call, r, answer, err);
}
