// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The site that has the code. */
#include "link/pair.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "http/client.h"
#include "http/json.h"
#include "link/pair_message.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>

struct join {
    const struct gw_pair_config *config;
    const char *address;
    unsigned timeout_ms;
    bool replace;
    struct gw_pair_code code;
    uint8_t key[GW_PAIR_KEY_BYTES];
    struct gw_cert_info theirs; /* of who answers, checked against the code */
    char nonce[GW_PAIR_NONCE_TEXT];
};

static int check_certificate(void *ctx, const struct gw_cert_info *info, const uint8_t *der,
                             size_t der_bytes, struct gw_error *err)
{
    struct join *j = ctx;
    if (!gw_pair_code_matches(&j->code, &info->fingerprint))
        return gw_error_set(err, -EKEYREJECTED,
                            "its certificate (for \"%s\") is not the one that the pairing code is "
                            "for: this is the wrong address, or somebody in between; nothing was "
                            "told to it",
                            info->name);
    const char *expected = j->config->expect_site;
    if (expected != NULL && strcmp(expected, info->name) != 0)
        return gw_error_set(err, -EINVAL,
                            "the pairing code is of site \"%s\", not of \"%s\"; nothing was told "
                            "to it",
                            info->name, expected);
    j->theirs = *info;
    return gw_cert_check_times(info, "its", gw_wall_ns(), err);
}

static int open_client(struct join *j, struct gw_http_client **ret, struct gw_error *err)
{
    const struct gw_http_client_config config = {
        .address = j->address,
        .cert_file = gw_identity_cert_file(j->config->identity),
        .key_file = gw_identity_key_file(j->config->identity),
        .check = check_certificate,
        .check_ctx = j,
    };
    return gw_http_client_new(&config, ret, err);
}

/* Who is there? Sets j->theirs. The answer itself says only that pairing is served there. */
static int greet(struct join *j, struct gw_http_client *client, struct gw_error *err)
{
    struct gw_http_response response;
    const struct gw_http_request request = { .method = "GET",
                                             .path = GW_PAIR_PATH,
                                             .timeout_ms = j->timeout_ms };
    int r = gw_http_client_call(client, &request, &response, err);
    gw_http_response_done(&response);
    return r;
}

static void transcribe(const struct join *j, struct gw_pair_transcript *ret)
{
    const struct gw_identity *own = j->config->identity;
    *ret = (struct gw_pair_transcript){
        .a = j->theirs.fingerprint,
        .b = gw_identity_info(own)->fingerprint,
        .a_site = j->theirs.name,
        .b_site = gw_identity_site(own),
        .a_link = "",
        .a_data = "",
        .b_link = j->config->link != NULL ? j->config->link : "",
        .b_data = j->config->data != NULL ? j->config->data : "",
        .nonce = j->nonce,
    };
}

/* What came back: is it from the site that made the code, and about us? */
static int check_answer(const struct join *j, const json_t *answer, struct gw_pair_message *ret,
                        struct gw_error *err)
{
    struct gw_cert_info info;
    struct gw_pair_transcript t;
    char expected[GW_PAIR_PROOF_TEXT];
    int r = gw_pair_message_read(answer, ret, &info, err);
    if (r < 0)
        return gw_error_wrap(err, "the answer of %s", j->address);
    transcribe(j, &t);
    t.a_link = ret->link;
    t.a_data = ret->data;
    gw_pair_proof(j->key, &t, GW_PAIR_FROM_A, expected);
    if (!gw_cert_fingerprint_equal(&info.fingerprint, &j->theirs.fingerprint) ||
        strcmp(ret->nonce, j->nonce) != 0 || !gw_pair_proof_equal(expected, ret->proof))
        return gw_error_set(err, -EKEYREJECTED,
                            "the answer of %s is not from the site that made the pairing code: it "
                            "is not paired here",
                            j->address);
    return 0;
}

static int exchange(struct join *j, struct gw_http_client *client, json_t **ret,
                    struct gw_error *err)
{
    const struct gw_identity *own = j->config->identity;
    struct gw_http_response response;
    struct gw_pair_transcript t;
    char proof[GW_PAIR_PROOF_TEXT];
    transcribe(j, &t);
    gw_pair_proof(j->key, &t, GW_PAIR_FROM_B, proof);
    const struct gw_pair_message message = { .site = t.b_site,
                                             .certificate = gw_identity_pem(own),
                                             .link = t.b_link,
                                             .data = t.b_data,
                                             .nonce = t.nonce,
                                             .proof = proof };
    CLEANUP_HTTP_JSON json_t *body = gw_pair_message_new(&message);
    if (body == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    const struct gw_http_request request = {
        .method = "POST", .path = GW_PAIR_PATH, .json = body, .timeout_ms = j->timeout_ms
    };
    int r = gw_http_client_call(client, &request, &response, err);
    if (r == 0)
        *ret = json_incref(response.json);
    else if (response.outcome == GW_HTTP_UNKNOWN)
        gw_error_wrap(err, "join again with the same code");
    gw_http_response_done(&response);
    return r;
}

static int new_nonce(struct join *j, struct gw_error *err)
{
    uint8_t bytes[(GW_PAIR_NONCE_TEXT - 1) / 2];
    if (gnutls_rnd(GNUTLS_RND_NONCE, bytes, sizeof bytes) < 0)
        return gw_error_set(err, -EIO, "there are no random numbers");
    for (size_t i = 0; i < sizeof bytes; i++)
        snprintf(j->nonce + 2 * i, 3, "%02x", bytes[i]);
    return 0;
}

static int run(struct join *j, struct gw_http_client *client, struct gw_pair_site *ret,
               struct gw_error *err)
{
    CLEANUP_HTTP_JSON json_t *answer = NULL;
    struct gw_pair_message m;
    int r = greet(j, client, err);
    if (r == 0 && strcmp(j->theirs.name, gw_identity_site(j->config->identity)) == 0)
        r = gw_error_set(err, -EINVAL, "both sites are called \"%s\"", j->theirs.name);
    if (r == 0)
        r = exchange(j, client, &answer, err);
    if (r == 0)
        r = check_answer(j, answer, &m, err);
    if (r == 0)
        r = gw_trust_pin(j->config->trust, m.site, m.certificate, j->replace, err);
    if (r < 0)
        return r;
    *ret = (struct gw_pair_site){ .cert = j->theirs };
    snprintf(ret->site, sizeof ret->site, "%s", m.site);
    snprintf(ret->link, sizeof ret->link, "%s", m.link);
    snprintf(ret->data, sizeof ret->data, "%s", m.data);
    return 0;
}

int gw_pair_join(const struct gw_pair_config *config, const char *code, const char *address,
                 bool replace, unsigned timeout_ms, struct gw_pair_site *ret, struct gw_error *err)
{
    struct join j = {
        .config = config, .address = address, .replace = replace, .timeout_ms = timeout_ms
    };
    struct gw_http_client *client = NULL;
    int r = gw_pair_code_parse(code, &j.code, err);
    if (r < 0)
        return r;
    gw_pair_key(j.code.secret, j.key);
    r = new_nonce(&j, err);
    if (r == 0)
        r = open_client(&j, &client, err);
    if (r == 0)
        r = run(&j, client, ret, err);
    gw_http_client_free(client);
    gnutls_memset(&j.code, 0, sizeof j.code);
    gnutls_memset(j.key, 0, sizeof j.key);
    return r;
}
