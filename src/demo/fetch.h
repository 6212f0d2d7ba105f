// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * One HTTP request after the other, over a connection that is kept.
 *
 *     fetch_new(timeout_ms, &f, err); fetch_url(f, post, url, text, cap); fetch_free(f)
 *
 * Threads: one at a time.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

struct fetch;

int fetch_new(unsigned timeout_ms, struct fetch **ret, struct gw_error *err);
void fetch_free(struct fetch *f);
/* The status code, and the body as far as it fits; 0: no answer came. A POST has no body; over a
 * kept connection that turns out to be closed it is sent again, so that it must bear that. */
unsigned fetch_url(struct fetch *f, bool post, const char *url, char *text, size_t cap);
