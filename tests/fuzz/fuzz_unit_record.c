// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The record of a unit's process, and a line of /proc/PID/stat. First byte: even a record as it is,
 * odd one with its checksum made right; 0xff a line. */
#include "fuzz.h"
#include "unit/record.h"

#include <errno.h>
#include <inttypes.h>

#define SUM_LINE_BYTES 32

static void record(const char *text, size_t len)
{
    struct gw_unit_record r, twice;
    struct gw_error err = { 0 };
    char again[GW_UNIT_RECORD_BYTES_MAX];
    int x = gw_unit_record_decode(text, len, &r, &err);
    if (x < 0) {
        FUZZ_CHECK_ERROR(x, &err);
        FUZZ_CHECK(x == -EBADMSG);
        return;
    }
    /* What was understood can be said again. */
    size_t n = gw_unit_record_encode(&r, again);
    FUZZ_CHECK(n > 0 && gw_unit_plan_valid(r.plan) && r.id.pid > 0);
    FUZZ_CHECK(gw_unit_record_decode(again, n, &twice, &err) == 0);
    FUZZ_CHECK(strcmp(r.plan, twice.plan) == 0 && strcmp(r.control, twice.control) == 0 &&
               r.kind == twice.kind && r.id.pid == twice.id.pid &&
               r.id.start_ticks == twice.id.start_ticks && r.command_hash == twice.command_hash);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const size_t len = size - 1;
    uint64_t ticks;
    char *text = calloc(1, len + SUM_LINE_BYTES);
    if (text == NULL)
        abort();
    memcpy(text, data + 1, len);
    if (data[0] == 0xff) {
        char *line = (char *)fuzz_copy(data + 1, len);
        gw_pid_parse_stat(line, len, &ticks);
        free(line);
    } else if (data[0] % 2 == 0) {
        char *exact = (char *)fuzz_copy(data + 1, len);
        record(exact, len);
        free(exact);
    } else {
        int n =
            snprintf(text + len, SUM_LINE_BYTES, "sum %016" PRIx64 "\n", gw_hash64(text, len, 0));
        record(text, len + (size_t)n);
    }
    free(text);
    return 0;
}
