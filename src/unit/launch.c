// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "unit/launch.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fork.h"
#include "base/hash.h"
#include "unit/logfile.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child's descriptors; ours for it lie above, so that moving one never closes another. */
enum { CHILD_LOCK = 3, CHILD_WHY = 4, CHILD_WORD = 5, CHILD_END = 6, OURS_FROM = 10 };
#define EXIT_NOT_STARTED 127

int gw_unit_file(const char *dir, const char *plan, const char *suffix, char ret[PATH_MAX],
                 struct gw_error *err)
{
    if (snprintf(ret, PATH_MAX, "%s/%s.%s", dir, plan, suffix) < PATH_MAX)
        return 0;
    return gw_error_set(err, -ENAMETOOLONG, "the path of the files of plan %s is too long", plan);
}

static uint64_t hash_texts(char *const *texts, uint64_t seed)
{
    for (; texts != NULL && *texts != NULL; texts++)
        seed = gw_hash64(*texts, strlen(*texts) + 1, seed);
    return seed;
}

uint64_t gw_unit_command_hash(enum gw_unit_kind kind, char *const *argv, char *const *env)
{
    return hash_texts(env, hash_texts(argv, (uint64_t)kind + 1));
}

int gw_unit_lock(const char *dir, const char *plan, int *ret_fd, struct gw_error *err)
{
    char path[PATH_MAX];
    int r = gw_unit_file(dir, plan, "lock", path, err);

    if (r < 0)
        return r;
    CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return gw_error_errno(err, -errno, "cannot open %s", path);
    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        if (errno != EWOULDBLOCK)
            return gw_error_errno(err, -errno, "cannot lock %s", path);
        return gw_error_set(err, -EBUSY, "a process of plan %s runs already (it holds %s)", plan,
                            path);
    }
    *ret_fd = fd;
    fd = -1;
    return 0;
}

/* ---- the child ------------------------------------------------------------------------------- */

struct birth { /* descriptors of one start, all >= OURS_FROM, -1: closed */
    int lock, log, null;
    int word[2]; /* the parent writes */
    int why[2];  /* the child writes */
};

static void birth_done(struct birth *b)
{
    int *const all[] = { &b->lock,    &b->log,    &b->null,  &b->word[0],
                         &b->word[1], &b->why[0], &b->why[1] };

    for (size_t i = 0; i < GW_ARRAY_SIZE(all); i++)
        if (*all[i] >= 0)
            close(*all[i]);
}

static void say_why(int fd, int error)
{
    ssize_t n = write(fd, &error, sizeof error);
    (void)n;
}

/* Between fork and exec, while other threads of the parent may hold any lock: system calls only. */
static void child(const struct birth *b, char *const *argv, char *const *env)
{
    char word;

    setsid();
    gw_default_signals();
    gw_unblock_signals();
    if (dup2(b->null, 0) < 0 || dup2(b->log, 1) < 0 || dup2(b->log, 2) < 0 ||
        dup2(b->lock, CHILD_LOCK) < 0 || dup3(b->why[1], CHILD_WHY, O_CLOEXEC) < 0 ||
        dup3(b->word[0], CHILD_WORD, O_CLOEXEC) < 0 ||
        syscall(SYS_close_range, CHILD_END, ~0u, 0) < 0 || chdir("/") < 0) {
        say_why(b->why[1], errno);
        _exit(EXIT_NOT_STARTED);
    }
    /* U2. The end of the pipe instead of the word: the parent is gone, or could not record us. */
    ssize_t n;
    do
        n = read(CHILD_WORD, &word, 1);
    while (n < 0 && errno == EINTR);
    if (n != 1)
        _exit(EXIT_NOT_STARTED);
    execve(argv[0], argv, env);
    say_why(CHILD_WHY, errno);
    _exit(EXIT_NOT_STARTED);
}

/* ---- the parent ------------------------------------------------------------------------------ */

static size_t name_bytes(const char *variable)
{
    const char *equals = strchr(variable, '=');

    return equals != NULL ? (size_t)(equals - variable) : strlen(variable);
}

static bool same_name(const char *a, const char *b)
{
    size_t n = name_bytes(a);

    return n == name_bytes(b) && memcmp(a, b, n) == 0;
}

/* What speaks of us and our supervisor is not the child's. */
static bool is_ours_alone(const char *variable)
{
    static const char *const names[] = { "NOTIFY_SOCKET",  "LISTEN_FDS",    "LISTEN_PID",
                                         "LISTEN_FDNAMES", "WATCHDOG_USEC", "WATCHDOG_PID",
                                         "INVOCATION_ID",  "JOURNAL_STREAM" };

    for (size_t i = 0; i < GW_ARRAY_SIZE(names); i++)
        if (same_name(variable, names[i]))
            return true;
    return false;
}

/* A new array; the texts stay whose they are. */
static char **environment(char *const *more)
{
    size_t n = 0, k = 0, n_more = 0;

    while (environ[n] != NULL)
        n++;
    while (more != NULL && more[n_more] != NULL)
        n_more++;
    char **env = calloc(n + n_more + 1, sizeof *env);
    if (env == NULL)
        return NULL;
    for (size_t i = 0; i < n; i++) {
        bool replaced = is_ours_alone(environ[i]);
        for (size_t j = 0; j < n_more && !replaced; j++)
            replaced = same_name(environ[i], more[j]);
        if (!replaced)
            env[k++] = environ[i];
    }
    for (size_t j = 0; j < n_more; j++)
        env[k++] = more[j];
    return env;
}

static int lift(int *fd)
{
    int high = fcntl(*fd, F_DUPFD_CLOEXEC, OURS_FROM);

    if (high < 0)
        return -errno;
    close(*fd);
    *fd = high;
    return 0;
}

static int make_pipes(struct birth *b, struct gw_error *err)
{
    b->null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (b->null < 0)
        return gw_error_errno(err, -errno, "cannot open /dev/null");
    /* A socket: to write into a pipe that nobody reads is a signal. */
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, b->word) < 0 ||
        pipe2(b->why, O_CLOEXEC) < 0)
        return gw_error_errno(err, -errno, "cannot make a pipe");
    int *const all[] = { &b->lock, &b->log, &b->null, &b->word[0], &b->why[1] };
    for (size_t i = 0; i < GW_ARRAY_SIZE(all); i++) {
        int r = lift(all[i]);
        if (r < 0)
            return gw_error_errno(err, r, "out of descriptors");
    }
    return 0;
}

static int prepare(const struct gw_launch *l, struct birth *b, struct gw_error *err)
{
    char path[PATH_MAX];
    int r = gw_unit_file(l->dir, l->plan, "log", path, err);

    if (r == 0)
        r = gw_unit_lock(l->dir, l->plan, &b->lock, err);
    if (r == 0)
        r = gw_unit_log_open(path, &b->log, err);
    if (r == 0)
        r = make_pipes(b, err);
    /* nbdkit does not take the place of one that was killed. With the lock this is nobody's. */
    if (r == 0 && l->nbd != NULL && unlink(l->nbd) < 0 && errno != ENOENT)
        r = gw_error_errno(err, -errno, "cannot remove the stale socket %s", l->nbd);
    return r;
}

/* U2: on record, then the word. */
static int record_and_release(const struct gw_launch *l, pid_t pid, const struct birth *b,
                              struct gw_unit_record *ret, int *ret_pidfd, struct gw_error *err)
{
    struct gw_unit_record rec = { .kind = l->kind,
                                  .command_hash = l->command_hash,
                                  .began_wall_ns = gw_wall_ns() };
    char path[PATH_MAX];
    int pidfd = -1;

    snprintf(rec.plan, sizeof rec.plan, "%s", l->plan);
    snprintf(rec.control, sizeof rec.control, "%s", l->control);
    int r = gw_pid_of(pid, &rec.id, err);
    if (r == 0)
        r = gw_pid_open(&rec.id, &pidfd, err);
    if (r == 0)
        r = gw_unit_file(l->dir, l->plan, "unit", path, err);
    if (r == 0)
        r = gw_unit_record_write(path, &rec, err);
    if (r == 0 && send(b->word[1], "", 1, MSG_NOSIGNAL) != 1)
        r = gw_error_errno(err, -errno, "the process of plan %s ended before it began", l->plan);
    if (r < 0) {
        if (pidfd >= 0)
            close(pidfd);
        return r;
    }
    *ret = rec;
    *ret_pidfd = pidfd;
    return 0;
}

/* Nothing on the pipe but its end: exec was done. */
static int heard_why(int fd, const char *program, struct gw_error *err)
{
    int error = 0;
    ssize_t n;

    do
        n = read(fd, &error, sizeof error);
    while (n < 0 && errno == EINTR);
    return n == (ssize_t)sizeof error ? gw_error_errno(err, -error, "cannot execute %s", program)
                                      : 0;
}

static void reap(pid_t pid)
{
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

static void close_end(int *fd)
{
    close(*fd);
    *fd = -1;
}

/* No other child gets the lock, and we keep it no longer than the child needs to have it. */
static int give_birth(const struct gw_launch *l, struct birth *b, char *const *env, pid_t *ret_pid,
                      struct gw_error *err)
{
    GW_FORK_SCOPE;
    int r = prepare(l, b, err);
    if (r == 0) {
        *ret_pid = fork();
        if (*ret_pid == 0)
            child(b, l->argv, env);
        if (*ret_pid < 0)
            r = gw_error_errno(err, -errno, "cannot start %s", l->argv[0]);
    }
    if (b->lock >= 0)
        close_end(&b->lock);
    return r;
}

int gw_launch(const struct gw_launch *l, struct gw_unit_record *ret_record, int *ret_pidfd,
              struct gw_error *err)
{
    __attribute__((cleanup(birth_done))) struct birth b = {
        .lock = -1, .log = -1, .null = -1, .word = { -1, -1 }, .why = { -1, -1 }
    };
    CLEANUP_FREE char **env = environment(l->env);
    if (env == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    pid_t pid = -1;
    int r = give_birth(l, &b, env, &pid, err);
    if (r < 0)
        return r;
    close_end(&b.why[1]);
    close_end(&b.word[0]);
    int pidfd = -1;
    r = record_and_release(l, pid, &b, ret_record, &pidfd, err);
    close_end(&b.word[1]);
    struct gw_error why;
    int x = heard_why(b.why[0], l->argv[0], &why);
    if (x < 0)
        r = gw_error_set(err, x, "%s", why.msg);
    if (r < 0) {
        reap(pid);
        if (pidfd >= 0)
            close(pidfd);
        return r;
    }
    *ret_pidfd = pidfd;
    return 0;
}
