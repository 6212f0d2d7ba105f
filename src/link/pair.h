// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Pairing two sites with a one-time code.
 *
 *     A (any site)                                    B (the one that joins)
 *     gw_pair_offer -> CODE   --- a person --->       gw_pair_join(CODE, A's link address)
 *                                                     connects with TLS; A's certificate must be
 *                                                     the one in the code, else nothing is said
 *     POST /link/v1/pair   <--- certificate, name, addresses, proof of the code
 *     verifies, pins B     ---> certificate, name, addresses, proof of the code
 *                                                     verifies, pins A
 *
 * A code is good for GW_PAIR_SECONDS and one certificate: the one that used it may repeat the very
 * same request (its answer was lost), no other. GW_PAIR_TRIES_MAX wrong proofs void it. There is
 * one code at a time, in memory only: a restart of the daemon voids it, a new one replaces it.
 *
 * Threads: any.
 */
#pragma once

#include "base/error.h"
#include "http/call.h"
#include "link/identity.h"
#include "link/pair_code.h"
#include "link/trust.h"

#define GW_PAIR_SECONDS 900u
#define GW_PAIR_TRIES_MAX 5u
#define GW_PAIR_ADDRESS_MAX 280 /* "host:port" with the NUL */

/* A site as it introduces itself. */
struct gw_pair_site {
    char site[GW_CERT_NAME_MAX];
    char link[GW_PAIR_ADDRESS_MAX], data[GW_PAIR_ADDRESS_MAX]; /* "" unknown */
    struct gw_cert_info cert;
};

struct gw_pair_book; /* the offers of a site; one */

/*
 * Called (in a handler's thread) when a site has proven the code, after its certificate was pinned:
 * store it. A negative errno takes the pin back and refuses the pairing. Called again, for the same
 * site, when a lost answer is asked for again.
 */
typedef int gw_pair_accept_fn(void *ctx, const struct gw_pair_site *peer, struct gw_error *err);

struct gw_pair_config {
    const struct gw_identity *identity; /* these live as long as the book */
    struct gw_trust *trust;
    const char *link, *data; /* our addresses as the peer shall reach them; "" if unknown; copied */
    gw_pair_accept_fn *accept; /* NULL: pinning is all */
    void *ctx;
    unsigned valid_s;        /* 0: GW_PAIR_SECONDS */
    const char *expect_site; /* gw_pair_join: with this site and no other; NULL: any */
};

int gw_pair_book_new(const struct gw_pair_config *config, struct gw_pair_book **ret,
                     struct gw_error *err);
void gw_pair_book_free(struct gw_pair_book *book);

/*
 * A new code; the one before is void. expect_site (NULL: any) is who may use it. replace: the site
 * may already be paired with another certificate (new hardware). The expiry is for people; by boot
 * time it is what is kept to.
 */
int gw_pair_offer(struct gw_pair_book *book, const char *expect_site, bool replace,
                  char ret_code[GW_PAIR_CODE_TEXT], uint64_t *ret_expires_wall_ns,
                  struct gw_error *err);
/* Where the peer of the next code shall reach us, in place of what the book was made with. */
int gw_pair_addresses(struct gw_pair_book *book, const char *link, const char *data,
                      struct gw_error *err);
/* Void the code, if there is one. */
void gw_pair_withdraw(struct gw_pair_book *book);

/* The handler of POST /link/v1/pair (flag GW_HTTP_ANYONE): link/serve.h has it in its table. */
int gw_pair_serve(struct gw_pair_book *book, struct gw_http_call *call, struct gw_error *err);

/*
 * At B: join. On success A is pinned in config->trust (config->accept is not called) and *ret says
 * who it is. replace: A may be pinned with another certificate. -EINVAL: the code; -EKEYREJECTED:
 * who answers there is not the site that made the code, nothing was sent; -EPERM: it refused; other
 * errors: the connection, see http/client.h. An answer that was lost: join again with the same
 * code.
 */
int gw_pair_join(const struct gw_pair_config *config, const char *code, const char *address,
                 bool replace, unsigned timeout_ms, struct gw_pair_site *ret, struct gw_error *err);
