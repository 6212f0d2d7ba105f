// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/events.h"

#include "base/checked.h"
#include "catalog/catalog_internal.h"
#include "catalog/rows.h"

#include <assert.h>

static const char *const severity_names[] = { "info", "notice", "warning", "error" };
static_assert(GW_ARRAY_SIZE(severity_names) == GW_CATALOG_SEVERITY_MAX, "a name each");

#define S struct gw_catalog_event
static const struct gw_column columns[] = {
    GW_COLUMN(S, id, NUMBER), GW_COLUMN(S, wall_ns, NUMBER),
    GW_COLUMN(S, kind, TEXT), GW_COLUMN(S, plan, OPT),
    GW_COLUMN(S, run, OPT),   GW_COLUMN_OF(S, severity, severity_names),
    GW_COLUMN(S, text, TEXT), GW_COLUMN(S, data, JSON),
};
#undef S
static const struct gw_table events = GW_TABLE("events", struct gw_catalog_event, columns);

const char *gw_catalog_severity_name(enum gw_catalog_severity severity)
{
    assert(severity < GW_CATALOG_SEVERITY_MAX);
    return severity_names[severity];
}

int gw_catalog_event_add(struct gw_catalog *c, const struct gw_catalog_event *row, uint64_t *ret_id,
                         struct gw_error *err)
{
    return gw_catalog_insert(c, &events, row, ret_id, err);
}

/* Numbers have no gaps but at their beginning: who wants the one after `after` finds it, or it was
 * pruned, or it was not given yet. */
static int was_pruned(struct gw_db *db, uint64_t after, bool *ret, struct gw_error *err)
{
    uint64_t first = 0, last = 0;
    int r = gw_db_number(db, "SELECT seq FROM sqlite_sequence WHERE name = 'events'", GW_NO_BINDS,
                         &last, err);
    if (r >= 0)
        r = gw_db_number(db, "SELECT min(id) FROM events", GW_NO_BINDS, &first, err);
    if (r < 0)
        return r;
    *ret = r == 0 ? after < last : after + 1 < first;
    return 0;
}

int gw_catalog_event_read(struct gw_catalog *c, uint64_t after, const char *plan, uint64_t limit,
                          struct gw_catalog_mem *mem, struct gw_catalog_event **ret_rows,
                          size_t *ret_n, bool *ret_missed, struct gw_error *err)
{
    CATALOG_READ(c, db);
    void *rows = NULL;
    size_t n = 0;
    int r = gw_table_select(
        db, &events, "WHERE id > ?1 AND (?2 IS NULL OR plan = ?2) ORDER BY id LIMIT ?3",
        GW_BINDS(GW_U(after), GW_T(plan), GW_U(gw_catalog_limit(limit))), mem, &rows, &n, err);
    if (r >= 0 && ret_missed != NULL)
        r = was_pruned(db, after, ret_missed, err);
    if (r < 0)
        return r;
    *ret_rows = rows;
    *ret_n = n;
    return 0;
}

int gw_catalog_event_last(struct gw_catalog *c, uint64_t *ret_id, struct gw_error *err)
{
    uint64_t last = 0;
    int r = gw_catalog_number(c, "SELECT seq FROM sqlite_sequence WHERE name = 'events'",
                              GW_NO_BINDS, &last, err);
    if (r < 0)
        return r;
    *ret_id = last;
    return 0;
}

int gw_catalog_event_prune(struct gw_catalog *c, uint64_t keep, struct gw_error *err)
{
    int n = gw_catalog_write(c,
                             "DELETE FROM events WHERE id <="
                             " (SELECT id FROM events ORDER BY id DESC LIMIT 1 OFFSET ?)",
                             GW_BINDS(GW_U(keep)), err);
    return n < 0 ? n : 0;
}
