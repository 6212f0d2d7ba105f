// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What a fence agent says of itself. */
#include "fence/metadata.h"
#include "fuzz.h"

#include <errno.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_fence_metadata m;
    struct gw_error err = { 0 };
    int r = gw_fence_metadata_read((const char *)data, size, &m, &err);
    if (r < 0) {
        FUZZ_CHECK_ERROR(r, &err);
        FUZZ_CHECK(m.parameter == NULL && m.n_parameters == 0);
    }
    for (size_t i = 0; i < m.n_parameters; i++) {
        FUZZ_CHECK(m.parameter[i].name[0] != '\0');
        FUZZ_CHECK(gw_fence_metadata_find(&m, m.parameter[i].name) != NULL);
    }
    gw_fence_metadata_done(&m);
    return 0;
}
