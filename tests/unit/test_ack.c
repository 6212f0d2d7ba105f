// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What a source believes of what its target says (source_ack.c): a source without threads and
 * without a connection, whose target is this test.
 */
#include "base/checked.h"
#include "engine/source_internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES (8ull * GW_EXTENT_BYTES)

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct gw_error err = { .code = 0 };                                                       \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.msg);                                                    \
    } while (0)

struct world {
    char root[128];
    struct gw_plan *plan;
    struct gw_source *s;
    uint64_t chain[16]; /* after each record that was put, by its seq */
};

static void make(struct world *w, enum gw_session_mode mode)
{
    const char *tmp = getenv("TMPDIR");
    memset(w, 0, sizeof *w);
    snprintf(w->root, sizeof w->root, "%s/godwit-ack-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(w->root));
    char dir[160];
    snprintf(dir, sizeof dir, "%s/plan", w->root);
    struct gw_plan_spec *spec = calloc(1, sizeof *spec);
    strcpy(spec->plan_name, "shop");
    strcpy(spec->site_name[0], "home");
    strcpy(spec->site_name[1], "dr");
    spec->n_volumes = 1;
    strcpy(spec->volume[0].name, "disk");
    spec->volume[0].bytes = BYTES;
    snprintf(spec->volume[0].path, sizeof spec->volume[0].path, "%s/image", w->root);
    spec->active = true;
    OK(gw_plan_create(gw_io_posix(), dir, spec, &err));
    free(spec);
    OK(gw_plan_open(gw_io_posix(), dir, 0, &w->plan, &err));
    struct gw_source_config c;
    gw_source_config_init(&c);
    c.ring_bytes = GW_RING_BYTES_MIN;
    OK(gw_source_new(w->plan, &c, &w->s, &err));
    LOCK_SCOPE(w->s->mu);
    OK(gw_source_begin_serving(w->s, &err));
    w->s->ses.up = true;
    w->s->ses.mode = mode;
    w->s->repl = mode == GW_SESSION_STREAM ? GW_REPL_ASYNC : GW_REPL_RESYNC;
    w->chain[0] = w->s->chain;
}

static void destroy(struct world *w)
{
    gw_source_free(w->s);
    gw_plan_close(w->plan);
    char cmd[160];
    snprintf(cmd, sizeof cmd, "rm -rf %s", w->root);
    assert_int_equal(system(cmd), 0);
}

/* A record that was sent already. */
static void put(struct world *w, enum gw_record_type type, uint64_t block, uint64_t blocks)
{
    static const uint8_t data[4 * GW_BLOCK_BYTES];
    struct gw_source *s = w->s;
    uint32_t len = (uint32_t)(blocks * GW_BLOCK_BYTES);
    assert_true(len <= sizeof data && gw_ring_claim(s->ring, len));
    struct gw_record rec = { .type = type,
                             .payload_bytes = len,
                             .length = len,
                             .offset = block * GW_BLOCK_BYTES,
                             .seq = ++s->seq };
    struct gw_slot *slot = gw_ring_reserve(s->ring, &rec);
    gw_ring_fill(s->ring, slot, data, s->seed);
    w->chain[s->seq] = gw_chain_next(w->chain[s->seq - 1], slot->rec.header_hash);
    gw_ring_sent(s->ring, 1);
    s->ses.sent_seq = s->seq;
}

static struct gw_ack ack(const struct world *w, uint64_t received, uint64_t durable)
{
    return (struct gw_ack){
        .uuid = w->s->uuid, .received = received, .durable = durable, .chain = w->chain[durable]
    };
}

static int say(struct world *w, const struct gw_ack *a)
{
    uint8_t buf[GW_ACK_BYTES];
    struct gw_error err = { .code = 0 };
    struct gw_frame f = { .type = GW_FRAME_ACK };
    f.bytes = (uint32_t)gw_ack_encode(a, buf, sizeof buf);
    return gw_source_on_frame(w->s, &f, buf, &err);
}

static uint64_t cleared_through(const struct world *w)
{
    struct gw_uuid uuid;
    uint64_t seq;
    gw_dirtymap_get_cleared(w->plan->map[0], &uuid, &seq);
    return gw_uuid_equal(&uuid, &w->s->uuid) ? seq : 0;
}

static void assert_nothing_believed(const struct world *w)
{
    const struct gw_source *s = w->s;
    assert_int_equal(s->acked_seq, 0);
    assert_int_equal(s->ses.durable, 0);
    assert_int_equal(gw_ring_oldest(s->ring)->rec.seq, 1);
    assert_int_equal(cleared_through(w), 0);
}

/* Only what is durable there leaves the ring, in order, and the map remembers how far (R5). */
static void test_durable_frees(void **state)
{
    (void)state;
    struct world w;
    make(&w, GW_SESSION_STREAM);
    for (unsigned i = 0; i < 3; i++)
        put(&w, GW_RECORD_WRITE, i, 1);
    struct gw_ack a = ack(&w, 3, 0);
    assert_int_equal(say(&w, &a), 0);
    assert_int_equal(w.s->ses.received, 3);
    assert_nothing_believed(&w);
    a = ack(&w, 3, 2);
    a.applied = 1;
    assert_int_equal(say(&w, &a), 0);
    assert_int_equal(w.s->acked_seq, 2);
    assert_int_equal(w.s->ses.applied, 1);
    assert_int_equal(gw_ring_oldest(w.s->ring)->rec.seq, 3);
    assert_int_equal(cleared_through(&w), 2);
    a = ack(&w, 3, 3);
    assert_int_equal(say(&w, &a), 0);
    assert_true(gw_ring_empty(w.s->ring));
    assert_int_equal(cleared_through(&w), 3);
    destroy(&w);
}

/* R4: another incarnation's numbers say nothing of ours. */
static void test_other_uuid(void **state)
{
    (void)state;
    struct world w;
    make(&w, GW_SESSION_STREAM);
    put(&w, GW_RECORD_WRITE, 0, 1);
    struct gw_ack a = ack(&w, 1, 1);
    a.uuid.b[15] ^= 1;
    assert_int_equal(say(&w, &a), 0);
    assert_nothing_believed(&w);
    assert_int_equal(w.s->ses.received, 0);
    destroy(&w);
}

/* The target's running hash is not ours: it holds another stream, so everything is compared, and
 * what was only in the ring is marked. */
static void test_other_chain(void **state)
{
    (void)state;
    struct world w;
    make(&w, GW_SESSION_STREAM);
    for (unsigned i = 0; i < 3; i++)
        put(&w, GW_RECORD_WRITE, 2 * i, 1);
    struct gw_ack a = ack(&w, 3, 2);
    a.chain ^= 1;
    assert_int_equal(say(&w, &a), -EBADMSG);
    assert_int_equal(gw_plan_coarse_extents(w.plan), BYTES / GW_EXTENT_BYTES);
    assert_int_equal(gw_bitmap_count(gw_dirtymap_fine(w.plan->map[0])), 1);
    assert_true(gw_bitmap_test(gw_dirtymap_fine(w.plan->map[0]), 4));
    assert_false(w.s->attached);
    assert_true(w.s->ses.dead);
    destroy(&w);
}

static void test_impossible(void **state)
{
    (void)state;
    struct world w;
    make(&w, GW_SESSION_STREAM);
    for (unsigned i = 0; i < 3; i++)
        put(&w, GW_RECORD_WRITE, i, 1);
    w.s->ses.sent_seq = 2;
    struct gw_ack wrong[] = { ack(&w, 3, 0), ack(&w, 1, 2), ack(&w, 2, 1) };
    wrong[2].applied = 2;
    for (unsigned i = 0; i < GW_ARRAY_SIZE(wrong); i++) {
        assert_int_equal(say(&w, &wrong[i]), -EPROTO);
        assert_nothing_believed(&w);
    }
    struct gw_ack a = ack(&w, 2, 2);
    assert_int_equal(say(&w, &a), 0);
    a = ack(&w, 2, 1);
    assert_int_equal(say(&w, &a), -EPROTO); /* durable never goes back */
    assert_int_equal(w.s->acked_seq, 2);
    destroy(&w);
}

/* R3: a block's bit goes when its content is durable there, unless it was marked again. */
static void test_injected(void **state)
{
    (void)state;
    struct world w;
    make(&w, GW_SESSION_RESYNC);
    struct gw_dirtymap *m = w.plan->map[0];
    gw_dirtymap_mark(m, 0, 4 * GW_BLOCK_BYTES);
    gw_dirtymap_inject(m, 0, 4);
    put(&w, GW_RECORD_INJECT, 0, 4);
    gw_dirtymap_mark(m, 2 * GW_BLOCK_BYTES, 1);
    struct gw_ack a = ack(&w, 1, 0);
    assert_int_equal(say(&w, &a), 0);
    assert_int_equal(gw_plan_dirty_blocks(w.plan), 4);
    a = ack(&w, 1, 1);
    assert_int_equal(say(&w, &a), 0);
    assert_int_equal(gw_plan_dirty_blocks(w.plan), 1);
    assert_true(gw_bitmap_test(gw_dirtymap_fine(m), 2));
    destroy(&w);
}

/* Numbers of a session only (a heal): the map takes no note of them, and no chain is ours. */
static void test_session_numbers(void **state)
{
    (void)state;
    struct world w;
    make(&w, GW_SESSION_RESYNC);
    w.s->ses.session_numbers = true;
    put(&w, GW_RECORD_WRITE, 0, 1);
    struct gw_ack a = ack(&w, 1, 1);
    a.chain ^= 1;
    assert_int_equal(say(&w, &a), 0);
    assert_int_equal(w.s->acked_seq, 1);
    assert_int_equal(cleared_through(&w), 0);
    destroy(&w);
}

/* "Finished" counts once FIN was queued. */
static void test_finished(void **state)
{
    (void)state;
    struct world w;
    make(&w, GW_SESSION_RESYNC);
    struct gw_ack a = ack(&w, 0, 0);
    a.finished = true;
    assert_int_equal(say(&w, &a), 0);
    assert_int_equal(w.s->ses.mode, GW_SESSION_RESYNC);
    w.s->ses.fin_queued = true;
    assert_int_equal(say(&w, &a), 0);
    assert_int_equal(w.s->ses.mode, GW_SESSION_STREAM);
    assert_int_equal(w.s->repl, GW_REPL_ASYNC);
    destroy(&w);
}

static int say_differs(struct world *w, struct gw_diff *d)
{
    static uint8_t buf[GW_DIFF_BYTES];
    struct gw_error err = { .code = 0 };
    struct gw_frame f = { .type = GW_FRAME_DIFF };
    f.bytes = (uint32_t)gw_diff_encode(d, buf, sizeof buf);
    return gw_source_on_frame(w->s, &f, buf, &err);
}

/* R20: what a verify found is dirty here too; a range that cannot be is refused. */
static void test_verify(void **state)
{
    (void)state;
    struct world w;
    make(&w, GW_SESSION_STREAM);
    struct gw_diff d = { .seq = 1,
                         .verify = true,
                         .offset = GW_EXTENT_BYTES,
                         .length = GW_EXTENT_BYTES,
                         .differs = { 0x05 } };
    assert_int_equal(say_differs(&w, &d), 0);
    assert_int_equal(gw_plan_dirty_blocks(w.plan), 2);
    const struct gw_bitmap *fine = gw_dirtymap_fine(w.plan->map[0]);
    assert_true(gw_bitmap_test(fine, GW_BLOCKS_PER_EXTENT));
    assert_true(gw_bitmap_test(fine, GW_BLOCKS_PER_EXTENT + 2));
    assert_int_equal(w.s->st.verify.differing_blocks, 2);
    d.offset = BYTES;
    assert_int_equal(say_differs(&w, &d), -EPROTO);
    d.offset = 0;
    d.volume = 1;
    assert_int_equal(say_differs(&w, &d), -EPROTO);
    d.volume = 0;
    d.verify = false; /* of a compare that nobody asked for */
    assert_int_equal(say_differs(&w, &d), -EPROTO);
    assert_int_equal(gw_plan_dirty_blocks(w.plan), 2);
    destroy(&w);
}

static void test_malformed(void **state)
{
    (void)state;
    struct world w;
    make(&w, GW_SESSION_STREAM);
    put(&w, GW_RECORD_WRITE, 0, 1);
    static const enum gw_frame_type types[] = { GW_FRAME_ACK,     GW_FRAME_DIFF, GW_FRAME_RESULT,
                                                GW_FRAME_GOODBYE, GW_FRAME_DATA, GW_FRAME_HELLO };
    uint8_t buf[4] = { 0xff, 0xff, 0xff, 0xff };
    for (unsigned i = 0; i < GW_ARRAY_SIZE(types); i++) {
        struct gw_error err = { .code = 0 };
        struct gw_frame f = { .type = types[i], .bytes = sizeof buf };
        assert_int_equal(gw_source_on_frame(w.s, &f, buf, &err), -EPROTO);
    }
    assert_nothing_believed(&w);
    destroy(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durable_frees), cmocka_unit_test(test_other_uuid),
        cmocka_unit_test(test_other_chain),   cmocka_unit_test(test_impossible),
        cmocka_unit_test(test_injected),      cmocka_unit_test(test_session_numbers),
        cmocka_unit_test(test_finished),      cmocka_unit_test(test_verify),
        cmocka_unit_test(test_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
