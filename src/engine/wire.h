// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Small parts shared by the payload codecs of engine/frame.h; for their .c files only. */
#pragma once

#include "base/bytes.h"

/* Bytes written, or 0 if it did not fit. */
size_t gw_wire_done(const struct gw_writer *w);
/* Nothing failed and nothing is left over. */
bool gw_wire_at_end(const struct gw_reader *r);

/* Text of a peer ends up in logs and on terminals: one line, no escape sequences. */
bool gw_wire_text_ok(const char *text);
/* u16 length, bytes. What is unprintable is sent as a space; at most max - 1 bytes are sent. */
void gw_wire_put_sentence(struct gw_writer *w, const char *text, size_t max);
void gw_wire_get_sentence(struct gw_reader *r, char *ret, size_t max);

/* One byte of flags; the reader fails on a flag that is not in `known`. */
uint8_t gw_wire_get_flags(struct gw_reader *r, uint8_t known);
/* n bytes that must be zero. */
void gw_wire_get_zeros(struct gw_reader *r, size_t n);
