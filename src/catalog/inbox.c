// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/inbox.h"

#include "base/checked.h"
#include "catalog/catalog_internal.h"
#include "catalog/rows.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define KEY "WHERE run = ? AND step = ? AND action = ? AND attempt = ?"
#define KEY_OF(e) GW_BINDS(GW_T((e)->run), GW_T((e)->step), GW_T((e)->action), GW_U((e)->attempt))

static const char *const state_names[] = { "INTENT", "DONE", "FAILED", "UNKNOWN" };
static_assert(GW_ARRAY_SIZE(state_names) == GW_CATALOG_EFFECT_MAX, "a name each");

#define S struct gw_catalog_effect
static const struct gw_column columns[] = {
    GW_COLUMN(S, run, TEXT),       GW_COLUMN(S, step, TEXT),
    GW_COLUMN(S, action, TEXT),    GW_COLUMN(S, attempt, NUMBER),
    GW_COLUMN(S, plan_uuid, TEXT), GW_COLUMN(S, from_site, TEXT),
    GW_COLUMN(S, epoch, NUMBER),   GW_COLUMN(S, term, NUMBER),
    GW_COLUMN(S, wall_ns, NUMBER), GW_COLUMN_OF(S, state, state_names),
    GW_COLUMN(S, outcome, TEXT),   GW_COLUMN(S, ended_wall_ns, NUMBER),
};
#undef S
static const struct gw_table inbox = GW_TABLE("inbox", struct gw_catalog_effect, columns);

const char *gw_catalog_effect_state_name(enum gw_catalog_effect_state state)
{
    assert(state < GW_CATALOG_EFFECT_MAX);
    return state_names[state];
}

/* ---- what is of the past --------------------------------------------------------------------- */

static int run_allows(struct gw_db *db, const struct gw_catalog_effect *e,
                      struct gw_catalog_mem *mem, struct gw_error *err)
{
    struct gw_catalog_run run;
    int r = gw_table_get(db, &gw_run_table, "WHERE id = ?", GW_BINDS(GW_T(e->run)), mem, &run, err);
    if (r <= 0)
        return r; /* a run that is not known here yet cannot have ended here */
    if (run.finished_wall_ns != 0)
        return gw_error_set(err, -ESTALE, "run %s has ended here: %s", e->run,
                            gw_catalog_run_state_name(run.state));
    if (e->term < run.term)
        return gw_error_set(err, -ESTALE,
                            "run %s: \"%s\" asks in term %llu, but \"%s\" coordinates in term %llu",
                            e->run, e->from_site, (unsigned long long)e->term, run.coordinator,
                            (unsigned long long)run.term);
    return 0;
}

static int epoch_allows(struct gw_db *db, const struct gw_catalog_effect *e, struct gw_error *err)
{
    uint64_t epoch = 0;
    int r = gw_db_number(db, "SELECT epoch FROM inbox_fences WHERE plan_uuid = ?",
                         GW_BINDS(GW_T(e->plan_uuid)), &epoch, err);
    if (r >= 0 && e->epoch < epoch)
        return gw_error_set(err, -ESTALE,
                            "run %s asks in epoch %llu, but epoch %llu has begun here", e->run,
                            (unsigned long long)e->epoch, (unsigned long long)epoch);
    return r < 0 ? r : 0;
}

static int fence_raise(struct gw_db *db, const char *plan_uuid, uint64_t epoch,
                       struct gw_error *err)
{
    return gw_db_run(db,
                     "INSERT INTO inbox_fences (plan_uuid, epoch) VALUES (?, ?)"
                     " ON CONFLICT (plan_uuid) DO UPDATE SET epoch = max(epoch, excluded.epoch)",
                     GW_BINDS(GW_T(plan_uuid), GW_U(epoch)), err);
}

/* ---- effects --------------------------------------------------------------------------------- */

int gw_catalog_inbox_begin(struct gw_catalog *c, const struct gw_catalog_effect *row,
                           struct gw_catalog_mem *mem, struct gw_catalog_effect *ret,
                           struct gw_error *err)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    struct gw_catalog_effect e = *row;
    e.state = GW_CATALOG_EFFECT_INTENT;
    e.outcome = NULL;
    e.ended_wall_ns = 0;
    int r = gw_catalog_begin(c, &tx, err);
    if (r < 0)
        return r;
    /* Whoever may not ask learns nothing either: the past is refused before it is answered. */
    r = epoch_allows(&c->writer, &e, err);
    if (r >= 0)
        r = run_allows(&c->writer, &e, mem, err);
    if (r >= 0)
        r = gw_table_get(&c->writer, &inbox, KEY, KEY_OF(&e), mem, ret, err);
    if (r != 0)
        return r;
    r = gw_table_insert(&c->writer, &inbox, &e, false, err);
    if (r >= 0)
        r = fence_raise(&c->writer, e.plan_uuid, e.epoch, err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}

static int same_outcome(const struct gw_catalog_effect *now, const struct gw_catalog_effect *row,
                        struct gw_error *err)
{
    if (now->state == row->state &&
        strcmp(now->outcome, row->outcome == NULL ? "" : row->outcome) == 0)
        return 0;
    return gw_error_set(err, -EBADMSG, "step %s of run %s ended %s here, and cannot end %s as well",
                        row->step, row->run, state_names[now->state], state_names[row->state]);
}

int gw_catalog_inbox_end(struct gw_catalog *c, const struct gw_catalog_effect *row,
                         struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    struct gw_catalog_effect now;
    if (row->state == GW_CATALOG_EFFECT_INTENT)
        return gw_error_set(err, -EINVAL, "INTENT is not how step %s ended", row->step);
    int r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = gw_table_get(&c->writer, &inbox, KEY, KEY_OF(row), &mem, &now, err);
    if (r == 0)
        return gw_error_set(err, -ENOENT, "step %s of run %s was never begun here", row->step,
                            row->run);
    if (r < 0)
        return r;
    if (now.state == GW_CATALOG_EFFECT_DONE || now.state == GW_CATALOG_EFFECT_FAILED)
        return same_outcome(&now, row, err);
    r = gw_table_update(&c->writer, &inbox, "state", "ended_wall_ns", row, KEY, KEY_OF(row), err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}

static int list(struct gw_catalog *c, const char *tail, const struct gw_bind *binds,
                struct gw_catalog_mem *mem, struct gw_catalog_effect **ret_rows, size_t *ret_n,
                struct gw_error *err)
{
    struct gw_catalog_rows found;
    int r = gw_catalog_list(c, &inbox, tail, binds, mem, &found, err);
    if (r < 0)
        return r;
    *ret_rows = found.rows;
    *ret_n = found.n;
    return 0;
}

int gw_catalog_inbox_open(struct gw_catalog *c, struct gw_catalog_mem *mem,
                          struct gw_catalog_effect **ret_rows, size_t *ret_n, struct gw_error *err)
{
    return list(c, "WHERE state IN ('INTENT', 'UNKNOWN') ORDER BY rowid", GW_NO_BINDS, mem,
                ret_rows, ret_n, err);
}

int gw_catalog_inbox_list(struct gw_catalog *c, const char *run, struct gw_catalog_mem *mem,
                          struct gw_catalog_effect **ret_rows, size_t *ret_n, struct gw_error *err)
{
    return list(c, "WHERE run = ? ORDER BY rowid", GW_BINDS(GW_T(run)), mem, ret_rows, ret_n, err);
}

int gw_catalog_inbox_fence(struct gw_catalog *c, const char *plan_uuid, uint64_t epoch,
                           struct gw_error *err)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    int r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = fence_raise(&c->writer, plan_uuid, epoch, err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}

int gw_catalog_inbox_epoch(struct gw_catalog *c, const char *plan_uuid, uint64_t *ret_epoch,
                           struct gw_error *err)
{
    uint64_t epoch = 0;
    int r = gw_catalog_number(c, "SELECT epoch FROM inbox_fences WHERE plan_uuid = ?",
                              GW_BINDS(GW_T(plan_uuid)), &epoch, err);
    if (r < 0)
        return r;
    *ret_epoch = epoch;
    return 0;
}

int gw_catalog_inbox_prune(struct gw_catalog *c, uint64_t wall_ns, struct gw_error *err)
{
    int n = gw_catalog_write(c,
                             "DELETE FROM inbox WHERE run IN (SELECT id FROM runs"
                             " WHERE finished_wall_ns <> 0 AND finished_wall_ns < ?)",
                             GW_BINDS(GW_U(wall_ns)), err);
    return n < 0 ? n : 0;
}
