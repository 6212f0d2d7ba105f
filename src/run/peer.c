// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The other site: what it has of the log, what it says, whether it answers. */
#include "run/driver.h"

#include "base/checked.h"
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Rounds of one exchange: a long log in pieces, one gap, one run to be ended there first. */
#define ROUNDS_MAX (GW_RUN_ENTRIES_MAX / GW_RUN_COPY_MAX + 4)

static struct gw_run_message message(const struct gw_run_log *log, enum gw_run_message_kind kind)
{
    return (struct gw_run_message){
        .kind = kind, .run = log->run, .epoch = log->v.epoch, .from = log->me
    };
}

static void silent(struct gw_run_driver *d)
{
    d->peer = GW_PEER_SILENT;
    d->peer_next_ns = gw_run_now(d) + GW_RUN_POLL_MS * GW_NS_PER_MS;
}

static int send_message(struct gw_run_driver *d, const struct gw_run_message *m,
                        struct gw_run_reply *reply)
{
    const struct gw_run_env *env = d->log.env;
    struct gw_error why = { 0 };
    *reply = (struct gw_run_reply){ 0 };
    int r = env->world->peer(env->world_ctx, m, reply, &why);
    if (r < 0)
        silent(d);
    else
        d->peer = GW_PEER_THERE;
    snprintf(d->peer_why, sizeof d->peer_why, "%s", r < 0 ? why.msg : "");
    return r;
}

static void superseded(struct gw_run_driver *d, const struct gw_run_reply *reply)
{
    d->superseded = true;
    snprintf(d->superseded_by, sizeof d->superseded_by, "%s: %s", gw_run_answer_name(reply->answer),
             reply->sentence);
}

/*
 * The other site has another run that it believes is not over. If that one has ended here, it only
 * has not heard. 1: told; 0: it is truly busy.
 */
static int settle(struct gw_run_driver *d, const char *busy, struct gw_error *err)
{
    struct gw_run_log other;
    struct gw_run_reply reply;
    struct gw_error unknown;
    if (gw_run_log_open(&other, d->log.env, busy, &unknown) < 0)
        return 0;
    int settled = 0;
    if (gw_run_state_ended(other.v.state)) {
        struct gw_run_message m = message(&other, GW_RUN_COPY);
        settled = 1;
        while (settled && m.have < other.n) {
            m.entries = other.entries + m.have;
            m.n = GW_MIN(other.n - m.have, GW_RUN_COPY_MAX);
            settled = send_message(d, &m, &reply) == 0 && reply.answer == GW_ANSWER_OK;
            m.have += m.n;
            gw_run_reply_done(&reply);
        }
    }
    gw_run_log_done(&other);
    (void)err;
    return settled;
}

/* What a COPY was answered with. 1: send again; 0: through. */
static int answered(struct gw_run_driver *d, const struct gw_run_message *m,
                    const struct gw_run_reply *reply, struct gw_error *err)
{
    switch (reply->answer) {
    case GW_ANSWER_OK:
        d->peer_has = GW_MIN(reply->have, d->log.n);
        if (reply->have > d->log.n) /* it goes on there, and we have not heard */
            return gw_run_pull(d, err);
        return d->peer_has < d->log.n && reply->have > m->have;
    case GW_ANSWER_GAP:
        d->peer_has = GW_MIN(reply->have, d->log.n);
        return d->peer_has != m->have;
    case GW_ANSWER_AHEAD:
        d->peer_has = 0;
        return gw_run_pull(d, err);
    case GW_ANSWER_BUSY:
        if (settle(d, reply->busy, err))
            return 1;
        superseded(d, reply);
        return 0;
    case GW_ANSWER_OLD_EPOCH:
    case GW_ANSWER_ENDED:
    case GW_ANSWER_CONFLICT:
        superseded(d, reply);
        return 0;
    case GW_ANSWER_INVALID:
    case GW_ANSWER_MAX:
        break;
    }
    silent(d); /* it does not understand us: as good as not there */
    return 0;
}

int gw_run_share(struct gw_run_driver *d, bool *ret_not_sent, struct gw_error *err)
{
    bool certain = true;
    int again = 1;
    for (unsigned round = 0; again > 0 && round < ROUNDS_MAX; round++) {
        struct gw_run_reply reply;
        struct gw_run_message m = message(&d->log, GW_RUN_COPY);
        m.have = d->peer_has;
        m.entries = d->log.entries + m.have;
        m.n = GW_MIN(d->log.n - m.have, GW_RUN_COPY_MAX);
        int r = send_message(d, &m, &reply);
        if (r != -ENOTCONN)
            certain = false;
        again = r < 0 ? 0 : answered(d, &m, &reply, err);
        gw_run_reply_done(&reply);
    }
    if (ret_not_sent)
        *ret_not_sent = certain;
    return again < 0 ? again : 0;
}

int gw_run_pull(struct gw_run_driver *d, struct gw_error *err)
{
    struct gw_run_message m = message(&d->log, GW_RUN_PULL);
    /* From the beginning: where the two part is found by comparing. */
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        struct gw_run_reply reply;
        enum gw_run_answer answer = GW_ANSWER_OK;
        int r = send_message(d, &m, &reply);
        if (r < 0)
            return 0;
        bool all = m.have + reply.n >= reply.have || reply.n == 0;
        if (reply.answer == GW_ANSWER_OK)
            r = gw_run_log_merge(&d->log, m.have, reply.entries, reply.n, &answer, err);
        m.have += reply.n;
        if (reply.answer != GW_ANSWER_OK)
            all = true;
        d->peer_has = GW_MIN(reply.have, d->log.n);
        gw_run_reply_done(&reply);
        if (r < 0 || all || answer != GW_ANSWER_OK)
            return r == -ESTALE ? gw_run_log_refresh(&d->log, NULL, err) : r;
    }
    return 0;
}

static void say(struct gw_run_outcome *ret, enum gw_outcome outcome, const char *text)
{
    ret->outcome = outcome;
    snprintf(ret->detail, sizeof ret->detail, "%s", text);
}

int gw_run_remote(struct gw_run_driver *d, enum gw_run_message_kind kind,
                  const struct gw_run_call *call, struct gw_run_outcome *ret, struct gw_error *err)
{
    struct gw_run_reply reply;
    struct gw_run_message m = message(&d->log, kind);
    m.step = call->index;
    m.attempt = call->attempt;
    m.dry = call->dry;
    bool effect = kind != GW_RUN_OBSERVE;
    for (unsigned round = 0; round < 2; round++) {
        int r = send_message(d, &m, &reply);
        if (r == -ENOTCONN && effect)
            say(ret, GW_OUTCOME_EARLIER, "not delivered: the other site does not answer");
        else if (r < 0)
            say(ret, GW_OUTCOME_UNKNOWN, "no answer from the other site");
        else if (reply.answer == GW_ANSWER_OK)
            *ret = reply.outcome;
        else
            say(ret, effect ? GW_OUTCOME_EARLIER : GW_OUTCOME_UNKNOWN, reply.sentence);
        bool gap = r == 0 && reply.answer == GW_ANSWER_GAP;
        if (gap)
            d->peer_has = GW_MIN(reply.have, d->log.n);
        else if (r == 0 && reply.answer != GW_ANSWER_OK)
            superseded(d, &reply);
        gw_run_reply_done(&reply);
        if (!gap || round > 0)
            break;
        r = gw_run_share(d, NULL, err);
        if (r < 0)
            return r;
    }
    return 0;
}
