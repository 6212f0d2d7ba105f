// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/runstore.h"

#include "base/clock.h"
#include "catalog/audit.h"
#include "catalog/runs.h"
#include "control/message.h"
#include "site/runwire.h"
#include "site/site.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX_MIN 4

/* ---- texts ------------------------------------------------------------------------------------
 */

static char *dump(json_t *o)
{
    char *t = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
    json_decref(o);
    return t;
}

/* The row is for people and lists: the log says it all, and is what counts. */
static char *row_text(const struct gw_run_row *row)
{
    return dump(json_pack("{s:s, s:i, s:I, s:I, s:I, s:o}", "state", gw_run_state_name(row->state),
                          "coordinator", (int)row->coordinator, "epoch", (json_int_t)row->epoch,
                          "step", (json_int_t)row->step, "choices", (json_int_t)row->choices, "why",
                          gw_control_text(row->why)));
}

static int no_memory(struct gw_error *err)
{
    return gw_error_set(err, -ENOMEM, "out of memory");
}

/* ---- writing ----------------------------------------------------------------------------------
 */

/* A run has ended: in the audit log with the same transaction, at each site once. Who asked for it
 * and when it began is in the entry with its id. */
static int audit_end(struct gw_catalog *c, const struct gw_run_append *a, struct gw_error *err)
{
    static const char *const outcomes[] = { [GW_RUN_DONE] = "done",
                                            [GW_RUN_FAILED] = "failed",
                                            [GW_RUN_CANCELLED] = "cancelled",
                                            [GW_RUN_REVERTED] = "reverted",
                                            [GW_RUN_ABORTED] = "aborted" };
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_run was;
    struct gw_run run;
    char object[96];
    int r = gw_catalog_run_get(c, a->run, &mem, &was, err);
    if (r < 0 || !was.open)
        return r;
    CLEANUP_SITE_JSON json_t *fixed = json_loads(was.fixed, 0, NULL);
    r = site_run_read(fixed, &run, err);
    if (r < 0)
        return r;
    snprintf(object, sizeof object, "plan %s", run.plan);
    CLEANUP_FREE char *detail = dump(json_pack("{s:s, s:s, s:b, s:o}", "run", run.id, "state",
                                               gw_run_state_name(a->row->state), "dry_run",
                                               run.dry_run, "why", gw_control_text(a->row->why)));
    size_t at = (size_t)a->row->state;
    const char *outcome = at < sizeof outcomes / sizeof *outcomes ? outcomes[at] : NULL;
    const struct gw_audit_entry e = { .wall_ns = gw_wall_ns(),
                                      .who = run.requester,
                                      .uid = -1,
                                      .origin = "run",
                                      .action = gw_operation_name(run.operation),
                                      .object = object,
                                      .outcome = outcome != NULL ? outcome : "ended",
                                      .detail = detail };
    return detail == NULL ? no_memory(err) : gw_audit_append(c, &e, NULL, err);
}

/* Entries, row, request and epoch of one append; in the caller's transaction. */
static int write_append(struct gw_catalog *c, const struct gw_run_append *a, const char *plan,
                        struct gw_error *err)
{
    int r = 0;
    for (unsigned i = 0; r == 0 && i < a->n; i++) {
        CLEANUP_FREE char *entry = dump(site_run_entry_store(&a->entries[i]));
        r = entry == NULL ? no_memory(err)
                          : gw_catalog_run_entry_add(c, a->run, a->at + i, entry, err);
    }
    if (r == 0 && a->row != NULL && gw_run_state_ended(a->row->state))
        r = audit_end(c, a, err);
    if (r == 0 && a->row != NULL) {
        CLEANUP_FREE char *row = row_text(a->row);
        r = row == NULL
                ? no_memory(err)
                : gw_catalog_run_set(c, a->run, row, !gw_run_state_ended(a->row->state), err);
    }
    if (r == 0 && a->takes_request != 0)
        r = gw_catalog_run_request_take(c, a->takes_request, err);
    if (r == 0 && a->plan_epoch != 0)
        r = gw_catalog_run_epoch_raise(c, plan, a->plan_epoch, err);
    return r;
}

static int check_length(struct gw_catalog *c, const struct gw_run_append *a, struct gw_error *err)
{
    uint64_t n = 0;
    int r = gw_catalog_run_entry_count(c, a->run, &n, err);
    if (r < 0)
        return r;
    if (a->cut ? n < a->at : n != a->at)
        return gw_error_set(err, -ESTALE, "the log of run %s has %llu entries, not %u", a->run,
                            (unsigned long long)n, a->at);
    return a->cut ? gw_catalog_run_entry_cut(c, a->run, a->at, err) : 0;
}

static int append(void *ctx, const struct gw_run_append *a, struct gw_error *err)
{
    struct gw_catalog *c = ctx;
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    struct gw_catalog_run run;
    int r = gw_catalog_begin(c, &tx, err);
    if (r == 0)
        r = gw_catalog_run_get(c, a->run, &mem, &run, err);
    if (r == 0)
        r = check_length(c, a, err);
    if (r == 0)
        r = write_append(c, a, run.plan, err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}

/* One run a plan: what is open must be what this one ends. */
static int check_free(struct gw_catalog *c, const char *plan, const struct gw_run_append *ends,
                      struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    const char **ids = NULL;
    size_t n = 0;
    int r = gw_catalog_run_list(c, plan, true, NULL, 2, &mem, &ids, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++) {
        if (ends == NULL || strcmp(ids[i], ends->run) != 0)
            return gw_error_set(err, -EBUSY, "run %s of plan '%s' has not ended", ids[i], plan);
    }
    return r;
}

/* What would not be read again is not written: one such row would stop its plan for good. */
static int check_readable(const char *fixed, struct gw_error *err)
{
    struct gw_run again;
    CLEANUP_SITE_JSON json_t *o = json_loads(fixed, 0, NULL);
    return site_run_read(o, &again, err);
}

static int create(void *ctx, const struct gw_run *run, const struct gw_run_append *first,
                  const struct gw_run_append *ends, struct gw_error *err)
{
    struct gw_catalog *c = ctx;
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    CLEANUP_FREE char *fixed = dump(site_run_fixed_json(run));
    CLEANUP_FREE char *row = row_text(first->row);
    if (fixed == NULL || row == NULL)
        return no_memory(err);
    const struct gw_catalog_run x = { .id = run->id,
                                      .plan = run->plan,
                                      .fixed = fixed,
                                      .row = row,
                                      .open = !gw_run_state_ended(first->row->state) };
    int r = check_readable(fixed, err);
    if (r == 0)
        r = gw_catalog_begin(c, &tx, err);
    if (r == 0)
        r = check_free(c, run->plan, ends, err);
    if (r == 0 && ends != NULL)
        r = check_length(c, ends, err);
    if (r == 0 && ends != NULL)
        r = write_append(c, ends, run->plan, err);
    if (r == 0)
        r = gw_catalog_run_add(c, &x, err);
    if (r == 0)
        r = write_append(c, first, run->plan, err);
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}

/* ---- reading ----------------------------------------------------------------------------------
 */

static int load(void *ctx, const char *id, struct gw_run *ret, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_run x;
    int r = gw_catalog_run_get(ctx, id, &mem, &x, err);
    if (r < 0)
        return r;
    CLEANUP_SITE_JSON json_t *o = json_loads(x.fixed, 0, NULL);
    r = site_run_read(o, ret, err);
    return r < 0 ? gw_error_wrap(err, "run %s in the catalog", id) : 0;
}

static int read_some(void *ctx, const char *id, uint32_t from, struct gw_run_entry *ret,
                     unsigned max, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    const char **texts = NULL;
    size_t n = 0;
    int r = gw_catalog_run_entry_list(ctx, id, from, max, &mem, &texts, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++) {
        CLEANUP_SITE_JSON json_t *o = json_loads(texts[i], 0, NULL);
        r = site_run_entry_load(o, &ret[i], err);
    }
    return r < 0 ? r : (int)n;
}

static int current(void *ctx, const char *plan, char ret_run[GW_RUN_ID_MAX], struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    const char **ids = NULL;
    size_t n = 0;
    int r = gw_catalog_run_list(ctx, plan, true, NULL, 1, &mem, &ids, &n, err);
    if (r < 0 || n == 0)
        return r;
    snprintf(ret_run, GW_RUN_ID_MAX, "%s", ids[0]);
    return 1;
}

static int each_open(void *ctx, int (*fn)(void *fn_ctx, const char *run), void *fn_ctx,
                     struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    const char **ids = NULL;
    size_t n = 0;
    int r = gw_catalog_run_list(ctx, NULL, true, NULL, 0, &mem, &ids, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++)
        r = fn(fn_ctx, ids[i]);
    return r;
}

static int plan_epoch(void *ctx, const char *plan, uint64_t *ret, struct gw_error *err)
{
    return gw_catalog_run_epoch_get(ctx, plan, ret, err);
}

/* ---- inbox, requests --------------------------------------------------------------------------
 */

static int inbox_get(void *ctx, const char *run, uint32_t step, uint32_t attempt, bool undo,
                     struct gw_run_inbox *ret, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    const struct gw_catalog_run_inbox key = {
        .run = run, .step = step, .attempt = attempt, .undo = undo
    };
    const char *value = NULL;
    int r = gw_catalog_run_inbox_get(ctx, &key, &mem, &value, err);
    if (r <= 0)
        return r;
    CLEANUP_SITE_JSON json_t *o = json_loads(value, 0, NULL);
    *ret = (struct gw_run_inbox){
        .step = step, .attempt = attempt, .undo = undo, .begun_only = site_true(o, "begun_only")
    };
    ret->outcome.outcome = (enum gw_outcome)site_number(o, "outcome");
    snprintf(ret->run, sizeof ret->run, "%s", run);
    snprintf(ret->outcome.detail, sizeof ret->outcome.detail, "%s", site_text(o, "detail"));
    return 1;
}

static int inbox_put(void *ctx, const struct gw_run_inbox *in, struct gw_error *err)
{
    CLEANUP_FREE char *value =
        dump(json_pack("{s:b, s:i, s:o}", "begun_only", in->begun_only, "outcome",
                       (int)in->outcome.outcome, "detail", gw_control_text(in->outcome.detail)));
    if (value == NULL)
        return no_memory(err);
    const struct gw_catalog_run_inbox x = {
        .run = in->run, .step = in->step, .attempt = in->attempt, .undo = in->undo, .value = value
    };
    return gw_catalog_run_inbox_put(ctx, &x, err);
}

static int request_put(void *ctx, const char *run, const struct gw_run_request *q,
                       struct gw_error *err)
{
    CLEANUP_FREE char *value =
        dump(json_pack("{s:s, s:o, s:o}", "choice", gw_choice_name(q->choice), "by",
                       gw_control_text(q->by), "reason", gw_control_text(q->reason)));
    return value == NULL ? no_memory(err) : gw_catalog_run_request_put(ctx, run, value, err);
}

static int request_next(void *ctx, const char *run, struct gw_run_request *ret,
                        struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    const char *value = NULL;
    *ret = (struct gw_run_request){ .id = 0 };
    int r = gw_catalog_run_request_next(ctx, run, &mem, &ret->id, &value, err);
    if (r <= 0)
        return r;
    CLEANUP_SITE_JSON json_t *o = json_loads(value, 0, NULL);
    if (!gw_choice_parse(site_text(o, "choice"), &ret->choice))
        return gw_error_set(err, -EBADMSG, "a request for run %s in the catalog is damaged", run);
    snprintf(ret->by, sizeof ret->by, "%s", site_text(o, "by"));
    snprintf(ret->reason, sizeof ret->reason, "%s", site_text(o, "reason"));
    return 1;
}

const struct gw_run_store site_run_store = {
    .create = create,
    .append = append,
    .load = load,
    .read = read_some,
    .current = current,
    .each_open = each_open,
    .plan_epoch = plan_epoch,
    .inbox_get = inbox_get,
    .inbox_put = inbox_put,
    .request_put = request_put,
    .request_next = request_next,
};

/* ---- for people -------------------------------------------------------------------------------
 */

int site_runstore_list(struct gw_catalog *c, const char *plan, bool unfinished, uint64_t limit,
                       char (**ret)[GW_RUN_ID_MAX], size_t *ret_n, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    const char **ids = NULL;
    size_t n = 0;
    int r = gw_catalog_run_list(c, plan, unfinished, NULL, limit, &mem, &ids, &n, err);
    if (r < 0)
        return r;
    char(*out)[GW_RUN_ID_MAX] = calloc(n + 1, sizeof *out);
    if (out == NULL)
        return no_memory(err);
    for (size_t i = 0; i < n; i++)
        snprintf(out[i], sizeof out[i], "%s", ids[i]);
    *ret = out;
    *ret_n = n;
    return 0;
}

bool site_runstore_is_damage(int code)
{
    return code == -EINVAL || code == -EBADMSG;
}

int site_runstore_damaged(struct gw_catalog *c, const char *id, const struct gw_error *why,
                          json_t **ret, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_run x;
    char sentence[GW_ERROR_MSG_MAX + 128];
    int r = gw_catalog_run_get(c, id, &mem, &x, err);
    if (r < 0)
        return r;
    snprintf(sentence, sizeof sentence, "damaged: %s%s", why->msg,
             x.open ? ". It stands in the way of others: godwit run abort closes it" : "");
    *ret = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:n, s:o, s:s, s:I, s:n, s:n, s:n, s:i, "
        "s:s, s:b, s:n, s:i, s:i, s:[], s:n}",
        "id", id, "plan", x.plan, "operation", "", "state", "DAMAGED", "mode", "real", "old_site",
        "", "new_site", "", "coordinator", "", "requester", "", "reason", "sentence",
        gw_control_text(sentence), "created", "", "created_wall_ns", (json_int_t)0, "scheduled",
        "updated", "ended", "epoch", 0, "plan_hash", "", "dry_run", 0, "params", "approvals", 0,
        "approvals_needed", 0, "choices", "progress");
    return *ret != NULL ? 0 : gw_error_set(err, -ENOMEM, "out of memory");
}

int site_runstore_close_damaged(struct gw_catalog *c, const char *id, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_run x;
    int r = gw_catalog_run_get(c, id, &mem, &x, err);
    return r < 0 ? r : gw_catalog_run_set(c, id, x.row, false, err);
}

int site_runstore_find(struct gw_catalog *c, const char *text, char ret_id[GW_RUN_ID_MAX],
                       struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    const char **ids = NULL;
    size_t n = 0;
    if (strlen(text) < PREFIX_MIN)
        return gw_error_set(err, -ENOENT, "'%s' is too short for a run (%d characters)", text,
                            PREFIX_MIN);
    int r = gw_catalog_run_list(c, NULL, false, text, 2, &mem, &ids, &n, err);
    if (r < 0)
        return r;
    if (n != 1)
        return gw_error_set(err, n == 0 ? -ENOENT : -ENOTUNIQ,
                            n == 0 ? "there is no run '%s' here; godwit run list names them"
                                   : "more than one run begins with '%s'",
                            text);
    snprintf(ret_id, GW_RUN_ID_MAX, "%s", ids[0]);
    return 0;
}
