// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/ledger.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "demo/interrupt.h"
#include "demo/ledger_record.h"

#include <errno.h>
#include <libnbd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PERIOD_NS GW_NS_PER_MS       /* a record so often, if the server keeps up */
#define RETRY_NS (2 * GW_NS_PER_MS)  /* between two attempts to connect */
#define LATE_NS (100 * GW_NS_PER_MS) /* so far behind, the lost time is not made up for */
#define LOOK_NS (50 * GW_NS_PER_MS)  /* how often a waiter looks for an interruption */
#define FLUSH_EVERY 64u              /* records */
#define SEARCH_BYTES (256u * 1024)

struct ledger {
    char export[64];
    uint64_t slots;
    pthread_t thread;
    bool running;

    pthread_mutex_t mu;
    pthread_cond_t changed;
    /* Under mu. */
    char site[LEDGER_SITE_MAX], socket[108];
    unsigned target; /* counts calls of ledger_target; 0: none yet */
    bool stop, paused, idle, connected;
    char trouble[256]; /* why the last request failed */
    uint64_t issued, acknowledged;
    struct ledger_entry *entry;
    uint64_t entry_cap;
    unsigned n_stints;
    struct ledger_stint stint[LEDGER_STINTS_MAX];

    /* The thread's own. */
    struct nbd_handle *nbd;
    char here[LEDGER_SITE_MAX];
    unsigned connected_target;
    uint64_t next_slot, unflushed;
};

/* ---- the connection ------------------------------------------------------------------------ */

static void disconnect(struct ledger *l, const char *why)
{
    nbd_close(l->nbd);
    l->nbd = NULL;
    LOCK_SCOPE(&l->mu);
    l->connected = false;
    snprintf(l->trouble, sizeof l->trouble, "%s", why);
    pthread_cond_broadcast(&l->changed);
}

static bool nbd_failed(struct ledger *l)
{
    const char *why = nbd_get_error();
    disconnect(l, why != NULL ? why : "no reason given");
    return false;
}

/* The slot behind the last record. Slots above the ones we have used were never written. */
static bool find_end(struct ledger *l)
{
    CLEANUP_FREE uint8_t *buf = malloc(SEARCH_BYTES);
    uint64_t end = l->next_slot;
    struct ledger_record r;
    if (buf == NULL) {
        disconnect(l, "out of memory");
        return false;
    }
    while (end > 0) {
        uint64_t n = GW_MIN(end, (uint64_t)(SEARCH_BYTES / LEDGER_RECORD_BYTES));
        if (nbd_pread(l->nbd, buf, n * LEDGER_RECORD_BYTES, (end - n) * LEDGER_RECORD_BYTES, 0) < 0)
            return nbd_failed(l);
        for (uint64_t i = n; i > 0; i--) {
            if (ledger_record_decode(buf + (i - 1) * LEDGER_RECORD_BYTES, &r)) {
                l->next_slot = end - n + i;
                return true;
            }
        }
        end -= n;
    }
    l->next_slot = 0;
    return true;
}

static bool connect_target(struct ledger *l)
{
    char socket[sizeof l->socket];
    pthread_mutex_lock(&l->mu);
    memcpy(socket, l->socket, sizeof socket);
    memcpy(l->here, l->site, sizeof l->here);
    unsigned target = l->target;
    pthread_mutex_unlock(&l->mu);
    l->nbd = nbd_create();
    if (l->nbd == NULL)
        return false;
    if (nbd_set_export_name(l->nbd, l->export) < 0 || nbd_connect_unix(l->nbd, socket) < 0)
        return nbd_failed(l);
    if (!find_end(l))
        return false;
    LOCK_SCOPE(&l->mu);
    if (target != l->connected_target && l->n_stints < LEDGER_STINTS_MAX) {
        struct ledger_stint *s = &l->stint[l->n_stints++];
        *s = (struct ledger_stint){ .acknowledged = 0 };
        memcpy(s->site, l->here, sizeof s->site);
    }
    l->connected_target = target;
    l->connected = true;
    return true;
}

/* ---- appending ----------------------------------------------------------------------------- */

/* Take the next number and remember the record before it leaves us. */
static bool issue(struct ledger *l, struct ledger_record *r, uint8_t *buf)
{
    LOCK_SCOPE(&l->mu);
    if (l->issued == l->entry_cap) {
        uint64_t cap = l->entry_cap == 0 ? 65536 : l->entry_cap * 2;
        struct ledger_entry *e = realloc(l->entry, cap * sizeof *e);
        if (e == NULL)
            return false;
        l->entry = e;
        l->entry_cap = cap;
    }
    *r = (struct ledger_record){ .number = l->issued + 1, .wall_ns = gw_wall_ns() };
    memcpy(r->site, l->here, sizeof r->site);
    ledger_record_encode(r, buf);
    l->entry[l->issued++] = (struct ledger_entry){ .sum = r->sum };
    return true;
}

static void acknowledge(struct ledger *l, uint64_t number)
{
    LOCK_SCOPE(&l->mu);
    uint64_t now = gw_boot_ns();
    l->entry[number - 1].acknowledged = true;
    l->acknowledged++;
    if (l->n_stints > 0) {
        struct ledger_stint *s = &l->stint[l->n_stints - 1];
        s->last_ns = now;
        if (s->acknowledged++ == 0)
            s->first_ns = now;
    }
    pthread_cond_broadcast(&l->changed);
}

static void append(struct ledger *l)
{
    uint8_t buf[LEDGER_RECORD_BYTES];
    struct ledger_record r;
    if (l->next_slot >= l->slots) {
        disconnect(l, "the ledger is full");
        return;
    }
    if (!issue(l, &r, buf)) {
        disconnect(l, "out of memory");
        return;
    }
    if (nbd_pwrite(l->nbd, buf, sizeof buf, l->next_slot * LEDGER_RECORD_BYTES, 0) < 0) {
        l->next_slot++; /* it may be there */
        nbd_failed(l);
        return;
    }
    l->next_slot++;
    acknowledge(l, r.number);
    if (++l->unflushed >= FLUSH_EVERY) {
        l->unflushed = 0;
        if (nbd_flush(l->nbd, 0) < 0)
            nbd_failed(l);
    }
}

static void sleep_ns(uint64_t ns)
{
    const struct timespec t = { .tv_sec = (time_t)(ns / GW_NS_PER_S),
                                .tv_nsec = (long)(ns % GW_NS_PER_S) };
    nanosleep(&t, NULL);
}

/* The client's own pace: it is a load, not a benchmark. */
static void pace(uint64_t *next_ns)
{
    uint64_t now = gw_boot_ns();
    if (*next_ns + LATE_NS < now)
        *next_ns = now;
    *next_ns += PERIOD_NS;
    if (*next_ns > now)
        sleep_ns(*next_ns - now);
}

/* As a client that is done does it: nbdkit does not end while one is connected. */
static void leave(struct ledger *l)
{
    if (l->nbd == NULL)
        return;
    if (nbd_flush(l->nbd, 0) < 0 || nbd_shutdown(l->nbd, 0) < 0)
        nbd_failed(l);
    else
        disconnect(l, "");
}

/* False: stop. */
static bool may_go_on(struct ledger *l)
{
    LOCK_SCOPE(&l->mu);
    while (!l->stop && (l->target == 0 || l->paused)) {
        if (!l->idle) {
            pthread_mutex_unlock(&l->mu);
            leave(l);
            pthread_mutex_lock(&l->mu);
        }
        l->idle = true;
        pthread_cond_broadcast(&l->changed);
        pthread_cond_wait(&l->changed, &l->mu);
    }
    l->idle = false;
    return !l->stop;
}

static void *run(void *arg)
{
    struct ledger *l = arg;
    uint64_t next_ns = gw_boot_ns();
    while (may_go_on(l)) {
        if (l->nbd != NULL || connect_target(l)) {
            append(l);
            pace(&next_ns);
        } else {
            sleep_ns(RETRY_NS);
        }
    }
    nbd_close(l->nbd);
    return NULL;
}

/* ---- outside ------------------------------------------------------------------------------- */

int ledger_new(const char *export, uint64_t volume_bytes, struct ledger **ret, struct gw_error *err)
{
    struct ledger *l = calloc(1, sizeof *l);
    if (l == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    snprintf(l->export, sizeof l->export, "%s", export);
    l->slots = volume_bytes / LEDGER_RECORD_BYTES;
    pthread_mutex_init(&l->mu, NULL);
    pthread_cond_init(&l->changed, NULL);
    if (pthread_create(&l->thread, NULL, run, l) != 0) {
        ledger_free(l);
        return gw_error_set(err, -EAGAIN, "cannot start a thread");
    }
    l->running = true;
    *ret = l;
    return 0;
}

void ledger_stop(struct ledger *l)
{
    if (l == NULL)
        return;
    LOCK_SCOPE(&l->mu);
    l->stop = true;
    pthread_cond_broadcast(&l->changed);
}

void ledger_free(struct ledger *l)
{
    if (l == NULL)
        return;
    ledger_stop(l);
    if (l->running)
        pthread_join(l->thread, NULL);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->mu);
    free(l->entry);
    free(l);
}

void ledger_target(struct ledger *l, const char *site, const char *socket)
{
    LOCK_SCOPE(&l->mu);
    snprintf(l->site, sizeof l->site, "%s", site);
    snprintf(l->socket, sizeof l->socket, "%s", socket);
    l->target++;
    pthread_cond_broadcast(&l->changed);
}

/* With mu held: wait for a change, or look whether to give up. */
static int wait_change(struct ledger *l, uint64_t end_ns, const char *what, struct gw_error *err)
{
    if (interrupt_came())
        return interrupt_error(err);
    if (gw_boot_ns() >= end_ns)
        return gw_error_set(err, -ETIMEDOUT, "the ledger did not %s in time (last trouble: %s)",
                            what, l->trouble[0] != '\0' ? l->trouble : "none");
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until); /* a condition variable's clock; a jump costs one look */
    uint64_t ns = (uint64_t)until.tv_nsec + LOOK_NS;
    until.tv_sec += (time_t)(ns / GW_NS_PER_S);
    until.tv_nsec = (long)(ns % GW_NS_PER_S);
    pthread_cond_timedwait(&l->changed, &l->mu, &until);
    return 0;
}

int ledger_wait(struct ledger *l, uint64_t records, unsigned timeout_ms, struct gw_error *err)
{
    uint64_t end = gw_boot_ns() + timeout_ms * GW_NS_PER_MS;
    LOCK_SCOPE(&l->mu);
    while (l->acknowledged < records) {
        int r = wait_change(l, end, "go on", err);
        if (r < 0)
            return r;
    }
    return 0;
}

int ledger_wait_cut_off(struct ledger *l, unsigned timeout_ms, struct gw_error *err)
{
    uint64_t end = gw_boot_ns() + timeout_ms * GW_NS_PER_MS;
    LOCK_SCOPE(&l->mu);
    while (l->connected) {
        int r = wait_change(l, end, "notice that its server is gone", err);
        if (r < 0)
            return r;
    }
    return 0;
}

int ledger_pause(struct ledger *l, unsigned timeout_ms, struct gw_error *err)
{
    uint64_t end = gw_boot_ns() + timeout_ms * GW_NS_PER_MS;
    LOCK_SCOPE(&l->mu);
    l->paused = true;
    pthread_cond_broadcast(&l->changed);
    while (!l->idle) {
        int r = wait_change(l, end, "come to rest", err);
        if (r < 0)
            return r;
    }
    return 0;
}

void ledger_get_status(struct ledger *l, struct ledger_status *ret)
{
    LOCK_SCOPE(&l->mu);
    *ret = (struct ledger_status){ .issued = l->issued,
                                   .acknowledged = l->acknowledged,
                                   .n_stints = l->n_stints };
    memcpy(ret->stint, l->stint, sizeof ret->stint);
}

int ledger_book(struct ledger *l, struct ledger_book *ret, struct gw_error *err)
{
    LOCK_SCOPE(&l->mu);
    struct ledger_entry *e = calloc(l->issued + 1, sizeof *e);
    if (e == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    if (l->issued > 0)
        memcpy(e, l->entry, l->issued * sizeof *e);
    *ret = (struct ledger_book){ .n = l->issued, .entry = e };
    return 0;
}

void ledger_book_done(struct ledger_book *b)
{
    free(b->entry);
    *b = (struct ledger_book){ .n = 0 };
}
