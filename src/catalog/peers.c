// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/peers.h"

#include "catalog/catalog_internal.h"
#include "catalog/rows.h"

#include <errno.h>
#include <string.h>

#define S struct gw_catalog_peer
static const struct gw_column peer_columns[] = {
    GW_COLUMN(S, site, TEXT),
    GW_COLUMN(S, link_address, TEXT),
    GW_COLUMN(S, data_address, TEXT),
    GW_COLUMN(S, fingerprint, TEXT),
    GW_COLUMN(S, certificate, TEXT),
    GW_COLUMN(S, paired_wall_ns, NUMBER),
    GW_COLUMN(S, paired_by, TEXT),
    GW_COLUMN(S, seen_wall_ns, NUMBER),
    GW_COLUMN(S, clock_offset_ns, SIGNED),
    GW_COLUMN(S, rtt_ns, NUMBER),
    GW_COLUMN(S, instance, TEXT),
    GW_COLUMN(S, generation, NUMBER),
};
#undef S
static const struct gw_table peers = GW_TABLE("peers", struct gw_catalog_peer, peer_columns);

int gw_catalog_peer_put(struct gw_catalog *c, const struct gw_catalog_peer *row,
                        struct gw_error *err)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    int r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = gw_db_run(&c->writer, "DELETE FROM peers WHERE site = ?", GW_BINDS(GW_T(row->site)),
                      err);
    if (r >= 0)
        r = gw_table_insert(&c->writer, &peers, row, false, err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}

static int not_paired(const char *site, struct gw_error *err)
{
    return gw_error_set(err, -ENOENT, "this site is not paired with \"%s\"", site);
}

int gw_catalog_peer_get(struct gw_catalog *c, const char *site, struct gw_catalog_mem *mem,
                        struct gw_catalog_peer *ret, struct gw_error *err)
{
    int r = gw_catalog_get(c, &peers, "WHERE site = ?", GW_BINDS(GW_T(site)), mem, ret, err);
    if (r == 0)
        return not_paired(site, err);
    return r < 0 ? r : 0;
}

int gw_catalog_peer_list(struct gw_catalog *c, struct gw_catalog_mem *mem,
                         struct gw_catalog_peer **ret_rows, size_t *ret_n, struct gw_error *err)
{
    struct gw_catalog_rows found;
    int r = gw_catalog_list(c, &peers, "ORDER BY site", GW_NO_BINDS, mem, &found, err);
    if (r < 0)
        return r;
    *ret_rows = found.rows;
    *ret_n = found.n;
    return 0;
}

int gw_catalog_peer_seen(struct gw_catalog *c, const struct gw_catalog_peer *row,
                         struct gw_error *err)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    int r = gw_catalog_begin(c, &tx, err);
    if (r < 0)
        return r;
    int n = gw_table_update(&c->writer, &peers, "seen_wall_ns", "generation", row, "WHERE site = ?",
                            GW_BINDS(GW_T(row->site)), err);
    if (n <= 0)
        return n < 0 ? n : not_paired(row->site, err);
    return gw_catalog_commit(&tx, err);
}

int gw_catalog_peer_delete(struct gw_catalog *c, const char *site, struct gw_error *err)
{
    int n = gw_catalog_write(c, "DELETE FROM peers WHERE site = ?", GW_BINDS(GW_T(site)), err);
    if (n == 0)
        return not_paired(site, err);
    return n < 0 ? n : 0;
}
