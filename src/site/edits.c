// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/edits.h"

#include "base/clock.h"
#include "base/log.h"
#include "site/dataplane.h"
#include "site/mates.h"
#include "site/monitor.h"
#include "site/plandir.h"
#include "site/recall.h"
#include "site/trial.h"
#include "site/volumes.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEND_MS 10000u
#define SEND_AGAIN_NS (5 * GW_NS_PER_S)
#define AWAIT_MS 20u

/* ---- sending ----------------------------------------------------------------------------------
 */

static json_t *document_json(const struct gw_catalog_plan *row)
{
    return json_pack("{s:s, s:s, s:I, s:s, s:s, s:s, s:s, s:I}", "uuid", row->uuid, "name",
                     row->name, "version", (json_int_t)row->version, "hash", row->hash, "document",
                     row->document, "original", row->original, "holder", row->holder, "epoch",
                     (json_int_t)row->epoch);
}

static int send_row(struct site *s, const char *peer, const struct gw_catalog_plan *row,
                    enum gw_http_outcome *ret_outcome, struct gw_error *err)
{
    return site_mate_call(s, peer, "plan", document_json(row), SEND_MS, NULL, ret_outcome, err);
}

void site_edits_send(struct site *s, struct site_plan *p, const json_t *ours, const json_t *theirs)
{
    uint64_t now = gw_boot_ns();
    struct site_mate_state mate;
    site_mate_state(s, p->peer, &mate);
    bool older = theirs == NULL || site_number(theirs, "version") < site_number(ours, "version");
    if (!mate.reachable || !older || now - p->sent_boot_ns < SEND_AGAIN_NS)
        return;
    p->sent_boot_ns = now;
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_plan row = { 0 };
    struct gw_error err = { 0 };
    if (gw_catalog_plan_get_uuid(s->catalog, p->uuid_text, &mem, &row, &err) == 0 &&
        send_row(s, p->peer, &row, NULL, &err) < 0)
        gw_log(GW_LOG_WARNING, "%s: sending the plan to '%s': %s", p->name, p->peer, err.msg);
}

/* ---- storing ----------------------------------------------------------------------------------
 */

static int store_new(struct site *s, const struct gw_planfile *plan, const char *uuid,
                     const char *canonical, const char *original, const char *hash,
                     uint64_t version, const char *who, struct gw_error *err)
{
    static const enum gw_catalog_mode modes[] = {
        [GW_FAILOVER_AUTO] = GW_CATALOG_MODE_AUTO,
        [GW_FAILOVER_APPROVE] = GW_CATALOG_MODE_APPROVE,
        [GW_FAILOVER_MANUAL] = GW_CATALOG_MODE_MANUAL,
        [GW_FAILOVER_OBSERVE] = GW_CATALOG_MODE_OBSERVE_ONLY,
    };
    struct gw_catalog_plan row = {
        .uuid = uuid,
        .name = plan->plan,
        .version = version,
        .hash = hash,
        .document = canonical,
        .original = original,
        .mode = modes[plan->failover.mode],
        .holder = "",
        .committed = true,
        .phase = "",
        .created_wall_ns = gw_wall_ns(),
        .state = "{}",
    };
    int r = gw_catalog_plan_add(s->catalog, &row, who, gw_wall_ns(), err);
    return r < 0 ? r : site_plans_load(s, err);
}

static int store_edit(struct site *s, struct site_plan *p, const char *canonical,
                      const char *original, const char *hash, uint64_t version, uint64_t expected,
                      const char *who, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_plan row = { 0 };
    int r = gw_catalog_plan_get_uuid(s->catalog, p->uuid_text, &mem, &row, err);
    if (r < 0)
        return r;
    row.version = version;
    row.hash = hash;
    row.document = canonical;
    row.original = original;
    r = gw_catalog_plan_edit(s->catalog, &row, expected, who, gw_wall_ns(), err);
    if (r == 0)
        r = site_plans_load(s, err);
    if (r == 0)
        site_event(s, "plan.edited", p->name, NULL, SITE_NOTICE, NULL, "version %llu, by %s",
                   (unsigned long long)version, who);
    return r;
}

int site_edit_received(struct site *s, const char *from, const json_t *params, struct gw_error *err)
{
    const char *name = site_text(params, "name"), *canonical = site_text(params, "document");
    const char *hash = site_text(params, "hash"), *uuid_text = site_text(params, "uuid");
    uint64_t version = site_number(params, "version");
    char own[GW_PLANFILE_HASH_TEXT];
    struct gw_planfile *plan = NULL;
    struct gw_uuid uuid;
    int r = gw_planfile_hash(canonical, own, err);
    if (r == 0 && (strcmp(own, hash) != 0 || version == 0 || !gw_uuid_parse(uuid_text, &uuid)))
        return gw_error_set(err, -EBADMSG, "plan '%s' from %s: hash, version or uuid do not fit",
                            name, from);
    if (r == 0)
        r = gw_planfile_parse(name, canonical, strlen(canonical), GW_DOC_JSON, NULL, &plan, err);
    if (r != 0)
        return r;
    const char *other = gw_planfile_other(plan, s->name);
    if (other == NULL || strcmp(other, from) != 0)
        r = gw_error_set(err, -EINVAL, "plan '%s' is not between %s and this site, %s", name, from,
                         s->name);
    struct site_plan *p = r == 0 ? site_plan_by_uuid(s, &uuid) : NULL;
    CLEANUP_DOCUMENT struct site_document *doc = p != NULL ? site_plan_document(s, p) : NULL;
    char who[128];
    snprintf(who, sizeof who, "site %s", from);
    if (r == 0 && p == NULL)
        r = store_new(s, plan, uuid_text, canonical, site_text(params, "original"), hash, version,
                      who, err);
    else if (r == 0 && version > doc->version)
        r = store_edit(s, p, canonical, site_text(params, "original"), hash, version, doc->version,
                       who, err);
    else if (r == 0 && version == doc->version && strcmp(hash, doc->hash) != 0)
        r = gw_error_set(err, -EBADMSG, "plan '%s': version %llu is another document here", name,
                         (unsigned long long)version);
    gw_planfile_free(plan);
    return r;
}

/* ---- applying ---------------------------------------------------------------------------------
 */

/* A volume of a plan that nothing was ever copied for is whatever the document says. */
static bool is_refused(const struct gw_planfile_change *c, bool unused)
{
    return c->kind == GW_CHANGE_REFUSED && !(unused && c->name != NULL);
}

static json_t *changes_json(const struct gw_planfile_changes *c)
{
    json_t *a = json_array();
    for (size_t i = 0; i < c->n; i++) {
        const struct gw_planfile_change *x = &c->item[i];
        json_array_append_new(
            a, json_pack("{s:s, s:o}", "path", x->path, "sentence",
                         x->kind == GW_CHANGE_REFUSED
                             ? json_sprintf("%s is changed: nothing was ever replicated", x->path)
                             : json_string(x->sentence)));
    }
    return a;
}

/* Who may edit: the holder's site; before there is one, the plan's home. */
static int right_place(struct site *s, struct site_plan *p, struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *ours = NULL, *theirs = NULL;
    CLEANUP_DOCUMENT struct site_document *doc = site_plan_document(s, p);
    uint64_t age;
    site_sides(s, p, &ours, &theirs, &age);
    const char *holder = site_text(ours, "holder");
    const char *place = holder[0] != '\0' ? holder : doc->plan->home;
    if (strcmp(place, s->name) == 0)
        return 0;
    return gw_error_set(err, -EPERM, "plan '%s' is edited at %s, where it is %s", p->name, place,
                        holder[0] != '\0' ? "active" : "at home");
}

static int refused_change(const struct gw_planfile_changes *c, bool unused, struct gw_error *err)
{
    for (size_t i = 0; i < c->n; i++) {
        if (is_refused(&c->item[i], unused))
            return gw_error_set(err, -EPERM, "%s: %s", c->item[i].path, c->item[i].sentence);
    }
    return 0;
}

static bool changes_volumes(const struct gw_planfile_changes *c)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->item[i].kind == GW_CHANGE_VOLUME_ADDED ||
            c->item[i].kind == GW_CHANGE_VOLUME_REMOVED ||
            c->item[i].kind == GW_CHANGE_VOLUME_GROWN)
            return true;
    }
    return false;
}

static int edit(struct site *s, struct site_plan *p, const struct gw_planfile *plan,
                const char *canonical, const char *original, const struct site_person *who,
                uint64_t expected, struct site_applied *ret, struct gw_error *err)
{
    CLEANUP_DOCUMENT struct site_document *doc = site_plan_document(s, p);
    struct site_mate_state mate;
    ret->version = doc->version;
    if (expected != 0 && expected != doc->version)
        return gw_error_set(err, -ESTALE, "plan '%s' is at version %llu, not %llu: read it again",
                            p->name, (unsigned long long)doc->version,
                            (unsigned long long)expected);
    ret->unchanged = strcmp(doc->hash, ret->hash) == 0;
    if (ret->unchanged)
        return 0;
    int r = right_place(s, p, err);
    if (r < 0)
        return r;
    site_mate_state(s, p->peer, &mate);
    if (!mate.reachable)
        return gw_error_set(err, -EHOSTUNREACH,
                            "site %s does not answer (%s): an edit has to reach both sites. A "
                            "failover is possible all the same",
                            p->peer, mate.why);
    struct gw_planfile_changes changes = { 0 };
    r = gw_planfile_diff(doc->plan, plan, &changes, err);
    if (r < 0)
        return r;
    CLEANUP_SITE_JSON json_t *ours = NULL, *theirs = NULL;
    uint64_t age;
    site_sides(s, p, &ours, &theirs, &age);
    r = refused_change(&changes, site_true(ours, "unused") && site_true(theirs, "unused"), err);
    if (r == 0 && changes_volumes(&changes) && site_true(ours, "activated"))
        r = site_volumes_prepare(s, p, plan, &changes, err);
    ret->changes = changes_json(&changes);
    gw_planfile_changes_done(&changes);
    if (r == 0)
        r = store_edit(s, p, canonical, original, ret->hash, doc->version + 1, doc->version,
                       who->name, err);
    if (r < 0)
        return r;
    ret->version = doc->version + 1;
    p->sent_boot_ns = 0; /* the monitor sends it at once, and again until it is there */
    site_monitor_wake(s);
    return 0;
}

static int create(struct site *s, const struct gw_planfile *plan, const char *canonical,
                  const char *original, const struct site_person *who, struct site_applied *ret,
                  struct gw_error *err)
{
    struct site_mate_address address;
    const char *peer = gw_planfile_other(plan, s->name);
    if (peer == NULL)
        return gw_error_set(err, -EINVAL, "this site is '%s'; the plan is between '%s' and '%s'",
                            s->name, plan->home, plan->dr);
    int r = site_mate_address(s, peer, &address, err);
    if (r < 0)
        return r;
    char uuid_text[GW_UUID_TEXT];
    struct gw_uuid uuid = gw_uuid_new();
    gw_uuid_format(&uuid, uuid_text);
    r = store_new(s, plan, uuid_text, canonical, original, ret->hash, 1, who->name, err);
    if (r < 0)
        return r;
    ret->created = true;
    ret->version = 1;
    site_event(s, "plan.created", plan->plan, NULL, SITE_NOTICE, NULL, "stored by %s", who->name);
    site_monitor_wake(s);
    return 0;
}

/* Until the other site says that it has this document, so that what is asked for next is not
 * refused for it. It goes there by itself: not for ever. */
static void await_peer(struct site *s, const char *name, const char *hash)
{
    struct site_plan *p;
    struct gw_error none = { 0 };
    if (site_plan_find(s, name, &p, &none) < 0)
        return;
    uint64_t end_ns = gw_boot_ns() + SEND_MS * GW_NS_PER_MS;
    while (gw_boot_ns() < end_ns && !gw_stop_wait(gw_stop_fd(s->stop), AWAIT_MS)) {
        CLEANUP_SITE_JSON json_t *ours = NULL, *theirs = NULL;
        struct site_mate_state mate;
        uint64_t age;
        site_sides(s, p, &ours, &theirs, &age);
        site_mate_state(s, p->peer, &mate);
        if (!mate.reachable || (strcmp(site_text(ours, "hash"), hash) == 0 &&
                                strcmp(site_text(theirs, "hash"), hash) == 0))
            return;
    }
}

/* Both sites are ready for it; a failure here is followed by other tries, of the monitor. */
static int bring_about(struct site *s, struct site_plan *p, const struct site_applied *done,
                       struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *ours = NULL, *theirs = NULL;
    uint64_t age;
    site_sides(s, p, &ours, &theirs, &age);
    if (!site_true(ours, "activated") || strcmp(site_text(ours, "want"), "SOURCE") != 0)
        return 0;
    site_trial_at(s, "volumes.stored");
    int r = site_volumes_go_on(s, p, true, err);
    if (r < 0)
        return gw_error_wrap(err,
                             "version %llu of the plan is stored, its volumes are not all changed "
                             "yet (it goes on by itself; godwit status %s)",
                             (unsigned long long)done->version, p->name),
               r;
    return 0;
}

static int check_name(const struct gw_planfile *plan, const char *name, struct gw_error *err)
{
    return strcmp(plan->plan, name) == 0
               ? 0
               : gw_error_set(err, -EINVAL, "the file is of plan '%s', and not of plan '%s'",
                              plan->plan, name);
}

int site_edit_apply(struct site *s, const char *plan_name, const char *name, const char *bytes,
                    size_t len, enum gw_doc_format format, uint64_t expected_version,
                    const struct site_person *who, struct gw_plan_errors *errors,
                    struct site_applied *ret, struct gw_error *err)
{
    struct gw_planfile *plan = NULL;
    *ret = (struct site_applied){ .created = false };
    int r = site_fenced_check(s, err);
    if (r == 0)
        r = gw_planfile_parse(name, bytes, len, format, errors, &plan, err);
    if (r != 0)
        return r;
    CLEANUP_FREE char *canonical = NULL;
    CLEANUP_FREE char *original = strndup(bytes, len);
    r = check_name(plan, plan_name, err);
    if (r == 0)
        r = gw_planfile_canonical(plan, &canonical, err);
    if (r == 0)
        r = gw_planfile_hash(canonical, ret->hash, err);
    if (r == 0 && original == NULL)
        r = gw_error_set(err, -ENOMEM, "out of memory");
    struct site_plan *p = NULL;
    struct gw_error none = { 0 };
    if (r == 0 && site_plan_find(s, plan->plan, &p, &none) == 0)
        r = edit(s, p, plan, canonical, original, who, expected_version, ret, err);
    else if (r == 0 && expected_version != 0)
        r = gw_error_set(err, -ESTALE, "there is no plan '%s' any more", plan->plan);
    else if (r == 0)
        r = create(s, plan, canonical, original, who, ret, err);
    if (r == 0 && !ret->unchanged)
        await_peer(s, plan->plan, ret->hash);
    if (r == 0 && p != NULL)
        r = bring_about(s, p, ret, err);
    gw_planfile_free(plan);
    return r;
}

/* ---- what is done without a person, or in one step --------------------------------------------
 */

static void set_committed(struct gw_catalog_plan *row, void *arg)
{
    (void)arg;
    row->committed = true;
}

/* By boot time: no clock that is set commits a failover. Only where the machine was started anew
 * since is there nothing but the wall clock to go by. */
static bool is_over(const struct site *s, const json_t *facts, uint64_t after_ns)
{
    uint64_t since = site_number(facts, "failed_over_wall_ns"), now = gw_wall_ns();
    if (since == 0)
        return false;
    if (strcmp(site_text(facts, "failed_over_boot"), s->boot_id) == 0) {
        since = site_number(facts, "failed_over_boot_ns");
        now = gw_boot_ns();
    }
    return now >= since && now - since >= after_ns;
}

void site_edits_commit_due(struct site *s, struct site_plan *p, const json_t *ours)
{
    CLEANUP_DOCUMENT struct site_document *doc = site_plan_document(s, p);
    uint64_t after_ms = doc->plan->failover.commit_after_ms;
    static const struct site_person policy = { .name = "godwit",
                                               .uid = -1,
                                               .origin = "failover.commit_after" };
    struct gw_error err = { 0 };
    struct site_audited log = { .seq = 0 };
    char object[96];
    if (after_ms == 0 || site_true(ours, "committed") ||
        strcmp(site_text(ours, "holder"), s->name) != 0)
        return;
    if (!is_over(s, site_at(ours, "facts"), after_ms * GW_NS_PER_MS))
        return;
    snprintf(object, sizeof object, "plan %s", p->name);
    int r = site_audit_begin(s, &policy, "commit", object, NULL, &log, &err);
    if (r == 0)
        r = site_plan_update(s, p, set_committed, NULL, &err);
    if (site_audit_end(s, &log, r, NULL, &err) == 0)
        site_event(s, "plan.committed", p->name, NULL, SITE_NOTICE, NULL,
                   "the failover is committed: commit_after has passed");
}

int site_edit_adopt(struct site *s, struct site_plan *p, const struct site_person *who,
                    struct gw_error *err)
{
    CLEANUP_DOCUMENT struct site_document *doc = site_plan_document(s, p);
    CLEANUP_FREE char *canonical = NULL;
    char hash[GW_PLANFILE_HASH_TEXT];
    int r = gw_planfile_canonical(doc->plan, &canonical, err);
    CLEANUP_SITE_JSON json_t *o = r == 0 ? json_loads(canonical, 0, NULL) : NULL;
    if (o == NULL)
        return r < 0 ? r : gw_error_set(err, -ENOMEM, "out of memory");
    json_object_set_new(o, "home", json_string(doc->plan->dr));
    json_object_set_new(o, "dr", json_string(doc->plan->home));
    CLEANUP_FREE char *swapped = json_dumps(o, JSON_COMPACT | JSON_SORT_KEYS);
    struct gw_planfile *plan = NULL;
    CLEANUP_FREE char *text = NULL;
    r = gw_planfile_parse(p->name, swapped, strlen(swapped), GW_DOC_JSON, NULL, &plan, err);
    if (r == 0)
        r = gw_planfile_canonical(plan, &text, err);
    if (r == 0)
        r = gw_planfile_hash(text, hash, err);
    if (r == 0)
        r = store_edit(s, p, text, text, hash, doc->version + 1, doc->version, who->name, err);
    gw_planfile_free(plan);
    p->sent_boot_ns = 0;
    site_monitor_wake(s);
    return r;
}

static void set_retired(struct gw_catalog_plan *row, void *arg)
{
    (void)arg;
    row->retired_wall_ns = gw_wall_ns();
    row->want = GW_CATALOG_WANT_NONE;
}

/* It has nothing that is not in the volumes, and would be in the way of a plan of this name. */
static int discard_unused(struct site *s, struct site_plan *p, struct gw_error *err)
{
    struct site_dp_paths at;
    if (!site_side_unused(s, p))
        return 0;
    int r = site_dp_paths(s, p, &at, err);
    return r < 0 ? r : site_plandir_discard(at.dir, err);
}

int site_edit_retire(struct site *s, struct site_plan *p, const struct site_person *who,
                     struct gw_error *err)
{
    int r = discard_unused(s, p, err);
    if (r == 0)
        r = site_plan_update(s, p, set_retired, NULL, err);
    if (r == 0)
        r = site_plans_load(s, err);
    if (r == 0)
        site_event(s, "plan.deleted", p->name, NULL, SITE_NOTICE, NULL,
                   "by %s; its directory and its evidence stay", who->name);
    gw_polls_remove(s->polls, p->name);
    p->polled = false;
    return r;
}

/* There first: a plan that is left at one site only would be sent to the other one again. */
int site_edit_delete(struct site *s, struct site_plan *p, const struct site_person *who,
                     struct gw_error *err)
{
    char name[sizeof who->name + SITE_NAME_TEXT];
    snprintf(name, sizeof name, "%s@%s", who->name, s->name);
    int r = site_mate_call(
        s, p->peer, "retire",
        json_pack("{s:s, s:s, s:s}", "plan", p->name, "uuid", p->uuid_text, "who", name), SEND_MS,
        NULL, NULL, err);
    if (r < 0)
        return gw_error_wrap(err, "the plan is deleted at both sites, and %s was asked first",
                             p->peer);
    return site_edit_retire(s, p, who, err);
}
