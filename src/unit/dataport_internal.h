// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The probes of a data port: a short queue and the one thread that answers them. */
#pragma once

#include "base/error.h"

#include <stdbool.h>

struct gw_probes;

int gw_probes_new(void (*probe)(void *arg, int fd), void *arg, struct gw_probes **ret,
                  struct gw_error *err);
/* Takes fd over; false: too many wait, fd is still the caller's. Does not wait. */
bool gw_probes_put(struct gw_probes *p, int fd);
/* Closes who waits, cuts off whom is answered now, ends the thread. NULL is fine. */
void gw_probes_free(struct gw_probes *p);
