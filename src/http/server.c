// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "http/server.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"
#include "http/json.h"
#include "http/server_internal.h"

#include <assert.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#define CONNECTIONS_SPARE 16u /* above the limit: those who are told that it is reached */
#define PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3"

/* ---- who calls ------------------------------------------------------------------------------- */

static void know_local(struct gw_http_call *call)
{
    struct ucred cred = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
    socklen_t len = sizeof cred;
    call->peer.local = true;
    if (getsockopt(call->conn->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
        cred = (struct ucred){ .uid = (uid_t)-1, .gid = (gid_t)-1 };
    call->peer.uid = cred.uid;
    call->peer.gid = cred.gid;
    call->peer.pid = cred.pid;
}

static void know_address(struct gw_http_call *call)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof at;
    char host[64], port[8];
    if (getpeername(call->conn->fd, (struct sockaddr *)&at, &len) == 0 &&
        getnameinfo((struct sockaddr *)&at, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) == 0)
        snprintf(call->peer.address, sizeof call->peer.address,
                 at.ss_family == AF_INET6 ? "[%.60s]:%s" : "%.60s:%s", host, port);
}

/* 0, or why the caller has no certificate that could name it. TLS has checked that it holds the
 * key: that comes with the certificate. */
static int know_certificate(struct gw_http_call *call, struct gw_error *err)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(call->conn->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    unsigned n = 0;
    const gnutls_datum_t *chain =
        info != NULL ? gnutls_certificate_get_peers((gnutls_session_t)info->tls_session, &n) : NULL;
    struct gw_cert_info cert;
    if (chain == NULL || n == 0)
        return gw_error_set(err, -EKEYREJECTED, "no certificate was shown");
    int r = gw_cert_read_der(chain[0].data, chain[0].size, &cert, err);
    if (r == 0)
        r = gw_cert_check_times(&cert, "your", gw_wall_ns(), err);
    if (r < 0)
        return gw_error_set(err, -EKEYREJECTED, "%s", err->msg);
    call->peer.certified = true;
    call->peer.fingerprint = cert.fingerprint;
    call->peer.certificate = chain[0].data;
    call->peer.certificate_bytes = chain[0].size;
    return 0;
}

/* Learn who it is. 0, or why it is nobody that may come here. */
static int identify(struct gw_http_call *call, struct gw_error *err)
{
    const struct gw_http_config *config = &call->server->config;
    if (call->server->unix_path != NULL) {
        know_local(call);
        return 0;
    }
    know_address(call);
    int r = know_certificate(call, err);
    if (r < 0)
        return config->anonymous ? 0 : r;
    if (config->identify == NULL)
        return 0;
    r = config->identify(config->ctx, &call->peer, call->peer.name, err);
    if (r == 0)
        return 0;
    call->peer.name[0] = '\0';
    return (call->match.route->flags & GW_HTTP_ANYONE) != 0 ? 0 : r;
}

/* ---- a worker's part ------------------------------------------------------------------------- */

static void handle(struct gw_http_call *call)
{
    const struct gw_http_config *config = &call->server->config;
    struct gw_error err = { 0 };
    int r = identify(call, &err);
    if (r < 0) {
        gw_log(GW_LOG_WARNING, "%s: %s %s from %s refused: %s", call->server->name, call->method,
               call->target.path, call->peer.address, err.msg);
        gw_http_reply_error(call, r, &err);
        return;
    }
    if (!gw_http_body_end(call))
        return;
    if (config->authorize != NULL)
        r = config->authorize(config->ctx, call, call->match.route, &err);
    if (r == 0)
        r = call->match.route->fn(call, &err);
    if (r < 0)
        gw_http_reply_error(call, r, &err);
}

static void run_job(struct gw_http_job *job, bool stopped)
{
    struct gw_http_call *call = (struct gw_http_call *)job;
    if (!stopped)
        handle(call);
    else
        gw_http_refuse(call, 503, "busy", "the server stops; nothing was done");
    call->phase = GW_CALL_ANSWERED;
    MHD_resume_connection(call->conn->mhd); /* from here on it is the loop's */
}

/* ---- the loop's part ------------------------------------------------------------------------- */

static struct gw_http_conn *conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info != NULL ? info->socket_context : NULL;
}

static void on_connection(void *ctx, struct MHD_Connection *mhd, void **socket_ctx,
                          enum MHD_ConnectionNotificationCode what)
{
    struct gw_http_server *s = ctx;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*socket_ctx != NULL)
            gw_http_conn_free(*socket_ctx);
        *socket_ctx = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    *socket_ctx = gw_http_conn_new(s, mhd, info->connect_fd);
}

/* The request line has come; what is returned is the request's context. */
static void *on_request_line(void *ctx, const char *uri, struct MHD_Connection *mhd)
{
    struct gw_http_conn *conn = conn_of(mhd);
    struct gw_http_call *call = conn != NULL ? calloc(1, sizeof *call) : NULL;
    if (call == NULL)
        return NULL;
    call->server = ctx;
    call->conn = conn;
    gw_http_conn_state(conn, GW_CONN_ARRIVING, call->server->config.arrive_ms, NULL);
    call->target_error.code =
        gw_http_target_parse(uri, strlen(uri), &call->target, &call->target_error);
    return call;
}

static void on_completed(void *ctx, struct MHD_Connection *mhd, void **request_ctx,
                         enum MHD_RequestTerminationCode how)
{
    struct gw_http_call *call = *request_ctx;
    if (call == NULL)
        return;
    gw_http_conn_state(call->conn, GW_CONN_IDLE, 0, NULL);
    gw_http_reply_clear(&call->reply);
    json_decref(call->json);
    free(call->body);
    free(call);
    *request_ctx = NULL;
}

/* All of it has come. */
static enum MHD_Result dispatch(struct gw_http_call *call)
{
    struct gw_http_server *s = call->server;
    call->arrived_boot_ns = gw_boot_ns();
    call->arrived_wall_ns = gw_wall_ns();
    if (call->refused)
        return gw_http_reply_send(call);
    call->phase = GW_CALL_HANDLING;
    gw_http_conn_state(call->conn, GW_CONN_HANDLING, 0, NULL);
    /* Before the worker can resume it. */
    MHD_suspend_connection(call->conn->mhd);
    if (gw_http_workers_submit(s->workers, &call->job))
        return MHD_YES;
    gw_http_reply_header(call, "Retry-After", "2");
    gw_http_refuse(call, 503, "busy", "too many requests at once; nothing was done, try again");
    call->phase = GW_CALL_ANSWERED;
    MHD_resume_connection(call->conn->mhd);
    return MHD_YES;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *mhd, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *n_data, void **request_ctx)
{
    struct gw_http_call *call = *request_ctx;
    if (call == NULL)
        return MHD_NO;
    switch (call->phase) {
    case GW_CALL_BEGUN:
        snprintf(call->method, sizeof call->method, "%s", method);
        call->refused = !gw_http_body_begin(call);
        call->phase = GW_CALL_RECEIVING;
        return call->cut ? gw_http_reply_send(call) : MHD_YES;
    case GW_CALL_RECEIVING:
        if (*n_data == 0)
            return dispatch(call);
        if (!gw_http_body_take(call, data, *n_data))
            return MHD_NO;
        *n_data = 0;
        return MHD_YES;
    case GW_CALL_HANDLING: /* suspended: the library does not ask */
        return MHD_YES;
    case GW_CALL_ANSWERED:
        return gw_http_reply_send(call);
    }
    return MHD_NO;
}

static void on_log(void *ctx, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));

static void on_log(void *ctx, const char *fmt, va_list ap)
{
    const struct gw_http_server *s = ctx;
    char line[512];
    vsnprintf(line, sizeof line, fmt, ap);
    line[strcspn(line, "\n")] = '\0';
    gw_log(GW_LOG_DEBUG, "%s: http: %s", s->name, line);
}

/* We decode targets ourselves: the library would turn %2F into a separator. */
static size_t dont_unescape(void *ctx, struct MHD_Connection *mhd, char *text)
{
    return strlen(text);
}

/* ---- life ------------------------------------------------------------------------------------ */

static unsigned or_default(unsigned value, unsigned otherwise)
{
    return value != 0 ? value : otherwise;
}

static void take_config(struct gw_http_server *s, const struct gw_http_config *config)
{
    struct gw_http_config *c = &s->config;
    *c = *config;
    c->connections_max = or_default(c->connections_max, GW_HTTP_CONNECTIONS_MAX);
    c->workers_max = or_default(c->workers_max, GW_HTTP_WORKERS_MAX);
    c->waiting_max = or_default(c->waiting_max, GW_HTTP_WAITING_MAX);
    c->arrive_ms = or_default(c->arrive_ms, GW_HTTP_ARRIVE_MS);
    c->idle_ms = or_default(c->idle_ms, GW_HTTP_IDLE_MS);
    c->stall_ms = or_default(c->stall_ms, GW_HTTP_STALL_MS);
    if (c->body_bytes_max == 0)
        c->body_bytes_max = GW_HTTP_BODY_BYTES_MAX;
}

static int copy_names(struct gw_http_server *s, struct gw_error *err)
{
    const struct gw_http_config *c = &s->config;
    s->name = strdup(c->name != NULL ? c->name : "http");
    if (c->unix_path != NULL) {
        s->unix_path = strdup(c->unix_path);
        if (asprintf(&s->lock_path, "%s.lock", c->unix_path) < 0)
            s->lock_path = NULL;
    }
    if (s->name == NULL || (c->unix_path != NULL && (s->unix_path == NULL || s->lock_path == NULL)))
        return gw_error_set(err, -ENOMEM, "out of memory");
    return 0;
}

static int load_pem(const char *file, char **ret, size_t *ret_bytes, struct gw_error *err)
{
    gnutls_datum_t data = { 0 };
    errno = 0;
    int r = gnutls_load_file(file, &data);
    if (r < 0)
        return gw_error_set(err, errno != 0 ? -errno : -EIO, "cannot read \"%s\": %s", file,
                            errno != 0 ? strerrordesc_np(errno) : gnutls_strerror(r));
    char *text = malloc((size_t)data.size + 1);
    if (text != NULL) {
        memcpy(text, data.data, data.size);
        text[data.size] = '\0';
        *ret = text;
        *ret_bytes = data.size;
    }
    gnutls_memset(data.data, 0, data.size); /* it may be a key */
    gnutls_free(data.data);
    return text != NULL ? 0 : gw_error_set(err, -ENOMEM, "out of memory");
}

static int load_tls(struct gw_http_server *s, struct gw_error *err)
{
    size_t cert_bytes = 0;
    struct gw_cert_info info;
    int r = load_pem(s->config.cert_file, &s->cert_pem, &cert_bytes, err);
    if (r == 0)
        r = gw_cert_read_pem(s->cert_pem, cert_bytes, &info, NULL, NULL, err);
    if (r == -EBADMSG)
        return gw_error_set(err, -EINVAL, "\"%s\": %s", s->config.cert_file, err->msg);
    if (r == 0)
        r = load_pem(s->config.key_file, &s->key_pem, &s->key_bytes, err);
    return r;
}

static int start_daemon(struct gw_http_server *s, struct gw_error *err)
{
    const struct gw_http_config *c = &s->config;
    const bool tls = c->unix_path == NULL;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    unsigned longest_ms = c->stall_ms > c->idle_ms ? c->stall_ms : c->idle_ms;
    /* That our own certificate is its CA only makes the library ask for the caller's. */
    struct MHD_OptionItem with_tls[] = {
        { MHD_OPTION_HTTPS_MEM_CERT, 0, s->cert_pem },
        { MHD_OPTION_HTTPS_MEM_KEY, 0, s->key_pem },
        { MHD_OPTION_HTTPS_MEM_TRUST, 0, s->cert_pem },
        { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)PRIORITIES },
        { MHD_OPTION_END, 0, NULL },
    };
    struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };
    s->daemon = MHD_start_daemon(
        flags | (tls ? MHD_USE_TLS : 0), 0, NULL, NULL, on_request, s, MHD_OPTION_EXTERNAL_LOGGER,
        on_log, s, MHD_OPTION_LISTEN_SOCKET, s->listen_fd, MHD_OPTION_CONNECTION_LIMIT,
        c->connections_max + CONNECTIONS_SPARE, MHD_OPTION_CONNECTION_TIMEOUT,
        (longest_ms + 999) / 1000, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)GW_HTTP_HEAD_BYTES_MAX, MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, s, MHD_OPTION_URI_LOG_CALLBACK, on_request_line,
        s, MHD_OPTION_UNESCAPE_CALLBACK, dont_unescape, s, MHD_OPTION_ARRAY, tls ? with_tls : none,
        MHD_OPTION_END);
    if (s->daemon != NULL)
        return 0;
    if (tls)
        return gw_error_set(err, -EINVAL,
                            "cannot serve %s: the library does not take the key in \"%s\" with the "
                            "certificate in \"%s\"",
                            s->name, c->key_file, c->cert_file);
    return gw_error_set(err, -EIO, "cannot serve %s: the HTTP library does not start", s->name);
}

static int start_parts(struct gw_http_server *s, struct gw_error *err)
{
    const bool tls = s->config.unix_path == NULL;
    int r = copy_names(s, err);
    if (r == 0 && tls)
        r = load_tls(s, err);
    if (r == 0)
        r = tls ? gw_http_listen_tcp(s, err) : gw_http_listen_unix(s, err);
    if (r < 0)
        return r;
    s->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->stop_fd < 0)
        return gw_error_errno(err, -errno, "cannot create an event");
    r = gw_http_workers_new(s->config.workers_max, s->config.waiting_max, run_job, &s->workers,
                            err);
    if (r == 0)
        r = gw_http_watch_start(s, err);
    if (r == 0)
        r = start_daemon(s, err);
    return r;
}

int gw_http_start(const struct gw_http_config *config, struct gw_http_server **ret,
                  struct gw_error *err)
{
    assert((config->unix_path != NULL) != (config->address != NULL));
    gw_http_routes_check(config->routes, config->n_routes);
    struct gw_http_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    take_config(s, config);
    s->lock_fd = s->listen_fd = s->stop_fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    gw_cond_init(&s->changed);
    json_object_seed(0); /* once, before there are threads that make objects */
    int r = start_parts(s, err);
    if (r < 0) {
        gw_http_stop(s);
        return r;
    }
    *ret = s;
    return 0;
}

const char *gw_http_address(const struct gw_http_server *server)
{
    return server->address_text;
}

/* Streams end by themselves: as disconnected ones would. */
static void end_streams(struct gw_http_server *s)
{
    LOCK_SCOPE(&s->lock);
    for (struct gw_http_conn *c = s->conns; c != NULL; c = c->next) {
        if (c->feed != NULL)
            gw_http_feed_end(c->feed);
    }
}

/* Replies that are on their way are waited for, briefly. */
static void wait_for_readers(struct gw_http_server *s)
{
    const uint64_t end_ns = gw_boot_ns() + GW_HTTP_STOP_MS * GW_NS_PER_MS;
    LOCK_SCOPE(&s->lock);
    while (s->n_busy > 0 && gw_boot_ns() < end_ns)
        gw_cond_wait_ms(&s->changed, &s->lock,
                        (unsigned)((end_ns - gw_boot_ns()) / GW_NS_PER_MS) + 1);
}

void gw_http_stop(struct gw_http_server *server)
{
    struct gw_http_server *s = server;
    if (s == NULL)
        return;
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    pthread_cond_broadcast(&s->changed);
    pthread_mutex_unlock(&s->lock);
    if (s->stop_fd >= 0)
        eventfd_write(s->stop_fd, 1); /* never read: it stays readable for everyone */
    if (s->daemon != NULL)
        MHD_quiesce_daemon(s->daemon);
    if (s->workers != NULL)
        gw_http_workers_stop(s->workers);
    end_streams(s);
    if (s->daemon != NULL) {
        wait_for_readers(s);
        /* Nothing is suspended any more: no handler runs, and a stream that has ended does not
         * wait. */
        MHD_stop_daemon(s->daemon);
    }
    gw_http_watch_stop(s);
    gw_http_unlisten(s);
    gw_cleanup_close(&s->stop_fd);
    gw_http_workers_free(s->workers);
    if (s->key_pem != NULL)
        gnutls_memset(s->key_pem, 0, s->key_bytes);
    free(s->key_pem);
    free(s->cert_pem);
    free(s->name);
    free(s->unix_path);
    free(s->lock_path);
    free(s->address_text);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
