// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A site of the demo: a plan directory, and at any time one data-plane process on it, nbdkit with
 * the plugin (the source) or godwit-replica. Whatever an operator would do goes through godwit-ctl.
 *
 * All names are relative to the demo's directory, which is the current one.
 */
#pragma once

#include "demo/process.h"
#include "demo/programs.h"
#include "demo/proxy.h"
#include "demo/status.h"
#include "demo/story.h"

#define SITE_MS 60000u /* nothing that is waited for takes so long on a working machine */

struct site {
    const char *name;      /* also its plan directory */
    struct proxy *inbound; /* the line that ends at this site's replica */
    struct process *process;
    /* In common with the other site. */
    struct processes *processes;
    const struct programs *programs;
    struct story *story;
    bool sync;
    char control[32], socket[32], log[48];
};

void site_init(struct site *s, const char *name, struct processes *ps,
               const struct programs *programs, struct story *story, bool sync);

/* Ready to serve clients, resp. to be connected to, when they return 0. */
int site_start_source(struct site *s, const struct site *peer, struct gw_error *err);
int site_start_replica(struct site *s, const struct site *peer, struct gw_error *err);
/* Until the process has ended by itself, cleanly. */
int site_wait_end(struct site *s, struct gw_error *err);
/* kill -9; returns when it is dead. */
int site_kill(struct site *s, struct gw_error *err);

/*
 * godwit-ctl with these words (ended by NULL), told in the story, "--json" added unseen. Its answer
 * is *ret (may be NULL). site_ask leaves it untold.
 */
int site_command(struct site *s, json_t **ret, struct gw_error *err, ...) __attribute__((sentinel));
int site_ask(struct site *s, json_t **ret, struct gw_error *err, ...) __attribute__((sentinel));
int site_status(struct site *s, json_t **ret, struct gw_error *err);
/* Watch the status until `ready` says so; *ret (may be NULL) is that status. */
int site_await(struct site *s, bool (*ready)(const json_t *status), const char *what, json_t **ret,
               struct gw_error *err);
/* A source's peer follows: replication is what it should be in this mode, nothing is dirty. */
bool site_follows_async(const json_t *status);
bool site_follows_sync(const json_t *status);
int site_await_following(struct site *s, json_t **ret, struct gw_error *err);
