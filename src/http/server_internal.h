// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Inside of the server: connections, calls and who holds them.
 *
 * A connection is born and dies in the event loop of libmicrohttpd (its "notify" functions), and a
 * call with it. Between, a call goes this way; each phase has one owner:
 *
 *     BEGUN      loop     the request line is there: routed, limits known
 *     RECEIVING  loop     the body comes
 *     HANDLING   worker   the connection is suspended: the loop does not look at it
 *     ANSWERED   loop     resumed: the reply is sent
 *
 * The watch thread closes connections whose request does not come in time, by shutdown() only, so
 * that the loop finds it out as a disconnect; it never touches a call.
 */
#pragma once

#include "base/cleanup.h"
#include "http/events_internal.h"
#include "http/server.h"
#include "http/workers.h"

#include <microhttpd.h>
#include <sys/stat.h>

enum gw_http_conn_state {
    GW_CONN_ARRIVING, /* a request is expected, or on its way */
    GW_CONN_IDLE,     /* kept open after a request */
    GW_CONN_HANDLING,
    GW_CONN_SENDING, /* a reply; a stream of events too */
};

/* Guarded by the server's lock, except mhd and fd, which do not change. */
struct gw_http_conn {
    struct gw_http_conn *next, *prev;
    struct gw_http_server *server;
    struct MHD_Connection *mhd;
    int fd;
    enum gw_http_conn_state state;
    uint64_t since_ns;
    unsigned arrive_ms;
    bool crowded;              /* one too many: it is told so */
    bool closing;              /* shut down by us */
    struct gw_http_feed *feed; /* while it streams; a reference */
};

enum gw_http_phase { GW_CALL_BEGUN, GW_CALL_RECEIVING, GW_CALL_HANDLING, GW_CALL_ANSWERED };

struct gw_http_reply {
    int status; /* 0: none */
    json_t *json;
    char *bytes;
    size_t n_bytes;
    char content_type[64];
    bool failed; /* it could not be made */
    size_t n_headers;
    struct {
        char *name, *value;
    } headers[GW_HTTP_HEADERS_MAX];
    struct gw_http_feed *feed; /* instead of a body; a reference */
};

struct gw_http_call {
    struct gw_http_job job; /* first */
    struct gw_http_server *server;
    struct gw_http_conn *conn;
    enum gw_http_phase phase;
    char method[16];
    struct gw_http_target target;
    struct gw_error target_error; /* code not 0: the target is none */
    struct gw_http_match match;
    struct gw_http_peer peer;
    char content_type[64];
    bool refused, cut; /* the reply is known; ... and the body is not waited for */
    char *body;
    size_t body_bytes, body_cap;
    uint64_t received_bytes;
    json_t *json;
    uint64_t arrived_boot_ns, arrived_wall_ns;
    bool gone;
    struct gw_http_reply reply;
};

struct gw_http_server {
    struct gw_http_config config; /* its texts are the caller's: for the start only */
    char *name, *unix_path, *lock_path, *address_text;
    char *key_pem, *cert_pem;
    size_t key_bytes;
    int lock_fd, listen_fd, stop_fd;
    struct stat socket_stat;
    bool bound, locked;
    struct MHD_Daemon *daemon;
    struct gw_http_workers *workers;
    pthread_t watcher;
    bool watching;

    pthread_mutex_t lock; /* after this only that of a hub of events */
    pthread_cond_t changed;
    struct gw_http_conn *conns;
    unsigned n_conns, n_busy; /* busy: handling or sending */
    bool stopping;
};

/* ---- listen.c: sockets ----------------------------------------------------------------------- */

int gw_http_listen_unix(struct gw_http_server *s, struct gw_error *err);
int gw_http_listen_tcp(struct gw_http_server *s, struct gw_error *err);
void gw_http_unlisten(struct gw_http_server *s);

/* ---- watch.c: connections, and the thread that closes late ones -------------------------------
 */

struct gw_http_conn *gw_http_conn_new(struct gw_http_server *s, struct MHD_Connection *mhd, int fd);
void gw_http_conn_free(struct gw_http_conn *c);
void gw_http_conn_state(struct gw_http_conn *c, enum gw_http_conn_state state, unsigned arrive_ms,
                        struct gw_http_feed *feed);
int gw_http_watch_start(struct gw_http_server *s, struct gw_error *err);
void gw_http_watch_stop(struct gw_http_server *s);

/* ---- body.c: what comes -----------------------------------------------------------------------
 */

/* Look at the headers of the request; false: it is refused (the reply is set). */
bool gw_http_body_begin(struct gw_http_call *call);
/* Take some of it. False: the connection is to be cut. */
bool gw_http_body_take(struct gw_http_call *call, const char *data, size_t len);
/* All is there: decode it. False: refused. */
bool gw_http_body_end(struct gw_http_call *call);

/* ---- reply.c: what goes -----------------------------------------------------------------------
 */

void gw_http_reply_clear(struct gw_http_reply *reply);
/* The problem document of an error that a handler (or a check) returned. */
void gw_http_reply_error(struct gw_http_call *call, int code, const struct gw_error *err);
/* Refuse with a sentence and no errno. Returns false, for the functions of body.c. */
bool gw_http_refuse(struct gw_http_call *call, int status, const char *name, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* Hand it to the loop. */
enum MHD_Result gw_http_reply_send(struct gw_http_call *call);
