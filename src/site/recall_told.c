// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The other end of a recall: what this site tells one that lost its memory. */
#include "site/recall.h"

#include "base/clock.h"
#include "catalog/peers.h"
#include "site/runstore.h"
#include "site/runwire.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_TOLD 20u /* ended ones, of a plan */

void site_recall_heard(struct site *s, const char *peer, const char *instance, uint64_t generation)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_peer row = { 0 };
    struct gw_error err = { 0 };
    if (instance[0] == '\0' || gw_catalog_peer_get(s->catalog, peer, &mem, &row, &err) < 0 ||
        (strcmp(row.instance, instance) == 0 && row.generation == generation))
        return;
    bool known = row.instance[0] != '\0' && strcmp(row.instance, instance) != 0;
    bool older = known && generation <= row.generation;
    row.instance = instance;
    row.generation = generation > row.generation ? generation : row.generation;
    row.seen_wall_ns = gw_wall_ns();
    if (older) /* it is about to ask what we know; until then what it was is what counts */
        return;
    if (gw_catalog_peer_seen(s->catalog, &row, &err) == 0 && known)
        site_event(s, "site.memory_changed", NULL, NULL, SITE_WARNING, NULL,
                   "site %s has another catalog than before (generation %llu): it was restored or "
                   "rebuilt",
                   peer, (unsigned long long)generation);
}

/* The present document, and those that open runs are pinned to. */
static json_t *documents_of(struct site *s, const struct gw_catalog_plan *row,
                            const struct gw_run *run)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_plan_version v;
    struct gw_error none = { 0 };
    json_t *a = json_array();
    if (run != NULL && strcmp(run->plan_hash, row->hash) != 0 &&
        gw_catalog_plan_version_get(s->catalog, row->uuid, run->plan_hash, &mem, &v, &none) == 0)
        json_array_append_new(
            a, json_pack("{s:I, s:s}", "version", (json_int_t)v.version, "hash", v.hash));
    json_array_append_new(
        a, json_pack("{s:I, s:s}", "version", (json_int_t)row->version, "hash", row->hash));
    return a;
}

static int tell_plan(struct site *s, const struct gw_catalog_plan *row, json_t *plans, json_t *runs,
                     struct gw_error *err)
{
    CLEANUP_FREE struct gw_run *run = calloc(1, sizeof *run);
    char id[GW_RUN_ID_MAX];
    int r = run == NULL ? gw_error_set(err, -ENOMEM, "out of memory")
                        : site_run_store.current(s->catalog, row->name, id, err);
    bool open = r > 0;
    if (open)
        r = site_run_store.load(s->catalog, id, run, err);
    if (r < 0)
        return r;
    if (open)
        json_array_append_new(runs, site_run_fixed_json(run));
    json_t *facts = json_loads(row->state, 0, NULL);
    json_array_append_new(plans, json_pack("{s:s, s:s, s:s, s:I, s:b, s:b, s:I, s:o, s:o}", "uuid",
                                           row->uuid, "name", row->name, "holder", row->holder,
                                           "epoch", (json_int_t)row->epoch, "activated",
                                           row->activated, "committed", row->committed,
                                           "role_wall_ns", (json_int_t)row->role_wall_ns, "facts",
                                           facts != NULL ? facts : json_object(), "documents",
                                           documents_of(s, row, open ? run : NULL)));
    return 0;
}

/* Is it shared with that site? Of a retired one only its document tells. */
static bool shared(const struct gw_catalog_plan *row, const char *with)
{
    CLEANUP_SITE_JSON json_t *d = json_loads(row->document, 0, NULL);
    return strcmp(site_text(d, "home"), with) == 0 || strcmp(site_text(d, "dr"), with) == 0;
}

int site_recall_told(void *ctx, const struct gw_link_request *q, json_t **ret, struct gw_error *err)
{
    struct site *s = ctx;
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    CLEANUP_SITE_JSON json_t *plans = json_array(), *runs = json_array(), *retired = json_array();
    struct gw_catalog_plan *rows = NULL;
    struct gw_catalog_peer peer = { .instance = "" };
    size_t n = 0;
    int r = site_fenced_check(s, err); /* two that do not know are no help to each other */
    if (r == 0)
        r = gw_catalog_plan_list(s->catalog, true, &mem, &rows, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (!shared(&rows[i], q->from))
            continue;
        if (rows[i].retired_wall_ns != 0)
            json_array_append_new(retired, json_string(rows[i].uuid));
        else
            r = tell_plan(s, &rows[i], plans, runs, err);
    }
    if (r == 0)
        r = gw_catalog_peer_get(s->catalog, q->from, &mem, &peer, err);
    if (r < 0)
        return r;
    site_event(s, "site.recalled", NULL, NULL, SITE_NOTICE, NULL,
               "site %s asked what is known here: it was restored or rebuilt", q->from);
    *ret =
        json_pack("{s:O, s:O, s:O, s:s, s:I}", "plans", plans, "runs", runs, "retired", retired,
                  "your_instance", peer.instance, "your_generation", (json_int_t)peer.generation);
    return *ret != NULL ? 0 : gw_error_set(err, -ENOMEM, "out of memory");
}

int site_recall_runs(struct site *s, const struct site_plan *p, json_t **ret, struct gw_error *err)
{
    CLEANUP_FREE struct gw_run *run = calloc(1, sizeof *run);
    char(*ids)[GW_RUN_ID_MAX] = NULL;
    size_t n = 0;
    if (run == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = site_runstore_list(s->catalog, p->name, false, RUNS_TOLD, &ids, &n, err);
    json_t *a = json_array();
    for (size_t i = n; r == 0 && i > 0; i--) { /* the newest comes first in the list */
        char open[GW_RUN_ID_MAX] = "";
        r = site_run_store.current(s->catalog, p->name, open, err);
        if (r >= 0 && strcmp(open, ids[i - 1]) != 0) {
            r = site_run_store.load(s->catalog, ids[i - 1], run, err);
            json_array_append_new(a, r == 0 ? site_run_fixed_json(run) : NULL);
        }
        r = r > 0 ? 0 : r;
    }
    free(ids);
    *ret = a;
    return r;
}

int site_recall_document(void *ctx, const struct gw_link_request *q, json_t **ret,
                         struct gw_error *err)
{
    struct site *s = ctx;
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_plan row = { 0 };
    struct gw_catalog_plan_version v = { 0 };
    const char *uuid = site_text(q->params, "uuid");
    int r = gw_catalog_plan_get_uuid(s->catalog, uuid, &mem, &row, err);
    if (r == 0 && !shared(&row, q->from))
        r = gw_error_set(err, -EPERM, "plan '%s' is not shared with site '%s'", row.name, q->from);
    if (r == 0)
        r = gw_catalog_plan_version_get(s->catalog, uuid, site_text(q->params, "hash"), &mem, &v,
                                        err);
    if (r < 0)
        return r;
    *ret = json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:I}", "uuid", uuid, "name", row.name,
                     "version", (json_int_t)v.version, "hash", v.hash, "document", v.document,
                     "original", v.original, "holder", row.holder, "epoch", (json_int_t)row.epoch);
    return *ret != NULL ? 0 : gw_error_set(err, -ENOMEM, "out of memory");
}
