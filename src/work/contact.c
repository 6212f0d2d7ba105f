// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* One notice to one contact, one try. */
#include "work/contact.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "work/command.h"
#include "work/fetch.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int gw_contact_check(const struct gw_work_contact *c, struct gw_error *err)
{
    const char *name = c->name != NULL ? c->name : "?";
    if ((c->webhook != NULL) == (c->command != NULL))
        return gw_error_set(err, -EINVAL, "contact \"%s\": a webhook or a command, one of the two",
                            name);
    if (c->webhook != NULL && !gw_fetch_url_ok(c->webhook))
        return gw_error_set(err, -EINVAL, "contact \"%s\": not an http or https URL", name);
    int r = c->command != NULL ? gw_argv_check(c->command, "command", err) : 0;
    return r < 0 ? gw_error_wrap(err, "contact \"%s\"", name) : 0;
}

/* ---- the notice as JSON ---------------------------------------------------------------------- */

/* Cut to a length, and always valid UTF-8. False: no memory. */
static bool put(json_t *o, const char *key, const char *value)
{
    if (value == NULL)
        return true;
    CLEANUP_FREE char *text = gw_output_clean(value, strnlen(value, GW_NOTICE_TEXT_MAX));
    return text != NULL && json_object_set_new(o, key, json_string(text)) == 0;
}

char *gw_notice_json(const struct gw_notice *n, const char *contact)
{
    char time[GW_TIME_TEXT], *text = NULL;
    json_t *o = json_object();
    gw_time_format(n->wall_ns, time);
    if (o != NULL && put(o, "event", n->event) && put(o, "severity", n->severity) &&
        put(o, "time", time) && put(o, "site", n->site) && put(o, "plan", n->plan) &&
        put(o, "run", n->run) && put(o, "contact", contact) && put(o, "subject", n->subject) &&
        put(o, "text", n->text != NULL ? n->text : ""))
        text = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return text;
}

/* ---- sending --------------------------------------------------------------------------------- */

static int send_webhook(const struct gw_work_contact *c, const char *json, int stop_fd,
                        struct gw_error *err)
{
    struct gw_fetch_result result;
    const struct gw_fetch f = { .url = c->webhook,
                                .post_json = json,
                                .timeout_ms = GW_NOTICE_TRY_MS,
                                .stop_fd = stop_fd,
                                .may_proxy = true };
    int r = gw_fetch(&f, &result, err);
    if (r < 0)
        return r;
    unsigned status = result.status;
    gw_fetch_result_done(&result);
    if (status >= 200 && status <= 299)
        return 0;
    char origin[GW_WORK_TEXT_MAX];
    gw_fetch_origin(c->webhook, origin, sizeof origin);
    return gw_error_set(err, -EIO, "%s answered with status %u", origin, status);
}

static int command_env(const struct gw_notice *n, const char *json, struct gw_env *e,
                       struct gw_error *err)
{
    char time[GW_TIME_TEXT];
    gw_time_format(n->wall_ns, time);
    const struct {
        const char *name, *value;
    } rows[] = {
        { "GODWIT_EVENT", n->event }, { "GODWIT_SEVERITY", n->severity },
        { "GODWIT_SITE", n->site },   { "GODWIT_PLAN", n->plan },
        { "GODWIT_RUN", n->run },     { "GODWIT_SUBJECT", n->subject },
        { "GODWIT_TEXT", n->text },   { "GODWIT_TIME", time },
        { "GODWIT_NOTICE", json },
    };
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof rows / sizeof rows[0]; i++) {
        const int max = rows[i].value == json ? (int)GW_ENV_BYTES_MAX : (int)GW_NOTICE_TEXT_MAX;
        if (rows[i].value != NULL)
            r = gw_env_set(e, err, rows[i].name, "%.*s", max, rows[i].value);
    }
    return r;
}

static int send_command(const struct gw_work_contact *c, const struct gw_notice *n,
                        const char *json, int stop_fd, struct gw_error *err)
{
    struct gw_env *env = NULL;
    struct gw_work work = { .stop_fd = stop_fd };
    int r = gw_env_new(&env, err);
    if (r == 0)
        r = command_env(n, json, env, err);
    if (r == 0) {
        const struct gw_work_command command = {
            .what = "command", .argv = c->command, .env = env, .timeout_ms = GW_NOTICE_TRY_MS
        };
        r = gw_command_must(&command, &work, err);
    }
    gw_env_free(env);
    return r;
}

int gw_contact_send(const struct gw_work_contact *contact, const struct gw_notice *notice,
                    int stop_fd, struct gw_error *err)
{
    int r = gw_contact_check(contact, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *json = gw_notice_json(notice, contact->name);
    if (json == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    return contact->webhook != NULL ? send_webhook(contact, json, stop_fd, err)
                                    : send_command(contact, notice, json, stop_fd, err);
}
