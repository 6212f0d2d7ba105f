// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/children.h"

#include "base/clock.h"
#include "base/log.h"
#include "catalog/children.h"

#include <errno.h>

void site_children_init(struct site_children *c, struct site *s, const char *plan, const char *run,
                        const char *step, uint64_t attempt)
{
    c->site = s;
    c->plan = plan;
    c->run = run;
    c->step = step;
    c->attempt = attempt;
    c->n = 0;
    pthread_mutex_init(&c->mu, NULL);
}

void site_children_done(struct site_children *c)
{
    pthread_mutex_destroy(&c->mu);
}

static int started(void *ctx, const char *what, const struct gw_child_record *record,
                   struct gw_error *err)
{
    struct site_children *c = ctx;
    char text[GW_CHILD_RECORD_TEXT];
    uint64_t id = 0;
    gw_child_record_format(record, text);
    const struct gw_catalog_child row = { .plan = c->plan,
                                          .run = c->run,
                                          .step = c->step,
                                          .attempt = c->attempt,
                                          .what = what,
                                          .pid = record->pid,
                                          .pgid = record->pid,
                                          .start_ticks = record->start_ticks,
                                          .boot_id = c->site->boot_id,
                                          .wall_ns = gw_wall_ns(),
                                          .record = text };
    LOCK_SCOPE(&c->mu);
    if (c->n == SITE_CHILDREN_MAX)
        return gw_error_set(err, -EMFILE, "a step runs at most %u commands at once",
                            SITE_CHILDREN_MAX);
    int r = gw_catalog_child_add(c->site->catalog, &row, &id, err);
    if (r < 0)
        return gw_error_wrap(err, "%s was not started: it cannot be put on record", what);
    c->child[c->n].pid = record->pid;
    c->child[c->n++].id = id;
    return 0;
}

static void ended(void *ctx, const char *what, const struct gw_child_result *result)
{
    struct site_children *c = ctx;
    struct gw_error err = { 0 };
    LOCK_SCOPE(&c->mu);
    for (unsigned i = 0; i < c->n; i++) {
        if (c->child[i].pid != result->record.pid)
            continue;
        if (gw_catalog_child_delete(c->site->catalog, c->child[i].id, &err) < 0)
            gw_log(GW_LOG_WARNING, "%s: %s", what, err.msg);
        c->child[i] = c->child[--c->n];
        return;
    }
}

struct site_workload_children site_children_hooks(struct site_children *c)
{
    return (struct site_workload_children){ .started = started, .ended = ended, .ctx = c };
}

static int settle_one(struct site *s, const struct gw_catalog_child *row, struct gw_error *err)
{
    struct gw_child_record record;
    enum gw_child_life life = GW_CHILD_GONE;
    if (row->record == NULL || gw_child_record_parse(row->record, &record, err) < 0)
        return gw_catalog_child_delete(s->catalog, row->id, err);
    int r = gw_child_find(&record, &life, err);
    if (r == 0 && life == GW_CHILD_ALIVE) {
        gw_log(GW_LOG_NOTICE, "%s, process %d, was left by a former life of this daemon: ended",
               row->what, (int)row->pid);
        r = gw_child_end(&record, SITE_CHILD_GRACE_MS, err);
    }
    return r < 0 ? r : gw_catalog_child_delete(s->catalog, row->id, err);
}

int site_children_settle(struct site *s, const char *run, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_child *rows = NULL;
    size_t n = 0;
    int r = gw_catalog_child_list(s->catalog, run, &mem, &rows, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = settle_one(s, &rows[i], err);
    return r;
}
