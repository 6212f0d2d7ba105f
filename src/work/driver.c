// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What is common to all drivers: look; if it is not so, ask; look until it is so, or time is over.
 * What was asked and what was seen are two things, and only the second decides the outcome.
 */
#include "work/driver.h"

#include "base/clock.h"
#include "work/command.h"
#include "work/driver_internal.h"
#include "work/stop.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct gw_work_driver *const gw_drivers[] = { &gw_driver_exec, NULL };

const char *gw_instance_state_name(enum gw_instance_state state)
{
    static const char *const names[GW_INSTANCE_STATE_MAX] = {
        [GW_INSTANCE_UNKNOWN] = "UNKNOWN",
        [GW_INSTANCE_STOPPED] = "STOPPED",
        [GW_INSTANCE_RUNNING] = "RUNNING",
        [GW_INSTANCE_FAILED] = "FAILED",
    };
    return names[state];
}

const char *gw_work_outcome_name(enum gw_work_outcome outcome)
{
    static const char *const names[GW_WORK_MAX] = {
        [GW_WORK_NOT_BEGUN] = "not-begun", [GW_WORK_DONE] = "done",
        [GW_WORK_ALREADY] = "already",     [GW_WORK_FAILED] = "failed",
        [GW_WORK_UNKNOWN] = "unknown",
    };
    return names[outcome];
}

const struct gw_work_driver *gw_driver_find(const char *name)
{
    for (size_t i = 0; gw_drivers[i] != NULL; i++) {
        if (strcmp(gw_drivers[i]->name, name != NULL ? name : "exec") == 0)
            return gw_drivers[i];
    }
    return NULL;
}

int gw_instance_check(const struct gw_work_instance *i, struct gw_error *err)
{
    const struct gw_work_driver *d = gw_driver_find(i->driver);
    if (i->name == NULL || i->name[0] == '\0' || strlen(i->name) >= GW_WORK_NAME_MAX)
        return gw_error_set(err, -EINVAL, "an instance without a name, or with one too long");
    if (d == NULL)
        return gw_error_set(err, -EINVAL, "instance \"%s\": there is no driver \"%s\"", i->name,
                            i->driver);
    int r = d->check(i, err);
    return r < 0 ? gw_error_wrap(err, "instance \"%s\"", i->name) : 0;
}

/* ---- one call -------------------------------------------------------------------------------- */

struct call {
    const struct gw_work_instance *i;
    const struct gw_work *w;
    const struct gw_work_driver *driver;
    struct gw_instance_report *report;
    uint64_t begun_ns, deadline_ns;
    char seen[GW_WORK_TEXT_MAX]; /* what the last look saw */
};

static unsigned or_default(unsigned given, unsigned otherwise)
{
    return given > 0 ? given : otherwise;
}

__attribute__((format(printf, 3, 4))) static void say(struct call *c, enum gw_work_outcome outcome,
                                                      const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->report->text, sizeof c->report->text, fmt, ap);
    va_end(ap);
    gw_output_scrub(c->report->text); /* cut, perhaps in the middle of a character */
    c->report->outcome = outcome;
    c->report->took_ns = gw_boot_ns() - c->begun_ns;
}

/* False: the instance is incomplete, and the report says so. */
static bool begin(struct call *c, unsigned timeout_ms)
{
    struct gw_error err = { 0 };
    *c->report = (struct gw_instance_report){ .outcome = GW_WORK_NOT_BEGUN };
    snprintf(c->report->name, sizeof c->report->name, "%s", c->i->name != NULL ? c->i->name : "");
    snprintf(c->report->group, sizeof c->report->group, "%s",
             c->i->group != NULL ? c->i->group : "");
    c->begun_ns = gw_boot_ns();
    c->deadline_ns = c->begun_ns + timeout_ms * GW_NS_PER_MS;
    if (gw_instance_check(c->i, &err) < 0) {
        say(c, GW_WORK_FAILED, "%.*s", GW_WORK_TEXT_MAX - 1, err.msg);
        return false;
    }
    c->driver = gw_driver_find(c->i->driver);
    return c->driver != NULL;
}

static enum gw_instance_state look(struct call *c)
{
    unsigned ms = or_default(c->i->status_timeout_ms, GW_STATUS_TIMEOUT_MS);
    uint64_t deadline_ns = gw_boot_ns() + ms * GW_NS_PER_MS;
    enum gw_instance_state state = c->driver->status(c->i, c->w, deadline_ns, c->seen);
    c->report->state = state;
    c->report->cancelled = gw_stop_wanted(c->w->stop_fd);
    if (state != GW_INSTANCE_UNKNOWN)
        c->report->seen_boot_ns = gw_boot_ns();
    return state;
}

/* What an action is about: the two of them differ in nothing else. */
struct aim {
    const char *verb;
    int (*ask)(const struct gw_work_instance *i, const struct gw_work *w, uint64_t deadline_ns,
               struct gw_error *err);
    enum gw_instance_state already;      /* in this state there is nothing to ask for */
    bool reached[GW_INSTANCE_STATE_MAX]; /* in this state it is done */
    bool lost[GW_INSTANCE_STATE_MAX];    /* in this state there is nothing to wait for */
};

/* Look until it is so. */
static void follow(struct call *c, const struct aim *aim)
{
    const unsigned poll_ms = or_default(c->i->poll_ms, GW_STATUS_POLL_MS);
    for (;;) {
        enum gw_instance_state state = look(c);
        const char *name = gw_instance_state_name(state);
        if (aim->reached[state]) {
            say(c, GW_WORK_DONE, "%s", name);
            return;
        }
        if (aim->lost[state]) {
            say(c, GW_WORK_FAILED, "%s after %s: %.180s", name, aim->verb, c->seen);
            return;
        }
        if (c->report->cancelled || gw_stop_wait(c->w->stop_fd, poll_ms)) {
            c->report->cancelled = true;
            say(c, GW_WORK_UNKNOWN, "cancelled while it was %s after %s", name, aim->verb);
            return;
        }
        if (gw_boot_ns() >= c->deadline_ns) {
            say(c, GW_WORK_UNKNOWN, "still %s %.3g s after %s: %.160s", name,
                (double)(gw_boot_ns() - c->begun_ns) / (double)GW_NS_PER_S, aim->verb, c->seen);
            return;
        }
    }
}

/* What was asked was not accepted, or nobody knows: one look says what became of it. */
static void judge(struct call *c, const struct aim *aim, const struct gw_error *refusal)
{
    enum gw_instance_state state = look(c);
    const char *name = gw_instance_state_name(state);
    bool unknown = refusal->code == -ETIMEDOUT || refusal->code == -ECANCELED;
    if (refusal->code == -ECANCELED)
        c->report->cancelled = true;
    if (aim->reached[state])
        say(c, GW_WORK_DONE, "%s, although %.180s", name, refusal->msg);
    else if (unknown || state == GW_INSTANCE_UNKNOWN)
        say(c, GW_WORK_UNKNOWN, "%s; %.180s", name, refusal->msg);
    else
        say(c, GW_WORK_FAILED, "%s; %.180s", name, refusal->msg);
}

static void reach(struct call *c, const struct aim *aim)
{
    struct gw_error err = { 0 };
    enum gw_instance_state state = look(c);
    if (state == aim->already) {
        say(c, GW_WORK_ALREADY, "%s", gw_instance_state_name(state));
        return;
    }
    if (gw_stop_wanted(c->w->stop_fd)) {
        c->report->cancelled = true;
        say(c, GW_WORK_NOT_BEGUN, "cancelled before %s", aim->verb);
        return;
    }
    if (aim->ask(c->i, c->w, c->deadline_ns, &err) < 0)
        judge(c, aim, &err);
    else
        follow(c, aim);
}

/* ---- the calls ------------------------------------------------------------------------------- */

void gw_instance_start(const struct gw_work_instance *i, const struct gw_work *w,
                       struct gw_instance_report *ret)
{
    struct call c = { .i = i, .w = w, .report = ret };
    if (!begin(&c, or_default(i->start_timeout_ms, GW_START_TIMEOUT_MS)))
        return;
    const struct aim aim = { .verb = "start",
                             .ask = c.driver->start,
                             .already = GW_INSTANCE_RUNNING,
                             .reached = { [GW_INSTANCE_RUNNING] = true },
                             .lost = { [GW_INSTANCE_FAILED] = true } };
    reach(&c, &aim);
}

/* FAILED is not running, which is what matters here; but it is asked to stop once, because there
 * may be remains of it. */
void gw_instance_stop(const struct gw_work_instance *i, const struct gw_work *w,
                      struct gw_instance_report *ret)
{
    struct call c = { .i = i, .w = w, .report = ret };
    if (!begin(&c, or_default(i->stop_timeout_ms, GW_STOP_TIMEOUT_MS)))
        return;
    const struct aim aim = { .verb = "stop",
                             .ask = c.driver->stop,
                             .already = GW_INSTANCE_STOPPED,
                             .reached = {
                                 [GW_INSTANCE_STOPPED] = true, [GW_INSTANCE_FAILED] = true } };
    reach(&c, &aim);
}

void gw_instance_status(const struct gw_work_instance *i, const struct gw_work *w,
                        struct gw_instance_report *ret)
{
    struct call c = { .i = i, .w = w, .report = ret };
    if (!begin(&c, 0))
        return;
    enum gw_instance_state state = look(&c);
    if (state == GW_INSTANCE_UNKNOWN)
        say(&c, GW_WORK_UNKNOWN, "%s", c.seen);
    else
        say(&c, GW_WORK_DONE, "%s", gw_instance_state_name(state));
}
