// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "run/log.h"

#include "base/checked.h"
#include "base/cleanup.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define READ_AT_A_TIME 64u

int gw_run_me(const struct gw_run_env *env, const struct gw_run *run, enum gw_run_side *ret,
              struct gw_error *err)
{
    for (unsigned s = 0; s < GW_RUN_SIDE_MAX; s++)
        if (strncmp(env->site, run->site[s], GW_RUN_NAME_MAX) == 0) {
            *ret = (enum gw_run_side)s;
            return 0;
        }
    return gw_error_set(err, -EINVAL, "run \"%s\" is of sites \"%s\" and \"%s\", not of \"%s\"",
                        run->id, run->site[GW_SIDE_OLD], run->site[GW_SIDE_NEW], env->site);
}

const struct gw_operation *gw_run_operation(const struct gw_run_env *env, const struct gw_run *run)
{
    return env->operation ? env->operation(run->operation) : gw_operation_get(run->operation);
}

int gw_run_log_begin(struct gw_run_log *log, const struct gw_run_env *env, const struct gw_run *run,
                     struct gw_error *err)
{
    *log = (struct gw_run_log){ .env = env, .run = *run, .op = gw_run_operation(env, run) };
    if (!log->op)
        return gw_error_set(err, -EINVAL, "run \"%s\": operation \"%s\" has no steps", run->id,
                            gw_operation_name(run->operation));
    return gw_run_me(env, run, &log->me, err);
}

void gw_run_log_done(struct gw_run_log *log)
{
    free(log->entries);
    log->entries = NULL;
    log->n = log->room = 0;
}

static int make_room(struct gw_run_log *log, uint32_t n, struct gw_error *err)
{
    if (n > GW_RUN_ENTRIES_MAX)
        return gw_error_set(err, -EFBIG, "run \"%s\": its log is full (%u entries)", log->run.id,
                            GW_RUN_ENTRIES_MAX);
    if (n <= log->room)
        return 0;
    uint32_t room = GW_MIN(GW_MAX(n, log->room * 2), GW_RUN_ENTRIES_MAX);
    struct gw_run_entry *e = realloc(log->entries, room * sizeof *e);
    if (!e)
        return gw_error_errno(err, -ENOMEM, "run \"%s\"", log->run.id);
    log->entries = e;
    log->room = room;
    return 0;
}

static const struct gw_run_entry *before(const struct gw_run_log *log, uint32_t number)
{
    return number > 0 ? &log->entries[number - 1] : NULL;
}

/* One more entry that is stored: chained and folded, or the log is damaged. */
static int take(struct gw_run_log *log, const struct gw_run_entry *e, struct gw_error *err)
{
    const char *why = "its hash does not match";
    int r = make_room(log, log->n + 1, err);
    if (r < 0)
        return r;
    if (!gw_run_entry_valid(e, &log->run, before(log, log->n)) ||
        gw_run_view_add(&log->v, log->op, &e->core, &why) < 0)
        return gw_error_set(err, -EBADMSG, "the log of run \"%s\" is damaged at entry %u: %s",
                            log->run.id, log->n, why);
    log->entries[log->n++] = *e;
    return 0;
}

/* Read from the store from log->n on. */
static int read_rest(struct gw_run_log *log, struct gw_error *err)
{
    const struct gw_run_env *env = log->env;
    CLEANUP_FREE struct gw_run_entry *got = malloc(READ_AT_A_TIME * sizeof *got);
    if (!got)
        return gw_error_errno(err, -ENOMEM, "run \"%s\"", log->run.id);
    for (;;) {
        int n = env->store->read(env->store_ctx, log->run.id, log->n, got, READ_AT_A_TIME, err);
        int r = n < 0 ? n : 0;
        for (int i = 0; r == 0 && i < n; i++)
            r = take(log, &got[i], err);
        if (r < 0)
            return gw_error_wrap(err, "cannot read run \"%s\"", log->run.id);
        if (n < (int)READ_AT_A_TIME)
            return 0;
    }
}

int gw_run_log_open(struct gw_run_log *log, const struct gw_run_env *env, const char *id,
                    struct gw_error *err)
{
    struct gw_run run;
    *log = (struct gw_run_log){ 0 };
    int r = env->store->load(env->store_ctx, id, &run, err);
    if (r == 0)
        r = gw_run_log_begin(log, env, &run, err);
    if (r == 0)
        r = read_rest(log, err);
    if (r < 0)
        gw_run_log_done(log);
    return r;
}

static void forget(struct gw_run_log *log, uint32_t from)
{
    const char *why;
    log->n = from;
    log->v = (struct gw_run_view){ 0 };
    for (uint32_t i = 0; i < from; i++) /* cannot fail: they were folded before */
        (void)gw_run_view_add(&log->v, log->op, &log->entries[i].core, &why);
}

int gw_run_log_refresh(struct gw_run_log *log, bool *ret_changed, struct gw_error *err)
{
    struct gw_run_entry last;
    uint32_t had = log->n;
    bool same = true;
    if (had > 0) {
        int n = log->env->store->read(log->env->store_ctx, log->run.id, had - 1, &last, 1, err);
        if (n < 0)
            return gw_error_wrap(err, "cannot read run \"%s\"", log->run.id);
        same = n == 1 && gw_run_entry_equal(&last, &log->entries[had - 1]);
    }
    if (!same)
        forget(log, 0);
    int r = read_rest(log, err);
    if (ret_changed)
        *ret_changed = !same || log->n != had;
    return r;
}

struct gw_run_entry gw_run_log_next(const struct gw_run_log *log, enum gw_entry_kind kind,
                                    uint32_t step)
{
    const struct gw_run_env *env = log->env;
    struct gw_run_entry e = {
        .number = log->n,
        .core = { .kind = kind, .step = step, .epoch = log->v.epoch, .side = log->me },
        .wall_ns = env->world->wall_ns(env->world_ctx),
    };
    /* A wall clock that is set between two steps would make an hour of a moment. */
    bool begins = kind == GW_ENTRY_INTENT || kind == GW_ENTRY_UNDO;
    if (begins && log->appended_n != 0 && log->appended_n == log->n)
        e.took_ns = env->world->boot_ns(env->world_ctx) - log->appended_ns + 1;
    return e;
}

static void fill_row(const struct gw_run_log *log, struct gw_run_row *row)
{
    struct gw_run_facts f = { .me = log->me };
    *row = (struct gw_run_row){ .state = log->v.state,
                                .coordinator = log->v.coordinator,
                                .epoch = log->v.epoch,
                                .entries = log->n,
                                .step = gw_run_state_ended(log->v.state)
                                            ? GW_NO_STEP
                                            : gw_run_current(log->op, &log->v),
                                .choices = gw_run_choices(log->op, &log->v, &f) };
    const char *text = log->n > 0 ? log->entries[log->n - 1].detail : "";
    snprintf(row->why, sizeof row->why, "%.*s", (int)sizeof row->why - 1, text);
}

/* Seal, fold; log is ahead of the store until it is written. */
static int add_own(struct gw_run_log *log, struct gw_run_entry *e, unsigned n, struct gw_error *err)
{
    const char *why = "";
    int r = make_room(log, log->n + n, err);
    for (unsigned i = 0; r == 0 && i < n; i++) {
        e[i].number = log->n;
        gw_run_entry_seal(&e[i], &log->run, before(log, log->n));
        r = gw_run_view_add(&log->v, log->op, &e[i].core, &why);
        if (r < 0)
            return gw_error_set(err, -EPROTO, "run \"%s\": \"%s\" does not fit here: %s",
                                log->run.id, gw_entry_kind_name(e[i].core.kind), why);
        log->entries[log->n++] = e[i];
    }
    return r;
}

int gw_run_log_append(struct gw_run_log *log, struct gw_run_entry *e, unsigned n,
                      uint64_t takes_request, struct gw_error *err)
{
    const struct gw_run_env *env = log->env;
    uint32_t at = log->n;
    struct gw_run_row row;
    int r = add_own(log, e, n, err);
    if (r == 0) {
        fill_row(log, &row);
        struct gw_run_append a = { .run = log->run.id,
                                   .at = at,
                                   .entries = e,
                                   .n = n,
                                   .row = &row,
                                   .takes_request = takes_request,
                                   .plan_epoch = log->v.epoch };
        r = env->store->append(env->store_ctx, &a, err);
    }
    if (r < 0) {
        forget(log, at);
        return r;
    }
    log->appended_n = log->n;
    log->appended_ns = env->world->boot_ns(env->world_ctx);
    if (env->world->changed && n > 0)
        env->world->changed(env->world_ctx, &log->run, &log->v, &log->entries[log->n - 1]);
    return 0;
}

int gw_run_log_create(struct gw_run_log *log, struct gw_run_entry *e, struct gw_run_log *ends,
                      struct gw_error *err)
{
    const struct gw_run_env *env = log->env;
    struct gw_run_row row, ended_row;
    struct gw_run_entry ended;
    struct gw_run_append end = { 0 };
    int r = make_room(log, 1, err);
    if (r == 0)
        r = take(log, e, err);
    if (r == 0 && ends) {
        end.run = ends->run.id;
        end.at = ends->n;
        ended = gw_run_log_next(ends, GW_ENTRY_SUPERSEDED, GW_NO_STEP);
        snprintf(ended.detail, sizeof ended.detail, "run \"%s\" took its place", log->run.id);
        r = add_own(ends, &ended, 1, err);
        fill_row(ends, &ended_row);
        end.entries = &ended;
        end.n = 1;
        end.row = &ended_row;
    }
    if (r < 0)
        return r;
    fill_row(log, &row);
    struct gw_run_append first = {
        .run = log->run.id, .entries = e, .n = 1, .row = &row, .plan_epoch = log->v.epoch
    };
    r = env->store->create(env->store_ctx, &log->run, &first, ends ? &end : NULL, err);
    if (r == 0 && env->world->changed)
        env->world->changed(env->world_ctx, &log->run, &log->v, e);
    return r;
}

static enum gw_run_answer weigh(const struct gw_run_log *log, const struct gw_run_entry *theirs)
{
    const struct gw_run_entry *mine = &log->entries[theirs->number];
    if (theirs->core.epoch > mine->core.epoch)
        return GW_ANSWER_OK;
    if (theirs->core.epoch < mine->core.epoch)
        return GW_ANSWER_AHEAD;
    return gw_run_state_ended(log->v.state) ? GW_ANSWER_ENDED : GW_ANSWER_CONFLICT;
}

/* Append e[0..n), which begin where the log ends or, with cut, somewhere before. */
static int adopt(struct gw_run_log *log, bool cut, const struct gw_run_entry *e, unsigned n,
                 enum gw_run_answer *ret, struct gw_error *err)
{
    const struct gw_run_env *env = log->env;
    uint32_t at = e[0].number;
    struct gw_error why;
    struct gw_run_row row;
    if (cut)
        forget(log, at);
    for (unsigned i = 0; i < n; i++) {
        int r = take(log, &e[i], &why);
        if (r < 0) {
            *ret = GW_ANSWER_INVALID;
            return gw_run_log_refresh(log, NULL, err);
        }
    }
    fill_row(log, &row);
    struct gw_run_append a = { .run = log->run.id,
                               .at = at,
                               .cut = cut,
                               .entries = e,
                               .n = n,
                               .row = &row,
                               .plan_epoch = log->v.epoch };
    int r = env->store->append(env->store_ctx, &a, err);
    if (r < 0) {
        forget(log, at);
        return r;
    }
    if (env->world->changed)
        env->world->changed(env->world_ctx, &log->run, &log->v, &log->entries[log->n - 1]);
    return 0;
}

int gw_run_log_merge(struct gw_run_log *log, uint32_t from, const struct gw_run_entry *e,
                     unsigned n, enum gw_run_answer *ret, struct gw_error *err)
{
    unsigned i = 0;
    *ret = GW_ANSWER_OK;
    for (unsigned k = 0; k < n; k++)
        if (e[k].number != from + k) {
            *ret = GW_ANSWER_INVALID;
            return 0;
        }
    if (from > log->n) {
        *ret = GW_ANSWER_GAP;
        return 0;
    }
    while (i < n && from + i < log->n && gw_run_entry_equal(&e[i], &log->entries[from + i]))
        i++;
    if (i == n)
        return 0;
    bool cut = from + i < log->n;
    /* Where the two part may lie before what was sent. */
    if (i == 0 && from > 0 && !gw_run_entry_valid(&e[0], &log->run, &log->entries[from - 1])) {
        *ret = GW_ANSWER_GAP;
        return 0;
    }
    if (cut)
        *ret = weigh(log, &e[i]);
    else if (gw_run_state_ended(log->v.state))
        *ret = GW_ANSWER_ENDED;
    return *ret == GW_ANSWER_OK ? adopt(log, cut, &e[i], n - i, ret, err) : 0;
}
