// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "replica/replica_control.h"

#include "base/checked.h"
#include "control/change.h"
#include "control/describe.h"
#include "engine/promote.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A promotion stops the replica: nothing else may use it meanwhile. */
static pthread_rwlock_t in_use = PTHREAD_RWLOCK_INITIALIZER;

static int still_replica(const struct replica_control *rc, struct gw_error *err)
{
    if (!rc->promoted)
        return 0;
    return gw_error_set(err, -ESHUTDOWN, "this side was promoted: start the source here");
}

static int on_status(void *ctx, json_t *request, struct gw_control_reply *reply,
                     struct gw_error *err)
{
    struct replica_control *rc = ctx;
    (void)request;
    pthread_rwlock_rdlock(&in_use);
    int r = still_replica(rc, err);
    if (r == 0) {
        struct gw_replica_status status;
        gw_replica_get_status(rc->replica, &status);
        gw_control_reply_merge(reply, gw_describe_plan(rc->plan));
        gw_control_reply_merge(reply, gw_describe_replica(&rc->plan->meta, &status));
    }
    pthread_rwlock_unlock(&in_use);
    return r;
}

static int on_lineage(void *ctx, json_t *request, struct gw_control_reply *reply,
                      struct gw_error *err)
{
    struct replica_control *rc = ctx;
    (void)request;
    (void)err;
    pthread_mutex_lock(&rc->plan->mu);
    json_t *l = gw_describe_lineage(&rc->plan->meta, &rc->plan->meta.lineage);
    pthread_mutex_unlock(&rc->plan->mu);
    gw_control_reply_set(reply, "lineage", l);
    return 0;
}

static int on_point(void *ctx, json_t *request, struct gw_control_reply *reply,
                    struct gw_error *err)
{
    struct replica_control *rc = ctx;
    const char *id = NULL, *tag = "";
    int r = gw_control_arg_text(request, "id", true, &id, err);
    if (r == 0)
        r = gw_control_arg_text(request, "tag", false, &tag, err);
    if (r < 0)
        return r;
    if (strlen(id) >= GW_ID_MAX || strlen(tag) >= GW_ID_MAX)
        return gw_error_set(err, -EINVAL, "an id or tag is at most %u bytes", GW_ID_MAX - 1);
    struct gw_point *p = calloc(1, sizeof *p);
    if (p == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    snprintf(p->id, sizeof p->id, "%s", id);
    snprintf(p->tag, sizeof p->tag, "%s", tag);
    pthread_rwlock_rdlock(&in_use);
    r = still_replica(rc, err);
    if (r == 0)
        r = gw_replica_point(rc->replica, p, err);
    pthread_rwlock_unlock(&in_use);
    if (r == 0)
        gw_control_reply_set(reply, "point", gw_describe_point(&rc->plan->meta, p));
    free(p);
    return r;
}

static int add_point(void *arg, const struct gw_point *p)
{
    json_array_append_new(arg, gw_describe_point(NULL, p));
    return 0;
}

static int on_points(void *ctx, json_t *request, struct gw_control_reply *reply,
                     struct gw_error *err)
{
    struct replica_control *rc = ctx;
    (void)request;
    json_t *a = json_array();
    int r = gw_point_list(rc->plan->io, rc->plan->dir, add_point, a, err);
    gw_control_reply_set(reply, "points", a);
    return r < 0 ? r : 0;
}

#define TAIL_RANGES_MAX 4096u

struct tail_list {
    const struct gw_plan *plan;
    json_t *ranges;
    uint64_t bytes;
    size_t n;
};

static bool add_range(void *arg, unsigned volume, uint64_t offset, uint64_t length)
{
    struct tail_list *t = arg;
    t->bytes += length;
    if (t->n++ < TAIL_RANGES_MAX)
        json_array_append_new(
            t->ranges, json_pack("{s:s, s:I, s:I}", "volume", t->plan->meta.volume[volume].name,
                                 "offset", (json_int_t)offset, "length", (json_int_t)length));
    return true;
}

/* What a person signs: the blocks of this side's own set that differ from the source. */
static int on_tail(void *ctx, json_t *request, struct gw_control_reply *reply, struct gw_error *err)
{
    struct replica_control *rc = ctx;
    (void)request;
    pthread_rwlock_rdlock(&in_use);
    int r = still_replica(rc, err);
    if (r == 0) {
        struct gw_replica_status status;
        struct tail_list t = { .plan = rc->plan, .ranges = json_array() };
        gw_replica_get_status(rc->replica, &status);
        gw_replica_each_tail(rc->replica, add_range, &t);
        gw_control_reply_merge(
            reply, json_pack("{s:b, s:b, s:b, s:I, s:I, s:I, s:o}", "known", status.tail.known,
                             "complete", status.tail.complete, "exact", status.tail.exact, "blocks",
                             (json_int_t)status.tail.blocks, "bytes", (json_int_t)t.bytes,
                             "n_ranges", (json_int_t)t.n, "ranges", t.ranges));
    }
    pthread_rwlock_unlock(&in_use);
    return r;
}

static int on_sign(void *ctx, json_t *request, struct gw_control_reply *reply, struct gw_error *err)
{
    struct replica_control *rc = ctx;
    const char *by = NULL;
    (void)reply;
    int r = gw_control_arg_text(request, "by", true, &by, err);
    if (r < 0)
        return r;
    pthread_rwlock_rdlock(&in_use);
    r = still_replica(rc, err);
    if (r == 0)
        r = gw_replica_sign(rc->replica, by, err);
    pthread_rwlock_unlock(&in_use);
    return r;
}

static int on_choose(void *ctx, json_t *request, struct gw_control_reply *reply,
                     struct gw_error *err)
{
    struct replica_control *rc = ctx;
    const char *by = NULL, *survivor = NULL;
    struct gw_uuid uuid;
    (void)reply;
    int r = gw_control_arg_text(request, "by", true, &by, err);
    if (r == 0)
        r = gw_control_arg_text(request, "survivor", true, &survivor, err);
    if (r < 0)
        return r;
    if (!gw_uuid_parse(survivor, &uuid))
        return gw_error_set(err, -EINVAL, "'%s' is not a uuid; see 'lineage'", survivor);
    pthread_rwlock_rdlock(&in_use);
    r = still_replica(rc, err);
    if (r == 0)
        r = gw_replica_choose(rc->replica, &uuid, by, err);
    pthread_rwlock_unlock(&in_use);
    return r;
}

static int on_volume_prepare(void *ctx, json_t *request, struct gw_control_reply *reply,
                             struct gw_error *err)
{
    struct replica_control *rc = ctx;
    struct gw_reshape change;
    const char *path = NULL;
    (void)reply;
    int r = gw_control_arg_change(request, rc->plan, &change, &path, err);
    if (r < 0)
        return r;
    pthread_rwlock_rdlock(&in_use);
    r = still_replica(rc, err);
    if (r == 0)
        r = gw_plan_prepare_change(rc->plan, &change, path, err);
    pthread_rwlock_unlock(&in_use);
    return r;
}

static int on_promote(void *ctx, json_t *request, struct gw_control_reply *reply,
                      struct gw_error *err)
{
    struct replica_control *rc = ctx;
    struct gw_promote_options o = { .point = NULL };
    int r = gw_control_arg_text(request, "point", false, &o.point, err);
    if (r == 0)
        r = gw_control_arg_bool(request, "roll_back", false, &o.roll_back, err);
    if (r == 0)
        r = gw_control_arg_bool(request, "confirm_alone", false, &o.confirm_alone, err);
    if (r < 0)
        return r;
    struct gw_promote_result result;
    pthread_rwlock_wrlock(&in_use);
    r = still_replica(rc, err);
    if (r == 0)
        r = gw_promote_check(rc->plan, &o, err); /* refused before anything is stopped */
    if (r == 0) {
        gw_replica_stop(rc->replica); /* received, durable, applied; the link is down */
        r = gw_promote(rc->plan, &o, &result, err);
        /* Promoted or not, this process has stopped receiving: it ends, and is started anew. */
        rc->promoted = true;
        kill(getpid(), SIGUSR1);
    }
    pthread_rwlock_unlock(&in_use);
    if (r == 0)
        gw_control_reply_merge(reply, gw_describe_promotion(&result));
    return r;
}

static int on_stop(void *ctx, json_t *request, struct gw_control_reply *reply, struct gw_error *err)
{
    (void)ctx;
    (void)request;
    (void)reply;
    (void)err;
    kill(getpid(), SIGUSR1);
    return 0;
}

static const struct gw_control_command commands[] = {
    { "status", NULL, "the state of this side and of its session", on_status },
    { "lineage", NULL, "the ancestry of this side's image", on_lineage },
    { "point", "id tag", "make a recovery point now", on_point },
    { "points", NULL, "list the recovery points", on_points },
    { "tail", NULL, "the divergent tail that the last assess found, by volume and range", on_tail },
    { "sign", "by", "sign what becomes of this side's divergent tail: kept, then resync", on_sign },
    { "choose", "survivor by", "split brain: name the surviving incarnation", on_choose },
    { "prepare", "change name bytes path uuid",
      "make this side ready for a change of the volumes; nothing is changed", on_volume_prepare },
    { "promote", "point roll_back confirm_alone", "begin a new reign here; the process ends",
      on_promote },
    { "stop", NULL, "stop this process cleanly", on_stop },
};

int replica_control_start(const char *path, struct replica_control *rc, struct gw_control **ret,
                          struct gw_error *err)
{
    const struct gw_control_config config = {
        .path = path,
        .commands = commands,
        .n_commands = GW_ARRAY_SIZE(commands),
        .ctx = rc,
    };
    return gw_control_start(&config, ret, err);
}
