// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "control/server.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "control/session.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#define BACKLOG 64
#define ACCEPT_RETRY_MS 100

struct gw_control {
    struct gw_control_config config;
    char *path, *lock_path;
    int lock_fd, listen_fd, stop_fd;
    struct stat socket_stat; /* what we bound: nobody else's socket is ever removed */
    bool bound, accepting;
    pthread_t acceptor;
    pthread_mutex_t lock; /* innermost; see session.h for what it guards */
    struct gw_session sessions[GW_CONTROL_CLIENTS_MAX];
};

bool gw_control_peer_allowed(uid_t peer_uid, uid_t own_uid)
{
    return peer_uid == 0 || peer_uid == own_uid;
}

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/*
 * PATH.lock orders the starters: whoever holds it may remove what it finds at PATH. A stopping
 * server unlinks the file, so that one that was opened just before must be looked at again.
 */
static int take_lock(struct gw_control *c, struct gw_error *err)
{
    for (;;) {
        CLEANUP_CLOSE int fd = open(c->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return gw_error_errno(err, -errno, "cannot create %s", c->lock_path);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
            if (errno == EWOULDBLOCK)
                return gw_error_set(err, -EADDRINUSE, "another process serves %s", c->path);
            return gw_error_errno(err, -errno, "cannot lock %s", c->lock_path);
        }
        struct stat opened, named;
        if (fstat(fd, &opened) < 0)
            return gw_error_errno(err, -errno, "cannot examine %s", c->lock_path);
        if (stat(c->lock_path, &named) < 0 || !same_file(&opened, &named))
            continue;
        c->lock_fd = fd;
        fd = -1;
        return 0;
    }
}

static int make_address(const char *path, struct sockaddr_un *ret, struct gw_error *err)
{
    *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof ret->sun_path)
        return gw_error_set(err, -ENAMETOOLONG,
                            "socket path %s has %zu bytes, at most %zu are possible: choose a "
                            "directory with a shorter name",
                            path, strlen(path), sizeof ret->sun_path - 1);
    memcpy(ret->sun_path, path, strlen(path) + 1);
    return 0;
}

/* With the lock held, a socket here is a dead server's, or of a program that knows no lock. */
static int remove_stale(const struct gw_control *c, const struct sockaddr_un *address,
                        struct gw_error *err)
{
    struct stat st;
    if (lstat(c->path, &st) < 0)
        return errno == ENOENT ? 0 : gw_error_errno(err, -errno, "cannot examine %s", c->path);
    if (!S_ISSOCK(st.st_mode))
        return gw_error_set(err, -EEXIST, "%s exists and is not a socket: not replaced", c->path);
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return gw_error_errno(err, -errno, "cannot create a socket");
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN)
        return gw_error_set(err, -EADDRINUSE, "another process serves %s", c->path);
    if (errno != ECONNREFUSED)
        return gw_error_errno(err, -errno, "cannot tell whether %s is served", c->path);
    if (unlink(c->path) < 0)
        return gw_error_errno(err, -errno, "cannot remove the stale socket %s", c->path);
    return 0;
}

static int open_socket(struct gw_control *c, struct gw_error *err)
{
    struct sockaddr_un address;
    int r = make_address(c->path, &address, err);
    if (r < 0)
        return r;
    r = take_lock(c, err);
    if (r < 0)
        return r;
    r = remove_stale(c, &address, err);
    if (r < 0)
        return r;
    c->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->listen_fd < 0)
        return gw_error_errno(err, -errno, "cannot create a socket");
    /* Before bind: Linux gives the new name this mode, so that there is no moment without it. */
    if (fchmod(c->listen_fd, 0600) < 0 ||
        bind(c->listen_fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return gw_error_errno(err, -errno, "cannot create the socket %s", c->path);
    c->bound = true;
    if (lstat(c->path, &c->socket_stat) < 0 || listen(c->listen_fd, BACKLOG) < 0)
        return gw_error_errno(err, -errno, "cannot listen at %s", c->path);
    return 0;
}

/* A place for a new client, joined and FREE, or NULL. Only the acceptor calls this. */
static struct gw_session *find_place(struct gw_control *c)
{
    struct gw_session *idlest = NULL, *found = NULL;
    {
        LOCK_SCOPE(&c->lock);
        uint64_t now = gw_boot_ns();
        for (size_t i = 0; i < GW_CONTROL_CLIENTS_MAX && found == NULL; i++) {
            struct gw_session *s = &c->sessions[i];
            if (s->state == GW_SESSION_FREE)
                return s;
            if (s->state == GW_SESSION_ENDED)
                found = s;
            if (s->state == GW_SESSION_IDLE &&
                now - s->idle_since_ns >= c->config.idle_ms * GW_NS_PER_MS &&
                (idlest == NULL || s->idle_since_ns < idlest->idle_since_ns))
                idlest = s;
        }
        if (found == NULL && idlest != NULL) {
            idlest->state = GW_SESSION_EVICTED;
            shutdown(idlest->fd, SHUT_RD); /* wakes it */
            found = idlest;
        }
    }
    if (found == NULL)
        return NULL;
    /* It has ended, or is about to: it only says goodbye (GW_SESSION_REFUSE_MS). */
    pthread_join(found->thread, NULL);
    LOCK_SCOPE(&c->lock);
    found->state = GW_SESSION_FREE;
    return found;
}

static void set_place(struct gw_control *c, struct gw_session *s, int fd,
                      enum gw_session_state state)
{
    LOCK_SCOPE(&c->lock);
    s->fd = fd;
    s->state = state;
    s->idle_since_ns = gw_boot_ns();
}

static void admit(struct gw_control *c, int fd)
{
    struct ucred peer = { .uid = (uid_t)-1 };
    socklen_t len = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0 ||
        !gw_control_peer_allowed(peer.uid, geteuid())) {
        char why[128];
        snprintf(why, sizeof why, "user %u may not use this socket: only root and user %u may",
                 (unsigned)peer.uid, (unsigned)geteuid());
        gw_session_refuse(fd, GW_SESSION_REFUSE_MS, -EPERM, why);
        close(fd);
        return;
    }
    struct gw_session *s = find_place(c);
    if (s == NULL) {
        gw_session_refuse(fd, GW_SESSION_REFUSE_MS, -EBUSY,
                          "all places for clients are in use; nothing was done, try again");
        close(fd);
        return;
    }
    set_place(c, s, fd, GW_SESSION_IDLE);
    if (pthread_create(&s->thread, NULL, gw_session_main, s) != 0) {
        set_place(c, s, -1, GW_SESSION_FREE);
        gw_session_refuse(fd, GW_SESSION_REFUSE_MS, -EBUSY,
                          "no thread can be created; nothing was done, try again");
        close(fd);
    }
}

static void *acceptor_main(void *arg)
{
    struct gw_control *c = arg;
    for (;;) {
        struct pollfd fds[2] = { { .fd = c->stop_fd, .events = POLLIN },
                                 { .fd = c->listen_fd, .events = POLLIN } };
        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[0].revents != 0)
            return NULL;
        int fd = accept4(c->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            admit(c, fd);
        else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            poll(fds, 1, ACCEPT_RETRY_MS); /* no descriptors or memory: do not spin on it */
    }
}

static int start_threads(struct gw_control *c, struct gw_error *err)
{
    c->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (c->stop_fd < 0)
        return gw_error_errno(err, -errno, "cannot create an event");
    for (size_t i = 0; i < GW_CONTROL_CLIENTS_MAX; i++)
        c->sessions[i] = (struct gw_session){ .config = &c->config,
                                              .lock = &c->lock,
                                              .stop_fd = c->stop_fd,
                                              .fd = -1,
                                              .state = GW_SESSION_FREE };
    int r = pthread_create(&c->acceptor, NULL, acceptor_main, c);
    if (r != 0)
        return gw_error_errno(err, -r, "cannot create the thread of %s", c->path);
    c->accepting = true;
    return 0;
}

static void check_table(const struct gw_control_config *config)
{
    for (size_t i = 0; i < config->n_commands; i++) {
        const struct gw_control_command *a = &config->commands[i];
        assert(a->name != NULL && a->help != NULL && a->fn != NULL && strcmp(a->name, "help") != 0);
        for (size_t k = 0; k < i; k++)
            assert(strcmp(a->name, config->commands[k].name) != 0);
    }
}

int gw_control_start(const struct gw_control_config *config, struct gw_control **ret,
                     struct gw_error *err)
{
    check_table(config);
    struct gw_control *c = calloc(1, sizeof *c);
    if (c == NULL)
        return gw_error_errno(err, -ENOMEM, "cannot serve %s", config->path);
    c->config = *config;
    c->config.line_ms = config->line_ms != 0 ? config->line_ms : GW_CONTROL_LINE_MS;
    c->config.send_ms = config->send_ms != 0 ? config->send_ms : GW_CONTROL_SEND_MS;
    c->config.idle_ms = config->idle_ms != 0 ? config->idle_ms : GW_CONTROL_IDLE_MS;
    c->lock_fd = c->listen_fd = c->stop_fd = -1;
    pthread_mutex_init(&c->lock, NULL);
    json_object_seed(0); /* once, before there are threads that make objects */

    int r = 0;
    c->path = strdup(config->path);
    c->config.path = c->path;
    if (c->path == NULL || asprintf(&c->lock_path, "%s.lock", config->path) < 0) {
        c->lock_path = NULL;
        r = gw_error_errno(err, -ENOMEM, "cannot serve %s", config->path);
    }
    if (r == 0)
        r = open_socket(c, err);
    if (r == 0)
        r = start_threads(c, err);
    if (r < 0) {
        gw_control_stop(c);
        return r;
    }
    *ret = c;
    return 0;
}

static void remove_names(struct gw_control *c)
{
    struct stat st;
    if (c->bound && lstat(c->path, &st) == 0 && same_file(&st, &c->socket_stat))
        unlink(c->path);
    if (c->lock_fd >= 0)
        unlink(c->lock_path); /* still locked: see take_lock */
}

void gw_control_stop(struct gw_control *c)
{
    if (c == NULL)
        return;
    if (c->accepting) {
        eventfd_write(c->stop_fd, 1); /* never read: it stays readable for everyone */
        pthread_join(c->acceptor, NULL);
        for (size_t i = 0; i < GW_CONTROL_CLIENTS_MAX; i++) {
            pthread_mutex_lock(&c->lock);
            bool joinable = c->sessions[i].state != GW_SESSION_FREE;
            pthread_mutex_unlock(&c->lock);
            if (joinable)
                pthread_join(c->sessions[i].thread, NULL);
        }
    }
    remove_names(c);
    gw_cleanup_close(&c->listen_fd);
    gw_cleanup_close(&c->stop_fd);
    gw_cleanup_close(&c->lock_fd);
    pthread_mutex_destroy(&c->lock);
    free(c->path);
    free(c->lock_path);
    free(c);
}
