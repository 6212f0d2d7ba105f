// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A register in etcd: one node at a third place, or a cluster of three; the v3 API through its JSON
 * gateway. Only linearizable reads and transactions that compare a key's mod_revision: no leases,
 * no locks, no watches.
 *
 * Members. A call goes to the member that answered last, and from there to the others, each with
 * its share of the time: a member that is stopped costs that share. A CAS whose outcome at one
 * member is not known is proposed again, unchanged, to the next: of the deliveries of one text on
 * one revision at most one lands (register.h, UNKNOWN).
 *
 * TLS 1.3 with the authority and the certificate that the configuration names. Without TLS only to
 * this very machine. etcd's gateway does not look at the common name of a client's certificate:
 * whoever has one may write every key, so that an authority of its own is advised.
 */
#pragma once

#include "witness/register.h"

#include <stddef.h>

#define GW_ETCD_ENDPOINTS_MAX 9u

struct gw_etcd_config {
    const char *const *endpoints; /* "https://w1:2379"; copied */
    size_t n_endpoints;
    const char *prefix;                         /* of all keys: "/godwit" */
    const char *ca_file, *cert_file, *key_file; /* NULL without TLS */
    struct gw_register_identity known; /* as kept from the last time; zeros: there was none */
};

/* Nothing is connected yet. -EINVAL: an address, or one without TLS that is not this machine. */
int gw_etcd_open(const struct gw_etcd_config *config, struct gw_register **ret,
                 struct gw_error *err);
