// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "fence/metadata.h"

#include <errno.h>
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reading {
    XML_Parser parser;
    struct gw_fence_metadata *m;
    bool agent;  /* within <resource-agent> */
    bool within; /* within a <parameter> */
    int code;    /* negative: why it was given up */
    const char *why;
};

static void give_up(struct reading *r, int code, const char *why)
{
    if (r->code == 0) {
        r->code = code;
        r->why = why;
    }
    XML_StopParser(r->parser, XML_FALSE);
}

static const char *attribute(const char **attributes, const char *name)
{
    for (; attributes[0] != NULL; attributes += 2) {
        if (strcmp(attributes[0], name) == 0)
            return attributes[1];
    }
    return "";
}

static void add_parameter(struct reading *r, const char **attributes)
{
    struct gw_fence_metadata *m = r->m;
    const char *name = attribute(attributes, "name");
    if (name[0] == '\0' || strlen(name) >= GW_FENCE_NAME_MAX) {
        give_up(r, -EINVAL, "a parameter without a name, or with one that is too long");
        return;
    }
    if (m->n_parameters == GW_FENCE_PARAMETERS_MAX) {
        give_up(r, -EINVAL, "too many parameters");
        return;
    }
    struct gw_fence_parameter *more =
        realloc(m->parameter, (m->n_parameters + 1) * sizeof *m->parameter);
    if (more == NULL) {
        give_up(r, -ENOMEM, "out of memory");
        return;
    }
    m->parameter = more;
    struct gw_fence_parameter *p = &more[m->n_parameters++];
    *p = (struct gw_fence_parameter){ .required =
                                          strcmp(attribute(attributes, "required"), "1") == 0 };
    snprintf(p->name, sizeof p->name, "%s", name);
    snprintf(p->old_name, sizeof p->old_name, "%s", attribute(attributes, "obsoletes"));
    p->deprecated = strcmp(attribute(attributes, "deprecated"), "1") == 0;
    r->within = true;
}

static void add_action(struct gw_fence_metadata *m, const char *name)
{
    m->off |= strcmp(name, "off") == 0;
    m->status |= strcmp(name, "status") == 0;
    m->monitor |= strcmp(name, "monitor") == 0;
}

static void on_start(void *ctx, const char *name, const char **attributes)
{
    struct reading *r = ctx;
    if (strcmp(name, "resource-agent") == 0)
        r->agent = true;
    else if (!r->agent)
        give_up(r, -EINVAL, "it is not about an agent");
    else if (strcmp(name, "parameter") == 0)
        add_parameter(r, attributes);
    else if (strcmp(name, "content") == 0 && r->within)
        r->m->parameter[r->m->n_parameters - 1].has_default =
            attribute(attributes, "default")[0] != '\0';
    else if (strcmp(name, "action") == 0)
        add_action(r->m, attribute(attributes, "name"));
}

static void on_end(void *ctx, const char *name)
{
    struct reading *r = ctx;
    if (strcmp(name, "parameter") == 0)
        r->within = false;
}

static void on_doctype(void *ctx, const char *name, const char *system, const char *public,
                       int internal)
{
    (void)name;
    (void)system;
    (void)public;
    (void)internal;
    give_up(ctx, -EINVAL, "it has a document type");
}

static int parse(struct reading *r, const char *text, size_t len, struct gw_error *err)
{
    if (XML_Parse(r->parser, text, (int)len, 1) == XML_STATUS_OK && r->agent)
        return 0;
    if (r->code == -ENOMEM)
        return gw_error_set(err, -ENOMEM, "out of memory");
    const char *why = r->code != 0 ? r->why
                      : !r->agent  ? "it is not about an agent"
                                   : XML_ErrorString(XML_GetErrorCode(r->parser));
    return gw_error_set(err, -EINVAL, "what the agent says of itself, line %lu: %s",
                        (unsigned long)XML_GetCurrentLineNumber(r->parser), why);
}

int gw_fence_metadata_read(const char *text, size_t len, struct gw_fence_metadata *ret,
                           struct gw_error *err)
{
    *ret = (struct gw_fence_metadata){ .parameter = NULL };
    if (len > GW_FENCE_METADATA_BYTES_MAX)
        return gw_error_set(err, -EINVAL, "what the agent says of itself has more than %u bytes",
                            GW_FENCE_METADATA_BYTES_MAX);
    struct reading r = { .parser = XML_ParserCreate("UTF-8"), .m = ret };
    if (r.parser == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    XML_SetUserData(r.parser, &r);
    XML_SetElementHandler(r.parser, on_start, on_end);
    XML_SetStartDoctypeDeclHandler(r.parser, on_doctype);
    int code = parse(&r, text, len, err);
    XML_ParserFree(r.parser);
    if (code < 0)
        gw_fence_metadata_done(ret);
    return code;
}

void gw_fence_metadata_done(struct gw_fence_metadata *m)
{
    free(m->parameter);
    *m = (struct gw_fence_metadata){ .parameter = NULL };
}

const struct gw_fence_parameter *gw_fence_metadata_find(const struct gw_fence_metadata *m,
                                                        const char *name)
{
    for (size_t i = 0; i < m->n_parameters; i++) {
        if (strcmp(m->parameter[i].name, name) == 0)
            return &m->parameter[i];
    }
    return NULL;
}
