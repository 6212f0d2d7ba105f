// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site.h"

#include "simnet.h"

#include "engine/meta.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIR "/plan"

struct world world;

static const char *const run_name[] = { "nothing", "source", "replica", "healer", "promotion" };
static const char *const address[2] = { "site0:1", "site1:1" };

struct site *site_peer(const struct site *s)
{
    return &world.site[!s->id];
}

bool site_runs(const struct site *s)
{
    return s->run != RUN_NONE && s->started && !s->ended;
}

/* ---- the processes --------------------------------------------------------------------------- */

static void await_stop(struct site *s)
{
    s->started = true;
    waitq_wake_all(&s->change);
    while (!s->stop_wanted)
        waitq_wait(&s->change, SIM_FOR_EVER);
}

static int source_run(struct site *s)
{
    struct gw_source_config c = world.config;
    c.peer = address[!s->id];
    if (c.listen)
        c.listen = address[s->id];
    if (s->run == RUN_HEAL) {
        c.heal_only = true;
        c.listen = NULL;
    }
    int r = gw_source_new(s->plan, &c, &s->source, &s->err);
    if (r < 0)
        return r;
    s->timeline = timeline_find(gw_lineage_epoch(&s->plan->meta.lineage));
    r = gw_source_start(s->source, &s->err);
    if (r < 0) {
        gw_source_free(s->source);
        s->source = NULL;
        return r;
    }
    struct fiber *client[16];
    unsigned n = s->run == RUN_SOURCE ? world.clients : 0;
    for (unsigned i = 0; i < n; i++) {
        char name[24];
        snprintf(name, sizeof name, "site%d/client%u", s->id, i);
        client[i] = fiber_new(s->proc, name, client_main, s);
    }
    await_stop(s);
    gw_source_stop(s->source, sim_chance_one_in(2) ? 0 : 2000);
    for (unsigned i = 0; i < n; i++)
        fiber_join(client[i], NULL);
    for (unsigned i = 0; i < s->n_guests; i++)
        fiber_join(s->guest[i], NULL);
    site_sample(s);
    struct gw_source *gone = s->source;
    s->source = NULL;
    gw_source_free(gone);
    return 0;
}

static int replica_run(struct site *s)
{
    struct gw_replica_config c = world.replica_config;
    c.listen = address[s->id];
    int r = gw_replica_new(s->plan, &c, &s->replica, &s->err);
    if (r < 0)
        return r;
    r = gw_replica_start(s->replica, &s->err);
    if (r == 0) {
        await_stop(s);
        gw_replica_stop(s->replica);
    }
    struct gw_replica *gone = s->replica;
    s->replica = NULL;
    gw_replica_free(gone);
    return r;
}

static int promote_run(struct site *s)
{
    struct gw_promote_result done;
    int r = gw_promote(s->plan, &s->promote, &done, &s->err);
    if (r == 0)
        sim_trace("site%d: %llu blocks rewound%s%s", s->id, (unsigned long long)done.rewound_blocks,
                  done.compare_all ? ", all will be compared" : "", done.token ? ", a token" : "");
    return r;
}

static void *process_main(void *arg)
{
    struct site *s = arg;
    int r = gw_plan_open(simdisk_io(s->id), DIR, 0, &s->plan, &s->err);
    if (r == 0) {
        if (s->run == RUN_REPLICA)
            r = replica_run(s);
        else if (s->run == RUN_PROMOTE)
            r = promote_run(s);
        else
            r = source_run(s);
        struct gw_plan *gone = s->plan;
        s->plan = NULL;
        gw_plan_close(gone);
    }
    s->result = r;
    if (r < 0)
        sim_trace("site%d: the %s ends: %s", s->id, run_name[s->run], s->err.msg);
    else
        sim_trace("site%d: the %s ends", s->id, run_name[s->run]);
    s->ended = true;
    simnet_process_gone(s->proc, false);
    waitq_wake_all(&s->change);
    return NULL;
}

/* Until it ended (or died). */
static void await_end(struct site *s)
{
    while (s->run != RUN_NONE && !s->ended)
        waitq_wait(&s->change, SIM_FOR_EVER);
    s->run = RUN_NONE;
    s->proc = NULL;
}

bool site_start(struct site *s, enum run run)
{
    char name[24];
    snprintf(name, sizeof name, "site%d/%s", s->id, run_name[run]);
    sim_trace("site%d: start the %s", s->id, run_name[run]);
    s->run = run;
    s->proc = proc_new(name, s->id);
    s->started = s->ended = s->stop_wanted = false;
    s->result = 0;
    s->err.msg[0] = '\0';
    s->plan = NULL;
    s->source = NULL;
    s->replica = NULL;
    s->n_guests = 0;
    s->meta_known = false;
    simnet_site_up(s->id);
    fiber_new(s->proc, name, process_main, s);
    while (s->run != RUN_NONE && !s->started && !s->ended)
        waitq_wait(&s->change, SIM_FOR_EVER);
    bool lives = s->run != RUN_NONE;
    if (s->ended)
        await_end(s);
    return lives;
}

bool site_promote(struct site *s, const char *point, bool roll_back, bool alone)
{
    snprintf(s->point, sizeof s->point, "%s", point ? point : "");
    s->promote = (struct gw_promote_options){ .point = point ? s->point : NULL,
                                              .roll_back = roll_back,
                                              .confirm_alone = alone };
    sim_trace("site%d: promote%s%s%s%s", s->id, point ? " to point " : "", s->point,
              roll_back ? " rolling back" : "", alone ? " alone" : "");
    s->rewound = s->rewound || point || roll_back;
    bool lives = site_start(s, RUN_PROMOTE);
    site_look(s);
    return lives && s->result == 0;
}

void site_stop(struct site *s)
{
    if (s->run == RUN_NONE)
        return;
    sim_trace("site%d: stop the %s", s->id, run_name[s->run]);
    s->stop_wanted = true;
    waitq_wake_all(&s->change);
    await_end(s);
    site_look(s);
}

/* ---- death ----------------------------------------------------------------------------------- */

void site_sample(struct site *s)
{
    struct gw_source *src = s->source;
    if (!src || s->run != RUN_SOURCE || !s->timeline)
        return;
    if (s->unconfirmed &&
        (src->service == GW_SERVICE_SERVING || src->service == GW_SERVICE_QUIESCED)) {
        model_confirmed(s->timeline);
        s->unconfirmed = false;
    }
    if (src->ses.up && src->ses.mode == GW_SESSION_STREAM && !src->ses.session_numbers)
        model_peer_durable(s->timeline, src, src->ses.durable);
}

static void lose_image(struct site *s, bool source, enum simdisk_crash kind)
{
    bool power = kind == SIMDISK_POWER;
    if (power) {
        simdisk_power_loss(s->id);
        model_each_timeline(model_peer_lost_power, s->id);
    } else {
        simdisk_process_loss(s->id);
    }
    struct timeline *t = s->timeline;
    if (!t || (!source && !power))
        return;
    model_lost_process(t);
    if (power) {
        model_lost_power(t);
        s->unconfirmed = true;
        /* It was active, and died before; what it had not flushed then is lost only now. The old
         * state that its resync keeps is therefore older in part than what was seen. */
        if (s->in_resync && timeline_epoch(t) == s->before_epoch)
            s->have_before = false;
    }
    if (!source)
        return;
    struct image now;
    image_take(&now, s->id);
    model_check(&now, t, power || s->unconfirmed ? NEED_FLUSHED : NEED_ANSWERED, false,
                power ? "after a power loss" : "after a process death");
    image_free(&now);
}

void site_kill(struct site *s, enum simdisk_crash kind)
{
    struct proc *p = s->proc;
    bool source = s->run == RUN_SOURCE;
    sim_trace("site%d: the %s %s", s->id, run_name[s->run],
              kind == SIMDISK_POWER ? "loses its power" : "is killed");
    world.kills++;
    site_sample(s);
    if (p)
        simnet_process_gone(p, kind == SIMDISK_POWER);
    lose_image(s, source, kind);
    s->run = RUN_NONE;
    s->proc = NULL;
    s->plan = NULL;
    s->source = NULL;
    s->replica = NULL;
    s->meta_known = false;
    waitq_wake_all(&s->change);
    if (p)
        proc_kill(p);
}

/* ---- requests -------------------------------------------------------------------------------- */

struct request {
    struct site *s;
    int (*fn)(struct site *s, struct gw_error *err);
    int result;
    struct gw_error err;
};

static void *request_main(void *arg)
{
    struct request *q = arg;
    q->result = q->fn(q->s, &q->err);
    if (q->result < 0)
        sim_trace("site%d: refused: %s", q->s->id, q->err.msg);
    return NULL;
}

static struct fiber *request(struct site *s, int (*fn)(struct site *s, struct gw_error *err),
                             struct request **ret)
{
    char name[24];
    struct request *q = calloc(1, sizeof *q);
    if (!q)
        abort();
    q->s = s;
    q->fn = fn;
    snprintf(name, sizeof name, "site%d/request", s->id);
    *ret = q;
    return fiber_new(s->proc, name, request_main, q);
}

bool site_call(struct site *s, int (*fn)(struct site *s, struct gw_error *err), int *ret)
{
    struct request *q;
    if (!site_runs(s))
        return false;
    bool lived = fiber_join(request(s, fn, &q), NULL);
    *ret = lived ? q->result : -ESRCH;
    s->err = q->err;
    return lived;
}

void site_spawn(struct site *s, int (*fn)(struct site *s, struct gw_error *err))
{
    struct request *q;
    request(s, fn, &q);
}

/* ---- the directory --------------------------------------------------------------------------- */

void site_look(struct site *s)
{
    struct gw_metafile *f = NULL;
    struct gw_error err;
    if (s->run != RUN_NONE)
        return;
    if (gw_metafile_open(simdisk_io(s->id), DIR, true, &f, &s->meta, &s->slot_lost, &err) < 0)
        sim_fail("site%d: meta cannot be read: %s", s->id, err.msg);
    s->meta_known = true;
    gw_metafile_close(f);
    watch_lineage(&s->meta.lineage);
    s->in_resync = s->meta.pending == GW_PENDING_RESYNC || s->meta.pending == GW_PENDING_ROLLBACK;
    const struct gw_incarnation *e = gw_lineage_current(&s->meta.lineage);
    if (e && e->site == s->id && s->meta.role == GW_ROLE_ACTIVE && !timeline_find(e->epoch))
        watch_promotion(s);
}

static void create_one(struct site *s, struct gw_plan_spec *spec)
{
    struct gw_error err;
    if (gw_plan_create(simdisk_io(s->id), DIR, spec, &err) < 0)
        sim_fail("site%d: cannot create the plan: %s", s->id, err.msg);
}

static void *create_main(void *arg)
{
    int *how = arg;
    struct gw_plan_spec *spec = calloc(1, sizeof *spec);
    if (!spec)
        abort();
    strcpy(spec->plan_name, "sim");
    strcpy(spec->site_name[0], "home");
    strcpy(spec->site_name[1], "away");
    spec->n_volumes = model_volumes();
    for (unsigned v = 0; v < spec->n_volumes; v++) {
        snprintf(spec->volume[v].name, sizeof spec->volume[v].name, "disk%u", v);
        strcpy(spec->volume[v].path, model_path(v));
        spec->volume[v].bytes = model_bytes(v);
    }
    spec->site = (uint8_t)how[2];
    spec->active = how[0] == how[2];
    spec->adopt_data = !spec->active && how[1];
    if (how[0] != how[2]) /* the same plan and volumes as at the other side */
        spec->plan = world.site[how[0]].meta.plan;
    for (unsigned v = 0; how[0] != how[2] && v < spec->n_volumes; v++)
        spec->volume[v].uuid = world.site[how[0]].meta.volume[v].uuid;
    create_one(&world.site[how[2]], spec);
    free(spec);
    return NULL;
}

static void leave_old_data(int site)
{
    struct gw_io *io = simdisk_io(site);
    uint8_t page[MODEL_PAGE];
    for (unsigned v = 0; v < model_volumes(); v++) {
        struct gw_file *f = NULL;
        if (gw_io_open(io, model_path(v), GW_OPEN_CREATE, &f) < 0 ||
            gw_io_truncate(f, model_bytes(v)) < 0)
            abort();
        for (uint64_t i = 0; i < 20 && model_bytes(v) >= MODEL_PAGE; i++) {
            memset(page, (int)sim_between(1, 255), sizeof page);
            gw_io_pwrite(f, page, sizeof page, sim_below(model_bytes(v) / MODEL_PAGE) * MODEL_PAGE);
        }
        gw_io_datasync(f);
        gw_file_close(f);
    }
    gw_io_sync_dir(io, "/");
}

void site_create(int active, bool adopt)
{
    if (adopt)
        leave_old_data(!active);
    for (int i = 0; i < 2; i++) {
        int how[3] = { active, adopt, i == 0 ? active : !active };
        struct proc *p = proc_new("create", how[2]);
        fiber_join(fiber_new(p, "create", create_main, how), NULL);
        gw_io_sync_dir(simdisk_io(how[2]), "/");
        site_look(&world.site[how[2]]);
    }
}

void site_init(int active)
{
    for (int i = 0; i < 2; i++)
        world.site[i].id = i;
    timeline_new(gw_epoch_next((uint8_t)active, 0), active, NULL, NULL);
}
