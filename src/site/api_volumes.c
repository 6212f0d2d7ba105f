// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Routes about the volumes of a plan: each is an edit of the plan's document. */
#include "http/problem.h"
#include "site/actions.h"
#include "site/api.h"
#include "site/edits.h"
#include "site/view.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the new document ------------------------------------------------------------------------
 */

/* Changes the list; 0 or the refusal. */
typedef int change_fn(struct gw_http_call *call, const json_t *body, json_t *volumes,
                      struct gw_error *err);

static json_t *find(json_t *volumes, const char *name, size_t *ret_index)
{
    size_t n = json_array_size(volumes);
    for (*ret_index = 0; *ret_index < n; ++*ret_index) {
        json_t *v = json_array_get(volumes, *ret_index);
        if (strcmp(site_text(v, "name"), name) == 0)
            return v;
    }
    return NULL;
}

static int no_volume(const char *name, struct gw_error *err)
{
    return gw_error_set(err, -ENOENT, "the plan has no volume '%s'", name);
}

static int add(struct gw_http_call *call, const json_t *body, json_t *volumes, struct gw_error *err)
{
    (void)call;
    size_t i;
    if (find(volumes, site_text(body, "name"), &i) != NULL)
        return gw_error_set(err, -EEXIST, "the plan has a volume '%s' already",
                            site_text(body, "name"));
    json_t *v =
        json_pack("{s:s, s:I, s:O}", "name", site_text(body, "name"), "size",
                  (json_int_t)site_number(body, "size_bytes"), "at", json_object_get(body, "at"));
    return json_array_append_new(volumes, v) < 0 ? gw_error_set(err, -ENOMEM, "out of memory") : 0;
}

static int grow(struct gw_http_call *call, const json_t *body, json_t *volumes,
                struct gw_error *err)
{
    size_t i;
    const char *name = gw_http_call_param(call, "volume");
    json_t *v = find(volumes, name, &i);
    if (v == NULL)
        return no_volume(name, err);
    json_object_set_new(v, "size", json_integer((json_int_t)site_number(body, "size_bytes")));
    return 0;
}

static int take_out(struct gw_http_call *call, const json_t *body, json_t *volumes,
                    struct gw_error *err)
{
    size_t i;
    (void)body;
    const char *name = gw_http_call_param(call, "volume");
    if (find(volumes, name, &i) == NULL)
        return no_volume(name, err);
    json_array_remove(volumes, i);
    return 0;
}

static int changed(struct gw_http_call *call, const struct site_document *doc, change_fn *change,
                   char **ret, struct gw_error *err)
{
    CLEANUP_FREE char *canonical = NULL;
    int r = gw_planfile_canonical(doc->plan, &canonical, err);
    CLEANUP_SITE_JSON json_t *o = r == 0 ? json_loads(canonical, 0, NULL) : NULL;
    if (o == NULL)
        return r < 0 ? r : gw_error_set(err, -ENOMEM, "out of memory");
    r = change(call, gw_http_call_json(call), json_object_get(o, "volumes"), err);
    if (r < 0)
        return r;
    *ret = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
    return *ret != NULL ? 0 : gw_error_set(err, -ENOMEM, "out of memory");
}

/* ---- routes ----------------------------------------------------------------------------------
 */

static int edit(struct gw_http_call *call, const char *action, change_fn *change,
                struct gw_error *err)
{
    struct site *s = site_api_site(call);
    struct site_plan *p;
    struct site_person who;
    struct gw_plan_errors errors = { 0 };
    struct site_applied done = { .created = false };
    CLEANUP_FREE char *text = NULL;
    char object[96];
    int r = site_plan_find(s, gw_http_call_param(call, "plan"), &p, err);
    if (r < 0)
        return r;
    CLEANUP_DOCUMENT struct site_document *doc = site_plan_document(s, p);
    r = changed(call, doc, change, &text, err);
    if (r < 0)
        return r;
    if (text == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    site_api_person(call, &who);
    snprintf(object, sizeof object, "plan %s", p->name);
    struct site_audited log = { .seq = 0 };
    r = site_audit_begin(s, &who, action, object,
                         json_incref((json_t *)(uintptr_t)gw_http_call_json(call)), &log, err);
    if (r == 0)
        r = site_edit_apply(s, p->name, "request", text, strlen(text), GW_DOC_JSON, doc->version,
                            &who, &errors, &done, err);
    if (r < 0 && errors.n > 0)
        gw_error_set(err, -EINVAL, "%s: %s", errors.item[0].path, errors.item[0].sentence);
    if (r < 0 && errors.n > 0)
        r = -EINVAL;
    site_audit_end(s, &log, r, NULL, err);
    json_decref(done.changes);
    gw_plan_errors_done(&errors);
    return r < 0 ? r
                 : gw_http_reply_json(
                       call, 200,
                       json_pack("{s:b, s:s, s:s}", "done", 1, "action", action, "plan", p->name));
}

static int add_volume(struct gw_http_call *call, struct gw_error *err)
{
    return edit(call, "volume-add", add, err);
}

static int grow_volume(struct gw_http_call *call, struct gw_error *err)
{
    return edit(call, "volume-grow", grow, err);
}

static int remove_volume(struct gw_http_call *call, struct gw_error *err)
{
    return edit(call, "volume-remove", take_out, err);
}

int site_api_volume_add(struct gw_http_call *call, struct gw_error *err)
{
    return site_api_once(call, add_volume, err);
}

int site_api_volume_grow(struct gw_http_call *call, struct gw_error *err)
{
    return site_api_once(call, grow_volume, err);
}

int site_api_volume_remove(struct gw_http_call *call, struct gw_error *err)
{
    return site_api_once(call, remove_volume, err);
}

int site_api_volumes(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    struct site_plan *p;
    int r = site_plan_find(s, gw_http_call_param(call, "plan"), &p, err);
    if (r < 0)
        return r;
    CLEANUP_VIEW struct site_view v;
    site_view_make(s, p, &v);
    return gw_http_reply_json(call, 200, site_view_volumes(s, p, &v));
}
