// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "simnet.h"
#include "simnet_internal.h"

#include "fibers.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct simnet simnet;

void *simnet_must(void *p)
{
    if (!p)
        abort();
    return p;
}

void simnet_init(void)
{
    simnet = (struct simnet){ .up = { true, true }, .delay_ns = 50000 };
}

/* ---- faults ---------------------------------------------------------------------------------- */

static void wake_dir(struct dir *d)
{
    waitq_wake_all(&d->readers);
    waitq_wake_all(&d->writers);
}

static void wake_pair(struct pair *p)
{
    wake_dir(&p->dir[0]);
    wake_dir(&p->dir[1]);
}

void simnet_link(int from, bool up)
{
    for (int i = 0; i < 2; i++) {
        if (from == i || from < 0)
            simnet.up[i] = up;
    }
    for (struct pair *p = simnet.pairs; p; p = p->next)
        wake_pair(p);
    waitq_wake_all(&simnet.doors);
}

bool simnet_is_up(int from)
{
    return simnet.up[from];
}

void simnet_speed(uint64_t delay_ns, uint64_t bytes_per_s)
{
    simnet.delay_ns = delay_ns;
    simnet.rate = bytes_per_s;
}

void simnet_pair_reset(struct pair *p)
{
    p->reset[0] = p->reset[1] = true;
    wake_pair(p);
}

void simnet_reset_all(void)
{
    for (struct pair *p = simnet.pairs; p; p = p->next)
        simnet_pair_reset(p);
}

void simnet_reset_after(uint64_t bytes)
{
    simnet.reset_after = bytes;
}

void simnet_flip(uint64_t within_bytes)
{
    simnet.flip_in = sim_chance_below(within_bytes);
    simnet.flip_armed = true;
}

uint64_t simnet_flipped(void)
{
    return simnet.flipped;
}

static void end_gone(struct pair *p, int end, bool silent)
{
    p->owner[end] = NULL;
    if (silent) {
        p->silent[end] = true;
        return;
    }
    /* The kernel goes on with what it had taken; or the last of it is lost with a reset. */
    if (sim_chance_one_in(3))
        p->reset[!end] = true;
    p->dir[end].ended = true;
    p->gone[end] = true;
    wake_pair(p);
}

void simnet_process_gone(struct proc *proc, bool silent)
{
    for (struct pair *p = simnet.pairs; p; p = p->next) {
        for (int end = 0; end < 2; end++) {
            if (p->owner[end] == proc)
                end_gone(p, end, silent);
        }
    }
    for (struct gw_listener **at = &simnet.listeners; *at;) {
        struct gw_listener *l = *at;
        if (l->owner != proc) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        for (unsigned i = 0; i < l->n_waiting; i++)
            end_gone(l->waiting[i], 1, silent);
    }
}

void simnet_site_up(int site)
{
    for (struct pair *p = simnet.pairs; p; p = p->next) {
        for (int end = 0; end < 2; end++) {
            if (p->silent[end] && p->site[end] == site && !p->gone[end]) {
                p->gone[end] = true;
                p->reset[!end] = true;
                wake_pair(p);
            }
        }
    }
}

/* ---- events ---------------------------------------------------------------------------------- */

#define EVENT_BASE 1000000

int simnet_event_new(void)
{
    if (simnet.n_events == SIMNET_EVENTS_MAX)
        sim_fail("too many event descriptors");
    simnet.event[simnet.n_events] = false;
    return EVENT_BASE + (int)simnet.n_events++;
}

bool simnet_is_event(int fd)
{
    return fd >= EVENT_BASE && fd < EVENT_BASE + (int)simnet.n_events;
}

void simnet_event_set(int fd)
{
    simnet.event[fd - EVENT_BASE] = true;
    waitq_wake_all(&simnet.doors);
}

bool simnet_event_is_set(int fd)
{
    return simnet_is_event(fd) && simnet.event[fd - EVENT_BASE];
}
