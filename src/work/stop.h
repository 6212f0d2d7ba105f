// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A request to stop, as an event: one thread waits (poll on the descriptor), another says so.
 *
 *     struct gw_stop *stop;  gw_stop_new(&stop, err)
 *     work.stop_fd = gw_stop_fd(stop)      whoever waits: readable from gw_stop_set on, for ever
 *     gw_stop_set(stop)                    any thread, also a signal handler; again is harmless
 *     gw_stop_free(stop)                   when nobody waits any more
 *
 * Functions of this layer take the bare descriptor (`stop_fd`), so any eventfd that is never read
 * does as well; -1 means that nothing can stop it but its deadline.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>

struct gw_stop;

int gw_stop_new(struct gw_stop **ret, struct gw_error *err);
void gw_stop_free(struct gw_stop *s);
void gw_stop_set(struct gw_stop *s);
int gw_stop_fd(const struct gw_stop *s);

/* Is it readable? False for -1. */
bool gw_stop_wanted(int stop_fd);
/* Sleeps for ms or until stop is wanted; true if it is. */
bool gw_stop_wait(int stop_fd, unsigned ms);
