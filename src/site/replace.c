// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/replace.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"
#include "site/dataplane.h"
#include "site/mates.h"
#include "site/monitor.h"
#include "site/reach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define JOIN_MS 20000u
#define RUNS_MS 20000u /* for the new site to get its plans, and the runs to begin */
#define AGAIN_NS (2 * GW_NS_PER_S)

/* ---- plans of a peer --------------------------------------------------------------------------
 */

typedef int each_fn(struct site *s, struct site_plan *p, const json_t *ours, void *arg,
                    struct gw_error *err);

/* Every active plan that is shared with the site. */
static int each_plan(struct site *s, const char *site, each_fn *fn, void *arg, struct gw_error *err)
{
    pthread_mutex_lock(&s->mu);
    struct site_plan *p = s->plans;
    pthread_mutex_unlock(&s->mu);
    int r = 0;
    for (; p != NULL && r == 0; p = p->next) {
        CLEANUP_SITE_JSON json_t *ours = NULL, *theirs = NULL;
        uint64_t age;
        if (p->gone || strcmp(p->peer, site) != 0)
            continue;
        site_sides(s, p, &ours, &theirs, &age);
        if (site_true(ours, "activated"))
            r = fn(s, p, ours, arg, err);
    }
    return r;
}

static int check_plan(struct site *s, struct site_plan *p, const json_t *ours, void *arg,
                      struct gw_error *err)
{
    struct site_refusal *no = arg;
    struct gw_guard_facts facts;
    struct gw_guard_check checks[GW_GUARD_MAX];
    CLEANUP_FREE struct site_guard_texts *texts = calloc(1, sizeof *texts);
    (void)ours;
    if (texts == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    CLEANUP_VIEW struct site_view v;
    site_step_guards(s, p, GW_REQUEST_SITE_REPLACE, NULL, false, &facts, texts, &v);
    size_t n = gw_guards_check(GW_REQUEST_SITE_REPLACE, &facts, checks);
    const struct gw_guard_check *refusal = gw_guards_refusal(checks, n);
    if (refusal == NULL)
        return 0;
    char sentence[400], way_out[512];
    struct gw_phase_names names = { .plan = p->name,
                                    .home = v.site[GW_LABEL_HOME],
                                    .dr = v.site[GW_LABEL_DR],
                                    .run = v.run,
                                    .step = v.step,
                                    .holder = v.holder,
                                    .op = v.facts.op };
    gw_phase_expand(refusal->sentence, &names, sentence, sizeof sentence);
    gw_phase_expand(refusal->way_out, &names, way_out, sizeof way_out);
    snprintf(no->guard, sizeof no->guard, "%s", gw_guard_name(refusal->guard));
    snprintf(no->way_out, sizeof no->way_out, "%s", way_out);
    return gw_error_set(err, -EPERM, "plan '%s': %s", p->name, sentence);
}

int site_replace_check(struct site *s, const char *site, struct site_refusal *no,
                       struct gw_error *err)
{
    struct site_refusal ignored = { .forceable = false };
    return each_plan(s, site, check_plan, no != NULL ? no : &ignored, err);
}

/* ---- marks ------------------------------------------------------------------------------------
 */

static int mark_plan(struct site *s, struct site_plan *p, const json_t *ours, void *arg,
                     struct gw_error *err)
{
    (void)ours;
    CLEANUP_SITE_JSON json_t *facts =
        json_pack("{s:b, s:n, s:{s:o, s:I}}", "synced", 0, "replaced_run", "replaced", "by",
                  gw_control_text(arg), "wall_ns", (json_int_t)gw_wall_ns());
    CLEANUP_FREE char *text = json_dumps(facts, JSON_COMPACT);
    return text == NULL ? gw_error_set(err, -ENOMEM, "out of memory")
                        : gw_catalog_plan_note(s->catalog, p->uuid_text, text, err);
}

int site_replace_mark(struct site *s, const char *site, const char *by, struct gw_error *err)
{
    return each_plan(s, site, mark_plan, (char *)(uintptr_t)by, err);
}

static int repoint_plan(struct site *s, struct site_plan *p, const json_t *ours, void *arg,
                        struct gw_error *ignored)
{
    struct site_mate_address at;
    struct gw_error err = { 0 };
    (void)arg;
    (void)ignored;
    if (strcmp(site_text(ours, "want"), "SOURCE") != 0 ||
        site_mate_address(s, p->peer, &at, &err) < 0)
        return 0;
    if (pthread_mutex_trylock(&p->plan_mu) != 0)
        return 0; /* a step is at it, and starts what it needs with the new address */
    CLEANUP_DOCUMENT struct site_document *doc = site_plan_document(s, p);
    /* Started again, it is with the new address; the one that runs is told. */
    int r = site_dp_start(s, p, doc->plan, GW_UNIT_SOURCE, &err);
    if (r == 0)
        r = site_dp_call(s, p, json_pack("{s:s, s:s}", "cmd", "peer", "address", at.data),
                         SITE_DP_CALL_MS, NULL, &err);
    pthread_mutex_unlock(&p->plan_mu);
    if (r < 0)
        site_event(s, "site.repoint_failed", p->name, NULL, SITE_ERROR, NULL,
                   "the source does not know the new address of %s: %s", p->peer, err.msg);
    return 0;
}

void site_replace_repoint(struct site *s, const char *site)
{
    struct gw_error err = { 0 };
    each_plan(s, site, repoint_plan, NULL, &err);
}

/* ---- runs -------------------------------------------------------------------------------------
 */

/* The new site has this very document, and was told so lately. */
static bool has_plan(struct site *s, const struct site_plan *p, const json_t *ours,
                     const json_t *theirs)
{
    struct site_mate_state mate;
    site_mate_state(s, p->peer, &mate);
    return mate.reachable && theirs != NULL &&
           strcmp(site_text(ours, "hash"), site_text(theirs, "hash")) == 0;
}

static void note_run(struct site *s, const struct site_plan *p, const json_t *mark, const char *run)
{
    struct gw_error err = { 0 };
    CLEANUP_SITE_JSON json_t *facts = json_pack(
        "{s:s, s:{s:s, s:I, s:s}}", "replaced_run", run, "replaced", "by", site_text(mark, "by"),
        "wall_ns", (json_int_t)site_number(mark, "wall_ns"), "run", run);
    CLEANUP_FREE char *text = json_dumps(facts, JSON_COMPACT);
    if (text == NULL || gw_catalog_plan_note(s->catalog, p->uuid_text, text, &err) < 0)
        gw_log(GW_LOG_WARNING, "%s: %s", p->name, err.msg);
    site_monitor_wake(s);
}

void site_replace_go_on(struct site *s, struct site_plan *p, const json_t *ours,
                        const json_t *theirs)
{
    const json_t *mark = site_at(site_at(ours, "facts"), "replaced");
    uint64_t now = gw_boot_ns();
    if (!json_is_object(mark) || site_text(mark, "run")[0] != '\0' ||
        !has_plan(s, p, ours, theirs) || now < p->replace_boot_ns)
        return;
    p->replace_boot_ns = now + AGAIN_NS;
    struct site_person who = { .uid = -1 };
    snprintf(who.name, sizeof who.name, "%s", site_text(mark, "by"));
    snprintf(who.origin, sizeof who.origin, "site replace %s", p->peer);
    struct site_refusal no;
    struct gw_error err = { 0 };
    CLEANUP_SITE_JSON json_t *answer = NULL;
    int r = site_action(s, p->name, GW_REQUEST_REVERSE, NULL, &who, true, &answer, &no, &err);
    if (r == 0)
        note_run(s, p, mark, site_text(site_at(answer, "run"), "id"));
    else
        gw_log(GW_LOG_NOTICE, "%s: not seeded to the new %s yet: %s", p->name, p->peer, err.msg);
}

static int list_plan(struct site *s, struct site_plan *p, const json_t *ours, void *arg,
                     struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_plan row = { 0 };
    (void)ours; /* it may be of before the mark */
    int r = gw_catalog_plan_get_uuid(s->catalog, p->uuid_text, &mem, &row, err);
    if (r < 0)
        return r;
    CLEANUP_SITE_JSON json_t *facts = json_loads(row.state, 0, NULL);
    /* The mark goes with the first full sync, which may be sooner than we look. */
    const char *run = site_text(facts, "replaced_run");
    if (json_is_object(site_at(facts, "replaced")) || run[0] != '\0')
        json_array_append_new(arg, json_pack("{s:s, s:s}", "plan", p->name, "run", run));
    return 0;
}

static bool all_begun(const json_t *plans)
{
    size_t i;
    json_t *p;
    json_array_foreach(plans, i, p)
    {
        if (site_text(p, "run")[0] == '\0')
            return false;
    }
    return true;
}

/* The monitor begins the runs; who asked is told which they are. */
static json_t *await_runs(struct site *s, const char *site)
{
    uint64_t until = gw_boot_ns() + RUNS_MS * GW_NS_PER_MS, now;
    struct gw_error err = { 0 };
    for (;;) {
        pthread_mutex_lock(&s->mu);
        uint64_t seen = s->changes;
        pthread_mutex_unlock(&s->mu);
        json_t *plans = json_array();
        each_plan(s, site, list_plan, plans, &err);
        if (all_begun(plans) || (now = gw_boot_ns()) >= until ||
            gw_stop_wanted(gw_stop_fd(s->stop)))
            return plans;
        json_decref(plans);
        LOCK_SCOPE(&s->mu);
        if (s->changes == seen)
            gw_cond_wait_ms(&s->changed, &s->mu, (unsigned)((until - now) / GW_NS_PER_MS) + 1);
    }
}

/* ---- the order --------------------------------------------------------------------------------
 */

static int make_code(struct site *s, const char *site, const struct site_person *who, json_t **ret,
                     struct gw_error *err)
{
    char code[GW_PAIR_CODE_TEXT], when[GW_TIME_TEXT];
    struct site_mate_address own;
    uint64_t expires = 0;
    int r = site_reach_known(s, "", "", &own, err);
    if (r == 0)
        r = gw_pair_addresses(s->book, own.link, own.data, err);
    if (r == 0)
        r = gw_pair_offer(s->book, site, true, code, &expires, err);
    if (r < 0)
        return r;
    pthread_mutex_lock(&s->mu);
    snprintf(s->replaced_by, sizeof s->replaced_by, "%s", who->name);
    pthread_mutex_unlock(&s->mu);
    gw_time_format(expires, when);
    *ret = json_pack("{s:s, s:s, s:s, s:s, s:s}", "code", code, "expires", when, "site", s->name,
                     "link", own.link, "next",
                     "at the new machine: godwitd --init, then godwit site pair CODE and the link "
                     "address of this site; its plans are seeded by themselves");
    return 0;
}

/* Pair with the new machine. If that comes to nothing, the old pin is what it was. */
static int join(struct site *s, const char *site, const struct site_replacement *how,
                const struct site_person *who, struct gw_error *err)
{
    CLEANUP_FREE char *old = NULL;
    struct gw_pair_site peer;
    struct site_mate_address own;
    int r = site_reach_known(s, "", "", &own, err);
    if (r < 0)
        return r;
    const struct gw_pair_config config = { .identity = s->identity,
                                           .trust = s->trust,
                                           .link = own.link,
                                           .data = own.data,
                                           .expect_site = site };
    bool had = gw_trust_get(s->trust, site, NULL, &old, NULL) == 0;
    r = gw_pair_join(&config, how->code, how->link, true, JOIN_MS, &peer, err);
    if (r < 0)
        return r;
    snprintf(peer.link, sizeof peer.link, "%s", how->link);
    if (how->data[0] != '\0')
        snprintf(peer.data, sizeof peer.data, "%s", how->data);
    r = site_paired(s, &peer, who->name, err);
    if (r < 0 && had)
        gw_trust_pin(s->trust, site, old, true, NULL);
    /* A machine that took its identity from a backup: paired as before, and all else is new. */
    CLEANUP_FREE char *new = NULL;
    if (r == 0 && had && gw_trust_get(s->trust, site, NULL, &new, NULL) == 0 &&
        strcmp(old, new) == 0) {
        site_mates_forget(s, site);
        r = site_replace_mark(s, site, who->name, err);
        site_monitor_wake(s);
    }
    return r;
}

static int answer(struct site *s, const char *site, json_t **ret, struct gw_error *err)
{
    json_t *plans = await_runs(s, site), *run = NULL;
    *ret = json_pack("{s:s, s:o}", "replaced", site, "plans", plans);
    if (*ret == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    const char *id = site_text(json_array_get(plans, 0), "run");
    struct gw_error ignored = { 0 };
    if (json_array_size(plans) == 1 && id[0] != '\0' && site_run_json(s, id, &run, &ignored) == 0)
        json_object_set_new(*ret, "run", run);
    return 0;
}

int site_replace(struct site *s, const char *site, const struct site_replacement *how,
                 const struct site_person *who, json_t **ret, struct site_refusal *no,
                 struct gw_error *err)
{
    struct site_mate_address at;
    *no = (struct site_refusal){ .forceable = false };
    if (strcmp(site, s->name) == 0)
        return gw_error_set(err, -EINVAL,
                            "this is site %s: a site is replaced from the one that survives it",
                            site);
    int r = site_mate_address(s, site, &at, err);
    if (r == 0 && (how->code[0] != '\0') != (how->link[0] != '\0'))
        r = gw_error_set(err, -EINVAL, "a code and the link address go together (--code, --link)");
    if (r == 0)
        r = site_replace_check(s, site, no, err);
    struct site_audited log = { .seq = 0 };
    if (r == 0)
        r = site_audit_begin(s, who, "site-replace", site,
                             json_pack("{s:s, s:s}", "link", how->link, "data", how->data), &log,
                             err);
    if (r < 0)
        return r;
    r = how->code[0] == '\0' ? make_code(s, site, who, ret, err) : join(s, site, how, who, err);
    site_audit_end(s, &log, r, NULL, err);
    return r < 0 || how->code[0] == '\0' ? r : answer(s, site, ret, err);
}
