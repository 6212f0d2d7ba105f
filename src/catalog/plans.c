// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/plans.h"

#include "base/checked.h"
#include "catalog/catalog_internal.h"
#include "catalog/rows.h"
#include "catalog/text.h"

#include <assert.h>
#include <errno.h>

static const char *const want_names[] = { "NONE", "SOURCE", "REPLICA" };
static_assert(GW_ARRAY_SIZE(want_names) == GW_CATALOG_WANT_MAX, "a name each");
static const char *const mode_names[] = { "AUTO", "APPROVE", "MANUAL", "OBSERVE_ONLY", "HELD" };
static_assert(GW_ARRAY_SIZE(mode_names) == GW_CATALOG_MODE_MAX, "a name each");

#define S struct gw_catalog_plan
static const struct gw_column plan_columns[] = {
    GW_COLUMN(S, uuid, TEXT),
    GW_COLUMN(S, name, TEXT),
    GW_COLUMN(S, version, NUMBER),
    GW_COLUMN(S, hash, TEXT),
    GW_COLUMN(S, document, TEXT),
    GW_COLUMN(S, original, TEXT),
    GW_COLUMN(S, revision, NUMBER),
    GW_COLUMN(S, activated, BOOL),
    GW_COLUMN_OF(S, want, want_names),
    GW_COLUMN_OF(S, mode, mode_names),
    GW_COLUMN(S, held_reason, OPT),
    GW_COLUMN(S, fenced_reason, OPT),
    GW_COLUMN(S, holder, TEXT),
    GW_COLUMN(S, epoch, NUMBER),
    GW_COLUMN(S, committed, BOOL),
    GW_COLUMN(S, phase, TEXT),
    GW_COLUMN(S, phase_wall_ns, NUMBER),
    GW_COLUMN(S, role_wall_ns, NUMBER),
    GW_COLUMN(S, activated_wall_ns, NUMBER),
    GW_COLUMN(S, created_wall_ns, NUMBER),
    GW_COLUMN(S, state, JSON),
    GW_COLUMN(S, retired_wall_ns, NUMBER),
    GW_COLUMN(S, evidence_dir, OPT),
};
#undef S
static const struct gw_table plans = GW_TABLE("plans", struct gw_catalog_plan, plan_columns);

#define S struct gw_catalog_plan_version
static const struct gw_column version_columns[] = {
    GW_COLUMN(S, uuid, TEXT),      GW_COLUMN(S, version, NUMBER), GW_COLUMN(S, hash, TEXT),
    GW_COLUMN(S, document, TEXT),  GW_COLUMN(S, original, TEXT),  GW_COLUMN(S, who, TEXT),
    GW_COLUMN(S, wall_ns, NUMBER),
};
#undef S
static const struct gw_table versions =
    GW_TABLE("plan_versions", struct gw_catalog_plan_version, version_columns);

const char *gw_catalog_want_name(enum gw_catalog_want want)
{
    assert(want < GW_CATALOG_WANT_MAX);
    return want_names[want];
}

const char *gw_catalog_mode_name(enum gw_catalog_mode mode)
{
    assert(mode < GW_CATALOG_MODE_MAX);
    return mode_names[mode];
}

int gw_catalog_mode_parse(const char *name, enum gw_catalog_mode *ret)
{
    int i = gw_names_parse(mode_names, GW_CATALOG_MODE_MAX, "mode", name, NULL);
    if (i < 0)
        return i;
    *ret = (enum gw_catalog_mode)i;
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

int gw_catalog_plan_get(struct gw_catalog *c, const char *name, struct gw_catalog_mem *mem,
                        struct gw_catalog_plan *ret, struct gw_error *err)
{
    int r = gw_catalog_get(c, &plans, "WHERE name = ? AND retired_wall_ns = 0",
                           GW_BINDS(GW_T(name)), mem, ret, err);
    if (r == 0)
        return gw_error_set(err, -ENOENT, "there is no plan \"%s\"", name);
    return r < 0 ? r : 0;
}

static int no_such_uuid(const char *uuid, struct gw_error *err)
{
    return gw_error_set(err, -ENOENT, "there is no plan with the uuid \"%s\"", uuid);
}

int gw_catalog_plan_get_uuid(struct gw_catalog *c, const char *uuid, struct gw_catalog_mem *mem,
                             struct gw_catalog_plan *ret, struct gw_error *err)
{
    int r = gw_catalog_get(c, &plans, "WHERE uuid = ?", GW_BINDS(GW_T(uuid)), mem, ret, err);
    if (r == 0)
        return no_such_uuid(uuid, err);
    return r < 0 ? r : 0;
}

int gw_catalog_plan_list(struct gw_catalog *c, bool retired, struct gw_catalog_mem *mem,
                         struct gw_catalog_plan **ret_rows, size_t *ret_n, struct gw_error *err)
{
    struct gw_catalog_rows found;
    int r =
        gw_catalog_list(c, &plans, "WHERE ? OR retired_wall_ns = 0 ORDER BY retired_wall_ns, name",
                        GW_BINDS(GW_U(retired ? 1 : 0)), mem, &found, err);
    if (r < 0)
        return r;
    *ret_rows = found.rows;
    *ret_n = found.n;
    return 0;
}

/* ---- changing -------------------------------------------------------------------------------- */

static int version_add(struct gw_db *db, const struct gw_catalog_plan *plan, const char *who,
                       uint64_t wall_ns, struct gw_error *err)
{
    const struct gw_catalog_plan_version v = { .uuid = plan->uuid,
                                               .version = plan->version,
                                               .hash = plan->hash,
                                               .document = plan->document,
                                               .original = plan->original,
                                               .who = who,
                                               .wall_ns = wall_ns };
    return gw_table_insert(db, &versions, &v, false, err);
}

int gw_catalog_plan_add(struct gw_catalog *c, const struct gw_catalog_plan *row, const char *who,
                        uint64_t wall_ns, struct gw_error *err)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    struct gw_catalog_plan plan = *row;
    plan.revision = 1;
    int r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = gw_table_insert(&c->writer, &plans, &plan, false, err);
    if (r == -EEXIST)
        return gw_error_set(err, r, "there is a plan \"%s\" already, or one with the uuid %s",
                            row->name, row->uuid);
    if (r >= 0)
        r = version_add(&c->writer, &plan, who, wall_ns, err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}

/* Why a change matched no row. */
static int why_not(struct gw_db *db, const struct gw_catalog_plan *row, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_plan now;
    int r = gw_table_get(db, &plans, "WHERE uuid = ?", GW_BINDS(GW_T(row->uuid)), &mem, &now, err);
    if (r <= 0)
        return r < 0 ? r : no_such_uuid(row->uuid, err);
    return gw_error_set(err, -ESTALE,
                        "plan \"%s\" was changed meanwhile (version %llu, revision %llu now): look "
                        "again",
                        now.name, (unsigned long long)now.version,
                        (unsigned long long)now.revision);
}

int gw_catalog_plan_update(struct gw_catalog *c, struct gw_catalog_plan *row, struct gw_error *err)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    struct gw_catalog_plan next = *row;
    next.revision++;
    int r = gw_catalog_begin(c, &tx, err);
    if (r < 0)
        return r;
    int n = gw_table_update(&c->writer, &plans, "revision", "evidence_dir", &next,
                            "WHERE uuid = ? AND revision = ?",
                            GW_BINDS(GW_T(row->uuid), GW_U(row->revision)), err);
    if (n <= 0)
        return n < 0 ? n : why_not(&c->writer, row, err);
    r = gw_catalog_commit(&tx, err);
    if (r >= 0)
        row->revision = next.revision;
    return r;
}

int gw_catalog_plan_edit(struct gw_catalog *c, struct gw_catalog_plan *row,
                         uint64_t expected_version, const char *who, uint64_t wall_ns,
                         struct gw_error *err)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    uint64_t revision = 0;
    if (row->version <= expected_version)
        return gw_error_set(
            err, -ESTALE, "version %llu of plan \"%s\" does not follow version %llu",
            (unsigned long long)row->version, row->name, (unsigned long long)expected_version);
    int r = gw_catalog_begin(c, &tx, err);
    if (r < 0)
        return r;
    int n = gw_table_update(&c->writer, &plans, "version", "original", row,
                            "WHERE uuid = ? AND version = ?",
                            GW_BINDS(GW_T(row->uuid), GW_U(expected_version)), err);
    if (n <= 0)
        return n < 0 ? n : why_not(&c->writer, row, err);
    r = gw_db_number(&c->writer,
                     "UPDATE plans SET revision = revision + 1 WHERE uuid = ? RETURNING revision",
                     GW_BINDS(GW_T(row->uuid)), &revision, err);
    if (r >= 0)
        r = version_add(&c->writer, row, who, wall_ns, err);
    if (r >= 0)
        r = gw_catalog_commit(&tx, err);
    if (r >= 0)
        row->revision = revision;
    return r;
}

int gw_catalog_plan_note(struct gw_catalog *c, const char *uuid, const char *json,
                         struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    const char *old = NULL, *state = NULL;
    int r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = gw_db_text(&c->writer, "SELECT state FROM plans WHERE uuid = ?", GW_BINDS(GW_T(uuid)),
                       &mem, &old, err);
    if (r == 0)
        r = no_such_uuid(uuid, err);
    if (r >= 0)
        r = gw_text_json_merge(&mem, old, json, false, &state, err);
    if (r >= 0)
        r = gw_db_run(&c->writer,
                      "UPDATE plans SET state = ?, revision = revision + 1 WHERE uuid = ?",
                      GW_BINDS(GW_T(state), GW_T(uuid)), err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}

/* ---- history --------------------------------------------------------------------------------- */

int gw_catalog_plan_versions(struct gw_catalog *c, const char *uuid, struct gw_catalog_mem *mem,
                             struct gw_catalog_plan_version **ret_rows, size_t *ret_n,
                             struct gw_error *err)
{
    struct gw_catalog_rows found;
    int r = gw_catalog_list(c, &versions, "WHERE uuid = ? ORDER BY version DESC",
                            GW_BINDS(GW_T(uuid)), mem, &found, err);
    if (r < 0)
        return r;
    *ret_rows = found.rows;
    *ret_n = found.n;
    return 0;
}

int gw_catalog_plan_version_get(struct gw_catalog *c, const char *uuid, const char *hash,
                                struct gw_catalog_mem *mem, struct gw_catalog_plan_version *ret,
                                struct gw_error *err)
{
    int r = gw_catalog_get(c, &versions, "WHERE uuid = ? AND hash = ? ORDER BY version DESC",
                           GW_BINDS(GW_T(uuid), GW_T(hash)), mem, ret, err);
    if (r == 0)
        return gw_error_set(err, -ENOENT, "no version of plan %s has the hash %s", uuid, hash);
    return r < 0 ? r : 0;
}
