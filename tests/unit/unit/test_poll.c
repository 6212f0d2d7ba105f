// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "unit/poll.h"

#include "base/clock.h"
#include "control/client.h"
#include "control/server.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define SOON_NS (10 * GW_NS_PER_S)

static char dir[64];
static struct gw_error err;
#define OK(x)                                                                                      \
    do {                                                                                           \
        err = (struct gw_error){ 0 };                                                              \
        if ((x) < 0)                                                                               \
            fail_msg("%s: %s", #x, err.msg);                                                       \
    } while (0)

/* ---- a process to ask, in this one -------------------------------------------------------------
 */

struct process {
    char path[96];
    atomic_uint asked;
    _Atomic(const char *) state;
    struct gw_control *control;
};

static int on_status(void *ctx, json_t *request, struct gw_control_reply *reply, struct gw_error *e)
{
    struct process *p = ctx;
    (void)request;
    (void)e;
    gw_control_reply_set(reply, "state", json_string(atomic_load(&p->state)));
    gw_control_reply_set(reply, "asked", json_integer(atomic_fetch_add(&p->asked, 1) + 1));
    return 0;
}

static const struct gw_control_command commands[] = { { "status", NULL, "say it", on_status } };

static void begin(struct process *p, const char *name)
{
    snprintf(p->path, sizeof p->path, "%s/%s", dir, name);
    atomic_store(&p->asked, 0);
    atomic_store(&p->state, "streaming");
    const struct gw_control_config c = {
        .path = p->path, .commands = commands, .n_commands = 1, .ctx = p
    };
    OK(gw_control_start(&c, &p->control, &err));
}

static void end(struct process *p)
{
    gw_control_stop(p->control);
    p->control = NULL;
}

/* Serves no one: connects are taken by the kernel, and nothing ever comes. */
static int hanging(const char *name, char path[96])
{
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    snprintf(path, 96, "%s/%s", dir, name);
    memcpy(at.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(fd, 128), 0);
    return fd;
}

/* ---- who watches -------------------------------------------------------------------------------
 */

struct watch {
    struct gw_polls *polls;
    pthread_mutex_t mu;
    pthread_cond_t cv;
    unsigned changes;
    char last[32];
};

static void changed(void *arg, const char *plan)
{
    struct watch *w = arg;
    pthread_mutex_lock(&w->mu);
    w->changes++;
    snprintf(w->last, sizeof w->last, "%s", plan);
    pthread_cond_broadcast(&w->cv);
    pthread_mutex_unlock(&w->mu);
}

static void await_changes(struct watch *w, unsigned n)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    t.tv_sec += 10;
    pthread_mutex_lock(&w->mu);
    while (w->changes < n)
        if (pthread_cond_timedwait(&w->cv, &w->mu, &t) != 0)
            fail_msg("waited for change %u, there are %u", n, w->changes);
    pthread_mutex_unlock(&w->mu);
}

static void start(struct watch *w, unsigned every_ms, unsigned timeout_ms, unsigned threads)
{
    *w = (struct watch){ .changes = 0 };
    pthread_mutex_init(&w->mu, NULL);
    pthread_cond_init(&w->cv, NULL);
    const struct gw_polls_config c = { .every_ms = every_ms,
                                       .timeout_ms = timeout_ms,
                                       .threads = threads,
                                       .arg = w,
                                       .changed = changed };
    OK(gw_polls_new(&c, &w->polls, &err));
}

static void stop(struct watch *w)
{
    gw_polls_free(w->polls);
    pthread_cond_destroy(&w->cv);
    pthread_mutex_destroy(&w->mu);
}

static int64_t asked(const struct gw_poll_answer *a)
{
    return json_integer_value(json_object_get(a->status, "asked"));
}

/* ---- tests -------------------------------------------------------------------------------------
 */

/* Known, gone, known again, and only what matters is told. */
static void comes_and_goes(void **state)
{
    (void)state;
    struct watch w;
    struct process p;
    struct gw_poll_answer a, b;
    begin(&p, "shop.sock");
    start(&w, 5, 5000, 2);
    OK(gw_polls_add(w.polls, "shop", p.path, &err));
    assert_int_equal(gw_polls_add(w.polls, "shop", p.path, &err), -EEXIST);
    await_changes(&w, 1);
    assert_string_equal(w.last, "shop");
    OK(gw_polls_get(w.polls, "shop", GW_POLL_ANY_AGE, &a, &err));
    assert_true(a.known);
    assert_int_equal(a.why.code, 0);
    /* It is asked again and again; a counter is no change. */
    do {
        OK(gw_polls_get(w.polls, "shop", 0, &b, &err));
        gw_poll_answer_done(&b);
    } while (atomic_load(&p.asked) < 20);
    assert_int_equal(w.changes, 1);
    atomic_store(&p.state, "refused");
    await_changes(&w, 2);
    end(&p);
    await_changes(&w, 3);
    OK(gw_polls_get(w.polls, "shop", GW_POLL_ANY_AGE, &b, &err));
    assert_false(b.known);
    assert_int_equal(b.why.code, -ENOENT);
    /* The last word stays, with its age, and is not taken for an answer. */
    assert_string_equal(json_string_value(json_object_get(b.status, "state")), "refused");
    assert_true(b.age_ns > 0 && b.wall_ns > 0);
    gw_poll_answer_done(&b);
    OK(gw_polls_get(w.polls, "shop", 60000, &b, &err));
    assert_false(b.known);
    gw_poll_answer_done(&b);
    begin(&p, "shop.sock");
    await_changes(&w, 4);
    gw_poll_answer_done(&a);
    gw_polls_remove(w.polls, "shop");
    assert_int_equal(gw_polls_get(w.polls, "shop", 0, &a, &err), -ENOENT);
    gw_polls_remove(w.polls, "shop");
    end(&p);
    stop(&w);
}

/* On demand: an answer to a question that was asked before does not count. */
static void on_demand(void **state)
{
    (void)state;
    struct watch w;
    struct process p;
    struct gw_poll_answer a;
    begin(&p, "shop.sock");
    start(&w, 3600 * 1000, 5000, 1);
    OK(gw_polls_add(w.polls, "shop", p.path, &err));
    await_changes(&w, 1);
    OK(gw_polls_get(w.polls, "shop", 3600 * 1000, &a, &err));
    assert_int_equal(asked(&a), 1);
    gw_poll_answer_done(&a);
    OK(gw_polls_get(w.polls, "shop", 0, &a, &err));
    assert_true(a.known);
    assert_int_equal(asked(&a), 2);
    gw_poll_answer_done(&a);
    atomic_store(&p.state, "failed");
    gw_polls_wake(w.polls, "shop");
    await_changes(&w, 2);
    end(&p);
    OK(gw_polls_get(w.polls, "shop", 0, &a, &err));
    assert_false(a.known);
    gw_poll_answer_done(&a);
    stop(&w);
}

/* Processes that hang cost their own time and not that of the others. */
static void some_hang(void **state)
{
    (void)state;
    struct watch w;
    struct process p;
    struct gw_poll_answer a;
    char path[3][96];
    int fd[3];
    begin(&p, "shop.sock");
    start(&w, 10, 100, 2);
    for (int i = 0; i < 3; i++) {
        char plan[8];
        snprintf(plan, sizeof plan, "h%d", i);
        fd[i] = hanging(plan, path[i]);
        OK(gw_polls_add(w.polls, plan, path[i], &err));
    }
    OK(gw_polls_add(w.polls, "shop", p.path, &err));
    uint64_t until = gw_boot_ns() + SOON_NS;
    while (atomic_load(&p.asked) < 50 && gw_boot_ns() < until) {
        OK(gw_polls_get(w.polls, "shop", 0, &a, &err));
        gw_poll_answer_done(&a);
    }
    assert_true(atomic_load(&p.asked) >= 50);
    OK(gw_polls_get(w.polls, "h1", 0, &a, &err));
    assert_false(a.known);
    assert_null(a.status);
    assert_int_equal(a.why.code, -ETIMEDOUT);
    gw_poll_answer_done(&a);
    stop(&w);
    for (int i = 0; i < 3; i++) {
        close(fd[i]);
        unlink(path[i]);
    }
    end(&p);
}

static int set_up(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%.40s/gw-poll-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_and_goes),
        cmocka_unit_test(on_demand),
        cmocka_unit_test(some_hang),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
