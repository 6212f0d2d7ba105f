// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* resync, verify: work of a source that takes long and is watched. */
#include "base/clock.h"
#include "base/size.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define POLL_NS (100 * GW_NS_PER_MS)

/*
 * Look at the status until `look` says something but 1, or --timeout is over (-ETIME: the work goes
 * on). *ret is the last status.
 */
static int wait_status(struct gw_term *c,
                       int (*look)(struct gw_term *c, const json_t *o, void *arg), void *arg,
                       json_t **ret)
{
    unsigned ms;
    int r = ctl_timeout(c, 0, &ms);
    if (r != 0)
        return r;
    uint64_t begin = gw_boot_ns();
    for (;;) {
        CLEANUP_JSON json_t *o = NULL;
        r = ctl_status(c, &o);
        if (r < 0)
            return gw_error_wrap(&c->err, "the %s may go on, but cannot be watched",
                                 c->args.command->name);
        gw_term_on_interrupt(GW_EXIT_CANCELLED,
                             "stopped waiting; the work goes on, the status shows it");
        r = look(c, o, arg);
        if (r != 1) {
            *ret = json_incref(o);
            return r;
        }
        if (ms != 0 && gw_boot_ns() - begin >= ms * GW_NS_PER_MS)
            return gw_error_set(&c->err, -ETIME, "the %s is not done after %u ms; it goes on",
                                c->args.command->name, ms);
        nanosleep(&(struct timespec){ 0, (long)POLL_NS }, NULL);
    }
}

/* The part of the status that answers the command, named as there. */
static void keep(struct gw_term *c, const json_t *status, const char *key)
{
    json_decref(c->result);
    c->result = json_pack("{s:O, s:O}", key, json_object_get(status, key), "replication",
                          json_object_get(status, "replication"));
}

/* ---- verify -----------------------------------------------------------------------------------
 */

static int look_verify(struct gw_term *c, const json_t *o, void *arg)
{
    gw_term_progress(arg, gw_term_number(o, "verify.checked_bytes"),
                     gw_term_number(o, "verify.total_bytes"));
    if (gw_term_true(o, "verify.running"))
        return 1;
    if (gw_term_true(o, "verify.done"))
        return 0;
    return gw_error_set(
        &c->err, -ENOLINK,
        "the verify ended without having compared everything: replication is %s%s%s",
        gw_term_text(o, "replication"), gw_term_text(o, "reason")[0] != '\0' ? ", " : "",
        gw_term_text(o, "reason"));
}

static int verify_wait(struct gw_term *c)
{
    struct gw_term_progress progress = { .what = "verify", .quiet = c->json };
    CLEANUP_JSON json_t *status = NULL;
    int r = wait_status(c, look_verify, &progress, &status);
    gw_term_progress_end(&progress);
    if (r != 0)
        return r;
    keep(c, status, "verify");
    unsigned long long differ = gw_term_number(status, "verify.differing_blocks");
    char size[GW_SIZE_TEXT];
    gw_size_format(gw_term_number(status, "verify.total_bytes"), size);
    if (!c->json && differ == 0)
        gw_term_say("Verified: %s, both sides are equal.", size);
    else if (!c->json)
        gw_term_say(
            "%llu blocks differ; they are marked dirty and are sent again (godwit-ctl resync "
            "does it now).",
            differ);
    return differ == 0 ? GW_EXIT_OK : GW_EXIT_FAILED;
}

int ctl_cmd_verify(struct gw_term *c)
{
    uint64_t rate = 0;
    if (gw_term_arg_size(&c->args, "rate", &rate, &c->err) < 0)
        return GW_EXIT_USAGE;
    if (rate > INT64_MAX)
        return gw_term_usage(c, "--rate is too large");
    int r = ctl_call(c, json_pack("{s:s, s:I}", "cmd", "verify", "rate_bytes", (json_int_t)rate),
                     CTL_TIMEOUT_MS_DEFAULT, &c->result);
    if (r != 0)
        return r;
    if (gw_term_flag(&c->args, "wait"))
        return verify_wait(c);
    if (!c->json)
        gw_term_say("The verify runs; the status shows its progress.");
    return GW_EXIT_OK;
}

/* ---- resync -----------------------------------------------------------------------------------
 */

static int look_resync(struct gw_term *c, const json_t *o, void *arg)
{
    const char *repl = gw_term_text(o, "replication"), *service = gw_term_text(o, "service");
    uint64_t total = gw_term_number(o, "resync.total_bytes"),
             left = gw_term_number(o, "resync.left_bytes");
    bool copying = strcmp(repl, "resync") == 0 || strcmp(repl, "seeding") == 0;
    if (copying && total > 0)
        gw_term_progress(arg, total > left ? total - left : 0, total);
    if (strcmp(repl, "assessing") == 0 && gw_term_true(o, "assess.done") &&
        gw_term_true(o, "verdict.diverged")) {
        gw_error_set(&c->err, -EAGAIN,
                     "%llu blocks of a divergent tail at %s wait for a signature: a person says "
                     "godwit-ctl divergence sign --by NAME on the socket there",
                     (unsigned long long)gw_term_number(o, "assess.tail_blocks"),
                     gw_term_text(o, "verdict.target"));
        return GW_EXIT_WAITING;
    }
    if (strcmp(service, "serving") != 0 && strcmp(service, "quiesced") != 0)
        return gw_error_set(&c->err, -EPERM, "the source is %s: %s", service,
                            gw_term_text(o, "reason"));
    /* The old session may still be seen for a moment; then its bits are, too. */
    bool follows = strcmp(repl, "async") == 0 || strcmp(repl, "sync") == 0;
    bool clean = gw_term_number(o, "dirty_blocks") == 0 && gw_term_number(o, "coarse_extents") == 0;
    return follows && clean ? 0 : 1;
}

static int resync_wait(struct gw_term *c)
{
    struct gw_term_progress progress = { .what = "resync", .quiet = c->json };
    CLEANUP_JSON json_t *status = NULL;
    int r = wait_status(c, look_resync, &progress, &status);
    gw_term_progress_end(&progress);
    if (r != 0)
        return r;
    keep(c, status, "resync");
    if (!c->json) {
        char sent[GW_SIZE_TEXT];
        gw_size_format(gw_term_number(status, "resync.sent_bytes"), sent);
        gw_term_say("The peer follows (%s); %s were sent by resyncs.",
                    gw_term_text(status, "replication"), sent);
    }
    return GW_EXIT_OK;
}

int ctl_cmd_resync(struct gw_term *c)
{
    int r =
        ctl_call(c, json_pack("{s:s, s:b}", "cmd", "resync", "all", gw_term_flag(&c->args, "all")),
                 CTL_TIMEOUT_MS_DEFAULT, &c->result);
    if (r != 0)
        return r;
    if (gw_term_flag(&c->args, "wait"))
        return resync_wait(c);
    if (!c->json)
        gw_term_say("A new session begins; the status shows its progress.");
    return GW_EXIT_OK;
}
