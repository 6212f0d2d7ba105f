// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Inside of simnet.c (the link and its faults) and simconn.c (connections as the engine sees them).
 */
#pragma once

#include "fibers.h"

#include "engine/transport.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIMNET_EVENTS_MAX 512u
#define SIMNET_BACKLOG_MAX 8u
#define SIMNET_HEARD_MAX 4096u

struct segment {
    struct segment *next;
    uint64_t arrives_ns;
    size_t len, used;
    uint8_t bytes[];
};

/* What one end sends to the other. */
struct dir {
    struct segment *head, *tail;
    size_t buffered;
    uint64_t last_arrival_ns;
    bool ended; /* no more will come */
    struct waitq readers, writers;
};

struct pair {
    struct pair *next;
    struct dir dir[2];     /* [i]: what end i sends; 0 is the caller */
    struct proc *owner[2]; /* NULL: the end is gone, or not accepted yet */
    int site[2];
    bool reset[2];        /* end i learns at once that the connection is void */
    bool gone[2];         /* end i is closed */
    bool silent[2];       /* end i lost its power */
    uint64_t reset_after; /* bytes left until it is reset; 0: never */
};

struct gw_conn {
    struct pair *pair;
    int end;
    char peer[32];
    unsigned idle_ms;
    bool shut, send_failed, recv_failed;
};

struct gw_listener {
    struct gw_listener *next;
    struct proc *owner;
    char address[32];
    struct pair *waiting[SIMNET_BACKLOG_MAX];
    unsigned n_waiting;
};

struct simnet {
    bool up[2];
    uint64_t delay_ns, rate;
    uint64_t reset_after, flip_in, flipped;
    bool flip_armed;
    struct pair *pairs;
    struct gw_listener *listeners;
    struct waitq doors; /* whoever connects or accepts */
    bool event[SIMNET_EVENTS_MAX];
    unsigned n_events;
    uint8_t heard[2][SIMNET_HEARD_MAX]; /* the first bytes of the last caller of a site */
    size_t n_heard[2];
};
extern struct simnet simnet;

void *simnet_must(void *p);
void simnet_pair_reset(struct pair *p);
bool simnet_event_is_set(int fd);
