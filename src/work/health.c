// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Waiting for health: each thread of a crew has some of the checks (with up to
 * GW_WORK_PARALLEL_MAX checks: one), asks whichever is due first, and writes down what it heard.
 * Whoever finds after its own answer that all are green and settled raises `over`.
 */
#include "work/health.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "work/health_internal.h"
#include "work/parallel.h"
#include "work/stop.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

const char *gw_colour_name(enum gw_colour colour)
{
    static const char *const names[GW_COLOUR_MAX] = {
        [GW_COLOUR_UNKNOWN] = "UNKNOWN",
        [GW_COLOUR_GREEN] = "GREEN",
        [GW_COLOUR_RED] = "RED",
    };
    return names[colour];
}

struct track {           /* of one check */
    unsigned in_a_row;   /* answers of one colour */
    enum gw_colour last; /* the colour of those */
    uint64_t green_ns;   /* since when it has been GREEN */
    uint64_t settled_ns; /* it was seen GREEN long enough at that time; 0: not */
    uint64_t due_ns;     /* to be asked then; its own thread's */
};

struct wait {
    const struct gw_work_check *checks;
    const struct gw_work *w;
    struct gw_health *health;
    struct track *track;
    size_t n, n_threads;
    uint64_t end_ns;
    struct gw_stop *over;
    pthread_mutex_t lock; /* of health and track */
};

/* ---- what an answer changes ------------------------------------------------------------------ */

static uint64_t settle_ns(const struct gw_work_check *c)
{
    return c->settle_ms * GW_NS_PER_MS;
}

static void note(const struct gw_work_check *c, struct track *t, struct gw_check_report *r,
                 const struct probe *p)
{
    const unsigned threshold = c->threshold > 0 ? c->threshold : 1;
    const uint64_t now = gw_boot_ns();
    t->in_a_row = p->answer == t->last ? t->in_a_row + 1 : 1;
    t->last = p->answer;
    r->asked++;
    r->took_ns = p->took_ns;
    r->seen_boot_ns = now;
    snprintf(r->text, sizeof r->text, "%s", p->text);
    if (r->colour != p->answer && t->in_a_row >= threshold) {
        r->colour = p->answer;
        t->green_ns = now;
    }
    bool green = r->colour == GW_COLOUR_GREEN;
    t->settled_ns = green && now - t->green_ns >= settle_ns(c) ? now : 0;
}

static bool all_settled(const struct wait *x)
{
    for (size_t i = 0; i < x->n; i++) {
        if (x->track[i].settled_ns == 0)
            return false;
    }
    return true;
}

/* ---- the crew -------------------------------------------------------------------------------- */

/* Until then, or until it is over: false. */
static bool wait_until(const struct wait *x, uint64_t due_ns)
{
    const uint64_t end = GW_MIN(due_ns, x->end_ns);
    for (;;) {
        uint64_t now = gw_boot_ns();
        uint64_t ms = now < end ? (end - now) / GW_NS_PER_MS + 1 : 0;
        struct pollfd f[2] = { { .fd = gw_stop_fd(x->over), .events = POLLIN },
                               { .fd = x->w->stop_fd, .events = POLLIN } };
        if (poll(f, 2, (int)GW_MIN(ms, 60000ull)) > 0)
            return false;
        if (ms == 0)
            return now < x->end_ns;
    }
}

static size_t first_due(const struct wait *x, size_t thread)
{
    size_t best = thread;
    for (size_t i = thread; i < x->n; i += x->n_threads) {
        if (x->track[i].due_ns < x->track[best].due_ns)
            best = i;
    }
    return best;
}

static void ask(struct wait *x, size_t i)
{
    const struct gw_work_check *c = &x->checks[i];
    struct track *t = &x->track[i];
    struct probe p;
    uint64_t begun = gw_boot_ns();
    health_probe(c, x->w, x->end_ns, &p);
    LOCK_SCOPE(&x->lock);
    bool late = gw_boot_ns() >= x->end_ns && p.answer == GW_COLOUR_UNKNOWN;
    if (gw_stop_wanted(x->w->stop_fd) || gw_stop_wanted(gw_stop_fd(x->over)) || late)
        return; /* it was cut short: no answer */
    note(c, t, &x->health->check[i], &p);
    t->due_ns = begun + (c->interval_ms > 0 ? c->interval_ms : GW_CHECK_INTERVAL_MS) * GW_NS_PER_MS;
    if (x->health->check[i].colour == GW_COLOUR_GREEN && t->settled_ns == 0)
        t->due_ns = GW_MIN(t->due_ns, t->green_ns + settle_ns(c));
    if (all_settled(x))
        gw_stop_set(x->over);
}

static void hand(void *ctx, size_t thread)
{
    struct wait *x = ctx;
    for (;;) {
        size_t i = first_due(x, thread);
        if (!wait_until(x, x->track[i].due_ns))
            return;
        ask(x, i);
    }
}

/* ---- the result ------------------------------------------------------------------------------ */

static int result_new(const struct gw_work_check *checks, size_t n, struct gw_health *ret,
                      struct gw_error *err)
{
    if (n > GW_MEMBERS_MAX)
        return gw_error_set(err, -EINVAL, "more than %u health checks", GW_MEMBERS_MAX);
    struct gw_health h = { .n = n, .check = calloc(n + 1, sizeof *h.check) };
    if (h.check == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        health_name(&checks[i], h.check[i].name, sizeof h.check[i].name);
        snprintf(h.check[i].text, sizeof h.check[i].text, "no answer yet");
    }
    *ret = h;
    return 0;
}

static enum gw_colour worst(const struct gw_health *h)
{
    enum gw_colour colour = GW_COLOUR_GREEN;
    for (size_t i = 0; i < h->n; i++) {
        if (h->check[i].colour == GW_COLOUR_RED)
            return GW_COLOUR_RED;
        if (h->check[i].colour == GW_COLOUR_UNKNOWN)
            colour = GW_COLOUR_UNKNOWN;
    }
    return colour;
}

/* Time was over, and some were green, but not for long enough. */
static void not_settled(struct wait *x)
{
    for (size_t i = 0; i < x->n; i++) {
        struct gw_check_report *r = &x->health->check[i];
        if (r->colour != GW_COLOUR_GREEN || x->track[i].settled_ns != 0)
            continue;
        r->colour = GW_COLOUR_UNKNOWN;
        snprintf(r->text, sizeof r->text, "green for %.3g s, has to be for %.3g s",
                 (double)(r->seen_boot_ns - x->track[i].green_ns) / (double)GW_NS_PER_S,
                 x->checks[i].settle_ms / 1000.0);
    }
}

int gw_health_await(const struct gw_work_check *checks, size_t n, unsigned timeout_ms,
                    const struct gw_work *w, struct gw_health *ret, struct gw_error *err)
{
    const uint64_t begun = gw_boot_ns();
    struct gw_health health = { .n = 0 };
    struct wait x = { .checks = checks, .w = w, .health = &health, .n = n };
    int r = result_new(checks, n, &health, err);
    if (r < 0)
        return r;
    x.n_threads = GW_MIN(n, (size_t)GW_WORK_PARALLEL_MAX);
    x.end_ns = begun + (timeout_ms > 0 ? timeout_ms : GW_HEALTH_TIMEOUT_MS) * GW_NS_PER_MS;
    CLEANUP_FREE struct track *track = calloc(n + 1, sizeof *track);
    x.track = track;
    r = track != NULL ? gw_stop_new(&x.over, err) : gw_error_set(err, -ENOMEM, "out of memory");
    if (r < 0) {
        gw_health_done(&health);
        return r;
    }
    pthread_mutex_init(&x.lock, NULL);
    gw_parallel(x.n_threads, hand, &x);
    health.cancelled = n > 0 && !gw_stop_wanted(gw_stop_fd(x.over)) && gw_stop_wanted(w->stop_fd);
    if (n > 0 && !gw_stop_wanted(gw_stop_fd(x.over)))
        not_settled(&x);
    pthread_mutex_destroy(&x.lock);
    gw_stop_free(x.over);
    health.colour = worst(&health);
    if (health.cancelled && health.colour == GW_COLOUR_GREEN)
        health.colour = GW_COLOUR_UNKNOWN;
    health.took_ns = gw_boot_ns() - begun;
    *ret = health;
    return 0;
}

/* ---- once ------------------------------------------------------------------------------------ */

static void look_one(void *ctx, size_t i)
{
    struct wait *x = ctx;
    struct probe p;
    struct track t = { .last = GW_COLOUR_UNKNOWN };
    struct gw_work_check once = x->checks[i];
    once.threshold = 1;
    health_probe(&once, x->w, x->end_ns, &p);
    note(&once, &t, &x->health->check[i], &p); /* each has its own: no lock */
}

int gw_health_look(const struct gw_work_check *checks, size_t n, const struct gw_work *w,
                   struct gw_health *ret, struct gw_error *err)
{
    const uint64_t begun = gw_boot_ns();
    struct gw_health health = { .n = 0 };
    struct wait x = { .checks = checks, .w = w, .health = &health, .n = n, .end_ns = UINT64_MAX };
    int r = result_new(checks, n, &health, err);
    if (r < 0)
        return r;
    gw_parallel(n, look_one, &x);
    health.colour = worst(&health);
    health.cancelled = gw_stop_wanted(w->stop_fd);
    health.took_ns = gw_boot_ns() - begun;
    *ret = health;
    return 0;
}

void gw_health_done(struct gw_health *h)
{
    free(h->check);
    *h = (struct gw_health){ .n = 0 };
}

void gw_health_text(const struct gw_health *h, char ret[GW_WORK_TEXT_MAX])
{
    snprintf(ret, GW_WORK_TEXT_MAX, "%s", gw_colour_name(h->colour));
    for (size_t i = 0; i < h->n; i++) {
        const struct gw_check_report *c = &h->check[i];
        if (h->colour == GW_COLOUR_GREEN || c->colour != h->colour)
            continue;
        snprintf(ret, GW_WORK_TEXT_MAX, "%.80s is %s: %.150s", c->name, gw_colour_name(c->colour),
                 c->text);
        gw_output_scrub(ret);
        return;
    }
}
