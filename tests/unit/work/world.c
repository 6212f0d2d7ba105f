// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define REQUEST_BYTES 65536
#define BIG_BYTES (1u << 20)
#define PATHS_MAX 16
#define HELD_MAX 64

struct server {
    int listener, end;
    unsigned port;
    pthread_t thread;
    int held[HELD_MAX]; /* of /silent */
    size_t n_held;
    pthread_mutex_t lock; /* of what follows */
    unsigned status;      /* of /switch */
    struct {
        char path[64];
        unsigned n;
    } asked[PATHS_MAX];
    char *posted;
};

/* ---- files ------------------------------------------------------------------------------------
 */

void world_init(struct world *w)
{
    *w = (struct world){ .server = NULL };
    snprintf(w->dir, sizeof w->dir, "/tmp/godwit-work-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
}

const char *world_path(const struct world *w, const char *name)
{
    static char place[16][WORLD_PATH];
    static unsigned next;
    char *p = place[next++ % 16];
    snprintf(p, WORLD_PATH, "%s/%s", w->dir, name);
    return p;
}

void world_write(const struct world *w, const char *name, const char *text)
{
    FILE *f = fopen(world_path(w, name), "we");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

const char *world_script(const struct world *w, const char *name, const char *body)
{
    const char *path = world_path(w, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    fprintf(f, "#!/bin/sh\ncd %s\n%s\n", w->dir, body);
    assert_int_equal(fchmod(fileno(f), 0755), 0);
    assert_int_equal(fclose(f), 0);
    return path;
}

bool world_has(const struct world *w, const char *name)
{
    return access(world_path(w, name), F_OK) == 0;
}

char *world_read(const struct world *w, const char *name)
{
    char *text = calloc(1, REQUEST_BYTES);
    assert_non_null(text);
    FILE *f = fopen(world_path(w, name), "re");
    if (f != NULL) {
        size_t n = fread(text, 1, REQUEST_BYTES - 1, f);
        text[n] = '\0';
        fclose(f);
    }
    return text;
}

void world_remove(const struct world *w, const char *name)
{
    assert_int_equal(unlink(world_path(w, name)), 0);
}

/* ---- events -----------------------------------------------------------------------------------
 */

void world_fifo(const struct world *w, const char *name)
{
    assert_int_equal(mkfifo(world_path(w, name), 0600), 0);
}

/* Opened for both, so that neither side waits for the other and nothing is lost. */
void world_await(const struct world *w, const char *name, char *ret, size_t cap)
{
    int fd = open(world_path(w, name), O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    size_t n = 0;
    while (n + 1 < cap) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (poll(&p, 1, WORLD_WAIT_MS) <= 0)
            fail_msg("nothing came from %s", name);
        assert_int_equal(read(fd, ret + n, 1), 1);
        if (ret[n] == '\n')
            break;
        n++;
    }
    ret[n] = '\0';
    close(fd);
}

void world_signal(const struct world *w, const char *name)
{
    int fd = open(world_path(w, name), O_WRONLY | O_CLOEXEC); /* the reader is there, or comes */
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "go\n", 3), 3);
    close(fd);
}

/* ---- the server -------------------------------------------------------------------------------
 */

static void count(struct server *s, const char *path)
{
    pthread_mutex_lock(&s->lock);
    size_t i = 0;
    while (i + 1 < PATHS_MAX && s->asked[i].n > 0 && strcmp(s->asked[i].path, path) != 0)
        i++;
    snprintf(s->asked[i].path, sizeof s->asked[i].path, "%s", path);
    s->asked[i].n++;
    pthread_mutex_unlock(&s->lock);
}

/* The client may have gone: that is its business. */
static bool say(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, text, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        text += n;
        len -= (size_t)n;
    }
    return true;
}

static void answer(int fd, unsigned status, const char *header, const char *body)
{
    char head[512];
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 %u X\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n", status,
                     strlen(body), header);
    say(fd, head, (size_t)n);
    say(fd, body, strlen(body));
}

static void answer_big(int fd)
{
    char *body = malloc(BIG_BYTES + 8);
    if (body == NULL)
        abort();
    memset(body, 'x', BIG_BYTES);
    memcpy(body, "begin", 5);
    strcpy(body + BIG_BYTES, "end");
    answer(fd, 200, "", body);
    free(body);
}

/* Until the client has had enough. */
static void answer_endlessly(int fd)
{
    static const char head[] = "HTTP/1.1 200 X\r\nConnection: close\r\n\r\nbegin";
    char more[4096];
    memset(more, 'x', sizeof more);
    if (!say(fd, head, sizeof head - 1))
        return;
    while (say(fd, more, sizeof more))
        ;
}

/* True: the connection is kept. */
static bool serve_path(struct server *s, int fd, const char *path, const char *body)
{
    char header[128];
    count(s, path);
    if (strcmp(path, "/silent") == 0) {
        if (s->n_held == HELD_MAX)
            abort();
        s->held[s->n_held++] = fd;
        return true;
    }
    pthread_mutex_lock(&s->lock);
    unsigned status = s->status;
    if (strcmp(path, "/hook") == 0) {
        free(s->posted);
        s->posted = strdup(body);
    }
    pthread_mutex_unlock(&s->lock);
    if (strcmp(path, "/ok") == 0) {
        answer(fd, 200, "", "all is well");
    } else if (strcmp(path, "/big") == 0) {
        answer_big(fd);
    } else if (strcmp(path, "/endless") == 0) {
        answer_endlessly(fd);
    } else if (strcmp(path, "/here") == 0 || strcmp(path, "/loop") == 0) {
        snprintf(header, sizeof header, "Location: %s\r\n", path[1] == 'h' ? "/ok" : "/loop");
        answer(fd, 302, header, "");
    } else if (strcmp(path, "/away") == 0) {
        snprintf(header, sizeof header, "Location: http://127.0.0.1:%u/ok\r\n", s->port ^ 1);
        answer(fd, 302, header, "");
    } else if (strcmp(path, "/switch") == 0 || strcmp(path, "/hook") == 0) {
        answer(fd, status, "", "as told");
    } else {
        answer(fd, 503, "", "no");
    }
    return false;
}

static void serve(struct server *s, int fd)
{
    static char request[REQUEST_BYTES];
    char path[64] = "";
    size_t n = 0, want = SIZE_MAX;
    while (n < want && n + 1 < sizeof request) {
        struct pollfd p[2] = { { .fd = fd, .events = POLLIN }, { .fd = s->end, .events = POLLIN } };
        poll(p, 2, -1);
        ssize_t got = p[1].revents != 0 ? 0 : read(fd, request + n, sizeof request - 1 - n);
        if (got <= 0) { /* a mere connection */
            close(fd);
            return;
        }
        n += (size_t)got;
        request[n] = '\0';
        const char *end = strstr(request, "\r\n\r\n");
        const char *length = strcasestr(request, "content-length:");
        if (end != NULL)
            want =
                (size_t)(end + 4 - request) + (length != NULL ? strtoul(length + 15, NULL, 10) : 0);
    }
    sscanf(request, "%*s %63s", path);
    const char *body = strstr(request, "\r\n\r\n");
    if (!serve_path(s, fd, path, body != NULL ? body + 4 : ""))
        close(fd);
}

static void *server_run(void *arg)
{
    struct server *s = arg;
    for (;;) {
        struct pollfd p[2] = { { .fd = s->listener, .events = POLLIN },
                               { .fd = s->end, .events = POLLIN } };
        poll(p, 2, -1);
        if (p[1].revents != 0)
            return NULL;
        int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0)
            serve(s, fd);
    }
}

unsigned world_serve(struct world *w)
{
    struct server *s = calloc(1, sizeof *s);
    assert_non_null(s);
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    s->end = eventfd(0, EFD_CLOEXEC);
    assert_true(s->listener >= 0 && s->end >= 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s->listener, 64), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &len), 0);
    s->port = ntohs(a.sin_port);
    s->status = 200;
    pthread_mutex_init(&s->lock, NULL);
    assert_int_equal(pthread_create(&s->thread, NULL, server_run, s), 0);
    w->server = s;
    return s->port;
}

void world_switch(struct world *w, unsigned status)
{
    pthread_mutex_lock(&w->server->lock);
    w->server->status = status;
    pthread_mutex_unlock(&w->server->lock);
}

unsigned world_asked(struct world *w, const char *path)
{
    unsigned n = 0;
    pthread_mutex_lock(&w->server->lock);
    for (size_t i = 0; i < PATHS_MAX; i++) {
        if (strcmp(w->server->asked[i].path, path) == 0)
            n = w->server->asked[i].n;
    }
    pthread_mutex_unlock(&w->server->lock);
    return n;
}

char *world_posted(struct world *w)
{
    pthread_mutex_lock(&w->server->lock);
    char *text = strdup(w->server->posted != NULL ? w->server->posted : "");
    pthread_mutex_unlock(&w->server->lock);
    assert_non_null(text);
    return text;
}

static void server_done(struct server *s)
{
    const uint64_t one = 1;
    assert_int_equal(write(s->end, &one, sizeof one), sizeof one);
    pthread_join(s->thread, NULL);
    for (size_t i = 0; i < s->n_held; i++)
        close(s->held[i]);
    close(s->listener);
    close(s->end);
    pthread_mutex_destroy(&s->lock);
    free(s->posted);
    free(s);
}

void world_done(struct world *w)
{
    char command[128];
    if (w->server != NULL)
        server_done(w->server);
    snprintf(command, sizeof command, "rm -rf %s", w->dir);
    assert_int_equal(system(command), 0);
}
