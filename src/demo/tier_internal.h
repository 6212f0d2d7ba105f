// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What the tiers' programs share: tier.c starts them, tier_*.c are what they do. */
#pragma once

#include "demo/tier.h"

#define TIER_ANSWER_BYTES 256
#define TIER_TIMEOUT_MS 3000u /* of one tier for another; a wait for storage is in it */

struct tier {
    enum tier_role role;
    const char *dir;             /* the demo's directory, absolute */
    char site[TIER_SITE_MAX];    /* from godwitd */
    unsigned port[TIER_ROLES];   /* of each tier, the same at each site */
    const char *address;         /* of this site */
    const char *socket, *export; /* of the ledger's volume, from godwitd */
    int signal_fd;               /* readable: end */
};

/* Serve until signal_fd is readable. `ready` is called once, when customers may come. Negative: it
 * cannot go on, and why. */
typedef void tier_ready_fn(void *arg);
typedef int tier_run_fn(const struct tier *t, tier_ready_fn *ready, void *arg,
                        struct gw_error *err);
int tier_ledger(const struct tier *t, tier_ready_fn *ready, void *arg, struct gw_error *err);
int tier_service(const struct tier *t, tier_ready_fn *ready, void *arg, struct gw_error *err);
int tier_front(const struct tier *t, tier_ready_fn *ready, void *arg, struct gw_error *err);

/* A listening socket for TCP that another one at the same address and port does not keep away. */
int tier_listen(const char *address, unsigned port, struct gw_error *err);
/* Until signal_fd is readable. */
void tier_await_end(const struct tier *t);
