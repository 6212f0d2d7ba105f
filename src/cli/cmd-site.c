// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* site list, show, pair, test, replace, backup, restore. */
#include "base/checked.h"
#include "base/size.h"
#include "cli/cli.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define ADDRESS_BYTES_MAX 300u
#define CODE_BYTES_MAX 300u
#define LAYER_WIDTH 12

/* Names only, one a line: for the completion. */
static void show_names(const json_t *list, const char *key)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        gw_term_say("%s", gw_term_text(json_array_get(list, i), key));
}

int cli_cmd_site_list(struct gw_term *t)
{
    static const struct gw_term_column columns[] = {
        { "site", "SITE", GW_TERM_TEXT },       { "health", "HEALTH", GW_TERM_TEXT },
        { "self", "THIS SITE", GW_TERM_BOOL },  { "link", "LINK", GW_TERM_TEXT },
        { "data", "DATA", GW_TERM_TEXT },       { "rtt_ms", "RTT MS", GW_TERM_NUMBER },
        { "version", "VERSION", GW_TERM_TEXT },
    };
    int r = cli_get(t, strdup("/api/v1/sites"), &t->result);
    if (r < 0 || t->json)
        return r;
    const json_t *sites = gw_term_at(t->result, "sites");
    if (gw_term_flag(&t->args, "names"))
        show_names(sites, "site");
    else
        gw_term_table(columns, GW_ARRAY_SIZE(columns), sites);
    if (json_array_size(sites) < 2 && !gw_term_flag(&t->args, "names"))
        gw_term_say("No other site is paired. godwit site pair makes a code for one.");
    return GW_EXIT_OK;
}

int cli_cmd_site_show(struct gw_term *t)
{
    int r = cli_get(t, gw_http_path("/api/v1/sites/{}", cli_operand(t, 0)), &t->result);
    if (r == 0 && !t->json)
        cli_show(t->result, NULL);
    return r;
}

/* ---- pairing ----------------------------------------------------------------------------------
 */

static int make_code(struct gw_term *t, json_t *body)
{
    int r = cli_send(t, "POST", strdup("/api/v1/sites/pair-code"), body, &t->result);
    if (r < 0 || t->json)
        return r;
    const char *link = gw_term_text(t->result, "link");
    gw_term_say("%s\n", gw_term_text(t->result, "code"));
    gw_term_say("Good for one pairing, until %s. At the other site:\n",
                gw_term_text(t->result, "expires"));
    gw_term_say("  godwit site pair %s %s", gw_term_text(t->result, "code"),
                link[0] != '\0' ? link : "ADDRESS:7001");
    return GW_EXIT_OK;
}

/* Addresses that this site tells the other one, where they differ from what it listens on. */
static int put_addresses(struct gw_term *t, json_t *body)
{
    int r = cli_put_text(t, body, "link", "our_link", ADDRESS_BYTES_MAX);
    return r != 0 ? r : cli_put_text(t, body, "data", "our_data", ADDRESS_BYTES_MAX);
}

int cli_cmd_site_pair(struct gw_term *t)
{
    const char *code = cli_operand(t, 0), *link = cli_operand(t, 1);
    json_auto_t *body = json_object();
    int r = put_addresses(t, body);
    if (r == 0 && code != NULL && link == NULL)
        return gw_term_usage(t, "site pair needs the link address of the other site behind the "
                                "code: site pair CODE HOST:7001");
    if (r != 0)
        return r;
    if (code == NULL)
        return make_code(t, json_incref(body));
    json_object_set_new(body, "code", gw_http_json_string(code));
    json_object_set_new(body, "link", gw_http_json_string(link));
    r = cli_send(t, "POST", strdup("/api/v1/sites"), json_incref(body), &t->result);
    if (r == 0 && !t->json)
        gw_term_say("Paired with %s. godwit site test %s tries all that it needs.",
                    gw_term_text(t->result, "site"), gw_term_text(t->result, "site"));
    return r;
}

/* ---- test -------------------------------------------------------------------------------------
 */

/* Rows of what was tried; how many failed. */
static unsigned show_layers(const json_t *layers)
{
    unsigned failed = 0;
    for (size_t i = 0; i < json_array_size(layers); i++) {
        const json_t *one = json_array_get(layers, i);
        const char *fix = gw_term_text(one, "fix"), *from = gw_term_text(one, "from");
        bool ok = gw_term_true(one, "ok"), skipped = gw_term_true(one, "skipped");
        failed += !ok && !skipped;
        gw_term_say("%-7s %s%s%-*s %s",
                    skipped ? "skipped"
                    : ok    ? "ok"
                            : "FAILED",
                    from, from[0] != '\0' ? ": " : "", LAYER_WIDTH, gw_term_text(one, "layer"),
                    gw_term_text(one, "detail"));
        if (!ok && fix[0] != '\0')
            gw_term_say("        %s", fix);
    }
    return failed;
}

static unsigned count_failed(const json_t *layers)
{
    unsigned failed = 0;
    for (size_t i = 0; i < json_array_size(layers); i++) {
        const json_t *one = json_array_get(layers, i);
        failed += !gw_term_true(one, "ok") && !gw_term_true(one, "skipped");
    }
    return failed;
}

static void show_measures(const json_t *o)
{
    char rate[GW_SIZE_TEXT];
    if (json_is_number(gw_term_at(o, "rtt_ms")))
        gw_term_row("round trip", "%.1f ms", gw_term_real(o, "rtt_ms"));
    if (json_is_number(gw_term_at(o, "clock_offset_ms")))
        gw_term_row("clock offset", "%.1f ms", gw_term_real(o, "clock_offset_ms"));
    if (gw_term_number(o, "throughput_bytes") > 0) {
        gw_size_format(gw_term_number(o, "throughput_bytes"), rate);
        gw_term_row("throughput", "%s/s", rate);
    }
}

int cli_cmd_site_test(struct gw_term *t)
{
    const char *site = cli_operand(t, 0);
    int r = cli_send(t, "POST", gw_http_path("/api/v1/sites/{}/test", site), NULL, &t->result);
    if (r < 0)
        return r;
    const json_t *layers = gw_term_at(t->result, "layers");
    unsigned failed = t->json ? count_failed(layers) : show_layers(layers);
    if (!t->json)
        show_measures(t->result);
    if (failed == 0) {
        if (!t->json)
            gw_term_say("CONNECTED: %s", site);
        return GW_EXIT_OK;
    }
    gw_error_set(&t->err, -ENOTCONN, "%u of %zu layers between here and %s failed", failed,
                 json_array_size(layers), site);
    return GW_EXIT_FAILED;
}

/* ---- replace, backup, restore -----------------------------------------------------------------
 */

int cli_cmd_site_replace(struct gw_term *t)
{
    const char *site = cli_operand(t, 0);
    json_auto_t *body = json_object(), *answer = NULL;
    int r = cli_put_text(t, body, "code", "code", CODE_BYTES_MAX);
    if (r == 0)
        r = cli_put_text(t, body, "link", "link", ADDRESS_BYTES_MAX);
    if (r == 0)
        r = cli_put_text(t, body, "data", "data", ADDRESS_BYTES_MAX);
    if (r == 0)
        r = cli_put_person(t, body);
    if (r == 0)
        r = gw_term_confirm(t, "site", site,
                            "The machine that was this site is forgotten: its certificate is no "
                            "longer believed, and its plans are seeded in full on the new one.");
    if (r != 0)
        return r;
    r = cli_send(t, "POST", gw_http_path("/api/v1/sites/{}/replace", site), json_incref(body),
                 &answer);
    return r < 0 ? r : cli_answer(t, answer, NULL);
}

/* godwitd has another working directory than who types. */
static int absolute(struct gw_term *t, const char *path, json_t *body)
{
    CLEANUP_FREE char *cwd = path[0] == '/' ? NULL : getcwd(NULL, 0);
    CLEANUP_FREE char *whole = NULL;
    if (path[0] != '/' && cwd == NULL)
        return gw_error_errno(&t->err, -errno, "the working directory is not known");
    if (asprintf(&whole, "%s%s%s", cwd != NULL ? cwd : "", cwd != NULL ? "/" : "", path) < 0) {
        whole = NULL;
        return gw_term_no_memory(t);
    }
    if (json_object_set_new(body, "file", json_string(whole)) < 0)
        return gw_term_usage(t, "'%s': not valid UTF-8", path);
    return 0;
}

int cli_cmd_site_backup(struct gw_term *t)
{
    json_auto_t *body = json_object(), *answer = NULL;
    int r = absolute(t, t->args.operand[0], body);
    if (r == 0)
        r = cli_send(t, "POST", strdup("/api/v1/site/backup"), json_incref(body), &answer);
    return r != 0 ? r : cli_answer(t, answer, NULL);
}

/* The name of this site, to be typed; "" if godwitd does not say it. */
static int own_name(struct gw_term *t, char *ret, size_t cap)
{
    json_auto_t *answer = NULL;
    int r = cli_get(t, strdup("/api/v1/sites"), &answer);
    if (r < 0)
        return r;
    const json_t *sites = gw_term_at(answer, "sites");
    ret[0] = '\0';
    for (size_t i = 0; i < json_array_size(sites); i++) {
        const json_t *one = json_array_get(sites, i);
        if (gw_term_true(one, "self"))
            snprintf(ret, cap, "%s", gw_term_text(one, "site"));
    }
    return 0;
}

static const char restore_warning[] = "What this site remembers of plans and runs is replaced. It "
                                      "comes up fenced, until its past was "
                                      "compared with that of the other site.";
static const char alone_warning[] =
    "What happened at the other site since is not asked for: say so only if that site is lost, or "
    "remembers no more than this one.";

int cli_cmd_site_restore(struct gw_term *t)
{
    json_auto_t *body = json_object(), *answer = NULL;
    const char *file = cli_operand(t, 0);
    bool from_peer = gw_term_flag(&t->args, "from-peer"), alone = gw_term_flag(&t->args, "alone");
    if ((file != NULL) + from_peer + alone != 1)
        return gw_term_usage(t, "site restore needs one of FILE, --from-peer and --alone");
    int r =
        file != NULL ? absolute(t, file, body) : cli_put_flag(t, body, "from-peer", "from_peer");
    if (r == 0)
        r = cli_put_flag(t, body, "alone", "alone");
    if (r == 0)
        r = cli_put_person(t, body);
    char self[128];
    if (r == 0)
        r = own_name(t, self, sizeof self);
    if (r == 0)
        r = gw_term_confirm(t, "site", self, alone ? alone_warning : restore_warning);
    if (r != 0)
        return r;
    r = cli_send(t, "POST", strdup("/api/v1/site/restore"), json_incref(body), &answer);
    return r < 0 ? r : cli_answer(t, answer, NULL);
}
