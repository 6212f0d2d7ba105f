// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "control/describe.h"

#include "base/clock.h"

json_t *gw_describe_uuid(const struct gw_uuid *u)
{
    if (gw_uuid_is_none(u))
        return json_null();
    char text[GW_UUID_TEXT];
    gw_uuid_format(u, text);
    return json_string(text);
}

json_t *gw_describe_time(uint64_t wall_ns)
{
    if (wall_ns == 0)
        return json_null();
    char text[GW_TIME_TEXT];
    gw_time_format(wall_ns, text);
    return json_string(text);
}

static json_t *number(uint64_t n)
{
    return json_integer((json_int_t)n);
}

/* A fixed-point share of a hash is not a number to count with: text. */
static json_t *hex(uint64_t n)
{
    return json_sprintf("%016llx", (unsigned long long)n);
}

static json_t *site(const struct gw_meta *m, int i)
{
    return i == 0 || i == 1 ? json_string(m->site_name[i]) : json_null();
}

static const char *birth_name(enum gw_birth b)
{
    switch (b) {
    case GW_BIRTH_CREATION:
        return "creation";
    case GW_BIRTH_PROMOTION:
        return "promotion";
    case GW_BIRTH_RESTART:
        return "restart";
    }
    return "?";
}

json_t *gw_describe_lineage(const struct gw_meta *m, const struct gw_lineage *l)
{
    json_t *a = json_array();
    for (uint32_t i = 0; i < l->n; i++) {
        const struct gw_incarnation *e = &l->e[i];
        json_array_append_new(a, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o}", "epoch",
                                           number(e->epoch), "uuid", gw_describe_uuid(&e->uuid),
                                           "parent", gw_describe_uuid(&e->parent), "fork_seq",
                                           number(e->fork_seq), "had_seq", number(e->had_seq),
                                           "site", site(m, e->site), "birth", birth_name(e->birth),
                                           "time", gw_describe_time(e->wall_ns)));
    }
    return a;
}

json_t *gw_describe_verdict(const struct gw_meta *m, const struct gw_verdict *v)
{
    return json_pack("{s:i, s:s, s:o, s:o, s:b, s:b, s:o, s:s}", "row", v->row, "action",
                     gw_verdict_action_name(v->action), "source", site(m, v->source), "target",
                     site(m, v->target), "diverged", v->diverged, "compare_all", v->compare_all,
                     "fork_seq", number(v->fork_seq), "sentence", v->sentence);
}

json_t *gw_describe_volumes(const struct gw_side_volume *v, uint32_t n)
{
    json_t *a = json_array();
    for (uint32_t i = 0; i < n; i++) {
        if (gw_slot_is_empty(&v[i]))
            continue;
        json_array_append_new(a, json_pack("{s:s, s:o, s:o, s:o}", "name", v[i].name, "uuid",
                                           gw_describe_uuid(&v[i].uuid), "bytes",
                                           number(v[i].bytes), "slot", number(i)));
    }
    return a;
}

static const char *recorded_name(enum gw_recorded r)
{
    static const char *const names[] = { "none", "sync", "async", "unsync" };
    return names[r];
}

/* The change of volumes that is under way, or null. */
static json_t *describe_change(const struct gw_reshape *c)
{
    if (c->kind == GW_RESHAPE_NONE)
        return json_null();
    return json_pack("{s:s, s:s, s:o}", "change", gw_reshape_name(c->kind), "name", c->volume.name,
                     "bytes", number(c->volume.bytes));
}

static const char *pending_name(enum gw_pending p)
{
    static const char *const names[] = { "none", "resync", "rewind", "rollback" };
    return names[p];
}

json_t *gw_describe_token(const struct gw_token *t)
{
    return json_pack("{s:o, s:o, s:o, s:o}", "uuid", gw_describe_uuid(&t->uuid), "epoch",
                     number(t->epoch), "seq", number(t->seq), "chain", hex(t->chain));
}

json_t *gw_describe_meta(const struct gw_meta *m)
{
    json_t *o =
        json_pack("{s:s, s:o, s:o, s:o, s:s, s:b, s:b, s:b, s:b}", "plan", m->plan_name,
                  "plan_uuid", gw_describe_uuid(&m->plan), "site", site(m, m->site), "peer_site",
                  site(m, 1 - m->site), "role", gw_role_name(m->role), "clean", m->clean,
                  "consistent", m->consistent, "blank", m->blank, "unverified", m->unverified);
    struct gw_uuid uuid = gw_lineage_uuid(&m->lineage);
    json_object_set_new(o, "epoch", number(gw_lineage_epoch(&m->lineage)));
    json_object_set_new(o, "uuid", gw_describe_uuid(&uuid));
    json_object_set_new(o, "seq", number(m->seq));
    json_object_set_new(o, "chain", hex(m->chain));
    json_object_set_new(o, "seq_reserved", number(m->seq_reserved));
    json_object_set_new(o, "journal_pos", number(m->journal_pos));
    json_object_set_new(o, "highest_epoch", number(m->highest_epoch));
    json_object_set_new(o, "recorded", json_string(recorded_name(m->recorded)));
    json_object_set_new(o, "recorded_time", gw_describe_time(m->recorded_wall_ns));
    json_object_set_new(o, "pending", json_string(pending_name(m->pending)));
    json_object_set_new(o, "pending_id",
                        m->pending_id[0] != '\0' ? json_string(m->pending_id) : json_null());
    json_object_set_new(o, "token", m->token_valid ? gw_describe_token(&m->token) : json_null());
    json_object_set_new(o, "released", json_boolean(m->released));
    json_object_set_new(o, "may_serve", json_boolean(m->may_serve));
    json_object_set_new(o, "tail_signed_by",
                        m->signed_by[0] != '\0' && gw_uuid_equal(&m->signed_tail, &uuid)
                            ? json_string(m->signed_by)
                            : json_null());
    json_object_set_new(o, "generation", number(m->generation));
    json_object_set_new(o, "volumes", gw_describe_volumes(m->volume, m->n_volumes));
    json_object_set_new(o, "changing", describe_change(&m->pending_shape));
    return o;
}

json_t *gw_describe_plan(struct gw_plan *p)
{
    pthread_mutex_lock(&p->mu);
    json_t *o = gw_describe_meta(&p->meta);
    json_t *volumes = json_object_get(o, "volumes");
    size_t at = 0;
    for (unsigned i = 0; i < p->meta.n_volumes; i++) {
        if (gw_slot_is_empty(&p->meta.volume[i]))
            continue;
        json_t *v = json_array_get(volumes, at++);
        json_object_set_new(v, "dirty_blocks",
                            number(gw_bitmap_count(gw_dirtymap_fine(p->map[i])) +
                                   gw_dirtymap_in_flight(p->map[i])));
        json_object_set_new(v, "coarse_extents",
                            number(gw_bitmap_count(gw_dirtymap_coarse(p->map[i]))));
    }
    json_object_set_new(o, "dirty_blocks", number(gw_plan_dirty_blocks(p)));
    json_object_set_new(o, "coarse_extents", number(gw_plan_coarse_extents(p)));
    json_object_set_new(o, "crashed_active", json_boolean(gw_plan_crashed_active(p)));
    json_object_set_new(o, "meta_slot_lost", json_boolean(p->slot_lost));
    json_object_set_new(o, "damaged_map_pages", number(p->map_damaged));
    pthread_mutex_unlock(&p->mu);
    return o;
}

json_t *gw_describe_point(const struct gw_meta *m, const struct gw_point *p)
{
    (void)m;
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "id", p->id, "tag", p->tag, "kind",
                     p->kind == GW_POINT_CLONE ? "clone" : "copy", "epoch",
                     number(gw_lineage_epoch(&p->lineage)), "seq", number(p->seq), "time",
                     gw_describe_time(p->wall_ns));
}

json_t *gw_describe_undo(const struct gw_meta *m, const char *id, const struct gw_undo_manifest *u,
                         bool finished, uint64_t blocks, uint64_t file_bytes)
{
    (void)m;
    return json_pack("{s:s, s:o, s:o, s:o, s:o, s:b, s:o, s:o, s:b, s:o, s:o}", "id", id, "epoch",
                     number(gw_lineage_epoch(&u->lineage)), "seq", number(u->seq), "fork_seq",
                     number(u->fork_seq), "time", gw_describe_time(u->wall_ns), "diverged",
                     u->diverged, "signed_by",
                     u->signed_by[0] != '\0' ? json_string(u->signed_by) : json_null(),
                     "signed_time", gw_describe_time(u->signed_wall_ns), "finished", finished,
                     "blocks", number(blocks), "file_bytes", number(file_bytes));
}

json_t *gw_describe_tail(const struct gw_undo_manifest *u, const struct gw_tail *t,
                         size_t max_ranges)
{
    json_t *ranges = json_array();
    for (size_t i = 0; i < t->n && i < max_ranges; i++)
        json_array_append_new(ranges, json_pack("{s:s, s:o, s:o}", "volume",
                                                u->volume[t->range[i].volume].name, "offset",
                                                number(t->range[i].offset), "length",
                                                number(t->range[i].length)));
    return json_pack("{s:b, s:o, s:o, s:o, s:o}", "exact", t->exact, "blocks", number(t->blocks),
                     "bytes", number(t->bytes), "n_ranges", number(t->n), "ranges", ranges);
}

json_t *gw_describe_promotion(const struct gw_promote_result *r)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:b, s:b, s:b, s:b, s:f}", "epoch", number(r->epoch),
                     "fork_seq", number(r->fork_seq), "replayed_bytes", number(r->replayed_bytes),
                     "rewound_blocks", number(r->rewound_blocks), "compare_all", r->compare_all,
                     "handover", r->token, "unverified", r->unverified, "fork_point", r->fork_point,
                     "seconds", r->seconds);
}
