// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Guards: the request's list against what was found. */
#include "core/guard.h"

#include "base/checked.h"
#include "core/guard_rows.h"

#include <string.h>

static const char *const verdict_names[GW_GUARD_VERDICT_MAX] = {
    [GW_GUARD_PASSED] = "passed", [GW_GUARD_OVERRIDDEN] = "overridden",
    [GW_GUARD_FAILED] = "failed", [GW_GUARD_NOT_KNOWN] = "not-known",
    [GW_GUARD_WAITS] = "waits",
};

static const struct gw_guard_check no_such_request = {
    .guard = GW_GUARD_MAX,
    .verdict = GW_GUARD_FAILED,
    .looks_at = "the request",
    .sentence = "there is no such request",
    .way_out = "godwit --help lists the commands",
};

const char *gw_guard_verdict_name(enum gw_guard_verdict v)
{
    return (unsigned)v < GW_GUARD_VERDICT_MAX ? verdict_names[v] : "invalid";
}

const char *gw_request_name(enum gw_request r)
{
    return (unsigned)r < GW_REQUEST_MAX ? gw_guard_lists[r].name : "invalid";
}

bool gw_request_parse(const char *word, enum gw_request *ret_request)
{
    for (unsigned i = 0; i < GW_REQUEST_MAX; i++) {
        if (strcmp(word, gw_guard_lists[i].name) == 0) {
            *ret_request = (enum gw_request)i;
            return true;
        }
    }
    return false;
}

enum gw_operation_id gw_request_op(enum gw_request r)
{
    return (unsigned)r < GW_REQUEST_MAX ? gw_guard_lists[r].op : GW_OPERATION_NONE;
}

const char *gw_guard_name(enum gw_guard g)
{
    return (unsigned)g < GW_GUARD_MAX ? gw_guard_texts[g].name : "invalid";
}

const char *gw_guard_looks_at(enum gw_guard g)
{
    return (unsigned)g < GW_GUARD_MAX ? gw_guard_texts[g].looks_at : "invalid";
}

const char *gw_guard_sentence(enum gw_guard g)
{
    return (unsigned)g < GW_GUARD_MAX ? gw_guard_texts[g].sentence : "invalid";
}

const char *gw_guard_way_out(enum gw_guard g)
{
    return (unsigned)g < GW_GUARD_MAX ? gw_guard_texts[g].way_out : "invalid";
}

bool gw_guard_parse(const char *word, enum gw_guard *ret_guard)
{
    for (unsigned i = 0; i < GW_GUARD_MAX; i++) {
        if (strcmp(word, gw_guard_texts[i].name) == 0) {
            *ret_guard = (enum gw_guard)i;
            return true;
        }
    }
    return false;
}

enum gw_guard_use gw_guard_use(enum gw_request r, enum gw_guard g)
{
    if ((unsigned)r >= GW_REQUEST_MAX)
        return GW_GUARD_NOT_USED;
    for (unsigned i = 0; i < gw_guard_lists[r].n; i++) {
        if (gw_guard_lists[r].rows[i].guard == g)
            return gw_guard_lists[r].rows[i].use;
    }
    return GW_GUARD_NOT_USED;
}

static enum gw_guard_verdict judge(const struct gw_guard_row *row, const struct gw_guard_facts *f)
{
    if (f->ok[row->guard] == GW_TRI_YES)
        return GW_GUARD_PASSED;
    if (row->use == GW_GUARD_CAN_WAIT)
        return GW_GUARD_WAITS;
    if (row->use == GW_GUARD_CAN_FORCE && f->overridden[row->guard])
        return GW_GUARD_OVERRIDDEN;
    return f->ok[row->guard] == GW_TRI_NO ? GW_GUARD_FAILED : GW_GUARD_NOT_KNOWN;
}

size_t gw_guards_check(enum gw_request r, const struct gw_guard_facts *f,
                       struct gw_guard_check ret[GW_GUARD_MAX])
{
    if ((unsigned)r >= GW_REQUEST_MAX)
        return 0;
    const struct gw_guard_list *list = &gw_guard_lists[r];
    for (unsigned i = 0; i < list->n; i++) {
        const struct gw_guard_row *row = &list->rows[i];
        const struct gw_guard_text *text = &gw_guard_texts[row->guard];
        enum gw_guard_verdict v = judge(row, f);
        ret[i] = (struct gw_guard_check){
            .guard = row->guard,
            .verdict = v,
            .forceable = row->use == GW_GUARD_CAN_FORCE,
            .looks_at = text->looks_at,
            .value = f->value[row->guard],
            .limit = f->limit[row->guard],
            .sentence = v == GW_GUARD_PASSED                               ? ""
                        : v == GW_GUARD_NOT_KNOWN && text->unknown != NULL ? text->unknown
                                                                           : text->sentence,
            .way_out = v == GW_GUARD_PASSED ? "" : text->way_out,
        };
    }
    return list->n;
}

const struct gw_guard_check *gw_guards_refusal(const struct gw_guard_check *checks, size_t n)
{
    if (n == 0)
        return &no_such_request;
    for (size_t i = 0; i < n; i++) {
        if (checks[i].verdict == GW_GUARD_FAILED || checks[i].verdict == GW_GUARD_NOT_KNOWN)
            return &checks[i];
    }
    return NULL;
}
