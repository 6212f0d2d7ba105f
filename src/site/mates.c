// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/mates.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"
#include "catalog/peers.h"
#include "control/message.h"
#include "http/route.h"
#include "link/peer.h"
#include "site/documents.h"
#include "site/fence.h"
#include "site/monitor.h"
#include "site/recall.h"
#include "site/side.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct site_mate {
    struct site_mate *next;
    char name[SITE_NAME_TEXT];
    struct site_mate_address address;
    struct gw_cert_fingerprint pin;
    struct gw_peer *peer; /* lives as long as the mate: calls run in parallel */
    struct site *site;
    pthread_t thread;
    bool runs, replaced; /* replaced: paired anew, another mate has its name */

    /* site.mu: */
    uint64_t heard_boot_ns, rtt_ns;
    uint64_t hearing_boot_ns;  /* heard without a silence since */
    uint64_t beaten_boot_ns;   /* the last beat that it sent */
    uint64_t answered_boot_ns; /* the last answer to a call of ours */
    uint64_t failing_boot_ns;  /* our beats fail since; 0: the last one did not */
    char cannot[256];          /* it says why its calls to us fail; "": they do not */
    int64_t offset_ns;
    bool clock_known;
    char version[32], why[256];
};

/* site.mu is held. */
static struct site_mate *find(struct site *s, const char *name)
{
    for (struct site_mate *m = s->mates; m != NULL; m = m->next) {
        if (!m->replaced && strcmp(m->name, name) == 0)
            return m;
    }
    return NULL;
}

static int not_paired(const char *name, struct gw_error *err)
{
    return gw_error_set(err, -ENOENT,
                        "this site is not paired with '%s'; godwit site pair there makes a code, "
                        "godwit site pair CODE ADDRESS here uses it",
                        name);
}

int site_mate_address(struct site *s, const char *name, struct site_mate_address *ret,
                      struct gw_error *err)
{
    LOCK_SCOPE(&s->mu);
    const struct site_mate *m = find(s, name);
    if (m == NULL)
        return not_paired(name, err);
    *ret = m->address;
    return 0;
}

static bool recent(uint64_t boot_ns)
{
    return boot_ns != 0 && gw_boot_ns() - boot_ns < SITE_MATE_SILENT_MS * GW_NS_PER_MS;
}

/* It is heard, and our beats have failed, both for as long as a silence lasts: not one that has
 * just come back, and that our next beat may reach. site.mu is held. */
static bool deaf(const struct site_mate *m)
{
    return m->failing_boot_ns != 0 && !recent(m->failing_boot_ns) && !recent(m->answered_boot_ns) &&
           !recent(m->hearing_boot_ns);
}

void site_mate_state(struct site *s, const char *name, struct site_mate_state *ret)
{
    LOCK_SCOPE(&s->mu);
    const struct site_mate *m = find(s, name);
    *ret = (struct site_mate_state){ .paired = m != NULL };
    if (m == NULL) {
        snprintf(ret->why, sizeof ret->why, "not paired");
        return;
    }
    ret->heard_boot_ns = m->heard_boot_ns;
    ret->beaten_boot_ns = m->beaten_boot_ns;
    ret->heard = recent(m->heard_boot_ns);
    ret->reachable = ret->heard && !deaf(m);
    if (ret->heard && deaf(m))
        snprintf(ret->one_way, sizeof ret->one_way, "we hear it, and cannot connect to it: %.200s",
                 m->why);
    else if (ret->heard && m->cannot[0] != '\0')
        snprintf(ret->one_way, sizeof ret->one_way,
                 "it answers us, and cannot connect to us: %.200s", m->cannot);
    ret->rtt_ns = m->rtt_ns;
    ret->offset_ns = m->offset_ns;
    ret->clock_known = m->clock_known;
    memcpy(ret->version, m->version, sizeof ret->version);
    memcpy(ret->why, m->why, sizeof ret->why);
}

int site_mate_call(struct site *s, const char *name, const char *method, json_t *params,
                   unsigned timeout_ms, json_t **ret, enum gw_http_outcome *ret_outcome,
                   struct gw_error *err)
{
    CLEANUP_SITE_JSON json_t *owned __attribute__((unused)) = params;
    if (ret_outcome != NULL)
        *ret_outcome = GW_HTTP_NOT_SENT;
    if (params == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    pthread_mutex_lock(&s->mu);
    struct site_mate *m = find(s, name);
    pthread_mutex_unlock(&s->mu);
    if (m == NULL)
        return not_paired(name, err);
    return gw_peer_call(m->peer, method, params, timeout_ms, ret, ret_outcome, NULL, err);
}

/* ---- beats ------------------------------------------------------------------------------------
 */

/*
 * Our sides of the plans that are shared with a mate: all, or those that it should hear of now.
 * From plan *at of the list on, and no more than `most` of them; *at is where the rest begins, and
 * 0 when that was all. A plan that is added meanwhile comes first in the list: the worst is one
 * told twice.
 */
static json_t *sides_for(struct site *s, const char *mate, bool all, size_t most, size_t *at)
{
    json_t *a = json_array();
    size_t i = 0;
    LOCK_SCOPE(&s->mu);
    for (struct site_plan *p = s->plans; p != NULL; p = p->next, i++) {
        if (i < *at || p->gone || p->side == NULL || strcmp(p->peer, mate) != 0)
            continue;
        if (json_array_size(a) == most) {
            *at = i;
            return a;
        }
        bool tell = p->tell;
        p->tell = false;
        if (all || tell)
            json_array_append_new(a, json_pack("{s:s, s:s, s:O}", "plan", p->name, "uuid",
                                               p->uuid_text, "side", p->side));
    }
    *at = 0;
    return a;
}

/* Our sides of which the mate, by what it said last, does not know that a later epoch is here. */
static json_t *later_for(struct site *s, const char *mate)
{
    json_t *a = json_array();
    LOCK_SCOPE(&s->mu);
    for (struct site_plan *p = s->plans; p != NULL; p = p->next) {
        if (!p->gone && p->side != NULL && strcmp(p->peer, mate) == 0 &&
            site_number(p->side, "epoch") > site_number(p->peer_side, "epoch"))
            json_array_append_new(a, json_pack("{s:s, s:s, s:O}", "plan", p->name, "uuid",
                                               p->uuid_text, "side", p->side));
    }
    return a;
}

/* Its plans that it is to fence: a revoke whose own call does not arrive asks so. */
static json_t *orders_for(struct site *s, const char *mate)
{
    json_t *a = json_array();
    LOCK_SCOPE(&s->mu);
    for (struct site_plan *p = s->plans; p != NULL; p = p->next) {
        if (!p->gone && p->ask_fence && strcmp(p->peer, mate) == 0)
            json_array_append_new(a,
                                  json_pack("{s:s, s:s}", "plan", p->name, "uuid", p->uuid_text));
    }
    return a;
}

static void take_orders(struct site *s, const char *mate, const json_t *orders)
{
    size_t i;
    json_t *item;
    json_array_foreach(orders, i, item)
    {
        struct gw_uuid uuid;
        struct site_plan *p =
            gw_uuid_parse(site_text(item, "uuid"), &uuid) ? site_plan_by_uuid(s, &uuid) : NULL;
        if (p != NULL && strcmp(p->peer, mate) == 0)
            site_monitor_depose(s, p, true, SITE_FENCE_ORDERED);
    }
}

static void keep_sides(struct site *s, const char *mate, const json_t *sides)
{
    size_t i;
    json_t *item;
    json_array_foreach(sides, i, item)
    {
        struct gw_uuid uuid;
        json_t *side = json_object_get(item, "side");
        if (!json_is_object(side) || !gw_uuid_parse(site_text(item, "uuid"), &uuid))
            continue;
        struct site_plan *p = site_plan_by_uuid(s, &uuid);
        if (p == NULL || strcmp(p->peer, mate) != 0)
            continue;
        LOCK_SCOPE(&s->mu);
        json_decref(p->peer_side);
        p->peer_side = json_incref(side);
        p->peer_side_boot_ns = gw_boot_ns();
        if (site_number(side, "epoch") > site_number(p->side, "epoch")) { /* obeyed at once */
            p->touched = true;
            s->touches++;
            pthread_cond_broadcast(&s->changed);
        }
    }
}

json_t *site_mates_side(struct site *s, struct site_plan *p)
{
    CLEANUP_SITE_JSON json_t *side = NULL;
    struct gw_error none = { 0 };
    return site_side_look(s, p, &side, &none) < 0 ? json_array()
                                                  : json_pack("[{s:s, s:s, s:O}]", "plan", p->name,
                                                              "uuid", p->uuid_text, "side", side);
}

void site_mates_told(struct site *s, const char *mate, const json_t *sides)
{
    keep_sides(s, mate, sides);
}

static void heard(struct site *s, const char *from)
{
    LOCK_SCOPE(&s->mu);
    struct site_mate *m = find(s, from);
    if (m == NULL)
        return;
    bool back = !recent(m->heard_boot_ns);
    m->heard_boot_ns = gw_boot_ns();
    if (back) {
        m->hearing_boot_ns = m->heard_boot_ns;
        s->runs_stale = true; /* what ended while we were apart is learnt by looking */
        s->changes++;
        pthread_cond_broadcast(&s->changed);
    }
}

static void note_beat(struct site *s, const char *from)
{
    LOCK_SCOPE(&s->mu);
    struct site_mate *m = find(s, from);
    if (m == NULL)
        return;
    m->beaten_boot_ns = gw_boot_ns();
    m->cannot[0] = '\0';
}

/* A call of ours was answered. */
static void answered(struct site *s, const char *name)
{
    heard(s, name);
    LOCK_SCOPE(&s->mu);
    struct site_mate *m = find(s, name);
    if (m == NULL)
        return;
    m->answered_boot_ns = gw_boot_ns();
    m->failing_boot_ns = 0;
    m->why[0] = '\0';
}

/* What a site that beats to us is told of our own calls to it. */
static void our_trouble(struct site *s, const char *name, char ret[256])
{
    LOCK_SCOPE(&s->mu);
    const struct site_mate *m = find(s, name);
    snprintf(ret, 256, "%s", m != NULL && deaf(m) ? m->why : "");
}

int site_mates_heard(struct site *s, const char *from, const json_t *params, json_t **ret,
                     struct gw_error *err)
{
    keep_sides(s, from, site_at(params, "sides"));
    site_recall_heard(s, from, site_text(params, "instance"), site_number(params, "generation"));
    heard(s, from);
    note_beat(s, from);
    /* Who hears our own beats need not be told twice; except that it does not reign any more. */
    bool wants = json_is_false(site_at(params, "want")) == false;
    size_t at = 0;
    char cannot[256];
    our_trouble(s, from, cannot);
    *ret = json_pack("{s:o, s:I, s:s, s:s, s:I, s:o, s:o}", "sides",
                     wants ? sides_for(s, from, true, SIZE_MAX, &at) : later_for(s, from),
                     "wall_ns", (json_int_t)gw_wall_ns(), "version", GODWIT_VERSION, "instance",
                     s->instance, "generation", (json_int_t)s->generation, "cannot",
                     gw_control_text(cannot), "fence", orders_for(s, from));
    return *ret != NULL ? 0 : gw_error_set(err, -ENOMEM, "out of memory");
}

static void note_clock(struct site_mate *m, uint64_t sent_ns, uint64_t theirs_ns, uint64_t back_ns)
{
    struct gw_clock_sample c;
    if (theirs_ns == 0 || !gw_clock_estimate(sent_ns, theirs_ns, theirs_ns, back_ns, &c))
        return;
    LOCK_SCOPE(&m->site->mu);
    m->rtt_ns = c.rtt_ns;
    m->offset_ns = c.offset_ns;
    m->clock_known = true;
}

void site_mates_ask(struct site *s, struct site_plan *p)
{
    struct site_mate_state mate;
    struct gw_error err = { 0 };
    CLEANUP_SITE_JSON json_t *result = NULL;
    site_mate_state(s, p->peer, &mate);
    if (!mate.reachable)
        return;
    if (site_mate_call(s, p->peer, "side", json_pack("{s:s}", "plan", p->name), SITE_ASK_MS,
                       &result, NULL, &err) < 0) {
        gw_log(GW_LOG_INFO, "%s: site %s was asked and did not say: %s", p->name, p->peer, err.msg);
        return;
    }
    keep_sides(s, p->peer, site_at(result, "sides"));
    answered(s, p->peer);
}

/* Its own beats do not come (yet): what it has to say comes with its answers. */
static bool wants_sides(struct site_mate *m)
{
    LOCK_SCOPE(&m->site->mu);
    return m->beaten_boot_ns == 0 ||
           gw_boot_ns() - m->beaten_boot_ns >= 2 * SITE_BEAT_MS * GW_NS_PER_MS;
}

/* One message; *at as of sides_for. */
static int beat_some(struct site_mate *m, bool all, size_t *at)
{
    struct site *s = m->site;
    struct gw_error err = { 0 };
    CLEANUP_SITE_JSON json_t *result = NULL;
    json_t *sides = sides_for(s, m->name, all, SITE_BEAT_SIDES_MAX, at);
    CLEANUP_SITE_JSON json_t *params = json_pack(
        "{s:o, s:b, s:I, s:s, s:I}", "sides", sides, "want", wants_sides(m), "wall_ns",
        (json_int_t)gw_wall_ns(), "instance", s->instance, "generation", (json_int_t)s->generation);
    uint64_t sent_ns = gw_wall_ns();
    int r = gw_peer_call(m->peer, "beat", params, SITE_BEAT_TIMEOUT_MS, &result, NULL, NULL, &err);
    if (r == 0) {
        note_clock(m, sent_ns, site_number(result, "wall_ns"), gw_wall_ns());
        keep_sides(s, m->name, site_at(result, "sides"));
        site_recall_heard(s, m->name, site_text(result, "instance"),
                          site_number(result, "generation"));
        answered(s, m->name);
        take_orders(s, m->name, site_at(result, "fence"));
    }
    LOCK_SCOPE(&s->mu);
    if (r < 0) {
        snprintf(m->why, sizeof m->why, "%.255s", err.msg);
        if (m->failing_boot_ns == 0)
            m->failing_boot_ns = gw_boot_ns();
    } else {
        snprintf(m->version, sizeof m->version, "%s", site_text(result, "version"));
        snprintf(m->cannot, sizeof m->cannot, "%.255s", site_text(result, "cannot"));
    }
    return r;
}

static void beat(struct site_mate *m, bool all)
{
    size_t at = 0;
    while (beat_some(m, all, &at) == 0 && at != 0)
        ;
}

/* All sides each second, so that the other site knows that they are of now; what changed between,
 * once the monitor has looked at it. */
static void *beat_main(void *arg)
{
    struct site_mate *m = arg;
    struct site *s = m->site;
    uint64_t all_ns = 0;
    for (;;) {
        pthread_mutex_lock(&s->mu);
        uint64_t told = s->tells;
        bool over = m->replaced || gw_stop_wanted(gw_stop_fd(s->stop));
        pthread_mutex_unlock(&s->mu);
        if (over)
            return NULL;
        bool all = gw_boot_ns() >= all_ns;
        beat(m, all);
        if (all)
            all_ns = gw_boot_ns() + SITE_BEAT_MS * GW_NS_PER_MS;
        LOCK_SCOPE(&s->mu);
        uint64_t now;
        while (s->tells == told && !m->replaced && !gw_stop_wanted(gw_stop_fd(s->stop)) &&
               (now = gw_boot_ns()) < all_ns)
            gw_cond_wait_ms(&s->changed, &s->mu, (unsigned)((all_ns - now) / GW_NS_PER_MS) + 1);
    }
}

void site_mates_wake(struct site *s)
{
    LOCK_SCOPE(&s->mu);
    s->changes++;
    pthread_cond_broadcast(&s->changed);
}

static int add_mate(struct site *s, const struct gw_catalog_peer *row, struct gw_error *err)
{
    struct gw_cert_info info;
    int r = gw_trust_get(s->trust, row->site, &info, NULL, err);
    if (r < 0)
        return r;
    struct site_mate *m = calloc(1, sizeof *m);
    if (m == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    m->site = s;
    snprintf(m->name, sizeof m->name, "%s", row->site);
    snprintf(m->address.link, sizeof m->address.link, "%s", row->link_address);
    snprintf(m->address.data, sizeof m->address.data, "%s", row->data_address);
    m->pin = info.fingerprint;
    struct gw_peer_config config = { .identity = s->identity,
                                     .site = m->name,
                                     .address = m->address.link,
                                     .pin = info.fingerprint };
    r = gw_peer_new(&config, &m->peer, err);
    if (r < 0) {
        free(m);
        return r;
    }
    LOCK_SCOPE(&s->mu);
    struct site_mate *old = find(s, m->name);
    if (old != NULL)
        old->replaced = true;
    m->next = s->mates;
    s->mates = m;
    m->runs = pthread_create(&m->thread, NULL, beat_main, m) == 0;
    pthread_cond_broadcast(&s->changed);
    return m->runs ? 0 : gw_error_set(err, -EAGAIN, "cannot make a thread for site '%s'", m->name);
}

static bool same_pin(struct site *s, const struct site_mate *m)
{
    struct gw_cert_info info;
    struct gw_error err = { 0 };
    return gw_trust_get(s->trust, m->name, &info, NULL, &err) == 0 &&
           gw_cert_fingerprint_equal(&info.fingerprint, &m->pin);
}

void site_mates_forget(struct site *s, const char *name)
{
    LOCK_SCOPE(&s->mu);
    for (struct site_plan *p = s->plans; p != NULL; p = p->next) {
        if (strcmp(p->peer, name) != 0)
            continue;
        json_decref(p->peer_side);
        p->peer_side = NULL;
        p->peer_side_boot_ns = 0;
        p->sent_boot_ns = 0;
    }
}

int site_mates_load(struct site *s, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_peer *rows = NULL;
    size_t n = 0;
    int r = gw_catalog_peer_list(s->catalog, &mem, &rows, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++) {
        pthread_mutex_lock(&s->mu);
        const struct site_mate *m = find(s, rows[i].site);
        bool same = m != NULL && strcmp(m->address.link, rows[i].link_address) == 0 &&
                    strcmp(m->address.data, rows[i].data_address) == 0 && same_pin(s, m);
        pthread_mutex_unlock(&s->mu);
        if (!same)
            r = add_mate(s, &rows[i], err);
    }
    return r;
}

void site_mates_stop(struct site *s)
{
    site_mates_wake(s);
    for (struct site_mate *m = s->mates; m != NULL; m = m->next)
        gw_peer_cancel(m->peer);
    for (struct site_mate *m = s->mates; m != NULL; m = m->next) {
        if (m->runs)
            pthread_join(m->thread, NULL);
        m->runs = false;
    }
}

void site_mates_free(struct site *s)
{
    while (s->mates != NULL) {
        struct site_mate *m = s->mates;
        s->mates = m->next;
        gw_peer_cancel(m->peer); /* of one that was paired with meanwhile */
        if (m->runs)
            pthread_join(m->thread, NULL);
        gw_peer_free(m->peer);
        free(m);
    }
}
