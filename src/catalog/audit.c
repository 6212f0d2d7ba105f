// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/audit.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "catalog/audit_internal.h"
#include "catalog/rows.h"
#include "catalog/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define S struct gw_audit_entry
static const struct gw_column columns[] = {
    GW_COLUMN(S, seq, NUMBER),  GW_COLUMN(S, wall_ns, NUMBER),  GW_COLUMN(S, who, TEXT),
    GW_COLUMN(S, uid, SIGNED),  GW_COLUMN(S, certificate, OPT), GW_COLUMN(S, origin, TEXT),
    GW_COLUMN(S, action, TEXT), GW_COLUMN(S, object, TEXT),     GW_COLUMN(S, outcome, TEXT),
    GW_COLUMN(S, detail, JSON), GW_COLUMN(S, prev, TEXT),       GW_COLUMN(S, hash, TEXT),
};
#undef S
const struct gw_table gw_audit_table = GW_TABLE("audit", struct gw_audit_entry, columns);

/* ---- entries --------------------------------------------------------------------------------- */

/* What is hashed must be what is stored: no NULL, UTF-8, canonical JSON. */
static int clean(struct gw_catalog_mem *mem, struct gw_audit_entry *e, struct gw_error *err)
{
    const char **texts[] = { &e->who, &e->origin, &e->action, &e->object, &e->outcome };
    for (size_t i = 0; i < GW_ARRAY_SIZE(texts); i++) {
        *texts[i] = *texts[i] == NULL ? "" : gw_text_clean(mem, *texts[i]);
        if (*texts[i] == NULL)
            return gw_error_set(err, -ENOMEM, "no memory for an entry of the audit log");
    }
    if (e->certificate != NULL && (e->certificate = gw_text_clean(mem, e->certificate)) == NULL)
        return gw_error_set(err, -ENOMEM, "no memory for an entry of the audit log");
    if (gw_text_json(mem, e->detail, &e->detail, err) < 0)
        return gw_error_wrap(err, "detail of an entry of the audit log");
    return 0;
}

int gw_audit_last(struct gw_db *db, uint64_t *ret_seq, char ret_hash[GW_CATALOG_HASH_TEXT],
                  struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_audit_entry last = { .hash = GW_CATALOG_HASH_NONE };
    int r = gw_table_get(db, &gw_audit_table, "ORDER BY seq DESC LIMIT 1", GW_NO_BINDS, &mem, &last,
                         err);
    if (r < 0)
        return r;
    *ret_seq = last.seq;
    snprintf(ret_hash, GW_CATALOG_HASH_TEXT, "%s", last.hash);
    return 0;
}

int gw_audit_insert(struct gw_db *db, const struct gw_audit_entry *entry, uint64_t *ret_seq,
                    struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    char prev[GW_CATALOG_HASH_TEXT], hash[GW_CATALOG_HASH_TEXT];
    struct gw_audit_entry e = *entry;
    uint64_t last = 0;
    int r = gw_audit_last(db, &last, prev, err);
    if (r >= 0)
        r = clean(&mem, &e, err);
    if (r < 0)
        return r;
    e.seq = last + 1;
    e.prev = prev;
    e.hash = hash;
    r = gw_audit_hash(&e, hash, err);
    if (r >= 0)
        r = gw_table_insert(db, &gw_audit_table, &e, false, err);
    if (r >= 0 && ret_seq != NULL)
        *ret_seq = e.seq;
    return r;
}

int gw_audit_append(struct gw_catalog *c, const struct gw_audit_entry *entry, uint64_t *ret_seq,
                    struct gw_error *err)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    uint64_t seq = 0;
    int r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = gw_audit_insert(&c->writer, entry, &seq, err);
    if (r < 0)
        return r;
    c->head_behind = true;
    r = gw_catalog_commit(&tx, err);
    if (r >= 0 && ret_seq != NULL)
        *ret_seq = seq;
    return r;
}

/* ---- reading --------------------------------------------------------------------------------- */

int gw_audit_read(struct gw_catalog *c, const struct gw_audit_filter *filter,
                  struct gw_catalog_mem *mem, struct gw_audit_entry **ret_rows, size_t *ret_n,
                  struct gw_error *err)
{
    struct gw_catalog_rows found;
    int r = gw_catalog_list(
        c, &gw_audit_table,
        "WHERE seq > ?1 AND (?2 IS NULL OR who = ?2)"
        " AND (?3 IS NULL OR action = ?3) AND (?4 IS NULL OR object = ?4)"
        " AND wall_ns >= ?5 AND (?6 = 0 OR wall_ns <= ?6) ORDER BY seq LIMIT ?7",
        GW_BINDS(GW_U(filter->after), GW_T(filter->who), GW_T(filter->action), GW_T(filter->object),
                 GW_U(filter->since_wall_ns), GW_U(filter->until_wall_ns),
                 GW_U(gw_catalog_limit(filter->limit))),
        mem, &found, err);
    if (r < 0)
        return r;
    *ret_rows = found.rows;
    *ret_n = found.n;
    return 0;
}

int gw_audit_walk(struct gw_catalog *c, int (*fn)(void *arg, const struct gw_audit_entry *entry),
                  void *arg, struct gw_error *err)
{
    for (struct gw_audit_filter filter = { .limit = GW_CATALOG_PAGE_ROWS };;) {
        CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
        struct gw_audit_entry *page;
        size_t n;
        int r = gw_audit_read(c, &filter, &mem, &page, &n, err);
        for (size_t i = 0; r == 0 && i < n; i++) {
            filter.after = page[i].seq;
            r = fn(arg, &page[i]);
        }
        if (r != 0 || n < filter.limit)
            return r;
    }
}

/* The canonical JSON with the hash as its last member, so that anybody can take it off again. */
static int export_one(void *arg, const struct gw_audit_entry *e)
{
    CLEANUP_FREE char *text = NULL;
    struct gw_error err = { 0 };
    int r = gw_audit_canonical(e, &text, &err);
    if (r < 0 || text == NULL)
        return r;
    size_t open_end = strlen(text) - 1; /* without its last brace */
    return fwrite(text, 1, open_end, arg) != open_end ||
                   fprintf(arg, ",\"hash\":\"%s\"}\n", e->hash) < 0
               ? -errno
               : 0;
}

int gw_audit_export(struct gw_catalog *c, FILE *to, struct gw_error *err)
{
    struct gw_error own = { 0 };
    int r = gw_audit_walk(c, export_one, to, &own);
    if (r >= 0 && fflush(to) != 0)
        r = -errno;
    if (r < 0 && own.code == 0)
        return gw_error_errno(err, r, "cannot export the audit log");
    if (r < 0)
        return gw_error_set(err, r, "cannot export the audit log: %s", own.msg);
    return 0;
}

int gw_audit_head(struct gw_catalog *c, uint64_t *ret_seq, char ret_hash[GW_CATALOG_HASH_TEXT],
                  struct gw_error *err)
{
    CATALOG_READ(c, db);
    return gw_audit_last(db, ret_seq, ret_hash, err);
}
