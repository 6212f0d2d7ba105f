// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "link/handshake.h"

#include "base/cleanup.h"
#include "link/resolve.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <poll.h>
#include <string.h>

struct gw_handshake {
    int fd;
    uint64_t deadline_ns;
    gnutls_certificate_credentials_t credentials;
    gnutls_session_t session;
};

void gw_handshake_free(struct gw_handshake *h)
{
    if (h == NULL)
        return;
    if (h->session != NULL) {
        gnutls_bye(h->session, GNUTLS_SHUT_WR); /* one try; it does not wait */
        gnutls_deinit(h->session);
    }
    if (h->credentials != NULL)
        gnutls_certificate_free_credentials(h->credentials);
    free(h);
}

/* The library wants to wait: do, or say why not. */
static int wait_for(const struct gw_handshake *h)
{
    return gw_await(h->fd, gnutls_record_get_direction(h->session) == 1 ? POLLOUT : POLLIN,
                    h->deadline_ns);
}

static int refused_by_peer(const struct gw_handshake *h, struct gw_error *err)
{
    gnutls_alert_description_t alert = gnutls_alert_get(h->session);
    const char *name = gnutls_alert_get_name(alert);
    switch ((int)alert) {
    case GNUTLS_A_UNKNOWN_CA:
    case GNUTLS_A_BAD_CERTIFICATE:
    case GNUTLS_A_CERTIFICATE_UNKNOWN:
    case GNUTLS_A_CERTIFICATE_EXPIRED:
    case GNUTLS_A_CERTIFICATE_REQUIRED:
    case GNUTLS_A_ACCESS_DENIED:
        return gw_error_set(err, -EKEYREJECTED,
                            "the other side refuses our certificate (%s): it is paired with "
                            "another one, or its clock is wrong",
                            name != NULL ? name : "alert");
    }
    return gw_error_set(err, -EPROTO, "the other side ended TLS: %s",
                        name != NULL ? name : "unknown alert");
}

static int failed(const struct gw_handshake *h, int r, struct gw_error *err)
{
    switch (r) {
    case GNUTLS_E_FATAL_ALERT_RECEIVED:
        return refused_by_peer(h, err);
    case GNUTLS_E_PREMATURE_TERMINATION:
    case GNUTLS_E_PULL_ERROR:
    case GNUTLS_E_PUSH_ERROR:
        return gw_error_set(err, -ECONNRESET, "the other side closed the connection");
    case GNUTLS_E_UNEXPECTED_PACKET:
    case GNUTLS_E_UNEXPECTED_PACKET_LENGTH:
    case GNUTLS_E_UNSUPPORTED_VERSION_PACKET:
    case GNUTLS_E_RECORD_OVERFLOW:
        return gw_error_set(err, -EPROTO, "what listens there does not speak TLS 1.3: %s",
                            gnutls_strerror(r));
    }
    return gw_error_set(err, -EPROTO, "TLS: %s", gnutls_strerror(r));
}

static int shake(struct gw_handshake *h, struct gw_error *err)
{
    for (;;) {
        int r = gnutls_handshake(h->session);
        if (r == 0)
            return 0;
        if (r == GNUTLS_E_AGAIN && wait_for(h) < 0)
            return gw_error_set(err, -ETIMEDOUT,
                                "connected, but no answer to the TLS handshake: what listens there "
                                "is something else, or is stuck");
        if (r != GNUTLS_E_AGAIN && gnutls_error_is_fatal(r))
            return failed(h, r, err);
    }
}

static int configure(struct gw_handshake *h, bool client, const struct gw_identity *identity,
                     const char *server_name)
{
    unsigned flags = GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS | GNUTLS_NO_SIGNAL;
    int r = gnutls_certificate_allocate_credentials(&h->credentials);
    if (r >= 0)
        r = gnutls_certificate_set_x509_key_file(h->credentials, gw_identity_cert_file(identity),
                                                 gw_identity_key_file(identity),
                                                 GNUTLS_X509_FMT_PEM);
    if (r >= 0)
        r = gnutls_init(&h->session, flags | (client ? GNUTLS_CLIENT | GNUTLS_FORCE_CLIENT_CERT
                                                     : GNUTLS_SERVER));
    if (r >= 0)
        r = gnutls_priority_set_direct(h->session, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL);
    if (r >= 0)
        r = gnutls_credentials_set(h->session, GNUTLS_CRD_CERTIFICATE, h->credentials);
    if (r >= 0 && client && server_name != NULL)
        r = gnutls_server_name_set(h->session, GNUTLS_NAME_DNS, server_name, strlen(server_name));
    if (r < 0)
        return r;
    if (!client) {
        gnutls_certificate_server_set_request(h->session, GNUTLS_CERT_REQUIRE);
        gnutls_certificate_send_x509_rdn_sequence(h->session, 1);
    }
    gnutls_handshake_set_timeout(h->session, 0); /* ours is kept */
    gnutls_transport_set_int(h->session, h->fd);
    return 0;
}

int gw_handshake_new(int fd, bool client, const struct gw_identity *identity,
                     const char *server_name, uint64_t deadline_ns, struct gw_handshake **ret,
                     struct gw_error *err)
{
    struct gw_handshake *h = calloc(1, sizeof *h);
    if (h == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory for TLS");
    h->fd = fd;
    h->deadline_ns = deadline_ns;
    int r = configure(h, client, identity, server_name);
    r = r < 0 ? gw_error_set(err, -EIO, "cannot set up TLS: %s", gnutls_strerror(r))
              : shake(h, err);
    if (r < 0) {
        gw_handshake_free(h);
        return r;
    }
    *ret = h;
    return 0;
}

int gw_handshake_peer(const struct gw_handshake *h, struct gw_cert_info *ret, struct gw_error *err)
{
    unsigned n = 0;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(h->session, &n);
    if (chain == NULL || n == 0)
        return gw_error_set(err, -EKEYREJECTED, "the other side shows no certificate");
    if (gw_cert_read_der(chain[0].data, chain[0].size, ret, err) < 0)
        return gw_error_set(err, -EKEYREJECTED, "the other side shows what is not a certificate");
    return 0;
}

void gw_handshake_refuse(struct gw_handshake *h)
{
    gnutls_alert_send(h->session, GNUTLS_AL_FATAL, GNUTLS_A_ACCESS_DENIED);
}

int gw_handshake_send(struct gw_handshake *h, const char *text, struct gw_error *err)
{
    for (;;) {
        ssize_t n = gnutls_record_send(h->session, text, strlen(text));
        if (n >= 0)
            return 0;
        if (n == GNUTLS_E_AGAIN && wait_for(h) < 0)
            return gw_error_set(err, -ETIMEDOUT, "the other side takes nothing");
        if (n != GNUTLS_E_AGAIN && gnutls_error_is_fatal((int)n))
            return failed(h, (int)n, err);
    }
}

int gw_handshake_read_line(struct gw_handshake *h, char *ret, size_t size, struct gw_error *err)
{
    size_t used = 0;
    for (;;) {
        ssize_t n = gnutls_record_recv(h->session, ret + used, size - 1 - used);
        if (n == GNUTLS_E_AGAIN && wait_for(h) < 0)
            return gw_error_set(err, -ETIMEDOUT, "TLS works, but the other side says nothing");
        if (n == 0)
            return gw_error_set(err, -ECONNRESET, "the other side closed without a word");
        if (n < 0 && gnutls_error_is_fatal((int)n))
            return failed(h, (int)n, err);
        used += n > 0 ? (size_t)n : 0;
        ret[used] = '\0';
        char *end = strchr(ret, '\n');
        if (end != NULL) {
            *end = '\0';
            return 0;
        }
        if (used + 1 >= size)
            return gw_error_set(err, -EPROTO, "what listens there is not godwit");
    }
}
