// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/outbox.h"

#include "base/checked.h"
#include "catalog/catalog_internal.h"
#include "catalog/rows.h"

#include <assert.h>
#include <errno.h>

static const char *const state_names[] = { "PENDING", "SENT", "GIVEN_UP" };
static_assert(GW_ARRAY_SIZE(state_names) == GW_CATALOG_OUTBOX_MAX, "a name each");

#define S struct gw_catalog_notification
static const struct gw_column columns[] = {
    GW_COLUMN(S, id, NUMBER),
    GW_COLUMN(S, plan, OPT),
    GW_COLUMN(S, run, OPT),
    GW_COLUMN(S, contact, TEXT),
    GW_COLUMN(S, kind, TEXT),
    GW_COLUMN(S, body, JSON),
    GW_COLUMN(S, created_wall_ns, NUMBER),
    GW_COLUMN_OF(S, state, state_names),
    GW_COLUMN(S, tries, NUMBER),
    GW_COLUMN(S, due_boot_ns, NUMBER),
    GW_COLUMN(S, boot_id, TEXT),
    GW_COLUMN(S, last_error, OPT),
    GW_COLUMN(S, ended_wall_ns, NUMBER),
};
#undef S
static const struct gw_table outbox = GW_TABLE("outbox", struct gw_catalog_notification, columns);

const char *gw_catalog_outbox_state_name(enum gw_catalog_outbox_state state)
{
    assert(state < GW_CATALOG_OUTBOX_MAX);
    return state_names[state];
}

int gw_catalog_outbox_add(struct gw_catalog *c, const struct gw_catalog_notification *row,
                          uint64_t *ret_id, struct gw_error *err)
{
    const struct gw_catalog_notification fresh = { .plan = row->plan,
                                                   .run = row->run,
                                                   .contact = row->contact,
                                                   .kind = row->kind,
                                                   .body = row->body,
                                                   .created_wall_ns = row->created_wall_ns };
    return gw_catalog_insert(c, &outbox, &fresh, ret_id, err);
}

static int list(struct gw_catalog *c, const char *tail, const struct gw_bind *binds,
                struct gw_catalog_mem *mem, struct gw_catalog_notification **ret_rows,
                size_t *ret_n, struct gw_error *err)
{
    struct gw_catalog_rows found;
    int r = gw_catalog_list(c, &outbox, tail, binds, mem, &found, err);
    if (r < 0)
        return r;
    *ret_rows = found.rows;
    *ret_n = found.n;
    return 0;
}

int gw_catalog_outbox_due(struct gw_catalog *c, const char *boot_id, uint64_t now_boot_ns,
                          uint64_t limit, struct gw_catalog_mem *mem,
                          struct gw_catalog_notification **ret_rows, size_t *ret_n,
                          struct gw_error *err)
{
    return list(
        c, "WHERE state = 'PENDING' AND (boot_id <> ? OR due_boot_ns <= ?) ORDER BY id LIMIT ?",
        GW_BINDS(GW_T(boot_id), GW_U(now_boot_ns), GW_U(gw_catalog_limit(limit))), mem, ret_rows,
        ret_n, err);
}

static int not_pending(uint64_t id, struct gw_error *err)
{
    return gw_error_set(err, -ENOENT, "no notification %llu is pending", (unsigned long long)id);
}

int gw_catalog_outbox_retry(struct gw_catalog *c, uint64_t id, const char *boot_id,
                            uint64_t due_boot_ns, const char *error, struct gw_error *err)
{
    int n =
        gw_catalog_write(c,
                         "UPDATE outbox SET tries = tries + 1, boot_id = ?, due_boot_ns = ?,"
                         " last_error = ? WHERE id = ? AND state = 'PENDING'",
                         GW_BINDS(GW_T(boot_id), GW_U(due_boot_ns), GW_T(error), GW_U(id)), err);
    if (n == 0)
        return not_pending(id, err);
    return n < 0 ? n : 0;
}

int gw_catalog_outbox_end(struct gw_catalog *c, uint64_t id, enum gw_catalog_outbox_state state,
                          const char *error, uint64_t wall_ns, struct gw_error *err)
{
    assert(state == GW_CATALOG_OUTBOX_SENT || state == GW_CATALOG_OUTBOX_GIVEN_UP);
    int n = gw_catalog_write(
        c,
        "UPDATE outbox SET tries = tries + 1, state = ?, last_error = ?,"
        " ended_wall_ns = ? WHERE id = ? AND state = 'PENDING'",
        GW_BINDS(GW_T(state_names[state]), GW_T(error), GW_U(wall_ns), GW_U(id)), err);
    if (n == 0)
        return not_pending(id, err);
    return n < 0 ? n : 0;
}

int gw_catalog_outbox_list(struct gw_catalog *c, const char *run, struct gw_catalog_mem *mem,
                           struct gw_catalog_notification **ret_rows, size_t *ret_n,
                           struct gw_error *err)
{
    return list(c, "WHERE ?1 IS NULL OR run = ?1 ORDER BY id LIMIT ?2",
                GW_BINDS(GW_T(run), GW_U(GW_CATALOG_ROWS_MAX)), mem, ret_rows, ret_n, err);
}

int gw_catalog_outbox_prune(struct gw_catalog *c, uint64_t wall_ns, struct gw_error *err)
{
    int n = gw_catalog_write(c, "DELETE FROM outbox WHERE state <> 'PENDING' AND ended_wall_ns < ?",
                             GW_BINDS(GW_U(wall_ns)), err);
    return n < 0 ? n : 0;
}
