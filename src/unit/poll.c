// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The pool: a few threads, each of which takes the entry that is due first, asks it without the
 * lock, and puts the answer in its place. An entry that is being asked is `busy`: nobody else asks
 * it, and who removes it waits.
 */
#include "unit/poll.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/cond.h"
#include "control/client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ENTRIES_MAX 1024u
#define THREADS_MAX 16u
#define PLAN_MAX 64
#define WAIT_AGAIN_MS 1000u

struct entry {
    char plan[PLAN_MAX];
    char *control;
    uint64_t due_ns;
    bool busy;
    unsigned failures; /* in a row that cost the whole time-out */
    uint64_t asked;    /* questions answered or given up */
    bool known;
    json_t *status;
    uint64_t at_ns, wall_ns;
    struct gw_error why;
};

struct gw_polls {
    struct gw_polls_config cfg;
    pthread_mutex_t mu; /* guards all below; never held over a question or a callback */
    pthread_cond_t cv_due, cv_answer;
    bool stop;
    struct entry *entry[ENTRIES_MAX];
    unsigned n, n_threads;
    pthread_t thread[THREADS_MAX];
};

void gw_poll_answer_done(struct gw_poll_answer *a)
{
    json_decref(a->status);
    a->status = NULL;
}

static void entry_free(struct entry *e)
{
    if (e == NULL)
        return;
    json_decref(e->status);
    free(e->control);
    free(e);
}

static struct entry *lookup(struct gw_polls *p, const char *plan)
{
    for (unsigned i = 0; i < p->n; i++)
        if (strcmp(p->entry[i]->plan, plan) == 0)
            return p->entry[i];
    return NULL;
}

/* ---- asking ---------------------------------------------------------------------------------- */

static bool same(const json_t *a, const json_t *b, const char *key)
{
    const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);

    return x == y || (x != NULL && y != NULL && json_equal(x, y));
}

/* In what somebody would do something about; not in counters. */
static bool matters(const struct entry *e, bool known, const json_t *status)
{
    static const char *const keys[] = { "process", "service",       "replication", "state",
                                        "reason",  "token_matched", "verdict",     "blank",
                                        "role",    "epoch",         "pending" };

    if (e->known != known || (e->status == NULL) != (status == NULL))
        return true;
    if (status == NULL)
        return false;
    for (size_t i = 0; i < GW_ARRAY_SIZE(keys); i++)
        if (!same(e->status, status, keys[i]))
            return true;
    return !same(json_object_get(e->status, "resync"), json_object_get(status, "resync"), "done") ||
           !same(json_object_get(e->status, "verify"), json_object_get(status, "verify"), "done") ||
           !same(json_object_get(e->status, "assess"), json_object_get(status, "assess"), "done");
}

static unsigned pause_ms(const struct gw_polls *p, const struct entry *e)
{
    uint64_t ms = p->cfg.every_ms;

    for (unsigned i = 0; i < e->failures && ms < GW_POLL_SLOW_MS; i++)
        ms *= 2;
    return (unsigned)GW_MIN(ms, GW_MAX(GW_POLL_SLOW_MS, p->cfg.every_ms));
}

/* mu is taken and held again when it returns. True: tell whoever watches. */
static bool ask(struct gw_polls *p, struct entry *e)
{
    CLEANUP_JSON json_t *request = json_pack("{s:s}", "cmd", "status");
    CLEANUP_JSON json_t *status = NULL;
    struct gw_error err = { .code = 0 };

    e->busy = true;
    pthread_mutex_unlock(&p->mu);
    int r = gw_control_call(e->control, request, p->cfg.timeout_ms, NULL, NULL, &status, &err);
    const uint64_t now = gw_boot_ns(), wall_ns = gw_wall_ns();
    pthread_mutex_lock(&p->mu);
    e->busy = false;
    e->asked++;
    e->failures = r == -ETIMEDOUT || r == -EAGAIN ? e->failures + 1 : 0;
    const bool changed = matters(e, r == 0, r == 0 ? status : e->status);
    e->known = r == 0;
    if (r == 0) {
        json_decref(e->status);
        e->status = json_incref(status);
        e->at_ns = now;
        e->wall_ns = wall_ns;
        e->why = (struct gw_error){ .code = 0 };
    } else {
        e->why = err;
    }
    e->due_ns = now + pause_ms(p, e) * GW_NS_PER_MS;
    pthread_cond_broadcast(&p->cv_answer);
    return changed;
}

static struct entry *first_due(struct gw_polls *p)
{
    struct entry *first = NULL;

    for (unsigned i = 0; i < p->n; i++)
        if (!p->entry[i]->busy && (first == NULL || p->entry[i]->due_ns < first->due_ns))
            first = p->entry[i];
    return first;
}

static void *pool_main(void *arg)
{
    struct gw_polls *p = arg;
    char plan[PLAN_MAX];

    pthread_mutex_lock(&p->mu);
    while (!p->stop) {
        struct entry *e = first_due(p);
        const uint64_t now = gw_boot_ns();
        if (e == NULL || e->due_ns > now) {
            uint64_t ms = e == NULL ? WAIT_AGAIN_MS : (e->due_ns - now) / GW_NS_PER_MS + 1;
            gw_cond_wait_ms(&p->cv_due, &p->mu, (unsigned)GW_MIN(ms, WAIT_AGAIN_MS));
            continue;
        }
        memcpy(plan, e->plan, sizeof plan);
        if (!ask(p, e) || p->cfg.changed == NULL || p->stop)
            continue;
        pthread_mutex_unlock(&p->mu);
        p->cfg.changed(p->cfg.arg, plan);
        pthread_mutex_lock(&p->mu);
    }
    pthread_mutex_unlock(&p->mu);
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

int gw_polls_new(const struct gw_polls_config *config, struct gw_polls **ret, struct gw_error *err)
{
    struct gw_polls *p = calloc(1, sizeof *p);

    if (p == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory for questions");
    p->cfg = *config;
    if (p->cfg.every_ms == 0)
        p->cfg.every_ms = GW_POLL_MS;
    if (p->cfg.timeout_ms == 0)
        p->cfg.timeout_ms = GW_POLL_TIMEOUT_MS;
    if (p->cfg.threads == 0)
        p->cfg.threads = GW_POLL_THREADS;
    p->cfg.threads = GW_MIN(p->cfg.threads, THREADS_MAX);
    pthread_mutex_init(&p->mu, NULL);
    gw_cond_init(&p->cv_due);
    gw_cond_init(&p->cv_answer);
    while (p->n_threads < p->cfg.threads) {
        int r = pthread_create(&p->thread[p->n_threads], NULL, pool_main, p);
        if (r != 0) {
            gw_polls_free(p);
            return gw_error_errno(err, -r, "no threads to ask processes");
        }
        p->n_threads++;
    }
    *ret = p;
    return 0;
}

void gw_polls_free(struct gw_polls *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->mu);
    p->stop = true;
    pthread_cond_broadcast(&p->cv_due);
    pthread_mutex_unlock(&p->mu);
    for (unsigned i = 0; i < p->n_threads; i++)
        pthread_join(p->thread[i], NULL);
    for (unsigned i = 0; i < p->n; i++)
        entry_free(p->entry[i]);
    pthread_cond_destroy(&p->cv_due);
    pthread_cond_destroy(&p->cv_answer);
    pthread_mutex_destroy(&p->mu);
    free(p);
}

int gw_polls_add(struct gw_polls *p, const char *plan, const char *control, struct gw_error *err)
{
    LOCK_SCOPE(&p->mu);
    if (strlen(plan) >= PLAN_MAX)
        return gw_error_set(err, -EINVAL, "\"%s\" is not the name of a plan", plan);
    if (lookup(p, plan) != NULL)
        return gw_error_set(err, -EEXIST, "plan %s is asked already", plan);
    if (p->n == ENTRIES_MAX)
        return gw_error_set(err, -EAGAIN, "no more than %u plans can be asked", ENTRIES_MAX);
    struct entry *e = calloc(1, sizeof *e);
    if (e == NULL || (e->control = strdup(control)) == NULL) {
        free(e);
        return gw_error_set(err, -ENOMEM, "out of memory");
    }
    memcpy(e->plan, plan, strlen(plan) + 1);
    gw_error_set(&e->why, -EAGAIN, "not asked yet");
    e->due_ns = gw_boot_ns();
    p->entry[p->n++] = e;
    pthread_cond_signal(&p->cv_due);
    return 0;
}

void gw_polls_remove(struct gw_polls *p, const char *plan)
{
    LOCK_SCOPE(&p->mu);
    struct entry *e;
    while ((e = lookup(p, plan)) != NULL && e->busy)
        gw_cond_wait_ms(&p->cv_answer, &p->mu, WAIT_AGAIN_MS);
    for (unsigned i = 0; e != NULL && i < p->n; i++) {
        if (p->entry[i] == e) {
            p->entry[i] = p->entry[--p->n];
            break;
        }
    }
    entry_free(e);
    pthread_cond_broadcast(&p->cv_answer);
}

/* ---- looking --------------------------------------------------------------------------------- */

void gw_polls_wake(struct gw_polls *p, const char *plan)
{
    LOCK_SCOPE(&p->mu);
    struct entry *e = lookup(p, plan);
    if (e == NULL)
        return;
    e->due_ns = 0;
    pthread_cond_signal(&p->cv_due);
}

static bool fresh(const struct entry *e, unsigned max_age_ms)
{
    if (max_age_ms == GW_POLL_ANY_AGE)
        return true;
    return e->known && gw_boot_ns() - e->at_ns <= max_age_ms * GW_NS_PER_MS;
}

/* Until it was asked once more after now: an answer to a question from before does not count. Its
 * entry, or NULL: it was removed. */
static struct entry *ask_now(struct gw_polls *p, struct entry *e, const char *plan)
{
    const uint64_t end_ns = gw_boot_ns() + 2 * p->cfg.timeout_ms * GW_NS_PER_MS;
    const uint64_t enough = e->asked + (e->busy ? 2 : 1);

    while (e != NULL && e->asked < enough && gw_boot_ns() < end_ns) {
        e->due_ns = 0;
        pthread_cond_signal(&p->cv_due);
        gw_cond_wait_ms(&p->cv_answer, &p->mu, GW_MIN(p->cfg.timeout_ms, WAIT_AGAIN_MS));
        e = lookup(p, plan);
    }
    if (e != NULL && e->asked < enough) { /* all threads hang elsewhere */
        e->known = false;
        gw_error_set(&e->why, -ETIMEDOUT, "plan %s could not be asked in time", plan);
    }
    return e;
}

int gw_polls_get(struct gw_polls *p, const char *plan, unsigned max_age_ms,
                 struct gw_poll_answer *ret, struct gw_error *err)
{
    LOCK_SCOPE(&p->mu);
    struct entry *e = lookup(p, plan);
    if (e != NULL && !fresh(e, max_age_ms))
        e = ask_now(p, e, plan);
    if (e == NULL)
        return gw_error_set(err, -ENOENT, "plan %s is not asked", plan);
    *ret = (struct gw_poll_answer){ .known = e->known,
                                    .status = json_incref(e->status),
                                    .age_ns = e->status != NULL ? gw_boot_ns() - e->at_ns : 0,
                                    .wall_ns = e->wall_ns,
                                    .why = e->why };
    return 0;
}
