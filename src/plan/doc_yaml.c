// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* YAML by libyaml's events: no recursion of ours, and what a plan does not need is refused early.
 */
#include "plan/doc_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

static void cleanup_event(yaml_event_t *e)
{
    yaml_event_delete(e);
}

static void cleanup_parser(yaml_parser_t *p)
{
    yaml_parser_delete(p);
}

static unsigned line_of(yaml_mark_t m)
{
    return (unsigned)m.line + 1;
}

static unsigned column_of(yaml_mark_t m)
{
    return (unsigned)m.column + 1;
}

/* libyaml knows where, but says it for people who know its insides. */
static int not_yaml(struct gw_doc_build *b, const yaml_parser_t *p, const uint8_t *bytes,
                    size_t len)
{
    if (p->error == YAML_MEMORY_ERROR)
        return gw_error_set(b->err, -ENOMEM, "out of memory");
    yaml_mark_t m = p->problem_mark;
    unsigned line = line_of(m), column = column_of(m);
    if (m.index < len && bytes[m.index] == '\t')
        return gw_doc_refuse(b, line, column,
                             "not YAML: a tab in the indentation; YAML indents with spaces");
    if (p->problem != NULL && strstr(p->problem, "cannot start any token") != NULL && m.index < len)
        return gw_doc_refuse(b, line, column,
                             "not YAML: '%c' cannot begin a value (column %u); put it in quotes",
                             bytes[m.index] < 0x7f ? bytes[m.index] : '?', column);
    char context[64] = "";
    if (p->context != NULL && p->context_mark.line != m.line)
        snprintf(context, sizeof context, " (%.30s begun in line %u)",
                 strncmp(p->context, "while parsing ", 14) == 0 ? p->context + 14 : "what was",
                 line_of(p->context_mark));
    return gw_doc_refuse(b, line, column, "not YAML: %s at column %u%s",
                         p->problem != NULL ? p->problem : "cannot be read", column, context);
}

static int refuse_properties(struct gw_doc_build *b, const yaml_event_t *e,
                             const yaml_char_t *anchor, const yaml_char_t *tag)
{
    unsigned line = line_of(e->start_mark), column = column_of(e->start_mark);
    if (anchor != NULL)
        return gw_doc_refuse(b, line, column, "anchors (&) are not taken; write the value out");
    if (tag != NULL)
        return gw_doc_refuse(b, line, column, "tags (!) are not taken; the key decides the type");
    return 0;
}

/* Is the innermost thing a map that waits for a key? */
static bool wants_key(const struct gw_doc_build *b)
{
    return b->depth > 0 && b->open[b->depth - 1]->kind == GW_NODE_MAP && b->key == NULL;
}

static int on_scalar(struct gw_doc_build *b, const yaml_event_t *e)
{
    const char *text = (const char *)e->data.scalar.value;
    size_t len = e->data.scalar.length;
    unsigned line = line_of(e->start_mark), column = column_of(e->start_mark);
    int r = refuse_properties(b, e, e->data.scalar.anchor, e->data.scalar.tag);
    if (r < 0)
        return r;
    enum gw_scalar scalar = GW_SCALAR_QUOTED;
    if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE) {
        static const char *const nothing[] = { "", "~", "null", "Null", "NULL", NULL };
        scalar = GW_SCALAR_PLAIN;
        for (size_t i = 0; nothing[i] != NULL; i++) {
            if (strcmp(text, nothing[i]) == 0)
                scalar = GW_SCALAR_NOTHING;
        }
    }
    if (wants_key(b))
        return gw_doc_key(b, text, len, line, column);
    return gw_doc_scalar(b, scalar, text, len, line, column);
}

static int on_open(struct gw_doc_build *b, const yaml_event_t *e, enum gw_node_kind kind)
{
    bool list = kind == GW_NODE_LIST;
    unsigned line = line_of(e->start_mark), column = column_of(e->start_mark);
    int r =
        refuse_properties(b, e, list ? e->data.sequence_start.anchor : e->data.mapping_start.anchor,
                          list ? e->data.sequence_start.tag : e->data.mapping_start.tag);
    if (r < 0)
        return r;
    if (wants_key(b))
        return gw_doc_refuse(b, line, column, "a key must be a word, not %s",
                             list ? "a list" : "a mapping");
    return gw_doc_open(b, kind, line, column);
}

static int on_event(struct gw_doc_build *b, const yaml_event_t *e, bool *ret_end)
{
    switch (e->type) {
    case YAML_STREAM_END_EVENT:
        *ret_end = true;
        return 0;
    case YAML_DOCUMENT_START_EVENT:
        if (b->doc->root != NULL)
            return gw_doc_refuse(b, line_of(e->start_mark), column_of(e->start_mark),
                                 "a second document begins here; one file is one plan");
        return 0;
    case YAML_ALIAS_EVENT:
        return gw_doc_refuse(b, line_of(e->start_mark), column_of(e->start_mark),
                             "aliases (*) are not taken; write the value out");
    case YAML_SCALAR_EVENT:
        return on_scalar(b, e);
    case YAML_SEQUENCE_START_EVENT:
        return on_open(b, e, GW_NODE_LIST);
    case YAML_MAPPING_START_EVENT:
        return on_open(b, e, GW_NODE_MAP);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        gw_doc_close(b);
        return 0;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_DOCUMENT_END_EVENT:
        return 0;
    }
    return 0;
}

int gw_doc_yaml(struct gw_doc_build *b, const uint8_t *bytes, size_t len)
{
    __attribute__((cleanup(cleanup_parser))) yaml_parser_t parser = { 0 };
    if (!yaml_parser_initialize(&parser))
        return gw_error_set(b->err, -ENOMEM, "out of memory");
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, bytes, len);
    bool end = false;
    while (!end) {
        __attribute__((cleanup(cleanup_event))) yaml_event_t event = { 0 };
        if (!yaml_parser_parse(&parser, &event))
            return not_yaml(b, &parser, bytes, len);
        int r = on_event(b, &event, &end);
        if (r < 0)
            return r;
    }
    return 0;
}
