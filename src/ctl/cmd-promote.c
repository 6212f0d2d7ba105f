// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* promote, choose: who is the active side. */
#include "ctl/ctl.h"

#include "base/size.h"

#include <errno.h>
#include <stdio.h>

static void say_promotion(const json_t *o, const char *plan, const char *site)
{
    char replayed[GW_SIZE_TEXT], took[CTL_DURATION_TEXT];
    gw_size_format(ctl_number(o, "replayed_bytes"), replayed);
    ctl_duration_format(json_number_value(ctl_at(o, "seconds")), took);
    unsigned long long epoch = ctl_number(o, "epoch"), rewound = ctl_number(o, "rewound_blocks");
    ctl_say("Promoted: %s is the active side of %s, epoch %llu, in %s.", site, plan, epoch, took);
    ctl_row("begins at", "seq %llu of the reign before",
            (unsigned long long)ctl_number(o, "fork_seq"));
    ctl_row("replayed", "%s of the journal", replayed);
    if (ctl_true(o, "handover"))
        ctl_row("handover", "yes: a planned move, nothing was lost");
    if (rewound > 0)
        ctl_row("rewound", "%llu blocks that were received and are given up", rewound);
    if (ctl_true(o, "compare_all"))
        ctl_row("compare", "everything is compared at the next resync: the journal does not reach "
                           "back far enough");
    if (ctl_true(o, "unverified"))
        ctl_row("warning", "a verify had found differences on this side that were not repaired");
    if (ctl_true(o, "fork_point"))
        ctl_row("fork point", "fork-%llu keeps the state at the fork", epoch);
    ctl_row("next", "start the source on this directory; its clients are served from then on");
}

static int promote_live(struct ctl *c)
{
    const char *point = ctl_arg(&c->args, "point");
    CLEANUP_JSON json_t *status = NULL;
    /* No limit by default: a long journal takes as long as it takes. */
    unsigned ms;
    int r = ctl_timeout(c, 0, &ms);
    if (r == 0)
        r = ctl_status(c, &status);
    if (r == 0)
        r = ctl_confirm(c, ctl_text(status, "plan"),
                        "This side begins a new reign. Its peer must not serve any more.");
    if (r != 0)
        return r;
    json_t *request =
        json_pack("{s:s, s:b}", "cmd", "promote", "roll_back", ctl_flag(&c->args, "roll-back"));
    if (point != NULL)
        json_object_set_new(request, "point", json_string(point));
    if (ctl_flag(&c->args, "confirm-alone"))
        json_object_set_new(request, "confirm_alone", json_true());
    r = ctl_call(c, request, ms, &c->result);
    if (r == 0 && !c->json)
        say_promotion(c->result, ctl_text(status, "plan"), ctl_text(status, "site"));
    return r;
}

static int promote_offline(struct ctl *c)
{
    CLEANUP_PLAN struct gw_plan *p = NULL;
    int r = ctl_plan_open(c, 0, &p);
    if (r == 0)
        r = ctl_confirm(c, p->meta.plan_name,
                        "This side begins a new reign. Its peer must not serve any more.");
    if (r != 0)
        return r;
    struct gw_promote_options o = {
        .point = ctl_arg(&c->args, "point"),
        .roll_back = ctl_flag(&c->args, "roll-back"),
        .confirm_alone = ctl_flag(&c->args, "confirm-alone"),
    };
    struct gw_promote_result result = { 0 };
    /* An interruption is like a crash: the same command finishes what was begun (R9). */
    ctl_on_interrupt(CTL_UNKNOWN, "interrupted while promoting; give the same command again");
    r = gw_promote(p, &o, &result, &c->err);
    if (r < 0)
        return r;
    c->result = gw_describe_promotion(&result);
    if (!c->json)
        say_promotion(c->result, p->meta.plan_name, p->meta.site_name[p->meta.site]);
    return CTL_OK;
}

int ctl_cmd_promote(struct ctl *c)
{
    const char *point = ctl_arg(&c->args, "point");
    int r = point != NULL ? ctl_readable(c, "--point", point, GW_ID_MAX - 1) : 0;
    if (r != 0)
        return r;
    return ctl_socket(c) != NULL ? promote_live(c) : promote_offline(c);
}

int ctl_cmd_choose(struct ctl *c)
{
    const char *survivor = ctl_arg(&c->args, "survivor"), *by;
    struct gw_uuid uuid;
    if (!gw_uuid_parse(survivor, &uuid) || gw_uuid_is_none(&uuid))
        return ctl_usage(c, "--survivor: '%s' is not a uuid; godwit-ctl lineage shows them",
                         survivor);
    int r = ctl_person(c, &by);
    if (r == 0)
        r = ctl_ask(c,
                    json_pack("{s:s, s:s, s:s}", "cmd", "choose", "survivor", survivor, "by", by),
                    &c->result);
    if (r == 0 && !c->json)
        ctl_say("Recorded: %s survives, chosen by %s. The sides are compared again.", survivor, by);
    return r;
}
