// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/demo.h"

#include "base/checked.h"
#include "base/clock.h"
#include "demo/interrupt.h"
#include "demo/report.h"
#include "demo/shop.h"
#include "demo/stage.h"
#include "demo/world.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define EXIT_INTERRUPTED 130

/* ---- the world ----------------------------------------------------------------------------- */

static int world_make(struct world *w, struct gw_error *err)
{
    const struct demo_options *o = w->options;
    int r = processes_new(&w->processes, err);
    if (r == 0)
        r = proxy_new(&w->to_dr, err);
    if (r == 0)
        r = proxy_new(&w->to_home, err);
    if (r == 0)
        r = ledger_new("ledger", WORLD_LEDGER_BYTES, &w->ledger, err);
    if (r < 0)
        return r;
    site_init(&w->home, "home", w->processes, &w->programs, &w->story, o->sync);
    site_init(&w->dr, "dr", w->processes, &w->programs, &w->story, o->sync);
    w->home.inbound = w->to_home;
    w->dr.inbound = w->to_dr;
    return 0;
}

/* The ledger's client may be waiting for one of the processes, and nbdkit for the client. */
static void world_end(struct world *w)
{
    ledger_stop(w->ledger);
    processes_free(w->processes);
    ledger_free(w->ledger);
    proxy_free(w->to_dr);
    proxy_free(w->to_home);
    ledger_book_done(&w->book);
    ledger_audit_done(&w->lost);
}

static void introduce(struct world *w, const struct stage *st)
{
    struct story *s = &w->story;
    const struct programs *p = &w->programs;
    fprintf(s->out, "%sgodwit demo%s: two sites on this machine, a failover, and the way home\n",
            s->colour ? "\033[1m" : "", s->colour ? "\033[0m" : "");
    story_say(s, "Every command below can be given again (with --keep the directory stays):");
    story_typed(s, "cd %s", st->path);
    if (p->build_dir[0] != '\0')
        story_typed(s, "PATH=$PATH:%.*s:%.*s", (int)(strrchr(p->ctl, '/') - p->ctl), p->ctl,
                    (int)(strrchr(p->replica, '/') - p->replica), p->replica);
}

static int play(struct world *w, struct gw_error *err)
{
    static int (*const scenes[])(struct world *, struct gw_error *) = {
        scene_protect, scene_disaster, scene_failover, scene_life_at_dr, scene_return,
        scene_resync,  scene_tail,     scene_handover, scene_end,
    };
    for (size_t i = 0; i < GW_ARRAY_SIZE(scenes); i++) {
        int r = interrupt_came() ? interrupt_error(err) : scenes[i](w, err);
        if (r < 0)
            return r;
    }
    return 0;
}

static void close_story(struct world *w, int r, const struct gw_error *err, double seconds)
{
    struct story *s = &w->story;
    if (r == 0)
        report_table(w);
    if (r == -ECANCELED)
        story_error(s, "interrupted");
    else if (r < 0)
        story_error(s, "%s", err->msg);
    else if (s->n_failed > 0)
        story_error(s, "%u of %u checks failed", s->n_failed, s->n_checks);
    else
        fprintf(s->out, "\n   All %u checks held, in %.0f s.\n", s->n_checks, seconds);
    if (r != -ECANCELED && (r < 0 || s->n_failed > 0)) {
        stage_show_log(s, w->home.log);
        stage_show_log(s, w->dr.log);
    }
    if (w->options->json) {
        json_t *o = report_json(w, r < 0 ? err->msg : NULL, seconds);
        json_dumpf(o, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(6));
        printf("\n");
        json_decref(o);
    }
}

static int engine_run(const struct demo_options *options)
{
    struct world *w = calloc(1, sizeof *w);
    struct stage stage = { .made = false };
    struct gw_error err = { 0 };
    uint64_t begin = gw_boot_ns();
    if (w == NULL)
        return EXIT_FAILURE;
    w->options = options;
    story_init(&w->story, options->json ? stderr : stdout);
    int r = interrupt_install(&err);
    if (r == 0)
        r = programs_find(options->programs, &w->programs, &err);
    if (r == 0)
        r = stage_set(options, &stage, &err);
    if (r == 0)
        r = world_make(w, &err);
    if (r == 0) {
        introduce(w, &stage);
        r = play(w, &err);
    }
    /* What broke the story off may only be the consequence. */
    struct gw_error dead;
    if (r < 0 && r != -ECANCELED && r != -ECHILD && w->processes != NULL &&
        processes_alive(w->processes, &dead) < 0)
        gw_error_wrap(&err, "%s; and so", dead.msg);
    world_end(w);
    close_story(w, r, &err, (double)(gw_boot_ns() - begin) / (double)GW_NS_PER_S);
    stage_clear(&stage, options, &w->story);
    int code = r == -ECANCELED ? EXIT_INTERRUPTED
                               : (r < 0 || w->story.n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS);
    free(w);
    if (fflush(stdout) != 0 && code == EXIT_SUCCESS)
        code = EXIT_FAILURE;
    return code;
}

int demo_run(const struct demo_options *options)
{
    return options->engine ? engine_run(options) : shop_run(options);
}
