// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The birth of a command. Between fork and execve only what is safe while other threads hold locks:
 * system calls, and memory that was there before.
 *
 * The child gives up every descriptor of ours before it waits for permission: another child that is
 * held at the same time must not keep our pipes open.
 */
#include "work/child_internal.h"

#include "base/cleanup.h"
#include "base/fork.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define FD_FREE 10 /* ends for a child are at least here, so that 0..3 can be put in place */
#define FD_SYNC 3  /* of the child */
#define EXIT_NOT_STARTED 127

/* execve has no const for the sake of old programs; it changes nothing. */
static char *const *mutable_list(const char *const *list)
{
    union {
        const char *const *given;
        char *const *wanted;
    } u = { .given = list };
    return u.wanted;
}

static _Noreturn void fail(enum child_stage what, int code)
{
    const struct child_failure f = { .what = (int)what, .code = code };
    ssize_t n = write(FD_SYNC, &f, sizeof f);
    (void)n; /* nobody is there any more */
    _exit(EXIT_NOT_STARTED);
}

static bool take_place(const struct child_command *c, int out, int sync)
{
    int null = open("/dev/null", O_RDWR); /* may well be 3: used before that is taken */
    int in = c->in_fd >= 0 ? c->in_fd : null;
    if (null < 0 || (in != 0 && dup2(in, 0) < 0) || dup2(c->mute ? null : out, 2) < 0)
        return false;
    return dup2(out, 1) >= 0 && dup2(sync, FD_SYNC) >= 0 && close_range(FD_SYNC + 1, ~0u, 0) == 0;
}

static _Noreturn void child_main(const struct child_command *c, int out, int sync)
{
    setsid();
    gw_default_signals();
    bool in_place = take_place(c, out, sync);
    int code = errno;
    char go;
    ssize_t n;
    while ((n = read(in_place ? FD_SYNC : sync, &go, 1)) < 0 && errno == EINTR)
        ;
    if (n != 1)
        _exit(EXIT_NOT_STARTED); /* refused, or nobody is there any more */
    if (!in_place)
        fail(CHILD_STAGE_SETUP, code);
    umask(022);
    if (chdir(c->dir) < 0)
        fail(CHILD_STAGE_DIR, errno);
    if (fcntl(FD_SYNC, F_SETFD, FD_CLOEXEC) < 0)
        fail(CHILD_STAGE_SETUP, errno);
    gw_unblock_signals();
    execve(c->path, mutable_list(c->argv), mutable_list(c->env));
    fail(CHILD_STAGE_EXEC, errno);
}

/* Moves a descriptor out of the way of 0..3. */
static int high(int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, FD_FREE);
    int code = errno;
    close(fd);
    errno = code;
    return moved;
}

struct ends {
    int out[2], sync[2]; /* ours, the child's */
};

static void ends_close(struct ends *e)
{
    for (int i = 0; i < 2; i++) {
        if (e->out[i] >= 0)
            close(e->out[i]);
        if (e->sync[i] >= 0)
            close(e->sync[i]);
    }
}

static int ends_open(struct ends *e, struct gw_error *err)
{
    *e = (struct ends){ { -1, -1 }, { -1, -1 } };
    if (pipe2(e->out, O_CLOEXEC) < 0)
        return gw_error_errno(err, -errno, "cannot make a pipe");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, e->sync) < 0)
        return gw_error_errno(err, -errno, "cannot make a pair of sockets");
    e->out[1] = high(e->out[1]);
    if (e->out[1] < 0)
        return gw_error_errno(err, -errno, "cannot make a pipe");
    e->sync[1] = high(e->sync[1]);
    if (e->sync[1] < 0)
        return gw_error_errno(err, -errno, "cannot make a pair of sockets");
    if (fcntl(e->out[0], F_SETFL, O_NONBLOCK) < 0 || fcntl(e->sync[0], F_SETFL, O_NONBLOCK) < 0)
        return gw_error_errno(err, -errno, "cannot make a pipe");
    return 0;
}

/* No handler of ours may run in the child before gw_default_signals(). */
static pid_t fork_quietly(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    GW_FORK_SCOPE;
    pid_t pid = fork();
    int code = errno;
    if (pid != 0)
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = code;
    return pid;
}

int child_input(const char *text, int *ret_fd, struct gw_error *err)
{
    const size_t len = strlen(text);
    CLEANUP_CLOSE int fd = memfd_create("input", MFD_CLOEXEC);
    if (fd >= 0)
        fd = high(fd); /* which closes it if it cannot */
    if (fd < 0 || write(fd, text, len) != (ssize_t)len || lseek(fd, 0, SEEK_SET) < 0)
        return gw_error_errno(err, -errno, "cannot keep what it shall read");
    *ret_fd = fd;
    fd = -1;
    return 0;
}

int child_spawn(const struct child_command *c, struct child *ret, struct gw_error *err)
{
    struct ends e;
    int r = ends_open(&e, err);
    if (r < 0) {
        ends_close(&e);
        return r;
    }
    pid_t pid = fork_quietly();
    if (pid == 0)
        child_main(c, e.out[1], e.sync[1]);
    int pidfd = pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
    if (pidfd < 0) {
        r = gw_error_errno(err, -errno, "cannot make a process");
        ends_close(&e); /* the child, if there is one, sees that and ends */
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
            ;
        return r;
    }
    close(e.out[1]);
    close(e.sync[1]);
    *ret = (struct child){ .pid = pid, .pidfd = pidfd, .out_fd = e.out[0], .sync_fd = e.sync[0] };
    return 0;
}

/* ---- the drain ------------------------------------------------------------------------------- */

static _Noreturn void drain_main(int fd)
{
    static const char *const argv[] = { "cat", NULL };
    static const char *const env[] = { NULL };
    setsid();
    gw_default_signals();
    pid_t pid = fork();
    if (pid != 0)
        _exit(0); /* so that it is waited for by init, and not by us */
    int null = open("/dev/null", O_WRONLY);
    if (null < 0 || dup2(fd, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
        fcntl(0, F_SETFL, 0) < 0 || chdir("/") < 0 || close_range(3, ~0u, 0) < 0)
        _exit(EXIT_NOT_STARTED);
    gw_unblock_signals();
    execve("/bin/cat", mutable_list(argv), mutable_list(env));
    _exit(EXIT_NOT_STARTED);
}

void child_drain(int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, FD_FREE);
    if (moved < 0)
        return;
    pid_t pid = fork_quietly();
    if (pid == 0)
        drain_main(moved);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    close(moved);
}

/* ---- where is it? ---------------------------------------------------------------------------- */

static int executable(const char *path)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return errno;
    if (S_ISDIR(st.st_mode))
        return EISDIR;
    return access(path, X_OK) < 0 ? errno : 0;
}

int child_find_program(const char *name, const char *search_path, char ret[PATH_MAX])
{
    if (strchr(name, '/') != NULL) {
        if ((size_t)snprintf(ret, PATH_MAX, "%s", name) >= PATH_MAX)
            return ENAMETOOLONG;
        return name[0] == '/' ? executable(name) : EINVAL;
    }
    int found = ENOENT; /* what is worth more than "not there": there, but not executable */
    for (const char *p = search_path; *p != '\0';) {
        size_t n = strcspn(p, ":");
        int len = snprintf(ret, PATH_MAX, "%.*s/%s", (int)n, p, name);
        int code = n > 0 && len < PATH_MAX ? executable(ret) : ENOENT;
        if (code == 0)
            return 0;
        if (code == EACCES)
            found = code;
        p += n + (p[n] == ':' ? 1 : 0);
    }
    return found;
}
