// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What systemd would be told, against a systemctl of our own (systemctl.sh). */
#include "unit/systemd.h"

#include "base/checked.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define SOON_MS 20000u

static struct gw_error err;
#define OK(x)                                                                                      \
    do {                                                                                           \
        err = (struct gw_error){ 0 };                                                              \
        if ((x) < 0)                                                                               \
            fail_msg("%s: %s", #x, err.msg);                                                       \
    } while (0)

static char dir[64], control[96];
static const char *helper, *systemctl;

static void names(void **state)
{
    (void)state;
    char name[GW_SYSTEMD_NAME_MAX], longest[GW_UNIT_PLAN_MAX];
    OK(gw_systemd_name("shop", GW_UNIT_SOURCE, name, &err));
    assert_string_equal(name, "godwit-source@shop.service");
    OK(gw_systemd_name("eu-west.2_a:b", GW_UNIT_REPLICA, name, &err));
    assert_string_equal(name, "godwit-replica@eu\\x2dwest.2_a:b.service");
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    OK(gw_systemd_name(longest, GW_UNIT_REPLICA, name, &err));
    memset(longest, '-', sizeof longest - 1);
    assert_int_equal(gw_systemd_name(longest, GW_UNIT_REPLICA, name, &err), -ENAMETOOLONG);
}

static void environment_files(void **state)
{
    (void)state;
    char *argv[] = { (char[]){ "/usr/sbin/nbdkit" }, (char[]){ "a b" }, (char[]){ "q\"\\$x" },
                     NULL };
    char *env[] = { (char[]){ "LD_PRELOAD=/a:/b c" }, NULL };
    struct gw_launch l = { .dir = "/s/units", .plan = "shop", .argv = argv, .env = env };
    char text[512], small[16];
    size_t n = gw_systemd_env(&l, text, sizeof text);
    assert_int_equal(n, strlen(text));
    assert_string_equal(text, "GODWIT_LOCK='/s/units/shop.lock'\n"
                              "GODWIT_COMMAND='\"/usr/sbin/nbdkit\" \"a b\" \"q\\\"\\\\\\$x\"'\n"
                              "LD_PRELOAD='/a:/b c'\n");
    assert_int_equal(gw_systemd_env(&l, small, sizeof small), 0);
    argv[1] = (char[]){ "it's" };
    assert_int_equal(gw_systemd_env(&l, text, sizeof text), 0);
    argv[1] = (char[]){ "two\nlines" };
    assert_int_equal(gw_systemd_env(&l, text, sizeof text), 0);
    argv[1] = NULL;
    env[0] = (char[]){ "A=two\nlines" };
    assert_int_equal(gw_systemd_env(&l, text, sizeof text), 0);
}

/* The calls of systemctl so far. */
static const char *calls(void)
{
    static char text[8192];
    char path[96];
    snprintf(path, sizeof path, "%s/calls", dir);
    int fd = open(path, O_RDONLY);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
    text[n > 0 ? n : 0] = '\0';
    if (fd >= 0)
        close(fd);
    return text;
}

static void a_unit(void **state)
{
    (void)state;
    char *argv[] = { (char *)(uintptr_t)helper, (char[]){ "serve" }, control, NULL };
    const struct gw_unit_command command = { .argv = argv };
    const struct gw_unit_spec spec = {
        .plan = "shop", .kind = GW_UNIT_SOURCE, .command = &command, .control = control
    };
    const struct gw_units_config config = { .dir = dir,
                                            .by = GW_UNITS_BY_SYSTEMD,
                                            .systemctl = systemctl };
    struct gw_units *units = NULL;
    struct gw_unit_status st;
    OK(gw_units_new(&config, &units, &err));
    OK(gw_units_start(units, &spec, &err));
    OK(gw_units_wait_ready(units, "shop", SOON_MS, &err));
    assert_int_equal(gw_units_get(units, "shop", &st), 0);
    const pid_t pid = st.pid;
    assert_non_null(strstr(calls(), "start godwit-source@shop.service\n"));
    /* U1 holds here too: the process itself has the lock. */
    int fd = -1;
    assert_int_equal(gw_unit_lock(dir, "shop", &fd, &err), -EBUSY);
    gw_units_free(units);
    /* We come again, and our record is gone: systemd knows. */
    char path[PATH_MAX];
    OK(gw_unit_file(dir, "shop", "unit", path, &err));
    unlink(path);
    OK(gw_units_new(&config, &units, &err));
    enum gw_unit_kind kind = GW_UNIT_REPLICA;
    pid_t found = 0;
    assert_int_equal(gw_units_find(units, "shop", &kind, &found, &err), 1);
    assert_int_equal(kind, GW_UNIT_SOURCE);
    assert_int_equal(found, pid);
    OK(gw_units_start(units, &spec, &err)); /* systemctl start of what runs does nothing */
    assert_int_equal(gw_units_get(units, "shop", &st), 0);
    assert_int_equal(st.pid, pid);
    OK(gw_units_wait_ready(units, "shop", SOON_MS, &err));
    OK(gw_units_stop(units, "shop", 0, &err));
    assert_null(strstr(calls(), "stop")); /* it was asked over its socket, and ended */
    /* One that cannot be asked is stopped by systemd, which would start it again otherwise. */
    argv[1] = (char[]){ "silent" };
    OK(gw_units_start(units, &spec, &err));
    OK(gw_units_stop(units, "shop", 0, &err));
    assert_non_null(strstr(calls(), "stop godwit-source@shop.service\n"));
    OK(gw_units_forget(units, "shop", &err));
    gw_units_free(units);
    while (waitpid(-1, NULL, WNOHANG) > 0) {
    }
}

static void no_systemctl(void **state)
{
    (void)state;
    pid_t pid;
    assert_int_equal(
        gw_systemd_main_pid("/nonexistent/systemctl", "shop", GW_UNIT_SOURCE, &pid, &err), -ENOENT);
    assert_int_equal(gw_systemd_main_pid("/bin/echo", "shop", GW_UNIT_SOURCE, &pid, &err), -EPROTO);
    assert_int_equal(gw_systemd_stop("/bin/false", "shop", GW_UNIT_SOURCE, &err), -EIO);
    assert_non_null(strstr(err.msg, "stop godwit-source@shop.service failed"));
}

static int set_up(void **state)
{
    (void)state;
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof dir, "%.40s/gw-sd-XXXXXX", tmp != NULL ? tmp : "/tmp");
    assert_non_null(mkdtemp(dir));
    snprintf(control, sizeof control, "%s/c.sock", dir);
    return setenv("FAKE_DIR", dir, 1);
}

static int tear_down(void **state)
{
    (void)state;
    static const char *const left[] = { "calls", "godwit-source@shop.pid" };
    for (size_t i = 0; i < GW_ARRAY_SIZE(left); i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", dir, left[i]);
        unlink(path);
    }
    return rmdir(dir);
}

int main(void)
{
    helper = getenv("GODWIT_UNIT_HELPER");
    systemctl = getenv("GODWIT_SYSTEMCTL");
    if (helper == NULL || systemctl == NULL) {
        fprintf(stderr, "GODWIT_UNIT_HELPER and GODWIT_SYSTEMCTL must say where they are\n");
        return 77;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(environment_files),
        cmocka_unit_test(a_unit),
        cmocka_unit_test(no_systemctl),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
