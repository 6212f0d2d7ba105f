// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* plan status: where things stand, which way data flows, and what to do next. */
#include "base/checked.h"
#include "base/clock.h"
#include "base/size.h"
#include "cli/cli.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define EVERY_MS_DEFAULT 2000u

static const char *seconds_text(const json_t *o, const char *path, char ret[GW_TERM_DURATION_TEXT])
{
    if (json_is_number(gw_term_at(o, path)))
        cli_seconds_format(gw_term_real(o, path), ret);
    else
        snprintf(ret, GW_TERM_DURATION_TEXT, "not known");
    return ret;
}

static const char *bytes_text(const json_t *o, const char *path, char ret[GW_SIZE_TEXT])
{
    if (json_is_number(gw_term_at(o, path)))
        gw_size_format(gw_term_number(o, path), ret);
    else
        snprintf(ret, GW_SIZE_TEXT, "not known");
    return ret;
}

/* "a, b" of a list of texts; to be freed. */
static char *join(const json_t *list)
{
    char *text = NULL;
    size_t len;
    FILE *f = open_memstream(&text, &len);
    if (f == NULL)
        return NULL;
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *one = json_string_value(json_array_get(list, i));
        fprintf(f, "%s%s", i > 0 ? ", " : "", one != NULL ? one : "?");
    }
    fclose(f);
    return text;
}

/* ---- rows -------------------------------------------------------------------------------------
 */

static void show_headline(const json_t *s)
{
    CLEANUP_FREE char *reasons = join(gw_term_at(s, "reasons"));
    bool has = reasons != NULL && reasons[0] != '\0';
    gw_term_row("plan", "%s", gw_term_text(s, "plan"));
    gw_term_row("status", "%s", gw_term_text(s, "status"));
    gw_term_row("phase", "%s%s%s%s", gw_term_text(s, "phase"), has ? " (" : "", has ? reasons : "",
                has ? ")" : "");
    if (gw_term_text(s, "sentence")[0] != '\0')
        gw_term_row("", "%s", gw_term_text(s, "sentence"));
    const char *mode = gw_term_text(s, "mode"), *held = gw_term_text(s, "held_reason");
    if (mode[0] != '\0')
        gw_term_row("mode", "%s%s%s", mode, held[0] != '\0' ? ": " : "", held);
}

static void show_authority(const json_t *s)
{
    const char *active = gw_term_text(s, "active"), *holder = gw_term_text(s, "holder");
    gw_term_row("active site", "%s", active[0] != '\0' ? active : "none");
    if (strcmp(active, holder) != 0)
        gw_term_row("holder", "%s", holder[0] != '\0' ? holder : "none");
    gw_term_row("epoch", "%llu", (unsigned long long)gw_term_number(s, "epoch"));
    const char *direction = gw_term_text(s, "direction");
    gw_term_row("direction", "%s", direction[0] != '\0' ? direction : "none: no data flows");
}

static void show_lag(const json_t *s)
{
    char seconds[GW_TERM_DURATION_TEXT], bytes[GW_SIZE_TEXT], rpo[GW_TERM_DURATION_TEXT];
    gw_term_row("replication", "%s", gw_term_text(s, "replication"));
    const char *since = gw_term_text(s, "lag_unknown_since");
    if (since[0] != '\0')
        gw_term_row("lag", "not known since %s", since);
    else
        gw_term_row("lag", "%s, %s", seconds_text(s, "lag_seconds", seconds),
                    bytes_text(s, "lag_bytes", bytes));
    if (json_is_number(gw_term_at(s, "rpo_seconds"))) {
        seconds_text(s, "rpo_seconds", rpo);
        if (json_is_number(gw_term_at(s, "rpo_within_percent")))
            gw_term_row("RPO", "%s, %.2f %% of the time within it", rpo,
                        gw_term_real(s, "rpo_within_percent"));
        else
            gw_term_row("RPO", "%s, no time measured yet", rpo);
    }
    const json_t *point = gw_term_at(s, "last_point");
    if (json_is_object(point))
        gw_term_row("last point", "%s%s%s", gw_term_text(point, "id"),
                    gw_term_text(point, "time")[0] != '\0' ? " of " : "",
                    gw_term_text(point, "time"));
    else
        gw_term_row("last point", "none");
}

static void show_sync(const json_t *s)
{
    const json_t *sync = gw_term_at(s, "sync");
    uint64_t total = gw_term_number(sync, "total_bytes"), done = gw_term_number(sync, "done_bytes");
    char a[GW_SIZE_TEXT], b[GW_SIZE_TEXT], rate[GW_SIZE_TEXT], eta[GW_TERM_DURATION_TEXT];
    if (total == 0)
        return;
    bytes_text(sync, "rate", rate);
    gw_size_format(done, a);
    gw_size_format(total, b);
    gw_term_row("sync", "%.0f %%, %s of %s, %s/s, %s left",
                GW_MIN(100.0 * (double)done / (double)total, 100.0), a, b, rate,
                seconds_text(sync, "eta_seconds", eta));
}

static void show_verify(const json_t *s)
{
    const json_t *v = gw_term_at(s, "verify");
    uint64_t total = gw_term_number(v, "total_bytes"), done = gw_term_number(v, "checked_bytes");
    char a[GW_SIZE_TEXT], b[GW_SIZE_TEXT];
    if (!json_is_object(v))
        return;
    gw_size_format(done, a);
    gw_size_format(total, b);
    gw_term_row("verify", "%s of %s compared%s, %llu blocks differed", a, b,
                gw_term_true(v, "running") ? ""
                : gw_term_true(v, "done")  ? ", done"
                                           : ", ended before everything was compared",
                (unsigned long long)gw_term_number(v, "differing_blocks"));
}

static void show_run(const char *label, const json_t *run)
{
    const char *step = gw_term_text(run, "step"), *ended = gw_term_text(run, "ended");
    if (json_is_object(run))
        gw_term_row(label, "%s %s, %s%s%s%s%s", gw_term_text(run, "operation"),
                    gw_term_text(run, "id"), gw_term_text(run, "state"), step[0] ? ", at " : "",
                    step, ended[0] ? ", ended " : "", ended);
}

static void show_divergence(const json_t *s)
{
    const json_t *d = gw_term_at(s, "divergence");
    char bytes[GW_SIZE_TEXT];
    if (!json_is_object(d))
        return;
    gw_term_row("divergence", "%s of %s%s", bytes_text(d, "bytes", bytes), gw_term_text(d, "site"),
                gw_term_true(d, "signed") ? ", signed" : ", NOT signed");
}

static void show_sites(const json_t *s)
{
    const char *name;
    json_t *site;
    json_object_foreach((json_t *)(uintptr_t)gw_term_at(s, "sites"), name, site)
    {
        const char *unit = gw_term_text(site, "unit.state"),
                   *service = gw_term_text(site, "service");
        const char *role = gw_term_text(site, "role"), *detail = gw_term_text(site, "detail");
        bool here = !json_is_false(json_object_get(site, "reachable"));
        char label[GW_TERM_WORD_MAX];
        snprintf(label, sizeof label, "at %.40s", name);
        if (!here) {
            const char *heard = gw_term_text(site, "last_heard");
            gw_term_row(label, "NOT REACHABLE%s%s, service and process not known (%s%s)",
                        role[0] ? ", " : "", role, heard[0] ? "last heard " : "never heard of",
                        heard);
            continue;
        }
        gw_term_row(label, "%s%s%s%s%s%s%s", role, service[0] ? ", service " : "", service,
                    unit[0] ? ", process " : "", unit, detail[0] ? ", " : "", detail);
    }
}

static void show_volumes(const json_t *s)
{
    static const struct gw_term_column columns[] = {
        { "name", "VOLUME", GW_TERM_TEXT },
        { "bytes", "SIZE", GW_TERM_BYTES },
        { "dirty_bytes", "NOT AT THE OTHER SITE", GW_TERM_BYTES },
    };
    const json_t *volumes = gw_term_at(s, "volumes");
    if (json_array_size(volumes) == 0)
        return;
    putchar('\n');
    gw_term_table(columns, GW_ARRAY_SIZE(columns), volumes);
}

static void show_status(const json_t *s)
{
    const char *next = gw_term_text(s, "next");
    show_headline(s);
    show_authority(s);
    show_lag(s);
    show_sync(s);
    show_verify(s);
    show_sites(s);
    show_divergence(s);
    show_run("run", gw_term_at(s, "run"));
    show_run("last run", gw_term_at(s, "last_run"));
    gw_term_row("next", "%s", next[0] != '\0' ? next : "nothing to do");
    show_volumes(s);
}

/* For files and pipes: a status on one line. */
static void show_line(const json_t *s)
{
    CLEANUP_FREE char *reasons = join(gw_term_at(s, "reasons"));
    char now[GW_TIME_TEXT], lag[GW_TERM_DURATION_TEXT], bytes[GW_SIZE_TEXT];
    const char *direction = gw_term_text(s, "direction"), *run = gw_term_text(s, "run.operation");
    uint64_t total = gw_term_number(s, "sync.total_bytes");
    char sync[32] = "";
    if (total > 0)
        snprintf(sync, sizeof sync, ", sync %.0f %%",
                 100.0 * (double)gw_term_number(s, "sync.done_bytes") / (double)total);
    gw_time_format(gw_wall_ns(), now);
    gw_term_say("%s  %s %s %s%s%s  %s  lag %s, %s%s%s%s%s%s", now, gw_term_text(s, "plan"),
                gw_term_text(s, "status"), gw_term_text(s, "phase"),
                reasons != NULL && reasons[0] ? " " : "", reasons != NULL ? reasons : "",
                direction[0] ? direction : "-", seconds_text(s, "lag_seconds", lag),
                bytes_text(s, "lag_bytes", bytes), sync, run[0] ? ", " : "", run,
                run[0] ? " at " : "", gw_term_text(s, "run.step"));
}

/* ---- once, and again --------------------------------------------------------------------------
 */

static void show_once(struct gw_term *t, const char *plan, bool clear)
{
    json_auto_t *s = NULL;
    int r = cli_get(t, gw_http_path("/api/v1/plans/{}/status", plan), &s);
    if (t->json) {
        json_auto_t *error = r < 0 ? cli_error_json(t) : NULL;
        gw_term_print_json_line(r < 0 ? error : s);
    } else if (clear) {
        char now[GW_TIME_TEXT];
        gw_time_format(gw_wall_ns(), now);
        printf("\033[H\033[J%s\n\n", now);
        if (r < 0)
            gw_term_say("%s", t->err.msg);
        else
            show_status(s);
    } else if (r < 0) {
        gw_term_say("%s", t->err.msg);
    } else {
        show_line(s);
    }
    fflush(stdout);
    t->err = (struct gw_error){ 0 };
}

static int watch(struct gw_term *t, const char *plan)
{
    uint64_t every_ms = EVERY_MS_DEFAULT, count = 0;
    if (gw_term_arg_ms(&t->args, "every", &every_ms, &t->err) < 0 ||
        gw_term_arg_number(&t->args, "count", &count, &t->err) < 0)
        return GW_EXIT_USAGE;
    bool clear = !t->json && isatty(STDOUT_FILENO) == 1;
    for (uint64_t n = 1;; n++) {
        show_once(t, plan, clear);
        if (n == count || ferror(stdout))
            return GW_EXIT_OK;
        struct timespec pause = { (time_t)(every_ms / 1000), (long)(every_ms % 1000) * 1000000 };
        nanosleep(&pause, NULL);
    }
}

int cli_cmd_plan_status(struct gw_term *t)
{
    const char *plan = cli_operand(t, 0);
    if (gw_term_flag(&t->args, "watch"))
        return watch(t, plan);
    int r = cli_get(t, gw_http_path("/api/v1/plans/{}/status", plan), &t->result);
    if (r == 0 && !t->json)
        show_status(t->result);
    return r;
}
