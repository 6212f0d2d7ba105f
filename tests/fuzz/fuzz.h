// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What the fuzz targets share. A target is one LLVMFuzzerTestOneInput: built by clang with
 * -Dfuzz=true it is a libFuzzer program, otherwise replay.c runs it over its corpus.
 *
 * Almost every format has a checksum, which no fuzzer guesses. So the first byte of an input says
 * how the rest is to be taken: raw, as it is, or *sealed*, with the checksums made right first, so
 * that what lies behind them is reached.
 *
 * Beside "does not crash", a target asserts what its decoder promises (FUZZ_CHECK).
 */
#pragma once

#include "base/bytes.h"
#include "base/hash.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define FUZZ_CHECK(condition)                                                                      \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition);         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* An error that is returned has a sentence and a code that agree. */
#define FUZZ_CHECK_ERROR(r, err)                                                                   \
    FUZZ_CHECK((r) < 0 && (err)->code == (r) && (err)->msg[0] != '\0' &&                           \
               memchr((err)->msg, '\0', GW_ERROR_MSG_MAX) != NULL)

/* Reads past the end of an input give zeros: every input means something. */
static inline uint8_t fuzz_u8(struct gw_reader *r)
{
    return gw_reader_left(r) >= 1 ? gw_get_u8(r) : 0;
}

static inline uint16_t fuzz_u16(struct gw_reader *r)
{
    return gw_reader_left(r) >= 2 ? gw_get_u16(r) : 0;
}

static inline uint32_t fuzz_u32(struct gw_reader *r)
{
    return gw_reader_left(r) >= 4 ? gw_get_u32(r) : 0;
}

/* At most n bytes; *ret_len says how many there were. Never NULL. */
static inline const uint8_t *fuzz_bytes(struct gw_reader *r, size_t n, size_t *ret_len)
{
    size_t left = gw_reader_left(r);
    *ret_len = n < left ? n : left;
    return *ret_len > 0 ? gw_get_view(r, *ret_len) : (const uint8_t *)"";
}

/* Put the XXH3-64 (seed) of everything before the last 8 bytes into them. */
static inline void fuzz_seal(uint8_t *data, size_t len, uint64_t seed)
{
    struct gw_writer w = gw_writer(data + len - 8, 8);
    gw_put_u64(&w, gw_hash64(data, len - 8, seed));
}

/* A copy of exactly `len` bytes, so that a read past its end is seen. Freed by the caller. */
static inline uint8_t *fuzz_copy(const uint8_t *data, size_t len)
{
    uint8_t *p = calloc(1, len > 0 ? len : 1);
    if (p == NULL)
        abort();
    if (len > 0)
        memcpy(p, data, len);
    return p;
}
