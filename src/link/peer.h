// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Calls to the daemon of a paired site (the calling end; link/serve.h is the serving one).
 *
 *     POST /link/v1/METHOD
 *     {"from":"madrid","protocol":1,"request":"UUID","params":{...}}
 *     200 {"from":"lisbon","protocol":1,"result":{...}}           or a problem document
 *
 * Both sides say which protocol they speak. Sites are upgraded one after the other, so that each
 * accepts its own, the one before (GW_LINK_PROTOCOL_MIN) and the one after: the newer site is the
 * one that knows both, looks at the number, and keeps to the older. A peer out of that range is
 * -EPROTONOSUPPORT, with the numbers in the sentence.
 *
 * The outcomes are those of http/client.h. A call that changes something and comes back UNKNOWN is
 * observed, not repeated.
 *
 * Threads: any; calls run in parallel.
 */
#pragma once

#include "base/error.h"
#include "http/client.h"
#include "link/identity.h"

#include <jansson.h>
#include <stdint.h>

#define GW_LINK_PROTOCOL 1
#define GW_LINK_PROTOCOL_MIN 1
#define GW_LINK_PATH "/link/v1/"
#define GW_LINK_PINGS_MAX 16u
#define GW_LINK_MEASURE_MS_MAX 30000u

struct gw_peer;

struct gw_peer_config {
    const struct gw_identity *identity; /* lives as long as the peer */
    const char *site;                   /* the peer's name */
    const char *address;                /* its link address, "host:port" */
    struct gw_cert_fingerprint pin;
    unsigned connect_ms; /* 0: GW_HTTP_CLIENT_CONNECT_MS */
};

int gw_peer_new(const struct gw_peer_config *config, struct gw_peer **ret, struct gw_error *err);
void gw_peer_free(struct gw_peer *p);
void gw_peer_cancel(struct gw_peer *p); /* gw_http_client_cancel */
const char *gw_peer_site(const struct gw_peer *p);
const char *gw_peer_address(const struct gw_peer *p);

/*
 * Call a method. params is borrowed (NULL: {}). 0: *ret_result (may be NULL) is its result, given
 * back with json_decref. Otherwise *ret_outcome (may be NULL) says which kind of failure, and
 * *ret_problem (may be NULL) is the problem document of a refusal, or NULL; given back.
 */
int gw_peer_call(struct gw_peer *p, const char *method, const json_t *params, unsigned timeout_ms,
                 json_t **ret_result, enum gw_http_outcome *ret_outcome, json_t **ret_problem,
                 struct gw_error *err);

/* The clocks of two sites, from four timestamps: sent (ours), received and answered (theirs), back
 * (ours). */
struct gw_clock_sample {
    int64_t offset_ns;     /* theirs - ours */
    uint64_t rtt_ns;       /* without the time that the peer took */
    uint64_t uncertain_ns; /* the offset is right within this: half of rtt */
};
/* Pure. False: the four make no sense (an answer before its question). */
bool gw_clock_estimate(uint64_t sent_ns, uint64_t received_ns, uint64_t answered_ns,
                       uint64_t back_ns, struct gw_clock_sample *ret);

struct gw_peer_hello {
    char site[GW_CERT_NAME_MAX], version[32];
    int protocol;
    struct gw_clock_sample clock; /* of the fastest of the pings */
    uint64_t rtt_median_ns;
};
/* Ask n times (1 to GW_LINK_PINGS_MAX) who it is and what time it has. */
int gw_peer_ping(struct gw_peer *p, unsigned n, unsigned timeout_ms, struct gw_peer_hello *ret,
                 enum gw_http_outcome *ret_outcome, struct gw_error *err);
/*
 * Send up to `bytes` zeros (GW_HTTP_DISCARD_BYTES_MAX), in pieces that grow, for about time_ms:
 * fewer when the line is slow. The best rate of a piece, from its first byte to the answer.
 */
int gw_peer_throughput(struct gw_peer *p, uint64_t bytes, unsigned time_ms,
                       uint64_t *ret_bytes_per_s, struct gw_error *err);
