// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Identities, pins, and that the engine's TLS takes them. */
#include "certs.h"
#include "engine/transport.h"
#include "sites.h"

#include <gnutls/x509.h>

static char *path_of(const char *dir, const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static void write_text(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void test_names(void **state)
{
    static const char *const good[] = { "madrid", "Dc2", "a", "dc-1.example", "10.0.0.x", "a_b" };
    static const char *const bad[] = { "",         ".a",        "-a",  "a/b", "a b", "a..b",
                                       "10.0.0.1", "m\xc3\xa4", "a\n", "*",   "\"" };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        assert_true(gw_site_name_valid(good[i]));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(gw_site_name_valid(bad[i]));
    char name[GW_SITE_NAME_BYTES_MAX + 2];
    memset(name, 'a', sizeof name);
    name[GW_SITE_NAME_BYTES_MAX + 1] = '\0';
    assert_false(gw_site_name_valid(name));
    name[GW_SITE_NAME_BYTES_MAX] = '\0';
    assert_true(gw_site_name_valid(name));
}

/* Its own authority: that is how the data link takes it. */
static void check_extensions(const struct gw_identity *id)
{
    gnutls_x509_crt_t crt;
    unsigned critical = 0, usage = 0;
    const char *pem = gw_identity_pem(id);
    gnutls_datum_t d = { .data = (unsigned char *)(uintptr_t)pem, .size = (unsigned)strlen(pem) };
    gnutls_x509_crt_init(&crt);
    assert_int_equal(gnutls_x509_crt_import(crt, &d, GNUTLS_X509_FMT_PEM), 0);
    assert_int_equal(gnutls_x509_crt_get_ca_status(crt, &critical), 1);
    assert_int_equal(gnutls_x509_crt_get_key_usage(crt, &usage, &critical), 0);
    assert_true((usage & GNUTLS_KEY_KEY_CERT_SIGN) && (usage & GNUTLS_KEY_DIGITAL_SIGNATURE));
    assert_int_equal(gnutls_x509_crt_get_pk_algorithm(crt, NULL), GNUTLS_PK_ECDSA);
    assert_int_equal(gnutls_x509_crt_get_version(crt), 3);
    gnutls_x509_crt_deinit(crt);
}

static void test_identity(void **state)
{
    char dir[64];
    struct gw_identity *id, *again;
    struct gw_error err = { 0 };
    struct stat st;
    make_dir(dir);
    assert_int_equal(gw_identity_open(dir, "madrid", false, &id, &err), -ENOENT);
    assert_ok(gw_identity_open(dir, "madrid", true, &id, &err), &err);
    const struct gw_cert_info *info = gw_identity_info(id);
    assert_string_equal(info->name, "madrid");
    check_extensions(id);
    uint64_t year_ns = 365ull * 24 * 3600 * GW_NS_PER_S;
    assert_true(info->from_wall_ns < gw_wall_ns());
    assert_true(info->until_wall_ns > gw_wall_ns() + 9 * year_ns);
    assert_int_equal(stat(gw_identity_key_file(id), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    /* It stays the same one, and keeps its name. */
    assert_ok(gw_identity_open(dir, "madrid", true, &again, &err), &err);
    assert_true(
        gw_cert_fingerprint_equal(&info->fingerprint, &gw_identity_info(again)->fingerprint));
    gw_identity_free(again);
    assert_int_equal(gw_identity_open(dir, "lisbon", true, &again, &err), -EEXIST);
    assert_contains(err.msg, "the identity of site \"madrid\", not of \"lisbon\"");
    assert_int_equal(gw_identity_open(dir, "../x", true, &again, &err), -EINVAL);
    /* A crash after the key: the certificate is made for it. */
    assert_int_equal(unlink(gw_identity_cert_file(id)), 0);
    write_text(path_of(dir, "site.pem.new"), "half");
    assert_ok(gw_identity_open(dir, "madrid", true, &again, &err), &err);
    assert_false(
        gw_cert_fingerprint_equal(&info->fingerprint, &gw_identity_info(again)->fingerprint));
    assert_int_equal(access(path_of(dir, "site.pem.new"), F_OK), -1);
    gw_identity_free(again);
    /* A key that is lost is not made up. */
    assert_int_equal(unlink(gw_identity_key_file(id)), 0);
    assert_int_equal(gw_identity_open(dir, "madrid", true, &again, &err), -EINVAL);
    assert_contains(err.msg, "bring it back from a backup");
    gw_identity_free(id);
    drop_dir(dir);
}

static void test_damaged(void **state)
{
    char dir[64];
    struct gw_identity *id;
    struct gw_error err = { 0 };
    make_dir(dir);
    struct test_ca *ca = test_ca_new("x");
    test_cert_write(ca, dir, "site", "madrid", 0);
    test_cert_write(ca, dir, "other", "madrid", 0);
    assert_ok(gw_identity_open(dir, "madrid", false, &id, &err), &err); /* made by others: fine */
    gw_identity_free(id);
    assert_int_equal(rename(path_of(dir, "other.key"), path_of(dir, "site.key")), 0);
    assert_int_equal(gw_identity_open(dir, "madrid", true, &id, &err), -EINVAL);
    assert_contains(err.msg, "does not belong to the certificate");
    write_text(path_of(dir, "site.key"), "nonsense");
    assert_int_equal(gw_identity_open(dir, "madrid", true, &id, &err), -EINVAL);
    write_text(path_of(dir, "site.pem"), "nonsense");
    assert_int_equal(gw_identity_open(dir, "madrid", true, &id, &err), -EINVAL);
    test_cert_write(ca, dir, "site", "madrid", TEST_CERT_EXPIRED);
    assert_int_equal(gw_identity_open(dir, "madrid", true, &id, &err), -EKEYREJECTED);
    assert_contains(err.msg, "expired at");
    test_ca_free(ca);
    drop_dir(dir);
}

static void test_trust(void **state)
{
    struct site madrid, lisbon, other;
    struct gw_error err = { 0 };
    struct gw_cert_info info;
    char name[GW_CERT_NAME_MAX], *pem = NULL;
    site_open(&madrid, "madrid");
    site_open(&lisbon, "lisbon");
    site_open(&other, "lisbon"); /* new hardware, by the same name */
    const struct gw_cert_info *theirs = gw_identity_info(lisbon.id);
    assert_int_equal(gw_trust_get(madrid.trust, "lisbon", &info, NULL, &err), -ENOENT);
    assert_false(gw_trust_find(madrid.trust, &theirs->fingerprint, name));
    assert_int_equal(gw_trust_pin(madrid.trust, "paris", gw_identity_pem(lisbon.id), false, &err),
                     -EINVAL);
    assert_contains(err.msg, "is of site \"lisbon\", not of \"paris\"");
    site_trust(&madrid, &lisbon);
    site_trust(&madrid, &lisbon);
    assert_true(gw_trust_find(madrid.trust, &theirs->fingerprint, name));
    assert_string_equal(name, "lisbon");
    assert_int_equal(gw_trust_pin(madrid.trust, "lisbon", gw_identity_pem(other.id), false, &err),
                     -EEXIST);
    /* It outlives the process. */
    gw_trust_free(madrid.trust);
    assert_ok(gw_trust_open(madrid.peers, &madrid.trust, &err), &err);
    assert_ok(gw_trust_get(madrid.trust, "lisbon", &info, &pem, &err), &err);
    assert_string_equal(pem, gw_identity_pem(lisbon.id));
    free(pem);
    /* Replaced: the old one is nobody any more. */
    site_trust(&madrid, &other);
    assert_false(gw_trust_find(madrid.trust, &theirs->fingerprint, name));
    assert_true(gw_trust_find(madrid.trust, &gw_identity_info(other.id)->fingerprint, name));
    assert_ok(gw_trust_unpin(madrid.trust, "lisbon", &err), &err);
    assert_int_equal(gw_trust_unpin(madrid.trust, "lisbon", &err), -ENOENT);
    gw_trust_free(madrid.trust);
    assert_ok(gw_trust_open(madrid.peers, &madrid.trust, &err), &err);
    assert_false(gw_trust_find(madrid.trust, &gw_identity_info(other.id)->fingerprint, name));
    gw_trust_free(madrid.trust);
    write_text(path_of(madrid.peers, "x.pem"), "nonsense");
    assert_int_equal(gw_trust_open(madrid.peers, &madrid.trust, &err), -EINVAL);
    assert_contains(err.msg, "x.pem");
    madrid.trust = NULL;
    site_close(&madrid);
    site_close(&lisbon);
    site_close(&other);
}

/* ---- the data link --------------------------------------------------------------------------- */

struct accepting {
    struct gw_listener *listener;
    int r;
};

static void *accept_main(void *arg)
{
    struct accepting *a = arg;
    struct gw_conn *c = NULL;
    struct gw_error err = { 0 };
    a->r = gw_listener_accept(a->listener, CALL_MS, -1, &c, &err);
    if (a->r == 0)
        a->r =
            gw_conn_send(c, &(struct iovec){ .iov_base = (char[]){ 'x' }, .iov_len = 1 }, 1, &err);
    gw_conn_close(c);
    return NULL;
}

static struct gw_tls *tls_of(const struct site *own, const char *peer)
{
    struct gw_tls *tls;
    struct gw_error err = { 0 };
    char *ca = gw_trust_file(own->trust, peer);
    const struct gw_tls_files files = { .ca = ca,
                                        .cert = gw_identity_cert_file(own->id),
                                        .key = gw_identity_key_file(own->id),
                                        .peer = peer };
    assert_ok(gw_tls_load(&files, &tls, &err), &err);
    free(ca);
    return tls;
}

/* One connection of the engine from `from` to `to`; what the connecting side says in the end. */
static int engine_connects(struct site *from, const char *to_name, struct site *to,
                           const char *from_name)
{
    struct gw_tls *server = tls_of(to, from_name), *client = tls_of(from, to_name);
    struct accepting a = { 0 };
    struct gw_conn *c = NULL;
    struct gw_error err = { 0 };
    pthread_t thread;
    char byte;
    assert_ok(gw_listener_open("127.0.0.1:0", server, &a.listener, &err), &err);
    assert_int_equal(pthread_create(&thread, NULL, accept_main, &a), 0);
    int r = gw_conn_connect(gw_listener_address(a.listener), client, NULL, CALL_MS, -1, &c, &err);
    if (r == 0)
        r = gw_conn_recv(c, &byte, 1, &err);
    gw_conn_close(c);
    pthread_join(thread, NULL);
    assert_int_equal(a.r == 0, r == 0);
    gw_listener_close(a.listener);
    gw_tls_free(server);
    gw_tls_free(client);
    return r;
}

/* peers/PEER.pem as the CA, site.pem as the certificate: the engine takes them, and nobody else's.
 */
static void test_engine(void **state)
{
    struct site madrid, lisbon, other;
    site_open(&madrid, "madrid");
    site_open(&lisbon, "lisbon");
    site_open(&other, "lisbon");
    site_trust(&madrid, &lisbon);
    site_trust(&lisbon, &madrid);
    site_trust(&other, &madrid);
    assert_int_equal(engine_connects(&madrid, "lisbon", &lisbon, "madrid"), 0);
    assert_int_equal(engine_connects(&lisbon, "madrid", &madrid, "lisbon"), 0);
    assert_int_equal(engine_connects(&other, "madrid", &madrid, "lisbon"), -EKEYREJECTED);
    assert_int_equal(engine_connects(&madrid, "lisbon", &other, "madrid"), -EKEYREJECTED);
    site_close(&madrid);
    site_close(&lisbon);
    site_close(&other);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),   cmocka_unit_test(test_identity),
        cmocka_unit_test(test_damaged), cmocka_unit_test(test_trust),
        cmocka_unit_test(test_engine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
