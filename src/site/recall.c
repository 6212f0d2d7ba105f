// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/recall.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"
#include "catalog/identity.h"
#include "catalog/peers.h"
#include "run/receive.h"
#include "site/dataplane.h"
#include "site/edits.h"
#include "site/mates.h"
#include "site/monitor.h"
#include "site/plandir.h"
#include "site/runs.h"
#include "site/runstore.h"
#include "site/runwire.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CALL_MS 20000u
#define AGAIN_MS 1000u
#define PULLS_MAX 100u /* of one run: its log ends long before */

bool site_fenced(struct site *s)
{
    LOCK_SCOPE(&s->mu);
    return s->fenced;
}

int site_fenced_check(struct site *s, struct gw_error *err)
{
    LOCK_SCOPE(&s->mu);
    if (!s->fenced)
        return 0;
    return gw_error_set(err, -EAGAIN,
                        "site %s is fenced: %s, and was not compared with the other site yet",
                        s->name, s->fenced_why);
}

/* ---- the rule ---------------------------------------------------------------------------------
 */

enum gw_catalog_want site_recall_want(const struct site_recalled *r, const char **ret_why)
{
    *ret_why = NULL;
    if (!r->activated)
        return GW_CATALOG_WANT_NONE;
    if (r->run_open) /* its steps know what they did, and do the rest */
        return r->runs;
    if (!r->held)
        return GW_CATALOG_WANT_NONE;
    if (r->ours && r->dir_active && !r->dir_released)
        return GW_CATALOG_WANT_SOURCE; /* it asks the peer before it serves */
    if (!r->ours && r->dir_there && (!r->dir_active || r->dir_released))
        return GW_CATALOG_WANT_REPLICA;
    if (!r->dir_there)
        *ret_why = "it has no directory of the plan any more: godwit site replace, at the other "
                   "site";
    else if (r->ours)
        *ret_why = "the authority is said to be here, and the plan directory was not active";
    else
        *ret_why = "the other site took over while this one was away: godwit reverse brings it "
                   "back";
    return GW_CATALOG_WANT_NONE;
}

/* ---- what the peer knows ----------------------------------------------------------------------
 */

/* The versions that the peer names and we do not have, the oldest first. */
static int take_documents(struct site *s, const char *peer, const json_t *plan,
                          struct gw_error *err)
{
    const char *uuid = site_text(plan, "uuid");
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(plan, "documents"), i, v)
    {
        CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
        CLEANUP_SITE_JSON json_t *doc = NULL;
        struct gw_catalog_plan row = { 0 };
        struct gw_error none = { 0 };
        if (gw_catalog_plan_get_uuid(s->catalog, uuid, &mem, &row, &none) == 0 &&
            row.version >= site_number(v, "version"))
            continue;
        int r = site_mate_call(s, peer, "document",
                               json_pack("{s:s, s:s}", "uuid", uuid, "hash", site_text(v, "hash")),
                               CALL_MS, &doc, NULL, err);
        if (r == 0)
            r = site_edit_received(s, peer, doc, err);
        if (r < 0)
            return r;
    }
    return 0;
}

struct healing {
    struct site *site;
    const json_t *theirs; /* NULL: the peer does not know the plan */
    struct site_plandir dir;
    enum gw_catalog_want runs;
    bool run_open;
};

/* The claim of the higher epoch, whoever remembers it. */
static void heal_claim(struct gw_catalog_plan *row, const struct healing *h)
{
    uint64_t epoch = site_number(h->theirs, "epoch");
    if (h->theirs != NULL && epoch >= row->epoch) {
        row->epoch = epoch;
        row->holder = site_text(h->theirs, "holder");
        row->activated = site_true(h->theirs, "activated");
        row->committed = site_true(h->theirs, "committed");
        row->role_wall_ns = site_number(h->theirs, "role_wall_ns");
    }
    const struct site_plandir *d = &h->dir;
    if (d->exists && d->role == GW_ROLE_ACTIVE && d->mine && !d->released &&
        d->epoch > row->epoch) {
        row->epoch = d->epoch;
        row->holder = h->site->name;
        row->activated = true;
    }
    if (row->activated && row->activated_wall_ns == 0)
        row->activated_wall_ns = gw_wall_ns();
}

static void heal_row(struct gw_catalog_plan *row, void *arg)
{
    const struct healing *h = arg;
    heal_claim(row, h);
    const struct site_recalled x = {
        .activated = row->activated,
        .run_open = h->run_open,
        .ours = strcmp(row->holder, h->site->name) == 0,
        .held = row->holder[0] != '\0',
        .dir_there = h->dir.exists,
        .dir_active = h->dir.exists && h->dir.role == GW_ROLE_ACTIVE,
        .dir_released = h->dir.released,
        .runs = h->runs,
    };
    row->want = site_recall_want(&x, &row->fenced_reason);
}

static int heal_facts(struct site *s, const struct site_plan *p, const struct healing *h,
                      struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *facts = json_pack("{s:b}", "synced", 0);
    static const char *const kept[] = { "role_changed", "failed_over_wall_ns", "first_site" };
    const json_t *theirs = site_at(h->theirs, "facts");
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        json_t *f = json_object_get(theirs, kept[i]);
        if (f != NULL)
            json_object_set(facts, kept[i], f);
    }
    if (h->dir.exists)
        json_object_set_new(facts, "first_site", json_string(h->dir.first_site));
    CLEANUP_FREE char *text = json_dumps(facts, JSON_COMPACT);
    return text == NULL ? gw_error_set(err, -ENOMEM, "out of memory")
                        : gw_catalog_plan_note(s->catalog, p->uuid_text, text, err);
}

static int heal_plan(struct site *s, struct site_plan *p, const json_t *theirs,
                     struct gw_error *err)
{
    struct healing h = { .site = s, .theirs = theirs, .runs = GW_CATALOG_WANT_NONE };
    struct site_dp_paths at;
    char run[GW_RUN_ID_MAX];
    enum gw_unit_kind kind = GW_UNIT_SOURCE;
    pid_t pid = 0;
    int r = site_dp_paths(s, p, &at, err);
    if (r == 0)
        r = site_plandir_look(at.dir, &h.dir, err);
    if (r == 0)
        r = gw_units_find(s->units, p->name, &kind, &pid, err);
    if (r > 0)
        h.runs = kind == GW_UNIT_SOURCE ? GW_CATALOG_WANT_SOURCE : GW_CATALOG_WANT_REPLICA;
    if (r >= 0)
        r = site_run_store.current(s->catalog, p->name, run, err);
    if (r < 0)
        return gw_error_wrap(err, "plan '%s'", p->name);
    h.run_open = r > 0;
    LOCK_SCOPE(&p->plan_mu);
    r = heal_facts(s, p, &h, err);
    return r < 0 ? r : site_plan_update(s, p, heal_row, &h, err);
}

/* ---- runs -------------------------------------------------------------------------------------
 */

/* Entries that the peer has, given to our own receiver as if it had sent them. */
static int take_entries(struct site *s, const struct gw_run *run, enum gw_run_side from,
                        uint32_t have, const struct gw_run_reply *got, struct gw_error *err)
{
    const struct gw_run_message copy = {
        .kind = GW_RUN_COPY,
        .run = *run,
        .epoch = got->entries[got->n - 1].core.epoch,
        .from = from,
        .have = have,
        .entries = got->entries,
        .n = got->n,
    };
    struct gw_run_reply reply = { 0 };
    bool wake = false;
    int r = gw_run_receive(site_run_env(s), &copy, &reply, &wake, err);
    if (r == 0 && reply.answer != GW_ANSWER_OK && reply.answer != GW_ANSWER_ENDED &&
        reply.answer != GW_ANSWER_AHEAD)
        r = gw_error_set(err, -EPROTO, "run %s of the other site: %s", run->id, reply.sentence);
    gw_run_reply_done(&reply);
    return r;
}

static int pull_run(struct site *s, const char *peer, const struct gw_run *run,
                    struct gw_error *err)
{
    enum gw_run_side me = strcmp(run->site[GW_SIDE_OLD], s->name) == 0 ? GW_SIDE_OLD : GW_SIDE_NEW;
    enum gw_run_side other = me == GW_SIDE_OLD ? GW_SIDE_NEW : GW_SIDE_OLD;
    struct gw_run_message m = { .kind = GW_RUN_PULL, .run = *run, .epoch = run->epoch, .from = me };
    for (unsigned i = 0; i < PULLS_MAX; i++) {
        struct gw_run_reply got = { 0 };
        CLEANUP_SITE_JSON json_t *answer = NULL;
        int r =
            site_mate_call(s, peer, "run", site_run_message_json(&m), CALL_MS, &answer, NULL, err);
        if (r == 0)
            r = site_run_reply_read(answer, &got, err);
        if (r < 0)
            return r;
        uint32_t n = got.n;
        if (n > 0)
            r = take_entries(s, run, other, m.have, &got, err);
        m.have += n;
        bool all = n == 0 || m.have >= got.have;
        gw_run_reply_done(&got);
        if (r < 0 || all)
            return r;
    }
    return 0;
}

struct pulling {
    struct site *site;
    const char *peer;
    struct gw_error *err;
};

/* A run that is open by our memory: the peer may know how it went on. */
static int pull_open(void *arg, const char *id)
{
    struct pulling *x = arg;
    CLEANUP_FREE struct gw_run *run = calloc(1, sizeof *run);
    if (run == NULL)
        return gw_error_set(x->err, -ENOMEM, "out of memory");
    int r = site_run_store.load(x->site->catalog, id, run, x->err);
    if (r < 0 || (strcmp(run->site[GW_SIDE_OLD], x->peer) != 0 &&
                  strcmp(run->site[GW_SIDE_NEW], x->peer) != 0))
        return r;
    return pull_run(x->site, x->peer, run, x->err);
}

/* A run that has ended, which this site does not know; what it refuses it does without. */
static int take_ended(struct site *s, const char *peer, const json_t *fixed, struct gw_error *err)
{
    CLEANUP_FREE struct gw_run *run = calloc(1, sizeof *run);
    CLEANUP_FREE struct gw_run *known = calloc(1, sizeof *known);
    struct gw_error none = { 0 };
    if (run == NULL || known == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    if (site_run_read(fixed, run, &none) < 0 ||
        site_run_store.load(s->catalog, run->id, known, &none) == 0)
        return 0;
    int r = pull_run(s, peer, run, err);
    if (r == -EPROTO) {
        gw_log(GW_LOG_WARNING, "run %s of site %s is not taken over: %s", run->id, peer, err->msg);
        *err = (struct gw_error){ 0 };
    }
    return r == -EPROTO ? 0 : r;
}

/* What ran before, for people: the newest, the oldest of them first. Before the open run, for a
 * plan has one at a time. A site that cannot tell is of a release before. */
static int take_history(struct site *s, const char *peer, struct gw_error *err)
{
    int r = 0;
    pthread_mutex_lock(&s->mu);
    struct site_plan *p = s->plans;
    pthread_mutex_unlock(&s->mu);
    for (; p != NULL && r == 0; p = p->next) {
        CLEANUP_SITE_JSON json_t *answer = NULL;
        struct gw_error none = { 0 };
        size_t i;
        json_t *fixed;
        if (p->gone || strcmp(p->peer, peer) != 0 ||
            site_mate_call(s, peer, "runs", json_pack("{s:s}", "plan", p->name), CALL_MS, &answer,
                           NULL, &none) < 0)
            continue;
        json_array_foreach(json_object_get(answer, "runs"), i, fixed)
        {
            if (r == 0)
                r = take_ended(s, peer, fixed, err);
        }
    }
    return r;
}

static int take_runs(struct site *s, const char *peer, const json_t *told, struct gw_error *err)
{
    struct pulling x = { .site = s, .peer = peer, .err = err };
    CLEANUP_FREE struct gw_run *run = calloc(1, sizeof *run);
    size_t i;
    json_t *fixed;
    int r = run == NULL ? gw_error_set(err, -ENOMEM, "out of memory")
                        : site_run_store.each_open(s->catalog, pull_open, &x, err);
    if (r == 0)
        r = take_history(s, peer, err);
    json_array_foreach(json_object_get(told, "runs"), i, fixed)
    {
        if (r == 0)
            r = site_run_read(fixed, run, err);
        if (r == 0)
            r = pull_run(s, peer, run, err);
    }
    return r;
}

/* ---- one peer ---------------------------------------------------------------------------------
 */

static const json_t *find_told(const json_t *told, const char *uuid)
{
    size_t i;
    json_t *p;
    json_array_foreach(json_object_get(told, "plans"), i, p)
    {
        if (strcmp(site_text(p, "uuid"), uuid) == 0)
            return p;
    }
    return NULL;
}

static void retire(struct gw_catalog_plan *row, void *arg)
{
    (void)arg;
    row->retired_wall_ns = gw_wall_ns();
    row->want = GW_CATALOG_WANT_NONE;
}

static bool was_retired(const json_t *told, const char *uuid)
{
    size_t i;
    json_t *u;
    json_array_foreach(json_object_get(told, "retired"), i, u)
    {
        if (json_is_string(u) && strcmp(json_string_value(u), uuid) == 0)
            return true;
    }
    return false;
}

static int heal_plans(struct site *s, const char *peer, const json_t *told, struct gw_error *err)
{
    int r = 0;
    bool gone = false;
    pthread_mutex_lock(&s->mu);
    struct site_plan *p = s->plans;
    pthread_mutex_unlock(&s->mu);
    for (; p != NULL && r == 0; p = p->next) {
        if (p->gone || strcmp(p->peer, peer) != 0)
            continue;
        const json_t *theirs = find_told(told, p->uuid_text);
        if (theirs == NULL && was_retired(told, p->uuid_text)) {
            r = site_plan_update(s, p, retire, NULL, err);
            gone = true;
        } else {
            r = heal_plan(s, p, theirs, err);
        }
    }
    return r == 0 && gone ? site_plans_load(s, err) : r;
}

static int compare(struct site *s, const char *peer, uint64_t *generation, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *told = NULL;
    size_t i;
    json_t *plan;
    int r = site_mate_call(
        s, peer, "recall",
        json_pack("{s:s, s:I}", "instance", s->instance, "generation", (json_int_t)s->generation),
        CALL_MS, &told, NULL, err);
    if (r < 0)
        return r;
    json_array_foreach(json_object_get(told, "plans"), i, plan)
    {
        if (r == 0)
            r = take_documents(s, peer, plan, err);
    }
    if (r == 0)
        r = take_runs(s, peer, told, err);
    if (r == 0)
        r = heal_plans(s, peer, told, err);
    uint64_t seen = site_number(told, "your_generation");
    if (r == 0 && strcmp(site_text(told, "your_instance"), s->instance) != 0 && seen >= *generation)
        *generation = seen + 1;
    return r;
}

/* ---- all --------------------------------------------------------------------------------------
 */

static int compare_all(struct site *s, uint64_t *generation, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_peer *rows = NULL;
    size_t n = 0;
    int r = gw_catalog_peer_list(s->catalog, &mem, &rows, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = compare(s, rows[i].site, generation, err);
    return r;
}

static int lift(struct site *s, uint64_t generation, const char *how, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_identity id = { 0 };
    int r = gw_catalog_identity_get(s->catalog, &mem, &id, err);
    if (r < 0)
        return r;
    id.generation = generation;
    id.fenced = false;
    id.fenced_reason = NULL;
    r = gw_catalog_identity_set(s->catalog, &id, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&s->mu);
    s->generation = generation;
    s->fenced = false;
    s->changes++;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->mu);
    site_event(s, "site.compared", NULL, NULL, SITE_NOTICE, NULL, "%s: the fence is lifted", how);
    return site_runs_resume(s, err);
}

static void *recall_main(void *arg)
{
    struct site *s = arg;
    char said[GW_ERROR_MSG_MAX] = "";
    while (!gw_stop_wanted(gw_stop_fd(s->stop)) && site_fenced(s)) {
        struct gw_error err = { 0 };
        uint64_t generation = s->generation;
        int r = compare_all(s, &generation, &err);
        if (r == 0 && site_fenced(s))
            r = lift(s, generation, "what this site remembers was compared with the others", &err);
        if (r < 0 && strcmp(said, err.msg) != 0) {
            memcpy(said, err.msg, sizeof said);
            site_event(s, "site.fenced", NULL, NULL, SITE_WARNING, NULL,
                       "fenced: %s, and it could not be compared yet: %s", s->fenced_why, err.msg);
        }
        if (r < 0)
            gw_stop_wait(gw_stop_fd(s->stop), AGAIN_MS);
    }
    return NULL;
}

int site_recall_start(struct site *s, struct gw_error *err)
{
    if (!site_fenced(s))
        return 0;
    site_recall_stop(s); /* of an earlier fence */
    if (pthread_create(&s->recall, NULL, recall_main, s) != 0)
        return gw_error_set(err, -EAGAIN, "cannot make a thread that compares memories");
    s->recall_runs = true;
    return 0;
}

void site_recall_stop(struct site *s)
{
    if (s->recall_runs)
        pthread_join(s->recall, NULL);
    s->recall_runs = false;
}

int site_recall_begin(struct site *s, const char *why, struct gw_error *err)
{
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    LOCK_SCOPE(&one);
    int r = site_fenced_check(s, err);
    if (r == 0)
        r = gw_catalog_identity_fence(s->catalog, true, why, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&s->mu);
    s->fenced = true;
    snprintf(s->fenced_why, sizeof s->fenced_why, "%s", why);
    pthread_mutex_unlock(&s->mu);
    return site_recall_start(s, err);
}

int site_recall_alone(struct site *s, const struct site_person *who, struct gw_error *err)
{
    if (!site_fenced(s))
        return gw_error_set(err, -EALREADY, "site %s is not fenced", s->name);
    struct site_audited log = { .seq = 0 };
    int r = site_audit_begin(s, who, "site-unfence", s->name, NULL, &log, err);
    if (r == 0)
        r = lift(s, s->generation, "a person took the word of this site's memory", err);
    return site_audit_end(s, &log, r, NULL, err);
}
