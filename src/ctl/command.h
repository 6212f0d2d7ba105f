// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The commands of godwit-ctl: the rows are in commands.c, one cmd-*.c a group. */
#pragma once

#include "term/command.h"

enum ctl_flags {
    CTL_SOCKET = GW_TERM_FLAG_OWN,      /* speaks to a process: --socket */
    CTL_DIR = 2 * GW_TERM_FLAG_OWN,     /* works on a plan directory: --dir */
    CTL_TIMEOUT = 4 * GW_TERM_FLAG_OWN, /* --timeout */
};

extern const struct gw_term_program ctl_program;

int ctl_cmd_create(struct gw_term *c);
int ctl_cmd_describe(struct gw_term *c);
int ctl_cmd_status(struct gw_term *c);
int ctl_cmd_watch(struct gw_term *c);
int ctl_cmd_inspect(struct gw_term *c);
int ctl_cmd_lineage(struct gw_term *c);
int ctl_cmd_promote(struct gw_term *c);
int ctl_cmd_choose(struct gw_term *c);
int ctl_cmd_quiesce(struct gw_term *c);
int ctl_cmd_unquiesce(struct gw_term *c);
int ctl_cmd_equal(struct gw_term *c);
int ctl_cmd_release(struct gw_term *c);
int ctl_cmd_handover(struct gw_term *c);
int ctl_cmd_grant(struct gw_term *c);
int ctl_cmd_fence(struct gw_term *c);
int ctl_cmd_bandwidth(struct gw_term *c);
int ctl_cmd_stop(struct gw_term *c);
int ctl_cmd_resync(struct gw_term *c);
int ctl_cmd_verify(struct gw_term *c);
int ctl_cmd_point_create(struct gw_term *c);
int ctl_cmd_point_list(struct gw_term *c);
int ctl_cmd_point_delete(struct gw_term *c);
int ctl_cmd_point_check(struct gw_term *c);
int ctl_cmd_divergence_list(struct gw_term *c);
int ctl_cmd_divergence_show(struct gw_term *c);
int ctl_cmd_divergence_pending(struct gw_term *c);
int ctl_cmd_divergence_export(struct gw_term *c);
int ctl_cmd_divergence_sign(struct gw_term *c);
int ctl_cmd_divergence_discard(struct gw_term *c);
