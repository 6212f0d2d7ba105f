// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "unit/clienthello.h"

#include "base/bytes.h"

#include <stdbool.h>
#include <string.h>

#define RECORD_HEADER_BYTES 5u
#define RECORD_BYTES_MAX 16384u /* of a plaintext record */
#define HANDSHAKE_HEADER_BYTES 4u
#define CONTENT_HANDSHAKE 22
#define HANDSHAKE_CLIENT_HELLO 1
#define EXTENSION_SERVER_NAME 0
#define NAME_TYPE_HOST 0
#define VERSION_MAJOR 3
#define RANDOM_BYTES 32u

/* TLS counts big-endian. */
static unsigned get_be16(struct gw_reader *r)
{
    unsigned high = gw_get_u8(r);

    return high << 8 | gw_get_u8(r);
}

/* A part of r with a length of two bytes before it. */
static struct gw_reader get_part(struct gw_reader *r, unsigned len)
{
    const uint8_t *p = gw_get_view(r, len);

    return p != NULL ? gw_reader(p, len) : (struct gw_reader){ .failed = true };
}

/* ---- records --------------------------------------------------------------------------------- */

/*
 * Put the handshake bytes of all records so far one after the other. MORE: what there is is in ret,
 * and the last record may be incomplete; its beginning is used, so that a wrong message is seen
 * early.
 */
static enum gw_clienthello gather(const uint8_t *data, size_t len,
                                  uint8_t ret[GW_CLIENTHELLO_BYTES_MAX], size_t *ret_len)
{
    size_t pos = 0, have = 0;

    while (pos < len) {
        const size_t left = len - pos;
        /* As many checks as there are bytes for. */
        if (data[pos] != CONTENT_HANDSHAKE || (left > 1 && data[pos + 1] != VERSION_MAJOR))
            return GW_CLIENTHELLO_GARBAGE;
        if (left < RECORD_HEADER_BYTES)
            break;
        const size_t bytes = (size_t)data[pos + 3] << 8 | data[pos + 4];
        if (bytes == 0 || bytes > RECORD_BYTES_MAX)
            return GW_CLIENTHELLO_GARBAGE;
        const size_t here = left - RECORD_HEADER_BYTES < bytes ? left - RECORD_HEADER_BYTES : bytes;
        memcpy(ret + have, data + pos + RECORD_HEADER_BYTES, here);
        have += here;
        pos += RECORD_HEADER_BYTES + here;
        if (here < bytes)
            break;
    }
    *ret_len = have;
    return GW_CLIENTHELLO_MORE;
}

/* ---- the message ----------------------------------------------------------------------------- */

static bool is_host_byte(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
}

static enum gw_clienthello take_name(const uint8_t *name, size_t len,
                                     char ret_name[GW_CLIENTHELLO_NAME_MAX])
{
    if (len == 0 || len >= GW_CLIENTHELLO_NAME_MAX)
        return GW_CLIENTHELLO_NO_NAME;
    for (size_t i = 0; i < len; i++)
        if (!is_host_byte(name[i]))
            return GW_CLIENTHELLO_NO_NAME;
    for (size_t i = 0; i < len; i++)
        ret_name[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] - 'A' + 'a' : name[i]);
    ret_name[len] = '\0';
    return GW_CLIENTHELLO_NAME;
}

/* The list of names: the first of a host counts, and nobody sends more (RFC 6066). */
static enum gw_clienthello server_name(struct gw_reader *extension,
                                       char ret_name[GW_CLIENTHELLO_NAME_MAX])
{
    struct gw_reader list = get_part(extension, get_be16(extension));

    while (gw_reader_left(&list) > 0) {
        unsigned type = gw_get_u8(&list);
        unsigned len = get_be16(&list);
        const uint8_t *name = gw_get_view(&list, len);
        if (list.failed)
            return GW_CLIENTHELLO_GARBAGE;
        if (type == NAME_TYPE_HOST)
            return take_name(name, len, ret_name);
    }
    return list.failed ? GW_CLIENTHELLO_GARBAGE : GW_CLIENTHELLO_NO_NAME;
}

static enum gw_clienthello extensions(struct gw_reader *r, char ret_name[GW_CLIENTHELLO_NAME_MAX])
{
    while (gw_reader_left(r) > 0) {
        unsigned type = get_be16(r);
        struct gw_reader one = get_part(r, get_be16(r));
        if (one.failed || r->failed)
            return GW_CLIENTHELLO_GARBAGE;
        if (type == EXTENSION_SERVER_NAME)
            return server_name(&one, ret_name);
    }
    return GW_CLIENTHELLO_NO_NAME;
}

/* Without its header, whole. */
static enum gw_clienthello hello(const uint8_t *body, size_t len,
                                 char ret_name[GW_CLIENTHELLO_NAME_MAX])
{
    struct gw_reader r = gw_reader(body, len);

    (void)get_be16(&r); /* the version that was the highest before TLS 1.3 */
    (void)gw_get_view(&r, RANDOM_BYTES);
    (void)gw_get_view(&r, gw_get_u8(&r)); /* session id */
    (void)gw_get_view(&r, get_be16(&r));  /* cipher suites */
    (void)gw_get_view(&r, gw_get_u8(&r)); /* compression methods */
    if (r.failed)
        return GW_CLIENTHELLO_GARBAGE;
    if (gw_reader_left(&r) == 0)
        return GW_CLIENTHELLO_NO_NAME; /* TLS before 1.2 may end here */
    struct gw_reader all = get_part(&r, get_be16(&r));
    return all.failed ? GW_CLIENTHELLO_GARBAGE : extensions(&all, ret_name);
}

enum gw_clienthello gw_clienthello_decode(const uint8_t *data, size_t len,
                                          char ret_name[GW_CLIENTHELLO_NAME_MAX])
{
    uint8_t message[GW_CLIENTHELLO_BYTES_MAX];
    size_t have = 0;
    const bool full = len >= GW_CLIENTHELLO_BYTES_MAX;
    enum gw_clienthello r = gather(data, full ? GW_CLIENTHELLO_BYTES_MAX : len, message, &have);

    if (r != GW_CLIENTHELLO_MORE)
        return r;
    if (have > 0 && message[0] != HANDSHAKE_CLIENT_HELLO)
        return GW_CLIENTHELLO_GARBAGE;
    if (have >= HANDSHAKE_HEADER_BYTES) {
        const size_t bytes = (size_t)message[1] << 16 | (size_t)message[2] << 8 | message[3];
        if (bytes > GW_CLIENTHELLO_BYTES_MAX)
            return GW_CLIENTHELLO_GARBAGE;
        if (have - HANDSHAKE_HEADER_BYTES >= bytes)
            return hello(message + HANDSHAKE_HEADER_BYTES, bytes, ret_name);
    }
    return full ? GW_CLIENTHELLO_GARBAGE : GW_CLIENTHELLO_MORE;
}
