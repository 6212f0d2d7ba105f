// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* points list, create; divergence list, show, sign. */
#include "base/checked.h"
#include "cli/cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TAG_BYTES_MAX 63u
#define RANGES_DEFAULT 64u

/* ---- recovery points --------------------------------------------------------------------------
 */

int cli_cmd_points_list(struct gw_term *t)
{
    static const struct gw_term_column columns[] = {
        { "id", "POINT", GW_TERM_TEXT },      { "time", "TIME", GW_TERM_TEXT },
        { "site", "AT", GW_TERM_TEXT },       { "epoch", "EPOCH", GW_TERM_NUMBER },
        { "kind", "KIND", GW_TERM_TEXT },     { "tag", "TAG", GW_TERM_TEXT },
        { "damage", "DAMAGE", GW_TERM_TEXT },
    };
    int r = cli_get(t, gw_http_path("/api/v1/plans/{}/points", cli_operand(t, 0)), &t->result);
    if (r < 0 || t->json)
        return r;
    const json_t *points = gw_term_at(t->result, "points");
    gw_term_table(columns, GW_ARRAY_SIZE(columns), points);
    if (json_array_size(points) == 0)
        gw_term_say("There is no recovery point.");
    return GW_EXIT_OK;
}

int cli_cmd_points_create(struct gw_term *t)
{
    json_auto_t *body = json_object(), *answer = NULL;
    int r = cli_put_text(t, body, "tag", "tag", TAG_BYTES_MAX);
    if (r != 0)
        return r;
    r = cli_send(t, "POST", gw_http_path("/api/v1/plans/{}/points", cli_operand(t, 0)),
                 json_incref(body), &answer);
    return r < 0 ? r : cli_answer(t, answer, NULL);
}

/* ---- divergence -------------------------------------------------------------------------------
 */

int cli_cmd_divergence_list(struct gw_term *t)
{
    static const struct gw_term_column columns[] = {
        { "id", "TAIL", GW_TERM_TEXT },
        { "site", "SITE", GW_TERM_TEXT },
        { "state", "STATE", GW_TERM_TEXT },
        { "bytes", "SIZE", GW_TERM_BYTES },
        { "signed_by", "SIGNED BY", GW_TERM_TEXT },
        { "time", "TIME", GW_TERM_TEXT },
        { "damage", "DAMAGE", GW_TERM_TEXT },
    };
    int r = cli_get(t, gw_http_path("/api/v1/plans/{}/divergence", cli_operand(t, 0)), &t->result);
    if (r < 0 || t->json)
        return r;
    const json_t *tails = gw_term_at(t->result, "divergence");
    gw_term_table(columns, GW_ARRAY_SIZE(columns), tails);
    if (json_array_size(tails) == 0)
        gw_term_say("No site has writes that the other one never had.");
    return GW_EXIT_OK;
}

int cli_cmd_divergence_show(struct gw_term *t)
{
    static const struct gw_term_column columns[] = {
        { "volume", "VOLUME", GW_TERM_TEXT },
        { "offset", "OFFSET", GW_TERM_NUMBER },
        { "bytes", "LENGTH", GW_TERM_BYTES },
    };
    uint64_t ranges = RANGES_DEFAULT;
    char text[32];
    if (gw_term_arg_number(&t->args, "ranges", &ranges, &t->err) < 0)
        return GW_EXIT_USAGE;
    snprintf(text, sizeof text, "%llu", (unsigned long long)ranges);
    const char *id = cli_operand(t, 1);
    char *path = gw_http_path("/api/v1/plans/{}/divergence/{}", cli_operand(t, 0),
                              id != NULL ? id : "pending");
    int r = cli_get(t, cli_query(path, "ranges", text), &t->result);
    if (r < 0 || t->json)
        return r;
    cli_show(t->result, "ranges");
    putchar('\n');
    gw_term_table(columns, GW_ARRAY_SIZE(columns), gw_term_at(t->result, "ranges"));
    return GW_EXIT_OK;
}

int cli_cmd_divergence_sign(struct gw_term *t)
{
    json_auto_t *body = json_object(), *answer = NULL;
    int r = cli_put_text(t, body, "by", "by", CLI_PERSON_BYTES_MAX);
    if (r == 0)
        r = cli_put_text(t, body, "reason", "reason", CLI_REASON_BYTES_MAX);
    if (r != 0)
        return r;
    r = cli_send(t, "POST", gw_http_path("/api/v1/plans/{}/divergence/sign", cli_operand(t, 0)),
                 json_incref(body), &answer);
    return r < 0 ? r
                 : cli_answer(t, answer, "Signed. The tail is kept aside and the resync goes on.");
}
