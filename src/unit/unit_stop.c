// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Stopping a unit's process: asked, told, killed. */
#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"
#include "control/client.h"
#include "unit/pid.h"
#include "unit/systemd.h"
#include "unit/unit_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASK_MS 2000u

struct victim { /* a copy, good without the lock */
    char plan[GW_UNIT_PLAN_MAX];
    enum gw_unit_kind kind;
    pid_t pid;
    int pidfd;
    char control[GW_UNIT_CONTROL_MAX];
    unsigned timeout_ms;
};

static bool has_ended(const struct victim *v, unsigned ms)
{
    const uint64_t end_ns = gw_boot_ns() + ms * GW_NS_PER_MS;

    for (;;) {
        struct pollfd p = { .fd = v->pidfd, .events = POLLIN };
        const uint64_t now = gw_boot_ns();
        const int left = now < end_ns ? (int)((end_ns - now) / GW_NS_PER_MS) + 1 : 0;
        if (poll(&p, 1, left) > 0)
            return true;
        if (left == 0)
            return false;
    }
}

static bool ask(const struct victim *v)
{
    struct gw_error err;
    CLEANUP_JSON json_t *request = json_pack("{s:s}", "cmd", "stop");
    int r =
        gw_control_call(v->control, request, GW_MIN(ASK_MS, v->timeout_ms), NULL, NULL, NULL, &err);

    if (r < 0 && !gw_control_outcome_unknown(r) && !gw_pid_ended(v->pidfd)) {
        gw_log(GW_LOG_NOTICE, "%s of plan %s cannot be asked to stop: %s",
               gw_unit_kind_name(v->kind), v->plan, err.msg);
        return false;
    }
    return true;
}

static bool told(const struct victim *v, int signal)
{
    gw_log(GW_LOG_WARNING, "%s of plan %s, process %d, gets %s", gw_unit_kind_name(v->kind),
           v->plan, (int)v->pid, signal == SIGTERM ? "SIGTERM" : "SIGKILL");
    gw_pid_signal(v->pidfd, signal);
    return has_ended(v, v->timeout_ms);
}

static int end_it(struct gw_units *u, const struct victim *v, struct gw_error *err)
{
    if (ask(v) && has_ended(v, v->timeout_ms))
        return 0;
    if (u->by_systemd) { /* else it would start it again */
        int r = gw_systemd_stop(u->systemctl, v->plan, v->kind, err);
        if (r == 0 && has_ended(v, v->timeout_ms))
            return 0;
    }
    if (told(v, SIGTERM) || told(v, SIGKILL))
        return 0;
    return gw_error_set(
        err, -ETIMEDOUT,
        "the %s of plan %s, process %d, did not even end by SIGKILL: it hangs in the "
        "kernel",
        gw_unit_kind_name(v->kind), v->plan, (int)v->pid);
}

/* With mu: the process that is ours is to be stopped. 1; 0: we know of none. */
static int choose(struct gw_units *u, const char *plan, struct victim *v, struct gw_error *err)
{
    struct unit *n = gw_units_take(u, plan);

    if (n == NULL)
        return 0;
    n->wanted = false;
    n->ending = true;
    if (n->pidfd < 0) {
        gw_unit_set_state(u, n, GW_UNIT_DOWN);
        return 0;
    }
    n->busy = true; /* nobody starts another, and nobody reaps this one */
    gw_unit_set_state(u, n, GW_UNIT_STOPPING);
    v->kind = n->kind;
    v->pid = n->rec.id.pid;
    memcpy(v->control, n->rec.control, sizeof v->control);
    v->pidfd = fcntl(n->pidfd, F_DUPFD_CLOEXEC, 0);
    return v->pidfd < 0 ? gw_error_errno(err, -errno, "cannot stop plan %s", plan) : 1;
}

/* One from before us, that we never started. */
static int choose_unknown(struct gw_units *u, const char *plan, struct victim *v,
                          struct gw_error *err)
{
    struct gw_unit_record rec;
    int r = gw_units_on_record(u, plan, &rec, &v->pidfd, err);

    if (r > 0) {
        v->kind = rec.kind;
        v->pid = rec.id.pid;
        memcpy(v->control, rec.control, sizeof v->control);
        return r;
    }
    if (r == 0)
        r = gw_units_find(u, plan, &v->kind, &v->pid, err);
    if (r <= 0)
        return r;
    r = gw_pid_of(v->pid, &rec.id, err);
    if (r == 0)
        r = gw_pid_open(&rec.id, &v->pidfd, err);
    return r == -ESRCH ? 0 : r < 0 ? r : 1;
}

static void release(struct gw_units *u, const char *plan)
{
    LOCK_SCOPE(&u->mu);
    struct unit *n = gw_units_lookup(u, plan);
    if (n != NULL && n->state == GW_UNIT_STOPPING)
        n->busy = false;
    pthread_cond_broadcast(&u->cv);
}

int gw_units_stop(struct gw_units *u, const char *plan, unsigned timeout_ms, struct gw_error *err)
{
    struct victim v = { .pidfd = -1, .timeout_ms = timeout_ms != 0 ? timeout_ms : GW_UNIT_STOP_MS };

    if (!gw_unit_plan_valid(plan))
        return gw_error_set(err, -EINVAL, "\"%s\" is not the name of a plan", plan);
    strncpy(v.plan, plan, sizeof v.plan - 1);
    pthread_mutex_lock(&u->mu);
    int r = choose(u, plan, &v, err);
    pthread_mutex_unlock(&u->mu);
    gw_units_tell(u, plan);
    if (r == 0)
        r = choose_unknown(u, plan, &v, err);
    if (r > 0)
        r = end_it(u, &v, err);
    release(u, plan);
    gw_units_wake(u);
    if (v.pidfd >= 0)
        close(v.pidfd);
    /* The watcher reaps it: only then it is DOWN for everybody. */
    return r < 0 ? r : gw_units_wait_end(u, plan, v.timeout_ms, err);
}
