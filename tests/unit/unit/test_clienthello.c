// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "unit/clienthello.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- real ones, as GnuTLS says them -----------------------------------------------------------
 */

static uint8_t said[GW_CLIENTHELLO_BYTES_MAX];
static size_t n_said;

static ssize_t push(gnutls_transport_ptr_t p, const void *data, size_t len)
{
    (void)p;
    assert_true(len <= sizeof said - n_said);
    memcpy(said + n_said, data, len);
    n_said += len;
    return (ssize_t)len;
}

static ssize_t pull(gnutls_transport_ptr_t p, void *data, size_t len)
{
    (void)p;
    (void)data;
    (void)len;
    errno = EAGAIN;
    return -1;
}

static void say_hello(const char *name, const char *priority)
{
    gnutls_session_t s;
    gnutls_certificate_credentials_t c;
    n_said = 0;
    assert_int_equal(gnutls_init(&s, GNUTLS_CLIENT | GNUTLS_NONBLOCK), 0);
    assert_int_equal(gnutls_certificate_allocate_credentials(&c), 0);
    assert_int_equal(gnutls_priority_set_direct(s, priority, NULL), 0);
    gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, c);
    if (name != NULL)
        gnutls_server_name_set(s, GNUTLS_NAME_DNS, name, strlen(name));
    gnutls_transport_set_push_function(s, push);
    gnutls_transport_set_pull_function(s, pull);
    assert_int_equal(gnutls_handshake(s), GNUTLS_E_AGAIN);
    gnutls_deinit(s);
    gnutls_certificate_free_credentials(c);
    assert_true(n_said > 60);
}

#define TLS13 "NORMAL:-VERS-ALL:+VERS-TLS1.3"
#define TLS12 "NORMAL:-VERS-ALL:+VERS-TLS1.2"

/* Exactly so many bytes in memory of their own, so that a read past them is seen. */
static enum gw_clienthello decode(const uint8_t *data, size_t len, char *name)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    assert_non_null(copy);
    memcpy(copy, data, len);
    enum gw_clienthello r = gw_clienthello_decode(copy, len, name);
    free(copy);
    return r;
}

static void names(void **state)
{
    (void)state;
    static const char *const priorities[] = { TLS13, TLS12, "NORMAL" };
    char name[GW_CLIENTHELLO_NAME_MAX];
    for (size_t i = 0; i < 3; i++) {
        say_hello("P-00112233445566778899aabbccddeeff.godwit", priorities[i]);
        for (size_t n = 0; n < n_said; n++)
            assert_int_equal(decode(said, n, name), GW_CLIENTHELLO_MORE);
        assert_int_equal(decode(said, n_said, name), GW_CLIENTHELLO_NAME);
        assert_string_equal(name, "p-00112233445566778899aabbccddeeff.godwit");
        said[n_said] = 0xff; /* what follows is not looked at */
        assert_int_equal(decode(said, n_said + 1, name), GW_CLIENTHELLO_GARBAGE);
        said[n_said] = 22;
        assert_int_equal(decode(said, n_said + 1, name), GW_CLIENTHELLO_NAME);
    }
    say_hello(NULL, TLS13);
    assert_int_equal(decode(said, n_said, name), GW_CLIENTHELLO_NO_NAME);
}

/* The handshake message in records of n bytes. */
static size_t in_pieces(size_t n, uint8_t *ret)
{
    size_t out = 0;
    for (size_t at = 5; at < n_said; at += n) {
        size_t len = n_said - at < n ? n_said - at : n;
        const uint8_t head[] = { 22, 3, 1, (uint8_t)(len >> 8), (uint8_t)len };
        memcpy(ret + out, head, sizeof head);
        memcpy(ret + out + sizeof head, said + at, len);
        out += sizeof head + len;
    }
    return out;
}

static void many_records(void **state)
{
    (void)state;
    static uint8_t pieces[GW_CLIENTHELLO_BYTES_MAX];
    char name[GW_CLIENTHELLO_NAME_MAX] = "";
    say_hello("shop.example", TLS13);
    for (size_t n = 1; n < 100; n += 7) {
        size_t len = in_pieces(n, pieces);
        assert_int_equal(decode(pieces, len - 1, name), GW_CLIENTHELLO_MORE);
        assert_int_equal(decode(pieces, len, name), GW_CLIENTHELLO_NAME);
        assert_string_equal(name, "shop.example");
    }
}

/* ---- strangers ------------------------------------------------------------------------------- */

static void garbage(void **state)
{
    (void)state;
    static const char *const words[] = { "GET / HTTP/1.1\r\n\r\n", "GWF1\x01", "\x16\x02",
                                         "\x15\x03\x01" };
    char name[GW_CLIENTHELLO_NAME_MAX] = "untouched";
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        assert_int_equal(decode((const uint8_t *)words[i], strlen(words[i]), name),
                         GW_CLIENTHELLO_GARBAGE);
    static const uint8_t too_long[] = { 22, 3, 1, 0x40, 1 }, empty[] = { 22, 3, 1, 0, 0 },
                         server[] = { 22, 3, 3, 0, 4, 2 },
                         endless[] = { 22, 3, 1, 0, 4, 1, 0, 0x40, 1 };
    assert_int_equal(decode(too_long, sizeof too_long, name), GW_CLIENTHELLO_GARBAGE);
    assert_int_equal(decode(empty, sizeof empty, name), GW_CLIENTHELLO_GARBAGE);
    assert_int_equal(decode(server, sizeof server, name), GW_CLIENTHELLO_GARBAGE);
    assert_int_equal(decode(endless, sizeof endless, name), GW_CLIENTHELLO_GARBAGE);
    assert_string_equal(name, "untouched");
}

/* A hello that never ends within the limit. */
static void too_big(void **state)
{
    (void)state;
    static uint8_t big[GW_CLIENTHELLO_BYTES_MAX];
    char name[GW_CLIENTHELLO_NAME_MAX];
    const uint8_t head[] = { 22, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc };
    memcpy(big, head, sizeof head);
    assert_int_equal(decode(big, sizeof big - 1, name), GW_CLIENTHELLO_MORE);
    assert_int_equal(decode(big, sizeof big, name), GW_CLIENTHELLO_GARBAGE);
}

/* Every byte changed in turn: never a crash, never a name that cannot be one. */
static void one_byte_wrong(void **state)
{
    (void)state;
    char name[GW_CLIENTHELLO_NAME_MAX];
    static const uint8_t wrong[] = { 0, 1, 0x7f, 0xff };
    say_hello("p-00112233445566778899aabbccddeeff.godwit", TLS13);
    for (size_t i = 0; i < n_said; i++) {
        for (size_t j = 0; j < sizeof wrong; j++) {
            const uint8_t was = said[i];
            said[i] = wrong[j];
            memset(name, 'x', sizeof name);
            if (decode(said, n_said, name) == GW_CLIENTHELLO_NAME) {
                assert_non_null(memchr(name, '\0', sizeof name));
                assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_."),
                                 strlen(name));
                assert_true(name[0] != '\0');
            }
            said[i] = was;
        }
    }
}

/* The list of server names by hand: what may be in it. */
static size_t hello_with(const uint8_t *extension, size_t n, uint8_t *ret)
{
    uint8_t body[600] = { 3, 3 }; /* version; random */
    size_t b = 34;
    const uint8_t middle[] = { 0,
                               0,
                               2,
                               0x13,
                               1,
                               1,
                               0,
                               (uint8_t)((n + 4) >> 8),
                               (uint8_t)(n + 4),
                               0,
                               0,
                               (uint8_t)(n >> 8),
                               (uint8_t)n };
    memcpy(body + b, middle, sizeof middle);
    b += sizeof middle;
    memcpy(body + b, extension, n);
    b += n;
    const uint8_t head[] = {
        22, 3, 1, (uint8_t)((b + 4) >> 8), (uint8_t)(b + 4), 1, 0, (uint8_t)(b >> 8), (uint8_t)b
    };
    memcpy(ret, head, sizeof head);
    memcpy(ret + sizeof head, body, b);
    return sizeof head + b;
}

static void name_lists(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        enum gw_clienthello want;
    } all[] = {
        { "\0\6\0\0\3a.b", 8, GW_CLIENTHELLO_NAME },
        { "\0\13\1\0\2xy\0\0\3a.b", 13, GW_CLIENTHELLO_NAME }, /* another type before it */
        { "\0\0", 2, GW_CLIENTHELLO_NO_NAME },
        { "\0\3\0\0\0", 5, GW_CLIENTHELLO_NO_NAME },     /* empty */
        { "\0\6\0\0\3a b", 8, GW_CLIENTHELLO_NO_NAME },  /* no host's */
        { "\0\6\0\0\3a\0b", 8, GW_CLIENTHELLO_NO_NAME }, /* a NUL inside */
        { "\0\6\0\0\4a.b", 8, GW_CLIENTHELLO_GARBAGE },  /* longer than its list */
        { "\0\7\0\0\3a.b", 8, GW_CLIENTHELLO_GARBAGE },  /* a list longer than its extension */
        { "\0", 1, GW_CLIENTHELLO_GARBAGE },
    };
    uint8_t hello[700];
    char name[GW_CLIENTHELLO_NAME_MAX] = "";
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        size_t n = hello_with((const uint8_t *)all[i].bytes, all[i].n, hello);
        enum gw_clienthello r = decode(hello, n, name);
        if (r != all[i].want)
            fail_msg("list %zu: %d, not %d", i, (int)r, (int)all[i].want);
        if (r == GW_CLIENTHELLO_NAME)
            assert_string_equal(name, "a.b");
    }
    uint8_t list[300] = { 1, 3, 0, 1, 0 };
    memset(list + 5, 'a', 256);
    size_t n = hello_with(list, 261, hello);
    assert_int_equal(decode(hello, n, name), GW_CLIENTHELLO_NO_NAME); /* too long for a host */
    list[1] = 2;
    list[3] = 0;
    list[4] = 255;
    n = hello_with(list, 260, hello);
    assert_int_equal(decode(hello, n, name), GW_CLIENTHELLO_NAME);
    assert_int_equal(strlen(name), 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),   cmocka_unit_test(many_records),   cmocka_unit_test(garbage),
        cmocka_unit_test(too_big), cmocka_unit_test(one_byte_wrong), cmocka_unit_test(name_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
