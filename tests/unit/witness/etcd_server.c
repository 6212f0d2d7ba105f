// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "etcd_server.h"

#include "certs.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define READY_MS 60000u

const char *etcd_server_path(const struct etcd_server *s, const char *name)
{
    static _Thread_local char places[8][160];
    static _Thread_local unsigned at;
    char *p = places[at++ % 8];
    snprintf(p, sizeof places[0], "%s/%s", s->dir, name);
    return p;
}

unsigned etcd_server_free_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static void run(const char *const argv[])
{
    pid_t pid;
    int status;
    assert_int_equal(
        posix_spawnp(&pid, argv[0], NULL, NULL, (char *const *)(uintptr_t)argv, environ), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* ---- processes --------------------------------------------------------------------------------
 */

/* The arguments in text, for the child; execlp's are many and mostly built. */
struct arguments {
    char text[40][256];
    const char *argv[41];
    int n;
};

static void add(struct arguments *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void add(struct arguments *a, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(a->text[a->n], sizeof a->text[0], fmt, ap);
    va_end(ap);
    a->argv[a->n] = a->text[a->n];
    a->argv[++a->n] = NULL;
}

static void fill(const struct etcd_server *s, int member, struct arguments *a)
{
    char cluster[256] = "";
    for (int i = 0; i < s->n; i++)
        snprintf(cluster + strlen(cluster), sizeof cluster - strlen(cluster),
                 "%sm%d=http://127.0.0.1:%u", i > 0 ? "," : "", i, s->peer_port[i]);
    a->n = 0;
    add(a, "etcd");
    add(a, "--name=m%d", member);
    add(a, "--data-dir=%s/m%d", s->dir, member);
    add(a, "--listen-client-urls=%s", s->url[member]);
    add(a, "--advertise-client-urls=%s", s->url[member]);
    add(a, "--listen-peer-urls=http://127.0.0.1:%u", s->peer_port[member]);
    add(a, "--initial-advertise-peer-urls=http://127.0.0.1:%u", s->peer_port[member]);
    add(a, "--initial-cluster=%s", cluster);
    add(a, "--initial-cluster-token=%s-%u", s->dir, s->generation);
    add(a, "--heartbeat-interval=50");
    add(a, "--election-timeout=500");
    add(a, "--logger=zap");
    add(a, "--log-level=error");
    if (!s->tls)
        return;
    add(a, "--client-cert-auth");
    add(a, "--trusted-ca-file=%s/ca.pem", s->dir);
    add(a, "--cert-file=%s/server.pem", s->dir);
    add(a, "--key-file=%s/server.key", s->dir);
}

void etcd_server_start(struct etcd_server *s, int member)
{
    struct arguments a;
    struct sockaddr_un at = { .sun_family = AF_UNIX };
    char name[16];
    fill(s, member, &a);
    const char *log = etcd_server_path(s, "log");
    snprintf(name, sizeof name, "ready%d", member);
    snprintf(at.sun_path, sizeof at.sun_path, "%s", etcd_server_path(s, name));
    unlink(at.sun_path); /* of its former life */
    s->ready[member] = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(s->ready[member], (struct sockaddr *)&at, sizeof at), 0);
    pid_t parent = getpid(), pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setenv("NOTIFY_SOCKET", at.sun_path, 1);
        int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        if (getppid() == parent)
            execvp("etcd", (char *const *)(uintptr_t)a.argv);
        fprintf(stderr, "etcd cannot be started: install etcd-server\n");
        _exit(127);
    }
    s->pid[member] = pid;
}

void etcd_server_signal(struct etcd_server *s, int member, int signal)
{
    assert_true(s->pid[member] > 0);
    assert_int_equal(kill(s->pid[member], signal), 0);
}

void etcd_server_kill(struct etcd_server *s, int member)
{
    etcd_server_signal(s, member, SIGKILL);
    assert_int_equal(waitpid(s->pid[member], NULL, 0), s->pid[member]);
    s->pid[member] = 0;
}

static void show_log(const struct etcd_server *s)
{
    char line[512];
    FILE *f = fopen(etcd_server_path(s, "log"), "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        fputs(line, stderr);
    if (f != NULL)
        fclose(f);
}

void etcd_server_await(struct etcd_server *s, int member)
{
    struct gw_register_value v;
    struct gw_error err = { 0 };
    int pidfd = (int)syscall(SYS_pidfd_open, s->pid[member], 0);
    struct pollfd f[] = { { .fd = s->ready[member], .events = POLLIN },
                          { .fd = pidfd, .events = POLLIN } };
    assert_true(pidfd >= 0);
    if (poll(f, 2, READY_MS) <= 0 || f[0].revents == 0) {
        show_log(s);
        fail_msg("etcd %s", f[1].revents != 0 ? "has ended" : "does not become ready");
    }
    close(pidfd);
    close(s->ready[member]);
    struct gw_register *reg = etcd_server_open(s, s->url[member], NULL);
    if (gw_register_read(reg, "nothing", READY_MS, &v, &err) < 0)
        fail_msg("etcd does not answer: %s", err.msg);
    gw_register_free(reg);
}

/* ---- life -------------------------------------------------------------------------------------
 */

static void make_certificates(struct etcd_server *s)
{
    struct test_ca *ca = test_ca_new("witness");
    struct test_ca *other = test_ca_new("somebody else");
    test_ca_write(ca, s->dir, "ca");
    test_cert_write(ca, s->dir, "server", "localhost", 0);
    test_cert_write(ca, s->dir, "client", "madrid", 0);
    test_ca_write(other, s->dir, "other-ca");
    test_cert_write(other, s->dir, "other", "madrid", 0);
    test_ca_free(ca);
    test_ca_free(other);
}

void etcd_server_init(struct etcd_server *s, int n, bool tls)
{
    *s = (struct etcd_server){ .n = n, .tls = tls };
    const char *tmp = getenv("TMPDIR");
    snprintf(s->dir, sizeof s->dir, "%.40s/etcd-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(s->dir));
    if (tls)
        make_certificates(s);
    for (int i = 0; i < n; i++) {
        s->client_port[i] = etcd_server_free_port();
        s->peer_port[i] = etcd_server_free_port();
        snprintf(s->url[i], sizeof s->url[i], "%s:%u",
                 tls ? "https://127.0.0.1" : "http://127.0.0.1", s->client_port[i]);
    }
    for (int i = 0; i < n; i++)
        etcd_server_start(s, i);
    for (int i = 0; i < n; i++) {
        if (tls) /* as its certificate names it */
            snprintf(s->url[i], sizeof s->url[i], "https://localhost:%u", s->client_port[i]);
        etcd_server_await(s, i);
    }
}

void etcd_server_done(struct etcd_server *s)
{
    for (int i = 0; i < s->n; i++) {
        if (s->pid[i] != 0)
            etcd_server_kill(s, i);
    }
    run((const char *const[]){ "rm", "-rf", s->dir, NULL });
}

void etcd_server_save(struct etcd_server *s)
{
    run((const char *const[]){ "cp", "-a", etcd_server_path(s, "m0"), etcd_server_path(s, "saved"),
                               NULL });
}

void etcd_server_restore(struct etcd_server *s)
{
    etcd_server_wipe(s);
    run((const char *const[]){ "cp", "-a", etcd_server_path(s, "saved"), etcd_server_path(s, "m0"),
                               NULL });
}

void etcd_server_wipe(struct etcd_server *s)
{
    assert_int_equal(s->pid[0], 0);
    run((const char *const[]){ "rm", "-rf", etcd_server_path(s, "m0"), NULL });
    s->generation++;
}

int etcd_server_leader(struct etcd_server *s)
{
    char leader[32] = "";
    for (int i = 0; i < s->n; i++) {
        struct gw_register_health h;
        struct gw_error err = { 0 };
        struct gw_register *reg = etcd_server_open(s, s->url[i], NULL);
        assert_int_equal(gw_register_health(reg, READY_MS, &h, &err), 0);
        gw_register_free(reg);
        if (strcmp(h.leader, h.member) == 0)
            return i;
        snprintf(leader, sizeof leader, "%s", h.leader);
    }
    fail_msg("nobody leads (%s)", leader);
    return -1;
}

struct gw_register *etcd_server_open(struct etcd_server *s, const char *url,
                                     const struct gw_register_identity *known)
{
    const char *urls[ETCD_MEMBERS_MAX];
    struct gw_register *reg = NULL;
    struct gw_error err = { 0 };
    for (int i = 0; i < s->n; i++)
        urls[i] = s->url[i];
    if (url != NULL)
        urls[0] = url;
    const struct gw_etcd_config config = {
        .endpoints = urls,
        .n_endpoints = url != NULL ? 1 : (size_t)s->n,
        .prefix = "/godwit",
        .ca_file = etcd_server_path(s, "ca.pem"),
        .cert_file = etcd_server_path(s, "client.pem"),
        .key_file = etcd_server_path(s, "client.key"),
        .known = known != NULL ? *known : (struct gw_register_identity){ .store = 0 },
    };
    if (gw_etcd_open(&config, &reg, &err) < 0)
        fail_msg("%s", err.msg);
    return reg;
}
