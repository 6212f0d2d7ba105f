// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Processes that outlive who started them: godwitd's data planes, and the tiers. From orphans_adopt
 * on they become children of this process when their parent ends, instead of the machine's init, so
 * that none of them can be left behind: whatever is our child at the end is ended, by its id.
 */
#pragma once

#include "base/error.h"

int orphans_adopt(struct gw_error *err);
/* Kill (SIGKILL) and reap every child of this process, until there is none; call it when all that
 * was started on purpose has ended. */
void orphans_end(void);
