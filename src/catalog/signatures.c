// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/signatures.h"

#include "catalog/catalog_internal.h"
#include "catalog/rows.h"

#include <errno.h>
#include <string.h>

#define S struct gw_catalog_signature
static const struct gw_column columns[] = {
    GW_COLUMN(S, plan_uuid, TEXT), GW_COLUMN(S, tail, TEXT),        GW_COLUMN(S, who, TEXT),
    GW_COLUMN(S, wall_ns, NUMBER), GW_COLUMN(S, disposition, TEXT), GW_COLUMN(S, reason, OPT),
    GW_COLUMN(S, summary, JSON),   GW_COLUMN(S, epoch, NUMBER),
};
#undef S
static const struct gw_table signatures =
    GW_TABLE("signatures", struct gw_catalog_signature, columns);

#define KEY "WHERE plan_uuid = ? AND tail = ?"

int gw_catalog_signature_add(struct gw_catalog *c, const struct gw_catalog_signature *row,
                             struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    struct gw_catalog_signature now;
    int r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = gw_table_get(&c->writer, &signatures, KEY,
                         GW_BINDS(GW_T(row->plan_uuid), GW_T(row->tail)), &mem, &now, err);
    if (r > 0) {
        if (strcmp(now.who, row->who) == 0 && strcmp(now.disposition, row->disposition) == 0)
            return 0;
        return gw_error_set(err, -EEXIST, "\"%s\" has signed for this tail already: %s", now.who,
                            now.disposition);
    }
    if (r >= 0)
        r = gw_table_insert(&c->writer, &signatures, row, false, err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}

int gw_catalog_signature_get(struct gw_catalog *c, const char *plan_uuid, const char *tail,
                             struct gw_catalog_mem *mem, struct gw_catalog_signature *ret,
                             struct gw_error *err)
{
    int r =
        gw_catalog_get(c, &signatures, KEY, GW_BINDS(GW_T(plan_uuid), GW_T(tail)), mem, ret, err);
    if (r == 0)
        return gw_error_set(err, -ENOENT, "nobody has signed for tail \"%s\"", tail);
    return r < 0 ? r : 0;
}

int gw_catalog_signature_list(struct gw_catalog *c, const char *plan_uuid,
                              struct gw_catalog_mem *mem, struct gw_catalog_signature **ret_rows,
                              size_t *ret_n, struct gw_error *err)
{
    struct gw_catalog_rows found;
    int r =
        gw_catalog_list(c, &signatures, "WHERE ?1 IS NULL OR plan_uuid = ?1 ORDER BY rowid DESC",
                        GW_BINDS(GW_T(plan_uuid)), mem, &found, err);
    if (r < 0)
        return r;
    *ret_rows = found.rows;
    *ret_n = found.n;
    return 0;
}
