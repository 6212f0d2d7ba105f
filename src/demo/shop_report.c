// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The numbers at the end: a table for people, JSON for programs. */
#include "demo/shop.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/size.h"

#include <stdarg.h>

static void row(struct shop *s, const char *label, const char *remark, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
static void row(struct shop *s, const char *label, const char *remark, const char *fmt, ...)
{
    char value[64];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(value, sizeof value, fmt, ap);
    va_end(ap);
    story_row(&s->story, label, value, remark);
}

static void row_bytes(struct shop *s, const char *label, uint64_t bytes, const char *remark)
{
    char size[GW_SIZE_TEXT];
    gw_size_format(bytes, size);
    row(s, label, remark, "%s", size);
}

void shop_report_table(struct shop *s)
{
    const struct shop_numbers *n = &s->n;
    fprintf(s->story.out, "\n");
    row(s, "acknowledged", "bookings, in all", "%llu", (unsigned long long)n->acknowledged);
    row(s, "lost",
        s->options->sync ? "sync mode: none may be"
                         : "acknowledged by home alone, after the cut; all in the signed tail",
        "%llu", (unsigned long long)n->lost);
    row(s, "RPO", "how far back the lost bookings went when home died", "%.2f s", n->rpo_seconds);
    row(s, "RTO", "from the death of home to the first booking at DR", "%.2f s", n->rto_seconds);
    row(s, "failover", "the command: to a healthy service, the route and the report", "%.2f s",
        n->command_seconds);
    row_bytes(s, "volumes", n->volume_bytes, "protected");
    row_bytes(s, "tail", n->tail_bytes, "that only home ever had (at most), kept and itemised");
    row_bytes(s, "delta", n->delta_bytes, "differed when home came back");
    row_bytes(s, "resync", n->resync_line_bytes,
              "over the line to bring home up to date, live writes included");
    row(s, "resync time", "from the signature to the end of the run, while customers booked",
        "%.2f s", n->resync_seconds);
    row(s, "failback outage", "as a customer saw it, last booking at DR to first at home",
        "%.0f ms", n->outage_ms);
    row(s, "equal", "verified online, and byte for byte in the end", "%s", n->equal ? "yes" : "NO");
}

static json_t *checks(const struct story *s)
{
    json_t *a = json_array();
    for (unsigned i = 0; i < s->n_checks; i++)
        json_array_append_new(
            a, json_pack("{s:s, s:b}", "check", s->check[i].text, "held", s->check[i].held));
    return a;
}

static json_t *stints(const struct shop *s)
{
    json_t *a = json_array();
    struct customers_status st = { .n_stints = 0 };
    if (s->customers != NULL)
        customers_get_status(s->customers, &st);
    for (unsigned i = 0; i < st.n_stints; i++)
        json_array_append_new(
            a, json_pack("{s:s, s:I, s:f}", "site", st.stint[i].site, "acknowledged",
                         (json_int_t)st.stint[i].acknowledged, "seconds",
                         (double)(st.stint[i].last_ns - st.stint[i].first_ns) / GW_NS_PER_S));
    return a;
}

/* What each run was, and how long each of its steps took: from the run's own record. */
static json_t *runs(const struct shop *s)
{
    static const char *const names[] = { "failover", "reverse", "failback" };
    const char *const ids[] = { s->n.failover_run, s->n.reverse_run, s->n.failback_run };
    json_t *o = json_object();
    for (size_t i = 0; i < GW_ARRAY_SIZE(names); i++) {
        json_t *steps = json_array();
        size_t k;
        const json_t *step;
        json_array_foreach(s->steps[i], k, step) json_array_append_new(
            steps, json_pack("{s:s, s:s, s:s, s:I}", "step", status_text(step, "step"), "site",
                             status_text(step, "site"), "state", status_text(step, "state"), "ms",
                             (json_int_t)status_number(step, "ms")));
        json_object_set_new(o, names[i], json_pack("{s:s, s:o}", "run", ids[i], "steps", steps));
    }
    return o;
}

static void put(json_t *o, const char *name, uint64_t n)
{
    json_object_set_new(o, name, json_integer((json_int_t)n));
}

json_t *shop_report_json(const struct shop *s, const char *error, double elapsed_seconds)
{
    const struct shop_numbers *n = &s->n;
    json_t *o = json_pack("{s:b, s:s, s:s?}", "ok", error == NULL && s->story.n_failed == 0, "mode",
                          s->options->sync ? "sync" : "async", "error", error);
    if (o == NULL)
        return NULL;
    put(o, "acknowledged", n->acknowledged);
    put(o, "lost", n->lost);
    put(o, "lost_found_in_tail", n->lost_in_tail);
    put(o, "in_doubt", n->in_doubt);
    put(o, "volume_bytes", n->volume_bytes);
    put(o, "seed_bytes", n->seed_bytes);
    put(o, "tail_bytes", n->tail_bytes);
    put(o, "delta_bytes", n->delta_bytes);
    put(o, "resync_line_bytes", n->resync_line_bytes);
    put(o, "verified_bytes", n->verified_bytes);
    json_object_set_new(o, "seed_seconds", json_real(n->seed_seconds));
    json_object_set_new(o, "rto_seconds", json_real(n->rto_seconds));
    json_object_set_new(o, "failover_seconds", json_real(n->command_seconds));
    json_object_set_new(o, "rpo_seconds", json_real(n->rpo_seconds));
    json_object_set_new(o, "resync_seconds", json_real(n->resync_seconds));
    json_object_set_new(o, "failback_outage_ms", json_real(n->outage_ms));
    json_object_set_new(o, "failback_forecast_ms", json_real(n->forecast_outage_ms));
    json_object_set_new(o, "equal", json_boolean(n->equal));
    json_object_set_new(o, "served", stints(s));
    json_object_set_new(o, "runs", runs(s));
    json_object_set_new(o, "elapsed_seconds", json_real(elapsed_seconds));
    put(o, "checks_failed", s->story.n_failed);
    json_object_set_new(o, "checks", checks(&s->story));
    return o;
}
