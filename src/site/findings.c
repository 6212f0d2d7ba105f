// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/findings.h"

#include "base/size.h"
#include "control/message.h"
#include "site/mates.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#define ASK_MS 10000u

static json_t *finding(const char *site, const char *check, bool ok, const char *value,
                       const char *fix)
{
    return json_pack("{s:s, s:b, s:o, s:o, s:s}", "check", check, "ok", ok, "value",
                     gw_control_text(value), "fix", gw_control_text(fix), "site", site);
}

void site_finding_add(const struct site_findings *f, const char *check, bool ok, const char *value,
                      const char *fix)
{
    json_array_append_new(f->out, finding(f->site->name, check, ok, value, fix));
}

static void check_room(const struct site_findings *f)
{
    struct statvfs fs;
    char value[96], room[GW_SIZE_TEXT];
    if (statvfs(f->site->state_dir, &fs) < 0)
        return;
    uint64_t bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
    gw_size_format(bytes, room);
    snprintf(value, sizeof value, "%s free in the state directory", room);
    bool enough = bytes > f->plan->journal.size_bytes;
    site_finding_add(f, "room", enough, value,
                     enough ? "" : "less than journal.size: make room or lower it");
}

static json_t *findings_here(struct site *s, const struct gw_planfile *plan)
{
    struct site_findings f = { .site = s, .plan = plan, .out = json_array() };
    site_findings_volumes(&f);
    check_room(&f);
    site_findings_programs(&f);
    return f.out;
}

int site_findings_asked(struct site *s, const char *from, const json_t *params, json_t **ret,
                        struct gw_error *err)
{
    const char *text = site_text(params, "document");
    struct gw_planfile *plan = NULL;
    int r = gw_planfile_parse("request", text, strlen(text), GW_DOC_JSON, NULL, &plan, err);
    if (r < 0)
        return r;
    const char *other = gw_planfile_other(plan, s->name);
    if (other == NULL || strcmp(other, from) != 0)
        r = gw_error_set(err, -EINVAL, "plan '%s' is not between %s and this site, %s", plan->plan,
                         from, s->name);
    else
        *ret = json_pack("{s:o}", "findings", findings_here(s, plan));
    gw_planfile_free(plan);
    return r;
}

/* What the peer finds there; that it does not say so is a finding. */
static void ask(struct site *s, const struct gw_planfile *plan, const char *peer, json_t *out)
{
    CLEANUP_FREE char *canonical = NULL;
    CLEANUP_SITE_JSON json_t *result = NULL;
    struct gw_error err = { 0 };
    int r = gw_planfile_canonical(plan, &canonical, &err);
    if (r == 0)
        r = site_mate_call(s, peer, "findings", json_pack("{s:s}", "document", canonical), ASK_MS,
                           &result, NULL, &err);
    json_t *theirs = json_object_get(result, "findings");
    if (r == 0 && !json_is_array(theirs))
        r = gw_error_set(&err, -EPROTO, "site %s answered with nothing", peer);
    char value[GW_ERROR_MSG_MAX + 32];
    snprintf(value, sizeof value, r == 0 ? "answers" : "what is there is not known: %s", err.msg);
    json_array_append_new(out,
                          finding(s->name, "peer", r == 0, value,
                                  r == 0 ? "" : "godwit site test names the layer that fails"));
    if (r == 0)
        json_array_extend(out, theirs);
}

json_t *site_findings(struct site *s, const struct gw_planfile *plan)
{
    const char *peer = gw_planfile_other(plan, s->name);
    if (peer == NULL) {
        json_t *out = json_array();
        json_array_append_new(out, finding(s->name, "sites", false,
                                           "this site is neither home nor dr of the plan",
                                           "apply it at one of its sites"));
        return out;
    }
    json_t *out = findings_here(s, plan);
    ask(s, plan, peer, out);
    struct gw_plan_errors later = { 0 };
    gw_planfile_later(plan, &later);
    for (size_t i = 0; i < later.n; i++)
        json_array_append_new(
            out, finding(s->name, later.item[i].path, true, later.item[i].sentence, ""));
    gw_plan_errors_done(&later);
    return out;
}
