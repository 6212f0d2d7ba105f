// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A real etcd, one member or three, in a private directory and on free ports of 127.0.0.1.
 * Everything fails the test by itself; etcd_server_done leaves nothing behind.
 */
#pragma once

#include "witness/etcd.h"

#include <stdbool.h>
#include <sys/types.h>

#define ETCD_MEMBERS_MAX 3

struct etcd_server {
    char dir[64];
    int n;
    bool tls; /* DIR/ca.pem, DIR/server.{pem,key}, DIR/client.{pem,key} */
    unsigned generation;
    unsigned client_port[ETCD_MEMBERS_MAX], peer_port[ETCD_MEMBERS_MAX];
    char url[ETCD_MEMBERS_MAX][64];
    pid_t pid[ETCD_MEMBERS_MAX]; /* 0: does not run */
    int ready[ETCD_MEMBERS_MAX]; /* where it says so (sd_notify) */
};

/* Started, and one member answers. */
void etcd_server_init(struct etcd_server *s, int n, bool tls);
void etcd_server_done(struct etcd_server *s);

void etcd_server_signal(struct etcd_server *s, int member, int signal);
/* kill -9, and gone. */
void etcd_server_kill(struct etcd_server *s, int member);
void etcd_server_start(struct etcd_server *s, int member);
/* Until this member answers for the cluster. */
void etcd_server_await(struct etcd_server *s, int member);
/* Of a server of one that does not run: its memory is kept aside; put back; thrown away (another
 * store is what starts next). */
void etcd_server_save(struct etcd_server *s);
void etcd_server_restore(struct etcd_server *s);
void etcd_server_wipe(struct etcd_server *s);
/* Which member leads. */
int etcd_server_leader(struct etcd_server *s);

/* A register over all its members, or over one other address (NULL: all). */
struct gw_register *etcd_server_open(struct etcd_server *s, const char *url,
                                     const struct gw_register_identity *known);
/* A file of DIR; in one of a few static places. */
const char *etcd_server_path(const struct etcd_server *s, const char *name);
/* A port that was free a moment ago. */
unsigned etcd_server_free_port(void);
