// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Idempotency-Key: the same request again gets the answer of the first time. */
#include "base/clock.h"
#include "base/hash.h"
#include "catalog/idempotency.h"
#include "http/keys.h"
#include "http/problem.h"
#include "site/actions.h"
#include "site/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_LIFE_NS (24ull * 3600 * GW_NS_PER_S)

static int key_begin(void *ctx, const char *who, const char *key, const char *request,
                     struct gw_http_key_record *ret, struct gw_error *err)
{
    struct site *s = ctx;
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_answer a = { 0 };
    uint64_t now = gw_wall_ns();
    int r = gw_catalog_idempotency_begin(s->catalog, who, key, request, now, now + KEY_LIFE_NS,
                                         &mem, &a, err);
    snprintf(ret->request, sizeof ret->request, "%s", request);
    if (r == -EBADMSG) { /* the same key, another request: make the two differ */
        ret->request[0] = '\0';
        ret->state = GW_HTTP_KEY_DONE;
        return 0;
    }
    if (r < 0 && r != -EINPROGRESS)
        return r;
    ret->state = r == 0 ? GW_HTTP_KEY_NEW : r == 1 ? GW_HTTP_KEY_DONE : GW_HTTP_KEY_RUNNING;
    if (r == 1) {
        ret->status = (int)a.status;
        ret->body = a.body[0] != '\0' ? strdup(a.body) : NULL;
        ret->location = a.location != NULL ? strdup(a.location) : NULL;
    }
    return 0;
}

static int key_end(void *ctx, const char *who, const char *key, int status, const char *body,
                   const char *location, struct gw_error *err)
{
    struct site *s = ctx;
    const struct gw_catalog_answer a = { .status = (uint64_t)status,
                                         .body = body != NULL ? body : "",
                                         .location = location };
    return gw_catalog_idempotency_end(s->catalog, who, key, &a, err);
}

static int key_forget(void *ctx, const char *who, const char *key, struct gw_error *err)
{
    struct site *s = ctx;
    return gw_catalog_idempotency_abandon(s->catalog, who, key, err);
}

json_t *site_api_params(const struct gw_http_call *call, int64_t uid)
{
    const json_t *body = gw_http_call_json(call);
    const char *key = gw_http_call_header(call, "Idempotency-Key");
    json_t *params = json_is_object(body) ? json_copy((json_t *)(uintptr_t)body) : json_object();
    if (params == NULL || key == NULL)
        return params;
    /* Keys of different people have nothing to do with each other. */
    struct gw_hash128 h = gw_hash128(key, strlen(key), (uint64_t)uid);
    json_object_set_new(
        params, SITE_ONCE,
        json_sprintf("%016llx%016llx", (unsigned long long)h.hi, (unsigned long long)h.lo));
    return params;
}

int site_api_once(struct gw_http_call *call, gw_http_fn *fn, struct gw_error *err)
{
    const struct gw_http_key_store store = {
        .ctx = site_api_site(call), .begin = key_begin, .end = key_end, .forget = key_forget
    };
    int r = gw_http_key_begin(call, &store, err);
    if (r != 0)
        return r < 0 ? r : 0;
    r = fn(call, err);
    if (r < 0) { /* the problem becomes the stored reply as well: it has to be set first */
        struct gw_http_problem_kind kind = gw_http_problem_kind(r);
        gw_http_reply_problem(call, kind.status, kind.name, err);
    }
    gw_http_key_end(call, &store, err);
    return 0;
}
