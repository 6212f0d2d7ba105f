// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Watching a run until it ends or waits for a person: a line a step with its time, a progress bar
 * while something is copied. Watching changes nothing: an interruption ends the watching, never the
 * run, and says how to look again.
 */
#pragma once

#include "term/term.h"

enum cli_run_kind {
    CLI_RUN_GOES_ON,
    CLI_RUN_ASKS,   /* for approval */
    CLI_RUN_LATER,  /* it is scheduled */
    CLI_RUN_HALTED, /* a person decides */
    CLI_RUN_DOUBT,
    CLI_RUN_DONE, /* this and those below: it has ended */
    CLI_RUN_FAILED,
    CLI_RUN_CANCELLED, /* or reverted */
    CLI_RUN_ABORTED,
};
/* Of the state's name ("RUNNING"); what is not known goes on. */
enum cli_run_kind cli_run_kind(const char *state);

/*
 * Follow run `id` (`run`: what is known of it already, or NULL). t->result becomes {"run": ...}.
 * The exit code that its state makes: 0 done or scheduled, 1 failed, aborted or halted, 4 waits for
 * approval, 5 cancelled or reverted, 6 in doubt, or it cannot be seen any more. `wanted` is the
 * state kind that counts as 0 (CLI_RUN_DONE; of a cancel CLI_RUN_CANCELLED).
 */
int cli_follow(struct gw_term *t, const char *id, json_t *run, enum cli_run_kind wanted);
/* The same without waiting: what the run is now. */
int cli_run_exit(struct gw_term *t, const json_t *run, enum cli_run_kind wanted);

/* Head and steps of a run, as `run show` prints them. */
void cli_run_show(const json_t *run);
