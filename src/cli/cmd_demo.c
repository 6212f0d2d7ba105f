// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "cli/command.h"

#include "demo/demo.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static const char help[] =
    "usage: godwit demo [OPTION]...\n"
    "\n"
    "Two sites in a directory of this machine: a filesystem and a ledger are protected, home is\n"
    "killed, DR takes over, home returns, is brought up to date by delta, and takes over again.\n"
    "Every claim is checked. Needs no privilege, takes well under a minute, leaves nothing "
    "behind.\n"
    "\n"
    "  --sync           sync mode: home is killed without the link being cut, nothing may be lost\n"
    "  --json           print the results as JSON; the story goes to standard error\n"
    "  --fast           as little life with writes as is enough\n"
    "  --seconds N      how long each part of life with writes lasts (default 4, at most 20)\n"
    "  --dir DIR        work in DIR, which must be new or empty (default: a private one)\n"
    "  --keep           leave the directory\n"
    "  --programs DIR   a build directory, or a directory with godwit-replica, godwit-ctl and the\n"
    "                   nbdkit plugin (default: beside this program, or installed)\n"
    "  --help           this text\n"
    "\n"
    "Exit code: 0 every check held, 1 not so, 2 wrong usage, 130 interrupted.\n";

enum { SYNC = 1, JSON, FAST, SECONDS, DIRECTORY, KEEP, PROGRAMS };

static const struct option longopts[] = {
    { "sync", no_argument, NULL, SYNC },
    { "json", no_argument, NULL, JSON },
    { "fast", no_argument, NULL, FAST },
    { "seconds", required_argument, NULL, SECONDS },
    { "dir", required_argument, NULL, DIRECTORY },
    { "keep", no_argument, NULL, KEEP },
    { "programs", required_argument, NULL, PROGRAMS },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static bool take_seconds(const char *text, double *ret)
{
    char *end;
    double x = strtod(text, &end);
    if (end == text || *end != '\0' || !(x >= 0.1 && x <= DEMO_SECONDS_MAX))
        return false;
    *ret = x;
    return true;
}

static int usage(const char *what)
{
    fprintf(stderr, "godwit demo: %s\nTry 'godwit demo --help'.\n", what);
    return CLI_USAGE;
}

/* -1: go on; else the exit code. */
static int take(int c, struct demo_options *o)
{
    switch (c) {
    case SYNC:
        o->sync = true;
        return -1;
    case JSON:
        o->json = true;
        return -1;
    case FAST:
        o->seconds = DEMO_SECONDS_FAST;
        return -1;
    case SECONDS:
        return take_seconds(optarg, &o->seconds)
                   ? -1
                   : usage("--seconds takes a number between 0.1 and 20");
    case DIRECTORY:
        o->dir = optarg;
        return -1;
    case KEEP:
        o->keep = true;
        return -1;
    case PROGRAMS:
        o->programs = optarg;
        return -1;
    case 'h':
        fputs(help, stdout);
        return CLI_OK;
    }
    return usage("unknown option, or one without its value");
}

int cli_demo(int argc, char **argv)
{
    struct demo_options o = { .seconds = DEMO_SECONDS_DEFAULT };
    opterr = 0; /* it would name the program wrongly */
    for (int c; (c = getopt_long(argc, argv, "h", longopts, NULL)) != -1;) {
        int code = take(c, &o);
        if (code >= 0)
            return code;
    }
    if (optind < argc)
        return usage("it takes options only");
    return demo_run(&o);
}
