// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The OpenAPI 3.1 document of a server, generated from its table of routes and a table of schemas,
 * so that it cannot say what is not served.
 */
#pragma once

#include "base/error.h"
#include "http/route.h"

#include <jansson.h>

/* A named schema: JSON Schema text. References between them: {"$ref":"#/components/schemas/NAME"}.
 */
struct gw_http_schema {
    const char *name;
    const char *json;
};

struct gw_http_openapi {
    const char *title, *version, *description;
    const struct gw_http_route *routes;
    size_t n_routes;
    const struct gw_http_schema *schemas;
    size_t n_schemas;
};

/*
 * The document, new. The schema Problem is there of itself. -EINVAL: a schema's text is not JSON, a
 * route or schema names one that does not exist, one is there twice, or one that nobody names.
 */
int gw_http_openapi_make(const struct gw_http_openapi *api, json_t **ret, struct gw_error *err);
