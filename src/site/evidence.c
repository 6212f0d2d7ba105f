// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/evidence.h"

#include "base/clock.h"
#include "engine/io.h"
#include "site/documents.h"
#include "site/elapsed.h"
#include "site/mates.h"
#include "site/runs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t wall_of(const json_t *run, const char *step, const char *kind)
{
    size_t i;
    json_t *e;
    json_array_foreach(json_object_get(run, "log"), i, e)
    {
        if (strcmp(site_text(e, "step"), step) == 0 && strcmp(site_text(e, "kind"), kind) == 0)
            return site_number(e, "wall_ns");
    }
    return 0;
}

static uint64_t first_wall(const json_t *run, const char *kind)
{
    size_t i;
    json_t *e;
    json_array_foreach(json_object_get(run, "log"), i, e)
    {
        if (strcmp(site_text(e, "kind"), kind) == 0)
            return site_number(e, "wall_ns");
    }
    return 0;
}

static void stamp(json_t *o, const char *name, uint64_t wall_ns)
{
    char text[GW_TIME_TEXT];
    if (wall_ns == 0) {
        json_object_set_new(o, name, json_null());
        return;
    }
    gw_time_format(wall_ns, text);
    json_object_set_new(o, name,
                        json_pack("{s:s, s:I}", "time", text, "wall_ns", (json_int_t)wall_ns));
}

/* The transitions that a run of this kind has; those that it has not are null. */
static json_t *timestamps(const json_t *run)
{
    json_t *o = json_object();
    stamp(o, "created", site_number(run, "created_wall_ns"));
    stamp(o, "approved", first_wall(run, "approved"));
    stamp(o, "started", first_wall(run, "started"));
    stamp(o, "stopped", wall_of(run, "stop", "done"));
    stamp(o, "quiesced", wall_of(run, "quiesce", "done"));
    stamp(o, "equal", wall_of(run, "equal", "done"));
    stamp(o, "released", wall_of(run, "handover", "done"));
    stamp(o, "revoked", wall_of(run, "revoke", "done"));
    stamp(o, "promoted", wall_of(run, "promote", "done"));
    stamp(o, "serving", wall_of(run, "serve", "done"));
    stamp(o, "started_services", wall_of(run, "start", "done"));
    stamp(o, "verified", wall_of(run, "verify", "done"));
    stamp(o, "routed", wall_of(run, "route", "done"));
    stamp(o, "reprotected", wall_of(run, "reverse_ok", "done"));
    stamp(o, "synced", wall_of(run, "sync", "done"));
    return o;
}

/* The place of an entry in the log, or -1. step NULL: any. */
static ssize_t place(const json_t *log, const char *step, const char *kind)
{
    size_t i;
    json_t *e;
    json_array_foreach(log, i, e)
    {
        if ((step == NULL || strcmp(site_text(e, "step"), step) == 0) &&
            strcmp(site_text(e, "kind"), kind) == 0)
            return (ssize_t)i;
    }
    return -1;
}

static void took(json_t *o, const char *name, const json_t *log, ssize_t from, ssize_t to,
                 int64_t offset_ns)
{
    if (from >= 0 && to > from)
        json_object_set_new(
            o, name,
            json_integer((json_int_t)(site_elapsed_ns(log, (size_t)from, (size_t)to, offset_ns) /
                                      GW_NS_PER_MS)));
}

/* offset_ns: OLD's clock minus NEW's. */
static void measure(json_t *o, const json_t *run, const struct gw_planfile *plan, int64_t offset_ns)
{
    const json_t *log = json_object_get(run, "log");
    const char *operation = site_text(run, "operation");
    took(o, "rto_ms", log, place(log, NULL, "started"), place(log, "verify", "done"), offset_ns);
    took(o, "outage_ms", log, place(log, "stop", "intent"), place(log, "start", "done"), offset_ns);
    uint64_t target = strcmp(operation, "failback") == 0 ? plan->failback_rto_ms : plan->rto_ms;
    json_object_set_new(o, "rto_target_ms", json_integer((json_int_t)target));
    json_object_set_new(o, "rpo_target_ms", json_integer((json_int_t)plan->rpo_ms));
}

int site_evidence_json(struct site *s, const char *id, json_t **ret, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *log = NULL;
    json_t *run = NULL;
    int r = site_run_json(s, id, &run, err);
    if (r == 0)
        r = site_run_log_json(s, id, 0, &log, err);
    if (r < 0) {
        json_decref(run);
        return r;
    }
    json_object_set(run, "log", json_object_get(log, "log"));
    json_object_set_new(run, "timestamps", timestamps(run));
    struct site_plan *p;
    struct gw_error none = { 0 };
    CLEANUP_DOCUMENT struct site_document *doc = NULL;
    if (site_plan_find(s, site_text(run, "plan"), &p, &none) == 0 &&
        site_document_pinned(s, p, site_text(run, "plan_hash"), &doc, &none) == 0) {
        json_object_set_new(run, "plan_version", json_integer((json_int_t)doc->version));
        struct site_mate_state mate;
        site_mate_state(s, p->peer, &mate);
        int64_t offset_ns = !mate.clock_known                                  ? 0
                            : strcmp(site_text(run, "old_site"), s->name) == 0 ? -mate.offset_ns
                                                                               : mate.offset_ns;
        json_t *m = json_object();
        measure(m, run, doc->plan, offset_ns);
        json_object_set_new(run, "measured", m);
        json_object_set_new(run, "clock_offset_ms",
                            mate.clock_known ? json_real((double)mate.offset_ns / 1e6)
                                             : json_null());
    }
    json_object_set_new(run, "software", json_pack("{s:s}", "godwit", GODWIT_VERSION));
    *ret = run;
    return 0;
}

int site_evidence_write(struct site *s, const char *id, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *o = NULL;
    char dir[PATH_MAX], name[GW_RUN_ID_MAX + 8];
    int r = site_evidence_json(s, id, &o, err);
    if (r == 0)
        r = site_path(s, dir, "evidence", "", "", err);
    snprintf(name, sizeof name, "%s.json", id);
    if (r < 0)
        return r;
    CLEANUP_FREE char *text = json_dumps(o, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    if (text == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    return gw_io_replace(gw_io_posix(), dir, name, text, strlen(text), err);
}
