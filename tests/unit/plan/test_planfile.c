// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The plan file: what is decoded where, defaults, the canonical text, what is for later. */
#include "plans.h"

#include <errno.h>

/* Hashes of plans are kept at both sites: a change of these is a change of the format. */
#define MINIMAL_HASH "ec6683e612d52f39dfcf0b604a35899497f7c6e83b09c0118829398671d801ed"

static struct gw_planfile *file_of(const char *path)
{
    size_t len = 0;
    char *bytes = read_source(path, &len);
    struct gw_planfile *plan = NULL;
    struct gw_error err = { 0 };
    if (gw_planfile_parse(path, bytes, len, gw_doc_format_of(path), NULL, &plan, &err) < 0)
        fail_msg("%s", err.msg);
    free(bytes); /* the plan keeps nothing of it */
    return plan;
}

static void assert_argv(const struct gw_texts *t, const char *const *expected)
{
    size_t n = 0;
    for (; expected[n] != NULL; n++) {
        assert_in_range(n, 0, t->n - 1);
        assert_string_equal(t->item[n], expected[n]);
    }
    assert_int_equal(t->n, n);
    assert_null(t->item[n]); /* it can be executed */
}

#define ARGV(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void check_head(const struct gw_planfile *p)
{
    assert_string_equal(p->plan, "shop");
    assert_string_equal(p->home, "madrid");
    assert_string_equal(p->dr, "lisbon");
    assert_int_equal(p->rpo_ms, 30000);
    assert_int_equal(p->rto_ms, 300000);
    assert_int_equal(p->failback_rto_ms, 4 * 3600000);
    assert_int_equal(p->max_dr_time_ms, 14ull * 86400000);
    assert_int_equal(p->n_contacts, 2);
    assert_string_equal(p->contacts[0].name, "dba on call");
    assert_string_equal(p->contacts[0].webhook, "https://chat.example/hook/42");
    assert_argv(&p->contacts[1].command, ARGV("/usr/local/bin/page", "dba"));
    assert_null(p->contacts[1].webhook);
}

static void check_data(const struct gw_planfile *p)
{
    assert_int_equal(p->replication.mode, GW_REPLICATION_ASYNC);
    assert_int_equal(p->replication.on_link_loss, GW_ON_LINK_LOSS_CONTINUE);
    assert_int_equal(p->replication.compression, GW_COMPRESSION_ZSTD);
    assert_int_equal(p->replication.bandwidth.limit_per_s, 200u << 20);
    assert_int_equal(p->replication.bandwidth.n_schedule, 1);
    assert_string_equal(p->replication.bandwidth.schedule[0].cron.text, "* 8-18 * * 1-5");
    assert_int_equal(p->replication.bandwidth.schedule[0].limit_per_s, 50u << 20);
    assert_int_equal(p->n_volumes, 2);
    const struct gw_planfile_volume *v = gw_planfile_volume(p, "pgdata");
    assert_ptr_equal(v, &p->volumes[0]);
    assert_null(gw_planfile_volume(p, "nothing"));
    assert_int_equal(v->size_bytes, 20ull << 30);
    assert_string_equal(gw_planfile_path(p, v, "madrid"), "/dev/vg0/pgdata");
    assert_string_equal(gw_planfile_path(p, v, "lisbon"), "/var/lib/godwit/volumes/pgdata.img");
    assert_null(gw_planfile_path(p, v, "porto"));
    assert_string_equal(gw_planfile_other(p, "madrid"), "lisbon");
    assert_string_equal(gw_planfile_other(p, "lisbon"), "madrid");
    assert_null(gw_planfile_other(p, "porto"));
    assert_int_equal(p->volumes[1].size_bytes, 4096 * 1024);
    const struct gw_planfile_points *r = &p->recovery_points;
    assert_argv(&r->freeze.item[0].exec, ARGV("/usr/lib/shop/freeze"));
    assert_int_equal(r->thaw.item[0].timeout_ms, 300000);
    assert_int_equal(r->interval_ms, 300000);
    assert_int_equal(r->keep.count, 12);
    assert_int_equal(r->keep.hourly, 24);
    assert_int_equal(r->keep.daily, 7);
    assert_int_equal(r->keep.weekly, 4);
    assert_int_equal(r->max_age_ms, 30ull * 86400000);
    assert_int_equal(r->immutable_ms, 7ull * 86400000);
    assert_int_equal(p->journal.size_bytes, 64ull << 30);
    assert_int_equal(p->journal.keep_ms, 86400000);
}

static void check_database(const struct gw_planfile_group *g)
{
    assert_string_equal(g->name, "database");
    assert_int_equal(g->priority, 1);
    assert_false(g->active_active);
    assert_int_equal(g->n_instances, 1);
    assert_int_equal(g->instances[0].driver, GW_DRIVER_SYSTEMD);
    assert_string_equal(g->instances[0].unit, "postgresql@15-shop.service");
    assert_int_equal(g->instances[0].start_timeout_ms, 300000);
    assert_int_equal(g->instances[0].n_attach, 1); /* one alone needs no list */
    assert_string_equal(g->instances[0].attach[0].volume, "pgdata");
    assert_string_equal(g->instances[0].attach[0].mount, "/srv/shop");
    assert_int_equal(g->n_health, 2);
    assert_string_equal(g->health[0].tcp, "127.0.0.1:5432");
    assert_int_equal(g->health[0].interval_ms, 2000);
    assert_int_equal(g->health[0].timeout_ms, 10000);
    assert_int_equal(g->health[0].settle_ms, 0);
    assert_int_equal(g->health[0].within_ms, 300000);
    assert_int_equal(g->health[0].threshold, 1);
    assert_null(g->health[1].tcp);
    assert_argv(&g->health[1].exec, ARGV("/usr/lib/godwit/checks/pg-ready"));
    assert_int_equal(g->health[1].settle_ms, 3000);
    assert_int_equal(g->health[1].threshold, 2);
    assert_int_equal(g->hooks.pre_failover.n, 1);
    assert_int_equal(g->hooks.post_recover.n, 2);
    assert_argv(&g->hooks.post_recover.item[0].exec, ARGV("/usr/lib/shop/after", "--all"));
    assert_int_equal(g->hooks.post_recover.item[0].timeout_ms, 60000);
    assert_int_equal(g->hooks.post_recover.item[1].timeout_ms, 300000);
    assert_int_equal(g->hooks.pre_failback.n, 1);
    assert_argv(&g->hooks.post_failback.item[0].exec, ARGV("/usr/lib/shop/after"));
}

static void check_web(const struct gw_planfile_group *g)
{
    assert_int_equal(g->priority, 2);
    assert_true(g->active_active);
    assert_string_equal(g->instances[0].domain, "web1");
    const struct gw_planfile_instance *in = &g->instances[1];
    assert_int_equal(in->driver, GW_DRIVER_EXEC);
    assert_argv(&in->start, ARGV("/usr/lib/shop/web", "start"));
    assert_argv(&in->stop, ARGV("/usr/lib/shop/web", "stop"));
    assert_argv(&in->status, ARGV("/usr/lib/shop/web", "status"));
    assert_int_equal(in->start_timeout_ms, 90000);
    assert_int_equal(in->stop_timeout_ms, 30000);
    assert_int_equal(in->n_attach, 2);
    assert_null(in->attach[0].mount);
    assert_int_equal(g->n_health, 1);
    assert_string_equal(g->health[0].http->url, "http://127.0.0.1:8080/healthz");
    assert_int_equal(g->health[0].http->expect, 200);
    assert_string_equal(g->health[0].http->body, "ok");
    assert_int_equal(g->health[0].within_ms, 120000);
}

static void check_routes(const struct gw_planfile *p)
{
    assert_int_equal(p->n_routes, 4);
    const struct gw_planfile_dns *dns = p->routes[0].dns;
    assert_string_equal(dns->server, "10.0.0.53");
    assert_string_equal(dns->zone, "shop.example");
    assert_string_equal(dns->record, "www");
    assert_int_equal(dns->type, GW_RECORD_A);
    assert_int_equal(dns->ttl_s, 60);
    assert_string_equal(dns->tsig, "/etc/godwit/tsig.key");
    assert_argv(gw_planfile_at(p, &dns->at, "madrid"), ARGV("10.0.0.10"));
    assert_argv(gw_planfile_at(p, &dns->at, "lisbon"), ARGV("10.1.0.10"));
    assert_null(gw_planfile_at(p, &dns->at, "porto"));
    assert_string_equal(p->routes[1].haproxy->socket, "/run/haproxy/admin.sock");
    assert_string_equal(p->routes[1].haproxy->backend, "shop");
    assert_argv(&p->routes[1].haproxy->at.home, ARGV("m1", "m2"));
    assert_string_equal(p->routes[2].address->interface, "eth0");
    assert_string_equal(p->routes[2].address->ip, "10.9.0.5/24");
    assert_argv(&p->routes[3].exec->set, ARGV("/usr/lib/shop/route", "{site}"));
    assert_argv(&p->routes[3].exec->status, ARGV("/usr/lib/shop/route"));
    assert_int_equal(p->routes[3].exec->timeout_ms, 60000);
}

static void check_failover(const struct gw_planfile_failover *f)
{
    assert_int_equal(f->mode, GW_FAILOVER_APPROVE);
    assert_int_equal(f->detect.interval_ms, 5000);
    assert_int_equal(f->detect.threshold, 3);
    assert_int_equal(f->detect.n_probes, 2);
    assert_string_equal(f->detect.probes[1].tcp, "shop.example:443");
    assert_string_equal(f->detect.second->http->url, "https://probe.example/shop");
    assert_int_equal(f->detect.hold_ms, 0); /* not its default */
    assert_int_equal(f->detect.ha_grace_ms, 300000);
    assert_int_equal(f->lease.renew_ms, 3000);
    assert_int_equal(f->lease.round_trip_ms, 2000);
    assert_int_equal(f->lease.tries, 3);
    assert_int_equal(f->lease.stop_ms, 6000);
    assert_int_equal(f->lease.validity_ms, 18000);
    assert_int_equal(f->lease.promise_ms, 22000);
    assert_int_equal(f->lease.lock_delay_ms, 5000);
    assert_int_equal(f->lease.lost, GW_LEASE_LOST_CONSISTENCY);
    assert_int_equal(f->isolated_start, GW_ISOLATED_START_WAIT);
    assert_int_equal(f->auto_rpo_ms, 10000);
    assert_int_equal(f->approvals, 1);
    assert_int_equal(f->commit_after_ms, 3600000);
    assert_string_equal(f->fence[0].agent, "fence_ipmilan");
    assert_int_equal(f->fence[0].params.n, 3);
    assert_string_equal(f->fence[0].params.item[1].key, "password_file"); /* sorted */
    assert_string_equal(f->fence[0].params.item[1].value, "/etc/godwit/ipmi");
}

static void check_rest(const struct gw_planfile *p)
{
    assert_int_equal(p->failback.mode, GW_FAILBACK_MANUAL);
    assert_int_equal(p->failback.approvals, 2);
    assert_string_equal(p->failback.window->cron.text, "0 2 * * 0");
    assert_int_equal(p->failback.window->length_ms, 7200000);
    assert_int_equal(p->failback.max_outage_ms, 120000);
    assert_int_equal(p->failback.on_unhealthy, GW_ON_UNHEALTHY_RETURN);
    assert_argv(&p->checks.data.item[0].exec, ARGV("e2fsck", "-fn", "{volume:pgdata}"));
    assert_int_equal(p->verify->every_ms, 7ull * 86400000);
    assert_int_equal(p->verify->rate_per_s, 50u << 20);
    assert_string_equal(p->security_measures[0].name, "block admin vlan");
    assert_string_equal(p->security_measures[0].at, "madrid");
    assert_int_equal(p->security_measures[0].remove.n, 1);
    assert_int_equal(p->tests->every_ms, 90ull * 86400000);
    assert_string_equal(p->tests->network.netns, "godwit-test");
    assert_true(p->tests->rehearse);
    assert_int_equal(p->tests->pass.rto_ms, 300000);
    assert_int_equal(p->tests->pass.rpo_ms, 30000);
    assert_string_equal(p->runbook.owner, "dba on call");
    assert_int_equal(p->runbook.n_steps, 2);
    assert_string_equal(p->runbook.steps[0].before, "quiesce");
    assert_string_equal(p->runbook.steps[0].manual, "Ring 555-0100");
    assert_argv(&p->runbook.steps[0].operations, ARGV("failback"));
    assert_int_equal(p->runbook.steps[0].target_ms, 300000);
    assert_string_equal(p->runbook.steps[1].after, "start");
    assert_argv(&p->runbook.steps[1].exec, ARGV("/usr/lib/shop/warm"));
}

static void test_everything(void **state)
{
    (void)state;
    struct gw_planfile *p = file_of("tests/plans/good/shop.yaml");
    check_head(p);
    check_data(p);
    assert_int_equal(p->n_groups, 2);
    check_database(&p->groups[0]);
    check_web(&p->groups[1]);
    check_routes(p);
    check_failover(&p->failover);
    check_rest(p);
    gw_planfile_free(p);
}

static void test_defaults(void **state)
{
    (void)state;
    struct gw_planfile *p = file_of("tests/plans/good/minimal.yaml");
    assert_int_equal(p->rpo_ms, 60000);
    assert_int_equal(p->rto_ms, 900000);
    assert_int_equal(p->replication.mode, GW_REPLICATION_ASYNC);
    assert_int_equal(p->replication.compression, GW_COMPRESSION_ZSTD);
    assert_int_equal(p->replication.bandwidth.limit_per_s, 0);
    assert_int_equal(p->recovery_points.interval_ms, 0);
    assert_int_equal(p->n_groups, 0);
    assert_null(p->groups);
    assert_int_equal(p->failover.mode, GW_FAILOVER_APPROVE);
    assert_int_equal(p->failover.detect.hold_ms, 60000);
    assert_int_equal(p->failover.approvals, 0);
    assert_int_equal(p->failover.commit_after_ms, 0);
    assert_int_equal(p->failover.lease.validity_ms, 18000);
    assert_null(p->failback.window);
    assert_int_equal(p->failback.max_outage_ms, 120000);
    assert_int_equal(p->journal.size_bytes, 4ull << 30);
    assert_null(p->verify);
    assert_null(p->tests);
    gw_planfile_free(p);
}

/* The canonical text of a plan, which is freed. */
static char *canonical_of(struct gw_planfile *p, char hash[GW_PLANFILE_HASH_TEXT])
{
    char *text = NULL;
    struct gw_error err = { 0 };
    assert_int_equal(gw_planfile_canonical(p, &text, &err), 0);
    assert_int_equal(gw_planfile_hash(text, hash, &err), 0);
    gw_planfile_free(p);
    return text;
}

static void test_hash_is_of_the_meaning(void **state)
{
    (void)state;
    char a[GW_PLANFILE_HASH_TEXT], b[GW_PLANFILE_HASH_TEXT], c[GW_PLANFILE_HASH_TEXT];
    free(canonical_of(file_of("tests/plans/good/minimal.yaml"), a));
    assert_string_equal(a, MINIMAL_HASH);
    /* The same in other words: another order, defaults written out, other notations. */
    free(canonical_of(plan_of("volumes:\n"
                              "- at: {lisbon: /srv/data.img, madrid: \"/srv/data.img\"}\n"
                              "  size: 1048576KiB\n"
                              "  name: 'data'\n"
                              "dr: lisbon\nhome: madrid\nplan: shop\nrpo: 60s\n"
                              "failover: {commit: manual, detect: {hold: 1m}}\ngroups: []\n"
                              "replication: {mode: async}\n"),
                      b));
    assert_string_equal(a, b);
    free(canonical_of(plan_of(PLANS_HEAD "rpo: 59s\n" PLANS_VOLUME), c));
    assert_string_not_equal(a, c);
}

static void test_short_forms(void **state)
{
    (void)state;
    char hash[GW_PLANFILE_HASH_TEXT];
    char *text = canonical_of(
        plan_of(PLANS_BASE
                "routes: [{dns: {server: 10.0.0.53, zone: z, record: w, "
                "madrid: 10.0.0.1, at: {lisbon: [10.1.0.1, 10.1.0.2]}}}]\n"
                "checks: {data: [fsck, '{volume:data}']}\nfailover: {commit: {after: 60m}}\n"),
        hash);
    assert_non_null(
        strstr(text, "\"at\":{\"lisbon\":[\"10.1.0.1\",\"10.1.0.2\"],\"madrid\":[\"10.0.0.1\"]}"));
    assert_non_null(
        strstr(text, "\"data\":[{\"exec\":[\"fsck\",\"{volume:data}\"],\"timeout\":\"5m\"}]"));
    assert_non_null(strstr(text, "\"commit\":{\"after\":\"1h\"}"));
    free(text);
}

/* Every key of the table is in some good file, so that each is decoded and kept by test_corpus.c.
 */
static void test_good_files_have_every_key(void **state)
{
    (void)state;
    char a[GW_PLANFILE_HASH_TEXT];
    char *reference = gw_planfile_reference();
    char *text = canonical_of(file_of("tests/plans/good/shop.yaml"), a);
    assert_non_null(reference);
    unsigned keys = 0;
    static const char row[] = "\n| `";
    for (const char *at = reference; (at = strstr(at, row)) != NULL; keys++) {
        at += sizeof row - 1;
        char key[80];
        snprintf(key, sizeof key, "\"%.*s\":", (int)strcspn(at, "`"), at);
        if (strstr(text, key) == NULL)
            fail_msg("no key %s in the good files", key);
    }
    assert_in_range(keys, 120, 1000);
    free(reference);
    free(text);
}

static void test_later(void **state)
{
    (void)state;
    struct gw_plan_errors later = { 0 };
    struct gw_planfile *p = file_of("tests/plans/good/minimal.yaml");
    gw_planfile_later(p, &later);
    assert_int_equal(later.n, 0); /* defaults are not mentioned */
    gw_planfile_free(p);
    p = file_of("tests/plans/good/shop.yaml");
    gw_planfile_later(p, &later);
    static const char *const paths[] = {
        "recovery_points.freeze",
        "recovery_points.thaw",
        "recovery_points.interval",
        "recovery_points.keep",
        "recovery_points.max_age",
        "recovery_points.immutable",
        "groups[0].instances[0].driver",
        "groups[0].instances[0].attach[0].mount",
        "groups[1].active_active",
        "groups[1].instances[0].driver",
        "routes[0].dns",
        "routes[1].haproxy",
        "routes[2].address",
        "failover.detect",
        "failover.fence",
        "verify",
        "journal.keep",
        "security_measures",
        "tests",
        "runbook",
    };
    size_t n = sizeof paths / sizeof paths[0];
    for (size_t i = 0; i < later.n && i < n; i++)
        assert_string_equal(later.item[i].path, paths[i]);
    assert_int_equal(later.n, n);
    assert_string_equal(later.item[6].sentence,
                        "\"systemd\" is kept, but this release does not act on it yet");
    assert_true(gw_driver_supported(GW_DRIVER_EXEC));
    assert_false(gw_driver_supported(GW_DRIVER_SYSTEMD));
    assert_false(gw_driver_supported(GW_DRIVER_LIBVIRT));
    assert_string_equal(gw_driver_name(GW_DRIVER_LIBVIRT), "libvirt");
    assert_false(gw_route_supported(&p->routes[0]));
    assert_false(gw_route_supported(&p->routes[2]));
    assert_true(gw_route_supported(&p->routes[3]));
    assert_string_equal(gw_route_name(&p->routes[1]), "haproxy");
    gw_planfile_free(p);
    gw_plan_errors_done(&later);
}

static void test_bandwidth(void **state)
{
    (void)state;
    struct gw_planfile *p = file_of("tests/plans/good/shop.yaml");
    /* 2026-11-23 is a Monday. */
    assert_int_equal(gw_planfile_bandwidth(p, 1795392000 + 7 * 3600 + 3599, GW_CRON_UTC),
                     200u << 20);
    assert_int_equal(gw_planfile_bandwidth(p, 1795392000 + 8 * 3600, GW_CRON_UTC), 50u << 20);
    assert_int_equal(gw_planfile_bandwidth(p, 1795392000 + 19 * 3600, GW_CRON_UTC), 200u << 20);
    gw_planfile_free(p);
}

static void test_errors(void **state)
{
    (void)state;
    struct gw_planfile *plan = NULL;
    struct gw_plan_errors errors = { 0 };
    struct gw_error err = { 0 };
    static const char bad[] = "plan: shop\nhome: madrid\n";
    assert_int_equal(
        gw_planfile_parse("shop.yaml", bad, sizeof bad - 1, GW_DOC_YAML, &errors, &plan, &err),
        -EINVAL);
    assert_null(plan);
    assert_int_equal(errors.n, 2);
    assert_string_equal(err.msg,
                        "shop.yaml:1: \"dr\" is missing: a name (small letters, digits and "
                        "'-', at most 63) (and 1 more)");
    gw_plan_errors_done(&errors);
    assert_int_equal(
        gw_planfile_parse("shop.yaml", bad, sizeof bad - 1, GW_DOC_YAML, NULL, &plan, NULL),
        -EINVAL);
    /* More mistakes than are kept. */
    char text[8192] = PLANS_BASE;
    for (unsigned i = 0; i < GW_PLAN_ERRORS_MAX + 20; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "zz%u: 1\n", i);
    assert_int_equal(gw_planfile_parse("x", text, strlen(text), GW_DOC_YAML, &errors, &plan, &err),
                     -EINVAL);
    assert_int_equal(errors.n, GW_PLAN_ERRORS_MAX);
    assert_int_equal(errors.dropped, 20);
    gw_plan_errors_done(&errors);
    gw_planfile_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_hash_is_of_the_meaning),
        cmocka_unit_test(test_short_forms),
        cmocka_unit_test(test_good_files_have_every_key),
        cmocka_unit_test(test_later),
        cmocka_unit_test(test_bandwidth),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
