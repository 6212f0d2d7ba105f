// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The site that made a code: its offer, and the handler that takes it. */
#include "link/pair.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "http/json.h"
#include "link/pair_message.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>

struct offer {
    bool open, used, replace;
    uint8_t key[GW_PAIR_KEY_BYTES];
    char expect_site[GW_CERT_NAME_MAX]; /* "" any */
    uint64_t expires_boot_ns;
    unsigned wrong_tries;
    struct gw_cert_fingerprint used_by;
};

struct gw_pair_book {
    struct gw_pair_config config;
    char *link, *data;       /* of ours, under lock */
    pthread_mutex_t lock;    /* guards offer; innermost */
    pthread_mutex_t pairing; /* one pairing is completed after the other; before lock and trust's */
    struct offer offer;
};

int gw_pair_book_new(const struct gw_pair_config *config, struct gw_pair_book **ret,
                     struct gw_error *err)
{
    struct gw_pair_book *b = calloc(1, sizeof *b);
    if (b == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    b->config = *config;
    pthread_mutex_init(&b->lock, NULL);
    pthread_mutex_init(&b->pairing, NULL);
    b->link = strdup(config->link != NULL ? config->link : "");
    b->data = strdup(config->data != NULL ? config->data : "");
    if (b->link == NULL || b->data == NULL) {
        gw_pair_book_free(b);
        return gw_error_set(err, -ENOMEM, "out of memory");
    }
    *ret = b;
    return 0;
}

void gw_pair_book_free(struct gw_pair_book *book)
{
    if (book == NULL)
        return;
    gnutls_memset(&book->offer, 0, sizeof book->offer);
    pthread_mutex_destroy(&book->lock);
    pthread_mutex_destroy(&book->pairing);
    free(book->link);
    free(book->data);
    free(book);
}

int gw_pair_offer(struct gw_pair_book *book, const char *expect_site, bool replace,
                  char ret_code[GW_PAIR_CODE_TEXT], uint64_t *ret_expires_wall_ns,
                  struct gw_error *err)
{
    struct gw_pair_code code;
    const unsigned valid_s = book->config.valid_s != 0 ? book->config.valid_s : GW_PAIR_SECONDS;
    if (expect_site != NULL && !gw_site_name_valid(expect_site))
        return gw_error_set(err, -EINVAL, "\"%.64s\" is not a name for a site", expect_site);
    if (gnutls_rnd(GNUTLS_RND_KEY, code.secret, sizeof code.secret) < 0)
        return gw_error_set(err, -EIO, "there are no random numbers");
    memcpy(code.prefix, gw_identity_info(book->config.identity)->fingerprint.b, sizeof code.prefix);
    {
        LOCK_SCOPE(&book->lock);
        book->offer = (struct offer){ .open = true,
                                      .replace = replace,
                                      .expires_boot_ns = gw_boot_ns() + valid_s * GW_NS_PER_S };
        gw_pair_key(code.secret, book->offer.key);
        if (expect_site != NULL)
            snprintf(book->offer.expect_site, sizeof book->offer.expect_site, "%s", expect_site);
    }
    *ret_expires_wall_ns = gw_wall_ns() + valid_s * GW_NS_PER_S;
    gw_pair_code_format(&code, ret_code);
    gnutls_memset(&code, 0, sizeof code);
    return 0;
}

int gw_pair_addresses(struct gw_pair_book *book, const char *link, const char *data,
                      struct gw_error *err)
{
    char *new_link = strdup(link), *new_data = strdup(data);
    if (new_link == NULL || new_data == NULL) {
        free(new_link);
        free(new_data);
        return gw_error_set(err, -ENOMEM, "out of memory");
    }
    LOCK_SCOPE(&book->lock);
    free(book->link);
    free(book->data);
    book->link = new_link;
    book->data = new_data;
    return 0;
}

static void own_addresses(struct gw_pair_book *book, char ret_link[GW_PAIR_ADDRESS_MAX],
                          char ret_data[GW_PAIR_ADDRESS_MAX])
{
    LOCK_SCOPE(&book->lock);
    snprintf(ret_link, GW_PAIR_ADDRESS_MAX, "%s", book->link);
    snprintf(ret_data, GW_PAIR_ADDRESS_MAX, "%s", book->data);
}

void gw_pair_withdraw(struct gw_pair_book *book)
{
    LOCK_SCOPE(&book->lock);
    gnutls_memset(&book->offer, 0, sizeof book->offer);
}

/* ---- taking it ------------------------------------------------------------------------------- */

static int no_code(struct gw_error *err)
{
    return gw_error_set(err, -EPERM,
                        "there is no pairing code that is good now: it expired, was used, or was "
                        "voided by wrong tries; make a new one");
}

/* Under the lock: is the offer good, is it for this site, and did it prove the code? */
static int check_offer(struct offer *o, const struct gw_pair_message *m,
                       const struct gw_pair_transcript *t, struct gw_error *err)
{
    char expected[GW_PAIR_PROOF_TEXT];
    if (!o->open || gw_boot_ns() >= o->expires_boot_ns)
        return no_code(err);
    gw_pair_proof(o->key, t, GW_PAIR_FROM_B, expected);
    if (!gw_pair_proof_equal(expected, m->proof)) {
        if (++o->wrong_tries >= GW_PAIR_TRIES_MAX)
            *o = (struct offer){ .open = false };
        return gw_error_set(err, -EPERM, "the pairing code is wrong%s",
                            o->open ? "" : ", for the last time: make a new one");
    }
    if (o->used && !gw_cert_fingerprint_equal(&o->used_by, &t->b))
        return gw_error_set(err, -EPERM,
                            "the pairing code was already used, by another site; make a new one");
    if (o->expect_site[0] != '\0' && strcmp(o->expect_site, m->site) != 0)
        return gw_error_set(err, -EPERM, "the pairing code is for site \"%s\", not for \"%s\"",
                            o->expect_site, m->site);
    return 0;
}

static void describe(const struct gw_pair_message *m, const struct gw_cert_info *info,
                     struct gw_pair_site *ret)
{
    *ret = (struct gw_pair_site){ .cert = *info };
    snprintf(ret->site, sizeof ret->site, "%s", m->site);
    snprintf(ret->link, sizeof ret->link, "%s", m->link);
    snprintf(ret->data, sizeof ret->data, "%s", m->data);
}

/* Pin, and tell the caller; if that fails nothing is changed. */
static int complete(struct gw_pair_book *book, const struct gw_pair_message *m,
                    const struct gw_cert_info *info, bool replace, struct gw_error *err)
{
    const struct gw_pair_config *c = &book->config;
    CLEANUP_FREE char *old = NULL;
    struct gw_pair_site site;
    bool had = gw_trust_get(c->trust, m->site, NULL, &old, NULL) == 0;
    int r = gw_trust_pin(c->trust, m->site, m->certificate, replace, err);
    if (r < 0 || c->accept == NULL)
        return r;
    describe(m, info, &site);
    r = c->accept(c->ctx, &site, err);
    if (r < 0 && had)
        gw_trust_pin(c->trust, m->site, old, true, NULL);
    else if (r < 0)
        gw_trust_unpin(c->trust, m->site, NULL);
    return r;
}

/* The whole of it, for a message that is well-formed. On success the key for our answer. */
static int take_code(struct gw_pair_book *book, const struct gw_pair_message *m,
                     const struct gw_cert_info *info, const struct gw_pair_transcript *t,
                     uint8_t ret_key[GW_PAIR_KEY_BYTES], struct gw_error *err)
{
    LOCK_SCOPE(&book->pairing);
    bool replace;
    {
        LOCK_SCOPE(&book->lock);
        int r = check_offer(&book->offer, m, t, err);
        if (r < 0)
            return r;
        replace = book->offer.replace;
        memcpy(ret_key, book->offer.key, GW_PAIR_KEY_BYTES);
    }
    int r = complete(book, m, info, replace, err);
    if (r < 0)
        return r;
    LOCK_SCOPE(&book->lock);
    /* A new offer may have been made meanwhile: it is not this one that was used. */
    if (memcmp(book->offer.key, ret_key, GW_PAIR_KEY_BYTES) == 0) {
        book->offer.used = true;
        book->offer.used_by = t->b;
    }
    return 0;
}

static int check_caller(const struct gw_pair_book *book, const struct gw_http_peer *peer,
                        const struct gw_pair_message *m, const struct gw_cert_info *info,
                        struct gw_error *err)
{
    if (!peer->certified || !gw_cert_fingerprint_equal(&peer->fingerprint, &info->fingerprint))
        return gw_error_set(err, -EKEYREJECTED,
                            "the certificate in the message is not the one of the connection");
    if (strcmp(m->site, gw_identity_site(book->config.identity)) == 0)
        return gw_error_set(err, -EINVAL, "both sites are called \"%s\"", m->site);
    return 0;
}

int gw_pair_serve(struct gw_pair_book *book, struct gw_http_call *call, struct gw_error *err)
{
    const struct gw_http_peer *peer = gw_http_call_peer(call);
    const struct gw_identity *own = book->config.identity;
    struct gw_pair_message m;
    struct gw_cert_info info;
    uint8_t key[GW_PAIR_KEY_BYTES];
    char proof[GW_PAIR_PROOF_TEXT];
    char link[GW_PAIR_ADDRESS_MAX], data[GW_PAIR_ADDRESS_MAX];
    own_addresses(book, link, data);
    int r = gw_pair_message_read(gw_http_call_json(call), &m, &info, err);
    if (r == 0)
        r = check_caller(book, peer, &m, &info, err);
    if (r < 0)
        return r;
    struct gw_pair_transcript t = { .a = gw_identity_info(own)->fingerprint,
                                    .b = info.fingerprint,
                                    .a_site = gw_identity_site(own),
                                    .b_site = m.site,
                                    .a_link = link,
                                    .a_data = data,
                                    .b_link = m.link,
                                    .b_data = m.data,
                                    .nonce = m.nonce };
    r = take_code(book, &m, &info, &t, key, err);
    gw_log(r < 0 ? GW_LOG_WARNING : GW_LOG_NOTICE, "pairing with site \"%s\" at %s: %s", m.site,
           peer->address, r < 0 && err != NULL ? err->msg : "done");
    if (r < 0)
        return r;
    gw_pair_proof(key, &t, GW_PAIR_FROM_A, proof);
    gnutls_memset(key, 0, sizeof key);
    const struct gw_pair_message answer = { .site = t.a_site,
                                            .certificate = gw_identity_pem(own),
                                            .link = link,
                                            .data = data,
                                            .nonce = m.nonce,
                                            .proof = proof };
    return gw_http_reply_json(call, 200, gw_pair_message_new(&answer));
}
