// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Units of systemd: godwit-source@PLAN and godwit-replica@PLAN (packaging/systemd/), where systemd
 * is the first process. Their command line is not in the unit file: it is written to
 * DIR/PLAN.env, which the unit file reads, before `systemctl start`.
 *
 *     GODWIT_LOCK=/var/lib/godwit/units/shop.lock
 *     GODWIT_COMMAND="/usr/sbin/nbdkit" "-f" ...
 *     ...                                        the command's environment
 *
 * The unit file runs it under flock(1) --no-fork, so that U1 of unit/unit.h holds here too.
 *
 * Threads: no state. All block while systemctl runs, at most GW_SYSTEMCTL_MS.
 */
#pragma once

#include "unit/launch.h"

#define GW_SYSTEMCTL_MS 30000u
#define GW_SYSTEMD_ENV_BYTES_MAX 16384u

bool gw_systemd_is_there(void);
/* "godwit-source@shop.service", the plan escaped as systemd-escape does. -ENAMETOOLONG. */
#define GW_SYSTEMD_NAME_MAX 256
int gw_systemd_name(const char *plan, enum gw_unit_kind kind, char ret[GW_SYSTEMD_NAME_MAX],
                    struct gw_error *err);
/* The environment file, pure: bytes, or 0: it does not fit or a text has a line's end in it. */
size_t gw_systemd_env(const struct gw_launch *l, char *ret, size_t cap);

/* As gw_launch. */
int gw_systemd_launch(const char *systemctl, const struct gw_launch *l,
                      struct gw_unit_record *ret_record, int *ret_pidfd, struct gw_error *err);
/* systemctl stop. */
int gw_systemd_stop(const char *systemctl, const char *plan, enum gw_unit_kind kind,
                    struct gw_error *err);
/* The unit's main process; 0: it does not run. */
int gw_systemd_main_pid(const char *systemctl, const char *plan, enum gw_unit_kind kind, pid_t *ret,
                        struct gw_error *err);
