// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* TLS: whom the server lets in, whom the client speaks to. */
#include "certs.h"
#include "support.h"

#include <arpa/inet.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>

struct world {
    char dir[64];
    struct gw_http_server *server;
    struct gw_cert_fingerprint known; /* whom the server knows */
    bool identified;
    int calls;
};

static int do_who(struct gw_http_call *c, struct gw_error *err)
{
    struct world *w = gw_http_call_ctx(c);
    const struct gw_http_peer *p = gw_http_call_peer(c);
    w->calls++;
    assert_false(p->local);
    assert_true(strncmp(p->address, "127.0.0.1:", 10) == 0);
    return gw_http_reply_json(
        c, 200, json_pack("{s:s, s:b}", "name", p->name, "certified", (int)p->certified));
}

static const struct gw_http_route routes[] = {
    { "POST", "/who", do_who, 0, NULL, "for those who are known" },
    { "POST", "/anyone", do_who, GW_HTTP_ANYONE, NULL, "for strangers" },
};

static int identify(void *ctx, const struct gw_http_peer *peer, char ret_name[GW_CERT_NAME_MAX],
                    struct gw_error *err)
{
    struct world *w = ctx;
    struct gw_cert_info info;
    assert_true(peer->certified);
    assert_int_equal(gw_cert_read_der(peer->certificate, peer->certificate_bytes, &info, NULL), 0);
    assert_true(gw_cert_fingerprint_equal(&info.fingerprint, &peer->fingerprint));
    if (!gw_cert_fingerprint_equal(&w->known, &peer->fingerprint))
        return gw_error_set(err, -EPERM, "\"%s\" is not paired", info.name);
    snprintf(ret_name, GW_CERT_NAME_MAX, "%s", info.name);
    return 0;
}

static char *file(const struct world *w, const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", w->dir, name);
    return path;
}

static struct gw_cert_info info_of(const struct world *w, const char *name)
{
    char pem[8192];
    struct gw_cert_info info;
    struct gw_error err = { 0 };
    FILE *f = fopen(file(w, name), "r");
    assert_non_null(f);
    size_t n = fread(pem, 1, sizeof pem, f);
    fclose(f);
    assert_ok(gw_cert_read_pem(pem, n, &info, NULL, NULL, &err), &err);
    return info;
}

static int open_world(void **state)
{
    static struct world w;
    struct gw_error err = { 0 };
    w = (struct world){ 0 };
    make_dir(w.dir);
    struct test_ca *ca = test_ca_new("nobody");
    test_cert_write(ca, w.dir, "server", "madrid", 0);
    test_cert_write(ca, w.dir, "client", "lisbon", 0);
    test_cert_write(ca, w.dir, "other", "lisbon", 0); /* the same name, another certificate */
    test_cert_write(ca, w.dir, "expired", "lisbon", TEST_CERT_EXPIRED);
    test_cert_write(ca, w.dir, "early", "madrid", TEST_CERT_NOT_YET);
    test_ca_free(ca);
    w.known = info_of(&w, "client.pem").fingerprint;
    const struct gw_http_config config = { .name = "link",
                                           .address = "127.0.0.1:0",
                                           .cert_file = file(&w, "server.pem"),
                                           .key_file = file(&w, "server.key"),
                                           .routes = routes,
                                           .n_routes = 2,
                                           .ctx = &w,
                                           .identify = identify,
                                           .arrive_ms = 1500 };
    assert_ok(gw_http_start(&config, &w.server, &err), &err);
    *state = &w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    gw_http_stop(w->server);
    drop_dir(w->dir);
    return 0;
}

/* As whom, pinning whom. stem NULL: without a certificate. */
static int call_as(struct world *w, const char *stem, const char *pin, const char *path,
                   struct gw_http_response *ret, struct gw_error *err)
{
    char cert[128] = "", key[128] = "";
    struct gw_http_client *c;
    if (stem != NULL) {
        snprintf(cert, sizeof cert, "%s/%s.pem", w->dir, stem);
        snprintf(key, sizeof key, "%s/%s.key", w->dir, stem);
    }
    const struct gw_http_client_config config = { .address = gw_http_address(w->server),
                                                  .cert_file = stem != NULL ? cert : NULL,
                                                  .key_file = stem != NULL ? key : NULL,
                                                  .pin = info_of(w, pin).fingerprint,
                                                  .peer = "site madrid" };
    assert_ok(gw_http_client_new(&config, &c, err), err);
    int r = call(c, "POST", path, "{}", ret, err);
    if (r == 0) { /* over the kept connection, where the pin is checked again */
        gw_http_response_done(ret);
        r = call(c, "POST", path, "{}", ret, err);
    }
    gw_http_client_free(c);
    return r;
}

static void test_known(void **state)
{
    struct world *w = *state;
    struct gw_http_response a;
    struct gw_error err = { 0 };
    assert_ok(call_as(w, "client", "server.pem", "/who", &a, &err), &err);
    assert_string_equal(a.text, "{\"name\":\"lisbon\",\"certified\":true}");
    gw_http_response_done(&a);
    assert_int_equal(w->calls, 2);
}

static void test_unknown(void **state)
{
    static const struct {
        const char *stem, *path;
        int code, status;
        const char *detail;
    } cases[] = {
        { "other", "/who", -EPERM, 403, "\"lisbon\" is not paired" },
        { NULL, "/who", -EKEYREJECTED, 403, "no certificate was shown" },
        { NULL, "/anyone", -EKEYREJECTED, 403, "no certificate was shown" },
        { "expired", "/who", -EKEYREJECTED, 403, "expired at" },
        { "expired", "/anyone", -EKEYREJECTED, 403, "compare the clocks" },
        { "other", "/anyone", 0, 200, "" },
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gw_http_response a;
        struct gw_error err = { 0 };
        int r = call_as(w, cases[i].stem, "server.pem", cases[i].path, &a, &err);
        if (r != cases[i].code || a.status != cases[i].status ||
            strstr(err.msg, cases[i].detail) == NULL)
            fail_msg("case %zu: %d, status %d: %s", i, r, a.status, err.msg);
        if (r == 0)
            assert_string_equal(json_string_value(json_object_get(a.json, "name")), "");
        else
            assert_int_equal(a.outcome, GW_HTTP_REFUSED);
        gw_http_response_done(&a);
    }
    assert_int_equal(w->calls, 2);
}

/* The wrong server hears nothing. */
static void test_wrong_server(void **state)
{
    struct world *w = *state;
    struct gw_http_response a;
    struct gw_error err = { 0 };
    assert_int_equal(call_as(w, "client", "other.pem", "/anyone", &a, &err), -EKEYREJECTED);
    assert_int_equal(a.outcome, GW_HTTP_NOT_SENT);
    assert_contains(err.msg, "site madrid (127.0.0.1:");
    assert_contains(err.msg, "(for \"madrid\", SHA-256 ");
    assert_contains(err.msg, "is not the one that is pinned");
    assert_contains(err.msg, "nothing was done");
    gw_http_response_done(&a);
    assert_int_equal(w->calls, 0);
    /* The right one, whose certificate is not valid yet. */
    const struct gw_http_config config = { .address = "127.0.0.1:0",
                                           .cert_file = file(w, "early.pem"),
                                           .key_file = file(w, "early.key"),
                                           .routes = routes,
                                           .n_routes = 2,
                                           .ctx = w };
    gw_http_stop(w->server);
    assert_ok(gw_http_start(&config, &w->server, &err), &err);
    assert_int_equal(call_as(w, "client", "early.pem", "/anyone", &a, &err), -EKEYREJECTED);
    assert_contains(err.msg, "is not valid before");
    assert_int_equal(a.outcome, GW_HTTP_NOT_SENT);
    gw_http_response_done(&a);
    assert_int_equal(w->calls, 0);
    /* Our own files. */
    assert_int_equal(call_as(w, "missing", "early.pem", "/anyone", &a, &err), -EKEYREJECTED);
    assert_int_equal(a.outcome, GW_HTTP_NOT_SENT);
    gw_http_response_done(&a);
}

static int tcp_connect(const struct world *w)
{
    const char *colon = strrchr(gw_http_address(w->server), ':');
    struct sockaddr_in a = { .sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(colon + 1)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

/* Those who connect and say nothing, or nonsense, hold up nobody, and are closed. */
static void test_rude(void **state)
{
    struct world *w = *state;
    struct gw_http_response a;
    struct gw_error err = { 0 };
    char text[4096];
    int silent = tcp_connect(w), garbage = tcp_connect(w), half = tcp_connect(w);
    raw_send(garbage, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(write(half, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), 11);
    assert_ok(call_as(w, "client", "server.pem", "/who", &a, &err), &err);
    gw_http_response_done(&a);
    raw_read_all(garbage, text, sizeof text);
    raw_read_all(silent, text, sizeof text);
    assert_string_equal(text, "");
    raw_read_all(half, text, sizeof text);
    close(silent);
    close(garbage);
    close(half);
}

/* Not TLS 1.2, whatever the caller likes. */
static void test_old_tls(void **state)
{
    struct world *w = *state;
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    gnutls_certificate_allocate_credentials(&credentials);
    gnutls_init(&session, GNUTLS_CLIENT);
    gnutls_priority_set_direct(session, "NORMAL:-VERS-ALL:+VERS-TLS1.2", NULL);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    int fd = tcp_connect(w);
    gnutls_transport_set_int(session, fd);
    gnutls_handshake_set_timeout(session, CALL_MS);
    int r;
    do
        r = gnutls_handshake(session);
    while (r < 0 && !gnutls_error_is_fatal(r));
    assert_true(r < 0);
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(credentials);
    close(fd);
}

static void test_configuration(void **state)
{
    struct world *w = *state;
    struct gw_http_server *s;
    struct gw_error err = { 0 };
    struct gw_http_config config = { .name = "link",
                                     .address = "127.0.0.1:0",
                                     .cert_file = file(w, "server.pem"),
                                     .key_file = file(w, "client.key"),
                                     .routes = routes,
                                     .n_routes = 2 };
    assert_int_equal(gw_http_start(&config, &s, &err), -EINVAL);
    assert_contains(err.msg, "does not take the key");
    config.key_file = file(w, "nothing.key");
    assert_int_equal(gw_http_start(&config, &s, &err), -ENOENT);
    config.cert_file = file(w, "server.key");
    assert_int_equal(gw_http_start(&config, &s, &err), -EINVAL);
    assert_contains(err.msg, "not a certificate in PEM");
    config.cert_file = file(w, "server.pem");
    config.key_file = file(w, "server.key");
    config.address = gw_http_address(w->server);
    assert_int_equal(gw_http_start(&config, &s, &err), -EADDRINUSE);
    config.address = "127.0.0.1";
    assert_int_equal(gw_http_start(&config, &s, &err), -EINVAL);
    config.address = "[::1]:0";
    int r = gw_http_start(&config, &s, &err);
    if (r == 0) /* where there is IPv6 */
        assert_true(strncmp(gw_http_address(s), "[::1]:", 6) == 0);
    if (r == 0)
        gw_http_stop(s);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_known, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_unknown, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_wrong_server, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_rude, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_old_tls, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_configuration, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
