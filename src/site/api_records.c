// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Routes about what happened: events, the audit log. */
#include "base/clock.h"
#include "catalog/audit.h"
#include "catalog/events.h"
#include "control/message.h"
#include "site/api.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LIST_DEFAULT 100u
#define LIST_MAX 1000u

static int limit_of(struct gw_http_call *call, uint64_t *ret, struct gw_error *err)
{
    *ret = LIST_DEFAULT;
    int r = gw_http_call_query_u64(call, "limit", ret, err);
    if (r == 0 && (*ret == 0 || *ret > LIST_MAX))
        return gw_error_set(err, -EINVAL, "limit: 1 to %u are possible", LIST_MAX);
    return r;
}

/* ---- events -----------------------------------------------------------------------------------
 */

/* Without `after` the newest: the number before which `limit` events of the plan are left. */
static int newest(struct site *s, const char *plan, uint64_t limit, uint64_t *ret_after,
                  struct gw_error *err)
{
    uint64_t last = 0, after = 0, *ring = calloc(limit, sizeof *ring), n = 0;
    if (ring == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = gw_catalog_event_last(s->catalog, &last, err);
    for (bool more = r == 0; more && r == 0;) {
        CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
        struct gw_catalog_event *rows = NULL;
        size_t got = 0;
        r = gw_catalog_event_read(s->catalog, after, plan, LIST_MAX, &mem, &rows, &got, NULL, err);
        for (size_t i = 0; r == 0 && i < got; i++)
            ring[n++ % limit] = rows[i].id;
        more = r == 0 && got == LIST_MAX;
        after = got > 0 ? rows[got - 1].id : after;
    }
    /* ring[n % limit] is the oldest of the newest `limit`, if there are so many. */
    *ret_after = n > limit ? ring[n % limit] - 1 : 0;
    free(ring);
    return r;
}

static int list_events(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_event *rows = NULL;
    const char *plan = gw_http_call_query(call, "plan");
    uint64_t after = 0, limit = 0;
    size_t n = 0;
    bool missed = false;
    int r = limit_of(call, &limit, err);
    if (r == 0 && gw_http_call_query(call, "after") != NULL)
        r = gw_http_call_query_u64(call, "after", &after, err);
    else if (r == 0)
        r = newest(s, plan, limit, &after, err);
    if (r == 0)
        r = gw_catalog_event_read(s->catalog, after, plan, limit, &mem, &rows, &n, &missed, err);
    json_t *a = json_array();
    for (size_t i = 0; r == 0 && i < n; i++) {
        CLEANUP_FREE char *text = site_event_text(&rows[i]);
        json_array_append_new(a, text != NULL ? json_loads(text, 0, NULL) : NULL);
    }
    return site_api_answer(call, r, json_pack("{s:o, s:b}", "events", a, "missed", missed), err);
}

int site_api_events(struct gw_http_call *call, struct gw_error *err)
{
    const char *follow = gw_http_call_query(call, "follow");
    if (follow != NULL && strcmp(follow, "no") == 0)
        return list_events(call, err);
    if (follow != NULL && strcmp(follow, "yes") != 0)
        return gw_error_set(err, -EINVAL, "follow: yes (a stream) or no (those there are)");
    return gw_http_reply_events(call, site_api_site(call)->events, gw_http_call_query(call, "plan"),
                                err);
}

/* ---- audit ------------------------------------------------------------------------------------
 */

static json_t *entry_json(const struct gw_audit_entry *e)
{
    char when[GW_TIME_TEXT];
    gw_time_format(e->wall_ns, when);
    json_t *detail = json_loads(e->detail, 0, NULL);
    return json_pack("{s:I, s:s, s:o, s:I, s:s, s:s, s:s, s:s, s:o, s:s, s:s}", "seq",
                     (json_int_t)e->seq, "time", when, "who", gw_control_text(e->who), "uid",
                     (json_int_t)e->uid, "origin", e->origin, "action", e->action, "object",
                     e->object, "outcome", e->outcome, "detail",
                     detail != NULL ? detail : json_object(), "prev", e->prev, "hash", e->hash);
}

int site_api_audit(struct gw_http_call *call, struct gw_error *err)
{
    struct gw_audit_filter f = { .who = gw_http_call_query(call, "who"),
                                 .action = gw_http_call_query(call, "action"),
                                 .object = gw_http_call_query(call, "object") };
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_audit_entry *rows = NULL;
    size_t n = 0;
    int r = gw_http_call_query_u64(call, "after", &f.after, err);
    if (r == 0)
        r = limit_of(call, &f.limit, err);
    if (r == 0)
        r = gw_audit_read(site_api_site(call)->catalog, &f, &mem, &rows, &n, err);
    json_t *a = json_array();
    for (size_t i = 0; r == 0 && i < n; i++)
        json_array_append_new(a, entry_json(&rows[i]));
    return site_api_answer(call, r, json_pack("{s:o}", "audit", a), err);
}

int site_api_audit_verify(struct gw_http_call *call, struct gw_error *err)
{
    struct gw_audit_verdict v;
    int r = gw_audit_verify(site_api_site(call)->catalog, &v, err);
    if (r < 0)
        return r;
    return gw_http_reply_json(call, 200,
                              json_pack("{s:b, s:I, s:s, s:I, s:s}", "intact", v.bad_seq == 0,
                                        "count", (json_int_t)v.count, "head", v.head, "bad_seq",
                                        (json_int_t)v.bad_seq, "what", v.what));
}
