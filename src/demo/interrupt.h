// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Ctrl-C and its like as an event: every wait of the demo also waits for it, so that the demo
 * always leaves through its own door and takes its processes and files with it.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>

/* From now on SIGINT, SIGTERM and SIGHUP do not end the process. */
int interrupt_install(struct gw_error *err);
/* Readable once one of them came; stays so. */
int interrupt_fd(void);
bool interrupt_came(void);
/* -ECANCELED and the sentence. */
int interrupt_error(struct gw_error *err);
