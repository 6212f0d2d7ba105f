// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A source and a replica in one process over loopback: the threaded shell of both, so that
 * ThreadSanitizer sees them. What is checked is always the same: at the end both images are equal,
 * byte for byte, and equal to what the writers wrote.
 */
#include "base/clock.h"
#include "engine/promote.h"
#include "engine/replica.h"
#include "engine/source.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define BYTES (6u * 1024 * 1024 + 1536) /* no multiple of a block */
#define DEADLINE_NS (60 * GW_NS_PER_S)

struct side {
    char dir[64], image[64];
    struct gw_plan *plan;
    struct gw_source *source;
    struct gw_replica *replica;
};

struct pair {
    char root[32];
    struct side s[2];
    char address[64];
};

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct gw_error err = { .code = 0 };                                                       \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.msg);                                                    \
    } while (0)

static void make(struct pair *p)
{
    *p = (struct pair){ .root = "/tmp/godwit-pair-XXXXXX" };
    assert_non_null(mkdtemp(p->root));
    struct gw_plan_spec *spec = calloc(1, sizeof *spec);
    strcpy(spec->plan_name, "shop");
    strcpy(spec->site_name[0], "home");
    strcpy(spec->site_name[1], "dr");
    spec->n_volumes = 1;
    strcpy(spec->volume[0].name, "disk");
    spec->volume[0].bytes = BYTES;
    for (int i = 0; i < 2; i++) {
        struct side *s = &p->s[i];
        snprintf(s->dir, sizeof s->dir, "%s/plan%d", p->root, i);
        snprintf(s->image, sizeof s->image, "%s/image%d", p->root, i);
        strcpy(spec->volume[0].path, s->image);
        spec->site = (uint8_t)i;
        spec->active = i == 0;
        OK(gw_plan_create(gw_io_posix(), s->dir, spec, &err));
    }
    free(spec);
}

static void start_replica(struct pair *p, int i)
{
    struct side *s = &p->s[i];
    struct gw_replica_config c;
    gw_replica_config_init(&c);
    c.listen = "127.0.0.1:0";
    OK(gw_plan_open(gw_io_posix(), s->dir, 0, &s->plan, &err));
    OK(gw_replica_new(s->plan, &c, &s->replica, &err));
    OK(gw_replica_start(s->replica, &err));
    snprintf(p->address, sizeof p->address, "%s", gw_replica_address(s->replica));
}

static void start_source(struct pair *p, int i, const struct gw_source_config *c)
{
    struct side *s = &p->s[i];
    struct gw_source_config config = *c;
    config.peer = p->address;
    OK(gw_plan_open(gw_io_posix(), s->dir, 0, &s->plan, &err));
    OK(gw_source_new(s->plan, &config, &s->source, &err));
    OK(gw_source_start(s->source, &err));
}

static void stop(struct side *s)
{
    if (s->source != NULL) {
        gw_source_stop(s->source, 5000);
        gw_source_free(s->source);
    }
    if (s->replica != NULL) {
        gw_replica_stop(s->replica);
        gw_replica_free(s->replica);
    }
    gw_plan_close(s->plan);
    s->source = NULL;
    s->replica = NULL;
    s->plan = NULL;
}

static void destroy(struct pair *p)
{
    char cmd[64];
    snprintf(cmd, sizeof cmd, "rm -rf %s", p->root);
    assert_int_equal(system(cmd), 0);
}

static void await_repl(struct gw_source *s, enum gw_repl_state want)
{
    struct gw_source_status st;
    uint64_t until = gw_boot_ns() + DEADLINE_NS;
    for (;;) {
        gw_source_get_status(s, &st);
        if (st.repl == want)
            return;
        if (gw_boot_ns() > until)
            fail_msg("replication is %s, not %s: %s", gw_repl_state_name(st.repl),
                     gw_repl_state_name(want), st.reason);
        gw_source_wait_change(s, 100);
    }
}

static void await_durable(struct gw_source *s)
{
    struct gw_source_status st;
    uint64_t until = gw_boot_ns() + DEADLINE_NS;
    for (;;) {
        gw_source_get_status(s, &st);
        if (st.durable_seq == st.seq && st.dirty_blocks == 0)
            return;
        if (gw_boot_ns() > until)
            fail_msg("the peer is at %llu of %llu", (unsigned long long)st.durable_seq,
                     (unsigned long long)st.seq);
        gw_source_wait_change(s, 100);
    }
}

static void assert_same_images(const struct pair *p)
{
    char cmd[160];
    snprintf(cmd, sizeof cmd, "cmp %s %s", p->s[0].image, p->s[1].image);
    assert_int_equal(system(cmd), 0);
}

/* ---- writers: overlapping ranges on purpose ------------------------------------------------- */

struct writer {
    pthread_t thread;
    struct gw_source *source;
    unsigned seed, n;
    bool flush;
    int result;
};

static void *write_main(void *arg)
{
    struct writer *w = arg;
    uint8_t *buf = malloc(256 * 1024);
    for (unsigned i = 0; i < w->n && w->result == 0; i++) {
        uint32_t len = 1 + (uint32_t)rand_r(&w->seed) % (i % 50 == 0 ? 200000 : 9000);
        uint64_t off = (uint64_t)rand_r(&w->seed) % (BYTES - len);
        memset(buf, (int)(rand_r(&w->seed) & 0xff), len);
        unsigned kind = (unsigned)rand_r(&w->seed) % 20;
        if (kind == 0)
            w->result = gw_source_zero(w->source, 0, len, off, GW_WRITE_MAY_TRIM);
        else if (kind == 1)
            w->result = gw_source_flush(w->source, 0);
        else
            w->result = gw_source_write(w->source, 0, buf, len, off, kind == 2 ? GW_WRITE_FUA : 0);
    }
    free(buf);
    return NULL;
}

static void write_load(struct gw_source *s, unsigned seed, unsigned n)
{
    struct writer w[4];
    for (unsigned i = 0; i < 4; i++) {
        w[i] = (struct writer){ .source = s, .seed = seed + i, .n = n };
        assert_int_equal(pthread_create(&w[i].thread, NULL, write_main, &w[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(w[i].thread, NULL);
        assert_int_equal(w[i].result, 0);
    }
}

static struct gw_source_config defaults(void)
{
    struct gw_source_config c;
    gw_source_config_init(&c);
    c.ring_bytes = GW_RING_BYTES_MIN;
    c.link_timeout_ms = 5000;
    return c;
}

static void seed_and_stream(void **state)
{
    (void)state;
    struct pair p;
    struct gw_source_config c = defaults();
    make(&p);
    start_replica(&p, 1);
    start_source(&p, 0, &c);
    write_load(p.s[0].source, 1, 100); /* while it is seeded */
    await_repl(p.s[0].source, GW_REPL_ASYNC);
    write_load(p.s[0].source, 7, 300);
    await_durable(p.s[0].source);
    stop(&p.s[0]);
    stop(&p.s[1]);
    assert_same_images(&p);
    destroy(&p);
}

static void synchronous(void **state)
{
    (void)state;
    struct pair p;
    struct gw_source_config c = defaults();
    c.sync = true;
    c.zstd_level = 1;
    make(&p);
    start_replica(&p, 1);
    start_source(&p, 0, &c);
    await_repl(p.s[0].source, GW_REPL_SYNC);
    write_load(p.s[0].source, 3, 100);
    struct gw_source_status st;
    gw_source_get_status(p.s[0].source, &st);
    if (st.received_seq != st.seq)
        fail_msg("received %llu of %llu", (unsigned long long)st.received_seq,
                 (unsigned long long)st.seq);
    stop(&p.s[0]);
    stop(&p.s[1]);
    assert_same_images(&p);
    destroy(&p);
}

/* The replica goes away and comes back, again and again, under load. */
static void link_lost(void **state)
{
    (void)state;
    struct pair p;
    struct gw_source_config c = defaults();
    make(&p);
    start_replica(&p, 1);
    start_source(&p, 0, &c);
    await_repl(p.s[0].source, GW_REPL_ASYNC);
    char fixed[64];
    strcpy(fixed, p.address);
    for (unsigned round = 0; round < 4; round++) {
        struct writer w = { .source = p.s[0].source, .seed = round + 40, .n = 250 };
        assert_int_equal(pthread_create(&w.thread, NULL, write_main, &w), 0);
        stop(&p.s[1]);
        write_load(p.s[0].source, round + 90, 20 + 60 * round); /* more than the ring, later */
        struct side *s = &p.s[1];
        struct gw_replica_config rc;
        gw_replica_config_init(&rc);
        rc.listen = fixed;
        OK(gw_plan_open(gw_io_posix(), s->dir, 0, &s->plan, &err));
        OK(gw_replica_new(s->plan, &rc, &s->replica, &err));
        OK(gw_replica_start(s->replica, &err));
        pthread_join(w.thread, NULL);
        assert_int_equal(w.result, 0);
        await_repl(p.s[0].source, GW_REPL_ASYNC);
    }
    await_durable(p.s[0].source);
    stop(&p.s[0]);
    stop(&p.s[1]);
    assert_same_images(&p);
    destroy(&p);
}

/* There and back: handover, a reign at the other side, handover home. */
static void round_trip(void **state)
{
    (void)state;
    struct pair p;
    struct gw_source_config c = defaults();
    make(&p);
    start_replica(&p, 1);
    start_source(&p, 0, &c);
    int active = 0;
    for (unsigned round = 0; round < 4; round++) {
        struct side *a = &p.s[active], *b = &p.s[1 - active];
        await_repl(a->source, GW_REPL_ASYNC);
        write_load(a->source, 11 + round, 60);
        struct gw_token token;
        OK(gw_source_quiesce(a->source, 5000, &err));
        OK(gw_source_equal(a->source, 20000, &token, &err));
        OK(gw_source_release(a->source, &err));
        uint8_t byte;
        assert_int_equal(gw_source_write(a->source, 0, &byte, 1, 0, 0), -ESHUTDOWN);
        stop(a);
        stop(b);
        assert_same_images(&p);
        struct gw_promote_options o = { .point = NULL };
        struct gw_promote_result result;
        OK(gw_plan_open(gw_io_posix(), b->dir, 0, &b->plan, &err));
        OK(gw_promote(b->plan, &o, &result, &err));
        assert_true(result.token);
        assert_int_equal(result.epoch, round + 2);
        gw_plan_close(b->plan);
        active = 1 - active;
        start_replica(&p, 1 - active);
        start_source(&p, active, &c);
        await_repl(p.s[active].source, GW_REPL_ASYNC);
        struct gw_source_status st;
        gw_source_get_status(p.s[active].source, &st);
        assert_int_equal(st.verdict.row, 8); /* no resync after a handover */
        write_load(p.s[active].source, 17 + round, 60);
    }
    await_durable(p.s[active].source);
    stop(&p.s[0]);
    stop(&p.s[1]);
    assert_same_images(&p);
    destroy(&p);
}

/* A verify while writers run finds nothing; a byte changed behind the replica's back is found. */
static void verify_online(void **state)
{
    (void)state;
    struct pair p;
    struct gw_source_config c = defaults();
    make(&p);
    start_replica(&p, 1);
    start_source(&p, 0, &c);
    await_repl(p.s[0].source, GW_REPL_ASYNC);
    write_load(p.s[0].source, 5, 50);
    for (int flip = 0; flip < 2; flip++) {
        if (flip) {
            await_durable(p.s[0].source);
            FILE *f = fopen(p.s[1].image, "r+b");
            assert_non_null(f);
            fseek(f, 3 * 1024 * 1024 + 77, SEEK_SET);
            int was = fgetc(f);
            fseek(f, 3 * 1024 * 1024 + 77, SEEK_SET);
            fputc(was ^ 1, f);
            fclose(f);
        }
        OK(gw_source_verify(p.s[0].source, 0, &err));
        if (!flip)
            write_load(p.s[0].source, 6, 50);
        struct gw_source_status st;
        uint64_t until = gw_boot_ns() + DEADLINE_NS;
        do {
            gw_source_wait_change(p.s[0].source, 100);
            gw_source_get_status(p.s[0].source, &st);
        } while (!st.verify.done && gw_boot_ns() < until);
        assert_true(st.verify.done);
        assert_int_equal(st.verify.checked_bytes, BYTES);
        assert_int_equal(st.verify.differing_blocks, flip);
    }
    OK(gw_source_resync(p.s[0].source, false, &err));
    await_durable(p.s[0].source);
    await_repl(p.s[0].source, GW_REPL_ASYNC);
    stop(&p.s[0]);
    stop(&p.s[1]);
    assert_same_images(&p);
    destroy(&p);
}

static void free_address(char ret[64])
{
    struct gw_listener *l = NULL;
    OK(gw_listener_open("127.0.0.1:0", NULL, &l, &err));
    snprintf(ret, 64, "%s", gw_listener_address(l));
    gw_listener_close(l);
}

static void await_service(struct gw_source *s, enum gw_service_state want)
{
    struct gw_source_status st;
    uint64_t until = gw_boot_ns() + DEADLINE_NS;
    do {
        gw_source_wait_change(s, 100);
        gw_source_get_status(s, &st);
    } while (st.service != want && gw_boot_ns() < until);
    if (st.service != want)
        fail_msg("service is %s: %s", gw_service_state_name(st.service), st.reason);
}

/* Row 1: the link was cut, the standby was promoted, and the old active went on. When they meet,
 * the older reign ends at once; the newer one is not touched. */
static void both_serve(void **state)
{
    (void)state;
    struct pair p;
    struct gw_source_config c = defaults();
    char home[64], dr[64];
    make(&p);
    start_replica(&p, 1);
    free_address(home);
    snprintf(dr, sizeof dr, "%s", p.address);
    c.listen = home;
    start_source(&p, 0, &c);
    await_repl(p.s[0].source, GW_REPL_ASYNC);
    write_load(p.s[0].source, 21, 20);
    stop(&p.s[1]);
    struct gw_promote_options o = { .point = NULL };
    struct gw_promote_result result;
    OK(gw_plan_open(gw_io_posix(), p.s[1].dir, 0, &p.s[1].plan, &err));
    OK(gw_promote(p.s[1].plan, &o, &result, &err));
    gw_plan_close(p.s[1].plan);
    write_load(p.s[0].source, 22, 20); /* the tail */
    struct gw_source_config d = defaults();
    d.listen = dr;
    snprintf(p.address, sizeof p.address, "%s", home);
    start_source(&p, 1, &d);
    await_service(p.s[0].source, GW_SERVICE_FENCED);
    uint8_t byte = 1;
    assert_int_equal(gw_source_write(p.s[0].source, 0, &byte, 1, 0, 0), -ESHUTDOWN);
    assert_int_equal(gw_source_read(p.s[0].source, 0, &byte, 1, 0), -ESHUTDOWN);
    write_load(p.s[1].source, 23, 20);
    stop(&p.s[0]);
    /* Fenced durably, and honest about its tail. */
    OK(gw_plan_open(gw_io_posix(), p.s[0].dir, GW_PLAN_READ_ONLY, &p.s[0].plan, &err));
    assert_int_equal(p.s[0].plan->meta.role, GW_ROLE_FENCED);
    assert_false(gw_plan_maps_empty(p.s[0].plan));
    stop(&p.s[0]);
    stop(&p.s[1]);
    destroy(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seed_and_stream), cmocka_unit_test(synchronous),
        cmocka_unit_test(link_lost),       cmocka_unit_test(round_trip),
        cmocka_unit_test(verify_online),   cmocka_unit_test(both_serve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
