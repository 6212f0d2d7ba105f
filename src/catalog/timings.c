// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/timings.h"

#include "catalog/catalog_internal.h"
#include "catalog/limits.h"

int gw_catalog_timing_add(struct gw_catalog *c, const char *plan_uuid, const char *operation,
                          const char *step, uint64_t ms, uint64_t wall_ns, struct gw_error *err)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    int r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = gw_db_run(
            &c->writer,
            "INSERT INTO timings (plan_uuid, operation, step, ms, wall_ns)"
            " VALUES (?, ?, ?, ?, ?)",
            GW_BINDS(GW_T(plan_uuid), GW_T(operation), GW_T(step), GW_U(ms), GW_U(wall_ns)), err);
    if (r >= 0)
        r = gw_db_run(
            &c->writer,
            "DELETE FROM timings WHERE plan_uuid = ?1 AND operation = ?2 AND step = ?3"
            " AND id <= (SELECT id FROM timings WHERE plan_uuid = ?1 AND operation = ?2"
            "            AND step = ?3 ORDER BY id DESC LIMIT 1 OFFSET ?4)",
            GW_BINDS(GW_T(plan_uuid), GW_T(operation), GW_T(step), GW_U(GW_CATALOG_TIMINGS_MAX)),
            err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}

int gw_catalog_timing_get(struct gw_catalog *c, const char *plan_uuid, const char *operation,
                          const char *step, struct gw_catalog_timing *ret, struct gw_error *err)
{
    CATALOG_READ(c, db);
    CLEANUP_CURSOR struct gw_cursor cur = { 0 };
    uint64_t ms[GW_CATALOG_TIMINGS_MAX];
    uint64_t n = 0;
    int r = gw_db_query(
        db,
        "SELECT ms FROM (SELECT ms FROM timings WHERE operation = ?1 AND step = ?2"
        " AND (?3 IS NULL OR plan_uuid = ?3) ORDER BY id DESC LIMIT ?4) ORDER BY ms",
        GW_BINDS(GW_T(operation), GW_T(step), GW_T(plan_uuid), GW_U(GW_CATALOG_TIMINGS_MAX)), &cur,
        err);
    while (r >= 0 && (r = gw_cursor_next(&cur, err)) > 0 && n < GW_CATALOG_TIMINGS_MAX)
        ms[n++] = (uint64_t)sqlite3_column_int64(cur.stmt, 0);
    if (r < 0)
        return r;
    *ret = (struct gw_catalog_timing){ .n = n };
    if (n > 0) {
        ret->median_ms = ms[(n - 1) / 2];
        ret->p90_ms = ms[(n * 9 + 9) / 10 - 1];
        ret->max_ms = ms[n - 1];
    }
    return 0;
}
