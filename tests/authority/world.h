// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A world for the authority's core: two sites, a register, what connects them, clocks that run
 * wrong, disks that forget, clients that write. The core is the shipped one, driven by its events;
 * everything else is here, and one seed decides all of it.
 *
 * README.md says what is simulated, what is checked and what is not.
 */
#pragma once

#include "authority/authority.h"

#include <stdio.h>

#define SEC 1000000000ull
#define MS 1000000ull
#define WRITES 4096 /* of all clients; the run ends quietly when they are used up */
#define EVENTS 4096

enum node { NODE_FIRST, NODE_SECOND, NODE_WITNESS, NODES };

enum what {
    DO_TICK,     /* of a site's daemon */
    DO_DELIVER,  /* a message of the core arrives */
    DO_LAND,     /* a request arrives at the register */
    DO_REPLY,    /* the register's answer arrives */
    DO_CLOSED,   /* the write path says that it is closed */
    DO_WRITE,    /* a client writes */
    DO_ANSWER,   /* the write path decides about the answer */
    DO_DATA,     /* replication: a write arrives at the peer */
    DO_DATA_ACK, /* replication: the peer's receipt arrives */
    DO_PROBE,    /* replication: is the link up? */
    DO_FLUSH,
    DO_TROUBLE,
    DO_OPERATOR,
    DO_RESUME,
    DO_RISE, /* a machine comes up */
};

struct event {
    uint64_t at, order;
    enum what what;
    unsigned site;
    uint64_t life; /* of the site's daemon, machine or path when it was made; 0: whatever */
    uint64_t id;
    struct gw_authority_message message;
    bool swap;
    enum gw_register_outcome outcome;
    int64_t revision;
    bool has_record;
    struct gw_tenure record;
    uint64_t epoch;
};

struct clock_state {
    uint64_t boot_ns, raw_ns, at; /* readings at the real time `at` */
    double boot_rate, raw_rate;
};

struct path { /* the write path of a site, a process of its own */
    bool revoked;
    uint64_t deadline_ns; /* boot time */
    bool alone;
    uint64_t epoch; /* its reign, as the daemon granted it */
    bool attached;  /* writes go to the peer in order */
    bool in_sync;   /* ... and it told its daemon so */
};

struct site {
    struct gw_authority core;
    struct gw_authority_durable disk;
    struct clock_state clock;
    struct path path;
    bool power, daemon, fenced_off;
    uint64_t paused_until, path_paused_until; /* SIGSTOP */
    uint64_t machine, life;                   /* count boots of the machine, starts of the daemon */
    bool has[WRITES], flushed[WRITES];
    struct gw_uuid lapsed; /* incarnation of the lease that lapsed last */
    bool settled;
    uint64_t unsync_since, last_contact;
};

struct write_state {
    bool acked, answered, voided; /* voided: its copies went with the power, lawfully */
    unsigned site;
    uint64_t epoch;
};

struct options {
    uint64_t seed;
    uint32_t without;
    bool witness, sync, isolated_start;
    uint64_t seconds;
    bool verbose;
    bool noise;  /* WAN noise only: nobody dies */
    bool margin; /* T_g is shorter than the law allows */
    struct gw_authority_limits limits;
};

struct world {
    struct options o;
    uint64_t rng, now, order, wall_s, nonce;
    struct site site[2];
    bool cut[NODES][NODES]; /* from, to */
    double loss;
    uint64_t delay_max;
    struct {
        int64_t revision;
        bool has;
        struct gw_tenure record;
    } reg;
    struct event *heap;
    size_t nheap;
    struct write_state write[WRITES];
    unsigned nwrites;
    bool healing;
    uint64_t reigns, reign_of[2], last_ack_reign; /* in the order in which they began to serve */
    unsigned owner[256];                          /* of an epoch number: site + 1 */
    uint64_t serve_at[2];
    unsigned fail_overs, takes, forced, acks, serves, backs, grants;
    bool failed;
    char why[256];
};

/* world.c */
uint64_t chance(struct world *w, uint64_t n);
bool happens(struct world *w, unsigned percent);
void fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void say(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
struct event *later(struct world *w, uint64_t in_ns, enum what what, unsigned site);
struct gw_instant clock_read(struct world *w, unsigned s);
void clock_slew(struct world *w, unsigned s);
struct gw_uuid uuid_of(uint64_t a, uint64_t b);
bool run(struct world *w);

/* daemon.c: a site's daemon and machine */
void site_step(struct world *w, unsigned s, struct gw_authority_event *ev);
void site_order(struct world *w, unsigned s, enum gw_order order);
enum gw_refusal site_order_refusal(struct world *w, unsigned s, enum gw_order order);
void daemon_start(struct world *w, unsigned s);
void daemon_kill(struct world *w, unsigned s);
void power_off(struct world *w, unsigned s);
void power_on(struct world *w, unsigned s);
void on_tick(struct world *w, unsigned s);
void on_deliver(struct world *w, const struct event *e);
void on_land(struct world *w, const struct event *e);
void on_reply(struct world *w, const struct event *e);
void on_closed(struct world *w, const struct event *e);
bool path_is_open(struct world *w, unsigned s);
bool daemon_runs(const struct world *w, unsigned s);

/* data.c: clients and replication */
void on_write(struct world *w, const struct event *e);
void on_answer(struct world *w, const struct event *e);
void on_data(struct world *w, const struct event *e);
void on_probe(struct world *w, const struct event *e);
void on_flush(struct world *w, const struct event *e);
bool can_hear(const struct world *w, unsigned from, unsigned to);
uint64_t watermark(const struct world *w, unsigned s);
void check_serve(struct world *w, unsigned s, enum gw_claim claim, uint64_t watermark_claimed);
void flush(struct world *w, unsigned s);
void lose_unflushed(struct world *w, unsigned s);

/* trouble.c: misfortune, and the person at the console */
void on_trouble(struct world *w);
void on_operator(struct world *w);
void heal(struct world *w);
