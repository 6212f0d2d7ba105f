// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Notices to people: webhooks and commands, sent by a thread of their own, in order, with limits
 * in time and number. A run posts and goes on; whether anybody was reached is told to a callback.
 *
 *     gw_notifier_new(done, ctx, &notifier, err)
 *     gw_notifier_post(notifier, contacts, n, &notice, err)     never waits; all is copied
 *     gw_notifier_free(notifier, wait_ms)       what is not sent by then is given up, and told
 *
 * A webhook is a POST of the notice as JSON; any status 2xx means that it was taken. A command gets
 * the notice in its environment: GODWIT_EVENT, GODWIT_SEVERITY, GODWIT_SITE, GODWIT_PLAN,
 * GODWIT_RUN, GODWIT_SUBJECT, GODWIT_TEXT, GODWIT_TIME, and GODWIT_NOTICE, the JSON. Each is tried
 * up to GW_NOTICE_TRIES times. When GW_NOTICE_QUEUE_MAX wait, the oldest is given up, and told.
 *
 * The JSON: {"event", "severity", "time", "site", "plan", "run", "contact", "subject", "text"}, all
 * strings; plan and run are left out where there are none.
 *
 * A webhook's address may hold a secret: sentences show its scheme and host alone.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gw_work_contact {
    const char *name;
    const char *webhook;        /* URL; or */
    const char *const *command; /* argv */
};

struct gw_notice {
    const char *event;    /* "failback.scheduled" */
    const char *severity; /* "info", "warning", "critical" */
    const char *site;
    const char *plan, *run; /* may be NULL */
    const char *subject;    /* one line */
    const char *text;       /* may be NULL */
    uint64_t wall_ns;
};

struct gw_notifier;

/* From the notifier's thread (or the poster's, for what was dropped): one contact was reached, or
 * not and why. May be NULL. */
typedef void gw_notice_done_fn(void *ctx, const char *contact, const char *event, bool reached,
                               const char *text);

int gw_notifier_new(gw_notice_done_fn *done, void *ctx, struct gw_notifier **ret,
                    struct gw_error *err);
int gw_notifier_post(struct gw_notifier *nt, const struct gw_work_contact *contacts, size_t n,
                     const struct gw_notice *notice, struct gw_error *err);
/* Waits for at most wait_ms for what is queued; a command that runs then is ended. */
void gw_notifier_free(struct gw_notifier *nt, unsigned wait_ms);

/* At once, in this thread, one try: what a plan's test of its contacts uses. 0: reached. */
int gw_contact_send(const struct gw_work_contact *contact, const struct gw_notice *notice,
                    int stop_fd, struct gw_error *err);
/* The notice as JSON, malloc'ed; NULL: no memory. `contact` may be NULL. */
char *gw_notice_json(const struct gw_notice *notice, const char *contact);
int gw_contact_check(const struct gw_work_contact *contact, struct gw_error *err);
