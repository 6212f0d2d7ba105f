// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A site of the story with two godwitd: its site file, its godwitd, and the lines that end at it.
 * Whatever an operator would do goes through the command `godwit`.
 *
 * All names are relative to the demo's directory, which is the current one.
 */
#pragma once

#include "demo/process.h"
#include "demo/programs.h"
#include "demo/proxy.h"
#include "demo/status.h"
#include "demo/story.h"

#define DAEMON_MS 60000u /* nothing that is waited for takes so long on a working machine */

struct daemon {
    const char *name;          /* of the site; also of its state directory */
    struct proxy *link, *data; /* the lines that end at its ports */
    struct process *process;
    /* In common with the other site. */
    struct processes *processes;
    const struct programs *programs;
    struct story *story;
    char config[40], socket[48], log[48];
};

int daemon_init(struct daemon *d, const char *name, const char *dir, struct processes *ps,
                const struct programs *programs, struct story *story, struct gw_error *err);
void daemon_done(struct daemon *d);

/* It serves when this returns 0. `first`: it makes its identity and its catalog. */
int daemon_start(struct daemon *d, bool first, struct gw_error *err);
/* The whole site, as if its power were cut: kill -9 of godwitd, the data plane and the tiers. */
int daemon_kill_site(struct daemon *d, const char *dir, struct gw_error *err);
/* The data plane's process of the plan here; 0: there is none. */
pid_t daemon_data_plane(const struct daemon *d);

/* The line is cut at both of its ends: nothing passes in either direction. */
void daemon_cut(struct daemon *a, struct daemon *b);
void daemon_mend(struct daemon *a, struct daemon *b);

/* `godwit` with these words (ended by NULL), told in the story, "--json" added unseen. Its answer
 * is *ret (may be NULL). daemon_ask leaves it untold. Another exit code than 0 is an error. */
int daemon_command(struct daemon *d, json_t **ret, struct gw_error *err, ...)
    __attribute__((sentinel));
int daemon_ask(struct daemon *d, json_t **ret, struct gw_error *err, ...) __attribute__((sentinel));
/* `godwit-ctl`: live, of the process of the plan here, untold; else of the plan's directory, told.
 */
int daemon_ctl(struct daemon *d, bool live, json_t **ret, struct gw_error *err, ...)
    __attribute__((sentinel));
