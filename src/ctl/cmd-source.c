// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Commands of a source: who may write, and the handover. And stop, of both processes. */
#include "base/size.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <string.h>

#define HOLD_MS_DEFAULT 10000u
#define EQUAL_MS_DEFAULT 30000u

/* A command whose time the process itself keeps: its answer may come a little later. */
static int ask_timed(struct gw_term *c, const char *command, unsigned default_ms)
{
    unsigned ms;
    int r = ctl_timeout(c, default_ms, &ms);
    if (r != 0)
        return r;
    return ctl_call(c, json_pack("{s:s, s:i}", "cmd", command, "timeout_ms", (int)ms),
                    ms + CTL_TIMEOUT_MARGIN_MS, &c->result);
}

static int confirm(struct gw_term *c, const char *consequence)
{
    if (gw_term_flag(&c->args, "yes"))
        return 0;
    CLEANUP_JSON json_t *status = NULL;
    int r = ctl_status(c, &status);
    return r < 0 ? r : gw_term_confirm(c, "plan", gw_term_text(status, "plan"), consequence);
}

static void say(const struct gw_term *c, const char *sentence)
{
    if (!c->json)
        gw_term_say("%s", sentence);
}

int ctl_cmd_quiesce(struct gw_term *c)
{
    int r = ask_timed(c, "quiesce", HOLD_MS_DEFAULT);
    if (r == 0)
        say(c, "Quiesced: no write is in flight, new ones wait. Go on with unquiesce.");
    return r;
}

int ctl_cmd_unquiesce(struct gw_term *c)
{
    int r = ask_timed(c, "unquiesce", HOLD_MS_DEFAULT);
    if (r == 0)
        say(c, "Writes go on.");
    return r;
}

static void say_token(const struct gw_term *c)
{
    if (c->json)
        return;
    gw_term_row("token", "epoch %llu, seq %llu, chain %s",
                (unsigned long long)gw_term_number(c->result, "token.epoch"),
                (unsigned long long)gw_term_number(c->result, "token.seq"),
                gw_term_text(c->result, "token.chain"));
    gw_term_row("incarnation", "%s", gw_term_text(c->result, "token.uuid"));
}

int ctl_cmd_equal(struct gw_term *c)
{
    int r = ask_timed(c, "equal", EQUAL_MS_DEFAULT);
    if (r != 0)
        return r;
    say(c, "The peer has proven that it holds exactly this image, durable.");
    say_token(c);
    return r;
}

int ctl_cmd_release(struct gw_term *c)
{
    int r = confirm(c, "This side gives the plan up for good; only its peer can serve afterwards.");
    if (r == 0)
        r = ctl_ask(c, json_pack("{s:s}", "cmd", "release"), &c->result);
    if (r == 0)
        say(c, "Released: this side serves no more. Stop this process and promote the peer.");
    return r;
}

int ctl_cmd_handover(struct gw_term *c)
{
    int r = confirm(c, "Clients of this side are cut off, and its peer can be promoted without any "
                       "loss.");
    if (r == 0)
        r = ask_timed(c, "handover", EQUAL_MS_DEFAULT);
    if (r != 0)
        return r;
    say(c, "Handed over: this side serves no more. Stop this process, promote the peer and start "
           "its source.");
    say_token(c);
    if (!c->json)
        gw_term_row("took", "%.1f ms until no write was in flight, %.1f ms until the release",
                    json_number_value(gw_term_at(c->result, "quiesced_ms")),
                    json_number_value(gw_term_at(c->result, "released_ms")));
    return r;
}

int ctl_cmd_grant(struct gw_term *c)
{
    uint64_t for_ms = 0, until_ns = 0;
    bool relative = gw_term_flag(&c->args, "for");
    if (relative == gw_term_flag(&c->args, "until"))
        return gw_term_usage(c, "grant needs --for DURATION or --until NS");
    if (gw_term_arg_ms(&c->args, "for", &for_ms, &c->err) < 0 ||
        gw_term_arg_number(&c->args, "until", &until_ns, &c->err) < 0)
        return GW_EXIT_USAGE;
    json_t *request =
        relative ? json_pack("{s:s, s:I}", "cmd", "grant", "for_ms", (json_int_t)for_ms)
                 : json_pack("{s:s, s:I}", "cmd", "grant", "deadline_ns", (json_int_t)until_ns);
    int r = ctl_ask(c, request, &c->result);
    if (r == 0)
        say(c, "Granted.");
    return r;
}

int ctl_cmd_fence(struct gw_term *c)
{
    const char *reason = gw_term_arg(&c->args, "reason");
    int r = gw_term_readable(c, "--reason", reason, GW_ERROR_MSG_MAX / 2);
    if (r == 0)
        r = confirm(c, "This side stops serving for good; clients get errors.");
    if (r == 0)
        r = ctl_ask(c, json_pack("{s:s, s:s}", "cmd", "fence", "reason", reason), &c->result);
    if (r == 0)
        say(c, "Fenced: this side serves no more, also after a restart.");
    return r;
}

int ctl_cmd_bandwidth(struct gw_term *c)
{
    const char *text = c->args.operand[0];
    uint64_t rate = 0;
    if (strcmp(text, "none") != 0 && (!gw_size_parse(text, &rate) || rate > INT64_MAX)) {
        char hint[64];
        gw_term_size_hint(text, hint, sizeof hint);
        return gw_term_usage(c, "'%s' is not a rate: a size per second (50MiB) or \"none\"%s", text,
                             hint);
    }
    int r = ctl_ask(
        c, json_pack("{s:s, s:I}", "cmd", "bandwidth", "bytes_per_second", (json_int_t)rate),
        &c->result);
    if (r != 0 || c->json)
        return r;
    char size[GW_SIZE_TEXT];
    gw_size_format(rate, size);
    if (rate > 0)
        gw_term_say("Sends at most %s per second.", size);
    else
        gw_term_say("Sends without a limit.");
    return r;
}

int ctl_cmd_stop(struct gw_term *c)
{
    int r = ctl_ask(c, json_pack("{s:s}", "cmd", "stop"), &c->result);
    if (r == 0)
        say(c, "The process ends.");
    return r;
}
