// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Decoder of text/event-stream, byte by byte as it comes. Pure.
 *
 * Follows the WHATWG definition: id, event, data (several lines are joined), comments, CR, LF or
 * CRLF, a BOM at the start; unknown fields are ignored.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define GW_SSE_LINE_BYTES_MAX (64u * 1024u)
#define GW_SSE_DATA_BYTES_MAX (64u * 1024u)
#define GW_SSE_NAME_MAX 64

/* data NULL: a comment line was seen. Not 0 ends gw_sse_feed with that. */
typedef int gw_sse_fn(void *ctx, const char *id, const char *kind, const char *data);

struct gw_sse;
struct gw_sse *gw_sse_new(gw_sse_fn *fn, void *ctx); /* NULL: no memory */
void gw_sse_free(struct gw_sse *s);
/* 0; what fn returned; or -EMSGSIZE for a line or event past the limits. */
int gw_sse_feed(struct gw_sse *s, const char *bytes, size_t len, struct gw_error *err);
