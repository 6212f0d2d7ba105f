// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The control commands of a source, served on a unix socket. The handlers run in the control
 * server's threads; the source's own functions are safe from any thread.
 */
#pragma once

#include "control/server.h"
#include "engine/source.h"

/* The plan, the source and the names of `tls` (read again by `peer`; no ca: plain) must outlive the
 * server. One a process. `stop` begins the end of the
 * process and returns at once. */
int source_control_start(const char *path, struct gw_plan *plan, struct gw_source *source,
                         const struct gw_tls_files *tls, void (*stop)(void),
                         struct gw_control **ret, struct gw_error *err);
