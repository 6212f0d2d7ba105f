// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "base/checked.h"
#include "base/clock.h"
#include "certs.h"
#include "engine/frame_io.h"
#include "engine/greeter.h"
#include "engine/limits.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SOON_MS 5000u /* for what takes milliseconds */

static struct gw_error err;
#define OK(x)                                                                                      \
    do {                                                                                           \
        err = (struct gw_error){ 0 };                                                              \
        if ((x) < 0)                                                                               \
            fail_msg("%s: %s", #x, err.msg);                                                       \
    } while (0)

/* ---- a party --------------------------------------------------------------------------------- */

struct host {
    struct gw_greeter greeter;
    pthread_t thread;
    pthread_mutex_t mu;
    unsigned greeted, refused;
    uint64_t number[8];
    struct gw_conn *conn[8];
    uint64_t changes[8]; /* of the hello */
    int fds_before;
};

static int open_fds(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

static void on_greeted(void *arg, struct gw_conn *conn, const struct gw_hello *hello,
                       uint64_t number)
{
    struct host *h = arg;
    pthread_mutex_lock(&h->mu);
    assert_true(h->greeted < GW_ARRAY_SIZE(h->conn));
    h->conn[h->greeted] = conn;
    h->number[h->greeted] = number;
    h->changes[h->greeted++] = hello->changes;
    pthread_mutex_unlock(&h->mu);
}

static void on_refused(void *arg)
{
    struct host *h = arg;
    pthread_mutex_lock(&h->mu);
    h->refused++;
    pthread_mutex_unlock(&h->mu);
}

static void *host_main(void *arg)
{
    struct host *h = arg;
    gw_greeter_run(&h->greeter);
    return NULL;
}

static const struct gw_uuid plan = { { 1, 2, 3 } };

static void start(struct host *h, struct gw_tls *tls)
{
    *h = (struct host){
        .greeter = { .plan = plan, .arg = h, .greeted = on_greeted, .refused = on_refused },
        .fds_before = open_fds()
    };
    pthread_mutex_init(&h->mu, NULL);
    OK(gw_listener_open("127.0.0.1:0", tls, &h->greeter.listener, &err));
    h->greeter.stop_fd = eventfd(0, EFD_CLOEXEC);
    assert_int_equal(pthread_create(&h->thread, NULL, host_main, h), 0);
}

static void stop(struct host *h)
{
    uint64_t one = 1;
    assert_int_equal(write(h->greeter.stop_fd, &one, sizeof one), sizeof one);
    pthread_join(h->thread, NULL);
    for (unsigned i = 0; i < h->greeted; i++)
        gw_conn_close(h->conn[i]);
    close(h->greeter.stop_fd);
    gw_listener_close(h->greeter.listener);
    pthread_mutex_destroy(&h->mu);
}

static void await(struct host *h, const unsigned *what, unsigned n)
{
    for (unsigned i = 0; i < SOON_MS; i++) {
        pthread_mutex_lock(&h->mu);
        bool there = *what >= n;
        pthread_mutex_unlock(&h->mu);
        if (there)
            return;
        poll(NULL, 0, 1);
    }
    fail_msg("waited for %u, there are %u", n, *what);
}

static unsigned refused(struct host *h)
{
    pthread_mutex_lock(&h->mu);
    unsigned n = h->refused;
    pthread_mutex_unlock(&h->mu);
    return n;
}

/* ---- guests ---------------------------------------------------------------------------------- */

static int stranger(const struct host *h)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const char *colon = strrchr(gw_listener_address(h->greeter.listener), ':');
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_port = htons((uint16_t)atoi(colon + 1));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Was it sent away? */
static bool is_closed(int fd, int wait_ms)
{
    char c;
    struct pollfd p = { .fd = fd, .events = POLLIN };
    return poll(&p, 1, wait_ms) == 1 && recv(fd, &c, 1, 0) <= 0;
}

static size_t hello_frame(const struct gw_uuid *of, uint64_t changes, uint8_t *ret)
{
    static struct gw_hello hello;
    hello = (struct gw_hello){ .version_min = GW_PROTOCOL_MIN,
                               .version_max = GW_PROTOCOL_MAX,
                               .changes = changes };
    hello.side.plan = *of;
    snprintf(hello.side.site_name, sizeof hello.side.site_name, "lyon");
    uint8_t *payload = ret + GW_FRAME_HEADER_BYTES;
    size_t n = gw_hello_encode(&hello, payload, GW_HELLO_BYTES_MAX);
    assert_true(n > 0);
    struct gw_frame f = {
        .type = GW_FRAME_HELLO, .version = 1, .bytes = (uint32_t)n, .raw_bytes = (uint32_t)n
    };
    f.payload_hash = gw_frame_payload_hash(&f, payload);
    gw_frame_encode(&f, ret);
    return GW_FRAME_HEADER_BYTES + n;
}

static void say(int fd, const uint8_t *data, size_t n)
{
    assert_int_equal(send(fd, data, n, MSG_NOSIGNAL), n);
}

static uint8_t frame[GW_FRAME_HEADER_BYTES + GW_HELLO_BYTES_MAX];

/* ---- tests ----------------------------------------------------------------------------------- */

static void one_guest(void **state)
{
    (void)state;
    struct host h;
    start(&h, NULL);
    int fd = stranger(&h);
    say(fd, frame, hello_frame(&plan, 7, frame));
    await(&h, &h.greeted, 1);
    assert_int_equal(h.changes[0], 7);
    assert_int_equal(h.number[0], 1);
    /* What follows the hello is left to whom it is handed to. */
    char word[4];
    say(fd, (const uint8_t *)"more", 4);
    OK(gw_conn_recv(h.conn[0], word, 4, &err));
    assert_memory_equal(word, "more", 4);
    close(fd);
    stop(&h);
    assert_int_equal(open_fds(), h.fds_before);
}

static void byte_by_byte(void **state)
{
    (void)state;
    struct host h;
    start(&h, NULL);
    int slow = stranger(&h);
    size_t n = hello_frame(&plan, 1, frame);
    for (size_t i = 0; i + 1 < n; i++)
        say(slow, frame + i, 1);
    /* Who comes later may be done earlier; the numbers tell. */
    static uint8_t other[sizeof frame];
    int quick = stranger(&h);
    say(quick, other, hello_frame(&plan, 2, other));
    await(&h, &h.greeted, 1);
    say(slow, frame + n - 1, 1);
    await(&h, &h.greeted, 2);
    assert_int_equal(h.changes[0], 2);
    assert_int_equal(h.number[0], 2);
    assert_int_equal(h.changes[1], 1);
    assert_int_equal(h.number[1], 1);
    close(slow);
    close(quick);
    stop(&h);
    assert_int_equal(h.refused, 0);
}

static void not_our_kind(void **state)
{
    (void)state;
    static const struct gw_uuid other = { { 9 } };
    struct host h;
    struct gw_goodbye g;
    struct gw_frame f;
    uint8_t buf[GW_GOODBYE_BYTES_MAX + GW_FRAME_HEADER_BYTES];
    start(&h, NULL);
    int fd = stranger(&h);
    say(fd, frame, hello_frame(&other, 1, frame));
    await(&h, &h.refused, 1);
    assert_int_equal(recv(fd, buf, GW_FRAME_HEADER_BYTES, MSG_WAITALL), GW_FRAME_HEADER_BYTES);
    assert_int_equal(gw_frame_decode(buf, &f), 0);
    assert_int_equal(f.type, GW_FRAME_GOODBYE);
    assert_int_equal(recv(fd, buf, f.bytes, MSG_WAITALL), f.bytes);
    assert_true(gw_goodbye_decode(buf, f.bytes, &g));
    assert_non_null(strstr(g.sentence, "this directory belongs to plan 01020300"));
    close(fd);
    /* A goodbye that asks to come again is no reason to wait for more of it. */
    fd = stranger(&h);
    g = (struct gw_goodbye){ .reason = GW_GOODBYE_RETRY, .sentence = "later" };
    uint8_t *payload = frame + GW_FRAME_HEADER_BYTES;
    f = (struct gw_frame){ .type = GW_FRAME_GOODBYE, .version = 1 };
    f.bytes = f.raw_bytes = (uint32_t)gw_goodbye_encode(&g, payload, GW_GOODBYE_BYTES_MAX);
    f.payload_hash = gw_frame_payload_hash(&f, payload);
    gw_frame_encode(&f, frame);
    say(fd, frame, GW_FRAME_HEADER_BYTES + f.bytes);
    await(&h, &h.refused, 2);
    assert_true(is_closed(fd, SOON_MS));
    close(fd);
    stop(&h);
    assert_int_equal(h.greeted, 0);
    assert_int_equal(open_fds(), h.fds_before);
}

/* G2: the door is full. Those who said something stay, the oldest silent one goes; and nobody goes
 * before its grace is over (G3). */
static void a_full_house(void **state)
{
    (void)state;
    struct host h;
    int fd[GW_GREETING_GUESTS_MAX];
    start(&h, NULL);
    uint64_t begin = gw_boot_ns();
    for (unsigned i = 0; i < GW_GREETING_GUESTS_MAX; i++) {
        fd[i] = stranger(&h);
        if (i < 2)
            say(fd[i], (const uint8_t *)"GWF1", 4);
    }
    int peer = stranger(&h);
    say(peer, frame, hello_frame(&plan, 3, frame));
    await(&h, &h.greeted, 1);
    uint64_t took_ms = (gw_boot_ns() - begin) / GW_NS_PER_MS;
    assert_true(took_ms >= GW_GREETING_GRACE_MS);
    assert_true(took_ms < GW_GREETING_MS);
    assert_int_equal(h.number[0], GW_GREETING_GUESTS_MAX + 1);
    assert_int_equal(refused(&h), 1);
    for (unsigned i = 0; i < GW_GREETING_GUESTS_MAX; i++) {
        assert_int_equal(is_closed(fd[i], 0), i == 2);
        close(fd[i]);
    }
    close(peer);
    stop(&h);
    assert_int_equal(open_fds(), h.fds_before);
}

/* Everybody inside, at every stage, is closed at the end. */
static void stopped_in_the_middle(void **state)
{
    (void)state;
    struct host h;
    int fd[5];
    start(&h, NULL);
    size_t n = hello_frame(&plan, 1, frame);
    for (unsigned i = 0; i < GW_ARRAY_SIZE(fd); i++) {
        fd[i] = stranger(&h);
        say(fd[i], frame, i * 20 < n ? i * 20 : n - 1);
    }
    int peer = stranger(&h); /* the door is passed in order: after it the others are inside */
    say(peer, frame, n);
    await(&h, &h.greeted, 1);
    stop(&h);
    for (unsigned i = 0; i < GW_ARRAY_SIZE(fd); i++) {
        assert_true(is_closed(fd[i], 0));
        close(fd[i]);
    }
    close(peer);
    assert_int_equal(open_fds(), h.fds_before);
}

/* ---- TLS ------------------------------------------------------------------------------------- */

static char dir[256];

static struct gw_tls *load(const char *stem, const char *peer)
{
    char ca[300], cert[300], key[300];
    struct gw_tls *t = NULL;
    snprintf(ca, sizeof ca, "%s/ca.pem", dir);
    snprintf(cert, sizeof cert, "%s/%s.pem", dir, stem);
    snprintf(key, sizeof key, "%s/%s.key", dir, stem);
    OK(gw_tls_load(&(struct gw_tls_files){ .ca = ca, .cert = cert, .key = key, .peer = peer }, &t,
                   &err));
    return t;
}

/* A handshake that stalls, in front of the peer that has none of it. */
static void stalled_handshakes(void **state)
{
    (void)state;
    static const uint8_t begun[] = { 22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3 }; /* a ClientHello */
    struct gw_tls *server = load("paris", "lyon"), *client = load("lyon", "paris");
    struct host h;
    int fd[GW_GREETING_GUESTS_MAX];
    start(&h, server);
    for (unsigned i = 0; i < GW_GREETING_GUESTS_MAX; i++) {
        fd[i] = stranger(&h);
        say(fd[i], begun, i % 2 == 0 ? sizeof begun : 3);
    }
    struct gw_conn *peer = NULL;
    OK(gw_conn_connect(gw_listener_address(h.greeter.listener), client, NULL, SOON_MS, -1, &peer,
                       &err));
    size_t n = hello_frame(&plan, 5, frame);
    OK(gw_conn_send(peer, &(struct iovec){ .iov_base = frame, .iov_len = n }, 1, &err));
    await(&h, &h.greeted, 1);
    assert_int_equal(h.changes[0], 5);
    assert_int_equal(refused(&h), 1);
    gw_conn_close(peer);
    /* Who does not speak TLS at all is told from one that is slow. */
    int plain = stranger(&h);
    say(plain, frame, n);
    await(&h, &h.refused, 2);
    close(plain);
    for (unsigned i = 0; i < GW_GREETING_GUESTS_MAX; i++)
        close(fd[i]);
    stop(&h);
    gw_tls_free(server);
    gw_tls_free(client);
    assert_int_equal(open_fds(), h.fds_before);
}

static int set_up(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%s/godwit-greeter-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    struct test_ca *ca = test_ca_new("CA");
    test_ca_write(ca, dir, "ca");
    test_cert_write(ca, dir, "lyon", "lyon", 0);
    test_cert_write(ca, dir, "paris", "paris", 0);
    test_ca_free(ca);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const names[] = { "ca.pem", "lyon.pem", "lyon.key", "paris.pem",
                                         "paris.key" };
    for (size_t i = 0; i < GW_ARRAY_SIZE(names); i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_guest),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(not_our_kind),
        cmocka_unit_test(a_full_house),
        cmocka_unit_test(stopped_in_the_middle),
        cmocka_unit_test(stalled_handshakes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
