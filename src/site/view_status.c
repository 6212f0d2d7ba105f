// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The status document of a plan, and what would be lost. */
#include "site/view.h"

#include "base/clock.h"
#include "control/message.h"
#include "site/dataplane.h"
#include "site/mates.h"
#include "site/volumes.h"

#include <string.h>

/* Their names; what they mean is in reason_details. */
static json_t *reason_names(const struct site_view *v)
{
    json_t *a = json_array();
    for (int r = 0; r < GW_REASON_MAX; r++) {
        if ((v->phase.reasons & (1u << r)) != 0)
            json_array_append_new(a, json_string(gw_reason_name((enum gw_reason)r)));
    }
    return a;
}

/* A sentence of the tables, with the plan's names in it. */
static json_t *expanded(const struct site_view *v, const char *pattern)
{
    char text[GW_PHASE_TEXT_MAX];
    const struct gw_phase_names names = { .plan = v->doc->plan->plan,
                                          .home = v->site[GW_LABEL_HOME],
                                          .dr = v->site[GW_LABEL_DR],
                                          .run = v->run,
                                          .step = v->step,
                                          .holder = v->holder,
                                          .op = v->facts.op };
    gw_phase_expand(pattern != NULL ? pattern : "", &names, text, sizeof text);
    return gw_control_text(text);
}

static json_t *reasons_json(const struct site_view *v)
{
    json_t *a = json_array();
    for (int r = 0; r < GW_REASON_MAX; r++) {
        if ((v->phase.reasons & (1u << r)) == 0)
            continue;
        const struct gw_reason_row *row = gw_reason_row((enum gw_reason)r);
        bool unknown = (v->phase.unknown & (1u << r)) != 0;
        const char *sentence = unknown ? row->unknown_sentence : row->sentence;
        if (r == GW_REASON_PEER_DOWN && v->one_way[0] != '\0')
            sentence = v->one_way;
        json_array_append_new(a, json_pack("{s:s, s:b, s:o, s:o}", "reason", row->name, "unknown",
                                           unknown, "sentence", expanded(v, sentence), "way_out",
                                           expanded(v, row->way_out)));
    }
    return a;
}

static const json_t *active_dp(const struct site_view *v)
{
    if (v->holder == GW_HOLDER_NONE)
        return NULL;
    return site_view_dp(v, v->holder == GW_HOLDER_HOME ? GW_LABEL_HOME : GW_LABEL_DR);
}

/* The one thing about a side that a person should know; "": all is as it should be. */
static json_t *detail_of(const struct site_view *v, enum gw_label l)
{
    const json_t *side = v->side[l], *unit = site_at(side, "unit");
    const char *want = site_text(side, "want"), *svc = site_text(side, "svc");
    bool active = v->holder == (l == GW_LABEL_HOME ? GW_HOLDER_HOME : GW_HOLDER_DR);
    if (site_text(side, "fenced")[0] != '\0')
        return json_sprintf("fenced: %s", site_text(side, "fenced"));
    if (site_text(side, "dir_error")[0] != '\0')
        return json_incref(json_object_get(side, "dir_error"));
    if (site_true(unit, "crash_loop"))
        return json_sprintf("its process ends again and again: %s", site_text(unit, "words"));
    if (strcmp(want, "NONE") != 0 && !site_true(side, "dp_known"))
        return json_sprintf("its process does not answer: %s", site_text(side, "dp_error"));
    if (active && strcmp(svc, gw_svc_name(GW_SVC_RUNNING)) != 0)
        return json_sprintf("services %s%s%s", svc, site_text(side, "svc_text")[0] ? ": " : "",
                            site_text(side, "svc_text"));
    return json_string("");
}

/* A directory goes on saying "active" until it learns that the other site took over. */
static const char *role_of(const struct site_view *v, enum gw_label l)
{
    const char *role = site_text(site_at(v->side[l], "dir"), "role");
    enum gw_holder own = l == GW_LABEL_HOME ? GW_HOLDER_HOME : GW_HOLDER_DR;
    return strcmp(role, "active") == 0 && v->holder != GW_HOLDER_NONE && v->holder != own ? "former"
                                                                                          : role;
}

static uint64_t heard_boot_ns(struct site *s, const char *site)
{
    struct site_mate_state m;
    site_mate_state(s, site, &m);
    return m.heard_boot_ns;
}

static json_t *ago_json(uint64_t boot_ns)
{
    char when[GW_TIME_TEXT];
    if (boot_ns == 0)
        return json_null();
    gw_time_format(gw_wall_ns() - (gw_boot_ns() - boot_ns), when);
    return json_string(when);
}

/* A site that is silent: of what it said last only that counts which does not change by itself. */
static json_t *unheard_json(struct site *s, const struct site_view *v, enum gw_label l)
{
    const json_t *side = v->side[l];
    uint64_t boot_ns = heard_boot_ns(s, v->site[l]);
    json_t *o = json_pack(
        "{s:s, s:b, s:s, s:s, s:s, s:s, s:I, s:I, s:o}", "label", gw_label_name(l), "reachable", 0,
        "role", role_of(v, l), "service", "not known", "process", "not known", "svc",
        gw_svc_name(GW_SVC_UNKNOWN), "epoch", (json_int_t)site_number(side, "epoch"), "version",
        (json_int_t)site_number(side, "version"), "last_heard", ago_json(boot_ns));
    json_t *fenced = json_object_get(side, "fenced");
    if (json_is_string(fenced))
        json_object_set(o, "fenced", fenced);
    if (boot_ns != 0)
        json_object_set_new(o, "age_ms",
                            json_integer((json_int_t)((gw_boot_ns() - boot_ns) / GW_NS_PER_MS)));
    return o;
}

static json_t *site_json(struct site *s, const struct site_view *v, enum gw_label l)
{
    const json_t *side = v->side[l];
    if (side == NULL)
        return json_pack("{s:s, s:b}", "label", gw_label_name(l), "reachable", 0);
    const json_t *dp = site_at(side, "dp"), *dir = site_at(side, "dir");
    const char *process = site_text(dp, "process");
    if (!v->fresh[l])
        return unheard_json(s, v, l);
    json_t *o = json_pack(
        "{s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:b}", "label", gw_label_name(l),
        "reachable", 1, "role", role_of(v, l), "want", site_text(side, "want"), "process", process,
        "service",
        strcmp(process, "source") == 0 ? site_text(dp, "service") : site_text(dp, "state"), "svc",
        site_text(side, "svc"), "epoch", (json_int_t)site_number(side, "epoch"), "version",
        (json_int_t)site_number(side, "version"), "consistent", site_true(dir, "consistent"));
    static const char *const copied[] = { "svc_text", "fenced",     "held",     "unit",
                                          "dp_error", "room_bytes", "dir_error" };
    for (size_t i = 0; o != NULL && i < sizeof copied / sizeof *copied; i++) {
        json_t *m = json_object_get(side, copied[i]);
        if (m != NULL && !json_is_null(m))
            json_object_set(o, copied[i], m);
    }
    json_object_set_new(o, "detail", detail_of(v, l));
    const char *reason = site_text(dp, "reason");
    if (o != NULL && reason[0] != '\0')
        json_object_set_new(o, "reason", gw_control_text(reason));
    if (o != NULL && strcmp(v->site[l], s->name) != 0)
        json_object_set_new(o, "age_ms", json_integer((json_int_t)(v->peer_age_ns / GW_NS_PER_MS)));
    return o;
}

/* By the source, if it can be asked; else by the replica, which knows who sends to it. */
struct gw_direction site_view_direction(const struct site_view *v)
{
    struct gw_direction d = { .active = v->holder,
                              .seen = gw_tri_of(active_dp(v) != NULL),
                              .flows = GW_TRI_UNKNOWN };
    enum gw_repl r = v->facts.repl;
    bool follows = r == GW_LIFE_REPL_SEEDING || r == GW_LIFE_REPL_RESYNC ||
                   r == GW_LIFE_REPL_ASYNC || r == GW_LIFE_REPL_SYNC;
    const json_t *standby =
        v->holder == GW_HOLDER_NONE
            ? NULL
            : site_view_dp(v, v->holder == GW_HOLDER_HOME ? GW_LABEL_DR : GW_LABEL_HOME);
    if (active_dp(v) != NULL)
        d.flows = gw_tri_of(follows && v->facts.link_up == GW_TRI_YES);
    else if (strcmp(site_text(standby, "process"), "replica") == 0)
        d.flows = gw_tri_of(follows);
    return d;
}

/* A copy that is under way, with its rate over its whole life so far. */
json_t *site_view_sync(const json_t *dp)
{
    const json_t *r = site_at(dp, "resync");
    const char *repl = site_text(dp, "replication");
    if (r == NULL || (strcmp(repl, "seeding") != 0 && strcmp(repl, "resync") != 0))
        return NULL;
    uint64_t total = site_number(r, "total_bytes"), left = site_number(r, "left_bytes");
    uint64_t done = total > left ? total - left : 0;
    uint64_t rate = gw_forecast_rate(done, (uint64_t)(site_real(r, "seconds") * 1000));
    struct gw_forecast_time eta;
    gw_forecast_sync(left, rate, 0, &eta);
    return json_pack(
        "{s:s, s:I, s:I, s:o, s:o}", "what", repl, "done_bytes", (json_int_t)done, "total_bytes",
        (json_int_t)total, "rate",
        rate == GW_NOT_KNOWN ? json_null() : json_integer((json_int_t)rate), "eta_seconds",
        eta.kind == GW_FORECAST_KNOWN ? json_real((double)eta.ms / 1000.0) : json_null());
}

static json_t *verify_json(const json_t *dp)
{
    const json_t *x = site_at(dp, "verify");
    if (site_number(x, "begun_wall_ns") == 0)
        return json_null();
    uint64_t done = site_number(x, "checked_bytes"), total = site_number(x, "total_bytes");
    uint64_t rate = gw_forecast_rate(done, (uint64_t)(site_real(x, "seconds") * 1000));
    struct gw_forecast_time eta = { .kind = GW_FORECAST_UNKNOWN };
    if (site_true(x, "running"))
        gw_forecast_sync(total > done ? total - done : 0, rate, 0, &eta);
    json_t *o = json_copy((json_t *)(uintptr_t)x);
    json_object_set_new(o, "rate",
                        rate == GW_NOT_KNOWN ? json_null() : json_integer((json_int_t)rate));
    json_object_set_new(o, "eta_seconds",
                        eta.kind == GW_FORECAST_KNOWN ? json_real((double)eta.ms / 1000.0)
                                                      : json_null());
    return o;
}

/* The newest of both sites; each knows its own. */
static json_t *last_point_json(const struct site_view *v)
{
    json_t *best = NULL;
    for (int l = 0; l < GW_LABEL_MAX; l++) {
        json_t *x = json_object_get(v->side[l], "last_point");
        if (json_is_object(x) &&
            (best == NULL || strcmp(site_text(x, "time"), site_text(best, "time")) > 0))
            best = x;
    }
    return best != NULL ? json_incref(best) : json_null();
}

static json_t *divergence_json(const struct site_view *v, const json_t *dp)
{
    const json_t *a = site_at(dp, "assess");
    if (site_number(a, "tail_blocks") == 0 ||
        strcmp(site_text(dp, "replication"), "assessing") != 0)
        return json_null();
    return json_pack("{s:s, s:I, s:I, s:b, s:b}", "site",
                     v->site[v->holder == GW_HOLDER_HOME ? GW_LABEL_DR : GW_LABEL_HOME], "blocks",
                     (json_int_t)site_number(a, "tail_blocks"), "bytes",
                     (json_int_t)site_number(a, "tail_blocks") * 4096, "done", site_true(a, "done"),
                     "signed", 0);
}

static json_t *run_json(const struct site_view *v)
{
    if (v->run[0] == '\0')
        return json_null();
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "id", v->run, "operation", v->operation, "state",
                     v->run_state, "step", v->step, "why", gw_control_text(v->run_why));
}

/* What of a volume the other site has not; null if the source does not say. */
static json_t *dirty_of(const json_t *dp, const char *name)
{
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(dp, "volumes"), i, v)
    {
        const json_t *blocks = site_at(v, "dirty_blocks");
        if (strcmp(site_text(v, "name"), name) == 0 && json_is_integer(blocks))
            return json_integer(json_integer_value(blocks) * 4096);
    }
    return json_null();
}

static json_t *volumes_json(const struct gw_planfile *plan, const struct site_view *v)
{
    json_t *a = json_array();
    const json_t *dp = active_dp(v);
    bool counted = v->facts.synced == GW_TRI_YES || v->facts.link_up == GW_TRI_YES;
    for (size_t i = 0; i < plan->n_volumes; i++) {
        const struct gw_planfile_volume *x = &plan->volumes[i];
        const char *word = site_volumes_word(dp, x);
        json_array_append_new(a, json_pack("{s:s, s:I, s:{s:s, s:s}, s:o, s:s?}", "name", x->name,
                                           "bytes", (json_int_t)x->size_bytes, "at", plan->home,
                                           x->at.home, plan->dr, x->at.dr, "dirty_bytes",
                                           counted ? dirty_of(dp, x->name) : json_null(),
                                           "changing", word));
    }
    return a;
}

json_t *site_view_volumes(struct site *s, struct site_plan *p, const struct site_view *v)
{
    const struct gw_planfile *plan = v->doc->plan;
    json_t *a = volumes_json(plan, v), *one;
    struct site_dp_paths at;
    struct gw_error none = { 0 };
    bool source = strcmp(site_text(v->side[v->here], "want"), "SOURCE") == 0 &&
                  site_dp_paths(s, p, &at, &none) == 0;
    size_t i;
    json_array_foreach(a, i, one)
    {
        json_object_set(one, "path", json_object_get(json_object_get(one, "at"), s->name));
        json_object_set_new(one, "nbd", source ? json_string(at.nbd) : json_null());
    }
    return json_pack("{s:s, s:o}", "plan", p->name, "volumes", a);
}

/* A number of seconds is about a site that had everything once: until the first full sync of a
 * reign nobody knows what the other one has. */
static bool lag_known(const struct site_view *v)
{
    return active_dp(v) != NULL && site_true(site_at(site_view_active(v), "lag"), "known") &&
           v->facts.synced == GW_TRI_YES && v->facts.repl != GW_LIFE_REPL_DIVERGED;
}

/* Since when it is not known: since the site was heard of, or since it became active. */
static json_t *lag_unknown_since(struct site *s, const struct site_view *v)
{
    const json_t *active = site_view_active(v);
    char when[GW_TIME_TEXT];
    if (active == NULL || lag_known(v))
        return json_null();
    const char *site = v->site[v->holder == GW_HOLDER_HOME ? GW_LABEL_HOME : GW_LABEL_DR];
    if (active_dp(v) == NULL)
        return strcmp(site, s->name) == 0 ? json_null() : ago_json(heard_boot_ns(s, site));
    uint64_t wall_ns = site_number(active, "role_wall_ns");
    if (wall_ns == 0)
        return json_null();
    gw_time_format(wall_ns, when);
    return json_string(when);
}

static json_t *lag_json(struct site *s, json_t *o, const struct site_view *v)
{
    const json_t *lag = site_at(site_view_active(v), "lag");
    bool known = lag_known(v);
    json_object_set_new(o, "lag_unknown_since", lag_unknown_since(s, v));
    json_object_set_new(o, "lag_seconds",
                        known ? json_real(site_real(lag, "seconds")) : json_null());
    json_object_set_new(o, "lag_bytes",
                        known ? json_integer((json_int_t)site_number(lag, "bytes")) : json_null());
    return o;
}

json_t *site_view_status(struct site *s, struct site_plan *p, const struct site_view *v)
{
    const struct gw_planfile *plan = v->doc->plan;
    const json_t *dp = active_dp(v);
    char direction[GW_FORECAST_TEXT_MAX];
    const struct gw_direction now = site_view_direction(v);
    gw_forecast_direction_text(&now, GW_HOLDER_NONE, GW_OPERATION_NONE, plan->home, plan->dr,
                               direction);
    const char *active = v->holder == GW_HOLDER_HOME ? plan->home
                         : v->holder == GW_HOLDER_DR ? plan->dr
                                                     : "";
    json_t *o = json_pack("{s:s, s:s, s:s, s:o, s:s, s:s, s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:s}",
                          "plan", p->name, "status", gw_status_name(v->phase.status), "phase",
                          gw_phase_name(v->phase.phase), "reasons", reason_names(v), "sentence",
                          v->sentence, "next", v->next, "active", active, "holder", active, "epoch",
                          (json_int_t)v->epoch, "direction", direction, "replication",
                          gw_life_repl_name(v->facts.repl), "mode", gw_mode_name(v->facts.mode),
                          "home", plan->home, "dr", plan->dr);
    if (o == NULL)
        return NULL;
    lag_json(s, o, v);
    json_object_set_new(o, "reason_details", reasons_json(v));
    json_object_set_new(o, "rpo_seconds", json_real((double)plan->rpo_ms / 1000.0));
    json_t *within = json_object_get(site_at(site_view_active(v), "rpo"), "percent");
    json_object_set(o, "rpo_within_percent", within != NULL ? within : json_null());
    json_t *sync = site_view_sync(dp);
    json_object_set_new(o, "sync", sync != NULL ? sync : json_null());
    json_object_set_new(o, "divergence", divergence_json(v, dp));
    const json_t *held = site_at(v->side[v->here], "held");
    if (!json_is_string(held) && v->side[gw_label_other(v->here)] != NULL)
        held = site_at(v->side[gw_label_other(v->here)], "held");
    json_object_set(o, "held_reason", held != NULL ? (json_t *)(uintptr_t)held : json_null());
    json_object_set_new(o, "run", run_json(v));
    json_object_set_new(o, "verify", verify_json(dp));
    json_object_set_new(o, "last_point", last_point_json(v));
    json_object_set_new(o, "volumes", volumes_json(plan, v));
    json_object_set_new(o, "version", json_integer((json_int_t)v->doc->version));
    json_object_set_new(o, "hash", json_string(v->doc->hash));
    json_object_set_new(o, "committed", json_boolean(v->facts.committed == GW_TRI_YES));
    json_object_set_new(o, "seen_from", json_string(s->name));
    json_t *sites = json_object();
    for (int l = 0; l < GW_LABEL_MAX; l++)
        json_object_set_new(sites, v->site[l], site_json(s, v, (enum gw_label)l));
    json_object_set_new(o, "sites", sites);
    return o;
}

/* ---- loss -------------------------------------------------------------------------------------
 */

void site_view_loss(const struct site_view *v, struct gw_loss *ret)
{
    struct gw_loss_facts f = { .repl = v->facts.repl,
                               .pending_bytes = GW_NOT_KNOWN,
                               .pending_ms = GW_NOT_KNOWN,
                               .silent_ms = GW_NOT_KNOWN };
    const json_t *dp = active_dp(v), *lag = site_at(site_view_active(v), "lag");
    if (dp != NULL && site_true(lag, "known")) { /* it answers now */
        f.old_answers = GW_TRI_YES;
        f.old_quiet = gw_tri_of(strcmp(site_text(dp, "service"), "serving") != 0);
        f.pending_bytes = site_number(lag, "bytes");
        f.pending_ms = (uint64_t)(site_real(lag, "seconds") * 1000);
        f.silent_ms = 0;
    } else if (v->holder != GW_HOLDER_NONE) { /* its last heartbeat, as the replica has it */
        f.old_answers = GW_TRI_NO;
        const json_t *r =
            site_view_dp(v, v->holder == GW_HOLDER_HOME ? GW_LABEL_DR : GW_LABEL_HOME);
        const json_t *beat = site_at(r, "source");
        if (beat != NULL && !json_is_null(beat)) {
            uint64_t head = site_number(beat, "head_seq");
            f.pending_bytes =
                head > site_number(r, "durable_seq") ? site_number(beat, "pending_bytes") : 0;
            f.pending_ms = 0;
            f.silent_ms = (uint64_t)(site_real(beat, "age_seconds") * 1000);
        }
    }
    const json_t *dir = site_at(site_view_standby(v), "dir");
    f.released_equal = gw_tri_of(site_true(dir, "token_valid"));
    f.override_since = GW_TRI_NO;
    gw_forecast_loss(&f, ret);
}
