// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * sim [--seeds A..B] [--without RULE] [--seconds N] [--verbose]: worlds from seeds. Each seed also
 * chooses mode, sync or async, and the limits. Exit 0: nothing was violated.
 */
#include "world.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static struct gw_authority_limits tight(void)
{
    struct gw_authority_limits l = gw_authority_limits_default();
    l.rho_ppm = 50000;
    l.renew_ms = 1000;
    l.reply_ms = 1000;
    l.tries = 2;
    l.stop_ms = 1000;
    l.hold_ms = 5000;
    l.promise_ms = 5600;
    l.delay_ms = 1000;
    l.io_ms = 1000;
    l.watchdog_ms = 4000;
    return l;
}

static void choose(struct options *o)
{
    struct world dice = { .rng = o->seed };
    o->witness = !happens(&dice, 25);
    o->sync = happens(&dice, 60);
    o->isolated_start = happens(&dice, 30);
    o->limits = happens(&dice, 50) ? tight() : gw_authority_limits_default();
    o->seconds = 100 + chance(&dice, 300);
}

static uint32_t rule_named(const char *name)
{
    for (unsigned i = 0; i < GW_RULE_MAX; i++) {
        if (strcmp(name, gw_authority_rule_name((enum gw_authority_rule)i)) == 0)
            return 1u << i;
    }
    fprintf(stderr, "there is no rule \"%s\"\n", name);
    exit(2);
}

static uint32_t rules_named(char *names)
{
    uint32_t set = 0;
    for (char *save = NULL, *n = strtok_r(names, ",", &save); n != NULL;
         n = strtok_r(NULL, ",", &save))
        set |= rule_named(n);
    return set;
}

struct totals {
    unsigned long long acks, serves, fail_overs, takes, forced, backs;
};

static bool one(struct options o, struct totals *t)
{
    struct world *w = calloc(1, sizeof *w);
    if (w == NULL || (w->heap = calloc(EVENTS, sizeof *w->heap)) == NULL)
        abort();
    w->o = o;
    const bool good = run(w);
    if (!good)
        printf("seed %llu: %s (%s, %s): %s\n", (unsigned long long)o.seed, "violated",
               o.witness ? "witness" : "pair", o.sync ? "sync" : "async", w->why);
    t->acks += w->acks;
    t->serves += w->serves;
    t->fail_overs += w->fail_overs;
    t->takes += w->takes;
    t->forced += w->forced;
    t->backs += w->backs;
    free(w->heap);
    free(w);
    return good;
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = { { "seeds", required_argument, NULL, 's' },
                                                  { "without", required_argument, NULL, 'w' },
                                                  { "verbose", no_argument, NULL, 'v' },
                                                  { "keep-going", no_argument, NULL, 'k' },
                                                  { 0 } };
    unsigned long long from = 1, to = 100, bad = 0;
    struct options o = { 0 };
    struct totals totals = { 0 };
    bool keep_going = false;
    for (int c; (c = getopt_long(argc, argv, "", long_options, NULL)) != -1;) {
        if (c == 's' && sscanf(optarg, "%llu..%llu", &from, &to) < 2)
            to = from;
        else if (c == 'w')
            o.without = rules_named(optarg);
        else if (c == 'v')
            o.verbose = true;
        else if (c == 'k')
            keep_going = true;
        else if (c == '?')
            return 2;
    }
    for (o.seed = from; o.seed <= to && (bad == 0 || keep_going); o.seed++) {
        choose(&o);
        if (!one(o, &totals))
            bad++;
    }
    printf("%llu seeds, %llu violated: %llu answers, %llu reigns, %llu failovers, %llu handovers "
           "tried, %llu forced, %llu taken back\n",
           o.seed - from, bad, totals.acks, totals.serves, totals.fail_overs, totals.takes,
           totals.forced, totals.backs);
    return bad > 0;
}
