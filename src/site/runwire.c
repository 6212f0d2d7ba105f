// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/runwire.h"

#include "base/clock.h"
#include "control/message.h"
#include "site/site.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- writing ----------------------------------------------------------------------------------
 */

static void hex(const uint8_t *b, size_t n, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        ret[2 * i] = digits[b[i] >> 4];
        ret[2 * i + 1] = digits[b[i] & 15];
    }
    ret[2 * n] = '\0';
}

static void number(json_t *o, const char *key, uint64_t n)
{
    json_object_set_new(o, key, json_integer((json_int_t)n));
}

static void text(json_t *o, const char *key, const char *t)
{
    json_object_set_new(o, key, gw_control_text(t));
}

static json_t *entry_json(const struct gw_run_entry *e)
{
    char hash[2 * GW_ENTRY_HASH_BYTES + 1];
    json_t *o = json_object();
    hex(e->hash, GW_ENTRY_HASH_BYTES, hash);
    number(o, "number", e->number);
    text(o, "kind", gw_entry_kind_name(e->core.kind));
    number(o, "flags", e->core.flags);
    number(o, "step", e->core.step);
    number(o, "attempt", e->core.attempt);
    number(o, "epoch", e->core.epoch);
    number(o, "side", e->core.side);
    number(o, "wall_ns", e->wall_ns);
    number(o, "took_ns", e->took_ns);
    text(o, "by", e->by);
    text(o, "detail", e->detail);
    text(o, "hash", hash);
    return o;
}

static json_t *entries_json(const struct gw_run_entry *e, unsigned n)
{
    json_t *a = json_array();
    for (unsigned i = 0; i < n; i++)
        json_array_append_new(a, entry_json(&e[i]));
    return a;
}

static json_t *run_json(const struct gw_run *r)
{
    json_t *o = json_object();
    text(o, "id", r->id);
    text(o, "plan", r->plan);
    text(o, "operation", gw_operation_name(r->operation));
    text(o, "old", r->site[GW_SIDE_OLD]);
    text(o, "new", r->site[GW_SIDE_NEW]);
    text(o, "requester", r->requester);
    text(o, "reason", r->reason);
    text(o, "plan_hash", r->plan_hash);
    number(o, "epoch", r->epoch);
    number(o, "created_wall_ns", r->created_wall_ns);
    number(o, "start_wall_ns", r->start_wall_ns);
    number(o, "abort_by_wall_ns", r->abort_by_wall_ns);
    number(o, "approvals", r->approvals);
    json_object_set_new(o, "dry_run", json_boolean(r->dry_run));
    json_object_set_new(o, "return_on_unhealthy", json_boolean(r->return_on_unhealthy));
    text(o, "supersedes", r->supersedes);
    text(o, "params", r->params);
    return o;
}

json_t *site_run_message_json(const struct gw_run_message *m)
{
    json_t *o = json_object();
    text(o, "kind", gw_run_message_name(m->kind));
    json_object_set_new(o, "run", run_json(&m->run));
    number(o, "epoch", m->epoch);
    number(o, "from", m->from);
    number(o, "have", m->have);
    json_object_set_new(o, "entries", entries_json(m->entries, m->n));
    number(o, "step", m->step);
    number(o, "attempt", m->attempt);
    json_object_set_new(o, "dry", json_boolean(m->dry));
    return o;
}

json_t *site_run_reply_json(const struct gw_run_reply *r)
{
    json_t *o = json_object();
    text(o, "answer", gw_run_answer_name(r->answer));
    number(o, "have", r->have);
    number(o, "epoch", r->epoch);
    number(o, "outcome", r->outcome.outcome);
    text(o, "detail", r->outcome.detail);
    json_object_set_new(o, "entries", entries_json(r->entries, r->n));
    text(o, "busy", r->busy);
    text(o, "sentence", r->sentence);
    return o;
}

json_t *site_run_entry_json(const struct gw_run *run, const struct gw_operation *op,
                            const struct gw_run_entry *e)
{
    char when[GW_TIME_TEXT], hash[2 * GW_ENTRY_HASH_BYTES + 1];
    gw_time_format(e->wall_ns, when);
    hex(e->hash, GW_ENTRY_HASH_BYTES, hash);
    const char *step =
        op != NULL && e->core.step < op->n_steps ? gw_step_name(op->steps[e->core.step].id) : "";
    json_t *detail = json_loads(e->detail, 0, NULL);
    return json_pack("{s:i, s:s, s:s, s:i, s:I, s:s, s:s, s:I, s:I, s:o, s:o, s:s}", "seq",
                     (int)e->number, "kind", gw_entry_kind_name(e->core.kind), "step", step,
                     "attempt", (int)e->core.attempt, "epoch", (json_int_t)e->core.epoch, "site",
                     run->site[e->core.side], "time", when, "wall_ns", (json_int_t)e->wall_ns,
                     "took_ns", (json_int_t)e->took_ns, "by", gw_control_text(e->by), "detail",
                     detail != NULL ? detail : gw_control_text(e->detail), "hash", hash);
}

/* ---- reading ----------------------------------------------------------------------------------
 */

struct reader {
    const json_t *o;
    struct gw_error *err;
    int r;
};

static void bad(struct reader *x, const char *key)
{
    if (x->r == 0)
        x->r = gw_error_set(x->err, -EINVAL, "\"%s\" of a run's message is missing or wrong", key);
}

static uint64_t take_number(struct reader *x, const char *key, uint64_t max)
{
    const json_t *j = json_object_get(x->o, key);
    if (!json_is_integer(j) || json_integer_value(j) < 0 || (uint64_t)json_integer_value(j) > max) {
        bad(x, key);
        return 0;
    }
    return (uint64_t)json_integer_value(j);
}

static bool take_bool(struct reader *x, const char *key)
{
    const json_t *j = json_object_get(x->o, key);
    if (!json_is_boolean(j))
        bad(x, key);
    return json_is_true(j);
}

static void take_text(struct reader *x, const char *key, char *ret, size_t size)
{
    const json_t *j = json_object_get(x->o, key);
    if (!json_is_string(j) || json_string_length(j) >= size ||
        strlen(json_string_value(j)) != json_string_length(j))
        bad(x, key);
    else
        memcpy(ret, json_string_value(j), json_string_length(j) + 1);
}

static int nibble(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void take_hash(struct reader *x, const char *key, uint8_t ret[GW_ENTRY_HASH_BYTES])
{
    char t[2 * GW_ENTRY_HASH_BYTES + 1] = "";
    take_text(x, key, t, sizeof t);
    if (x->r == 0 && strlen(t) != sizeof t - 1)
        bad(x, key);
    for (size_t i = 0; x->r == 0 && i < GW_ENTRY_HASH_BYTES; i++) {
        int a = nibble(t[2 * i]), b = nibble(t[2 * i + 1]);
        if (a < 0 || b < 0)
            bad(x, key);
        else
            ret[i] = (uint8_t)(a << 4 | b);
    }
}

#define STEP_MAX UINT32_MAX

static int read_entry(const json_t *o, struct gw_run_entry *e, struct gw_error *err)
{
    struct reader x = { .o = o, .err = err };
    char kind[32] = "";
    *e = (struct gw_run_entry){ 0 };
    e->number = (uint32_t)take_number(&x, "number", GW_RUN_ENTRIES_MAX);
    take_text(&x, "kind", kind, sizeof kind);
    if (x.r == 0 && !gw_entry_kind_parse(kind, &e->core.kind))
        bad(&x, "kind");
    e->core.flags = (uint32_t)take_number(&x, "flags", GW_ENTRY_FLAGS_ALL);
    e->core.step = (uint32_t)take_number(&x, "step", STEP_MAX);
    e->core.attempt = (uint32_t)take_number(&x, "attempt", UINT32_MAX);
    e->core.epoch = take_number(&x, "epoch", INT64_MAX);
    e->core.side = (enum gw_run_side)take_number(&x, "side", GW_SIDE_NEW);
    e->wall_ns = take_number(&x, "wall_ns", INT64_MAX);
    e->took_ns = take_number(&x, "took_ns", INT64_MAX);
    take_text(&x, "by", e->by, sizeof e->by);
    take_text(&x, "detail", e->detail, sizeof e->detail);
    take_hash(&x, "hash", e->hash);
    return x.r;
}

static int read_entries(const json_t *o, struct gw_run_entry **ret, unsigned *ret_n,
                        struct gw_error *err)
{
    const json_t *a = json_object_get(o, "entries");
    size_t n = json_array_size(a);
    if (!json_is_array(a) || n > GW_RUN_COPY_MAX)
        return gw_error_set(err, -EINVAL, "\"entries\" of a run's message is missing or too long");
    struct gw_run_entry *e = calloc(n + 1, sizeof *e);
    if (e == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = 0;
    for (size_t i = 0; r == 0 && i < n; i++)
        r = read_entry(json_array_get(a, i), &e[i], err);
    if (r < 0) {
        free(e);
        return r;
    }
    *ret = e;
    *ret_n = (unsigned)n;
    return 0;
}

int site_run_read(const json_t *o, struct gw_run *run, struct gw_error *err)
{
    struct reader x = { .o = o, .err = err };
    char op[32] = "";
    *run = (struct gw_run){ .operation = GW_OPERATION_NONE };
    take_text(&x, "id", run->id, sizeof run->id);
    take_text(&x, "plan", run->plan, sizeof run->plan);
    take_text(&x, "operation", op, sizeof op);
    if (x.r == 0 && !gw_operation_parse(op, &run->operation))
        bad(&x, "operation");
    take_text(&x, "old", run->site[GW_SIDE_OLD], sizeof run->site[0]);
    take_text(&x, "new", run->site[GW_SIDE_NEW], sizeof run->site[0]);
    take_text(&x, "requester", run->requester, sizeof run->requester);
    take_text(&x, "reason", run->reason, sizeof run->reason);
    take_text(&x, "plan_hash", run->plan_hash, sizeof run->plan_hash);
    run->epoch = take_number(&x, "epoch", INT64_MAX);
    run->created_wall_ns = take_number(&x, "created_wall_ns", INT64_MAX);
    run->start_wall_ns = take_number(&x, "start_wall_ns", INT64_MAX);
    run->abort_by_wall_ns = take_number(&x, "abort_by_wall_ns", INT64_MAX);
    run->approvals = (uint32_t)take_number(&x, "approvals", 16);
    run->dry_run = take_bool(&x, "dry_run");
    run->return_on_unhealthy = take_bool(&x, "return_on_unhealthy");
    take_text(&x, "supersedes", run->supersedes, sizeof run->supersedes);
    take_text(&x, "params", run->params, sizeof run->params);
    return x.r;
}

json_t *site_run_fixed_json(const struct gw_run *run)
{
    return run_json(run);
}

json_t *site_run_entry_store(const struct gw_run_entry *e)
{
    return entry_json(e);
}

int site_run_entry_load(const json_t *o, struct gw_run_entry *ret, struct gw_error *err)
{
    return read_entry(o, ret, err);
}

int site_run_message_read(const json_t *o, struct gw_run_message *ret,
                          struct gw_run_entry **ret_entries, struct gw_error *err)
{
    struct reader x = { .o = o, .err = err };
    struct gw_run_message m = { .kind = GW_RUN_MESSAGE_MAX };
    char kind[32] = "";
    take_text(&x, "kind", kind, sizeof kind);
    for (int k = 0; x.r == 0 && k < GW_RUN_MESSAGE_MAX; k++) {
        if (strcmp(kind, gw_run_message_name((enum gw_run_message_kind)k)) == 0)
            m.kind = (enum gw_run_message_kind)k;
    }
    if (x.r == 0 && m.kind == GW_RUN_MESSAGE_MAX)
        bad(&x, "kind");
    m.epoch = take_number(&x, "epoch", INT64_MAX);
    m.from = (enum gw_run_side)take_number(&x, "from", GW_SIDE_NEW);
    m.have = (uint32_t)take_number(&x, "have", GW_RUN_ENTRIES_MAX);
    m.step = (uint32_t)take_number(&x, "step", STEP_MAX);
    m.attempt = (uint32_t)take_number(&x, "attempt", UINT32_MAX);
    m.dry = take_bool(&x, "dry");
    int r = x.r;
    if (r == 0)
        r = site_run_read(json_object_get(o, "run"), &m.run, err);
    struct gw_run_entry *entries = NULL;
    if (r == 0)
        r = read_entries(o, &entries, &m.n, err);
    if (r < 0)
        return r;
    m.entries = *ret_entries = entries;
    *ret = m;
    return 0;
}

int site_run_reply_read(const json_t *o, struct gw_run_reply *ret, struct gw_error *err)
{
    struct reader x = { .o = o, .err = err };
    struct gw_run_reply p = { .answer = GW_ANSWER_MAX };
    char answer[32] = "";
    take_text(&x, "answer", answer, sizeof answer);
    for (int k = 0; x.r == 0 && k < GW_ANSWER_MAX; k++) {
        if (strcmp(answer, gw_run_answer_name((enum gw_run_answer)k)) == 0)
            p.answer = (enum gw_run_answer)k;
    }
    if (x.r == 0 && p.answer == GW_ANSWER_MAX)
        bad(&x, "answer");
    p.have = (uint32_t)take_number(&x, "have", GW_RUN_ENTRIES_MAX);
    p.epoch = take_number(&x, "epoch", INT64_MAX);
    p.outcome.outcome = (enum gw_outcome)take_number(&x, "outcome", GW_OUTCOME_MAX - 1);
    take_text(&x, "detail", p.outcome.detail, sizeof p.outcome.detail);
    if (json_object_get(o, "busy") != NULL) /* a site of an older release does not say it */
        take_text(&x, "busy", p.busy, sizeof p.busy);
    take_text(&x, "sentence", p.sentence, sizeof p.sentence);
    int r = x.r;
    if (r == 0)
        r = read_entries(o, &p.entries, &p.n, err);
    if (r < 0)
        return r;
    *ret = p;
    return 0;
}
