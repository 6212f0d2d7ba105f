// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/identity.h"

#include "catalog/catalog_internal.h"
#include "catalog/rows.h"

#include <errno.h>
#include <string.h>

#define S struct gw_catalog_identity
static const struct gw_column columns[] = {
    GW_COLUMN(S, site, TEXT),         GW_COLUMN(S, created_wall_ns, NUMBER),
    GW_COLUMN(S, instance, TEXT),     GW_COLUMN(S, generation, NUMBER),
    GW_COLUMN(S, boot_id, TEXT),      GW_COLUMN(S, fenced, BOOL),
    GW_COLUMN(S, fenced_reason, OPT),
};
#undef S
const struct gw_table gw_identity_table = GW_TABLE("identity", struct gw_catalog_identity, columns);

int gw_identity_read(struct gw_db *db, struct gw_catalog_mem *mem, struct gw_catalog_identity *ret,
                     struct gw_error *err)
{
    int r = gw_table_get(db, &gw_identity_table, "", GW_NO_BINDS, mem, ret, err);
    if (r == 0)
        return gw_error_set(err, -EUCLEAN, "%s does not say which site it is of", db->path);
    return r < 0 ? r : 0;
}

int gw_identity_write(struct gw_db *db, const struct gw_catalog_identity *row, struct gw_error *err)
{
    int r = gw_table_update(db, &gw_identity_table, "instance", "fenced_reason", row, "",
                            GW_NO_BINDS, err);
    return r < 0 ? r : 0;
}

int gw_catalog_identity_get(struct gw_catalog *c, struct gw_catalog_mem *mem,
                            struct gw_catalog_identity *ret, struct gw_error *err)
{
    CATALOG_READ(c, db);
    return gw_identity_read(db, mem, ret, err);
}

int gw_catalog_identity_set(struct gw_catalog *c, const struct gw_catalog_identity *row,
                            struct gw_error *err)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    int r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = gw_identity_write(&c->writer, row, err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}

int gw_catalog_identity_fence(struct gw_catalog *c, bool fenced, const char *reason,
                              struct gw_error *err)
{
    int n = gw_catalog_write(c, "UPDATE identity SET fenced = ?, fenced_reason = ?",
                             GW_BINDS(GW_U(fenced ? 1 : 0), GW_T(fenced ? reason : NULL)), err);
    return n < 0 ? n : 0;
}

int gw_catalog_identity_boot(struct gw_catalog *c, const char *boot_id, bool *ret_changed,
                             struct gw_error *err)
{
    int n = gw_catalog_write(c, "UPDATE identity SET boot_id = ?1 WHERE boot_id <> ?1",
                             GW_BINDS(GW_T(boot_id)), err);
    if (n < 0)
        return n;
    *ret_changed = n > 0;
    return 0;
}
