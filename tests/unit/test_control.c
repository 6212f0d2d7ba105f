// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The control socket end to end: one server in this process, clients polite and rude. */
#include "base/clock.h"
#include "control/client.h"
#include "control/server.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define CALL_MS 10000

struct world {
    char dir[64], path[80];
    struct gw_control *control;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int holding, ended, calls; /* of "hold"; of "count" */
    bool release;
};

static int do_echo(void *ctx, json_t *request, struct gw_control_reply *reply, struct gw_error *err)
{
    const char *text = NULL;
    int r = gw_control_arg_text(request, "text", true, &text, err);
    if (r < 0)
        return r;
    gw_control_reply_set(reply, "text", json_string(text));
    return 0;
}

static int do_count(void *ctx, json_t *request, struct gw_control_reply *reply,
                    struct gw_error *err)
{
    struct world *w = ctx;
    pthread_mutex_lock(&w->lock);
    int calls = ++w->calls;
    pthread_mutex_unlock(&w->lock);
    gw_control_reply_merge(reply, json_pack("{s:i}", "calls", calls));
    return 0;
}

static int do_fail(void *ctx, json_t *request, struct gw_control_reply *reply, struct gw_error *err)
{
    gw_control_reply_set(reply, "half", json_true());
    return gw_error_set(err, -ENOSPC, "volume \"a\xff\" is full");
}

/* Enters, tells the test, and stays until released or until nobody waits for it. */
static int do_hold(void *ctx, json_t *request, struct gw_control_reply *reply, struct gw_error *err)
{
    struct world *w = ctx;
    pthread_mutex_lock(&w->lock);
    w->holding++;
    pthread_cond_broadcast(&w->changed);
    int r = 0;
    while (!w->release && r == 0) {
        pthread_mutex_unlock(&w->lock);
        r = gw_control_reply_wait(reply, 5);
        pthread_mutex_lock(&w->lock);
    }
    w->holding--;
    w->ended++;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
    return r < 0 ? gw_error_set(err, r, "nobody waits any more") : 0;
}

static int do_steps(void *ctx, json_t *request, struct gw_control_reply *reply,
                    struct gw_error *err)
{
    uint64_t n = 0;
    int r = gw_control_arg_u64(request, "n", true, &n, err);
    for (uint64_t i = 0; i < n && r == 0; i++)
        r = gw_control_reply_progress(reply, json_pack("{s:I}", "step", (json_int_t)i));
    return r;
}

/* An answer of `n` bytes of text; without n one that cannot be made. */
static int do_big(void *ctx, json_t *request, struct gw_control_reply *reply, struct gw_error *err)
{
    uint64_t n = 0;
    int r = gw_control_arg_u64(request, "n", false, &n, err);
    char *text = malloc(n + 1);
    memset(text, 'x', n);
    gw_control_reply_set(reply, "text", n > 0 ? json_stringn(text, n) : NULL);
    free(text);
    return r;
}

static const struct gw_control_command commands[] = {
    { "echo", "text", "give back a text", do_echo },
    { "count", NULL, "count calls", do_count },
    { "fail", NULL, "fail", do_fail },
    { "hold", NULL, "stay", do_hold },
    { "steps", "n", "show progress", do_steps },
    { "big", "n", "give back much", do_big },
};

static struct gw_control_config config_of(struct world *w)
{
    return (struct gw_control_config){
        .path = w->path,
        .commands = commands,
        .n_commands = sizeof commands / sizeof commands[0],
        .ctx = w,
    };
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    const char *tmp = getenv("TMPDIR");
    snprintf(w->dir, sizeof w->dir, "%s/gw-control-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(w->dir) == NULL)
        return -1;
    snprintf(w->path, sizeof w->path, "%s/socket", w->dir);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    gw_control_stop(w->control);
    unlink(w->path);
    char lock[96];
    snprintf(lock, sizeof lock, "%s.lock", w->path);
    unlink(lock);
    int r = rmdir(w->dir); /* fails if a test or the server left something */
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return r;
}

static void start(struct world *w, unsigned line_ms, unsigned send_ms, unsigned idle_ms)
{
    struct gw_control_config config = config_of(w);
    config.line_ms = line_ms;
    config.send_ms = send_ms;
    config.idle_ms = idle_ms;
    struct gw_error err = { 0 };
    if (gw_control_start(&config, &w->control, &err) < 0)
        fail_msg("%s", err.msg);
}

static void await_holding(struct world *w, int n)
{
    pthread_mutex_lock(&w->lock);
    while (w->holding != n)
        pthread_cond_wait(&w->changed, &w->lock);
    pthread_mutex_unlock(&w->lock);
}

static void release(struct world *w)
{
    pthread_mutex_lock(&w->lock);
    w->release = true;
    pthread_cond_broadcast(&w->changed);
    pthread_mutex_unlock(&w->lock);
}

static int calls_of(struct world *w)
{
    pthread_mutex_lock(&w->lock);
    int calls = w->calls;
    pthread_mutex_unlock(&w->lock);
    return calls;
}

static int call(const char *path, const char *text, json_t **ret, struct gw_error *err)
{
    json_t *request = json_loads(text, 0, NULL);
    assert_non_null(request);
    int r = gw_control_call(path, request, CALL_MS, NULL, NULL, ret, err);
    json_decref(request);
    return r;
}

static void assert_serves(struct world *w)
{
    struct gw_error err = { 0 };
    if (call(w->path, "{\"cmd\":\"count\"}", NULL, &err) != 0)
        fail_msg("%s", err.msg);
}

/* Rude clients: plain sockets. */
static int dial(struct world *w)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    snprintf(a.sun_path, sizeof a.sun_path, "%s", w->path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static bool say(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
        if (n < 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* One line, or "" at the end of the connection. */
static const char *hear(int fd, char line[512])
{
    size_t n = 0;
    while (n < 511) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        assert_int_equal(poll(&p, 1, CALL_MS), 1);
        if (recv(fd, line + n, 1, 0) <= 0 || line[n] == '\n')
            break;
        n++;
    }
    line[n] = '\0';
    return line;
}

static void test_call(void **state)
{
    struct world *w = *state;
    start(w, 0, 0, 0);
    struct gw_error err = { 0 };
    json_t *result = NULL;
    assert_int_equal(call(w->path, "{\"cmd\":\"echo\",\"text\":\"h\\u00e9\\n\"}", &result, &err),
                     0);
    assert_true(json_is_true(json_object_get(result, "ok")));
    assert_string_equal(json_string_value(json_object_get(result, "text")), "h\xc3\xa9\n");
    json_decref(result);

    result = NULL;
    assert_int_equal(call(w->path, "{\"cmd\":\"echo\"}", &result, &err), -EINVAL);
    assert_string_equal(err.msg, "argument \"text\" is missing");
    assert_int_equal(call(w->path, "{\"cmd\":\"echo\",\"texd\":1}", &result, &err), -EINVAL);
    assert_non_null(strstr(err.msg, "has no argument \"texd\"; it takes: text"));
    assert_int_equal(call(w->path, "{\"cmd\":\"fail\"}", &result, &err), -ENOSPC);
    assert_string_equal(err.msg, "volume \"a?\" is full");
    assert_int_equal(call(w->path, "{\"cmd\":\"sing\"}", &result, &err), -ENOSYS);
    assert_string_equal(
        err.msg, "no command \"sing\"; there are: help, echo, count, fail, hold, steps, big");
    assert_null(result);

    assert_int_equal(call(w->path, "{\"cmd\":\"help\"}", &result, &err), 0);
    json_t *list = json_object_get(result, "commands");
    assert_int_equal(json_array_size(list), sizeof commands / sizeof commands[0]);
    assert_string_equal(json_string_value(json_object_get(json_array_get(list, 0), "args")),
                        "text");
    json_decref(result);
}

static void test_big_answers(void **state)
{
    struct world *w = *state;
    start(w, 0, 0, 0);
    struct gw_error err = { 0 };
    json_t *result = NULL;
    assert_int_equal(call(w->path, "{\"cmd\":\"big\",\"n\":1000000}", &result, &err), 0);
    assert_int_equal(json_string_length(json_object_get(result, "text")), 1000000);
    json_decref(result);
    assert_int_equal(call(w->path, "{\"cmd\":\"big\",\"n\":1048576}", NULL, &err), -EMSGSIZE);
    assert_int_equal(call(w->path, "{\"cmd\":\"big\"}", NULL, &err), -ENOMEM);
    json_t *request = json_pack("{s:s, s:o}", "cmd", "echo", "text", json_string(""));
    char *big = calloc(1, GW_CONTROL_LINE_BYTES_MAX + 1);
    memset(big, 'x', GW_CONTROL_LINE_BYTES_MAX);
    json_object_set_new(request, "text", json_string(big));
    assert_int_equal(gw_control_call(w->path, request, CALL_MS, NULL, NULL, NULL, &err), -EMSGSIZE);
    free(big);
    json_decref(request);
    assert_serves(w);
}

struct steps {
    json_int_t next;
    json_int_t stop_at;
};

static int on_step(void *ctx, const json_t *progress)
{
    struct steps *s = ctx;
    assert_int_equal(json_integer_value(json_object_get(progress, "step")), s->next);
    return s->next++ == s->stop_at;
}

static void test_progress(void **state)
{
    struct world *w = *state;
    start(w, 0, 0, 0);
    struct gw_error err = { 0 };
    json_t *request = json_pack("{s:s, s:i}", "cmd", "steps", "n", 1000);
    struct steps s = { .stop_at = -1 };
    assert_int_equal(gw_control_call(w->path, request, CALL_MS, on_step, &s, NULL, &err), 0);
    assert_int_equal(s.next, 1000);
    s = (struct steps){ .stop_at = 3 };
    assert_int_equal(gw_control_call(w->path, request, CALL_MS, on_step, &s, NULL, &err),
                     -ECANCELED);
    assert_true(gw_control_outcome_unknown(-ECANCELED));
    assert_int_equal(s.next, 4);
    json_decref(request);
    assert_serves(w);
}

static void test_framing(void **state)
{
    struct world *w = *state;
    start(w, 0, 0, 0);
    char line[512];
    int fd = dial(w);
    /* Garbage is answered and the connection goes on; requests sent ahead come back in order. */
    static const char text[] =
        "garbage\n\n[]\n{\"cmd\":\"count\"}\n{\"cmd\":\"count\"}\n{\"cmd\":\"co";
    assert_true(say(fd, text, sizeof text - 1));
    assert_non_null(strstr(hear(fd, line), "EBADMSG"));
    assert_non_null(strstr(hear(fd, line), "EBADMSG"));
    assert_non_null(strstr(hear(fd, line), "EINVAL"));
    assert_string_equal(hear(fd, line), "{\"ok\":true,\"calls\":1}");
    assert_string_equal(hear(fd, line), "{\"ok\":true,\"calls\":2}");
    assert_true(say(fd, "unt\"}\n", 6));
    /* A client that only closes its sending half still gets its answers. */
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    assert_string_equal(hear(fd, line), "{\"ok\":true,\"calls\":3}");
    assert_string_equal(hear(fd, line), "");
    close(fd);

    /* A request without its newline is not executed. */
    fd = dial(w);
    assert_true(say(fd, "{\"cmd\":\"count\"}", 15));
    shutdown(fd, SHUT_WR);
    assert_non_null(strstr(hear(fd, line), "ends without a newline; nothing of it was done"));
    assert_string_equal(hear(fd, line), "");
    close(fd);
    assert_int_equal(calls_of(w), 3);
}

static void test_huge_line(void **state)
{
    struct world *w = *state;
    start(w, 0, 0, 0);
    char line[512];
    size_t size = 3 * GW_CONTROL_LINE_BYTES_MAX;
    char *huge = malloc(size);
    memset(huge, '{', size);
    int fd = dial(w);
    assert_true(say(fd, huge, size)); /* it is drained, so that the sender can read why */
    assert_non_null(strstr(hear(fd, line), "EMSGSIZE"));
    assert_string_equal(hear(fd, line), "");
    close(fd);
    /* As long as a line may be, and nothing but depth. */
    fd = dial(w);
    huge[GW_CONTROL_LINE_BYTES_MAX - 1] = '\n';
    assert_true(say(fd, huge, GW_CONTROL_LINE_BYTES_MAX));
    assert_non_null(strstr(hear(fd, line), "nested deeper"));
    close(fd);
    free(huge);
    assert_serves(w);
}

static void test_stalled_line(void **state)
{
    struct world *w = *state;
    start(w, 30, 0, 0);
    char line[512];
    int fd = dial(w), idle = dial(w);
    assert_true(say(fd, "{\"cmd\":", 7));
    assert_non_null(strstr(hear(fd, line), "not ended in time"));
    assert_string_equal(hear(fd, line), "");
    close(fd);
    /* One that has not begun a line may wait as long as it likes. */
    assert_true(say(idle, "{\"cmd\":\"count\"}\n", 16));
    assert_string_equal(hear(idle, line), "{\"ok\":true,\"calls\":1}");
    close(idle);
}

static void *call_hold(void *arg)
{
    struct world *w = arg;
    struct gw_error err = { 0 };
    return (void *)(intptr_t)call(w->path, "{\"cmd\":\"hold\"}", NULL, &err);
}

static void test_long_command(void **state)
{
    struct world *w = *state;
    start(w, 0, 0, 0);
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, call_hold, w), 0);
    await_holding(w, 1);
    assert_serves(w); /* meanwhile */
    release(w);
    void *r;
    pthread_join(t, &r);
    assert_int_equal((intptr_t)r, 0);
}

static void test_client_goes_away(void **state)
{
    struct world *w = *state;
    start(w, 0, 0, 0);
    int fd = dial(w);
    assert_true(say(fd, "{\"cmd\":\"hold\"}\n", 15));
    await_holding(w, 1);
    shutdown(fd, SHUT_WR); /* still there */
    assert_serves(w);
    pthread_mutex_lock(&w->lock);
    assert_int_equal(w->ended, 0);
    pthread_mutex_unlock(&w->lock);
    close(fd); /* gone */
    await_holding(w, 0);
    assert_false(w->release);
}

static void test_slow_reader(void **state)
{
    struct world *w = *state;
    start(w, 0, 50, 0);
    char line[512];
    int fd = dial(w);
    static const char much[] = "{\"cmd\":\"steps\",\"n\":100000000}\n";
    assert_true(say(fd, much, sizeof much - 1));
    assert_serves(w);
    /* Never reading, it is closed; what the socket held is still there. */
    struct pollfd p = { .fd = fd, .events = POLLRDHUP };
    assert_int_equal(poll(&p, 1, CALL_MS), 1);
    assert_string_equal(hear(fd, line), "{\"progress\":{\"step\":0}}");
    close(fd);
    assert_serves(w);
}

static void test_timeout_is_unknown(void **state)
{
    struct world *w = *state;
    start(w, 0, 0, 0);
    struct gw_error err = { 0 };
    json_t *request = json_pack("{s:s}", "cmd", "hold");
    assert_int_equal(gw_control_call(w->path, request, 30, NULL, NULL, NULL, &err), -ETIMEDOUT);
    assert_non_null(strstr(err.msg, "in 30 ms; the outcome is UNKNOWN"));
    assert_true(gw_control_outcome_unknown(-ETIMEDOUT));
    json_decref(request);
}

static void test_many_clients(void **state)
{
    struct world *w = *state;
    start(w, 0, 0, 20);
    char line[512];
    struct gw_error err = { 0 };
    int fds[GW_CONTROL_CLIENTS_MAX];
    /* Every place idle: the longest idle one makes room, and is told. */
    for (size_t i = 0; i < GW_CONTROL_CLIENTS_MAX; i++)
        fds[i] = dial(w);
    poll(NULL, 0, 40); /* the passing of time is what is tested */
    assert_serves(w);
    assert_non_null(strstr(hear(fds[0], line), "EBUSY"));
    assert_string_equal(hear(fds[0], line), "");
    close(fds[0]);
    fds[0] = dial(w);
    /* Every place busy: the newcomer is refused, and nothing is done. */
    for (size_t i = 0; i < GW_CONTROL_CLIENTS_MAX; i++)
        assert_true(say(fds[i], "{\"cmd\":\"hold\"}\n", 15));
    await_holding(w, GW_CONTROL_CLIENTS_MAX);
    int calls = calls_of(w);
    assert_int_equal(call(w->path, "{\"cmd\":\"count\"}", NULL, &err), -EBUSY);
    assert_false(gw_control_outcome_unknown(-EBUSY));
    assert_non_null(strstr(err.msg, "nothing was done"));
    assert_int_equal(calls_of(w), calls);
    release(w);
    for (size_t i = 0; i < GW_CONTROL_CLIENTS_MAX; i++) {
        assert_string_equal(hear(fds[i], line), "{\"ok\":true}");
        close(fds[i]);
    }
    assert_serves(w);
}

static void *call_often(void *arg)
{
    struct world *w = arg;
    for (int i = 0; i < 60; i++) {
        struct gw_error err = { 0 };
        if (call(w->path, "{\"cmd\":\"count\"}", NULL, &err) != 0)
            return w;
    }
    return NULL;
}

static void test_parallel(void **state)
{
    struct world *w = *state;
    start(w, 0, 0, 0);
    pthread_t t[6];
    for (int i = 0; i < 6; i++)
        assert_int_equal(pthread_create(&t[i], NULL, call_often, w), 0);
    for (int i = 0; i < 6; i++) {
        void *r;
        pthread_join(t[i], &r);
        assert_null(r);
    }
    assert_int_equal(calls_of(w), 360);
}

static void test_stop(void **state)
{
    struct world *w = *state;
    start(w, 0, 0, 0);
    char line[512];
    int busy = dial(w), idle = dial(w);
    assert_true(say(busy, "{\"cmd\":\"hold\"}\n{\"cmd\":\"count\"}\n", 31));
    await_holding(w, 1);
    gw_control_stop(w->control);
    w->control = NULL;
    /* The command in progress was told and answered; the one behind it was not begun. */
    assert_non_null(strstr(hear(busy, line), "nobody waits any more"));
    assert_string_equal(hear(busy, line), "");
    assert_string_equal(hear(idle, line), "");
    assert_int_equal(calls_of(w), 0);
    close(busy);
    close(idle);
    struct gw_error err = { 0 };
    assert_int_equal(call(w->path, "{\"cmd\":\"count\"}", NULL, &err), -ENOENT);
    assert_non_null(strstr(err.msg, "no process serves"));
}

static void test_path(void **state)
{
    struct world *w = *state;
    struct gw_control_config config = config_of(w);
    struct gw_control *other = NULL;
    struct gw_error err = { 0 };
    mode_t mask = umask(0);
    start(w, 0, 0, 0);
    umask(mask);
    struct stat st;
    assert_int_equal(stat(w->path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    assert_int_equal(gw_control_start(&config, &other, &err), -EADDRINUSE);
    assert_non_null(strstr(err.msg, "another process serves"));
    assert_serves(w); /* the live one was not touched */
    gw_control_stop(w->control);
    w->control = NULL;
    assert_int_equal(stat(w->path, &st), -1);

    /* A server that knows no lock file is not displaced either, until it is dead. */
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    snprintf(a.sun_path, sizeof a.sun_path, "%s", w->path);
    int foreign = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(foreign, (const struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(foreign, 1), 0);
    assert_int_equal(gw_control_start(&config, &other, &err), -EADDRINUSE);
    close(foreign);
    assert_int_equal(call(w->path, "{\"cmd\":\"count\"}", NULL, &err), -ECONNREFUSED);
    start(w, 0, 0, 0);
    assert_serves(w);
    gw_control_stop(w->control);
    w->control = NULL;

    int fd = open(w->path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    close(fd);
    assert_int_equal(gw_control_start(&config, &other, &err), -EEXIST);
    assert_non_null(strstr(err.msg, "is not a socket"));
    assert_int_equal(access(w->path, F_OK), 0);

    char deep[PATH_MAX];
    snprintf(deep, sizeof deep, "%s/%0200d", w->dir, 0);
    config.path = deep;
    assert_int_equal(gw_control_start(&config, &other, &err), -ENAMETOOLONG);
    snprintf(deep, sizeof deep, "%s/none/socket", w->dir);
    assert_int_equal(gw_control_start(&config, &other, &err), -ENOENT);
    assert_null(other);
}

/* A killed server leaves socket and lock file; the next one takes both over. */
static void test_killed_server(void **state)
{
    struct world *w = *state;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct gw_control_config config = config_of(w);
        struct gw_error err;
        _exit(gw_control_start(&config, &w->control, &err) == 0 ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(access(w->path, F_OK), 0);
    start(w, 0, 0, 0);
    assert_serves(w);
}

/* In a child that is another user: what it was told. */
static int child_of_other_user(struct world *w)
{
    char line[512];
    if (setgid(65534) < 0 || setuid(65534) < 0)
        return 2;
    int fd = dial(w);
    say(fd, "{\"cmd\":\"count\"}\n", 16);
    hear(fd, line);
    return strstr(line, "EPERM") != NULL && strstr(line, "only root and user 0") != NULL ? 0 : 1;
}

static void test_peer_allowed(void **state)
{
    (void)state;
    assert_true(gw_control_peer_allowed(0, 1000));
    assert_true(gw_control_peer_allowed(1000, 1000));
    assert_false(gw_control_peer_allowed(1001, 1000));
    assert_false(gw_control_peer_allowed(1000, 0));
}

static void test_other_user(void **state)
{
    struct world *w = *state;
    if (geteuid() != 0)
        skip(); /* only root can become somebody else */
    start(w, 0, 0, 0);
    /* Open the door that the file mode is, to meet the guard behind it. */
    assert_int_equal(chmod(w->dir, 0755), 0);
    assert_int_equal(chmod(w->path, 0666), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(child_of_other_user(w));
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(calls_of(w), 0);
    assert_serves(w);
}

/* A server that says whatever it is told to, after it has read the request. */
struct fake {
    int listen_fd;
    const char *answer;
};

static void *fake_main(void *arg)
{
    struct fake *f = arg;
    int fd = accept(f->listen_fd, NULL, NULL);
    char line[512];
    hear(fd, line);
    say(fd, f->answer, strlen(f->answer));
    close(fd);
    return NULL;
}

static int call_fake(struct world *w, const char *answer, struct gw_error *err)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    snprintf(a.sun_path, sizeof a.sun_path, "%s", w->path);
    struct fake f = { .answer = answer };
    f.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(f.listen_fd, (const struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(f.listen_fd, 1), 0);
    pthread_t t;
    assert_int_equal(pthread_create(&t, NULL, fake_main, &f), 0);
    int r = call(w->path, "{\"cmd\":\"count\"}", NULL, err);
    pthread_join(t, NULL);
    close(f.listen_fd);
    unlink(w->path);
    return r;
}

static void test_bad_server(void **state)
{
    struct world *w = *state;
    struct gw_error err = { 0 };
    static const struct {
        const char *answer;
        int r;
    } cases[] = {
        { "", -ECONNRESET },
        { "{\"ok\":tr", -ECONNRESET },
        { "{\"progress\":{}}\n", -ECONNRESET },
        { "hello\n", -EPROTO },
        { "{\"ok\":false}\n", -EPROTO },
        { "{\"progress\":{}}\n{}\n", -EPROTO },
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(call_fake(w, cases[i].answer, &err), cases[i].r);
        assert_true(gw_control_outcome_unknown(cases[i].r));
        assert_non_null(strstr(err.msg, "the outcome is UNKNOWN"));
    }
    assert_int_equal(call_fake(w, "{\"ok\":true}\n", &err), 0);
    assert_int_equal(
        call_fake(w, "{\"ok\":false,\"error\":{\"code\":\"EPERM\",\"message\":\"no\"}}\n", &err),
        -EPERM);
    assert_string_equal(err.msg, "no");
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_call),
        T(test_big_answers),
        T(test_progress),
        T(test_framing),
        T(test_huge_line),
        T(test_stalled_line),
        T(test_long_command),
        T(test_client_goes_away),
        T(test_slow_reader),
        T(test_timeout_is_unknown),
        T(test_many_clients),
        T(test_parallel),
        T(test_stop),
        T(test_path),
        T(test_killed_server),
        T(test_other_user),
        cmocka_unit_test(test_peer_allowed),
        T(test_bad_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
