// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A source with its threads over a disk that forgets; nobody is at the other end. After a loss,
 * whatever a block shows is known for what it is: what a write waits for (R1), when an extent may
 * leave the hot set (R2), what a fence waits for (R11), when a write may only mark its bits (R3).
 */
#include "base/checked.h"
#include "base/clock.h"
#include "engine/journal.h"
#include "engine/source_internal.h"
#include "memdisk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EXTENTS (GW_HOT_EXTENTS_PER_GENERATION / 2 + 300u)
#define BYTES ((uint64_t)EXTENTS * GW_EXTENT_BYTES)
#define DEADLINE_NS (60 * GW_NS_PER_S)

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct gw_error err = { .code = 0 };                                                       \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.msg);                                                    \
    } while (0)

struct world {
    struct memdisk *d;
    struct gw_plan *plan;
    struct gw_source *s;
};

/* A plan of one volume, active at home. gw_plan_create makes links, which this disk does not have.
 */
static void make_plan(struct gw_io *io)
{
    static const char *const dirs[] = { "/plan", "/plan/volumes", "/plan/dirty", "/plan/points",
                                        "/plan/undo" };
    struct gw_meta *m = calloc(1, sizeof *m);
    struct gw_file *f;
    m->plan = gw_io_new_uuid(io);
    m->clean = m->consistent = true;
    m->n_volumes = 1;
    strcpy(m->plan_name, "shop");
    strcpy(m->site_name[0], "home");
    strcpy(m->site_name[1], "dr");
    strcpy(m->volume[0].name, "disk");
    m->volume[0].uuid = gw_io_new_uuid(io);
    m->volume[0].bytes = BYTES;
    m->role = GW_ROLE_ACTIVE;
    m->highest_epoch = gw_epoch_next(0, 0);
    m->reigns = 1;
    struct gw_incarnation first = { .epoch = m->highest_epoch,
                                    .uuid = gw_io_new_uuid(io),
                                    .birth = GW_BIRTH_CREATION };
    gw_lineage_append(&m->lineage, &first);
    for (unsigned i = 0; i < GW_ARRAY_SIZE(dirs); i++)
        assert_int_equal(gw_io_mkdir(io, dirs[i]), 0);
    OK(gw_journal_create(io, "/plan", &err));
    assert_int_equal(gw_io_open(io, "/plan/volumes/disk", GW_OPEN_CREATE, &f), 0);
    assert_int_equal(gw_io_truncate(f, BYTES), 0);
    assert_int_equal(gw_io_datasync(f), 0);
    gw_file_close(f);
    OK(gw_dirtymap_create(io, "/plan/dirty/disk", &m->volume[0].uuid, BYTES, &err));
    OK(gw_hotset_create(io, "/plan/dirty/hot", &m->plan, &err));
    OK(gw_metafile_create(io, "/plan", m, &err));
    for (unsigned i = 0; i < GW_ARRAY_SIZE(dirs); i++)
        assert_int_equal(gw_io_sync_dir(io, dirs[i]), 0);
    assert_int_equal(gw_io_sync_dir(io, "/"), 0);
    free(m);
}

static void make(struct world *w)
{
    w->d = memdisk_new();
    make_plan(memdisk_io(w->d));
    OK(gw_plan_open(memdisk_io(w->d), "/plan", 0, &w->plan, &err));
    struct gw_source_config c;
    gw_source_config_init(&c);
    c.ring_bytes = GW_RING_BYTES_MIN;
    OK(gw_source_new(w->plan, &c, &w->s, &err));
    OK(gw_source_start(w->s, &err));
}

/* Nothing more reaches the disk; what the source still tries fails. */
static void die(struct world *w)
{
    memdisk_stop_after(w->d, 0);
    gw_source_stop(w->s, 0);
    gw_source_free(w->s);
    gw_plan_close(w->plan);
    w->s = NULL;
    w->plan = NULL;
}

static void destroy(struct world *w)
{
    gw_plan_close(w->plan);
    memdisk_free(w->d);
}

static void write_extents(struct world *w, unsigned first, unsigned n, unsigned len)
{
    static uint8_t data[2 * GW_BLOCK_BYTES];
    memset(data, 0xa5, sizeof data);
    assert_true(len <= sizeof data);
    for (unsigned e = first; e < first + n; e++)
        assert_int_equal(gw_source_write(w->s, 0, data, len, (uint64_t)e * GW_EXTENT_BYTES, 0), 0);
}

static uint64_t hot_extents(struct world *w)
{
    struct gw_source_status st;
    gw_source_get_status(w->s, &st);
    return st.hot_extents;
}

/* The disk's clock stands still, and so would gw_source_wait_change. */
static void pause_a_little(struct world *w)
{
    LOCK_SCOPE(w->s->mu);
    pthread_cond_signal(&w->s->cv_keeper);
    gw_source_wait(w->s, &w->s->cv_change, 10);
}

static bool is_new(struct world *w, unsigned extent)
{
    uint8_t byte;
    assert_int_equal(gw_io_pread(w->plan->vol[0], &byte, 1, (uint64_t)extent * GW_EXTENT_BYTES), 0);
    return byte == 0xa5;
}

static bool compared(struct world *w, unsigned extent)
{
    return gw_bitmap_test(gw_dirtymap_coarse(w->plan->map[0]), extent);
}

static bool marked(struct world *w, unsigned extent)
{
    return compared(w, extent) || gw_bitmap_test(gw_dirtymap_fine(w->plan->map[0]),
                                                 (uint64_t)extent * GW_BLOCKS_PER_EXTENT);
}

/* The ring is given up, so that bits take its place and extents retire. What has left the hot log
 * is durable here, and so are its bits. */
static void test_power_loss(void **state)
{
    (void)state;
    struct world w = { 0 };
    make(&w);
    const unsigned n = GW_HOT_EXTENTS_PER_GENERATION / 2 + 100;
    write_extents(&w, 0, n, 2 * GW_BLOCK_BYTES);
    uint64_t until = gw_boot_ns() + DEADLINE_NS;
    while (hot_extents(&w) > n / 2 && gw_boot_ns() < until)
        pause_a_little(&w);
    assert_true(hot_extents(&w) <= n / 2);
    write_extents(&w, n, 1, GW_BLOCK_BYTES); /* its entry stands behind that of the retirement */
    die(&w);
    memdisk_power_loss(w.d, 512, memdisk_pick_old, NULL);
    OK(gw_plan_open(memdisk_io(w.d), "/plan", 0, &w.plan, &err));
    unsigned cold = 0;
    for (unsigned e = 0; e <= n; e++) {
        if (!is_new(&w, e) && !compared(&w, e))
            fail_msg("extent %u lost its write and is in no log", e);
        if (!marked(&w, e))
            fail_msg("extent %u is in neither map nor log, and nobody else has it", e);
        cold += !compared(&w, e);
    }
    assert_true(cold > n / 2); /* else this tested nothing */
    destroy(&w);
}

/* What is only in the ring keeps its extents hot, however many there are. */
static void test_ring_is_no_map(void **state)
{
    (void)state;
    struct world w = { 0 };
    make(&w);
    const unsigned n = GW_HOT_EXTENTS_PER_GENERATION / 2 + 100;
    write_extents(&w, 0, n, 512);
    uint64_t until = gw_boot_ns() + DEADLINE_NS;
    enum gw_retire_step step;
    do {
        pause_a_little(&w);
        LOCK_SCOPE(w.s->mu);
        step = w.s->retire;
    } while (step != GW_RETIRE_PEER && hot_extents(&w) == n && gw_boot_ns() < until);
    for (unsigned i = 0; i < 20; i++) { /* the keeper asks again and again */
        pause_a_little(&w);
        LOCK_SCOPE(w.s->mu);
        assert_true(w.s->attached);
    }
    write_extents(&w, n, 1, 512);
    die(&w);
    memdisk_process_loss(w.d);
    OK(gw_plan_open(memdisk_io(w.d), "/plan", 0, &w.plan, &err));
    for (unsigned e = 0; e <= n; e++) {
        if (!marked(&w, e))
            fail_msg("extent %u is in neither map nor log, and nobody else has it", e);
    }
    destroy(&w);
}

/* A start after a crash forgets the log: what the process that died had written is durable first.
 */
static void test_forgotten_at_a_start(void **state)
{
    (void)state;
    struct world w = { 0 };
    make(&w);
    write_extents(&w, 0, 20, GW_BLOCK_BYTES);
    die(&w);
    memdisk_process_loss(w.d);
    OK(gw_plan_open(memdisk_io(w.d), "/plan", 0, &w.plan, &err));
    for (unsigned e = 0; e < 20; e++)
        assert_true(compared(&w, e));
    gw_plan_close(w.plan);
    memdisk_power_loss(w.d, 512, memdisk_pick_old, NULL);
    OK(gw_plan_open(memdisk_io(w.d), "/plan", 0, &w.plan, &err));
    for (unsigned e = 0; e < 20; e++) {
        assert_true(is_new(&w, e));
        assert_true(compared(&w, e));
    }
    destroy(&w);
}

/* ---- what a write waits for ------------------------------------------------------------------ */

struct log_held {
    struct world *w;
    pthread_t writer;
    pthread_mutex_t mu;
    pthread_cond_t cv;
    bool known, held, let_go, answered; /* mu */
    int answer;
};

/* Before a change of the disk: everybody stops here but the writer. */
static void hold_the_log(void *arg)
{
    struct log_held *h = arg;
    pthread_mutex_lock(&h->mu);
    while (!h->let_go && !(h->known && pthread_equal(pthread_self(), h->writer))) {
        h->held = true;
        pthread_cond_wait(&h->cv, &h->mu);
    }
    pthread_mutex_unlock(&h->mu);
}

static void *write_cold(void *arg)
{
    struct log_held *h = arg;
    uint8_t data[GW_BLOCK_BYTES];
    memset(data, 0xa5, sizeof data);
    pthread_mutex_lock(&h->mu);
    h->writer = pthread_self();
    h->known = true;
    pthread_mutex_unlock(&h->mu);
    int r = gw_source_write(h->w->s, 0, data, sizeof data, 5ull * GW_EXTENT_BYTES, 0);
    pthread_mutex_lock(&h->mu);
    h->answer = r;
    h->answered = true;
    pthread_mutex_unlock(&h->mu);
    return NULL;
}

/* R1: as long as the entry of its extent is not durable, a write does not reach the volume. */
static void test_hot_first(void **state)
{
    (void)state;
    struct world w = { 0 };
    make(&w);
    struct log_held h = { .w = &w,
                          .mu = PTHREAD_MUTEX_INITIALIZER,
                          .cv = PTHREAD_COND_INITIALIZER };
    pthread_t writer;
    memdisk_hook(w.d, hold_the_log, &h);
    assert_int_equal(pthread_create(&writer, NULL, write_cold, &h), 0);
    bool ready = false;
    for (unsigned i = 0; !ready || i < 20; i++) {
        pause_a_little(&w);
        pthread_mutex_lock(&h.mu);
        ready = h.held || h.answered;
        pthread_mutex_unlock(&h.mu);
    }
    bool touched = is_new(&w, 5);
    pthread_mutex_lock(&h.mu);
    bool answered = h.answered;
    h.let_go = true;
    pthread_cond_broadcast(&h.cv);
    pthread_mutex_unlock(&h.mu);
    pthread_join(writer, NULL);
    assert_false(touched);
    assert_false(answered);
    assert_int_equal(h.answer, 0);
    assert_true(is_new(&w, 5));
    die(&w);
    destroy(&w);
}

/* ---- what a fence waits for ----------------------------------------------------------------- */

struct held {
    struct world *w;
    pthread_t writer, fencer;
    pthread_mutex_t mu;
    pthread_cond_t cv;
    bool known, at_disk, let_go, fenced; /* mu */
    int answer;
};

/* Before a change of the disk: the writer stops here. */
static void hold(void *arg)
{
    struct held *h = arg;
    pthread_mutex_lock(&h->mu);
    if (h->known && pthread_equal(pthread_self(), h->writer)) {
        h->at_disk = true;
        pthread_cond_broadcast(&h->cv);
        while (!h->let_go)
            pthread_cond_wait(&h->cv, &h->mu);
    }
    pthread_mutex_unlock(&h->mu);
}

static void *write_held(void *arg)
{
    struct held *h = arg;
    uint8_t data[GW_BLOCK_BYTES];
    memset(data, 0xa5, sizeof data);
    pthread_mutex_lock(&h->mu);
    h->writer = pthread_self();
    h->known = true;
    pthread_mutex_unlock(&h->mu);
    h->answer = gw_source_write(h->w->s, 0, data, sizeof data, 3ull * GW_EXTENT_BYTES, 0);
    return NULL;
}

static void *fence(void *arg)
{
    struct held *h = arg;
    struct gw_error err;
    gw_source_fence(h->w->s, "the other side was promoted", &err);
    pthread_mutex_lock(&h->mu);
    h->fenced = true;
    pthread_mutex_unlock(&h->mu);
    return NULL;
}

/* R11: who is fenced finishes the write that is at the disk: it is in the map, and no success. */
static void test_fence_waits(void **state)
{
    (void)state;
    struct world w = { 0 };
    make(&w);
    struct held h = { .w = &w, .mu = PTHREAD_MUTEX_INITIALIZER, .cv = PTHREAD_COND_INITIALIZER };
    pthread_t writer;
    memdisk_hook(w.d, hold, &h);
    assert_int_equal(pthread_create(&writer, NULL, write_held, &h), 0);
    pthread_mutex_lock(&h.mu);
    while (!h.at_disk)
        pthread_cond_wait(&h.cv, &h.mu);
    pthread_mutex_unlock(&h.mu);
    assert_int_equal(pthread_create(&h.fencer, NULL, fence, &h), 0);
    bool fenced = false;
    for (unsigned i = 0; i < 20 && !fenced; i++) {
        pause_a_little(&w);
        pthread_mutex_lock(&h.mu);
        fenced = h.fenced;
        pthread_mutex_unlock(&h.mu);
    }
    pthread_mutex_lock(&h.mu);
    h.let_go = true;
    pthread_cond_broadcast(&h.cv);
    pthread_mutex_unlock(&h.mu);
    pthread_join(writer, NULL);
    pthread_join(h.fencer, NULL);
    assert_int_equal(h.answer, -ESHUTDOWN);
    die(&w);
    memdisk_process_loss(w.d);
    OK(gw_plan_open(memdisk_io(w.d), "/plan", 0, &w.plan, &err));
    assert_int_equal(w.plan->meta.role, GW_ROLE_FENCED);
    assert_true(is_new(&w, 3));
    assert_true(marked(&w, 3));
    assert_false(fenced);
    destroy(&w);
}

/* ---- when a write may only mark its bits ----------------------------------------------------- */

/* R3: with the ring full, a write of a resync just marks its bits as long as they will be sent.
 * After FIN they are not: then the stream ends with it, and everything becomes bits. */
static void test_after_fin(void **state)
{
    (void)state;
    for (int fin = 0; fin < 2; fin++) {
        struct world w = { 0 };
        make(&w);
        pthread_mutex_lock(w.s->mu);
        w.s->cfg.throttle_ms = 0;
        w.s->ses.up = true;
        w.s->ses.mode = GW_SESSION_RESYNC;
        w.s->ses.fin_queued = fin;
        pthread_mutex_unlock(w.s->mu);
        static uint8_t data[2 * GW_BLOCK_BYTES];
        const unsigned n = GW_RING_BYTES_MIN / sizeof data + 10;
        for (unsigned i = 0; i < n; i++)
            assert_int_equal(gw_source_write(w.s, 0, data, sizeof data, i * sizeof data, 0), 0);
        pthread_mutex_lock(w.s->mu);
        assert_int_equal(w.s->attached, !fin);
        assert_int_equal(w.s->ses.dead, fin);
        if (fin)
            assert_int_equal(gw_plan_dirty_blocks(w.plan), 2 * n);
        else
            assert_in_range(gw_plan_dirty_blocks(w.plan), 1, 2 * n - 1);
        pthread_mutex_unlock(w.s->mu);
        die(&w);
        destroy(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_power_loss),           cmocka_unit_test(test_ring_is_no_map),
        cmocka_unit_test(test_forgotten_at_a_start), cmocka_unit_test(test_hot_first),
        cmocka_unit_test(test_fence_waits),          cmocka_unit_test(test_after_fin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
