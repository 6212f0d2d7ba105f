// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Inside of the client: handles, and one exchange over one of them.
 *
 * A handle is a libcurl easy handle with a multi handle of its own: the latter keeps the
 * connection, and can be woken up by another thread (cancel).
 */
#pragma once

#include "base/cleanup.h"
#include "http/client.h"

#include <curl/curl.h>
#include <stdatomic.h>

struct gw_http_handle {
    struct gw_http_handle *next; /* of all */
    CURL *easy;
    CURLM *multi;
    bool busy;
};

struct gw_http_client {
    struct gw_http_client_config config;
    char *address, *unix_path, *cert_file, *key_file, *ca_file, *peer; /* copies */
    const char *host; /* host:port, in address; NULL with unix_path */
    bool tls, pinned; /* not pinned: by ca_file and name */
    atomic_bool cancelled;
    pthread_mutex_t lock; /* innermost; guards handles and their busy */
    struct gw_http_handle *handles;
};

/* One request and what comes back. Lives on the stack of the caller. */
struct gw_http_exchange {
    struct gw_http_client *client;
    struct gw_http_handle *handle;
    struct curl_slist *headers;
    char *url;

    const char *body; /* NULL with body_bytes > 0: zeros */
    uint64_t body_bytes, body_pos;
    bool has_body;
    bool changes; /* not a GET: it must not be sent twice */
    bool again;   /* it would have been */

    struct gw_error refused; /* why we do not speak to this peer */
    bool connected;          /* it is the right one; the request goes out */
    uint64_t send_wall_ns, send_boot_ns;

    /* What comes: taken by `take`; not 0 ends it. */
    int (*take)(struct gw_http_exchange *x, const char *bytes, size_t len);
    void *take_ctx;
    size_t text_max, text_bytes, text_cap;
    char *text;
    bool headed, framed; /* the head of the answer is whole; it says where the answer ends */
    bool too_large, no_memory;
    uint64_t heard_ns; /* boot time of the last bytes */
    unsigned idle_ms;  /* 0: no limit */
    bool idled;
    CURLcode result;
    char why[CURL_ERROR_SIZE];
};

/* ---- client_curl.c --------------------------------------------------------------------------- */

/* Get a handle and set it up; path is what the request is for. Always followed by _end. */
int gw_http_exchange_begin(struct gw_http_exchange *x, struct gw_http_client *c, const char *method,
                           const char *path, unsigned timeout_ms, struct gw_error *err);
int gw_http_exchange_header(struct gw_http_exchange *x, const char *name, const char *value,
                            struct gw_error *err);
/* Do it: x->result says how it ended. */
void gw_http_exchange_run(struct gw_http_exchange *x);
/* Whether the server can have executed it. */
bool gw_http_exchange_was_sent(const struct gw_http_exchange *x);
/* Why there is no answer: a negative errno and a sentence. */
int gw_http_exchange_error(const struct gw_http_exchange *x, struct gw_error *err);
/* Whether what came back is an answer to its end. */
bool gw_http_exchange_is_whole(const struct gw_http_exchange *x);
int gw_http_exchange_status(const struct gw_http_exchange *x);
void gw_http_exchange_end(struct gw_http_exchange *x);
/* The `take` that keeps it all in text. */
int gw_http_exchange_keep(struct gw_http_exchange *x, const char *bytes, size_t len);
