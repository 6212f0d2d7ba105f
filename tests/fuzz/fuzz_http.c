// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What strangers send over HTTP, decoded. First byte: a request target (and the route that it
 * finds), a body, the answer of a server, a stream of events, a certificate.
 */
#include "fuzz.h"
#include "http/cert.h"
#include "http/json.h"
#include "http/limits.h"
#include "http/problem.h"
#include "http/route.h"
#include "http/sse.h"

#include <errno.h>

static int never(struct gw_http_call *call, struct gw_error *err)
{
    return 0;
}

static const struct gw_http_route routes[] = {
    { "GET", "/api/v1/plans", never, 0, "status limit", "list" },
    { "PUT", "/api/v1/plans/{plan}", never, 0, NULL, "apply" },
    { "GET", "/api/v1/plans/check", never, 0, NULL, "literal" },
    { "POST", "/api/v1/plans/{plan}/actions/{action}", never, 0, NULL, "act" },
};

static void target(const char *text, size_t len)
{
    static struct gw_http_target t;
    struct gw_http_match match;
    struct gw_error err = { 0 };
    char allow[GW_HTTP_ALLOW_MAX];
    int r = gw_http_target_parse(text, len, &t, &err);
    if (r < 0) {
        FUZZ_CHECK_ERROR(r, &err);
        return;
    }
    for (size_t i = 0; i < t.n_segments; i++)
        FUZZ_CHECK(t.segments[i][0] != '\0' && strcmp(t.segments[i], "..") != 0);
    r = gw_http_route_find(routes, 4, "GET", &t, &match, allow, &err);
    if (r < 0) {
        FUZZ_CHECK_ERROR(r, &err);
        return;
    }
    for (size_t i = 0; i < match.n_params; i++) {
        /* What is decoded is the same when it is encoded and decoded again. */
        char *path = gw_http_path("/{}", match.params[i].value);
        static struct gw_http_target again;
        FUZZ_CHECK(path != NULL);
        if (strlen(path) < GW_HTTP_TARGET_BYTES_MAX) {
            FUZZ_CHECK(gw_http_target_parse(path, strlen(path), &again, &err) == 0);
            FUZZ_CHECK(strcmp(again.segments[0], match.params[i].value) == 0);
        }
        free(path);
    }
}

static void body(const char *text, size_t len)
{
    CLEANUP_HTTP_JSON json_t *j = NULL;
    struct gw_error err = { 0 };
    int r = gw_http_json_parse(text, len, GW_HTTP_VALUES_MAX, &j, &err);
    if (r < 0) {
        FUZZ_CHECK_ERROR(r, &err);
        FUZZ_CHECK(j == NULL);
        /* Whatever was sent, there is an answer to it, which says the same. */
        CLEANUP_HTTP_JSON json_t *problem = gw_http_problem_new(400, "bad-request", &err);
        char *answer = json_dumps(problem, 0);
        struct gw_http_problem p;
        FUZZ_CHECK(answer != NULL);
        gw_http_problem_read(400, answer, strlen(answer), &p, NULL);
        FUZZ_CHECK(p.code == r && p.detail[0] != '\0');
        free(answer);
        return;
    }
    const char *value = NULL;
    uint64_t number = 0;
    gw_http_json_text(j, "from", true, &value, &err);
    gw_http_json_u64(j, "protocol", false, &number, &err);
    if (json_is_object(j))
        gw_http_json_members(j, "from protocol request params", &err);
}

static void answer(const char *text, size_t len)
{
    struct gw_http_problem p;
    json_t *document = NULL;
    gw_http_problem_read(409, text, len, &p, &document);
    FUZZ_CHECK(p.code < 0 && p.detail[0] != '\0');
    FUZZ_CHECK(memchr(p.name, '\0', sizeof p.name) != NULL);
    FUZZ_CHECK(document == NULL || json_is_object(document));
    json_decref(document);
}

static int on_event(void *ctx, const char *id, const char *kind, const char *data)
{
    FUZZ_CHECK(strlen(id) < GW_SSE_NAME_MAX && (kind == NULL) == (data == NULL));
    FUZZ_CHECK(kind == NULL || (kind[0] != '\0' && strlen(data) <= GW_SSE_DATA_BYTES_MAX));
    return 0;
}

static void stream(const char *text, size_t len)
{
    struct gw_error err = { 0 };
    struct gw_sse *s = gw_sse_new(on_event, NULL);
    if (s == NULL)
        return;
    size_t half = len / 2;
    int r = gw_sse_feed(s, text, half, &err);
    if (r == 0)
        r = gw_sse_feed(s, text + half, len - half, &err);
    FUZZ_CHECK(r == 0 || r == -EMSGSIZE);
    gw_sse_free(s);
}

static void certificate(const char *text, size_t len)
{
    struct gw_cert_info info;
    struct gw_error err = { 0 };
    int r = gw_cert_read_der(text, len, &info, &err);
    if (r < 0)
        FUZZ_CHECK_ERROR(r, &err);
    r = gw_cert_read_pem(text, len, &info, NULL, NULL, &err);
    if (r < 0)
        FUZZ_CHECK_ERROR(r, &err);
    else
        FUZZ_CHECK(memchr(info.name, '\0', sizeof info.name) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = (char *)fuzz_copy(data + 1, size - 1);
    switch (data[0] % 5) {
    case 0:
        target(text, size - 1);
        break;
    case 1:
        body(text, size - 1);
        break;
    case 2:
        answer(text, size - 1);
        break;
    case 3:
        stream(text, size - 1);
        break;
    case 4:
        certificate(text, size - 1);
        break;
    }
    free(text);
    return 0;
}
