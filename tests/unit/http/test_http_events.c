// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The hub of events end to end: order, resuming, gaps, slow and lost clients, stopping. */
#include "http/events.h"
#include "http/limits.h"
#include "support.h"

#define STORE_MAX 2000u
#define ALIVE_MS 20u

struct world {
    char dir[64], path[96], address[112];
    struct gw_http_server *server;
    struct gw_http_events *hub;
    struct gw_http_client *client;
    pthread_mutex_t lock; /* of the store */
    uint64_t first, last; /* ids in the store */
    int reads;
};

static int do_events(struct gw_http_call *c, struct gw_error *err)
{
    struct world *w = gw_http_call_ctx(c);
    return gw_http_reply_events(c, w->hub, gw_http_call_query(c, "topic"), err);
}

static const struct gw_http_route routes[] = {
    { "GET", "/events", do_events, GW_HTTP_STREAM, "topic after", "follow" },
};

static const char *topic_of(uint64_t id)
{
    return id % 2 == 0 ? "even" : "odd";
}

/* Three at a time, so that there are many calls. */
static int read_store(void *ctx, uint64_t after, gw_http_events_emit_fn *emit, void *emit_ctx)
{
    struct world *w = ctx;
    pthread_mutex_lock(&w->lock);
    uint64_t first = w->first, last = w->last;
    w->reads++;
    pthread_mutex_unlock(&w->lock);
    if (after + 1 < first)
        return -ERANGE;
    for (uint64_t id = after + 1; id <= last && id <= after + 3; id++) {
        char json[64];
        snprintf(json, sizeof json, "{\"n\":%llu}", (unsigned long long)id);
        if (emit(emit_ctx, id, "run", topic_of(id), json) != 0)
            break;
    }
    return 0;
}

static void publish(struct world *w, uint64_t id)
{
    char json[64];
    pthread_mutex_lock(&w->lock);
    w->last = id;
    pthread_mutex_unlock(&w->lock);
    snprintf(json, sizeof json, "{\"n\":%llu}", (unsigned long long)id);
    gw_http_events_publish(w->hub, id, "run", topic_of(id), json);
}

static struct world *open_world(bool store, uint64_t head_id, unsigned alive_ms)
{
    struct world *w = calloc(1, sizeof *w);
    struct gw_error err = { 0 };
    make_dir(w->dir);
    snprintf(w->path, sizeof w->path, "%s/api.sock", w->dir);
    snprintf(w->address, sizeof w->address, "unix:%s", w->path);
    pthread_mutex_init(&w->lock, NULL);
    w->first = 1;
    w->last = head_id;
    const struct gw_http_events_config events = {
        .read = store ? read_store : NULL, .ctx = w, .head_id = head_id, .alive_ms = alive_ms
    };
    assert_ok(gw_http_events_new(&events, &w->hub, &err), &err);
    const struct gw_http_config config = {
        .unix_path = w->path, .routes = routes, .n_routes = 1, .ctx = w
    };
    assert_ok(gw_http_start(&config, &w->server, &err), &err);
    w->client = client_of(w->address);
    return w;
}

static void close_world(struct world *w)
{
    gw_http_client_free(w->client);
    gw_http_events_close(w->hub);
    gw_http_stop(w->server);
    gw_http_events_free(w->hub);
    drop_dir(w->dir);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

/* What a client saw, until it has seen `until`. */
struct seen {
    uint64_t until, count, last, gap_next;
    bool bad;                  /* not one more than the one before (two, of a topic) */
    unsigned step;             /* between ids */
    struct world *publish_for; /* at the first comment, more is published */
    uint64_t publish_to;
};

static int on_event(void *ctx, const char *id, const char *kind, const char *data)
{
    struct seen *s = ctx;
    uint64_t n = strtoull(id, NULL, 10);
    char expected[64];
    if (kind == NULL) {
        if (s->publish_for != NULL)
            for (uint64_t i = s->publish_for->last + 1; i <= s->publish_to; i++)
                publish(s->publish_for, i);
        s->publish_for = NULL;
        return 0;
    }
    if (strcmp(kind, "gap") == 0) {
        s->gap_next = strtoull(strstr(data, "\"next\":") + 7, NULL, 10);
        s->last = s->gap_next - 1;
        return 0;
    }
    snprintf(expected, sizeof expected, "{\"n\":%llu}", (unsigned long long)n);
    s->bad = s->bad || strcmp(kind, "run") != 0 || strcmp(data, expected) != 0 ||
             (s->last != 0 && n != s->last + s->step);
    s->last = n;
    s->count++;
    return n >= s->until ? 1 : 0;
}

static void follow(struct world *w, const char *path, const char *last_id, struct seen *s)
{
    struct gw_error err = { 0 };
    int r = gw_http_client_events(w->client, path, last_id, CALL_MS, on_event, s, &err);
    if (r != 1)
        fail_msg("the stream ended with %d: %s", r, err.msg);
    assert_false(s->bad);
}

static void test_live(void **state)
{
    struct world *w = open_world(false, 100, ALIVE_MS);
    struct seen s = { .until = 110, .step = 1, .last = 100, .publish_for = w, .publish_to = 110 };
    follow(w, "/events", NULL, &s);
    assert_int_equal(s.count, 10);
    assert_int_equal(s.gap_next, 0);
    /* Once more: what it has seen it does not see again. */
    s = (struct seen){ .until = 120, .step = 1, .last = 107, .publish_for = w, .publish_to = 120 };
    follow(w, "/events", "107", &s);
    assert_int_equal(s.count, 13);
    gw_http_events_publish(w->hub, 50, "run", "even", "{\"n\":50}"); /* out of order: dropped */
    assert_int_equal(w->last, 120);
    /* By topic. */
    s = (struct seen){ .until = 130, .step = 2, .last = 120, .publish_for = w, .publish_to = 130 };
    follow(w, "/events?topic=even", NULL, &s);
    assert_int_equal(s.count, 5);
    s = (struct seen){ .until = 130, .step = 1, .last = 117 };
    follow(w, "/events", "117", &s);
    assert_int_equal(s.count, 13);
    close_world(w);
}

/* From the store into what is live, in one go. */
static void test_stored(void **state)
{
    struct world *w = open_world(true, 900, ALIVE_MS);
    struct seen s = { .until = 1500, .step = 1, .last = 5, .publish_for = w, .publish_to = 1500 };
    follow(w, "/events?after=5", NULL, &s);
    assert_int_equal(s.count, 1495);
    assert_true(w->reads >= 300);
    s = (struct seen){ .until = 1500, .step = 2 };
    follow(w, "/events?after=0&topic=even", NULL, &s);
    assert_int_equal(s.count, 750);
    close_world(w);
}

static void test_gaps(void **state)
{
    /* The store was cut off. */
    struct world *w = open_world(true, 900, ALIVE_MS);
    w->first = 700;
    struct seen s = { .until = 905, .step = 1, .publish_for = w, .publish_to = 905 };
    follow(w, "/events", "10", &s);
    assert_int_equal(s.gap_next, 901);
    assert_int_equal(s.count, 5);
    close_world(w);
    /* No store, and more than the hub remembers; an id from another history. */
    w = open_world(false, 0, ALIVE_MS);
    for (uint64_t i = 1; i <= GW_HTTP_FEED_RECENT_MAX + 10; i++)
        publish(w, i);
    s = (struct seen){ .until = GW_HTTP_FEED_RECENT_MAX + 10, .step = 1 };
    follow(w, "/events", "3", &s);
    assert_int_equal(s.gap_next, 11);
    assert_int_equal(s.count, GW_HTTP_FEED_RECENT_MAX);
    s = (struct seen){ .until = 300, .step = 1, .publish_for = w, .publish_to = 300 };
    follow(w, "/events", "99999", &s);
    assert_int_equal(s.gap_next, GW_HTTP_FEED_RECENT_MAX + 11);
    close_world(w);
}

static void wait_clients(struct world *w, unsigned n)
{
    uint64_t end_ns = gw_boot_ns() + CALL_MS * GW_NS_PER_MS;
    while (gw_http_events_clients(w->hub) != n && gw_boot_ns() < end_ns)
        poll(NULL, 0, 5);
    assert_int_equal(gw_http_events_clients(w->hub), n);
}

/* One that reads nothing costs its buffer, holds up nobody, and misses nothing. */
static void test_slow(void **state)
{
    struct world *w = open_world(true, 0, 60000);
    char *text = malloc(1u << 20);
    int slow = raw_connect(w->path);
    int small = 4096;
    setsockopt(slow, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    raw_send(slow, "GET /events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 0\r\n\r\n");
    wait_clients(w, 1);
    uint64_t begin_ns = gw_boot_ns();
    for (uint64_t i = 1; i <= STORE_MAX * 10; i++)
        publish(w, i);
    assert_true(gw_boot_ns() - begin_ns < CALL_MS * GW_NS_PER_MS);
    struct seen s = { .until = STORE_MAX * 10, .step = 1, .last = STORE_MAX * 10 - 400 };
    char after[32];
    snprintf(after, sizeof after, "%llu", (unsigned long long)s.last);
    follow(w, "/events", after, &s);
    assert_int_equal(s.count, 400);
    size_t used = 0;
    const char *last = "id: 20000\n";
    while (strstr(text + (used > 64000 ? used - 64000 : 0), last) == NULL || used == 0) {
        if (used > (1u << 19)) { /* only the end matters */
            memmove(text, text + used - 64000, 64000);
            used = 64000;
        }
        struct pollfd p = { .fd = slow, .events = POLLIN };
        assert_int_equal(poll(&p, 1, (int)CALL_MS), 1);
        ssize_t n = read(slow, text + used, (1u << 18));
        assert_true(n > 0);
        used += (size_t)n;
        text[used] = '\0';
    }
    close(slow);
    free(text);
    wait_clients(w, 0); /* found without an event, or a sign of life */
    close_world(w);
}

static void test_refused(void **state)
{
    struct world *w = open_world(false, 0, ALIVE_MS);
    struct seen s = { .until = 1 };
    struct gw_error err = { 0 };
    int fds[GW_HTTP_FEED_CLIENTS_MAX];
    assert_int_equal(gw_http_client_events(w->client, "/events", "x7", 0, on_event, &s, &err),
                     -EINVAL);
    assert_contains(err.msg, "Last-Event-ID \"x7\" is not a number");
    for (unsigned i = 0; i < GW_HTTP_FEED_CLIENTS_MAX; i++) {
        fds[i] = raw_connect(w->path);
        raw_send(fds[i], "GET /events HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    wait_clients(w, GW_HTTP_FEED_CLIENTS_MAX);
    assert_int_equal(gw_http_client_events(w->client, "/events", NULL, 0, on_event, &s, &err),
                     -EAGAIN);
    /* Stopping ends them all, also when nobody closed the hub before. */
    gw_http_stop(w->server);
    w->server = NULL;
    for (unsigned i = 0; i < GW_HTTP_FEED_CLIENTS_MAX; i++) {
        char text[8192];
        raw_read_all(fds[i], text, sizeof text);
        assert_contains(text, "Content-Type: text/event-stream\r\n");
        assert_contains(text, "\r\n0\r\n");
        close(fds[i]);
    }
    assert_int_equal(gw_http_events_clients(w->hub), 0);
    close_world(w);
}

static int on_nothing(void *ctx, const char *id, const char *kind, const char *data)
{
    return 0;
}

static void *close_later(void *arg)
{
    struct world *w = arg;
    wait_clients(w, 1);
    gw_http_events_close(w->hub);
    return NULL;
}

static void test_end(void **state)
{
    struct world *w = open_world(false, 0, ALIVE_MS);
    struct gw_error err = { 0 };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, close_later, w), 0);
    assert_ok(gw_http_client_events(w->client, "/events", NULL, 0, on_nothing, NULL, &err), &err);
    pthread_join(thread, NULL);
    assert_int_equal(gw_http_client_events(w->client, "/events", NULL, 0, on_nothing, NULL, &err),
                     -EAGAIN);
    close_world(w);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live), cmocka_unit_test(test_stored),  cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_slow), cmocka_unit_test(test_refused), cmocka_unit_test(test_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
