// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "fence/device.h"

#include "base/clock.h"
#include "fence/agent.h"
#include "work/stop.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define STATUS_ON 0
#define STATUS_OFF 2
#define OFF_SHARE 2 / 3 /* of the time: the rest is for looking */
#define LOOK_MS_MIN 100u

const char *gw_fence_verdict_name(enum gw_fence_verdict verdict)
{
    switch (verdict) {
    case GW_FENCE_VERIFIED:
        return "verified";
    case GW_FENCE_UNVERIFIED:
        return "unverified";
    case GW_FENCE_NOT_FENCED:
        return "not-fenced";
    case GW_FENCE_UNKNOWN:
        return "unknown";
    }
    return "unknown";
}

/* One fencing, from its beginning. */
struct fencing {
    const struct gw_fence_device *d;
    const struct gw_fence_how *how;
    struct gw_fence_report *report;
    uint64_t end_ns;
    char said[GW_WORK_TEXT_MAX]; /* what came of switching off */
};

static unsigned left_ms(const struct fencing *f)
{
    uint64_t now = gw_boot_ns();
    return now < f->end_ns ? (unsigned)((f->end_ns - now) / GW_NS_PER_MS) : 0;
}

static unsigned timeout_of(const struct gw_fence_device *d)
{
    return d->timeout_ms != 0 ? d->timeout_ms : GW_FENCE_TIMEOUT_MS;
}

static void conclude(struct fencing *f, enum gw_fence_verdict verdict, const char *seen)
{
    f->report->verdict = verdict;
    snprintf(f->report->text, sizeof f->report->text, "%.120s; off: %.120s", seen, f->said);
}

/* ---- agents -----------------------------------------------------------------------------------
 */

enum seen { SEEN_NOTHING, SEEN_ON, SEEN_OFF };

/* One look. Whatever is not an answer is nothing: 1 is every error of an agent. */
static enum seen look(struct fencing *f, const char *input, char why[GW_WORK_TEXT_MAX])
{
    struct gw_child_result result = { .timeout_ms = 0 };
    struct gw_error err = { 0 };
    unsigned ms = left_ms(f);
    f->report->looks++;
    if (gw_fence_call(f->d, input, ms > LOOK_MS_MIN ? ms : LOOK_MS_MIN, f->how, &result, &err) <
        0) {
        snprintf(why, GW_WORK_TEXT_MAX, "%.255s", err.msg);
        return SEEN_NOTHING;
    }
    enum seen seen = SEEN_NOTHING;
    if (result.end == GW_CHILD_EXITED && result.code == STATUS_OFF)
        seen = SEEN_OFF;
    else if (result.end == GW_CHILD_EXITED && result.code == STATUS_ON)
        seen = SEEN_ON;
    else
        gw_child_result_text(&result, why, GW_WORK_TEXT_MAX);
    gw_child_result_done(&result);
    return seen;
}

/* Until it is off, or the time is over. It is looked at once at least. */
static void await_off(struct fencing *f, const char *input)
{
    char why[GW_WORK_TEXT_MAX] = "", text[GW_FENCE_TEXT_MAX];
    enum seen seen;
    for (;;) {
        seen = look(f, input, why);
        if (seen == SEEN_OFF || left_ms(f) < GW_FENCE_STATUS_POLL_MS ||
            gw_stop_wait(f->how->stop_fd, GW_FENCE_STATUS_POLL_MS))
            break;
    }
    if (seen == SEEN_OFF) {
        conclude(f, GW_FENCE_VERIFIED, "the device is off");
    } else if (seen == SEEN_ON) {
        conclude(f, GW_FENCE_NOT_FENCED, "the device is still on");
    } else {
        snprintf(text, sizeof text, "whether the device is on is not known: %.200s", why);
        conclude(f, GW_FENCE_UNKNOWN, text);
    }
}

static int agent_off(struct fencing *f, struct gw_error *err)
{
    struct gw_fence_metadata m;
    struct gw_child_result result = { .timeout_ms = 0 };
    char *off = NULL, *status = NULL;
    int r = gw_fence_describe(f->d->agent, &m, err);
    if (r < 0)
        return r;
    r = gw_fence_check_params(f->d, &m, err);
    if (r == 0)
        r = gw_fence_input(f->d, &m, GW_FENCE_ACTION_OFF, &off, err);
    if (r == 0)
        r = gw_fence_input(f->d, &m, GW_FENCE_ACTION_STATUS, &status, err);
    gw_fence_metadata_done(&m);
    if (r == 0)
        r = gw_fence_call(f->d, off, left_ms(f) * OFF_SHARE, f->how, &result, err);
    if (r == 0) {
        gw_child_result_text(&result, f->said, sizeof f->said);
        gw_child_result_done(&result);
        await_off(f, status);
    }
    gw_fence_input_free(off);
    gw_fence_input_free(status);
    return r;
}

/* ---- commands ---------------------------------------------------------------------------------
 */

static int run_command(struct fencing *f, const char *const *argv, unsigned timeout_ms,
                       struct gw_child_result *ret, struct gw_error *err)
{
    const struct gw_child_spec spec = { .name = f->d->name,
                                        .argv = argv,
                                        .env = f->how->env,
                                        .timeout_ms = timeout_ms,
                                        .stop_fd = f->how->stop_fd,
                                        .started = f->how->started,
                                        .ctx = f->how->ctx };
    return gw_child_run(&spec, ret, err);
}

static int verify_command(struct fencing *f, struct gw_error *err)
{
    struct gw_child_result result = { .timeout_ms = 0 };
    char why[GW_WORK_TEXT_MAX], text[GW_FENCE_TEXT_MAX];
    unsigned ms = left_ms(f);
    f->report->looks++;
    int r = run_command(f, f->d->verify, ms > LOOK_MS_MIN ? ms : LOOK_MS_MIN, &result, err);
    if (r < 0)
        return r;
    gw_child_result_text(&result, why, sizeof why);
    if (gw_child_ok(&result)) {
        conclude(f, GW_FENCE_VERIFIED, "seen to be closed");
    } else {
        snprintf(text, sizeof text, "it was not seen to be closed: %.200s", why);
        conclude(f, GW_FENCE_UNKNOWN, text);
    }
    gw_child_result_done(&result);
    return 0;
}

static int command_off(struct fencing *f, struct gw_error *err)
{
    struct gw_child_result result = { .timeout_ms = 0 };
    int r = run_command(f, f->d->exec, left_ms(f) * OFF_SHARE, &result, err);
    if (r < 0)
        return r;
    bool ok = gw_child_ok(&result);
    gw_child_result_text(&result, f->said, sizeof f->said);
    gw_child_result_done(&result);
    if (f->d->verify != NULL)
        return verify_command(f, err);
    conclude(f, ok ? GW_FENCE_UNVERIFIED : GW_FENCE_UNKNOWN,
             ok ? "done, and nothing can be looked at" : "it failed");
    return 0;
}

/* ---- for all ----------------------------------------------------------------------------------
 */

int gw_fence_off(const struct gw_fence_device *d, const struct gw_fence_how *how,
                 struct gw_fence_report *ret, struct gw_error *err)
{
    const uint64_t began_ns = gw_boot_ns();
    *ret = (struct gw_fence_report){ .verdict = GW_FENCE_UNKNOWN, .began_wall_ns = gw_wall_ns() };
    struct fencing f = {
        .d = d, .how = how, .report = ret, .end_ns = began_ns + timeout_of(d) * GW_NS_PER_MS
    };
    int r = d->agent != NULL ? agent_off(&f, err) : command_off(&f, err);
    ret->took_ns = gw_boot_ns() - began_ns;
    if (r < 0 && err != NULL)
        snprintf(ret->text, sizeof ret->text, "%.255s", err->msg);
    return r;
}

static int monitor_agent(const struct gw_fence_device *d, const struct gw_fence_how *how,
                         struct gw_error *err)
{
    struct gw_fence_metadata m;
    struct gw_child_result result = { .timeout_ms = 0 };
    char *input = NULL, text[GW_WORK_TEXT_MAX];
    int r = gw_fence_describe(d->agent, &m, err);
    if (r < 0)
        return r;
    bool monitors = m.monitor;
    r = gw_fence_check_params(d, &m, err);
    if (r == 0)
        r = gw_fence_input(d, &m, monitors ? GW_FENCE_ACTION_MONITOR : GW_FENCE_ACTION_STATUS,
                           &input, err);
    gw_fence_metadata_done(&m);
    if (r == 0)
        r = gw_fence_call(d, input, timeout_of(d), how, &result, err);
    gw_fence_input_free(input);
    if (r < 0)
        return r;
    gw_child_result_text(&result, text, sizeof text);
    if (!gw_child_ok(&result) &&
        (monitors || result.end != GW_CHILD_EXITED || result.code != STATUS_OFF))
        r = gw_error_set(err, -EIO, "%s does not answer: %s", d->name, text);
    gw_child_result_done(&result);
    return r;
}

/* A command cannot be tried without being done; that it can be executed is seen. */
static int monitor_command(const struct gw_fence_device *d, struct gw_error *err)
{
    const char *const *all[] = { d->exec, d->verify };
    for (int i = 0; i < 2; i++) {
        int r = all[i] != NULL ? gw_child_findable(all[i][0], err) : 0;
        if (r < 0)
            return gw_error_wrap(err, "%s", d->name);
    }
    return 0;
}

int gw_fence_monitor(const struct gw_fence_device *d, const struct gw_fence_how *how,
                     struct gw_error *err)
{
    return d->agent != NULL ? monitor_agent(d, how, err) : monitor_command(d, err);
}
