// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* godwitd: the daemon of a site. */
#include "base/log.h"
#include "core/dump.h"
#include "core/operation.h"
#include "site/api.h"
#include "site/site.h"

#include <curl/curl.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONFIG_DEFAULT "/etc/godwit/site.yaml"

static const char help[] =
    "usage: godwitd [OPTION]...\n"
    "\n"
    "The daemon of a site: keeps its plans, runs failover and failback, supervises the processes\n"
    "that serve and replicate the volumes. Those go on when it ends.\n"
    "\n"
    "  -c, --config FILE     the site file (default " CONFIG_DEFAULT ")\n"
    "      --init            make the site's identity and catalog if there are none, and go on.\n"
    "                        Without it a missing catalog is an error: it may have been lost\n"
    "      --rebuild         if the catalog is missing or damaged, make it anew from the other "
    "site and\n"
    "                        the plan directories\n"
    "      --restore FILE    take a backup (godwit site backup); not over a catalog with plans\n"
    "      --programs DIR    a build directory, or one with godwit-replica and the nbdkit plugin\n"
    "      --dump-lifecycle  print the lifecycle's tables, and end (--format text, page, dot)\n"
    "      --dump-operations print the steps of all operations as Markdown, and end\n"
    "      --dump-api        print the API as Markdown, and end\n"
    "  -h, --help            this text\n"
    "  -V, --version         the version\n"
    "\n"
    "Ends cleanly on SIGTERM and SIGINT, and starts anew on SIGHUP, with the site file read "
    "again.\n"
    "Says \"ready\" on standard output when it serves.\n"
    "Exit code: 0 ended by a signal, 1 it could not start, 2 wrong usage.\n";

enum { INIT = 1, REBUILD, RESTORE, PROGRAMS, DUMP_LIFECYCLE, DUMP_OPERATIONS, DUMP_API, FORMAT };

static const struct option longopts[] = {
    { "config", required_argument, NULL, 'c' },
    { "init", no_argument, NULL, INIT },
    { "rebuild", no_argument, NULL, REBUILD },
    { "restore", required_argument, NULL, RESTORE },
    { "programs", required_argument, NULL, PROGRAMS },
    { "dump-lifecycle", no_argument, NULL, DUMP_LIFECYCLE },
    { "dump-operations", no_argument, NULL, DUMP_OPERATIONS },
    { "dump-api", no_argument, NULL, DUMP_API },
    { "format", required_argument, NULL, FORMAT },
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, 'V' },
    { NULL, 0, NULL, 0 },
};

static int dump_lifecycle(const char *word)
{
    enum gw_dump_format format;
    if (!gw_dump_parse(word, &format)) {
        fprintf(stderr, "godwitd: --format takes text, page or dot\n");
        return 2;
    }
    gw_lifecycle_dump(stdout, format);
    return ferror(stdout) ? 1 : 0;
}

/* The same program on the same site file, with nothing of this one in memory. What was asked for
 * once (--init, --rebuild, --restore) is not asked for again. */
static int start_anew(const struct site_options *o)
{
    char *argv[] = { (char[]){ "godwitd" },
                     (char[]){ "--config" },
                     strdup(o->config),
                     o->programs != NULL ? (char[]){ "--programs" } : NULL,
                     o->programs != NULL ? strdup(o->programs) : NULL,
                     NULL };
    execv("/proc/self/exe", argv);
    fprintf(stderr, "godwitd: cannot start anew: %s\n", strerror(errno));
    return 1;
}

static int serve(const struct site_options *o, const sigset_t *ends)
{
    struct site *s = NULL;
    struct gw_error err = { 0 };
    if (site_start(o, &s, &err) < 0) {
        fprintf(stderr, "godwitd: %s\n", err.msg);
        return 1;
    }
    printf("ready: site %s, api %s, link %s, data %s\n", s->name, gw_http_address(s->api),
           gw_link_address(s->link), gw_dataport_address(s->data));
    fflush(stdout);
    int which = 0;
    while (sigwait(ends, &which) != 0)
        ;
    gw_log(GW_LOG_NOTICE, "ends on %s; plans' processes go on", strsignal(which));
    site_stop(s);
    if (which == SIGHUP)
        return start_anew(o);
    return 0;
}

int main(int argc, char **argv)
{
    struct site_options o = { .config = CONFIG_DEFAULT };
    const char *format = "text";
    int dump = 0;
    for (int c; (c = getopt_long(argc, argv, "c:hV", longopts, NULL)) != -1;) {
        switch (c) {
        case 'c':
            o.config = optarg;
            break;
        case INIT:
            o.make = true;
            break;
        case REBUILD:
            o.rebuild = true;
            break;
        case RESTORE:
            o.restore = optarg;
            break;
        case PROGRAMS:
            o.programs = optarg;
            break;
        case DUMP_LIFECYCLE:
        case DUMP_OPERATIONS:
        case DUMP_API:
            dump = c;
            break;
        case FORMAT:
            format = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return 0;
        case 'V':
            puts("godwitd " GODWIT_VERSION);
            return 0;
        default:
            fputs("Try 'godwitd --help'.\n", stderr);
            return 2;
        }
    }
    if (optind < argc) {
        fprintf(stderr, "godwitd: '%s' is not an option\nTry 'godwitd --help'.\n", argv[optind]);
        return 2;
    }
    if (dump == DUMP_OPERATIONS) {
        gw_operation_dump(stdout);
        return 0;
    }
    if (dump == DUMP_API) {
        site_api_print(stdout);
        return 0;
    }
    if (dump == DUMP_LIFECYCLE)
        return dump_lifecycle(format);
    /* Signals that end are taken by sigwait alone; before any thread is made. */
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int code = serve(&o, &ends);
    curl_global_cleanup();
    return code;
}
