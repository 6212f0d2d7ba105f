// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The queue of notices. Each entry owns one block of text: the notice's strings and its contacts'.
 * The contacts of one notice are tried side by side, so that one that does not answer keeps no
 * other from hearing of it.
 */
#include "work/contact.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/cond.h"
#include "work/limits.h"
#include "work/parallel.h"
#include "work/stop.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *next;
    struct gw_notifier *notifier;
    struct gw_notice notice;
    size_t n;
    struct gw_work_contact *contact;
};

struct gw_notifier {
    gw_notice_done_fn *done;
    void *ctx;
    pthread_t thread;
    struct gw_stop *stop; /* give up */
    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    struct entry *first;
    size_t n;  /* waiting */
    bool busy; /* one is being sent */
    bool end;
};

/* ---- entries --------------------------------------------------------------------------------- */

/* A pointer that was const only because it points to a copy of somebody's text. */
static void free_text(const void *text)
{
    union {
        const void *given;
        void *wanted;
    } u = { .given = text };
    free(u.wanted);
}

static void entry_free(struct entry *e)
{
    if (e == NULL)
        return;
    for (size_t i = 0; i < e->n; i++) {
        const char *const *argv = e->contact[i].command;
        for (size_t k = 0; argv != NULL && argv[k] != NULL; k++)
            free_text(argv[k]);
        free_text(argv);
        free_text(e->contact[i].name);
        free_text(e->contact[i].webhook);
    }
    free(e->contact);
    const char *const texts[] = { e->notice.event, e->notice.severity, e->notice.site,
                                  e->notice.plan,  e->notice.run,      e->notice.subject,
                                  e->notice.text };
    for (size_t i = 0; i < GW_ARRAY_SIZE(texts); i++)
        free_text(texts[i]);
    free(e);
}

/* *ret is NULL for NULL. False: no memory. */
static bool copy(const char *text, const char **ret)
{
    *ret = text != NULL ? strdup(text) : NULL;
    return text == NULL || *ret != NULL;
}

static bool copy_argv(const char *const *argv, const char *const **ret)
{
    size_t n = 0;
    if (argv == NULL)
        return true;
    while (argv[n] != NULL)
        n++;
    const char **out = calloc(n + 1, sizeof *out);
    *ret = out;
    bool ok = out != NULL;
    for (size_t i = 0; ok && i < n; i++)
        ok = copy(argv[i], &out[i]);
    return ok;
}

static bool fill(struct entry *e, const struct gw_work_contact *contacts, size_t n,
                 const struct gw_notice *from)
{
    struct gw_notice *to = &e->notice;
    e->contact = calloc(n + 1, sizeof *e->contact);
    if (e->contact == NULL)
        return false;
    e->n = n;
    to->wall_ns = from->wall_ns;
    bool ok = copy(from->event, &to->event) && copy(from->severity, &to->severity) &&
              copy(from->site, &to->site) && copy(from->plan, &to->plan) &&
              copy(from->run, &to->run) && copy(from->subject, &to->subject) &&
              copy(from->text, &to->text);
    for (size_t i = 0; ok && i < n; i++)
        ok = copy(contacts[i].name, &e->contact[i].name) &&
             copy(contacts[i].webhook, &e->contact[i].webhook) &&
             copy_argv(contacts[i].command, &e->contact[i].command);
    return ok;
}

static void tell(const struct entry *e, size_t i, bool reached, const char *text)
{
    const struct gw_notifier *nt = e->notifier;
    if (nt->done != NULL)
        nt->done(nt->ctx, e->contact[i].name != NULL ? e->contact[i].name : "",
                 e->notice.event != NULL ? e->notice.event : "", reached, text);
}

static void give_up(struct entry *e, const char *why)
{
    for (size_t i = 0; i < e->n; i++)
        tell(e, i, false, why);
    entry_free(e);
}

/* ---- the thread ------------------------------------------------------------------------------ */

static void try_contact(void *ctx, size_t i)
{
    const struct entry *e = ctx;
    const int stop_fd = gw_stop_fd(e->notifier->stop);
    struct gw_error err = { 0 };
    unsigned pause_ms = GW_NOTICE_PAUSE_MS;
    for (unsigned k = 1;; k++, pause_ms *= 2) {
        int r = gw_contact_send(&e->contact[i], &e->notice, stop_fd, &err);
        if (r == 0) {
            tell(e, i, true, "reached");
            return;
        }
        if (k == GW_NOTICE_TRIES || r == -EINVAL || gw_stop_wait(stop_fd, pause_ms))
            break;
    }
    tell(e, i, false, err.msg);
}

static void *run(void *arg)
{
    struct gw_notifier *nt = arg;
    pthread_mutex_lock(&nt->lock);
    for (;;) {
        struct entry *e = nt->first;
        if (e == NULL && nt->end)
            break;
        if (e == NULL) {
            pthread_cond_wait(&nt->changed, &nt->lock);
            continue;
        }
        nt->first = e->next;
        nt->n--;
        nt->busy = true;
        pthread_mutex_unlock(&nt->lock);
        if (gw_stop_wanted(gw_stop_fd(nt->stop))) {
            give_up(e, "given up: godwitd ends");
        } else {
            gw_parallel(e->n, try_contact, e);
            entry_free(e);
        }
        pthread_mutex_lock(&nt->lock);
        nt->busy = false;
        pthread_cond_broadcast(&nt->changed);
    }
    pthread_mutex_unlock(&nt->lock);
    return NULL;
}

/* ---- the calls ------------------------------------------------------------------------------- */

static void destroy(struct gw_notifier *nt)
{
    pthread_cond_destroy(&nt->changed);
    pthread_mutex_destroy(&nt->lock);
    gw_stop_free(nt->stop);
    free(nt);
}

int gw_notifier_new(gw_notice_done_fn *done, void *ctx, struct gw_notifier **ret,
                    struct gw_error *err)
{
    struct gw_notifier *nt = calloc(1, sizeof *nt);
    if (nt == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    nt->done = done;
    nt->ctx = ctx;
    int r = gw_stop_new(&nt->stop, err);
    if (r < 0) {
        free(nt);
        return r;
    }
    pthread_mutex_init(&nt->lock, NULL);
    gw_cond_init(&nt->changed);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int code = pthread_create(&nt->thread, NULL, run, nt);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (code != 0) {
        destroy(nt);
        return gw_error_errno(err, -code, "cannot make a thread");
    }
    *ret = nt;
    return 0;
}

int gw_notifier_post(struct gw_notifier *nt, const struct gw_work_contact *contacts, size_t n,
                     const struct gw_notice *notice, struct gw_error *err)
{
    if (n == 0)
        return 0;
    struct entry *e = calloc(1, sizeof *e), *dropped = NULL;
    if (e == NULL || !fill(e, contacts, n, notice)) {
        entry_free(e);
        return gw_error_set(err, -ENOMEM, "out of memory");
    }
    e->notifier = nt;
    pthread_mutex_lock(&nt->lock);
    if (nt->n == GW_NOTICE_QUEUE_MAX) {
        dropped = nt->first;
        nt->first = dropped->next;
        nt->n--;
    }
    struct entry **last = &nt->first;
    while (*last != NULL)
        last = &(*last)->next;
    *last = e;
    nt->n++;
    pthread_cond_broadcast(&nt->changed);
    pthread_mutex_unlock(&nt->lock);
    if (dropped != NULL)
        give_up(dropped, "given up: too many notices wait");
    return 0;
}

void gw_notifier_free(struct gw_notifier *nt, unsigned wait_ms)
{
    if (nt == NULL)
        return;
    const uint64_t end = gw_boot_ns() + wait_ms * GW_NS_PER_MS;
    pthread_mutex_lock(&nt->lock);
    nt->end = true;
    pthread_cond_broadcast(&nt->changed);
    for (uint64_t now; (nt->n > 0 || nt->busy) && (now = gw_boot_ns()) < end;)
        gw_cond_wait_ms(&nt->changed, &nt->lock, (unsigned)((end - now) / GW_NS_PER_MS) + 1);
    pthread_mutex_unlock(&nt->lock);
    gw_stop_set(nt->stop);
    pthread_join(nt->thread, NULL);
    destroy(nt);
}
