// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * One client of a control server: reads its requests, runs their handlers, sends the answers.
 * Between server.c and session.c only.
 *
 * A session is a place in the server's table. Its life, and who performs each edge:
 *
 *     FREE --server--> IDLE <--session--> BUSY
 *       ^               |  \               |
 *       |             server \           session
 *       |               v     session      |
 *     server (join)  EVICTED --> ENDED <---+
 *
 * `state`, `fd` and `idle_since_ns` are guarded by the server's lock; no other lock is taken and
 * nothing blocks while it is held. The session alone closes fd. IDLE -> BUSY is where a request
 * becomes one that is executed: an EVICTED session cannot take that edge, so that its client may
 * be told that nothing was done.
 */
#pragma once

#include "control/server.h"

#include <pthread.h>
#include <stdint.h>

enum gw_session_state {
    GW_SESSION_FREE,
    GW_SESSION_IDLE,
    GW_SESSION_BUSY,
    GW_SESSION_EVICTED,
    GW_SESSION_ENDED,
};

struct gw_session {
    const struct gw_control_config *config;
    pthread_mutex_t *lock; /* the server's */
    int stop_fd;           /* readable: the server stops */
    int fd;
    enum gw_session_state state;
    uint64_t idle_since_ns;
    pthread_t thread; /* the server's business */
};

/* The thread of a session whose fd is set and whose state is IDLE. */
void *gw_session_main(void *session);

/* Send {"ok":false,...} within ms, or not at all. */
void gw_session_refuse(int fd, unsigned ms, int code, const char *message);
#define GW_SESSION_REFUSE_MS 100u
