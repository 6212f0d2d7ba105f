// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Sealing entries: the canonical bytes of a run and of an entry, and their hash. */
#include "run/entry.h"

#include "base/bytes.h"
#include "run/run.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

/* The largest: the fixed fields of a run, or an entry with its detail, and lengths and numbers. */
#define BYTES_MAX 4096u
_Static_assert(GW_RUN_PARAMS_MAX + GW_RUN_REASON_MAX + 6 * GW_RUN_NAME_MAX + 256 <= BYTES_MAX,
               "a run's fixed fields fit");
_Static_assert(GW_RUN_DETAIL_MAX + GW_ENTRY_BY_MAX + 256 <= BYTES_MAX, "an entry fits");

static void put_text(struct gw_writer *w, const char *text, size_t room)
{
    size_t n = strnlen(text, room);
    gw_put_u32(w, (uint32_t)n);
    gw_put_bytes(w, text, n);
}

static void put_run(struct gw_writer *w, const struct gw_run *r)
{
    put_text(w, r->id, sizeof r->id);
    put_text(w, r->plan, sizeof r->plan);
    put_text(w, gw_operation_name(r->operation), GW_RUN_NAME_MAX);
    put_text(w, r->site[GW_SIDE_OLD], GW_RUN_NAME_MAX);
    put_text(w, r->site[GW_SIDE_NEW], GW_RUN_NAME_MAX);
    put_text(w, r->requester, sizeof r->requester);
    put_text(w, r->reason, sizeof r->reason);
    put_text(w, r->plan_hash, sizeof r->plan_hash);
    gw_put_u64(w, r->epoch);
    gw_put_u64(w, r->created_wall_ns);
    gw_put_u64(w, r->start_wall_ns);
    gw_put_u64(w, r->abort_by_wall_ns);
    gw_put_u32(w, r->approvals);
    gw_put_u8(w, r->dry_run);
    gw_put_u8(w, r->return_on_unhealthy);
    put_text(w, r->supersedes, sizeof r->supersedes);
    put_text(w, r->params, sizeof r->params);
}

static void put_entry(struct gw_writer *w, const struct gw_run_entry *e)
{
    gw_put_u32(w, e->number);
    put_text(w, gw_entry_kind_name(e->core.kind), GW_RUN_NAME_MAX);
    gw_put_u32(w, e->core.flags);
    gw_put_u32(w, e->core.step);
    gw_put_u32(w, e->core.attempt);
    gw_put_u64(w, e->core.epoch);
    gw_put_u8(w, (uint8_t)e->core.side);
    gw_put_u64(w, e->wall_ns);
    gw_put_u64(w, e->took_ns);
    put_text(w, e->by, sizeof e->by);
    put_text(w, e->detail, sizeof e->detail);
}

/* An out-of-memory in the library leaves no hash to give: our environment is broken. */
static void hash_of(const struct gw_run_entry *e, const struct gw_run *run,
                    const struct gw_run_entry *prev, uint8_t ret[GW_ENTRY_HASH_BYTES])
{
    uint8_t bytes[2 * BYTES_MAX];
    struct gw_writer w = gw_writer(bytes, sizeof bytes);
    if (prev)
        gw_put_bytes(&w, prev->hash, sizeof prev->hash);
    else
        put_run(&w, run);
    put_entry(&w, e);
    if (w.failed || gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, w.pos, ret) < 0)
        abort();
}

void gw_run_entry_seal(struct gw_run_entry *e, const struct gw_run *run,
                       const struct gw_run_entry *prev)
{
    hash_of(e, run, prev, e->hash);
}

bool gw_run_entry_valid(const struct gw_run_entry *e, const struct gw_run *run,
                        const struct gw_run_entry *prev)
{
    uint8_t hash[GW_ENTRY_HASH_BYTES];
    if (e->number != (prev ? prev->number + 1 : 0) || (unsigned)e->core.kind >= GW_ENTRY_KIND_MAX ||
        (e->core.flags & ~GW_ENTRY_FLAGS_ALL) || strnlen(e->by, sizeof e->by) == sizeof e->by ||
        strnlen(e->detail, sizeof e->detail) == sizeof e->detail)
        return false;
    hash_of(e, run, prev, hash);
    return memcmp(hash, e->hash, sizeof hash) == 0;
}

bool gw_run_entry_equal(const struct gw_run_entry *a, const struct gw_run_entry *b)
{
    return a->number == b->number && memcmp(a->hash, b->hash, sizeof a->hash) == 0;
}
