// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The sockets that a server listens at. */
#include "http/server_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>

#define BACKLOG 128
#define UNIX_MODE 0660
#define HOST_MAX 256

static bool same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

/*
 * PATH.lock orders the starters: whoever holds it may remove what it finds at PATH. A stopping
 * server unlinks the file, so that one that was opened just before must be looked at again.
 */
static int take_lock(struct gw_http_server *s, struct gw_error *err)
{
    for (;;) {
        CLEANUP_CLOSE int fd = open(s->lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            return gw_error_errno(err, -errno, "cannot create %s", s->lock_path);
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
            if (errno == EWOULDBLOCK)
                return gw_error_set(err, -EADDRINUSE, "another process serves %s", s->unix_path);
            return gw_error_errno(err, -errno, "cannot lock %s", s->lock_path);
        }
        struct stat opened, named;
        if (fstat(fd, &opened) < 0)
            return gw_error_errno(err, -errno, "cannot examine %s", s->lock_path);
        if (stat(s->lock_path, &named) < 0 || !same_file(&opened, &named))
            continue;
        s->lock_fd = fd;
        fd = -1;
        return 0;
    }
}

/* With the lock held, a socket here is a dead server's, or of a program that knows no lock. */
static int remove_stale(const struct gw_http_server *s, const struct sockaddr_un *address,
                        struct gw_error *err)
{
    struct stat st;
    if (lstat(s->unix_path, &st) < 0)
        return errno == ENOENT ? 0 : gw_error_errno(err, -errno, "cannot examine %s", s->unix_path);
    if (!S_ISSOCK(st.st_mode))
        return gw_error_set(err, -EEXIST, "%s exists and is not a socket: not replaced",
                            s->unix_path);
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return gw_error_errno(err, -errno, "cannot create a socket");
    if (connect(fd, (const struct sockaddr *)address, sizeof *address) == 0 || errno == EAGAIN)
        return gw_error_set(err, -EADDRINUSE, "another process serves %s", s->unix_path);
    if (errno != ECONNREFUSED)
        return gw_error_errno(err, -errno, "cannot tell whether %s is served", s->unix_path);
    if (unlink(s->unix_path) < 0)
        return gw_error_errno(err, -errno, "cannot remove the stale socket %s", s->unix_path);
    return 0;
}

static int bind_unix(struct gw_http_server *s, const struct sockaddr_un *address,
                     struct gw_error *err)
{
    s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->listen_fd < 0)
        return gw_error_errno(err, -errno, "cannot create a socket");
    /* Nobody else's until it is the right group's: Linux gives the new name the mode of the socket
     * (and the umask). */
    if (fchmod(s->listen_fd, 0600) < 0 ||
        bind(s->listen_fd, (const struct sockaddr *)address, sizeof *address) < 0)
        return gw_error_errno(err, -errno, "cannot create the socket %s", s->unix_path);
    s->bound = true;
    if (s->config.has_group && chown(s->unix_path, (uid_t)-1, s->config.group) < 0)
        return gw_error_errno(err, -errno, "cannot give the socket %s to group %u", s->unix_path,
                              (unsigned)s->config.group);
    if (chmod(s->unix_path, UNIX_MODE) < 0)
        return gw_error_errno(err, -errno, "cannot set the mode of the socket %s", s->unix_path);
    if (lstat(s->unix_path, &s->socket_stat) < 0 || listen(s->listen_fd, BACKLOG) < 0)
        return gw_error_errno(err, -errno, "cannot listen at %s", s->unix_path);
    return 0;
}

int gw_http_listen_unix(struct gw_http_server *s, struct gw_error *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(s->unix_path) >= sizeof address.sun_path)
        return gw_error_set(err, -ENAMETOOLONG,
                            "socket path %s has %zu bytes, at most %zu are possible: choose a "
                            "directory with a shorter name",
                            s->unix_path, strlen(s->unix_path), sizeof address.sun_path - 1);
    memcpy(address.sun_path, s->unix_path, strlen(s->unix_path) + 1);
    int r = take_lock(s, err);
    if (r == 0)
        r = remove_stale(s, &address, err);
    if (r == 0)
        r = bind_unix(s, &address, err);
    if (r == 0 && asprintf(&s->address_text, "unix:%s", s->unix_path) < 0) {
        s->address_text = NULL;
        r = gw_error_set(err, -ENOMEM, "out of memory");
    }
    return r;
}

/* "host:port", "[ipv6]:port". */
static int split_address(const char *address, char host[HOST_MAX], const char **ret_port,
                         struct gw_error *err)
{
    const char *colon = strrchr(address, ':'), *begin = address;
    size_t len = colon != NULL ? (size_t)(colon - address) : 0;
    bool bracketed = len >= 2 && address[0] == '[' && address[len - 1] == ']';
    if (bracketed) {
        begin++;
        len -= 2;
    }
    if (colon == NULL || len == 0 || len >= HOST_MAX || colon[1] == '\0' ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        (!bracketed && memchr(begin, ':', len) != NULL))
        return gw_error_set(err, -EINVAL,
                            "\"%.200s\" is not an address: HOST:PORT or [IPV6]:PORT is", address);
    memcpy(host, begin, len);
    host[len] = '\0';
    *ret_port = colon + 1;
    return 0;
}

static int listen_one(const struct addrinfo *a)
{
    CLEANUP_CLOSE int fd =
        socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    const int one = 1;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
        bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    int listening = fd;
    fd = -1;
    return listening;
}

static int bound_address(struct gw_http_server *s, struct gw_error *err)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;
    char host[HOST_MAX], port[16];
    if (getsockname(s->listen_fd, (struct sockaddr *)&at, &len) < 0 ||
        getnameinfo((struct sockaddr *)&at, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return gw_error_set(err, -EIO, "cannot tell where %s listens", s->name);
    if (asprintf(&s->address_text, at.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port) < 0)
        s->address_text = NULL;
    return s->address_text != NULL ? 0 : gw_error_set(err, -ENOMEM, "out of memory");
}

int gw_http_listen_tcp(struct gw_http_server *s, struct gw_error *err)
{
    char host[HOST_MAX];
    const char *port = NULL;
    struct addrinfo *list = NULL,
                    hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV };
    int r = split_address(s->config.address, host, &port, err);
    if (r < 0)
        return r;
    int e = getaddrinfo(host, port, &hints, &list);
    if (e != 0)
        return gw_error_set(err, -EINVAL, "cannot listen at \"%s\": %s", s->config.address,
                            e == EAI_SYSTEM ? strerrordesc_np(errno) : gai_strerror(e));
    int fd = -EADDRNOTAVAIL;
    for (const struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next)
        fd = listen_one(a);
    freeaddrinfo(list);
    if (fd < 0)
        return gw_error_errno(err, fd, "cannot listen at \"%s\"", s->config.address);
    s->listen_fd = fd;
    return bound_address(s, err);
}

void gw_http_unlisten(struct gw_http_server *s)
{
    struct stat st;
    if (s->bound && lstat(s->unix_path, &st) == 0 && same_file(&st, &s->socket_stat))
        unlink(s->unix_path);
    if (s->lock_fd >= 0)
        unlink(s->lock_path); /* still locked: see take_lock */
    gw_cleanup_close(&s->listen_fd);
    gw_cleanup_close(&s->lock_fd);
}
