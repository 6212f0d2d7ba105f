// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/forecast.h"

#include "base/checked.h"
#include "base/size.h"
#include "catalog/timings.h"
#include "control/message.h"
#include "core/operation.h"
#include "site/view.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static json_t *number_or_null(uint64_t n)
{
    return n == GW_NOT_KNOWN ? json_null() : json_integer((json_int_t)n);
}

static const char *kind_name(enum gw_forecast_kind k)
{
    switch (k) {
    case GW_FORECAST_KNOWN:
        return "known";
    case GW_FORECAST_AT_LEAST:
        return "at-least";
    case GW_FORECAST_NEVER:
        return "never";
    case GW_FORECAST_UNKNOWN:
        break;
    }
    return "unknown";
}

static json_t *time_json(const struct gw_forecast_time *t)
{
    char text[GW_FORECAST_TEXT_MAX];
    bool has = t->kind == GW_FORECAST_KNOWN || t->kind == GW_FORECAST_AT_LEAST;
    gw_forecast_time_text(t, text);
    return json_pack("{s:s, s:o, s:s}", "kind", kind_name(t->kind), "ms",
                     has ? json_integer((json_int_t)t->ms) : json_null(), "text", text);
}

json_t *site_loss_json(const struct gw_loss *loss)
{
    static const char *const kinds[] = { [GW_LOSS_UNKNOWN] = "unknown",
                                         [GW_LOSS_NONE] = "none",
                                         [GW_LOSS_KNOWN] = "known",
                                         [GW_LOSS_AT_LEAST] = "at-least" };
    char text[GW_FORECAST_TEXT_MAX];
    gw_forecast_loss_text(loss, text);
    return json_pack("{s:s, s:o, s:o, s:o, s:s}", "kind", kinds[loss->kind], "bytes",
                     number_or_null(loss->bytes), "ms", number_or_null(loss->ms), "silent_ms",
                     number_or_null(loss->silent_ms), "text", text);
}

/* Between the last write at OLD and the first at NEW: from `stop` to `route`. A failover's clients
 * wait from its first step on. */
static bool in_outage(enum gw_operation_id op, enum gw_step_id id)
{
    static const enum gw_step_id always[] = {
        GW_STEP_STOP,     GW_STEP_QUIESCE, GW_STEP_FINAL_SYNC, GW_STEP_EQUAL,
        GW_STEP_HANDOVER, GW_STEP_DEMOTE,  GW_STEP_PROMOTE,    GW_STEP_SERVE,
        GW_STEP_START,    GW_STEP_VERIFY,  GW_STEP_ROUTE,
    };
    for (size_t i = 0; i < sizeof always / sizeof *always; i++) {
        if (id == always[i])
            return true;
    }
    return op == GW_OPERATION_FAILOVER && (id == GW_STEP_PRECHECK || id == GW_STEP_NOTIFY ||
                                           id == GW_STEP_REVOKE || id == GW_STEP_ESTIMATE);
}

static json_t *outage_json(struct site *s, struct site_plan *p, enum gw_operation_id id,
                           uint64_t *ret_ms)
{
    const struct gw_operation *op = gw_operation_get(id);
    struct gw_forecast_step steps[GW_OPERATION_STEPS_MAX];
    struct gw_forecast_outage o;
    json_t *list = json_array();
    uint64_t runs = GW_NOT_KNOWN; /* of the step that was measured least */
    *ret_ms = GW_NOT_KNOWN;
    if (op == NULL)
        return list;
    for (unsigned i = 0; i < op->n_steps; i++) {
        struct gw_catalog_timing t = { 0 };
        struct gw_error err = { 0 };
        const char *name = gw_step_name(op->steps[i].id);
        gw_catalog_timing_get(s->catalog, p->uuid_text, gw_operation_name(id), name, &t, &err);
        steps[i] = (struct gw_forecast_step){
            .in_outage = in_outage(id, op->steps[i].id),
            .median_ms = t.n > 0 ? t.median_ms : GW_NOT_KNOWN,
            .p90_ms = t.n > 0 ? t.p90_ms : GW_NOT_KNOWN,
            .target_ms = op->steps[i].target_ms > 0 ? op->steps[i].target_ms : GW_NOT_KNOWN,
        };
        if (steps[i].in_outage && t.n > 0)
            runs = GW_MIN(runs, t.n);
        json_array_append_new(list,
                              json_pack("{s:s, s:b, s:I, s:o, s:o, s:o}", "step", name, "in_outage",
                                        steps[i].in_outage, "runs", (json_int_t)t.n, "median_ms",
                                        number_or_null(steps[i].median_ms), "p90_ms",
                                        number_or_null(steps[i].p90_ms), "target_ms",
                                        number_or_null(steps[i].target_ms)));
    }
    gw_forecast_outage(steps, op->n_steps, &o);
    if (o.typical.kind == GW_FORECAST_KNOWN)
        *ret_ms = o.typical.ms;
    const char *basis = o.guessed + o.missing == 0         ? "history"
                        : o.guessed + o.missing == o.steps ? "targets"
                                                           : "both";
    return json_pack("{s:s, s:I, s:o, s:o, s:i, s:i, s:o}", "basis", basis, "runs",
                     (json_int_t)(runs == GW_NOT_KNOWN ? 0 : runs), "typical",
                     time_json(&o.typical), "cautious", time_json(&o.cautious), "guessed_steps",
                     (int)o.guessed, "unknown_steps", (int)o.missing, "steps", list);
}

/* Bytes that differ, as the source of the flow knows them, and how fast it copies. */
static void delta(const struct site_view *v, uint64_t *ret_bytes, uint64_t *ret_rate)
{
    *ret_bytes = *ret_rate = GW_NOT_KNOWN;
    if (v->holder == GW_HOLDER_NONE)
        return;
    const json_t *dp = site_view_dp(v, v->holder == GW_HOLDER_HOME ? GW_LABEL_HOME : GW_LABEL_DR);
    if (strcmp(site_text(dp, "process"), "source") != 0)
        return;
    const json_t *r = site_at(dp, "resync");
    *ret_bytes = site_number(dp, "dirty_blocks") * 4096 + site_number(dp, "pending_bytes");
    uint64_t total = site_number(r, "total_bytes"), left = site_number(r, "left_bytes");
    *ret_rate = gw_forecast_rate(total > left ? total - left : 0,
                                 (uint64_t)(site_real(r, "seconds") * 1000));
}

static void add_sentence(json_t *list, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add_sentence(json_t *list, const char *fmt, ...)
{
    char text[2 * GW_FORECAST_TEXT_MAX];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    json_array_append_new(list, gw_control_text(text));
}

/* The whole for people; who wants numbers reads the members. */
static json_t *sentences(const char *direction, uint64_t bytes, const struct gw_forecast_time *sync,
                         const json_t *outage, const struct gw_loss *loss)
{
    json_t *a = json_array();
    char size[GW_SIZE_TEXT], text[GW_FORECAST_TEXT_MAX];
    add_sentence(a, "direction: %s", direction);
    gw_forecast_time_text(sync, text);
    if (bytes == GW_NOT_KNOWN) {
        add_sentence(a, "to copy: not known");
    } else {
        gw_size_format(bytes, size);
        add_sentence(a, "to copy: %s, %s", size, text);
    }
    unsigned long long guessed = site_number(outage, "guessed_steps");
    unsigned long long runs = site_number(outage, "runs");
    const char *typical = site_text(site_at(outage, "typical"), "text");
    const char *cautious = site_text(site_at(outage, "cautious"), "text");
    if (strcmp(site_text(outage, "basis"), "targets") == 0)
        add_sentence(a, "outage: %s, the sum of the steps' target times: nothing was measured yet",
                     typical);
    else
        add_sentence(a, "outage: typically %s, at worst %s, measured in %llu run%s", typical,
                     cautious, runs, runs == 1 ? "" : "s");
    if (guessed > 0 && runs > 0)
        add_sentence(a, "of %llu steps nothing was measured yet: their target times are taken",
                     guessed);
    gw_forecast_loss_text(loss, text);
    add_sentence(a, "loss: %s", text);
    return a;
}

json_t *site_forecast(struct site *s, struct site_plan *p, enum gw_operation_id op)
{
    CLEANUP_VIEW struct site_view v;
    struct gw_forecast_time sync;
    struct gw_loss loss;
    uint64_t bytes, rate, outage_ms;
    char direction[GW_FORECAST_TEXT_MAX];
    site_view_make(s, p, &v);
    enum gw_holder to = v.holder == GW_HOLDER_HOME ? GW_HOLDER_DR
                        : v.holder == GW_HOLDER_DR ? GW_HOLDER_HOME
                                                   : GW_HOLDER_NONE;
    bool moves =
        op == GW_OPERATION_FAILOVER || op == GW_OPERATION_SWITCHOVER || op == GW_OPERATION_FAILBACK;
    delta(&v, &bytes, &rate);
    if (bytes == GW_NOT_KNOWN)
        sync = (struct gw_forecast_time){ .kind = GW_FORECAST_UNKNOWN };
    else
        gw_forecast_sync(bytes, rate, 0, &sync);
    if (op == GW_OPERATION_FAILOVER)
        site_view_loss(&v, &loss);
    else
        loss = (struct gw_loss){ .kind = GW_LOSS_NONE, .silent_ms = 0 };
    const struct gw_direction now = site_view_direction(&v);
    gw_forecast_direction_text(&now, moves ? to : GW_HOLDER_NONE, op, v.site[GW_LABEL_HOME],
                               v.site[GW_LABEL_DR], direction);
    const json_t *tail = NULL;
    const json_t *dp =
        v.holder == GW_HOLDER_NONE
            ? NULL
            : site_view_dp(&v, v.holder == GW_HOLDER_HOME ? GW_LABEL_HOME : GW_LABEL_DR);
    tail = site_at(site_at(dp, "assess"), "tail_blocks");
    json_t *outage = outage_json(s, p, op, &outage_ms);
    json_t *said = sentences(direction, bytes, &sync, outage, &loss);
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "plan", p->name,
                     "operation", gw_operation_name(op), "direction", direction, "sentences", said,
                     "delta_bytes", number_or_null(bytes), "rate_bytes", number_or_null(rate),
                     "sync", time_json(&sync), "outage", outage, "loss", site_loss_json(&loss),
                     "divergent_blocks",
                     tail != NULL ? json_integer(json_integer_value(tail)) : json_null(),
                     "max_outage_ms", (json_int_t)v.doc->plan->failback.max_outage_ms);
}
