// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* A CA of the demo's own, and a certificate for each site, by certtool. */
#pragma once

#include "demo/process.h"

/* tls/ca.pem, and tls/NAME.pem and tls/NAME.key for both names. */
int certificates_make(struct processes *ps, const char *const names[2], struct gw_error *err);
