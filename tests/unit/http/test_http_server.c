// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The server on a unix socket: handlers, refusals, limits, clients rude and slow, stopping. */
#include "support.h"

struct world {
    char dir[64], path[96], address[112];
    struct gw_http_server *server;
    struct gw_http_client *client;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int holding, calls, gone, returned;
    bool release;
};

static int do_echo(struct gw_http_call *c, struct gw_error *err)
{
    const char *more = gw_http_call_query(c, "more");
    return gw_http_reply_json(c, 200,
                              json_pack("{s:s, s:s, s:s?, s:O}", "method", gw_http_call_method(c),
                                        "name", gw_http_call_param(c, "name"), "more", more, "body",
                                        gw_http_call_json(c)));
}

static int do_who(struct gw_http_call *c, struct gw_error *err)
{
    const struct gw_http_peer *p = gw_http_call_peer(c);
    return gw_http_reply_json(c, 200,
                              json_pack("{s:b, s:i, s:i, s:i}", "local", (int)p->local, "uid",
                                        (int)p->uid, "gid", (int)p->gid, "pid", (int)p->pid));
}

static int do_fail(struct gw_http_call *c, struct gw_error *err)
{
    gw_http_reply_header(c, "Retry-After", "9");
    gw_http_reply_json(c, 200, json_object());
    return gw_error_set(err, -EBUSY, "run 7 is on");
}

static int do_guard(struct gw_http_call *c, struct gw_error *err)
{
    gw_error_set(err, -EPERM, "the peer is not fenced");
    gw_http_reply_problem(c, 409, "guard", err);
    gw_http_reply_header(c, "Location", "/runs/7\r\nX-Evil: 1");
    gw_http_reply_member(c, "guard", json_string("peer-fenced"));
    return gw_http_reply_member(c, "way_out", json_string("--override peer-fenced"));
}

static int do_count(struct gw_http_call *c, struct gw_error *err)
{
    struct world *w = gw_http_call_ctx(c);
    pthread_mutex_lock(&w->lock);
    int calls = ++w->calls;
    pthread_mutex_unlock(&w->lock);
    return gw_http_reply_json(c, 202, json_pack("{s:i}", "calls", calls));
}

static int do_raw(struct gw_http_call *c, struct gw_error *err)
{
    size_t n;
    const char *body = gw_http_call_body(c, &n);
    assert_null(gw_http_call_json(c));
    assert_int_equal(strlen(body), n);
    return gw_http_reply_text(c, 200, gw_http_call_content_type(c), body);
}

static int do_sink(struct gw_http_call *c, struct gw_error *err)
{
    size_t n;
    gw_http_call_body(c, &n);
    return gw_http_reply_json(c, 200, json_pack("{s:I}", "bytes", (json_int_t)n));
}

static int do_empty(struct gw_http_call *c, struct gw_error *err)
{
    return 0;
}

/* Enters, tells the test, and stays until released or until nobody waits for it. */
static int do_hold(struct gw_http_call *c, struct gw_error *err)
{
    struct world *w = gw_http_call_ctx(c);
    pthread_mutex_lock(&w->lock);
    w->holding++;
    pthread_cond_broadcast(&w->changed);
    int r = 0;
    while (!w->release && r == 0) {
        pthread_mutex_unlock(&w->lock);
        r = gw_http_call_wait(c, 5);
        pthread_mutex_lock(&w->lock);
    }
    w->holding--;
    w->gone += r < 0;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    return r < 0 ? gw_error_set(err, -EAGAIN, "nobody waits any more") : do_empty(c, err);
}

static int do_big(struct gw_http_call *c, struct gw_error *err)
{
    uint64_t n = 0;
    int r = gw_http_call_query_u64(c, "n", &n, err);
    if (r < 0)
        return r;
    char *text = malloc(n);
    memset(text, 'x', n);
    r = gw_http_reply_bytes(c, 200, "text/plain", text, n);
    free(text);
    return r;
}

static int do_broken(struct gw_http_call *c, struct gw_error *err)
{
    return gw_http_reply_json(c, 200, NULL);
}

static const struct gw_http_route routes[] = {
    { "GET", "/echo/{name}", do_echo, 0, "more", "echo" },
    { "POST", "/echo/{name}", do_echo, 0, "more", "echo" },
    { "DELETE", "/count", do_count, 0, NULL, "count" },
    { "POST", "/count", do_count, 0, NULL, "count" },
    { "GET", "/who", do_who, 0, NULL, "who" },
    { "POST", "/fail", do_fail, 0, NULL, "fail" },
    { "POST", "/guard", do_guard, 0, NULL, "guard" },
    { "PUT", "/raw", do_raw, GW_HTTP_RAW, NULL, "raw" },
    { "POST", "/sink", do_sink, GW_HTTP_DISCARD, NULL, "sink" },
    { "GET", "/empty", do_empty, 0, NULL, "nothing" },
    { "GET", "/hold", do_hold, 0, NULL, "stay" },
    { "GET", "/big", do_big, 0, "n", "much" },
    { "GET", "/broken", do_broken, 0, NULL, "broken" },
    { "GET", "/forbidden", do_empty, 0, NULL, "not for you", .privilege = 9 },
};

static int authorize(void *ctx, struct gw_http_call *c, const struct gw_http_route *route,
                     struct gw_error *err)
{
    return route->privilege == 9
               ? gw_error_set(err, -EPERM, "user %u may not", (unsigned)gw_http_call_peer(c)->uid)
               : 0;
}

static struct gw_http_config config_of(struct world *w)
{
    return (struct gw_http_config){ .name = "test",
                                    .unix_path = w->path,
                                    .routes = routes,
                                    .n_routes = sizeof routes / sizeof routes[0],
                                    .authorize = authorize,
                                    .ctx = w };
}

static struct world *open_world(const struct gw_http_config *change)
{
    struct world *w = calloc(1, sizeof *w);
    struct gw_error err = { 0 };
    make_dir(w->dir);
    snprintf(w->path, sizeof w->path, "%s/api.sock", w->dir);
    snprintf(w->address, sizeof w->address, "unix:%s", w->path);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    struct gw_http_config config = config_of(w);
    if (change != NULL) {
        config.arrive_ms = change->arrive_ms;
        config.idle_ms = change->idle_ms;
        config.stall_ms = change->stall_ms;
        config.connections_max = change->connections_max;
        config.workers_max = change->workers_max;
        config.waiting_max = change->waiting_max;
        config.body_bytes_max = change->body_bytes_max;
    }
    assert_ok(gw_http_start(&config, &w->server, &err), &err);
    assert_string_equal(gw_http_address(w->server), w->address);
    w->client = client_of(w->address);
    return w;
}

static void close_world(struct world *w)
{
    gw_http_client_free(w->client);
    gw_http_stop(w->server);
    assert_int_equal(access(w->path, F_OK), -1);
    drop_dir(w->dir);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

static void wait_holding(struct world *w, int n)
{
    pthread_mutex_lock(&w->lock);
    while (w->holding != n)
        pthread_cond_wait(&w->changed, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

static void test_calls(void **state)
{
    struct world *w = open_world(NULL);
    struct gw_http_response a;
    struct gw_error err = { 0 };
    assert_ok(call(w->client, "GET", "/echo/a%2Fb?more=1%202", "", &a, &err), &err);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.outcome, GW_HTTP_DONE);
    assert_string_equal(a.content_type, "application/json");
    assert_string_equal(a.text,
                        "{\"method\":\"GET\",\"name\":\"a/b\",\"more\":\"1 2\",\"body\":{}}");
    gw_http_response_done(&a);
    assert_ok(call(w->client, "POST", "/echo/x", "{\"k\":[1]}", &a, &err), &err);
    assert_string_equal(a.text,
                        "{\"method\":\"POST\",\"name\":\"x\",\"more\":null,\"body\":{\"k\":[1]}}");
    gw_http_response_done(&a);
    assert_ok(call(w->client, "GET", "/who", "", &a, &err), &err);
    assert_true(json_is_true(json_object_get(a.json, "local")));
    assert_int_equal(json_integer_value(json_object_get(a.json, "uid")), getuid());
    assert_int_equal(json_integer_value(json_object_get(a.json, "pid")), getpid());
    gw_http_response_done(&a);
    assert_ok(call(w->client, "GET", "/empty", "", &a, &err), &err);
    assert_int_equal(a.status, 204);
    gw_http_response_done(&a);
    assert_ok(call(w->client, "DELETE", "/count", "", &a, &err), &err);
    assert_int_equal(a.status, 202);
    gw_http_response_done(&a);
    assert_ok(call(w->client, "GET", "/big?n=3000000", "", &a, &err), &err);
    assert_int_equal(a.text_bytes, 3000000);
    gw_http_response_done(&a);
    struct stat st;
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    close_world(w);
}

static void test_bodies(void **state)
{
    struct world *w = open_world(NULL);
    struct gw_http_response a;
    struct gw_error err = { 0 };
    const char yaml[] = "plan: shop\n";
    const struct gw_http_request raw = { .method = "PUT",
                                         .path = "/raw",
                                         .body = yaml,
                                         .body_bytes = strlen(yaml),
                                         .content_type = "application/yaml; charset=utf-8" };
    assert_ok(gw_http_client_call(w->client, &raw, &a, &err), &err);
    assert_string_equal(a.text, yaml);
    assert_string_equal(a.content_type, "application/yaml");
    gw_http_response_done(&a);
    const struct gw_http_request many = { .method = "POST",
                                          .path = "/sink",
                                          .zeros_bytes = 20u << 20,
                                          .content_type = "application/octet-stream" };
    assert_ok(gw_http_client_call(w->client, &many, &a, &err), &err);
    assert_int_equal(json_integer_value(json_object_get(a.json, "bytes")), 20u << 20);
    gw_http_response_done(&a);
    close_world(w);
}

/* What is refused, and how. */
static void test_refusals(void **state)
{
    static const struct {
        const char *method, *path, *body;
        int code, status;
        const char *problem, *detail;
    } cases[] = {
        { "GET", "/eco/x", "", -ENOENT, 404, "not-found", "did you mean /echo/x?" },
        { "GET", "/count", "", -EOPNOTSUPP, 405, "method-not-allowed", "it takes: DELETE, POST" },
        { "GET", "/echo/x?y=1", "", -EINVAL, 400, "bad-request", "possible are: more" },
        { "GET", "/echo/%ff", "", -EINVAL, 400, "bad-request", "not UTF-8" },
        { "POST", "/echo/x", "{\"a\":\n}", -EBADMSG, 400, "bad-request", "line 2, column 1" },
        { "POST", "/echo/x", "[]", -EINVAL, 400, "bad-request", "not an object" },
        { "POST", "/fail", "{}", -EBUSY, 409, "conflict", "run 7 is on" },
        { "POST", "/guard", "{}", -EPERM, 409, "guard", "the peer is not fenced" },
        { "GET", "/forbidden", "", -EPERM, 403, "forbidden", "may not" },
        { "GET", "/big?n=x", "", -EINVAL, 400, "bad-request", "\"x\" is not a number" },
        { "GET", "/broken", "", -EIO, 500, "internal", "cannot be made" },
    };
    struct world *w = open_world(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct gw_http_response a;
        struct gw_error err = { 0 };
        int r = call(w->client, cases[i].method, cases[i].path, cases[i].body, &a, &err);
        if (r != cases[i].code || a.status != cases[i].status || a.outcome != GW_HTTP_REFUSED ||
            strcmp(a.problem, cases[i].problem) != 0 || strstr(err.msg, cases[i].detail) == NULL)
            fail_msg("%s %s: %d, status %d, %s: %s", cases[i].method, cases[i].path, r, a.status,
                     a.problem, err.msg);
        if (cases[i].status == 409 && i == 7) {
            assert_string_equal(json_string_value(json_object_get(a.json, "guard")), "peer-fenced");
            assert_string_equal(a.location, "/runs/7  X-Evil: 1"); /* no header of its own */
        }
        if (i == 6)
            assert_int_equal(a.retry_after_s, 9);
        gw_http_response_done(&a);
    }
    close_world(w);
}

static void test_raw_http(void **state)
{
    struct world *w = open_world(NULL);
    char text[8192];
    raw_call(w->path, "GET /echo/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", text,
             sizeof text);
    assert_contains(text, "HTTP/1.1 200 OK\r\n");
    assert_contains(text, "Cache-Control: no-store\r\n");
    raw_call(w->path, "HEAD /echo/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", text,
             sizeof text);
    assert_contains(text, "HTTP/1.1 200 OK\r\n");
    assert_null(strstr(text, "method"));
    raw_call(w->path, "PATCH /echo/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", text,
             sizeof text);
    assert_contains(text, " 405 ");
    assert_contains(text, "Allow: GET, HEAD, POST\r\n");
    assert_contains(text, "Content-Type: application/problem+json\r\n");
    raw_call(w->path,
             "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}",
             text, sizeof text);
    assert_contains(text, " 415 ");
    /* Chunked, so that nothing is known of it before it comes. */
    raw_call(w->path,
             "POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: "
             "close\r\nContent-Type: Application/JSON; charset=utf-8\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
             text, sizeof text);
    assert_contains(text, " 202 ");
    raw_call(w->path,
             "POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: "
             "close\r\nContent-Type: text/plain\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
             text, sizeof text);
    assert_contains(text, " 415 ");
    assert_int_equal(w->calls, 1);
    raw_call(w->path, "this is not http\r\n\r\n", text, sizeof text);
    assert_contains(text, " 400 ");
    int fd = raw_connect(w->path);
    raw_send(fd, "GET /echo/x HTTP/1.1\r\nHost: x\r\nX: ");
    for (int i = 0; i < 10; i++) {
        char much[8001];
        memset(much, 'x', sizeof much - 1);
        much[sizeof much - 1] = '\0';
        if (send(fd, much, sizeof much - 1, MSG_NOSIGNAL) < 0)
            break;
    }
    raw_read_all(fd, text, sizeof text);
    assert_contains(text, " 431 ");
    close(fd);
    close_world(w);
}

static void test_large_bodies(void **state)
{
    struct world *w = open_world(NULL);
    struct gw_error err = { 0 };
    struct gw_http_response a;
    char text[4096];
    /* A little too much: it is read to its end, so that the answer arrives. */
    const struct gw_http_request request = { .method = "POST",
                                             .path = "/count",
                                             .zeros_bytes = 3u << 20 };
    assert_int_equal(gw_http_client_call(w->client, &request, &a, &err), -EMSGSIZE);
    assert_int_equal(a.status, 413);
    assert_int_equal(a.outcome, GW_HTTP_REFUSED);
    assert_contains(err.msg, "a body of more than 1048576 bytes");
    gw_http_response_done(&a);
    /* Far too much: answered before it comes. */
    raw_call(w->path,
             "POST /count HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
             "Content-Length: 99999999999\r\n\r\n",
             text, sizeof text);
    assert_contains(text, " 413 ");
    /* Without an announcement. */
    int fd = raw_connect(w->path);
    raw_send(fd, "POST /count HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                 "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
    char *chunk = NULL;
    assert_true(asprintf(&chunk, "100000\r\n%*s\r\n", 1 << 20, "") > 0);
    raw_send(fd, chunk);
    raw_send(fd, chunk);
    raw_send(fd, "0\r\n\r\n");
    raw_read_all(fd, text, sizeof text);
    assert_contains(text, " 413 ");
    close(fd);
    free(chunk);
    assert_int_equal(w->calls, 0);
    close_world(w);
}

/* Half a request is never executed, and its connection ends. */
static void test_slow_clients(void **state)
{
    struct world *w = open_world(&(struct gw_http_config){ .arrive_ms = 600, .idle_ms = 600 });
    char text[4096];
    int silent = raw_connect(w->path), dripping = raw_connect(w->path), half = raw_connect(w->path);
    raw_send(half, "POST /count HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                   "Content-Length: 2\r\n\r\n{");
    uint64_t begin_ns = gw_boot_ns();
    /* A byte now and then does not help. */
    const char *request = "GET /count HTTP/1.1\r\nHost: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    for (size_t i = 0;; i++) {
        struct pollfd p = { .fd = dripping, .events = POLLIN | POLLRDHUP };
        char byte[2] = { request[i % strlen(request)], '\0' };
        if (poll(&p, 1, 20) > 0 || send(dripping, byte, 1, MSG_NOSIGNAL) < 0)
            break;
        assert_true(gw_boot_ns() - begin_ns < CALL_MS * GW_NS_PER_MS);
    }
    raw_read_all(silent, text, sizeof text);
    assert_string_equal(text, "");
    raw_read_all(half, text, sizeof text);
    assert_true(gw_boot_ns() - begin_ns >= 500 * GW_NS_PER_MS);
    close(silent);
    close(dripping);
    close(half);
    /* One that was polite may stay for a while, not for ever. */
    int polite = raw_connect(w->path);
    raw_send(polite, "GET /empty HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_read_all(polite, text, sizeof text);
    assert_contains(text, " 204 ");
    close(polite);
    assert_int_equal(w->calls, 0);
    close_world(w);
}

struct caller {
    struct world *w;
    pthread_t thread;
    const char *path;
    bool returned;
    int r;
    struct gw_http_response a;
    struct gw_error err;
};

static void *caller_main(void *arg)
{
    struct caller *c = arg;
    c->r = call(c->w->client, "GET", c->path, "", &c->a, &c->err);
    pthread_mutex_lock(&c->w->lock);
    c->returned = true;
    c->w->returned++;
    pthread_cond_broadcast(&c->w->changed);
    pthread_mutex_unlock(&c->w->lock);
    return NULL;
}

static void start_call(struct caller *c, struct world *w, const char *path)
{
    *c = (struct caller){ .w = w, .path = path };
    assert_int_equal(pthread_create(&c->thread, NULL, caller_main, c), 0);
}

static void end_call(struct caller *c)
{
    pthread_join(c->thread, NULL);
    gw_http_response_done(&c->a);
}

static void release(struct world *w)
{
    pthread_mutex_lock(&w->lock);
    w->release = true;
    pthread_mutex_unlock(&w->lock);
}

/* Handlers that block hold up nobody; past the limits one is told so. */
static void test_busy(void **state)
{
    struct world *w = open_world(&(struct gw_http_config){ .workers_max = 3, .waiting_max = 1 });
    struct caller held[3];
    struct gw_http_response a;
    struct gw_error err = { 0 };
    start_call(&held[0], w, "/hold");
    start_call(&held[1], w, "/hold");
    wait_holding(w, 2);
    assert_ok(call(w->client, "GET", "/empty", "", &a, &err), &err);
    gw_http_response_done(&a);
    start_call(&held[2], w, "/hold");
    wait_holding(w, 3);
    /* One more waits for a thread, another one is refused: which one does not matter. */
    struct caller waiting[2];
    start_call(&waiting[0], w, "/empty");
    start_call(&waiting[1], w, "/empty");
    pthread_mutex_lock(&w->lock);
    while (w->returned == 0)
        pthread_cond_wait(&w->changed, &w->lock);
    pthread_mutex_unlock(&w->lock);
    const struct caller *refused = waiting[0].returned ? &waiting[0] : &waiting[1];
    assert_int_equal(refused->r, -EAGAIN);
    assert_int_equal(refused->a.status, 503);
    assert_int_equal(refused->a.outcome, GW_HTTP_REFUSED);
    assert_string_equal(refused->a.problem, "busy");
    assert_int_equal(refused->a.retry_after_s, 2);
    release(w);
    for (int i = 0; i < 3; i++) {
        end_call(&held[i]);
        assert_int_equal(held[i].r, 0);
    }
    end_call(&waiting[0]);
    end_call(&waiting[1]);
    assert_int_equal(waiting[0].r + waiting[1].r, -EAGAIN);
    close_world(w);
}

static void test_crowd(void **state)
{
    struct world *w = open_world(&(struct gw_http_config){ .connections_max = 2 });
    struct gw_http_response a;
    struct gw_error err = { 0 };
    char text[4096];
    int one = raw_connect(w->path), two = raw_connect(w->path);
    raw_send(one, "GET /empty HTTP/1.1\r\nHost: x\r\n\r\n");
    raw_send(two, "GET /hold HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    wait_holding(w, 1);
    struct pollfd p = { .fd = one, .events = POLLIN };
    assert_int_equal(poll(&p, 1, (int)CALL_MS), 1);
    assert_true(read(one, text, sizeof text) > 0);
    /* The idle one makes place. */
    assert_ok(call(w->client, "GET", "/empty", "", &a, &err), &err);
    gw_http_response_done(&a);
    raw_read_all(one, text, sizeof text);
    close(one);
    /* Nobody is idle now: whoever comes is told. */
    int three = raw_connect(w->path);
    raw_send(three, "GET /hold HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    wait_holding(w, 2);
    raw_call(w->path, "GET /empty HTTP/1.1\r\nHost: x\r\n\r\n", text, sizeof text);
    assert_contains(text, " 503 ");
    assert_contains(text, "too many connections");
    assert_contains(text, "Connection: close");
    release(w);
    raw_read_all(two, text, sizeof text);
    assert_contains(text, " 204 ");
    raw_read_all(three, text, sizeof text);
    assert_contains(text, " 204 ");
    close(two);
    close(three);
    close_world(w);
}

static void test_gone_and_stop(void **state)
{
    struct world *w = open_world(NULL);
    int fd = raw_connect(w->path);
    raw_send(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    wait_holding(w, 1);
    close(fd);
    wait_holding(w, 0);
    assert_int_equal(w->gone, 1);
    /* A stop ends what waits, and its answer still arrives. */
    struct caller held;
    start_call(&held, w, "/hold");
    wait_holding(w, 1);
    gw_http_stop(w->server);
    w->server = NULL;
    end_call(&held);
    assert_int_equal(held.r, -EAGAIN);
    assert_int_equal(held.a.outcome, GW_HTTP_REFUSED);
    assert_string_equal(held.err.msg, "nobody waits any more");
    close_world(w);
}

static void test_names(void **state)
{
    struct world *w = open_world(NULL);
    struct gw_http_server *other;
    struct gw_error err = { 0 };
    struct gw_http_config config = config_of(w);
    assert_int_equal(gw_http_start(&config, &other, &err), -EADDRINUSE);
    assert_contains(err.msg, "another process serves");
    gw_http_stop(w->server);
    /* What a killed server leaves is replaced; a file is not. */
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    snprintf(a.sun_path, sizeof a.sun_path, "%s", w->path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    close(fd);
    config.has_group = true;
    config.group = getgid();
    assert_ok(gw_http_start(&config, &w->server, &err), &err);
    struct stat st;
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0660);
    assert_int_equal(st.st_gid, getgid());
    gw_http_stop(w->server);
    w->server = NULL;
    FILE *f = fopen(w->path, "w");
    fclose(f);
    assert_int_equal(gw_http_start(&config, &other, &err), -EEXIST);
    unlink(w->path);
    config.unix_path = "/tmp/a-name-that-is-far-too-long-for-a-socket/a-name-that-is-far-too-long-"
                       "for-a-socket/a-name-that-is-far-too-long";
    assert_int_equal(gw_http_start(&config, &other, &err), -ENAMETOOLONG);
    close_world(w);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls),         cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_refusals),      cmocka_unit_test(test_raw_http),
        cmocka_unit_test(test_large_bodies),  cmocka_unit_test(test_slow_clients),
        cmocka_unit_test(test_busy),          cmocka_unit_test(test_crowd),
        cmocka_unit_test(test_gone_and_stop), cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
