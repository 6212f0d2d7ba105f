// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What the tests of this layer share: a private directory, scripts, fifos as events, and a small
 * HTTP server. Everything fails the test by itself; world_done leaves nothing behind.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define WORLD_PATH 256
#define WORLD_WAIT_MS 20000 /* an event that does not come by then never does */

struct world {
    char dir[64];
    struct server *server;
};

void world_init(struct world *w);
void world_done(struct world *w);
/* DIR/name, in one of a few static places (single-threaded use). */
const char *world_path(const struct world *w, const char *name);
/* An executable /bin/sh script that runs in DIR; its path as of world_path. */
const char *world_script(const struct world *w, const char *name, const char *body);
void world_write(const struct world *w, const char *name, const char *text);
bool world_has(const struct world *w, const char *name);
/* The whole of it; free(). "" if it is not there. */
char *world_read(const struct world *w, const char *name);
void world_remove(const struct world *w, const char *name);

/* Events: a fifo that both sides may open in any order. */
void world_fifo(const struct world *w, const char *name);
/* Waits for a line from it. */
void world_await(const struct world *w, const char *name, char *ret, size_t cap);
void world_signal(const struct world *w, const char *name);

/* The server listens on a free port of 127.0.0.1: /ok, /bad (503), /silent (no answer), /big,
 * /endless, /here
 * (redirect to /ok), /away (redirect to another port), /loop, /switch (as told), /hook (a POST). */
unsigned world_serve(struct world *w);
void world_switch(struct world *w, unsigned status);
/* How many requests were answered for that path; the last body that was posted; free(). */
unsigned world_asked(struct world *w, const char *path);
char *world_posted(struct world *w);
