// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The volumes of a running source: who uses which, and changing them (reshape.h). */
#include "base/checked.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/source_internal.h"

#include <errno.h>
#include <string.h>

#define NO_ROOM_MS 20u
#define LINK_BACK_MS 2000u

/* ---- users -----------------------------------------------------------------------------------
 */

void gw_source_publish_volumes(struct gw_source *s)
{
    const struct gw_reshape *c = &s->plan->meta.pending_shape;
    /* Of an earlier life: the target may have removed it, so nobody writes to it here. */
    if (c->kind == GW_RESHAPE_REMOVE)
        s->leaving =
            gw_slot_by_uuid(s->plan->meta.volume, s->plan->meta.n_volumes, &c->volume.uuid);
    for (unsigned i = 0; i < s->plan->meta.n_volumes; i++)
        s->volume_bytes[i] = s->plan->meta.volume[i].bytes;
}

int gw_source_volume_open(struct gw_source *s, const char *name, unsigned *ret, uint64_t *ret_bytes,
                          struct gw_error *err)
{
    LOCK_SCOPE(s->mu);
    const struct gw_meta *m = &s->plan->meta;
    int slot = gw_slot_by_name(m->volume, m->n_volumes, name);
    if (slot < 0)
        return gw_error_set(err, -ENOENT, "the plan has no volume '%s'", name);
    if (slot == s->leaving)
        return gw_error_set(err, -ENOENT, "volume '%s' is being removed from the plan", name);
    s->volume_users[slot]++;
    *ret = (unsigned)slot;
    *ret_bytes = m->volume[slot].bytes;
    return 0;
}

void gw_source_volume_close(struct gw_source *s, unsigned volume)
{
    LOCK_SCOPE(s->mu);
    s->volume_users[volume]--;
}

bool gw_source_volume_name(struct gw_source *s, unsigned i, char ret[GW_VOLUME_NAME_MAX])
{
    LOCK_SCOPE(s->mu);
    const struct gw_meta *m = &s->plan->meta;
    for (unsigned slot = 0; slot < m->n_volumes; slot++) {
        if (gw_slot_is_empty(&m->volume[slot]) || i-- > 0)
            continue;
        memcpy(ret, m->volume[slot].name, GW_VOLUME_NAME_MAX);
        return true;
    }
    return false;
}

/* ---- what becomes of a change ---------------------------------------------------------------- */

/* It is over, one way or the other. mu held. */
static void shape_over(struct gw_source *s)
{
    s->shape_seq = 0;
    s->shape_agreed = false;
    s->leaving = -1;
    pthread_cond_broadcast(&s->cv_ack);
    gw_source_changed(s);
}

static bool is_pending(const struct gw_source *s)
{
    return s->plan->meta.pending_shape.kind != GW_RESHAPE_NONE;
}

/* Stays pending where this fails: the next hello asks again. mu held. */
static int forget(struct gw_source *s, struct gw_error *err)
{
    int r = gw_plan_forget_shape(s->plan, err);
    if (r == 0)
        shape_over(s);
    return r;
}

void gw_source_on_shape_result(struct gw_source *s, const struct gw_result *result)
{
    struct gw_error err;
    if (s->shape_seq == 0 || result->seq != s->shape_seq)
        return;
    if (result->code == 0) {
        /* V2: adopted by the link thread, between two sessions: nobody uses a map without mu. */
        s->shape_agreed = true;
        gw_session_kill(s, GW_GOODBYE_RETRY, "the volumes have changed");
        return;
    }
    gw_error_set(&s->shape_error, -(int)result->code, "%s: %s", s->ses.peer.site_name,
                 result->sentence);
    if (forget(s, &err) < 0)
        gw_source_fail(s, &err);
}

int gw_source_lose_shape(struct gw_source *s, struct gw_error *err)
{
    if (!is_pending(s))
        return 0;
    gw_error_set(&s->shape_error, -ECONNABORTED,
                 "the standby did not get the change before the link was lost and a resync began: "
                 "nothing was changed");
    return forget(s, err);
}

/* SHAPE waits in the ring and will be sent again: the peer does not have it. mu held. */
static bool in_flight(const struct gw_source *s, const struct gw_side *peer)
{
    return s->attached && s->shape_seq > s->acked_seq && peer != NULL && s->shape_seq > peer->seq;
}

int gw_source_adopt_shape(struct gw_source *s, const struct gw_side *peer, bool *ret_adopted,
                          struct gw_error *err)
{
    *ret_adopted = false;
    pthread_mutex_lock(s->mu);
    bool pending = is_pending(s), agreed = s->shape_agreed, there = in_flight(s, peer);
    const struct gw_reshape c = s->plan->meta.pending_shape;
    pthread_mutex_unlock(s->mu);
    if (!pending || (peer == NULL && !agreed))
        return 0;
    int r;
    if (agreed) {
        bool refused;
        r = gw_plan_reshape(s->plan, &c, NULL, NULL, &refused, err);
        *ret_adopted = r == 0;
    } else {
        r = gw_plan_reconcile_shape(s->plan, peer, there, ret_adopted, err);
    }
    LOCK_SCOPE(s->mu);
    if (r < 0 && gw_plan_check_store(s->plan, err) < 0)
        gw_source_fail(s, err);
    if (r < 0)
        return r;
    gw_source_publish_volumes(s);
    if (!is_pending(s)) {
        if (!*ret_adopted)
            gw_error_set(&s->shape_error, -ECONNABORTED,
                         "the standby did not get the change: nothing was changed");
        shape_over(s);
    }
    return 0;
}

/* ---- asking for one --------------------------------------------------------------------------
 */

/* May the change begin? mu held. */
static int may_change(const struct gw_source *s, const struct gw_reshape *c, int slot,
                      struct gw_error *err)
{
    if (s->service != GW_SERVICE_SERVING)
        return gw_error_set(err, -EPERM, "volumes are changed at a serving source; this one is %s",
                            gw_service_state_name(s->service));
    if (s->token_out)
        return gw_error_set(err, -EPERM, "a handover is under way: no change behind its token");
    if (!gw_source_streaming(s))
        return gw_error_set(err, -ENOTCONN,
                            "volumes are changed at the standby first, and it does not follow: "
                            "replication is %s",
                            gw_repl_state_name(s->repl));
    if (s->ses.peer_version < GW_PROTOCOL_SHAPE)
        return gw_error_set(err, -EPROTONOSUPPORT,
                            "the standby's godwit cannot change volumes: upgrade it first");
    if (c->kind == GW_RESHAPE_REMOVE && s->volume_users[slot] > 0)
        return gw_error_set(err, -EBUSY,
                            "volume '%s' is in use by %u client%s: unmount it and close its "
                            "export first",
                            c->volume.name, s->volume_users[slot],
                            s->volume_users[slot] == 1 ? "" : "s");
    return 0;
}

/* Durable first: from here on only the target's word ends it. mu held. */
static int begin(struct gw_source *s, const struct gw_reshape *c, int slot, struct gw_error *err)
{
    struct gw_meta *m = &s->plan->meta;
    m->pending_shape = *c;
    m->reshapes += m->reshapes == 0;
    s->shape_error = (struct gw_error){ .code = 0 };
    if (c->kind == GW_RESHAPE_REMOVE)
        s->leaving = slot;
    int r = gw_plan_store_meta(s->plan, err);
    if (r < 0)
        gw_source_fail(s, err);
    return r;
}

static int queue_shape(struct gw_source *s, uint64_t until_ns, struct gw_error *err)
{
    uint8_t buf[GW_RESHAPE_BYTES];
    struct gw_writer w = gw_writer(buf, sizeof buf);
    gw_reshape_put(&w, &s->plan->meta.pending_shape);
    while (gw_source_streaming(s) && gw_io_boot_ns(s->plan->io) < until_ns) {
        s->shape_seq = gw_source_put_record(s, GW_RECORD_SHAPE, buf, sizeof buf);
        if (s->shape_seq != 0)
            return 0;
        gw_source_wait(s, &s->cv_ack, NO_ROOM_MS);
    }
    int r = forget(s, err);
    return r < 0 ? r
                 : gw_error_set(err, -EAGAIN,
                                "no room in the stream: nothing was changed, try "
                                "again");
}

/* Until nothing is pending any more. mu held. */
static int await(struct gw_source *s, uint64_t until_ns, struct gw_error *err)
{
    while (is_pending(s)) {
        if (s->stop || gw_io_boot_ns(s->plan->io) >= until_ns)
            return gw_error_set(err, -ETIMEDOUT,
                                "the standby has not said yet that it has the change: it is "
                                "UNKNOWN until asked again, and goes on by itself");
        s->ses.barrier = true;
        pthread_cond_signal(&s->cv_link);
        gw_source_wait(s, &s->cv_ack, 50);
    }
    return 0;
}

/* The change ended the session: whoever asks for the next thing finds a standby that follows. Made
 * is made, also where it does not come back. mu held. */
static void await_link(struct gw_source *s, uint64_t until_ns)
{
    uint64_t now = gw_io_boot_ns(s->plan->io);
    until_ns = GW_MIN(until_ns, now + LINK_BACK_MS * GW_NS_PER_MS);
    while (!s->stop && s->cfg.peer != NULL && !gw_source_streaming(s) &&
           gw_io_boot_ns(s->plan->io) < until_ns)
        gw_source_wait(s, &s->cv_change, 20);
}

static bool same_change(const struct gw_reshape *a, const struct gw_reshape *b)
{
    return a->kind == b->kind && gw_uuid_equal(&a->volume.uuid, &b->volume.uuid) &&
           a->volume.bytes == b->volume.bytes;
}

static int change(struct gw_source *s, const struct gw_reshape *c, uint64_t until_ns,
                  struct gw_error *err)
{
    const struct gw_meta *m = &s->plan->meta;
    int r = 0, slot = gw_reshape_check(m->volume, m->n_volumes, c, err);
    if (slot < 0)
        return slot == -EALREADY ? 0 : slot;
    if (!is_pending(s)) {
        r = may_change(s, c, slot, err);
        if (r == 0)
            r = begin(s, c, slot, err);
        if (r == 0)
            r = queue_shape(s, until_ns, err);
    } else if (!same_change(&m->pending_shape, c)) {
        r = gw_error_set(err, -EBUSY, "another change, of volume '%s', is under way",
                         m->pending_shape.volume.name);
    }
    if (r == 0)
        r = await(s, until_ns, err);
    if (r < 0)
        return r;
    slot = gw_reshape_check(m->volume, m->n_volumes, c, err);
    if (slot == -EALREADY) {
        await_link(s, until_ns);
        return 0;
    }
    if (s->shape_error.code < 0)
        *err = s->shape_error;
    return s->shape_error.code < 0 ? s->shape_error.code : slot < 0 ? slot : -EAGAIN;
}

int gw_source_change(struct gw_source *s, const struct gw_reshape *c, unsigned timeout_ms,
                     struct gw_error *err)
{
    LOCK_SCOPE(s->mu);
    if (s->changing)
        return gw_error_set(err, -EBUSY, "another change of volumes is under way");
    s->changing = true;
    int r = change(s, c, gw_io_boot_ns(s->plan->io) + timeout_ms * GW_NS_PER_MS, err);
    s->changing = false;
    return r;
}

int gw_source_check_change(struct gw_source *s, const struct gw_reshape *c, struct gw_error *err)
{
    LOCK_SCOPE(s->mu);
    const struct gw_meta *m = &s->plan->meta;
    int slot = gw_reshape_check(m->volume, m->n_volumes, c, err);
    if (slot < 0)
        return slot == -EALREADY ? 0 : slot;
    return is_pending(s) && same_change(&m->pending_shape, c) ? 0 : may_change(s, c, slot, err);
}
