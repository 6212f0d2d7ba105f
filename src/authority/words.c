// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The authority's words: names of rules, claims, refusals. */
#include "authority/authority.h"

static const char *const rules[GW_RULE_MAX] = {
    [GW_RULE_W1] = "W1",
    [GW_RULE_W2] = "W2",
    [GW_RULE_W2_RESTART] = "W2-restart",
    [GW_RULE_W3] = "W3",
    [GW_RULE_W3_PUSH] = "W3-push",
    [GW_RULE_W4_RELEASED] = "W4-released",
    [GW_RULE_W4_UNRESOLVED] = "W4-unresolved",
    [GW_RULE_W4_EPOCH] = "W4-epoch",
    [GW_RULE_W4_DURABLE] = "W4-durable",
    [GW_RULE_W5] = "W5",
    [GW_RULE_W6] = "W6",
    [GW_RULE_W7] = "W7",
    [GW_RULE_P1_PARITY] = "P1-parity",
    [GW_RULE_P1_ISOLATED] = "P1-isolated",
    [GW_RULE_P2] = "P2",
    [GW_RULE_P2_TOKEN] = "P2-token",
    [GW_RULE_P3] = "P3",
    [GW_RULE_SEND_STAMP] = "send-stamp",
    [GW_RULE_WAIT_RESTART] = "wait-restart",
    [GW_RULE_OWN_PROMISE] = "own-promise",
    [GW_RULE_NO_REVIVAL] = "no-revival",
    [GW_RULE_REVOKE] = "revoke",
};

static const char *const claims[GW_CLAIM_MAX] = { "unknown", "same", "zero", "equal-at",
                                                  "watermark" };

static const char *const refusals[GW_REFUSE_MAX] = {
    [GW_ALLOWED] = "allowed",
    [GW_REFUSE_NOT_HOLDER] = "this site does not hold the authority",
    [GW_REFUSE_HOLDER] = "this site holds the authority already",
    [GW_REFUSE_RELEASED] =
        "the authority was released: let the other site take it, or take it back",
    [GW_REFUSE_NOT_RELEASED] = "nothing was released that could be taken: let the holder hand "
                               "over, or fail over if it is down",
    [GW_REFUSE_UNRESOLVED] =
        "an earlier change of the register may still land: wait until the witness answers",
    [GW_REFUSE_WITNESS] = "the witness does not answer: bring it back, or have the other site "
                          "fenced and verified",
    [GW_REFUSE_LEASE] = "the lease does not allow it: the holder may still be active, or this "
                        "site's lease has to be renewed first",
    [GW_REFUSE_MOVED] = "the register has changed since this was judged: judge again",
    [GW_REFUSE_FENCE] = "without the witness a takeover needs a verified fence of the other site",
    [GW_REFUSE_CONTACT] = "the other site has to be spoken to first",
    [GW_REFUSE_FENCED] = "this site is fenced: clear it once what it holds was compared",
    [GW_REFUSE_NOT_ENFORCED] = "the other site's lease is not enforced in its write path: only a "
                               "verified fence, or a person's override, proves that it stopped",
    [GW_REFUSE_MODE] = "not in this mode",
    [GW_REFUSE_BUSY] = "something else is going on: wait for it, or stop it",
};

const char *gw_authority_rule_name(enum gw_authority_rule r)
{
    return (unsigned)r < GW_RULE_MAX ? rules[r] : "invalid";
}

const char *gw_claim_name(enum gw_claim c)
{
    return (unsigned)c < GW_CLAIM_MAX ? claims[c] : "invalid";
}

const char *gw_refusal_text(enum gw_refusal r)
{
    return (unsigned)r < GW_REFUSE_MAX ? refusals[r] : "invalid";
}
