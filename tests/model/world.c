// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Identity, positions and what they mean; rules and bounds; the statements and the verdict. */
#include "world.h"

#include "engine/limits.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const rule_name[RULE_MAX] = {
    [R1] = "R1",
    [R2_FSYNC] = "R2-fsync",
    [R2_PEER] = "R2-peer",
    [R2_OPEN] = "R2-open",
    [R3_DURABLE] = "R3-durable",
    [R3_AGAIN] = "R3-again",
    [R3_FIN] = "R3-fin",
    [R4] = "R4",
    [R5] = "R5",
    [R5_STREAM] = "R5-stream",
    [R6_MARK] = "R6-mark",
    [R6_SET] = "R6-set",
    [R7] = "R7",
    [R8] = "R8",
    [R9] = "R9",
    [R10] = "R10",
    [R10_INJECTED] = "R10-injected",
    [R10_REIGN] = "R10-reign",
    [R11] = "R11",
    [R12] = "R12",
    [R13] = "R13",
    [R14] = "R14",
    [R15] = "R15",
    [R16] = "R16",
    [R17_FSYNC] = "R17-fsync",
    [R17_VOID] = "R17-void",
    [R17_HELLO] = "R17-hello",
    [R17_SESSION] = "R17-session",
    [R17_RECORD] = "R17-record",
    [R18] = "R18",
    [R19] = "R19",
    [UNDO_FIRST] = "undo-first",
    [UNDO_MARKS] = "undo-marks",
    [NEW_UUID] = "new-uuid",
    [EPOCH_ABOVE] = "epoch-above",
    [EPOCH_PARITY] = "epoch-parity",
    [EPOCH_RESTART] = "epoch-restart",
    [SPEAK_FIRST] = "speak-first",
    [UNSYNC_FIRST] = "unsync-first",
    [DETACH] = "detach",
    [ROW_4] = "row-4",
    [ROW_7] = "row-7",
    [ROW_9] = "row-9",
};

struct bounds bound;
bool telling;
static bool without[RULE_MAX];

bool on(enum rule r)
{
    return !without[r];
}

static unsigned number(const char *name, unsigned otherwise)
{
    const char *s = getenv(name);
    return s != NULL ? (unsigned)atoi(s) : otherwise;
}

static void read_environment(void)
{
    bound = (struct bounds){
        .writes = number("GODWIT_WRITES", 1),
        .crashes = number("GODWIT_CRASHES", 1),
        .losses = number("GODWIT_LOSSES", 1),
        .connects = number("GODWIT_CONNECTS", 2),
        .promotions = number("GODWIT_PROMOTIONS", 0),
        .points = number("GODWIT_POINTS", 0),
        .handovers = number("GODWIT_HANDOVERS", 0),
        .restores = number("GODWIT_RESTORES", 0),
        .stops = number("GODWIT_STOPS", 0),
        .sync = number("GODWIT_SYNC", 0),
        .power = number("GODWIT_POWER", 1),
        .blocks = number("GODWIT_BLOCKS", BLOCKS),
        .eager = number("GODWIT_EAGER", 0),
    };
    const char *given = getenv("GODWIT_WITHOUT");
    char *names = strdup(given != NULL ? given : "");
    for (char *s = strtok(names, ","); s != NULL; s = strtok(NULL, ",")) {
        int r = 0;
        while (r < RULE_MAX && strcmp(rule_name[r], s) != 0)
            r++;
        if (r == RULE_MAX) {
            fprintf(stderr, "GODWIT_WITHOUT: the model has no rule %s\n", s);
            exit(2);
        }
        without[r] = true;
    }
    free(names);
}

void say(const char *fmt, ...)
{
    va_list ap;
    if (!telling)
        return;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    va_end(ap);
    putchar('\n');
}

void violated(struct world *w, enum broken what)
{
    if (w->broken == OK)
        w->broken = (uint8_t)what;
}

/* ---- identity and positions ---------------------------------------------------------------- */

/* Born on the present image of the site, whose ghost it becomes. 0: the model is too small. */
unsigned incarnation_new(struct world *w, unsigned site, enum gw_birth birth, unsigned epoch,
                         unsigned fork, unsigned had)
{
    struct site *s = &w->s[site];
    unsigned u = ++w->incs;
    if (birth == GW_BIRTH_PROMOTION)
        for (unsigned i = 1; i < u; i++)
            if (w->inc[i].birth != GW_BIRTH_RESTART && w->inc[i].epoch == epoch)
                violated(w, EPOCH_TWICE);
    w->inc[u] = (struct inc){ .epoch = (uint8_t)epoch,
                              .parent = s->cur,
                              .fork = (uint8_t)fork,
                              .had = (uint8_t)had,
                              .site = (uint8_t)site,
                              .birth = (uint8_t)birth };
    w->image[u][0] = s->eff;
    s->cur = (uint8_t)u;
    s->fuzzy = 0;
    if (epoch > s->highest)
        s->highest = (uint8_t)epoch;
    return u;
}

uint8_t *image_at(struct world *w, unsigned uuid, unsigned seq)
{
    if (uuid == 0 || uuid > w->incs || seq < w->inc[uuid].fork)
        return NULL;
    unsigned at = seq - w->inc[uuid].fork;
    return at < STEPS ? &w->image[uuid][at] : NULL;
}

bool has_room(const struct world *w, unsigned s)
{
    const struct site *x = &w->s[s];
    if (!serving(x))
        return x->nseq < 12; /* numbers of a session */
    return x->nseq + 1u < w->inc[x->cur].fork + STEPS && x->nseq + 1u < x->reserved;
}

unsigned take_number(struct world *w, unsigned s)
{
    struct site *x = &w->s[s];
    x->nseq++;
    if (serving(x)) {
        uint8_t *is = image_at(w, x->cur, x->nseq), *was = image_at(w, x->cur, x->nseq - 1u);
        *is = *was;
    }
    return x->nseq;
}

bool serving(const struct site *s)
{
    return s->service == SV_SERVING || s->service == SV_QUIESCED;
}

bool crashed_active(const struct site *s)
{
    if (s->role == GW_ROLE_FENCED)
        return !s->clean;
    return s->role == GW_ROLE_ACTIVE && !s->clean && !s->confirmed;
}

/* How far into uuid does the image of s reach? An active or crashed writer holds all it numbered.
 */
static unsigned reach(const struct world *w, unsigned s, unsigned uuid)
{
    const struct site *x = &w->s[s];
    unsigned child = 0;
    for (unsigned u = x->cur; u != uuid; child = u, u = w->inc[u].parent)
        if (u == 0)
            return 0;
    if (child != 0)
        return w->inc[child].fork;
    if (serving(x) || crashed_active(x) || x->fuzzy)
        return UINT8_MAX;
    return x->up && x->role != GW_ROLE_ACTIVE && x->pending == PEND_NONE ? x->rseq : x->seq;
}

bool holds(const struct world *w, unsigned s, unsigned v)
{
    const struct value *x = &w->value[v];
    return x->uuid != 0 && reach(w, s, x->uuid) >= x->seq;
}

/* ---- statements ---------------------------------------------------------------------------- */

static struct gw_uuid uuid_of(unsigned n)
{
    return (struct gw_uuid){ .b = { (uint8_t)n } };
}

static void lineage_of(const struct world *w, unsigned uuid, struct gw_lineage *ret)
{
    uint8_t chain[INCS + 1];
    unsigned n = 0;
    for (unsigned u = uuid; u != 0; u = w->inc[u].parent)
        chain[n++] = (uint8_t)u;
    ret->n = 0;
    while (n-- > 0) {
        const struct inc *i = &w->inc[chain[n]];
        ret->e[ret->n++] = (struct gw_incarnation){
            .epoch = i->epoch,
            .uuid = uuid_of(chain[n]),
            .parent = uuid_of(i->parent),
            .fork_seq = i->fork,
            .had_seq = i->had,
            .site = i->site,
            .birth = (enum gw_birth)i->birth,
        };
    }
}

/* As gw_plan_side, gw_source_own_side and the replica's own_hello say it. */
static void state_of(const struct world *w, unsigned site, struct gw_side *ret)
{
    const struct site *s = &w->s[site];
    ret->site = (uint8_t)site;
    ret->role = (enum gw_role)s->role;
    ret->serving = serving(s);
    ret->consistent = s->consistent || !on(ROW_4);
    ret->crashed_active = crashed_active(s);
    ret->boot_changed = ret->crashed_active && s->boot != s->active_boot;
    ret->seq = s->seq;
    ret->seq_reserved = s->reserved;
    ret->ring_whole = false;
    ret->ring_base = 0;
    if (ret->serving) {
        ret->seq = s->nseq;
        ret->ring_whole = s->attached && !(s->op && !s->op_claimed);
        ret->ring_base = s->acked;
    } else if (s->role == GW_ROLE_ACTIVE && s->clean) {
        ret->ring_whole = true;
        ret->ring_base = s->seq;
    } else if (s->role != GW_ROLE_ACTIVE && s->pending == PEND_NONE) {
        ret->seq = s->dseq;
    }
    ret->boot_id = uuid_of(16u * (site + 1) + s->boot);
    ret->recorded = (enum gw_recorded)s->recorded;
    ret->sync_boot = s->sync_boot ? uuid_of(16u * (2 - site) + s->sync_boot - 1u) : uuid_of(0);
    ret->dirty_blocks = (uint64_t)__builtin_popcount(s->set | s->flight);
    ret->cleared_uuid = uuid_of(s->cl_uuid);
    ret->cleared_seq = s->cl_seq;
    ret->reached_uuid = uuid_of(s->reached_uuid);
    ret->reached_seq = s->reached_seq;
    ret->highest_epoch = s->highest;
    ret->survivor = uuid_of(s->survivor);
    ret->tail_signed = s->signed_cur != 0 && s->signed_cur == s->cur;
    lineage_of(w, s->cur, &ret->lineage);
}

/* A rule of the verdict is left out by keeping from it what it looks at. */
static void leave_out(struct gw_side *a, struct gw_side *b)
{
    struct gw_side *const both[SITES] = { a, b };
    for (unsigned i = 0; i < SITES; i++) {
        struct gw_side *x = both[i], *y = both[1 - i];
        if (!on(R5))
            x->cleared_uuid = uuid_of(0);
        if (!on(R18) && x->recorded == GW_RECORDED_SYNC)
            x->sync_boot = y->boot_id;
        if (!on(ROW_9))
            x->recorded = GW_RECORDED_UNSYNC;
        if (!on(ROW_7) && (x->serving || y->serving))
            x->dirty_blocks = 0;
        if (!on(R19) && !x->serving && x->role == GW_ROLE_ACTIVE) {
            x->role = GW_ROLE_STANDBY;
            x->crashed_active = false;
        }
    }
}

void judge(const struct world *w, struct gw_verdict *ret)
{
    static struct gw_side side[SITES]; /* what is not set below is zero for ever */
    for (unsigned i = 0; i < SITES; i++)
        state_of(w, i, &side[i]);
    leave_out(&side[0], &side[1]);
    gw_verdict_decide(&side[0], &side[1], ret);
}

/* ---- beginning and end --------------------------------------------------------------------- */

void world_init(struct world *w)
{
    read_environment();
    memset(w, 0, sizeof *w);
    w->incs = 1;
    w->inc[1] = (struct inc){ .epoch = 1, .birth = GW_BIRTH_CREATION };
    w->crashes = (uint8_t)bound.crashes;
    w->losses = (uint8_t)bound.losses;
    w->connects = (uint8_t)bound.connects;
    w->promotions = (uint8_t)bound.promotions;
    w->points = (uint8_t)bound.points;
    w->handovers = (uint8_t)bound.handovers;
    w->restores = (uint8_t)bound.restores;
    w->stops = (uint8_t)bound.stops;
    for (unsigned i = 0; i < SITES; i++)
        w->s[i] = (struct site){
            .cur = 1, .highest = 1, .consistent = 1, .up = 1, .clean = i != 0, .jstream = 1
        };
    struct site *a = &w->s[0], *b = &w->s[1];
    a->role = GW_ROLE_ACTIVE;
    a->confirmed = 1;
    a->service = SV_SERVING;
    a->reserved = STEPS;
    a->reigns = 1;
    a->attached = 1;
    a->recorded = bound.sync ? GW_RECORDED_SYNC : GW_RECORDED_ASYNC;
    a->sync_on = a->sync_recorded = bound.sync != 0;
    a->sync_boot = bound.sync ? (uint8_t)(b->boot + 1) : 0;
    b->role = GW_ROLE_STANDBY;
    b->recorded = GW_RECORDED_UNSYNC;
    b->reached_uuid = 1;
    w->ses = (struct session){ .up = 1, .source = 0, .mode = MODE_STREAM, .numbers = 1 };
}

void tell_state(const struct world *w)
{
    static const char *const role[] = { "stopped", "active", "standby", "fenced" };
    static const char *const service[] = { "", " waiting", " serving", " quiesced" };
    static const char *const pending[] = { "", " resync", " rewind", " rollback" };
    if (!telling || w->broken == OK)
        return;
    for (unsigned i = 0; i < SITES; i++) {
        const struct site *s = &w->s[i];
        printf("  %c: %s %s%s%s%s, at %u:%u, disk %u,%u read %u,%u, set %u durable %u hot %u, "
               "ring %u, journal %u/%u/%u\n",
               'A' + i, s->up ? "up" : "down", role[s->role], service[s->service],
               s->consistent ? "" : " inconsistent", pending[s->pending], s->cur,
               serving(s)                   ? s->nseq
               : s->role == GW_ROLE_STANDBY ? s->rseq
                                            : s->seq,
               block_of(s->disk, 0), block_of(s->disk, 1), block_of(s->eff, 0), block_of(s->eff, 1),
               s->set | s->flight, s->dset, s->hot, s->nring, s->nj, s->jd, s->ja);
    }
    printf("VIOLATED: %s\n", broken_text[w->broken]);
}
