// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Data planes, much simplified: a volume is a list of writes; a standby has a prefix of it. */
#include "sim.h"

#include <string.h>

#define RESTART_MS 2000u
#define WRITES_A_TICK 100u

void sim_unit_start(struct sim_site *site, enum sim_unit unit)
{
    site->want = unit;
    if (site->unit == unit)
        return;
    site->unit = unit;
    site->quiesced = site->token = false;
    site->authorised = true; /* a step of a run says so */
}

void sim_unit_stop(struct sim_site *site)
{
    site->want = site->unit = SIM_OFF;
    site->quiesced = site->token = false;
}

void sim_kill_plane(struct sim_site *site)
{
    site->unit = SIM_OFF;
    site->quiesced = site->token = false;
    site->unit_back_ns = site->sim->now_ns + RESTART_MS * SIM_MS;
}

bool sim_exported(const struct sim_site *site)
{
    return site->unit == SIM_SOURCE && site->role == SIM_ACTIVE && site->authorised &&
           !site->quiesced;
}

bool sim_serving(const struct sim_site *site)
{
    return sim_exported(site) && site->workload;
}

/* Does the source at `from` have the other's replica? */
bool sim_connected(struct sim *s, struct sim_site *from)
{
    struct sim_site *to = sim_other(from);
    return s->link && from->unit == SIM_SOURCE && from->role == SIM_ACTIVE &&
           to->unit == SIM_REPLICA && to->role != SIM_NONE && to->role != SIM_ACTIVE;
}

bool sim_diverged(const struct sim_site *from, const struct sim_site *to)
{
    return to->n_data > from->n_data ||
           (to->n_data > 0 && from->data[to->n_data - 1] != to->data[to->n_data - 1]);
}

bool sim_same(const struct sim_site *a, const struct sim_site *b)
{
    return a->n_data == b->n_data && !sim_diverged(a, b);
}

void sim_keep(struct sim *s, const struct sim_site *site, unsigned from)
{
    for (unsigned i = from; i < site->n_data; i++)
        s->kept[site->data[i]] = true;
}

static unsigned common(const struct sim_site *a, const struct sim_site *b)
{
    unsigned i = 0;
    while (i < a->n_data && i < b->n_data && a->data[i] == b->data[i])
        i++;
    return i;
}

void sim_replicate(struct sim *s, struct sim_site *from, struct sim_site *to, unsigned writes_max)
{
    if (sim_diverged(from, to)) {
        if (!s->signed_tail)
            return;
        unsigned fork = common(from, to);
        sim_keep(s, to, fork);
        to->n_data = fork;
    }
    for (unsigned i = 0; i < writes_max && to->n_data < from->n_data; i++) {
        to->data[to->n_data] = from->data[to->n_data];
        to->n_data++;
    }
    if (to->role == SIM_FENCED && sim_same(from, to))
        to->role = SIM_STANDBY;
}

/* A source that came back by itself serves after a look at the other side, not before. */
static void authorise(struct sim *s, struct sim_site *site)
{
    struct sim_site *other = sim_other(site);
    if (site->authorised || site->unit != SIM_SOURCE || !s->link || !other->daemon)
        return;
    if (other->revoked || (other->role == SIM_ACTIVE && other->reign > site->reign))
        site->role = SIM_FENCED;
    else
        site->authorised = true;
}

void sim_plane_tick(struct sim *s, struct sim_site *site)
{
    if (site->daemon && site->unit == SIM_OFF && site->want != SIM_OFF &&
        s->now_ns >= site->unit_back_ns)
        site->unit = site->want;
    authorise(s, site);
    if (site->workload_want && !site->workload && sim_exported(site) && site->daemon)
        site->workload = true;
    if (sim_connected(s, site) && !site->quiesced)
        sim_replicate(s, site, sim_other(site), WRITES_A_TICK);
}

void sim_clients(struct sim *s)
{
    bool any = false;
    for (unsigned i = 0; i < 2; i++) {
        struct sim_site *site = &s->site[i];
        if (!sim_serving(site))
            continue;
        any = true;
        if (s->now_ns % (1000 * SIM_MS) == 0 && s->next_write < SIM_WRITES_MAX)
            site->data[site->n_data++] = s->next_write++;
    }
    s->down_ns = any ? 0 : s->down_ns + SIM_TICK_MS * SIM_MS;
}
