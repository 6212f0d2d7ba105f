// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Asking once: what the three kinds of check do, and what their answers mean. */
#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "work/command.h"
#include "work/fetch.h"
#include "work/health_internal.h"
#include "work/stop.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 3, 4))) static void answer(struct probe *p, enum gw_colour colour,
                                                         const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->text, sizeof p->text, fmt, ap);
    va_end(ap);
    gw_output_scrub(p->text);
    p->answer = colour;
}

/* ---- is it complete? ------------------------------------------------------------------------- */

/* "host:port", "[v6]:port": nothing that would make something else of a URL. */
static bool address_ok(const char *address)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon == address || strspn(colon + 1, "0123456789") != strlen(colon + 1))
        return false;
    long port = strtol(colon + 1, NULL, 10);
    size_t n = (size_t)(colon - address);
    bool bracket = address[0] == '[' && n > 2 && address[n - 1] == ']';
    for (size_t i = bracket ? 1 : 0; i < n - (bracket ? 1 : 0); i++) {
        char c = address[i];
        if (!isalnum((unsigned char)c) && strchr(bracket ? ":." : ".-_", c) == NULL)
            return false;
    }
    return port > 0 && port < 65536;
}

int gw_check_check(const struct gw_work_check *c, struct gw_error *err)
{
    switch (c->kind) {
    case GW_CHECK_TCP:
        if (c->address == NULL || !address_ok(c->address))
            return gw_error_set(err, -EINVAL, "tcp: \"%s\" is not host:port",
                                c->address != NULL ? c->address : "");
        return 0;
    case GW_CHECK_HTTP:
        if (c->url == NULL || !gw_fetch_url_ok(c->url))
            return gw_error_set(err, -EINVAL, "http: \"%s\" is not an http or https URL",
                                c->url != NULL ? c->url : "");
        if (c->expect != 0 && (c->expect < 100 || c->expect > 599))
            return gw_error_set(err, -EINVAL, "http: %u is not a status", c->expect);
        return 0;
    case GW_CHECK_EXEC:
        return gw_argv_check(c->argv, "exec", err);
    case GW_CHECK_KIND_MAX:
        break;
    }
    return gw_error_set(err, -EINVAL, "a check of no known kind");
}

void health_name(const struct gw_work_check *c, char *ret, size_t cap)
{
    const char *base;
    if (c->name != NULL) {
        snprintf(ret, cap, "%s", c->name);
    } else if (c->kind == GW_CHECK_TCP) {
        snprintf(ret, cap, "tcp %s", c->address != NULL ? c->address : "?");
    } else if (c->kind == GW_CHECK_HTTP) {
        /* Without what may be a secret: a password before the host, a query behind it. */
        const char *url = c->url != NULL ? c->url : "?", *host = strstr(url, "://");
        host = host != NULL ? host + 3 : url;
        size_t n = strcspn(host, "?#");
        const char *at = memchr(host, '@', n);
        snprintf(ret, cap, "http %.*s", (int)(at != NULL ? n - (size_t)(at + 1 - host) : n),
                 at != NULL ? at + 1 : host);
    } else {
        const char *path = c->argv != NULL && c->argv[0] != NULL ? c->argv[0] : "?";
        base = strrchr(path, '/');
        snprintf(ret, cap, "exec %s", base != NULL ? base + 1 : path);
    }
    gw_output_scrub(ret);
}

/* ---- the three kinds ------------------------------------------------------------------------- */

/* There was no answer: does that say anything about the service? */
static enum gw_colour colour_of_error(int code)
{
    bool says_no = code == -ETIMEDOUT || code == -ECONNREFUSED || code == -EPROTO || code == -EXDEV;
    return says_no ? GW_COLOUR_RED : GW_COLOUR_UNKNOWN;
}

static void probe_tcp(const struct gw_work_check *c, const struct gw_work *w, unsigned ms,
                      struct probe *p)
{
    struct gw_error err = { 0 };
    struct gw_fetch_result result;
    CLEANUP_FREE char *url = NULL;
    if (asprintf(&url, "http://%s", c->address) < 0) {
        url = NULL;
        answer(p, GW_COLOUR_UNKNOWN, "out of memory");
        return;
    }
    const struct gw_fetch f = {
        .url = url, .timeout_ms = ms, .stop_fd = w->stop_fd, .connect_only = true
    };
    int r = gw_fetch(&f, &result, &err);
    if (r < 0) {
        const char *why = strncmp(err.msg, "http://", 7) == 0 ? err.msg + 7 : err.msg;
        answer(p, colour_of_error(r), "%.*s", GW_WORK_TEXT_MAX - 1, why);
        return;
    }
    gw_fetch_result_done(&result);
    answer(p, GW_COLOUR_GREEN, "connected");
}

static bool has_body(const struct gw_fetch_result *r, const char *body)
{
    return body == NULL || memmem(r->body, r->body_len, body, strlen(body)) != NULL;
}

static void probe_http(const struct gw_work_check *c, const struct gw_work *w, unsigned ms,
                       struct probe *p)
{
    const unsigned expect = c->expect > 0 ? c->expect : 200;
    struct gw_error err = { 0 };
    struct gw_fetch_result result;
    const struct gw_fetch f = { .url = c->url,
                                .timeout_ms = ms,
                                .stop_fd = w->stop_fd,
                                .follow = expect < 300 || expect > 399 };
    int r = gw_fetch(&f, &result, &err);
    if (r < 0) {
        answer(p, colour_of_error(r), "%.*s", GW_WORK_TEXT_MAX - 1, err.msg);
        return;
    }
    if (result.status != expect)
        answer(p, GW_COLOUR_RED, "status %u (expected %u)", result.status, expect);
    else if (!has_body(&result, c->body))
        answer(p, GW_COLOUR_RED, "status %u, but the body does not hold \"%.100s\"%s",
               result.status, c->body, result.body_cut ? " in its first 64 KiB" : "");
    else
        answer(p, GW_COLOUR_GREEN, "status %u", result.status);
    gw_fetch_result_done(&result);
}

static void probe_exec(const struct gw_work_check *c, const struct gw_work *w, unsigned ms,
                       struct probe *p)
{
    char what[GW_WORK_NAME_MAX * 2];
    struct gw_error err = { 0 };
    health_name(c, what, sizeof what);
    const struct gw_work_command command = {
        .what = what, .argv = c->argv, .timeout_ms = ms, .only_looks = true
    };
    struct gw_child_result result;
    if (gw_command_run(&command, w, &result, &err) < 0) {
        answer(p, GW_COLOUR_UNKNOWN, "%.*s", GW_WORK_TEXT_MAX - 1, err.msg);
        return;
    }
    char text[GW_WORK_TEXT_MAX];
    gw_child_result_text(&result, text, sizeof text);
    bool broken = result.end == GW_CHILD_NOT_STARTED || result.end == GW_CHILD_CANCELLED;
    answer(p,
           gw_child_ok(&result) ? GW_COLOUR_GREEN
           : broken             ? GW_COLOUR_UNKNOWN
                                : GW_COLOUR_RED,
           "%s", text);
    gw_child_result_done(&result);
}

void health_probe(const struct gw_work_check *c, const struct gw_work *w, uint64_t end_ns,
                  struct probe *ret)
{
    const unsigned own_ms = c->timeout_ms > 0 ? c->timeout_ms : GW_CHECK_TIMEOUT_MS;
    const uint64_t begun = gw_boot_ns();
    const unsigned ms = GW_MIN(own_ms, gw_left_ms(end_ns));
    struct gw_error err = { 0 };
    *ret = (struct probe){ .answer = GW_COLOUR_UNKNOWN };
    if (gw_check_check(c, &err) < 0)
        answer(ret, GW_COLOUR_UNKNOWN, "%.*s", GW_WORK_TEXT_MAX - 1, err.msg);
    else if (gw_stop_wanted(w->stop_fd))
        answer(ret, GW_COLOUR_UNKNOWN, "cancelled");
    else if (c->kind == GW_CHECK_TCP)
        probe_tcp(c, w, ms, ret);
    else if (c->kind == GW_CHECK_HTTP)
        probe_http(c, w, ms, ret);
    else
        probe_exec(c, w, ms, ret);
    /* A wait that ended before the check's own time was over proves nothing. */
    if (ret->answer == GW_COLOUR_RED && ms < own_ms && gw_boot_ns() >= end_ns)
        ret->answer = GW_COLOUR_UNKNOWN;
    ret->took_ns = gw_boot_ns() - begun;
}
