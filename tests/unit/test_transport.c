// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "base/checked.h"
#include "base/clock.h"
#include "certs.h"
#include "engine/transport.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define HANDSHAKE_MS 5000u /* never reached where a handshake is meant to end */

static char dir[256];
static char files[16][340];

static const char *const stems[] = { "ca",      "ca2",     "lyon",    "paris", "cn-paris",
                                     "expired", "not-yet", "foreign", "wild" };

static const char *in_dir(const char *name)
{
    static unsigned next;
    char *p = files[next++ % GW_ARRAY_SIZE(files)];

    snprintf(p, sizeof files[0], "%s/%s", dir, name);
    return p;
}

static int set_up(void **state)
{
    const char *tmp = getenv("TMPDIR");
    struct test_ca *ca = test_ca_new("first CA"), *ca2 = test_ca_new("second CA");

    snprintf(dir, sizeof dir, "%s/godwit-transport-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    test_ca_write(ca, dir, "ca");
    test_ca_write(ca2, dir, "ca2");
    test_cert_write(ca, dir, "lyon", "lyon.example", 0);
    test_cert_write(ca, dir, "paris", "paris.fr.example", 0);
    test_cert_write(ca, dir, "cn-paris", "paris.fr.example", TEST_CERT_NAME_IN_CN);
    test_cert_write(ca, dir, "expired", "paris.fr.example", TEST_CERT_EXPIRED);
    test_cert_write(ca, dir, "not-yet", "paris.fr.example", TEST_CERT_NOT_YET);
    test_cert_write(ca, dir, "wild", "*.fr.example", 0);
    test_cert_write(ca2, dir, "foreign", "paris.fr.example", 0);
    test_ca_free(ca);
    test_ca_free(ca2);
    return 0;
}

static int tear_down(void **state)
{
    for (size_t i = 0; i < GW_ARRAY_SIZE(stems); i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.pem", stems[i]);
        unlink(in_dir(name));
        snprintf(name, sizeof name, "%s.key", stems[i]);
        unlink(in_dir(name));
    }
    unlink(in_dir("junk"));
    return rmdir(dir);
}

/* ---- helpers --------------------------------------------------------------------------------- */

/* Credentials: the certificate `stem`, trusting `ca`, expecting `peer`. */
static struct gw_tls *load(const char *ca, const char *stem, const char *peer)
{
    char cert[64], key[64], trusted[64];
    struct gw_tls *t = NULL;
    struct gw_error err = { 0 };

    snprintf(trusted, sizeof trusted, "%s.pem", ca);
    snprintf(cert, sizeof cert, "%s.pem", stem);
    snprintf(key, sizeof key, "%s.key", stem);
    const struct gw_tls_files f = {
        .ca = in_dir(trusted), .cert = in_dir(cert), .key = in_dir(key), .peer = peer
    };
    if (gw_tls_load(&f, &t, &err) < 0)
        fail_msg("%s", err.msg);
    return t;
}

static void assert_says(const struct gw_error *err, int code, const char *words)
{
    if (err->code != code || strstr(err->msg, words) == NULL)
        fail_msg("wanted %d with \"%s\", got %d: %s", code, words, err->code, err->msg);
}

/* Accepts one connection in a thread. */
struct acceptor {
    struct gw_listener *l;
    unsigned timeout_ms;
    int cancel_fd;
    pthread_t thread;
    int result;
    struct gw_conn *conn;
    struct gw_error err;
};

static void *acceptor_main(void *opaque)
{
    struct acceptor *a = opaque;

    a->result = gw_listener_accept(a->l, a->timeout_ms, a->cancel_fd, &a->conn, &a->err);
    return NULL;
}

static void acceptor_again(struct acceptor *a)
{
    a->conn = NULL;
    a->err = (struct gw_error){ 0 };
    assert_int_equal(pthread_create(&a->thread, NULL, acceptor_main, a), 0);
}

static void acceptor_start(struct acceptor *a, struct gw_tls *tls)
{
    struct gw_error err = { 0 };

    *a = (struct acceptor){ .timeout_ms = HANDSHAKE_MS, .cancel_fd = -1 };
    if (gw_listener_open("127.0.0.1:0", tls, &a->l, &err) < 0)
        fail_msg("%s", err.msg);
    acceptor_again(a);
}

static int acceptor_join(struct acceptor *a)
{
    assert_int_equal(pthread_join(a->thread, NULL), 0);
    return a->result;
}

static struct gw_conn *must_connect(const char *address, struct gw_tls *tls)
{
    struct gw_conn *c = NULL;
    struct gw_error err = { 0 };

    if (gw_conn_connect(address, tls, "the-plan", HANDSHAKE_MS, -1, &c, &err) < 0)
        fail_msg("%s", err.msg);
    return c;
}

/* Two connected ends; TLS or plain. */
struct pair {
    struct acceptor a;
    struct gw_tls *tls[2];
    struct gw_conn *c[2]; /* client, server */
};

static void pair_open(struct pair *p, bool tls)
{
    p->tls[0] = tls ? load("ca", "lyon", "paris.fr.example") : NULL;
    p->tls[1] = tls ? load("ca", "paris", "lyon.example") : NULL;
    acceptor_start(&p->a, p->tls[1]);
    p->c[0] = must_connect(gw_listener_address(p->a.l), p->tls[0]);
    if (acceptor_join(&p->a) < 0)
        fail_msg("%s", p->a.err.msg);
    p->c[1] = p->a.conn;
}

static void pair_close(struct pair *p)
{
    for (int i = 0; i < 2; i++) {
        gw_conn_close(p->c[i]);
        gw_tls_free(p->tls[i]);
    }
    gw_listener_close(p->a.l);
}

static int send_bytes(struct gw_conn *c, const void *data, size_t len, struct gw_error *err)
{
    char *copy = malloc(len);
    assert_non_null(copy);
    memcpy(copy, data, len);
    struct iovec iov = { .iov_base = copy, .iov_len = len };
    int r = gw_conn_send(c, &iov, 1, err);
    free(copy);
    return r;
}

/* A connected pair works in both directions. */
static void assert_talks(struct gw_conn *a, struct gw_conn *b)
{
    struct gw_error err = { 0 };
    char got[6];

    assert_int_equal(send_bytes(a, "hello", 6, &err), 0);
    assert_int_equal(gw_conn_recv(b, got, 6, &err), 0);
    assert_string_equal(got, "hello");
    assert_int_equal(send_bytes(b, "world", 6, &err), 0);
    assert_int_equal(gw_conn_recv(a, got, 6, &err), 0);
    assert_string_equal(got, "world");
}

static uint64_t ms_since(uint64_t start)
{
    return (gw_boot_ns() - start) / GW_NS_PER_MS;
}

/* A listening socket of our own: nobody speaks TLS there. */
static int raw_listen(int backlog, char address[64])
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof in;

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
    snprintf(address, 64, "127.0.0.1:%u", (unsigned)ntohs(in.sin_port));
    return fd;
}

static int raw_connect(const char *address)
{
    struct sockaddr_in in = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    in.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof in), 0);
    return fd;
}

/* A TLS peer that is not ours, blocking, on a socket. */
struct raw_tls {
    gnutls_certificate_credentials_t cred;
    gnutls_session_t s;
    int fd, result;
};

static void raw_tls_init(struct raw_tls *r, unsigned flags, const char *priority, const char *stem)
{
    char cert[64], key[64];

    assert_int_equal(gnutls_certificate_allocate_credentials(&r->cred), 0);
    if (stem != NULL) {
        snprintf(cert, sizeof cert, "%s.pem", stem);
        snprintf(key, sizeof key, "%s.key", stem);
        assert_int_equal(gnutls_certificate_set_x509_key_file(r->cred, in_dir(cert), in_dir(key),
                                                              GNUTLS_X509_FMT_PEM),
                         0);
    }
    assert_int_equal(gnutls_init(&r->s, flags | GNUTLS_NO_SIGNAL), 0);
    assert_int_equal(gnutls_priority_set_direct(r->s, priority, NULL), 0);
    assert_int_equal(gnutls_credentials_set(r->s, GNUTLS_CRD_CERTIFICATE, r->cred), 0);
}

static void *raw_tls_handshake(void *opaque)
{
    struct raw_tls *r = opaque;

    const int one = 1;

    setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    gnutls_transport_set_int(r->s, r->fd);
    do
        r->result = gnutls_handshake(r->s);
    while (r->result < 0 && gnutls_error_is_fatal(r->result) == 0);
    if (r->result < 0)
        gnutls_alert_send_appropriate(r->s, r->result);
    return NULL;
}

static void raw_tls_done(struct raw_tls *r)
{
    gnutls_deinit(r->s);
    gnutls_certificate_free_credentials(r->cred);
    close(r->fd);
}

/* ---- credentials ----------------------------------------------------------------------------- */

static void tls_files(void **state)
{
    FILE *f = fopen(in_dir("junk"), "w");
    const char *ca = in_dir("ca.pem"), *cert = in_dir("lyon.pem"), *key = in_dir("lyon.key");
    const char *junk = in_dir("junk"), *none = in_dir("none"), *other = in_dir("paris.key");

    assert_non_null(f);
    fputs("this is not PEM\n", f);
    fclose(f);
    const struct {
        struct gw_tls_files files;
        int code;
        const char *words[2];
    } cases[] = {
        { { none, cert, key, NULL }, -ENOENT, { "CA file", none } },
        { { ca, none, key, NULL }, -ENOENT, { "certificate file", none } },
        { { ca, cert, none, NULL }, -ENOENT, { "key file", none } },
        { { junk, cert, key, NULL }, -EINVAL, { "CA certificate", junk } },
        { { ca, junk, key, NULL }, -EINVAL, { "no certificate", junk } },
        { { ca, cert, junk, NULL }, -EINVAL, { "private key", junk } },
        { { ca, cert, other, NULL }, -EINVAL, { "does not belong", other } },
    };
    for (size_t i = 0; i < GW_ARRAY_SIZE(cases); i++) {
        struct gw_tls *t = NULL;
        struct gw_error err = { 0 };
        assert_int_equal(gw_tls_load(&cases[i].files, &t, &err), cases[i].code);
        assert_says(&err, cases[i].code, cases[i].words[0]);
        assert_says(&err, cases[i].code, cases[i].words[1]);
        assert_null(t);
    }
    gw_tls_free(NULL);
}

static void good_pair(void **state)
{
    struct pair p;

    pair_open(&p, true);
    assert_talks(p.c[0], p.c[1]);
    assert_string_equal(gw_conn_peer(p.c[0]), gw_listener_address(p.a.l));
    assert_int_equal(strncmp(gw_conn_peer(p.c[1]), "127.0.0.1:", 10), 0);
    /* Credentials live as long as the connections that use them. */
    for (int i = 0; i < 2; i++) {
        gw_tls_free(p.tls[i]);
        p.tls[i] = NULL;
    }
    assert_talks(p.c[1], p.c[0]);
    pair_close(&p);
}

static void any_name_and_common_name(void **state)
{
    struct gw_tls *any = load("ca", "lyon", NULL), *client = load("ca", "lyon", "paris.fr.example");
    struct gw_tls *cn = load("ca", "cn-paris", NULL);
    struct gw_tls *const pairs[2][2] = { { any, any }, { client, cn } };

    for (int i = 0; i < 2; i++) {
        struct acceptor a;
        acceptor_start(&a, pairs[i][1]);
        struct gw_conn *c = must_connect(gw_listener_address(a.l), pairs[i][0]);
        assert_int_equal(acceptor_join(&a), 0);
        assert_talks(c, a.conn);
        gw_conn_close(c);
        gw_conn_close(a.conn);
        gw_listener_close(a.l);
    }
    gw_tls_free(any);
    gw_tls_free(client);
    gw_tls_free(cn);
}

/* ---- refused certificates -------------------------------------------------------------------- */

struct refusal {
    const char *ca, *cert, *peer; /* of the side that refuses */
    const char *other;            /* the certificate that is refused */
    const char *ours, *theirs;    /* what the refusing and the refused side say */
};

static const struct refusal refusals[] = {
    { "ca", "lyon", "paris.fr.example", "foreign", "is not signed by the CA in",
      "it is not signed by the CA that the peer trusts" },
    { "ca", "lyon", "paris.fr.example", "lyon",
      "is for \"lyon.example\", not for \"paris.fr.example\"", "it is for another name" },
    { "ca", "lyon", "paris.fr.example", "wild",
      "is for \"*.fr.example\", not for \"paris.fr.example\"", "it is for another name" },
    { "ca", "lyon", "paris.fr.example", "expired", "expired at 20", "it is expired" },
    { "ca", "lyon", "paris.fr.example", "not-yet", "is not valid before 20", "not valid yet" },
};

/* The client refuses the server: both know it from the handshake. */
static void client_refuses(void **state)
{
    for (size_t i = 0; i < GW_ARRAY_SIZE(refusals); i++) {
        const struct refusal *r = &refusals[i];
        struct gw_tls *client = load(r->ca, r->cert, r->peer);
        struct gw_tls *server = load("ca", r->other, NULL);
        struct gw_conn *c = NULL;
        struct gw_error err = { 0 };
        struct acceptor a;

        acceptor_start(&a, server);
        assert_int_equal(
            gw_conn_connect(gw_listener_address(a.l), client, NULL, HANDSHAKE_MS, -1, &c, &err),
            -EKEYREJECTED);
        assert_says(&err, -EKEYREJECTED, r->ours);
        assert_says(&err, -EKEYREJECTED, gw_listener_address(a.l));
        assert_null(c);
        assert_int_equal(acceptor_join(&a), -EPROTO);
        assert_says(&a.err, -EPROTO, "the peer refused our certificate");
        assert_says(&a.err, -EPROTO, r->theirs);
        gw_listener_close(a.l);
        gw_tls_free(client);
        gw_tls_free(server);
    }
}

/* The server refuses the client, which learns it from its first receive. */
static void server_refuses(void **state)
{
    for (size_t i = 0; i < GW_ARRAY_SIZE(refusals); i++) {
        const struct refusal *r = &refusals[i];
        struct gw_tls *server = load(r->ca, r->cert, r->peer);
        struct gw_tls *client = load("ca", r->other, NULL);
        struct gw_error err = { 0 };
        struct acceptor a;
        char byte;

        acceptor_start(&a, server);
        struct gw_conn *c = must_connect(gw_listener_address(a.l), client);
        assert_int_equal(acceptor_join(&a), -EPROTO);
        assert_says(&a.err, -EPROTO, r->ours);
        assert_says(&a.err, -EPROTO, "connection from 127.0.0.1:");
        assert_int_equal(gw_conn_recv(c, &byte, 1, &err), -EKEYREJECTED);
        assert_says(&err, -EKEYREJECTED, "the peer refused our certificate");
        assert_says(&err, -EKEYREJECTED, r->other);
        assert_says(&err, -EKEYREJECTED, r->theirs);
        gw_conn_close(c);
        gw_listener_close(a.l);
        gw_tls_free(client);
        gw_tls_free(server);
    }
}

static void no_client_certificate(void **state)
{
    struct gw_tls *server = load("ca", "paris", NULL);
    struct raw_tls raw;
    struct acceptor a;
    char byte;

    acceptor_start(&a, server);
    raw_tls_init(&raw, GNUTLS_CLIENT, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL);
    raw.fd = raw_connect(gw_listener_address(a.l));
    raw_tls_handshake(&raw);
    assert_int_equal(acceptor_join(&a), -EPROTO);
    assert_says(&a.err, -EPROTO, "sent no certificate");
    assert_int_equal(gnutls_record_recv(raw.s, &byte, 1), GNUTLS_E_FATAL_ALERT_RECEIVED);
    assert_int_equal(gnutls_alert_get(raw.s), GNUTLS_A_CERTIFICATE_REQUIRED);
    raw_tls_done(&raw);
    gw_listener_close(a.l);
    gw_tls_free(server);
}

/* ---- other peers ----------------------------------------------------------------------------- */

static void tls_1_2_client(void **state)
{
    struct gw_tls *server = load("ca", "paris", NULL);
    struct raw_tls raw;
    struct acceptor a;

    acceptor_start(&a, server);
    raw_tls_init(&raw, GNUTLS_CLIENT, "NORMAL:-VERS-ALL:+VERS-TLS1.2", "lyon");
    raw.fd = raw_connect(gw_listener_address(a.l));
    raw_tls_handshake(&raw);
    assert_int_equal(raw.result, GNUTLS_E_FATAL_ALERT_RECEIVED);
    assert_int_equal(gnutls_alert_get(raw.s), GNUTLS_A_PROTOCOL_VERSION);
    assert_int_equal(acceptor_join(&a), -EPROTO);
    assert_says(&a.err, -EPROTO, "does not speak TLS 1.3");
    raw_tls_done(&raw);
    gw_listener_close(a.l);
    gw_tls_free(server);
}

struct raw_server {
    int listen_fd;
    struct raw_tls tls;
};

static void *raw_server_main(void *opaque)
{
    struct raw_server *s = opaque;

    s->tls.fd = accept(s->listen_fd, NULL, NULL);
    return raw_tls_handshake(&s->tls);
}

static void tls_1_2_server(void **state)
{
    struct gw_tls *client = load("ca", "lyon", NULL);
    struct gw_error err = { 0 };
    struct gw_conn *c = NULL;
    struct raw_server s;
    char address[64];
    pthread_t thread;

    s.listen_fd = raw_listen(1, address);
    raw_tls_init(&s.tls, GNUTLS_SERVER, "NORMAL:-VERS-ALL:+VERS-TLS1.2", "paris");
    assert_int_equal(pthread_create(&thread, NULL, raw_server_main, &s), 0);
    assert_int_equal(gw_conn_connect(address, client, NULL, HANDSHAKE_MS, -1, &c, &err), -EPROTO);
    assert_says(&err, -EPROTO, "does not speak TLS 1.3");
    pthread_join(thread, NULL);
    assert_true(s.tls.result < 0);
    raw_tls_done(&s.tls);
    close(s.listen_fd);
    gw_tls_free(client);
}

/* What does not speak TLS costs one accept; the next client is served. */
static void garbage_clients(void **state)
{
    static const char text[] = "GET / HTTP/1.1\r\nHost: paris.fr.example\r\n\r\n";
    struct gw_tls *server = load("ca", "paris", NULL), *client = load("ca", "lyon", NULL);
    uint8_t noise[4096];
    struct acceptor a;

    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (uint8_t)(i * 181 + (i >> 3));
    const struct {
        const void *data;
        size_t len;
    } cases[] = { { text, sizeof text }, { noise, sizeof noise }, { noise + 77, 1000 } };
    acceptor_start(&a, server);
    for (size_t i = 0; i < GW_ARRAY_SIZE(cases); i++) {
        int fd = raw_connect(gw_listener_address(a.l));
        assert_int_equal(send(fd, cases[i].data, cases[i].len, MSG_NOSIGNAL), cases[i].len);
        assert_int_equal(acceptor_join(&a), -EPROTO);
        assert_says(&a.err, -EPROTO, "connection from 127.0.0.1:");
        assert_says(&a.err, -EPROTO, "TLS");
        close(fd);
        acceptor_again(&a);
    }
    close(raw_connect(gw_listener_address(a.l))); /* comes and goes */
    assert_int_equal(acceptor_join(&a), -EPROTO);
    assert_says(&a.err, -EPROTO, "closed the connection in the TLS handshake");
    acceptor_again(&a);
    struct gw_conn *c = must_connect(gw_listener_address(a.l), client);
    assert_int_equal(acceptor_join(&a), 0);
    assert_talks(c, a.conn);
    gw_conn_close(c);
    gw_conn_close(a.conn);
    gw_listener_close(a.l);
    gw_tls_free(client);
    gw_tls_free(server);
}

static void plain_client_at_tls_listener(void **state)
{
    struct gw_tls *server = load("ca", "paris", NULL);
    struct gw_error err = { 0 };
    uint8_t data[64] = "GWF1, but in the clear";
    struct acceptor a;

    acceptor_start(&a, server);
    struct gw_conn *c = must_connect(gw_listener_address(a.l), NULL);
    assert_int_equal(send_bytes(c, data, sizeof data, &err), 0);
    assert_int_equal(acceptor_join(&a), -EPROTO);
    assert_says(&a.err, -EPROTO, "does not speak TLS 1.3");
    int r;
    do /* an alert may come first */
        r = gw_conn_recv(c, data, 1, &err);
    while (r == 0);
    assert_says(&err, -ECONNRESET, "the peer closed the connection");
    gw_conn_close(c);
    gw_listener_close(a.l);
    gw_tls_free(server);
}

/* A client that sends nothing costs the time it was given. */
static void stalled_client(void **state)
{
    struct gw_tls *server = load("ca", "paris", NULL);
    struct acceptor a;
    uint64_t start = gw_boot_ns();

    a = (struct acceptor){ .timeout_ms = 60, .cancel_fd = -1 };
    assert_int_equal(gw_listener_open("127.0.0.1:0", server, &a.l, NULL), 0);
    acceptor_again(&a);
    int fd = raw_connect(gw_listener_address(a.l));
    assert_int_equal(acceptor_join(&a), -EPROTO);
    assert_says(&a.err, -EPROTO, "no TLS answer from the peer in time");
    assert_true(ms_since(start) >= 60);
    close(fd);
    gw_listener_close(a.l);
    gw_tls_free(server);
}

/* A server that says nothing; and what the client's first message names. */
static void stalled_server(void **state)
{
    static const char name[] = "6fa459ea-ee8a-4ca4-894e-db77e160355e";
    struct gw_tls *client = load("ca", "lyon", "paris.fr.example");
    struct gw_error err = { 0 };
    struct gw_conn *c = NULL;
    char address[64], hello[4096];
    uint64_t start = gw_boot_ns();

    int listen_fd = raw_listen(4, address);
    assert_int_equal(gw_conn_connect(address, client, name, 60, -1, &c, &err), -ETIMEDOUT);
    assert_says(&err, -ETIMEDOUT, "no TLS answer from the peer in time");
    assert_says(&err, -ETIMEDOUT, address);
    assert_true(ms_since(start) >= 60);
    int fd = accept(listen_fd, NULL, NULL);
    ssize_t n = recv(fd, hello, sizeof hello, 0);
    assert_true(n > 0);
    assert_non_null(memmem(hello, (size_t)n, name, strlen(name)));
    assert_null(memmem(hello, (size_t)n, "paris", 5)); /* who is expected is not said aloud */
    close(fd);
    /* One that hangs up. */
    close(listen_fd);
    assert_int_equal(gw_conn_connect(address, client, name, 1000, -1, &c, &err), -ECONNREFUSED);
    assert_says(&err, -ECONNREFUSED, "cannot connect to 127.0.0.1:");
    gw_tls_free(client);
}

/* ---- addresses ------------------------------------------------------------------------------- */

static void bad_addresses(void **state)
{
    static const char *const bad[] = { "",        "host",     ":80",    "host:",   "host:x",
                                       "h:70000", "h:123456", "::1:80", "[::1]80", "[::1:80",
                                       "[]:80",   "h:-1",     "h:0",    "h:1 " };
    struct gw_error err = { 0 };
    struct gw_listener *l = NULL;
    struct gw_conn *c = NULL;

    for (size_t i = 0; i < GW_ARRAY_SIZE(bad); i++) {
        if (gw_conn_connect(bad[i], NULL, NULL, 100, -1, &c, &err) != -EINVAL)
            fail_msg("\"%s\": %s", bad[i], err.msg);
        if (strcmp(bad[i], "h:0") != 0)
            assert_int_equal(gw_listener_open(bad[i], NULL, &l, &err), -EINVAL);
    }
    assert_int_equal(gw_listener_open("no-port", NULL, &l, &err), -EINVAL);
    assert_says(&err, -EINVAL, "host:port or [ipv6]:port");
    int r = gw_conn_connect("no-such-host.invalid:80", NULL, NULL, 300, -1, &c, &err);
    assert_true(r == -EHOSTUNREACH || r == -ETIMEDOUT);
    assert_says(&err, r, "cannot resolve \"no-such-host.invalid\"");
}

static void plain_is_loopback_only(void **state)
{
    static const char *const far[] = { "192.0.2.1:9", "0.0.0.0:9", "[2001:db8::1]:9", "[::]:9" };
    static const char *const near[] = { "127.0.0.1:0", "127.1.2.3:0", "localhost:0",
                                        "[::ffff:127.0.0.1]:0" };
    struct gw_listener *l = NULL;
    struct gw_conn *c = NULL;
    struct gw_error err = { 0 };

    for (size_t i = 0; i < GW_ARRAY_SIZE(far); i++) {
        assert_int_equal(gw_conn_connect(far[i], NULL, NULL, 1000, -1, &c, &err), -EPERM);
        assert_says(&err, -EPERM, "is not a loopback address");
        assert_int_equal(gw_listener_open(far[i], NULL, &l, &err), -EPERM);
    }
    for (size_t i = 0; i < GW_ARRAY_SIZE(near); i++) {
        if (gw_listener_open(near[i], NULL, &l, &err) < 0)
            fail_msg("%s", err.msg);
        struct acceptor a = { .l = l, .timeout_ms = HANDSHAKE_MS, .cancel_fd = -1 };
        acceptor_again(&a);
        c = must_connect(gw_listener_address(l), NULL);
        assert_int_equal(acceptor_join(&a), 0);
        assert_talks(c, a.conn);
        gw_conn_close(c);
        gw_conn_close(a.conn);
        gw_listener_close(l);
    }
    /* With TLS any address is allowed. */
    struct gw_tls *t = load("ca", "lyon", NULL);
    assert_int_equal(gw_listener_open("0.0.0.0:0", t, &l, &err), 0);
    assert_int_equal(strncmp(gw_listener_address(l), "0.0.0.0:", 8), 0);
    struct gw_listener *second = NULL;
    assert_int_equal(gw_listener_open(gw_listener_address(l), t, &second, &err), -EADDRINUSE);
    assert_says(&err, -EADDRINUSE, "cannot listen on 0.0.0.0:");
    gw_listener_close(l);
    gw_tls_free(t);
}

/* ---- giving up ------------------------------------------------------------------------------- */

static void *cancel_soon(void *opaque)
{
    const int *fd = opaque;

    poll(NULL, 0, 20); /* the other thread is most likely waiting by then; either way it must end */
    assert_int_equal(eventfd_write(*fd, 1), 0);
    return NULL;
}

static void cancel_connect(void **state)
{
    struct gw_tls *client = load("ca", "lyon", NULL);
    struct gw_error err = { 0 };
    struct gw_conn *c = NULL;
    char address[64];
    pthread_t thread;
    int cancel = eventfd(0, EFD_CLOEXEC), listen_fd = raw_listen(0, address);

    /* In the handshake. */
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancel), 0);
    assert_int_equal(gw_conn_connect(address, client, NULL, 60000, cancel, &c, &err),
                     -ECONNABORTED);
    assert_says(&err, -ECONNABORTED, "cancelled in the TLS handshake");
    pthread_join(thread, NULL);
    /* Before anything; the descriptor is still readable. */
    assert_int_equal(gw_conn_connect(address, client, NULL, 60000, cancel, &c, &err),
                     -ECONNABORTED);
    close(cancel);
    close(listen_fd);
    gw_tls_free(client);
}

/* A queue of connections that is full does not answer any more. */
static void connect_unanswered(void **state)
{
    struct gw_error err = { 0 };
    struct gw_conn *c[8] = { NULL };
    char address[64];
    pthread_t thread;
    int listen_fd = raw_listen(0, address), r = 0, n = 0;

    while (r == 0 && n < 8) {
        r = gw_conn_connect(address, NULL, NULL, 60, -1, &c[n], &err);
        n += r == 0;
    }
    assert_int_equal(r, -ETIMEDOUT);
    assert_says(&err, -ETIMEDOUT, "cannot connect to 127.0.0.1:");
    int cancel = eventfd(0, EFD_CLOEXEC);
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancel), 0);
    assert_int_equal(gw_conn_connect(address, NULL, NULL, 60000, cancel, &c[7], &err),
                     -ECONNABORTED);
    assert_says(&err, -ECONNABORTED, "cancelled while connecting");
    pthread_join(thread, NULL);
    for (int i = 0; i < n; i++)
        gw_conn_close(c[i]);
    close(cancel);
    close(listen_fd);
}

static void cancel_accept(void **state)
{
    struct gw_tls *server = load("ca", "paris", NULL);
    struct acceptor a = { .timeout_ms = 60000, .cancel_fd = eventfd(0, EFD_CLOEXEC) };
    uint64_t count;
    pthread_t thread;

    assert_int_equal(gw_listener_open("127.0.0.1:0", server, &a.l, NULL), 0);
    acceptor_again(&a);
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &a.cancel_fd), 0);
    assert_int_equal(acceptor_join(&a), -ECONNABORTED);
    assert_says(&a.err, -ECONNABORTED, "cancelled while listening");
    pthread_join(thread, NULL);
    assert_int_equal(eventfd_read(a.cancel_fd, &count), 0);
    /* In the handshake with a silent client. */
    acceptor_again(&a);
    int fd = raw_connect(gw_listener_address(a.l));
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &a.cancel_fd), 0);
    assert_int_equal(acceptor_join(&a), -ECONNABORTED);
    pthread_join(thread, NULL);
    close(fd);
    close(a.cancel_fd);
    gw_listener_close(a.l);
    gw_tls_free(server);
}

/* Sends until it fails; receives until it fails. */
struct user {
    struct gw_conn *c;
    bool sends;
    int result;
    struct gw_error err;
    pthread_t thread;
};

static void *user_main(void *opaque)
{
    struct user *u = opaque;
    uint8_t *data = calloc(1, 256 * 1024);
    struct iovec iov = { .iov_base = data, .iov_len = 256 * 1024 };

    do
        u->result = u->sends ? gw_conn_send(u->c, &iov, 1, &u->err)
                             : gw_conn_recv(u->c, data, 64 * 1024, &u->err);
    while (u->result == 0);
    free(data);
    return NULL;
}

static void user_start(struct user *u, struct gw_conn *c, bool sends)
{
    *u = (struct user){ .c = c, .sends = sends };
    assert_int_equal(pthread_create(&u->thread, NULL, user_main, u), 0);
}

static int user_join(struct user *u)
{
    assert_int_equal(pthread_join(u->thread, NULL), 0);
    return u->result;
}

static void idle_timeouts(void **state)
{
    for (int tls = 0; tls < 2; tls++) {
        struct gw_error err = { 0 };
        struct pair p;
        struct user sender;
        char byte;

        pair_open(&p, tls != 0);
        gw_conn_idle_timeout(p.c[0], 40);
        uint64_t start = gw_boot_ns();
        assert_int_equal(gw_conn_recv(p.c[0], &byte, 1, &err), -ETIMEDOUT);
        assert_true(ms_since(start) >= 40);
        assert_says(&err, -ETIMEDOUT, "nothing could be received for 40 ms");
        /* Nothing was lost: it may go on. */
        assert_talks(p.c[1], p.c[0]);
        /* Nobody reads at the other end. */
        user_start(&sender, p.c[0], true);
        assert_int_equal(user_join(&sender), -ETIMEDOUT);
        assert_says(&sender.err, -ETIMEDOUT, "nothing could be sent for 40 ms");
        assert_int_equal(send_bytes(p.c[0], "x", 1, &err), -ETIMEDOUT);
        assert_says(&err, -ETIMEDOUT, "has failed before");
        pair_close(&p);
    }
}

/* The timeout is set while a thread is already waiting, for ever. */
static void idle_timeout_set_late(void **state)
{
    struct user sender, receiver;
    struct pair p;

    pair_open(&p, true);
    user_start(&sender, p.c[0], true);
    user_start(&receiver, p.c[0], false);
    poll(NULL, 0, 20);
    gw_conn_idle_timeout(p.c[0], 30);
    assert_int_equal(user_join(&sender), -ETIMEDOUT);
    assert_int_equal(user_join(&receiver), -ETIMEDOUT);
    assert_says(&sender.err, -ETIMEDOUT, "nothing could be sent for 30 ms");
    assert_says(&receiver.err, -ETIMEDOUT, "nothing could be received for 30 ms");
    pair_close(&p);
}

/* A timeout inside a message: the place in the stream is lost. */
static void idle_timeout_inside(void **state)
{
    struct gw_error err = { 0 };
    struct pair p;
    char got[8];

    pair_open(&p, true);
    gw_conn_idle_timeout(p.c[1], 30);
    assert_int_equal(send_bytes(p.c[0], "half", 4, &err), 0);
    assert_int_equal(gw_conn_recv(p.c[1], got, 8, &err), -ETIMEDOUT);
    assert_int_equal(send_bytes(p.c[0], "half", 4, &err), 0);
    assert_int_equal(gw_conn_recv(p.c[1], got, 4, &err), -ETIMEDOUT);
    assert_says(&err, -ETIMEDOUT, "has failed before");
    pair_close(&p);
}

/* One thread waits in send, one in receive; a third stops both. */
static void shutdown_wakes(void **state)
{
    for (int tls = 0; tls < 2; tls++) {
        struct user sender, receiver;
        struct gw_error err = { 0 };
        struct pair p;
        char byte;

        pair_open(&p, tls != 0);
        user_start(&sender, p.c[0], true);
        user_start(&receiver, p.c[0], false);
        poll(NULL, 0, 20);
        gw_conn_shutdown(p.c[0]);
        assert_int_equal(user_join(&sender), -ECONNABORTED);
        assert_int_equal(user_join(&receiver), -ECONNABORTED);
        assert_says(&sender.err, -ECONNABORTED, "was shut down");
        assert_says(&receiver.err, -ECONNABORTED, "was shut down");
        assert_int_equal(send_bytes(p.c[0], "x", 1, &err), -ECONNABORTED);
        assert_int_equal(gw_conn_recv(p.c[0], &byte, 1, &err), -ECONNABORTED);
        gw_conn_shutdown(p.c[0]); /* twice is fine */
        /* The peer sees the end, after what was on its way. */
        user_start(&receiver, p.c[1], false);
        assert_int_equal(user_join(&receiver), -ECONNRESET);
        pair_close(&p);
    }
}

static void peer_closes(void **state)
{
    for (int tls = 0; tls < 2; tls++) {
        struct gw_error err = { 0 };
        struct user sender;
        struct pair p;
        char got[8];

        pair_open(&p, tls != 0);
        assert_int_equal(send_bytes(p.c[1], "bye", 3, &err), 0);
        gw_conn_close(p.c[1]);
        p.c[1] = NULL;
        /* What was sent before it still arrives. */
        assert_int_equal(gw_conn_recv(p.c[0], got, 3, &err), 0);
        assert_int_equal(gw_conn_recv(p.c[0], got, 1, &err), -ECONNRESET);
        assert_says(&err, -ECONNRESET, "the peer closed the connection");
        user_start(&sender, p.c[0], true);
        assert_int_equal(user_join(&sender), -ECONNRESET);
        assert_says(&sender.err, -ECONNRESET, "the peer closed the connection");
        pair_close(&p);
    }
}

/* ---- bulk ------------------------------------------------------------------------------------ */

#define BULK_BYTES (50u * 1024 * 1024)
#define BULK_FRAME (256u * 1024)
#define BULK_FRAMES (BULK_BYTES / BULK_FRAME)

/* Word w of frame i of a direction; any loss, repetition or exchange is seen. */
static void bulk_fill(uint64_t *words, unsigned direction, unsigned frame)
{
    uint64_t x = ((uint64_t)direction << 32 | frame) * 0x9e3779b97f4a7c15ull + 1;

    for (size_t w = 0; w < BULK_FRAME / 8; w++)
        words[w] = x += 0x9e3779b97f4a7c15ull;
}

struct bulk {
    struct gw_conn *c;
    unsigned direction;
    bool sends;
    int result;
    unsigned wrong;
    struct gw_error err;
    pthread_t thread;
};

static void *bulk_main(void *opaque)
{
    struct bulk *b = opaque;
    uint64_t *words = malloc(BULK_FRAME), *got = malloc(BULK_FRAME);
    uint32_t header[8], got_header[8];

    for (unsigned i = 0; i < BULK_FRAMES && b->result == 0; i++) {
        bulk_fill(words, b->direction, i);
        for (unsigned w = 0; w < 8; w++)
            header[w] = i * 8 + w;
        if (b->sends) {
            /* An empty piece, and pieces that no record boundary knows. */
            struct iovec iov[5] = { { .iov_base = header, .iov_len = sizeof header },
                                    { .iov_base = NULL, .iov_len = 0 },
                                    { .iov_base = words, .iov_len = 1000 + i },
                                    { .iov_base = (uint8_t *)words + 1000 + i,
                                      .iov_len = BULK_FRAME - 1000 - i },
                                    { .iov_base = words, .iov_len = 0 } };
            b->result = gw_conn_send(b->c, iov, 5, &b->err);
        } else {
            b->result = gw_conn_recv(b->c, got_header, sizeof got_header, &b->err);
            if (b->result == 0)
                b->result = gw_conn_recv(b->c, got, BULK_FRAME, &b->err);
            if (b->result == 0 && (memcmp(header, got_header, sizeof header) != 0 ||
                                   memcmp(words, got, BULK_FRAME) != 0))
                b->wrong++;
        }
    }
    free(words);
    free(got);
    return NULL;
}

/* Two threads an end, both directions at once. */
static void bulk_both_ways(struct pair *p)
{
    struct bulk b[4];
    uint64_t start = gw_boot_ns();

    for (unsigned i = 0; i < 4; i++) {
        b[i] = (struct bulk){ .c = p->c[i / 2],
                              .sends = i % 2 == 0,
                              .direction = i == 0 || i == 3 ? 0 : 1 };
        assert_int_equal(pthread_create(&b[i].thread, NULL, bulk_main, &b[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(b[i].thread, NULL);
        if (b[i].result != 0)
            fail_msg("%s", b[i].err.msg);
        assert_int_equal(b[i].wrong, 0);
    }
    print_message("2 x %u MiB at once in %u ms\n", BULK_BYTES >> 20, (unsigned)ms_since(start));
}

static void bulk_plain(void **state)
{
    struct pair p;

    pair_open(&p, false);
    bulk_both_ways(&p);
    pair_close(&p);
}

static void bulk_tls(void **state)
{
    struct pair p;

    pair_open(&p, true);
    bulk_both_ways(&p);
    pair_close(&p);
}

/* ---- records and keys, seen by another implementation's eyes --------------------------------- */

static struct gw_conn *connect_raw_server(struct raw_server *s, struct gw_tls *client)
{
    pthread_t thread;
    char address[64];

    s->listen_fd = raw_listen(1, address);
    raw_tls_init(&s->tls, GNUTLS_SERVER | GNUTLS_NO_TICKETS, "NORMAL:-VERS-ALL:+VERS-TLS1.3",
                 "paris");
    gnutls_certificate_server_set_request(s->tls.s, GNUTLS_CERT_REQUEST);
    assert_int_equal(pthread_create(&thread, NULL, raw_server_main, s), 0);
    struct gw_conn *c = must_connect(address, client);
    pthread_join(thread, NULL);
    assert_int_equal(s->tls.result, 0);
    close(s->listen_fd);
    return c;
}

static void *raw_read_main(void *opaque)
{
    struct raw_server *s = opaque;
    uint8_t *data = malloc(16384);
    size_t total = 0;

    s->tls.result = 0; /* records */
    while (total < 256 * 1024) {
        ssize_t n = gnutls_record_recv(s->tls.s, data, 16384);
        if (n <= 0)
            break;
        total += (size_t)n;
        s->tls.result++;
    }
    free(data);
    return NULL;
}

/* A small header does not make a record of its own: as few records as can be. */
static void records_are_full(void **state)
{
    struct gw_tls *client = load("ca", "lyon", NULL);
    uint8_t *payload = calloc(1, 256 * 1024);
    struct gw_error err = { 0 };
    uint8_t header[32] = { 1 };
    struct raw_server s;
    pthread_t thread;

    struct gw_conn *c = connect_raw_server(&s, client);
    assert_int_equal(pthread_create(&thread, NULL, raw_read_main, &s), 0);
    const struct iovec iov[2] = { { .iov_base = header, .iov_len = 32 },
                                  { .iov_base = payload, .iov_len = 256 * 1024 - 32 } };
    assert_int_equal(gw_conn_send(c, iov, 2, &err), 0);
    pthread_join(thread, NULL);
    assert_int_equal(s.tls.result, 16);
    gw_conn_close(c);
    raw_tls_done(&s.tls);
    free(payload);
    gw_tls_free(client);
}

static void raw_expect(struct raw_tls *r, const char *word)
{
    char got[4];
    ssize_t n;

    do
        n = gnutls_record_recv(r->s, got, 4);
    while (n == GNUTLS_E_AGAIN || n == GNUTLS_E_INTERRUPTED);
    assert_int_equal(n, 4);
    assert_string_equal(got, word);
}

/* The peer changes its keys and asks us to change ours. Both messages are here at once. */
static void key_update(void **state)
{
    struct gw_tls *client = load("ca", "lyon", NULL);
    struct gw_error err = { 0 };
    struct raw_server s;
    char got[4];

    struct gw_conn *c = connect_raw_server(&s, client);
    assert_int_equal(send_bytes(c, "old", 4, &err), 0);
    raw_expect(&s.tls, "old");
    assert_int_equal(gnutls_session_key_update(s.tls.s, GNUTLS_KU_PEER), 0);
    assert_int_equal(gnutls_record_send(s.tls.s, "new", 4), 4);
    assert_int_equal(gw_conn_recv(c, got, 4, &err), 0);
    assert_string_equal(got, "new");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(send_bytes(c, "yes", 4, &err), 0);
        raw_expect(&s.tls, "yes");
    }
    gw_conn_close(c);
    raw_tls_done(&s.tls);
    gw_tls_free(client);
}

/* A client whose connection breaks before it heard anything is told what that may mean. */
static void closed_before_heard(void **state)
{
    struct gw_tls *client = load("ca", "lyon", NULL);
    struct gw_error err = { 0 };
    struct raw_server s;
    char byte;

    struct gw_conn *c = connect_raw_server(&s, client);
    shutdown(s.tls.fd, SHUT_RDWR);
    assert_int_equal(gw_conn_recv(c, &byte, 1, &err), -ECONNRESET);
    assert_says(&err, -ECONNRESET, "it may have refused our certificate");
    gw_conn_close(c);
    raw_tls_done(&s.tls);
    gw_tls_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_files),
        cmocka_unit_test(good_pair),
        cmocka_unit_test(any_name_and_common_name),
        cmocka_unit_test(client_refuses),
        cmocka_unit_test(server_refuses),
        cmocka_unit_test(no_client_certificate),
        cmocka_unit_test(tls_1_2_client),
        cmocka_unit_test(tls_1_2_server),
        cmocka_unit_test(garbage_clients),
        cmocka_unit_test(plain_client_at_tls_listener),
        cmocka_unit_test(stalled_client),
        cmocka_unit_test(stalled_server),
        cmocka_unit_test(bad_addresses),
        cmocka_unit_test(plain_is_loopback_only),
        cmocka_unit_test(cancel_connect),
        cmocka_unit_test(connect_unanswered),
        cmocka_unit_test(cancel_accept),
        cmocka_unit_test(idle_timeouts),
        cmocka_unit_test(idle_timeout_set_late),
        cmocka_unit_test(idle_timeout_inside),
        cmocka_unit_test(shutdown_wakes),
        cmocka_unit_test(peer_closes),
        cmocka_unit_test(bulk_plain),
        cmocka_unit_test(bulk_tls),
        cmocka_unit_test(records_are_full),
        cmocka_unit_test(key_update),
        cmocka_unit_test(closed_before_heard),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
