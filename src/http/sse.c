// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "http/sse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct gw_sse {
    gw_sse_fn *fn;
    void *ctx;
    bool begun, after_cr, has_data;
    char id[GW_SSE_NAME_MAX], kind[GW_SSE_NAME_MAX];
    size_t line_bytes, data_bytes;
    char line[GW_SSE_LINE_BYTES_MAX + 1];
    char data[GW_SSE_DATA_BYTES_MAX + 1];
};

struct gw_sse *gw_sse_new(gw_sse_fn *fn, void *ctx)
{
    struct gw_sse *s = calloc(1, sizeof *s);
    if (s != NULL) {
        s->fn = fn;
        s->ctx = ctx;
    }
    return s;
}

void gw_sse_free(struct gw_sse *s)
{
    free(s);
}

static int add_data(struct gw_sse *s, const char *value, struct gw_error *err)
{
    size_t len = strlen(value);
    if (s->data_bytes + len + 1 > GW_SSE_DATA_BYTES_MAX)
        return gw_error_set(err, -EMSGSIZE, "an event of more than %u bytes",
                            GW_SSE_DATA_BYTES_MAX);
    if (s->has_data)
        s->data[s->data_bytes++] = '\n';
    memcpy(s->data + s->data_bytes, value, len);
    s->data_bytes += len;
    s->has_data = true;
    return 0;
}

static int field(struct gw_sse *s, const char *name, const char *value, struct gw_error *err)
{
    if (strcmp(name, "data") == 0)
        return add_data(s, value, err);
    if (strcmp(name, "id") == 0)
        snprintf(s->id, sizeof s->id, "%.*s", GW_SSE_NAME_MAX - 1, value);
    else if (strcmp(name, "event") == 0)
        snprintf(s->kind, sizeof s->kind, "%.*s", GW_SSE_NAME_MAX - 1, value);
    return 0;
}

/* An empty line: the event is whole. */
static int dispatch(struct gw_sse *s)
{
    int r = 0;
    if (s->has_data) {
        s->data[s->data_bytes] = '\0';
        r = s->fn(s->ctx, s->id, s->kind[0] != '\0' ? s->kind : "message", s->data);
    }
    s->has_data = false;
    s->data_bytes = 0;
    s->kind[0] = '\0';
    return r;
}

static int take_line(struct gw_sse *s, struct gw_error *err)
{
    char *line = s->line;
    size_t len = s->line_bytes;
    line[len] = '\0';
    s->line_bytes = 0;
    if (!s->begun && len >= 3 && memcmp(line, "\xef\xbb\xbf", 3) == 0) {
        line += 3;
        len -= 3;
    }
    s->begun = true;
    if (len == 0)
        return dispatch(s);
    if (line[0] == ':')
        return s->fn(s->ctx, s->id, NULL, NULL);
    if (memchr(line, '\0', len) != NULL)
        return 0; /* what it says cannot be told whole */
    char *colon = strchr(line, ':');
    const char *value = "";
    if (colon != NULL) {
        *colon = '\0';
        value = colon[1] == ' ' ? colon + 2 : colon + 1;
    }
    return field(s, line, value, err);
}

int gw_sse_feed(struct gw_sse *s, const char *bytes, size_t len, struct gw_error *err)
{
    for (size_t i = 0; i < len; i++) {
        char c = bytes[i];
        bool second = c == '\n' && s->after_cr; /* of CRLF */
        s->after_cr = c == '\r';
        if (second)
            continue;
        if (c == '\n' || c == '\r') {
            int r = take_line(s, err);
            if (r != 0)
                return r;
        } else if (s->line_bytes == GW_SSE_LINE_BYTES_MAX) {
            return gw_error_set(err, -EMSGSIZE, "a line of more than %u bytes",
                                GW_SSE_LINE_BYTES_MAX);
        } else {
            s->line[s->line_bytes++] = c;
        }
    }
    return 0;
}
