// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/greeter.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/frame_io.h"
#include "engine/limits.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>

#define ACCEPT_RETRY_MS 100u /* out of descriptors: not again at once */
#define REFUSED_LINES_MAX 20u
#define REFUSED_LINES_MS 10000u

enum stage { /* how far a guest came */
             SILENT,
             TALKING, /* in the middle of TLS */
             SHAKEN,  /* TLS, if it is asked for, is done: the hello is read */
};

struct guest {
    struct gw_conn *conn;
    uint64_t number, since_ns;
    enum stage stage;
    short events; /* what it waits for */
    size_t have;  /* bytes of its first frame */
    uint8_t head[GW_FRAME_HEADER_BYTES];
    struct gw_frame frame; /* valid with the whole head */
    uint8_t hello[GW_HELLO_BYTES_MAX];
};

struct party {
    const struct gw_greeter *g;
    unsigned n;
    struct guest *guest[GW_GREETING_GUESTS_MAX];
    uint64_t number;
    uint64_t accept_from_ns; /* after a failed accept: not before */
    uint64_t lines_since_ns, lines, untold;
    struct gw_hello hello;
};

static uint64_t add_ms(uint64_t ns, unsigned ms)
{
    return ns + ms * GW_NS_PER_MS;
}

/* ---- words ----------------------------------------------------------------------------------- */

/* A rush of strangers must not fill the disk with lines. */
static bool may_tell(struct party *p, uint64_t now)
{
    if (p->lines == 0 || now >= add_ms(p->lines_since_ns, REFUSED_LINES_MS)) {
        if (p->untold > 0)
            gw_log(GW_LOG_WARNING, "refused %llu more connections in that time",
                   (unsigned long long)p->untold);
        p->lines_since_ns = now;
        p->lines = p->untold = 0;
    }
    if (p->lines == REFUSED_LINES_MAX) {
        p->untold++;
        return false;
    }
    p->lines++;
    return true;
}

static void refuse(struct party *p, const char *from, const struct gw_error *err)
{
    if (may_tell(p, gw_boot_ns()))
        gw_log(GW_LOG_WARNING, "refused a connection%s%s: %s", from[0] != '\0' ? " from " : "",
               from, err->msg);
    if (p->g->refused != NULL)
        p->g->refused(p->g->arg);
}

/* ---- one guest ------------------------------------------------------------------------------- */

static struct guest *take_out(struct party *p, unsigned i)
{
    struct guest *guest = p->guest[i];
    p->guest[i] = p->guest[--p->n];
    return guest;
}

static void send_away(struct party *p, unsigned i, const struct gw_error *err)
{
    struct guest *guest = take_out(p, i);
    struct gw_error ignored;
    refuse(p, gw_conn_peer(guest->conn), err);
    /* Nothing was sent but the handshake: the kernel takes it without waiting. */
    if (guest->stage == SHAKEN && (err->code == -EPERM || err->code == -EPROTO))
        gw_frame_send_goodbye(guest->conn, GW_GOODBYE_REFUSED, err->msg, &ignored);
    gw_conn_close(guest->conn);
    free(guest);
}

/* What has come of the first frame: 0 when it is whole, -EAGAIN. */
static int gather(struct guest *guest, struct gw_error *err)
{
    const size_t head = sizeof guest->head;
    for (;;) {
        bool in_head = guest->have < head;
        size_t done = in_head ? guest->have : guest->have - head;
        size_t all = in_head ? head : guest->frame.bytes;
        if (done == all)
            return gw_frame_check_payload(&guest->frame, guest->hello, err);
        uint8_t *to = in_head ? guest->head : guest->hello;
        ssize_t n = gw_conn_recv_some(guest->conn, to + done, all - done, err);
        if (n < 0)
            return (int)n;
        guest->have += (size_t)n;
        int r = guest->have == head
                    ? gw_frame_check_head(guest->head, sizeof guest->hello, &guest->frame, err)
                    : 0;
        if (r < 0)
            return r;
    }
}

/* As far as it goes without waiting. */
static void attend(struct party *p, unsigned i)
{
    struct guest *guest = p->guest[i];
    struct gw_error err = { .code = 0 };
    int r = 0;
    if (guest->stage != SHAKEN) {
        guest->stage = TALKING;
        r = gw_listener_shake(p->g->listener, guest->conn, &guest->events, &err);
        if (r == 0) {
            guest->stage = SHAKEN;
            guest->events = POLLIN;
        }
    }
    if (r == 0)
        r = gather(guest, &err);
    if (r == -EAGAIN)
        return;
    if (r == 0)
        r = gw_hello_of_plan(&guest->frame, guest->hello, &p->g->plan, &p->hello, &err);
    if (r < 0) {
        send_away(p, i, &err);
        return;
    }
    take_out(p, i);
    p->g->greeted(p->g->arg, guest->conn, &p->hello, guest->number);
    free(guest);
}

/* ---- all of them ----------------------------------------------------------------------------- */

static const char *what_is_missing(const struct guest *guest)
{
    switch (guest->stage) {
    case SILENT:
        return "it said nothing";
    case TALKING:
        return "no TLS handshake";
    case SHAKEN:
        break;
    }
    return "no whole hello";
}

static void send_late_away(struct party *p, unsigned i, const char *why)
{
    const struct guest *guest = p->guest[i];
    uint64_t ms = (gw_boot_ns() - guest->since_ns) / GW_NS_PER_MS;
    struct gw_error err;
    gw_error_set(&err, -ETIMEDOUT, "%s for %llu ms%s", what_is_missing(guest),
                 (unsigned long long)ms, why);
    send_away(p, i, &err);
}

/* G2: who has to go for a newcomer; n: nobody may be sent away yet. */
static unsigned who_goes(const struct party *p, uint64_t now)
{
    unsigned least = p->n;
    for (unsigned i = 0; i < p->n; i++) {
        const struct guest *a = p->guest[i], *b = least < p->n ? p->guest[least] : NULL;
        if (now < add_ms(a->since_ns, GW_GREETING_GRACE_MS))
            continue;
        if (b == NULL || a->stage < b->stage || (a->stage == b->stage && a->number < b->number))
            least = i;
    }
    return least;
}

static bool has_room(const struct party *p, uint64_t now)
{
    return now >= p->accept_from_ns && (p->n < GW_GREETING_GUESTS_MAX || who_goes(p, now) < p->n);
}

static void welcome(struct party *p, struct gw_conn *conn, uint64_t now)
{
    if (p->n == GW_GREETING_GUESTS_MAX)
        send_late_away(p, who_goes(p, now), ", and others wait");
    struct guest *guest = calloc(1, sizeof *guest);
    if (guest == NULL) {
        refuse(p, gw_conn_peer(conn), &(struct gw_error){ .code = -ENOMEM, "out of memory" });
        gw_conn_close(conn);
        return;
    }
    gw_conn_idle_timeout(conn, GW_GREETING_MS);
    guest->conn = conn;
    guest->number = ++p->number;
    guest->since_ns = now;
    guest->events = POLLIN;
    p->guest[p->n++] = guest;
}

static void open_the_door(struct party *p)
{
    uint64_t now = gw_boot_ns();
    while (has_room(p, now)) {
        struct gw_conn *conn = NULL;
        struct gw_error err = { .code = 0 };
        int r = gw_listener_take(p->g->listener, &conn, &err);
        if (r == -EAGAIN)
            return;
        if (r == -EPROTO || r == -EPERM) { /* of what was passed on to us; the door is fine */
            refuse(p, "", &err);
            return;
        }
        if (r < 0) {
            refuse(p, "", &err);
            p->accept_from_ns = add_ms(now, ACCEPT_RETRY_MS);
            return;
        }
        welcome(p, conn, now);
    }
}

/* When something is due although nobody says anything: a guest's end (G1), room for another (G3).
 */
static int wait_ms(const struct party *p, uint64_t now, bool door_open)
{
    uint64_t at = UINT64_MAX;
    for (unsigned i = 0; i < p->n; i++) {
        at = GW_MIN(at, add_ms(p->guest[i]->since_ns, GW_GREETING_MS));
        if (!door_open)
            at = GW_MIN(at, add_ms(p->guest[i]->since_ns, GW_GREETING_GRACE_MS));
    }
    if (now < p->accept_from_ns)
        at = GW_MIN(at, p->accept_from_ns);
    if (at == UINT64_MAX)
        return -1;
    return at <= now ? 1 : (int)((at - now) / GW_NS_PER_MS) + 1;
}

/* false: stop. */
static bool go_round(struct party *p)
{
    struct pollfd fds[GW_GREETING_GUESTS_MAX + 2];
    uint64_t now = gw_boot_ns();
    bool door_open = has_room(p, now);
    const unsigned n = p->n;
    fds[0] = (struct pollfd){ .fd = p->g->stop_fd, .events = POLLIN };
    fds[1] =
        (struct pollfd){ .fd = door_open ? gw_listener_fd(p->g->listener) : -1, .events = POLLIN };
    for (unsigned i = 0; i < n; i++)
        fds[i + 2] =
            (struct pollfd){ .fd = gw_conn_fd(p->guest[i]->conn), .events = p->guest[i]->events };
    if (poll(fds, n + 2, wait_ms(p, now, door_open)) < 0)
        return true; /* a signal, or no memory for a moment */
    if (fds[0].revents != 0)
        return false;
    /* Backwards: who leaves is replaced by one that was attended to already. */
    for (unsigned i = n; i-- > 0;)
        if (fds[i + 2].revents != 0)
            attend(p, i);
    now = gw_boot_ns();
    for (unsigned i = p->n; i-- > 0;)
        if (now >= add_ms(p->guest[i]->since_ns, GW_GREETING_MS))
            send_late_away(p, i, "");
    if (fds[1].revents != 0)
        open_the_door(p);
    return true;
}

void gw_greeter_run(const struct gw_greeter *g)
{
    struct party *p = calloc(1, sizeof *p);
    if (p == NULL)
        abort(); /* a few kilobytes at the start of a process: nothing to save */
    p->g = g;
    while (go_round(p)) {
    }
    while (p->n > 0) {
        struct guest *guest = take_out(p, 0);
        gw_conn_close(guest->conn);
        free(guest);
    }
    free(p);
}
