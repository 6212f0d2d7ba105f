// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/catalog_internal.h"
#include "catalog/rows.h"
#include "catalog/text.h"

#include "base/checked.h"

#include <errno.h>
#include <string.h>

/* What a run is never changes: the first member that differs, or NULL. JSON is compared by meaning.
 */
static const char *differs(struct gw_catalog_mem *mem, const struct gw_catalog_run *a,
                           const struct gw_catalog_run *b)
{
    const struct {
        const char *name, *a, *b;
    } texts[] = {
        { "plan", a->plan_uuid, b->plan_uuid },      { "operation", a->operation, b->operation },
        { "requester", a->requester, b->requester }, { "old site", a->old_site, b->old_site },
        { "new site", a->new_site, b->new_site },    { "plan's hash", a->plan_hash, b->plan_hash },
    };
    for (size_t i = 0; i < GW_ARRAY_SIZE(texts); i++)
        if (strcmp(texts[i].a == NULL ? "" : texts[i].a, texts[i].b == NULL ? "" : texts[i].b) != 0)
            return texts[i].name;
    const char *pa, *pb;
    if (gw_text_json(mem, a->params, &pa, NULL) < 0 ||
        gw_text_json(mem, b->params, &pb, NULL) < 0 || strcmp(pa, pb) != 0)
        return "parameters";
    if (a->mode != b->mode)
        return "mode";
    return a->created_wall_ns != b->created_wall_ns ? "time of creation" : NULL;
}

static int judge(struct gw_catalog_mem *mem, const struct gw_catalog_run *now,
                 const struct gw_catalog_run *copy, struct gw_error *err)
{
    const char *what = differs(mem, now, copy);
    if (what != NULL)
        return gw_error_set(err, -EBADMSG,
                            "run %s of the peer is not the run %s of this site: its "
                            "%s differs",
                            copy->id, now->id, what);
    if (copy->term == now->term && copy->revision == now->revision)
        return 0;
    if (copy->term < now->term || (copy->term == now->term && copy->revision < now->revision))
        return gw_error_set(err, -ESTALE,
                            "run %s: term %llu revision %llu is of the past, \"%s\" coordinates in "
                            "term %llu",
                            now->id, (unsigned long long)copy->term,
                            (unsigned long long)copy->revision, now->coordinator,
                            (unsigned long long)now->term);
    if (now->finished_wall_ns != 0 && (copy->state != now->state || copy->finished_wall_ns == 0))
        return gw_error_set(err, -ESTALE, "run %s has ended here: %s", now->id,
                            gw_catalog_run_state_name(now->state));
    return 1;
}

int gw_catalog_run_copy(struct gw_catalog *c, const struct gw_catalog_run *row,
                        struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    struct gw_catalog_run now, next = *row;
    if (gw_catalog_run_state_is_final(row->state) != (row->finished_wall_ns != 0))
        return gw_error_set(err, -EBADMSG, "run %s of the peer is %s, but %s", row->id,
                            gw_catalog_run_state_name(row->state),
                            row->finished_wall_ns != 0 ? "has ended" : "has not ended");
    int r = gw_catalog_begin(c, &tx, err);
    if (r < 0)
        return r;
    r = gw_table_get(&c->writer, &gw_run_table, "WHERE id = ?", GW_BINDS(GW_T(row->id)), &mem, &now,
                     err);
    if (r == 0) {
        r = gw_run_insert(&c->writer, row, err);
    } else if (r > 0) {
        r = judge(&mem, &now, row, err);
        if (r == 0)
            return 0; /* the same again */
        /* The first finish counts: a later copy may only add to it. */
        if (r > 0 && now.finished_wall_ns != 0) {
            next.finished_wall_ns = now.finished_wall_ns;
            next.coordinator = now.coordinator;
            next.epoch = now.epoch;
        }
        if (r > 0)
            r = gw_table_update(&c->writer, &gw_run_table, "term", "cancel_wall_ns", &next,
                                "WHERE id = ?", GW_BINDS(GW_T(row->id)), err);
    }
    return r < 0 ? r : gw_catalog_commit(&tx, err);
}
