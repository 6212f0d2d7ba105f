// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Connections and listeners as the engine sees them: engine/transport.h over the simulated link. */
#include "engine/tls.h"
#include "simnet.h"
#include "simnet_internal.h"

#include "fibers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_BYTES (256u * 1024u)
#define SEGMENT_MAX (64u * 1024u)

int gw_tls_load(const struct gw_tls_files *files, struct gw_tls **ret, struct gw_error *err)
{
    (void)files;
    (void)ret;
    return gw_error_set(err, -ENOSYS, "no TLS in the simulator");
}

void gw_tls_free(struct gw_tls *t)
{
    (void)t;
}

struct gw_tls *gw_tls_ref(struct gw_tls *t)
{
    return t;
}

static int site_of(const char *address)
{
    return address[4] - '0'; /* "siteN:1" */
}

static uint64_t idle_until(const struct gw_conn *c)
{
    return c->idle_ms ? sched_now() + c->idle_ms * SIM_NS_PER_MS : SIM_FOR_EVER;
}

/* ---- connecting ------------------------------------------------------------------------------ */

static struct gw_listener *listener_at(const char *address)
{
    struct gw_listener *l = simnet.listeners;
    while (l && strcmp(l->address, address) != 0)
        l = l->next;
    return l;
}

static struct gw_conn *conn_new(struct pair *p, int end)
{
    struct gw_conn *c = simnet_must(calloc(1, sizeof *c));
    c->pair = p;
    c->end = end;
    snprintf(c->peer, sizeof c->peer, "site%d", p->site[!end]);
    p->owner[end] = proc_current();
    return c;
}

static struct pair *pair_new(int from, int to)
{
    struct pair *p = simnet_must(calloc(1, sizeof *p));
    p->site[0] = from;
    p->site[1] = to;
    p->reset_after = simnet.reset_after;
    simnet.reset_after = 0;
    p->next = simnet.pairs;
    simnet.pairs = p;
    return p;
}

/* A round trip; false: cancelled or too late. */
static bool round_trip(int from, int to, uint64_t deadline, int cancel_fd)
{
    uint64_t done = sched_now() + 2 * simnet.delay_ns;
    for (;;) {
        if (cancel_fd >= 0 && simnet_event_is_set(cancel_fd))
            return false;
        bool up = simnet.up[from] && simnet.up[to];
        if (up && sched_now() >= done)
            return true;
        if (sched_now() >= deadline)
            return false;
        waitq_wait(&simnet.doors, up && done < deadline ? done : deadline);
    }
}

int gw_conn_connect(const char *address, struct gw_tls *tls, const char *server_name,
                    unsigned timeout_ms, int cancel_fd, struct gw_conn **ret, struct gw_error *err)
{
    (void)tls;
    (void)server_name;
    int from = proc_site(proc_current()), to = site_of(address);
    uint64_t deadline = sched_now() + timeout_ms * SIM_NS_PER_MS;
    if (!round_trip(from, to, deadline, cancel_fd)) {
        if (cancel_fd >= 0 && simnet_event_is_set(cancel_fd))
            return gw_error_set(err, -ECONNABORTED, "gave up");
        return gw_error_set(err, -ETIMEDOUT, "cannot connect to %s: timed out", address);
    }
    struct gw_listener *l = listener_at(address);
    if (!l || l->n_waiting == SIMNET_BACKLOG_MAX)
        return gw_error_set(err, -ECONNREFUSED, "cannot connect to %s: refused", address);
    struct pair *p = pair_new(from, to);
    l->waiting[l->n_waiting++] = p;
    *ret = conn_new(p, 0);
    waitq_wake_all(&simnet.doors);
    sched_point();
    return 0;
}

int gw_listener_open(const char *address, struct gw_tls *tls, struct gw_listener **ret,
                     struct gw_error *err)
{
    (void)tls;
    if (listener_at(address))
        return gw_error_set(err, -EADDRINUSE, "cannot listen on %s: in use", address);
    struct gw_listener *l = simnet_must(calloc(1, sizeof *l));
    snprintf(l->address, sizeof l->address, "%s", address);
    l->owner = proc_current();
    l->next = simnet.listeners;
    simnet.listeners = l;
    *ret = l;
    return 0;
}

const char *gw_listener_address(const struct gw_listener *l)
{
    return l->address;
}

int gw_listener_accept(struct gw_listener *l, unsigned timeout_ms, int cancel_fd,
                       struct gw_conn **ret, struct gw_error *err)
{
    (void)timeout_ms;
    for (;;) {
        if (cancel_fd >= 0 && simnet_event_is_set(cancel_fd))
            return gw_error_set(err, -ECONNABORTED, "gave up");
        if (l->n_waiting > 0)
            break;
        waitq_wait(&simnet.doors, SIM_FOR_EVER);
    }
    struct pair *p = l->waiting[0];
    memmove(l->waiting, l->waiting + 1, --l->n_waiting * sizeof l->waiting[0]);
    *ret = conn_new(p, 1);
    sched_point();
    return 0;
}

void gw_listener_close(struct gw_listener *l)
{
    if (!l)
        return;
    for (struct gw_listener **at = &simnet.listeners; *at; at = &(*at)->next) {
        if (*at == l) {
            *at = l->next;
            break;
        }
    }
    for (unsigned i = 0; i < l->n_waiting; i++)
        simnet_pair_reset(l->waiting[i]);
    free(l);
}

/* ---- bytes ----------------------------------------------------------------------------------- */

const char *gw_conn_peer(const struct gw_conn *c)
{
    return c->peer;
}

void gw_conn_idle_timeout(struct gw_conn *c, unsigned ms)
{
    c->idle_ms = ms;
}

static void damage(uint8_t *bytes, size_t len)
{
    if (!simnet.flip_armed)
        return;
    if (simnet.flip_in >= len) {
        simnet.flip_in -= len;
        return;
    }
    bytes[simnet.flip_in] ^= (uint8_t)(1u << sim_chance_below(8));
    simnet.flip_armed = false;
    simnet.flipped++;
    sim_trace("a bit on the wire is flipped");
}

static void remember_caller(const struct pair *p, int end, const uint8_t *bytes, size_t len)
{
    if (end != 0)
        return;
    size_t *n = &simnet.n_heard[p->site[1]];
    if (p->dir[0].last_arrival_ns == 0)
        *n = 0;
    size_t take = len < SIMNET_HEARD_MAX - *n ? len : SIMNET_HEARD_MAX - *n;
    memcpy(simnet.heard[p->site[1]] + *n, bytes, take);
    *n += take;
}

static void put_segment(struct pair *p, int end, const uint8_t *bytes, size_t len)
{
    struct dir *d = &p->dir[end];
    remember_caller(p, end, bytes, len);
    struct segment *g = simnet_must(malloc(sizeof *g + len));
    *g = (struct segment){ .len = len };
    memcpy(g->bytes, bytes, len);
    damage(g->bytes, len);
    uint64_t at = sched_now() + simnet.delay_ns + sim_chance_below(1 + simnet.delay_ns / 4);
    if (at < d->last_arrival_ns)
        at = d->last_arrival_ns;
    if (simnet.rate > 0)
        at += len * SIM_NS_PER_S / simnet.rate;
    g->arrives_ns = d->last_arrival_ns = at;
    *(d->tail ? &d->tail->next : &d->head) = g;
    d->tail = g;
    d->buffered += len;
    waitq_wake_all(&d->readers);
}

/* Why this end cannot go on: 0, or the error. */
static int void_of(struct gw_conn *c, struct gw_error *err)
{
    struct pair *p = c->pair;
    if (c->shut)
        return gw_error_set(err, -ECONNABORTED, "the connection was shut down");
    if (p->reset[c->end])
        return gw_error_set(err, -ECONNRESET, "the connection was reset");
    return 0;
}

static int send_some(struct gw_conn *c, const uint8_t *bytes, size_t *len, struct gw_error *err)
{
    struct pair *p = c->pair;
    struct dir *d = &p->dir[c->end];
    uint64_t until = idle_until(c);
    for (;;) {
        int r = void_of(c, err);
        if (r < 0)
            return r;
        if (p->gone[!c->end]) { /* the first bytes to a dead end bring a reset back */
            p->reset[c->end] = true;
            continue;
        }
        if (d->buffered < BUFFER_BYTES)
            break;
        if (!waitq_wait(&d->writers, until))
            return gw_error_set(err, -ETIMEDOUT, "no progress in sending for %u ms", c->idle_ms);
    }
    size_t n = *len < SEGMENT_MAX ? *len : SEGMENT_MAX;
    if (n > 1 && sim_chance_one_in(8))
        n = 1 + sim_chance_below(n - 1); /* it may be cut after any byte */
    if (p->reset_after > 0 && p->reset_after <= n) {
        n = p->reset_after;
        put_segment(p, c->end, bytes, n);
        sim_trace("the connection is lost at a byte");
        simnet_pair_reset(p);
        return void_of(c, err);
    }
    p->reset_after -= p->reset_after > 0 ? n : 0;
    put_segment(p, c->end, bytes, n);
    *len = n;
    return 0;
}

int gw_conn_send(struct gw_conn *c, const struct iovec *iov, int n, struct gw_error *err)
{
    sched_point();
    if (c->send_failed)
        return gw_error_set(err, -EPIPE, "sending has failed before");
    for (int i = 0; i < n; i++) {
        const uint8_t *from = iov[i].iov_base;
        for (size_t done = 0, len; done < iov[i].iov_len; done += len) {
            len = iov[i].iov_len - done;
            int r = send_some(c, from + done, &len, err);
            if (r < 0) {
                c->send_failed = true;
                return r;
            }
            sched_point();
        }
    }
    return 0;
}

/* Waits until something can be taken; the segment, or NULL with *ret_code. */
static struct segment *await_segment(struct gw_conn *c, int *ret_code, struct gw_error *err)
{
    struct pair *p = c->pair;
    struct dir *d = &p->dir[!c->end];
    uint64_t until = idle_until(c);
    for (;;) {
        *ret_code = void_of(c, err);
        if (*ret_code < 0)
            return NULL;
        bool up = simnet.up[p->site[!c->end]];
        struct segment *g = d->head;
        if (up && g && sched_now() >= g->arrives_ns)
            return g;
        if (up && !g && d->ended) {
            *ret_code = gw_error_set(err, -ECONNRESET, "the peer closed the connection");
            return NULL;
        }
        uint64_t next = up && g && g->arrives_ns < until ? g->arrives_ns : until;
        if (!waitq_wait(&d->readers, next) && sched_now() >= until) {
            *ret_code = gw_error_set(err, -ETIMEDOUT, "nothing came for %u ms", c->idle_ms);
            return NULL;
        }
    }
}

int gw_conn_recv(struct gw_conn *c, void *buf, size_t len, struct gw_error *err)
{
    sched_point();
    if (c->recv_failed)
        return gw_error_set(err, -EPIPE, "receiving has failed before");
    struct dir *d = &c->pair->dir[!c->end];
    for (size_t done = 0; done < len;) {
        int r = 0;
        struct segment *g = await_segment(c, &r, err);
        if (!g) {
            c->recv_failed = r != -ETIMEDOUT || done > 0;
            return r;
        }
        size_t n = g->len - g->used < len - done ? g->len - g->used : len - done;
        memcpy((uint8_t *)buf + done, g->bytes + g->used, n);
        g->used += n;
        done += n;
        d->buffered -= n;
        waitq_wake_all(&d->writers);
        if (g->used == g->len) {
            d->head = g->next;
            if (!d->head)
                d->tail = NULL;
            free(g);
        }
    }
    return 0;
}

void gw_conn_shutdown(struct gw_conn *c)
{
    if (c->shut)
        return;
    c->shut = true;
    c->pair->dir[c->end].ended = true;
    for (int i = 0; i < 2; i++) {
        waitq_wake_all(&c->pair->dir[i].readers);
        waitq_wake_all(&c->pair->dir[i].writers);
    }
    sched_point();
}

void gw_conn_close(struct gw_conn *c)
{
    if (!c)
        return;
    struct pair *p = c->pair;
    gw_conn_shutdown(c);
    p->gone[c->end] = true;
    p->owner[c->end] = NULL;
    /* Unread bytes at a close: the kernel answers with a reset, and what was sent may be lost. */
    if (p->dir[!c->end].head && sim_chance_one_in(2))
        p->reset[!c->end] = true;
    waitq_wake_all(&p->dir[c->end].readers);
    waitq_wake_all(&p->dir[!c->end].writers);
    free(c);
}

/* ---- strangers ------------------------------------------------------------------------------- */

struct stranger {
    int site;
    uint32_t len;
    uint8_t bytes[SIMNET_HEARD_MAX];
};

static void *stranger_main(void *arg)
{
    struct stranger *s = arg;
    char address[32];
    snprintf(address, sizeof address, "site%d:1", s->site);
    struct gw_listener *l = listener_at(address);
    if (!l || l->n_waiting == SIMNET_BACKLOG_MAX || !simnet.up[0] || !simnet.up[1])
        return NULL;
    struct pair *p = pair_new(!s->site, s->site);
    l->waiting[l->n_waiting++] = p;
    waitq_wake_all(&simnet.doors);
    if (s->len > 0)
        put_segment(p, 0, s->bytes, s->len);
    sched_sleep(sim_chance_below(3000) * SIM_NS_PER_MS);
    p->dir[0].ended = true;
    p->gone[0] = true;
    waitq_wake_all(&p->dir[0].readers);
    waitq_wake_all(&p->dir[1].writers);
    free(s);
    return NULL;
}

void simnet_stranger(int site, const void *bytes, uint32_t len)
{
    struct stranger *s = simnet_must(calloc(1, sizeof *s));
    s->site = site;
    s->len = bytes ? len : (uint32_t)simnet.n_heard[site];
    if (s->len > sizeof s->bytes)
        s->len = sizeof s->bytes;
    if (s->len > 0)
        memcpy(s->bytes, bytes ? bytes : simnet.heard[site], s->len);
    sim_trace("a stranger calls site%d with %u bytes", site, s->len);
    fiber_new(NULL, "stranger", stranger_main, s);
}
