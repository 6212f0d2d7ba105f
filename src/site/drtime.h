// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A plan that runs at its DR site for longer than its max_dr_time: an event, and a notice to its
 * contacts, once for each stay there. What has been told is in the catalog, so that a restart does
 * not tell it again.
 *
 * Threads: the monitor's.
 */
#pragma once

#include "site/documents.h"

/* `ours`: this site's side, just looked at. Only the site that is active says it. */
void site_drtime_look(struct site *s, struct site_plan *p, const json_t *ours);
