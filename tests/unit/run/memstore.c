// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "memstore.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_MAX 32u
#define INBOX_MAX 256u
#define REQUESTS_MAX 32u
#define PLANS_MAX 4u

struct mem_run {
    struct gw_run run;
    struct gw_run_row row;
    struct gw_run_entry *log;
    uint32_t n, room, aside;
    struct gw_run_request requests[REQUESTS_MAX];
    unsigned n_requests;
};

struct mem_plan {
    char plan[GW_RUN_NAME_MAX];
    uint64_t epoch;
};

struct memstore {
    struct mem_run *runs[RUNS_MAX];
    unsigned n_runs;
    struct gw_run_inbox inbox[INBOX_MAX];
    unsigned n_inbox;
    struct mem_plan plans[PLANS_MAX];
    unsigned n_plans;
    uint64_t next_request;
    int full_after; /* -1: never */
};

bool memstore_no_inbox, memstore_no_stale;

struct memstore *memstore_new(void)
{
    struct memstore *m = calloc(1, sizeof *m);
    assert(m);
    m->full_after = -1;
    return m;
}

void memstore_free(struct memstore *m)
{
    for (unsigned i = 0; m && i < m->n_runs; i++) {
        free(m->runs[i]->log);
        free(m->runs[i]);
    }
    free(m);
}

static struct mem_run *find(const struct memstore *m, const char *run)
{
    for (unsigned i = 0; i < m->n_runs; i++)
        if (strcmp(m->runs[i]->run.id, run) == 0)
            return m->runs[i];
    return NULL;
}

static int writes(struct memstore *m, struct gw_error *err)
{
    if (m->full_after == 0)
        return gw_error_errno(err, -ENOSPC, "store");
    if (m->full_after > 0)
        m->full_after--;
    return 0;
}

static void raise_epoch(struct memstore *m, const char *plan, uint64_t epoch)
{
    unsigned i = 0;
    while (i < m->n_plans && strcmp(m->plans[i].plan, plan) != 0)
        i++;
    assert(i < PLANS_MAX);
    if (i == m->n_plans)
        snprintf(m->plans[m->n_plans++].plan, GW_RUN_NAME_MAX, "%s", plan);
    if (epoch > m->plans[i].epoch)
        m->plans[i].epoch = epoch;
}

static int may_append(const struct mem_run *r, const struct gw_run_append *a, struct gw_error *err)
{
    if (!r)
        return gw_error_set(err, -ENOENT, "no run \"%s\"", a->run);
    if (!memstore_no_stale && (a->cut ? r->n < a->at : r->n != a->at))
        return gw_error_set(err, -ESTALE, "run \"%s\" has %u entries, not %u", a->run, r->n, a->at);
    return 0;
}

static void do_append(struct memstore *m, struct mem_run *r, const struct gw_run_append *a)
{
    if (a->cut) {
        r->aside += r->n - a->at;
        r->n = a->at;
    }
    while (r->n + a->n > r->room) {
        r->room = r->room ? r->room * 2 : 64;
        r->log = realloc(r->log, r->room * sizeof *r->log);
        assert(r->log);
    }
    for (unsigned i = 0; i < a->n; i++)
        r->log[r->n++] = a->entries[i];
    if (a->row)
        r->row = *a->row;
    for (unsigned i = 0; i < r->n_requests; i++)
        if (a->takes_request && r->requests[i].id == a->takes_request) {
            memmove(&r->requests[i], &r->requests[i + 1],
                    (r->n_requests - i - 1) * sizeof r->requests[0]);
            r->n_requests--;
            break;
        }
    raise_epoch(m, r->run.plan, a->plan_epoch);
}

static struct mem_run *open_run(const struct memstore *m, const char *plan)
{
    for (unsigned i = 0; i < m->n_runs; i++)
        if (strcmp(m->runs[i]->run.plan, plan) == 0 && !gw_run_state_ended(m->runs[i]->row.state))
            return m->runs[i];
    return NULL;
}

static int mem_create(void *ctx, const struct gw_run *run, const struct gw_run_append *first,
                      const struct gw_run_append *ends, struct gw_error *err)
{
    struct memstore *m = ctx;
    struct mem_run *busy = open_run(m, run->plan);
    if (find(m, run->id))
        return gw_error_set(err, -EEXIST, "run \"%s\" exists", run->id);
    if (busy && (!ends || strcmp(ends->run, busy->run.id) != 0))
        return gw_error_set(err, -EBUSY, "run \"%s\" is not over", busy->run.id);
    int r = ends ? may_append(find(m, ends->run), ends, err) : 0;
    if (r == 0)
        r = writes(m, err);
    if (r < 0)
        return r;
    assert(m->n_runs < RUNS_MAX);
    struct mem_run *new = calloc(1, sizeof *new);
    assert(new);
    new->run = *run;
    m->runs[m->n_runs++] = new;
    if (ends)
        do_append(m, find(m, ends->run), ends);
    do_append(m, new, first);
    return 0;
}

static int mem_append(void *ctx, const struct gw_run_append *a, struct gw_error *err)
{
    struct memstore *m = ctx;
    struct mem_run *run = find(m, a->run);
    int r = may_append(run, a, err);
    if (r == 0)
        r = writes(m, err);
    if (r == 0)
        do_append(m, run, a);
    return r;
}

static int mem_load(void *ctx, const char *run, struct gw_run *ret, struct gw_error *err)
{
    const struct mem_run *r = find(ctx, run);
    if (!r)
        return gw_error_set(err, -ENOENT, "no run \"%s\"", run);
    *ret = r->run;
    return 0;
}

static int mem_read(void *ctx, const char *run, uint32_t from, struct gw_run_entry *ret,
                    unsigned max, struct gw_error *err)
{
    const struct mem_run *r = find(ctx, run);
    if (!r)
        return gw_error_set(err, -ENOENT, "no run \"%s\"", run);
    unsigned n = from < r->n ? r->n - from : 0;
    if (n > max)
        n = max;
    if (n > 0)
        memcpy(ret, r->log + from, n * sizeof *ret);
    return (int)n;
}

static int mem_current(void *ctx, const char *plan, char ret_run[GW_RUN_ID_MAX],
                       struct gw_error *err)
{
    const struct mem_run *r = open_run(ctx, plan);
    (void)err;
    if (!r)
        return 0;
    memcpy(ret_run, r->run.id, GW_RUN_ID_MAX);
    return 1;
}

static int mem_each_open(void *ctx, int (*fn)(void *fn_ctx, const char *run), void *fn_ctx,
                         struct gw_error *err)
{
    struct memstore *m = ctx;
    (void)err;
    for (unsigned i = 0; i < m->n_runs; i++)
        if (!gw_run_state_ended(m->runs[i]->row.state)) {
            int r = fn(fn_ctx, m->runs[i]->run.id);
            if (r < 0)
                return r;
        }
    return 0;
}

static int mem_plan_epoch(void *ctx, const char *plan, uint64_t *ret, struct gw_error *err)
{
    const struct memstore *m = ctx;
    (void)err;
    *ret = 0;
    for (unsigned i = 0; i < m->n_plans; i++)
        if (strcmp(m->plans[i].plan, plan) == 0)
            *ret = m->plans[i].epoch;
    return 0;
}

static struct gw_run_inbox *inbox_find(struct memstore *m, const char *run, uint32_t step,
                                       uint32_t attempt, bool undo)
{
    for (unsigned i = 0; i < m->n_inbox; i++) {
        struct gw_run_inbox *in = &m->inbox[i];
        if (strcmp(in->run, run) == 0 && in->step == step && in->attempt == attempt &&
            in->undo == undo)
            return in;
    }
    return NULL;
}

static int mem_inbox_get(void *ctx, const char *run, uint32_t step, uint32_t attempt, bool undo,
                         struct gw_run_inbox *ret, struct gw_error *err)
{
    const struct gw_run_inbox *in = inbox_find(ctx, run, step, attempt, undo);
    (void)err;
    if (!in || memstore_no_inbox)
        return 0;
    *ret = *in;
    return 1;
}

static int mem_inbox_put(void *ctx, const struct gw_run_inbox *in, struct gw_error *err)
{
    struct memstore *m = ctx;
    struct gw_run_inbox *old = inbox_find(m, in->run, in->step, in->attempt, in->undo);
    int r = writes(m, err);
    if (r < 0)
        return r;
    if (!old) {
        assert(m->n_inbox < INBOX_MAX);
        old = &m->inbox[m->n_inbox++];
    }
    *old = *in;
    return 0;
}

static int mem_request_put(void *ctx, const char *run, const struct gw_run_request *request,
                           struct gw_error *err)
{
    struct memstore *m = ctx;
    struct mem_run *to = find(m, run);
    int r = writes(m, err);
    if (r < 0)
        return r;
    assert(to && to->n_requests < REQUESTS_MAX);
    struct gw_run_request *q = &to->requests[to->n_requests++];
    *q = *request;
    q->id = ++m->next_request;
    return 0;
}

static int mem_request_next(void *ctx, const char *run, struct gw_run_request *ret,
                            struct gw_error *err)
{
    const struct mem_run *r = find(ctx, run);
    (void)err;
    if (!r || r->n_requests == 0)
        return 0;
    *ret = r->requests[0];
    return 1;
}

const struct gw_run_store memstore_store = {
    .create = mem_create,
    .append = mem_append,
    .load = mem_load,
    .read = mem_read,
    .current = mem_current,
    .each_open = mem_each_open,
    .plan_epoch = mem_plan_epoch,
    .inbox_get = mem_inbox_get,
    .inbox_put = mem_inbox_put,
    .request_put = mem_request_put,
    .request_next = mem_request_next,
};

void memstore_crash(struct memstore *m, unsigned lose)
{
    for (unsigned i = 0; i < m->n_runs; i++) {
        struct mem_run *r = m->runs[i];
        if (lose > 0 && r->n > lose && !gw_run_state_ended(r->row.state))
            r->n -= lose;
    }
}

void memstore_fill(struct memstore *m, int skip)
{
    m->full_after = skip;
}

unsigned memstore_runs(const struct memstore *m)
{
    return m->n_runs;
}

const char *memstore_id(const struct memstore *m, unsigned i)
{
    return m->runs[i]->run.id;
}

const struct gw_run_row *memstore_row(const struct memstore *m, const char *run)
{
    const struct mem_run *r = find(m, run);
    return r ? &r->row : NULL;
}

const struct gw_run_entry *memstore_log(const struct memstore *m, const char *run, uint32_t *ret_n)
{
    const struct mem_run *r = find(m, run);
    *ret_n = r ? r->n : 0;
    return r ? r->log : NULL;
}

uint32_t memstore_aside(const struct memstore *m, const char *run)
{
    const struct mem_run *r = find(m, run);
    return r ? r->aside : 0;
}

unsigned memstore_requests(const struct memstore *m, const char *run)
{
    const struct mem_run *r = find(m, run);
    return r ? r->n_requests : 0;
}
