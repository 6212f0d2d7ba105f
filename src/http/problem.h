// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Problem documents (RFC 9457): how every refusal and failure looks over HTTP.
 *
 *     {"type": "urn:godwit:problem:not-found", "title": "Not found", "status": 404,
 *      "detail": "there is no plan \"shp\"; did you mean \"shop\"?", "code": "ENOENT"}
 *
 * `type` is stable, for programs; `title` is its NAME in words; `detail` is the sentence, for
 * people; `code` is the errno name of a struct gw_error. More members belong to the type: guard,
 * way_out, errors.
 *
 * The name "outcome-unknown" has a meaning to every client: the server did something towards a
 * third party and does not know what became of it (GW_HTTP_UNKNOWN).
 *
 * Pure. Threads: no state.
 */
#pragma once

#include "base/error.h"

#include <jansson.h>
#include <stdbool.h>

#define GW_HTTP_PROBLEM_TYPE "application/problem+json"
#define GW_HTTP_PROBLEM_URN "urn:godwit:problem:"
#define GW_HTTP_PROBLEM_NAME_MAX 64

/* The usual status and name of a negative errno value: -ENOENT is 404 "not-found". */
struct gw_http_problem_kind {
    int status;
    const char *name;
};
struct gw_http_problem_kind gw_http_problem_kind(int code);

/* A new document. name: lower-case words with dashes. err may be NULL or without a sentence. NULL:
 * no memory. */
json_t *gw_http_problem_new(int status, const char *name, const struct gw_error *err);

/* What a client can tell of an answer that is not a success. */
struct gw_http_problem {
    char name[GW_HTTP_PROBLEM_NAME_MAX]; /* "" if the type is not one of ours */
    int code;                            /* negative errno: `code`, else by status */
    char detail[GW_ERROR_MSG_MAX];       /* never empty */
    bool unknown;                        /* the outcome is */
};

/*
 * Read the body of an answer with this status (any bytes; NULL or not a problem document is fine:
 * the status speaks then). *ret_document (may be NULL) is the document or NULL, to be given back
 * with json_decref.
 */
void gw_http_problem_read(int status, const char *body, size_t len, struct gw_http_problem *ret,
                          json_t **ret_document);

/* "Not Found" of 404. */
const char *gw_http_status_text(int status);
