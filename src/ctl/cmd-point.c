// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Recovery points: create, list, delete, check. */
#include "base/checked.h"
#include "base/clock.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POINT_MS_DEFAULT 30000u

/* ---- create -----------------------------------------------------------------------------------
 */

/* Ids are names of directories: times without colons. */
static void id_of_now(char ret[GW_ID_MAX])
{
    uint64_t now = gw_wall_ns();
    time_t s = (time_t)(now / GW_NS_PER_S);
    struct tm tm;
    gmtime_r(&s, &tm);
    size_t n = strftime(ret, GW_ID_MAX, "manual-%Y%m%dT%H%M%S", &tm);
    snprintf(ret + n, GW_ID_MAX - n, ".%03uZ", (unsigned)(now / GW_NS_PER_MS % 1000));
}

int ctl_cmd_point_create(struct gw_term *c)
{
    char id[GW_ID_MAX];
    const char *given = c->args.n_operands > 0 ? c->args.operand[0] : NULL;
    const char *tag = gw_term_arg(&c->args, "tag");
    unsigned ms;
    int r = ctl_timeout(c, POINT_MS_DEFAULT, &ms);
    if (r == 0 && given != NULL)
        r = gw_term_readable(c, "ID", given, GW_ID_MAX - 1);
    if (r == 0 && tag != NULL)
        r = gw_term_readable(c, "--tag", tag, GW_ID_MAX - 1);
    if (r != 0)
        return r;
    id_of_now(id);
    CLEANUP_JSON json_t *status = NULL;
    r = ctl_status(c, &status);
    if (r < 0)
        return r;
    json_t *request = json_pack("{s:s, s:s, s:s}", "cmd", "point", "id", given != NULL ? given : id,
                                "tag", tag != NULL ? tag : "");
    /* Only the source waits for somebody else. */
    bool at_peer = strcmp(gw_term_text(status, "process"), "source") == 0;
    if (request != NULL && at_peer)
        json_object_set_new(request, "timeout_ms", json_integer(ms));
    r = ctl_call(c, request, ms + CTL_TIMEOUT_MARGIN_MS, &c->result);
    if (r != 0)
        return r;
    json_object_set_new(c->result, "id", json_string(given != NULL ? given : id));
    if (!c->json)
        gw_term_say("Made recovery point %s at %s.", given != NULL ? given : id,
                    gw_term_text(status, at_peer ? "peer_site" : "site"));
    return GW_EXIT_OK;
}

/* ---- list -------------------------------------------------------------------------------------
 */

struct collect {
    const struct gw_meta *meta;
    json_t *points;
};

static int collect_point(void *arg, const struct gw_point *p)
{
    struct collect *x = arg;
    return json_array_append_new(x->points, gw_describe_point(x->meta, p)) < 0 ? -ENOMEM : 0;
}

json_t *ctl_points(const struct gw_meta *m, const char *dir, struct gw_error *err)
{
    struct collect x = { m, json_array() };
    int r = gw_point_list(gw_io_posix(), dir, collect_point, &x, err);
    if (r == -ENOMEM)
        gw_error_set(err, r, "out of memory");
    return x.points;
}

int ctl_cmd_point_list(struct gw_term *c)
{
    static const struct gw_term_column columns[] = {
        { "id", "POINT", GW_TERM_TEXT },      { "time", "TIME", GW_TERM_TEXT },
        { "epoch", "EPOCH", GW_TERM_NUMBER }, { "seq", "SEQ", GW_TERM_NUMBER },
        { "kind", "KIND", GW_TERM_TEXT },     { "tag", "TAG", GW_TERM_TEXT },
    };
    struct gw_error damage = { 0 };
    int r;
    if (ctl_socket(c) != NULL) {
        r = ctl_ask(c, json_pack("{s:s}", "cmd", "points"), &c->result);
        c->asked = false;
    } else {
        CLEANUP_PLAN struct gw_plan *p = NULL;
        r = ctl_plan_open(c, GW_PLAN_READ_ONLY, &p);
        if (r == 0)
            c->result = json_pack("{s:o}", "points", ctl_points(&p->meta, p->dir, &damage));
    }
    if (r < 0)
        return r;
    const json_t *points = gw_term_at(c->result, "points");
    if (!c->json && json_array_size(points) == 0 && damage.code == 0)
        gw_term_say("No recovery points.");
    if (!c->json)
        gw_term_table(columns, GW_ARRAY_SIZE(columns), points);
    if (damage.code == 0)
        return GW_EXIT_OK;
    /* The sound ones are shown; the damaged one is not passed over. */
    if (!c->json)
        c->err = damage;
    else
        json_object_set_new(c->result, "damage", gw_control_text(damage.msg));
    return GW_EXIT_FAILED;
}

/* ---- delete, check ----------------------------------------------------------------------------
 */

int ctl_cmd_point_delete(struct gw_term *c)
{
    const char *id = c->args.operand[0];
    CLEANUP_PLAN struct gw_plan *p = NULL;
    int r = gw_term_readable(c, "ID", id, GW_ID_MAX - 1);
    if (r == 0)
        r = ctl_plan_open(c, 0, &p);
    if (r != 0)
        return r;
    if (p->meta.pending == GW_PENDING_REWIND && strcmp(p->meta.pending_id, id) == 0)
        return gw_error_set(&c->err, -EPERM,
                            "point '%s' is needed: a promotion to it is unfinished; give the "
                            "promotion again first",
                            id);
    char what[GW_ID_MAX + 64];
    snprintf(what, sizeof what, "Recovery point %s is removed for good.", id);
    r = gw_term_confirm(c, "plan", p->meta.plan_name, what);
    if (r == 0)
        r = gw_point_remove(gw_io_posix(), p->dir, id, &c->err);
    if (r != 0)
        return r;
    c->result = json_pack("{s:s}", "id", id);
    if (!c->json)
        gw_term_say("Removed recovery point %s.", id);
    return GW_EXIT_OK;
}

int ctl_cmd_point_check(struct gw_term *c)
{
    const char *id = c->args.operand[0];
    bool store = gw_term_flag(&c->args, "store");
    CLEANUP_PLAN struct gw_plan *p = NULL;
    CLEANUP_FREE struct gw_point *point = calloc(1, sizeof *point);
    if (point == NULL)
        return gw_term_no_memory(c);
    int r = gw_term_readable(c, "ID", id, GW_ID_MAX - 1);
    if (r == 0)
        r = ctl_plan_open(c, store ? 0 : GW_PLAN_READ_ONLY, &p);
    if (r == 0)
        r = gw_point_load(gw_io_posix(), p->dir, id, point, &c->err);
    if (r == 0 && store)
        r = gw_point_hash(gw_io_posix(), p->dir, point, &c->err);
    if (r != 0)
        return r;
    r = gw_point_check(gw_io_posix(), p->dir, point, &c->err);
    if (r == -ENOENT)
        return gw_error_wrap(&c->err,
                             "point '%s' has no hashes to compare with; --store makes them", id);
    if (r < 0)
        return r;
    c->result = json_pack("{s:o}", "point", gw_describe_point(&p->meta, point));
    if (!c->json)
        gw_term_say("Recovery point %s is as it was made.", id);
    return GW_EXIT_OK;
}
