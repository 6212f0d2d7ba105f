// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Where other sites reach this one: what a person said, else `advertise` of the site file, else
 * what it listens on, unless that is every address (0.0.0.0), which is nowhere to be reached.
 *
 * Threads: any.
 */
#pragma once

#include "site/mates.h"

/* "0.0.0.0:7001", "[::]:7001". Pure. */
bool site_address_is_any(const char *address);
/* "10.1.0.2:7000" from "10.1.0.2:7001" and "0.0.0.0:7000": a port of a machine that is known by
 * another one of its ports. Pure. */
void site_address_with_host(const char *host_of, const char *port_of,
                            char ret[GW_PAIR_ADDRESS_MAX]);
/* link and data: "" is not said. What is not known becomes "". */
void site_reach(const struct site *s, const char *link, const char *data,
                struct site_mate_address *ret);
/* The same for pairing: -EINVAL with the way out if nobody could reach us. */
int site_reach_known(const struct site *s, const char *link, const char *data,
                     struct site_mate_address *ret, struct gw_error *err);
