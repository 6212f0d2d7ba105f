// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "plan/planfile_check.h"

#include "base/checked.h"
#include "plan/near.h"
#include "plan/value.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#define PATH(ret, ...) snprintf(ret, GW_PLAN_PATH_TEXT, __VA_ARGS__)

static const char *const operations[] = { "failover", "failback", "switchover", "reverse", NULL };

/* NULL is a name that was wrong: it is equal to none. */
static bool same(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

/* Texts that become arguments of other programs, or names of the kernel. */
static void check_word(struct gw_decode *d, const char *text, const char *path)
{
    char quote[GW_PLAN_QUOTE_TEXT];
    if (text == NULL)
        return;
    gw_plan_quote(text, strlen(text), quote);
    if (text[0] == '-')
        gw_decode_error(d, path, "\"%s\" begins with '-' and would be taken for an option", quote);
    else if (strpbrk(text, " /\t\n") != NULL)
        gw_decode_error(d, path, "\"%s\" has a blank or '/' in it", quote);
}

/* ---- sites and volumes ------------------------------------------------------------------------
 */

static void check_sites(struct gw_decode *d, const struct gw_planfile *p)
{
    if (same(p->home, p->dr))
        gw_decode_error(d, "dr", "\"%s\" is home already; a plan has two sites", p->dr);
}

static void check_volume_pair(struct gw_decode *d, const struct gw_planfile *p, size_t i, size_t k)
{
    const struct gw_planfile_volume *a = &p->volumes[k], *b = &p->volumes[i];
    char path[GW_PLAN_PATH_TEXT];
    if (same(a->name, b->name)) {
        PATH(path, "volumes[%zu].name", i);
        gw_decode_error(d, path, "\"%s\" is the name of volumes[%zu] already", b->name, k);
    }
    if (same(a->at.home, b->at.home)) {
        PATH(path, "volumes[%zu].at.%s", i, p->home);
        gw_decode_error(d, path, "the same path as volumes[%zu]", k);
    }
    if (same(a->at.dr, b->at.dr)) {
        PATH(path, "volumes[%zu].at.%s", i, p->dr);
        gw_decode_error(d, path, "the same path as volumes[%zu]", k);
    }
}

static void check_volumes(struct gw_decode *d, const struct gw_planfile *p)
{
    for (size_t i = 0; i < p->n_volumes; i++) {
        if (same(p->volumes[i].name, "hot")) { /* a file of the engine has that name */
            char path[GW_PLAN_PATH_TEXT];
            PATH(path, "volumes[%zu].name", i);
            gw_decode_error(d, path, "a volume cannot be called \"hot\"; take another name");
        }
        for (size_t k = 0; k < i; k++)
            check_volume_pair(d, p, i, k);
    }
}

/* Is there such a volume? A list with mistakes in its names is given the benefit of the doubt. */
static bool volume_known(const struct gw_planfile *p, const char *name)
{
    bool known = p->n_volumes == 0;
    for (size_t i = 0; i < p->n_volumes; i++)
        known = known || p->volumes[i].name == NULL || same(p->volumes[i].name, name);
    return known;
}

static void no_such_volume(struct gw_decode *d, const struct gw_planfile *p, const char *name,
                           const char *path)
{
    const char *names[GW_PLANFILE_VOLUMES_MAX + 1] = { NULL };
    char quote[GW_PLAN_QUOTE_TEXT];
    for (size_t i = 0; i < p->n_volumes; i++)
        names[i] = p->volumes[i].name;
    const char *near = gw_near_miss(name, names);
    gw_plan_quote(name, strlen(name), quote);
    if (near != NULL)
        gw_decode_error(d, path, "no volume is called \"%s\"; did you mean \"%s\"?", quote, near);
    else
        gw_decode_error(d, path, "no volume of this plan is called \"%s\"", quote);
}

/* ---- replication, points -----------------------------------------------------------------------
 */

static void check_replication(struct gw_decode *d, const struct gw_planfile *p)
{
    const struct gw_planfile_replication *r = &p->replication;
    if (r->on_link_loss == GW_ON_LINK_LOSS_SUSPEND && r->mode == GW_REPLICATION_ASYNC)
        gw_decode_error(d, "replication.on_link_loss",
                        "suspend is for mode sync; in mode async writes never wait for the link");
}

static void check_points(struct gw_decode *d, const struct gw_planfile *p)
{
    const struct gw_planfile_points *r = &p->recovery_points;
    if (r->freeze.n > 0 && r->thaw.n == 0)
        gw_decode_error(d, "recovery_points.freeze",
                        "what is frozen must be thawed: give \"thaw\"");
    if (r->thaw.n > 0 && r->freeze.n == 0)
        gw_decode_error(d, "recovery_points.thaw", "there is nothing to thaw without \"freeze\"");
    if (r->max_age_ms != 0 && r->immutable_ms > r->max_age_ms)
        gw_decode_error(d, "recovery_points.immutable",
                        "longer than max_age: a point cannot be kept and removed at once");
}

/* ---- groups -------------------------------------------------------------------------------------
 */

/* What each driver needs, and what belongs to another. */
static const struct {
    const char *key;
    enum gw_driver driver;
} driver_keys[] = { { "start", GW_DRIVER_EXEC },
                    { "stop", GW_DRIVER_EXEC },
                    { "status", GW_DRIVER_EXEC },
                    { "unit", GW_DRIVER_SYSTEMD },
                    { "domain", GW_DRIVER_LIBVIRT } };

static void check_driver(struct gw_decode *d, const struct gw_planfile_instance *in,
                         const char *path)
{
    char where[GW_PLAN_PATH_TEXT];
    const struct gw_node *node = gw_node_walk(gw_doc_root(d->doc), path);
    const struct gw_node *driver = gw_node_get(node, "driver");
    if (driver == NULL || driver->kind != GW_NODE_SCALAR ||
        strcmp(driver->text, gw_driver_name(in->driver)) != 0)
        return; /* said already */
    for (size_t i = 0; i < GW_ARRAY_SIZE(driver_keys); i++) {
        bool given = gw_node_get(node, driver_keys[i].key) != NULL;
        bool wanted = driver_keys[i].driver == in->driver;
        PATH(where, "%.200s.%s", path, driver_keys[i].key);
        if (given && !wanted)
            gw_decode_error(d, where, "belongs to driver %s; this instance has driver %s",
                            gw_driver_name(driver_keys[i].driver), gw_driver_name(in->driver));
        else if (!given && wanted)
            gw_decode_error(d, path, "driver %s needs \"%s\"", gw_driver_name(in->driver),
                            driver_keys[i].key);
    }
    PATH(where, "%.200s.unit", path);
    check_word(d, in->unit, where);
    PATH(where, "%.200s.domain", path);
    check_word(d, in->domain, where);
}

/* Who has a volume mounted already? Two file systems over one volume destroy it. */
static bool mounted_before(const struct gw_planfile *p, const struct gw_planfile_attach *end,
                           const char *volume)
{
    for (size_t g = 0; g < p->n_groups; g++) {
        for (size_t i = 0; i < p->groups[g].n_instances; i++) {
            const struct gw_planfile_instance *in = &p->groups[g].instances[i];
            for (size_t k = 0; k < in->n_attach; k++) {
                if (&in->attach[k] == end)
                    return false;
                if (in->attach[k].mount != NULL && same(in->attach[k].volume, volume))
                    return true;
            }
        }
    }
    return false;
}

static void check_attach(struct gw_decode *d, const struct gw_planfile *p,
                         const struct gw_planfile_instance *in, const char *path)
{
    const struct gw_node *root = gw_doc_root(d->doc);
    char list[GW_PLAN_PATH_TEXT], where[GW_PLAN_PATH_TEXT];
    PATH(list, "%.200s.attach", path);
    bool alone = gw_node_walk(root, list)->kind == GW_NODE_MAP;
    for (size_t i = 0; i < in->n_attach; i++) {
        const struct gw_planfile_attach *a = &in->attach[i];
        char index[24] = "";
        if (!alone)
            snprintf(index, sizeof index, "[%zu]", i);
        if (a->volume != NULL && !volume_known(p, a->volume)) {
            PATH(where, "%.200s%s.volume", list, index);
            no_such_volume(d, p, a->volume, where);
        }
        if (a->mount != NULL && a->volume != NULL && mounted_before(p, a, a->volume)) {
            PATH(where, "%.200s%s.mount", list, index);
            gw_decode_error(d, where, "volume \"%s\" is mounted by another instance already",
                            a->volume);
        }
    }
}

static void check_instance(struct gw_decode *d, const struct gw_planfile *p, size_t g, size_t i)
{
    const struct gw_planfile_instance *in = &p->groups[g].instances[i];
    char path[GW_PLAN_PATH_TEXT], where[GW_PLAN_PATH_TEXT];
    PATH(path, "groups[%zu].instances[%zu]", g, i);
    check_driver(d, in, path);
    check_attach(d, p, in, path);
    for (size_t h = 0; h <= g; h++) {
        size_t n = h < g ? p->groups[h].n_instances : i;
        for (size_t k = 0; k < n; k++) {
            if (!same(p->groups[h].instances[k].name, in->name))
                continue;
            PATH(where, "%.200s.name", path);
            gw_decode_error(d, where, "\"%s\" is the name of groups[%zu].instances[%zu] already",
                            in->name, h, k);
            return;
        }
    }
}

static void check_groups(struct gw_decode *d, const struct gw_planfile *p)
{
    char where[GW_PLAN_PATH_TEXT];
    for (size_t g = 0; g < p->n_groups; g++) {
        for (size_t h = 0; h < g; h++) {
            if (same(p->groups[h].name, p->groups[g].name)) {
                PATH(where, "groups[%zu].name", g);
                gw_decode_error(d, where, "\"%s\" is the name of groups[%zu] already",
                                p->groups[g].name, h);
            }
        }
        for (size_t i = 0; i < p->groups[g].n_instances; i++)
            check_instance(d, p, g, i);
    }
}

/* ---- routes
 * -------------------------------------------------------------------------------------- */

static void check_at(struct gw_decode *d, const struct gw_planfile *p, const struct gw_at_texts *at,
                     const char *path)
{
    const char *lacks = at->home.n == 0 ? p->home : at->dr.n == 0 ? p->dr : NULL;
    const struct gw_node *node = gw_node_walk(gw_doc_root(d->doc), path);
    const struct gw_node *inner = gw_node_get(node, "at");
    if (lacks == NULL || gw_node_get(node, lacks) != NULL ||
        (inner != NULL && gw_node_get(inner, lacks) != NULL))
        return; /* there, or wrong and said already */
    gw_decode_error(d, path, "nothing is said for site \"%s\"", lacks);
}

static void check_record(struct gw_decode *d, enum gw_record_type type, const struct gw_texts *t,
                         const char *path)
{
    static const char *const what[] = { "an IPv4 address, as type A needs",
                                        "an IPv6 address, as type AAAA needs" };
    unsigned char bytes[sizeof(struct in6_addr)];
    char quote[GW_PLAN_QUOTE_TEXT];
    for (size_t i = 0; type != GW_RECORD_CNAME && i < t->n; i++) {
        if (inet_pton(type == GW_RECORD_A ? AF_INET : AF_INET6, t->item[i], bytes) == 1)
            continue;
        gw_decode_error(d, path, "\"%s\" is not %s",
                        gw_plan_quote(t->item[i], strlen(t->item[i]), quote), what[type]);
    }
}

static void check_dns(struct gw_decode *d, const struct gw_planfile *p,
                      const struct gw_planfile_dns *dns, const char *path)
{
    char where[GW_PLAN_PATH_TEXT], address[300], quote[GW_PLAN_QUOTE_TEXT];
    check_at(d, p, &dns->at, path);
    if (p->home != NULL && p->dr != NULL) {
        PATH(where, "%.180s.%s", path, p->home);
        check_record(d, dns->type, &dns->at.home, where);
        PATH(where, "%.180s.%s", path, p->dr);
        check_record(d, dns->type, &dns->at.dr, where);
    }
    if (dns->server == NULL)
        return;
    snprintf(address, sizeof address, strchr(dns->server, ':') == NULL ? "%s:53" : "%s",
             dns->server);
    PATH(where, "%.180s.server", path);
    if (!gw_address_ok(address, false))
        gw_decode_error(d, where, "\"%s\" is neither a host nor host:port",
                        gw_plan_quote(dns->server, strlen(dns->server), quote));
}

static void check_route_exec(struct gw_decode *d, const struct gw_planfile_route_exec *e,
                             const char *path)
{
    char where[GW_PLAN_PATH_TEXT];
    bool names_site = e->set.n == 0;
    for (size_t i = 0; i < e->set.n; i++)
        names_site = names_site || strstr(e->set.item[i], "{site}") != NULL;
    PATH(where, "%.200s.set", path);
    if (!names_site)
        gw_decode_error(d, where,
                        "no argument has {site} in it: it could not tell where to send "
                        "traffic");
}

static void check_routes(struct gw_decode *d, const struct gw_planfile *p)
{
    char path[GW_PLAN_PATH_TEXT];
    for (size_t i = 0; i < p->n_routes; i++) {
        const struct gw_planfile_route *r = &p->routes[i];
        PATH(path, "routes[%zu].dns", i);
        if (r->dns != NULL)
            check_dns(d, p, r->dns, path);
        PATH(path, "routes[%zu].haproxy", i);
        if (r->haproxy != NULL)
            check_at(d, p, &r->haproxy->at, path);
        PATH(path, "routes[%zu].haproxy.backend", i);
        if (r->haproxy != NULL)
            check_word(d, r->haproxy->backend, path);
        PATH(path, "routes[%zu].address.interface", i);
        if (r->address != NULL)
            check_word(d, r->address->interface, path);
        PATH(path, "routes[%zu].exec", i);
        if (r->exec != NULL)
            check_route_exec(d, r->exec, path);
    }
}

/* ---- failover, checks, runbook
 * ------------------------------------------------------------------- */

static void check_fence(struct gw_decode *d, const struct gw_planfile_failover *f)
{
    static const char *const secrets[] = { "password", "passwd", "secret", "token", "passphrase" };
    char path[GW_PLAN_PATH_TEXT];
    for (size_t i = 0; i < f->n_fence; i++) {
        PATH(path, "failover.fence[%zu].agent", i);
        check_word(d, f->fence[i].agent, path);
        for (size_t k = 0; k < f->fence[i].params.n; k++) {
            const char *key = f->fence[i].params.item[k].key;
            for (size_t s = 0; s < GW_ARRAY_SIZE(secrets); s++) {
                if (strcmp(key, secrets[s]) != 0)
                    continue;
                PATH(path, "failover.fence[%zu].params.%s", i, key);
                gw_decode_error(d, path,
                                "a plan keeps no secrets: put it into a file and name "
                                "that with \"%s_file\"",
                                key);
            }
        }
    }
}

static void check_failover(struct gw_decode *d, const struct gw_planfile *p)
{
    const struct gw_planfile_failover *f = &p->failover;
    const struct gw_node *mode = gw_node_walk(gw_doc_root(d->doc), "failover.mode");
    bool said_auto = mode->kind == GW_NODE_SCALAR && same(mode->text, "auto");
    if (f->lease.lost == GW_LEASE_LOST_AVAILABILITY && f->mode == GW_FAILOVER_AUTO && said_auto)
        gw_decode_error(d, "failover.lease.lost",
                        "availability excludes mode auto: a site that serves on without its lease "
                        "and a site that takes over by itself would both be active");
    check_fence(d, f);
}

/* "{volume:NAME}" in the arguments of a command. */
static void check_placeholders(struct gw_decode *d, const struct gw_planfile *p, const char *text,
                               const char *path)
{
    static const char opening[] = "{volume:";
    for (const char *at = text; (at = strstr(at, opening)) != NULL;) {
        at += sizeof opening - 1;
        size_t n = strcspn(at, "}");
        char name[GW_NAME_BYTES_MAX + 1];
        if (at[n] != '}') {
            gw_decode_error(d, path, "\"{volume:\" without its \"}\"");
            return;
        }
        snprintf(name, sizeof name, "%.*s", (int)GW_MIN(n, sizeof name - 1), at);
        if (!volume_known(p, name))
            no_such_volume(d, p, name, path);
    }
}

static void check_checks(struct gw_decode *d, const struct gw_planfile *p)
{
    for (size_t i = 0; i < p->checks.data.n; i++) {
        const struct gw_texts *exec = &p->checks.data.item[i].exec;
        for (size_t k = 0; k < exec->n; k++)
            check_placeholders(d, p, exec->item[k], "checks.data");
    }
}

static void check_runbook(struct gw_decode *d, const struct gw_planfile *p)
{
    char path[GW_PLAN_PATH_TEXT], quote[GW_PLAN_QUOTE_TEXT];
    for (size_t i = 0; i < p->runbook.n_steps; i++) {
        const struct gw_planfile_runbook_step *s = &p->runbook.steps[i];
        PATH(path, "runbook.steps[%zu]", i);
        const struct gw_node *node = gw_node_walk(gw_doc_root(d->doc), path);
        bool before = gw_node_get(node, "before") != NULL,
             after = gw_node_get(node, "after") != NULL;
        if (before == after)
            gw_decode_error(d, path,
                            before ? "a step has only one of before, after"
                                   : "a step needs one of before, after");
        PATH(path, "runbook.steps[%zu].operations", i);
        for (size_t k = 0; k < s->operations.n; k++) {
            const char *word = s->operations.item[k], *near = gw_near_miss(word, operations);
            bool known = near != NULL && strcmp(near, word) == 0;
            if (!known)
                gw_decode_error(d, path,
                                "\"%s\" is not one of failover, failback, switchover, "
                                "reverse",
                                gw_plan_quote(word, strlen(word), quote));
        }
    }
}

void gw_planfile_check(struct gw_decode *d, const struct gw_planfile *p)
{
    check_sites(d, p);
    check_volumes(d, p);
    check_replication(d, p);
    check_points(d, p);
    check_groups(d, p);
    check_routes(d, p);
    check_failover(d, p);
    check_checks(d, p);
    check_runbook(d, p);
    if (p->tests != NULL)
        check_word(d, p->tests->network.netns, "tests.network.netns");
}
