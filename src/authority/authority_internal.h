// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Inside the authority's state machine: one step is the event, taken in by the file whose subject
 * it is, and then gw_authority_drive, which does what is due now. All share the state as it is.
 */
#pragma once

#include "authority/authority.h"
#include "base/checked.h"
#include "base/clock.h"

/* Is this rule kept? Always, but in tests. */
static inline bool gw_au_keeps(const struct gw_authority *s, enum gw_authority_rule r)
{
    return (s->config.without & (1u << r)) == 0;
}

static inline uint64_t gw_au_ms(uint32_t ms)
{
    return ms * GW_NS_PER_MS;
}

static inline enum gw_seat gw_au_self(const struct gw_authority *s)
{
    return s->config.self;
}
static inline enum gw_seat gw_au_peer(const struct gw_authority *s)
{
    return gw_seat_other(s->config.self);
}

/* This site has the authority by what it knows durably, and has not let go of it. */
static inline bool gw_au_is_holder(const struct gw_authority *s)
{
    return s->d.epoch != 0 && s->d.holder == gw_au_self(s) && s->d.released_to == GW_SEAT_NONE;
}

/* A peer's fence is verified and holds, or it is no voter: nobody else can be active. */
static inline bool gw_au_is_alone(const struct gw_authority *s)
{
    return s->d.sole || (s->d.peer_fenced && s->d.push);
}

/* authority.c */
struct gw_authority_effect *gw_au_effect(struct gw_authority_effects *out,
                                         enum gw_authority_effect_kind kind);
void gw_au_store(const struct gw_authority *s, struct gw_authority_effects *out);
uint64_t gw_au_next_epoch(const struct gw_authority *s, uint64_t highest);
void gw_au_close(struct gw_authority *s, struct gw_authority_effects *out);
/* Another reign is known: a later epoch. */
void gw_au_adopt(struct gw_authority *s, uint64_t epoch, enum gw_seat holder,
                 enum gw_seat released_to, struct gw_authority_effects *out);
/* This site's own reign begins: durable before anybody may see it. */
void gw_au_reign(struct gw_authority *s, uint64_t epoch, struct gw_authority_effects *out);
void gw_au_serve(struct gw_authority *s, struct gw_authority_effects *out);
void gw_au_send(struct gw_authority *s, struct gw_authority_effects *out,
                struct gw_authority_message m);
void gw_au_ask(struct gw_authority *s, struct gw_asking *q, struct gw_authority_effects *out,
               struct gw_authority_message m);

/* register.c: what is seen of the register, and swaps. */
void gw_au_register_read(struct gw_authority *s, const struct gw_authority_event *ev,
                         struct gw_authority_effects *out);
void gw_au_register_swapped(struct gw_authority *s, const struct gw_authority_event *ev,
                            struct gw_authority_effects *out);
void gw_au_register_overdue(struct gw_authority *s);
void gw_au_register_poll(struct gw_authority *s, struct gw_authority_effects *out);
bool gw_au_register_ready(const struct gw_authority *s);
void gw_au_register_swap(struct gw_authority *s, enum gw_swap kind, struct gw_tenure rec,
                         struct gw_authority_effects *out);
struct gw_tenure gw_au_register_mine(const struct gw_authority *s, uint64_t epoch,
                                     struct gw_uuid incarnation);

/* holder.c: the lease, and what the copy is worth. */
void gw_au_holder_lapse(struct gw_authority *s, struct gw_authority_effects *out);
void gw_au_holder_renew(struct gw_authority *s, struct gw_authority_effects *out);
void gw_au_holder_won(struct gw_authority *s, const struct gw_swap_state *swap, bool in_time,
                      struct gw_authority_effects *out);
void gw_au_holder_promised(struct gw_authority *s, const struct gw_authority_message *m,
                           struct gw_authority_effects *out);
void gw_au_holder_copy(struct gw_authority *s, const struct gw_copy_state *copy,
                       struct gw_authority_effects *out);
void gw_au_holder_begin(struct gw_authority *s, const struct gw_instant *sent);
bool gw_au_holder_must_settle(const struct gw_authority *s);
enum gw_refusal gw_au_holder_maintenance(struct gw_authority *s,
                                         const struct gw_authority_event *ev);

/* voter.c */
void gw_au_voter_promise(struct gw_authority *s, const struct gw_authority_message *m,
                         struct gw_authority_effects *out);

/* challenger.c */
enum gw_refusal gw_au_challenger_order(struct gw_authority *s, const struct gw_authority_event *ev,
                                       struct gw_authority_effects *out);
void gw_au_challenger_pursue(struct gw_authority *s, struct gw_authority_effects *out);
void gw_au_challenger_won(struct gw_authority *s, const struct gw_swap_state *swap, bool in_time,
                          struct gw_authority_effects *out);

/* handover.c: release, cancel, take back. */
enum gw_refusal gw_au_handover_order(struct gw_authority *s, const struct gw_authority_event *ev,
                                     struct gw_authority_effects *out);
void gw_au_handover_pursue(struct gw_authority *s, struct gw_authority_effects *out);
void gw_au_handover_voided(struct gw_authority *s, const struct gw_authority_message *m,
                           struct gw_authority_effects *out);
void gw_au_handover_void(struct gw_authority *s, const struct gw_authority_message *m,
                         struct gw_authority_effects *out);

/* pair.c: no witness; a person decides, and both sites remember. */
void gw_au_pair_boot(struct gw_authority *s, struct gw_authority_effects *out);
void gw_au_pair_spoken(struct gw_authority *s, const struct gw_authority_message *m,
                       struct gw_authority_effects *out);
enum gw_refusal gw_au_pair_order(struct gw_authority *s, const struct gw_authority_event *ev,
                                 struct gw_authority_effects *out);
