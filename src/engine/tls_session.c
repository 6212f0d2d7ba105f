// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * One TLS session between two buffers.
 *
 * GnuTLS "sends" by push(), which appends to `out`, and "receives" by pull(), which takes from
 * `in`. Ciphertext is copied once more than with GnuTLS on the socket itself, inside the cache; in
 * exchange a call of the kernel moves many records, and the lock is not held in it.
 */
#include "engine/tls.h"

#include "base/checked.h"
#include "base/cleanup.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* TLS 1.3 adds 22 bytes to a record; the rest is for a key update and for records that the peer
 * wants smaller. */
#define RECORD_ROOM (GW_TLS_RECORD_BYTES + 2048u)
#define OUT_BYTES (GW_TLS_BATCH_RECORDS * RECORD_ROOM)
#define IN_BYTES (64u * 1024u)

struct gw_tls_session {
    struct gw_tls *tls;
    bool client;
    gnutls_session_t session;
    pthread_mutex_t lock; /* innermost: nothing is taken under it; guards what GnuTLS holds */

    /* Of the sending thread. */
    uint8_t *out;
    size_t out_len;
    bool may_push; /* under lock: the caller is the sending thread */

    /* Of the receiving thread. */
    uint8_t *in;
    size_t in_pos, in_len;
    bool in_ended;
    atomic_bool heard; /* something was decrypted after the handshake */

    /* Of the handshake. */
    struct gw_error refused; /* why we refuse the peer's certificate */
    gnutls_alert_description_t alert;
};

/* errno is how GnuTLS wants to hear of it; unlike gnutls_transport_set_errno it is of the thread.
 */
static ssize_t push(gnutls_transport_ptr_t opaque, const void *data, size_t len)
{
    struct gw_tls_session *s = opaque;
    size_t n = GW_MIN(len, OUT_BYTES - s->out_len);

    if (!s->may_push || n == 0) {
        errno = EAGAIN;
        return -1;
    }
    memcpy(s->out + s->out_len, data, n);
    s->out_len += n;
    return (ssize_t)n;
}

static ssize_t pull(gnutls_transport_ptr_t opaque, void *buf, size_t cap)
{
    struct gw_tls_session *s = opaque;
    size_t n = GW_MIN(cap, s->in_len - s->in_pos);

    if (n == 0) {
        if (s->in_ended)
            return 0;
        errno = EAGAIN;
        return -1;
    }
    memcpy(buf, s->in + s->in_pos, n);
    s->in_pos += n;
    return (ssize_t)n;
}

static int verify(gnutls_session_t session)
{
    struct gw_tls_session *s = gnutls_session_get_ptr(session);

    return gw_tls_verify_peer(s->tls, session, &s->alert, &s->refused);
}

static int configure(struct gw_tls_session *s, const char *server_name)
{
    /* FORCE_CLIENT_CERT: send it whatever CAs the peer names, so that a wrong one is refused with
     * its reason and not for being absent. */
    unsigned flags = GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS;
    flags |= s->client ? GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT : GNUTLS_SERVER;
    int r = gnutls_init(&s->session, flags);
    if (r < 0)
        return r;
    gnutls_session_set_ptr(s->session, s);
    r = gnutls_priority_set_direct(s->session, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL);
    if (r >= 0)
        r = gnutls_credentials_set(s->session, GNUTLS_CRD_CERTIFICATE, gw_tls_credentials(s->tls));
    if (r >= 0 && s->client && server_name != NULL)
        r = gnutls_server_name_set(s->session, GNUTLS_NAME_DNS, server_name, strlen(server_name));
    if (r < 0)
        return r;
    if (!s->client) {
        gnutls_certificate_server_set_request(s->session, GNUTLS_CERT_REQUIRE);
        /* Do not tell strangers whom we trust. */
        gnutls_certificate_send_x509_rdn_sequence(s->session, 1);
    }
    gnutls_session_set_verify_function(s->session, verify);
    gnutls_handshake_set_timeout(s->session, 0); /* the transport keeps the time */
    gnutls_transport_set_ptr(s->session, s);
    gnutls_transport_set_push_function(s->session, push);
    gnutls_transport_set_pull_function(s->session, pull);
    return 0;
}

int gw_tls_session_new(struct gw_tls *t, bool client, const char *server_name,
                       struct gw_tls_session **ret, struct gw_error *err)
{
    struct gw_tls_session *s = calloc(1, sizeof *s);

    if (s == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory for a TLS session");
    s->tls = gw_tls_ref(t);
    s->client = client;
    s->may_push = true; /* the handshake has one thread */
    pthread_mutex_init(&s->lock, NULL);
    atomic_init(&s->heard, false);
    s->out = malloc(OUT_BYTES);
    s->in = malloc(IN_BYTES);
    int r = s->out != NULL && s->in != NULL ? configure(s, server_name) : GNUTLS_E_MEMORY_ERROR;
    if (r < 0) {
        gw_tls_session_free(s);
        return gw_error_set(err, r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL,
                            "cannot set up TLS 1.3: %s", gnutls_strerror(r));
    }
    *ret = s;
    return 0;
}

void gw_tls_session_free(struct gw_tls_session *s)
{
    if (s == NULL)
        return;
    if (s->session != NULL)
        gnutls_deinit(s->session);
    pthread_mutex_destroy(&s->lock);
    free(s->out);
    free(s->in);
    gw_tls_free(s->tls);
    free(s);
}

/* Why a peer says that it refuses our certificate; NULL if the alert is about something else. */
static const char *certificate_alert(gnutls_alert_description_t alert)
{
    static const struct {
        gnutls_alert_description_t alert;
        const char *reason;
    } reasons[] = {
        { GNUTLS_A_UNKNOWN_CA, "it is not signed by the CA that the peer trusts" },
        { GNUTLS_A_CERTIFICATE_EXPIRED, "it is expired or not valid yet by the peer's clock" },
        { GNUTLS_A_ACCESS_DENIED, "it is for another name than the peer expects" },
        { GNUTLS_A_CERTIFICATE_REQUIRED, "it did not get one" },
        { GNUTLS_A_CERTIFICATE_REVOKED, "it is revoked" },
        { GNUTLS_A_UNSUPPORTED_CERTIFICATE, "its kind is not supported there" },
        { GNUTLS_A_BAD_CERTIFICATE, "it is not valid there" },
        { GNUTLS_A_CERTIFICATE_UNKNOWN, "it is not accepted there" },
    };

    for (size_t i = 0; i < GW_ARRAY_SIZE(reasons); i++)
        if (reasons[i].alert == alert)
            return reasons[i].reason;
    return NULL;
}

static int alert_error(struct gw_tls_session *s, struct gw_error *err)
{
    gnutls_alert_description_t alert = gnutls_alert_get(s->session);
    const char *reason = certificate_alert(alert), *name = gnutls_alert_get_name(alert);

    if (reason != NULL)
        return gw_error_set(err, -EKEYREJECTED, "the peer refused our certificate \"%s\": %s",
                            gw_tls_cert_file(s->tls), reason);
    if (alert == GNUTLS_A_PROTOCOL_VERSION)
        return gw_error_set(err, -EPROTO, "the peer does not speak TLS 1.3");
    if (alert == GNUTLS_A_UNRECOGNIZED_NAME) /* what a data port of many plans says */
        return gw_error_set(err, -EPROTO, "the site that answers has no such plan");
    const char *hint = alert == GNUTLS_A_HANDSHAKE_FAILURE ? ": maybe it does not speak TLS 1.3"
                       : alert == GNUTLS_A_INTERNAL_ERROR
                           ? ": maybe the plan's process does not run there now"
                           : "";
    return gw_error_set(err, -EPROTO, "the peer ended TLS with the alert \"%s\"%s",
                        name != NULL ? name : "unknown", hint);
}

/* A handshake that failed with GnuTLS code r: the sentence, and an alert for the peer into out. */
static int handshake_failed(struct gw_tls_session *s, int r, struct gw_error *err)
{
    switch (r) {
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
        return alert_error(s, err);
    case GNUTLS_E_PREMATURE_TERMINATION:
        return gw_error_set(err, -EPROTO, "the peer closed the connection in the TLS handshake");
    case GNUTLS_E_NO_CERTIFICATE_FOUND:
    case GNUTLS_E_CERTIFICATE_REQUIRED:
        gnutls_alert_send(s->session, GNUTLS_AL_FATAL, GNUTLS_A_CERTIFICATE_REQUIRED);
        return gw_error_set(err, -EKEYREJECTED, "the peer sent no certificate");
    case GNUTLS_E_NO_CIPHER_SUITES: /* what an offer of TLS 1.2 looks like */
        gnutls_alert_send(s->session, GNUTLS_AL_FATAL, GNUTLS_A_PROTOCOL_VERSION);
        return gw_error_set(err, -EPROTO,
                            "the peer does not speak TLS 1.3, or none of its ciphers "
                            "that we know");
    case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
    case GNUTLS_E_UNEXPECTED_PACKET:
    case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
    case GNUTLS_E_RECORD_OVERFLOW:
        gnutls_alert_send_appropriate(s->session, r);
        return gw_error_set(err, -EPROTO, "the peer does not speak TLS 1.3: %s",
                            gnutls_strerror(r));
    }
    if (s->refused.code != 0) {
        gnutls_alert_send(s->session, GNUTLS_AL_FATAL, s->alert);
        return gw_error_set(err, s->refused.code, "%s", s->refused.msg);
    }
    gnutls_alert_send_appropriate(s->session, r);
    return gw_error_set(err, -EPROTO, "TLS handshake: %s", gnutls_strerror(r));
}

int gw_tls_handshake(struct gw_tls_session *s, struct gw_error *err)
{
    LOCK_SCOPE(&s->lock);
    int r;

    do
        r = gnutls_handshake(s->session);
    while (r == GNUTLS_E_INTERRUPTED || r == GNUTLS_E_WARNING_ALERT_RECEIVED);
    if (r == GNUTLS_E_AGAIN)
        return -EAGAIN;
    if (r < 0)
        return handshake_failed(s, r, err);
    s->may_push = false;
    return 0;
}

const uint8_t *gw_tls_out(struct gw_tls_session *s, size_t *ret_len)
{
    *ret_len = s->out_len;
    return s->out;
}

void gw_tls_out_done(struct gw_tls_session *s)
{
    s->out_len = 0;
}

bool gw_tls_room(const struct gw_tls_session *s)
{
    return OUT_BYTES - s->out_len >= RECORD_ROOM;
}

int gw_tls_encrypt(struct gw_tls_session *s, const void *data, size_t len, struct gw_error *err)
{
    const uint8_t *p = data;

    assert(len <= GW_TLS_RECORD_BYTES && gw_tls_room(s));
    LOCK_SCOPE(&s->lock);
    s->may_push = true;
    for (size_t done = 0; done < len;) {
        ssize_t n = gnutls_record_send(s->session, p + done, len - done);
        if (n < 0 && n != GNUTLS_E_INTERRUPTED) {
            s->may_push = false;
            return gw_error_set(err, -EPROTO, "TLS cannot send: %s", gnutls_strerror((int)n));
        }
        done += n > 0 ? (size_t)n : 0;
    }
    s->may_push = false;
    return 0;
}

void gw_tls_bye(struct gw_tls_session *s)
{
    LOCK_SCOPE(&s->lock);
    s->may_push = true;
    gnutls_bye(s->session, GNUTLS_SHUT_WR);
    s->may_push = false;
}

uint8_t *gw_tls_in(struct gw_tls_session *s, size_t *ret_cap)
{
    assert(s->in_pos == s->in_len);
    *ret_cap = IN_BYTES;
    return s->in;
}

void gw_tls_in_filled(struct gw_tls_session *s, size_t len)
{
    assert(len <= IN_BYTES);
    s->in_pos = 0;
    s->in_len = len;
    s->in_ended = len == 0;
}

static int decrypt_failed(struct gw_tls_session *s, int r, struct gw_error *err)
{
    if (r == 0) /* the peer said goodbye */
        return gw_error_set(err, -ECONNRESET, "the peer closed the connection");
    if (s->in_ended) /* it did not, or not even its last record is whole */
        return gw_error_set(err, -ECONNRESET, "the peer closed the connection%s",
                            gw_tls_unconfirmed(s) ? " before it said anything: it may have refused "
                                                    "our certificate"
                                                  : "");
    if (r == GNUTLS_E_FATAL_ALERT_RECEIVED)
        return alert_error(s, err);
    if (r == GNUTLS_E_DECRYPTION_FAILED)
        return gw_error_set(err, -EBADMSG, "TLS: what came was damaged or tampered with");
    return gw_error_set(err, -EPROTO, "TLS cannot receive: %s", gnutls_strerror(r));
}

ssize_t gw_tls_decrypt(struct gw_tls_session *s, void *buf, size_t cap, struct gw_error *err)
{
    ssize_t n;
    size_t before;

    LOCK_SCOPE(&s->lock);
    /* GnuTLS also says AGAIN after a message of its own (a key update): it has all there is only
     * when it has taken nothing more. */
    do {
        before = s->in_pos;
        n = gnutls_record_recv(s->session, buf, cap);
    } while (n == GNUTLS_E_INTERRUPTED || n == GNUTLS_E_WARNING_ALERT_RECEIVED ||
             (n == GNUTLS_E_AGAIN && s->in_pos != before));
    if (n == GNUTLS_E_AGAIN)
        return -EAGAIN;
    if (n <= 0)
        return decrypt_failed(s, (int)n, err);
    atomic_store_explicit(&s->heard, true, memory_order_relaxed);
    return n;
}

bool gw_tls_unconfirmed(const struct gw_tls_session *s)
{
    return s->client && !atomic_load_explicit(&s->heard, memory_order_relaxed);
}
