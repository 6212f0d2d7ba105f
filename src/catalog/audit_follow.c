// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/audit_internal.h"

#include "base/log.h"
#include "catalog/text.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/*
 * audit.head follows the log. It may be behind (a crash between the commit and the file), never
 * ahead and never beside it. Where it is, it is left alone, so that the finding stays until a
 * person accepts it (gw_audit_accept).
 *
 *     fits      the log has entry `count` with `hash`, or a later entry took over from this very
 * head head_known = fits, as far as this process has seen
 */

/* ---- does it fit ----------------------------------------------------------------------------- */

json_t *gw_audit_earlier_head(const char *dir)
{
    struct gw_audit_head head;
    int r = gw_audit_head_load(dir, &head, NULL);
    if (r >= 0)
        return json_pack("{s:I, s:s}", "count", (json_int_t)head.count, "hash", head.hash);
    return json_string(r == -ENOENT ? "missing" : "damaged");
}

/* Does the last entry take over, and from this head? Only the last: a head that is missing later on
 * is another matter. */
static int taken_over(struct gw_db *db, const struct gw_audit_head *head, int problem,
                      struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    const char *detail = NULL;
    int r = gw_db_text(db,
                       "SELECT detail FROM audit WHERE seq = (SELECT max(seq) FROM audit)"
                       " AND action IN ('" GW_AUDIT_CREATED "', '" GW_AUDIT_RESTORED
                       "', '" GW_AUDIT_ACCEPTED "')",
                       GW_NO_BINDS, &mem, &detail, err);
    if (r <= 0)
        return r;
    json_t *j = json_loads(detail, JSON_DECODE_ANY, NULL);
    json_t *earlier = json_object_get(j, "earlier_head");
    const char *word = json_string_value(earlier);
    const char *hash = json_string_value(json_object_get(earlier, "hash"));
    bool yes =
        word != NULL
            ? strcmp(word, problem == -ENOENT ? "missing" : "damaged") == 0 && problem < 0
            : hash != NULL && problem >= 0 && strcmp(hash, head->hash) == 0 &&
                  json_integer_value(json_object_get(earlier, "count")) == (json_int_t)head->count;
    json_decref(j);
    return yes ? 1 : 0;
}

int gw_audit_head_fits(struct gw_db *db, const struct gw_audit_head *head, int problem,
                       struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    const char *hash = NULL;
    if (problem >= 0) {
        int r = gw_db_text(db, "SELECT hash FROM audit WHERE seq = ?", GW_BINDS(GW_U(head->count)),
                           &mem, &hash, err);
        if (r < 0 || (r > 0 && strcmp(hash, head->hash) == 0))
            return r;
    }
    return taken_over(db, head, problem, err);
}

/* ---- following ------------------------------------------------------------------------------- */

static void follow(struct gw_catalog *c, const struct gw_audit_head *next)
{
    struct gw_error err = { 0 };
    if (c->head.count == next->count && strcmp(c->head.hash, next->hash) == 0)
        return;
    if (gw_audit_head_store(c->dir, next, &err) < 0) {
        gw_log(GW_LOG_WARNING, "audit.head stays behind the audit log for now: %s", err.msg);
        return;
    }
    c->head = *next;
}

int gw_audit_head_start(struct gw_catalog *c, struct gw_error *err)
{
    struct gw_error why = { 0 };
    struct gw_audit_head next = { 0 };
    int problem = gw_audit_head_load(c->dir, &c->head, &why);
    if (problem < 0 && problem != -ENOENT && problem != -EUCLEAN)
        return gw_error_set(err, problem, "%s", why.msg);
    int r = gw_audit_head_fits(&c->writer, &c->head, problem, err);
    if (r < 0)
        return r;
    c->head_known = r > 0;
    if (!c->head_known) {
        gw_log(GW_LOG_ERROR, "the audit log of %s is not as it was left%s%s: verify it", c->dir,
               problem < 0 ? ": " : "", why.msg);
        return 0;
    }
    r = gw_audit_last(&c->writer, &next.count, next.hash, err);
    if (r >= 0)
        follow(c, &next);
    return r;
}

/* Whether audit.head, as this process knows it, goes with the log that there is now: an entry that
 * was cut off behind our back shows here. */
static bool still_fits(struct gw_catalog *c)
{
    int problem = c->head.count == 0 ? gw_audit_head_load(c->dir, &c->head, NULL) : 0;
    int r = gw_audit_head_fits(&c->writer, &c->head, problem, NULL);
    if (r == 0 && c->head_known)
        gw_log(GW_LOG_ERROR, "the audit log of %s was changed behind our back: verify it", c->dir);
    return r > 0;
}

void gw_audit_head_follow(struct gw_catalog *c)
{
    struct gw_audit_head next = { 0 };
    c->head_known = still_fits(c);
    if (c->head_known && gw_audit_last(&c->writer, &next.count, next.hash, NULL) >= 0)
        follow(c, &next);
}
