// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Any answer, shown by the names of its members; and the end of an action. */
#include "base/checked.h"
#include "base/size.h"
#include "cli/cli.h"
#include "cli/follow.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define LABEL_MAX 64
#define DEPTH_MAX 4

static const struct {
    const char *suffix;
    enum gw_term_kind kind;
} units[] = {
    { "_bytes", GW_TERM_BYTES },
    { "_seconds", GW_TERM_SECONDS },
};

/* The unit at the end of a name; *ret_len is the length of what stands before it. */
static enum gw_term_kind unit_of(const char *name, const json_t *value, size_t *ret_len)
{
    size_t n = strlen(name);
    *ret_len = n;
    if (json_is_boolean(value))
        return GW_TERM_BOOL;
    if (json_is_array(value))
        return GW_TERM_LIST;
    if (!json_is_number(value))
        return GW_TERM_TEXT;
    for (size_t i = 0; i < GW_ARRAY_SIZE(units); i++) {
        size_t u = strlen(units[i].suffix);
        if (strcmp(name, units[i].suffix + 1) == 0)
            return units[i].kind;
        if (n > u && strcmp(name + n - u, units[i].suffix) == 0) {
            *ret_len = n - u;
            return units[i].kind;
        }
    }
    return GW_TERM_NUMBER;
}

/* "lag_bytes" in "sync" -> "sync lag". */
static void label_of(const char *prefix, const char *name, size_t len, char ret[LABEL_MAX])
{
    snprintf(ret, LABEL_MAX, "%s%s%.*s", prefix, prefix[0] != '\0' ? " " : "", (int)len, name);
    for (char *p = ret; *p != '\0'; p++)
        *p = *p == '_' ? ' ' : *p;
}

void cli_seconds_format(double seconds, char ret[GW_TERM_DURATION_TEXT])
{
    if (seconds >= 1 && seconds < 10)
        snprintf(ret, GW_TERM_DURATION_TEXT, "%.1f s", seconds);
    else
        gw_term_duration_format(seconds, ret);
}

static void show_number(const char *label, enum gw_term_kind kind, const json_t *value)
{
    char text[GW_TERM_DURATION_TEXT + GW_SIZE_TEXT];
    double x = json_number_value(value);
    if (kind == GW_TERM_BYTES)
        gw_size_format(x > 0 ? (uint64_t)x : 0, text);
    else if (kind == GW_TERM_SECONDS)
        cli_seconds_format(x, text);
    else if (json_is_integer(value))
        snprintf(text, sizeof text, "%lld", (long long)json_integer_value(value));
    else
        snprintf(text, sizeof text, "%.2f", x);
    gw_term_row(label, "%s", text);
}

/* Columns are the plain members of the first object. */
static void show_list(const json_t *list)
{
    struct gw_term_column columns[GW_TERM_COLUMNS_MAX];
    char headers[GW_TERM_COLUMNS_MAX][LABEL_MAX];
    size_t n = 0;
    void *at = json_object_iter(json_array_get(list, 0));
    for (; at != NULL && n < GW_TERM_COLUMNS_MAX;
         at = json_object_iter_next(json_array_get(list, 0), at)) {
        const char *name = json_object_iter_key(at);
        const json_t *value = json_object_iter_value(at);
        size_t len;
        if (json_is_object(value) || strchr(name, '.') != NULL)
            continue;
        columns[n].key = name;
        columns[n].kind = unit_of(name, value, &len);
        label_of("", name, len, headers[n]);
        for (char *p = headers[n]; *p != '\0'; p++)
            *p = (char)toupper((unsigned char)*p);
        columns[n].header = headers[n];
        n++;
    }
    gw_term_table(columns, n, list);
}

static bool is_skipped(const char *name, const char *skip)
{
    size_t n = strlen(name);
    while (skip != NULL && *skip != '\0') {
        size_t len = strcspn(skip, " ");
        if (len == n && strncmp(skip, name, n) == 0)
            return true;
        skip += len + strspn(skip + len, " ");
    }
    return false;
}

static bool is_plain_list(const json_t *value)
{
    return json_array_size(value) > 0 && json_is_string(json_array_get(value, 0));
}

static void show_members(const json_t *object, const char *prefix, const char *skip, int depth)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        char label[LABEL_MAX];
        size_t len;
        enum gw_term_kind kind = unit_of(name, value, &len);
        label_of(prefix, name, len, label);
        if (is_skipped(name, skip) || json_is_null(value))
            continue;
        if (json_is_object(value) && depth < DEPTH_MAX) {
            show_members(value, label, NULL, depth + 1);
        } else if (is_plain_list(value)) {
            for (size_t i = 0; i < json_array_size(value); i++) {
                const char *text = json_string_value(json_array_get(value, i));
                gw_term_row(i == 0 ? label : "", "%s", text != NULL ? text : "?");
            }
        } else if (json_is_string(value)) {
            gw_term_row(label, "%s", json_string_value(value));
        } else if (json_is_boolean(value)) {
            gw_term_row(label, "%s", json_is_true(value) ? "yes" : "no");
        } else if (json_is_number(value)) {
            show_number(label, kind, value);
        }
    }
}

void cli_show(const json_t *object, const char *skip)
{
    const char *name;
    json_t *value;
    show_members(object, "", skip, 0);
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        if (!json_is_object(json_array_get(value, 0)) || is_skipped(name, skip))
            continue;
        printf("\n%s\n", name);
        show_list(value);
    }
}

int cli_answer(struct gw_term *t, json_t *answer, const char *said)
{
    json_t *run = json_object_get(answer, "run");
    const char *id = gw_term_text(run, "id");
    if (id[0] != '\0') {
        if (!gw_term_flag(&t->args, "no-wait"))
            return cli_follow(t, id, run, CLI_RUN_DONE);
        t->result = json_pack("{s:O}", "run", run);
        if (!t->json)
            gw_term_say("Run %s has begun; godwit run watch %s follows it.", id, id);
        return cli_run_kind(gw_term_text(run, "state")) == CLI_RUN_ASKS
                   ? cli_run_exit(t, run, CLI_RUN_DONE)
                   : GW_EXIT_OK;
    }
    t->result = answer != NULL ? json_incref(answer) : json_object();
    if (t->json)
        return GW_EXIT_OK;
    if (said != NULL)
        gw_term_say("%s", said);
    else
        cli_show(answer, "ok");
    return GW_EXIT_OK;
}
