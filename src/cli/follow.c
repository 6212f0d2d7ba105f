// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "cli/follow.h"

#include "base/checked.h"
#include "base/clock.h"
#include "cli/cli.h"
#include "term/progress.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define POLL_NS (200 * GW_NS_PER_MS)
#define LOST_NS (60 * GW_NS_PER_S) /* godwitd may be upgraded meanwhile: the run does not mind */
#define CLOCK_TEXT 9               /* "02:00:07" */
#define SENTENCE_MAX 256

static const struct {
    const char *state;
    enum cli_run_kind kind;
} kinds[] = {
    { "WAITING_APPROVAL", CLI_RUN_ASKS },
    { "SCHEDULED", CLI_RUN_LATER },
    { "HALTED", CLI_RUN_HALTED },
    { "IN_DOUBT", CLI_RUN_DOUBT },
    { "DONE", CLI_RUN_DONE },
    { "FAILED", CLI_RUN_FAILED },
    { "CANCELLED", CLI_RUN_CANCELLED },
    { "REVERTED", CLI_RUN_CANCELLED },
    { "ABORTED", CLI_RUN_ABORTED },
};

enum cli_run_kind cli_run_kind(const char *state)
{
    for (size_t i = 0; i < GW_ARRAY_SIZE(kinds); i++) {
        if (strcmp(state, kinds[i].state) == 0)
            return kinds[i].kind;
    }
    return CLI_RUN_GOES_ON;
}

/* ---- what is printed of a run -----------------------------------------------------------------
 */

/* "02:00:07" of "2026-11-22T02:00:07Z". */
static const char *clock_of(const char *time, char ret[CLOCK_TEXT])
{
    const char *t = strchr(time, 'T');
    snprintf(ret, CLOCK_TEXT, "%.8s", t != NULL ? t + 1 : "");
    return ret;
}

static void show_head(const json_t *run)
{
    const char *from = gw_term_text(run, "old_site"), *to = gw_term_text(run, "new_site");
    gw_term_say("Run %s: %s of %s%s%s%s%s%s", gw_term_text(run, "id"),
                gw_term_text(run, "operation"), gw_term_text(run, "plan"), from[0] ? ", " : "",
                from, to[0] ? " -> " : "", to,
                strcmp(gw_term_text(run, "mode"), "dry-run") == 0 ? " (dry run)" : "");
}

static bool step_is(const json_t *step, const char *state)
{
    return strcasecmp(gw_term_text(step, "state"), state) == 0;
}

static bool step_runs(const json_t *step)
{
    return step_is(step, "RUNNING") || step_is(step, "INTENT") || step_is(step, "BEGUN") ||
           step_is(step, "WAITING");
}

static bool step_is_to_come(const json_t *step)
{
    return gw_term_text(step, "state")[0] == '\0' || step_is(step, "PENDING");
}

static const char *step_title(const json_t *step)
{
    const char *title = gw_term_text(step, "title");
    return title[0] != '\0' ? title : gw_term_text(step, "step");
}

static void show_step(const json_t *step)
{
    char clock[CLOCK_TEXT], state[32], took[GW_TERM_DURATION_TEXT] = "";
    const char *ended = gw_term_text(step, "ended"), *begun = gw_term_text(step, "started");
    const char *detail = gw_term_text(step, "detail"), *site = gw_term_text(step, "site");
    double seconds;
    snprintf(state, sizeof state, "%s", gw_term_text(step, "state"));
    for (char *p = state; *p != '\0'; p++)
        *p = (char)tolower((unsigned char)*p);
    if (json_is_number(gw_term_at(step, "seconds")))
        cli_seconds_format(gw_term_real(step, "seconds"), took);
    else if (cli_between(begun, ended, &seconds))
        cli_seconds_format(seconds, took);
    char attempt[32] = "", estimate[GW_TERM_DURATION_TEXT];
    if (json_is_number(gw_term_at(step, "estimate_ms"))) { /* of a dry run */
        cli_seconds_format(gw_term_real(step, "estimate_ms") / 1000.0, estimate);
        snprintf(took, sizeof took, "about %.20s", estimate);
    }
    if (gw_term_number(step, "attempt") > 1)
        snprintf(attempt, sizeof attempt, " (attempt %llu)",
                 (unsigned long long)gw_term_number(step, "attempt"));
    gw_term_say("%8s  %-9s %-40s %-12s %s%s%s%s", clock_of(ended[0] != '\0' ? ended : begun, clock),
                state, step_title(step), site, took, attempt, detail[0] != '\0' ? "  " : "",
                detail);
}

static void show_choices(const json_t *run)
{
    const json_t *choices = gw_term_at(run, "choices");
    for (size_t i = 0; i < json_array_size(choices); i++) {
        const json_t *one = json_array_get(choices, i);
        const char *word =
            json_is_string(one) ? json_string_value(one) : gw_term_text(one, "choice");
        const char *text = gw_term_text(one, "text");
        gw_term_row(i == 0 ? "choices" : "", "godwit run %s %s%s%s", word, gw_term_text(run, "id"),
                    text[0] != '\0' ? "   " : "", text);
    }
}

void cli_run_show(const json_t *run)
{
    show_head(run);
    cli_show(run, "id plan operation old_site new_site mode steps choices progress timestamps "
                  "result log created_wall_ns dry_run params reason");
    if (gw_term_text(run, "reason")[0] != '\0')
        gw_term_row("reason", "%s", gw_term_text(run, "reason"));
    if (json_object_size(gw_term_at(run, "timestamps")) > 0) {
        printf("\nTimestamps\n");
        cli_show(gw_term_at(run, "timestamps"), NULL);
    }
    if (json_object_size(gw_term_at(run, "result")) > 0) {
        printf("\nResult\n");
        cli_show(gw_term_at(run, "result"), NULL);
    }
    const json_t *steps = gw_term_at(run, "steps");
    if (json_array_size(steps) > 0)
        printf("\nSteps\n");
    for (size_t i = 0; i < json_array_size(steps); i++)
        show_step(json_array_get(steps, i));
    show_choices(run);
}

/* ---- what became of it ------------------------------------------------------------------------
 */

/* The sentence of a run that did not simply end well. */
static int said(struct gw_term *t, const json_t *run, int exit, const char *what, const char *hint)
{
    /* Why it stands there; "reason" is what its requester gave. */
    const char *reason = gw_term_text(run, "sentence");
    if (reason[0] == '\0')
        reason = gw_term_text(run, "reason");
    gw_error_set(&t->err, exit == GW_EXIT_UNKNOWN ? -ETIMEDOUT : -ECANCELED, "run %s %s%s%s%s%s",
                 gw_term_text(run, "id"), what, reason[0] != '\0' ? ": " : "", reason,
                 hint[0] != '\0' ? "; " : "", hint);
    return exit;
}

int cli_run_exit(struct gw_term *t, const json_t *run, enum cli_run_kind wanted)
{
    enum cli_run_kind kind = cli_run_kind(gw_term_text(run, "state"));
    char hint[SENTENCE_MAX] = "";
    const char *id = gw_term_text(run, "id");
    const json_t *steps = gw_term_at(run, "steps");
    for (size_t i = 0; kind == CLI_RUN_DONE && i < json_array_size(steps); i++) {
        if (step_is(json_array_get(steps, i), "UNKNOWN")) /* of a dry run */
            return said(t, run, GW_EXIT_FAILED, "did not see everything", "");
    }
    if (kind == wanted)
        return GW_EXIT_OK;
    switch (kind) {
    case CLI_RUN_GOES_ON:
    case CLI_RUN_LATER:
        return GW_EXIT_OK;
    case CLI_RUN_ASKS:
        snprintf(hint, sizeof hint, "somebody else than who asked for it: godwit run approve %s",
                 id);
        return said(t, run, GW_EXIT_WAITING, "waits for approval", hint);
    case CLI_RUN_HALTED:
        snprintf(hint, sizeof hint, "a person decides: godwit run show %s lists the choices", id);
        return said(t, run, GW_EXIT_FAILED, "is halted", hint);
    case CLI_RUN_DOUBT:
        snprintf(hint, sizeof hint, "neither site serves until that is known: godwit run show %s",
                 id);
        return said(t, run, GW_EXIT_UNKNOWN, "is in doubt about its handover", hint);
    case CLI_RUN_DONE:
        return said(t, run, GW_EXIT_FAILED, "was done before that", "");
    case CLI_RUN_FAILED:
        return said(t, run, GW_EXIT_FAILED, "failed", "");
    case CLI_RUN_CANCELLED:
        return said(t, run, GW_EXIT_CANCELLED, "was taken back", "service is where it was");
    case CLI_RUN_ABORTED:
        return said(t, run, GW_EXIT_FAILED, "was aborted", "");
    }
    return GW_EXIT_FAILED;
}

/* ---- following --------------------------------------------------------------------------------
 */

struct follow {
    struct gw_term *t;
    const char *id;
    bool terminal;
    json_t *shown; /* of each step, by place and attempt, the state that was printed */
    char last_state[32];
    struct gw_term_progress progress;
    char what[64]; /* of progress */
    bool line;     /* the last line on the terminal is not final */
};

static void clear_line(struct follow *f)
{
    gw_term_progress_end(&f->progress);
    if (f->line)
        fputs("\r\033[K", stderr);
    f->line = false;
}

/* What goes on right now: on a terminal, a line that the next one replaces. */
static void show_current(struct follow *f, const json_t *run)
{
    const json_t *p = gw_term_at(run, "progress");
    uint64_t total = gw_term_number(p, "total_bytes"), done = gw_term_number(p, "done_bytes");
    if (total > 0) {
        const char *what = gw_term_text(p, "what");
        snprintf(f->what, sizeof f->what, "%s", what[0] != '\0' ? what : "copied");
        gw_term_harmless(f->what, false);
        f->progress.what = f->what;
        if (f->line)
            clear_line(f);
        double left =
            json_is_number(gw_term_at(p, "eta_seconds")) ? gw_term_real(p, "eta_seconds") : -1;
        gw_term_progress_as_told(&f->progress, done, total, gw_term_real(p, "rate"), left);
        return;
    }
    if (!f->terminal)
        return;
    const json_t *steps = gw_term_at(run, "steps");
    for (size_t i = json_array_size(steps); i-- > 0;) {
        const json_t *step = json_array_get(steps, i);
        char title[96];
        if (!step_runs(step))
            continue;
        snprintf(title, sizeof title, "%s", step_title(step));
        gw_term_harmless(title, false);
        clear_line(f);
        fprintf(stderr, "          ...       %s", title);
        f->line = true;
        return;
    }
}

/* Steps that came to something since the last look. */
static void show_steps(struct follow *f, const json_t *run)
{
    const json_t *steps = gw_term_at(run, "steps");
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        char key[48];
        const char *state = gw_term_text(step, "state");
        snprintf(key, sizeof key, "%zu/%llu", i,
                 (unsigned long long)gw_term_number(step, "attempt"));
        if (step_is_to_come(step) || strcmp(gw_term_text(f->shown, key), state) == 0)
            continue;
        json_object_set_new(f->shown, key, json_string(state));
        if (step_runs(step) && f->terminal)
            continue;
        clear_line(f);
        show_step(step);
    }
}

/* A change of the run itself, with its reason. */
static void show_state(struct follow *f, const json_t *run)
{
    const char *state = gw_term_text(run, "state"), *reason = gw_term_text(run, "sentence");
    if (strcmp(state, f->last_state) == 0)
        return;
    bool first = f->last_state[0] == '\0';
    snprintf(f->last_state, sizeof f->last_state, "%s", state);
    if (first || cli_run_kind(state) != CLI_RUN_GOES_ON)
        return; /* the end says it */
    clear_line(f);
    gw_term_say("          %s%s%s", state, reason[0] != '\0' ? ": " : "", reason);
}

static void show(struct follow *f, const json_t *run)
{
    if (f->t->json)
        return;
    show_steps(f, run);
    show_state(f, run);
    show_current(f, run);
    fflush(stdout);
}

/* Of a run that is done or scheduled: what to know at the end. */
static void show_end(struct follow *f, const json_t *run)
{
    clear_line(f);
    if (f->t->json)
        return;
    enum cli_run_kind kind = cli_run_kind(gw_term_text(run, "state"));
    if (kind == CLI_RUN_LATER)
        gw_term_say("Scheduled for %s; godwit run cancel %s takes it back.",
                    gw_term_text(run, "scheduled"), f->id);
    if (kind == CLI_RUN_DONE && gw_term_text(run, "sentence")[0] != '\0')
        gw_term_say("%s", gw_term_text(run, "sentence"));
    else if (kind == CLI_RUN_DONE)
        gw_term_say("Done.");
    if (json_object_size(gw_term_at(run, "result")) > 0)
        cli_show(gw_term_at(run, "result"), NULL);
    if (kind == CLI_RUN_HALTED || kind == CLI_RUN_DOUBT)
        show_choices(run);
}

/* Ask until there is an answer, or godwitd was silent for too long. */
static int look(struct follow *f, json_t **ret)
{
    uint64_t begin = gw_boot_ns();
    for (;;) {
        int r = cli_get(f->t, gw_http_path("/api/v1/runs/{}", f->id), ret);
        if (r == 0 || cli_of(f->t)->problem != NULL)
            return r;
        if (gw_boot_ns() - begin > LOST_NS) {
            f->t->asked = true; /* the run may be anywhere by now */
            return gw_error_wrap(&f->t->err,
                                 "run %s cannot be seen any more, it may go on; godwit run show %s",
                                 f->id, f->id);
        }
        nanosleep(&(struct timespec){ 1, 0 }, NULL);
    }
}

static void keep(struct gw_term *t, const json_t *run)
{
    json_decref(t->result);
    t->result = json_pack("{s:O}", "run", run);
}

static int follow_on(struct follow *f, enum cli_run_kind wanted)
{
    for (;;) {
        json_auto_t *run = NULL;
        int r = look(f, &run);
        if (r < 0)
            return r;
        show(f, run);
        if (cli_run_kind(gw_term_text(run, "state")) != CLI_RUN_GOES_ON) {
            keep(f->t, run);
            show_end(f, run);
            return cli_run_exit(f->t, run, wanted);
        }
        nanosleep(&(struct timespec){ 0, (long)POLL_NS }, NULL);
    }
}

int cli_follow(struct gw_term *t, const char *id, json_t *run, enum cli_run_kind wanted)
{
    /* The handler says it, when nothing else may be called any more. */
    static char sentence[SENTENCE_MAX];
    snprintf(sentence, sizeof sentence,
             "stopped watching; the run goes on: godwit run watch %s, or godwit run cancel %s", id,
             id);
    gw_term_on_interrupt(GW_EXIT_UNKNOWN, sentence);
    struct follow f = { .t = t, .id = id, .shown = json_object() };
    f.terminal = !t->json && isatty(STDERR_FILENO) == 1 && isatty(STDOUT_FILENO) == 1;
    f.progress.quiet = t->json;
    if (!t->json && run != NULL)
        show_head(run);
    fflush(stdout);
    int r = follow_on(&f, wanted);
    clear_line(&f);
    json_decref(f.shown);
    return r;
}
