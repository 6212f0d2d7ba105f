// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Routes about what a site stands on: another machine in place of a lost one, backups. */
#include "http/problem.h"
#include "site/api.h"
#include "site/replace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Root may speak for a person by name. */
static void person_of(struct gw_http_call *call, struct site_person *ret)
{
    const char *by = site_text(gw_http_call_json(call), "by");
    site_api_person(call, ret);
    if (by[0] != '\0' && (ret->uid == 0 || ret->uid == (int64_t)getuid()))
        snprintf(ret->name, sizeof ret->name, "%s", by);
}

static int replace(struct gw_http_call *call, struct gw_error *err)
{
    const json_t *body = gw_http_call_json(call);
    struct site_person who;
    struct site_refusal no;
    json_t *answer = NULL;
    const struct site_replacement how = { .code = site_text(body, "code"),
                                          .link = site_text(body, "link"),
                                          .data = site_text(body, "data") };
    person_of(call, &who);
    int r = site_replace(site_api_site(call), gw_http_call_param(call, "site"), &how, &who, &answer,
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
