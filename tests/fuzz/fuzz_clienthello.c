// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The first bytes of whoever connects to the data port. */
#include "fuzz.h"
#include "unit/clienthello.h"

static enum gw_clienthello decode(const uint8_t *data, size_t size, char *name)
{
    uint8_t *copy = fuzz_copy(data, size);
    memset(name, 0x7f, GW_CLIENTHELLO_NAME_MAX);
    enum gw_clienthello r = gw_clienthello_decode(copy, size, name);
    free(copy);
    if (r != GW_CLIENTHELLO_NAME) {
        FUZZ_CHECK(name[0] == 0x7f);
        return r;
    }
    FUZZ_CHECK(memchr(name, '\0', GW_CLIENTHELLO_NAME_MAX) != NULL && name[0] != '\0');
    FUZZ_CHECK(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") == strlen(name));
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char name[GW_CLIENTHELLO_NAME_MAX], first[GW_CLIENTHELLO_NAME_MAX];
    enum gw_clienthello whole = decode(data, size, name);
    FUZZ_CHECK(whole != GW_CLIENTHELLO_MORE || size < GW_CLIENTHELLO_BYTES_MAX);
    /* What was refused, or understood, is no other thing when more has come. */
    enum gw_clienthello half = decode(data, size / 2, first);
    FUZZ_CHECK(half != GW_CLIENTHELLO_GARBAGE || whole == GW_CLIENTHELLO_GARBAGE);
    FUZZ_CHECK(half != GW_CLIENTHELLO_NAME || whole != GW_CLIENTHELLO_NAME ||
               strcmp(first, name) == 0);
    return 0;
}
