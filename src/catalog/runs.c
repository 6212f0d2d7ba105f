// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/runs.h"

#include "base/clock.h"
#include "base/uuid.h"
#include "catalog/catalog_internal.h"

#include <errno.h>
#include <string.h>

/* 48 bits of milliseconds, 80 random ones, five bits a character: sorts as text does. */
void gw_catalog_run_id(uint64_t wall_ns, char ret[GW_CATALOG_RUN_ID_TEXT])
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    const uint64_t ms = wall_ns / GW_NS_PER_MS;
    const struct gw_uuid random[2] = { gw_uuid_new(), gw_uuid_new() };
    for (unsigned i = 0; i < 10; i++)
        ret[i] = digits[(ms >> (45 - 5 * i)) & 31];
    for (unsigned i = 0; i < 16; i++) /* bytes 8 and up of a uuid have fixed bits: of two, 0 to 5 */
        ret[10 + i] = digits[random[i / 8].b[i % 8 < 6 ? i % 8 : i % 8 + 4] & 31];
    ret[GW_CATALOG_RUN_ID_TEXT - 1] = '\0';
}

static int text_at(sqlite3_stmt *stmt, int column, struct gw_catalog_mem *mem, const char **ret,
                   struct gw_error *err)
{
    const char *t = (const char *)sqlite3_column_text(stmt, column);
    *ret = gw_catalog_mem_text(mem, t != NULL ? t : "", t != NULL ? strlen(t) : 0);
    return *ret != NULL ? 0 : gw_error_set(err, -ENOMEM, "out of memory");
}

/* The texts of a query's one column. */
static int texts(struct gw_catalog *c, const char *sql, const struct gw_bind *binds,
                 struct gw_catalog_mem *mem, const char ***ret, size_t *ret_n, struct gw_error *err)
{
    CATALOG_READ(c, db);
    CLEANUP_CURSOR struct gw_cursor cur = { 0 };
    size_t n = 0, cap = 0;
    const char **list = NULL;
    int r = gw_db_query(db, sql, binds, &cur, err);
    while (r >= 0 && (r = gw_cursor_next(&cur, err)) > 0) {
        if (n == cap) {
            cap = cap == 0 ? 16 : cap * 2;
            const char **more = gw_catalog_mem_alloc(mem, cap * sizeof *more);
            if (more == NULL)
                return gw_error_set(err, -ENOMEM, "out of memory");
            if (n > 0)
                memcpy(more, list, n * sizeof *more);
            list = more;
        }
        r = text_at(cur.stmt, 0, mem, &list[n++], err);
    }
    if (r < 0)
        return r;
    *ret = list;
    *ret_n = n;
    return 0;
}

/* ---- rows --------------------------------------------------------------------------------------
 */

int gw_catalog_run_add(struct gw_catalog *c, const struct gw_catalog_run *r, struct gw_error *err)
{
    int n = gw_catalog_write(
        c,
        "INSERT INTO runs (id, plan, fixed, row, open) VALUES "
        "(?, ?, ?, ?, ?)",
        GW_BINDS(GW_T(r->id), GW_T(r->plan), GW_T(r->fixed), GW_T(r->row), GW_U(r->open)), err);
    return n < 0 ? n : 0;
}

int gw_catalog_run_get(struct gw_catalog *c, const char *id, struct gw_catalog_mem *mem,
                       struct gw_catalog_run *ret, struct gw_error *err)
{
    CATALOG_READ(c, db);
    CLEANUP_CURSOR struct gw_cursor cur = { 0 };
    struct gw_catalog_run x = { 0 };
    int r = gw_db_query(db, "SELECT id, plan, fixed, row, open FROM runs WHERE id = ?",
                        GW_BINDS(GW_T(id)), &cur, err);
    if (r >= 0)
        r = gw_cursor_next(&cur, err);
    if (r == 0)
        return gw_error_set(err, -ENOENT, "there is no run '%s' here", id);
    if (r > 0)
        r = text_at(cur.stmt, 0, mem, &x.id, err);
    if (r >= 0)
        r = text_at(cur.stmt, 1, mem, &x.plan, err);
    if (r >= 0)
        r = text_at(cur.stmt, 2, mem, &x.fixed, err);
    if (r >= 0)
        r = text_at(cur.stmt, 3, mem, &x.row, err);
    if (r < 0)
        return r;
    x.open = sqlite3_column_int(cur.stmt, 4) != 0;
    *ret = x;
    return 0;
}

int gw_catalog_run_set(struct gw_catalog *c, const char *id, const char *row, bool open,
                       struct gw_error *err)
{
    int n = gw_catalog_write(c, "UPDATE runs SET row = ?, open = ? WHERE id = ?",
                             GW_BINDS(GW_T(row), GW_U(open), GW_T(id)), err);
    return n == 0 ? gw_error_set(err, -ENOENT, "there is no run '%s' here", id) : n < 0 ? n : 0;
}

int gw_catalog_run_list(struct gw_catalog *c, const char *plan, bool open, const char *prefix,
                        uint64_t limit, struct gw_catalog_mem *mem, const char ***ret_ids,
                        size_t *ret_n, struct gw_error *err)
{
    return texts(c,
                 "SELECT id FROM runs WHERE (?1 IS NULL OR plan = ?1) AND (?2 = 0 OR open = 1)"
                 " AND (?3 IS NULL OR substr(id, 1, length(?3)) = ?3) ORDER BY id DESC LIMIT ?4",
                 GW_BINDS(GW_T(plan), GW_U(open), GW_T(prefix),
                          GW_U(limit == 0 ? GW_CATALOG_ROWS_MAX : limit)),
                 mem, ret_ids, ret_n, err);
}

/* ---- logs --------------------------------------------------------------------------------------
 */

int gw_catalog_run_entry_count(struct gw_catalog *c, const char *run, uint64_t *ret_n,
                               struct gw_error *err)
{
    int r = gw_catalog_number(c, "SELECT count(*) FROM run_entries WHERE run = ? AND aside = 0",
                              GW_BINDS(GW_T(run)), ret_n, err);
    return r < 0 ? r : 0;
}

int gw_catalog_run_entry_add(struct gw_catalog *c, const char *run, uint64_t number,
                             const char *entry, struct gw_error *err)
{
    int n = gw_catalog_write(c,
                             "INSERT INTO run_entries (run, aside, number, entry) VALUES "
                             "(?, 0, ?, ?)",
                             GW_BINDS(GW_T(run), GW_U(number), GW_T(entry)), err);
    return n < 0 ? n : 0;
}

int gw_catalog_run_entry_list(struct gw_catalog *c, const char *run, uint64_t from, uint64_t limit,
                              struct gw_catalog_mem *mem, const char ***ret, size_t *ret_n,
                              struct gw_error *err)
{
    return texts(c,
                 "SELECT entry FROM run_entries WHERE run = ? AND aside = 0 AND number >= ? "
                 "ORDER BY number LIMIT ?",
                 GW_BINDS(GW_T(run), GW_U(from), GW_U(limit)), mem, ret, ret_n, err);
}

int gw_catalog_run_entry_cut(struct gw_catalog *c, const char *run, uint64_t from,
                             struct gw_error *err)
{
    int n =
        gw_catalog_write(c,
                         "UPDATE run_entries SET aside = 1 + (SELECT max(aside) FROM run_entries "
                         "WHERE run = ?1) WHERE run = ?1 AND aside = 0 AND number >= ?2",
                         GW_BINDS(GW_T(run), GW_U(from)), err);
    return n < 0 ? n : 0;
}

/* ---- epochs, inbox, requests -------------------------------------------------------------------
 */

int gw_catalog_run_epoch_get(struct gw_catalog *c, const char *plan, uint64_t *ret,
                             struct gw_error *err)
{
    *ret = 0;
    int r = gw_catalog_number(c, "SELECT epoch FROM run_epochs WHERE plan = ?",
                              GW_BINDS(GW_T(plan)), ret, err);
    return r < 0 ? r : 0;
}

int gw_catalog_run_epoch_raise(struct gw_catalog *c, const char *plan, uint64_t epoch,
                               struct gw_error *err)
{
    int n = gw_catalog_write(c,
                             "INSERT INTO run_epochs (plan, epoch) VALUES (?1, ?2) ON CONFLICT "
                             "(plan) DO UPDATE SET epoch = max(epoch, ?2)",
                             GW_BINDS(GW_T(plan), GW_U(epoch)), err);
    return n < 0 ? n : 0;
}

int gw_catalog_run_inbox_get(struct gw_catalog *c, const struct gw_catalog_run_inbox *key,
                             struct gw_catalog_mem *mem, const char **ret, struct gw_error *err)
{
    CATALOG_READ(c, db);
    return gw_db_text(
        db,
        "SELECT value FROM run_inbox WHERE run = ? AND step = ? AND attempt = ? AND "
        "undo = ?",
        GW_BINDS(GW_T(key->run), GW_U(key->step), GW_U(key->attempt), GW_U(key->undo)), mem, ret,
        err);
}

int gw_catalog_run_inbox_put(struct gw_catalog *c, const struct gw_catalog_run_inbox *in,
                             struct gw_error *err)
{
    int n = gw_catalog_write(
        c,
        "INSERT INTO run_inbox (run, step, attempt, undo, value) VALUES "
        "(?1, ?2, ?3, ?4, ?5) ON CONFLICT (run, step, attempt, undo) DO "
        "UPDATE SET value = ?5",
        GW_BINDS(GW_T(in->run), GW_U(in->step), GW_U(in->attempt), GW_U(in->undo), GW_T(in->value)),
        err);
    return n < 0 ? n : 0;
}

int gw_catalog_run_request_put(struct gw_catalog *c, const char *run, const char *value,
                               struct gw_error *err)
{
    int n = gw_catalog_write(c, "INSERT INTO run_requests (run, value, taken) VALUES (?, ?, 0)",
                             GW_BINDS(GW_T(run), GW_T(value)), err);
    return n < 0 ? n : 0;
}

int gw_catalog_run_request_next(struct gw_catalog *c, const char *run, struct gw_catalog_mem *mem,
                                uint64_t *ret_id, const char **ret, struct gw_error *err)
{
    CATALOG_READ(c, db);
    CLEANUP_CURSOR struct gw_cursor cur = { 0 };
    int r = gw_db_query(db,
                        "SELECT id, value FROM run_requests WHERE run = ? AND taken = 0 ORDER BY "
                        "id LIMIT 1",
                        GW_BINDS(GW_T(run)), &cur, err);
    if (r >= 0)
        r = gw_cursor_next(&cur, err);
    if (r <= 0)
        return r;
    *ret_id = (uint64_t)sqlite3_column_int64(cur.stmt, 0);
    r = text_at(cur.stmt, 1, mem, ret, err);
    return r < 0 ? r : 1;
}

int gw_catalog_run_request_take(struct gw_catalog *c, uint64_t id, struct gw_error *err)
{
    int n = gw_catalog_write(c, "UPDATE run_requests SET taken = 1 WHERE id = ?",
                             GW_BINDS(GW_U(id)), err);
    return n < 0 ? n : 0;
}
