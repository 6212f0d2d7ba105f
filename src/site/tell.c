// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Telling people: events, the audit log; and members of JSON. */
#include "base/clock.h"
#include "base/log.h"
#include "catalog/audit.h"
#include "catalog/events.h"
#include "control/message.h"
#include "site/site.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define EVENT_TEXT_MAX 1024

static const enum gw_log_level level_of[] = { GW_LOG_INFO, GW_LOG_NOTICE, GW_LOG_WARNING,
                                              GW_LOG_ERROR };

char *site_event_text(const struct gw_catalog_event *e)
{
    CLEANUP_SITE_JSON json_t *o =
        json_pack("{s:I, s:s, s:s?, s:s?, s:s, s:o}", "id", (json_int_t)e->id, "kind", e->kind,
                  "plan", e->plan, "run", e->run, "severity", gw_catalog_severity_name(e->severity),
                  "text", gw_control_text(e->text));
    char when[GW_TIME_TEXT];
    gw_time_format(e->wall_ns, when);
    json_object_set_new(o, "time", json_string(when));
    json_object_set_new(o, "data", json_loads(e->data, 0, NULL));
    return json_dumps(o, JSON_COMPACT);
}

void site_event(struct site *s, const char *kind, const char *plan, const char *run,
                enum site_severity severity, json_t *data, const char *fmt, ...)
{
    char text[EVENT_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    gw_log(level_of[severity], "%s%s%s", plan != NULL ? plan : "", plan != NULL ? ": " : "", text);
    CLEANUP_FREE char *dump = data != NULL ? json_dumps(data, JSON_COMPACT) : NULL;
    json_decref(data);
    struct gw_catalog_event e = { .wall_ns = gw_wall_ns(),
                                  .kind = kind,
                                  .plan = plan,
                                  .run = run,
                                  .severity = (enum gw_catalog_severity)severity,
                                  .text = text,
                                  .data = dump != NULL ? dump : "{}" };
    /* Published in the order of their numbers: the hub drops what comes late. */
    static pthread_mutex_t in_order = PTHREAD_MUTEX_INITIALIZER;
    LOCK_SCOPE(&in_order);
    uint64_t id = 0;
    struct gw_error err = { 0 };
    if (gw_catalog_event_add(s->catalog, &e, &id, &err) < 0) {
        gw_log(GW_LOG_WARNING, "an event could not be stored: %s", err.msg);
        return;
    }
    e.id = id;
    CLEANUP_FREE char *line = site_event_text(&e);
    if (line != NULL && s->events != NULL)
        gw_http_events_publish(s->events, id, e.kind, e.plan, line);
}

static int append(struct site *s, const struct site_person *who, const char *action,
                  const char *object, const char *outcome, json_t *detail, uint64_t *ret_seq,
                  struct gw_error *err)
{
    CLEANUP_FREE char *dump = detail != NULL ? json_dumps(detail, JSON_COMPACT) : NULL;
    json_decref(detail);
    struct gw_audit_entry e = { .wall_ns = gw_wall_ns(),
                                .who = who->name,
                                .uid = who->uid,
                                .origin = who->origin,
                                .action = action,
                                .object = object,
                                .outcome = outcome,
                                .detail = dump != NULL ? dump : "{}" };
    return gw_audit_append(s->catalog, &e, ret_seq, err);
}

int site_audit(struct site *s, const struct site_person *who, const char *action,
               const char *object, const char *outcome, json_t *detail, struct gw_error *err)
{
    int r = append(s, who, action, object, outcome, detail, NULL, err);
    return r < 0 ? gw_error_wrap(err, "the audit log cannot be written, nothing was done") : 0;
}

int site_audit_begin(struct site *s, const struct site_person *who, const char *action,
                     const char *object, json_t *detail, struct site_audited *ret,
                     struct gw_error *err)
{
    uint64_t seq = 0;
    int r = append(s, who, action, object, "begun", detail, &seq, err);
    if (r < 0)
        return gw_error_wrap(err, "the audit log cannot be written, nothing was done");
    *ret = (struct site_audited){ .who = who, .action = action, .object = object, .seq = seq };
    return 0;
}

static const char *outcome_of(int r)
{
    if (r >= 0)
        return "done";
    return r == -EPERM || r == -EACCES || r == -EINVAL || r == -ESTALE || r == -EBUSY ? "refused"
                                                                                      : "failed";
}

int site_audit_end(struct site *s, const struct site_audited *a, int r, json_t *detail,
                   const struct gw_error *why)
{
    json_t *o = detail != NULL ? detail : json_object();
    struct gw_error err = { 0 };
    if (a->seq == 0) {
        json_decref(o);
        return r;
    }
    json_object_set_new(o, "begun", json_integer((json_int_t)a->seq));
    if (r < 0)
        json_object_set_new(o, "why", gw_control_text(why->msg));
    if (append(s, a->who, a->action, a->object, outcome_of(r), o, NULL, &err) < 0)
        gw_log(GW_LOG_ERROR, "the outcome of '%s' cannot be recorded: %s", a->action, err.msg);
    return r;
}

const json_t *site_at(const json_t *o, const char *key)
{
    return json_is_object(o) ? json_object_get(o, key) : NULL;
}

const char *site_text(const json_t *o, const char *key)
{
    const char *t = json_string_value(site_at(o, key));
    return t != NULL ? t : "";
}

uint64_t site_number(const json_t *o, const char *key)
{
    json_int_t n = json_integer_value(site_at(o, key));
    return n > 0 ? (uint64_t)n : 0;
}

double site_real(const json_t *o, const char *key)
{
    return json_number_value(site_at(o, key));
}

bool site_true(const json_t *o, const char *key)
{
    return json_is_true(site_at(o, key));
}
