// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "http/route.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "http/json.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define METHODS "GET POST PUT DELETE"
#define PATHS_BYTES_MAX 8192u

/* The next segment of a pattern at *p ("/a/{b}"): its length without the slash, 0 at the end. */
static size_t next_segment(const char **p, const char **ret)
{
    if (**p != '/')
        return 0;
    *ret = ++*p;
    size_t n = strcspn(*p, "/");
    *p += n;
    return n;
}

static bool is_param(const char *segment, size_t len)
{
    return len > 2 && segment[0] == '{' && segment[len - 1] == '}';
}

/* How well the pattern fits: -1 not at all, else the number of literal segments. */
static int fit(const char *pattern, const struct gw_http_target *target, struct gw_http_match *ret)
{
    int literals = 0;
    const char *s;
    ret->n_params = 0;
    for (size_t i = 0;; i++) {
        size_t n = next_segment(&pattern, &s);
        if (n == 0 || i == target->n_segments)
            return n == 0 && i == target->n_segments ? literals : -1;
        if (is_param(s, n)) {
            ret->params[ret->n_params++] = (struct gw_http_param){ .name = s + 1,
                                                                   .name_len = n - 2,
                                                                   .value = target->segments[i] };
        } else if (strlen(target->segments[i]) == n && memcmp(target->segments[i], s, n) == 0) {
            literals++;
        } else {
            return -1;
        }
    }
}

static bool method_fits(const char *of_route, const char *method)
{
    return strcmp(of_route, method) == 0 ||
           (strcmp(of_route, "GET") == 0 && strcmp(method, "HEAD") == 0);
}

static void add_method(char allow[GW_HTTP_ALLOW_MAX], const char *method)
{
    size_t at = strlen(allow);
    if (strstr(allow, method) != NULL)
        return;
    snprintf(allow + at, GW_HTTP_ALLOW_MAX - at, "%s%s%s", at > 0 ? ", " : "", method,
             strcmp(method, "GET") == 0 ? ", HEAD" : "");
}

/*
 * The pattern of a route with the target's segments for its parameters, so that "/plan/shop" is
 * near to "/plans/{plan}" as "/plans/shop". No blanks: these are separators of a list of words.
 */
static size_t write_likely(const char *pattern, const struct gw_http_target *target, char *to,
                           size_t size)
{
    size_t used = 0;
    const char *s;
    for (size_t i = 0;; i++) {
        size_t n = next_segment(&pattern, &s);
        if (n == 0)
            return used;
        if (is_param(s, n) && i < target->n_segments &&
            strpbrk(target->segments[i], " /?&%") == NULL) {
            s = target->segments[i];
            n = strlen(s);
        }
        if (used + n + 2 > size)
            return 0;
        to[used++] = '/';
        memcpy(to + used, s, n);
        used += n;
        to[used] = '\0';
    }
}

static int not_found(const struct gw_http_route *routes, size_t n_routes,
                     const struct gw_http_target *target, struct gw_error *err)
{
    CLEANUP_FREE char *paths = calloc(1, PATHS_BYTES_MAX);
    char near[128];
    size_t used = 0;
    for (size_t i = 0; paths != NULL && i < n_routes && used + 2 < PATHS_BYTES_MAX; i++) {
        size_t n = write_likely(routes[i].path, target, paths + used, PATHS_BYTES_MAX - used - 1);
        if (n > 0) {
            used += n;
            paths[used++] = ' ';
            paths[used] = '\0';
        }
    }
    if (paths != NULL && gw_http_near_miss(target->path, paths, near, sizeof near))
        return gw_error_set(err, -ENOENT, "there is no %.200s; did you mean %s?", target->path,
                            near);
    return gw_error_set(err, -ENOENT, "there is no %.200s", target->path);
}

static int check_query(const struct gw_http_route *route, const struct gw_http_target *target,
                       struct gw_error *err)
{
    const char *allowed = route->query != NULL ? route->query : "";
    for (size_t i = 0; i < target->n_queries; i++) {
        const char *name = target->queries[i].name;
        if (!gw_http_has_word(allowed, name))
            return gw_error_set(err, -EINVAL, "unknown query parameter \"%.64s\"; possible are: %s",
                                name, allowed[0] != '\0' ? allowed : "none");
    }
    return 0;
}

int gw_http_route_find(const struct gw_http_route *routes, size_t n_routes, const char *method,
                       const struct gw_http_target *target, struct gw_http_match *ret,
                       char ret_allow[GW_HTTP_ALLOW_MAX], struct gw_error *err)
{
    int best = -1;
    ret->route = NULL;
    ret_allow[0] = '\0';
    for (size_t i = 0; i < n_routes; i++) {
        struct gw_http_match match;
        int literals = fit(routes[i].path, target, &match);
        if (literals < 0)
            continue;
        add_method(ret_allow, routes[i].method);
        if (literals > best && method_fits(routes[i].method, method)) {
            best = literals;
            match.route = &routes[i];
            *ret = match;
        }
    }
    if (ret->route != NULL)
        return check_query(ret->route, target, err);
    if (ret_allow[0] != '\0')
        return gw_error_set(err, -EOPNOTSUPP, "%.200s does not take %.16s; it takes: %s",
                            target->path, method, ret_allow);
    return not_found(routes, n_routes, target, err);
}

static void check_pattern(const char *path)
{
    const char *p = path, *s;
    size_t n, segments = 0;
    assert(path[0] == '/');
    while ((n = next_segment(&p, &s)) > 0) {
        assert(is_param(s, n) || memchr(s, '{', n) == NULL);
        segments++;
    }
    assert(*p == '\0' && segments <= GW_HTTP_SEGMENTS_MAX);
}

void gw_http_routes_check(const struct gw_http_route *routes, size_t n_routes)
{
    for (size_t i = 0; i < n_routes; i++) {
        const struct gw_http_route *r = &routes[i];
        assert(r->fn != NULL && r->summary != NULL);
        assert(strstr(METHODS, r->method) != NULL);
        check_pattern(r->path);
        for (size_t k = 0; k < i; k++)
            assert(strcmp(r->path, routes[k].path) != 0 ||
                   strcmp(r->method, routes[k].method) != 0);
    }
}

static bool is_plain(char c)
{
    return isalnum((unsigned char)c) || strchr("-._~", c) != NULL;
}

/* Percent-encode into to (3 bytes for each of text); returns what was written. */
static size_t encode(const char *text, char *to)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t used = 0;
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (is_plain(*text)) {
            to[used++] = *text;
        } else {
            to[used++] = '%';
            to[used++] = digits[c >> 4];
            to[used++] = digits[c & 15];
        }
    }
    return used;
}

char *gw_http_path_fill(const char *pattern, const char *const *values, size_t n_values)
{
    size_t bytes = strlen(pattern) + 1, used = 0, next = 0;
    for (size_t i = 0; i < n_values; i++)
        bytes += 3 * strlen(values[i]);
    char *path = malloc(bytes);
    if (path == NULL)
        return NULL;
    for (const char *p = pattern; *p != '\0'; p++) {
        if (p[0] == '{' && p[1] == '}') {
            assert(next < n_values);
            used += encode(values[next++], path + used);
            p++;
        } else {
            path[used++] = *p;
        }
    }
    assert(next == n_values);
    path[used] = '\0';
    return path;
}
