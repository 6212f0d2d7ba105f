// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The one thread over all units: ends, starts again, and has it made its sockets? */
#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "unit/unit_internal.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOOK_MS 20u       /* a process that starts makes its sockets in about as long */
#define LOOK_SLOW_MS 500u /* ... or does not */
#define SLOW_AFTER_MS 5000u

/* ---- ends ------------------------------------------------------------------------------------ */

/* Exit status, 128 + signal, or -1: it is not our child. */
static int reap(int pidfd)
{
    siginfo_t info = { .si_pid = 0 };
    int r;

    do
        r = waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG);
    while (r < 0 && errno == EINTR);
    if (r < 0 || info.si_pid == 0)
        return -1;
    return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

/* U5. What ends with 0 before it was ever up was told to by nobody who knew it (nbdkit may, with
 * the thread that started it). */
static bool ended_cleanly(const struct unit *n, int code)
{
    if (n->state == GW_UNIT_STARTING)
        return false;
    return code == 0 || (code < 0 && access(n->control, F_OK) < 0 && errno == ENOENT);
}

static void last_words(struct gw_units *u, struct unit *n)
{
    char path[PATH_MAX];

    if (gw_unit_file(u->dir, n->plan, "log", path, NULL) == 0)
        gw_unit_log_tail(path, n->words, sizeof n->words);
}

/* U4. */
static void start_later(struct gw_units *u, struct unit *n, uint64_t ran_ns)
{
    if (ran_ns >= u->cfg.healthy_ms * GW_NS_PER_MS)
        n->quick_ends = 0;
    n->quick_ends++;
    uint64_t ms = u->cfg.backoff_ms_min;
    for (unsigned i = 1; i < n->quick_ends && ms < u->cfg.backoff_ms_max; i++)
        ms *= 2;
    ms = GW_MIN(ms, (uint64_t)u->cfg.backoff_ms_max);
    gw_unit_set_state(u, n, GW_UNIT_BACKOFF);
    n->next_start_ns = n->since_ns + ms * GW_NS_PER_MS;
}

static void ended(struct gw_units *u, struct unit *n)
{
    const int code = reap(n->pidfd);
    const uint64_t ran_ns = gw_boot_ns() - n->begun_ns;
    const bool clean = ended_cleanly(n, code);

    close(n->pidfd);
    n->pidfd = -1;
    n->have_end = true;
    n->last_code = code;
    n->last_end_wall_ns = gw_wall_ns();
    last_words(u, n);
    const bool expected = n->ending || !n->wanted;
    gw_log(clean || expected ? GW_LOG_INFO : GW_LOG_WARNING,
           "%s of plan %s, process %d, ended%s (code %d)", gw_unit_kind_name(n->kind), n->plan,
           (int)n->rec.id.pid,
           clean      ? ""
           : expected ? " as it was told to"
                      : " by itself",
           code);
    if (expected)
        gw_unit_set_state(u, n, GW_UNIT_DOWN);
    else if (clean)
        gw_unit_set_state(u, n, GW_UNIT_ENDED);
    else
        start_later(u, n, ran_ns);
    n->ending = false;
}

/* ---- starts ---------------------------------------------------------------------------------- */

static bool accepts(const char *path)
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0 || strlen(path) >= sizeof at.sun_path)
        return false;
    memcpy(at.sun_path, path, strlen(path) + 1);
    return connect(fd, (const struct sockaddr *)&at, sizeof at) == 0;
}

/* true: its state changed. */
static bool look(struct gw_units *u, struct unit *n, uint64_t now)
{
    if (now < n->next_look_ns)
        return false;
    const bool slow = now - n->begun_ns > SLOW_AFTER_MS * GW_NS_PER_MS;
    n->next_look_ns = now + (slow ? LOOK_SLOW_MS : LOOK_MS) * GW_NS_PER_MS;
    if (!accepts(n->control) || (n->nbd != NULL && access(n->nbd, F_OK) < 0))
        return false;
    gw_unit_set_state(u, n, GW_UNIT_UP);
    return true;
}

static void again(struct gw_units *u, struct unit *n)
{
    struct gw_error err;

    n->restarts++;
    if (gw_unit_launch(u, n, &err) == 0)
        return;
    if (!n->wanted) {
        gw_unit_set_state(u, n, GW_UNIT_DOWN);
        return;
    }
    gw_log(GW_LOG_WARNING, "%s", err.msg);
    snprintf(n->words, sizeof n->words, "%s", err.msg);
    start_later(u, n, 0);
}

/* ---- the thread ------------------------------------------------------------------------------ */

/* What is due with this unit, with mu (which a start gives away for a while). true: tell. */
static bool attend(struct gw_units *u, struct unit *n)
{
    const uint64_t now = gw_boot_ns();

    if (n->busy)
        return false;
    if (n->pidfd >= 0 && gw_pid_ended(n->pidfd)) {
        ended(u, n);
        return true;
    }
    switch (n->state) {
    case GW_UNIT_STARTING:
        return look(u, n, now);
    case GW_UNIT_BACKOFF:
        if (!n->wanted || now < n->next_start_ns)
            return false;
        again(u, n);
        return true;
    case GW_UNIT_DOWN:
    case GW_UNIT_UP:
    case GW_UNIT_STOPPING:
    case GW_UNIT_ENDED:
        break;
    }
    return false;
}

static int wait_ms(const struct gw_units *u, uint64_t now)
{
    uint64_t at = UINT64_MAX;

    for (const struct unit *n = u->first; n != NULL; n = n->next) {
        if (n->busy)
            continue;
        if (n->state == GW_UNIT_STARTING)
            at = GW_MIN(at, n->next_look_ns);
        else if (n->state == GW_UNIT_BACKOFF && n->wanted)
            at = GW_MIN(at, n->next_start_ns);
    }
    if (at == UINT64_MAX)
        return -1;
    return at <= now ? 0 : (int)((at - now) / GW_NS_PER_MS) + 1;
}

/* One round. The callback of each goes without the lock, so that the list may change: then it is
 * begun anew, and who was attended to has nothing due. */
static void attend_all(struct gw_units *u)
{
    struct unit *n = u->first;

    while (n != NULL && !u->stop) {
        char plan[GW_UNIT_PLAN_MAX];
        memcpy(plan, n->plan, sizeof plan);
        if (!attend(u, n)) {
            n = n->next;
            continue;
        }
        pthread_mutex_unlock(&u->mu);
        gw_units_tell(u, plan);
        pthread_mutex_lock(&u->mu);
        n = u->first;
    }
}

void *gw_units_main(void *arg)
{
    struct gw_units *u = arg;
    struct pollfd *fds = calloc(GW_UNITS_MAX + 1, sizeof *fds);

    if (fds == NULL)
        abort(); /* a few kilobytes at the start of a process: nothing to save */
    pthread_mutex_lock(&u->mu);
    while (!u->stop) {
        unsigned n = 0;
        fds[n++] = (struct pollfd){ .fd = u->wake_fd, .events = POLLIN };
        for (const struct unit *i = u->first; i != NULL; i = i->next)
            if (i->pidfd >= 0 && !i->busy)
                fds[n++] = (struct pollfd){ .fd = i->pidfd, .events = POLLIN };
        const int ms = wait_ms(u, gw_boot_ns());
        pthread_mutex_unlock(&u->mu);
        poll(fds, n, ms);
        uint64_t woken;
        ssize_t r = read(u->wake_fd, &woken, sizeof woken);
        (void)r;
        pthread_mutex_lock(&u->mu);
        attend_all(u);
    }
    pthread_mutex_unlock(&u->mu);
    free(fds);
    return NULL;
}
