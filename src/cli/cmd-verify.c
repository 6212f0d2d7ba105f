// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * verify: begun with an action, then followed in the plan's status, which says of each verify when
 * it was begun. What the status has of an earlier one is not news of this one: it may be a second
 * old.
 */
#include "base/clock.h"
#include "base/size.h"
#include "cli/cli.h"
#include "term/progress.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <time.h>

#define POLL_NS (200 * GW_NS_PER_MS)
#define LOST_NS                                                                                    \
    (60 * GW_NS_PER_S) /* godwitd may be upgraded meanwhile: the verify does not mind              \
                        */
#define BLOCK_BYTES 4096u
#define GOES_ON INT_MAX /* no exit code */

struct verify {
    struct gw_term *t;
    const char *plan;
    uint64_t begun_ns; /* its name */
    uint64_t news_ns;  /* boot time at which the status spoke of it last */
    bool seen;
    struct gw_term_progress progress;
};

static int lost(struct verify *v, const char *why)
{
    v->t->asked = true; /* it may be anywhere by now */
    return gw_error_set(&v->t->err, -ETIMEDOUT,
                        "the verify cannot be seen any more (%s), it may go on: godwit plan status "
                        "%s",
                        why, v->plan);
}

static void show(struct verify *v, const json_t *x)
{
    const json_t *left = gw_term_at(x, "eta_seconds"), *rate = gw_term_at(x, "rate");
    gw_term_progress_as_told(&v->progress, gw_term_number(x, "checked_bytes"),
                             gw_term_number(x, "total_bytes"),
                             json_is_number(rate) ? json_number_value(rate) : -1,
                             json_is_number(left) ? json_number_value(left) : -1);
}

static int conclude(struct verify *v, const json_t *x)
{
    struct gw_term *t = v->t;
    char size[GW_SIZE_TEXT], took[GW_TERM_DURATION_TEXT];
    unsigned long long blocks = gw_term_number(x, "total_bytes") / BLOCK_BYTES;
    unsigned long long differ = gw_term_number(x, "differing_blocks");
    json_decref(t->result);
    t->result = json_pack("{s:s, s:O}", "plan", v->plan, "verify", x);
    gw_size_format(gw_term_number(x, "total_bytes"), size);
    cli_seconds_format(gw_term_real(x, "seconds"), took);
    if (!t->json)
        gw_term_say("Compared: %s, %llu blocks, in %s; %llu differ.", size, blocks, took, differ);
    if (differ == 0)
        return GW_EXIT_OK;
    gw_error_set(&t->err, -EUCLEAN,
                 "%llu of %llu blocks differed; they are marked and sent again: wait for godwit "
                 "plan status %s to say so, then verify once more",
                 differ, blocks, v->plan);
    return GW_EXIT_FAILED;
}

/* GOES_ON; else the end, as an exit code or an error. */
static int look(struct verify *v, const json_t *status)
{
    const json_t *x = gw_term_at(status, "verify");
    uint64_t begun_ns = gw_term_number(x, "begun_wall_ns");
    if (begun_ns < v->begun_ns) { /* of an earlier one, or none */
        if (v->seen)
            return gw_error_set(&v->t->err, -ENOLINK,
                                "the verify ended without having compared everything: the process "
                                "that did it was started anew");
        return gw_boot_ns() - v->news_ns > LOST_NS ? lost(v, "its plan's status is old") : GOES_ON;
    }
    if (begun_ns > v->begun_ns)
        return lost(v, "another one was begun since");
    v->seen = true;
    v->news_ns = gw_boot_ns();
    show(v, x);
    if (gw_term_true(x, "running"))
        return GOES_ON;
    gw_term_progress_end(&v->progress);
    if (gw_term_true(x, "done"))
        return conclude(v, x);
    return gw_error_set(&v->t->err, -ENOLINK,
                        "the verify ended without having compared everything: replication is %s",
                        gw_term_text(status, "replication"));
}

static int follow(struct verify *v)
{
    static char sentence[256]; /* the handler says it, when nothing else may be called any more */
    snprintf(sentence, sizeof sentence,
             "stopped watching; the verify goes on: godwit plan status %.100s", v->plan);
    gw_term_on_interrupt(GW_EXIT_UNKNOWN, sentence);
    v->news_ns = gw_boot_ns();
    for (;;) {
        json_auto_t *status = NULL;
        int r = cli_get(v->t, gw_http_path("/api/v1/plans/{}/status", v->plan), &status);
        if (r == 0)
            r = look(v, status);
        else if (cli_of(v->t)->problem == NULL)
            r = gw_boot_ns() - v->news_ns > LOST_NS ? lost(v, "godwitd does not answer") : GOES_ON;
        if (r != GOES_ON)
            return r;
        nanosleep(&(struct timespec){ 0, (long)POLL_NS }, NULL);
    }
}

int cli_cmd_verify(struct gw_term *t)
{
    json_auto_t *answer = NULL;
    struct verify v = { .t = t,
                        .plan = cli_operand(t, 0),
                        .progress = { .what = "compared", .quiet = t->json } };
    int r = cli_act(t, "verify", NULL, &answer);
    if (r != 0)
        return r;
    v.begun_ns = gw_term_number(answer, "verify.begun_wall_ns");
    if (gw_term_flag(&t->args, "no-wait") || v.begun_ns == 0)
        return cli_answer(t, answer,
                          "Begun: godwit plan status shows how far it is, and what it found.");
    r = follow(&v);
    gw_term_progress_end(&v.progress);
    return r;
}
