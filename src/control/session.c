// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "control/session.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "control/line.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define DRAIN_MS 200u

struct gw_control_reply {
    struct gw_session *session;
    json_t *result;
    bool gone;
    int failed; /* why the result cannot be trusted to be whole; 0: it can */
};

/* Whether fd is fully closed by its peer, or the server stops. Waits up to ms for that. */
static bool wait_gone(const struct gw_session *s, unsigned ms)
{
    uint64_t end = gw_boot_ns() + ms * GW_NS_PER_MS;
    for (;;) {
        uint64_t now = gw_boot_ns();
        int left = now < end ? (int)((end - now + GW_NS_PER_MS - 1) / GW_NS_PER_MS) : 0;
        /* No POLLRDHUP: one that only closed its sending half still waits for the answer. */
        struct pollfd fds[2] = { { .fd = s->fd }, { .fd = s->stop_fd, .events = POLLIN } };
        int n = poll(fds, 2, left);
        if (n > 0)
            return true;
        if (left == 0)
            return false;
    }
}

bool gw_control_reply_gone(struct gw_control_reply *reply)
{
    if (!reply->gone)
        reply->gone = wait_gone(reply->session, 0);
    return reply->gone;
}

int gw_control_reply_wait(struct gw_control_reply *reply, unsigned ms)
{
    if (!reply->gone)
        reply->gone = wait_gone(reply->session, ms);
    return reply->gone ? -ECONNABORTED : 0;
}

static bool name_is_free(const char *name)
{
    return strcmp(name, "ok") != 0 && strcmp(name, "error") != 0 && strcmp(name, "progress") != 0;
}

void gw_control_reply_set(struct gw_control_reply *reply, const char *name, json_t *value)
{
    assert(name_is_free(name));
    if (json_object_set_new(reply->result, name, value) < 0)
        reply->failed = -ENOMEM;
}

void gw_control_reply_merge(struct gw_control_reply *reply, json_t *object)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value) assert(name_is_free(name));
    if (object == NULL || json_object_update(reply->result, object) < 0)
        reply->failed = -ENOMEM;
    json_decref(object);
}

static int send_json(struct gw_session *s, const json_t *object, struct gw_error *err)
{
    CLEANUP_FREE char *line = NULL;
    size_t len;
    int r = gw_control_line_format(object, &line, &len, err);
    if (r < 0)
        return r;
    r = gw_line_send(s->fd, s->stop_fd, line, len, s->config->send_ms);
    /* Half a line may be out: nothing more can be said on this connection. */
    return r < 0 ? gw_error_errno(err, -ECONNABORTED, "the client does not take the answer") : 0;
}

int gw_control_reply_progress(struct gw_control_reply *reply, json_t *progress)
{
    assert(progress == NULL || json_is_object(progress));
    CLEANUP_JSON json_t *line = json_pack("{s:o}", "progress", progress);
    if (gw_control_reply_gone(reply))
        return -ECONNABORTED;
    /* A progress line that cannot be made is left out; one that cannot be sent ends the session. */
    if (send_json(reply->session, line, NULL) == -ECONNABORTED) {
        shutdown(reply->session->fd, SHUT_RDWR);
        reply->gone = true;
    }
    return reply->gone ? -ECONNABORTED : 0;
}

/* Every answer goes through here, once a request. False: the connection is of no more use. */
static bool send_answer(struct gw_session *s, json_t *answer)
{
    struct gw_error err = { 0 };
    int r = send_json(s, answer, &err);
    if (r < 0 && r != -ECONNABORTED) {
        gw_error_wrap(&err, "the answer cannot be sent");
        CLEANUP_JSON json_t *instead = gw_control_error_json(r, err.msg);
        r = send_json(s, instead, &err);
    }
    return r == 0;
}

static bool send_error(struct gw_session *s, int code, const char *message)
{
    CLEANUP_JSON json_t *answer = gw_control_error_json(code, message);
    return send_answer(s, answer);
}

void gw_session_refuse(int fd, unsigned ms, int code, const char *message)
{
    CLEANUP_JSON json_t *answer = gw_control_error_json(code, message);
    CLEANUP_FREE char *line = NULL;
    size_t len;
    if (gw_control_line_format(answer, &line, &len, NULL) == 0)
        (void)gw_line_send(fd, -1, line, len, ms);
}

static bool send_help(struct gw_session *s)
{
    CLEANUP_JSON json_t *list = json_array();
    for (size_t i = 0; i < s->config->n_commands; i++) {
        const struct gw_control_command *c = &s->config->commands[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "name", c->name, "args",
                                              c->args != NULL ? c->args : "", "help", c->help));
    }
    CLEANUP_JSON json_t *answer = json_pack("{s:b, s:O}", "ok", 1, "commands", list);
    return send_answer(s, answer);
}

static const struct gw_control_command *find_command(const struct gw_control_config *config,
                                                     const char *name)
{
    for (size_t i = 0; i < config->n_commands; i++) {
        if (strcmp(config->commands[i].name, name) == 0)
            return &config->commands[i];
    }
    return NULL;
}

static bool send_unknown(struct gw_session *s, const char *name)
{
    char known[256] = "help", why[384];
    size_t used = strlen(known);
    for (size_t i = 0; i < s->config->n_commands; i++) {
        const char *is = s->config->commands[i].name;
        if (used + strlen(is) + 3 < sizeof known)
            used += (size_t)snprintf(known + used, sizeof known - used, ", %s", is);
    }
    snprintf(why, sizeof why, "no command \"%.64s\"; there are: %s", name, known);
    return send_error(s, -ENOSYS, why);
}

static bool run_command(struct gw_session *s, const struct gw_control_command *command,
                        json_t *request)
{
    struct gw_error err = { 0 };
    CLEANUP_JSON json_t *result = json_pack("{s:b}", "ok", 1);
    struct gw_control_reply reply = { .session = s, .result = result };
    int r = gw_control_args_check(request, command->args, &err);
    if (r == 0)
        r = command->fn(s->config->ctx, request, &reply, &err);
    assert(r <= 0);
    if (r == 0 && (reply.failed != 0 || result == NULL))
        r = gw_error_set(&err, -ENOMEM, "command \"%s\" was done, but its result cannot be encoded",
                         command->name);
    return r < 0 ? send_error(s, r, err.msg) : send_answer(s, result);
}

static bool answer_request(struct gw_session *s, const char *line, size_t len)
{
    struct gw_error err = { 0 };
    CLEANUP_JSON json_t *request = NULL;
    int r = gw_control_request_parse(line, len, &request, &err);
    if (r < 0)
        return send_error(s, r, err.msg);
    const char *name = json_string_value(json_object_get(request, "cmd"));
    if (strcmp(name, "help") == 0)
        return send_help(s);
    const struct gw_control_command *command = find_command(s->config, name);
    return command != NULL ? run_command(s, command, request) : send_unknown(s, name);
}

/* The framing is lost: say why, and close. */
static void end_framing(struct gw_session *s, int r)
{
    const char *why = NULL;
    if (r == -EMSGSIZE)
        why = "a line of more than 1048576 bytes; nothing of it was done";
    else if (r == -EBADMSG)
        why = "the line ends without a newline; nothing of it was done";
    else if (r == -ETIME)
        why = "the line was begun and not ended in time; nothing of it was done";
    else
        return;
    if (send_error(s, r == -ETIME ? -EBADMSG : r, why)) {
        shutdown(s->fd, SHUT_WR);
        gw_line_drain(s->fd, s->stop_fd, DRAIN_MS);
    }
}

/* IDLE -> BUSY; false if the place was given to another client. */
static bool claim(struct gw_session *s)
{
    LOCK_SCOPE(s->lock);
    if (s->state == GW_SESSION_EVICTED)
        return false;
    s->state = GW_SESSION_BUSY;
    return true;
}

static void release(struct gw_session *s)
{
    LOCK_SCOPE(s->lock);
    s->state = GW_SESSION_IDLE;
    s->idle_since_ns = gw_boot_ns();
}

static bool server_stops(const struct gw_session *s)
{
    struct pollfd p = { .fd = s->stop_fd, .events = POLLIN };
    return poll(&p, 1, 0) > 0;
}

static void serve(struct gw_session *s, struct gw_line *l)
{
    for (bool more = true; more;) {
        char *line;
        size_t len;
        int r = gw_line_read(l, 0, s->config->line_ms, &line, &len);
        /* Also between requests that were sent ahead, which need no wait. */
        if (server_stops(s))
            return;
        if (!claim(s)) {
            gw_session_refuse(s->fd, GW_SESSION_REFUSE_MS, -EBUSY,
                              "idle for too long while others wait for a place; nothing was done, "
                              "connect again");
            return;
        }
        more = r == 1 && answer_request(s, line, len);
        if (r < 0)
            end_framing(s, r);
        release(s);
    }
}

void *gw_session_main(void *session)
{
    struct gw_session *s = session;
    struct gw_line l;
    gw_line_init(&l, s->fd, s->stop_fd);
    serve(s, &l);
    gw_line_done(&l);
    LOCK_SCOPE(s->lock);
    close(s->fd);
    s->fd = -1;
    s->state = GW_SESSION_ENDED;
    return NULL;
}
