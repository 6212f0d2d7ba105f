// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The plan file of the shop. */
#include "demo/shop.h"

#include "base/checked.h"
#include "base/cleanup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* A text with quotes and escapes that JSON and YAML have in common. */
static void put_quoted(FILE *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put_quoted(FILE *f, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    json_auto_t *text = json_vsprintf(fmt, ap);
    va_end(ap);
    json_dumpf(text, f, JSON_ENCODE_ANY);
}

static void put_volume(const struct shop *s, FILE *f, const char *name, uint64_t bytes)
{
    fprintf(f, "  - name: %s\n    size: %lluMiB\n    at: {madrid: ", name,
            (unsigned long long)(bytes >> 20));
    put_quoted(f, "%s/%s/volumes/%s.img", s->stage.path, TIER_HOME, name);
    fputs(", lisbon: ", f);
    put_quoted(f, "%s/%s/volumes/%s.img", s->stage.path, TIER_DR, name);
    fputs("}\n", f);
}

static void put_command(const struct shop *s, FILE *f, const char *key, const char *role,
                        const char *verb)
{
    fprintf(f, "        %s: [", key);
    put_quoted(f, "%s", s->programs.godwit);
    fprintf(f, ", demo, --role, %s, %s, ", role, verb);
    put_quoted(f, "%s", s->stage.path);
    for (int i = 0; i < TIER_ROLES; i++)
        fprintf(f, ", \"%u\"", s->port[i]);
    fputs("]\n", f);
}

static void put_group(const struct shop *s, FILE *f, enum tier_role role, const char *more)
{
    const char *name = tier_role_name(role);
    fprintf(f,
            "  - name: %s\n    priority: %d\n    instances:\n      - name: %s\n"
            "        driver: exec\n",
            name, (int)role + 1, name);
    put_command(s, f, "start", name, "start");
    put_command(s, f, "stop", name, "stop");
    put_command(s, f, "status", name, "status");
    fputs(more, f);
    fputs("    health:\n", f);
    if (role == TIER_LEDGER)
        fprintf(f, "      - {tcp: \"" TIER_LOCAL ":%u\", interval: 100ms, within: 30s}\n",
                s->port[role]);
    else
        fprintf(f,
                "      - {http: {url: \"http://" TIER_LOCAL ":%u/healthz\", body: ok}, "
                "interval: 100ms, within: 30s}\n",
                s->port[role]);
}

static void put_route(const struct shop *s, FILE *f)
{
    fputs("routes:\n  - exec:\n      set: [", f);
    put_quoted(f, "%s", s->programs.godwit);
    fputs(", demo, --role, route, set, ", f);
    put_quoted(f, "%s", s->stage.path);
    fputs(", \"{site}\"]\n      status: [", f);
    put_quoted(f, "%s", s->programs.godwit);
    fputs(", demo, --role, route, show, ", f);
    put_quoted(f, "%s", s->stage.path);
    fputs("]\n", f);
}

int shop_write_plan(const struct shop *s, struct gw_error *err)
{
    FILE *f = fopen(SHOP_PLAN_FILE, "we");
    if (f == NULL)
        return gw_error_errno(err, -errno, "cannot write \"%s\"", SHOP_PLAN_FILE);
    fprintf(f,
            "plan: " SHOP_PLAN "\nhome: " TIER_HOME "\ndr: " TIER_DR "\n"
            "rpo: 30s\nrto: 1m\nfailback_rto: 10m\n"
            "replication: {mode: %s}\nvolumes:\n",
            s->options->sync ? "sync" : "async");
    put_volume(s, f, "ledger", SHOP_LEDGER_BYTES);
    put_volume(s, f, "archive", SHOP_ARCHIVE_BYTES);
    fputs("groups:\n", f);
    put_group(s, f, TIER_LEDGER, "        attach: [{volume: ledger}, {volume: archive}]\n");
    put_group(s, f, TIER_SERVICE, "");
    put_group(s, f, TIER_FRONT, "");
    put_route(s, f);
    fputs("failover: {mode: manual}\n", f);
    return fclose(f) == 0 ? 0 : gw_error_errno(err, -errno, "cannot write \"%s\"", SHOP_PLAN_FILE);
}
