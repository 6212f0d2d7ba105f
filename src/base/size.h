// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Sizes as people write them: "20GiB", "64MiB", "4096", "512k"; and back. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Binary units only (K, KiB, M, MiB, G, GiB, T, TiB, any case; "B" alone is allowed). Decimal
 * units (kB, MB, GB) are refused: they are where sizes go wrong. False if it is not a size. */
bool gw_size_parse(const char *text, uint64_t *ret_bytes);

#define GW_SIZE_TEXT 24
/* "41.0 MiB". */
void gw_size_format(uint64_t bytes, char ret[GW_SIZE_TEXT]);
