// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The calling end: HTTP over a unix socket; over TLS 1.3 to a pinned peer; or to somebody else's
 * server (a witness), over TLS by authority and name, or without.
 *
 * Outcomes, as of control sockets. A request runs in another process, so that four things can come
 * back, and only the first two are known:
 *   GW_HTTP_DONE      2xx: it was done; the answer is there
 *   GW_HTTP_REFUSED   it was refused or failed: the sentence is the server's, the problem document
 *                     is in json
 *   GW_HTTP_NOT_SENT  it was never executed: no connection, the wrong certificate, or it was not
 *                     sent whole (a server executes only what has arrived whole)
 *   GW_HTTP_UNKNOWN   it was sent, and what became of it is not known. It may still be running.
 * Look before anything else is decided; never treat it as done or as not done Nothing is ever sent
 * twice: no retry, also not on a connection that turned out to be dead. Every request that changes
 * something therefore gets a connection of its own or fails as UNKNOWN.
 *
 * Threads: a client may be used by many at once; each call blocks its own. Connections are kept and
 * reused. The process ignores SIGPIPE.
 */
#pragma once

#include "base/error.h"
#include "http/cert.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_http_client;

enum gw_http_outcome { GW_HTTP_DONE, GW_HTTP_REFUSED, GW_HTTP_NOT_SENT, GW_HTTP_UNKNOWN };
const char *gw_http_outcome_name(enum gw_http_outcome outcome); /* "unknown" */

struct gw_http_client_config {
    /* "unix:/run/godwit/api.sock"; "host:port": TLS to a pinned peer; "https://host:port": TLS by
     * ca_file and the host's name; "http://host:port". Copied. */
    const char *address;
    const char *cert_file, *key_file; /* TLS: our own, PEM */
    const char *ca_file; /* https: who may have signed its certificate, PEM; required */
    /* TLS: exactly this certificate, or none of what we have to say is said. */
    struct gw_cert_fingerprint pin;
    /* Instead of pin (pairing): is it this one? The check is the caller's: 0 or -EKEYREJECTED.
     * Called by the calling thread, before anything is sent. */
    int (*check)(void *ctx, const struct gw_cert_info *info, const uint8_t *der, size_t der_bytes,
                 struct gw_error *err);
    void *check_ctx;
    const char *peer;    /* whom we speak to, for sentences: "site lisbon"; NULL: the address */
    unsigned connect_ms; /* name, connection and TLS; 0: GW_HTTP_CLIENT_CONNECT_MS */
};

/* -EINVAL: an address. Files are looked at when connecting. */
int gw_http_client_new(const struct gw_http_client_config *config, struct gw_http_client **ret,
                       struct gw_error *err);
/* No call may be running. NULL is fine. */
void gw_http_client_free(struct gw_http_client *c);
/* Make every running call and every later one return at once (-ECANCELED; NOT_SENT or UNKNOWN). */
void gw_http_client_cancel(struct gw_http_client *c);

struct gw_http_header {
    const char *name, *value;
};

struct gw_http_request {
    const char *method; /* "GET", "POST", "PUT", "DELETE" */
    const char *path;   /* encoded, with the query: gw_http_path() of http/route.h */
    const json_t *json; /* the body, borrowed; or: */
    const void *body;
    size_t body_bytes;
    const char *content_type; /* of body; NULL: application/json */
    uint64_t zeros_bytes;     /* or: so many zeros (a measurement) */
    const struct gw_http_header *headers;
    size_t n_headers;
    unsigned timeout_ms;       /* for the whole of it; 0: for ever */
    size_t response_bytes_max; /* 0: GW_HTTP_RESPONSE_BYTES_MAX; more is UNKNOWN (-EMSGSIZE) */
};

struct gw_http_response {
    enum gw_http_outcome outcome;
    int status;   /* 0: no answer */
    json_t *json; /* NULL if the answer is not JSON */
    char *text;   /* as it came, with a NUL behind it; never NULL when status is not 0 */
    size_t text_bytes;
    char problem[64]; /* NAME of the problem's type, "" */
    char etag[128], location[256], content_type[64];
    bool replayed; /* Idempotent-Replay */
    unsigned retry_after_s;
    uint64_t send_wall_ns,
        recv_wall_ns; /* our clock around it: sending began, the answer was whole */
    uint64_t took_ns; /* between those two, by boot time */
};

/*
 * Call and wait. 0: DONE. Otherwise a negative errno and a sentence, and ret->outcome tells which
 * of the three it is: of REFUSED the code that the server gave, or one by the status. ret is filled
 * in either case and given back with gw_http_response_done. Codes of the others: -ENOENT,
 * -ECONNREFUSED (nobody serves the socket), -EHOSTUNREACH (name), -EKEYREJECTED (certificate),
 * -ETIMEDOUT, -ECONNRESET, -EPROTO (not HTTP), -EMSGSIZE, -ECANCELED.
 */
int gw_http_client_call(struct gw_http_client *c, const struct gw_http_request *request,
                        struct gw_http_response *ret, struct gw_error *err);
void gw_http_response_done(struct gw_http_response *r);

/* An event of a stream. Not 0: stop, and gw_http_client_events returns it. */
typedef int gw_http_event_fn(void *ctx, const char *id, const char *kind, const char *data);

/*
 * Follow a stream of events from last_id (NULL or "": from now) until fn says so, the server ends
 * it (0), or it fails (negative). idle_ms: nothing came for so long, not even a comment (0: three
 * times GW_HTTP_FEED_ALIVE_MS): -ETIMEDOUT. fn is also called with kind NULL for a comment, so that
 * who wants to stop can. Coming again with the last id that was seen is the caller's.
 */
int gw_http_client_events(struct gw_http_client *c, const char *path, const char *last_id,
                          unsigned idle_ms, gw_http_event_fn *fn, void *ctx, struct gw_error *err);
