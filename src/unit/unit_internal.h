// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What unit.c (what callers want), unit_watch.c (what happens by itself) and unit_stop.c share. */
#pragma once

#include "unit/launch.h"
#include "unit/record.h"
#include "unit/unit.h"

#include <pthread.h>

struct unit {
    struct unit *next;
    char plan[GW_UNIT_PLAN_MAX];
    enum gw_unit_kind kind;
    char **argv, **env; /* NULL: it was found on record, and never started by us */
    char *control, *nbd;
    uint64_t command_hash;

    bool wanted, ending; /* ending: an end is expected (gw_units_let_end) */
    bool busy;           /* a thread is starting or stopping it, without the lock */
    enum gw_unit_state state;
    uint64_t since_ns;
    bool adopted;
    unsigned restarts, quick_ends;
    uint64_t next_start_ns; /* BACKOFF */
    uint64_t next_look_ns;  /* STARTING: has it made its sockets? */

    struct gw_unit_record rec; /* valid with pidfd >= 0 */
    int pidfd;                 /* -1: it does not run */
    uint64_t begun_ns;         /* boot time of its start; of an adopted one, when it was adopted */

    bool have_end;
    int last_code;
    uint64_t last_end_wall_ns;
    char words[GW_UNIT_WORDS_MAX];
};

struct gw_units {
    struct gw_units_config cfg;
    char dir[PATH_MAX];
    char systemctl[PATH_MAX];
    bool by_systemd;
    pthread_t thread;
    int wake_fd;
    pthread_mutex_t mu; /* guards all below and every unit; never held over a start, a stop or a
                           callback; held over reading the end of a log */
    pthread_cond_t cv;  /* something changed */
    bool stop;
    struct unit *first;
    unsigned n;
};

/* With mu. unit_list.c. */
/* A new one, in the list. NULL: out of memory. */
struct unit *gw_unit_add(struct gw_units *u, const char *plan, enum gw_unit_kind kind);
void gw_unit_remove(struct gw_units *u, struct unit *n); /* ... and free it */
/* What it is from its next start on; false: out of memory, and nothing changed. */
bool gw_unit_define(struct unit *n, const struct gw_unit_spec *spec);
struct unit *gw_units_lookup(struct gw_units *u, const char *plan);
/* Wait until no other thread works at it. It may be gone then: NULL. */
struct unit *gw_units_take(struct gw_units *u, const char *plan);
/* With mu. unit.c. */
void gw_unit_set_state(struct gw_units *u, struct unit *n, enum gw_unit_state state);
/* mu is taken and held again when it returns; n is busy. */
int gw_unit_launch(struct gw_units *u, struct unit *n, struct gw_error *err);
/* Without mu. */
void gw_units_tell(struct gw_units *u, const char *plan);
void gw_units_wake(struct gw_units *u);
void *gw_units_main(void *arg);

/* The process that is on record and lives: 1, *ret and its pidfd; 0: none. */
int gw_units_on_record(struct gw_units *u, const char *plan, struct gw_unit_record *ret,
                       int *ret_pidfd, struct gw_error *err);
