// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The application that the demo protects: three tiers, each a process of its own at each site,
 * started, stopped and looked at by godwitd through the commands of the plan.
 *
 *     customers  --HTTP-->  front  --HTTP-->  service  --lines over TCP-->  ledger  --NBD--> volume
 *
 *     godwit demo --role ledger|service|front start|stop|status DIR PORT PORT PORT
 *     godwit demo --role route show DIR
 *     godwit demo --role route set DIR SITE
 *
 * start returns when the tier serves; it goes on in a session of its own. It holds the lock
 * DIR/tiers/SITE-ROLE.lock, which has its process id, for as long as it lives: status and stop
 * need to guess nothing. Site and volume come from the environment that godwitd gives.
 *
 * Each site has an address of its own, as two machines have; and each tier also answers at
 * 127.0.0.1, as on a machine of its own, for the plan's health checks. Both sites are on one
 * machine here, so that they share 127.0.0.1 (SO_REUSEPORT): nothing but godwit keeps two sites
 * from serving at the same time.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum tier_role { TIER_LEDGER, TIER_SERVICE, TIER_FRONT };
#define TIER_ROLES 3
#define TIER_DIR "tiers"
#define TIER_LOCAL "127.0.0.1"
#define TIER_HOME "madrid"
#define TIER_DR "lisbon"
#define TIER_ROUTE "route" /* the file that customers read */
#define TIER_SITE_MAX 32

const char *tier_role_name(enum tier_role role);
/* NULL: no such site. */
const char *tier_site_address(const char *site);

/* Of a tier that runs: its process id; 0: it does not run. `dir` is the demo's. */
pid_t tier_pid(const char *dir, const char *site, enum tier_role role);

/* The site that the route leads to; false: there is none. */
bool tier_route(const char *dir, char ret[TIER_SITE_MAX]);

/* The program, with what stands behind "--role". The exit code. */
int tier_main(int argc, char **argv);
