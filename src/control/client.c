// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "control/client.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "control/line.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define CONNECT_RETRY_MS 10
#define UNKNOWN "the outcome is UNKNOWN, look at the status before deciding anything"

bool gw_control_outcome_unknown(int code)
{
    return code == -ETIMEDOUT || code == -ECONNRESET || code == -EPROTO || code == -ECANCELED;
}

/* Milliseconds of the budget that are left (0 = for ever); false when it is used up. */
static bool time_left(uint64_t begin_ns, unsigned timeout_ms, unsigned *ret_ms)
{
    uint64_t used_ms = (gw_boot_ns() - begin_ns) / GW_NS_PER_MS;
    *ret_ms = 0;
    if (timeout_ms == 0)
        return true;
    if (used_ms >= timeout_ms)
        return false;
    *ret_ms = timeout_ms - (unsigned)used_ms;
    return true;
}

static int connect_path(int fd, const char *path, uint64_t begin_ns, unsigned timeout_ms,
                        struct gw_error *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof address.sun_path)
        return gw_error_set(err, -ENAMETOOLONG, "socket path %s has more than %zu bytes", path,
                            sizeof address.sun_path - 1);
    memcpy(address.sun_path, path, strlen(path) + 1);
    while (connect(fd, (const struct sockaddr *)&address, sizeof address) < 0) {
        unsigned left_ms;
        if (errno == ENOENT)
            return gw_error_set(err, -ENOENT, "no process serves %s: there is no such socket",
                                path);
        if (errno == ECONNREFUSED)
            return gw_error_set(err, -ECONNREFUSED,
                                "no process serves %s: the one that did has ended", path);
        if (errno != EAGAIN && errno != EINTR)
            return gw_error_errno(err, -errno, "cannot connect to %s", path);
        /* The queue of the server is full. There is no event to wait for. */
        if (!time_left(begin_ns, timeout_ms, &left_ms))
            return gw_error_set(err, -EAGAIN, "%s does not accept connections; nothing was done",
                                path);
        poll(NULL, 0, CONNECT_RETRY_MS);
    }
    return 0;
}

/*
 * The server hung up while we were sending: it may have said why (a full house, a wrong user).
 * Nothing can have been executed, for our newline was not sent.
 */
static int explain_hangup(int fd, const char *path, struct gw_error *err)
{
    struct gw_line l;
    gw_line_init(&l, fd, -1);
    char *line;
    size_t len;
    bool garbage = true;
    CLEANUP_JSON json_t *answer = NULL;
    int r = -EIO;
    if (gw_line_read(&l, 1, GW_CONTROL_STOP_MS, &line, &len) == 1)
        r = gw_control_answer_parse(line, len, &garbage, &answer, err);
    gw_line_done(&l);
    if (garbage || r == 0)
        return gw_error_set(err, -EIO, "%s closed the connection; nothing was done", path);
    return r;
}

static int send_request(int fd, const char *path, const json_t *request, uint64_t begin_ns,
                        unsigned timeout_ms, struct gw_error *err)
{
    CLEANUP_FREE char *line = NULL;
    size_t len;
    int r = gw_control_line_format(request, &line, &len, err);
    if (r < 0)
        return r;
    r = connect_path(fd, path, begin_ns, timeout_ms, err);
    if (r < 0)
        return r;
    unsigned left_ms;
    if (!time_left(begin_ns, timeout_ms, &left_ms))
        left_ms = 1;
    r = gw_line_send(fd, -1, line, len, left_ms);
    if (r == -ETIMEDOUT)
        return gw_error_set(err, -EAGAIN, "%s did not take the request in %u ms; nothing was done",
                            path, timeout_ms);
    if (r == -EPIPE || r == -ECONNRESET)
        return explain_hangup(fd, path, err);
    if (r < 0)
        return gw_error_errno(err, r, "cannot send to %s; nothing was done", path);
    return 0;
}

static int explain_silence(int r, const char *path, unsigned timeout_ms, struct gw_error *err)
{
    if (r == -ETIMEDOUT || r == -ETIME)
        return gw_error_set(err, -ETIMEDOUT, "no answer from %s in %u ms; " UNKNOWN, path,
                            timeout_ms);
    if (r == -EMSGSIZE)
        return gw_error_set(err, -EPROTO, "%s answered with a line that is too long; " UNKNOWN,
                            path);
    return gw_error_set(err, -ECONNRESET, "the connection to %s ended before the answer; " UNKNOWN,
                        path);
}

/* 1: that was progress, go on. 0: the final answer is in *ret. */
static int take_line(const char *line, size_t len, const char *path,
                     gw_control_progress_fn *progress, void *ctx, json_t **ret,
                     struct gw_error *err)
{
    CLEANUP_JSON json_t *answer = NULL;
    bool garbage;
    struct gw_error why = { 0 };
    int r = gw_control_answer_parse(line, len, &garbage, &answer, &why);
    if (garbage)
        return gw_error_set(err, -EPROTO, "%s: %s; " UNKNOWN, path, why.msg);
    if (r < 0)
        return gw_error_set(err, r, "%s", why.msg);
    if (json_object_get(answer, "ok") == NULL) {
        if (progress != NULL && progress(ctx, json_object_get(answer, "progress")) != 0)
            return gw_error_set(err, -ECANCELED, "stopped waiting for %s; " UNKNOWN, path);
        return 1;
    }
    if (ret != NULL)
        *ret = json_incref(answer);
    return 0;
}

int gw_control_call(const char *path, const json_t *request, unsigned timeout_ms,
                    gw_control_progress_fn *progress, void *ctx, json_t **ret_result,
                    struct gw_error *err)
{
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return gw_error_errno(err, -errno, "cannot create a socket");
    int r = send_request(fd, path, request, gw_boot_ns(), timeout_ms, err);
    if (r < 0)
        return r;
    struct gw_line l;
    gw_line_init(&l, fd, -1);
    do {
        char *line;
        size_t len;
        r = gw_line_read(&l, timeout_ms, timeout_ms, &line, &len);
        if (r == 1)
            r = take_line(line, len, path, progress, ctx, ret_result, err);
        else
            r = explain_silence(r, path, timeout_ms, err);
    } while (r == 1);
    gw_line_done(&l);
    return r;
}
