// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "http/openapi.h"

#include "http/json.h"
#include "http/problem.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define REF "#/components/schemas/"
#define NAME_MAX_BYTES 96

static const char problem_schema[] =
    "{\"type\":\"object\",\"description\":\"RFC 9457; the type is stable, for programs\","
    "\"required\":[\"type\",\"title\",\"status\",\"detail\"],\"properties\":{"
    "\"type\":{\"type\":\"string\",\"description\":\"urn:godwit:problem:NAME\"},"
    "\"title\":{\"type\":\"string\"},\"status\":{\"type\":\"integer\"},"
    "\"detail\":{\"type\":\"string\"},\"code\":{\"type\":\"string\"},"
    "\"guard\":{\"type\":\"string\"},\"way_out\":{\"type\":\"string\"}}}";

static json_t *schema_ref(const char *name)
{
    char ref[sizeof REF + NAME_MAX_BYTES];
    snprintf(ref, sizeof ref, REF "%.*s", NAME_MAX_BYTES, name);
    return json_pack("{s:s}", "$ref", ref);
}

static bool has_schema(const struct gw_http_openapi *api, const char *name)
{
    for (size_t i = 0; i < api->n_schemas; i++) {
        if (strcmp(api->schemas[i].name, name) == 0)
            return true;
    }
    return strcmp(name, "Problem") == 0;
}

/* Every {"$ref"} inside of j names a schema that there is. */
static int check_refs(const struct gw_http_openapi *api, const char *where, json_t *j,
                      struct gw_error *err)
{
    const char *key;
    json_t *value;
    size_t i;
    int r = 0;
    if (json_is_array(j)) {
        json_array_foreach(j, i, value)
        {
            r = r == 0 ? check_refs(api, where, value, err) : r;
        }
        return r;
    }
    json_object_foreach(j, key, value)
    {
        const char *text = json_string_value(value);
        if (strcmp(key, "$ref") == 0 && (text == NULL || strncmp(text, REF, strlen(REF)) != 0 ||
                                         !has_schema(api, text + strlen(REF))))
            return gw_error_set(err, -EINVAL, "schema %s refers to \"%s\", which there is not",
                                where, text != NULL ? text : "?");
        r = r == 0 ? check_refs(api, where, value, err) : r;
    }
    return r;
}

static int add_schema(const struct gw_http_openapi *api, const struct gw_http_schema *schema,
                      json_t *schemas, struct gw_error *err)
{
    CLEANUP_HTTP_JSON json_t *j = NULL;
    if (json_object_get(schemas, schema->name) != NULL)
        return gw_error_set(err, -EINVAL, "schema %s is there twice", schema->name);
    int r = gw_http_json_parse(schema->json, strlen(schema->json), 0, &j, err);
    if (r < 0)
        return gw_error_set(err, -EINVAL, "schema %s: %s", schema->name,
                            err != NULL ? err->msg : "");
    r = check_refs(api, schema->name, j, err);
    if (r == 0 && json_object_set(schemas, schema->name, j) < 0)
        r = gw_error_set(err, -ENOMEM, "out of memory");
    return r;
}

static json_t *content(const char *type, json_t *schema)
{
    return json_pack("{s:{s:o}}", type, "schema", schema);
}

static json_t *any_object(void)
{
    return json_pack("{s:s}", "type", "object");
}

static json_t *param(const char *in, const char *name, size_t len, bool required)
{
    return json_pack("{s:s%, s:s, s:b, s:{s:s}}", "name", name, len, "in", in, "required",
                     (int)required, "schema", "type", "string");
}

static json_t *params_of(const struct gw_http_route *route)
{
    json_t *list = json_array();
    for (const char *p = strchr(route->path, '{'); p != NULL; p = strchr(p, '{')) {
        size_t len = strcspn(++p, "}");
        json_array_append_new(list, param("path", p, len, true));
    }
    for (const char *w = route->query != NULL ? route->query : ""; *w != '\0';) {
        size_t len = strcspn(w, " ");
        if (len > 0)
            json_array_append_new(list, param("query", w, len, false));
        w += len + (w[len] == ' ');
    }
    if ((route->flags & GW_HTTP_KEYED) != 0)
        json_array_append_new(list, param("header", "Idempotency-Key", 15, false));
    if ((route->flags & GW_HTTP_MATCHED) != 0)
        json_array_append_new(list, param("header", "If-Match", 8, false));
    if ((route->flags & GW_HTTP_STREAM) != 0)
        json_array_append_new(list, param("header", "Last-Event-ID", 13, false));
    return list;
}

static json_t *responses_of(const struct gw_http_route *route)
{
    char status[16];
    int code = route->status != 0 ? route->status : 200;
    snprintf(status, sizeof status, "%d", code);
    json_t *success = json_pack("{s:s}", "description", gw_http_status_text(code));
    if ((route->flags & GW_HTTP_STREAM) != 0) {
        json_t *both = content("text/event-stream", json_pack("{s:s}", "type", "string"));
        if (route->response != NULL) /* what it answers where no stream is wanted */
            json_object_update_new(both, content("application/json", schema_ref(route->response)));
        json_object_set_new(success, "content", both);
    } else if (code != 204)
        json_object_set_new(success, "content",
                            content("application/json", route->response != NULL
                                                            ? schema_ref(route->response)
                                                            : any_object()));
    return json_pack("{s:o, s:{s:s, s:o}}", status, success, "default", "description",
                     "a problem document (RFC 9457)", "content",
                     content(GW_HTTP_PROBLEM_TYPE, schema_ref("Problem")));
}

/* "/api/v1/plans/{plan}/status" and GET: "get_plans_plan_status"; a name for generated clients. */
static void operation_id(const struct gw_http_route *route, char ret[NAME_MAX_BYTES])
{
    size_t used = 0;
    const char *path = strncmp(route->path, "/api/v1", 7) == 0 ? route->path + 7 : route->path;
    for (const char *m = route->method; *m != '\0'; m++)
        ret[used++] = (char)tolower((unsigned char)*m);
    for (; *path != '\0' && used + 1 < NAME_MAX_BYTES; path++) {
        if (isalnum((unsigned char)*path))
            ret[used++] = *path;
        else if (*path != '}' && ret[used - 1] != '_')
            ret[used++] = '_';
    }
    ret[used] = '\0';
}

/* The third segment: "plans" of "/api/v1/plans/{plan}". */
static void tag_of(const struct gw_http_route *route, char ret[NAME_MAX_BYTES])
{
    const char *p = route->path;
    for (int i = 0; i < 3 && p != NULL; i++)
        p = strchr(i == 0 ? p : p + 1, '/');
    p = p != NULL ? p + 1 : route->path + 1;
    snprintf(ret, NAME_MAX_BYTES, "%s", route->tag != NULL ? route->tag : p);
    if (route->tag == NULL)
        ret[strcspn(ret, "/")] = '\0';
}

static json_t *operation(const struct gw_http_route *route)
{
    char id[NAME_MAX_BYTES], tag[NAME_MAX_BYTES];
    operation_id(route, id);
    tag_of(route, tag);
    json_t *op =
        json_pack("{s:s, s:s, s:[s], s:o, s:o}", "operationId", id, "summary", route->summary,
                  "tags", tag, "parameters", params_of(route), "responses", responses_of(route));
    if (route->request != NULL)
        json_object_set_new(
            op, "requestBody",
            json_pack("{s:b, s:o}", "required", 1, "content",
                      content((route->flags & GW_HTTP_RAW) != 0 ? "*/*" : "application/json",
                              schema_ref(route->request))));
    return op;
}

static int add_route(const struct gw_http_openapi *api, const struct gw_http_route *route,
                     json_t *paths, struct gw_error *err)
{
    const char *names[] = { route->request, route->response };
    for (size_t i = 0; i < 2; i++) {
        if (names[i] != NULL && !has_schema(api, names[i]))
            return gw_error_set(err, -EINVAL, "%s %s names the schema %s, which there is not",
                                route->method, route->path, names[i]);
    }
    char method[16];
    snprintf(method, sizeof method, "%s", route->method);
    for (char *c = method; *c != '\0'; c++)
        *c = (char)tolower((unsigned char)*c);
    json_t *at = json_object_get(paths, route->path);
    if (at == NULL) {
        at = json_object();
        json_object_set_new(paths, route->path, at);
    }
    if (json_object_set_new(at, method, operation(route)) < 0)
        return gw_error_set(err, -ENOMEM, "out of memory, or a text that is not UTF-8, at %s %s",
                            route->method, route->path);
    return 0;
}

static bool is_named(const struct gw_http_openapi *api, const char *name)
{
    char ref[sizeof REF + NAME_MAX_BYTES + 2];
    snprintf(ref, sizeof ref, "\"" REF "%.*s\"", NAME_MAX_BYTES, name);
    for (size_t i = 0; i < api->n_routes; i++) {
        const struct gw_http_route *r = &api->routes[i];
        if ((r->request != NULL && strcmp(r->request, name) == 0) ||
            (r->response != NULL && strcmp(r->response, name) == 0))
            return true;
    }
    for (size_t i = 0; i < api->n_schemas; i++) {
        if (strstr(api->schemas[i].json, ref) != NULL && strcmp(api->schemas[i].name, name) != 0)
            return true;
    }
    return false;
}

int gw_http_openapi_make(const struct gw_http_openapi *api, json_t **ret, struct gw_error *err)
{
    CLEANUP_HTTP_JSON json_t *schemas = json_object();
    CLEANUP_HTTP_JSON json_t *paths = json_object();
    const struct gw_http_schema problem = { "Problem", problem_schema };
    int r = add_schema(api, &problem, schemas, err);
    for (size_t i = 0; i < api->n_schemas && r == 0; i++) {
        r = add_schema(api, &api->schemas[i], schemas, err);
        if (r == 0 && !is_named(api, api->schemas[i].name))
            r = gw_error_set(err, -EINVAL, "schema %s is named by nothing", api->schemas[i].name);
    }
    for (size_t i = 0; i < api->n_routes && r == 0; i++)
        r = add_route(api, &api->routes[i], paths, err);
    if (r < 0)
        return r;
    json_t *document = json_pack("{s:s, s:{s:s, s:s, s:s}, s:O, s:{s:O}}", "openapi", "3.1.0",
                                 "info", "title", api->title, "version", api->version,
                                 "description", api->description != NULL ? api->description : "",
                                 "paths", paths, "components", "schemas", schemas);
    if (document == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory for the OpenAPI document");
    *ret = document;
    return 0;
}
