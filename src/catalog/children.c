// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/children.h"

#include "catalog/catalog_internal.h"
#include "catalog/rows.h"

#define S struct gw_catalog_child
static const struct gw_column columns[] = {
    GW_COLUMN(S, id, NUMBER),    GW_COLUMN(S, plan, OPT),       GW_COLUMN(S, run, TEXT),
    GW_COLUMN(S, step, TEXT),    GW_COLUMN(S, attempt, NUMBER), GW_COLUMN(S, what, TEXT),
    GW_COLUMN(S, pid, SIGNED),   GW_COLUMN(S, pgid, SIGNED),    GW_COLUMN(S, start_ticks, NUMBER),
    GW_COLUMN(S, boot_id, TEXT), GW_COLUMN(S, wall_ns, NUMBER), GW_COLUMN(S, record, OPT),
};
#undef S
static const struct gw_table children = GW_TABLE("children", struct gw_catalog_child, columns);

int gw_catalog_child_add(struct gw_catalog *c, const struct gw_catalog_child *row, uint64_t *ret_id,
                         struct gw_error *err)
{
    return gw_catalog_insert(c, &children, row, ret_id, err);
}

int gw_catalog_child_delete(struct gw_catalog *c, uint64_t id, struct gw_error *err)
{
    int n = gw_catalog_write(c, "DELETE FROM children WHERE id = ?", GW_BINDS(GW_U(id)), err);
    return n < 0 ? n : 0;
}

int gw_catalog_child_list(struct gw_catalog *c, const char *run, struct gw_catalog_mem *mem,
                          struct gw_catalog_child **ret_rows, size_t *ret_n, struct gw_error *err)
{
    struct gw_catalog_rows found;
    int r = gw_catalog_list(c, &children, "WHERE ?1 IS NULL OR run = ?1 ORDER BY id",
                            GW_BINDS(GW_T(run)), mem, &found, err);
    if (r < 0)
        return r;
    *ret_rows = found.rows;
    *ret_n = found.n;
    return 0;
}

int gw_catalog_child_prune(struct gw_catalog *c, const char *boot_id, struct gw_error *err)
{
    int n = gw_catalog_write(c, "DELETE FROM children WHERE boot_id <> ?", GW_BINDS(GW_T(boot_id)),
                             err);
    return n < 0 ? n : 0;
}
