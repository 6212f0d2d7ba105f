// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What a replica does before it becomes a target or makes a point: one without threads. */
#include "engine/points.h"
#include "engine/replica_internal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BYTES (4ull * GW_EXTENT_BYTES)

#define OK(call)                                                                                   \
    do {                                                                                           \
        struct gw_error err = { .code = 0 };                                                       \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s", #call, err.msg);                                                    \
    } while (0)

static struct gw_io_ops ops;
static struct gw_io disk = { .ops = &ops };

static int open_here(struct gw_io *self, const char *path, unsigned flags, struct gw_file **ret)
{
    int r = gw_io_posix()->ops->open(gw_io_posix(), path, flags, ret);
    if (r == 0)
        (*ret)->io = self;
    return r;
}

struct world {
    char root[128];
    struct gw_plan *plan;
    struct gw_replica *r;
};

static void make(struct world *w)
{
    const char *tmp = getenv("TMPDIR");
    memset(w, 0, sizeof *w);
    snprintf(w->root, sizeof w->root, "%s/godwit-rep-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(w->root));
    char dir[160];
    snprintf(dir, sizeof dir, "%s/plan", w->root);
    struct gw_plan_spec *spec = calloc(1, sizeof *spec);
    strcpy(spec->plan_name, "shop");
    strcpy(spec->site_name[0], "home");
    strcpy(spec->site_name[1], "dr");
    spec->site = 1;
    spec->n_volumes = 1;
    strcpy(spec->volume[0].name, "disk");
    spec->volume[0].bytes = BYTES;
    snprintf(spec->volume[0].path, sizeof spec->volume[0].path, "%s/image", w->root);
    OK(gw_plan_create(gw_io_posix(), dir, spec, &err));
    free(spec);
    ops = *gw_io_posix()->ops;
    ops.open = open_here;
    OK(gw_plan_open(&disk, dir, 0, &w->plan, &err));
    struct gw_replica_config c;
    gw_replica_config_init(&c);
    c.listen = "127.0.0.1:0";
    OK(gw_replica_new(w->plan, &c, &w->r, &err));
    OK(gw_applier_new(w->plan, NULL, NULL, &w->r->applier, &err));
}

static void destroy(struct world *w)
{
    gw_replica_free(w->r);
    gw_plan_close(w->plan);
    char cmd[160];
    snprintf(cmd, sizeof cmd, "rm -rf %s", w->root);
    assert_int_equal(system(cmd), 0);
}

/* The workers: once somebody waits for them, all that was received is durable and applied. */
static void *work(void *arg)
{
    struct gw_replica *r = arg;
    LOCK_SCOPE(r->mu);
    while (!r->ses.barrier && !r->stop)
        gw_replica_wait(r, &r->cv_apply, 20);
    if (!r->stop)
        r->applied_addr = r->durable_addr = r->received_addr;
    gw_replica_changed(r);
    return NULL;
}

/* R7: nothing is said and no undo begins before the whole journal is applied. */
static void test_applied_first(void **state)
{
    (void)state;
    static const enum gw_session_mode modes[] = { GW_SESSION_RESYNC, GW_SESSION_FULL,
                                                  GW_SESSION_ASSESS };
    for (unsigned i = 0; i < 3; i++) {
        struct world w;
        struct gw_error err = { .code = 0 };
        struct gw_start start = { .mode = modes[i], .first_seq = 1 };
        pthread_t worker;
        make(&w);
        w.r->received_addr = 4096;
        assert_int_equal(pthread_create(&worker, NULL, work, w.r), 0);
        assert_int_equal(gw_replica_prepare(w.r, &start, &err), -ENOTCONN); /* nobody to talk to */
        pthread_mutex_lock(w.r->mu);
        w.r->stop = true; /* for a worker that nobody waited for */
        uint64_t applied = w.r->applied_addr;
        pthread_mutex_unlock(w.r->mu);
        pthread_join(worker, NULL);
        assert_int_equal(applied, 4096);
        destroy(&w);
    }
}

/* R15: no point of an image that is none. */
static void test_no_point_of_no_image(void **state)
{
    (void)state;
    struct world w;
    struct gw_error err;
    make(&w);
    struct gw_point *p = calloc(1, sizeof *p);
    strcpy(p->id, "one");
    assert_int_equal(gw_replica_make_point(w.r, p, &err), -EUCLEAN); /* blank */
    w.plan->meta.consistent = true;
    w.plan->meta.pending = GW_PENDING_RESYNC;
    assert_int_equal(gw_replica_make_point(w.r, p, &err), -EUCLEAN);
    w.plan->meta.pending = GW_PENDING_NONE;
    assert_int_equal(gw_replica_make_point(w.r, p, &err), 0);
    assert_int_equal(gw_point_remove(w.plan->io, w.plan->dir, p->id, &err), 0); /* immutable */
    free(p);
    destroy(&w);
}

static int no_disk(struct gw_file *f, const void *buf, size_t len, uint64_t off)
{
    (void)f, (void)buf, (void)len, (void)off;
    return -EIO;
}

/* R20: what could not be stored is unknown until the plan is opened anew; no session goes on. */
static void test_failed_store_ends_it(void **state)
{
    (void)state;
    struct world w;
    struct gw_error err;
    make(&w);
    ops.pwrite_durable = no_disk;
    struct gw_uuid us = gw_lineage_uuid(&w.plan->meta.lineage);
    assert_int_equal(gw_replica_choose(w.r, &us, "anna", &err), -EIO);
    assert_true(w.r->failed);
    assert_non_null(strstr(w.r->reason, "restart the plan"));
    destroy(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_applied_first),
        cmocka_unit_test(test_no_point_of_no_image),
        cmocka_unit_test(test_failed_store_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
