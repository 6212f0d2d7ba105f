// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Safe repetition and lost updates: Idempotency-Key, and ETag with If-Match. Storage is the
 * caller's.
 *
 * A handler of an action:
 *
 *     r = gw_http_key_begin(call, &store, err);
 *     if (r != 0)
 *         return r < 0 ? r : 0;       answered from the store, or refused
 *     ... do it, set the reply ...
 *     return gw_http_key_end(call, &store, err);
 *
 * Threads: those of the handlers; begin() of the store decides between two at once.
 */
#pragma once

#include "base/error.h"
#include "http/call.h"
#include "http/limits.h"

#include <stdint.h>

enum gw_http_key_state {
    GW_HTTP_KEY_NEW,     /* it was not there: it is now, as running */
    GW_HTTP_KEY_RUNNING, /* the first request with it has not been answered yet */
    GW_HTTP_KEY_DONE,    /* its reply is known */
};

/* What is kept of a key. */
struct gw_http_key_record {
    char request[65]; /* hex SHA-256 of who, method, path, query and body: the same key for another
                         request is a mistake */
    enum gw_http_key_state state;
    int status;     /* DONE */
    char *body;     /* DONE: JSON text, malloc'd by the store; NULL: none */
    char *location; /* DONE: as body; NULL: none */
};

struct gw_http_key_store {
    void *ctx;
    /*
     * Atomically: if `key` (of `who`) is not there, insert it as RUNNING with `request` and give
     * back NEW; else give back what is there. 0 or a negative errno.
     */
    int (*begin)(void *ctx, const char *who, const char *key, const char *request,
                 struct gw_http_key_record *ret, struct gw_error *err);
    /* The reply is known. body and location may be NULL. */
    int (*end)(void *ctx, const char *who, const char *key, int status, const char *body,
               const char *location, struct gw_error *err);
    /* It was refused before anything was done: forget the key, so that it can be tried again. */
    int (*forget)(void *ctx, const char *who, const char *key, struct gw_error *err);
};

/*
 * 0: do it (there is no key, or it is new). 1: the reply is set: the stored one (with the header
 * Idempotent-Replay: true), 409 "key-running", or 422 "key-reused". Negative: 400 for a malformed
 * key, or the store's failure.
 */
int gw_http_key_begin(struct gw_http_call *call, const struct gw_http_key_store *store,
                      struct gw_error *err);
/* Store the reply that was set: if it is a refusal (4xx) the key is forgotten. 0, also without a
 * key; a store that fails is logged, for what was done is done. */
int gw_http_key_end(struct gw_http_call *call, const struct gw_http_key_store *store,
                    struct gw_error *err);

/* Set the ETag of a reply: etag without quotes. */
int gw_http_reply_etag(struct gw_http_call *call, const char *etag);
/*
 * Is the client's If-Match the resource's etag (NULL: there is no such resource yet)? 0 and false
 * in *ret_present without the header; -ESTALE (412) with what it is now; -EINVAL: not an etag.
 */
int gw_http_if_match(struct gw_http_call *call, const char *etag, bool *ret_present,
                     struct gw_error *err);
/* A GET with If-None-Match that is still true: the reply is set to 304 and this returns true. */
bool gw_http_not_modified(struct gw_http_call *call, const char *etag);
