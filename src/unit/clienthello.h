// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Which server name a TLS client asks for, from the first bytes that it sent (RFC 8446, 4.1.2;
 * RFC 6066, 3). Pure: no socket, nothing is kept, nothing of the client is believed.
 *
 *     switch (gw_clienthello_decode(bytes_so_far, len, name)) ...
 *
 * Called again from the beginning each time that more bytes have come. A ClientHello may be spread
 * over several TLS records.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define GW_CLIENTHELLO_BYTES_MAX 16384u /* with record headers; a longer one is garbage */
#define GW_CLIENTHELLO_NAME_MAX 256     /* with the NUL */

enum gw_clienthello {
    GW_CLIENTHELLO_MORE,    /* so far so good: more bytes are needed */
    GW_CLIENTHELLO_NAME,    /* ret_name is set: letters (lower case), digits, '-', '_', '.' */
    GW_CLIENTHELLO_NO_NAME, /* TLS, but without a name that could be a host's */
    GW_CLIENTHELLO_GARBAGE, /* not TLS, or malformed */
};

/* ret_name is untouched unless it is set. */
enum gw_clienthello gw_clienthello_decode(const uint8_t *data, size_t len,
                                          char ret_name[GW_CLIENTHELLO_NAME_MAX]);
