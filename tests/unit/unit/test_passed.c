// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Connections that another process accepted: engine/passed.h, and listeners and greeters over it.
 */
#include "engine/passed.h"

#include "base/checked.h"
#include "base/clock.h"
#include "engine/server_name.h"
#include "engine/transport.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SOON_MS 5000

static char dir[64], path[96];
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

/* A TCP connection on loopback: what a port accepted, and its other end. */
struct tcp {
    int accepted, caller;
};

static struct tcp connection(void)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(l, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(l, 1), 0);
    assert_int_equal(getsockname(l, (struct sockaddr *)&at, &len), 0);
    struct tcp t = { .caller = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    assert_int_equal(connect(t.caller, (struct sockaddr *)&at, sizeof at), 0);
    t.accepted = accept4(l, NULL, NULL, SOCK_CLOEXEC);
    assert_true(t.accepted >= 0);
    close(l);
    return t;
}

/* ---- names ----------------------------------------------------------------------------------- */

static void server_names(void **state)
{
    (void)state;
    static const struct gw_uuid u = { { 0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99,
                                        0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff } };
    static const char *const none[] = { "",
                                        "p-",
                                        "p-00112233445566778899aabbccddeeff",
                                        "p-00112233445566778899aabbccddeefg.godwit",
                                        "q-00112233445566778899aabbccddeeff.godwit",
                                        "p-00112233445566778899aabbccddeeff.godwits",
                                        "p-00112233445566778899aabbccddeeff0godwit",
                                        "00112233-4455-6677-8899-aabbccddeeff" };
    char name[GW_SERVER_NAME_TEXT];
    struct gw_uuid back = { { 9 } };
    for (size_t i = 0; i < GW_ARRAY_SIZE(none); i++)
        assert_false(gw_server_name_parse(none[i], &back));
    assert_int_equal(back.b[0], 9);
    gw_server_name_format(&u, name);
    assert_string_equal(name, "p-00112233445566778899aabbccddeeff.godwit");
    assert_true(gw_server_name_parse(name, &back));
    assert_true(gw_uuid_equal(&u, &back));
    assert_true(gw_server_name_parse("P-00112233445566778899AABBCCDDEEFF.GodWit", &back));
    assert_true(gw_uuid_equal(&u, &back));
}

/* ---- the socket ------------------------------------------------------------------------------ */

static void one_connection(void **state)
{
    (void)state;
    const int before = open_fds();
    struct tcp t = connection();
    struct gw_address from;
    struct stat st;
    char text[GW_ADDRESS_TEXT], word[5] = "";
    int door = -1, way = -1, got = -1;
    OK(gw_passed_open(path, &door, &err));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(gw_passed_take(door, &got, &from, &err), -EAGAIN);
    OK(gw_passed_connect(path, &way, &err));
    OK(gw_passed_send(way, t.accepted, &err));
    close(t.accepted);
    close(way);
    OK(gw_passed_take(door, &got, &from, &err));
    assert_int_equal(fcntl(got, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(got, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    gw_address_format(&from, text);
    assert_memory_equal(text, "127.0.0.1:", 10);
    assert_int_equal(write(got, "hello", 5), 5);
    assert_int_equal(recv(t.caller, word, 5, MSG_WAITALL), 5);
    assert_memory_equal(word, "hello", 5);
    close(got);
    close(t.caller);
    close(door);
    unlink(path);
    assert_int_equal(open_fds(), before);
}

static void names_of_sockets(void **state)
{
    (void)state;
    int a = -1, b = -1, way = -1;
    char longer[200] = "/";
    OK(gw_passed_open(path, &a, &err));
    assert_int_equal(gw_passed_open(path, &b, &err), -EADDRINUSE);
    close(a);
    /* What a killed process left is replaced. */
    assert_int_equal(gw_passed_connect(path, &way, &err), -ECONNREFUSED);
    OK(gw_passed_open(path, &a, &err));
    OK(gw_passed_connect(path, &way, &err));
    close(way);
    close(a);
    unlink(path);
    assert_int_equal(gw_passed_connect(path, &way, &err), -ENOENT);
    int file = open(path, O_CREAT | O_WRONLY, 0600);
    close(file);
    assert_int_equal(gw_passed_open(path, &a, &err), -EEXIST);
    unlink(path);
    memset(longer + 1, 'x', sizeof longer - 2);
    assert_int_equal(gw_passed_open(longer, &a, &err), -ENAMETOOLONG);
    assert_int_equal(gw_passed_open("", &a, &err), -EINVAL);
}

/* A message with these bytes and descriptors, as anybody can send one. */
static void send_raw(const char *word, size_t n, const int *fds, unsigned n_fds)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(16 * sizeof(int))];
    } control = { .bytes = { 0 } };
    char copy[64];
    struct iovec iov = { .iov_base = copy, .iov_len = n };
    struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    memcpy(copy, word, n);
    memcpy(at.sun_path, path, strlen(path) + 1);
    assert_int_equal(connect(s, (struct sockaddr *)&at, sizeof at), 0);
    if (n_fds > 0) {
        h.msg_control = &control;
        h.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&h);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
        memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
    }
    assert_int_equal(sendmsg(s, &h, 0), n);
    close(s);
}

#define WORD GW_PASSED_WORD, sizeof GW_PASSED_WORD - 1

static void strangers(void **state)
{
    (void)state;
    const int before = open_fds();
    struct tcp t = connection();
    struct gw_address from;
    int door = -1, got = -1, pipes[2], pair[2], udp = socket(AF_INET, SOCK_DGRAM, 0),
        fresh = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    int many[12];
    for (size_t i = 0; i < GW_ARRAY_SIZE(many); i++)
        many[i] = t.accepted;
    OK(gw_passed_open(path, &door, &err));
    const int steady = open_fds();
#define REFUSED(want)                                                                              \
    do {                                                                                           \
        assert_int_equal(gw_passed_take(door, &got, &from, &err), want);                           \
        assert_int_equal(err.code, want);                                                          \
        assert_int_equal(open_fds(), steady);                                                      \
    } while (0)
    send_raw("", 0, NULL, 0);
    REFUSED(-EPROTO);
    send_raw(WORD, NULL, 0);
    REFUSED(-EPROTO);
    send_raw("GWPASS2\n", 8, &t.accepted, 1);
    REFUSED(-EPROTO);
    send_raw("GWPASS1\nand more", 16, &t.accepted, 1);
    REFUSED(-EPROTO);
    send_raw(WORD, many, 2);
    REFUSED(-EPROTO);
    send_raw(WORD, many, 12); /* more than there is room for */
    REFUSED(-EPROTO);
    send_raw(WORD, pipes, 1);
    REFUSED(-EPROTO);
    send_raw(WORD, pair, 1); /* a stream, not TCP */
    REFUSED(-EPROTO);
    send_raw(WORD, &udp, 1);
    REFUSED(-EPROTO);
    send_raw(WORD, &fresh, 1); /* TCP, not connected */
    REFUSED(-EPROTO);
    send_raw(WORD, &t.accepted, 1);
    OK(gw_passed_take(door, &got, &from, &err));
    assert_int_equal(gw_passed_take(door, &got, &from, &err), -EAGAIN);
    close(got);
    const int all[] = {
        door, pipes[0], pipes[1], pair[0], pair[1], udp, fresh, t.accepted, t.caller
    };
    for (size_t i = 0; i < GW_ARRAY_SIZE(all); i++)
        close(all[i]);
    unlink(path);
    assert_int_equal(open_fds(), before);
}

/* Another user cannot get so far as to send (mode 0600); if the mode is lost, it is refused. */
static void another_user(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct tcp t = connection();
    struct gw_address from;
    int door = -1, got = -1, status = 0;
    OK(gw_passed_open(path, &door, &err));
    for (int open_to_all = 0; open_to_all < 2; open_to_all++) {
        if (open_to_all) {
            assert_int_equal(chmod(path, 0666), 0);
            assert_int_equal(chmod(dir, 0711), 0);
        }
        pid_t pid = fork();
        if (pid == 0) {
            int way;
            if (setresuid(65534, 65534, 65534) < 0)
                _exit(9);
            if (gw_passed_connect(path, &way, NULL) < 0)
                _exit(1);
            _exit(gw_passed_send(way, t.accepted, NULL) < 0 ? 2 : 0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(WEXITSTATUS(status), open_to_all ? 0 : 1);
    }
    assert_int_equal(gw_passed_take(door, &got, &from, &err), -EPERM);
    assert_non_null(strstr(err.msg, "user 65534"));
    close(door);
    close(t.accepted);
    close(t.caller);
    unlink(path);
}

/* A receiver that is busy: the sender is told, does not wait, and hears when there is room. */
static void full_queue(void **state)
{
    (void)state;
    struct tcp t = connection();
    struct gw_address from;
    int door = -1, way = -1, got = -1, sent = 0, r;
    OK(gw_passed_open(path, &door, &err));
    OK(gw_passed_connect(path, &way, &err));
    while ((r = gw_passed_send(way, t.accepted, &err)) == 0)
        assert_true(++sent < 10000);
    assert_int_equal(r, -EAGAIN);
    struct pollfd p = { .fd = way, .events = POLLOUT };
    assert_int_equal(poll(&p, 1, 0), 0);
    for (int i = 0; i < sent; i++) {
        OK(gw_passed_take(door, &got, &from, &err));
        close(got);
    }
    assert_int_equal(poll(&p, 1, SOON_MS), 1);
    OK(gw_passed_send(way, t.accepted, &err));
    close(door);
    assert_int_equal(gw_passed_send(way, t.accepted, &err), -ECONNREFUSED);
    close(way);
    close(t.accepted);
    close(t.caller);
    unlink(path);
}

/* ---- a listener over it ------------------------------------------------------------------------
 */

static void listener(void **state)
{
    (void)state;
    const int before = open_fds();
    char address[128];
    struct gw_listener *l = NULL;
    struct gw_conn *c = NULL;
    struct tcp t = connection();
    int way = -1;
    char word[5];
    snprintf(address, sizeof address, "unix:%s", path);
    OK(gw_listener_open(address, NULL, &l, &err));
    assert_string_equal(gw_listener_address(l), address);
    assert_int_equal(gw_listener_take(l, &c, &err), -EAGAIN);
    send_raw("x", 1, NULL, 0);
    assert_int_equal(gw_listener_take(l, &c, &err), -EPROTO);
    OK(gw_passed_connect(path, &way, &err));
    OK(gw_passed_send(way, t.accepted, &err));
    OK(gw_listener_accept(l, SOON_MS, -1, &c, &err));
    assert_int_equal(write(t.caller, "hello", 5), 5);
    OK(gw_conn_recv(c, word, sizeof word, &err));
    assert_memory_equal(word, "hello", 5);
    gw_conn_close(c);
    gw_listener_close(l);
    assert_int_equal(access(path, F_OK), -1);
    close(way);
    close(t.accepted);
    close(t.caller);
    assert_int_equal(open_fds(), before);
}

static int set_up(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%.40s/gw-passed-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/p.data", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(server_names),     cmocka_unit_test(one_connection),
        cmocka_unit_test(names_of_sockets), cmocka_unit_test(strangers),
        cmocka_unit_test(another_user),     cmocka_unit_test(full_queue),
        cmocka_unit_test(listener),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
