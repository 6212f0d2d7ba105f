// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/status.h"

#include <string.h>

const json_t *status_at(const json_t *o, const char *path)
{
    for (;;) {
        size_t n = strcspn(path, ".");
        o = json_object_getn(o, path, n);
        if (path[n] == '\0')
            return o;
        path += n + 1;
    }
}

const char *status_text(const json_t *o, const char *path)
{
    const char *s = json_string_value(status_at(o, path));
    return s != NULL ? s : "";
}

bool status_is(const json_t *o, const char *path, const char *text)
{
    return strcmp(status_text(o, path), text) == 0;
}

uint64_t status_number(const json_t *o, const char *path)
{
    json_int_t n = json_integer_value(status_at(o, path));
    return n > 0 ? (uint64_t)n : 0;
}

double status_real(const json_t *o, const char *path)
{
    return json_number_value(status_at(o, path));
}

bool status_true(const json_t *o, const char *path)
{
    return json_is_true(status_at(o, path));
}
