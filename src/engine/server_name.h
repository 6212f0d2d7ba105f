// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The TLS server name of a plan: "p-<32 lower case hex digits of its uuid>.godwit". A source sends
 * it when it connects; who listens for many plans at one port tells by it whose connection it is.
 * It says nothing of who may connect: that is in the certificates. Pure.
 */
#pragma once

#include "base/uuid.h"

#define GW_SERVER_NAME_TEXT 42 /* with the NUL */

void gw_server_name_format(const struct gw_uuid *plan, char ret[GW_SERVER_NAME_TEXT]);
/* Upper case too: names of hosts have no case. False, *ret untouched: not the name of a plan. */
bool gw_server_name_parse(const char *name, struct gw_uuid *ret);
