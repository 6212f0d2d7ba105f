// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/customers.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "demo/fetch.h"
#include "demo/interrupt.h"
#include "demo/tier.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TIMEOUT_MS 5000u
#define ROUTED_NS (2 * GW_NS_PER_MS)    /* a booking so often, if the shop keeps up */
#define STUBBORN_NS (25 * GW_NS_PER_MS) /* a try so often */
#define LOOK_MS 50                      /* how often a waiter looks for an interruption */
#define URL_BYTES 160
#define ANSWER_BYTES 512

struct customer {
    struct customers *all;
    const char *site; /* NULL: where the route leads */
    struct fetch *fetch;
    pthread_t thread;
    bool running;
};

struct booking {
    struct ledger_entry entry;
    uint64_t acknowledged_ns;
};

struct customers {
    const char *dir;
    unsigned port;
    struct customer customer[CUSTOMERS];

    pthread_mutex_t mu;
    pthread_cond_t changed;
    /* Under mu. */
    bool stop;
    uint64_t cap;
    struct booking *booking; /* booking[i] is number i + 1 */
    struct customers_status st;
};

/* ---- a booking ----------------------------------------------------------------------------- */

/* The next number, remembered before it leaves us. The record is known by then: its site too, for
 * we know whom we ask. */
static bool issue(struct customers *c, const char *site, struct ledger_record *r)
{
    uint8_t buf[LEDGER_RECORD_BYTES];
    LOCK_SCOPE(&c->mu);
    if (c->st.issued == c->cap) {
        uint64_t cap = c->cap == 0 ? 16384 : c->cap * 2;
        struct booking *b = realloc(c->booking, cap * sizeof *b);
        if (b == NULL)
            return false;
        c->booking = b;
        c->cap = cap;
    }
    *r = (struct ledger_record){ .number = c->st.issued + 1, .wall_ns = gw_wall_ns() };
    snprintf(r->site, sizeof r->site, "%s", site);
    ledger_record_encode(r, buf);
    c->booking[c->st.issued++] = (struct booking){ .entry = { .sum = r->sum } };
    return true;
}

/* A time in which only this site acknowledges; a new one begins when another had the last word. */
static struct customers_stint *stint_of(struct customers *c, const char *site, uint64_t now)
{
    unsigned n = c->st.n_stints;
    if (n > 0 && strcmp(c->st.stint[n - 1].site, site) == 0)
        return &c->st.stint[n - 1];
    if (n == CUSTOMERS_STINTS_MAX) /* wrong beyond doubt; no more need be known of it */
        return &c->st.stint[n - 1];
    struct customers_stint *s = &c->st.stint[c->st.n_stints++];
    *s = (struct customers_stint){ .first_ns = now };
    snprintf(s->site, sizeof s->site, "%s", site);
    return s;
}

static void acknowledge(struct customers *c, const struct ledger_record *r, bool routed)
{
    LOCK_SCOPE(&c->mu);
    uint64_t now = gw_boot_ns();
    struct booking *b = &c->booking[r->number - 1];
    struct customers_stint *s = stint_of(c, r->site, now);
    b->entry.acknowledged = true;
    b->acknowledged_ns = now;
    c->st.acknowledged++;
    s->acknowledged++;
    s->last_ns = now;
    if (routed) {
        s->routed_last_ns = now;
        if (s->routed_first_ns == 0)
            s->routed_first_ns = now;
    }
    pthread_cond_broadcast(&c->changed);
}

/* Is it the answer to this booking, and from that site? */
static bool is_answer(const char *text, const struct ledger_record *r)
{
    json_auto_t *o = json_loads(text, 0, NULL);
    const char *site = json_string_value(json_object_get(o, "site"));
    const char *sum = json_string_value(json_object_get(o, "sum"));
    return site != NULL && sum != NULL && strcmp(site, r->site) == 0 &&
           strtoull(sum, NULL, 10) == r->sum &&
           json_integer_value(json_object_get(o, "number")) == (json_int_t)r->number;
}

/* True: acknowledged. */
static bool book(struct customer *u, const char *site)
{
    struct customers *c = u->all;
    struct ledger_record r;
    char url[URL_BYTES], text[ANSWER_BYTES];
    if (!issue(c, site, &r))
        return false;
    snprintf(url, sizeof url, "http://%s:%u/book?number=%" PRIu64 "&wall_ns=%" PRIu64,
             tier_site_address(site), c->port, r.number, r.wall_ns);
    if (fetch_url(u->fetch, true, url, text, sizeof text) != 201)
        return false;
    if (!is_answer(text, &r)) {
        LOCK_SCOPE(&c->mu);
        c->st.wrong++;
        return false;
    }
    acknowledge(c, &r, u->site == NULL);
    return true;
}

/* ---- a customer ---------------------------------------------------------------------------- */

static bool may_go_on(struct customers *c)
{
    LOCK_SCOPE(&c->mu);
    return !c->stop;
}

static void sleep_until(uint64_t *next_ns, uint64_t period_ns)
{
    uint64_t now = gw_boot_ns();
    *next_ns = GW_MAX(*next_ns + period_ns, now); /* lost time is not made up for */
    if (*next_ns == now)
        return;
    const uint64_t ns = *next_ns - now;
    nanosleep(&(struct timespec){ .tv_sec = (time_t)(ns / GW_NS_PER_S),
                                  .tv_nsec = (long)(ns % GW_NS_PER_S) },
              NULL);
}

static void *run(void *arg)
{
    struct customer *u = arg;
    uint64_t next_ns = gw_boot_ns();
    while (may_go_on(u->all)) {
        char site[TIER_SITE_MAX];
        if (u->site != NULL)
            book(u, u->site);
        else if (tier_route(u->all->dir, site))
            book(u, site);
        sleep_until(&next_ns, u->site == NULL ? ROUTED_NS : STUBBORN_NS);
    }
    return NULL;
}

int customers_new(const char *dir, unsigned port, struct customers **ret, struct gw_error *err)
{
    static const char *const sites[CUSTOMERS] = { NULL, TIER_HOME, TIER_DR };
    struct customers *c = calloc(1, sizeof *c);
    if (c == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    c->dir = dir;
    c->port = port;
    pthread_mutex_init(&c->mu, NULL);
    pthread_cond_init(&c->changed, NULL);
    int r = 0;
    for (int i = 0; r == 0 && i < CUSTOMERS; i++) {
        struct customer *u = &c->customer[i];
        u->all = c;
        u->site = sites[i];
        r = fetch_new(TIMEOUT_MS, &u->fetch, err);
        if (r == 0 && pthread_create(&u->thread, NULL, run, u) != 0)
            r = gw_error_set(err, -EAGAIN, "cannot start a thread");
        u->running = r == 0;
    }
    if (r < 0) {
        customers_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

void customers_stop(struct customers *c)
{
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->mu);
    c->stop = true;
    pthread_mutex_unlock(&c->mu);
    for (int i = 0; i < CUSTOMERS; i++) {
        if (c->customer[i].running)
            pthread_join(c->customer[i].thread, NULL);
        c->customer[i].running = false;
    }
}

void customers_free(struct customers *c)
{
    if (c == NULL)
        return;
    customers_stop(c);
    for (int i = 0; i < CUSTOMERS; i++)
        fetch_free(c->customer[i].fetch);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->mu);
    free(c->booking);
    free(c);
}

/* ---- what they know ------------------------------------------------------------------------ */

void customers_get_status(struct customers *c, struct customers_status *ret)
{
    LOCK_SCOPE(&c->mu);
    *ret = c->st;
}

int customers_wait(struct customers *c, uint64_t bookings, unsigned timeout_ms,
                   struct gw_error *err)
{
    uint64_t end = gw_boot_ns() + timeout_ms * GW_NS_PER_MS;
    LOCK_SCOPE(&c->mu);
    while (c->st.acknowledged < bookings) {
        if (interrupt_came())
            return interrupt_error(err);
        if (gw_boot_ns() >= end)
            return gw_error_set(err, -ETIMEDOUT, "no site acknowledged a booking in time");
        struct timespec until;
        clock_gettime(CLOCK_REALTIME, &until); /* the condition's clock; a jump costs one look */
        uint64_t ns = (uint64_t)until.tv_nsec + LOOK_MS * GW_NS_PER_MS;
        until.tv_sec += (time_t)(ns / GW_NS_PER_S);
        until.tv_nsec = (long)(ns % GW_NS_PER_S);
        pthread_cond_timedwait(&c->changed, &c->mu, &until);
    }
    return 0;
}

int customers_book(struct customers *c, struct ledger_book *ret, struct gw_error *err)
{
    LOCK_SCOPE(&c->mu);
    struct ledger_entry *e = calloc(c->st.issued + 1, sizeof *e);
    if (e == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    for (uint64_t i = 0; i < c->st.issued; i++)
        e[i] = c->booking[i].entry;
    *ret = (struct ledger_book){ .n = c->st.issued, .entry = e };
    return 0;
}

uint64_t customers_acknowledged_ns(struct customers *c, uint64_t i)
{
    LOCK_SCOPE(&c->mu);
    return i < c->st.issued ? c->booking[i].acknowledged_ns : 0;
}
