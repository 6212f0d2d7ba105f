// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Who may be active: the state machine of one site for one plan.
 *
 * Authority is a lease with an epoch. In *pair mode* there is no lease: a person decides, and the
 * claim (epoch, holder) is durable at both sites. In *witness mode* three vote: the two sites and a
 * register, one key that is changed by compare-and-swap only. A holder is active while two of the
 * three bear it out; see docs/authority.md for the whole protocol.
 *
 *      struct gw_authority a;
 *      gw_authority_init(&a, &config, &durable);   // durable: as it was read, or all zero
 *      gw_authority_step(&a, &event, &effects);    // BOOT first; then whatever happens
 *
 * Nothing here has a clock, a file, a socket or a thread: time is in the event (`now`), so is
 * randomness (`fresh`), and all that is to be done stands in the effects. The caller does them *in
 * their order*. What follows GW_DO_STORE is done only after that state is durable: so what must
 * outlive a crash is durable before anybody can have learned of it. A caller whose store fails
 * does nothing of what follows, revokes the write path and starts anew from what it can read.
 *
 * The caller's duties:
 *  - TICK at least every tenth of R. A late tick costs availability, never safety: the write path
 *    knows its deadline itself (GW_DO_GRANT).
 *  - A CAS or read is answered by an event with the same id, or not at all; a result that is not
 *    certain is UNKNOWN. It is never tried again by the caller.
 *  - Messages may be lost, doubled, late, and of an earlier life of the peer.
 *  - The write path is in *granted mode*: closed at the start, open until the last deadline given,
 *    closed for good past it until there is a later one.
 *
 * Threads: none of its own; one at a time. The struct is plain memory, and copied freely (the model
 * checker does); its fields are read by anyone and written only here.
 */
#pragma once

#include "authority/clock_law.h"
#include "authority/record.h"

/*
 * The rules, W1 to P3 as in docs/authority.md, and what else the search of the model is shown to
 * depend on. Tests leave one out (config.without) and see what goes wrong; nobody else does.
 */
enum gw_authority_rule {
    GW_RULE_W1 = 0,      /* an unknown CAS is resolved by a moved revision only */
    GW_RULE_W2,          /* SYNC counts from when it is sent; alone only after an UNSYNC that won */
    GW_RULE_W2_RESTART,  /* ... also after a restart */
    GW_RULE_W3,          /* a forced takeover is a CAS, or needs a verified fence */
    GW_RULE_W3_PUSH,     /* ... and is pushed to the register before anything else */
    GW_RULE_W4_RELEASED, /* the peer's promise gives no new epoch to who has released */
    GW_RULE_W4_UNRESOLVED, /* ... nor while a CAS of either is unresolved */
    GW_RULE_W4_EPOCH,      /* ... above the register's and one's own; and it is a new one */
    GW_RULE_W4_DURABLE,    /* ... and durable at the peer before the answer */
    GW_RULE_W5,            /* after a reboot with SYNC recorded, the peer is spoken to first */
    GW_RULE_W6,            /* what was released and not taken may be taken back */
    GW_RULE_W7,            /* a takeover that a restart interrupted speaks to the peer first */
    GW_RULE_P1_PARITY,     /* each site has its own numbers */
    GW_RULE_P1_ISOLATED,   /* a confirmation in isolation is a promotion */
    GW_RULE_P2,            /* a cancel proceeds on UNSYNC if the target does not answer */
    GW_RULE_P2_TOKEN,      /* a token proves equality at its time only */
    GW_RULE_P3,            /* a release proves zero loss only while no override intervened */
    GW_RULE_SEND_STAMP,    /* validity runs from the send, not from the reply */
    GW_RULE_WAIT_RESTART,  /* after a restart what a voter saw and promised runs anew */
    GW_RULE_OWN_PROMISE,   /* a voter is bound by its own promise */
    GW_RULE_NO_REVIVAL,    /* a lapsed lease is acquired anew, never revived */
    GW_RULE_REVOKE,        /* nothing is established that was not revoked first */
    GW_RULE_MAX,
};
const char *gw_authority_rule_name(enum gw_authority_rule r);

struct gw_authority_config {
    enum gw_seat self;
    bool witness;        /* witness mode */
    bool sync;           /* the plan is synchronous */
    bool isolated_start; /* pair mode, plan: isolated_start: serve */
    bool availability;   /* policy `availability`: serve on when nobody answers; never with AUTO */
    struct gw_authority_limits limits;
    uint32_t without; /* tests: the set of rules that are left out */
};

/* Kinds of compare-and-swap; a set of them is unresolved. */
enum gw_swap {
    GW_SWAP_RENEW = 0, /* the holder's beat, and what the copy is worth */
    GW_SWAP_ACQUIRE,   /* the holder again, after its lease lapsed or it restarted */
    GW_SWAP_TAKE,      /* the other site becomes the holder */
    GW_SWAP_RELEASE,
    GW_SWAP_BACK, /* what was released is taken back (W6) */
    GW_SWAP_MAX,
};

/* What a site says of another's loss when it took the authority. */
enum gw_claim {
    GW_CLAIM_UNKNOWN = 0, /* loss unknown */
    GW_CLAIM_SAME,        /* the site that served last goes on with its own image */
    GW_CLAIM_ZERO,        /* every acknowledged write is here */
    GW_CLAIM_EQUAL_AT,    /* equal when the token was made; loss unknown since */
    GW_CLAIM_WATERMARK,   /* nothing up to the watermark is lost */
    GW_CLAIM_MAX,
};
const char *gw_claim_name(enum gw_claim c);

/* What outlives a crash. The caller stores it as a whole, atomically, when it is told to. */
struct gw_authority_durable {
    uint64_t epoch;             /* of the newest reign that this site knows */
    enum gw_seat holder;        /* ... and whose it is */
    uint64_t peer_epoch;        /* of the peer's newest reign that this site knows */
    uint64_t own_epoch;         /* of this site's own newest reign */
    bool split;                 /* pair: the peer reigned meanwhile, unknown: a person decides */
    uint64_t highest;           /* the highest number that was seen, promised or tried */
    struct gw_uuid incarnation; /* of this site's last lease */
    enum gw_seat released_to;   /* by the holder of `epoch`; none */
    struct gw_uuid boot;        /* boot id of the machine when this site was last active (W5) */
    bool fenced;                /* deposed by another's epoch: stays out until it is cleared */
    bool push;                  /* the register is behind `epoch` and has to be pushed up (W3) */
    bool peer_fenced;           /* a verified hard fence of the peer holds */
    bool sole;                  /* voters are this site alone (declared maintenance) */
    bool sync_sent;             /* SYNC may stand in the register, or come to (W2) */
    bool token;                 /* equality was proven: the peer has a token, or this site has */
    bool wait;                  /* a takeover was forced: the other's lease may still run */
    bool intent;                /* a takeover (pair) that is not finished (W7) */
    bool overridden;            /* this epoch came by a person's word */
    bool served;                /* in this reign, or the one that it goes on from */
    enum gw_claim claim;        /* of the takeover that this reign began with ... */
    uint64_t claim_watermark;
    bool claim_of_boot;          /* ... rests on what this machine's memory held, at `boot` */
    bool alone;                  /* pair mode: UNSYNC is recorded here */
    uint8_t unresolved;          /* set of 1 << gw_swap: may still land (W1); not of RENEW */
    int64_t unresolved_revision; /* ... while the revision is this */
};

enum gw_message_kind {
    GW_MSG_CONTACT = 0, /* what I know; please answer */
    GW_MSG_CONTACT_ANSWER,
    GW_MSG_PROMISE, /* promise not to take over; a new epoch if `fresh_epoch` (W4) */
    GW_MSG_PROMISE_ANSWER,
    GW_MSG_TOKEN_VOID, /* a cancel: the token is worth nothing any more (P2) */
    GW_MSG_TOKEN_VOID_ANSWER,
    GW_MSG_MAX,
};

struct gw_authority_message {
    enum gw_message_kind kind;
    uint64_t serial;     /* answers repeat the question's */
    uint64_t epoch;      /* what the sender knows to be the highest ... */
    enum gw_seat holder; /* ... and whose it is */
    uint64_t own;        /* the sender's own newest reign */
    enum gw_seat released_to;
    bool token;       /* the sender has a token out */
    bool fresh_epoch; /* PROMISE */
    bool granted;     /* PROMISE_ANSWER, TOKEN_VOID_ANSWER */
    uint64_t wanted;  /* PROMISE, its answer: the epoch that is promised */
};

enum gw_authority_event_kind {
    GW_EV_BOOT = 0, /* the process starts: boot */
    GW_EV_TICK,
    GW_EV_READ,     /* register: answer to GW_DO_READ */
    GW_EV_SWAP,     /* register: answer to GW_DO_SWAP */
    GW_EV_MESSAGE,  /* of the peer */
    GW_EV_CLOSED,   /* the write path has acknowledged GW_DO_REVOKE */
    GW_EV_COPY,     /* what the peer's copy is worth has changed: copy */
    GW_EV_SETTLED,  /* data planes spoke: this site's image has every acknowledged write (W5) */
    GW_EV_ORDER,    /* a run's or a person's word */
    GW_EV_FENCED,   /* a hard fence of the peer is verified */
    GW_EV_UNFENCED, /* it was taken off */
    GW_EV_MAX,
};

enum gw_order {
    GW_ORDER_CREATE = 0,  /* activation: the first claim */
    GW_ORDER_RELEASE,     /* hand over: let go in favour of the peer, once closed */
    GW_ORDER_TOKEN,       /* equality is proven; the token goes to the peer */
    GW_ORDER_CANCEL,      /* of a release that is not made */
    GW_ORDER_BACK,        /* take back what was released and not taken (W6) */
    GW_ORDER_TAKE,        /* take what was released to this site */
    GW_ORDER_FAIL_OVER,   /* the rule for automatic failover holds, at this revision */
    GW_ORDER_FORCE,       /* a person's override: the other site is down or isolated */
    GW_ORDER_CONFIRM,     /* a person: this site is right, serve without having spoken (P1, W5) */
    GW_ORDER_STOP,        /* give up what GW_ORDER_TAKE, FAIL_OVER or FORCE began */
    GW_ORDER_CLEAR,       /* a fenced site may be standby again */
    GW_ORDER_MAINTENANCE, /* voters are away, or back (empty set) */
    GW_ORDER_MAX,
};

/* Answers to orders: 0, or why not. */
enum gw_refusal {
    GW_ALLOWED = 0,
    GW_REFUSE_NOT_HOLDER,
    GW_REFUSE_HOLDER,
    GW_REFUSE_RELEASED,
    GW_REFUSE_NOT_RELEASED,
    GW_REFUSE_UNRESOLVED,
    GW_REFUSE_WITNESS,
    GW_REFUSE_LEASE,
    GW_REFUSE_MOVED,
    GW_REFUSE_FENCE,
    GW_REFUSE_CONTACT,
    GW_REFUSE_FENCED,
    GW_REFUSE_NOT_ENFORCED,
    GW_REFUSE_MODE,
    GW_REFUSE_BUSY,
    GW_REFUSE_MAX,
};
/* The sentence for people, with the way out. */
const char *gw_refusal_text(enum gw_refusal r);

enum gw_register_outcome {
    GW_REGISTER_UNKNOWN = 0, /* no answer, a timeout, an error: anything may have happened */
    GW_REGISTER_WON,         /* SWAP: won, `revision` is the new one. READ: read */
    GW_REGISTER_LOST,        /* SWAP: the revision was another: `revision`, `record` if present */
};

struct gw_authority_event {
    enum gw_authority_event_kind kind;
    struct gw_instant now;
    uint64_t wall_s;      /* for people only */
    struct gw_uuid fresh; /* random; every event has another */

    struct gw_uuid boot; /* BOOT: boot id of this machine */
    bool serving;        /* BOOT: this site's write path is open, it outlived the caller */
    uint64_t nonce;      /* BOOT: random; numbers of this life begin there */

    uint64_t id;                      /* READ, SWAP, CLOSED */
    enum gw_register_outcome outcome; /* READ, SWAP */
    int64_t revision;                 /* READ, SWAP: of the key; 0: there is no key */
    bool has_record;                  /* READ, SWAP lost: the value could be read */
    struct gw_tenure record;

    struct gw_authority_message message;

    struct gw_copy_state copy; /* COPY; ORDER FORCE, TAKE, FAIL_OVER: none */

    enum gw_order order;
    int64_t judged;  /* FAIL_OVER: the revision that the rule was judged on */
    uint8_t away;    /* MAINTENANCE: set of GW_VOTER_x */
    uint64_t away_s; /* MAINTENANCE: how long */
};

enum gw_authority_effect_kind {
    GW_DO_STORE = 0, /* make `durable` durable, before anything that follows */
    GW_DO_READ,      /* read the register, linearizable: id */
    GW_DO_SWAP,      /* compare-and-swap: id, expected (0: no key), record */
    GW_DO_SEND,      /* to the peer: message */
    GW_DO_GRANT,     /* the write path is open until deadline_ns (boot time; UINT64_MAX: no end) */
    GW_DO_REVOKE,    /* close the write path now: id; EV_CLOSED when it is */
    GW_DO_STOP,      /* self-fence: stop the service, it takes up to S; the path is revoked too */
    GW_DO_ALONE,     /* sync: writes that the peer does not have may be acknowledged (on), or not */
    GW_DO_FENCED,    /* another site was promoted: this one is fenced until it is cleared */
    GW_DO_SERVE,     /* a reign begins: claim, watermark; said again if in doubt */
    GW_DO_MAX,
};

struct gw_authority_effect {
    enum gw_authority_effect_kind kind;
    struct gw_authority_durable durable;
    uint64_t id;
    int64_t expected;
    struct gw_tenure record;
    struct gw_authority_message message;
    uint64_t deadline_ns;
    bool on;
    enum gw_claim claim;
    uint64_t watermark;
};

#define GW_AUTHORITY_EFFECTS_MAX 24 /* more than one step makes; asserted */

struct gw_authority_effects {
    size_t n;
    struct gw_authority_effect e[GW_AUTHORITY_EFFECTS_MAX];
    enum gw_refusal refusal; /* of an order */
};

enum gw_grip { /* how firmly the authority is held */
               GW_GRIP_NONE = 0,
               GW_GRIP_VALID,
               GW_GRIP_EXPIRING, /* the self-fence began; a renewal still saves it */
               GW_GRIP_LAPSED,   /* over: acquired anew, never revived */
};

enum gw_goal {
    GW_GOAL_NONE = 0,
    GW_GOAL_RELEASE,
    GW_GOAL_BACK,
    GW_GOAL_TAKE,
    GW_GOAL_FAIL_OVER,
    GW_GOAL_FORCE
};

struct gw_swap_state {
    bool busy;
    enum gw_swap kind;
    uint64_t id;
    struct gw_instant sent;
    int64_t expected;
    struct gw_tenure record;
};

struct gw_asking { /* a question that is out */
    bool busy;
    uint64_t id;
    struct gw_instant sent;
};

struct gw_authority {
    struct gw_authority_config config;
    struct gw_authority_durable d;
    struct gw_instant now;
    uint64_t wall_s;
    struct gw_uuid fresh, boot;
    uint64_t serial;

    /* The register, as last seen. */
    bool has_record;
    int64_t revision; /* -1: never seen */
    struct gw_tenure record;
    struct gw_instant moved; /* receipt of the first sight of this revision */
    bool witness_away;       /* the last try at the register failed */
    bool look;               /* a read has to come before the next swap */
    struct gw_swap_state swap;
    struct gw_asking read;
    int64_t read_after; /* the revision that was known when the read was sent */
    struct gw_instant witness_tried;

    /* The holder. */
    enum gw_grip grip;
    struct gw_instant valid_from;  /* send time of the renewal that counts */
    struct gw_instant granted_for; /* ... that the last grant stands on */
    struct gw_instant renew_tried;
    struct gw_asking ask; /* a promise of the peer */
    uint64_t ask_epoch;   /* ... for a new epoch; 0: a renewal */
    bool open;            /* the write path was granted, and not revoked since */
    bool closed;          /* ... and it acknowledged the revocation ... */
    uint64_t close_id;    /* ... of this number */
    bool alone;           /* unreplicated acknowledgements are allowed */
    bool unsync_recorded; /* by a swap of this life */
    bool settled;         /* W5 */
    bool sync_sent_here;  /* in this life */
    bool told_service;    /* GW_DO_SERVE was given in this life, for this epoch */
    struct gw_copy_state copy;
    bool copy_known, copy_due;
    bool void_due; /* a cancel waits for the token to be void, or UNSYNC (P2) */
    struct gw_instant void_from;
    struct gw_asking voiding;
    bool waiting;                /* forced: the other's lease may still run ... */
    struct gw_instant wait_from; /* ... until T_g + A_x from here */
    bool confirmed;              /* a person: the next acquisition is a promotion (P1) */
    struct gw_instant maintenance_from;
    uint64_t maintenance_s;
    uint8_t away;
    bool away_due;

    /* The voter. */
    bool promised;
    struct gw_instant promised_at;

    /* The peer. */
    struct gw_asking contact;
    bool spoken; /* a round trip since the start */
    struct gw_instant contact_tried;

    enum gw_goal goal;
    int64_t judged;
};

void gw_authority_init(struct gw_authority *s, const struct gw_authority_config *config,
                       const struct gw_authority_durable *durable);
void gw_authority_step(struct gw_authority *s, const struct gw_authority_event *ev,
                       struct gw_authority_effects *out);

/* Has the holder's lease lapsed, as far as this site can prove? At the witness: the register was
 * unmoved for T_g + A_x; here: so long is it since the last promise. */
bool gw_authority_lapsed_there(const struct gw_authority *s);
bool gw_authority_lapsed_here(const struct gw_authority *s);

/* May this site's write path be open now? (What the grants express.) */
bool gw_authority_is_active(const struct gw_authority *s);
