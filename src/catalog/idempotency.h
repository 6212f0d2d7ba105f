// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Idempotency keys of requests: a retry gets the answer of the first time.
 *
 *     begin                       0: new, it is reserved; 1: known, here is the answer;
 *                                 -EINPROGRESS: reserved, not answered yet; -EBADMSG: the key was
 * used for another request
 *     ... carry out ... end       or abandon, when nothing was done
 * Best inside one transaction with what the request does (begin, the run, end): then a crash leaves
 * neither or all. A reservation that a crash left behind stays -EINPROGRESS until
 * gw_catalog_idempotency_reset at the start of the daemon.
 */
#pragma once

#include "catalog/catalog.h"

struct gw_catalog_answer {
    uint64_t status;      /* HTTP */
    const char *body;     /* "" none */
    const char *location; /* or NULL */
};

/* `owner`: who asks; keys of different owners have nothing to do with each other. */
int gw_catalog_idempotency_begin(struct gw_catalog *c, const char *owner, const char *key,
                                 const char *request_hash, uint64_t now_wall_ns,
                                 uint64_t expires_wall_ns, struct gw_catalog_mem *mem,
                                 struct gw_catalog_answer *ret, struct gw_error *err);
int gw_catalog_idempotency_end(struct gw_catalog *c, const char *owner, const char *key,
                               const struct gw_catalog_answer *answer, struct gw_error *err);
int gw_catalog_idempotency_abandon(struct gw_catalog *c, const char *owner, const char *key,
                                   struct gw_error *err);
/* Forget reservations without an answer (no request can be in progress). */
int gw_catalog_idempotency_reset(struct gw_catalog *c, struct gw_error *err);
int gw_catalog_idempotency_prune(struct gw_catalog *c, uint64_t now_wall_ns, struct gw_error *err);
