// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "http/client.h"

#include "base/clock.h"
#include "http/client_internal.h"
#include "http/json.h"
#include "http/limits.h"
#include "http/problem.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define UNKNOWN "the outcome is UNKNOWN, look at the status before deciding anything"
#define UNIX_PREFIX "unix:"
#define TLS_PREFIX "https://"
#define PLAIN_PREFIX "http://"

const char *gw_http_outcome_name(enum gw_http_outcome outcome)
{
    switch (outcome) {
    case GW_HTTP_DONE:
        return "done";
    case GW_HTTP_REFUSED:
        return "refused";
    case GW_HTTP_NOT_SENT:
        return "not-sent";
    case GW_HTTP_UNKNOWN:
        return "unknown";
    }
    return "unknown";
}

/* ---- life ------------------------------------------------------------------------------------ */

static bool is_host_port(const char *address)
{
    const char *colon = strrchr(address, ':');
    return colon != NULL && colon > address && colon[1] != '\0' &&
           strspn(colon + 1, "0123456789") == strlen(colon + 1) &&
           strpbrk(address, "/?#@ \t\r\n") == NULL;
}

static bool copy_text(const char *text, char **ret)
{
    *ret = text != NULL ? strdup(text) : NULL;
    return text == NULL || *ret != NULL;
}

/* What follows the prefix; NULL: it does not begin with it. */
static const char *after(const char *text, const char *prefix)
{
    size_t len = strlen(prefix);
    return strncmp(text, prefix, len) == 0 ? text + len : NULL;
}

/* The kind of the address; c->host points into c->address. */
static int take_address(struct gw_http_client *c, struct gw_error *err)
{
    const char *unix_path = after(c->address, UNIX_PREFIX);
    if (unix_path != NULL)
        return copy_text(unix_path, &c->unix_path) ? 0
                                                   : gw_error_set(err, -ENOMEM, "out of memory");
    const char *secure = after(c->address, TLS_PREFIX), *plain = after(c->address, PLAIN_PREFIX);
    c->host = secure != NULL ? secure : plain != NULL ? plain : c->address;
    c->tls = plain == NULL;
    c->pinned = c->host == c->address;
    if (!is_host_port(c->host))
        return gw_error_set(err, -EINVAL,
                            "\"%.200s\" is not an address: HOST:PORT, https://HOST:PORT, "
                            "http://HOST:PORT or unix:PATH is",
                            c->address);
    if (secure != NULL && c->ca_file == NULL)
        return gw_error_set(err, -EINVAL,
                            "%.200s: whose signature its certificate must bear is not said (ca)",
                            c->address);
    return 0;
}

static int copy_config(struct gw_http_client *c, struct gw_error *err)
{
    const struct gw_http_client_config *config = &c->config;
    c->address = strdup(config->address);
    if (c->address == NULL || !copy_text(config->cert_file, &c->cert_file) ||
        !copy_text(config->key_file, &c->key_file) || !copy_text(config->ca_file, &c->ca_file) ||
        !copy_text(config->peer, &c->peer))
        return gw_error_set(err, -ENOMEM, "out of memory");
    return take_address(c, err);
}

int gw_http_client_new(const struct gw_http_client_config *config, struct gw_http_client **ret,
                       struct gw_error *err)
{
    struct gw_http_client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    c->config = *config;
    pthread_mutex_init(&c->lock, NULL);
    int r = copy_config(c, err);
    if (r < 0) {
        gw_http_client_free(c);
        return r;
    }
    *ret = c;
    return 0;
}

void gw_http_client_free(struct gw_http_client *c)
{
    if (c == NULL)
        return;
    for (struct gw_http_handle *h = c->handles, *next; h != NULL; h = next) {
        next = h->next;
        assert(!h->busy);
        curl_easy_cleanup(h->easy);
        curl_multi_cleanup(h->multi);
        free(h);
    }
    pthread_mutex_destroy(&c->lock);
    free(c->address);
    free(c->unix_path);
    free(c->cert_file);
    free(c->key_file);
    free(c->ca_file);
    free(c->peer);
    free(c);
}

void gw_http_client_cancel(struct gw_http_client *c)
{
    atomic_store(&c->cancelled, true);
    LOCK_SCOPE(&c->lock);
    for (struct gw_http_handle *h = c->handles; h != NULL; h = h->next)
        curl_multi_wakeup(h->multi);
}

/* ---- a call ---------------------------------------------------------------------------------- */

static void take_body(struct gw_http_exchange *x, const struct gw_http_request *request,
                      const char *json)
{
    x->has_body = strcmp(request->method, "GET") != 0 && strcmp(request->method, "DELETE") != 0;
    x->body = json != NULL ? json : request->body;
    x->body_bytes = json != NULL ? strlen(json) : request->body_bytes;
    if (request->zeros_bytes != 0)
        x->body_bytes = request->zeros_bytes;
    if (x->body == NULL && request->zeros_bytes == 0)
        x->body = "";
}

static int set_headers(struct gw_http_exchange *x, const struct gw_http_request *request,
                       struct gw_error *err)
{
    const char *type = request->content_type != NULL ? request->content_type : "application/json";
    int r = gw_http_exchange_header(x, "Accept", "application/json", err);
    if (r == 0 && x->has_body)
        r = gw_http_exchange_header(x, "Content-Type", type, err);
    for (size_t i = 0; i < request->n_headers && r == 0; i++)
        r = gw_http_exchange_header(x, request->headers[i].name, request->headers[i].value, err);
    return r;
}

static void copy_header(const struct gw_http_exchange *x, const char *name, char *ret, size_t size)
{
    struct curl_header *h;
    if (curl_easy_header(x->handle->easy, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK)
        snprintf(ret, size, "%s", h->value);
}

static void read_headers(const struct gw_http_exchange *x, struct gw_http_response *ret)
{
    char text[32] = "";
    copy_header(x, "ETag", ret->etag, sizeof ret->etag);
    copy_header(x, "Location", ret->location, sizeof ret->location);
    copy_header(x, "Content-Type", ret->content_type, sizeof ret->content_type);
    ret->content_type[strcspn(ret->content_type, "; ")] = '\0';
    copy_header(x, "Idempotent-Replay", text, sizeof text);
    ret->replayed = strcmp(text, "true") == 0;
    text[0] = '\0';
    copy_header(x, "Retry-After", text, sizeof text);
    ret->retry_after_s = (unsigned)strtoul(text, NULL, 10);
}

static bool is_json(const char *content_type)
{
    return strcmp(content_type, "application/json") == 0;
}

/* A whole answer has come. */
static int take_answer(struct gw_http_response *ret, struct gw_error *err)
{
    struct gw_http_problem problem;
    struct gw_error why = { 0 };
    if (ret->status >= 200 && ret->status < 400) {
        ret->outcome = GW_HTTP_DONE;
        if (!is_json(ret->content_type) ||
            gw_http_json_parse(ret->text, ret->text_bytes, 0, &ret->json, &why) == 0)
            return 0;
        ret->outcome = GW_HTTP_UNKNOWN;
        return gw_error_set(err, -EPROTO, "its answer is %s; " UNKNOWN, why.msg);
    }
    gw_http_problem_read(ret->status, ret->text, ret->text_bytes, &problem, &ret->json);
    snprintf(ret->problem, sizeof ret->problem, "%s", problem.name);
    ret->outcome = problem.unknown ? GW_HTTP_UNKNOWN : GW_HTTP_REFUSED;
    return gw_error_set(err, problem.code, "%s", problem.detail);
}

static int take_result(struct gw_http_exchange *x, struct gw_http_response *ret,
                       struct gw_error *err)
{
    struct gw_error why = { 0 };
    const char *whom = x->client->peer != NULL ? x->client->peer : x->client->address;
    ret->recv_wall_ns = gw_wall_ns();
    ret->send_wall_ns = x->send_wall_ns;
    ret->took_ns = x->connected ? gw_boot_ns() - x->send_boot_ns : 0;
    if (x->result == CURLE_OK && gw_http_exchange_is_whole(x)) {
        ret->status = gw_http_exchange_status(x);
        ret->text = x->text != NULL ? x->text : calloc(1, 1);
        ret->text_bytes = x->text_bytes;
        x->text = NULL;
        read_headers(x, ret);
        if (ret->text == NULL) {
            ret->outcome = GW_HTTP_UNKNOWN;
            return gw_error_set(err, -ENOMEM, "out of memory for the answer; " UNKNOWN);
        }
        int r = take_answer(ret, &why);
        if (r == 0)
            return 0;
        /* The sentence of a server that answered is its own. */
        return ret->problem[0] != '\0' ? gw_error_set(err, r, "%s", why.msg)
                                       : gw_error_set(err, r, "%s: %s", whom, why.msg);
    }
    bool sent = gw_http_exchange_was_sent(x);
    int r = gw_http_exchange_error(x, &why);
    ret->outcome = sent ? GW_HTTP_UNKNOWN : GW_HTTP_NOT_SENT;
    if (x->client->unix_path != NULL && !sent)
        return gw_error_set(err, r, "%s; nothing was done", why.msg);
    return gw_error_set(err, r, "%s%s%s%s: %s; %s", whom, x->client->peer != NULL ? " (" : "",
                        x->client->peer != NULL ? x->client->address : "",
                        x->client->peer != NULL ? ")" : "", why.msg,
                        sent ? UNKNOWN : "nothing was done");
}

int gw_http_client_call(struct gw_http_client *c, const struct gw_http_request *request,
                        struct gw_http_response *ret, struct gw_error *err)
{
    struct gw_http_exchange x = { .take = gw_http_exchange_keep };
    CLEANUP_FREE char *json = NULL;
    *ret = (struct gw_http_response){ .outcome = GW_HTTP_NOT_SENT };
    if (request->json != NULL) {
        json = json_dumps(request->json, JSON_COMPACT);
        if (json == NULL)
            return gw_error_set(err, -ENOMEM, "the request cannot be encoded; nothing was done");
    }
    take_body(&x, request, json);
    x.text_max =
        request->response_bytes_max != 0 ? request->response_bytes_max : GW_HTTP_RESPONSE_BYTES_MAX;
    int r = gw_http_exchange_begin(&x, c, request->method, request->path, request->timeout_ms, err);
    if (r == 0)
        r = set_headers(&x, request, err);
    if (r == 0) {
        gw_http_exchange_run(&x);
        r = take_result(&x, ret, err);
    }
    gw_http_exchange_end(&x);
    return r;
}

void gw_http_response_done(struct gw_http_response *r)
{
    json_decref(r->json);
    free(r->text);
    r->json = NULL;
    r->text = NULL;
}
