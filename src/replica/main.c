// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * godwit-replica: receives a plan's stream, or (--heal) heals the peer from this side.
 *
 * The process ends when it is told to (SIGTERM, SIGINT, the control command stop), and after a
 * promotion: a change of role is a change of process.
 */
#include "base/checked.h"
#include "base/log.h"
#include "base/size.h"
#include "engine/replica.h"
#include "engine/source.h"
#include "replica/replica_control.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct options {
    const char *dir, *listen, *control, *heal;
    struct gw_tls_files tls;
    bool plain;
    uint64_t journal_bytes, reserve_bytes;
    unsigned link_timeout_ms;
};

enum { EXIT_USAGE = 2 };

static const char usage[] =
    "usage: godwit-replica --dir DIRECTORY --listen HOST:PORT|unix:PATH [options]\n"
    "       godwit-replica --dir DIRECTORY --heal HOST:PORT [options]\n"
    "\n"
    "Receives the replication stream of a plan, keeps it durable and applies it.\n"
    "\n"
    "  --dir DIRECTORY        the plan directory (godwit-ctl create)\n"
    "  --listen HOST:PORT     wait for the source here; port 0 takes a free one\n"
    "  --listen unix:PATH     take connections here that another process accepted (godwitd)\n"
    "  --heal HOST:PORT       be the source without clients: heal the peer's replica from here\n"
    "  --control SOCKET       serve the control socket here\n"
    "  --tls-ca FILE --tls-cert FILE --tls-key FILE [--tls-peer NAME]\n"
    "  --plain                no TLS; loopback only\n"
    "  --journal-max SIZE     limit of the journal (default 4GiB)\n"
    "  --reserve SIZE         free space that a recovery point must leave (default 0)\n"
    "  --link-timeout-ms N    silence after which the link is lost (default 10000)\n"
    "  --help, --version\n";

static const struct option longopts[] = {
    { "dir", required_argument, NULL, 'd' },
    { "listen", required_argument, NULL, 'l' },
    { "heal", required_argument, NULL, 'H' },
    { "control", required_argument, NULL, 'c' },
    { "tls-ca", required_argument, NULL, 1 },
    { "tls-cert", required_argument, NULL, 2 },
    { "tls-key", required_argument, NULL, 3 },
    { "tls-peer", required_argument, NULL, 4 },
    { "plain", no_argument, NULL, 5 },
    { "journal-max", required_argument, NULL, 6 },
    { "reserve", required_argument, NULL, 7 },
    { "link-timeout-ms", required_argument, NULL, 8 },
    { "help", no_argument, NULL, 'h' },
    { "version", no_argument, NULL, 'V' },
    { NULL, 0, NULL, 0 },
};

static int usage_error(const char *what, const char *value)
{
    fprintf(stderr, "godwit-replica: %s%s%s%s\n", what, value[0] != '\0' ? " '" : "", value,
            value[0] != '\0' ? "'" : "");
    fprintf(stderr, "Try 'godwit-replica --help'.\n");
    return EXIT_USAGE;
}

static bool one_option(struct options *o, int c)
{
    char *end = NULL;
    switch (c) {
    case 'd':
        o->dir = optarg;
        return true;
    case 'l':
        o->listen = optarg;
        return true;
    case 'H':
        o->heal = optarg;
        return true;
    case 'c':
        o->control = optarg;
        return true;
    case 1:
        o->tls.ca = optarg;
        return true;
    case 2:
        o->tls.cert = optarg;
        return true;
    case 3:
        o->tls.key = optarg;
        return true;
    case 4:
        o->tls.peer = optarg;
        return true;
    case 5:
        o->plain = true;
        return true;
    case 6:
        return gw_size_parse(optarg, &o->journal_bytes) && o->journal_bytes >= GW_JOURNAL_BYTES_MIN;
    case 7:
        return gw_size_parse(optarg, &o->reserve_bytes);
    case 8:
        o->link_timeout_ms = (unsigned)strtoul(optarg, &end, 10);
        return *end == '\0' && o->link_timeout_ms >= 100;
    }
    return false;
}

static const char *option_name(int c)
{
    for (const struct option *o = longopts; o->name != NULL; o++) {
        if (o->val == c)
            return o->name;
    }
    return "?";
}

/* -1: go on; else the exit code. */
static int parse(int argc, char **argv, struct options *o)
{
    int c, index = 0;
    while ((c = getopt_long(argc, argv, "d:l:c:hV", longopts, &index)) != -1) {
        if (c == 'h') {
            fputs(usage, stdout);
            return 0;
        }
        if (c == 'V') {
            puts("godwit-replica " GODWIT_VERSION);
            return 0;
        }
        if (c == '?')
            return usage_error("bad option", "");
        if (!one_option(o, c)) {
            char what[96];
            snprintf(what, sizeof what, "--%s%s: impossible value", option_name(c),
                     c == 6   ? " (at least 256MiB)"
                     : c == 8 ? " (at least 100)"
                              : "");
            return usage_error(what, optarg);
        }
    }
    if (optind < argc)
        return usage_error("unexpected argument", argv[optind]);
    if (o->dir == NULL)
        return usage_error("--dir is missing", "");
    if ((o->listen == NULL) == (o->heal == NULL))
        return usage_error("give one of --listen and --heal", "");
    bool all = o->tls.ca && o->tls.cert && o->tls.key;
    if (o->plain == all)
        return usage_error("give --tls-ca, --tls-cert and --tls-key, or --plain", "");
    return -1;
}

static int failed(const struct gw_error *err)
{
    fprintf(stderr, "godwit-replica: %s\n", err->msg);
    return EXIT_FAILURE;
}

static void set_prefix(const struct gw_plan *plan)
{
    char prefix[128];
    snprintf(prefix, sizeof prefix, "%.50s/%.50s/%llu", plan->meta.plan_name,
             plan->meta.site_name[plan->meta.site],
             (unsigned long long)gw_lineage_epoch(&plan->meta.lineage));
    gw_log_prefix(prefix);
}

/* ---- receiving ----------------------------------------------------------------------------- */

static int serve(struct gw_plan *plan, const struct options *o, struct gw_tls *tls,
                 const sigset_t *signals)
{
    struct gw_replica_config config;
    gw_replica_config_init(&config);
    config.listen = o->listen;
    config.tls = tls;
    if (o->journal_bytes != 0)
        config.journal_bytes = o->journal_bytes;
    if (o->link_timeout_ms != 0)
        config.link_timeout_ms = o->link_timeout_ms;
    config.point_reserve_bytes = o->reserve_bytes;
    struct gw_error err;
    struct gw_replica *replica = NULL;
    struct replica_control rc = { .plan = plan };
    struct gw_control *control = NULL;
    int r = gw_replica_new(plan, &config, &replica, &err);
    if (r == 0)
        r = gw_replica_start(replica, &err);
    rc.replica = replica;
    if (r == 0 && o->control != NULL)
        r = replica_control_start(o->control, &rc, &control, &err);
    if (r == 0) {
        printf("listening on %s\n", gw_replica_address(replica));
        fflush(stdout);
        int sig;
        sigwait(signals, &sig);
    }
    gw_control_stop(control);
    if (replica != NULL)
        gw_replica_stop(replica);
    gw_replica_free(replica);
    return r < 0 ? failed(&err) : EXIT_SUCCESS;
}

/* ---- healing ------------------------------------------------------------------------------- */

static int heal(struct gw_plan *plan, const struct options *o, struct gw_tls *tls,
                const sigset_t *signals)
{
    struct gw_source_config config;
    gw_source_config_init(&config);
    config.peer = o->heal;
    config.tls = tls;
    config.heal_only = true;
    if (o->link_timeout_ms != 0)
        config.link_timeout_ms = o->link_timeout_ms;
    struct gw_error err;
    struct gw_source *source = NULL;
    int r = gw_source_new(plan, &config, &source, &err);
    if (r == 0)
        r = gw_source_start(source, &err);
    if (r < 0) {
        gw_source_free(source);
        return failed(&err);
    }
    struct gw_source_status st;
    const struct timespec none = { 0, 0 };
    bool stopped = false;
    for (;;) {
        gw_source_get_status(source, &st);
        stopped = sigtimedwait(signals, NULL, &none) > 0;
        if (st.healed || stopped)
            break;
        gw_source_wait_change(source, 200);
    }
    gw_source_stop(source, 0);
    gw_source_free(source);
    if (st.healed)
        puts("healed: the peer is consistent and equal to this side");
    else
        fprintf(stderr, "godwit-replica: stopped before the peer was healed: %s\n", st.reason);
    return st.healed ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
    struct options o = { .dir = NULL };
    int code = parse(argc, argv, &o);
    if (code >= 0)
        return code;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGUSR1); /* from the control server: a promotion or a stop was asked for */
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);

    struct gw_error err;
    struct gw_tls *tls = NULL;
    if (o.tls.ca != NULL && gw_tls_load(&o.tls, &tls, &err) < 0)
        return failed(&err);
    struct gw_plan *plan = NULL;
    if (gw_plan_open(gw_io_posix(), o.dir, 0, &plan, &err) < 0) {
        gw_tls_free(tls);
        return failed(&err);
    }
    set_prefix(plan);
    code = o.heal != NULL ? heal(plan, &o, tls, &signals) : serve(plan, &o, tls, &signals);
    gw_plan_close(plan);
    gw_tls_free(tls);
    return code;
}
