// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/drtime.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/forecast.h"

#include <stdio.h>
#include <string.h>

static void tell(struct site *s, const struct site_plan *p, const struct gw_planfile *plan,
                 const char *sentence)
{
    struct gw_error err = { 0 };
    site_event(s, "plan.dr_time", p->name, NULL, SITE_WARNING, NULL, "%s", sentence);
    for (size_t i = 0; i < plan->n_contacts; i++) {
        const struct gw_planfile_contact *c = &plan->contacts[i];
        struct gw_work_contact contact = { .name = c->name,
                                           .webhook = c->webhook,
                                           .command = c->command.item };
        struct gw_notice notice = { .event = "plan.dr_time",
                                    .severity = "warning",
                                    .site = s->name,
                                    .plan = p->name,
                                    .subject = sentence,
                                    .wall_ns = gw_wall_ns() };
        if (gw_notifier_post(s->notifier, &contact, 1, &notice, &err) < 0)
            gw_log(GW_LOG_WARNING, "%s: contact '%s' is not told: %s", p->name, c->name, err.msg);
    }
}

/* Since when this site is active; 0: not known. */
static uint64_t role_since(struct site *s, const struct site_plan *p)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_plan row = { 0 };
    struct gw_error none = { 0 };
    int r = gw_catalog_plan_get_uuid(s->catalog, p->uuid_text, &mem, &row, &none);
    return r < 0 ? 0 : row.role_wall_ns;
}

void site_drtime_look(struct site *s, struct site_plan *p, const json_t *ours)
{
    CLEANUP_DOCUMENT struct site_document *doc = site_plan_document(s, p);
    const struct gw_planfile *plan = doc->plan;
    if (strcmp(plan->dr, s->name) != 0 || strcmp(site_text(ours, "holder"), s->name) != 0 ||
        !site_true(ours, "activated"))
        return;
    uint64_t told = site_number(site_at(ours, "facts"), "dr_time_told"), now = gw_wall_ns();
    uint64_t since = role_since(s, p);
    if (since == 0 || told == since || now < since ||
        now - since <= plan->max_dr_time_ms * GW_NS_PER_MS)
        return;
    char most[GW_DURATION_TEXT], sentence[384];
    struct gw_error err = { 0 };
    CLEANUP_SITE_JSON json_t *note = json_pack("{s:I}", "dr_time_told", (json_int_t)since);
    CLEANUP_FREE char *text = json_dumps(note, JSON_COMPACT);
    gw_forecast_duration(plan->max_dr_time_ms, most);
    snprintf(sentence, sizeof sentence,
             "%.63s has been active for longer than max_dr_time (%s): bring the service home, "
             "godwit failback %.63s, or keep it here for good, godwit adopt %.63s",
             s->name, most, p->name, p->name);
    if (text != NULL && gw_catalog_plan_note(s->catalog, p->uuid_text, text, &err) == 0)
        tell(s, p, plan, sentence);
}
