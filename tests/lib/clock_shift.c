// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Preloaded into a daemon under test: its wall clock is off by what a file says, and can be set
 * while it runs. Boot time stays what it is, as it does when a machine's clock is set.
 *
 *     GODWIT_CLOCK_SHIFT=FILE    8 bytes: nanoseconds, signed, in this machine's order
 *
 * (libfaketime would do it for time(2) and its kin as well, but it also wraps sleeping and waiting,
 * and goes badly with a sanitizer's own wrappers of these.)
 *
 * What the daemon starts is not affected: the preload ends here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000ll

static const volatile int64_t *shift_ns;

static __attribute__((constructor)) void map_shift(void)
{
    const char *path = getenv("GODWIT_CLOCK_SHIFT");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0) {
        void *at = mmap(NULL, sizeof *shift_ns, PROT_READ, MAP_SHARED, fd, 0);
        shift_ns = at != MAP_FAILED ? at : NULL;
        close(fd);
    }
    unsetenv("LD_PRELOAD");
    unsetenv("GODWIT_CLOCK_SHIFT");
}

static int64_t wall_ns(void)
{
    struct timespec t = { 0 };
    syscall(SYS_clock_gettime, CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * NS_PER_S + t.tv_nsec + (shift_ns != NULL ? *shift_ns : 0);
}

int clock_gettime(clockid_t clock, struct timespec *ret)
{
    if (clock != CLOCK_REALTIME && clock != CLOCK_REALTIME_COARSE)
        return (int)syscall(SYS_clock_gettime, clock, ret);
    int64_t ns = wall_ns();
    ret->tv_sec = ns / NS_PER_S;
    ret->tv_nsec = ns % NS_PER_S;
    return 0;
}

time_t time(time_t *ret)
{
    time_t now = wall_ns() / NS_PER_S;
    if (ret != NULL)
        *ret = now;
    return now;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
    (void)zone;
    int64_t ns = wall_ns();
    ret->tv_sec = ns / NS_PER_S;
    ret->tv_usec = ns % NS_PER_S / 1000;
    return 0;
}
