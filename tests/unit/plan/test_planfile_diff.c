// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What an edit changes, in words. */
#include "plan/planfile_diff.h"
#include "plans.h"

#define VOLUMES(...) "volumes:\n" __VA_ARGS__
#define DATA "- {name: data, size: 1GiB, at: {madrid: /srv/a, lisbon: /srv/b}}\n"
#define LOG "- {name: log, size: 4MiB, at: {madrid: /srv/l, lisbon: /srv/l}}\n"
#define BOTH PLANS_HEAD VOLUMES(DATA LOG)
#define INSTANCE(name) "{name: " name ", driver: exec, start: [a], stop: [b], status: [c]}"

static struct gw_planfile_changes diff(const char *old, const char *new)
{
    struct gw_planfile *o = plan_of(old), *n = plan_of(new);
    struct gw_planfile_changes changes = { 0 };
    struct gw_error err = { 0 };
    assert_int_equal(gw_planfile_diff(o, n, &changes, &err), 0);
    gw_planfile_free(o);
    gw_planfile_free(n);
    return changes;
}

/* Exactly one change, of this kind and in these words. */
static void one(const char *old, const char *new, enum gw_planfile_change_kind kind,
                const char *path, const char *sentence)
{
    struct gw_planfile_changes changes = diff(old, new);
    for (size_t i = 1; i < changes.n; i++)
        print_error("also: %s\n", changes.item[i].sentence);
    assert_int_equal(changes.n, 1);
    assert_string_equal(changes.item[0].sentence, sentence);
    assert_string_equal(changes.item[0].path, path);
    assert_int_equal(changes.item[0].kind, kind);
    assert_int_equal(changes.n_refused, kind == GW_CHANGE_REFUSED);
    gw_planfile_changes_done(&changes);
    assert_int_equal(changes.n, 0);
}

static void test_same(void **state)
{
    (void)state;
    struct gw_planfile_changes changes = diff(BOTH, PLANS_HEAD "rpo: 60s\n" VOLUMES(DATA LOG));
    assert_int_equal(changes.n, 0);
    assert_null(changes.item);
    gw_planfile_changes_done(&changes);
    one(BOTH, PLANS_HEAD VOLUMES(LOG DATA), GW_CHANGE_SETTING, "volumes",
        "volumes are in another order");
}

static void test_volumes(void **state)
{
    (void)state;
    one(PLANS_HEAD VOLUMES(DATA), BOTH, GW_CHANGE_VOLUME_ADDED, "volumes.log",
        "volume log (4MiB) is added");
    one(BOTH, PLANS_HEAD VOLUMES(DATA), GW_CHANGE_VOLUME_REMOVED, "volumes.log",
        "volume log is removed from the plan: its data stays where it is, unprotected");
    one(PLANS_HEAD VOLUMES(DATA),
        PLANS_HEAD VOLUMES("- {name: data, size: 1536MiB, at: {madrid: /srv/a, lisbon: /srv/b}}\n"),
        GW_CHANGE_VOLUME_GROWN, "volumes.data.size", "volume data grows from 1GiB to 1536MiB");
    one(PLANS_HEAD VOLUMES(DATA),
        PLANS_HEAD VOLUMES("- {name: data, size: 512MiB, at: {madrid: /srv/a, lisbon: /srv/b}}\n"),
        GW_CHANGE_REFUSED, "volumes.data.size",
        "volume data cannot shrink from 1GiB to 512MiB: what is behind the new end would be lost; "
        "add a smaller volume and copy");
    one(PLANS_HEAD VOLUMES(DATA),
        PLANS_HEAD VOLUMES("- {name: data, size: 1GiB, at: {madrid: /srv/a, lisbon: /srv/c}}\n"),
        GW_CHANGE_REFUSED, "volumes.data.at.lisbon",
        "volume data cannot move from /srv/b to /srv/c at lisbon by an edit: remove it from the "
        "plan and add it again, or leave a link at the old path");
    struct gw_planfile_changes c = diff(
        PLANS_HEAD VOLUMES(DATA),
        PLANS_HEAD VOLUMES("- {name: data, size: 2GiB, at: {madrid: /srv/a, lisbon: /srv/b}}\n"));
    assert_string_equal(c.item[0].name, "data");
    assert_int_equal(c.item[0].old_bytes, 1ull << 30);
    assert_int_equal(c.item[0].new_bytes, 2ull << 30);
    gw_planfile_changes_done(&c);
}

/* A new name for the old path would be a full copy over the only good one. */
static void test_rename(void **state)
{
    (void)state;
    struct gw_planfile_changes c = diff(
        PLANS_HEAD VOLUMES(DATA),
        PLANS_HEAD VOLUMES("- {name: pgdata, size: 1GiB, at: {madrid: /srv/a, lisbon: /srv/b}}\n"));
    assert_int_equal(c.n, 2);
    assert_int_equal(c.item[0].kind, GW_CHANGE_VOLUME_REMOVED);
    assert_int_equal(c.item[1].kind, GW_CHANGE_REFUSED);
    assert_string_equal(c.item[1].sentence,
                        "volume data cannot be renamed to pgdata, whose path it has: remove it in "
                        "one edit and add it in the next");
    gw_planfile_changes_done(&c);
}

static void test_sites(void **state)
{
    (void)state;
    one(PLANS_BASE, "plan: shop\nhome: lisbon\ndr: madrid\n" PLANS_VOLUME, GW_CHANGE_REFUSED,
        "home",
        "home and dr cannot be swapped by an edit: after a failover \"godwit adopt shop\" does it; "
        "\"godwit switchover shop\" changes only where it runs");
    one(PLANS_BASE, "plan: store\nhome: madrid\ndr: lisbon\n" PLANS_VOLUME, GW_CHANGE_REFUSED,
        "plan", "plan shop cannot be renamed to store: make a new plan");
    one(PLANS_BASE,
        "plan: shop\nhome: madrid\ndr: porto\nvolumes:\n- {name: data, size: 1GiB, at: {madrid: "
        "/srv/a, porto: /srv/b}}\n",
        GW_CHANGE_REFUSED, "dr",
        "dr cannot change from lisbon to porto by an edit: new hardware is \"godwit site replace "
        "lisbon\", another site is a new plan");
}

static void test_settings(void **state)
{
    (void)state;
    one(PLANS_BASE, PLANS_BASE "rpo: 30s\n", GW_CHANGE_SETTING, "rpo",
        "rpo changes from 1m to 30s");
    one(PLANS_BASE, PLANS_BASE "failback: {window: {cron: \"0 2 * * 0\", length: 2h}}\n",
        GW_CHANGE_SETTING, "failback.window",
        "failback.window is added: {\"cron\": \"0 2 * * 0\", \"length\": \"2h\"}");
    one(PLANS_BASE "verify: {every: 7d}\n", PLANS_BASE, GW_CHANGE_SETTING, "verify",
        "verify is removed (it was {\"every\": \"7d\"})");
    one(PLANS_BASE "failover: {approvals: 1}\n", PLANS_BASE "failover: {approvals: 2}\n",
        GW_CHANGE_SETTING, "failover.approvals", "failover.approvals changes from 1 to 2");
    /* Things with names by their names, whatever their order. */
    one(PLANS_BASE "groups: [{name: a, instances: [" INSTANCE(
            "x") "]}, {name: b, instances: [" INSTANCE("y") "]}]\n",
        PLANS_BASE "groups: [{name: b, instances: [" INSTANCE(
            "y") "]}, {name: a, priority: 5, instances: [" INSTANCE("x") "]}]\n",
        GW_CHANGE_SETTING, "groups.a.priority", "groups.a.priority changes from 1 to 5");
    one(PLANS_BASE "groups: [{name: a, instances: [" INSTANCE("x") "]}]\n",
        PLANS_BASE "groups: [{name: a, instances: [" INSTANCE("x") ", " INSTANCE("y") "]}]\n",
        GW_CHANGE_SETTING, "groups.a.instances.y",
        "groups.a.instances.y is added: {\"driver\": \"exec\", \"name\": \"y\", \"start\": "
        "[\"a\"], "
        "\"start_timeo...");
    one(PLANS_BASE "groups: [{name: a, instances: [" INSTANCE("x") ", " INSTANCE("y") "]}]\n",
        PLANS_BASE "groups: [{name: a, instances: [" INSTANCE("y") ", " INSTANCE("x") "]}]\n",
        GW_CHANGE_SETTING, "groups.a.instances", "groups.a.instances are in another order");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same),     cmocka_unit_test(test_volumes),
        cmocka_unit_test(test_rename),   cmocka_unit_test(test_sites),
        cmocka_unit_test(test_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
