// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Sizes and uuids as people write them. */
#include "base/size.h"
#include "base/uuid.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    if (text == NULL)
        abort();
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';

    uint64_t bytes = 0;
    if (gw_size_parse(text, &bytes)) {
        char shown[GW_SIZE_TEXT], exact[32];
        gw_size_format(bytes, shown);
        FUZZ_CHECK(shown[0] != '\0');
        uint64_t again = 0;
        snprintf(exact, sizeof exact, "%llu", (unsigned long long)bytes);
        FUZZ_CHECK(gw_size_parse(exact, &again) && again == bytes);
    }

    struct gw_uuid u;
    if (gw_uuid_parse(text, &u)) {
        char shown[GW_UUID_TEXT];
        struct gw_uuid again;
        gw_uuid_format(&u, shown);
        FUZZ_CHECK(gw_uuid_parse(shown, &again) && gw_uuid_equal(&u, &again));
    }
    free(text);
    return 0;
}
