// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/life.h"

#include "base/clock.h"
#include "site/dataplane.h"
#include "site/mates.h"

#include <stdio.h>
#include <string.h>

/* When the replica here last heard its source; 0: never, or there is no replica. */
static uint64_t data_boot_ns(struct site *s, struct site_plan *p)
{
    CLEANUP_SITE_JSON json_t *status = NULL;
    struct gw_error none = { 0 };
    uint64_t now = gw_boot_ns();
    if (site_dp_status(s, p, &status, &none) < 0 ||
        strcmp(site_text(status, "process"), "replica") != 0 ||
        !json_is_object(site_at(status, "source")))
        return 0;
    double age_s = site_real(site_at(status, "source"), "age_seconds");
    double age_ns = age_s * (double)GW_NS_PER_S;
    return age_ns < (double)now ? now - (uint64_t)age_ns : 0;
}

void site_life_look(struct site *s, struct site_plan *p, const char *name, struct site_life *ret)
{
    struct site_mate_state mate;
    const char *what = "an answer";
    site_mate_state(s, name, &mate);
    *ret = (struct site_life){ .last_boot_ns = mate.heard_boot_ns };
    if (mate.beaten_boot_ns != 0 && mate.beaten_boot_ns >= mate.heard_boot_ns)
        what = "a beat";
    uint64_t data_ns = data_boot_ns(s, p), now = gw_boot_ns();
    if (data_ns > ret->last_boot_ns) {
        ret->last_boot_ns = data_ns;
        what = "data";
    }
    if (ret->last_boot_ns == 0)
        return;
    uint64_t ago_ns = now > ret->last_boot_ns ? now - ret->last_boot_ns : 0;
    ret->ago_s = (double)ago_ns / (double)GW_NS_PER_S;
    ret->recent = ago_ns < SITE_MATE_SILENT_MS * GW_NS_PER_MS;
    snprintf(ret->what, sizeof ret->what, "%s of %.63s came", what, name);
}
