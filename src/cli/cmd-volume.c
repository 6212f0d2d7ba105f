// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* volume list, grow, add, remove: while the plan is protected, the standby first. */
#include "base/checked.h"
#include "base/size.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

int cli_cmd_volume_list(struct gw_term *t)
{
    static const struct gw_term_column columns[] = {
        { "name", "VOLUME", GW_TERM_TEXT },
        { "bytes", "SIZE", GW_TERM_BYTES },
        { "dirty_bytes", "NOT AT THE OTHER SITE", GW_TERM_BYTES },
        { "path", "PATH HERE", GW_TERM_TEXT },
        { "nbd", "NBD SOCKET", GW_TERM_TEXT },
    };
    int r = cli_get(t, gw_http_path("/api/v1/plans/{}/volumes", cli_operand(t, 0)), &t->result);
    if (r < 0 || t->json)
        return r;
    gw_term_table(columns, GW_ARRAY_SIZE(columns), gw_term_at(t->result, "volumes"));
    return GW_EXIT_OK;
}

static int put_size(struct gw_term *t, json_t *body, const char *text)
{
    uint64_t bytes;
    char hint[64];
    gw_term_size_hint(text, hint, sizeof hint);
    if (!gw_size_parse(text, &bytes) || bytes > INT64_MAX)
        return gw_term_usage(t, "'%s' is not a size (64MiB, 20GiB)%s", text, hint);
    json_object_set_new(body, "size_bytes", json_integer((json_int_t)bytes));
    return 0;
}

int cli_cmd_volume_grow(struct gw_term *t)
{
    const char *plan = cli_operand(t, 0), *volume = cli_operand(t, 1);
    json_auto_t *body = json_object(), *answer = NULL;
    int r = put_size(t, body, cli_operand(t, 2));
    if (r != 0)
        return r;
    r = cli_send(t, "POST", gw_http_path("/api/v1/plans/{}/volumes/{}/grow", plan, volume),
                 json_incref(body), &answer);
    return r < 0 ? r : cli_answer(t, answer, "Grown at both sites.");
}

/* --at SITE=PATH, once for each site. */
static int put_places(struct gw_term *t, json_t *body)
{
    json_t *at = json_object();
    json_object_set_new(body, "at", at);
    const char *text;
    for (unsigned i = 0; (text = gw_term_arg_nth(&t->args, "at", i)) != NULL; i++) {
        const char *equals = strchr(text, '=');
        char site[128];
        if (equals == NULL || equals == text || equals[1] != '/' ||
            equals - text >= (ptrdiff_t)sizeof site)
            return gw_term_usage(t, "--at '%s': write SITE=PATH, with an absolute path", text);
        snprintf(site, sizeof site, "%.*s", (int)(equals - text), text);
        if (json_object_get(at, site) != NULL)
            return gw_term_usage(t, "--at: site '%s' is given twice", site);
        json_object_set_new(at, site, gw_http_json_string(equals + 1));
    }
    return 0;
}

int cli_cmd_volume_add(struct gw_term *t)
{
    json_auto_t *body = json_object(), *answer = NULL;
    json_object_set_new(body, "name", gw_http_json_string(cli_operand(t, 1)));
    int r = put_size(t, body, cli_operand(t, 2));
    if (r == 0)
        r = put_places(t, body);
    if (r != 0)
        return r;
    r = cli_send(t, "POST", gw_http_path("/api/v1/plans/{}/volumes", cli_operand(t, 0)),
                 json_incref(body), &answer);
    return r < 0 ? r : cli_answer(t, answer, "Added at both sites, empty.");
}

int cli_cmd_volume_remove(struct gw_term *t)
{
    const char *plan = cli_operand(t, 0), *volume = cli_operand(t, 1);
    json_auto_t *body = json_object(), *answer = NULL;
    int r = cli_put_person(t, body);
    if (r == 0)
        r = gw_term_confirm(t, "plan", plan,
                            "The volume is no longer part of the plan. Its data stays where it is, "
                            "at both sites.");
    if (r != 0)
        return r;
    r = cli_send(t, "DELETE", gw_http_path("/api/v1/plans/{}/volumes/{}", plan, volume),
                 json_incref(body), &answer);
    return r < 0 ? r : cli_answer(t, answer, "Removed from the plan; its data is still there.");
}
