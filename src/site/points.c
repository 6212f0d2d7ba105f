// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/points.h"

#include "base/clock.h"
#include "control/describe.h"
#include "engine/points.h"
#include "engine/undo.h"
#include "site/dataplane.h"
#include "site/mates.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POINT_MS 60000u
#define MATE_MS 20000u

/* ---- points -----------------------------------------------------------------------------------
 */

int site_points_here(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *answer = NULL;
    int r = site_dp_call(s, p, json_pack("{s:s}", "cmd", "points"), SITE_DP_CALL_MS, &answer, err);
    if (r == -ENOENT || r == -ECONNREFUSED || r == -ENOSYS) { /* no replica: none to ask */
        *ret = json_pack("{s:s, s:[]}", "site", s->name, "points");
        return 0;
    }
    if (r < 0)
        return r;
    *ret = json_pack("{s:s, s:O}", "site", s->name, "points", json_object_get(answer, "points"));
    return *ret != NULL ? 0 : gw_error_set(err, -EPROTO, "the replica did not list its points");
}

int site_point_create(struct site *s, struct site_plan *p, const char *id, const char *tag,
                      json_t **ret, struct gw_error *err)
{
    char made[64], when[GW_TIME_TEXT];
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

/* ---- tails ------------------------------------------------------------------------------------
 */

struct collect {
    struct gw_meta *meta;
    const char *dir;
    json_t *out;
};

static int collect_undo(void *arg, const char *id)
{
    struct collect *c = arg;
    struct gw_io *io = gw_io_posix();
    CLEANUP_FREE struct gw_undo_manifest *m = calloc(1, sizeof *m);
    struct gw_undo *u = NULL;
    struct gw_error err = { 0 };
    if (m == NULL)
        return -ENOMEM;
    if (gw_undo_open(io, c->dir, id, true, &u, m, &err) < 0) {
        json_array_append_new(
            c->out, json_pack("{s:s, s:o}", "id", id, "damage", gw_control_text(err.msg)));
        return 0;
    }
    json_array_append_new(c->out,
                          gw_describe_undo(c->meta, id, m, gw_undo_is_finished(io, c->dir, id),
                                           gw_undo_blocks(u), gw_undo_file_bytes(u)));
    gw_undo_close(u);
    return 0;
}

int site_divergence_here(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err)
{
    struct site_dp_paths at;
    CLEANUP_SITE_JSON json_t *pending = NULL;
    struct gw_error none = { 0 };
    CLEANUP_FREE struct gw_meta *meta = calloc(1, sizeof *meta);
    struct gw_metafile *file = NULL;
    if (meta == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = site_dp_paths(s, p, &at, err);
    if (r == 0)
        r = gw_metafile_open(gw_io_posix(), at.dir, true, &file, meta, NULL, err);
    if (r < 0)
        return r;
    gw_metafile_close(file);
    struct collect c = { .meta = meta, .dir = at.dir, .out = json_array() };
    r = gw_undo_list(gw_io_posix(), at.dir, collect_undo, &c, err);
    if (r < 0) {
        json_decref(c.out);
        return r;
    }
    site_dp_call(s, p, json_pack("{s:s}", "cmd", "tail"), SITE_DP_CALL_MS, &pending, &none);
    if (pending != NULL)
        json_object_del(pending, "ok");
    *ret = json_pack("{s:s, s:O?, s:o}", "site", s->name, "pending", pending, "kept", c.out);
    return *ret != NULL ? 0 : gw_error_set(err, -ENOMEM, "out of memory");
}

/* ---- both sites -------------------------------------------------------------------------------
 */

static int both(struct site *s, struct site_plan *p, const char *method,
                int (*here)(struct site *, struct site_plan *, json_t **, struct gw_error *),
                json_t **ret, struct gw_error *err)
{
    json_t *ours = NULL, *theirs = NULL, *sites = json_object();
    struct gw_error e = { 0 };
    (void)err;
    if (here(s, p, &ours, &e) < 0)
        ours = json_pack("{s:s, s:o}", "site", s->name, "error", gw_control_text(e.msg));
    if (site_mate_call(s, p->peer, method, json_pack("{s:s}", "plan", p->name), MATE_MS, &theirs,
                       NULL, &e) < 0)
        theirs = json_pack("{s:s, s:o}", "site", p->peer, "error", gw_control_text(e.msg));
    json_object_set_new(sites, s->name, ours);
    json_object_set_new(sites, p->peer, theirs);
    *ret = json_pack("{s:s, s:o}", "plan", p->name, "sites", sites);
    return 0;
}

int site_points(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err)
{
    return both(s, p, "points", site_points_here, ret, err);
}

int site_divergence(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err)
{
    return both(s, p, "tail", site_divergence_here, ret, err);
}
