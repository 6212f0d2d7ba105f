// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Hooks: commands of the operator at fixed places of a run; and the environment that they, and all
 * other commands of a run (start, stop, status, health checks, routes), are given.
 *
 *     struct gw_hook_facts facts = { .plan = "shop", .run = "r-17", ... };
 *     gw_hook_env(&facts, &env, err);       work.env = gw_env_list(env)
 *     gw_hook_run(&hook, &work, &result, err);
 *
 * Variables, unset where a fact is NULL or 0:
 *
 *     GODWIT_PLAN GODWIT_RUN GODWIT_OPERATION GODWIT_MODE (real|test|rehearsal|dry-run)
 *     GODWIT_DIRECTION ("madrid>lisbon") GODWIT_SITE (where the command runs) GODWIT_GROUP
 *     GODWIT_INSTANCE GODWIT_EPOCH GODWIT_RECOVERY_POINT GODWIT_RECOVERY_TIME (RFC 3339, UTC)
 *     GODWIT_HOOK                    of hooks: "pre_failback" and so on
 *     GODWIT_VOLUMES                 names of the plan's volumes, separated by spaces
 *     GODWIT_VOLUME_<name>_NBD       where the instance finds it: nbd+unix:///NAME?socket=PATH
 *     GODWIT_VOLUME_<name>_SOCKET    the unix socket of that URI
 *     GODWIT_VOLUME_<name>_EXPORT    the export's name on it
 *     GODWIT_VOLUME_<name>_SIZE      bytes
 *
 * <name> is the volume's name, with every character that a variable cannot have replaced by '_'.
 * GODWIT_GROUP and GODWIT_INSTANCE are set by this layer for each command as it applies.
 *
 * A hook that exits with anything but 0 has failed; one that hangs is ended after its timeout
 * (default 300 s), which is a failure whose effect is not known.
 */
#pragma once

#include "work/env.h"
#include "work/work.h"

enum gw_hook_point {
    GW_HOOK_PRE_FAILOVER,
    GW_HOOK_POST_RECOVER,
    GW_HOOK_PRE_FAILBACK,
    GW_HOOK_POST_FAILBACK,
    GW_HOOK_POINT_MAX,
};
/* "pre_failover" and so on; and back, GW_HOOK_POINT_MAX if it is none. */
const char *gw_hook_point_name(enum gw_hook_point point);
enum gw_hook_point gw_hook_point_parse(const char *name);

struct gw_hook_volume {
    const char *name;
    const char *socket; /* of the source that serves it; NULL: it is not served */
    uint64_t size_bytes;
};

struct gw_hook_facts {
    const char *plan, *run, *operation, *mode, *direction, *site;
    const char *recovery_point;
    uint64_t epoch;
    uint64_t recovery_wall_ns;
    const struct gw_hook_volume *volume;
    size_t n_volumes;
};

int gw_hook_env(const struct gw_hook_facts *facts, struct gw_env **ret, struct gw_error *err);
/* "nbd+unix:///pgdata?socket=/run/godwit/shop.nbd", escaped; malloc'ed, NULL: no memory. */
char *gw_nbd_uri(const char *socket, const char *export_name);

struct gw_work_hook {
    enum gw_hook_point point;
    const char *group; /* NULL: of the plan */
    const char *const *argv;
    unsigned timeout_ms; /* 0: GW_CHILD_TIMEOUT_MS */
};

/* 0: *ret_result as of gw_child_run (gw_child_ok says whether it succeeded); negative: never ran.
 */
int gw_hook_run(const struct gw_work_hook *hook, const struct gw_work *w,
                struct gw_child_result *ret_result, struct gw_error *err);
