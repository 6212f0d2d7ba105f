// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The control commands of a replica, served on a unix socket. */
#pragma once

#include "control/server.h"
#include "engine/replica.h"

#include <stdbool.h>

struct replica_control {
    struct gw_plan *plan;
    struct gw_replica *replica;
    bool promoted; /* the process ends; guarded by the control server's one promotion at a time */
};

/* `rc` must outlive the server. A stop or a finished promotion is told by SIGUSR1 to the process.
 */
int replica_control_start(const char *path, struct replica_control *rc, struct gw_control **ret,
                          struct gw_error *err);
