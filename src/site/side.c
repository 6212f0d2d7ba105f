// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/side.h"

#include "base/clock.h"
#include "catalog/runs.h"
#include "site/dataplane.h"
#include "site/plandir.h"
#include "site/points.h"
#include "site/rpo.h"
#include "site/runs.h"
#include "site/runstore.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

void site_lag_look(struct site_lag *lag, uint64_t head_seq, uint64_t durable_seq, uint64_t now_ns)
{
    lag->known = true;
    if (lag->n == 0 ||
        head_seq != lag->sample[(lag->at + SITE_LAG_SAMPLES - 1) % SITE_LAG_SAMPLES].seq) {
        lag->sample[lag->at].seq = head_seq;
        lag->sample[lag->at].boot_ns = now_ns;
        lag->at = (lag->at + 1) % SITE_LAG_SAMPLES;
        lag->n += lag->n < SITE_LAG_SAMPLES;
    }
    lag->seconds_ms = 0;
    if (durable_seq >= head_seq)
        return;
    /* From the oldest sample on: the first whose number is not durable has waited the longest. */
    for (unsigned i = 0; i < lag->n; i++) {
        unsigned at = (lag->at + SITE_LAG_SAMPLES - lag->n + i) % SITE_LAG_SAMPLES;
        if (lag->sample[at].seq > durable_seq) {
            lag->seconds_ms = (now_ns - lag->sample[at].boot_ns) / GW_NS_PER_MS;
            return;
        }
    }
}

static json_t *unit_json(struct site *s, const struct site_plan *p)
{
    struct gw_unit_status u;
    if (gw_units_get(s->units, p->name, &u) < 0)
        return json_null();
    return json_pack("{s:s, s:s, s:i, s:b, s:i, s:o}", "kind", gw_unit_kind_name(u.kind), "state",
                     gw_unit_state_name(u.state), "pid", (int)u.pid, "crash_loop", u.crash_loop,
                     "restarts", (int)u.restarts, "words", gw_control_text(u.words));
}

/* What the process says, and from that the lag. Also of the source only: bytes at risk. */
static void add_process(struct site *s, struct site_plan *p, json_t *side)
{
    struct gw_poll_answer a = { 0 };
    struct gw_error err = { 0 };
    bool known = gw_polls_get(s->polls, p->name, GW_POLL_ANY_AGE, &a, &err) == 0 && a.known;
    json_object_set_new(side, "dp_known", json_boolean(known));
    json_object_set_new(side, "dp", known ? json_incref(a.status) : json_null());
    json_object_set_new(side, "dp_error", known ? json_null() : gw_control_text(a.why.msg));
    bool source = known && strcmp(site_text(a.status, "process"), "source") == 0;
    const char *repl = site_text(a.status, "replication");
    bool follows = source && (strcmp(repl, "async") == 0 || strcmp(repl, "sync") == 0);
    LOCK_SCOPE(&s->mu);
    p->lag.known = false;
    if (source)
        site_lag_look(&p->lag, site_number(a.status, "seq"), site_number(a.status, "durable_seq"),
                      gw_boot_ns());
    uint64_t bytes = site_number(a.status, "pending_bytes");
    if (!follows)
        bytes += site_number(a.status, "dirty_blocks") * GW_BLOCK_BYTES;
    json_object_set_new(side, "lag",
                        json_pack("{s:b, s:b, s:f, s:I}", "known", p->lag.known, "follows", follows,
                                  "seconds", (double)p->lag.seconds_ms / 1000.0, "bytes",
                                  (json_int_t)bytes));
    gw_poll_answer_done(&a);
}

static void add_service(struct site *s, struct site_plan *p, json_t *side)
{
    LOCK_SCOPE(&s->mu);
    bool known = p->seen.boot_ns != 0;
    json_object_set_new(side, "svc", json_string(gw_svc_name(p->seen.svc)));
    json_object_set_new(side, "svc_text", gw_control_text(p->seen.text));
    json_object_set_new(
        side, "svc_age_ms",
        known ? json_integer((json_int_t)((gw_boot_ns() - p->seen.boot_ns) / GW_NS_PER_MS))
              : json_null());
}

static bool unused(const struct site_plandir *dir, const struct gw_catalog_plan *row)
{
    bool served = dir->role != GW_ROLE_STANDBY && row->activated_wall_ns != 0;
    return !row->activated && (!dir->exists || (site_plandir_unused(dir) && !served));
}

bool site_side_unused(struct site *s, const struct site_plan *p)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_plan row = { 0 };
    struct site_dp_paths at;
    struct site_plandir dir;
    struct gw_error none = { 0 };
    return gw_catalog_plan_get_uuid(s->catalog, p->uuid_text, &mem, &row, &none) == 0 &&
           site_dp_paths(s, p, &at, &none) == 0 && site_plandir_look(at.dir, &dir, &none) == 0 &&
           unused(&dir, &row);
}

static void add_dir(struct site *s, const struct site_plan *p, const struct gw_catalog_plan *row,
                    json_t *side)
{
    struct site_dp_paths at;
    struct site_plandir dir;
    struct gw_error err = { 0 };
    int r = site_dp_paths(s, p, &at, &err);
    if (r == 0)
        r = site_plandir_look(at.dir, &dir, &err);
    json_object_set_new(side, "dir", r == 0 ? site_plandir_json(&dir) : json_null());
    json_object_set_new(side, "unused", json_boolean(r == 0 && unused(&dir, row)));
    json_object_set_new(side, "dir_error", r == 0 ? json_null() : gw_control_text(err.msg));
    struct statvfs fs;
    if (statvfs(s->state_dir, &fs) == 0)
        json_object_set_new(side, "room_bytes",
                            json_integer((json_int_t)fs.f_bavail * (json_int_t)fs.f_frsize));
}

static json_t *row_json(struct site *s, const struct gw_catalog_plan *row)
{
    json_t *o = json_pack(
        "{s:s, s:I, s:s, s:I, s:s, s:I, s:b, s:s, s:s, s:s, s:I, s:I, s:b, s:o, s:o}", "site",
        s->name, "wall_ns", (json_int_t)gw_wall_ns(), "boot_id", s->boot_id, "version",
        (json_int_t)row->version, "hash", row->hash, "revision", (json_int_t)row->revision,
        "activated", row->activated, "want", gw_catalog_want_name(row->want), "mode",
        gw_catalog_mode_name(row->mode), "holder", row->holder, "epoch", (json_int_t)row->epoch,
        "role_wall_ns", (json_int_t)row->role_wall_ns, "committed", row->committed, "fenced",
        row->fenced_reason != NULL ? gw_control_text(row->fenced_reason) : json_null(), "held",
        row->held_reason != NULL ? gw_control_text(row->held_reason) : json_null());
    CLEANUP_SITE_JSON json_t *state = json_loads(row->state, 0, NULL);
    if (o != NULL && state != NULL)
        json_object_set(o, "facts", state);
    return o;
}

/* The run that this site believes is not over: the other one says if it is (site_runs_settle). */
static void add_open_run(struct site *s, const struct site_plan *p, json_t *side)
{
    char id[GW_RUN_ID_MAX] = "";
    struct gw_error none = { 0 };
    if (site_run_store.current(s->catalog, p->name, id, &none) > 0)
        json_object_set_new(side, "open_run", json_string(id));
}

static void add_stuck(struct site *s, const struct site_plan *p, json_t *side)
{
    char id[GW_RUN_ID_MAX], why[GW_ERROR_MSG_MAX];
    if (site_run_stuck(s, p->name, id, why))
        json_object_set_new(side, "stuck",
                            json_pack("{s:s, s:o}", "run", id, "why", gw_control_text(why)));
}

int site_side_look(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_plan row = { 0 };
    int r = gw_catalog_plan_get_uuid(s->catalog, p->uuid_text, &mem, &row, err);
    if (r < 0)
        return r;
    json_t *side = row_json(s, &row);
    if (side == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    add_dir(s, p, &row, side);
    json_object_set_new(side, "unit", unit_json(s, p));
    add_process(s, p, side);
    add_service(s, p, side);
    add_stuck(s, p, side);
    add_open_run(s, p, side);
    site_rpo_measure(s, p, side);
    json_object_set_new(side, "last_point", site_points_last(s, p));
    LOCK_SCOPE(&s->mu);
    /* A reign began here: what the peer said before is of the one that ended, its service too. Only
     * what it says from now on can tell of two that serve. */
    uint64_t epoch = site_number(side, "epoch");
    if (p->side != NULL && epoch > site_number(p->side, "epoch") && p->peer_side != NULL &&
        epoch > site_number(p->peer_side, "epoch"))
        p->peer_side_boot_ns = 1;
    json_decref(p->side);
    p->side = json_incref(side);
    p->side_boot_ns = gw_boot_ns();
    *ret = side;
    return 0;
}

int site_side_look_now(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err)
{
    struct gw_poll_answer a = { 0 };
    struct gw_error none = { 0 };
    /* No process, or no answer: then the look says so. */
    if (gw_polls_get(s->polls, p->name, 0, &a, &none) == 0)
        gw_poll_answer_done(&a);
    return site_side_look(s, p, ret, err);
}

void site_sides(struct site *s, struct site_plan *p, json_t **ret_ours, json_t **ret_theirs,
                uint64_t *ret_peer_age_ns)
{
    LOCK_SCOPE(&s->mu);
    *ret_ours = json_incref(p->side);
    *ret_theirs = json_incref(p->peer_side);
    *ret_peer_age_ns = p->peer_side_boot_ns != 0 ? gw_boot_ns() - p->peer_side_boot_ns : 0;
}
