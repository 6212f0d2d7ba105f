// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The usual fence of a site: fence_ipmilan and a management controller, here OpenIPMI's simulated
 * one, whose power supply is that of a real process.
 */
#include "base/clock.h"
#include "fence/device.h"
#include "world.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MS 60000u
#define SHORT_MS 3000u

static struct world w;
static unsigned port;
static pid_t bmc, machine;
static const struct gw_fence_how how = { .stop_fd = -1 };

static unsigned free_udp_port(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof a;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    close(fd);
    return ntohs(a.sin_port);
}

static pid_t start(const char *const argv[])
{
    const char *log = world_path(&w, "log");
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int null = open("/dev/null", O_RDONLY),
            out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
        dup2(null, 0);
        dup2(out, 1);
        dup2(out, 2);
        execvp(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    return pid;
}

/* The controller cuts the power of a machine, which is a process, and sees whether it runs. */
static void write_files(void)
{
    char text[1024], chassis[256];
    snprintf(text, sizeof text,
             "shift\n"
             "on() { s=$(sed -n 's/^State:.\\(.\\).*/\\1/p' /proc/%d/status 2>>/dev/null);"
             " [ -n \"$s\" ] && [ \"$s\" != Z ] && echo 1 || echo 0; }\n"
             "case \"$1 $2 $3\" in\n"
             "'get power '*) echo power:$(on);;\n"
             "get*) echo \"$2:0\";;\n"
             "'set power 0') kill -9 %d;;\n"
             "esac\nexit 0\n",
             (int)machine, (int)machine);
    snprintf(chassis, sizeof chassis, "%s", world_script(&w, "chassis", text));
    snprintf(text, sizeof text,
             "name \"sim\"\n"
             "set_working_mc 0x20\n"
             "startlan 1\n"
             "addr 127.0.0.1 %u\n"
             "priv_limit admin\n"
             "allowed_auths_callback none md2 md5 straight\n"
             "allowed_auths_user none md2 md5 straight\n"
             "allowed_auths_operator none md2 md5 straight\n"
             "allowed_auths_admin none md2 md5 straight\n"
             "guid a123456789abcdefa123456789abcdef\n"
             "endlan\n"
             "chassis_control \"%s 0x20\"\n"
             "user 2 true \"operator\" \"hunter2\" admin 10 none md2 md5 straight\n",
             port, chassis);
    world_write(&w, "lan.conf", text);
    world_write(&w, "sim.emu",
                "mc_setbmc 0x20\n"
                "mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr\n"
                "mc_enable 0x20\n");
    world_write(&w, "secret", "hunter2\n");
    world_write(&w, "wrong", "hunter3\n");
    assert_int_equal(chmod(world_path(&w, "secret"), 0600), 0);
    assert_int_equal(chmod(world_path(&w, "wrong"), 0600), 0);
}

struct params {
    char port[16], secret[256];
    struct gw_fence_param list[8];
    struct gw_fence_device device;
};

static const struct gw_fence_device *device(struct params *p, const char *secret,
                                            unsigned timeout_ms)
{
    snprintf(p->port, sizeof p->port, "%u", port);
    snprintf(p->secret, sizeof p->secret, "%s", world_path(&w, secret));
    const struct gw_fence_param list[] = {
        { "ip", "127.0.0.1" },          { "ipport", p->port },    { "username", "operator" },
        { "password_file", p->secret }, { "lanplus", "1" },       { "cipher", "3" },
        { "power_wait", "0" },          { "login_timeout", "2" },
    };
    memcpy(p->list, list, sizeof list);
    p->device = (struct gw_fence_device){ .name = "fence_ipmilan of madrid",
                                          .agent = "fence_ipmilan",
                                          .params = p->list,
                                          .n_params = 8,
                                          .timeout_ms = timeout_ms };
    return &p->device;
}

static int set_up(void **state)
{
    (void)state;
    struct params p;
    struct gw_error err = { 0 };
    world_init(&w);
    port = free_udp_port();
    machine = start((const char *const[]){ "sleep", "1000", NULL });
    write_files();
    bmc = start((const char *const[]){ "ipmi_sim", "-c", world_path(&w, "lan.conf"), "-f",
                                       world_path(&w, "sim.emu"), "-s", world_path(&w, "state"),
                                       "-n", NULL });
    uint64_t end_ns = gw_boot_ns() + MS * GW_NS_PER_MS;
    while (gw_fence_monitor(device(&p, "secret", SHORT_MS), &how, &err) < 0) {
        if (gw_boot_ns() > end_ns || waitpid(bmc, NULL, WNOHANG) != 0)
            fail_msg("the simulated controller does not answer: %s", err.msg);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    kill(bmc, SIGKILL);
    waitpid(bmc, NULL, 0);
    if (machine != 0) {
        kill(machine, SIGKILL);
        waitpid(machine, NULL, 0);
    }
    world_done(&w);
    return 0;
}

static bool machine_runs(void)
{
    return waitpid(machine, NULL, WNOHANG) == 0;
}

static void test_wrong_password(void **state)
{
    struct params p;
    struct gw_fence_report r;
    struct gw_error err = { 0 };
    assert_true(gw_fence_monitor(device(&p, "wrong", MS), &how, &err) < 0);
    assert_non_null(strstr(err.msg, "fence_ipmilan of madrid does not answer"));
    assert_int_equal(gw_fence_off(device(&p, "wrong", SHORT_MS), &how, &r, &err), 0);
    assert_string_equal(gw_fence_verdict_name(r.verdict), "unknown");
    assert_true(machine_runs());
}

static void test_dead_controller(void **state)
{
    struct params p;
    struct gw_fence_report r;
    struct gw_error err = { 0 };
    kill(bmc, SIGSTOP);
    assert_int_equal(gw_fence_off(device(&p, "secret", SHORT_MS), &how, &r, &err), 0);
    assert_string_equal(gw_fence_verdict_name(r.verdict), "unknown");
    kill(bmc, SIGCONT);
    /* What was asked for may be done now, late: the machine counts as neither on nor off. */
}

static void test_off(void **state)
{
    struct params p;
    struct gw_fence_report r;
    struct gw_error err = { 0 };
    assert_int_equal(gw_fence_off(device(&p, "secret", MS), &how, &r, &err), 0);
    if (r.verdict != GW_FENCE_VERIFIED)
        fail_msg("%s", r.text);
    assert_int_equal(waitpid(machine, NULL, 0), machine); /* it really is */
    machine = 0;
    assert_int_equal(gw_fence_monitor(device(&p, "secret", MS), &how, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_password),
        cmocka_unit_test(test_dead_controller),
        cmocka_unit_test(test_off),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
