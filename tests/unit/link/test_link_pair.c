// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Pairing: the code, the proofs, and everything that must not work. */
#include "link/pair_code.h"
#include "link/pair_message.h"
#include "sites.h"

#include <ctype.h>

static void test_code(void **state)
{
    struct gw_pair_code code = { { 0 } }, back;
    struct gw_error err = { 0 };
    char text[GW_PAIR_CODE_TEXT];
    for (unsigned seed = 1; seed <= 50; seed++) {
        for (size_t i = 0; i < sizeof code.prefix; i++)
            code.prefix[i] = (uint8_t)(seed * 37 + i * 11);
        for (size_t i = 0; i < sizeof code.secret; i++)
            code.secret[i] = (uint8_t)(seed * 91 + i * 53);
        gw_pair_code_format(&code, text);
        assert_int_equal(strlen(text), GW_PAIR_CODE_TEXT - 1);
        assert_ok(gw_pair_code_parse(text, &back, &err), &err);
        assert_memory_equal(&back, &code, sizeof code);
    }
    /* As people type it. */
    char typed[2 * GW_PAIR_CODE_TEXT] = "  ";
    for (const char *c = text; *c != '\0'; c++) {
        char as = *c == '0' ? 'o' : *c == '1' ? 'L' : *c == '-' ? ' ' : (char)tolower(*c);
        strncat(typed, &as, 1);
    }
    assert_ok(gw_pair_code_parse(typed, &back, &err), &err);
    assert_memory_equal(&back, &code, sizeof code);
    /* Each character counts. */
    for (size_t i = 0; text[i] != '\0'; i++) {
        char wrong[GW_PAIR_CODE_TEXT];
        if (text[i] == '-')
            continue;
        memcpy(wrong, text, sizeof wrong);
        wrong[i] = wrong[i] == 'Z' ? 'Y' : 'Z';
        assert_int_equal(gw_pair_code_parse(wrong, &back, &err), -EINVAL);
    }
    assert_int_equal(gw_pair_code_parse("", &back, &err), -EINVAL);
    assert_int_equal(gw_pair_code_parse("04A7K2", &back, &err), -EINVAL);
    assert_contains(err.msg, "it has 6 characters, not 48");
    text[3] = 'U';
    assert_int_equal(gw_pair_code_parse(text, &back, &err), -EINVAL);
    assert_contains(err.msg, "there is no \"U\" in one");
}

static void test_proof(void **state)
{
    struct gw_pair_transcript t = { .a = { { 1 } },
                                    .b = { { 2 } },
                                    .a_site = "a",
                                    .b_site = "b",
                                    .a_link = "l",
                                    .a_data = "d",
                                    .b_link = "ll",
                                    .b_data = "dd",
                                    .nonce = "n" };
    uint8_t key[GW_PAIR_KEY_BYTES] = { 3 }, other_key[GW_PAIR_KEY_BYTES] = { 4 };
    char proof[GW_PAIR_PROOF_TEXT], other[GW_PAIR_PROOF_TEXT];
    gw_pair_proof(key, &t, GW_PAIR_FROM_B, proof);
    assert_true(gw_pair_proof_equal(proof, proof));
    assert_false(gw_pair_proof_equal(proof, ""));
    gw_pair_proof(key, &t, GW_PAIR_FROM_A, other);
    assert_false(gw_pair_proof_equal(proof, other));
    gw_pair_proof(other_key, &t, GW_PAIR_FROM_B, other);
    assert_false(gw_pair_proof_equal(proof, other));
    struct gw_pair_transcript changed[7] = { t, t, t, t, t, t, t };
    changed[0].a.b[31] = 1;
    changed[1].b.b[31] = 1;
    changed[2].a_site = "c";
    changed[3].b_site = "c";
    changed[4].b_link = "lld"; /* the same bytes in a row, cut elsewhere */
    changed[4].b_data = "d";
    changed[5].b_data = "x";
    changed[6].nonce = "m";
    for (int i = 0; i < 7; i++) {
        gw_pair_proof(key, &changed[i], GW_PAIR_FROM_B, other);
        assert_false(gw_pair_proof_equal(proof, other));
    }
}

/* ---- two sites ------------------------------------------------------------------------------- */

struct world {
    struct site a, b, c; /* c: a third one, that has nothing to do here */
    char code[GW_PAIR_CODE_TEXT];
    struct gw_pair_site accepted;
    int accepts;
    bool refuse;
};

static int accept_site(void *ctx, const struct gw_pair_site *peer, struct gw_error *err)
{
    struct world *w = ctx;
    w->accepted = *peer;
    w->accepts++;
    return w->refuse ? gw_error_set(err, -ENOSPC, "the catalog is full") : 0;
}

static void new_book(struct world *w, unsigned valid_s)
{
    struct gw_error err = { 0 };
    struct gw_pair_config config = pair_config(&w->a);
    config.link = "madrid.example:7001";
    config.accept = accept_site;
    config.ctx = w;
    config.valid_s = valid_s;
    assert_ok(gw_pair_book_new(&config, &w->a.book, &err), &err);
}

static int open_world(void **state)
{
    static struct world w;
    w = (struct world){ 0 };
    site_open(&w.a, "madrid");
    site_open(&w.b, "lisbon");
    site_open(&w.c, "paris");
    new_book(&w, 0);
    site_serve(&w.a, NULL, 0, NULL);
    *state = &w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    site_close(&w->a);
    site_close(&w->b);
    site_close(&w->c);
    return 0;
}

static void offer(struct world *w, const char *site, bool replace)
{
    struct gw_error err = { 0 };
    uint64_t expires_ns = 0;
    assert_ok(gw_pair_offer(w->a.book, site, replace, w->code, &expires_ns, &err), &err);
    assert_true(expires_ns > gw_wall_ns());
}

static int join(struct world *w, struct site *who, const char *code, struct gw_error *err)
{
    struct gw_pair_site ret = { 0 };
    struct gw_pair_config config = pair_config(who);
    config.link = "lisbon.example:7001";
    int r = gw_pair_join(&config, code, w->a.address, false, CALL_MS, &ret, err);
    if (r == 0) {
        assert_string_equal(ret.site, "madrid");
        assert_string_equal(ret.link, "madrid.example:7001");
        assert_string_equal(ret.data, "data.example:7000");
        assert_true(gw_cert_fingerprint_equal(&ret.cert.fingerprint,
                                              &gw_identity_info(w->a.id)->fingerprint));
    }
    return r;
}

static bool knows(struct site *s, struct site *other)
{
    char name[GW_CERT_NAME_MAX];
    return gw_trust_find(s->trust, &gw_identity_info(other->id)->fingerprint, name);
}

static void test_happy(void **state)
{
    struct world *w = *state;
    struct gw_error err = { 0 };
    offer(w, NULL, false);
    assert_ok(join(w, &w->b, w->code, &err), &err);
    assert_true(knows(&w->a, &w->b) && knows(&w->b, &w->a));
    assert_string_equal(w->accepted.site, "lisbon");
    assert_string_equal(w->accepted.link, "lisbon.example:7001");
    /* And they may speak now. */
    struct gw_peer *p = peer_of(&w->b, &w->a, "madrid");
    struct gw_peer_hello hello;
    assert_ok(gw_peer_ping(p, 1, CALL_MS, &hello, NULL, &err), &err);
    assert_string_equal(hello.version, "1.2.3");
    gw_peer_free(p);
    /* A lost answer is asked for again; somebody else does not get it. */
    assert_ok(join(w, &w->b, w->code, &err), &err);
    assert_int_equal(w->accepts, 2);
    assert_int_equal(join(w, &w->c, w->code, &err), -EPERM);
    assert_contains(err.msg, "already used, by another site");
    assert_false(knows(&w->a, &w->c) || knows(&w->c, &w->a));
    gw_pair_withdraw(w->a.book);
    assert_int_equal(join(w, &w->b, w->code, &err), -EPERM);
}

static void test_wrong_code(void **state)
{
    struct world *w = *state;
    struct gw_error err = { 0 };
    struct gw_pair_code code;
    char wrong[GW_PAIR_CODE_TEXT];
    assert_int_equal(join(w, &w->b, "not a code", &err), -EINVAL);
    offer(w, NULL, false);
    assert_ok(gw_pair_code_parse(w->code, &code, &err), &err);
    code.secret[3] ^= 1;
    gw_pair_code_format(&code, wrong);
    for (unsigned i = 1; i < GW_PAIR_TRIES_MAX; i++) {
        assert_int_equal(join(w, &w->c, wrong, &err), -EPERM);
        assert_string_equal(err.msg, "the pairing code is wrong");
    }
    assert_int_equal(join(w, &w->c, wrong, &err), -EPERM);
    assert_contains(err.msg, "for the last time");
    /* Now the right one is void too. */
    assert_int_equal(join(w, &w->b, w->code, &err), -EPERM);
    assert_contains(err.msg, "there is no pairing code that is good now");
    assert_int_equal(w->accepts, 0);
    assert_false(knows(&w->a, &w->b) || knows(&w->a, &w->c) || knows(&w->b, &w->a));
    /* A new one is good, and the one before is not. */
    offer(w, NULL, false);
    memcpy(wrong, w->code, sizeof wrong);
    offer(w, NULL, false);
    assert_int_equal(join(w, &w->b, wrong, &err), -EPERM);
    assert_ok(join(w, &w->b, w->code, &err), &err);
}

static void test_expired(void **state)
{
    struct world *w = *state;
    struct gw_error err = { 0 };
    gw_link_close(w->a.link);
    gw_pair_book_free(w->a.book);
    new_book(w, 1);
    site_serve(&w->a, NULL, 0, NULL);
    offer(w, NULL, false);
    uint64_t expires_ns = gw_boot_ns() + GW_NS_PER_S;
    while (gw_boot_ns() <= expires_ns) /* it is time itself that is waited for */
        poll(NULL, 0, 10);
    assert_int_equal(join(w, &w->b, w->code, &err), -EPERM);
    assert_contains(err.msg, "it expired");
    assert_false(knows(&w->a, &w->b));
}

/* Somebody else at the address, with another certificate: hears nothing of the code. */
static void test_middle(void **state)
{
    struct world *w = *state;
    struct gw_error err = { 0 };
    struct gw_pair_config config = pair_config(&w->c);
    config.accept = accept_site;
    config.ctx = w;
    assert_ok(gw_pair_book_new(&config, &w->c.book, &err), &err);
    site_serve(&w->c, NULL, 0, NULL);
    offer(w, NULL, false);
    snprintf(w->a.address, sizeof w->a.address, "%s", w->c.address);
    assert_int_equal(join(w, &w->b, w->code, &err), -EKEYREJECTED);
    assert_contains(err.msg, "is not the one that the pairing code is for");
    assert_contains(err.msg, "nothing was told to it");
    assert_int_equal(w->accepts, 0);
}

static void test_expectations(void **state)
{
    struct world *w = *state;
    struct gw_error err = { 0 };
    struct site other;
    /* For another site. */
    offer(w, "paris", false);
    assert_int_equal(join(w, &w->b, w->code, &err), -EPERM);
    assert_contains(err.msg, "is for site \"paris\", not for \"lisbon\"");
    /* The catalog does not take it: nothing is pinned, and the code is still good. */
    offer(w, "lisbon", false);
    w->refuse = true;
    assert_int_equal(join(w, &w->b, w->code, &err), -ENOSPC);
    assert_string_equal(err.msg, "the catalog is full");
    assert_false(knows(&w->a, &w->b) || knows(&w->b, &w->a));
    w->refuse = false;
    assert_ok(join(w, &w->b, w->code, &err), &err);
    /* New hardware by the same name: only by a code that says so. */
    site_open(&other, "lisbon");
    offer(w, "lisbon", false);
    assert_int_equal(join(w, &other, w->code, &err), -EEXIST);
    assert_true(knows(&w->a, &w->b));
    offer(w, "lisbon", true);
    w->refuse = true;
    assert_int_equal(join(w, &other, w->code, &err), -ENOSPC);
    assert_true(knows(&w->a, &w->b)); /* the old pin is back */
    w->refuse = false;
    assert_ok(join(w, &other, w->code, &err), &err);
    assert_true(knows(&w->a, &other) && !knows(&w->a, &w->b));
    site_close(&other);
    /* A site of our own name. */
    site_open(&other, "madrid");
    offer(w, NULL, false);
    assert_int_equal(join(w, &other, w->code, &err), -EINVAL);
    assert_contains(err.msg, "both sites are called \"madrid\"");
    site_close(&other);
}

/* Messages by hand: another one's certificate, a proof of something else, nonsense. */
static void test_forged(void **state)
{
    static const struct {
        const char *member, *value;
        int code;
        const char *sentence;
    } cases[] = {
        { NULL, NULL, -EPERM, "the pairing code is wrong" },
        { "site", "berlin", -EINVAL, "the certificate is of \"paris\", not of site \"berlin\"" },
        { "site", "../x", -EINVAL, "not a name" },
        { "certificate", "x", -EINVAL, "not a certificate" },
        { "certificate", "LISBON", -EINVAL, "is of \"lisbon\"" },
        { "proof", NULL, -EINVAL, "\"proof\" is missing" },
        { "version", "2", -EINVAL, "\"version\"" },
        { "link", "LONG", -EINVAL, "more than" },
    };
    struct world *w = *state;
    struct gw_error err = { 0 };
    struct gw_http_client *client;
    char long_text[600];
    memset(long_text, 'x', sizeof long_text);
    long_text[sizeof long_text - 1] = '\0';
    offer(w, NULL, false);
    const struct gw_http_client_config config = {
        .address = w->a.address,
        .cert_file = gw_identity_cert_file(w->c.id),
        .key_file = gw_identity_key_file(w->c.id),
        .pin = gw_identity_info(w->a.id)->fingerprint,
    };
    assert_ok(gw_http_client_new(&config, &client, &err), &err);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gw_http_response a;
        json_t *j = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s}", "version", 1, "site", "paris",
                              "certificate", gw_identity_pem(w->c.id), "link", "", "data", "",
                              "nonce", "", "proof",
                              "00000000000000000000000000000000"
                              "00000000000000000000000000000000");
        const char *value = cases[i].value;
        if (value != NULL && strcmp(value, "LISBON") == 0)
            value = gw_identity_pem(w->b.id);
        if (value != NULL && strcmp(value, "LONG") == 0)
            value = long_text;
        if (cases[i].member != NULL)
            json_object_set_new(j, cases[i].member,
                                value != NULL ? json_string(value) : json_null());
        const struct gw_http_request request = {
            .method = "POST", .path = "/link/v1/pair", .json = j, .timeout_ms = CALL_MS
        };
        int r = gw_http_client_call(client, &request, &a, &err);
        if (r != cases[i].code || strstr(err.msg, cases[i].sentence) == NULL)
            fail_msg("case %zu: %d: %s", i, r, err.msg);
        gw_http_response_done(&a);
        json_decref(j);
    }
    /* As somebody else: the certificate in the message is not the one of the connection. */
    struct gw_http_response a;
    json_t *j = json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s}", "version", 1, "site", "lisbon",
                          "certificate", gw_identity_pem(w->b.id), "link", "", "data", "", "nonce",
                          "", "proof", "");
    const struct gw_http_request request = {
        .method = "POST", .path = "/link/v1/pair", .json = j, .timeout_ms = CALL_MS
    };
    assert_int_equal(gw_http_client_call(client, &request, &a, &err), -EKEYREJECTED);
    assert_contains(err.msg, "not the one of the connection");
    gw_http_response_done(&a);
    json_decref(j);
    gw_http_client_free(client);
    assert_int_equal(w->accepts, 0);
}

/* It holds the certificate of the code, but not the code: whoever took over the machine since. */
static int do_hello(struct gw_http_call *c, struct gw_error *err)
{
    return gw_http_reply_json(c, 200, json_object());
}

static int do_lie(struct gw_http_call *c, struct gw_error *err)
{
    const struct world *w = gw_http_call_ctx(c);
    struct gw_pair_message m = { .site = "madrid",
                                 .certificate = gw_identity_pem(w->a.id),
                                 .link = "evil.example:1",
                                 .data = "",
                                 .proof = "00000000000000000000000000000000"
                                          "00000000000000000000000000000000" };
    m.nonce = json_string_value(json_object_get(gw_http_call_json(c), "nonce"));
    return gw_http_reply_json(c, 200, gw_pair_message_new(&m));
}

static void test_liar(void **state)
{
    static const struct gw_http_route routes[] = {
        { "GET", GW_PAIR_PATH, do_hello, GW_HTTP_ANYONE, NULL, "hello" },
        { "POST", GW_PAIR_PATH, do_lie, GW_HTTP_ANYONE, NULL, "lie" },
    };
    struct world *w = *state;
    struct gw_http_server *s;
    struct gw_error err = { 0 };
    const struct gw_http_config config = { .address = "127.0.0.1:0",
                                           .cert_file = gw_identity_cert_file(w->a.id),
                                           .key_file = gw_identity_key_file(w->a.id),
                                           .routes = routes,
                                           .n_routes = 2,
                                           .ctx = w };
    assert_ok(gw_http_start(&config, &s, &err), &err);
    offer(w, NULL, false);
    snprintf(w->a.address, sizeof w->a.address, "%s", gw_http_address(s));
    assert_int_equal(join(w, &w->b, w->code, &err), -EKEYREJECTED);
    assert_contains(err.msg, "it is not paired here");
    assert_false(knows(&w->b, &w->a));
    gw_http_stop(s);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_code),
        cmocka_unit_test(test_proof),
        cmocka_unit_test_setup_teardown(test_happy, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_wrong_code, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_expired, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_middle, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_expectations, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_forged, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_liar, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
