// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "work/fetch.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "work/command.h"
#include "work/limits.h"
#include "work/stop.h"

#include <curl/curl.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
    curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* ---- addresses ------------------------------------------------------------------------------- */

struct origin {
    char *scheme, *host, *port;
};

static void origin_done(struct origin *o)
{
    curl_free(o->scheme);
    curl_free(o->host);
    curl_free(o->port);
}

static bool origin_of(const char *url, struct origin *ret)
{
    *ret = (struct origin){ NULL, NULL, NULL };
    CURLU *u = curl_url();
    if (u == NULL)
        return false;
    bool ok = curl_url_set(u, CURLUPART_URL, url, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_SCHEME, &ret->scheme, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_HOST, &ret->host, 0) == CURLUE_OK &&
              curl_url_get(u, CURLUPART_PORT, &ret->port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    curl_url_cleanup(u);
    if (!ok)
        origin_done(ret);
    return ok;
}

bool gw_fetch_url_ok(const char *url)
{
    struct origin o;
    if (!origin_of(url, &o))
        return false;
    bool ok = strcmp(o.scheme, "http") == 0 || strcmp(o.scheme, "https") == 0;
    origin_done(&o);
    return ok;
}

void gw_fetch_origin(const char *url, char *ret, size_t cap)
{
    struct origin o;
    if (!origin_of(url, &o)) {
        snprintf(ret, cap, "?");
        return;
    }
    snprintf(ret, cap, "%s://%s:%s", o.scheme, o.host, o.port);
    origin_done(&o);
}

static bool same_origin(const char *a, const char *b)
{
    struct origin x, y;
    if (!origin_of(a, &x))
        return false;
    bool same = origin_of(b, &y);
    if (same) {
        same = strcmp(x.scheme, y.scheme) == 0 && strcasecmp(x.host, y.host) == 0 &&
               strcmp(x.port, y.port) == 0;
        origin_done(&y);
    }
    origin_done(&x);
    return same;
}

/* ---- one exchange ---------------------------------------------------------------------------- */

struct exchange {
    const struct gw_fetch *f;
    const char *url;
    uint64_t deadline_ns;
    CURL *easy;
    CURLM *multi;
    struct curl_slist *headers;
    struct gw_fetch_result *result;
    char origin[GW_WORK_TEXT_MAX];
};

static size_t take_body(char *data, size_t size, size_t n, void *ctx)
{
    struct exchange *x = ctx;
    size_t len = size * n, room = GW_FETCH_BODY_BYTES - x->result->body_len;
    size_t take = GW_MIN(len, room);
    memcpy(x->result->body + x->result->body_len, data, take);
    x->result->body_len += take;
    x->result->body[x->result->body_len] = '\0';
    if (take < len)
        x->result->body_cut = true;
    return take; /* less than there was: curl gives up, and attend() knows why */
}

static int failure(const struct exchange *x, CURLcode code, struct gw_error *err)
{
    int r = -EPROTO;
    if (code == CURLE_OPERATION_TIMEDOUT)
        r = -ETIMEDOUT;
    else if (code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_RESOLVE_PROXY)
        r = -ENXIO;
    else if (code == CURLE_COULDNT_CONNECT)
        r = -ECONNREFUSED;
    else if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL)
        r = -EINVAL;
    else if (code == CURLE_OUT_OF_MEMORY)
        r = -ENOMEM;
    if (r == -ETIMEDOUT)
        return gw_error_set(err, r, "%s: no answer within %u ms", x->origin, x->f->timeout_ms);
    long os = 0;
    curl_easy_getinfo(x->easy, CURLINFO_OS_ERRNO, &os);
    if (r == -ECONNREFUSED && os != 0)
        return gw_error_set(err, r, "%s: %s", x->origin, strerrordesc_np((int)os));
    return gw_error_set(err, r, "%s: %s", x->origin, curl_easy_strerror(code));
}

/* Until it is over; *ret_code is curl's verdict. */
static int attend(struct exchange *x, CURLcode *ret_code, struct gw_error *err)
{
    for (;;) {
        int running = 0, left;
        CURLMcode m = curl_multi_perform(x->multi, &running);
        if (m != CURLM_OK)
            return gw_error_set(err, -EIO, "%s: %s", x->origin, curl_multi_strerror(m));
        CURLMsg *msg = running == 0 ? curl_multi_info_read(x->multi, &left) : NULL;
        if (msg != NULL) {
            *ret_code = msg->data.result;
            return 0;
        }
        if (gw_boot_ns() >= x->deadline_ns) {
            *ret_code = CURLE_OPERATION_TIMEDOUT;
            return 0;
        }
        struct curl_waitfd stop = { .fd = x->f->stop_fd, .events = CURL_WAIT_POLLIN };
        unsigned ms = GW_MIN(gw_left_ms(x->deadline_ns), 60000u);
        curl_multi_poll(x->multi, &stop, x->f->stop_fd >= 0 ? 1 : 0, (int)ms, NULL);
        if (gw_stop_wanted(x->f->stop_fd))
            return gw_error_set(err, -ECANCELED, "%s: cancelled", x->origin);
    }
}

static void set_options(struct exchange *x)
{
    CURL *e = x->easy;
    curl_easy_setopt(e, CURLOPT_URL, x->url);
    curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L); /* do not wait for a name server when cancelled */
    curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)gw_left_ms(x->deadline_ns));
    curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)gw_left_ms(x->deadline_ns));
    curl_easy_setopt(e, CURLOPT_USERAGENT, "godwit");
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, x);
    curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
    if (!x->f->may_proxy)
        curl_easy_setopt(e, CURLOPT_PROXY, "");
    if (x->f->connect_only)
        curl_easy_setopt(e, CURLOPT_CONNECT_ONLY, 1L);
    if (x->f->post_json != NULL) {
        x->headers = curl_slist_append(NULL, "Content-Type: application/json");
        curl_easy_setopt(e, CURLOPT_HTTPHEADER, x->headers);
        curl_easy_setopt(e, CURLOPT_POSTFIELDS, x->f->post_json);
        curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE, (long)strlen(x->f->post_json));
    }
}

/* *ret_next: where the answer points to, malloc'ed; NULL if nowhere. */
static int exchange(struct exchange *x, char **ret_next, struct gw_error *err)
{
    CURLcode code = CURLE_OK;
    char *next = NULL;
    long status = 0;
    x->result->body_len = 0;
    x->result->body[0] = '\0';
    set_options(x);
    curl_multi_add_handle(x->multi, x->easy);
    int r = attend(x, &code, err);
    if (r == 0 && code != CURLE_OK && !(code == CURLE_WRITE_ERROR && x->result->body_cut))
        r = failure(x, code, err);
    if (r == 0) {
        curl_easy_getinfo(x->easy, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(x->easy, CURLINFO_REDIRECT_URL, &next);
        x->result->status = (unsigned)status;
        *ret_next = next != NULL ? strdup(next) : NULL;
    }
    curl_multi_remove_handle(x->multi, x->easy);
    curl_slist_free_all(x->headers);
    x->headers = NULL;
    return r;
}

static int one(const struct gw_fetch *f, const char *url, uint64_t deadline_ns,
               struct gw_fetch_result *result, char **ret_next, struct gw_error *err)
{
    struct exchange x = { .f = f, .url = url, .deadline_ns = deadline_ns, .result = result };
    gw_fetch_origin(url, x.origin, sizeof x.origin);
    x.easy = curl_easy_init();
    x.multi = curl_multi_init();
    int r;
    if (x.easy == NULL || x.multi == NULL)
        r = gw_error_set(err, -ENOMEM, "out of memory");
    else
        r = exchange(&x, ret_next, err);
    curl_easy_cleanup(x.easy);
    curl_multi_cleanup(x.multi);
    return r;
}

/* With redirects, where they are wanted. */
static int hops(const struct gw_fetch *f, struct gw_fetch_result *result, struct gw_error *err)
{
    const uint64_t deadline_ns = gw_boot_ns() + f->timeout_ms * GW_NS_PER_MS;
    CLEANUP_FREE char *url = strdup(f->url);
    for (unsigned hop = 0; url != NULL; hop++) {
        CLEANUP_FREE char *next = NULL;
        int r = one(f, url, deadline_ns, result, &next, err);
        if (r < 0 || next == NULL || !f->follow)
            return r;
        char origin[GW_WORK_TEXT_MAX];
        gw_fetch_origin(next, origin, sizeof origin);
        if (!same_origin(url, next))
            return gw_error_set(err, -EXDEV, "status %u, redirected to another host (%s)",
                                result->status, origin);
        if (hop == GW_FETCH_HOPS_MAX)
            return gw_error_set(err, -EPROTO, "%s: more than %u redirects", origin,
                                GW_FETCH_HOPS_MAX);
        char *old = url;
        url = next;
        next = old;
    }
    return gw_error_set(err, -ENOMEM, "out of memory");
}

int gw_fetch(const struct gw_fetch *f, struct gw_fetch_result *ret, struct gw_error *err)
{
    pthread_once(&once, init_curl);
    struct gw_fetch_result result = { .body = malloc(GW_FETCH_BODY_BYTES + 1) };
    if (result.body == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    if (!gw_fetch_url_ok(f->url)) {
        gw_fetch_result_done(&result);
        return gw_error_set(err, -EINVAL, "not an http or https URL");
    }
    int r = hops(f, &result, err);
    if (r < 0) {
        gw_fetch_result_done(&result);
        return r;
    }
    *ret = result;
    return 0;
}

void gw_fetch_result_done(struct gw_fetch_result *r)
{
    free(r->body);
    r->body = NULL;
}
