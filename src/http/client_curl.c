// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * One exchange with libcurl.
 *
 * What matters here is what libcurl would do of itself: it sends a request again when a kept
 * connection breaks before the answer. A body is therefore given by a function that cannot go back,
 * and the "prereq" function, which runs before each attempt, forbids a second one.
 *
 * A pinned peer's certificate is not checked by authorities and names. It is compared byte for
 * byte, after the handshake and before the request: by the same function, which runs on kept
 * connections too.
 */
#include "base/clock.h"
#include "http/client_internal.h"
#include "http/limits.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define LOOP_MS 1000
#define TEXT_STEP_BYTES 16384u

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* ---- handles --------------------------------------------------------------------------------- */

static struct gw_http_handle *new_handle(void)
{
    struct gw_http_handle *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->easy = curl_easy_init();
    h->multi = curl_multi_init();
    if (h->easy != NULL && h->multi != NULL)
        return h;
    curl_easy_cleanup(h->easy);
    curl_multi_cleanup(h->multi);
    free(h);
    return NULL;
}

static struct gw_http_handle *take_handle(struct gw_http_client *c)
{
    LOCK_SCOPE(&c->lock);
    struct gw_http_handle *h = c->handles;
    while (h != NULL && h->busy)
        h = h->next;
    if (h == NULL) {
        h = new_handle();
        if (h == NULL)
            return NULL;
        h->next = c->handles;
        c->handles = h;
    }
    h->busy = true;
    return h;
}

static void give_handle(struct gw_http_client *c, struct gw_http_handle *h)
{
    curl_easy_reset(h->easy);
    LOCK_SCOPE(&c->lock);
    h->busy = false;
}

/* ---- functions that libcurl calls ------------------------------------------------------------ */

static int refuse(struct gw_http_exchange *x, const char *sentence)
{
    gw_error_set(&x->refused, -EKEYREJECTED, "%s", sentence);
    return CURL_PREREQFUNC_ABORT;
}

static int check_pin(struct gw_http_exchange *x, const gnutls_datum_t *der)
{
    const struct gw_http_client_config *config = &x->client->config;
    struct gw_cert_info info;
    char theirs[GW_CERT_FINGERPRINT_TEXT], ours[GW_CERT_FINGERPRINT_TEXT];
    if (gw_cert_read_der(der->data, der->size, &info, &x->refused) < 0)
        return refuse(x, "what it shows is not a certificate");
    if (config->check != NULL)
        return config->check(config->check_ctx, &info, der->data, der->size, &x->refused);
    if (!gw_cert_fingerprint_equal(&info.fingerprint, &config->pin)) {
        gw_cert_fingerprint_format(&info.fingerprint, theirs);
        gw_cert_fingerprint_format(&config->pin, ours);
        return gw_error_set(&x->refused, -EKEYREJECTED,
                            "its certificate (for \"%s\", SHA-256 %.16s...) is not the one that is "
                            "pinned (%.16s...): it is another machine, or it was set up anew and "
                            "has to be paired again",
                            info.name, theirs, ours);
    }
    return gw_cert_check_times(&info, "its", gw_wall_ns(), &x->refused);
}

/* Connected; nothing of the request has been sent. Or: a kept connection broke, and libcurl means
 * to send it again over a new one. */
static int on_connected(void *ctx, char *ip, char *local_ip, int port, int local_port)
{
    struct gw_http_exchange *x = ctx;
    if (x->changes && (gw_http_exchange_was_sent(x) || x->body_pos > 0)) {
        x->again = true;
        return CURL_PREREQFUNC_ABORT;
    }
    if (x->client->tls && x->client->pinned) {
        struct curl_tlssessioninfo *tls = NULL;
        unsigned n = 0;
        if (curl_easy_getinfo(x->handle->easy, CURLINFO_TLS_SSL_PTR, &tls) != CURLE_OK ||
            tls == NULL || tls->backend != CURLSSLBACKEND_GNUTLS || tls->internals == NULL)
            return refuse(x,
                          "this libcurl is not built with GnuTLS: its certificate cannot be seen");
        const gnutls_datum_t *chain =
            gnutls_certificate_get_peers((gnutls_session_t)tls->internals, &n);
        if (chain == NULL || n == 0)
            return refuse(x, "it shows no certificate");
        if (check_pin(x, &chain[0]) < 0)
            return CURL_PREREQFUNC_ABORT;
    }
    x->connected = true;
    x->send_wall_ns = gw_wall_ns();
    x->send_boot_ns = x->heard_ns = gw_boot_ns();
    return CURL_PREREQFUNC_OK;
}

static size_t on_read(char *to, size_t size, size_t n, void *ctx)
{
    struct gw_http_exchange *x = ctx;
    uint64_t left = x->body_bytes - x->body_pos;
    size_t len = left < size * n ? (size_t)left : size * n;
    if (x->body != NULL)
        memcpy(to, x->body + x->body_pos, len);
    else
        memset(to, 0, len);
    x->body_pos += len;
    return len;
}

static size_t on_write(char *bytes, size_t size, size_t n, void *ctx)
{
    struct gw_http_exchange *x = ctx;
    x->heard_ns = gw_boot_ns();
    return x->take(x, bytes, size * n) == 0 ? size * n
                                            : size * n + 1; /* more than there was: end */
}

/* Called for each line of the head. A server that dies in the middle of it must not look like one
 * that has answered. */
static size_t on_header(char *bytes, size_t size, size_t n, void *ctx)
{
    struct gw_http_exchange *x = ctx;
    size_t len = size * n;
    if (len >= 5 && memcmp(bytes, "HTTP/", 5) == 0)
        x->framed = x->headed = false;
    else if (len >= 15 && strncasecmp(bytes, "Content-Length:", 15) == 0)
        x->framed = true;
    else if (len >= 18 && strncasecmp(bytes, "Transfer-Encoding:", 18) == 0)
        x->framed = true;
    else if (len == 2 && memcmp(bytes, "\r\n", 2) == 0)
        x->headed = true;
    return len;
}

bool gw_http_exchange_is_whole(const struct gw_http_exchange *x)
{
    int status = gw_http_exchange_status(x);
    return x->headed && (x->framed || status == 204 || status == 304);
}

int gw_http_exchange_keep(struct gw_http_exchange *x, const char *bytes, size_t len)
{
    if (len > x->text_max - x->text_bytes) {
        x->too_large = true;
        return -EMSGSIZE;
    }
    size_t need = x->text_bytes + len + 1;
    if (need > x->text_cap) {
        size_t cap = need + x->text_cap + TEXT_STEP_BYTES;
        char *text = realloc(x->text, cap);
        if (text == NULL) {
            x->no_memory = true;
            return -ENOMEM;
        }
        x->text = text;
        x->text_cap = cap;
    }
    memcpy(x->text + x->text_bytes, bytes, len);
    x->text_bytes += len;
    x->text[x->text_bytes] = '\0';
    return 0;
}

/* ---- setting up ------------------------------------------------------------------------------ */

static void set_connection(struct gw_http_exchange *x)
{
    const struct gw_http_client *c = x->client;
    CURL *e = x->handle->easy;
    unsigned connect_ms =
        c->config.connect_ms != 0 ? c->config.connect_ms : GW_HTTP_CLIENT_CONNECT_MS;
    curl_easy_setopt(e, CURLOPT_URL, x->url);
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_PROXY, ""); /* whatever the environment says */
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, c->tls ? "https" : "http");
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    curl_easy_setopt(e, CURLOPT_MAXAGE_CONN, (long)GW_HTTP_CLIENT_REUSE_S);
    curl_easy_setopt(e, CURLOPT_ERRORBUFFER, x->why);
    curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(e, CURLOPT_PREREQDATA, x);
    if (c->unix_path != NULL)
        curl_easy_setopt(e, CURLOPT_UNIX_SOCKET_PATH, c->unix_path);
    if (!c->tls)
        return;
    curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_3);
    /* Of a pinned peer on_connected is stricter. NULL: reading the machine's authorities takes a
     * tenth of a second, and none of them is asked. */
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, c->pinned ? 0L : 1L);
    curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, c->pinned ? 0L : 2L);
    curl_easy_setopt(e, CURLOPT_CAINFO, c->pinned ? NULL : c->ca_file);
    curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    curl_easy_setopt(e, CURLOPT_SSL_SESSIONID_CACHE, 0L);
    curl_easy_setopt(e, CURLOPT_SSL_ENABLE_ALPN, 0L);
    curl_easy_setopt(e, CURLOPT_TCP_KEEPALIVE, 1L);
    if (c->cert_file != NULL) {
        curl_easy_setopt(e, CURLOPT_SSLCERT, c->cert_file);
        curl_easy_setopt(e, CURLOPT_SSLKEY, c->key_file);
    }
}

static void set_body(struct gw_http_exchange *x, const char *method)
{
    CURL *e = x->handle->easy;
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_write);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, x);
    if (x->has_body) {
        curl_easy_setopt(e, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(e, CURLOPT_INFILESIZE_LARGE, (curl_off_t)x->body_bytes);
        curl_easy_setopt(e, CURLOPT_READFUNCTION, on_read); /* and none to go back: see above */
        curl_easy_setopt(e, CURLOPT_READDATA, x);
    }
    if (x->has_body || strcmp(method, "GET") != 0)
        curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, x->headers);
}

int gw_http_exchange_header(struct gw_http_exchange *x, const char *name, const char *value,
                            struct gw_error *err)
{
    CLEANUP_FREE char *line = NULL;
    if (asprintf(&line, value != NULL ? "%s: %s" : "%s:", name, value) < 0)
        line = NULL;
    struct curl_slist *list = line != NULL ? curl_slist_append(x->headers, line) : NULL;
    if (list == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    x->headers = list;
    return 0;
}

int gw_http_exchange_begin(struct gw_http_exchange *x, struct gw_http_client *c, const char *method,
                           const char *path, unsigned timeout_ms, struct gw_error *err)
{
    pthread_once(&curl_once, init_curl);
    x->client = c;
    x->result = CURLE_FAILED_INIT;
    x->changes = strcmp(method, "GET") != 0;
    if (path[0] != '/')
        return gw_error_set(err, -EINVAL, "\"%.64s\" is not a path", path);
    if (asprintf(&x->url, "%s%s%s", c->tls ? "https://" : "http://",
                 c->host != NULL ? c->host : "godwit", path) < 0)
        x->url = NULL;
    if (c->cert_file != NULL && (access(c->cert_file, R_OK) < 0 || access(c->key_file, R_OK) < 0))
        return gw_error_errno(err, -EKEYREJECTED,
                              "our certificate \"%s\" or its key cannot be read", c->cert_file);
    x->handle = take_handle(c);
    if (x->url == NULL || x->handle == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory for a connection");
    /* No waiting for "100 Continue": a second, where the server does not know it. */
    int r = gw_http_exchange_header(x, "Expect", NULL, err);
    if (r < 0)
        return r;
    set_connection(x);
    set_body(x, method);
    curl_easy_setopt(x->handle->easy, CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    return 0;
}

/* ---- doing it -------------------------------------------------------------------------------- */

static bool is_idle(struct gw_http_exchange *x)
{
    x->idled =
        x->idle_ms != 0 && x->connected && gw_boot_ns() - x->heard_ns > x->idle_ms * GW_NS_PER_MS;
    return x->idled;
}

void gw_http_exchange_run(struct gw_http_exchange *x)
{
    CURLM *multi = x->handle->multi;
    int running = 1, left;
    curl_easy_setopt(x->handle->easy, CURLOPT_HTTPHEADER, x->headers);
    x->result = CURLE_ABORTED_BY_CALLBACK;
    if (curl_multi_add_handle(multi, x->handle->easy) != CURLM_OK) {
        x->result = CURLE_OUT_OF_MEMORY;
        return;
    }
    while (!atomic_load(&x->client->cancelled) && !is_idle(x)) {
        CURLMcode r = curl_multi_perform(multi, &running);
        const CURLMsg *m = curl_multi_info_read(multi, &left);
        if (m != NULL && m->msg == CURLMSG_DONE) {
            x->result = m->data.result;
            break;
        }
        if (r != CURLM_OK || running == 0) {
            x->result = CURLE_OUT_OF_MEMORY;
            break;
        }
        curl_multi_poll(multi, NULL, 0, LOOP_MS, NULL);
    }
}

bool gw_http_exchange_was_sent(const struct gw_http_exchange *x)
{
    return x->connected && (!x->has_body || x->body_pos == x->body_bytes);
}

int gw_http_exchange_status(const struct gw_http_exchange *x)
{
    long status = 0;
    curl_easy_getinfo(x->handle->easy, CURLINFO_RESPONSE_CODE, &status);
    return (int)status;
}

void gw_http_exchange_end(struct gw_http_exchange *x)
{
    if (x->handle != NULL) {
        curl_multi_remove_handle(x->handle->multi, x->handle->easy);
        give_handle(x->client, x->handle);
    }
    curl_slist_free_all(x->headers);
    free(x->url);
    free(x->text);
}

/* ---- why not --------------------------------------------------------------------------------- */

static int connect_errno(const struct gw_http_exchange *x)
{
    long e = 0;
    curl_easy_getinfo(x->handle->easy, CURLINFO_OS_ERRNO, &e);
    return e > 0 ? (int)e : ECONNREFUSED;
}

static int connect_error(const struct gw_http_exchange *x, struct gw_error *err)
{
    const char *path = x->client->unix_path;
    int e = connect_errno(x);
    if (path != NULL && e == ENOENT)
        return gw_error_set(err, -e, "no process serves %s: there is no such socket", path);
    if (path != NULL && e == ECONNREFUSED)
        return gw_error_set(err, -e, "no process serves %s: the one that did has ended", path);
    return gw_error_errno(err, -e, "cannot connect");
}

int gw_http_exchange_error(const struct gw_http_exchange *x, struct gw_error *err)
{
    const char *why = x->why[0] != '\0' ? x->why : curl_easy_strerror(x->result);
    if (x->refused.code != 0)
        return gw_error_set(err, x->refused.code, "%s", x->refused.msg);
    if (x->too_large)
        return gw_error_set(err, -EMSGSIZE, "the answer has more than %zu bytes", x->text_max);
    if (x->idled)
        return gw_error_set(err, -ETIMEDOUT, "nothing came for %u ms", x->idle_ms);
    if (atomic_load(&x->client->cancelled))
        return gw_error_set(err, -ECANCELED, "cancelled");
    if (x->no_memory || x->result == CURLE_OUT_OF_MEMORY)
        return gw_error_set(err, -ENOMEM, "out of memory");
    if (x->again || x->result == CURLE_OK)
        return gw_error_set(err, -ECONNRESET, "the connection ended before the answer was whole");
    if (x->result == CURLE_COULDNT_RESOLVE_HOST)
        return gw_error_set(err, -EHOSTUNREACH, "its name cannot be resolved: %s", why);
    if (x->result == CURLE_COULDNT_CONNECT)
        return connect_error(x, err);
    if (x->result == CURLE_OPERATION_TIMEDOUT)
        return gw_error_set(err, -ETIMEDOUT, "%s",
                            x->connected ? "no answer in time" : "no connection in time");
    if (x->result == CURLE_SSL_CERTPROBLEM)
        return gw_error_set(err, -EKEYREJECTED, "our certificate \"%s\" cannot be used: %s",
                            x->client->cert_file, why);
    if (x->result == CURLE_PEER_FAILED_VERIFICATION)
        return gw_error_set(err, -EKEYREJECTED, "its certificate is not trusted: %s", why);
    if (x->result == CURLE_SSL_CACERT_BADFILE)
        return gw_error_set(err, -EKEYREJECTED, "the authorities in \"%s\" cannot be read: %s",
                            x->client->ca_file, why);
    if (x->result == CURLE_SSL_CONNECT_ERROR)
        return gw_error_set(err, -EPROTO, "TLS: %s", why);
    if (x->result == CURLE_UNSUPPORTED_PROTOCOL || x->result == CURLE_WEIRD_SERVER_REPLY)
        return gw_error_set(err, -EPROTO, "what it says is not HTTP: %s", why);
    return gw_error_set(err, -ECONNRESET, "the connection ended: %s", why);
}
