// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/tier.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "demo/tier_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define STOP_SECONDS 20u
#define EXIT_STOPPED 3 /* of status, as godwitd and the LSB have it */
#define PID_BYTES 16

static const struct {
    const char *name;
    tier_run_fn *run;
} roles[TIER_ROLES] = {
    [TIER_LEDGER] = { "ledger", tier_ledger },
    [TIER_SERVICE] = { "service", tier_service },
    [TIER_FRONT] = { "front", tier_front },
};

const char *tier_role_name(enum tier_role role)
{
    return roles[role].name;
}

const char *tier_site_address(const char *site)
{
    return strcmp(site, TIER_HOME) == 0 ? "127.0.0.2"
           : strcmp(site, TIER_DR) == 0 ? "127.0.0.3"
                                        : NULL;
}

/* ---- the lock ------------------------------------------------------------------------------ */

static int lock_open(const char *dir, const char *site, enum tier_role role)
{
    char path[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/" TIER_DIR "/%s-%s.lock", dir, site, roles[role].name);
    return n < (int)sizeof path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
}

/* What the holder of the lock wrote into it; 0 if nobody holds it. */
static pid_t lock_holder(int fd)
{
    char text[PID_BYTES] = "";
    if (flock(fd, LOCK_SH | LOCK_NB) == 0) {
        flock(fd, LOCK_UN);
        return 0;
    }
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    return n > 0 ? (pid_t)strtol(text, NULL, 10) : 0;
}

static int lock_take(int fd)
{
    char text[PID_BYTES];
    if (flock(fd, LOCK_EX | LOCK_NB) < 0 || ftruncate(fd, 0) < 0)
        return -1;
    int n = snprintf(text, sizeof text, "%d\n", (int)getpid());
    return pwrite(fd, text, (size_t)n, 0) == n ? 0 : -1;
}

pid_t tier_pid(const char *dir, const char *site, enum tier_role role)
{
    CLEANUP_CLOSE int fd = lock_open(dir, site, role);
    return fd < 0 ? 0 : lock_holder(fd);
}

/* ---- small parts --------------------------------------------------------------------------- */

int tier_listen(const char *address, unsigned port, struct gw_error *err)
{
    struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    union {
        const struct sockaddr_in *in;
        const struct sockaddr *any;
    } name = { .in = &here };
    const int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return gw_error_errno(err, -errno, "cannot make a socket");
    if (inet_pton(AF_INET, address, &here.sin_addr) != 1 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) < 0 ||
        bind(fd, name.any, sizeof here) < 0 || listen(fd, 16) < 0) {
        int r = gw_error_errno(err, -errno, "cannot listen at %s:%u", address, port);
        close(fd);
        return r;
    }
    return fd;
}

void tier_await_end(const struct tier *t)
{
    struct pollfd f = { .fd = t->signal_fd, .events = POLLIN };
    while (poll(&f, 1, -1) < 0 && errno == EINTR)
        ;
}

/* ---- the process of a tier ----------------------------------------------------------------- */

/* Both ends of a pipe: a byte is "ready", the end of it is "it did not work". */
static void tell_ready(void *arg)
{
    int *fd = arg;
    ssize_t n = write(*fd, "r", 1);
    (void)n;
    close(*fd);
    *fd = -1;
}

static int take_signals(struct tier *t)
{
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    if (sigprocmask(SIG_BLOCK, &ends, NULL) < 0)
        return -1;
    signal(SIGPIPE, SIG_IGN);
    t->signal_fd = signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
    return t->signal_fd < 0 ? -1 : 0;
}

/* godwitd reads what a command says until its last writer is gone: a tier says it to a file. */
static int leave(const struct tier *t)
{
    char log[PATH_MAX];
    if (snprintf(log, sizeof log, "%s/log/%s-%s.log", t->dir, t->site, roles[t->role].name) >=
        (int)sizeof log)
        return -1;
    setsid();
    CLEANUP_CLOSE int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    CLEANUP_CLOSE int out = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (null < 0 || out < 0 || dup2(null, 0) < 0 || dup2(out, 1) < 0 || dup2(out, 2) < 0)
        return -1;
    return chdir("/");
}

static int live(struct tier *t, int ready_fd)
{
    struct gw_error err = { 0 };
    CLEANUP_CLOSE int lock = lock_open(t->dir, t->site, t->role);
    if (leave(t) < 0 || lock < 0 || lock_take(lock) < 0 || take_signals(t) < 0) {
        fprintf(stderr, "%s: cannot begin: %s\n", roles[t->role].name, strerror(errno));
        return EXIT_FAILURE;
    }
    int r = roles[t->role].run(t, tell_ready, &ready_fd, &err);
    if (r < 0)
        fprintf(stderr, "%s: %s\n", roles[t->role].name, err.msg);
    close(t->signal_fd);
    return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- start, stop, status ------------------------------------------------------------------- */

static int start(struct tier *t)
{
    int ends[2];
    char byte;
    if (tier_pid(t->dir, t->site, t->role) > 0)
        return EXIT_SUCCESS;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return EXIT_FAILURE;
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        _exit(live(t, ends[1]));
    }
    close(ends[1]);
    ssize_t n = pid > 0 ? read(ends[0], &byte, 1) : -1;
    close(ends[0]);
    if (n == 1)
        return EXIT_SUCCESS;
    fprintf(stderr, "%s did not begin to serve at %s; log/%s-%s.log says why\n",
            roles[t->role].name, t->site, t->site, roles[t->role].name);
    return EXIT_FAILURE;
}

static int status(const struct tier *t)
{
    pid_t pid = tier_pid(t->dir, t->site, t->role);
    if (pid > 0)
        printf("process %d\n", (int)pid);
    return pid > 0 ? EXIT_SUCCESS : EXIT_STOPPED;
}

/* It has the lock for as long as it lives: whoever gets it has seen its end. */
static int stop(const struct tier *t)
{
    CLEANUP_CLOSE int fd = lock_open(t->dir, t->site, t->role);
    pid_t pid = fd < 0 ? 0 : lock_holder(fd);
    if (fd < 0)
        return EXIT_FAILURE;
    if (pid <= 0)
        return EXIT_SUCCESS;
    kill(pid, SIGTERM);
    alarm(STOP_SECONDS);
    return flock(fd, LOCK_EX) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/* ---- the route ----------------------------------------------------------------------------- */

bool tier_route(const char *dir, char ret[TIER_SITE_MAX])
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.*s/" TIER_ROUTE, PATH_MAX - 16, dir);
    FILE *f = fopen(path, "re");
    bool has = f != NULL && fgets(ret, TIER_SITE_MAX, f) != NULL;
    if (f != NULL)
        fclose(f);
    if (has)
        ret[strcspn(ret, "\n")] = '\0';
    return has && tier_site_address(ret) != NULL;
}

/* As a whole: customers never read half a name. */
static int set_route(const char *dir, const char *site)
{
    char path[PATH_MAX], made[PATH_MAX];
    int n = snprintf(path, sizeof path, "%s/" TIER_ROUTE, dir);
    int m = snprintf(made, sizeof made, "%s/" TIER_ROUTE ".new", dir);
    if (tier_site_address(site) == NULL || n >= (int)sizeof path || m >= (int)sizeof made)
        return EXIT_FAILURE;
    FILE *f = fopen(made, "we");
    bool ok = f != NULL && fprintf(f, "%s\n", site) > 0;
    if (f != NULL && fclose(f) != 0)
        ok = false;
    return ok && rename(made, path) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int route(int argc, char **argv)
{
    char site[TIER_SITE_MAX];
    if (argc == 3 && strcmp(argv[0], "set") == 0)
        return set_route(argv[1], argv[2]);
    if (argc != 2 || strcmp(argv[0], "show") != 0 || !tier_route(argv[1], site))
        return EXIT_FAILURE;
    puts(site);
    return EXIT_SUCCESS;
}

/* ---- the program --------------------------------------------------------------------------- */

static int role_of(const char *name, enum tier_role *ret)
{
    for (int i = 0; i < TIER_ROLES; i++) {
        if (strcmp(name, roles[i].name) == 0) {
            *ret = (enum tier_role)i;
            return 0;
        }
    }
    return -1;
}

static int wrong(void)
{
    fputs("godwit demo --role: for the plan of the demo only\n", stderr);
    return 2;
}

int tier_main(int argc, char **argv)
{
    struct tier t = { .signal_fd = -1 };
    const char *site = getenv("GODWIT_SITE");
    if (argc >= 2 && strcmp(argv[0], "route") == 0)
        return route(argc - 1, argv + 1);
    if (argc != 3 + TIER_ROLES || role_of(argv[0], &t.role) < 0 || site == NULL ||
        tier_site_address(site) == NULL)
        return wrong();
    t.dir = argv[2];
    snprintf(t.site, sizeof t.site, "%s", site);
    t.address = tier_site_address(site);
    for (int i = 0; i < TIER_ROLES; i++)
        t.port[i] = (unsigned)strtoul(argv[3 + i], NULL, 10);
    t.socket = getenv("GODWIT_VOLUME_ledger_SOCKET");
    t.export = getenv("GODWIT_VOLUME_ledger_EXPORT");
    if (strcmp(argv[1], "start") == 0)
        return start(&t);
    if (strcmp(argv[1], "stop") == 0)
        return stop(&t);
    return strcmp(argv[1], "status") == 0 ? status(&t) : wrong();
}
