// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A hold: nothing is done about the plan, at either site, until it is released. It is durable at
 * both. Where the other site does not answer, a hold is kept here, and told when it is back: until
 * then that site can begin nothing that needs this one, and a failover there is a person's word
 * anyway. A release is the other way round: a hold that is known to be there cannot be ended
 * without that site (guard peer-reachable).
 *
 * A plan is held if one of the sites says so (site/view.c): what a crash leaves half told holds.
 *
 * Threads: any may call; site_hold_look is the monitor's.
 */
#pragma once

#include "site/documents.h"

/* Both sites, as above: the other one first. */
int site_hold(struct site *s, struct site_plan *p, bool held, const char *reason,
              const struct site_person *who, struct gw_error *err);
/* This site alone: the other one asks. */
int site_hold_here(struct site *s, struct site_plan *p, bool held, const char *reason,
                   struct gw_error *err);
/* A hold that the other site has not heard of is told. */
void site_hold_look(struct site *s, struct site_plan *p, const json_t *ours, const json_t *theirs);
