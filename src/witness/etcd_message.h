// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The messages of etcd's v3 JSON gateway that a register needs: bodies that we send, and what comes
 * back. Pure.
 *
 * Source: etcd's api/etcdserverpb/rpc.proto (KV.Range, KV.Txn, Maintenance.Status) in the JSON
 * mapping of protocol buffers: bytes are base64, 64-bit integers are strings, and members that are
 * zero, false or empty are absent (a transaction that lost has no "succeeded").
 */
#pragma once

#include "witness/register.h"

#include <jansson.h>
#include <stdbool.h>

#define GW_ETCD_RANGE_PATH "/v3/kv/range"
#define GW_ETCD_TXN_PATH "/v3/kv/txn"
#define GW_ETCD_STATUS_PATH "/v3/maintenance/status"

/* The identity of the store and its count of changes, of every answer's header. */
struct gw_etcd_header {
    uint64_t cluster_id, revision;
};

/* New; NULL: out of memory. */
json_t *gw_etcd_range_body(const char *key);
json_t *gw_etcd_txn_body(const char *key, uint64_t expected, const char *text);

/* -EPROTO: with what is wrong. A key that is not there is revision 0. */
int gw_etcd_read_range(const json_t *answer, const char *key, struct gw_etcd_header *ret_header,
                       struct gw_register_value *ret, struct gw_error *err);
/* *ret_won: done, at ret->revision (text is not set). Not won: ret is what is there. */
int gw_etcd_read_txn(const json_t *answer, const char *key, struct gw_etcd_header *ret_header,
                     bool *ret_won, struct gw_register_value *ret, struct gw_error *err);
/* Sets version, member and leader. */
int gw_etcd_read_status(const json_t *answer, struct gw_register_health *ret, struct gw_error *err);

/*
 * An error of etcd: its sentence, and whether it says for sure that nothing was done (a request
 * that is wrong or not allowed). Everything else may still be carried out: a missing leader, a
 * time-out of its own, and also "database space exceeded", which etcd 3.4 says of the very
 * transaction that it has just carried out (quotaApplierV3.Txn).
 */
void gw_etcd_read_error(const json_t *answer, int status, bool *ret_not_done, int *ret_code,
                        char *ret_text, size_t size);
