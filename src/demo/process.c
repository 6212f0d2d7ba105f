// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/process.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "demo/interrupt.h"
#include "demo/process_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define END_MS 8000u /* a process that is asked to end has so long before it is killed */

int processes_new(struct processes **ret, struct gw_error *err)
{
    struct processes *ps = calloc(1, sizeof *ps);
    if (ps == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    *ret = ps;
    return 0;
}

static void reap(struct process *p)
{
    while (waitpid(p->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    process_forget(p);
}

/* All are asked first, so that they end side by side; then each is given its time. */
void processes_free(struct processes *ps)
{
    if (ps == NULL)
        return;
    for (int i = 0; i < PROCESSES_MAX; i++) {
        if (ps->p[i].pid != 0)
            process_kill(&ps->p[i], SIGTERM);
    }
    uint64_t end = gw_boot_ns() + END_MS * GW_NS_PER_MS;
    for (int i = 0; i < PROCESSES_MAX; i++) {
        struct process *p = &ps->p[i];
        if (p->pid == 0)
            continue;
        uint64_t now = gw_boot_ns();
        struct pollfd f = { .fd = p->pidfd, .events = POLLIN };
        if (now >= end || poll(&f, 1, (int)((end - now) / GW_NS_PER_MS)) <= 0)
            process_kill(p, SIGKILL);
        reap(p);
    }
    free(ps);
}

void process_forget(struct process *p)
{
    if (p->pidfd >= 0)
        close(p->pidfd);
    if (p->out_fd >= 0)
        close(p->out_fd);
    if (p->err_fd >= 0)
        close(p->err_fd);
    free(p->line);
    *p = (struct process){ .pid = 0 };
}

/* ---- start --------------------------------------------------------------------------------- */

/* Between fork and exec: only what is safe while other threads hold locks. */
static void child(const char *const *argv, char *const *env, struct process_files files,
                  pid_t parent)
{
    /* execve has no const for the sake of old programs; it changes nothing. */
    union {
        const char *const *given;
        char *const *wanted;
    } args = { .given = argv };
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127); /* it died before the line above */
    signal(SIGPIPE, SIG_DFL);
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || dup2(null, 0) < 0 || dup2(files.out, 1) < 0 || dup2(files.err, 2) < 0)
        _exit(127);
    execve(args.given[0], args.wanted, env);
    static const char message[] = "cannot be executed\n";
    ssize_t n = write(2, message, sizeof message - 1);
    (void)n;
    _exit(127);
}

/* Our environment with LD_PRELOAD replaced; the strings stay whose they are. */
static char **environment(char *preload)
{
    size_t n = 0;
    while (environ[n] != NULL)
        n++;
    char **env = calloc(n + 2, sizeof *env);
    if (env == NULL)
        return NULL;
    size_t k = 0;
    for (size_t i = 0; i < n; i++) {
        if (preload == NULL || strncmp(environ[i], "LD_PRELOAD=", 11) != 0)
            env[k++] = environ[i];
    }
    if (preload != NULL)
        env[k] = preload;
    return env;
}

static struct process *free_place(struct processes *ps)
{
    for (int i = 0; i < PROCESSES_MAX; i++) {
        if (ps->p[i].pid == 0)
            return &ps->p[i];
    }
    return NULL;
}

int process_spawn(struct processes *ps, const char *name, const char *const *argv,
                  const char *preload, struct process_files files, struct process **ret,
                  struct gw_error *err)
{
    struct process *p = free_place(ps);
    if (p == NULL)
        return gw_error_set(err, -EAGAIN, "cannot start %s: too many processes", name);
    CLEANUP_FREE char *variable = NULL;
    if (preload != NULL && asprintf(&variable, "LD_PRELOAD=%s", preload) < 0)
        return gw_error_set(err, -ENOMEM, "out of memory");
    CLEANUP_FREE char **env = environment(variable);
    if (env == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        return gw_error_errno(err, -errno, "cannot start %s", name);
    if (pid == 0)
        child(argv, env, files, parent);
    *p = (struct process){ .all = ps, .pid = pid, .out_fd = -1, .err_fd = -1 };
    snprintf(p->name, sizeof p->name, "%s", name);
    p->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (p->pidfd < 0) {
        int r = gw_error_errno(err, -errno, "cannot watch %s", name);
        kill(pid, SIGKILL);
        reap(p);
        return r;
    }
    *ret = p;
    return 0;
}

int process_start(struct processes *ps, const struct process_spec *spec, struct process **ret,
                  struct gw_error *err)
{
    CLEANUP_CLOSE int log = open(spec->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0)
        return gw_error_errno(err, -errno, "cannot open \"%s\"", spec->log);
    int ends[2] = { -1, -1 };
    if (spec->lines && pipe2(ends, O_CLOEXEC) < 0)
        return gw_error_errno(err, -errno, "cannot make a pipe");
    const struct process_files files = { .out = spec->lines ? ends[1] : log, .err = log };
    struct process *p = NULL;
    int r = process_spawn(ps, spec->name, spec->argv, spec->preload, files, &p, err);
    if (ends[1] >= 0)
        close(ends[1]);
    if (p == NULL) {
        if (ends[0] >= 0)
            close(ends[0]);
        return r;
    }
    p->out_fd = ends[0];
    snprintf(p->log, sizeof p->log, "%s", spec->log);
    *ret = p;
    return 0;
}

/* The last line of its log, for a sentence. */
static void last_words(const struct process *p, char *ret, size_t cap)
{
    char buf[2048];
    snprintf(ret, cap, "%s", "no reason given");
    CLEANUP_CLOSE int fd = open(p->log, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    off_t end = lseek(fd, 0, SEEK_END);
    off_t at = end > (off_t)sizeof buf - 1 ? end - (off_t)sizeof buf + 1 : 0;
    ssize_t n = pread(fd, buf, sizeof buf - 1, at);
    while (n > 0 && (buf[n - 1] == '\n' || buf[n - 1] == '\0'))
        n--;
    if (n <= 0)
        return;
    buf[n] = '\0';
    const char *line = strrchr(buf, '\n');
    snprintf(ret, cap, "%.280s", line != NULL ? line + 1 : buf);
}

/* How it ended, leaving it to be reaped. */
static void how(const struct process *p, char *ret, size_t cap)
{
    siginfo_t info = { .si_pid = 0 };
    if (waitid(P_PIDFD, (id_t)p->pidfd, &info, WEXITED | WNOWAIT) < 0 || info.si_pid == 0)
        snprintf(ret, cap, "ended");
    else
        snprintf(ret, cap, "ended by itself with %s %d",
                 info.si_code == CLD_EXITED ? "exit code" : "signal", info.si_status);
}

static int gone(const struct process *p, struct gw_error *err)
{
    char words[300], end[64];
    how(p, end, sizeof end);
    last_words(p, words, sizeof words);
    return gw_error_set(err, -ECHILD, "the process of %s (%d) %s; its last words: %s", p->name,
                        (int)p->pid, end, words);
}

pid_t process_id(const struct process *p)
{
    return p->pid;
}

int processes_alive(const struct processes *ps, struct gw_error *err)
{
    for (int i = 0; i < PROCESSES_MAX; i++) {
        const struct process *p = &ps->p[i];
        struct pollfd f = { .fd = p->pidfd, .events = POLLIN };
        if (p->pid != 0 && poll(&f, 1, 0) > 0)
            return gone(p, err);
    }
    return 0;
}

/* ---- waiting ------------------------------------------------------------------------------- */

/* 1: fd is readable; else an error. fd < 0: until the process has ended, which is 0. */
static int await(struct process *p, int fd, uint64_t end_ns, const char *what, struct gw_error *err)
{
    for (;;) {
        uint64_t now = gw_boot_ns();
        if (now >= end_ns)
            return gw_error_set(err, -ETIMEDOUT, "%s (process %d) took too long to %s (see %s)",
                                p->name, (int)p->pid, what, p->log);
        struct pollfd f[3] = { { .fd = fd, .events = POLLIN },
                               { .fd = p->pidfd, .events = POLLIN },
                               { .fd = interrupt_fd(), .events = POLLIN } };
        int n = poll(f, 3, (int)((end_ns - now) / GW_NS_PER_MS) + 1);
        if (n < 0 && errno != EINTR)
            return gw_error_errno(err, -errno, "cannot wait for %s", p->name);
        if (n <= 0)
            continue;
        if (f[0].revents != 0)
            return 1;
        if (f[1].revents != 0)
            return fd < 0 ? 0 : gone(p, err);
        if (f[2].revents != 0)
            return interrupt_error(err);
    }
}

static uint64_t deadline(unsigned timeout_ms)
{
    return gw_boot_ns() + timeout_ms * GW_NS_PER_MS;
}

int process_read_line(struct process *p, char *ret, size_t cap, unsigned timeout_ms,
                      struct gw_error *err)
{
    uint64_t end = deadline(timeout_ms);
    if (p->line == NULL && (p->line = malloc(PROCESS_LINE_BYTES)) == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    for (;;) {
        char *nl = p->n_line > 0 ? memchr(p->line, '\n', p->n_line) : NULL;
        if (nl != NULL || p->n_line == PROCESS_LINE_BYTES) {
            size_t n = nl != NULL ? (size_t)(nl - p->line) : p->n_line;
            snprintf(ret, cap, "%.*s", (int)n, p->line);
            size_t used = nl != NULL ? n + 1 : n;
            p->n_line -= used;
            memmove(p->line, p->line + used, p->n_line);
            return 0;
        }
        int r = await(p, p->out_fd, end, "say something", err);
        if (r < 0)
            return r;
        ssize_t n = read(p->out_fd, p->line + p->n_line, PROCESS_LINE_BYTES - p->n_line);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return gone(p, err);
        p->n_line += (size_t)n;
    }
}

int process_await_file(struct process *p, const char *path, unsigned timeout_ms,
                       struct gw_error *err)
{
    uint64_t end = deadline(timeout_ms);
    CLEANUP_CLOSE int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0 || inotify_add_watch(fd, ".", IN_CLOSE_WRITE | IN_MOVED_TO) < 0)
        return gw_error_errno(err, -errno, "cannot watch the directory for \"%s\"", path);
    for (;;) { /* also looked at before the first event: it may have been there before the watch */
        if (access(path, F_OK) == 0)
            return 0;
        int r = await(p, fd, end, "get ready", err);
        if (r < 0)
            return r;
        char events[4096];
        ssize_t n = read(fd, events, sizeof events);
        (void)n; /* which file it was is looked at above */
    }
}

void process_kill(struct process *p, int signal)
{
    /* Not yet reaped, so the number is still its own. */
    if (p->pid > 0)
        kill(p->pid, signal);
}

int process_wait(struct process *p, unsigned timeout_ms, int *ret_status, struct gw_error *err)
{
    int r = await(p, -1, deadline(timeout_ms), "end", err);
    if (r < 0)
        return r;
    int status = 0;
    while (waitpid(p->pid, &status, 0) < 0) {
        if (errno != EINTR)
            return gw_error_errno(err, -errno, "cannot wait for %s", p->name);
    }
    *ret_status = status;
    process_forget(p);
    return 0;
}
