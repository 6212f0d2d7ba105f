// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The serving end of a control socket (the protocol: control/message.h).
 *
 * Calling sequence: fill a table of commands, gw_control_start, serve, gw_control_stop. Start after
 * any fork: it makes threads.
 *
 * Threads: one accepts, and each client has its own, so that a command that waits for a resync, an
 * idle client or one that reads slowly holds up nobody else. Handlers therefore run in parallel
 * with each other and with the data path: they lock what they share, briefly, and hold no lock of
 * the data path while they call gw_control_reply_progress or gw_control_reply_wait, which may block
 * for as long as the client is slow (at most send_ms). gw_control_stop must not be called by a
 * handler; a "stop" command sets a flag for the main thread, and its answer is still delivered.
 *
 * The socket: PATH has mode 0600; PATH.lock is held (flock) for as long as it is served and tells a
 * live server from what a killed one left, which is replaced. gw_control_stop removes both.
 */
#pragma once

#include "base/error.h"
#include "control/message.h"

#include <stdbool.h>
#include <sys/types.h>

struct gw_control;
struct gw_control_reply;

/*
 * Handle one request. The request is the handler's to read, not to keep; its members are known to
 * be among the command's args. Members of the answer go into the reply. Return 0, or a negative
 * errno value with a sentence in err: then the answer is that error and the members are dropped.
 */
typedef int gw_control_fn(void *ctx, json_t *request, struct gw_control_reply *reply,
                          struct gw_error *err);

struct gw_control_command {
    const char *name;
    const char *args; /* names of its arguments, blank-separated; NULL: none. Others are refused */
    const char *help; /* one sentence */
    gw_control_fn *fn;
};

struct gw_control_config {
    const char *path;                          /* copied */
    const struct gw_control_command *commands; /* these live until gw_control_stop */
    size_t n_commands;
    void *ctx; /* for the handlers */
    /* Times of control/message.h; 0: the default there. */
    unsigned line_ms, send_ms, idle_ms;
};

/*
 * -EADDRINUSE: another process serves PATH. -EEXIST: PATH is there and is not a socket.
 * -ENAMETOOLONG: a socket's path has at most 107 bytes. "help" is served besides the table.
 */
int gw_control_start(const struct gw_control_config *config, struct gw_control **ret,
                     struct gw_error *err);
/*
 * Take no more requests, tell running handlers (gw_control_reply_gone), wait for them, and remove
 * the socket. Returns when the last handler has. NULL is fine.
 */
void gw_control_stop(struct gw_control *c);

/*
 * Put a member into the answer. `value` is taken over. NULL is our own failure to make it (memory,
 * text that is not UTF-8): the whole answer becomes ENOMEM. The names "ok", "error" and "progress"
 * are the protocol's.
 */
void gw_control_reply_set(struct gw_control_reply *reply, const char *name, json_t *value);
/* Put all members of an object into the answer; taken over, as above (json_pack fits here). */
void gw_control_reply_merge(struct gw_control_reply *reply, json_t *object);

/*
 * Send a progress line; `progress` (an object) is taken over. 0, or -ECONNABORTED when nobody reads
 * it any more: the handler ends what only its client wanted, and returns that error.
 */
int gw_control_reply_progress(struct gw_control_reply *reply, json_t *progress);
/* True once the client is gone or the server stops. */
bool gw_control_reply_gone(struct gw_control_reply *reply);
/* Wait for ms: 0, or -ECONNABORTED as soon as the client is gone or the server stops. */
int gw_control_reply_wait(struct gw_control_reply *reply, unsigned ms);

/* Whether a peer may use the socket of a process that runs as own_uid. Pure. */
bool gw_control_peer_allowed(uid_t peer_uid, uid_t own_uid);
