// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/shop.h"

#include "base/checked.h"
#include "base/clock.h"
#include "base/size.h"
#include "demo/interrupt.h"
#include "demo/orphans.h"
#include "demo/tree.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_INTERRUPTED 130
#define BOOKINGS_PER_S 450.0 /* what customers.c asks for */
#define BOOKINGS_MIN 40
#define PAUSE_MS 100

/* ---- what the acts share ------------------------------------------------------------------- */

uint64_t shop_bookings(const struct shop *s, double share)
{
    double n = s->options->seconds * share * BOOKINGS_PER_S;
    return n < BOOKINGS_MIN ? BOOKINGS_MIN : (uint64_t)n;
}

int shop_wait_bookings(struct shop *s, uint64_t bookings, struct gw_error *err)
{
    struct customers_status st;
    customers_get_status(s->customers, &st);
    int r = customers_wait(s->customers, st.acknowledged + bookings, DAEMON_MS, err);
    return r == -ETIMEDOUT && processes_alive(s->processes, err) < 0 ? -ECHILD : r;
}

int shop_pause(struct gw_error *err)
{
    struct pollfd f = { .fd = interrupt_fd(), .events = POLLIN };
    return poll(&f, 1, PAUSE_MS) > 0 ? interrupt_error(err) : 0;
}

int shop_await(struct shop *s, struct daemon *at, bool (*ready)(const json_t *status),
               const char *what, json_t **ret, struct gw_error *err)
{
    uint64_t end = gw_boot_ns() + DAEMON_MS * GW_NS_PER_MS;
    for (;;) {
        CLEANUP_STATUS json_t *status = NULL;
        int r = daemon_ask(at, &status, err, "plan", "status", SHOP_PLAN, NULL);
        if (r == 0 && ready(status)) {
            if (ret != NULL)
                *ret = json_incref(status);
            return 0;
        }
        if (r == 0)
            r = processes_alive(s->processes, err);
        if (r == 0 && gw_boot_ns() >= end)
            r = gw_error_set(err, -ETIMEDOUT, "%s took too long; the phase is %s: %s", what,
                             status_text(status, "phase"), status_text(status, "sentence"));
        if (r == 0)
            r = shop_pause(err);
        if (r < 0)
            return r;
    }
}

const json_t *shop_step(const json_t *steps, const char *name)
{
    size_t i;
    const json_t *step;
    json_array_foreach(steps, i, step)
    {
        if (status_is(step, "step", name))
            return step;
    }
    return NULL;
}

void shop_tell_run(struct shop *s, unsigned i, const json_t *answer)
{
    const json_t *run = json_object_get(answer, "run");
    const json_t *steps = json_object_get(run != NULL ? run : answer, "steps");
    char text[600] = "";
    size_t k, n = 0;
    const json_t *step;
    json_array_foreach(steps, k, step)
    {
        if (n < sizeof text)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s%s %llu", n > 0 ? ", " : "",
                                  status_text(step, "step"),
                                  (unsigned long long)status_number(step, "ms"));
    }
    story_item(&s->story, "steps, ms", "%s", text);
    json_decref(s->steps[i]);
    s->steps[i] = json_deep_copy(steps);
}

void shop_tell_forecast(struct shop *s, const json_t *f)
{
    char bytes[GW_SIZE_TEXT];
    story_item(&s->story, "direction", "%s", status_text(f, "direction"));
    if (json_is_integer(status_at(f, "delta_bytes"))) {
        gw_size_format(status_number(f, "delta_bytes"), bytes);
        story_item(&s->story, "delta", "%s; time to synchronise: %s", bytes,
                   status_text(f, "sync.text"));
    }
    story_item(&s->story, "outage", "%s", status_text(f, "outage.typical.text"));
    story_item(&s->story, "loss", "%s", status_text(f, "loss.text"));
}

/* ---- the world ----------------------------------------------------------------------------- */

/* A port that is free now at 127.0.0.1: each tier has its own. */
static int free_ports(struct shop *s, struct gw_error *err)
{
    int fd[TIER_ROLES], r = 0;
    for (int i = 0; i < TIER_ROLES; i++) {
        struct sockaddr_in here = { .sin_family = AF_INET,
                                    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
        union {
            struct sockaddr_in *in;
            struct sockaddr *any;
        } name = { .in = &here };
        socklen_t len = sizeof here;
        fd[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (fd[i] < 0 || bind(fd[i], name.any, len) < 0 || getsockname(fd[i], name.any, &len) < 0)
            r = gw_error_errno(err, -errno, "cannot find a free port");
        s->port[i] = ntohs(here.sin_port);
    }
    for (int i = 0; i < TIER_ROLES; i++) {
        if (fd[i] >= 0)
            close(fd[i]);
    }
    return r;
}

static int shop_make(struct shop *s, struct gw_error *err)
{
    int r = orphans_adopt(err);
    if (r == 0)
        r = processes_new(&s->processes, err);
    if (r == 0)
        r = tree_make(TIER_DIR, err);
    if (r == 0)
        r = free_ports(s, err);
    if (r == 0)
        r = daemon_init(&s->home, TIER_HOME, s->stage.path, s->processes, &s->programs, &s->story,
                        err);
    if (r == 0)
        r = daemon_init(&s->dr, TIER_DR, s->stage.path, s->processes, &s->programs, &s->story, err);
    return r;
}

/* Whoever would start something again first. */
static void shop_end(struct shop *s)
{
    customers_stop(s->customers);
    processes_free(s->processes);
    orphans_end();
    daemon_done(&s->home);
    daemon_done(&s->dr);
    ledger_book_done(&s->book);
    ledger_audit_done(&s->lost);
}

/* ---- the story ----------------------------------------------------------------------------- */

static void introduce(struct shop *s)
{
    struct story *st = &s->story;
    const struct programs *p = &s->programs;
    fprintf(st->out, "%sgodwit demo%s: a shop at two sites, a failover, and the way home\n",
            st->colour ? "\033[1m" : "", st->colour ? "\033[0m" : "");
    story_say(st,
              "Two godwitd on this machine: %s is home, %s the DR site. Every command below can "
              "be given again (with --keep the directory stays):",
              TIER_HOME, TIER_DR);
    story_typed(st, "cd %s", s->stage.path);
    if (p->build_dir[0] != '\0')
        story_typed(st, "PATH=$PATH:%.*s:%.*s", (int)(strrchr(p->godwit, '/') - p->godwit),
                    p->godwit, (int)(strrchr(p->ctl, '/') - p->ctl), p->ctl);
}

static int play(struct shop *s, struct gw_error *err)
{
    static int (*const acts[])(struct shop *, struct gw_error *) = {
        act_protect, act_disaster, act_failover, act_return, act_reverse, act_failback, act_end,
    };
    for (size_t i = 0; i < GW_ARRAY_SIZE(acts); i++) {
        int r = interrupt_came() ? interrupt_error(err) : acts[i](s, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static void close_story(struct shop *s, int r, const struct gw_error *err, double seconds)
{
    struct story *st = &s->story;
    if (r == 0)
        shop_report_table(s);
    if (r == -ECANCELED)
        story_error(st, "interrupted");
    else if (r < 0)
        story_error(st, "%s", err->msg);
    else if (st->n_failed > 0)
        story_error(st, "%u of %u checks failed", st->n_failed, st->n_checks);
    else
        fprintf(st->out, "\n   All %u checks held, in %.0f s.\n", st->n_checks, seconds);
    if (r != -ECANCELED && (r < 0 || st->n_failed > 0)) {
        stage_show_log(st, s->home.log);
        stage_show_log(st, s->dr.log);
    }
    if (s->options->json) {
        json_t *o = shop_report_json(s, r < 0 ? err->msg : NULL, seconds);
        json_dumpf(o, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
        printf("\n");
        json_decref(o);
    }
}

static void shop_free(struct shop *s)
{
    customers_free(s->customers);
    for (size_t i = 0; i < GW_ARRAY_SIZE(s->steps); i++)
        json_decref(s->steps[i]);
    free(s);
}

int shop_run(const struct demo_options *options)
{
    struct shop *s = calloc(1, sizeof *s);
    struct gw_error err = { 0 };
    uint64_t begin = gw_boot_ns();
    if (s == NULL)
        return EXIT_FAILURE;
    s->options = options;
    story_init(&s->story, options->json ? stderr : stdout);
    int r = interrupt_install(&err);
    if (r == 0)
        r = programs_find(options->programs, &s->programs, &err);
    if (r == 0)
        r = programs_find_site(&s->programs, &err);
    if (r == 0)
        r = stage_set(options, &s->stage, &err);
    if (r == 0)
        r = shop_make(s, &err);
    if (r == 0) {
        introduce(s);
        r = play(s, &err);
    }
    shop_end(s);
    close_story(s, r, &err, (double)(gw_boot_ns() - begin) / (double)GW_NS_PER_S);
    stage_clear(&s->stage, options, &s->story);
    int code = r == -ECANCELED ? EXIT_INTERRUPTED
                               : (r < 0 || s->story.n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS);
    shop_free(s);
    if (fflush(stdout) != 0 && code == EXIT_SUCCESS)
        code = EXIT_FAILURE;
    return code;
}
