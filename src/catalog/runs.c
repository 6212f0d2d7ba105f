// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/runs.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/uuid.h"
#include "catalog/catalog_internal.h"
#include "catalog/rows.h"
#include "catalog/text.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define ID_PREFIX_MIN 4

static const char *const state_names[] = {
    "WAITING_APPROVAL", "SCHEDULED", "RUNNING", "WAITING",   "CANCELLING", "REVERTING", "HALTED",
    "IN_DOUBT",         "DONE",      "FAILED",  "CANCELLED", "REVERTED",   "ABORTED",
};
static_assert(GW_ARRAY_SIZE(state_names) == GW_CATALOG_RUN_MAX, "a name each");
static const char *const mode_names[] = { "real", "dry-run" };
static_assert(GW_ARRAY_SIZE(mode_names) == GW_CATALOG_RUN_MODE_MAX, "a name each");

#define S struct gw_catalog_run
static const struct gw_column columns[] = {
    GW_COLUMN(S, id, TEXT),
    GW_COLUMN(S, plan, TEXT),
    GW_COLUMN(S, plan_uuid, TEXT),
    GW_COLUMN(S, operation, TEXT),
    GW_COLUMN_OF(S, mode, mode_names),
    GW_COLUMN(S, params, JSON),
    GW_COLUMN(S, requester, TEXT),
    GW_COLUMN(S, old_site, TEXT),
    GW_COLUMN(S, new_site, TEXT),
    GW_COLUMN(S, plan_version, NUMBER),
    GW_COLUMN(S, plan_hash, TEXT),
    GW_COLUMN(S, created_wall_ns, NUMBER),
    GW_COLUMN(S, cause, OPT),
    GW_COLUMN(S, term, NUMBER),
    GW_COLUMN(S, revision, NUMBER),
    GW_COLUMN(S, coordinator, TEXT),
    GW_COLUMN(S, epoch, NUMBER),
    GW_COLUMN_OF(S, state, state_names),
    GW_COLUMN(S, reason, OPT),
    GW_COLUMN(S, approvals_needed, NUMBER),
    GW_COLUMN(S, scheduled_wall_ns, NUMBER),
    GW_COLUMN(S, abort_by_ms, NUMBER),
    GW_COLUMN(S, started_wall_ns, NUMBER),
    GW_COLUMN(S, started_boot_ns, NUMBER),
    GW_COLUMN(S, started_boot_id, TEXT),
    GW_COLUMN(S, finished_wall_ns, NUMBER),
    GW_COLUMN(S, timestamps, JSON),
    GW_COLUMN(S, result, JSON),
    GW_COLUMN(S, cancel_by, OPT),
    GW_COLUMN(S, cancel_wall_ns, NUMBER),
};
#undef S
const struct gw_table gw_run_table = GW_TABLE("runs", struct gw_catalog_run, columns);

const char *gw_catalog_run_state_name(enum gw_catalog_run_state state)
{
    assert(state < GW_CATALOG_RUN_MAX);
    return state_names[state];
}

int gw_catalog_run_state_parse(const char *name, enum gw_catalog_run_state *ret)
{
    int i = gw_names_parse(state_names, GW_CATALOG_RUN_MAX, "state of a run", name, NULL);
    if (i < 0)
        return i;
    *ret = (enum gw_catalog_run_state)i;
    return 0;
}

const char *gw_catalog_run_mode_name(enum gw_catalog_run_mode mode)
{
    assert(mode < GW_CATALOG_RUN_MODE_MAX);
    return mode_names[mode];
}

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

/* ---- reading --------------------------------------------------------------------------------- */

static int no_such_run(const char *id, struct gw_error *err)
{
    return gw_error_set(err, -ENOENT, "there is no run \"%s\"", id);
}

int gw_run_read(struct gw_db *db, const char *id, struct gw_catalog_mem *mem,
                struct gw_catalog_run *ret, struct gw_error *err)
{
    int r = gw_table_get(db, &gw_run_table, "WHERE id = ?", GW_BINDS(GW_T(id)), mem, ret, err);
    if (r == 0)
        return no_such_run(id, err);
    return r < 0 ? r : 0;
}

/* By the beginning of the id. */
static int read_short(struct gw_db *db, const char *id, struct gw_catalog_mem *mem,
                      struct gw_catalog_run *ret, struct gw_error *err)
{
    void *rows;
    size_t n;
    int r = gw_table_select(db, &gw_run_table, "WHERE substr(id, 1, length(?1)) = ?1 LIMIT 2",
                            GW_BINDS(GW_T(id)), mem, &rows, &n, err);
    if (r < 0)
        return r;
    if (n == 0 || strlen(id) < ID_PREFIX_MIN)
        return no_such_run(id, err);
    if (n > 1)
        return gw_error_set(err, -ENOTUNIQ, "several runs begin with \"%s\": say more of it", id);
    memcpy(ret, rows, sizeof *ret);
    return 0;
}

int gw_catalog_run_get(struct gw_catalog *c, const char *id, struct gw_catalog_mem *mem,
                       struct gw_catalog_run *ret, struct gw_error *err)
{
    CATALOG_READ(c, db);
    int r = gw_run_read(db, id, mem, ret, err);
    return r == -ENOENT ? read_short(db, id, mem, ret, err) : r;
}

static int current(struct gw_db *db, const char *plan_uuid, struct gw_catalog_mem *mem,
                   struct gw_catalog_run *ret, struct gw_error *err)
{
    return gw_table_get(db, &gw_run_table,
                        "WHERE plan_uuid = ? AND finished_wall_ns = 0 AND mode = 'real'",
                        GW_BINDS(GW_T(plan_uuid)), mem, ret, err);
}

int gw_catalog_run_current(struct gw_catalog *c, const char *plan_uuid, struct gw_catalog_mem *mem,
                           struct gw_catalog_run *ret, struct gw_error *err)
{
    CATALOG_READ(c, db);
    int r = current(db, plan_uuid, mem, ret, err);
    if (r == 0)
        return gw_error_set(err, -ENOENT, "no run of the plan is in progress");
    return r < 0 ? r : 0;
}

int gw_catalog_run_list(struct gw_catalog *c, const struct gw_catalog_run_filter *filter,
                        struct gw_catalog_mem *mem, struct gw_catalog_run **ret_rows, size_t *ret_n,
                        struct gw_error *err)
{
    struct gw_catalog_rows found;
    int r = gw_catalog_list(c, &gw_run_table,
                            "WHERE (?1 IS NULL OR plan = ?1) AND (?2 = 0 OR finished_wall_ns = 0)"
                            " AND (?3 IS NULL OR id < ?3) ORDER BY id DESC LIMIT ?4",
                            GW_BINDS(GW_T(filter->plan), GW_U(filter->unfinished ? 1 : 0),
                                     GW_T(filter->before), GW_U(gw_catalog_limit(filter->limit))),
                            mem, &found, err);
    if (r < 0)
        return r;
    *ret_rows = found.rows;
    *ret_n = found.n;
    return 0;
}

/* ---- adding ---------------------------------------------------------------------------------- */

static int in_the_way(struct gw_db *db, const struct gw_catalog_run *row, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_run other;
    int r = current(db, row->plan_uuid, &mem, &other, err);
    if (r < 0)
        return r;
    if (r == 0 || strcmp(other.id, row->id) == 0)
        return gw_error_set(err, -EEXIST, "there is a run %s already", row->id);
    return gw_error_set(err, -EEXIST, "plan \"%s\" has a run in progress: %s %s (%s)", row->plan,
                        other.operation, other.id, state_names[other.state]);
}

int gw_run_insert(struct gw_db *db, const struct gw_catalog_run *row, struct gw_error *err)
{
    int r = gw_table_insert(db, &gw_run_table, row, false, err);
    if (r == -EEXIST)
        return in_the_way(db, row, err);
    if (r == -ENOENT)
        return gw_error_set(err, r, "run %s is of plan %s, which is not in the catalog", row->id,
                            row->plan_uuid);
    return r < 0 ? r : 0;
}

int gw_catalog_run_add(struct gw_catalog *c, const struct gw_catalog_run *row, struct gw_error *err)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    struct gw_catalog_run run = *row;
    run.term = run.revision = 1;
    run.finished_wall_ns = gw_catalog_run_state_is_final(run.state) ? gw_wall_ns() : 0;
    int r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = gw_run_insert(&c->writer, &run, err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}

/* ---- changing -------------------------------------------------------------------------------- */

static int has_ended(const struct gw_catalog_run *run, struct gw_error *err)
{
    return gw_error_set(err, -ESTALE, "run %s has ended: %s", run->id, state_names[run->state]);
}

int gw_catalog_run_update(struct gw_catalog *c, struct gw_catalog_run *row, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    struct gw_catalog_run now, next = *row;
    int r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = gw_run_read(&c->writer, row->id, &mem, &now, err);
    if (r < 0)
        return r;
    if (now.term != row->term || now.revision != row->revision)
        return gw_error_set(err, -ESTALE, "run %s was changed meanwhile: look again", row->id);
    if (now.finished_wall_ns != 0 && now.state != row->state)
        return has_ended(&now, err);
    next.revision++;
    next.coordinator = now.coordinator;
    next.finished_wall_ns = now.finished_wall_ns;
    if (next.finished_wall_ns == 0 && gw_catalog_run_state_is_final(next.state))
        next.finished_wall_ns = gw_wall_ns();
    r = gw_table_update(&c->writer, &gw_run_table, "revision", "cancel_wall_ns", &next,
                        "WHERE id = ?", GW_BINDS(GW_T(row->id)), err);
    if (r >= 0)
        r = gw_catalog_commit(&tx, err);
    if (r >= 0) {
        row->revision = next.revision;
        row->finished_wall_ns = next.finished_wall_ns;
    }
    return r;
}

/* What the short cuts have in common: read, let `fn` change it, write. 1 from fn: nothing to write.
 */
static int run_modify(struct gw_catalog *c, const char *id,
                      int (*fn)(struct gw_catalog_run *run, void *arg, struct gw_catalog_mem *mem,
                                struct gw_error *err),
                      void *arg, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    struct gw_catalog_run run;
    int r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = gw_run_read(&c->writer, id, &mem, &run, err);
    if (r >= 0)
        r = fn(&run, arg, &mem, err);
    if (r != 0)
        return r < 0 ? r : 0;
    run.revision++;
    r = gw_table_update(&c->writer, &gw_run_table, "term", "cancel_wall_ns", &run, "WHERE id = ?",
                        GW_BINDS(GW_T(id)), err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}

struct change {
    enum gw_catalog_run_state state;
    const char *text;
    uint64_t wall_ns;
};

static int change_state(struct gw_catalog_run *run, void *arg, struct gw_catalog_mem *mem,
                        struct gw_error *err)
{
    const struct change *to = arg;
    if (run->finished_wall_ns != 0)
        return run->state == to->state ? 1 : has_ended(run, err);
    run->state = to->state;
    run->reason = to->text;
    if (gw_catalog_run_state_is_final(to->state))
        run->finished_wall_ns = gw_wall_ns();
    return 0;
}

int gw_catalog_run_set_state(struct gw_catalog *c, const char *id, enum gw_catalog_run_state state,
                             const char *reason, struct gw_error *err)
{
    struct change to = { .state = state, .text = reason };
    return run_modify(c, id, change_state, &to, err);
}

static int change_stamp(struct gw_catalog_run *run, void *arg, struct gw_catalog_mem *mem,
                        struct gw_error *err)
{
    const struct change *to = arg;
    json_t *patch = json_pack("{s:I}", to->text, (json_int_t)to->wall_ns);
    char *text = patch == NULL ? NULL : json_dumps(patch, JSON_COMPACT);
    json_decref(patch);
    int r = text == NULL
                ? gw_error_set(err, -EINVAL, "not the name of a timestamp: \"%s\"", to->text)
                : gw_text_json_merge(mem, run->timestamps, text, true, &run->timestamps, err);
    free(text);
    return r;
}

int gw_catalog_run_stamp(struct gw_catalog *c, const char *id, const char *name, uint64_t wall_ns,
                         struct gw_error *err)
{
    struct change to = { .text = name, .wall_ns = wall_ns };
    return run_modify(c, id, change_stamp, &to, err);
}

static int change_cancel(struct gw_catalog_run *run, void *arg, struct gw_catalog_mem *mem,
                         struct gw_error *err)
{
    const struct change *to = arg;
    if (run->cancel_by != NULL)
        return 1;
    if (run->finished_wall_ns != 0)
        return has_ended(run, err);
    run->cancel_by = to->text;
    run->cancel_wall_ns = to->wall_ns;
    return 0;
}

int gw_catalog_run_cancel(struct gw_catalog *c, const char *id, const char *who, uint64_t wall_ns,
                          struct gw_error *err)
{
    struct change to = { .text = who, .wall_ns = wall_ns };
    return run_modify(c, id, change_cancel, &to, err);
}

static int change_coordinator(struct gw_catalog_run *run, void *arg, struct gw_catalog_mem *mem,
                              struct gw_error *err)
{
    const struct change *to = arg;
    if (strcmp(run->coordinator, to->text) == 0)
        return 1;
    if (run->finished_wall_ns != 0)
        return has_ended(run, err);
    run->coordinator = to->text;
    run->term++;
    return 0;
}

int gw_catalog_run_take_over(struct gw_catalog *c, const char *id, const char *site,
                             struct gw_error *err)
{
    struct change to = { .text = site };
    return run_modify(c, id, change_coordinator, &to, err);
}
