// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Headers in the file of a backup: whatever is taken can be written, and means the same again. The
 * first byte: 's' sealed. */
#include "fuzz.h"
#include "site/archive.h"

#define SUM_AT 148

static void seal(uint8_t block[SITE_ARCHIVE_BLOCK])
{
    unsigned sum = 0;
    memset(block + SUM_AT, ' ', 8);
    for (unsigned i = 0; i < SITE_ARCHIVE_BLOCK; i++)
        sum += block[i];
    snprintf((char *)block + SUM_AT, 8, "%06o", sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t block[SITE_ARCHIVE_BLOCK] = { 0 }, again[SITE_ARCHIVE_BLOCK];
    struct site_archive_member m = { .bytes = 0 }, twice;
    if (size == 0)
        return 0;
    size--;
    memcpy(block, data + 1, size < sizeof block ? size : sizeof block);
    if (data[0] == 's')
        seal(block);
    if (site_archive_header_read(block, &m, NULL) <= 0)
        return 0;
    FUZZ_CHECK(site_archive_name_valid(m.name) && m.bytes <= SITE_ARCHIVE_BYTES_MAX);
    site_archive_header_write(&m, again);
    FUZZ_CHECK(site_archive_header_read(again, &twice, NULL) == 1);
    FUZZ_CHECK(strcmp(twice.name, m.name) == 0 && twice.bytes == m.bytes);
    return 0;
}
