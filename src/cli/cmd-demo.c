// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* demo: options of the story in demo/demo.h. */
#include "cli/command.h"
#include "demo/demo.h"
#include "term/term.h"

#include <stdlib.h>

static bool take_seconds(const char *text, double *ret)
{
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end != '\0' || !(x >= 0.1 && x <= DEMO_SECONDS_MAX))
        return false;
    *ret = x;
    return true;
}

int cli_cmd_demo(struct gw_term *t)
{
    const struct gw_term_args *a = &t->args;
    const char *seconds = gw_term_arg(a, "seconds");
    struct demo_options o = {
        .engine = gw_term_flag(a, "engine"),
        .sync = gw_term_flag(a, "sync"),
        .json = t->json,
        .keep = gw_term_flag(a, "keep"),
        .seconds = gw_term_flag(a, "fast") ? DEMO_SECONDS_FAST : DEMO_SECONDS_DEFAULT,
        .dir = gw_term_arg(a, "dir"),
        .programs = gw_term_arg(a, "programs"),
    };
    if (seconds != NULL && !take_seconds(seconds, &o.seconds))
        return gw_term_usage(t, "--seconds takes a number between 0.1 and %g", DEMO_SECONDS_MAX);
    return demo_run(&o);
}
