// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The thread of a data port: one epoll over the door and all guests. Edges, because a level would
 * say again and again that the bytes are there which are only peeked at.
 *
 * A guest is LOOKED AT until its server name is known, then PASSED: its process's queue may be full
 * for a moment. Its socket is taken out of the epoll set by name before it is closed: the set holds
 * what the descriptor stands for, which lives on in another process.
 */
#include "unit/dataport.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/server_name.h"
#include "unit/clienthello.h"
#include "unit/dataport_internal.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 64
#define ACCEPT_RETRY_MS 100u /* out of descriptors: not again at once */

struct guest {
    int fd;
    int pass_fd; /* to the plan's process; -1: its name is not known yet */
    uint64_t since_ns;
    bool gone; /* closed; freed at the end of the round */
    char from[GW_ADDRESS_TEXT];
};

struct gw_dataport {
    struct gw_dataport_config cfg;
    char address[GW_ADDRESS_TEXT];
    int listen_fd, epoll_fd, stop_fd;
    pthread_t thread;
    struct gw_probes *probes; /* NULL: none are answered */

    /* Of the thread. */
    struct guest *guest[GW_DATAPORT_GUESTS_MAX];
    unsigned n;
    bool door_open;
    uint64_t accept_from_ns; /* after a failed accept: not before */
    uint64_t lines_since_ns, lines, untold;
    char last_why[160]; /* of the last that was sent away */
    uint64_t same;      /* so often in a row, with none passed on between */
    uint8_t peeked[GW_CLIENTHELLO_BYTES_MAX];

    pthread_mutex_t mu; /* guards stats; innermost */
    struct gw_dataport_stats stats;
};

static uint64_t add_ms(uint64_t ns, unsigned ms)
{
    return ns + ms * GW_NS_PER_MS;
}

static void count(struct gw_dataport *d, uint64_t *what)
{
    LOCK_SCOPE(&d->mu);
    ++*what;
}

/* ---- words ----------------------------------------------------------------------------------- */

static bool may_tell(struct gw_dataport *d, uint64_t now)
{
    if (d->lines == 0 || now >= add_ms(d->lines_since_ns, GW_DATAPORT_LINES_MS)) {
        if (d->untold > 0)
            gw_log(GW_LOG_WARNING, "data port: closed %llu more connections in that time",
                   (unsigned long long)d->untold);
        d->lines_since_ns = now;
        d->lines = d->untold = 0;
    }
    if (d->lines == GW_DATAPORT_LINES_MAX) {
        d->untold++;
        return false;
    }
    d->lines++;
    return true;
}

/* ---- one guest ------------------------------------------------------------------------------- */

/* A source that is sent away comes again each second, for as long as its plan is fenced here: the
 * 1st, 2nd, 4th, 8th, ... of the same word is told. */
static bool is_news(struct gw_dataport *d, const char *why)
{
    if (strncmp(d->last_why, why, sizeof d->last_why - 1) != 0) {
        snprintf(d->last_why, sizeof d->last_why, "%s", why);
        d->same = 0;
    }
    d->same++;
    return (d->same & (d->same - 1)) == 0;
}

/* Our end of it is closed; if it was passed on, it lives with another. */
static void leave(struct gw_dataport *d, struct guest *g)
{
    epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, g->fd, NULL);
    if (g->pass_fd >= 0) {
        epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, g->pass_fd, NULL);
        close(g->pass_fd);
    }
    close(g->fd);
    g->gone = true;
}

/* Closed with a TLS alert, which a source can tell (0: without). What was peeked at is taken first:
 * a close on top of unread bytes would be a reset, and could overtake the alert. */
static void send_away(struct gw_dataport *d, struct guest *g, uint64_t *counted, uint8_t alert,
                      const char *why)
{
    const uint8_t record[] = { 21, 3, 3, 0, 2, 2 /* fatal */, alert };

    count(d, counted);
    char times[48] = "";
    bool news = is_news(d, why);
    if (d->same > 1)
        snprintf(times, sizeof times, " (%llu times in a row)", (unsigned long long)d->same);
    if (news && may_tell(d, gw_boot_ns()))
        gw_log(GW_LOG_WARNING, "data port: closed a connection from %s: %s%s", g->from, why, times);
    while (recv(g->fd, d->peeked, sizeof d->peeked, MSG_DONTWAIT) > 0) {
    }
    if (alert != 0)
        send(g->fd, record, sizeof record, MSG_DONTWAIT | MSG_NOSIGNAL);
    leave(d, g);
}

#define ALERT_INTERNAL_ERROR 80
#define ALERT_UNRECOGNIZED_NAME 112

static void pass_on(struct gw_dataport *d, struct guest *g)
{
    struct gw_error err;
    int r = gw_passed_send(g->pass_fd, g->fd, &err);

    if (r == -EAGAIN)
        return; /* EPOLLOUT says when */
    if (r < 0) {
        send_away(d, g, &d->stats.no_process, ALERT_INTERNAL_ERROR, err.msg);
        return;
    }
    count(d, &d->stats.passed);
    d->same = 0;
    leave(d, g);
}

static void find_process(struct gw_dataport *d, struct guest *g, const struct gw_uuid *plan,
                         const char *name)
{
    char path[GW_PASSED_PATH_MAX] = "", why[GW_CLIENTHELLO_NAME_MAX + 64];
    struct epoll_event event = { .events = EPOLLOUT | EPOLLET, .data.ptr = g };
    struct gw_error err;

    if (d->cfg.route == NULL || d->cfg.route(d->cfg.arg, plan, path) < 0) {
        snprintf(why, sizeof why, "there is no plan here for \"%s\"", name);
        send_away(d, g, &d->stats.unknown_name, ALERT_UNRECOGNIZED_NAME, why);
        return;
    }
    if (gw_passed_connect(path, &g->pass_fd, &err) < 0) {
        send_away(d, g, &d->stats.no_process, ALERT_INTERNAL_ERROR, err.msg);
        return;
    }
    if (epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, g->pass_fd, &event) < 0) {
        send_away(d, g, &d->stats.no_process, ALERT_INTERNAL_ERROR, "out of memory");
        return;
    }
    pass_on(d, g);
}

static void to_probe(struct gw_dataport *d, struct guest *g)
{
    /* Out of the set first: as soon as it is put it may be closed. */
    epoll_ctl(d->epoll_fd, EPOLL_CTL_DEL, g->fd, NULL);
    if (d->probes == NULL || !gw_probes_put(d->probes, g->fd)) {
        send_away(d, g, &d->stats.too_late, ALERT_INTERNAL_ERROR, "too many probes at once");
        return;
    }
    count(d, &d->stats.probes);
    g->gone = true; /* the number of its descriptor may be another one's already */
}

static void named(struct gw_dataport *d, struct guest *g, const char *name)
{
    char why[GW_CLIENTHELLO_NAME_MAX + 64];
    struct gw_uuid plan;

    if (strcmp(name, GW_DATAPORT_PROBE_NAME) == 0) {
        to_probe(d, g);
    } else if (gw_server_name_parse(name, &plan)) {
        find_process(d, g, &plan, name);
    } else {
        snprintf(why, sizeof why, "\"%s\" is not the name of a plan", name);
        send_away(d, g, &d->stats.unknown_name, ALERT_UNRECOGNIZED_NAME, why);
    }
}

static void look_at(struct gw_dataport *d, struct guest *g, bool ended)
{
    char name[GW_CLIENTHELLO_NAME_MAX];
    ssize_t n = recv(g->fd, d->peeked, sizeof d->peeked, MSG_PEEK | MSG_DONTWAIT);

    if (n <= 0) {
        if (n < 0 && errno == EAGAIN && !ended)
            return;
        send_away(d, g, &d->stats.not_tls, 0, "it said nothing");
        return;
    }
    switch (gw_clienthello_decode(d->peeked, (size_t)n, name)) {
    case GW_CLIENTHELLO_MORE:
        if (ended)
            send_away(d, g, &d->stats.not_tls, 0, "it ended inside its first message");
        return;
    case GW_CLIENTHELLO_NAME:
        named(d, g, name);
        return;
    case GW_CLIENTHELLO_NO_NAME:
        send_away(d, g, &d->stats.not_tls, ALERT_UNRECOGNIZED_NAME,
                  "it says no server name, so that nobody knows which plan it means");
        return;
    case GW_CLIENTHELLO_GARBAGE:
        send_away(d, g, &d->stats.not_tls, 0, "it does not speak TLS");
        return;
    }
}

static void attend(struct gw_dataport *d, struct guest *g, uint32_t events)
{
    const bool ended = (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;

    if (g->gone)
        return;
    if (g->pass_fd >= 0)
        pass_on(d, g);
    else
        look_at(d, g, ended);
}

/* ---- the door -------------------------------------------------------------------------------- */

static unsigned hello_ms(const struct gw_dataport *d)
{
    return d->cfg.hello_ms != 0 ? d->cfg.hello_ms : GW_DATAPORT_HELLO_MS;
}

/* Who has to go for a newcomer: the oldest. They stand in the order in which they came. */
static struct guest *who_goes(const struct gw_dataport *d, uint64_t now)
{
    return d->n > 0 && now >= add_ms(d->guest[0]->since_ns, GW_DATAPORT_GRACE_MS) ? d->guest[0]
                                                                                  : NULL;
}

static void sweep(struct gw_dataport *d)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < d->n; i++) {
        if (d->guest[i]->gone)
            free(d->guest[i]);
        else
            d->guest[kept++] = d->guest[i];
    }
    d->n = kept;
    LOCK_SCOPE(&d->mu);
    d->stats.guests = kept;
}

static bool has_room(const struct gw_dataport *d, uint64_t now)
{
    return now >= d->accept_from_ns && (d->n < GW_DATAPORT_GUESTS_MAX || who_goes(d, now) != NULL);
}

static void welcome(struct gw_dataport *d, int fd, const struct gw_address *from, uint64_t now)
{
    struct guest *g = calloc(1, sizeof *g);
    struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP | EPOLLET, .data.ptr = g };

    count(d, &d->stats.accepted);
    if (g == NULL || epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0) {
        free(g);
        close(fd);
        return;
    }
    g->fd = fd;
    g->pass_fd = -1;
    g->since_ns = now;
    gw_address_format(from, g->from);
    if (d->n == GW_DATAPORT_GUESTS_MAX) {
        send_away(d, d->guest[0], &d->stats.too_late, 0, "no server name yet, and others wait");
        sweep(d);
    }
    d->guest[d->n++] = g;
}

static void open_the_door(struct gw_dataport *d)
{
    const uint64_t now = gw_boot_ns();

    while (has_room(d, now)) {
        struct gw_address from = { .len = sizeof from.sa };
        int fd = accept4(d->listen_fd, (struct sockaddr *)&from.sa, &from.len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            welcome(d, fd, &from, now);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno != EAGAIN) {
            if (may_tell(d, now))
                gw_log(GW_LOG_WARNING, "data port: cannot accept: %s", strerrordesc_np(errno));
            d->accept_from_ns = add_ms(now, ACCEPT_RETRY_MS);
        }
        return;
    }
}

/* The door is in the epoll set only while somebody may come in: it is the one with a level. */
static void mind_the_door(struct gw_dataport *d, uint64_t now)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = d };
    const bool open = has_room(d, now);

    if (open == d->door_open)
        return;
    if (epoll_ctl(d->epoll_fd, open ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, d->listen_fd, &event) == 0)
        d->door_open = open;
}

/* ---- the thread ------------------------------------------------------------------------------ */

static int wait_ms(const struct gw_dataport *d, uint64_t now)
{
    uint64_t at = UINT64_MAX;

    if (d->n > 0)
        at = add_ms(d->guest[0]->since_ns, d->door_open ? hello_ms(d) : GW_DATAPORT_GRACE_MS);
    if (now < d->accept_from_ns)
        at = GW_MIN(at, d->accept_from_ns);
    if (at == UINT64_MAX)
        return -1;
    return at <= now ? 1 : (int)((at - now) / GW_NS_PER_MS) + 1;
}

static void send_late_away(struct gw_dataport *d, uint64_t now)
{
    for (unsigned i = 0; i < d->n; i++) {
        struct guest *g = d->guest[i];
        if (now < add_ms(g->since_ns, hello_ms(d)))
            return;
        if (!g->gone)
            send_away(d, g, &d->stats.too_late, 0,
                      g->pass_fd < 0 ? "no server name in time"
                                     : "the plan's process did not take it in time");
    }
}

/* false: stop. */
static bool go_round(struct gw_dataport *d)
{
    struct epoll_event event[EVENTS_MAX];
    bool knocked = false;

    mind_the_door(d, gw_boot_ns());
    int n = epoll_wait(d->epoll_fd, event, EVENTS_MAX, wait_ms(d, gw_boot_ns()));
    for (int i = 0; i < n; i++) {
        if (event[i].data.ptr == NULL)
            return false;
        if (event[i].data.ptr == d)
            knocked = true;
        else
            attend(d, event[i].data.ptr, event[i].events);
    }
    send_late_away(d, gw_boot_ns());
    sweep(d);
    if (knocked)
        open_the_door(d);
    return true;
}

static void *port_main(void *arg)
{
    struct gw_dataport *d = arg;

    while (go_round(d)) {
    }
    for (unsigned i = 0; i < d->n; i++)
        if (!d->guest[i]->gone)
            leave(d, d->guest[i]);
    sweep(d);
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------ */

static void done(struct gw_dataport *d)
{
    gw_probes_free(d->probes);
    if (d->listen_fd >= 0)
        close(d->listen_fd);
    if (d->epoll_fd >= 0)
        close(d->epoll_fd);
    if (d->stop_fd >= 0)
        close(d->stop_fd);
    pthread_mutex_destroy(&d->mu);
    free(d);
}

static int open_port(struct gw_dataport *d, struct gw_error *err)
{
    struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
    int r = gw_listen_port(d->cfg.listen, false, &d->listen_fd, d->address, err);

    if (r < 0)
        return r;
    d->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    d->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (d->epoll_fd < 0 || d->stop_fd < 0 ||
        epoll_ctl(d->epoll_fd, EPOLL_CTL_ADD, d->stop_fd, &event) < 0)
        return gw_error_errno(err, -errno, "cannot watch the data port");
    r = d->cfg.probe != NULL ? gw_probes_new(d->cfg.probe, d->cfg.arg, &d->probes, err) : 0;
    if (r < 0)
        return r;
    r = pthread_create(&d->thread, NULL, port_main, d);
    return r == 0 ? 0 : gw_error_errno(err, -r, "no thread for the data port");
}

int gw_dataport_start(const struct gw_dataport_config *config, struct gw_dataport **ret,
                      struct gw_error *err)
{
    struct gw_dataport *d = calloc(1, sizeof *d);

    if (d == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory for the data port");
    d->cfg = *config;
    d->listen_fd = d->epoll_fd = d->stop_fd = -1;
    pthread_mutex_init(&d->mu, NULL);
    int r = open_port(d, err);
    if (r < 0) {
        gw_error_wrap(err, "data port");
        done(d);
        return r;
    }
    d->cfg.listen = NULL; /* the caller's */
    *ret = d;
    return 0;
}

const char *gw_dataport_address(const struct gw_dataport *d)
{
    return d->address;
}

void gw_dataport_stats(struct gw_dataport *d, struct gw_dataport_stats *ret)
{
    LOCK_SCOPE(&d->mu);
    *ret = d->stats;
}

void gw_dataport_stop(struct gw_dataport *d)
{
    const uint64_t one = 1;

    if (d == NULL)
        return;
    ssize_t n = write(d->stop_fd, &one, sizeof one);
    (void)n;
    pthread_join(d->thread, NULL);
    done(d);
}
