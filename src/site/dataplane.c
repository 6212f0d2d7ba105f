// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/dataplane.h"

#include "base/clock.h"
#include "base/log.h"
#include "site/mates.h"

#include <errno.h>
#include <string.h>

#define ZSTD_LEVEL 1 /* beyond it costs more processor time than it saves bytes */

int site_dp_paths(const struct site *s, const struct site_plan *p, struct site_dp_paths *ret,
                  struct gw_error *err)
{
    int r = site_path(s, ret->dir, "plans", p->name, "", err);
    if (r == 0)
        r = site_path(s, ret->control, "run", p->name, ".sock", err);
    if (r == 0)
        r = site_path(s, ret->nbd, "run", p->name, ".nbd", err);
    return r < 0 ? r : site_path(s, ret->data, "run", p->name, ".data", err);
}

static void fill_source(struct gw_command_spec *c, const struct gw_planfile *plan)
{
    const struct gw_planfile_replication *rep = &plan->replication;
    c->sync = rep->mode == GW_REPLICATION_SYNC;
    c->suspend = rep->on_link_loss == GW_ON_LINK_LOSS_SUSPEND;
    c->isolated_start = plan->failover.isolated_start == GW_ISOLATED_START_SERVE;
    c->zstd_level = rep->compression == GW_COMPRESSION_ZSTD ? ZSTD_LEVEL : 0;
    c->bandwidth_bytes =
        gw_planfile_bandwidth(plan, (int64_t)(gw_wall_ns() / GW_NS_PER_S), GW_CRON_LOCAL);
}

/* A change of role is a change of process; one from before our own start counts too. */
static int stop_other_kind(struct site *s, struct site_plan *p, enum gw_unit_kind kind,
                           struct gw_error *err)
{
    struct gw_unit_status now;
    enum gw_unit_kind found_kind;
    pid_t pid;
    if (gw_units_get(s->units, p->name, &now) == 0) {
        if (now.pid == 0 || now.kind == kind)
            return 0;
    } else {
        int found = gw_units_find(s->units, p->name, &found_kind, &pid, err);
        if (found <= 0 || found_kind == kind)
            return found < 0 ? found : 0;
    }
    return gw_units_stop(s->units, p->name, 0, err);
}

int site_dp_start(struct site *s, struct site_plan *p, const struct gw_planfile *plan,
                  enum gw_unit_kind kind, struct gw_error *err)
{
    struct site_dp_paths at;
    struct site_mate_address mate;
    int r = site_dp_paths(s, p, &at, err);
    if (r == 0)
        r = site_mate_address(s, p->peer, &mate, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *ca = gw_trust_file(s->trust, p->peer);
    struct gw_command_spec c = {
        .kind = kind,
        .dir = at.dir,
        .control = at.control,
        .data = at.data,
        .tls = { .ca = ca,
                 .cert = gw_identity_cert_file(s->identity),
                 .key = gw_identity_key_file(s->identity),
                 .peer = p->peer },
    };
    if (kind == GW_UNIT_SOURCE) {
        c.nbd = at.nbd;
        c.peer = mate.data;
        fill_source(&c, plan);
    } else {
        c.journal_bytes = plan->journal.size_bytes;
    }
    struct gw_unit_command command = { 0 };
    r = gw_command_build(&s->programs, &c, &command, err);
    if (r < 0)
        return r;
    r = stop_other_kind(s, p, kind, err);
    struct gw_unit_spec unit = {
        .plan = p->name, .kind = kind, .command = &command, .control = at.control, .nbd = c.nbd
    };
    if (r == 0)
        r = gw_units_start(s->units, &unit, err);
    gw_command_done(&command);
    if (r == 0)
        r = gw_units_wait_ready(s->units, p->name, SITE_DP_READY_MS, err);
    gw_polls_wake(s->polls, p->name);
    return r < 0 ? gw_error_wrap(err, "cannot start the %s of plan '%s'", gw_unit_kind_name(kind),
                                 p->name)
                 : 0;
}

int site_dp_stop(struct site *s, struct site_plan *p, struct gw_error *err)
{
    struct gw_unit_status now;
    if (gw_units_get(s->units, p->name, &now) < 0) {
        enum gw_unit_kind kind;
        pid_t pid;
        int found = gw_units_find(s->units, p->name, &kind, &pid, err);
        if (found <= 0)
            return found;
    }
    int r = gw_units_stop(s->units, p->name, 0, err);
    gw_polls_wake(s->polls, p->name);
    return r == -ENOENT ? 0 : r;
}

static void set_want(struct gw_catalog_plan *row, void *arg)
{
    row->want = *(enum gw_catalog_want *)arg;
}

int site_dp_want(struct site *s, const struct site_plan *p, enum gw_catalog_want want,
                 struct gw_error *err)
{
    return site_plan_update(s, p, set_want, &want, err);
}

int site_dp_call(struct site *s, struct site_plan *p, json_t *request, unsigned timeout_ms,
                 json_t **ret, struct gw_error *err)
{
    CLEANUP_JSON json_t *owned __attribute__((unused)) = request;
    struct site_dp_paths at;
    if (request == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = site_dp_paths(s, p, &at, err);
    if (r < 0)
        return r;
    r = gw_control_call(at.control, request, timeout_ms, NULL, NULL, ret, err);
    gw_polls_wake(s->polls, p->name);
    if (r < 0)
        return gw_error_wrap(err, "plan '%s' at %s, %s", p->name, s->name,
                             json_string_value(json_object_get(request, "cmd")));
    return 0;
}

int site_dp_status(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err)
{
    struct site_dp_paths at;
    int r = site_dp_paths(s, p, &at, err);
    if (r < 0)
        return r;
    CLEANUP_JSON json_t *request = json_pack("{s:s}", "cmd", "status");
    return gw_control_call(at.control, request, SITE_DP_CALL_MS, NULL, NULL, ret, err);
}
