// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What the peer's daemon may ask of this one over the site link (link/serve.h): beat, side, plan,
 * run, action, fence, unfence, tail. Only paired sites get here, and each only about plans that it
 * shares with this site.
 */
#pragma once

#include "site/site.h"

int site_rpc_open(struct site *s, struct gw_error *err);
