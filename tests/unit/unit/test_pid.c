// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "unit/pid.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static bool parse(const char *text, uint64_t *ret)
{
    return gw_pid_parse_stat(text, strlen(text), ret);
}

static void lines(void **state)
{
    (void)state;
    uint64_t t = 7;
#define TAIL " 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 "
    assert_true(parse("12 (a) S" TAIL "99 0 0", &t));
    assert_int_equal(t, 99);
    /* A name may look like anything. */
    assert_true(parse("12 (a) S 1 2) Z (x) R" TAIL "1234", &t));
    assert_int_equal(t, 1234);
    assert_false(parse("12 (a) Z" TAIL "5", &t)); /* ended, not waited for */
    assert_false(parse("12 (a) X" TAIL "5", &t));
    assert_false(parse("12 (a) S 1 2 3", &t));
    assert_false(parse("12 (a) S" TAIL, &t));
    assert_false(parse("12 (a) S" TAIL "99999999999999999999999", &t));
    assert_false(parse("12 (a)", &t));
    assert_false(parse("", &t));
    assert_int_equal(t, 1234);
}

static pid_t child(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    assert_true(pid > 0);
    return pid;
}

static void one_process(void **state)
{
    (void)state;
    struct gw_pid id, other;
    struct gw_error err;
    pid_t pid = child();
    int fd = -1;
    assert_int_equal(gw_pid_of(pid, &id, &err), 0);
    assert_int_equal(id.pid, pid);
    assert_int_equal(gw_pid_open(&id, &fd, &err), 0);
    assert_false(gw_pid_ended(fd));
    /* The same number, another start or another boot: somebody else. */
    int none = -1;
    other = id;
    other.start_ticks++;
    assert_int_equal(gw_pid_open(&other, &none, &err), -ESRCH);
    assert_non_null(strstr(err.msg, "another one's"));
    other = id;
    other.boot.b[0] ^= 1;
    assert_int_equal(gw_pid_open(&other, &none, &err), -ESRCH);
    assert_int_equal(none, -1);
    assert_int_equal(gw_pid_signal(fd, SIGKILL), 0);
    struct pollfd p = { .fd = fd, .events = POLLIN };
    assert_int_equal(poll(&p, 1, 5000), 1);
    assert_true(gw_pid_ended(fd));
    /* A zombie has ended. */
    assert_int_equal(gw_pid_of(pid, &other, &err), -ESRCH);
    assert_int_equal(gw_pid_open(&id, &none, &err), -ESRCH);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(gw_pid_of(pid, &other, &err), -ESRCH);
    assert_int_equal(gw_pid_open(&id, &none, &err), -ESRCH);
    assert_int_equal(gw_pid_signal(fd, SIGKILL), -ESRCH);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines),
        cmocka_unit_test(one_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
