// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What ends the waiting of an effect early: the daemon's end, a person's cancel, the time that its
 * run still has. One descriptor stands for all three, as `stop_fd` of work/stop.h.
 *
 *     struct site_interrupt in;
 *     site_interrupt_init(&in, site, run, until_boot_ns, &err)
 *     ... in.fd ...
 *     site_interrupt_done(&in)
 *
 * An effect that was cut short says UNKNOWN, is observed and taken back, as after a time-out: so it
 * is used only before the point of no return, never for an undo.
 *
 * Threads: the run's; site_interrupt_run may be called by any.
 */
#pragma once

#include "site/site.h"

struct site_interrupt {
    struct site_interrupt *next; /* site.mu */
    struct site *site;
    const char *run; /* borrowed */
    struct gw_stop *cancel;
    int fd, timer;
};

/* until_boot_ns 0: no time presses. */
int site_interrupt_init(struct site_interrupt *ret, struct site *s, const char *run,
                        uint64_t until_boot_ns, struct gw_error *err);
void site_interrupt_done(struct site_interrupt *in); /* also of one whose init failed */
/* A cancel of this run was stored: what its effect waits for is cut short. */
void site_interrupt_run(struct site *s, const char *run);
