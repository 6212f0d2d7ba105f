// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/audit_internal.h"

#include "base/cleanup.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned long long ull;

static void finding(struct gw_audit_verdict *v, uint64_t seq, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static void finding(struct gw_audit_verdict *v, uint64_t seq, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(v->what, sizeof v->what, fmt, ap);
    va_end(ap);
    v->bad_seq = seq;
}

/* ---- the chain ------------------------------------------------------------------------------- */

/* The entry that must be number v->count + 1 and follow v->head. 1: it is bad. */
static int verify_entry(void *arg, const struct gw_audit_entry *e)
{
    struct gw_audit_verdict *v = arg;
    struct gw_error err = { 0 };
    char hash[GW_CATALOG_HASH_TEXT] = "";
    uint64_t seq = v->count + 1;
    if (e->seq != seq) {
        finding(v, seq, "entry %llu is missing, the next is %llu: entries were removed", (ull)seq,
                (ull)e->seq);
        return 1;
    }
    int r = gw_audit_hash(e, hash, &err);
    if (r < 0 && r != -EBADMSG)
        return r;
    if (r < 0 || strcmp(hash, e->hash) != 0) {
        finding(v, seq, "entry %llu does not match its hash: it was edited%s%s", (ull)seq,
                r < 0 ? "; " : "", err.msg);
        return 1;
    }
    if (strcmp(e->prev, v->head) != 0) {
        finding(v, seq,
                "entry %llu does not continue entry %llu: entries were inserted, removed or "
                "replaced here",
                (ull)seq, (ull)v->count);
        return 1;
    }
    v->count = seq;
    snprintf(v->head, sizeof v->head, "%s", e->hash);
    return 0;
}

/* ---- the end --------------------------------------------------------------------------------- */

static void head_finding(struct gw_audit_verdict *v, const struct gw_audit_head *head, int problem)
{
    if (problem < 0)
        finding(v, v->count + 1,
                "audit.head is %s: whether entries after %llu were cut off cannot "
                "be told",
                problem == -ENOENT ? "missing" : "damaged", (ull)v->count);
    else if (head->count > v->count)
        finding(v, v->count + 1, "entries %llu to %llu are missing at the end: they were cut off",
                (ull)v->count + 1, (ull)head->count);
    else
        finding(v, head->count,
                "entry %llu is another one than audit.head remembers: the log was "
                "written anew",
                (ull)head->count);
}

int gw_audit_verify(struct gw_catalog *c, struct gw_audit_verdict *ret, struct gw_error *err)
{
    struct gw_audit_verdict v = { .head = GW_CATALOG_HASH_NONE };
    struct gw_audit_head head = { 0 };
    /* First the file, then the log: entries that are appended meanwhile are no finding. */
    int problem = gw_audit_head_load(gw_catalog_dir(c), &head, err);
    if (problem < 0 && problem != -ENOENT && problem != -EUCLEAN)
        return problem;
    int r = gw_audit_walk(c, verify_entry, &v, err);
    if (r == 0) {
        CATALOG_READ(c, db);
        r = gw_audit_head_fits(db, &head, problem, err);
        if (r == 0)
            head_finding(&v, &head, problem);
    }
    if (r < 0)
        return r;
    *ret = v;
    return 0;
}

int gw_audit_anchor(struct gw_catalog *c, uint64_t seq, const char *hash, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    CATALOG_READ(c, db);
    const char *here = NULL;
    int r = gw_db_text(db, "SELECT hash FROM audit WHERE seq = ?", GW_BINDS(GW_U(seq)), &mem, &here,
                       err);
    if (r == 0)
        return gw_error_set(err, -EBADMSG, "the audit log has no entry %llu any more", (ull)seq);
    if (r > 0 && strcmp(here, hash) != 0)
        return gw_error_set(err, -EBADMSG, "entry %llu of the audit log is another one than it was",
                            (ull)seq);
    return r < 0 ? r : 0;
}

/* ---- acceptance ------------------------------------------------------------------------------ */

static int accept_detail(struct gw_catalog *c, const char *reason, char **ret, struct gw_error *err)
{
    json_t *j =
        json_pack("{s:s, s:o?}", "reason", reason, "earlier_head", gw_audit_earlier_head(c->dir));
    *ret = j == NULL ? NULL : json_dumps(j, JSON_COMPACT);
    json_decref(j);
    return *ret == NULL ? gw_error_set(err, -EINVAL, "the reason is not a text in UTF-8") : 0;
}

int gw_audit_accept(struct gw_catalog *c, const char *who, int64_t uid, const char *reason,
                    uint64_t wall_ns, struct gw_error *err)
{
    CLEANUP_FREE char *detail = NULL;
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    struct gw_audit_head head = { 0 };
    int r = gw_catalog_begin(c, &tx, err);
    if (r < 0)
        return r;
    r = gw_audit_head_fits(&c->writer, &head, gw_audit_head_load(c->dir, &head, NULL), err);
    if (r != 0)
        return r < 0 ? r : gw_error_set(err, -EALREADY, "audit.head goes with the audit log");
    r = accept_detail(c, reason, &detail, err);
    const struct gw_audit_entry entry = { .wall_ns = wall_ns,
                                          .who = who,
                                          .uid = uid,
                                          .origin = "daemon",
                                          .action = GW_AUDIT_ACCEPTED,
                                          .object = "audit log",
                                          .outcome = "done",
                                          .detail = detail };
    if (r >= 0)
        r = gw_audit_append(c, &entry, NULL, err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}
