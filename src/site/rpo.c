// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/rpo.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

void site_rpo_look(struct site_rpo *r, uint64_t epoch, bool counts, bool within, uint64_t now_ns)
{
    if (r->epoch != epoch) /* another reign: measured anew */
        *r = (struct site_rpo){ .epoch = epoch, .kept_boot_ns = r->kept_boot_ns };
    uint64_t ms = r->seen_boot_ns != 0 ? (now_ns - r->seen_boot_ns) / GW_NS_PER_MS : 0;
    r->seen_boot_ns = counts ? now_ns : 0;
    if (!counts || ms > SITE_RPO_GAP_MS)
        return;
    r->total_ms += ms;
    r->within_ms += within ? ms : 0;
}

double site_rpo_percent(const struct site_rpo *r)
{
    return r->total_ms == 0 ? -1 : 100.0 * (double)r->within_ms / (double)r->total_ms;
}

/* What a daemon before us wrote down. */
static void take_up(struct site_rpo *r, const json_t *side)
{
    const json_t *kept = site_at(site_at(side, "facts"), "rpo");
    r->taken_up = true;
    if (!json_is_object(kept))
        return;
    r->epoch = site_number(kept, "epoch");
    r->total_ms = site_number(kept, "total_ms");
    r->within_ms = site_number(kept, "within_ms");
}

static void keep(struct site *s, struct site_plan *p, const struct site_rpo *r)
{
    struct gw_error err = { 0 };
    CLEANUP_SITE_JSON json_t *fact =
        json_pack("{s:{s:I, s:I, s:I}}", "rpo", "epoch", (json_int_t)r->epoch, "total_ms",
                  (json_int_t)r->total_ms, "within_ms", (json_int_t)r->within_ms);
    CLEANUP_FREE char *text = fact != NULL ? json_dumps(fact, JSON_COMPACT) : NULL;
    if (text == NULL || gw_catalog_plan_note(s->catalog, p->uuid_text, text, &err) < 0)
        gw_log(GW_LOG_WARNING, "%s: the time within the RPO is not written down: %s", p->name,
               err.msg);
}

void site_rpo_measure(struct site *s, struct site_plan *p, json_t *side)
{
    struct site_rpo *r = &p->rpo;
    const json_t *lag = site_at(side, "lag");
    uint64_t now = gw_boot_ns();
    CLEANUP_DOCUMENT struct site_document *doc = site_plan_document(s, p);
    if (!r->taken_up)
        take_up(r, side);
    bool active = strcmp(site_text(side, "want"), "SOURCE") == 0;
    bool counts = active && site_true(lag, "known") && site_true(site_at(side, "facts"), "synced");
    bool within = doc != NULL && site_true(lag, "follows") &&
                  site_real(lag, "seconds") * 1000.0 <= (double)doc->plan->rpo_ms;
    site_rpo_look(r, site_number(side, "epoch"), counts, within, now);
    double percent = site_rpo_percent(r);
    json_object_set_new(side, "rpo",
                        json_pack("{s:I, s:I, s:I, s:o}", "epoch", (json_int_t)r->epoch, "total_ms",
                                  (json_int_t)r->total_ms, "within_ms", (json_int_t)r->within_ms,
                                  "percent", percent < 0 ? json_null() : json_real(percent)));
    if (!counts ||
        (r->kept_boot_ns != 0 && now - r->kept_boot_ns < SITE_RPO_KEEP_MS * GW_NS_PER_MS))
        return;
    if (r->kept_boot_ns != 0) /* not at the first look: there is nothing yet */
        keep(s, p, r);
    r->kept_boot_ns = now;
}
