// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "plugin/source_control.h"

#include "base/checked.h"
#include "base/clock.h"
#include "control/change.h"
#include "control/describe.h"
#include "engine/address.h"

#include <errno.h>

#define QUIESCE_MS 10000u
#define EQUAL_MS 30000u
#define TIMEOUT_MS_MAX (24u * 3600 * 1000)

struct served {
    struct gw_plan *plan;
    struct gw_source *source;
    const struct gw_tls_files *tls;
    void (*stop)(void);
};

static int timeout_arg(const json_t *request, unsigned by_default, unsigned *ret,
                       struct gw_error *err)
{
    uint64_t ms = by_default;
    int r = gw_control_arg_u64(request, "timeout_ms", false, &ms, err);
    *ret = (unsigned)GW_MIN(ms, (uint64_t)TIMEOUT_MS_MAX);
    return r;
}

static int on_status(void *ctx, json_t *request, struct gw_control_reply *reply,
                     struct gw_error *err)
{
    const struct served *s = ctx;
    struct gw_source_status status;
    (void)request;
    (void)err;
    gw_source_get_status(s->source, &status);
    gw_control_reply_merge(reply, gw_describe_plan(s->plan));
    gw_control_reply_merge(reply, gw_describe_source(&s->plan->meta, &status));
    return 0;
}

static int on_lineage(void *ctx, json_t *request, struct gw_control_reply *reply,
                      struct gw_error *err)
{
    struct served *s = ctx;
    (void)request;
    (void)err;
    pthread_mutex_lock(&s->plan->mu);
    json_t *l = gw_describe_lineage(&s->plan->meta, &s->plan->meta.lineage);
    pthread_mutex_unlock(&s->plan->mu);
    gw_control_reply_set(reply, "lineage", l);
    return 0;
}

static int on_quiesce(void *ctx, json_t *request, struct gw_control_reply *reply,
                      struct gw_error *err)
{
    const struct served *s = ctx;
    unsigned ms = 0;
    (void)reply;
    int r = timeout_arg(request, QUIESCE_MS, &ms, err);
    return r < 0 ? r : gw_source_quiesce(s->source, ms, err);
}

static int on_unquiesce(void *ctx, json_t *request, struct gw_control_reply *reply,
                        struct gw_error *err)
{
    const struct served *s = ctx;
    unsigned ms = 0;
    (void)reply;
    int r = timeout_arg(request, QUIESCE_MS, &ms, err);
    return r < 0 ? r : gw_source_unquiesce(s->source, ms, err);
}

static int on_equal(void *ctx, json_t *request, struct gw_control_reply *reply,
                    struct gw_error *err)
{
    const struct served *s = ctx;
    unsigned ms = 0;
    struct gw_token token;
    int r = timeout_arg(request, EQUAL_MS, &ms, err);
    if (r == 0)
        r = gw_source_equal(s->source, ms, &token, err);
    if (r == 0)
        gw_control_reply_set(reply, "token", gw_describe_token(&token));
    return r;
}

static int on_release(void *ctx, json_t *request, struct gw_control_reply *reply,
                      struct gw_error *err)
{
    const struct served *s = ctx;
    (void)request;
    (void)reply;
    return gw_source_release(s->source, err);
}

/* quiesce, equal, release. Before the release a failure returns service to where it was. */
static int on_handover(void *ctx, json_t *request, struct gw_control_reply *reply,
                       struct gw_error *err)
{
    const struct served *s = ctx;
    unsigned ms = 0;
    struct gw_token token;
    int r = timeout_arg(request, EQUAL_MS, &ms, err);
    if (r < 0)
        return r;
    uint64_t began = gw_boot_ns();
    r = gw_source_quiesce(s->source, ms, err);
    uint64_t quiesced = gw_boot_ns();
    if (r == 0)
        r = gw_source_equal(s->source, ms, &token, err);
    if (r < 0) {
        struct gw_error undo;
        if (gw_source_unquiesce(s->source, QUIESCE_MS, &undo) < 0)
            return gw_error_wrap(err,
                                 "nothing was handed over, and service could not be resumed "
                                 "(%s)",
                                 undo.msg);
        return gw_error_wrap(err, "nothing was handed over, service goes on here");
    }
    r = gw_source_release(s->source, err);
    if (r < 0)
        return r;
    gw_control_reply_set(reply, "token", gw_describe_token(&token));
    gw_control_reply_set(reply, "quiesced_ms",
                         json_real((double)(quiesced - began) / (double)GW_NS_PER_MS));
    gw_control_reply_set(reply, "released_ms",
                         json_real((double)(gw_boot_ns() - began) / (double)GW_NS_PER_MS));
    return 0;
}

static int on_grant(void *ctx, json_t *request, struct gw_control_reply *reply,
                    struct gw_error *err)
{
    const struct served *s = ctx;
    uint64_t deadline = 0, for_ms = 0;
    (void)reply;
    int r = gw_control_arg_u64(request, "deadline_ns", false, &deadline, err);
    if (r == 0)
        r = gw_control_arg_u64(request, "for_ms", false, &for_ms, err);
    if (r < 0)
        return r;
    if ((deadline == 0) == (for_ms == 0))
        return gw_error_set(err, -EINVAL, "grant needs either deadline_ns (boot time) or for_ms");
    if (deadline == 0)
        deadline = gw_boot_ns() + GW_MIN(for_ms, (uint64_t)TIMEOUT_MS_MAX) * GW_NS_PER_MS;
    return gw_source_grant(s->source, deadline, err);
}

static int on_fence(void *ctx, json_t *request, struct gw_control_reply *reply,
                    struct gw_error *err)
{
    const struct served *s = ctx;
    const char *reason = NULL;
    (void)reply;
    int r = gw_control_arg_text(request, "reason", true, &reason, err);
    return r < 0 ? r : gw_source_fence(s->source, reason, err);
}

static int on_verify(void *ctx, json_t *request, struct gw_control_reply *reply,
                     struct gw_error *err)
{
    const struct served *s = ctx;
    uint64_t rate = 0;
    (void)reply;
    int r = gw_control_arg_u64(request, "rate_bytes", false, &rate, err);
    return r < 0 ? r : gw_source_verify(s->source, rate, err);
}

static int on_resync(void *ctx, json_t *request, struct gw_control_reply *reply,
                     struct gw_error *err)
{
    const struct served *s = ctx;
    bool all = false;
    (void)reply;
    int r = gw_control_arg_bool(request, "all", false, &all, err);
    return r < 0 ? r : gw_source_resync(s->source, all, err);
}

static int on_point(void *ctx, json_t *request, struct gw_control_reply *reply,
                    struct gw_error *err)
{
    const struct served *s = ctx;
    const char *id = NULL, *tag = "";
    unsigned ms = 0;
    (void)reply;
    int r = gw_control_arg_text(request, "id", true, &id, err);
    if (r == 0)
        r = gw_control_arg_text(request, "tag", false, &tag, err);
    if (r == 0)
        r = timeout_arg(request, EQUAL_MS, &ms, err);
    return r < 0 ? r : gw_source_point(s->source, id, tag, ms, err);
}

static int on_volume(void *ctx, json_t *request, struct gw_control_reply *reply,
                     struct gw_error *err)
{
    const struct served *s = ctx;
    struct gw_reshape change;
    const char *path = NULL;
    unsigned ms = 0;
    (void)reply;
    int r = gw_control_arg_change(request, s->plan, &change, &path, err);
    if (r == 0)
        r = timeout_arg(request, EQUAL_MS, &ms, err);
    if (r == 0)
        r = gw_plan_prepare_change(s->plan, &change, path, err);
    return r < 0 ? r : gw_source_change(s->source, &change, ms, err);
}

static int on_volume_prepare(void *ctx, json_t *request, struct gw_control_reply *reply,
                             struct gw_error *err)
{
    const struct served *s = ctx;
    struct gw_reshape change;
    const char *path = NULL;
    (void)reply;
    int r = gw_control_arg_change(request, s->plan, &change, &path, err);
    if (r == 0)
        r = gw_source_check_change(s->source, &change, err);
    return r < 0 ? r : gw_plan_prepare_change(s->plan, &change, path, err);
}

static int on_bandwidth(void *ctx, json_t *request, struct gw_control_reply *reply,
                        struct gw_error *err)
{
    const struct served *s = ctx;
    uint64_t bytes = 0;
    (void)reply;
    int r = gw_control_arg_u64(request, "bytes_per_second", true, &bytes, err);
    if (r == 0)
        gw_source_bandwidth(s->source, bytes);
    return r;
}

/* The files are read again: the machine that the peer is now has another certificate. */
static int on_peer(void *ctx, json_t *request, struct gw_control_reply *reply, struct gw_error *err)
{
    const struct served *s = ctx;
    struct gw_tls *tls = NULL;
    const char *address = NULL;
    (void)reply;
    int r = gw_control_arg_text(request, "address", true, &address, err);
    if (r == 0)
        r = gw_address_check(address, s->tls->ca != NULL, err);
    if (r == 0 && s->tls->ca != NULL)
        r = gw_tls_load(s->tls, &tls, err);
    if (r == 0)
        r = gw_source_set_peer(s->source, address, tls, err);
    gw_tls_free(tls);
    return r;
}

static int on_stop(void *ctx, json_t *request, struct gw_control_reply *reply, struct gw_error *err)
{
    const struct served *s = ctx;
    (void)request;
    (void)reply;
    (void)err;
    s->stop();
    return 0;
}

static const struct gw_control_command commands[] = {
    { "status", NULL, "the state of this side, its service and its replication", on_status },
    { "lineage", NULL, "the ancestry of this side's image", on_lineage },
    { "quiesce", "timeout_ms", "no new writes; wait for those in flight", on_quiesce },
    { "unquiesce", "timeout_ms", "serve again; voids a handover token first", on_unquiesce },
    { "equal", "timeout_ms", "quiesced: prove that the peer holds exactly this", on_equal },
    { "release", NULL, "after equal: drop the authority durably", on_release },
    { "handover", "timeout_ms", "quiesce, equal, release", on_handover },
    { "grant", "deadline_ns for_ms", "serve until a boot-time deadline", on_grant },
    { "fence", "reason", "stop serving for good", on_fence },
    { "verify", "rate_bytes", "compare all data with the peer, online", on_verify },
    { "resync", "all", "resync what is dirty; all: compare everything", on_resync },
    { "point", "id tag timeout_ms", "a recovery point at the peer, exactly here", on_point },
    { "prepare", "change name bytes path uuid",
      "make this side ready for a change of the volumes; nothing is changed", on_volume_prepare },
    { "volume", "change name bytes path uuid timeout_ms",
      "grow, add or remove a volume, at the peer first; it was made ready there", on_volume },
    { "bandwidth", "bytes_per_second", "limit the link; 0: no limit", on_bandwidth },
    { "peer", "address", "the peer is another machine: its address; TLS files are read again",
      on_peer },
    { "stop", NULL, "stop this process cleanly", on_stop },
};

int source_control_start(const char *path, struct gw_plan *plan, struct gw_source *source,
                         const struct gw_tls_files *tls, void (*stop)(void),
                         struct gw_control **ret, struct gw_error *err)
{
    static struct served served; /* one plan a process */
    served = (struct served){ .plan = plan, .source = source, .tls = tls, .stop = stop };
    const struct gw_control_config config = {
        .path = path,
        .commands = commands,
        .n_commands = GW_ARRAY_SIZE(commands),
        .ctx = &served,
    };
    return gw_control_start(&config, ret, err);
}
