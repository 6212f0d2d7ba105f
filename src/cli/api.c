// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The questions to godwitd. */
#include "base/clock.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define AGAIN_MAX 3 /* times an action is sent whose answer did not come */
#define AGAIN_NS (500 * GW_NS_PER_MS)

static const char *socket_path(const struct gw_term *t)
{
    const char *given = gw_term_arg(&t->args, "socket");
    if (given == NULL)
        given = getenv("GODWIT_SOCKET");
    return given != NULL && given[0] != '\0' ? given : CLI_SOCKET_DEFAULT;
}

static int http_client(struct gw_term *t, struct gw_http_client **ret)
{
    struct cli *c = cli_of(t);
    if (c->http == NULL) {
        CLEANUP_FREE char *address = NULL;
        if (asprintf(&address, "unix:%s", socket_path(t)) < 0) {
            address = NULL;
            return gw_term_no_memory(t);
        }
        struct gw_http_client_config config = { .address = address, .peer = "godwitd" };
        int r = gw_http_client_new(&config, &c->http, &t->err);
        if (r < 0)
            return gw_error_wrap(&t->err, "--socket '%s'", socket_path(t));
    }
    *ret = c->http;
    return 0;
}

void cli_done(struct cli *c)
{
    gw_http_client_free(c->http);
    json_decref(c->problem);
    *c = (struct cli){ 0 };
}

static void keep_problem(struct gw_term *t, const struct gw_http_response *response)
{
    struct cli *c = cli_of(t);
    json_decref(c->problem);
    c->problem = json_is_object(response->json) ? json_incref(response->json) : NULL;
}

/* Nobody serves the socket: that alone helps nobody at night. */
static int not_there(struct gw_term *t, int r)
{
    if (r != -ENOENT && r != -ECONNREFUSED && r != -EACCES)
        return r;
    struct gw_error why = t->err;
    const char *help = r == -EACCES ? "only root and the users that godwitd admits may"
                                    : "is godwitd running at this site? (systemctl status godwitd)";
    return gw_error_set(&t->err, r, "%.300s; %s", why.msg, help);
}

static int finish(struct gw_term *t, int r, struct gw_http_response *response, json_t **ret)
{
    if (response->outcome == GW_HTTP_REFUSED)
        keep_problem(t, response);
    if (r == 0)
        *ret = response->json != NULL ? json_incref(response->json) : NULL;
    else if (response->outcome == GW_HTTP_NOT_SENT)
        r = not_there(t, r);
    return r;
}

static void forget(struct gw_term *t)
{
    json_decref(cli_of(t)->problem);
    cli_of(t)->problem = NULL;
    t->err = (struct gw_error){ 0 };
}

int cli_get(struct gw_term *t, char *path, json_t **ret)
{
    CLEANUP_FREE char *owned = path;
    struct gw_http_client *http;
    if (owned == NULL)
        return gw_term_no_memory(t);
    int r = http_client(t, &http);
    if (r < 0)
        return r;
    forget(t);
    struct gw_http_request request = { .method = "GET", .path = owned, .timeout_ms = CLI_ASK_MS };
    struct gw_http_response response = { 0 };
    r = gw_http_client_call(http, &request, &response, &t->err);
    r = finish(t, r, &response, ret);
    gw_http_response_done(&response);
    if (r == 0 && *ret == NULL)
        return gw_error_set(&t->err, -EPROTO, "godwitd answered something that is not JSON");
    return r;
}

/* ---- actions ----------------------------------------------------------------------------------
 */

static void make_key(struct gw_term *t, char *ret, size_t cap)
{
    struct cli *c = cli_of(t);
    const char *given = gw_term_arg(&t->args, "key");
    if (c->key[0] == '\0') {
        struct gw_uuid u = gw_uuid_new();
        gw_uuid_format(&u, c->key);
    }
    if (c->n_sent++ == 0)
        snprintf(ret, cap, "%s", given != NULL ? given : c->key);
    else /* a second action of the same invocation is another one */
        snprintf(ret, cap, "%s.%u", given != NULL ? given : c->key, c->n_sent);
}

/* Send until an answer comes; all with the same key, so that it is done once. */
static int send_on(struct gw_term *t, const struct gw_http_request *request, json_t **ret)
{
    struct gw_http_client *http;
    int r = http_client(t, &http);
    bool unknown = false;
    for (unsigned i = 0; r == 0 && i < AGAIN_MAX; i++) {
        forget(t);
        struct gw_http_response response = { 0 };
        int code = gw_http_client_call(http, request, &response, &t->err);
        code = finish(t, code, &response, ret);
        enum gw_http_outcome outcome = response.outcome;
        bool answered = response.status != 0;
        gw_http_response_done(&response);
        if (outcome == GW_HTTP_DONE || outcome == GW_HTTP_REFUSED)
            return code;
        unknown |= outcome == GW_HTTP_UNKNOWN;
        if (!unknown)
            return code; /* never sent */
        if (answered || i + 1 == AGAIN_MAX)
            r = code;
        else
            nanosleep(&(struct timespec){ 0, (long)AGAIN_NS }, NULL);
    }
    t->asked |= unknown;
    return r;
}

static int action(struct gw_term *t, struct gw_http_request *request, const char *etag,
                  json_t **ret)
{
    char key[256];
    make_key(t, key, sizeof key);
    char quoted[128]; /* an entity tag is a text in quotes; people copy what is between them */
    snprintf(quoted, sizeof quoted, "\"%.120s\"", etag != NULL ? etag : "");
    struct gw_http_header headers[] = { { "Idempotency-Key", key }, { "If-Match", quoted } };
    request->headers = headers;
    request->n_headers = etag != NULL ? 2 : 1;
    request->timeout_ms = CLI_SEND_MS;
    gw_term_on_interrupt(GW_EXIT_UNKNOWN,
                         "interrupted before the answer came; the outcome is UNKNOWN, look at the "
                         "status before deciding anything");
    json_t *answer = NULL;
    int r = send_on(t, request, &answer);
    gw_term_on_interrupt(GW_EXIT_CANCELLED, "interrupted");
    if (r == 0)
        *ret = answer;
    return r;
}

int cli_send(struct gw_term *t, const char *method, char *path, json_t *body, json_t **ret)
{
    CLEANUP_FREE char *owned_path = path;
    json_auto_t *owned = body != NULL ? body : json_object();
    if (owned_path == NULL || owned == NULL)
        return gw_term_no_memory(t);
    struct gw_http_request request = { .method = method, .path = owned_path, .json = owned };
    return action(t, &request, NULL, ret);
}

int cli_send_file(struct gw_term *t, const char *method, char *path, const struct cli_file *file,
                  const char *etag, json_t **ret)
{
    CLEANUP_FREE char *owned = path;
    if (owned == NULL)
        return gw_term_no_memory(t);
    struct gw_http_request request = { .method = method,
                                       .path = owned,
                                       .body = file->bytes,
                                       .body_bytes = file->len,
                                       .content_type = file->type };
    return action(t, &request, etag, ret);
}

int cli_events(struct gw_term *t, char *path, const char *last_id, gw_http_event_fn *fn, void *arg)
{
    CLEANUP_FREE char *owned = path;
    struct gw_http_client *http;
    if (owned == NULL)
        return gw_term_no_memory(t);
    int r = http_client(t, &http);
    return r < 0 ? r : gw_http_client_events(http, owned, last_id, 0, fn, arg, &t->err);
}

/* ---- paths and files --------------------------------------------------------------------------
 */

char *cli_query(char *path, const char *name, const char *value)
{
    if (path == NULL || value == NULL)
        return path;
    CLEANUP_FREE char *owned = path, *encoded = gw_http_path("{}", value);
    char *all = NULL;
    if (encoded == NULL ||
        asprintf(&all, "%s%c%s=%s", owned, strchr(owned, '?') ? '&' : '?', name, encoded) < 0)
        return NULL;
    return all;
}

static const char *type_of(const char *path, const char *bytes, size_t len)
{
    const char *dot = strrchr(path, '.');
    if (dot != NULL && strcmp(dot, ".json") == 0)
        return "application/json";
    size_t i = 0;
    while (i < len && strchr(" \t\r\n", bytes[i]) != NULL)
        i++;
    return i < len && bytes[i] == '{' ? "application/json" : "application/yaml";
}

int cli_read_file(struct gw_term *t, const char *path, struct cli_file *ret)
{
    bool standard = strcmp(path, "-") == 0;
    FILE *f = standard ? stdin : fopen(path, "re");
    if (f == NULL)
        return gw_error_errno(&t->err, -errno, "cannot read '%s'", path);
    char *bytes = malloc(CLI_FILE_BYTES_MAX + 1);
    size_t len = bytes != NULL ? fread(bytes, 1, CLI_FILE_BYTES_MAX + 1, f) : 0;
    int r = 0;
    if (bytes == NULL)
        r = gw_term_no_memory(t);
    else if (ferror(f))
        r = gw_error_errno(&t->err, errno != 0 ? -errno : -EIO, "cannot read '%s'", path);
    else if (len > CLI_FILE_BYTES_MAX)
        r = gw_error_set(&t->err, -EFBIG, "'%s' is larger than %u bytes: not a plan file", path,
                         CLI_FILE_BYTES_MAX);
    if (!standard)
        fclose(f);
    if (r < 0) {
        free(bytes);
        return r;
    }
    *ret = (struct cli_file){ bytes, len, type_of(path, bytes, len) };
    return 0;
}
