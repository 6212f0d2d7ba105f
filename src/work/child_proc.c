// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Children by their record: what /proc says about them, waiting for them and ending them when they
 * are no children of ours (any more).
 *
 * The process itself is known by number, start time and boot. What else is in its process group is
 * known by the group's number *and* the token in its environment: a group's number is given to
 * another as soon as its last member has gone.
 */
#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "work/child_internal.h"
#include "work/stop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define STAT_BYTES 1024
#define ENVIRON_BYTES_MAX (256u << 10)

static int read_boot(struct gw_uuid *ret, struct gw_error *err)
{
    static const char path[] = "/proc/sys/kernel/random/boot_id";
    char text[GW_UUID_TEXT + 1] = "";
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return gw_error_errno(err, -errno, "cannot open %s", path);
    ssize_t n = read(fd, text, GW_UUID_TEXT - 1);
    if (n != GW_UUID_TEXT - 1 || !gw_uuid_parse(text, ret))
        return gw_error_set(err, -EIO, "%s holds no boot id", path);
    return 0;
}

struct stat_line {
    char state;
    pid_t group;
    uint64_t start_ticks;
};

/* 1: *ret is set. 0: there is no such process. */
static int read_stat(pid_t pid, struct stat_line *ret, struct gw_error *err)
{
    char path[64], text[STAT_BYTES];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (n < 0 && (errno == ENOENT || errno == ESRCH))
        return 0;
    if (n < 0)
        return gw_error_errno(err, -errno, "cannot read %s", path);
    text[n] = '\0';
    /* The second field is the program's name in parentheses, and may hold anything. */
    const char *p = strrchr(text, ')');
    int group = 0;
    struct stat_line s = { .state = '\0' };
    if (p == NULL ||
        sscanf(p,
               ") %c %*d %d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
               "%" SCNu64,
               &s.state, &group, &s.start_ticks) != 3)
        return gw_error_set(err, -EIO, "%s is not as expected", path);
    s.group = group;
    *ret = s;
    return 1;
}

static bool ended(const struct stat_line *s)
{
    return s->state == 'Z' || s->state == 'X' || s->state == 'x';
}

int child_record_of(pid_t pid, const struct gw_uuid *token, struct gw_child_record *ret,
                    struct gw_error *err)
{
    struct gw_child_record record = { .pid = pid, .token = *token };
    struct stat_line s;
    int r = read_boot(&record.boot, err);
    if (r < 0)
        return r;
    r = read_stat(pid, &s, err);
    if (r < 0)
        return r;
    if (r == 0)
        return gw_error_set(err, -ESRCH, "process %d is not in /proc", (int)pid);
    record.start_ticks = s.start_ticks;
    *ret = record;
    return 0;
}

/* ---- text ------------------------------------------------------------------------------------ */

void gw_child_record_format(const struct gw_child_record *record, char ret[GW_CHILD_RECORD_TEXT])
{
    char boot[GW_UUID_TEXT], token[GW_UUID_TEXT];
    gw_uuid_format(&record->boot, boot);
    gw_uuid_format(&record->token, token);
    snprintf(ret, GW_CHILD_RECORD_TEXT, "child 1 %d %" PRIu64 " %s %s", (int)record->pid,
             record->start_ticks, boot, token);
}

int gw_child_record_parse(const char *text, struct gw_child_record *ret, struct gw_error *err)
{
    char boot[GW_UUID_TEXT] = "", token[GW_UUID_TEXT] = "", again[GW_CHILD_RECORD_TEXT];
    struct gw_child_record record = { .pid = 0 };
    int pid = 0;
    bool ok = strlen(text) < sizeof again &&
              sscanf(text, "child 1 %d %" SCNu64 " %36s %36s", &pid, &record.start_ticks, boot,
                     token) == 4 &&
              pid > 1 && gw_uuid_parse(boot, &record.boot) && gw_uuid_parse(token, &record.token);
    if (ok) { /* one way of writing it: what scanf tolerates is not tolerated here */
        record.pid = pid;
        gw_child_record_format(&record, again);
        ok = strcmp(text, again) == 0;
    }
    if (!ok)
        return gw_error_set(err, -EINVAL, "\"%.80s\" is not the record of a child process", text);
    *ret = record;
    return 0;
}

/* ---- who is there ---------------------------------------------------------------------------- */

/* 1: it is that very process, and runs. 0: not, or not any more. */
static int leader_runs(const struct gw_child_record *record, struct gw_error *err)
{
    struct stat_line s;
    int r = read_stat(record->pid, &s, err);
    if (r <= 0)
        return r;
    return s.start_ticks == record->start_ticks && !ended(&s) ? 1 : 0;
}

static bool has_token(pid_t pid, const struct gw_child_record *record)
{
    char path[64], uuid[GW_UUID_TEXT], want[64];
    gw_uuid_format(&record->token, uuid);
    size_t len = (size_t)snprintf(want, sizeof want, "GODWIT_CHILD=%s", uuid) + 1, n = 0;
    snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    CLEANUP_FREE char *text = malloc(ENVIRON_BYTES_MAX);
    if (fd < 0 || text == NULL)
        return false;
    for (ssize_t got; n < ENVIRON_BYTES_MAX; n += (size_t)got) {
        got = read(fd, text + n, ENVIRON_BYTES_MAX - n);
        if (got <= 0)
            break;
    }
    for (size_t at = 0; at + len <= n; at += strnlen(text + at, n - at) + 1) {
        if (memcmp(text + at, want, len) == 0)
            return true;
    }
    return false;
}

/* A process of its group other than itself. 1: *ret is set; 0: there is none. */
static int other_member(const struct gw_child_record *record, pid_t *ret, struct gw_error *err)
{
    DIR *d = opendir("/proc");
    if (d == NULL)
        return gw_error_errno(err, -errno, "cannot read /proc");
    int found = 0;
    for (struct dirent *e; found == 0 && (e = readdir(d)) != NULL;) {
        char *end;
        long pid = strtol(e->d_name, &end, 10);
        struct stat_line s;
        if (*end != '\0' || pid <= 0 || pid == record->pid)
            continue;
        if (read_stat((pid_t)pid, &s, NULL) != 1 || s.group != record->pid || ended(&s))
            continue;
        if (has_token((pid_t)pid, record)) {
            *ret = (pid_t)pid;
            found = 1;
        }
    }
    closedir(d);
    return found;
}

int gw_child_find(const struct gw_child_record *record, enum gw_child_life *ret,
                  struct gw_error *err)
{
    struct gw_uuid boot;
    pid_t other;
    if (record->pid <= 1)
        return gw_error_set(err, -EINVAL, "the record of a child that never was");
    int r = read_boot(&boot, err);
    if (r < 0)
        return r;
    if (!gw_uuid_equal(&boot, &record->boot)) {
        *ret = GW_CHILD_GONE;
        return 0;
    }
    r = leader_runs(record, err);
    if (r < 0)
        return r;
    if (r == 1) {
        *ret = GW_CHILD_ALIVE;
        return 0;
    }
    r = other_member(record, &other, err);
    if (r < 0)
        return r;
    *ret = r == 1 ? GW_CHILD_REMAINS : GW_CHILD_GONE;
    return 0;
}

/* ---- waiting, ending ------------------------------------------------------------------------- */

/* 0: the process behind pidfd has ended. */
static int poll_end(int pidfd, uint64_t end_ns, int stop_fd, struct gw_error *err)
{
    for (;;) {
        uint64_t now = gw_boot_ns();
        int ms = now < end_ns ? (int)GW_MIN((end_ns - now) / GW_NS_PER_MS + 1, 60000ull) : 0;
        struct pollfd f[2] = { { .fd = pidfd, .events = POLLIN },
                               { .fd = stop_fd, .events = POLLIN } };
        int n = poll(f, 2, ms);
        if (n < 0 && errno != EINTR)
            return gw_error_errno(err, -errno, "cannot wait for a process");
        if (n > 0 && f[0].revents != 0)
            return 0;
        if (n > 0 && f[1].revents != 0)
            return gw_error_set(err, -ECANCELED, "the wait for a process was cancelled");
        if (n == 0 && now >= end_ns)
            return gw_error_set(err, -ETIMEDOUT, "the process still runs");
    }
}

int gw_child_await(const struct gw_child_record *record, unsigned timeout_ms, int stop_fd,
                   struct gw_error *err)
{
    const uint64_t end = gw_boot_ns() + timeout_ms * GW_NS_PER_MS;
    enum gw_child_life life;
    CLEANUP_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, record->pid, 0);
    if (pidfd < 0 && errno == ESRCH)
        return 0;
    if (pidfd < 0)
        return gw_error_errno(err, -errno, "cannot watch process %d", (int)record->pid);
    /* Looked at after it was opened, so the descriptor is of that very process. */
    int r = gw_child_find(record, &life, err);
    if (r < 0 || life != GW_CHILD_ALIVE)
        return r;
    r = poll_end(pidfd, end, stop_fd, err);
    if (r < 0)
        gw_error_wrap(err, "process %d", (int)record->pid);
    return r; /* not what wrapping returns: that is another code if err is NULL */
}

/* Any process of its group that runs: *ret is its number, 0 if there is none. */
static int any_member(const struct gw_child_record *record, pid_t *ret, struct gw_error *err)
{
    enum gw_child_life life = GW_CHILD_GONE;
    int r = gw_child_find(record, &life, err);
    if (r < 0)
        return r;
    *ret = life == GW_CHILD_ALIVE ? record->pid : 0;
    if (life == GW_CHILD_REMAINS) {
        r = other_member(record, ret, err);
        if (r <= 0)
            *ret = 0;
    }
    return r < 0 ? r : 0;
}

int child_signal(pid_t leader, int signal)
{
    int r = kill(-leader, signal);
    /* Born, and not yet at the point where it makes its group: on a busy machine that takes long.
     */
    return r < 0 && errno == ESRCH ? kill(leader, signal) : r;
}

/* 0: nothing of the group runs. -ETIMEDOUT: something does. */
static int group_end(const struct gw_child_record *record, uint64_t end_ns, struct gw_error *err)
{
    for (;;) {
        pid_t pid;
        int r = any_member(record, &pid, err);
        if (r < 0 || pid == 0)
            return r;
        CLEANUP_CLOSE int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (pidfd < 0 && errno != ESRCH)
            return gw_error_errno(err, -errno, "cannot watch process %d", (int)pid);
        r = pidfd >= 0 ? poll_end(pidfd, end_ns, -1, err) : 0;
        if (r < 0) {
            gw_error_wrap(err, "process %d", (int)pid);
            return r;
        }
    }
}

int gw_child_end(const struct gw_child_record *record, unsigned grace_ms, struct gw_error *err)
{
    const int signals[2] = { SIGTERM, SIGKILL };
    for (int i = grace_ms > 0 ? 0 : 1; i < 2; i++) {
        pid_t pid;
        int r = any_member(record, &pid, err);
        if (r < 0 || pid == 0)
            return r;
        /* A member runs, so the group's number is the one of this group. */
        r = pid == record->pid ? child_signal(pid, signals[i]) : kill(-record->pid, signals[i]);
        if (r < 0 && errno != ESRCH)
            return gw_error_errno(err, -errno, "cannot end process group %d", (int)record->pid);
        const unsigned ms = i == 0 ? grace_ms : GW_CHILD_KILL_MS;
        r = group_end(record, gw_boot_ns() + ms * GW_NS_PER_MS, err);
        if (r != -ETIMEDOUT)
            return r;
    }
    return gw_error_set(err, -ETIMEDOUT, "process group %d cannot be killed", (int)record->pid);
}
