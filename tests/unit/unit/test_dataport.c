// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "unit/dataport.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/log.h"
#include "certs.h"
#include "engine/server_name.h"
#include "engine/transport.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SOON_MS 10000u

static char dir[64];
static struct gw_error err;
#define OK(x)                                                                                      \
    do {                                                                                           \
        err = (struct gw_error){ 0 };                                                              \
        if ((x) < 0)                                                                               \
            fail_msg("%s: %s", #x, err.msg);                                                       \
    } while (0)

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

/* ---- two plans and a port ----------------------------------------------------------------------
 */

#define PLANS 2
static struct gw_uuid uuid[PLANS] = { { { 1 } }, { { 2 } } };
static char at[PLANS][GW_PASSED_PATH_MAX];
static struct gw_tls *server, *client;
static atomic_int probe_fd;

static int route(void *arg, const struct gw_uuid *plan, char ret_path[GW_PASSED_PATH_MAX])
{
    (void)arg;
    for (int i = 0; i < PLANS; i++) {
        if (gw_uuid_equal(plan, &uuid[i])) {
            memcpy(ret_path, at[i], GW_PASSED_PATH_MAX);
            return 0;
        }
    }
    return -ENOENT;
}

/* Says nothing until the other end hangs up, or is cut off. */
static void probe(void *arg, int fd)
{
    char buf[512];
    (void)arg;
    atomic_store(&probe_fd, fd);
    while (recv(fd, buf, sizeof buf, 0) > 0) {
    }
    close(fd);
}

static struct gw_dataport *begin(unsigned hello_ms)
{
    struct gw_dataport *d = NULL;
    const struct gw_dataport_config c = {
        .listen = "127.0.0.1:0", .route = route, .probe = probe, .hello_ms = hello_ms
    };
    OK(gw_dataport_start(&c, &d, &err));
    return d;
}

static struct gw_listener *process(int i)
{
    struct gw_listener *l = NULL;
    char address[128];
    snprintf(address, sizeof address, "unix:%s", at[i]);
    OK(gw_listener_open(address, server, &l, &err));
    return l;
}

static struct gw_dataport_stats stats(struct gw_dataport *d)
{
    struct gw_dataport_stats st;
    gw_dataport_stats(d, &st);
    return st;
}

static void await(struct gw_dataport *d, size_t member, uint64_t n)
{
    const uint64_t until = gw_boot_ns() + SOON_MS * GW_NS_PER_MS;
    for (;;) {
        struct gw_dataport_stats st = stats(d);
        uint64_t now;
        memcpy(&now, (const char *)&st + member, sizeof now);
        if (now >= n)
            return;
        if (gw_boot_ns() > until)
            fail_msg("waited for %d, there are %d", (int)n, (int)now);
        poll(NULL, 0, 1);
    }
}
#define AWAIT(d, member, n) await(d, offsetof(struct gw_dataport_stats, member), n)

/* ---- callers -----------------------------------------------------------------------------------
 */

struct caller {
    pthread_t thread;
    const char *address, *name;
    struct gw_conn *conn;
    int result;
    struct gw_error err;
};

static void *caller_main(void *arg)
{
    struct caller *c = arg;
    c->result = gw_conn_connect(c->address, client, c->name, SOON_MS, -1, &c->conn, &c->err);
    return NULL;
}

static void call(struct caller *c, struct gw_dataport *d, const char *name)
{
    *c = (struct caller){ .address = gw_dataport_address(d), .name = name };
    assert_int_equal(pthread_create(&c->thread, NULL, caller_main, c), 0);
}

static int stranger(struct gw_dataport *d)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    to.sin_port = htons((uint16_t)atoi(strrchr(gw_dataport_address(d), ':') + 1));
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Whatever comes until it is closed; its length. */
static size_t last_words(int fd, uint8_t *ret, size_t cap)
{
    size_t n = 0;
    for (;;) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        assert_int_equal(poll(&p, 1, SOON_MS), 1);
        ssize_t got = recv(fd, ret + n, cap - n, 0);
        if (got <= 0)
            return n;
        n += (size_t)got;
    }
}

/* ---- tests -------------------------------------------------------------------------------------
 */

/* Each to its own process, through a handshake that only that one shakes. */
static void two_plans(void **state)
{
    (void)state;
    const int before = open_fds();
    struct gw_dataport *d = begin(0);
    struct gw_listener *l[PLANS] = { process(0), process(1) };
    struct caller c[PLANS];
    struct gw_conn *conn[PLANS];
    for (int round = 0; round < 3; round++) {
        char name[PLANS][GW_SERVER_NAME_TEXT], word[4];
        for (int i = 0; i < PLANS; i++) {
            gw_server_name_format(&uuid[i], name[i]);
            call(&c[i], d, name[i]);
        }
        for (int i = PLANS; i-- > 0;) {
            OK(gw_listener_accept(l[i], SOON_MS, -1, &conn[i], &err));
            pthread_join(c[i].thread, NULL);
            if (c[i].result < 0)
                fail_msg("%s", c[i].err.msg);
            assert_string_not_equal(gw_conn_peer(conn[i]), gw_dataport_address(d));
        }
        for (int i = 0; i < PLANS; i++) {
            struct iovec iov = { .iov_base = (char[]){ "to 0" }, .iov_len = 4 };
            ((char *)iov.iov_base)[3] = (char)('0' + i);
            OK(gw_conn_send(c[i].conn, &iov, 1, &err));
            OK(gw_conn_recv(conn[i], word, 4, &err));
            assert_memory_equal(word, iov.iov_base, 4);
        }
        if (round == 1) { /* the port's end is not theirs */
            gw_dataport_stop(d);
            d = begin(0);
            OK(gw_conn_send(c[0].conn, &(struct iovec){ (char[]){ "more" }, 4 }, 1, &err));
            OK(gw_conn_recv(conn[0], word, 4, &err));
            assert_memory_equal(word, "more", 4);
        }
        for (int i = 0; i < PLANS; i++) {
            gw_conn_close(c[i].conn);
            gw_conn_close(conn[i]);
        }
    }
    assert_int_equal(stats(d).passed, PLANS);
    assert_int_equal(stats(d).accepted, PLANS);
    assert_int_equal(stats(d).guests, 0);
    for (int i = 0; i < PLANS; i++)
        gw_listener_close(l[i]);
    gw_dataport_stop(d);
    assert_int_equal(open_fds(), before);
}

/* A plan that is not here, one whose process is not there: told apart, also by who calls. */
static unsigned told; /* by the data port's thread; read when it has ended */

static void hear(enum gw_log_level level, const char *line)
{
    told += level == GW_LOG_WARNING && strstr(line, "closed a connection") != NULL;
}

/* Who comes again and again to a plan that is not served is told of the 1st, 2nd, 4th, 8th time. */
static void told_ever_less(void **state)
{
    (void)state;
    struct gw_dataport *d = begin(0);
    char name[GW_SERVER_NAME_TEXT];
    gw_server_name_format(&uuid[0], name);
    told = 0;
    gw_log_sink(hear);
    for (unsigned i = 0; i < 9; i++) {
        struct caller c;
        call(&c, d, name);
        pthread_join(c.thread, NULL);
        assert_int_equal(c.result, -EPROTO);
    }
    gw_dataport_stop(d);
    gw_log_sink(NULL);
    assert_int_equal(told, 4);
}

static void nobody_home(void **state)
{
    (void)state;
    const int before = open_fds();
    static const struct gw_uuid other = { { 9 } };
    struct gw_dataport *d = begin(0);
    struct caller c;
    char name[GW_SERVER_NAME_TEXT];
    gw_server_name_format(&other, name);
    call(&c, d, name);
    pthread_join(c.thread, NULL);
    assert_int_equal(c.result, -EPROTO);
    assert_non_null(strstr(c.err.msg, "has no such plan"));
    call(&c, d, "www.example");
    pthread_join(c.thread, NULL);
    assert_non_null(strstr(c.err.msg, "has no such plan"));
    call(&c, d, NULL);
    pthread_join(c.thread, NULL);
    assert_int_equal(c.result, -EPROTO);
    gw_server_name_format(&uuid[0], name);
    call(&c, d, name);
    pthread_join(c.thread, NULL);
    assert_int_equal(c.result, -EPROTO);
    assert_non_null(strstr(c.err.msg, "does not run there now"));
    struct gw_dataport_stats st = stats(d);
    assert_int_equal(st.unknown_name, 2);
    assert_int_equal(st.not_tls, 1);
    assert_int_equal(st.no_process, 1);
    assert_int_equal(st.passed, 0);
    gw_dataport_stop(d);
    assert_int_equal(open_fds(), before);
}

static void not_tls(void **state)
{
    (void)state;
    struct gw_dataport *d = begin(0);
    uint8_t words[64];
    int fd = stranger(d);
    assert_int_equal(send(fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
    assert_int_equal(last_words(fd, words, sizeof words), 0);
    close(fd);
    close(stranger(d)); /* hangs up at once */
    fd = stranger(d);   /* ... or inside its first message */
    assert_int_equal(send(fd, "\x16\x03\x01\x02\x00\x01", 6, 0), 6);
    shutdown(fd, SHUT_WR);
    assert_int_equal(last_words(fd, words, sizeof words), 0);
    close(fd);
    AWAIT(d, not_tls, 3);
    gw_dataport_stop(d);
}

/* One that says half of it and waits does not wait for ever, and costs no processor meanwhile. */
static void slow(void **state)
{
    (void)state;
    struct gw_dataport *d = begin(600);
    uint8_t words[64];
    struct timespec cpu[2];
    const uint64_t began = gw_boot_ns();
    int fd = stranger(d), silent = stranger(d);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu[0]);
    assert_int_equal(send(fd, "\x16\x03\x01\x02\x00\x01", 6, 0), 6);
    assert_int_equal(last_words(fd, words, sizeof words), 0);
    assert_int_equal(last_words(silent, words, sizeof words), 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu[1]);
    assert_true(gw_boot_ns() - began >= 600 * GW_NS_PER_MS);
    const int64_t used_ms =
        (cpu[1].tv_sec - cpu[0].tv_sec) * 1000 + (cpu[1].tv_nsec - cpu[0].tv_nsec) / 1000000;
    assert_true(used_ms < 30);
    close(fd);
    close(silent);
    AWAIT(d, too_late, 2);
    gw_dataport_stop(d);
}

/* The hello byte by byte, its last only when the rest was looked at. */
static void byte_by_byte(void **state)
{
    (void)state;
    struct gw_dataport *d = begin(0);
    struct gw_listener *l = process(0);
    char name[GW_SERVER_NAME_TEXT];
    uint8_t hello[2048], got[2048];
    gw_server_name_format(&uuid[0], name);
    /* A real one, from a caller whose other end is us. */
    struct gw_listener *own = NULL;
    OK(gw_listener_open("127.0.0.1:0", server, &own, &err));
    struct caller c = { .address = gw_listener_address(own), .name = name };
    assert_int_equal(pthread_create(&c.thread, NULL, caller_main, &c), 0);
    struct gw_conn *plain = NULL, *conn = NULL;
    struct pollfd p = { .fd = gw_listener_fd(own), .events = POLLIN };
    assert_int_equal(poll(&p, 1, SOON_MS), 1);
    OK(gw_listener_take(own, &plain, &err));
    size_t n = 0;
    while (n < 5 || n < 5 + ((size_t)hello[3] << 8 | hello[4])) {
        p.fd = gw_conn_fd(plain);
        assert_int_equal(poll(&p, 1, SOON_MS), 1);
        ssize_t more = gw_conn_recv_some(plain, hello + n, sizeof hello - n, &err);
        n += more > 0 ? (size_t)more : 0;
    }
    gw_conn_close(plain);
    pthread_join(c.thread, NULL);
    assert_true(c.result < 0);
    gw_listener_close(own);
    int fd = stranger(d);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(stats(d).passed, 0);
        assert_int_equal(send(fd, hello + i, 1, 0), 1);
    }
    AWAIT(d, passed, 1);
    p.fd = gw_listener_fd(l);
    assert_int_equal(poll(&p, 1, SOON_MS), 1);
    OK(gw_listener_take(l, &conn, &err));
    /* Not a byte was taken on the way. */
    for (size_t have = 0; have < n;) {
        ssize_t more = recv(gw_conn_fd(conn), got + have, sizeof got - have, 0);
        assert_true(more > 0);
        have += (size_t)more;
    }
    assert_memory_equal(got, hello, n);
    gw_conn_close(conn);
    close(fd);
    gw_listener_close(l);
    gw_dataport_stop(d);
}

/* More strangers than are looked at at once: the peer gets through all the same. */
static void full_house(void **state)
{
    (void)state;
    struct gw_dataport *d = begin(0);
    struct gw_listener *l = process(1);
    static int fd[GW_DATAPORT_GUESTS_MAX + 20];
    struct caller c;
    char name[GW_SERVER_NAME_TEXT];
    struct gw_conn *conn = NULL;
    const uint64_t began = gw_boot_ns();
    for (size_t i = 0; i < GW_ARRAY_SIZE(fd); i++)
        fd[i] = stranger(d);
    gw_server_name_format(&uuid[1], name);
    call(&c, d, name);
    OK(gw_listener_accept(l, SOON_MS, -1, &conn, &err));
    pthread_join(c.thread, NULL);
    OK(c.result);
    const uint64_t took_ms = (gw_boot_ns() - began) / GW_NS_PER_MS;
    assert_true(took_ms >= GW_DATAPORT_GRACE_MS); /* nobody went before its grace was over */
    assert_true(took_ms < GW_DATAPORT_HELLO_MS);
    assert_true(stats(d).too_late >= 21);
    gw_conn_close(c.conn);
    gw_conn_close(conn);
    for (size_t i = 0; i < GW_ARRAY_SIZE(fd); i++)
        close(fd[i]);
    gw_listener_close(l);
    gw_dataport_stop(d);
}

/* A process that takes nothing for a while: its callers wait in line, and none is lost. */
static void slow_process(void **state)
{
    (void)state;
    const int before = open_fds();
    struct gw_dataport *d = begin(0);
    struct gw_listener *l = process(0);
    static struct caller c[40];
    char name[GW_SERVER_NAME_TEXT];
    gw_server_name_format(&uuid[0], name);
    for (size_t i = 0; i < GW_ARRAY_SIZE(c); i++)
        call(&c[i], d, name);
    AWAIT(d, accepted, GW_ARRAY_SIZE(c));
    for (size_t i = 0; i < GW_ARRAY_SIZE(c); i++) {
        struct gw_conn *conn = NULL;
        OK(gw_listener_accept(l, SOON_MS, -1, &conn, &err));
        gw_conn_close(conn);
    }
    AWAIT(d, passed, GW_ARRAY_SIZE(c));
    for (size_t i = 0; i < GW_ARRAY_SIZE(c); i++) {
        pthread_join(c[i].thread, NULL);
        gw_conn_close(c[i].conn);
    }
    gw_listener_close(l);
    gw_dataport_stop(d);
    assert_int_equal(open_fds(), before);
}

/* The probe's answer is the site's own. */
static void probes(void **state)
{
    (void)state;
    const int before = open_fds();
    struct gw_dataport *d = begin(0);
    struct caller c[GW_DATAPORT_PROBES_MAX + 2];
    for (size_t i = 0; i < GW_ARRAY_SIZE(c); i++) {
        call(&c[i], d, "PROBE.godwit");
        if (i == 0)
            while (atomic_load(&probe_fd) == 0) /* it is being answered, the others wait */
                poll(NULL, 0, 1);
    }
    AWAIT(d, probes, GW_DATAPORT_PROBES_MAX + 1);
    AWAIT(d, too_late, 1);
    AWAIT(d, accepted, GW_ARRAY_SIZE(c));
    /* Nobody is kept when the port closes: neither who is answered nor who waits. */
    gw_dataport_stop(d);
    for (size_t i = 0; i < GW_ARRAY_SIZE(c); i++) {
        pthread_join(c[i].thread, NULL);
        assert_true(c[i].result < 0);
    }
    assert_int_equal(open_fds(), before);
}

static void addresses(void **state)
{
    (void)state;
    struct gw_dataport *d = begin(0), *second = NULL;
    const struct gw_dataport_config taken = { .listen = gw_dataport_address(d), .route = route };
    assert_int_equal(gw_dataport_start(&taken, &second, &err), -EADDRINUSE);
    assert_non_null(strstr(err.msg, gw_dataport_address(d)));
    const struct gw_dataport_config wrong = { .listen = "here", .route = route };
    assert_int_equal(gw_dataport_start(&wrong, &second, &err), -EINVAL);
    gw_dataport_stop(d);
    gw_dataport_stop(NULL);
}

/* ---- certificates ------------------------------------------------------------------------------
 */

static struct gw_tls *load(const char *stem, const char *peer)
{
    char ca[96], cert[96], key[96];
    struct gw_tls *t = NULL;
    snprintf(ca, sizeof ca, "%s/ca.pem", dir);
    snprintf(cert, sizeof cert, "%s/%s.pem", dir, stem);
    snprintf(key, sizeof key, "%s/%s.key", dir, stem);
    OK(gw_tls_load(&(struct gw_tls_files){ .ca = ca, .cert = cert, .key = key, .peer = peer }, &t,
                   &err));
    return t;
}

static int set_up(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%.40s/gw-port-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    struct test_ca *ca = test_ca_new("CA");
    test_ca_write(ca, dir, "ca");
    test_cert_write(ca, dir, "lyon", "lyon", 0);
    test_cert_write(ca, dir, "paris", "paris", 0);
    test_ca_free(ca);
    server = load("paris", "lyon");
    client = load("lyon", "paris");
    for (int i = 0; i < PLANS; i++)
        snprintf(at[i], sizeof at[i], "%s/%d.data", dir, i);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const names[] = { "ca.pem", "lyon.pem", "lyon.key", "paris.pem",
                                         "paris.key" };
    for (size_t i = 0; i < GW_ARRAY_SIZE(names); i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        unlink(path);
    }
    gw_tls_free(server);
    gw_tls_free(client);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_plans),      cmocka_unit_test(nobody_home),
        cmocka_unit_test(told_ever_less), cmocka_unit_test(not_tls),
        cmocka_unit_test(slow),           cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(full_house),     cmocka_unit_test(slow_process),
        cmocka_unit_test(probes),         cmocka_unit_test(addresses),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
