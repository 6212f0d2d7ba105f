// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/divergence.h"

#include "control/describe.h"
#include "engine/tail.h"
#include "engine/undo.h"
#include "site/dataplane.h"
#include "site/mates.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MATE_MS 60000u /* a tail is read to be itemised */
#define PENDING "pending"

struct look {
    struct site *site;
    struct gw_plan *plan; /* the directory, read-only; NULL: there is none */
    const char *id;       /* NULL: all, without their ranges */
    uint64_t ranges_max;
    json_t *out;
};

/* ---- the one that waits -----------------------------------------------------------------------
 */

/* The replica says "length", as the engine does; people are told bytes. */
static json_t *ranges_of(const json_t *tail, uint64_t max)
{
    json_t *a = json_array(), *range;
    size_t i;
    json_array_foreach(json_object_get(tail, "ranges"), i, range)
    {
        if (i >= max)
            break;
        json_array_append_new(a, json_pack("{s:s, s:I, s:I}", "volume", site_text(range, "volume"),
                                           "offset", (json_int_t)site_number(range, "offset"),
                                           "bytes", (json_int_t)site_number(range, "length")));
    }
    return a;
}

static void add_ranges(json_t *o, const json_t *tail, uint64_t max)
{
    json_object_set_new(o, "exact", json_boolean(site_true(tail, "exact")));
    json_object_set_new(o, "n_ranges", json_integer((json_int_t)site_number(tail, "n_ranges")));
    json_object_set_new(o, "ranges", ranges_of(tail, max));
}

static void add_pending(struct look *l, struct site_plan *p)
{
    CLEANUP_SITE_JSON json_t *tail = NULL, *status = NULL;
    struct gw_error none = { 0 };
    if ((l->id != NULL && strcmp(l->id, PENDING) != 0) ||
        site_dp_call(l->site, p, json_pack("{s:s}", "cmd", "tail"), SITE_DP_CALL_MS, &tail, &none) <
            0 ||
        site_dp_status(l->site, p, &status, &none) < 0)
        return;
    if (!site_true(tail, "known") || site_number(tail, "blocks") == 0 ||
        strcmp(site_text(status, "state"), "assessing") != 0)
        return;
    json_t *o =
        json_pack("{s:s, s:s, s:s, s:I, s:n, s:n, s:n}", "id", PENDING, "site", l->site->name,
                  "state", site_true(tail, "complete") ? "waits for a signature" : "being compared",
                  "bytes", (json_int_t)site_number(tail, "bytes"), "signed_by", "time", "damage");
    if (o != NULL && l->id != NULL)
        add_ranges(o, tail, l->ranges_max);
    json_array_append_new(l->out, o);
}

/* ---- those that are kept ----------------------------------------------------------------------
 */

static json_t *damaged(const struct look *l, const char *id, const struct gw_error *why)
{
    return json_pack("{s:s, s:s, s:s, s:n, s:n, s:n, s:o}", "id", id, "site", l->site->name,
                     "state", "damaged", "bytes", "signed_by", "time", "damage",
                     gw_control_text(why->msg));
}

static json_t *kept(const struct look *l, const char *id, const struct gw_undo_manifest *m,
                    const struct gw_tail *tail, const struct gw_error *damage)
{
    bool done = gw_undo_is_finished(l->plan->io, l->plan->dir, id);
    json_t *o = json_pack("{s:s, s:s, s:s, s:I, s:o, s:o, s:o}", "id", id, "site", l->site->name,
                          "state", done ? "kept" : "kept, its resync goes on", "bytes",
                          (json_int_t)tail->bytes, "signed_by",
                          m->signed_by[0] != '\0' ? gw_control_text(m->signed_by) : json_null(),
                          "time", gw_describe_time(m->wall_ns), "damage",
                          tail->damaged ? gw_control_text(damage->msg) : json_null());
    if (o != NULL && l->id != NULL) {
        CLEANUP_SITE_JSON json_t *said = gw_describe_tail(m, tail, (size_t)l->ranges_max);
        add_ranges(o, said, l->ranges_max);
    }
    return o;
}

static int add_undo(void *arg, const char *id)
{
    struct look *l = arg;
    struct gw_plan *plan = l->plan;
    struct gw_undo *u = NULL;
    struct gw_tail tail = { 0 };
    struct gw_error err = { 0 }, damage = { 0 };
    CLEANUP_FREE struct gw_undo_manifest *m = calloc(1, sizeof *m);
    if (m == NULL)
        return -ENOMEM;
    if (l->id != NULL && strcmp(l->id, id) != 0)
        return 0;
    int r = gw_undo_open(plan->io, plan->dir, id, true, &u, m, &err);
    bool tells = r == 0 && m->diverged; /* else it keeps what was copied, and no tail */
    if (r == 0)
        gw_undo_damage(u, &damage);
    gw_undo_close(u);
    if (tells)
        r = gw_tail_find(plan->io, plan->dir, id, plan->vol, &tail, &err);
    if (r < 0)
        json_array_append_new(l->out, damaged(l, id, &err));
    else if (tells)
        json_array_append_new(l->out, kept(l, id, m, &tail, &damage));
    gw_tail_done(&tail);
    return 0;
}

int site_divergence_here(struct site *s, struct site_plan *p, const char *id, uint64_t ranges_max,
                         json_t **ret, struct gw_error *err)
{
    struct look l = { .site = s, .id = id, .ranges_max = ranges_max };
    struct site_dp_paths at;
    int r = site_dp_paths(s, p, &at, err);
    if (r < 0)
        return r;
    r = gw_plan_open(gw_io_posix(), at.dir, GW_PLAN_READ_ONLY, &l.plan, err);
    if (r < 0 && r != -ENOENT)
        return gw_error_wrap(err, "plan '%s' at %s", p->name, s->name);
    l.out = json_array();
    add_pending(&l, p);
    r = l.plan != NULL ? gw_undo_list(l.plan->io, l.plan->dir, add_undo, &l, err) : 0;
    gw_plan_close(l.plan);
    if (r < 0) {
        json_decref(l.out);
        return r;
    }
    *ret = l.out;
    return 0;
}

/* ---- both sites -------------------------------------------------------------------------------
 */

static int theirs(struct site *s, struct site_plan *p, const char *id, uint64_t ranges_max,
                  json_t **ret, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *answer = NULL;
    int r = site_mate_call(s, p->peer, "tail",
                           json_pack("{s:s, s:s, s:I}", "plan", p->name, "id", id != NULL ? id : "",
                                     "ranges", (json_int_t)ranges_max),
                           MATE_MS, &answer, NULL, err);
    if (r == 0)
        *ret = json_incref(json_object_get(answer, "divergence"));
    return r;
}

int site_divergence(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err)
{
    json_t *all = NULL, *missing = json_array();
    CLEANUP_SITE_JSON json_t *other = NULL;
    struct gw_error why = { 0 };
    int r = site_divergence_here(s, p, NULL, 0, &all, err);
    if (r < 0) {
        json_decref(missing);
        return r;
    }
    if (theirs(s, p, NULL, 0, &other, &why) < 0)
        json_array_append_new(
            missing, json_pack("{s:s, s:o}", "site", p->peer, "why", gw_control_text(why.msg)));
    else
        json_array_extend(all, other);
    *ret = json_pack("{s:s, s:o, s:o}", "plan", p->name, "divergence", all, "missing", missing);
    return 0;
}

int site_divergence_one(struct site *s, struct site_plan *p, const char *id, uint64_t ranges_max,
                        json_t **ret, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *ours = NULL, *other = NULL;
    int r = site_divergence_here(s, p, id, ranges_max, &ours, err);
    if (r == 0 && json_array_size(ours) == 0)
        r = theirs(s, p, id, ranges_max, &other, err);
    if (r < 0)
        return r;
    json_t *one = json_array_get(json_array_size(ours) > 0 ? ours : other, 0);
    if (one == NULL && strcmp(id, PENDING) == 0)
        return gw_error_set(err, -ENOENT,
                            "no tail of plan '%s' waits for a signature; godwit divergence list %s "
                            "names those that are kept",
                            p->name, p->name);
    if (one == NULL)
        return gw_error_set(err, -ENOENT,
                            "plan '%s' has no tail '%s'; godwit divergence list %s names them",
                            p->name, id, p->name);
    *ret = json_incref(one);
    return 0;
}
