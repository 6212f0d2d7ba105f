// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What is common to all routes: look, apply, look until it is so. As in driver.c, what was seen
 * decides. */
#include "work/route.h"

#include "base/clock.h"
#include "work/command.h"
#include "work/driver_internal.h"
#include "work/stop.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const struct gw_route_driver *const gw_route_drivers[] = { &gw_route_exec, NULL };

const struct gw_route_driver *gw_route_driver_find(const char *name)
{
    for (size_t i = 0; gw_route_drivers[i] != NULL; i++) {
        if (strcmp(gw_route_drivers[i]->name, name != NULL ? name : "exec") == 0)
            return gw_route_drivers[i];
    }
    return NULL;
}

int gw_route_check(const struct gw_work_route *r, struct gw_error *err)
{
    const struct gw_route_driver *d = gw_route_driver_find(r->driver);
    if (r->name == NULL || r->name[0] == '\0' || strlen(r->name) >= GW_WORK_NAME_MAX)
        return gw_error_set(err, -EINVAL, "a route without a name, or with one too long");
    if (d == NULL)
        return gw_error_set(err, -EINVAL, "route \"%s\": there is no driver \"%s\"", r->name,
                            r->driver);
    int code = d->check(r, err);
    return code < 0 ? gw_error_wrap(err, "route \"%s\"", r->name) : 0;
}

/* ---- one call -------------------------------------------------------------------------------- */

struct call {
    const struct gw_work_route *r;
    const struct gw_work *w;
    const struct gw_route_driver *driver;
    struct gw_route_report *report;
    uint64_t begun_ns, deadline_ns;
    struct gw_error blind; /* why the last look saw nothing; code 0: it did */
};

__attribute__((format(printf, 3, 4))) static void say(struct call *c, enum gw_work_outcome outcome,
                                                      const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(c->report->text, sizeof c->report->text, fmt, ap);
    va_end(ap);
    gw_output_scrub(c->report->text);
    c->report->outcome = outcome;
    c->report->took_ns = gw_boot_ns() - c->begun_ns;
}

static bool begin(struct call *c)
{
    const unsigned ms = c->r->timeout_ms > 0 ? c->r->timeout_ms : GW_ROUTE_TIMEOUT_MS;
    struct gw_error err = { 0 };
    *c->report = (struct gw_route_report){ .outcome = GW_WORK_NOT_BEGUN };
    snprintf(c->report->name, sizeof c->report->name, "%s", c->r->name != NULL ? c->r->name : "");
    c->begun_ns = gw_boot_ns();
    c->deadline_ns = c->begun_ns + ms * GW_NS_PER_MS;
    if (gw_route_check(c->r, &err) < 0) {
        say(c, GW_WORK_FAILED, "%.*s", (int)GW_WORK_TEXT_MAX - 1, err.msg);
        return false;
    }
    c->driver = gw_route_driver_find(c->r->driver);
    return c->driver != NULL;
}

static void look(struct call *c)
{
    const uint64_t deadline_ns = gw_boot_ns() + GW_STATUS_TIMEOUT_MS * GW_NS_PER_MS;
    c->blind = (struct gw_error){ .code = 0 };
    int code = c->driver->observe(c->r, c->w, deadline_ns, c->report->site, &c->blind);
    if (code < 0)
        c->report->site[0] = '\0';
    else
        c->report->seen_boot_ns = gw_boot_ns();
    c->report->cancelled = gw_stop_wanted(c->w->stop_fd);
}

/* "is at lisbon", or why nobody knows. */
static void how_it_is(const struct call *c, char ret[GW_WORK_TEXT_MAX])
{
    if (c->report->site[0] != '\0')
        snprintf(ret, GW_WORK_TEXT_MAX, "it leads to \"%s\"", c->report->site);
    else
        snprintf(ret, GW_WORK_TEXT_MAX, "nobody knows where it leads: %.200s", c->blind.msg);
}

static void follow(struct call *c, const char *site)
{
    const unsigned poll_ms = c->r->poll_ms > 0 ? c->r->poll_ms : GW_ROUTE_POLL_MS;
    char how[GW_WORK_TEXT_MAX];
    for (;;) {
        look(c);
        how_it_is(c, how);
        if (strcmp(c->report->site, site) == 0) {
            say(c, GW_WORK_DONE, "%s", how);
            return;
        }
        if (c->report->cancelled || gw_stop_wait(c->w->stop_fd, poll_ms)) {
            c->report->cancelled = true;
            say(c, GW_WORK_UNKNOWN, "cancelled after it was set; %.200s", how);
            return;
        }
        if (gw_boot_ns() >= c->deadline_ns) {
            say(c, GW_WORK_UNKNOWN, "%.3g s after it was set %.200s",
                (double)(gw_boot_ns() - c->begun_ns) / (double)GW_NS_PER_S, how);
            return;
        }
    }
}

static void judge(struct call *c, const char *site, const struct gw_error *refusal)
{
    char how[GW_WORK_TEXT_MAX];
    bool unknown = refusal->code == -ETIMEDOUT || refusal->code == -ECANCELED;
    look(c);
    how_it_is(c, how);
    if (refusal->code == -ECANCELED)
        c->report->cancelled = true;
    if (strcmp(c->report->site, site) == 0)
        say(c, GW_WORK_DONE, "%s, although %.180s", how, refusal->msg);
    else
        say(c, unknown || c->blind.code < 0 ? GW_WORK_UNKNOWN : GW_WORK_FAILED, "%.160s; %s",
            refusal->msg, how);
}

/* ---- the calls ------------------------------------------------------------------------------- */

void gw_route_apply(const struct gw_work_route *r, const char *site, const struct gw_work *w,
                    struct gw_route_report *ret)
{
    struct call c = { .r = r, .w = w, .report = ret };
    struct gw_error err = { 0 };
    if (!begin(&c))
        return;
    look(&c);
    if (strcmp(ret->site, site) == 0) {
        say(&c, GW_WORK_ALREADY, "it leads to \"%s\"", site);
        return;
    }
    if (gw_stop_wanted(w->stop_fd)) {
        ret->cancelled = true;
        say(&c, GW_WORK_NOT_BEGUN, "cancelled before it was set");
        return;
    }
    if (c.driver->apply(r, site, w, c.deadline_ns, &err) < 0)
        judge(&c, site, &err);
    else
        follow(&c, site);
}

void gw_route_observe(const struct gw_work_route *r, const struct gw_work *w,
                      struct gw_route_report *ret)
{
    struct call c = { .r = r, .w = w, .report = ret };
    char how[GW_WORK_TEXT_MAX];
    if (!begin(&c))
        return;
    look(&c);
    how_it_is(&c, how);
    say(&c, ret->site[0] != '\0' ? GW_WORK_DONE : GW_WORK_UNKNOWN, "%s", how);
}
