// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "engine/source_fork.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "engine/points.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static bool is_state(const struct gw_point *pt, const struct gw_meta *m,
                     const struct gw_incarnation *e)
{
    struct gw_uuid left = gw_lineage_uuid(&pt->lineage);
    bool same = gw_uuid_equal(&left, &e->parent) && pt->seq == e->fork_seq;
    for (unsigned i = 0; same && i < m->n_volumes; i++) {
        int at = gw_slot_by_uuid(pt->volume, pt->n_volumes, &m->volume[i].uuid);
        same = gw_slot_is_empty(&m->volume[i]) ||
               (at >= 0 && pt->volume[at].bytes == m->volume[i].bytes);
    }
    return same;
}

static bool open_point(struct gw_fork *f, struct gw_plan *p, const struct gw_incarnation *e,
                       struct gw_error *err)
{
    CLEANUP_FREE struct gw_point *pt = malloc(sizeof *pt);
    char id[GW_ID_MAX];
    snprintf(id, sizeof id, "fork-%llu", (unsigned long long)e->epoch);
    if (pt == NULL || gw_point_load(p->io, p->dir, id, pt, err) < 0)
        return false;
    if (!is_state(pt, &p->meta, e)) {
        gw_error_set(err, -EINVAL, "recovery point %s is of another state", id);
        return false;
    }
    for (unsigned i = 0; i < p->meta.n_volumes; i++) {
        int at = gw_slot_by_uuid(pt->volume, pt->n_volumes, &p->meta.volume[i].uuid);
        if (at >= 0 &&
            gw_point_open_volume(p->io, p->dir, pt, (unsigned)at, &f->volume[i], err) < 0)
            return false;
    }
    return true;
}

/* How this plan's lineage left the peer's current incarnation. */
static bool find_fork(struct gw_plan *p, const struct gw_lineage *peer, struct gw_incarnation *ret)
{
    struct gw_uuid current = gw_lineage_uuid(peer);
    LOCK_SCOPE(&p->mu);
    const struct gw_lineage *l = &p->meta.lineage;
    int at = gw_lineage_find(l, &current);
    if (at < 0 || (uint32_t)at + 1 >= l->n)
        return false;
    *ret = l->e[at + 1];
    return ret->birth == GW_BIRTH_PROMOTION && gw_uuid_equal(&ret->parent, &current);
}

bool gw_fork_open(struct gw_fork *f, struct gw_plan *p, const struct gw_lineage *peer,
                  uint64_t fork_seq)
{
    *f = (struct gw_fork){ .open = false };
    struct gw_incarnation e;
    if (!find_fork(p, peer, &e) || e.fork_seq != fork_seq)
        return false;
    struct gw_error err = { .code = 0 };
    f->open = open_point(f, p, &e, &err);
    if (!f->open) {
        gw_log(GW_LOG_NOTICE, "the list of the divergent tail will be a superset: %s", err.msg);
        gw_fork_close(f);
    }
    return f->open;
}

void gw_fork_close(struct gw_fork *f)
{
    for (unsigned i = 0; i < GW_VOLUMES_MAX; i++)
        gw_file_close(f->volume[i]);
    *f = (struct gw_fork){ .open = false };
}
