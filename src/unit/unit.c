// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "unit/unit.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/cond.h"
#include "base/fork.h"
#include "base/log.h"
#include "control/client.h"
#include "unit/systemd.h"
#include "unit/unit_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define LOOK_AGAIN_MS 200u
#define READY_CALL_MS 2000u

const char *gw_unit_state_name(enum gw_unit_state s)
{
    static const char *const names[] = { "down", "starting", "up", "stopping", "backoff", "ended" };

    return names[s];
}

/* ---- all of them ----------------------------------------------------------------------------- */

void gw_unit_set_state(struct gw_units *u, struct unit *n, enum gw_unit_state state)
{
    n->state = state;
    n->since_ns = gw_boot_ns();
    n->next_look_ns = n->since_ns;
    pthread_cond_broadcast(&u->cv);
}

void gw_units_tell(struct gw_units *u, const char *plan)
{
    if (u->cfg.changed != NULL)
        u->cfg.changed(u->cfg.arg, plan);
}

void gw_units_wake(struct gw_units *u)
{
    const uint64_t one = 1;
    ssize_t n = write(u->wake_fd, &one, sizeof one);
    (void)n;
}

int gw_units_new(const struct gw_units_config *config, struct gw_units **ret, struct gw_error *err)
{
    struct gw_units *u = calloc(1, sizeof *u);

    if (u == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory for units");
    u->cfg = *config;
    snprintf(u->dir, sizeof u->dir, "%s", config->dir);
    u->cfg.dir = u->dir;
    snprintf(u->systemctl, sizeof u->systemctl, "%s",
             config->systemctl != NULL ? config->systemctl : "systemctl");
    u->by_systemd = config->by == GW_UNITS_BY_SYSTEMD ||
                    (config->by == GW_UNITS_BY_AUTO && gw_systemd_is_there());
    if (u->cfg.backoff_ms_min == 0)
        u->cfg.backoff_ms_min = GW_UNIT_BACKOFF_MS_MIN;
    if (u->cfg.backoff_ms_max == 0)
        u->cfg.backoff_ms_max = GW_UNIT_BACKOFF_MS_MAX;
    if (u->cfg.healthy_ms == 0)
        u->cfg.healthy_ms = GW_UNIT_HEALTHY_MS;
    pthread_mutex_init(&u->mu, NULL);
    gw_cond_init(&u->cv);
    u->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int r = u->wake_fd < 0 ? -errno : -pthread_create(&u->thread, NULL, gw_units_main, u);
    if (r < 0) {
        if (u->wake_fd >= 0)
            close(u->wake_fd);
        pthread_cond_destroy(&u->cv);
        pthread_mutex_destroy(&u->mu);
        free(u);
        return gw_error_errno(err, r, "cannot watch over units");
    }
    *ret = u;
    return 0;
}

void gw_units_free(struct gw_units *u)
{
    if (u == NULL)
        return;
    pthread_mutex_lock(&u->mu);
    u->stop = true;
    pthread_mutex_unlock(&u->mu);
    gw_units_wake(u);
    pthread_join(u->thread, NULL);
    while (u->first != NULL)
        gw_unit_remove(u, u->first);
    close(u->wake_fd);
    pthread_cond_destroy(&u->cv);
    pthread_mutex_destroy(&u->mu);
    free(u);
}

/* ---- what is there already ------------------------------------------------------------------- */

/* U3. */
int gw_units_on_record(struct gw_units *u, const char *plan, struct gw_unit_record *ret,
                       int *ret_pidfd, struct gw_error *err)
{
    char path[PATH_MAX];
    int r = gw_unit_file(u->dir, plan, "unit", path, err);

    if (r < 0)
        return r;
    r = gw_unit_record_read(path, ret, err);
    if (r == -ENOENT)
        return 0;
    if (r == 0 && strcmp(ret->plan, plan) != 0)
        r = gw_error_set(err, -EBADMSG, "%s is the record of plan %s", path, ret->plan);
    if (r == -EBADMSG) { /* the lock will tell whether somebody runs */
        gw_log(GW_LOG_WARNING, "%s, ignoring", err->msg);
        return 0;
    }
    if (r == 0)
        r = gw_pid_open(&ret->id, ret_pidfd, err);
    return r == -ESRCH ? 0 : r < 0 ? r : 1;
}

/* A process holds the lock, or is known to systemd, and is on no valid record. */
static int find_unrecorded(struct gw_units *u, const char *plan, enum gw_unit_kind *ret_kind,
                           pid_t *ret_pid, struct gw_error *err)
{
    for (enum gw_unit_kind k = GW_UNIT_SOURCE; u->by_systemd && k <= GW_UNIT_REPLICA; k++) {
        pid_t pid = 0;
        int r = gw_systemd_main_pid(u->systemctl, plan, k, &pid, err);
        if (r < 0)
            return r;
        if (pid > 0) {
            *ret_kind = k;
            *ret_pid = pid;
            return 1;
        }
    }
    GW_FORK_SCOPE;
    CLEANUP_CLOSE int fd = -1;
    int r = gw_unit_lock(u->dir, plan, &fd, err);
    return r == -EBUSY ? gw_error_wrap(err, "a process that is on no record is in the way") : r;
}

int gw_units_find(struct gw_units *u, const char *plan, enum gw_unit_kind *ret_kind, pid_t *ret_pid,
                  struct gw_error *err)
{
    struct gw_unit_record rec;
    CLEANUP_CLOSE int pidfd = -1;

    if (!gw_unit_plan_valid(plan))
        return gw_error_set(err, -EINVAL, "\"%s\" is not the name of a plan", plan);
    int r = gw_units_on_record(u, plan, &rec, &pidfd, err);
    if (r == 0)
        return find_unrecorded(u, plan, ret_kind, ret_pid, err);
    if (r < 0)
        return r;
    *ret_kind = rec.kind;
    *ret_pid = rec.id.pid;
    return 1;
}

/* ---- start ----------------------------------------------------------------------------------- */

static void begin(struct gw_units *u, struct unit *n, const struct gw_unit_record *rec, int pidfd,
                  bool adopted)
{
    if (n->pidfd >= 0)
        close(n->pidfd);
    n->rec = *rec;
    n->pidfd = pidfd;
    n->adopted = adopted;
    n->begun_ns = gw_boot_ns();
    n->ending = false;
    gw_unit_set_state(u, n, GW_UNIT_STARTING);
}

int gw_unit_launch(struct gw_units *u, struct unit *n, struct gw_error *err)
{
    const struct gw_launch l = { .dir = u->dir,
                                 .plan = n->plan,
                                 .kind = n->kind,
                                 .argv = n->argv,
                                 .env = n->env,
                                 .control = n->control,
                                 .nbd = n->nbd,
                                 .command_hash = n->command_hash };
    struct gw_unit_record rec;
    int pidfd = -1;

    n->busy = true;
    pthread_mutex_unlock(&u->mu);
    int r = u->by_systemd ? gw_systemd_launch(u->systemctl, &l, &rec, &pidfd, err)
                          : gw_launch(&l, &rec, &pidfd, err);
    pthread_mutex_lock(&u->mu);
    n->busy = false;
    pthread_cond_broadcast(&u->cv);
    if (r < 0)
        return gw_error_wrap(err, "cannot start the %s of plan %s", gw_unit_kind_name(n->kind),
                             n->plan);
    begin(u, n, &rec, pidfd, false);
    gw_log(GW_LOG_INFO, "%s of plan %s started, process %d", gw_unit_kind_name(n->kind), n->plan,
           (int)rec.id.pid);
    return 0;
}

static int other_kind(enum gw_unit_kind kind, const char *plan, pid_t pid, struct gw_error *err)
{
    return gw_error_set(err, -EBUSY,
                        "the %s of plan %s still runs (process %d): a change of role is a change "
                        "of process, stop it first",
                        gw_unit_kind_name(kind), plan, (int)pid);
}

/* Take over what is on record. 1: done; 0: nothing runs. */
static int adopt(struct gw_units *u, struct unit *n, const struct gw_unit_spec *spec,
                 struct gw_error *err)
{
    struct gw_unit_record rec;
    int pidfd = -1;
    int r = gw_units_on_record(u, n->plan, &rec, &pidfd, err);

    if (r <= 0)
        return r;
    if (rec.kind != spec->kind) {
        close(pidfd);
        return other_kind(rec.kind, n->plan, rec.id.pid, err);
    }
    begin(u, n, &rec, pidfd, true);
    gw_log(GW_LOG_INFO, "%s of plan %s runs already, process %d", gw_unit_kind_name(n->kind),
           n->plan, (int)rec.id.pid);
    return 1;
}

static bool alive(const struct unit *n)
{
    return n->pidfd >= 0 && !gw_pid_ended(n->pidfd);
}

/* With mu. The unit of this plan, which is not of the other kind and alive; NULL: the error. */
static struct unit *unit_of(struct gw_units *u, const struct gw_unit_spec *spec,
                            struct gw_error *err)
{
    struct unit *n = gw_units_take(u, spec->plan);

    if (n != NULL && alive(n) && n->kind != spec->kind) {
        other_kind(n->kind, n->plan, n->rec.id.pid, err);
        return NULL;
    }
    if (n == NULL && u->n < GW_UNITS_MAX) {
        n = gw_unit_add(u, spec->plan, spec->kind);
    }
    if (n == NULL || !gw_unit_define(n, spec)) {
        gw_error_set(err, -ENOMEM, "out of memory, or more than %u plans", GW_UNITS_MAX);
        return NULL;
    }
    return n;
}

static int start_locked(struct gw_units *u, const struct gw_unit_spec *spec, struct gw_error *err)
{
    struct unit *n = unit_of(u, spec, err);

    if (n == NULL)
        return err->code;
    n->wanted = true;
    n->ending = false;
    if (alive(n))
        return 0; /* it goes on; what it was defined as is for its next start */
    n->restarts = n->quick_ends = 0;
    int r = adopt(u, n, spec, err);
    if (r == 0)
        r = gw_unit_launch(u, n, err);
    if (r < 0) {
        n->wanted = false;
        gw_unit_set_state(u, n, GW_UNIT_DOWN);
    }
    return r < 0 ? r : 0;
}

int gw_units_start(struct gw_units *u, const struct gw_unit_spec *spec, struct gw_error *err)
{
    if (!gw_unit_plan_valid(spec->plan))
        return gw_error_set(err, -EINVAL, "\"%s\" is not the name of a plan", spec->plan);
    if (strlen(spec->control) >= GW_UNIT_CONTROL_MAX)
        return gw_error_set(err, -ENAMETOOLONG, "socket path %s is too long", spec->control);
    struct gw_error why = { .code = 0 };
    pthread_mutex_lock(&u->mu);
    int r = start_locked(u, spec, &why);
    pthread_mutex_unlock(&u->mu);
    if (r < 0)
        gw_error_set(err, r, "%s", why.msg);
    gw_units_wake(u);
    gw_units_tell(u, spec->plan);
    return r;
}

/* ---- waiting --------------------------------------------------------------------------------- */

static int not_ready(const struct unit *n, struct gw_error *err)
{
    const char *kind = gw_unit_kind_name(n->kind);

    if (n->have_end && n->state != GW_UNIT_STARTING)
        return gw_error_set(err, -ECHILD,
                            "the %s of plan %s ended (code %d); its last words: %.300s", kind,
                            n->plan, n->last_code, n->words);
    return gw_error_set(err, -ETIMEDOUT, "the %s of plan %s did not get ready in time", kind,
                        n->plan);
}

/* Until it is UP, with mu. Its control socket's path into ret. */
static int wait_up(struct gw_units *u, const char *plan, uint64_t end_ns,
                   char ret[GW_UNIT_CONTROL_MAX], struct gw_error *err)
{
    LOCK_SCOPE(&u->mu);
    for (;;) {
        struct unit *n = gw_units_lookup(u, plan);
        if (n == NULL)
            return gw_error_set(err, -ENOENT, "plan %s has no process here", plan);
        if (n->state == GW_UNIT_UP && n->pidfd >= 0) {
            snprintf(ret, GW_UNIT_CONTROL_MAX, "%s", n->control);
            return 0;
        }
        bool over = !n->busy && n->state != GW_UNIT_STARTING;
        if (over || gw_boot_ns() >= end_ns)
            return not_ready(n, err);
        gw_cond_wait_ms(&u->cv, &u->mu, LOOK_AGAIN_MS);
    }
}

int gw_units_wait_ready(struct gw_units *u, const char *plan, unsigned timeout_ms,
                        struct gw_error *err)
{
    const uint64_t end_ns = gw_boot_ns() + timeout_ms * GW_NS_PER_MS;
    char control[GW_UNIT_CONTROL_MAX];

    for (;;) {
        int r = wait_up(u, plan, end_ns, control, err);
        if (r < 0)
            return r;
        CLEANUP_JSON json_t *request = json_pack("{s:s}", "cmd", "status");
        r = gw_control_call(control, request, READY_CALL_MS, NULL, NULL, NULL, err);
        if (r == 0 || gw_boot_ns() >= end_ns)
            return r;
        LOCK_SCOPE(&u->mu);
        gw_cond_wait_ms(&u->cv, &u->mu, LOOK_AGAIN_MS);
    }
}

void gw_units_let_end(struct gw_units *u, const char *plan)
{
    LOCK_SCOPE(&u->mu);
    struct unit *n = gw_units_take(u, plan);
    if (n == NULL)
        return;
    n->ending = true;
    n->wanted = false;
    if (n->pidfd < 0)
        gw_unit_set_state(u, n, GW_UNIT_DOWN);
}

int gw_units_wait_end(struct gw_units *u, const char *plan, unsigned timeout_ms,
                      struct gw_error *err)
{
    const uint64_t end_ns = gw_boot_ns() + timeout_ms * GW_NS_PER_MS;

    LOCK_SCOPE(&u->mu);
    for (;;) {
        struct unit *n = gw_units_lookup(u, plan);
        if (n == NULL || (n->pidfd < 0 && !n->busy && n->state != GW_UNIT_BACKOFF))
            return 0;
        const uint64_t now = gw_boot_ns();
        if (now >= end_ns)
            return gw_error_set(err, -ETIMEDOUT, "the %s of plan %s (process %d) has not ended",
                                gw_unit_kind_name(n->kind), plan, (int)n->rec.id.pid);
        gw_cond_wait_ms(&u->cv, &u->mu,
                        (unsigned)GW_MIN((end_ns - now) / GW_NS_PER_MS + 1, LOOK_AGAIN_MS));
    }
}

/* ---- looking --------------------------------------------------------------------------------- */

int gw_units_get(struct gw_units *u, const char *plan, struct gw_unit_status *ret)
{
    LOCK_SCOPE(&u->mu);
    const struct unit *n = gw_units_lookup(u, plan);
    if (n == NULL)
        return -ENOENT;
    const bool runs = n->pidfd >= 0;
    const bool healthy = runs && gw_boot_ns() - n->begun_ns >= u->cfg.healthy_ms * GW_NS_PER_MS;
    *ret = (struct gw_unit_status){
        .kind = n->kind,
        .wanted = n->wanted,
        .state = n->state,
        .pid = runs ? n->rec.id.pid : 0,
        .since_ns = n->since_ns,
        .started_wall_ns = runs ? n->rec.began_wall_ns : 0,
        .adopted = runs && n->adopted,
        .outdated = runs && n->argv != NULL && n->rec.command_hash != n->command_hash,
        .restarts = n->restarts,
        .quick_ends = healthy ? 0 : n->quick_ends,
        .next_start_ns = n->state == GW_UNIT_BACKOFF ? n->next_start_ns : 0,
        .have_end = n->have_end,
        .last_code = n->last_code,
        .last_end_wall_ns = n->last_end_wall_ns
    };
    ret->crash_loop = ret->quick_ends >= GW_UNIT_LOOP_STARTS;
    snprintf(ret->plan, sizeof ret->plan, "%s", n->plan);
    snprintf(ret->words, sizeof ret->words, "%s", n->words);
    return 0;
}

static int remove_files(struct gw_units *u, const char *plan, struct gw_error *err)
{
    static const char *const suffix[] = { "unit", "log", "log.1", "env", "lock" };
    GW_FORK_SCOPE;
    CLEANUP_CLOSE int lock = -1;
    char path[PATH_MAX];
    int r = gw_unit_lock(u->dir, plan, &lock, err);

    for (size_t i = 0; r == 0 && i < GW_ARRAY_SIZE(suffix); i++) {
        r = gw_unit_file(u->dir, plan, suffix[i], path, err);
        if (r == 0 && unlink(path) < 0 && errno != ENOENT)
            r = gw_error_errno(err, -errno, "cannot remove %s", path);
    }
    return r;
}

int gw_units_forget(struct gw_units *u, const char *plan, struct gw_error *err)
{
    if (!gw_unit_plan_valid(plan))
        return gw_error_set(err, -EINVAL, "\"%s\" is not the name of a plan", plan);
    LOCK_SCOPE(&u->mu);
    struct unit *n = gw_units_take(u, plan);
    if (n != NULL && (n->pidfd >= 0 || n->wanted))
        return gw_error_set(err, -EBUSY, "the %s of plan %s runs, or shall run",
                            gw_unit_kind_name(n->kind), plan);
    int r = remove_files(u, plan, err);
    if (r < 0 || n == NULL)
        return r;
    gw_unit_remove(u, n);
    return 0;
}
