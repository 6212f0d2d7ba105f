// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The commands of godwit: the rows are in commands.c, one cmd-*.c a group. */
#pragma once

#include "term/command.h"

enum cli_flags {
    CLI_API = GW_TERM_FLAG_OWN,        /* speaks to godwitd: --socket */
    CLI_RUN = 2 * GW_TERM_FLAG_OWN,    /* may begin a run: --no-wait */
    CLI_ACTION = 4 * GW_TERM_FLAG_OWN, /* changes something: --key */
};

extern const struct gw_term_program cli_program;

int cli_cmd_site_list(struct gw_term *t);
int cli_cmd_site_show(struct gw_term *t);
int cli_cmd_site_pair(struct gw_term *t);
int cli_cmd_site_test(struct gw_term *t);
int cli_cmd_site_replace(struct gw_term *t);
int cli_cmd_site_backup(struct gw_term *t);
int cli_cmd_site_restore(struct gw_term *t);

int cli_cmd_plan_apply(struct gw_term *t);
int cli_cmd_plan_check(struct gw_term *t);
int cli_cmd_plan_list(struct gw_term *t);
int cli_cmd_plan_show(struct gw_term *t);
int cli_cmd_plan_status(struct gw_term *t);
int cli_cmd_plan_explain(struct gw_term *t);
int cli_cmd_plan_delete(struct gw_term *t);

int cli_cmd_volume_list(struct gw_term *t);
int cli_cmd_volume_grow(struct gw_term *t);
int cli_cmd_volume_add(struct gw_term *t);
int cli_cmd_volume_remove(struct gw_term *t);

int cli_cmd_forecast(struct gw_term *t);
int cli_cmd_activate(struct gw_term *t);
int cli_cmd_deactivate(struct gw_term *t);
int cli_cmd_failover(struct gw_term *t);
int cli_cmd_switchover(struct gw_term *t);
int cli_cmd_reverse(struct gw_term *t);
int cli_cmd_failback(struct gw_term *t);
int cli_cmd_commit(struct gw_term *t);
int cli_cmd_revert(struct gw_term *t);
int cli_cmd_adopt(struct gw_term *t);
int cli_cmd_hold(struct gw_term *t);
int cli_cmd_release(struct gw_term *t);
int cli_cmd_verify(struct gw_term *t);

int cli_cmd_run_list(struct gw_term *t);
int cli_cmd_run_show(struct gw_term *t);
int cli_cmd_run_log(struct gw_term *t);
int cli_cmd_run_watch(struct gw_term *t);
int cli_cmd_run_approve(struct gw_term *t);
int cli_cmd_run_cancel(struct gw_term *t);
int cli_cmd_run_resume(struct gw_term *t);
int cli_cmd_run_retry(struct gw_term *t);
int cli_cmd_run_skip(struct gw_term *t);
int cli_cmd_run_revert(struct gw_term *t);
int cli_cmd_run_abort(struct gw_term *t);
int cli_cmd_run_override(struct gw_term *t);

int cli_cmd_points_list(struct gw_term *t);
int cli_cmd_points_create(struct gw_term *t);
int cli_cmd_divergence_list(struct gw_term *t);
int cli_cmd_divergence_show(struct gw_term *t);
int cli_cmd_divergence_sign(struct gw_term *t);

int cli_cmd_events(struct gw_term *t);
int cli_cmd_audit_show(struct gw_term *t);
int cli_cmd_audit_verify(struct gw_term *t);

int cli_cmd_demo(struct gw_term *t);
