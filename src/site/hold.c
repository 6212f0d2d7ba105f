// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/hold.h"

#include "base/log.h"
#include "control/message.h"
#include "site/mates.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define TELL_MS 5000u
#define LOOK_MS 2000u /* the monitor waits for it: not for long */
#define UNTOLD "hold_untold"

struct change {
    bool held;
    const char *reason;
    enum gw_failover_mode mode;
};

static void apply(struct gw_catalog_plan *row, void *arg)
{
    static const enum gw_catalog_mode modes[] = { GW_CATALOG_MODE_AUTO, GW_CATALOG_MODE_APPROVE,
                                                  GW_CATALOG_MODE_MANUAL,
                                                  GW_CATALOG_MODE_OBSERVE_ONLY };
    const struct change *c = arg;
    row->mode = c->held ? GW_CATALOG_MODE_HELD : modes[c->mode];
    row->held_reason = c->held ? c->reason : NULL;
}

int site_hold_here(struct site *s, struct site_plan *p, bool held, const char *reason,
                   struct gw_error *err)
{
    CLEANUP_DOCUMENT struct site_document *doc = site_plan_document(s, p);
    struct change c = { .held = held, .reason = reason, .mode = doc->plan->failover.mode };
    return site_plan_update(s, p, apply, &c, err);
}

static int tell(struct site *s, struct site_plan *p, bool held, const char *reason,
                const char *name, unsigned ms, struct gw_error *err)
{
    char who[sizeof((struct site_person *)0)->name + SITE_NAME_TEXT];
    snprintf(who, sizeof who, "%s@%s", name, s->name);
    return site_mate_call(s, p->peer, "hold",
                          json_pack("{s:s, s:s, s:b, s:o, s:o}", "plan", p->name, "uuid",
                                    p->uuid_text, "held", held, "reason", gw_control_text(reason),
                                    "who", gw_control_text(who)),
                          ms, NULL, NULL, err);
}

/* name NULL: it has been told. */
static int note_untold(struct site *s, struct site_plan *p, const char *name, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *o =
        json_pack("{s:o}", UNTOLD, name != NULL ? gw_control_text(name) : json_null());
    CLEANUP_FREE char *text = json_dumps(o, JSON_COMPACT);
    return text == NULL ? gw_error_set(err, -ENOMEM, "out of memory")
                        : gw_catalog_plan_note(s->catalog, p->uuid_text, text, err);
}

static bool held_there(struct site *s, struct site_plan *p)
{
    CLEANUP_SITE_JSON json_t *ours = NULL, *theirs = NULL;
    uint64_t age;
    site_sides(s, p, &ours, &theirs, &age);
    return strcmp(site_text(theirs, "mode"), "HELD") == 0;
}

int site_hold(struct site *s, struct site_plan *p, bool held, const char *reason,
              const struct site_person *who, struct gw_error *err)
{
    struct gw_error why = { 0 };
    bool told = tell(s, p, held, reason, who->name, TELL_MS, &why) == 0;
    if (!told && !held && held_there(s, p)) {
        *err = why;
        return gw_error_wrap(err, "the plan is held at %s too, which has to be asked", p->peer);
    }
    int r = note_untold(s, p, told || !held ? NULL : who->name, err);
    if (r == 0)
        r = site_hold_here(s, p, held, reason, err);
    if (r == 0 && !told && held)
        site_event(s, "plan.held-here", p->name, NULL, SITE_WARNING, NULL,
                   "held at %s; %s is told when it answers again: %s", s->name, p->peer, why.msg);
    return r;
}

void site_hold_look(struct site *s, struct site_plan *p, const json_t *ours, const json_t *theirs)
{
    const char *name = site_text(site_at(ours, "facts"), UNTOLD);
    struct site_mate_state mate;
    struct gw_error err = { 0 };
    if (name[0] == '\0')
        return;
    site_mate_state(s, p->peer, &mate);
    bool there = strcmp(site_text(theirs, "mode"), "HELD") == 0;
    if (!there &&
        (!mate.reachable || tell(s, p, true, site_text(ours, "held"), name, LOOK_MS, &err) < 0))
        return;
    if (note_untold(s, p, NULL, &err) < 0)
        gw_log(GW_LOG_WARNING, "plan %s: %s", p->name, err.msg);
}
