// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Signals belong to the process: this is the one place where the demo has state of that kind. */
static int event_fd = -1;
static volatile sig_atomic_t came;

static void on_signal(int sig)
{
    (void)sig;
    came = 1;
    int saved = errno;
    uint64_t one = 1;
    ssize_t n = write(event_fd, &one, sizeof one);
    (void)n; /* full means that it is readable already */
    errno = saved;
}

int interrupt_install(struct gw_error *err)
{
    event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event_fd < 0)
        return gw_error_errno(err, -errno, "cannot make an event descriptor");
    const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++)
        sigaction(signals[i], &action, NULL);
    /* A reader of the story that goes away, or a peer of a socket, must not end us unclean. */
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

int interrupt_fd(void)
{
    return event_fd;
}

bool interrupt_came(void)
{
    return came != 0;
}

int interrupt_error(struct gw_error *err)
{
    return gw_error_set(err, -ECANCELED, "interrupted");
}
