// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/idempotency.h"

#include "catalog/catalog_internal.h"
#include "catalog/rows.h"

#include <errno.h>
#include <string.h>

/* status 0: reserved, not answered yet. */
struct key {
    const char *owner, *key, *request_hash;
    uint64_t expires_wall_ns;
    uint64_t status;
    const char *body, *location;
};

#define S struct key
static const struct gw_column columns[] = {
    GW_COLUMN(S, owner, TEXT),        GW_COLUMN(S, key, TEXT),
    GW_COLUMN(S, request_hash, TEXT), GW_COLUMN(S, expires_wall_ns, NUMBER),
    GW_COLUMN(S, status, NUMBER),     GW_COLUMN(S, body, TEXT),
    GW_COLUMN(S, location, OPT),
};
#undef S
static const struct gw_table idempotency = GW_TABLE("idempotency", struct key, columns);

#define KEY "WHERE owner = ? AND key = ?"

static int known(const struct key *now, const char *request_hash, struct gw_catalog_answer *ret,
                 struct gw_error *err)
{
    if (strcmp(now->request_hash, request_hash) != 0)
        return gw_error_set(err, -EBADMSG,
                            "the idempotency key \"%s\" was used for another request", now->key);
    if (now->status == 0)
        return gw_error_set(err, -EINPROGRESS,
                            "the request with the idempotency key \"%s\" is "
                            "still in progress",
                            now->key);
    *ret = (struct gw_catalog_answer){ now->status, now->body, now->location };
    return 1;
}

int gw_catalog_idempotency_begin(struct gw_catalog *c, const char *owner, const char *key,
                                 const char *request_hash, uint64_t now_wall_ns,
                                 uint64_t expires_wall_ns, struct gw_catalog_mem *mem,
                                 struct gw_catalog_answer *ret, struct gw_error *err)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    const struct key row = {
        .owner = owner, .key = key, .request_hash = request_hash, .expires_wall_ns = expires_wall_ns
    };
    struct key now;
    int r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = gw_db_run(&c->writer, "DELETE FROM idempotency " KEY " AND expires_wall_ns <= ?",
                      GW_BINDS(GW_T(owner), GW_T(key), GW_U(now_wall_ns)), err);
    if (r >= 0)
        r = gw_table_get(&c->writer, &idempotency, KEY, GW_BINDS(GW_T(owner), GW_T(key)), mem, &now,
                         err);
    if (r > 0)
        return known(&now, request_hash, ret, err);
    if (r >= 0)
        r = gw_table_insert(&c->writer, &idempotency, &row, false, err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}

int gw_catalog_idempotency_end(struct gw_catalog *c, const char *owner, const char *key,
                               const struct gw_catalog_answer *answer, struct gw_error *err)
{
    if (answer->status == 0)
        return gw_error_set(err, -EINVAL, "an answer has a status");
    int n = gw_catalog_write(c, "UPDATE idempotency SET status = ?, body = ?, location = ? " KEY,
                             GW_BINDS(GW_U(answer->status),
                                      GW_T(answer->body == NULL ? "" : answer->body),
                                      GW_T(answer->location), GW_T(owner), GW_T(key)),
                             err);
    if (n == 0)
        return gw_error_set(err, -ENOENT, "the idempotency key \"%s\" was not reserved", key);
    return n < 0 ? n : 0;
}

int gw_catalog_idempotency_abandon(struct gw_catalog *c, const char *owner, const char *key,
                                   struct gw_error *err)
{
    int n = gw_catalog_write(c, "DELETE FROM idempotency " KEY " AND status = 0",
                             GW_BINDS(GW_T(owner), GW_T(key)), err);
    return n < 0 ? n : 0;
}

int gw_catalog_idempotency_reset(struct gw_catalog *c, struct gw_error *err)
{
    int n = gw_catalog_write(c, "DELETE FROM idempotency WHERE status = 0", GW_NO_BINDS, err);
    return n < 0 ? n : 0;
}

int gw_catalog_idempotency_prune(struct gw_catalog *c, uint64_t now_wall_ns, struct gw_error *err)
{
    int n = gw_catalog_write(c, "DELETE FROM idempotency WHERE expires_wall_ns <= ?",
                             GW_BINDS(GW_U(now_wall_ns)), err);
    return n < 0 ? n : 0;
}
