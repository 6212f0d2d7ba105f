// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The register's value: somebody else's text in a store that many can write to. */
#include "authority/record.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_tenure r, again;
    struct gw_error err = { 0 };
    char text[GW_TENURE_TEXT_MAX];
    uint8_t *copy = fuzz_copy(data, size);
    int rc = gw_tenure_decode((const char *)copy, size, &r, &err);
    free(copy);
    if (rc < 0) {
        FUZZ_CHECK_ERROR(rc, &err);
        return 0;
    }
    FUZZ_CHECK(gw_tenure_check(&r, &err) == 0);
    FUZZ_CHECK(gw_tenure_encode(&r, text, &err) == 0);
    FUZZ_CHECK(gw_tenure_decode(text, strlen(text), &again, &err) == 0);
    FUZZ_CHECK(gw_tenure_equal(&r, &again));
    return 0;
}
