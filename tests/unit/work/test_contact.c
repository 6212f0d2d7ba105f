// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Notices: what is sent, who is told, and that nobody waits. */
#include "base/clock.h"
#include "work/contact.h"
#include "work/limits.h"
#include "world.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct gw_notice notice = {
    .event = "failback.scheduled",
    .severity = "info",
    .site = "lisbon",
    .plan = "shop",
    .run = "r-17",
    .subject = "failback of shop at 02:00",
    .text = "expected outage: 40 s",
    .wall_ns = 1732229823ull * 1000000000ull,
};

static void check_json(const char *text, const char *contact)
{
    json_t *j = json_loads(text, 0, NULL), *want;
    assert_non_null(j);
    want = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s}", "event", "failback.scheduled",
                     "severity", "info", "time", "2024-11-21T22:57:03Z", "site", "lisbon", "plan",
                     "shop", "run", "r-17", "contact", contact, "subject",
                     "failback of shop at 02:00", "text", "expected outage: 40 s");
    assert_true(json_equal(j, want));
    json_decref(want);
    json_decref(j);
}

static void test_json(void **state)
{
    char *text = gw_notice_json(&notice, "dba");
    check_json(text, "dba");
    free(text);
    const struct gw_notice bad = { .event = "x", .subject = "\xff\"\n", .site = "a" };
    text = gw_notice_json(&bad, NULL);
    json_t *j = json_loads(text, 0, NULL);
    assert_non_null(j);
    assert_string_equal(json_string_value(json_object_get(j, "subject")), "?\"\n");
    assert_null(json_object_get(j, "plan"));
    json_decref(j);
    free(text);
}

static void test_send(void **state)
{
    struct world w;
    char url[128];
    struct gw_error err = { 0 };
    world_init(&w);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/hook", world_serve(&w));
    struct gw_work_contact c = { .name = "dba", .webhook = url };
    assert_int_equal(gw_contact_send(&c, &notice, -1, &err), 0);
    char *posted = world_posted(&w);
    check_json(posted, "dba");
    free(posted);
    world_switch(&w, 204);
    assert_int_equal(gw_contact_send(&c, &notice, -1, &err), 0);
    world_switch(&w, 500);
    assert_int_equal(gw_contact_send(&c, &notice, -1, &err), -EIO);
    assert_non_null(strstr(err.msg, "answered with status 500"));
    assert_null(strstr(err.msg, "/hook")); /* the path may be the secret */

    const char *argv[] = { world_script(
                               &w, "page",
                               "echo \"$GODWIT_SEVERITY $GODWIT_PLAN: $GODWIT_SUBJECT\" >said;"
                               "printf %s \"$GODWIT_NOTICE\" >json"),
                           NULL };
    c = (struct gw_work_contact){ .name = "pager", .command = argv };
    assert_int_equal(gw_contact_send(&c, &notice, -1, &err), 0);
    char *said = world_read(&w, "said"), *json = world_read(&w, "json");
    assert_string_equal(said, "info shop: failback of shop at 02:00\n");
    check_json(json, "pager");
    free(said);
    free(json);
    world_script(&w, "page", "echo no modem; exit 2");
    assert_int_equal(gw_contact_send(&c, &notice, -1, &err), -EIO);
    assert_string_equal(err.msg, "command: exit code 2: no modem");
    world_done(&w);
}

static void test_incomplete(void **state)
{
    const char *const argv[] = { "true", NULL };
    const struct gw_work_contact rows[] = {
        { .name = "none" },
        { .name = "both", .webhook = "http://x/", .command = argv },
        { .name = "no url", .webhook = "hunter2" },
        { .name = "file", .webhook = "file:///etc/passwd" },
    };
    for (size_t i = 0; i < 4; i++) {
        struct gw_error err = { 0 };
        assert_int_equal(gw_contact_send(&rows[i], &notice, -1, &err), -EINVAL);
        assert_null(strstr(err.msg, "hunter2"));
    }
}

/* ---- the queue ---------------------------------------------------------------------------------
 */

struct told {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned reached, not_reached;
    char last[GW_WORK_TEXT_MAX], events[256];
};

static void on_done(void *ctx, const char *contact, const char *event, bool reached,
                    const char *text)
{
    struct told *t = ctx;
    pthread_mutex_lock(&t->lock);
    *(reached ? &t->reached : &t->not_reached) += 1;
    snprintf(t->last, sizeof t->last, "%s: %s", contact, text);
    if (strlen(t->events) + strlen(event) + 2 < sizeof t->events)
        strcat(strcat(t->events, event), " ");
    pthread_cond_broadcast(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

static struct gw_notifier *begin(struct told *t)
{
    struct gw_notifier *nt = NULL;
    *t = (struct told){ .lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
    assert_int_equal(gw_notifier_new(on_done, t, &nt, NULL), 0);
    return nt;
}

static void post(struct gw_notifier *nt, const struct gw_work_contact *c, size_t n,
                 const char *event)
{
    struct gw_notice copy = notice;
    struct gw_error err = { 0 };
    copy.event = event;
    assert_int_equal(gw_notifier_post(nt, c, n, &copy, &err), 0);
}

static void test_queue(void **state)
{
    struct world w;
    struct told t;
    world_init(&w);
    const char *argv[] = { world_script(&w, "page", "echo $GODWIT_EVENT >>said"), NULL };
    char *name = strdup("dba"), *event = strdup("one");
    const struct gw_work_contact c = { .name = name, .command = argv };
    struct gw_notifier *nt = begin(&t);
    post(nt, &c, 1, event);
    strcpy(event, "xxx"); /* all was copied */
    strcpy(name, "xxx");
    free(event);
    post(nt, &c, 1, "two");
    post(nt, &c, 0, "nobody");
    free(name);
    gw_notifier_free(nt, WORLD_WAIT_MS);
    char *said = world_read(&w, "said");
    assert_string_equal(said, "one\ntwo\n");
    free(said);
    assert_int_equal(t.reached, 2);
    assert_string_equal(t.events, "one two ");
    world_done(&w);
}

/* A second try reaches who was not reached at first. */
static void test_tries(void **state)
{
    struct world w;
    struct told t;
    world_init(&w);
    const char *argv[] = { world_script(&w, "page", "echo x >>n; test $(wc -l <n) -ge 2"), NULL };
    const struct gw_work_contact c = { .name = "dba", .command = argv };
    struct gw_notifier *nt = begin(&t);
    post(nt, &c, 1, "one");
    gw_notifier_free(nt, WORLD_WAIT_MS);
    assert_int_equal(t.reached, 1);
    assert_int_equal(t.not_reached, 0);
    world_done(&w);
}

/* A contact that hangs: the poster does not wait, another contact hears of it, and the end is soon.
 */
static void test_hanging_contact(void **state)
{
    struct world w;
    struct told t;
    char url[64], line[16];
    world_init(&w);
    world_fifo(&w, "paged");
    snprintf(url, sizeof url, "http://127.0.0.1:%u/silent", world_serve(&w));
    const char *hang[] = { world_script(&w, "hang", "sleep 1000"), NULL };
    const char *page[] = { world_script(&w, "page", "echo x >paged"), NULL };
    const struct gw_work_contact c[] = { { .name = "silent", .webhook = url },
                                         { .name = "hang", .command = hang },
                                         { .name = "page", .command = page } };
    struct gw_notifier *nt = begin(&t);
    uint64_t begun = gw_boot_ns();
    post(nt, c, 3, "one");
    for (int i = 0; i < 5; i++)
        post(nt, c, 3, "more");
    assert_true(gw_boot_ns() - begun < GW_NS_PER_S);
    world_await(&w, "paged", line, sizeof line);
    pthread_mutex_lock(&t.lock);
    while (t.reached == 0)
        pthread_cond_wait(&t.changed, &t.lock);
    pthread_mutex_unlock(&t.lock);
    gw_notifier_free(nt, 50);
    assert_true(gw_boot_ns() - begun < 10 * GW_NS_PER_S);
    assert_int_equal(t.reached, 1);
    assert_int_equal(t.not_reached, 2 + 5 * 3); /* nobody is left without a word */
    world_done(&w);
}

/* More than the queue holds: the oldest are given up. */
static void test_full(void **state)
{
    struct world w;
    struct told t;
    world_init(&w);
    const char *hang[] = { world_script(&w, "hang", "sleep 1000"), NULL };
    const struct gw_work_contact c = { .name = "hang", .command = hang };
    struct gw_notifier *nt = begin(&t);
    for (unsigned i = 0; i < GW_NOTICE_QUEUE_MAX + 10; i++)
        post(nt, &c, 1, "x");
    pthread_mutex_lock(&t.lock);
    assert_true(t.not_reached >= 9);
    assert_string_equal(t.last, "hang: given up: too many notices wait");
    pthread_mutex_unlock(&t.lock);
    gw_notifier_free(nt, 0);
    assert_int_equal(t.not_reached, GW_NOTICE_QUEUE_MAX + 10);
    world_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),       cmocka_unit_test(test_send),
        cmocka_unit_test(test_incomplete), cmocka_unit_test(test_queue),
        cmocka_unit_test(test_tries),      cmocka_unit_test(test_hanging_contact),
        cmocka_unit_test(test_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
