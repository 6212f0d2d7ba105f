// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What goes: replies, set by handlers, sent by the loop. */
#include "http/json.h"
#include "http/problem.h"
#include "http/server_internal.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* The body only: headers stay. */
static void drop_body(struct gw_http_reply *reply)
{
    json_decref(reply->json);
    free(reply->bytes);
    gw_http_feed_unref(reply->feed);
    reply->json = NULL;
    reply->bytes = NULL;
    reply->feed = NULL;
    reply->n_bytes = 0;
    reply->status = 0;
    reply->failed = false;
}

void gw_http_reply_clear(struct gw_http_reply *reply)
{
    drop_body(reply);
    for (size_t i = 0; i < reply->n_headers; i++) {
        free(reply->headers[i].name);
        free(reply->headers[i].value);
    }
    reply->n_headers = 0;
}

int gw_http_reply_json(struct gw_http_call *call, int status, json_t *value)
{
    struct gw_http_reply *reply = &call->reply;
    drop_body(reply);
    reply->status = status;
    reply->json = value;
    reply->failed = value == NULL;
    snprintf(reply->content_type, sizeof reply->content_type, "application/json");
    return 0;
}

int gw_http_reply_bytes(struct gw_http_call *call, int status, const char *content_type,
                        const void *data, size_t len)
{
    struct gw_http_reply *reply = &call->reply;
    drop_body(reply);
    reply->status = status;
    reply->n_bytes = len;
    reply->bytes = malloc(len > 0 ? len : 1);
    reply->failed = reply->bytes == NULL;
    if (reply->bytes != NULL && len > 0)
        memcpy(reply->bytes, data, len);
    snprintf(reply->content_type, sizeof reply->content_type, "%s", content_type);
    return 0;
}

int gw_http_reply_text(struct gw_http_call *call, int status, const char *content_type,
                       const char *text)
{
    return gw_http_reply_bytes(call, status, content_type, text, strlen(text));
}

int gw_http_reply_empty(struct gw_http_call *call, int status)
{
    drop_body(&call->reply);
    call->reply.status = status;
    return 0;
}

/* What would end the header and begin another one is ours to keep out. */
static void make_fit(char *value)
{
    for (char *c = value; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = ' ';
    }
}

int gw_http_reply_header(struct gw_http_call *call, const char *name, const char *value)
{
    struct gw_http_reply *reply = &call->reply;
    size_t i = 0;
    while (i < reply->n_headers && strcasecmp(reply->headers[i].name, name) != 0)
        i++;
    assert(i < GW_HTTP_HEADERS_MAX);
    char *new_name = strdup(name), *new_value = strdup(value);
    if (new_name == NULL || new_value == NULL) {
        free(new_name);
        free(new_value);
        reply->failed = true;
        return 0;
    }
    make_fit(new_value);
    if (i < reply->n_headers) {
        free(reply->headers[i].name);
        free(reply->headers[i].value);
    } else {
        reply->n_headers++;
    }
    reply->headers[i].name = new_name;
    reply->headers[i].value = new_value;
    return 0;
}

int gw_http_reply_problem(struct gw_http_call *call, int status, const char *name,
                          const struct gw_error *err)
{
    gw_http_reply_json(call, status, gw_http_problem_new(status, name, err));
    snprintf(call->reply.content_type, sizeof call->reply.content_type, GW_HTTP_PROBLEM_TYPE);
    return 0;
}

int gw_http_reply_member(struct gw_http_call *call, const char *name, json_t *value)
{
    if (json_object_set_new(call->reply.json, name, value) < 0)
        call->reply.failed = true;
    return 0;
}

void gw_http_reply_error(struct gw_http_call *call, int code, const struct gw_error *err)
{
    struct gw_http_problem_kind kind = gw_http_problem_kind(code);
    struct gw_error why = { .code = code };
    if (err->code == code)
        why = *err;
    gw_http_reply_problem(call, kind.status, kind.name, &why);
}

bool gw_http_refuse(struct gw_http_call *call, int status, const char *name, const char *fmt, ...)
{
    struct gw_error why = { 0 };
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(why.msg, sizeof why.msg, fmt, ap);
    va_end(ap);
    gw_http_reply_problem(call, status, name, &why);
    return false;
}

const char *gw_http_reply_header_get(const struct gw_http_call *call, const char *name)
{
    for (size_t i = 0; i < call->reply.n_headers; i++) {
        if (strcasecmp(call->reply.headers[i].name, name) == 0)
            return call->reply.headers[i].value;
    }
    return NULL;
}

int gw_http_reply_status(const struct gw_http_call *call)
{
    return call->reply.status;
}

char *gw_http_reply_dump(const struct gw_http_call *call)
{
    return call->reply.json != NULL ? json_dumps(call->reply.json, JSON_COMPACT) : NULL;
}

/* ---- the loop's side ------------------------------------------------------------------------- */

static struct MHD_Response *make_body(struct gw_http_reply *reply)
{
    size_t len = reply->n_bytes;
    char *bytes = reply->bytes;
    if (reply->json != NULL) {
        bytes = json_dumps(reply->json, JSON_COMPACT);
        len = bytes != NULL ? strlen(bytes) : 0;
        if (bytes == NULL)
            return NULL;
    } else if (bytes == NULL) {
        return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    }
    struct MHD_Response *response =
        MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_FREE);
    if (response == NULL && reply->json != NULL)
        free(bytes);
    if (response != NULL)
        reply->bytes = NULL; /* the response's now */
    return response;
}

static struct MHD_Response *make_response(struct gw_http_call *call)
{
    struct gw_http_reply *reply = &call->reply;
    struct MHD_Response *response =
        reply->feed != NULL ? gw_http_feed_response(reply->feed, call->conn->mhd, call->conn->fd)
                            : make_body(reply);
    if (response == NULL)
        return NULL;
    if (reply->json != NULL || reply->n_bytes > 0 || reply->feed != NULL)
        MHD_add_response_header(response, "Content-Type", reply->content_type);
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    for (size_t i = 0; i < reply->n_headers; i++)
        MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
    return response;
}

enum MHD_Result gw_http_reply_send(struct gw_http_call *call)
{
    struct gw_http_reply *reply = &call->reply;
    if (reply->status == 0)
        reply->status = 204;
    if (reply->failed)
        gw_http_refuse(call, 500, "internal",
                       "what was done may have been done, but its answer cannot be made");
    struct MHD_Response *response = make_response(call);
    if (response == NULL)
        return MHD_NO;
    gw_http_conn_state(call->conn, GW_CONN_SENDING, 0, reply->feed);
    enum MHD_Result r = MHD_queue_response(call->conn->mhd, (unsigned)reply->status, response);
    MHD_destroy_response(response);
    return r;
}
