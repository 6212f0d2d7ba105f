// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/report.h"

#include "base/size.h"
#include "demo/volume.h"

#include <stdarg.h>
#include <string.h>

#define TEXT 200

static void row(struct world *w, const char *label, const char *value, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void row(struct world *w, const char *label, const char *value, const char *fmt, ...)
{
    char remark[TEXT];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(remark, sizeof remark, fmt, ap);
    va_end(ap);
    story_row(&w->story, label, value, remark);
}

static const char *count(uint64_t n, char text[32])
{
    snprintf(text, 32, "%llu", (unsigned long long)n);
    return text;
}

static const char *bytes(uint64_t n, char text[32])
{
    char size[GW_SIZE_TEXT];
    gw_size_format(n, size);
    snprintf(text, 32, "%s", size);
    return text;
}

static const char *real(double x, const char *unit, char text[32])
{
    snprintf(text, 32, "%.*f %s", x < 10 ? 2 : 0, x, unit);
    return text;
}

void report_table(struct world *w)
{
    const struct numbers *n = &w->n;
    char t[32];
    double share = n->volume_bytes > 0 ? 100.0 / (double)n->volume_bytes : 0;
    fprintf(w->story.out, "\n");
    row(w, "acknowledged", count(n->acknowledged, t), "records of the ledger, in all");
    row(w, "lost", count(n->lost, t), "%s",
        w->options->sync ? "sync mode: none may be" : "acknowledged by home alone, after the cut");
    if (n->lost > 0)
        row(w, "kept in the tail", count(n->divergent_blocks, t),
            "blocks at most; %llu of the %llu lost records are in them",
            (unsigned long long)n->lost_in_tail, (unsigned long long)n->lost);
    else
        row(w, "kept in the tail", count(n->divergent_blocks, t), "blocks at most");
    row(w, "bytes changed", bytes(n->delta_bytes, t), "%.2f %% of the volumes: what differed",
        (double)n->delta_bytes * share);
    row(w, "bytes sent", bytes(n->sent_bytes, t),
        "over the line to bring home back, live writes included");
    row(w, "volume size", bytes(n->volume_bytes, t), "two volumes, %llu files",
        (unsigned long long)n->files);
    row(w, "failover", real(n->failover_seconds, "s", t),
        "from the kill to the first write acknowledged at DR");
    row(w, "resync", real(n->resync_seconds, "s", t),
        "home brought up to date; forecast: %.2f s of copying", n->forecast.seconds);
    row(w, "cut-over outage", real(n->cutover_outage_ms, "ms", t),
        "as the ledger's client saw it; forecast: %.0f ms", n->forecast.outage_ms);
    row(w, "verified equal", n->verified_equal ? "yes" : "NO",
        "online, and byte for byte in the end");
}

static json_t *checks(const struct story *s)
{
    json_t *a = json_array();
    for (unsigned i = 0; i < s->n_checks; i++)
        json_array_append_new(
            a, json_pack("{s:s, s:b}", "check", s->check[i].text, "held", s->check[i].held));
    return a;
}

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

json_t *report_json(const struct world *w, const char *error, double elapsed_seconds)
{
    const struct numbers *n = &w->n;
    bool ok = error == NULL && w->story.n_failed == 0;
    json_t *forecast =
        json_pack("{s:s, s:s, s:o, s:o, s:f, s:f}", "source", n->forecast.source, "target",
                  n->forecast.target, "delta_bytes", number(n->forecast.delta_bytes), "tail_blocks",
                  number(n->forecast.tail_blocks), "resync_seconds", n->forecast.seconds,
                  "outage_ms", n->forecast.outage_ms);
    json_t *o = json_pack("{s:b, s:s, s:s?}", "ok", ok, "mode", w->options->sync ? "sync" : "async",
                          "error", error);
    if (o == NULL)
        return NULL;
    json_object_set_new(o, "acknowledged", number(n->acknowledged));
    json_object_set_new(o, "lost", number(n->lost));
    json_object_set_new(o, "in_doubt", number(n->in_doubt));
    json_object_set_new(o, "lost_found_in_tail", number(n->lost_in_tail));
    json_object_set_new(o, "divergent_blocks", number(n->divergent_blocks));
    json_object_set_new(o, "delta_bytes", number(n->delta_bytes));
    json_object_set_new(o, "sent_bytes", number(n->sent_bytes));
    json_object_set_new(o, "volume_bytes", number(n->volume_bytes));
    json_object_set_new(o, "seed_bytes", number(n->seed_bytes));
    json_object_set_new(o, "seed_seconds", json_real(n->seed_seconds));
    json_object_set_new(o, "failover_seconds", json_real(n->failover_seconds));
    json_object_set_new(o, "resync_seconds", json_real(n->resync_seconds));
    json_object_set_new(o, "cutover_outage_ms", json_real(n->cutover_outage_ms));
    json_object_set_new(o, "verified_equal", json_boolean(n->verified_equal));
    json_object_set_new(o, "forecast", forecast);
    json_object_set_new(o, "elapsed_seconds", json_real(elapsed_seconds));
    json_object_set_new(o, "checks_failed", number(w->story.n_failed));
    json_object_set_new(o, "checks", checks(&w->story));
    return o;
}
