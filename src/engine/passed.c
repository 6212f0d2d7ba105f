// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/passed.h"

#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static_assert(sizeof((struct sockaddr_un *)NULL)->sun_path == GW_PASSED_PATH_MAX,
              "the longest path of a socket");

#define WORD_BYTES (sizeof GW_PASSED_WORD - 1)
/* More descriptors than one are taken out of the message only to be closed; the kernel closes what
 * does not fit. */
#define FDS_MAX 4

const char *gw_passed_path(const char *address)
{
    const size_t n = sizeof GW_PASSED_PREFIX - 1;

    return strncmp(address, GW_PASSED_PREFIX, n) == 0 ? address + n : NULL;
}

static int make_address(const char *path, struct sockaddr_un *ret, struct gw_error *err)
{
    *ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (path[0] == '\0')
        return gw_error_set(err, -EINVAL, "the path of the socket for passed connections is empty");
    if (strlen(path) >= sizeof ret->sun_path)
        return gw_error_set(err, -ENAMETOOLONG,
                            "socket path %s has %zu bytes, at most %zu are "
                            "possible: choose a directory with a shorter name",
                            path, strlen(path), sizeof ret->sun_path - 1);
    memcpy(ret->sun_path, path, strlen(path) + 1);
    return 0;
}

static int new_socket(struct gw_error *err)
{
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    return fd >= 0 ? fd : gw_error_errno(err, -errno, "cannot create a socket");
}

/* ---- receiving ------------------------------------------------------------------------------- */

/* Of a killed process, or nothing. */
static int remove_stale(const struct sockaddr_un *at, struct gw_error *err)
{
    struct stat st;

    if (lstat(at->sun_path, &st) < 0)
        return errno == ENOENT ? 0 : gw_error_errno(err, -errno, "cannot examine %s", at->sun_path);
    if (!S_ISSOCK(st.st_mode))
        return gw_error_set(err, -EEXIST, "%s exists and is not a socket: not replaced",
                            at->sun_path);
    CLEANUP_CLOSE int fd = new_socket(err);
    if (fd < 0)
        return fd;
    if (connect(fd, (const struct sockaddr *)at, sizeof *at) == 0)
        return gw_error_set(err, -EADDRINUSE, "another process receives connections at %s",
                            at->sun_path);
    if (errno != ECONNREFUSED)
        return gw_error_errno(err, -errno, "cannot tell whether %s is in use", at->sun_path);
    if (unlink(at->sun_path) < 0)
        return gw_error_errno(err, -errno, "cannot remove the stale socket %s", at->sun_path);
    return 0;
}

int gw_passed_open(const char *path, int *ret_fd, struct gw_error *err)
{
    struct sockaddr_un at;
    const int one = 1;
    int r = make_address(path, &at, err);

    if (r == 0)
        r = remove_stale(&at, err);
    if (r < 0)
        return r;
    CLEANUP_CLOSE int fd = new_socket(err);
    if (fd < 0)
        return fd;
    /* Before bind: the name appears with this mode, and no message without its sender. */
    if (fchmod(fd, 0600) < 0 || setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof one) < 0 ||
        bind(fd, (const struct sockaddr *)&at, sizeof at) < 0)
        return gw_error_errno(err, -errno, "cannot receive connections at %s", path);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

struct message {
    struct ucred from;
    bool has_from;
    int fd[FDS_MAX];
    unsigned n_fds;
};

static void close_all(struct message *m)
{
    while (m->n_fds > 0)
        close(m->fd[--m->n_fds]);
}

static void read_control(struct msghdr *h, struct message *ret)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level != SOL_SOCKET)
            continue;
        if (c->cmsg_type == SCM_CREDENTIALS && c->cmsg_len == CMSG_LEN(sizeof ret->from)) {
            memcpy(&ret->from, CMSG_DATA(c), sizeof ret->from);
            ret->has_from = true;
        } else if (c->cmsg_type == SCM_RIGHTS) {
            unsigned n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            for (unsigned i = 0; i < n && ret->n_fds < FDS_MAX; i++)
                memcpy(&ret->fd[ret->n_fds++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
        }
    }
}

static bool is_connected_tcp(int fd, struct gw_address *ret_peer)
{
    int type = 0, protocol = 0;
    socklen_t len = sizeof type;
    struct gw_address a = { .len = sizeof a.sa };

    if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || type != SOCK_STREAM)
        return false;
    len = sizeof protocol;
    if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &len) < 0 || protocol != IPPROTO_TCP)
        return false;
    if (getpeername(fd, (struct sockaddr *)&a.sa, &a.len) < 0)
        return false;
    *ret_peer = a;
    return true;
}

static int examine(const struct message *m, const struct msghdr *h, const char *word, ssize_t n,
                   struct gw_address *ret_peer, struct gw_error *err)
{
    if (!m->has_from || (m->from.uid != 0 && m->from.uid != geteuid()))
        return gw_error_set(err, -EPERM, "user %d may not pass connections to this process",
                            m->has_from ? (int)m->from.uid : -1);
    if (n != (ssize_t)WORD_BYTES || memcmp(word, GW_PASSED_WORD, WORD_BYTES) != 0)
        return gw_error_set(err, -EPROTO, "process %d sent something that is no passed connection",
                            (int)m->from.pid);
    if (m->n_fds != 1 || (h->msg_flags & MSG_CTRUNC) != 0)
        return gw_error_set(err, -EPROTO,
                            "process %d passed %u descriptors at once instead of one connection",
                            (int)m->from.pid, m->n_fds);
    if (!is_connected_tcp(m->fd[0], ret_peer))
        return gw_error_set(err, -EPROTO,
                            "what process %d passed is not a TCP connection, or it has ended",
                            (int)m->from.pid);
    return 0;
}

int gw_passed_take(int fd, int *ret_fd, struct gw_address *ret_peer, struct gw_error *err)
{
    char word[WORD_BYTES + 1]; /* one more: a longer message is not the word */
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(struct ucred)) + CMSG_SPACE(FDS_MAX * sizeof(int))];
    } control;
    struct iovec iov = { .iov_base = word, .iov_len = sizeof word };
    struct msghdr h = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    struct message m = { .n_fds = 0 };
    ssize_t n;

    do
        n = recvmsg(fd, &h, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? -EAGAIN
                               : gw_error_errno(err, -errno, "cannot receive passed connections");
    read_control(&h, &m);
    int r = examine(&m, &h, word, n, ret_peer, err);
    if (r == 0 && fcntl(m.fd[0], F_SETFL, O_NONBLOCK) < 0)
        r = gw_error_errno(err, -errno, "cannot use a passed connection");
    if (r < 0) {
        close_all(&m);
        return r;
    }
    *ret_fd = m.fd[0];
    return 0;
}

/* ---- sending --------------------------------------------------------------------------------- */

int gw_passed_connect(const char *path, int *ret_fd, struct gw_error *err)
{
    struct sockaddr_un at;
    int r = make_address(path, &at, err);

    if (r < 0)
        return r;
    CLEANUP_CLOSE int fd = new_socket(err);
    if (fd < 0)
        return fd;
    if (connect(fd, (const struct sockaddr *)&at, sizeof at) < 0)
        return gw_error_errno(err, -errno, "no process receives connections at %s", path);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

int gw_passed_send(int fd, int conn_fd, struct gw_error *err)
{
    char word[] = GW_PASSED_WORD;
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { .bytes = { 0 } };
    struct iovec iov = { .iov_base = word, .iov_len = WORD_BYTES };
    struct msghdr h = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    ssize_t n;

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &conn_fd, sizeof conn_fd);
    do
        n = sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return gw_error_errno(err, -errno, "cannot pass a connection on");
    return 0;
}
