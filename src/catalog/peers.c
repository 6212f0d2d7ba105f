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

/* ---- codes ----------------------------------------------------------------------------------- */

#define S struct gw_catalog_pair_code
static const struct gw_column code_columns[] = {
    GW_COLUMN(S, hash, TEXT),
    GW_COLUMN(S, made_by, TEXT),
    GW_COLUMN(S, created_wall_ns, NUMBER),
    GW_COLUMN(S, boot_id, TEXT),
    GW_COLUMN(S, expires_boot_ns, NUMBER),
    GW_COLUMN(S, tries_left, NUMBER),
    GW_COLUMN(S, used_wall_ns, NUMBER),
    GW_COLUMN(S, used_by, OPT),
};
#undef S
static const struct gw_table codes =
    GW_TABLE("pair_codes", struct gw_catalog_pair_code, code_columns);

int gw_catalog_pair_code_add(struct gw_catalog *c, const struct gw_catalog_pair_code *row,
                             struct gw_error *err)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    int r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = gw_db_run(&c->writer,
                      "DELETE FROM pair_codes WHERE used_wall_ns <> 0 OR tries_left = 0"
                      " OR boot_id <> ?",
                      GW_BINDS(GW_T(row->boot_id)), err);
    if (r >= 0)
        r = gw_table_insert(&c->writer, &codes, row, false, err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}

int gw_catalog_pair_code_list(struct gw_catalog *c, const char *boot_id, uint64_t now_boot_ns,
                              struct gw_catalog_mem *mem, struct gw_catalog_pair_code **ret_rows,
                              size_t *ret_n, struct gw_error *err)
{
    struct gw_catalog_rows found;
    int r = gw_catalog_list(c, &codes,
                            "WHERE boot_id = ? AND expires_boot_ns > ? AND used_wall_ns = 0"
                            " AND tries_left > 0 ORDER BY expires_boot_ns",
                            GW_BINDS(GW_T(boot_id), GW_U(now_boot_ns)), mem, &found, err);
    if (r < 0)
        return r;
    *ret_rows = found.rows;
    *ret_n = found.n;
    return 0;
}

int gw_catalog_pair_code_wrong(struct gw_catalog *c, struct gw_error *err)
{
    int n = gw_catalog_write(c,
                             "UPDATE pair_codes SET tries_left = tries_left - 1"
                             " WHERE tries_left > 0 AND used_wall_ns = 0",
                             GW_NO_BINDS, err);
    return n < 0 ? n : 0;
}

static int code_judge(const struct gw_catalog_pair_code *code, const char *boot_id,
                      uint64_t now_boot_ns, struct gw_error *err)
{
    if (code->used_wall_ns != 0)
        return gw_error_set(err, -EALREADY, "this pairing code was used before; make a new one");
    if (strcmp(code->boot_id, boot_id) != 0 || code->expires_boot_ns <= now_boot_ns)
        return gw_error_set(err, -ETIME, "this pairing code has expired; make a new one");
    if (code->tries_left == 0)
        return gw_error_set(err, -EACCES,
                            "this pairing code is void after too many wrong tries; make a new one");
    return 0;
}

int gw_catalog_pair_code_use(struct gw_catalog *c, const char *hash, const char *site,
                             const char *boot_id, uint64_t now_boot_ns, uint64_t wall_ns,
                             struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    struct gw_catalog_pair_code code;
    int r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = gw_table_get(&c->writer, &codes, "WHERE hash = ?", GW_BINDS(GW_T(hash)), &mem, &code,
                         err);
    if (r == 0)
        r = gw_error_set(err, -ENOENT, "there is no such pairing code");
    if (r >= 0)
        r = code_judge(&code, boot_id, now_boot_ns, err);
    if (r >= 0)
        r = gw_db_run(&c->writer,
                      "UPDATE pair_codes SET used_wall_ns = ?, used_by = ? WHERE hash = ?",
                      GW_BINDS(GW_U(wall_ns == 0 ? 1 : wall_ns), GW_T(site), GW_T(hash)), err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}
