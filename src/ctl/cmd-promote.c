// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* promote, choose: who is the active side. */
#include "ctl/ctl.h"

#include "base/size.h"

#include <errno.h>
#include <stdio.h>

static void say_promotion(const json_t *o, const char *plan, const char *site)
{
    char replayed[GW_SIZE_TEXT], took[GW_TERM_DURATION_TEXT];
    gw_size_format(gw_term_number(o, "replayed_bytes"), replayed);
    gw_term_duration_format(json_number_value(gw_term_at(o, "seconds")), took);
    unsigned long long epoch = gw_term_number(o, "epoch"),
                       rewound = gw_term_number(o, "rewound_blocks");
    gw_term_say("Promoted: %s is the active side of %s, epoch %llu, in %s.", site, plan, epoch,
                took);
    gw_term_row("begins at", "seq %llu of the reign before",
                (unsigned long long)gw_term_number(o, "fork_seq"));
    gw_term_row("replayed", "%s of the journal", replayed);
    if (gw_term_true(o, "handover"))
        gw_term_row("handover", "yes: a planned move, nothing was lost");
    if (rewound > 0)
        gw_term_row("rewound", "%llu blocks that were received and are given up", rewound);
    if (gw_term_true(o, "compare_all"))
        gw_term_row("compare",
                    "everything is compared at the next resync: the journal does not reach "
                    "back far enough");
    if (gw_term_true(o, "unverified"))
        gw_term_row("warning",
                    "a verify had found differences on this side that were not repaired");
    if (gw_term_true(o, "fork_point"))
        gw_term_row("fork point", "fork-%llu keeps the state at the fork", epoch);
    gw_term_row("next", "start the source on this directory; its clients are served from then on");
}

static int promote_live(struct gw_term *c)
{
    const char *point = gw_term_arg(&c->args, "point");
    CLEANUP_JSON json_t *status = NULL;
    /* No limit by default: a long journal takes as long as it takes. */
    unsigned ms;
    int r = ctl_timeout(c, 0, &ms);
    if (r == 0)
        r = ctl_status(c, &status);
    if (r == 0)
        r = gw_term_confirm(c, "plan", gw_term_text(status, "plan"),
                            "This side begins a new reign. Its peer must not serve any more.");
    if (r != 0)
        return r;
    json_t *request =
        json_pack("{s:s, s:b}", "cmd", "promote", "roll_back", gw_term_flag(&c->args, "roll-back"));
    if (point != NULL)
        json_object_set_new(request, "point", json_string(point));
    if (gw_term_flag(&c->args, "confirm-alone"))
        json_object_set_new(request, "confirm_alone", json_true());
    r = ctl_call(c, request, ms, &c->result);
    if (r == 0 && !c->json)
        say_promotion(c->result, gw_term_text(status, "plan"), gw_term_text(status, "site"));
    return r;
}

static int promote_offline(struct gw_term *c)
{
    CLEANUP_PLAN struct gw_plan *p = NULL;
    int r = ctl_plan_open(c, 0, &p);
    if (r == 0)
        r = gw_term_confirm(c, "plan", p->meta.plan_name,
                            "This side begins a new reign. Its peer must not serve any more.");
    if (r != 0)
        return r;
    struct gw_promote_options o = {
        .point = gw_term_arg(&c->args, "point"),
        .roll_back = gw_term_flag(&c->args, "roll-back"),
        .confirm_alone = gw_term_flag(&c->args, "confirm-alone"),
    };
    struct gw_promote_result result = { 0 };
    /* An interruption is like a crash: the same command finishes what was begun (R9). */
    gw_term_on_interrupt(GW_EXIT_UNKNOWN,
                         "interrupted while promoting; give the same command again");
    r = gw_promote(p, &o, &result, &c->err);
    if (r < 0)
        return r;
    c->result = gw_describe_promotion(&result);
    if (!c->json)
        say_promotion(c->result, p->meta.plan_name, p->meta.site_name[p->meta.site]);
    return GW_EXIT_OK;
}

int ctl_cmd_promote(struct gw_term *c)
{
    const char *point = gw_term_arg(&c->args, "point");
    int r = point != NULL ? gw_term_readable(c, "--point", point, GW_ID_MAX - 1) : 0;
    if (r != 0)
        return r;
    return ctl_socket(c) != NULL ? promote_live(c) : promote_offline(c);
}

int ctl_cmd_choose(struct gw_term *c)
{
    const char *survivor = gw_term_arg(&c->args, "survivor"), *by;
    struct gw_uuid uuid;
    if (!gw_uuid_parse(survivor, &uuid) || gw_uuid_is_none(&uuid))
        return gw_term_usage(c, "--survivor: '%s' is not a uuid; godwit-ctl lineage shows them",
                             survivor);
    int r = ctl_person(c, &by);
    if (r == 0)
        r = ctl_ask(c,
                    json_pack("{s:s, s:s, s:s}", "cmd", "choose", "survivor", survivor, "by", by),
                    &c->result);
    if (r == 0 && !c->json)
        gw_term_say("Recorded: %s survives, chosen by %s. The sides are compared again.", survivor,
                    by);
    return r;
}
