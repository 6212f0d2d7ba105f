// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * search [--states N] [--margin M] [--without RULE]: every interleaving of two shipped state
 * machines, a register and their clocks, in small bounds, depth first, each state once. README.md.
 *
 * Durations are counted in ticks. A site's clock is real time plus 0 or 1 tick, and may change
 * between the two at any moment it does not run backward: a duration is measured wrong by up to one
 * tick, so that T_g = H + 2 is the smallest safe promise. What is older than every duration is all
 * the same age; numbers, revisions and beats count only relative to each other: so the states are
 * finitely many.
 */
#include "authority/authority.h"
#include "base/hash.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BASE 1000
#define TICK 1000000ull
#define POSTS 4
#define EPOCHS 4 /* numbers that are tried */
#define DEPTH 4000
static unsigned depth_max = DEPTH;

enum post_kind { POST_NONE, POST_MESSAGE, POST_REQUEST, POST_REPLY };

struct post {
    uint8_t kind, site; /* to, or (REQUEST) from */
    bool swap;
    uint8_t outcome;
    uint64_t id;
    int64_t revision;
    struct gw_authority_message message;
    struct gw_tenure record;
};

struct node {
    struct gw_authority core[2];
    struct gw_authority_durable disk[2];
    uint64_t deadline[2];
    bool open[2];
    uint8_t off[2];
    uint8_t crashes;
    bool has;
    uint32_t now;
    int64_t revision;
    struct gw_tenure record;
    struct post post[POSTS];
};

static struct gw_authority_config config;
static uint64_t *seen, seen_mask, states, states_max = 3000000, fresh;
static uint32_t cap;

static uint64_t clock_of(const struct node *n, unsigned s)
{
    return (BASE + n->now + n->off[s]) * TICK;
}

static bool is_open(const struct node *n, unsigned s)
{
    return n->open[s] && clock_of(n, s) < n->deadline[s];
}

/* --- what the sites do --- */

static void post(struct node *n, struct post p)
{
    for (unsigned i = 0; i < POSTS; i++) {
        if (n->post[i].kind == POST_NONE) {
            n->post[i] = p;
            return;
        }
    } /* no room: it is lost, which is lawful */
}

static void effect(struct node *n, unsigned s, const struct gw_authority_effect *f)
{
    struct post p = { .site = (uint8_t)s, .id = f->id };
    if (f->kind == GW_DO_STORE) {
        n->disk[s] = f->durable;
    } else if (f->kind == GW_DO_READ || f->kind == GW_DO_SWAP) {
        p.kind = POST_REQUEST;
        p.swap = f->kind == GW_DO_SWAP;
        p.revision = f->expected;
        p.record = f->record;
        post(n, p);
    } else if (f->kind == GW_DO_SEND && f->message.kind != GW_MSG_CONTACT) {
        p.kind = POST_MESSAGE;
        p.site = (uint8_t)(1 - s);
        p.message = f->message;
        post(n, p);
    } else if (f->kind == GW_DO_GRANT) {
        n->open[s] = true;
        n->deadline[s] = f->deadline_ns;
    } else if (f->kind == GW_DO_REVOKE) {
        n->open[s] = false;
    }
}

static void step(struct node *n, unsigned s, struct gw_authority_event ev)
{
    struct gw_authority_effects out;
    struct gw_authority *a = &n->core[s];
    ev.now = (struct gw_instant){ .boot_ns = clock_of(n, s), .raw_ns = clock_of(n, s) };
    ev.fresh.b[0] = 1;
    a->contact.busy = false; /* small talk is left out */
    a->contact_tried = ev.now;
    gw_authority_step(a, &ev, &out);
    for (size_t i = 0; i < out.n; i++)
        effect(n, s, &out.e[i]);
}

static void boot(struct node *n, unsigned s)
{
    config.self = (enum gw_seat)s;
    gw_authority_init(&n->core[s], &config, &n->disk[s]);
    step(n, s,
         (struct gw_authority_event){ .kind = GW_EV_BOOT,
                                      .boot.b = { (uint8_t)(s + 1) },
                                      .nonce = ++fresh << 20,
                                      .serving = is_open(n, s) });
}

static void land(struct node *n, struct post q)
{
    struct post r = {
        .kind = POST_REPLY, .site = q.site, .swap = q.swap, .id = q.id, .outcome = GW_REGISTER_WON
    };
    if (q.swap && q.revision != n->revision) {
        r.outcome = GW_REGISTER_LOST;
    } else if (q.swap) {
        n->revision++;
        n->record = q.record;
        n->has = true;
    }
    r.revision = n->revision;
    r.record = n->record;
    post(n, r);
}

static void deliver(struct node *n, unsigned i)
{
    const struct post p = n->post[i];
    n->post[i] = (struct post){ 0 };
    if (p.kind == POST_REQUEST) {
        land(n, p);
        return;
    }
    struct gw_authority_event ev = { .kind = GW_EV_MESSAGE, .message = p.message };
    if (p.kind == POST_REPLY)
        ev = (struct gw_authority_event){ .kind = p.swap ? GW_EV_SWAP : GW_EV_READ,
                                          .id = p.id,
                                          .outcome = (enum gw_register_outcome)p.outcome,
                                          .revision = p.revision,
                                          .has_record = p.revision > 0,
                                          .record = p.record };
    step(n, p.site, ev);
}

/* --- when two states are the same --- */

static void age(struct gw_instant *t, uint64_t now)
{
    const uint64_t passed = t->boot_ns == 0 ? 0 : (now - t->boot_ns) / TICK + 1;
    *t = (struct gw_instant){ .boot_ns = passed > cap ? cap : passed };
}

static void plain(struct gw_tenure *r)
{
    r->beat = r->since_s = 0;
    memset(&r->incarnation, 0, sizeof r->incarnation);
}

static void plain_durable(struct gw_authority_durable *d)
{
    memset(&d->incarnation, 0, sizeof d->incarnation);
    d->claim = GW_CLAIM_UNKNOWN;
    d->served = d->claim_of_boot = false;
    if (d->unresolved == 0)
        d->unresolved_revision = 0;
}

static bool waited_for(const struct node *n, unsigned s, uint64_t id, bool swap)
{
    for (unsigned i = 0; i < POSTS; i++) {
        const struct post *p = &n->post[i];
        if ((p->kind == POST_REQUEST || p->kind == POST_REPLY) && p->site == s && p->id == id &&
            p->swap == swap)
            return true;
    }
    return false;
}

static void plain_core(struct node *n, unsigned s)
{
    struct gw_authority *a = &n->core[s];
    struct gw_instant *const instants[] = { &a->moved,         &a->swap.sent,  &a->read.sent,
                                            &a->witness_tried, &a->valid_from, &a->granted_for,
                                            &a->renew_tried,   &a->ask.sent,   &a->promised_at,
                                            &a->wait_from };
    const uint64_t now = clock_of(n, s);
    if (!a->swap.busy && !waited_for(n, s, a->swap.id, true))
        a->swap = (struct gw_swap_state){ 0 };
    if (!a->read.busy)
        a->read = (struct gw_asking){ 0 };
    if (!a->ask.busy)
        a->ask = (struct gw_asking){ 0 };
    for (size_t i = 0; i < sizeof instants / sizeof instants[0]; i++)
        age(instants[i], now);
    a->now = a->void_from = a->maintenance_from = a->contact_tried = (struct gw_instant){ 0 };
    a->contact = a->voiding = (struct gw_asking){ 0 };
    a->serial = a->close_id = 0;
    memset(&a->fresh, 0, sizeof a->fresh);
    plain(&a->record);
    plain(&a->swap.record);
    plain_durable(&a->d);
    plain_durable(&n->disk[s]);
}

static void plain_posts(struct node *n)
{
    for (unsigned i = 0; i < POSTS; i++) {
        struct post *p = &n->post[i];
        const struct gw_authority *a = &n->core[p->site], *asker = &n->core[1 - p->site];
        if (p->kind == POST_MESSAGE) {
            const bool answer = p->message.kind == GW_MSG_PROMISE_ANSWER;
            const struct gw_asking *q = answer ? &a->ask : &asker->ask;
            const bool current = q->busy && q->id == p->message.serial;
            if (answer && !current)
                *p = (struct post){ 0 };
            p->message.serial = current;
        } else if (p->kind != POST_NONE) {
            const bool current =
                p->swap ? a->swap.id == p->id : a->read.busy && a->read.id == p->id;
            if (!current && (p->kind == POST_REPLY || !p->swap))
                *p = (struct post){ 0 };
            p->id = current;
        }
        plain(&p->record);
    }
}

/* Revisions by rank. */
static void rank(struct node *n)
{
    int64_t *all[16];
    size_t k = 0;
    all[k++] = &n->revision;
    for (unsigned s = 0; s < 2; s++) {
        int64_t *mine[] = { &n->core[s].revision, &n->core[s].swap.expected, &n->core[s].read_after,
                            &n->core[s].d.unresolved_revision };
        for (size_t i = 0; i < 4; i++)
            all[k++] = mine[i];
        n->disk[s].unresolved_revision = 0; /* as the core's, but before a first store */
        n->core[s].judged = 0;
    }
    for (unsigned i = 0; i < POSTS; i++)
        all[k++] = &n->post[i].revision;
    int64_t old[16], ranked[16];
    for (size_t i = 0; i < k; i++)
        old[i] = *all[i];
    for (size_t i = 0; i < k; i++) {
        int64_t r = old[i] <= 0 ? old[i] : 1;
        for (size_t j = 0; j < k && old[i] > 0; j++) {
            bool first = true;
            for (size_t l = 0; l < j; l++)
                first = first && old[l] != old[j];
            r += first && old[j] > 0 && old[j] < old[i];
        }
        ranked[i] = r;
    }
    for (size_t i = 0; i < k; i++)
        *all[i] = ranked[i];
}

static bool is_new(const struct node *n)
{
    struct node c = *n;
    plain_posts(&c);
    for (unsigned s = 0; s < 2; s++)
        plain_core(&c, s);
    rank(&c);
    plain(&c.record);
    for (unsigned s = 0; s < 2; s++) {
        const uint64_t now = clock_of(n, s);
        c.deadline[s] = is_open(n, s) ? (n->deadline[s] - now) / TICK : 0;
        c.open[s] = is_open(n, s);
    }
    c.now = 0;
    const uint64_t h = gw_hash64(&c, sizeof c, 1) | 1;
    for (uint64_t i = h >> 8;; i++) {
        if (seen[i & seen_mask] == h)
            return false;
        if (seen[i & seen_mask] == 0) {
            seen[i & seen_mask] = h;
            return true;
        }
    }
}

/* --- what may happen next --- */

#define MOVES (4 + 2 + 2 * POSTS + 2 + 2)

static bool move_to(const struct node *n, unsigned m, struct node *ret)
{
    *ret = *n;
    if (m < 4) { /* time goes on; each clock may be ahead or not, never backward */
        ret->now++;
        ret->off[0] = m & 1;
        ret->off[1] = (m >> 1) & 1;
        return true;
    }
    m -= 4;
    if (m < 2) {
        step(ret, m, (struct gw_authority_event){ .kind = GW_EV_TICK });
        return true;
    }
    m -= 2;
    if (m < POSTS) {
        if (n->post[m].kind == POST_NONE)
            return false;
        deliver(ret, m);
        return true;
    }
    m -= POSTS;
    if (m < POSTS) {
        ret->post[m] = (struct post){ 0 };
        return n->post[m].kind != POST_NONE;
    }
    m -= POSTS;
    if (m < 2) {
        if (n->crashes == 0)
            return false;
        ret->crashes--;
        boot(ret, m);
        return true;
    }
    m -= 2;
    if (n->core[m].d.highest >= EPOCHS || n->core[m].d.holder == m || n->core[m].d.epoch == 0)
        return false;
    ret->core[m].d.fenced = false; /* a person has looked */
    step(ret, m,
         (struct gw_authority_event){
             .kind = GW_EV_ORDER, .order = GW_ORDER_FAIL_OVER, .judged = n->core[m].revision });
    return true;
}

static bool may_move(const struct node *n, unsigned order, struct node *ret)
{
    /* Another order in each state: a search that is cut short has looked in all directions. */
    const unsigned m =
        (unsigned)((order * 7 + (n->now * 5 + n->core[0].serial * 3 + n->core[1].serial)) % MOVES);
    return move_to(n, m, ret);
}

static void tell(const struct node *n, unsigned depth)
{
    printf("both sites may serve after %u moves, %llu states: epochs %llu and %llu\n", depth,
           (unsigned long long)states, (unsigned long long)n->core[0].d.epoch,
           (unsigned long long)n->core[1].d.epoch);
}

/* 0: exhausted, nothing found; 1: found; 2: bounds reached. */
static int search(const struct node *first)
{
    struct node *stack = calloc(DEPTH + 1, sizeof *stack);
    uint8_t *move = calloc(DEPTH + 1, 1);
    unsigned d = 0;
    bool cut = false;
    int result = 0;
    if (stack == NULL || move == NULL)
        abort();
    stack[0] = *first;
    is_new(first);
    for (;;) {
        if (move[d] == MOVES) {
            if (d-- == 0)
                break;
            continue;
        }
        if (!may_move(&stack[d], move[d]++, &stack[d + 1]) || !is_new(&stack[d + 1]))
            continue;
        states++;
        if (is_open(&stack[d + 1], 0) && is_open(&stack[d + 1], 1)) {
            tell(&stack[d + 1], d + 1);
            result = 1;
            break;
        }
        if (states == states_max) {
            result = 2;
            break;
        }
        cut |= d + 1 == depth_max;
        if (d + 1 < depth_max)
            move[++d] = 0;
    }
    free(stack);
    free(move);
    return result != 0 ? result : cut ? 2 : 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        { "states", required_argument, NULL, 's' },  { "margin", required_argument, NULL, 'm' },
        { "crashes", required_argument, NULL, 'c' }, { "depth", required_argument, NULL, 'd' },
        { "without", required_argument, NULL, 'w' }, { 0 }
    };
    uint32_t margin = 2;
    struct node n = { .crashes = 1, .now = 1 };
    config = (struct gw_authority_config){ .witness = true };
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == 's')
            states_max = strtoull(optarg, NULL, 10);
        else if (c == 'm')
            margin = (uint32_t)strtoul(optarg, NULL, 10);
        else if (c == 'c')
            n.crashes = (uint8_t)strtoul(optarg, NULL, 10);
        else if (c == 'd')
            depth_max = (unsigned)strtoul(optarg, NULL, 10);
        else if (c == 'w')
            for (unsigned i = 0; i < GW_RULE_MAX; i++) {
                if (strcmp(optarg, gw_authority_rule_name((enum gw_authority_rule)i)) == 0)
                    config.without |= 1u << i;
            }
        else
            return 3;
    }
    config.limits = (struct gw_authority_limits){ .renew_ms = 1,
                                                  .reply_ms = 1,
                                                  .tries = 1,
                                                  .stop_ms = 1,
                                                  .hold_ms = 3,
                                                  .promise_ms = 3 + margin };
    cap = config.limits.promise_ms + 3;
    for (seen_mask = 1; seen_mask < 2 * states_max; seen_mask *= 2)
        continue;
    seen = calloc(seen_mask--, sizeof *seen);
    if (seen == NULL)
        abort();
    boot(&n, 0);
    boot(&n, 1);
    step(&n, 0, (struct gw_authority_event){ .kind = GW_EV_ORDER, .order = GW_ORDER_CREATE });
    const int r = search(&n);
    printf("%llu states, %s\n", (unsigned long long)states,
           r == 0   ? "all there are, none with two active sites"
           : r == 1 ? "violated"
                    : "bounds reached, none with two active sites");
    free(seen);
    return r == 1;
}
