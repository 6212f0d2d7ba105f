// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/approvals.h"

#include "catalog/catalog_internal.h"
#include "catalog/rows.h"

#include <errno.h>
#include <string.h>

#define S struct gw_catalog_approval
static const struct gw_column columns[] = {
    GW_COLUMN(S, run, TEXT),       GW_COLUMN(S, who, TEXT),
    GW_COLUMN(S, wall_ns, NUMBER), GW_COLUMN(S, plan_hash, TEXT),
    GW_COLUMN(S, epoch, NUMBER),   GW_COLUMN(S, expires_wall_ns, NUMBER),
    GW_COLUMN(S, reason, OPT),
};
#undef S
static const struct gw_table approvals = GW_TABLE("approvals", struct gw_catalog_approval, columns);

static int judge(const struct gw_catalog_run *run, const struct gw_catalog_approval *row,
                 struct gw_error *err)
{
    if (strcmp(run->requester, row->who) == 0)
        return gw_error_set(err, -EPERM, "\"%s\" asked for run %s: somebody else has to approve it",
                            row->who, run->id);
    if (run->finished_wall_ns != 0)
        return gw_error_set(err, -ESTALE, "run %s has ended: %s", run->id,
                            gw_catalog_run_state_name(run->state));
    if (strcmp(run->plan_hash, row->plan_hash == NULL ? "" : row->plan_hash) != 0)
        return gw_error_set(err, -ESTALE,
                            "run %s is of another version of plan \"%s\" than the one "
                            "that was approved: look again",
                            run->id, run->plan);
    if (run->epoch != row->epoch)
        return gw_error_set(err, -ESTALE,
                            "run %s is in epoch %llu, the approval is for epoch %llu: "
                            "look again",
                            run->id, (unsigned long long)run->epoch,
                            (unsigned long long)row->epoch);
    return 0;
}

/* Somebody approved before: the very same approval again is fine. */
static int again(const struct gw_catalog_approval *now, const struct gw_catalog_approval *row,
                 struct gw_error *err)
{
    if (now->wall_ns == row->wall_ns && strcmp(now->plan_hash, row->plan_hash) == 0 &&
        now->epoch == row->epoch)
        return 0;
    return gw_error_set(err, -EEXIST, "\"%s\" has approved run %s already", row->who, row->run);
}

int gw_catalog_approval_add(struct gw_catalog *c, const struct gw_catalog_approval *row,
                            struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    struct gw_catalog_run run;
    struct gw_catalog_approval now;
    int r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = gw_run_read(&c->writer, row->run, &mem, &run, err);
    if (r >= 0)
        r = judge(&run, row, err);
    if (r >= 0)
        r = gw_table_get(&c->writer, &approvals, "WHERE run = ? AND who = ?",
                         GW_BINDS(GW_T(row->run), GW_T(row->who)), &mem, &now, err);
    if (r > 0)
        return again(&now, row, err);
    if (r >= 0)
        r = gw_table_insert(&c->writer, &approvals, row, false, err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}

int gw_catalog_approval_count(struct gw_catalog *c, const char *run, uint64_t now_wall_ns,
                              uint64_t *ret_n, struct gw_error *err)
{
    uint64_t n = 0;
    int r = gw_catalog_number(c,
                              "SELECT count(*) FROM approvals a JOIN runs r ON r.id = a.run"
                              " WHERE a.run = ? AND a.plan_hash = r.plan_hash AND a.epoch = r.epoch"
                              " AND a.who <> r.requester"
                              " AND (a.expires_wall_ns = 0 OR a.expires_wall_ns > ?)",
                              GW_BINDS(GW_T(run), GW_U(now_wall_ns)), &n, err);
    if (r < 0)
        return r;
    *ret_n = n;
    return 0;
}

int gw_catalog_approval_list(struct gw_catalog *c, const char *run, struct gw_catalog_mem *mem,
                             struct gw_catalog_approval **ret_rows, size_t *ret_n,
                             struct gw_error *err)
{
    struct gw_catalog_rows found;
    int r = gw_catalog_list(c, &approvals, "WHERE run = ? ORDER BY wall_ns, who",
                            GW_BINDS(GW_T(run)), mem, &found, err);
    if (r < 0)
        return r;
    *ret_rows = found.rows;
    *ret_n = found.n;
    return 0;
}
