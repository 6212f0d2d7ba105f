// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "plan/reference.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "plan/decode_internal.h"
#include "plan/value.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PATH_TEXT 256

static const struct {
    const char *noun, *notation;
} types[] = {
    [GW_FIELD_TEXT] = { "a text", "" },
    [GW_FIELD_NAME] = { "a name", "small letters, digits and '-', at most 63" },
    [GW_FIELD_SITE] = { "a site of this plan", "what home or dr names" },
    [GW_FIELD_PATH] = { "an absolute path", "/srv/shop.img, without '..' or '/' at its end" },
    [GW_FIELD_ADDRESS] = { "an address", "host:port, [::1]:7000" },
    [GW_FIELD_LISTEN] = { "an address to listen at", "0.0.0.0:7001" },
    [GW_FIELD_UNIX] = { "the address of a unix socket", "unix:/run/godwit/api.sock" },
    [GW_FIELD_URL] = { "a URL", "http://host/path or https://; no user or password in it" },
    [GW_FIELD_CIDR] = { "an address with its prefix", "10.9.0.5/24" },
    [GW_FIELD_SIZE] = { "a size", "20GiB, 512MiB" },
    [GW_FIELD_RATE] = { "a rate", "50MiB/s" },
    [GW_FIELD_DURATION] = { "a duration", "500ms, 30s, 5m, 4h, 14d" },
    [GW_FIELD_NUMBER] = { "a whole number", "3" },
    [GW_FIELD_FLAG] = { "a yes or no", "true or false" },
    [GW_FIELD_WORD] = { "one word of a few", "" },
    [GW_FIELD_CRON] = { "a cron expression", "0 2 * * 0" },
    [GW_FIELD_MANUAL_OR_AFTER] = { "manual or a time", "manual, {after: 1h}" },
    [GW_FIELD_TEXTS] = { "a list of texts", "[a, b]" },
    [GW_FIELD_ARGV] = { "a program and its arguments", "[/usr/bin/prog, arg]; no shell" },
    [GW_FIELD_COMMANDS] = { "commands",
                            "[prog, arg], or [{exec: [prog, arg], timeout: 300s}, ...]" },
    [GW_FIELD_URLS] = { "a list of URLs", "[\"https://host:2379\"]" },
    [GW_FIELD_PAIRS] = { "a mapping of keys to texts", "{ip: 10.0.0.9}" },
    [GW_FIELD_AT_PATHS] = { "a path at each of the two sites", "{madrid: /dev/vg0/a, lisbon: /b}" },
    [GW_FIELD_AT_TEXTS] = { "texts for each of the two sites", "{madrid: [m1], lisbon: [l1]}" },
    [GW_FIELD_OBJECT] = { "a mapping", "" },
    [GW_FIELD_OPTION] = { "a mapping", "" },
    [GW_FIELD_LIST] = { "a list", "" },
};

const char *gw_field_noun(enum gw_field_type type)
{
    return types[type].noun;
}

const char *gw_field_notation(enum gw_field_type type)
{
    return types[type].notation;
}

static void describe_words(const struct gw_field *f, char ret[GW_FIELD_TEXT_MAX])
{
    size_t len = (size_t)snprintf(ret, GW_FIELD_TEXT_MAX, "one of");
    for (size_t i = 0; f->words[i] != NULL && len < GW_FIELD_TEXT_MAX - 1; i++)
        len += (size_t)snprintf(ret + len, GW_FIELD_TEXT_MAX - len, "%s %s", i > 0 ? "," : "",
                                f->words[i]);
}

void gw_field_describe(const struct gw_field *f, char ret[GW_FIELD_TEXT_MAX])
{
    const char *noun = types[f->type].noun, *notation = types[f->type].notation;
    if (f->type == GW_FIELD_WORD)
        describe_words(f, ret);
    else if (f->type == GW_FIELD_LIST)
        snprintf(ret, GW_FIELD_TEXT_MAX,
                 f->alone ? "%s, or a list of such" : "a list, each item %s", f->sub->what);
    else if (f->type == GW_FIELD_NUMBER && f->max != 0)
        snprintf(ret, GW_FIELD_TEXT_MAX, "%s from %" PRIu64 " to %" PRIu64, noun, f->min, f->max);
    else if (notation[0] != '\0' && f->type != GW_FIELD_SITE)
        snprintf(ret, GW_FIELD_TEXT_MAX, "%s (%s)", noun, notation);
    else
        snprintf(ret, GW_FIELD_TEXT_MAX, "%s", noun);
}

static void show(const struct gw_field *f, uint64_t value, char ret[GW_VALUE_TEXT])
{
    if (f->type == GW_FIELD_SIZE)
        gw_size_format_exact(value, ret);
    else if (f->type == GW_FIELD_RATE)
        gw_rate_format(value, ret);
    else if (f->type == GW_FIELD_DURATION)
        gw_duration_format(value, ret);
    else
        snprintf(ret, GW_VALUE_TEXT, "%" PRIu64, value);
}

static void path_below(char ret[PATH_TEXT], const char *path, const struct gw_field *f)
{
    snprintf(ret, PATH_TEXT, "%.150s%s%s%s", path, path[0] != '\0' ? "." : "", f->key,
             f->type == GW_FIELD_LIST ? "[]" : "");
}

static void write_type(FILE *out, const struct gw_field *f, const char *path)
{
    char below[PATH_TEXT];
    if (f->type == GW_FIELD_WORD) {
        for (size_t i = 0; f->words[i] != NULL; i++)
            fprintf(out, "%s`%s`", i > 0 ? ", " : "", f->words[i]);
    } else if (f->sub != NULL) {
        path_below(below, path, f);
        fprintf(out, "%s, see [`%s`](#", f->type == GW_FIELD_LIST ? "list" : "mapping", below);
        for (const char *c = below; *c != '\0'; c++) { /* as the headings' anchors are made */
            if (*c != '.' && *c != '[' && *c != ']')
                fputc(*c, out);
        }
        fputc(')', out);
    } else {
        fprintf(out, "%s", types[f->type].noun);
    }
    bool quantity = f->type == GW_FIELD_NUMBER || f->type == GW_FIELD_SIZE ||
                    f->type == GW_FIELD_RATE || f->type == GW_FIELD_DURATION;
    char limit[GW_VALUE_TEXT];
    if (quantity && f->min > 1) {
        show(f, f->min, limit);
        fprintf(out, ", from %s", limit);
    }
    if (quantity && f->max != 0) {
        show(f, f->max, limit);
        fprintf(out, "%s to %s", f->min > 1 ? "" : ", up", limit);
    }
}

static void write_table(FILE *out, const struct gw_schema *s, const char *path)
{
    if (path[0] != '\0')
        fprintf(out, "\n## `%s`\n\n", path);
    if (s->one_of != NULL) {
        fprintf(out, "Exactly one of");
        for (size_t i = 0; s->one_of[i] != NULL; i++)
            fprintf(out, "%s `%s`", i > 0 ? "," : "", s->one_of[i]);
        fprintf(out, ".\n\n");
    }
    fprintf(out, "| key | value | default | |\n|---|---|---|---|\n");
    for (size_t i = 0; i < s->n; i++) {
        const struct gw_field *f = &s->field[i];
        fprintf(out, "| `%s` | ", f->key);
        write_type(out, f, path);
        if (f->fallback != NULL || f->type == GW_FIELD_MANUAL_OR_AFTER)
            fprintf(out, " | `%s`", f->fallback != NULL ? f->fallback : "manual");
        else
            fprintf(out, " | %s", f->required ? "required" : "");
        fprintf(out, " | %s%s |\n", f->help, f->later ? " *(kept; nothing acts on it yet)*" : "");
    }
    for (size_t i = 0; i < s->n; i++) {
        const struct gw_field *f = &s->field[i];
        char below[PATH_TEXT];
        if (f->sub == NULL)
            continue;
        path_below(below, path, f);
        write_table(out, f->sub, below);
    }
}

static void write_notations(FILE *out)
{
    fprintf(out, "\n## Notations\n\n| value | is written |\n|---|---|\n");
    for (size_t i = 0; i < GW_ARRAY_SIZE(types); i++) {
        if (types[i].notation[0] != '\0')
            fprintf(out, "| %s | %s |\n", types[i].noun, types[i].notation);
    }
}

char *gw_schema_reference(const struct gw_schema *schema, const char *title, const char *intro)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    if (out == NULL)
        return NULL;
    fprintf(out, "# %s\n\n%s\n\n## At the top\n\n", title, intro);
    write_table(out, schema, "");
    write_notations(out);
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
