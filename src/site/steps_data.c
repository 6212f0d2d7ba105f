// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Steps that change the data plane: directories, processes, quiesce to promote. */
#include "base/checked.h"
#include "base/clock.h"
#include "engine/limits.h"
#include "site/dataplane.h"
#include "site/mates.h"
#include "site/plandir.h"
#include "site/steps.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAUSE_MS 50u
#define EQUAL_PIECE_MS 1000u
#define RELEASE_MARGIN_MS 5000u
#define CHOOSE_MS 15000u

static unsigned step_ms(const struct site_step *t)
{
    uint64_t ms = t->call->step->timeout_ms;
    return ms == 0 || ms > UINT32_MAX ? SITE_DP_CALL_MS : (unsigned)ms;
}

static int look(struct site_step *t, struct site_plandir *ret, struct gw_error *err)
{
    struct site_dp_paths at;
    int r = site_dp_paths(t->site, t->plan, &at, err);
    return r < 0 ? r : site_plandir_look(at.dir, ret, err);
}

/* The service of the source, asked now. -ENOENT and the like: no process. */
static int service(struct site_step *t, char ret[32], json_t **ret_status, struct gw_error *err)
{
    json_t *status = NULL;
    int r = site_dp_status(t->site, t->plan, &status, err);
    if (r == 0)
        snprintf(ret, 32, "%s", site_text(status, "service"));
    if (r == 0 && ret_status != NULL)
        *ret_status = json_incref(status);
    json_decref(status);
    return r;
}

/* ---- directories ------------------------------------------------------------------------------
 */

static int fill_volume(struct site_step *t, const struct gw_planfile_volume *from,
                       struct gw_plan_volume_spec *v, struct gw_error *err)
{
    const char *path = gw_planfile_path(t->doc->plan, from, t->site->name);
    if (strlen(path) >= sizeof v->path)
        return gw_error_set(err, -ENAMETOOLONG, "the path of volume '%s' is too long", from->name);
    snprintf(v->name, sizeof v->name, "%s", from->name);
    snprintf(v->path, sizeof v->path, "%s", path);
    v->bytes = from->size_bytes;
    v->uuid = site_volume_uuid(t->plan, v->name);
    return 0;
}

static int fill_spec(struct site_step *t, bool active, struct gw_plan_spec *spec,
                     struct gw_error *err)
{
    const struct gw_planfile *plan = t->doc->plan;
    /* The order of the sites is that of the first activation, whatever is called home later. */
    const char *first = site_text(t->params, "first_site");
    if (first[0] == '\0')
        first = plan->home;
    snprintf(spec->plan_name, sizeof spec->plan_name, "%s", plan->plan);
    snprintf(spec->site_name[0], sizeof spec->site_name[0], "%s", first);
    snprintf(spec->site_name[1], sizeof spec->site_name[1], "%s", gw_planfile_other(plan, first));
    spec->site = strcmp(first, t->site->name) != 0;
    spec->plan = t->plan->uuid;
    spec->active = active;
    spec->adopt_data = !active && site_true(t->params, "adopt_data");
    int r = 0;
    spec->n_volumes = (uint32_t)plan->n_volumes;
    for (size_t i = 0; r == 0 && i < plan->n_volumes; i++)
        r = fill_volume(t, &plan->volumes[i], &spec->volume[i], err);
    return r;
}

/* The slots that the surviving site's volumes have: the order of the document is only that of the
 * first activation. What the document has and that site not yet is added later, as ever. */
static int fill_slots(struct site_step *t, struct gw_plan_spec *spec, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *answer = NULL;
    int r =
        site_mate_call(t->site, t->plan->peer, "slots", json_pack("{s:s}", "plan", t->plan->name),
                       SITE_DP_CALL_MS, &answer, NULL, err);
    const json_t *slots = json_object_get(answer, "slots"), *name;
    if (r < 0 || json_array_size(slots) == 0 || json_array_size(slots) > GW_VOLUMES_MAX)
        return r < 0 ? r : gw_error_set(err, -EPROTO, "site %s has no slots", t->plan->peer);
    size_t i;
    json_array_foreach(slots, i, name)
    {
        const struct gw_planfile_volume *v =
            gw_planfile_volume(t->doc->plan, json_is_string(name) ? json_string_value(name) : "");
        spec->volume[i] = (struct gw_plan_volume_spec){ .empty = v == NULL };
        if (v == NULL && json_string_length(name) > 0)
            return gw_error_set(err, -EAGAIN,
                                "volume '%s' is being removed at %s: wait until it is",
                                json_string_value(name), t->plan->peer);
        r = v != NULL ? fill_volume(t, v, &spec->volume[i], err) : 0;
        if (r < 0)
            return r;
    }
    spec->n_volumes = (uint32_t)json_array_size(slots);
    return 0;
}

/* An activation failed, and the plan was corrected since: its directory is for other volumes. */
static bool outdated(struct site_step *t, const char *dir, const struct gw_plan_spec *spec)
{
    struct site_plandir there;
    struct gw_error none = { 0 };
    return site_side_unused(t->site, t->plan) && site_plandir_look(dir, &there, &none) == 0 &&
           there.exists && gw_uuid_equal(&there.plan, &spec->plan) && !site_plandir_fits(dir, spec);
}

static int create(struct site_step *t, bool active, struct gw_error *err)
{
    CLEANUP_FREE struct gw_plan_spec *spec = calloc(1, sizeof *spec);
    struct site_dp_paths at;
    bool made = false;
    if (spec == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = fill_spec(t, active, spec, err);
    if (r == 0 && site_true(t->params, "replaced"))
        r = fill_slots(t, spec, err);
    if (r == 0)
        r = site_dp_paths(t->site, t->plan, &at, err);
    if (r == 0 && outdated(t, at.dir, spec))
        r = site_plandir_discard(at.dir, err);
    if (r == 0)
        r = site_plandir_create(at.dir, spec, &made, err);
    if (r == 0)
        json_object_set_new(t->detail, "made", json_boolean(made));
    return r;
}

static int create_home(struct site_step *t, struct gw_error *err)
{
    return create(t, true, err);
}

static int create_dr(struct site_step *t, struct gw_error *err)
{
    return create(t, false, err);
}

static int created(struct site_step *t, struct gw_error *err)
{
    CLEANUP_FREE struct gw_plan_spec *spec = calloc(1, sizeof *spec);
    struct site_dp_paths at;
    struct site_plandir dir;
    if (spec == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = look(t, &dir, err);
    if (r == 0)
        r = site_dp_paths(t->site, t->plan, &at, err);
    if (r == 0)
        r = fill_spec(t, false, spec, err);
    if (r < 0)
        return r;
    return dir.exists && !outdated(t, at.dir, spec) ? SITE_SEEN_DESIRED : SITE_SEEN_EARLIER;
}

/* ---- processes --------------------------------------------------------------------------------
 */

static void set_active(struct gw_catalog_plan *row, void *arg)
{
    const struct site_step *t = arg;
    row->activated = true;
    if (row->activated_wall_ns == 0)
        row->activated_wall_ns = gw_wall_ns();
    if (t->call->run->operation == GW_OPERATION_ACTIVATE && row->epoch == 0) {
        row->holder = t->call->run->site[GW_SIDE_OLD];
        row->epoch = 1; /* the creation's; the holder's side corrects it when it serves */
    }
    row->fenced_reason = NULL;
}

/* The plan's history begins with its activation, at both sites. */
static int note_activation(struct site_step *t, struct gw_error *err)
{
    if (t->call->run->operation != GW_OPERATION_ACTIVATE)
        return 0;
    CLEANUP_SITE_JSON json_t *facts = json_pack("{s:b, s:b, s:s}", "synced", 0, "role_changed", 0,
                                                "first_site", site_step_site(t, GW_SIDE_OLD));
    CLEANUP_FREE char *text = json_dumps(facts, JSON_COMPACT);
    return text == NULL ? gw_error_set(err, -ENOMEM, "out of memory")
                        : gw_catalog_plan_note(t->site->catalog, t->plan->uuid_text, text, err);
}

/* The site is another machine: what it has of the plan begins here, blank. */
static int begin_anew(struct site_step *t, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *facts =
        json_pack("{s:b, s:s}", "synced", 0, "first_site", site_text(t->params, "first_site"));
    CLEANUP_FREE char *text = json_dumps(facts, JSON_COMPACT);
    int r = create(t, false, err);
    if (r < 0)
        return r;
    return text == NULL ? gw_error_set(err, -ENOMEM, "out of memory")
                        : gw_catalog_plan_note(t->site->catalog, t->plan->uuid_text, text, err);
}

static int replica_on(struct site_step *t, struct gw_error *err)
{
    int r = site_true(t->params, "replaced") ? begin_anew(t, err) : 0;
    if (r == 0)
        r = site_plan_update(t->site, t->plan, set_active, t, err);
    if (r == 0)
        r = note_activation(t, err);
    if (r == 0)
        r = site_dp_want(t->site, t->plan, GW_CATALOG_WANT_REPLICA, err);
    return r < 0 ? r : site_dp_start(t->site, t->plan, t->doc->plan, GW_UNIT_REPLICA, err);
}

/*
 * Both sides were promoted since they parted (a failover that was reverted, a split brain): nothing
 * is copied until a person names the survivor. Who asked for this run did (params: survivor).
 */
static int choose_survivor(struct site_step *t, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *ours = NULL, *theirs = NULL;
    uint64_t age, deadline = gw_boot_ns() + CHOOSE_MS * GW_NS_PER_MS;
    for (;;) {
        CLEANUP_SITE_JSON json_t *status = NULL;
        int r = site_dp_status(t->site, t->plan, &status, err);
        if (r < 0)
            return r;
        const json_t *verdict = site_at(status, "verdict");
        if (strcmp(site_text(verdict, "action"), "split-brain") == 0)
            break;
        if (verdict != NULL && !json_is_null(verdict))
            return 0; /* they know what to do without a person */
        if (site_step_pause(t, deadline, PAUSE_MS, "the verdict", err) < 0)
            return 0; /* no contact yet: the assess shows what it says when there is */
    }
    site_sides(t->site, t->plan, &ours, &theirs, &age);
    const char *uuid = site_text(site_at(theirs, "dir"), "incarnation");
    json_object_set_new(t->detail, "survivor", json_string(uuid));
    return site_dp_call(t->site, t->plan,
                        json_pack("{s:s, s:s, s:s}", "cmd", "choose", "survivor", uuid, "by",
                                  t->call->run->requester),
                        SITE_DP_CALL_MS, NULL, err);
}

static int follow(struct site_step *t, struct gw_error *err)
{
    int r = replica_on(t, err);
    if (r == 0 && site_text(t->params, "survivor")[0] != '\0')
        r = choose_survivor(t, err);
    return r;
}

static int process_off(struct site_step *t, struct gw_error *err)
{
    int r = site_dp_want(t->site, t->plan, GW_CATALOG_WANT_NONE, err);
    return r < 0 ? r : site_dp_stop(t->site, t->plan, err);
}

/* The released source off. The replica comes at once, by the monitor: a new source that is started
 * again before the step `follow` would wait for it, and the services for that source. */
static int demote(struct site_step *t, struct gw_error *err)
{
    int r = process_off(t, err);
    return r < 0 ? r : site_dp_want(t->site, t->plan, GW_CATALOG_WANT_REPLICA, err);
}

static int demoted(struct site_step *t, struct gw_error *err)
{
    struct gw_unit_status u;
    (void)err;
    bool serves = gw_units_get(t->site->units, t->plan->name, &u) == 0 && u.pid != 0 &&
                  u.kind == GW_UNIT_SOURCE;
    return serves ? SITE_SEEN_EARLIER : SITE_SEEN_DESIRED;
}

static int seen_process(struct site_step *t, const char *which, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *status = NULL;
    struct gw_unit_status u;
    if (gw_units_get(t->site->units, t->plan->name, &u) < 0 || u.pid == 0)
        return SITE_SEEN_EARLIER;
    int r = site_dp_status(t->site, t->plan, &status, err);
    if (r < 0)
        return r;
    return strcmp(site_text(status, "process"), which) == 0 ? SITE_SEEN_DESIRED : SITE_SEEN_EARLIER;
}

static int replica_is_on(struct site_step *t, struct gw_error *err)
{
    return seen_process(t, "replica", err);
}

static int process_is_off(struct site_step *t, struct gw_error *err)
{
    struct gw_unit_status u;
    (void)err;
    bool runs = gw_units_get(t->site->units, t->plan->name, &u) == 0 && u.pid != 0;
    return runs ? SITE_SEEN_EARLIER : SITE_SEEN_DESIRED;
}

static int serve(struct site_step *t, struct gw_error *err)
{
    uint64_t deadline = site_step_deadline(t);
    int r = 0;
    if (t->call->run->operation == GW_OPERATION_ACTIVATE)
        r = site_plan_update(t->site, t->plan, set_active, t, err);
    if (r == 0)
        r = note_activation(t, err);
    if (r == 0)
        r = site_step_learn_reign(t, err);
    if (r == 0)
        r = site_dp_want(t->site, t->plan, GW_CATALOG_WANT_SOURCE, err);
    if (r == 0)
        r = site_dp_start(t->site, t->plan, t->doc->plan, GW_UNIT_SOURCE, err);
    while (r == 0) {
        char now[32];
        CLEANUP_SITE_JSON json_t *status = NULL;
        r = service(t, now, &status, err);
        if (r < 0)
            return gw_error_wrap(err, "the source does not answer");
        if (strcmp(now, "serving") == 0)
            break;
        if (strcmp(now, "waiting") != 0)
            return gw_error_set(err, -EPERM, "the source is %s: %s", now,
                                site_text(status, "reason"));
        r = site_step_pause(t, deadline, PAUSE_MS, "the source to serve", err);
    }
    return r;
}

static int serving(struct site_step *t, struct gw_error *err)
{
    struct gw_unit_status u;
    char now[32];
    if (gw_units_get(t->site->units, t->plan->name, &u) < 0 || u.pid == 0 ||
        u.kind != GW_UNIT_SOURCE)
        return SITE_SEEN_EARLIER;
    int r = service(t, now, NULL, err);
    if (r < 0)
        return r;
    return strcmp(now, "serving") == 0 ? SITE_SEEN_DESIRED : SITE_SEEN_EARLIER;
}

static void set_inactive(struct gw_catalog_plan *row, void *arg)
{
    (void)arg;
    row->activated = false;
    row->want = GW_CATALOG_WANT_NONE;
}

static int off(struct site_step *t, struct gw_error *err)
{
    int r = site_plan_update(t->site, t->plan, set_inactive, NULL, err);
    return r < 0 ? r : site_dp_stop(t->site, t->plan, err);
}

static int source_back(struct site_step *t, struct gw_error *err)
{
    int r = site_plan_update(t->site, t->plan, set_active, t, err);
    return r < 0 ? r : serve(t, err);
}

/* ---- quiesce, equal, release ------------------------------------------------------------------
 */

static int quiesce(struct site_step *t, struct gw_error *err)
{
    unsigned ms = step_ms(t);
    return site_dp_call(t->site, t->plan,
                        json_pack("{s:s, s:i}", "cmd", "quiesce", "timeout_ms", (int)ms), ms + 5000,
                        NULL, err);
}

static int unquiesce(struct site_step *t, struct gw_error *err)
{
    char now[32];
    int r = service(t, now, NULL, err);
    if (r == 0 && strcmp(now, "serving") == 0)
        return 0;
    if (r == 0)
        r = site_dp_call(t->site, t->plan, json_pack("{s:s}", "cmd", "unquiesce"), SITE_DP_CALL_MS,
                         NULL, err);
    else if (r == -ENOENT || r == -ECONNREFUSED) /* it died meanwhile: a new one serves */
        r = serve(t, err);
    return r;
}

static int quiesced(struct site_step *t, struct gw_error *err)
{
    char now[32];
    int r = service(t, now, NULL, err);
    if (r < 0)
        return r == -ENOENT || r == -ECONNREFUSED ? SITE_SEEN_EARLIER : r;
    if (strcmp(now, "quiesced") == 0 || strcmp(now, "released") == 0)
        return SITE_SEEN_DESIRED;
    return strcmp(now, "serving") == 0 || strcmp(now, "waiting") == 0 ? SITE_SEEN_EARLIER
                                                                      : SITE_SEEN_NEITHER;
}

static bool all_there(const json_t *status)
{
    const char *repl = site_text(status, "replication");
    return (strcmp(repl, "async") == 0 || strcmp(repl, "sync") == 0) &&
           site_number(status, "durable_seq") >= site_number(status, "seq");
}

static int final_sync(struct site_step *t, struct gw_error *err)
{
    uint64_t deadline = site_step_deadline(t);
    for (;;) {
        CLEANUP_SITE_JSON json_t *status = NULL;
        int r = site_dp_status(t->site, t->plan, &status, err);
        if (r == 0 && all_there(status))
            return 0;
        /* `equal` asks for durability itself: an idle link is not hurried, and need not be. */
        const char *repl = site_text(status, "replication");
        if (r == 0 && (strcmp(repl, "async") == 0 || strcmp(repl, "sync") == 0))
            return 0;
        if (r == 0)
            r = site_step_pause(t, deadline, PAUSE_MS, "the other side to follow", err);
        if (r < 0)
            return r;
    }
}

/* Asked in pieces, so that it can be cut short between two; asking again is harmless. */
static int equal(struct site_step *t, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *answer = NULL;
    uint64_t deadline = site_step_deadline(t);
    int r;
    do {
        r = site_dp_call(t->site, t->plan,
                         json_pack("{s:s, s:i}", "cmd", "equal", "timeout_ms", (int)EQUAL_PIECE_MS),
                         EQUAL_PIECE_MS + SITE_DP_CALL_MS, &answer, err);
    } while (r == -ETIMEDOUT && site_step_pause(t, deadline, PAUSE_MS, "equality", err) == 0);
    if (r == 0)
        json_object_set(t->detail, "token", json_object_get(answer, "token"));
    return r;
}

static int equal_seen(struct site_step *t, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *status = NULL;
    int r = site_dp_status(t->site, t->plan, &status, err);
    if (r < 0)
        return r == -ENOENT || r == -ECONNREFUSED ? SITE_SEEN_EARLIER : r;
    return site_true(status, "token_matched") ? SITE_SEEN_DESIRED : SITE_SEEN_EARLIER;
}

static void set_released(struct gw_catalog_plan *row, void *arg)
{
    (void)arg;
    row->holder = "";
}

static int handover(struct site_step *t, struct gw_error *err)
{
    int r = site_dp_call(t->site, t->plan, json_pack("{s:s}", "cmd", "release"),
                         step_ms(t) + RELEASE_MARGIN_MS, NULL, err);
    if (r < 0)
        return r;
    /* The release is in the directory; the row is for people, and heals by itself. */
    struct gw_error ignored = { 0 };
    site_plan_update(t->site, t->plan, set_released, NULL, &ignored);
    return 0;
}

static int released(struct site_step *t, struct gw_error *err)
{
    struct site_plandir dir;
    int r = look(t, &dir, err);
    if (r < 0)
        return r;
    if (dir.released)
        return SITE_SEEN_DESIRED;
    return dir.role == GW_ROLE_ACTIVE ? SITE_SEEN_EARLIER : SITE_SEEN_NEITHER;
}

/* Nothing was released: the equality token at the target is voided by unquiesce. */
static int not_released(struct site_step *t, struct gw_error *err)
{
    int seen = released(t, err);
    if (seen == SITE_SEEN_EARLIER)
        return 0;
    return seen < 0
               ? seen
               : gw_error_set(err, -EPERM, "the release is durable: it is not taken back here");
}

/* ---- promote ----------------------------------------------------------------------------------
 */

static int promote_process(struct site_step *t, const char *point, json_t **ret,
                           struct gw_error *err)
{
    json_t *request = json_pack("{s:s}", "cmd", "promote");
    if (request != NULL && point[0] != '\0')
        json_object_set_new(request, "point", json_string(point));
    if (request != NULL && site_true(t->params, "roll_back"))
        json_object_set_new(request, "roll_back", json_true());
    gw_units_let_end(t->site->units, t->plan->name);
    int r = site_dp_call(t->site, t->plan, request, step_ms(t), ret, err);
    if (r < 0)
        return r;
    return gw_units_wait_end(t->site->units, t->plan->name, SITE_DP_READY_MS, err);
}

/* The highest that either site has told this one. */
static uint64_t known_epoch(const struct site_step *t)
{
    CLEANUP_SITE_JSON json_t *ours = NULL, *theirs = NULL;
    uint64_t age;
    site_sides(t->site, t->plan, &ours, &theirs, &age);
    return GW_MAX(site_number(ours, "epoch"), site_number(theirs, "epoch"));
}

static int promote_dir(struct site_step *t, const char *point, bool alone, struct gw_error *err)
{
    struct site_dp_paths at;
    struct gw_promote_result result;
    const struct gw_promote_options o = { .point = point[0] != '\0' ? point : NULL,
                                          .roll_back = site_true(t->params, "roll_back"),
                                          .confirm_alone = alone };
    int r = site_dp_paths(t->site, t->plan, &at, err);
    if (r == 0)
        r = site_plandir_promote(at.dir, &o, known_epoch(t), &result, err);
    if (r == 0)
        json_object_set_new(t->detail, "epoch", json_integer((json_int_t)result.epoch));
    return r;
}

static void set_commit(struct gw_catalog_plan *row, void *arg)
{
    row->committed = *(bool *)arg;
}

static int promoted(struct site_step *t, struct gw_error *err);

static int promote(struct site_step *t, struct gw_error *err)
{
    const char *point = site_text(t->params, "point");
    bool revert = t->call->run->operation == GW_OPERATION_REVERT;
    struct gw_unit_status u;
    CLEANUP_SITE_JSON json_t *answer = NULL;
    uint64_t reaches_ns = site_step_recovery_wall_ns(t); /* while the replica can be asked */
    int r = site_dp_want(t->site, t->plan, GW_CATALOG_WANT_NONE, err);
    if (r < 0)
        return r;
    if (promoted(t, err) == SITE_SEEN_DESIRED)
        r = 0; /* a crash came between the promotion and its record */
    else if (!revert && gw_units_get(t->site->units, t->plan->name, &u) == 0 && u.pid != 0 &&
             u.kind == GW_UNIT_REPLICA)
        r = promote_process(t, point, &answer, err);
    else {
        r = site_dp_stop(t->site, t->plan, err);
        if (r == 0)
            r = promote_dir(t, point, revert, err);
    }
    if (r < 0)
        return r;
    if (answer != NULL)
        json_object_set(t->detail, "promotion", answer);
    bool commit = t->call->run->operation != GW_OPERATION_FAILOVER;
    r = site_plan_update(t->site, t->plan, set_commit, &commit, err);
    CLEANUP_SITE_JSON json_t *facts = json_pack(
        "{s:o, s:I, s:s, s:o, s:b, s:I}", "failed_over_wall_ns",
        commit ? json_null() : json_integer((json_int_t)gw_wall_ns()), "failed_over_boot_ns",
        (json_int_t)gw_boot_ns(), "failed_over_boot", t->site->boot_id, "routed", json_null(),
        "reverted", revert, "recovery_wall_ns", (json_int_t)reaches_ns);
    CLEANUP_FREE char *text = json_dumps(facts, JSON_COMPACT);
    if (r == 0 && text != NULL)
        r = gw_catalog_plan_note(t->site->catalog, t->plan->uuid_text, text, err);
    return r < 0 ? r : site_step_learn_reign(t, err);
}

static int promoted(struct site_step *t, struct gw_error *err)
{
    struct site_plandir dir;
    int r = look(t, &dir, err);
    if (r < 0)
        return r;
    return dir.role == GW_ROLE_ACTIVE && site_step_reigns(t, &dir) ? SITE_SEEN_DESIRED
                                                                   : SITE_SEEN_EARLIER;
}

/*
 * A promotion is not undone: the process is kept off, and what it wrote is a tail for the assess.
 * One that never came to be leaves a standby, which goes on to follow.
 */
static int unpromote(struct site_step *t, struct gw_error *err)
{
    struct site_dp_paths at;
    struct site_plandir dir;
    int r = look(t, &dir, err);
    if (r == 0 && !site_step_reigns(t, &dir))
        return replica_on(t, err);
    if (r == 0)
        r = process_off(t, err);
    if (r == 0)
        r = site_dp_paths(t->site, t->plan, &at, err);
    return r < 0 ? r : site_plandir_stand_down(at.dir, err);
}

/* ---- following --------------------------------------------------------------------------------
 */

static int reverse_ok(struct site_step *t, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *status = NULL;
    int r = site_dp_status(t->site, t->plan, &status, err);
    if (r < 0)
        return r;
    const char *repl = site_text(status, "replication");
    if (strcmp(repl, "async") == 0 || strcmp(repl, "sync") == 0)
        return gw_catalog_plan_note(t->site->catalog, t->plan->uuid_text,
                                    "{\"synced\":true,\"replaced\":null}", err);
    const json_t *resync = site_at(status, "resync");
    json_object_set_new(t->detail, "left_bytes",
                        json_integer((json_int_t)site_number(resync, "left_bytes")));
    json_object_set_new(t->detail, "total_bytes",
                        json_integer((json_int_t)site_number(resync, "total_bytes")));
    snprintf(t->waits_for, sizeof t->waits_for, "replication is %s%s%s", repl,
             site_text(status, "reason")[0] != '\0' ? ": " : "", site_text(status, "reason"));
    return SITE_STEP_WAITS;
}

static int reverse_seen(struct site_step *t, struct gw_error *err)
{
    int r = reverse_ok(t, err);
    if (r == SITE_STEP_WAITS)
        return gw_error_set(err, -EAGAIN, "%s", t->waits_for);
    return r == 0 ? SITE_SEEN_DESIRED : r;
}

static int assess(struct site_step *t, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *status = NULL;
    int r = site_dp_status(t->site, t->plan, &status, err);
    if (r < 0)
        return r;
    const char *repl = site_text(status, "replication");
    const json_t *a = site_at(status, "assess");
    if (strcmp(repl, "disconnected") != 0 && strcmp(repl, "assessing") != 0)
        return 0;
    uint64_t tail = site_number(a, "tail_blocks");
    if (strcmp(repl, "assessing") == 0 && site_true(a, "done") && tail > 0)
        snprintf(t->waits_for, sizeof t->waits_for,
                 "%.63s has %llu blocks of its own that were never replicated: a person signs, "
                 "godwit divergence sign %.63s --by NAME",
                 site_step_site(t, GW_SIDE_NEW), (unsigned long long)tail, t->plan->name);
    else
        snprintf(t->waits_for, sizeof t->waits_for, "replication is %s%s%s", repl,
                 site_text(status, "reason")[0] != '\0' ? ": " : "", site_text(status, "reason"));
    json_object_set_new(t->detail, "tail_blocks", json_integer((json_int_t)tail));
    return SITE_STEP_WAITS;
}

static int assess_seen(struct site_step *t, struct gw_error *err)
{
    int r = assess(t, err);
    if (r == SITE_STEP_WAITS)
        return gw_error_set(err, -EAGAIN, "%s", t->waits_for);
    return r == 0 ? SITE_SEEN_DESIRED : r;
}

/* ---- revert: what DR wrote is kept ------------------------------------------------------------
 */

static int keep(struct site_step *t, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *status = NULL;
    struct gw_error ignored = { 0 };
    if (site_dp_status(t->site, t->plan, &status, &ignored) == 0)
        json_object_set_new(t->detail, "seq", json_integer((json_int_t)site_number(status, "seq")));
    return process_off(t, err);
}

const struct site_step_row site_steps_data[] = {
    { GW_STEP_CREATE_HOME, create_home, NULL, created },
    { GW_STEP_CREATE_DR, create_dr, NULL, created },
    { GW_STEP_START_STANDBY, replica_on, process_off, replica_is_on },
    { GW_STEP_FOLLOW, follow, process_off, replica_is_on },
    { GW_STEP_QUIESCE, quiesce, unquiesce, quiesced },
    { GW_STEP_FINAL_SYNC, final_sync, NULL, NULL },
    { GW_STEP_EQUAL, equal, NULL, equal_seen },
    { GW_STEP_HANDOVER, handover, not_released, released },
    { GW_STEP_DEMOTE, demote, NULL, demoted },
    { GW_STEP_PROMOTE, promote, unpromote, promoted },
    { GW_STEP_SERVE, serve, process_off, serving },
    { GW_STEP_OFF_SOURCE, off, source_back, process_is_off },
    { GW_STEP_OFF_REPLICA, off, replica_on, process_is_off },
    { GW_STEP_REVERSE_OK, reverse_ok, NULL, reverse_seen },
    { GW_STEP_ASSESS, assess, NULL, assess_seen },
    { GW_STEP_SYNC, reverse_ok, NULL, reverse_seen },
    { GW_STEP_KEEP, keep, serve, process_is_off },
    { .effect = NULL },
};
