// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/runlog.h"

#include "catalog/catalog_internal.h"
#include "catalog/digest.h"
#include "catalog/limits.h"
#include "catalog/rows.h"
#include "catalog/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define HASHED_AS                                                                                  \
    "godwit run log 1" /* the first value of every hash: another format, another word */

#define S struct gw_catalog_log
static const struct gw_column columns[] = {
    GW_COLUMN(S, run, TEXT),       GW_COLUMN(S, seq, NUMBER),     GW_COLUMN(S, step, TEXT),
    GW_COLUMN(S, attempt, NUMBER), GW_COLUMN(S, kind, TEXT),      GW_COLUMN(S, site, TEXT),
    GW_COLUMN(S, epoch, NUMBER),   GW_COLUMN(S, plan_hash, TEXT), GW_COLUMN(S, wall_ns, NUMBER),
    GW_COLUMN(S, boot_ns, NUMBER), GW_COLUMN(S, boot_id, TEXT),   GW_COLUMN(S, detail, TEXT),
    GW_COLUMN(S, prev, TEXT),      GW_COLUMN(S, hash, TEXT),      GW_COLUMN(S, peer_durable, BOOL),
};
#undef S
static const struct gw_table run_log = GW_TABLE("run_log", struct gw_catalog_log, columns);

/* ---- hashes ---------------------------------------------------------------------------------- */

static int hash_of(const struct gw_catalog_log *e, char ret[GW_CATALOG_HASH_TEXT],
                   struct gw_error *err)
{
    struct gw_digest d;
    gw_digest_init(&d);
    gw_digest_text(&d, HASHED_AS);
    gw_digest_text(&d, e->prev);
    gw_digest_text(&d, e->run);
    gw_digest_number(&d, e->seq);
    gw_digest_text(&d, e->step);
    gw_digest_number(&d, e->attempt);
    gw_digest_text(&d, e->kind);
    gw_digest_text(&d, e->site);
    gw_digest_number(&d, e->epoch);
    gw_digest_text(&d, e->plan_hash);
    gw_digest_number(&d, e->wall_ns);
    gw_digest_number(&d, e->boot_ns);
    gw_digest_text(&d, e->boot_id);
    gw_digest_text(&d, e->detail);
    return gw_digest_end(&d, ret, err);
}

/* What is hashed must be what is stored: no NULL, and UTF-8, before anything else looks at it. */
static int clean(struct gw_catalog_mem *mem, struct gw_catalog_log *e, struct gw_error *err)
{
    const char **texts[] = { &e->run,     &e->step,   &e->kind, &e->site, &e->plan_hash,
                             &e->boot_id, &e->detail, &e->prev, &e->hash };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        *texts[i] = *texts[i] == NULL ? "" : gw_text_clean(mem, *texts[i]);
        if (*texts[i] == NULL)
            return gw_error_set(err, -ENOMEM, "no memory for an entry of a run log");
    }
    if (!gw_text_is_token(e->kind))
        return gw_error_set(err, -EINVAL,
                            "\"%s\" is no kind of entry: capitals and underscores, "
                            "like UNDO_INTENT",
                            e->kind);
    return 0;
}

static int head_of(struct gw_db *db, const char *run, struct gw_catalog_mem *mem, uint64_t *ret_seq,
                   const char **ret_hash, struct gw_error *err)
{
    struct gw_catalog_log last;
    int r = gw_table_get(db, &run_log, "WHERE run = ? ORDER BY seq DESC LIMIT 1",
                         GW_BINDS(GW_T(run)), mem, &last, err);
    if (r < 0)
        return r;
    *ret_seq = r == 0 ? 0 : last.seq;
    *ret_hash = r == 0 ? GW_CATALOG_HASH_NONE : last.hash;
    return 0;
}

/* ---- appending ------------------------------------------------------------------------------- */

static int insert(struct gw_db *db, const struct gw_catalog_log *e, struct gw_error *err)
{
    int r = gw_table_insert(db, &run_log, e, false, err);
    if (r == -ENOENT)
        return gw_error_set(err, r, "there is no run \"%s\"", e->run);
    return r;
}

int gw_catalog_log_append(struct gw_catalog *c, const struct gw_catalog_log *row,
                          struct gw_catalog_mem *mem, struct gw_catalog_log *ret,
                          struct gw_error *err)
{
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    char hash[GW_CATALOG_HASH_TEXT];
    struct gw_catalog_log e = *row;
    e.prev = e.hash = NULL;
    e.peer_durable = false;
    int r = clean(mem, &e, err);
    if (r >= 0)
        r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = head_of(&c->writer, e.run, mem, &e.seq, &e.prev, err);
    if (r < 0)
        return r;
    e.seq++;
    r = hash_of(&e, hash, err);
    e.hash = r < 0 ? NULL : gw_catalog_mem_text(mem, hash, strlen(hash));
    if (r >= 0 && e.hash == NULL)
        r = gw_error_set(err, -ENOMEM, "no memory for an entry of a run log");
    if (r >= 0)
        r = insert(&c->writer, &e, err);
    if (r >= 0)
        r = gw_catalog_commit(&tx, err);
    if (r >= 0 && ret != NULL)
        *ret = e;
    return r;
}

/* An entry that came from the peer, against the head of what is here: 1 it is new and fits, 0 it is
 * here already. */
static int judge(struct gw_db *db, const struct gw_catalog_log *e, uint64_t head_seq,
                 const char *head_hash, struct gw_catalog_mem *mem, struct gw_error *err)
{
    char hash[GW_CATALOG_HASH_TEXT];
    const char *here = "";
    int r = hash_of(e, hash, err);
    if (r < 0)
        return r;
    if (strcmp(hash, e->hash) != 0)
        return gw_error_set(err, -EBADMSG, "entry %llu of run %s does not match its hash",
                            (unsigned long long)e->seq, e->run);
    if (e->seq > head_seq + 1)
        return gw_error_set(err, -ENODATA, "entries %llu to %llu of run %s are missing here",
                            (unsigned long long)head_seq + 1, (unsigned long long)e->seq - 1,
                            e->run);
    if (e->seq == head_seq + 1) {
        if (strcmp(e->prev, head_hash) != 0)
            return gw_error_set(err, -EBADMSG,
                                "entry %llu of run %s does not continue the log of "
                                "this site",
                                (unsigned long long)e->seq, e->run);
        return 1;
    }
    r = gw_db_text(db, "SELECT hash FROM run_log WHERE run = ? AND seq = ?",
                   GW_BINDS(GW_T(e->run), GW_U(e->seq)), mem, &here, err);
    if (r < 0)
        return r;
    if (r == 0 || strcmp(here, e->hash) != 0)
        return gw_error_set(err, -EBADMSG,
                            "entry %llu of run %s is another one here: both sites "
                            "wrote to the log",
                            (unsigned long long)e->seq, e->run);
    return 0;
}

static int run_is_known(struct gw_db *db, const char *run, struct gw_error *err)
{
    uint64_t n = 0;
    int r =
        gw_db_number(db, "SELECT count(*) FROM runs WHERE id = ?", GW_BINDS(GW_T(run)), &n, err);
    if (r >= 0 && n == 0)
        return gw_error_set(err, -ENOENT, "there is no run \"%s\"", run);
    return r;
}

static int peer_has(struct gw_catalog_tx *tx, const struct gw_catalog_log *e, struct gw_error *err)
{
    int r = gw_catalog_log_peer_durable(tx->catalog, e->run, e->seq, err);
    return r < 0 ? r : gw_catalog_commit(tx, err);
}

int gw_catalog_log_copy(struct gw_catalog *c, const struct gw_catalog_log *row, uint64_t *ret_next,
                        struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    struct gw_catalog_log e = *row;
    uint64_t head = 0;
    const char *head_hash = NULL;
    int r = clean(&mem, &e, err);
    if (r >= 0)
        r = gw_catalog_begin(c, &tx, err);
    if (r >= 0)
        r = run_is_known(&c->writer, e.run, err);
    if (r >= 0)
        r = head_of(&c->writer, e.run, &mem, &head, &head_hash, err);
    if (r < 0)
        return r;
    if (ret_next != NULL)
        *ret_next = head + 1;
    e.peer_durable = true;
    r = judge(&c->writer, &e, head, head_hash, &mem, err);
    if (r == 0) /* it comes back from the peer: so the peer has it */
        return peer_has(&tx, &e, err);
    if (r >= 0)
        r = insert(&c->writer, &e, err);
    if (r >= 0)
        r = gw_catalog_commit(&tx, err);
    if (r >= 0 && ret_next != NULL)
        *ret_next = head + 2;
    return r;
}

int gw_catalog_log_peer_durable(struct gw_catalog *c, const char *run, uint64_t through,
                                struct gw_error *err)
{
    int n = gw_catalog_write(c,
                             "UPDATE run_log SET peer_durable = 1"
                             " WHERE run = ? AND seq <= ? AND peer_durable = 0",
                             GW_BINDS(GW_T(run), GW_U(through)), err);
    return n < 0 ? n : 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

int gw_catalog_log_read(struct gw_catalog *c, const char *run, uint64_t after, uint64_t limit,
                        struct gw_catalog_mem *mem, struct gw_catalog_log **ret_rows, size_t *ret_n,
                        struct gw_error *err)
{
    struct gw_catalog_rows found;
    int r = gw_catalog_list(c, &run_log, "WHERE run = ? AND seq > ? ORDER BY seq LIMIT ?",
                            GW_BINDS(GW_T(run), GW_U(after), GW_U(gw_catalog_limit(limit))), mem,
                            &found, err);
    if (r < 0)
        return r;
    *ret_rows = found.rows;
    *ret_n = found.n;
    return 0;
}

int gw_catalog_log_unsent(struct gw_catalog *c, const char *run, struct gw_catalog_mem *mem,
                          struct gw_catalog_log **ret_rows, size_t *ret_n, struct gw_error *err)
{
    struct gw_catalog_rows found;
    int r = gw_catalog_list(c, &run_log, "WHERE run = ? AND peer_durable = 0 ORDER BY seq LIMIT ?",
                            GW_BINDS(GW_T(run), GW_U(GW_CATALOG_ROWS_MAX)), mem, &found, err);
    if (r < 0)
        return r;
    *ret_rows = found.rows;
    *ret_n = found.n;
    return 0;
}

int gw_catalog_log_head(struct gw_catalog *c, const char *run, uint64_t *ret_seq,
                        char ret_hash[GW_CATALOG_HASH_TEXT], struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    CATALOG_READ(c, db);
    uint64_t seq;
    const char *hash;
    int r = head_of(db, run, &mem, &seq, &hash, err);
    if (r < 0)
        return r;
    snprintf(ret_hash, GW_CATALOG_HASH_TEXT, "%s", hash);
    *ret_seq = seq;
    return 0;
}

/* ---- verifying ------------------------------------------------------------------------------- */

/* One entry against what must come now. -EBADMSG: it is not as it was written. */
static int entry_verify(const struct gw_catalog_log *e, uint64_t seq, const char *prev,
                        struct gw_error *err)
{
    char hash[GW_CATALOG_HASH_TEXT];
    if (e->seq != seq)
        return gw_error_set(err, -EBADMSG, "entry %llu is missing: it was removed",
                            (unsigned long long)seq);
    int r = hash_of(e, hash, err);
    if (r < 0)
        return r;
    if (strcmp(hash, e->hash) != 0)
        return gw_error_set(err, -EBADMSG, "entry %llu does not match its hash: it was edited",
                            (unsigned long long)seq);
    if (strcmp(e->prev, prev) != 0)
        return gw_error_set(err, -EBADMSG,
                            "entry %llu does not continue the one before it: entries "
                            "were inserted, removed or replaced",
                            (unsigned long long)seq);
    return 0;
}

int gw_catalog_log_verify(struct gw_catalog *c, const char *run, uint64_t *ret_seq,
                          struct gw_error *err)
{
    char prev[GW_CATALOG_HASH_TEXT] = GW_CATALOG_HASH_NONE;
    for (uint64_t seq = 1;;) {
        CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
        struct gw_catalog_log *page;
        size_t n;
        int r = gw_catalog_log_read(c, run, seq - 1, GW_CATALOG_PAGE_ROWS, &mem, &page, &n, err);
        for (size_t i = 0; r >= 0 && i < n; i++) {
            r = entry_verify(&page[i], seq, prev, err);
            if (r == -EBADMSG)
                *ret_seq = seq;
            seq++;
            snprintf(prev, sizeof prev, "%s", page[i].hash);
        }
        if (r < 0)
            return gw_error_wrap(err, "log of run %s", run);
        if (n < GW_CATALOG_PAGE_ROWS) {
            *ret_seq = seq - 1;
            return 0;
        }
    }
}
