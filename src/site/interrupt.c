// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/interrupt.h"

#include "base/clock.h"
#include "site/runstore.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int watch(int epoll, int fd, struct gw_error *err)
{
    struct epoll_event e = { .events = EPOLLIN };
    return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) == 0
               ? 0
               : gw_error_errno(err, -errno, "cannot wait for an interruption");
}

static int set_timer(struct site_interrupt *in, uint64_t until_ns, struct gw_error *err)
{
    struct itimerspec at = { .it_value = { .tv_sec = (time_t)(until_ns / GW_NS_PER_S),
                                           .tv_nsec = (long)(until_ns % GW_NS_PER_S) } };
    in->timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (in->timer < 0 || timerfd_settime(in->timer, TFD_TIMER_ABSTIME, &at, NULL) < 0)
        return gw_error_errno(err, -errno, "cannot make a timer");
    return watch(in->fd, in->timer, err);
}

/* It may have been asked for just before there was somebody to be interrupted. */
static bool asked_already(struct site *s, const char *run)
{
    struct gw_run_request q = { .choice = GW_CHOICE_NONE };
    struct gw_error none = { 0 };
    return site_run_store.request_next(s->catalog, run, &q, &none) > 0 &&
           q.choice == GW_CHOICE_CANCEL;
}

int site_interrupt_init(struct site_interrupt *ret, struct site *s, const char *run,
                        uint64_t until_boot_ns, struct gw_error *err)
{
    *ret = (struct site_interrupt){ .site = s, .run = run, .timer = -1 };
    ret->fd = epoll_create1(EPOLL_CLOEXEC);
    if (ret->fd < 0)
        return gw_error_errno(err, -errno, "cannot wait for an interruption");
    int r = gw_stop_new(&ret->cancel, err);
    if (r == 0)
        r = watch(ret->fd, gw_stop_fd(s->stop), err);
    if (r == 0)
        r = watch(ret->fd, gw_stop_fd(ret->cancel), err);
    if (r == 0 && until_boot_ns != 0)
        r = set_timer(ret, until_boot_ns, err);
    if (r < 0)
        return r;
    {
        LOCK_SCOPE(&s->mu);
        ret->next = s->interrupts;
        s->interrupts = ret;
    }
    if (asked_already(s, run))
        gw_stop_set(ret->cancel);
    return 0;
}

void site_interrupt_done(struct site_interrupt *in)
{
    {
        LOCK_SCOPE(&in->site->mu);
        struct site_interrupt **at = &in->site->interrupts;
        while (*at != NULL && *at != in)
            at = &(*at)->next;
        if (*at == in)
            *at = in->next;
    }
    gw_stop_free(in->cancel);
    if (in->timer >= 0)
        close(in->timer);
    if (in->fd >= 0)
        close(in->fd);
}

void site_interrupt_run(struct site *s, const char *run)
{
    LOCK_SCOPE(&s->mu);
    for (struct site_interrupt *in = s->interrupts; in != NULL; in = in->next) {
        if (strcmp(in->run, run) == 0)
            gw_stop_set(in->cancel);
    }
}
