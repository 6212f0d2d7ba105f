// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Identity, peers, plans, timings, signatures, events, idempotency keys, children, outbox. */
#include "fixture.h"

#include "catalog/children.h"
#include "catalog/events.h"
#include "catalog/idempotency.h"
#include "catalog/identity.h"
#include "catalog/limits.h"
#include "catalog/outbox.h"
#include "catalog/peers.h"
#include "catalog/signatures.h"
#include "catalog/timings.h"

#include <stdio.h>

static void test_identity(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_identity id;
    bool changed;
    ok(f, gw_catalog_identity_get(f->c, &f->mem, &id, &f->err));
    assert_string_equal(id.site, "lyon");
    assert_int_equal(strlen(id.instance), 36);
    assert_int_equal(id.generation, 1);
    assert_false(id.fenced);
    assert_null(id.fenced_reason);
    assert_string_equal(id.boot_id, "");

    ok(f, gw_catalog_identity_boot(f->c, "boot-1", &changed, &f->err));
    assert_true(changed);
    ok(f, gw_catalog_identity_boot(f->c, "boot-1", &changed, &f->err));
    assert_false(changed);
    ok(f, gw_catalog_identity_fence(f->c, true, "came back", &f->err));
    fixture_reopen(f);
    ok(f, gw_catalog_identity_get(f->c, &f->mem, &id, &f->err));
    assert_true(id.fenced);
    assert_string_equal(id.fenced_reason, "came back");
    assert_string_equal(id.boot_id, "boot-1");
    ok(f, gw_catalog_identity_fence(f->c, false, "ignored", &f->err));
    id.generation = 7;
    id.instance = "other";
    id.fenced = false;
    id.fenced_reason = NULL;
    id.site = "paris"; /* is not taken */
    ok(f, gw_catalog_identity_set(f->c, &id, &f->err));
    ok(f, gw_catalog_identity_get(f->c, &f->mem, &id, &f->err));
    assert_string_equal(id.site, "lyon");
    assert_string_equal(id.instance, "other");
    assert_int_equal(id.generation, 7);
    assert_null(id.fenced_reason);
}

static void test_peers(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_peer peer = { .site = "paris",
                                    .link_address = "10.0.0.2:7001",
                                    .data_address = "10.0.0.2:7000",
                                    .fingerprint = "ab",
                                    .certificate = "PEM",
                                    .paired_wall_ns = 1,
                                    .paired_by = "anna" };
    struct gw_catalog_peer *rows, got;
    size_t n;
    refused(f, -ENOENT, "not paired with \"paris\"",
            gw_catalog_peer_get(f->c, "paris", &f->mem, &got, &f->err));
    refused(f, -ENOENT, "not paired", gw_catalog_peer_seen(f->c, &peer, &f->err));
    ok(f, gw_catalog_peer_put(f->c, &peer, &f->err));
    peer.link_address = "10.0.0.3:7001"; /* paired anew */
    ok(f, gw_catalog_peer_put(f->c, &peer, &f->err));
    peer.site = "aix";
    ok(f, gw_catalog_peer_put(f->c, &peer, &f->err));
    const struct gw_catalog_peer seen = { .site = "paris",
                                          .seen_wall_ns = 9,
                                          .clock_offset_ns = -5,
                                          .rtt_ns = 3,
                                          .instance = "i",
                                          .generation = 2 };
    ok(f, gw_catalog_peer_seen(f->c, &seen, &f->err));
    ok(f, gw_catalog_peer_list(f->c, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 2);
    assert_string_equal(rows[0].site, "aix");
    assert_string_equal(rows[1].site, "paris");
    assert_string_equal(rows[1].link_address, "10.0.0.3:7001");
    assert_int_equal(rows[1].seen_wall_ns, 9);
    assert_int_equal(rows[1].clock_offset_ns, -5);
    assert_int_equal(rows[1].rtt_ns, 3);
    assert_string_equal(rows[1].instance, "i");
    assert_int_equal(rows[1].generation, 2);
    assert_string_equal(rows[1].certificate, "PEM");
    ok(f, gw_catalog_peer_delete(f->c, "aix", &f->err));
    refused(f, -ENOENT, "aix", gw_catalog_peer_delete(f->c, "aix", &f->err));
}

static void test_plans(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_plan plan = sample_plan(), got, late, *rows;
    size_t n;
    add_plan(f);
    refused(f, -EEXIST, "\"shop\"", gw_catalog_plan_add(f->c, &plan, "bob", 1, &f->err));
    refused(f, -ENOENT, "\"shep\"", gw_catalog_plan_get(f->c, "shep", &f->mem, &got, &f->err));
    ok(f, gw_catalog_plan_get(f->c, "shop", &f->mem, &got, &f->err));
    assert_int_equal(got.revision, 1);
    assert_string_equal(got.document, plan.document);
    assert_string_equal(got.original, plan.original);
    assert_int_equal(got.want, GW_CATALOG_WANT_NONE);
    assert_string_equal(got.state, "{}");
    assert_string_equal(got.phase, "");
    assert_null(got.held_reason);

    late = got;
    got.activated = true;
    got.want = GW_CATALOG_WANT_REPLICA;
    got.mode = GW_CATALOG_MODE_HELD;
    got.held_reason = "move";
    got.fenced_reason = "came back";
    got.committed = true;
    got.phase = "PROTECTED";
    got.phase_wall_ns = 3;
    got.state = "{\"z\":1,\"a\":[1, 2]}";
    ok(f, gw_catalog_plan_update(f->c, &got, &f->err));
    assert_int_equal(got.revision, 2);
    refused(f, -ESTALE, "changed meanwhile", gw_catalog_plan_update(f->c, &late, &f->err));
    got.epoch++;
    ok(f, gw_catalog_plan_update(f->c, &got, &f->err));
    fixture_reopen(f);
    ok(f, gw_catalog_plan_get_uuid(f->c, PLAN_UUID, &f->mem, &got, &f->err));
    assert_int_equal(got.revision, 3);
    assert_int_equal(got.epoch, 6);
    assert_int_equal(got.want, GW_CATALOG_WANT_REPLICA);
    assert_int_equal(got.mode, GW_CATALOG_MODE_HELD);
    assert_string_equal(got.held_reason, "move");
    assert_string_equal(got.fenced_reason, "came back");
    assert_true(got.activated && got.committed);
    assert_string_equal(got.state, "{\"a\":[1,2],\"z\":1}");

    ok(f, gw_catalog_plan_note(f->c, PLAN_UUID, "{\"z\":null,\"b\":true}", &f->err));
    refused(f, -EINVAL, "not JSON", gw_catalog_plan_note(f->c, PLAN_UUID, "{", &f->err));
    refused(f, -EINVAL, "not a JSON object", gw_catalog_plan_note(f->c, PLAN_UUID, "[]", &f->err));
    refused(f, -ENOENT, "uuid", gw_catalog_plan_note(f->c, "x", "{}", &f->err));
    refused(f, -ENOENT, "uuid", gw_catalog_plan_get_uuid(f->c, "x", &f->mem, &got, &f->err));
    ok(f, gw_catalog_plan_get(f->c, "shop", &f->mem, &got, &f->err));
    assert_string_equal(got.state, "{\"a\":[1,2],\"b\":true}");
    got.state = "{\"a\":1,\"a\":2}";
    refused(f, -EINVAL, "'state'", gw_catalog_plan_update(f->c, &got, &f->err));

    /* Retired: the name is free, the row is there. */
    got.state = NULL;
    got.retired_wall_ns = 77;
    got.evidence_dir = "evidence/shop";
    ok(f, gw_catalog_plan_update(f->c, &got, &f->err));
    refused(f, -ENOENT, "shop", gw_catalog_plan_get(f->c, "shop", &f->mem, &got, &f->err));
    plan.uuid = "22222222-2222-4333-8444-555555555555";
    ok(f, gw_catalog_plan_add(f->c, &plan, "bob", 1, &f->err));
    ok(f, gw_catalog_plan_list(f->c, false, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 1);
    ok(f, gw_catalog_plan_list(f->c, true, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 2);
    assert_string_equal(rows[0].uuid, plan.uuid);
    assert_string_equal(rows[1].evidence_dir, "evidence/shop");
}

static void test_plan_versions(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_plan plan = sample_plan(), got;
    struct gw_catalog_plan_version *versions, one;
    size_t n;
    add_plan(f);
    plan.version = 2;
    plan.hash = "h2";
    plan.document = "{\"plan\":\"shop\",\"rpo\":1}";
    refused(f, -ENOENT, "uuid",
            gw_catalog_plan_edit(f->c, &(struct gw_catalog_plan){ .uuid = "x", .version = 2 }, 1,
                                 "bob", 5, &f->err));
    ok(f, gw_catalog_plan_edit(f->c, &plan, 1, "bob", 5, &f->err));
    assert_int_equal(plan.revision, 2);
    plan.version = 3;
    refused(f, -ESTALE, "version 2", gw_catalog_plan_edit(f->c, &plan, 1, "bob", 5, &f->err));
    refused(f, -ESTALE, "does not follow", gw_catalog_plan_edit(f->c, &plan, 3, "bob", 5, &f->err));
    ok(f, gw_catalog_plan_get(f->c, "shop", &f->mem, &got, &f->err));
    assert_int_equal(got.version, 2);
    assert_string_equal(got.hash, "h2");
    assert_int_equal(got.epoch, 5); /* an edit changes nothing else */
    ok(f, gw_catalog_plan_versions(f->c, PLAN_UUID, &f->mem, &versions, &n, &f->err));
    assert_int_equal(n, 2);
    assert_string_equal(versions[0].hash, "h2");
    assert_string_equal(versions[0].who, "bob");
    assert_string_equal(versions[1].who, "anna");
    ok(f, gw_catalog_plan_version_get(f->c, PLAN_UUID, "h1", &f->mem, &one, &f->err));
    assert_int_equal(one.version, 1);
    assert_string_equal(one.document, "{\"plan\":\"shop\"}");
    refused(f, -ENOENT, "h9",
            gw_catalog_plan_version_get(f->c, PLAN_UUID, "h9", &f->mem, &one, &f->err));
}

static void test_names(void **state)
{
    enum gw_catalog_mode mode;
    for (unsigned i = 0; i < GW_CATALOG_MODE_MAX; i++) {
        assert_int_equal(gw_catalog_mode_parse(gw_catalog_mode_name(i), &mode), 0);
        assert_int_equal(mode, i);
    }
    assert_int_equal(gw_catalog_mode_parse("auto", &mode), -EINVAL);
    assert_string_equal(gw_catalog_want_name(GW_CATALOG_WANT_SOURCE), "SOURCE");
    assert_string_equal(gw_catalog_severity_name(GW_CATALOG_ERROR), "error");
    assert_string_equal(gw_catalog_outbox_state_name(GW_CATALOG_OUTBOX_SENT), "SENT");
}

static void test_timings(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_timing t;
    ok(f, gw_catalog_timing_get(f->c, "p", "failback", "START", &t, &f->err));
    assert_int_equal(t.n, 0);
    assert_int_equal(t.p90_ms, 0);
    for (unsigned i = 10; i >= 1; i--)
        ok(f, gw_catalog_timing_add(f->c, "p", "failback", "START", i * 100, 1, &f->err));
    ok(f, gw_catalog_timing_add(f->c, "q", "failback", "START", 5000, 1, &f->err));
    ok(f, gw_catalog_timing_add(f->c, "p", "failback", "STOP", 7, 1, &f->err));
    ok(f, gw_catalog_timing_get(f->c, "p", "failback", "START", &t, &f->err));
    assert_int_equal(t.n, 10);
    assert_int_equal(t.median_ms, 500);
    assert_int_equal(t.p90_ms, 900);
    assert_int_equal(t.max_ms, 1000);
    ok(f, gw_catalog_timing_get(f->c, NULL, "failback", "START", &t, &f->err));
    assert_int_equal(t.n, 11);
    assert_int_equal(t.median_ms, 600);
    assert_int_equal(t.p90_ms, 1000);
    assert_int_equal(t.max_ms, 5000);
    ok(f, gw_catalog_timing_get(f->c, NULL, "failback", "STOP", &t, &f->err));
    assert_int_equal(t.median_ms, 7);
    assert_int_equal(t.p90_ms, 7);

    /* Only the last ones are kept. */
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    ok(f, gw_catalog_begin(f->c, &tx, &f->err));
    for (unsigned i = 0; i < GW_CATALOG_TIMINGS_MAX; i++)
        ok(f, gw_catalog_timing_add(f->c, "p", "failback", "START", 1, 1, &f->err));
    ok(f, gw_catalog_commit(&tx, &f->err));
    ok(f, gw_catalog_timing_get(f->c, "p", "failback", "START", &t, &f->err));
    assert_int_equal(t.n, GW_CATALOG_TIMINGS_MAX);
    assert_int_equal(t.max_ms, 1);
    ok(f, gw_catalog_timing_get(f->c, "q", "failback", "START", &t, &f->err));
    assert_int_equal(t.n, 1);
}

static void test_signatures(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_signature sig = { .plan_uuid = "p",
                                        .tail = "t1",
                                        .who = "anna",
                                        .wall_ns = 4,
                                        .disposition = "discard",
                                        .summary = "{\"bytes\":4096}",
                                        .epoch = 3 };
    struct gw_catalog_signature got, *rows;
    size_t n;
    refused(f, -ENOENT, "nobody",
            gw_catalog_signature_get(f->c, "p", "t1", &f->mem, &got, &f->err));
    ok(f, gw_catalog_signature_add(f->c, &sig, &f->err));
    ok(f, gw_catalog_signature_add(f->c, &sig, &f->err));
    sig.who = "bob";
    refused(f, -EEXIST, "\"anna\" has signed", gw_catalog_signature_add(f->c, &sig, &f->err));
    sig.tail = "t2";
    ok(f, gw_catalog_signature_add(f->c, &sig, &f->err));
    ok(f, gw_catalog_signature_get(f->c, "p", "t1", &f->mem, &got, &f->err));
    assert_string_equal(got.who, "anna");
    assert_string_equal(got.summary, "{\"bytes\":4096}");
    assert_null(got.reason);
    ok(f, gw_catalog_signature_list(f->c, "p", &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 2);
    assert_string_equal(rows[0].tail, "t2");
    ok(f, gw_catalog_signature_list(f->c, "q", &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 0);
    ok(f, gw_catalog_signature_list(f->c, NULL, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 2);
}

static void test_events(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_event event = { .kind = "phase", .plan = "shop", .text = "caf\xe9 closed" };
    struct gw_catalog_event *rows;
    uint64_t id = 0, last = 9;
    size_t n;
    bool missed = true;
    ok(f, gw_catalog_event_last(f->c, &last, &f->err));
    assert_int_equal(last, 0);
    ok(f, gw_catalog_event_read(f->c, 0, NULL, 0, &f->mem, &rows, &n, &missed, &f->err));
    assert_int_equal(n, 0);
    assert_false(missed);
    for (unsigned i = 0; i < 5; i++) {
        event.severity = i % GW_CATALOG_SEVERITY_MAX;
        event.plan = i == 4 ? NULL : "shop";
        ok(f, gw_catalog_event_add(f->c, &event, &id, &f->err));
        assert_int_equal(id, i + 1);
    }
    ok(f, gw_catalog_event_read(f->c, 2, NULL, 2, &f->mem, &rows, &n, &missed, &f->err));
    assert_int_equal(n, 2);
    assert_false(missed);
    assert_int_equal(rows[0].id, 3);
    assert_int_equal(rows[0].severity, GW_CATALOG_WARNING);
    assert_string_equal(rows[0].text, "caf\xef\xbf\xbd closed"); /* bad UTF-8 never comes out */
    ok(f, gw_catalog_event_read(f->c, 2, "shop", 0, &f->mem, &rows, &n, NULL, &f->err));
    assert_int_equal(n, 2);

    ok(f, gw_catalog_event_prune(f->c, 2, &f->err));
    ok(f, gw_catalog_event_read(f->c, 2, NULL, 0, &f->mem, &rows, &n, &missed, &f->err));
    assert_int_equal(n, 2);
    assert_true(missed);
    ok(f, gw_catalog_event_read(f->c, 3, NULL, 0, &f->mem, &rows, &n, &missed, &f->err));
    assert_false(missed);
    ok(f, gw_catalog_event_prune(f->c, 0, &f->err));
    ok(f, gw_catalog_event_read(f->c, 4, NULL, 0, &f->mem, &rows, &n, &missed, &f->err));
    assert_int_equal(n, 0);
    assert_true(missed);
    ok(f, gw_catalog_event_read(f->c, 5, NULL, 0, &f->mem, &rows, &n, &missed, &f->err));
    assert_false(missed);
    fixture_reopen(f);
    ok(f, gw_catalog_event_add(f->c, &event, &id, &f->err));
    assert_int_equal(id, 6); /* never again, also after pruning all */
}

static void test_idempotency(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_answer answer = { .status = 202, .body = "{}", .location = "/runs/1" }, got;
    ok(f, gw_catalog_idempotency_begin(f->c, "u1", "k", "h", 10, 100, &f->mem, &got, &f->err));
    refused(f, -EINPROGRESS, "in progress",
            gw_catalog_idempotency_begin(f->c, "u1", "k", "h", 10, 100, &f->mem, &got, &f->err));
    ok(f, gw_catalog_idempotency_end(f->c, "u1", "k", &answer, &f->err));
    assert_int_equal(
        gw_catalog_idempotency_begin(f->c, "u1", "k", "h", 20, 100, &f->mem, &got, &f->err), 1);
    assert_int_equal(got.status, 202);
    assert_string_equal(got.location, "/runs/1");
    refused(
        f, -EBADMSG, "another request",
        gw_catalog_idempotency_begin(f->c, "u1", "k", "other", 20, 100, &f->mem, &got, &f->err));
    /* Another owner, an expired key: new. */
    assert_int_equal(
        gw_catalog_idempotency_begin(f->c, "u2", "k", "other", 20, 100, &f->mem, &got, &f->err), 0);
    assert_int_equal(
        gw_catalog_idempotency_begin(f->c, "u1", "k", "other", 100, 200, &f->mem, &got, &f->err),
        0);
    ok(f, gw_catalog_idempotency_abandon(f->c, "u1", "k", &f->err));
    refused(f, -ENOENT, "not reserved",
            gw_catalog_idempotency_end(f->c, "u1", "k", &answer, &f->err));
    ok(f, gw_catalog_idempotency_reset(f->c, &f->err));
    assert_int_equal(
        gw_catalog_idempotency_begin(f->c, "u2", "k", "h", 20, 100, &f->mem, &got, &f->err), 0);
    ok(f, gw_catalog_idempotency_end(f->c, "u2", "k", &answer, &f->err));
    ok(f, gw_catalog_idempotency_prune(f->c, 99, &f->err));
    assert_int_equal(
        gw_catalog_idempotency_begin(f->c, "u2", "k", "h", 20, 100, &f->mem, &got, &f->err), 1);
    ok(f, gw_catalog_idempotency_prune(f->c, 100, &f->err));
    answer.status = 0;
    refused(f, -EINVAL, "status", gw_catalog_idempotency_end(f->c, "u2", "k", &answer, &f->err));
}

static void test_children(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_child child = {
        .run = "r1",
        .step = "START",
        .attempt = 2,
        .what = "start of pg",
        .pid = 12,
        .pgid = 12,
        .start_ticks = 99,
        .boot_id = "b1",
        .record = "its own words",
    };
    struct gw_catalog_child *rows;
    uint64_t id1, id2;
    size_t n;
    ok(f, gw_catalog_child_add(f->c, &child, &id1, &f->err));
    child.run = "r2";
    child.boot_id = "b2";
    ok(f, gw_catalog_child_add(f->c, &child, &id2, &f->err));
    ok(f, gw_catalog_child_add(f->c, &child, NULL, &f->err));
    ok(f, gw_catalog_child_list(f->c, "r1", &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].id, id1);
    assert_int_equal(rows[0].pid, 12);
    assert_int_equal(rows[0].start_ticks, 99);
    assert_string_equal(rows[0].what, "start of pg");
    assert_string_equal(rows[0].record, "its own words");
    ok(f, gw_catalog_child_prune(f->c, "b2", &f->err));
    ok(f, gw_catalog_child_list(f->c, NULL, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 2);
    ok(f, gw_catalog_child_delete(f->c, id2, &f->err));
    ok(f, gw_catalog_child_delete(f->c, id2, &f->err));
    ok(f, gw_catalog_child_list(f->c, NULL, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 1);
}

static void test_outbox(void **state)
{
    struct fixture *f = *state;
    struct gw_catalog_notification note = { .plan = "shop",
                                            .run = "r1",
                                            .contact = "dba",
                                            .kind = "window",
                                            .body = "{\"text\":\"now\"}",
                                            .state = GW_CATALOG_OUTBOX_SENT, /* ignored */
                                            .tries = 9 };
    struct gw_catalog_notification *rows;
    uint64_t a, b;
    size_t n;
    ok(f, gw_catalog_outbox_add(f->c, &note, &a, &f->err));
    note.run = NULL;
    ok(f, gw_catalog_outbox_add(f->c, &note, &b, &f->err));
    ok(f, gw_catalog_outbox_due(f->c, "b1", 0, 10, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 2);
    assert_int_equal(rows[0].tries, 0);
    ok(f, gw_catalog_outbox_retry(f->c, a, "b1", 50, "refused", &f->err));
    ok(f, gw_catalog_outbox_due(f->c, "b1", 49, 10, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].id, b);
    ok(f, gw_catalog_outbox_due(f->c, "b1", 50, 10, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 2);
    assert_int_equal(rows[0].tries, 1);
    assert_string_equal(rows[0].last_error, "refused");
    ok(f, gw_catalog_outbox_due(f->c, "b2", 0, 1, &f->mem, &rows, &n, &f->err)); /* rebooted */
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].id, a);
    ok(f, gw_catalog_outbox_end(f->c, a, GW_CATALOG_OUTBOX_SENT, NULL, 7, &f->err));
    ok(f, gw_catalog_outbox_end(f->c, b, GW_CATALOG_OUTBOX_GIVEN_UP, "no host", 8, &f->err));
    refused(f, -ENOENT, "pending",
            gw_catalog_outbox_end(f->c, b, GW_CATALOG_OUTBOX_SENT, NULL, 8, &f->err));
    refused(f, -ENOENT, "pending", gw_catalog_outbox_retry(f->c, a, "b1", 1, "", &f->err));
    ok(f, gw_catalog_outbox_list(f->c, "r1", &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].state, GW_CATALOG_OUTBOX_SENT);
    ok(f, gw_catalog_outbox_prune(f->c, 8, &f->err));
    ok(f, gw_catalog_outbox_list(f->c, NULL, &f->mem, &rows, &n, &f->err));
    assert_int_equal(n, 1);
    assert_int_equal(rows[0].state, GW_CATALOG_OUTBOX_GIVEN_UP);
    assert_int_equal(rows[0].tries, 1);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, fixture_new, fixture_free)
int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_identity),    T(test_peers),    T(test_plans),      T(test_plan_versions),
        T(test_names),       T(test_timings),  T(test_signatures), T(test_events),
        T(test_idempotency), T(test_children), T(test_outbox),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
