// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The client against servers that lie, die, hang or are not there: what is known afterwards. */
#include "support.h"

#include <sys/wait.h>

/* A server of bytes: what it does with each connection. */
struct fake {
    char dir[64], path[96], address[112];
    int listen_fd, stop[2];
    pthread_t thread;
    pthread_mutex_t lock;
    int accepted, requests;
    bool read_request, hang;
    const char *answer; /* NULL: none */
    size_t answers_max; /* connections that are answered; later ones are closed after the request */
    char request[4096];
};

static void serve_one(struct fake *f, int fd)
{
    struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = f->stop[0], .events = POLLIN } };
    for (;;) { /* requests of one connection */
        if (f->read_request) {
            size_t used = 0;
            /* Each request of these tests ends so. */
            for (const char *end = NULL; end == NULL;) {
                ssize_t n = poll(p, 2, -1) > 0 && p[1].revents == 0
                                ? read(fd, f->request + used, sizeof f->request - 1 - used)
                                : 0;
                if (n <= 0)
                    return;
                used += (size_t)n;
                f->request[used] = '\0';
                end = f->request[0] == 'P' ? strstr(f->request, "\r\n\r\n{}")
                                           : strstr(f->request, "\r\n\r\n");
            }
        }
        f->requests++;
        if (f->hang)
            poll(&p[1], 1, -1);
        if (f->answer == NULL || f->answers_max == 0)
            return;
        f->answers_max--;
        if (send(fd, f->answer, strlen(f->answer), MSG_NOSIGNAL) < 0 || !f->read_request ||
            strstr(f->answer, "Content-Length: 2\r\n") == NULL)
            return;
    }
}

static void *fake_main(void *arg)
{
    struct fake *f = arg;
    for (;;) {
        struct pollfd p[2] = { { .fd = f->listen_fd, .events = POLLIN },
                               { .fd = f->stop[0], .events = POLLIN } };
        poll(p, 2, -1);
        if (p[1].revents != 0)
            return NULL;
        int fd = accept(f->listen_fd, NULL, NULL);
        pthread_mutex_lock(&f->lock);
        f->accepted++;
        pthread_mutex_unlock(&f->lock);
        serve_one(f, fd);
        close(fd);
    }
}

static void fake_open(struct fake *f)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    make_dir(f->dir);
    snprintf(f->path, sizeof f->path, "%s/s", f->dir);
    snprintf(f->address, sizeof f->address, "unix:%s", f->path);
    snprintf(a.sun_path, sizeof a.sun_path, "%s", f->path);
    pthread_mutex_init(&f->lock, NULL);
    f->listen_fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(f->listen_fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(f->listen_fd, 8), 0);
    assert_int_equal(pipe(f->stop), 0);
    assert_int_equal(pthread_create(&f->thread, NULL, fake_main, f), 0);
}

static int fake_close(struct fake *f)
{
    assert_int_equal(write(f->stop[1], "", 1), 1);
    pthread_join(f->thread, NULL);
    close(f->listen_fd);
    close(f->stop[0]);
    close(f->stop[1]);
    pthread_mutex_destroy(&f->lock);
    drop_dir(f->dir);
    return f->requests;
}

#define OK_BODY(type, body)                                                                        \
    "HTTP/1.1 200 OK\r\nContent-Type: " type "\r\nContent-Length: 2\r\n\r\n" body

static void test_outcomes(void **state)
{
    static const struct {
        const char *what, *method, *answer;
        bool read, hang;
        size_t answers_max;
        int code, status;
        enum gw_http_outcome outcome;
        const char *sentence;
    } cases[] = {
        { "good", "POST", OK_BODY("application/json", "{}"), true, false, 1, 0, 200, GW_HTTP_DONE,
          "" },
        { "closed after the request", "POST", NULL, true, false, 0, -ECONNRESET, 0, GW_HTTP_UNKNOWN,
          "UNKNOWN" },
        { "half an answer", "POST", "HTTP/1.1 200 OK\r\nContent-Le", true, false, 1, -ECONNRESET, 0,
          GW_HTTP_UNKNOWN, "UNKNOWN" },
        { "half a body", "POST",
          "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{}", true,
          false, 1, -ECONNRESET, 0, GW_HTTP_UNKNOWN, "UNKNOWN" },
        { "garbage", "POST", "good morning\r\n\r\n", true, false, 1, -EPROTO, 0, GW_HTTP_UNKNOWN,
          "not HTTP" },
        { "not JSON", "POST", OK_BODY("application/json", "{x"), true, false, 1, -EPROTO, 200,
          GW_HTTP_UNKNOWN, "not JSON" },
        { "silence", "POST", NULL, true, true, 0, -ETIMEDOUT, 0, GW_HTTP_UNKNOWN, "in time" },
        { "refused without a document", "POST", "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno",
          true, false, 1, -EPERM, 403, GW_HTTP_REFUSED, "403" },
        { "unknown further on", "POST",
          "HTTP/1.1 504 X\r\nContent-Type: application/problem+json\r\nContent-Length: 75\r\n\r\n"
          "{\"type\":\"urn:godwit:problem:outcome-unknown\",\"detail\":\"x\",\"code\":\"EPROTO\"} "
          " ",
          true, false, 1, -EPROTO, 504, GW_HTTP_UNKNOWN, "x" },
        { "a DELETE that is not answered", "DELETE", NULL, true, false, 0, -ECONNRESET, 0,
          GW_HTTP_UNKNOWN, "UNKNOWN" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fake f = { .read_request = cases[i].read,
                          .hang = cases[i].hang,
                          .answer = cases[i].answer,
                          .answers_max = cases[i].answers_max };
        struct gw_http_response a;
        struct gw_error err = { 0 };
        fake_open(&f);
        struct gw_http_client *c = client_of(f.address);
        const struct gw_http_request request = { .method = cases[i].method,
                                                 .path = "/x",
                                                 .body = "{}",
                                                 .body_bytes = 2,
                                                 .timeout_ms = cases[i].hang ? 200 : CALL_MS };
        int r = gw_http_client_call(c, &request, &a, &err);
        if (r != cases[i].code || a.outcome != cases[i].outcome || a.status != cases[i].status ||
            strstr(err.msg, cases[i].sentence) == NULL)
            fail_msg("%s: %d, %s, status %d: %s", cases[i].what, r, gw_http_outcome_name(a.outcome),
                     a.status, err.msg);
        gw_http_response_done(&a);
        gw_http_client_free(c);
        assert_int_equal(fake_close(&f), 1); /* once, and only once */
    }
}

/* A kept connection that breaks under the next request: libcurl would send it again. */
static void test_never_twice(void **state)
{
    static const char *const methods[] = { "POST", "PUT", "DELETE" };
    for (size_t i = 0; i < 3; i++) {
        struct fake f = { .read_request = true,
                          .answer = OK_BODY("application/json", "{}"),
                          .answers_max = 1 };
        struct gw_http_response a;
        struct gw_error err = { 0 };
        fake_open(&f);
        struct gw_http_client *c = client_of(f.address);
        assert_ok(call(c, "POST", "/x", "{}", &a, &err), &err);
        gw_http_response_done(&a);
        /* The server takes this one over the same connection, and closes: nobody knows. */
        assert_int_equal(call(c, methods[i], "/second", "{}", &a, &err), -ECONNRESET);
        assert_int_equal(a.outcome, GW_HTTP_UNKNOWN);
        gw_http_response_done(&a);
        gw_http_client_free(c);
        assert_int_equal(fake_close(&f), 2);
        assert_contains(f.request, "/second");
    }
}

static void test_not_sent(void **state)
{
    struct gw_http_response a;
    struct gw_error err = { 0 };
    char dir[64], path[96], address[112];
    make_dir(dir);
    snprintf(path, sizeof path, "%s/s", dir);
    snprintf(address, sizeof address, "unix:%s", path);
    struct gw_http_client *c = client_of(address);
    assert_int_equal(call(c, "POST", "/x", "{}", &a, &err), -ENOENT);
    assert_int_equal(a.outcome, GW_HTTP_NOT_SENT);
    assert_contains(err.msg, "there is no such socket; nothing was done");
    gw_http_response_done(&a);
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    snprintf(at.sun_path, sizeof at.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof at), 0);
    close(fd);
    assert_int_equal(call(c, "POST", "/x", "{}", &a, &err), -ECONNREFUSED);
    assert_int_equal(a.outcome, GW_HTTP_NOT_SENT);
    assert_contains(err.msg, "the one that did has ended");
    gw_http_response_done(&a);
    gw_http_client_free(c);
    drop_dir(dir);
    static const char *const bad[] = { "lisbon", "http://x:1/", "x:", ":7", "x:7/y", "x:7a", "" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct gw_http_client_config config = { .address = bad[i] };
        assert_int_equal(gw_http_client_new(&config, &c, &err), -EINVAL);
    }
}

static void test_limit_and_cancel(void **state)
{
    struct fake f = { .read_request = true,
                      .answer = OK_BODY("application/json", "{}"),
                      .answers_max = 1 };
    struct gw_http_response a;
    struct gw_error err = { 0 };
    fake_open(&f);
    struct gw_http_client *c = client_of(f.address);
    const struct gw_http_request small = { .method = "GET", .path = "/x", .response_bytes_max = 1 };
    assert_int_equal(gw_http_client_call(c, &small, &a, &err), -EMSGSIZE);
    assert_int_equal(a.outcome, GW_HTTP_UNKNOWN);
    gw_http_response_done(&a);
    gw_http_client_cancel(c);
    assert_int_equal(call(c, "POST", "/x", "{}", &a, &err), -ECANCELED);
    assert_int_equal(a.outcome, GW_HTTP_NOT_SENT);
    gw_http_response_done(&a);
    gw_http_client_free(c);
    fake_close(&f);
}

static void *cancel_main(void *arg)
{
    struct fake *f = ((void **)arg)[0];
    for (bool there = false; !there; poll(NULL, 0, 1)) {
        pthread_mutex_lock(&f->lock);
        there = f->accepted > 0;
        pthread_mutex_unlock(&f->lock);
    }
    gw_http_client_cancel(((void **)arg)[1]);
    return NULL;
}

static void test_cancel_running(void **state)
{
    struct fake f = { .read_request = true, .hang = true };
    struct gw_http_response a;
    struct gw_error err = { 0 };
    pthread_t thread;
    fake_open(&f);
    struct gw_http_client *c = client_of(f.address);
    void *both[] = { &f, c };
    assert_int_equal(pthread_create(&thread, NULL, cancel_main, both), 0);
    assert_int_equal(call(c, "POST", "/x", "{}", &a, &err), -ECANCELED);
    pthread_join(thread, NULL);
    gw_http_response_done(&a);
    gw_http_client_free(c);
    fake_close(&f);
}

/* ---- a real server that is killed -------------------------------------------------------------
 */

static int die(struct gw_http_call *c, struct gw_error *err)
{
    return kill(getpid(), SIGKILL);
}

static void child(const char *path, int ready_fd)
{
    static const struct gw_http_route routes[] = { { "POST", "/die", die, 0, NULL, "die" } };
    const struct gw_http_config config = { .unix_path = path, .routes = routes, .n_routes = 1 };
    struct gw_http_server *s;
    if (gw_http_start(&config, &s, NULL) == 0 && write(ready_fd, "", 1) == 1)
        pause();
    _exit(1);
}

static void test_killed(void **state)
{
    char dir[64], path[96], address[112], byte;
    int ready[2], status;
    struct gw_http_response a;
    struct gw_error err = { 0 };
    make_dir(dir);
    snprintf(path, sizeof path, "%s/s", dir);
    snprintf(address, sizeof address, "unix:%s", path);
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0)
        child(path, ready[1]);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    struct gw_http_client *c = client_of(address);
    assert_int_equal(call(c, "POST", "/die", "{}", &a, &err), -ECONNRESET);
    assert_int_equal(a.outcome, GW_HTTP_UNKNOWN);
    gw_http_response_done(&a);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    /* And it is not there any more. */
    assert_int_equal(call(c, "POST", "/die", "{}", &a, &err), -ECONNREFUSED);
    assert_int_equal(a.outcome, GW_HTTP_NOT_SENT);
    gw_http_response_done(&a);
    gw_http_client_free(c);
    close(ready[0]);
    drop_dir(dir);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_killed), /* first: it forks */
        cmocka_unit_test(test_outcomes),       cmocka_unit_test(test_never_twice),
        cmocka_unit_test(test_not_sent),       cmocka_unit_test(test_limit_and_cancel),
        cmocka_unit_test(test_cancel_running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
