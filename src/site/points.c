// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/points.h"

#include "base/clock.h"
#include "control/describe.h"
#include "engine/points.h"
#include "site/dataplane.h"
#include "site/mates.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define POINT_MS 60000u
#define LOOK_NS (2 * GW_NS_PER_S) /* a point is complete later than its directory is there */
#define MATE_MS 20000u

/* ---- the list ---------------------------------------------------------------------------------
 */

struct list {
    const char *site;
    json_t *out;
};

static int add_point(void *arg, const struct gw_point *p)
{
    struct list *l = arg;
    json_t *o = gw_describe_point(NULL, p);
    if (o == NULL)
        return -ENOMEM;
    json_object_set_new(o, "site", json_string(l->site));
    json_object_set_new(o, "damage", json_null());
    return json_array_append_new(l->out, o) < 0 ? -ENOMEM : 0;
}

/* From the directory: points outlive the process that made them, and the change of its role. */
int site_points_here(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err)
{
    struct site_dp_paths at;
    struct list l = { .site = s->name };
    struct gw_error damage = { 0 };
    int r = site_dp_paths(s, p, &at, err);
    if (r < 0)
        return r;
    l.out = json_array();
    r = gw_point_list(gw_io_posix(), at.dir, add_point, &l, &damage);
    if (r < 0 && r != -ENOENT) /* the sound ones are listed; the others are not passed over */
        json_array_append_new(l.out, json_pack("{s:n, s:n, s:s, s:n, s:n, s:n, s:o}", "id", "time",
                                               "site", s->name, "epoch", "kind", "tag", "damage",
                                               gw_control_text(damage.msg)));
    *ret = l.out;
    return 0;
}

static int keep_newest(void *arg, const struct gw_point *p)
{
    struct gw_point *newest = arg;
    if (p->wall_ns >= newest->wall_ns)
        *newest = *p;
    return 0;
}

json_t *site_points_last(struct site *s, struct site_plan *p)
{
    char path[PATH_MAX];
    struct site_dp_paths at;
    struct stat st;
    struct gw_error none = { 0 };
    if (site_dp_paths(s, p, &at, &none) < 0 ||
        snprintf(path, sizeof path, "%s/points", at.dir) >= (int)sizeof path || stat(path, &st) < 0)
        return json_null();
    uint64_t changed = (uint64_t)st.st_mtim.tv_sec * GW_NS_PER_S + (uint64_t)st.st_mtim.tv_nsec;
    uint64_t now = gw_boot_ns();
    if (p->last_point != NULL && p->points_changed_ns == changed &&
        now - p->points_looked_boot_ns < LOOK_NS)
        return json_incref(p->last_point);
    CLEANUP_FREE struct gw_point *newest = calloc(1, sizeof *newest);
    if (newest == NULL)
        return json_null();
    gw_point_list(gw_io_posix(), at.dir, keep_newest, newest, &none); /* damage: the list says it */
    json_decref(p->last_point);
    p->last_point = newest->id[0] == '\0'
                        ? json_null()
                        : json_pack("{s:s, s:o, s:s}", "id", newest->id, "time",
                                    gw_describe_time(newest->wall_ns), "site", s->name);
    p->points_changed_ns = changed;
    p->points_looked_boot_ns = now;
    return p->last_point != NULL ? json_incref(p->last_point) : json_null();
}

/* ---- the one that is meant --------------------------------------------------------------------
 */

#define NEAR_MAX 3u

struct sought {
    const char *id;
    uint64_t wall_ns; /* 0: not asked by time */
    struct site_point found, after, newest[NEAR_MAX];
    unsigned n;
};

static int seek(void *arg, const struct gw_point *p)
{
    struct sought *x = arg;
    struct site_point at = { .wall_ns = p->wall_ns };
    memcpy(at.id, p->id, sizeof at.id);
    bool is_it = x->wall_ns != 0 ? p->wall_ns <= x->wall_ns && p->wall_ns >= x->found.wall_ns
                                 : strcmp(p->id, x->id) == 0;
    if (is_it)
        x->found = at;
    else if (x->wall_ns != 0 && p->wall_ns > x->wall_ns && x->after.id[0] == '\0')
        x->after = at;
    memmove(x->newest + 1, x->newest, sizeof x->newest - sizeof x->newest[0]);
    x->newest[0] = at; /* they come oldest first */
    x->n++;
    return 0;
}

/* "p-1 of 2026-11-22T02:00:00Z, ..." */
static void put_near(const struct sought *x, char *ret, size_t size)
{
    const struct site_point *list = x->after.id[0] != '\0' ? &x->after : x->newest;
    unsigned n = x->after.id[0] != '\0' ? 1 : x->n < NEAR_MAX ? x->n : NEAR_MAX;
    size_t at = 0;
    for (unsigned i = 0; i < n && at < size; i++) {
        char when[GW_TIME_TEXT];
        gw_time_format(list[i].wall_ns, when);
        at += (size_t)snprintf(ret + at, size - at, "%s%s of %s", i > 0 ? ", " : "", list[i].id,
                               when);
    }
}

int site_point_resolve(struct site *s, struct site_plan *p, const char *asked,
                       struct site_point *ret, struct gw_error *err)
{
    struct site_dp_paths at;
    struct gw_error damage = { 0 };
    char near[NEAR_MAX * (GW_ID_MAX + GW_TIME_TEXT + 8)];
    struct sought x = { .id = asked };
    *ret = (struct site_point){ .wall_ns = 0 };
    if (asked[0] == '\0' || strcmp(asked, SITE_POINT_LATEST) == 0)
        return 0;
    bool by_time = gw_time_parse(asked, &x.wall_ns);
    if (by_time && x.wall_ns > gw_wall_ns())
        return gw_error_set(err, -EINVAL, "recovery point: %s is in the future: '%s' is the newest",
                            asked, SITE_POINT_LATEST);
    int r = site_dp_paths(s, p, &at, err);
    if (r < 0)
        return r;
    gw_point_list(gw_io_posix(), at.dir, seek, &x, &damage); /* what is damaged is not there */
    *ret = x.found;
    if (x.found.id[0] != '\0')
        return 0;
    if (x.n == 0)
        return gw_error_set(err, -EINVAL,
                            "there is no recovery point '%s': %s has none of %s but the newest "
                            "state, '%s'",
                            asked, s->name, p->name, SITE_POINT_LATEST);
    put_near(&x, near, sizeof near);
    return gw_error_set(err, -EINVAL, "there is no recovery point '%s' at %s; %s: %s", asked,
                        s->name, by_time ? "the oldest one is later" : "there are", near);
}

/* ---- a new one --------------------------------------------------------------------------------
 */

/* Who serves makes it: the place in the stream is the source's to say. */
static int pass_on(struct site *s, struct site_plan *p, const char *id, const char *tag,
                   json_t **ret, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *answer = NULL;
    int r = site_mate_call(s, p->peer, "point",
                           json_pack("{s:s, s:s, s:s}", "plan", p->name, "id", id, "tag", tag),
                           POINT_MS + MATE_MS, &answer, NULL, err);
    if (r == 0)
        *ret = json_incref(answer);
    return r < 0 ? gw_error_wrap(err, "site %s serves the plan, and was asked", p->peer) : 0;
}

static bool serves_here(struct site *s, struct site_plan *p)
{
    CLEANUP_SITE_JSON json_t *ours = NULL, *theirs = NULL;
    uint64_t age;
    site_sides(s, p, &ours, &theirs, &age);
    return strcmp(site_text(ours, "want"), "SOURCE") == 0 ||
           strcmp(site_text(theirs, "want"), "SOURCE") != 0;
}

int site_point_create(struct site *s, struct site_plan *p, const char *id, const char *tag,
                      json_t **ret, struct gw_error *err)
{
    char made[64], when[GW_TIME_TEXT];
    if (!serves_here(s, p))
        return pass_on(s, p, id, tag, ret, err);
    if (id[0] == '\0') {
        gw_time_format(gw_wall_ns(), when);
        snprintf(made, sizeof made, "p-%s", when);
        for (char *c = made; *c != '\0'; c++) {
            if (*c == ':')
                *c = '-';
        }
        id = made;
    }
    int r = site_dp_call(s, p,
                         json_pack("{s:s, s:s, s:s, s:i}", "cmd", "point", "id", id, "tag", tag,
                                   "timeout_ms", (int)POINT_MS),
                         POINT_MS + 5000, NULL, err);
    if (r == 0)
        *ret = json_pack("{s:s, s:s}", "point", id, "tag", tag);
    return r;
}

/* ---- both sites -------------------------------------------------------------------------------
 */

int site_points(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err)
{
    json_t *all = NULL, *missing = json_array();
    CLEANUP_SITE_JSON json_t *answer = NULL;
    struct gw_error why = { 0 };
    int r = site_points_here(s, p, &all, err);
    if (r < 0) {
        json_decref(missing);
        return r;
    }
    if (site_mate_call(s, p->peer, "points", json_pack("{s:s}", "plan", p->name), MATE_MS, &answer,
                       NULL, &why) < 0)
        json_array_append_new(
            missing, json_pack("{s:s, s:o}", "site", p->peer, "why", gw_control_text(why.msg)));
    else
        json_array_extend(all, json_object_get(answer, "points"));
    *ret = json_pack("{s:s, s:o, s:o}", "plan", p->name, "points", all, "missing", missing);
    return 0;
}
