// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A register at a witness: a few hundred bytes under a name, changed by compare-and-swap, and
 * nothing else. Who may be active is decided by what a CAS did here (authority/), never by a lease
 * of the witness and never by the time at which something vanished.
 *
 *     struct gw_register_value v;
 *     r = gw_register_read(reg, "plans/UUID", 2000, &v, err);     the newest value, or not known
 *     ...
 *     r = gw_register_cas(reg, "plans/UUID", v.revision, text, 2000, &out, err);
 *     switch (out.outcome) {
 *     case GW_REGISTER_WON:      it is ours, at out.now.revision
 *     case GW_REGISTER_LOST:     out.now is what is there
 *     case GW_REGISTER_NOT_DONE: it never will be
 *     case GW_REGISTER_UNKNOWN:  it may be done now, later, or never
 *     }
 *
 * Revisions. 0 means "there is no such key". A revision is of the key: it grows with each change of
 * it and is never used twice.
 *
 * UNKNOWN. A CAS whose answer is lost may still land, minutes later. It is resolved in two ways
 * only: by a later CAS on the same revision that won or lost (then the revision has moved, and
 * nothing that waits for the old one can land any more), or by reading a later revision; never by a
 * read that shows the old one. So a caller with UNKNOWN in its hands asks again with the same
 * revision, and until it knows it must behave as if it had won and as if it had lost.
 *
 * The text must be unique to the caller and the attempt (it carries an incarnation and a number):
 * then a register that lost against the very text that it proposed has in fact won: some earlier
 * delivery of it landed. That is reported as WON.
 *
 * A witness that forgot is no witness: one that was restored from a backup, or another one at the
 * same address, would grant again what it granted already. What can be seen of that (the identity
 * of the store, its own count of changes going back) is -ESTALE and stays so until a person says
 * that this witness shall be trusted from now on (a new gw_register).
 *
 * Threads: any; calls are independent and block their own. Time-outs are of the whole call.
 */
#pragma once

#include "base/error.h"

#include <stddef.h>
#include <stdint.h>

#define GW_REGISTER_KEY_BYTES_MAX 200u
#define GW_REGISTER_TEXT_BYTES_MAX 4096u

struct gw_register_value {
    uint64_t revision; /* 0: there is no such key; text is "" */
    char text[GW_REGISTER_TEXT_BYTES_MAX + 1];
};

enum gw_register_outcome {
    GW_REGISTER_WON,
    GW_REGISTER_LOST,
    GW_REGISTER_NOT_DONE,
    GW_REGISTER_UNKNOWN,
};
const char *gw_register_outcome_name(enum gw_register_outcome outcome); /* "won" */

struct gw_register_swap {
    enum gw_register_outcome outcome;
    struct gw_register_value now; /* WON: ours; LOST: theirs; otherwise nothing */
};

/* What a witness says of itself, for people. */
struct gw_register_health {
    unsigned members, answering; /* addresses that are configured, and that answered */
    /* Of the last one that answered: its own name, and of whom it takes to lead ("": nobody). */
    char version[32], member[32], leader[32];
    char why[256]; /* of one that did not answer */
};

/*
 * Which store it is, and how many changes of it we have seen: kept by the caller with its own
 * durable state and given to whoever opens the register again, so that a witness that forgot is
 * found out also after our own restart. store 0: it never answered.
 */
struct gw_register_identity {
    uint64_t store, changes;
};

struct gw_register;

/* What is behind it. The functions block for at most timeout_ms and are called by any thread. */
struct gw_register_ops {
    int (*read)(struct gw_register *reg, const char *key, unsigned timeout_ms,
                struct gw_register_value *ret, struct gw_error *err);
    int (*cas)(struct gw_register *reg, const char *key, uint64_t expected, const char *text,
               unsigned timeout_ms, struct gw_register_swap *ret, struct gw_error *err);
    int (*health)(struct gw_register *reg, unsigned timeout_ms, struct gw_register_health *ret,
                  struct gw_error *err);
    void (*identity)(struct gw_register *reg, struct gw_register_identity *ret);
    void (*cancel)(struct gw_register *reg);
    void (*free)(struct gw_register *reg);
};
struct gw_register {
    const struct gw_register_ops *ops;
};

/*
 * The newest value, agreed upon by the witness's members at some time between call and return. 0,
 * or: -ETIMEDOUT, -EHOSTUNREACH and other codes of http/client.h: not known; -ESTALE: see above;
 * -EINVAL: a key; -EPROTO: what it says is not what a witness says; -EACCES: it does not want us.
 */
int gw_register_read(struct gw_register *reg, const char *key, unsigned timeout_ms,
                     struct gw_register_value *ret, struct gw_error *err);

/*
 * Set the text if the revision is (still) `expected`. 0: WON or LOST. Negative: NOT_DONE or
 * UNKNOWN, as ret->outcome says, with codes as of read and the sentence of the last attempt; a text
 * or key that is too long or not printable ASCII is -EINVAL, NOT_DONE.
 */
int gw_register_cas(struct gw_register *reg, const char *key, uint64_t expected, const char *text,
                    unsigned timeout_ms, struct gw_register_swap *ret, struct gw_error *err);

/* 0: at least one answered. */
int gw_register_health(struct gw_register *reg, unsigned timeout_ms, struct gw_register_health *ret,
                       struct gw_error *err);

void gw_register_identity(struct gw_register *reg, struct gw_register_identity *ret);
/* Running calls and all later ones return at once: -ECANCELED. */
void gw_register_cancel(struct gw_register *reg);
/* No call may be running. NULL is fine. */
void gw_register_free(struct gw_register *reg);
