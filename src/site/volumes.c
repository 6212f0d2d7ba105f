// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/volumes.h"

#include "base/clock.h"
#include "base/log.h"
#include "site/dataplane.h"
#include "site/mates.h"
#include "site/monitor.h"
#include "site/plandir.h"
#include "site/trial.h"
#include "site/view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PREPARE_MS 120000u /* new room is read, to see that it is zeros */
#define CHANGE_MS 20000u
#define AGAIN_NS (3 * GW_NS_PER_S)

/* ---- what differs ----------------------------------------------------------------------------
 */

static const json_t *find(const json_t *dp, const char *name)
{
    size_t i;
    json_t *v;
    json_array_foreach(json_object_get(dp, "volumes"), i, v)
    {
        if (strcmp(site_text(v, "name"), name) == 0)
            return v;
    }
    return NULL;
}

const char *site_volumes_word(const json_t *dp, const struct gw_planfile_volume *v)
{
    if (strcmp(site_text(dp, "process"), "source") != 0)
        return NULL;
    const json_t *there = find(dp, v->name);
    if (there == NULL)
        return "add";
    return site_number(there, "bytes") < v->size_bytes ? "grow" : NULL;
}

struct change {
    const char *word;
    const char *name;
    uint64_t bytes;
    const struct gw_planfile_volume *volume; /* NULL: it is removed */
};

/* The next thing to do; what is new comes before what goes, for a plan always has a volume. */
static bool next(const struct gw_planfile *plan, const json_t *dp, struct change *ret)
{
    for (size_t i = 0; i < plan->n_volumes; i++) {
        const struct gw_planfile_volume *v = &plan->volumes[i];
        const char *word = site_volumes_word(dp, v);
        if (word != NULL) {
            *ret = (struct change){ word, v->name, v->size_bytes, v };
            return true;
        }
    }
    size_t i;
    json_t *there;
    json_array_foreach(json_object_get(dp, "volumes"), i, there)
    {
        const char *name = site_text(there, "name");
        if (gw_planfile_volume(plan, name) == NULL) {
            *ret = (struct change){ "remove", name, site_number(there, "bytes"), NULL };
            return true;
        }
    }
    return false;
}

/* ---- making ready ----------------------------------------------------------------------------
 */

static json_t *request(const char *cmd, const struct change *c, const char *path)
{
    json_t *o = json_pack("{s:s, s:s, s:s, s:I}", "cmd", cmd, "change", c->word, "name", c->name,
                          "bytes", (json_int_t)c->bytes);
    if (o != NULL && path != NULL && strcmp(c->word, "add") == 0)
        json_object_set_new(o, "path", json_string(path));
    return o;
}

static int prepare_there(struct site *s, struct site_plan *p, const struct gw_planfile *plan,
                         const struct change *c, struct gw_error *err)
{
    const char *path = c->volume != NULL ? gw_planfile_path(plan, c->volume, p->peer) : "";
    return site_mate_call(s, p->peer, "volume_prepare",
                          json_pack("{s:s, s:s, s:s, s:I, s:s}", "plan", p->name, "change", c->word,
                                    "name", c->name, "bytes", (json_int_t)c->bytes, "path", path),
                          PREPARE_MS, NULL, NULL, err);
}

static int prepare_both(struct site *s, struct site_plan *p, const struct gw_planfile *plan,
                        const struct change *c, struct gw_error *err)
{
    const char *path = c->volume != NULL ? gw_planfile_path(plan, c->volume, s->name) : NULL;
    int r = prepare_there(s, p, plan, c, err);
    return r < 0 ? r : site_dp_call(s, p, request("prepare", c, path), PREPARE_MS, NULL, err);
}

int site_volumes_prepare_here(struct site *s, struct site_plan *p, const json_t *params,
                              struct gw_error *err)
{
    const struct change c = { .word = site_text(params, "change"),
                              .name = site_text(params, "name"),
                              .bytes = site_number(params, "bytes") };
    CLEANUP_SITE_JSON json_t *ours = NULL, *theirs = NULL;
    uint64_t age;
    site_sides(s, p, &ours, &theirs, &age);
    if (strcmp(site_text(ours, "want"), "REPLICA") != 0)
        return gw_error_set(err, -EPERM, "plan '%s': %s is not its standby", p->name, s->name);
    if (pthread_mutex_trylock(&p->plan_mu) != 0)
        return gw_error_set(err, -EBUSY, "plan '%s': a step is being done at %s", p->name, s->name);
    int r = site_dp_call(s, p, request("prepare", &c, site_text(params, "path")), PREPARE_MS, NULL,
                         err);
    pthread_mutex_unlock(&p->plan_mu);
    return r;
}

/* What must be so for any change. */
static int may_change(struct site *s, struct site_plan *p, struct gw_error *err)
{
    CLEANUP_VIEW struct site_view v;
    site_view_make(s, p, &v);
    if (v.run[0] != '\0')
        return gw_error_set(err, -EBUSY,
                            "plan '%s': volumes are changed while no run is on, and %s is", p->name,
                            v.run);
    const json_t *ours = v.side[v.here];
    if (strcmp(site_text(ours, "want"), "SOURCE") != 0 || json_is_string(site_at(ours, "fenced")))
        return gw_error_set(
            err, -EPERM, "plan '%s': volumes are changed at the site where it is active", p->name);
    struct site_mate_state mate;
    site_mate_state(s, p->peer, &mate);
    if (!mate.reachable)
        return gw_error_set(err, -EHOSTUNREACH,
                            "site %s does not answer (%s): volumes change at the standby first",
                            p->peer, mate.why);
    return 0;
}

static bool is_volume(const struct gw_planfile_change *c, const char **ret_word)
{
    *ret_word = c->kind == GW_CHANGE_VOLUME_ADDED     ? "add"
                : c->kind == GW_CHANGE_VOLUME_GROWN   ? "grow"
                : c->kind == GW_CHANGE_VOLUME_REMOVED ? "remove"
                                                      : NULL;
    return *ret_word != NULL;
}

int site_volumes_prepare(struct site *s, struct site_plan *p, const struct gw_planfile *plan,
                         const struct gw_planfile_changes *changes, struct gw_error *err)
{
    int r = may_change(s, p, err);
    for (size_t i = 0; r == 0 && i < changes->n; i++) {
        const struct gw_planfile_change *item = &changes->item[i];
        struct change c = { .name = item->name,
                            .bytes = item->new_bytes,
                            .volume =
                                item->name != NULL ? gw_planfile_volume(plan, item->name) : NULL };
        if (is_volume(item, &c.word))
            r = prepare_both(s, p, plan, &c, err);
    }
    if (r == 0)
        site_trial_at(s, "volumes.prepared");
    return r;
}

/* ---- bringing it about -----------------------------------------------------------------------
 */

static int make(struct site *s, struct site_plan *p, const struct gw_planfile *plan,
                const struct change *c, struct gw_error *err)
{
    const char *path = c->volume != NULL ? gw_planfile_path(plan, c->volume, s->name) : NULL;
    json_t *o = request("volume", c, path);
    if (o != NULL)
        json_object_set_new(o, "timeout_ms", json_integer(CHANGE_MS));
    int r = prepare_there(s, p, plan, c, err);
    if (r < 0) {
        json_decref(o);
        return r;
    }
    r = site_dp_call(s, p, o, CHANGE_MS + 5000, NULL, err);
    if (r == 0)
        site_trial_at(s, "volumes.made");
    if (r == 0)
        site_event(s, "plan.volume", p->name, NULL, SITE_NOTICE,
                   json_pack("{s:s, s:s, s:I}", "change", c->word, "volume", c->name, "bytes",
                             (json_int_t)c->bytes),
                   "volume %s: %s is done, at both sites", c->name, c->word);
    return r;
}

/* plan_mu is held. */
static int go_on(struct site *s, struct site_plan *p, struct gw_error *err)
{
    CLEANUP_DOCUMENT struct site_document *doc = site_plan_document(s, p);
    struct change c;
    /* One change a round; each is looked for anew. */
    for (unsigned left = 2 * GW_PLANFILE_VOLUMES_MAX; left > 0; left--) {
        CLEANUP_SITE_JSON json_t *status = NULL;
        int r = site_dp_status(s, p, &status, err);
        if (r < 0)
            return r;
        if (strcmp(site_text(status, "process"), "source") != 0 || !next(doc->plan, status, &c))
            return 0;
        r = may_change(s, p, err);
        if (r == 0)
            r = make(s, p, doc->plan, &c, err);
        if (r < 0)
            return gw_error_wrap(err, "volume %s (%s)", c.name, c.word), r;
    }
    return 0;
}

int site_volumes_go_on(struct site *s, struct site_plan *p, bool wait, struct gw_error *err)
{
    if (wait)
        pthread_mutex_lock(&p->plan_mu);
    else if (pthread_mutex_trylock(&p->plan_mu) != 0)
        return gw_error_set(err, -EBUSY, "a step is being done");
    int r = go_on(s, p, err);
    pthread_mutex_unlock(&p->plan_mu);
    site_monitor_touch(s, p->name);
    return r;
}

void site_volumes_look(struct site *s, struct site_plan *p, const json_t *ours)
{
    const json_t *dp = site_true(ours, "dp_known") ? site_at(ours, "dp") : NULL;
    CLEANUP_DOCUMENT struct site_document *doc = site_plan_document(s, p);
    struct change c;
    bool due = site_true(ours, "activated") && strcmp(site_text(ours, "want"), "SOURCE") == 0 &&
               strcmp(site_text(dp, "process"), "source") == 0 &&
               strcmp(site_text(dp, "service"), "serving") == 0 && next(doc->plan, dp, &c);
    uint64_t now = gw_boot_ns();
    LOCK_SCOPE(&s->mu);
    if (!due) {
        p->volumes_why[0] = '\0';
        return;
    }
    if (now < p->volumes_boot_ns)
        return;
    p->volumes_due = true;
    p->volumes_boot_ns = now + AGAIN_NS;
    pthread_cond_broadcast(&s->changed);
}

void site_volumes_due(struct site *s, struct site_plan *p)
{
    struct gw_error err = { 0 };
    pthread_mutex_lock(&s->mu);
    bool due = p->volumes_due;
    p->volumes_due = false;
    pthread_mutex_unlock(&s->mu);
    if (!due || site_volumes_go_on(s, p, false, &err) == 0 || err.code == -EBUSY)
        return;
    pthread_mutex_lock(&s->mu);
    bool news = strncmp(p->volumes_why, err.msg, sizeof p->volumes_why - 1) != 0;
    snprintf(p->volumes_why, sizeof p->volumes_why, "%.255s", err.msg);
    pthread_mutex_unlock(&s->mu);
    if (news)
        site_event(s, "plan.volume_failed", p->name, NULL, SITE_WARNING, NULL,
                   "%s; it is tried again", err.msg);
}

/* ---- slots -----------------------------------------------------------------------------------
 */

int site_volumes_slots(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err)
{
    struct site_dp_paths at;
    int r = site_dp_paths(s, p, &at, err);
    return r < 0 ? r : site_plandir_slots(at.dir, ret, err);
}
