// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The step log of a run: append-only, hash-chained, the write-ahead log of the executor and the
 * evidence of the run. The file refuses to change or delete an entry.
 *
 * An entry's hash is SHA-256 over its content and the hash before it (GW_CATALOG_HASH_NONE for the
 * first), the same at both sites. The chain and the copy at the peer find an edit; that a tail was
 * cut off here is found by comparing heads with the peer (gw_catalog_log_head), or with the head
 * that was noted where the run ended (audit log, evidence).
 */
#pragma once

#include "catalog/catalog.h"

#define GW_CATALOG_HASH_TEXT 65 /* SHA-256 in hex, and a NUL */
#define GW_CATALOG_HASH_NONE "0000000000000000000000000000000000000000000000000000000000000000"

struct gw_catalog_log {
    const char *run;
    uint64_t seq;     /* from 1, without gaps */
    const char *step; /* "" for what belongs to no step */
    uint64_t attempt;
    const char *kind; /* INTENT, DONE, FAILED, UNKNOWN, UNDO_INTENT, UNDONE, NOTE, DECISION, ...:
                         [A-Z_]; the catalog does not interpret it */
    const char *site; /* that wrote it */
    uint64_t epoch;
    const char *plan_hash;
    uint64_t wall_ns, boot_ns;
    const char *boot_id;
    const char *detail; /* opaque text */
    const char *prev, *hash;
    bool peer_durable; /* not hashed: the other site has it on disk */
};

/*
 * Append. seq, prev, hash and peer_durable of `row` are ignored; *ret (may be NULL) is the entry as
 * it was written, for the copy to the peer. -ENOENT: no such run.
 */
int gw_catalog_log_append(struct gw_catalog *c, const struct gw_catalog_log *row,
                          struct gw_catalog_mem *mem, struct gw_catalog_log *ret,
                          struct gw_error *err);
/*
 * Store an entry that the peer wrote; it counts as peer_durable. One that is here already: fine.
 * -EBADMSG: another entry is here under that number, it does not continue the chain, or its hash
 * does not match its content. -ENODATA: entries before it are missing; *ret_next (may be NULL,
 * always set when the run is known) is the number that is needed next.
 */
int gw_catalog_log_copy(struct gw_catalog *c, const struct gw_catalog_log *row, uint64_t *ret_next,
                        struct gw_error *err);
/* Entries after `after`, at most `limit` (0: GW_CATALOG_ROWS_MAX), in order. */
int gw_catalog_log_read(struct gw_catalog *c, const char *run, uint64_t after, uint64_t limit,
                        struct gw_catalog_mem *mem, struct gw_catalog_log **ret_rows, size_t *ret_n,
                        struct gw_error *err);
/* The last entry's number and hash; 0 and GW_CATALOG_HASH_NONE of an empty log. */
int gw_catalog_log_head(struct gw_catalog *c, const char *run, uint64_t *ret_seq,
                        char ret_hash[GW_CATALOG_HASH_TEXT], struct gw_error *err);
/* The peer has everything up to `through`. */
int gw_catalog_log_peer_durable(struct gw_catalog *c, const char *run, uint64_t through,
                                struct gw_error *err);
/* Entries that the peer may not have yet, in order. */
int gw_catalog_log_unsent(struct gw_catalog *c, const char *run, struct gw_catalog_mem *mem,
                          struct gw_catalog_log **ret_rows, size_t *ret_n, struct gw_error *err);
/* Check the whole chain. -EBADMSG: *ret_seq is the first bad number, the sentence says what is
 * wrong with it. On success *ret_seq is the number of entries. */
int gw_catalog_log_verify(struct gw_catalog *c, const char *run, uint64_t *ret_seq,
                          struct gw_error *err);
