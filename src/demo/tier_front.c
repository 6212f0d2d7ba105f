// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The third tier: what customers see.
 *
 *     POST /book?number=N&wall_ns=T  ->  what the service answers
 *     GET /                          ->  a page: the bookings so far, as last asked of the service
 *     GET /healthz                   ->  200 "ok": the service is healthy
 */
#include "demo/tier_web.h"

#include "base/cleanup.h"
#include "demo/fetch.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define POLL_MS 200
#define URL_BYTES 160
#define FETCHERS 4

struct front {
    const struct tier *tier;
    struct {
        pthread_mutex_t mu;
        struct fetch *fetch;
    } fetcher[FETCHERS]; /* whoever comes takes one that is free */
    pthread_mutex_t page_mu;
    char page[TIER_ANSWER_BYTES];
};

/* The status code of the service's answer; 0: there is none. */
static unsigned ask(struct front *f, bool post, const char *path, char text[TIER_ANSWER_BYTES])
{
    char url[URL_BYTES];
    snprintf(url, sizeof url, "http://%s:%u%s", f->tier->address, f->tier->port[TIER_SERVICE],
             path);
    for (int i = 0; i < FETCHERS - 1; i++) {
        if (pthread_mutex_trylock(&f->fetcher[i].mu) != 0)
            continue;
        unsigned code = fetch_url(f->fetcher[i].fetch, post, url, text, TIER_ANSWER_BYTES);
        pthread_mutex_unlock(&f->fetcher[i].mu);
        return code;
    }
    LOCK_SCOPE(&f->fetcher[FETCHERS - 1].mu);
    return fetch_url(f->fetcher[FETCHERS - 1].fetch, post, url, text, TIER_ANSWER_BYTES);
}

static unsigned or_unavailable(unsigned code)
{
    return code == 0 ? 503 : code;
}

static unsigned answer(void *arg, const struct tier_request *q, char text[TIER_ANSWER_BYTES])
{
    struct front *f = arg;
    char path[URL_BYTES];
    if (q->post && strcmp(q->path, "/book") == 0) {
        snprintf(path, sizeof path, "/bookings?number=%" PRIu64 "&wall_ns=%" PRIu64,
                 tier_web_number(q, "number"), tier_web_number(q, "wall_ns"));
        return or_unavailable(ask(f, true, path, text));
    }
    if (!q->post && strcmp(q->path, "/healthz") == 0)
        return or_unavailable(ask(f, false, "/healthz", text));
    if (q->post || strcmp(q->path, "/") != 0)
        return 404;
    LOCK_SCOPE(&f->page_mu);
    snprintf(text, TIER_ANSWER_BYTES, "%s", f->page);
    return 200;
}

/* The page is as old as one pause at most. */
static void poll_service(struct front *f)
{
    struct pollfd end = { .fd = f->tier->signal_fd, .events = POLLIN };
    do {
        char text[TIER_ANSWER_BYTES];
        bool ok = ask(f, false, "/bookings/last", text) == 200;
        LOCK_SCOPE(&f->page_mu);
        snprintf(f->page, sizeof f->page, "The shop at %s. %s%.180s\n", f->tier->site,
                 ok ? "Last booking: " : "No booking is possible now.", ok ? text : "");
    } while (poll(&end, 1, POLL_MS) <= 0);
}

int tier_front(const struct tier *t, tier_ready_fn *ready, void *arg, struct gw_error *err)
{
    struct front f = { .tier = t, .page_mu = PTHREAD_MUTEX_INITIALIZER };
    struct tier_web *web = NULL;
    int r = 0;
    for (int i = 0; i < FETCHERS; i++) {
        pthread_mutex_init(&f.fetcher[i].mu, NULL);
        if (r == 0)
            r = fetch_new(TIER_TIMEOUT_MS, &f.fetcher[i].fetch, err);
    }
    if (r == 0)
        r = tier_web_start(t, t->port[TIER_FRONT], answer, &f, &web, err);
    if (r == 0) {
        ready(arg);
        poll_service(&f);
    }
    tier_web_stop(web);
    for (int i = 0; i < FETCHERS; i++)
        fetch_free(f.fetcher[i].fetch);
    return r;
}
