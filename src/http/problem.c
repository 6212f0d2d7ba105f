// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "http/problem.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "http/json.h"

#include <ctype.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdio.h>
#include <string.h>

#define ERRNO_MAX 4095

struct gw_http_problem_kind gw_http_problem_kind(int code)
{
    static const struct {
        int code;
        struct gw_http_problem_kind kind;
    } table[] = {
        { -EINVAL, { 400, "bad-request" } },
        { -EBADMSG, { 400, "bad-request" } },
        { -ENAMETOOLONG, { 400, "bad-request" } },
        { -ERANGE, { 400, "bad-request" } },
        { -EPROTONOSUPPORT, { 400, "protocol-version" } },
        { -EPERM, { 403, "forbidden" } },
        { -EACCES, { 403, "forbidden" } },
        { -EKEYREJECTED, { 403, "certificate" } },
        { -ENOENT, { 404, "not-found" } },
        { -EEXIST, { 409, "exists" } },
        { -EBUSY, { 409, "conflict" } },
        { -EALREADY, { 409, "conflict" } },
        { -ESTALE, { 412, "precondition-failed" } },
        { -EMSGSIZE, { 413, "too-large" } },
        { -E2BIG, { 413, "too-large" } },
        { -ENOSYS, { 501, "not-implemented" } },
        { -EOPNOTSUPP, { 501, "not-implemented" } },
        { -EAGAIN, { 503, "unavailable" } },
        { -EHOSTUNREACH, { 503, "peer-unreachable" } },
        { -ECONNREFUSED, { 503, "peer-unreachable" } },
        { -ENETUNREACH, { 503, "peer-unreachable" } },
        { -ENOSPC, { 507, "no-space" } },
        /* As of control sockets: with these codes nobody knows what became of it. */
        { -ETIMEDOUT, { 504, "outcome-unknown" } },
        { -ECONNRESET, { 504, "outcome-unknown" } },
        { -EPROTO, { 504, "outcome-unknown" } },
        { -ECANCELED, { 504, "outcome-unknown" } },
    };
    for (size_t i = 0; i < GW_ARRAY_SIZE(table); i++) {
        if (table[i].code == code)
            return table[i].kind;
    }
    return (struct gw_http_problem_kind){ 500, "internal" };
}

const char *gw_http_status_text(int status)
{
    const char *text = status > 0 ? MHD_get_reason_phrase_for((unsigned)status) : NULL;
    return text != NULL ? text : "Unknown";
}

/* "not-found" as people write it: "Not found". */
static void title_of(const char *name, char ret[GW_HTTP_PROBLEM_NAME_MAX])
{
    snprintf(ret, GW_HTTP_PROBLEM_NAME_MAX, "%s", name);
    for (char *c = ret; *c != '\0'; c++) {
        if (*c == '-')
            *c = ' ';
    }
    ret[0] = (char)toupper((unsigned char)ret[0]);
}

json_t *gw_http_problem_new(int status, const char *name, const struct gw_error *err)
{
    char type[sizeof GW_HTTP_PROBLEM_URN + GW_HTTP_PROBLEM_NAME_MAX];
    char title[GW_HTTP_PROBLEM_NAME_MAX];
    title_of(name, title);
    snprintf(type, sizeof type, GW_HTTP_PROBLEM_URN "%.*s", GW_HTTP_PROBLEM_NAME_MAX - 1, name);
    const char *detail = err != NULL && err->msg[0] != '\0' ? err->msg : title;
    json_t *j = json_pack("{s:s, s:s, s:i, s:o}", "type", type, "title", title, "status", status,
                          "detail", gw_http_json_string(detail));
    const char *code = err != NULL && err->code < 0 ? strerrorname_np(-err->code) : NULL;
    if (j != NULL && code != NULL && json_object_set_new(j, "code", json_string(code)) < 0) {
        json_decref(j);
        return NULL;
    }
    return j;
}

static int code_of_name(const char *name)
{
    for (int i = 1; name != NULL && i <= ERRNO_MAX; i++) {
        const char *known = strerrorname_np(i);
        if (known != NULL && strcmp(known, name) == 0)
            return -i;
    }
    return 0;
}

static int code_of_status(int status)
{
    switch (status) {
    case 400:
    case 405:
    case 415:
    case 422:
        return -EINVAL;
    case 401:
    case 403:
        return -EPERM;
    case 404:
    case 410:
        return -ENOENT;
    case 409:
        return -EBUSY;
    case 412:
    case 428:
        return -ESTALE;
    case 413:
    case 414:
    case 431:
        return -EMSGSIZE;
    case 429:
    case 503:
        return -EAGAIN;
    case 501:
        return -ENOSYS;
    case 507:
        return -ENOSPC;
    }
    return -EIO;
}

void gw_http_problem_read(int status, const char *body, size_t len, struct gw_http_problem *ret,
                          json_t **ret_document)
{
    *ret = (struct gw_http_problem){ .code = code_of_status(status) };
    CLEANUP_HTTP_JSON json_t *j = NULL;
    if (body != NULL && len > 0 && gw_http_json_parse(body, len, 0, &j, NULL) == 0 &&
        !json_is_object(j)) {
        json_decref(j);
        j = NULL;
    }
    const char *type = json_string_value(json_object_get(j, "type"));
    const char *detail = json_string_value(json_object_get(j, "detail"));
    int code = code_of_name(json_string_value(json_object_get(j, "code")));
    const size_t urn = strlen(GW_HTTP_PROBLEM_URN);
    if (type != NULL && strncmp(type, GW_HTTP_PROBLEM_URN, urn) == 0)
        snprintf(ret->name, sizeof ret->name, "%s", type + urn);
    if (code != 0)
        ret->code = code;
    if (detail != NULL && detail[0] != '\0')
        snprintf(ret->detail, sizeof ret->detail, "%s", detail);
    else
        snprintf(ret->detail, sizeof ret->detail, "the server answered %d %s", status,
                 gw_http_status_text(status));
    ret->unknown = strcmp(ret->name, "outcome-unknown") == 0;
    if (ret_document != NULL) {
        *ret_document = j;
        j = NULL;
    }
}
