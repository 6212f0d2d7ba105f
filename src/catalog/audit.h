// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The audit log: every action, by whom, from where, on what, with what outcome. Append-only and
 * hash-chained; the file refuses to change or delete an entry, and verification finds what was done
 * to it behind SQLite's back.
 *
 * The hash of an entry is SHA-256 over its canonical JSON (members sorted, no white space; with
 * "prev", the hash before it, and without "hash"), so that an exported log can be checked with any
 * other program. The number and hash of the last entry are also kept in DIR/audit.head, replaced as
 * a whole after each commit: a tail that is cut off the table is found by it. A crash between the
 * two leaves the file one commit behind, which is no finding.
 *
 * What it cannot find: whoever may write to both files can forge all of it from some entry on.
 * Heads that were kept elsewhere (the peer, the evidence of a run) find that too: gw_audit_anchor.
 *
 * An entry that is appended inside a transaction is there exactly if the transaction is. Text that
 * is not UTF-8 is kept with U+FFFD in place of the bad bytes: no odd input keeps an action out of
 * the log.
 */
#pragma once

#include "catalog/catalog.h"
#include "catalog/hash.h"

#include <stdio.h>

#define GW_AUDIT_HEAD_FILE "audit.head"

struct gw_audit_entry {
    uint64_t seq; /* from 1, without gaps; ignored when appended */
    uint64_t wall_ns;
    const char *who;         /* the person or program, by name */
    int64_t uid;             /* on the unix socket; -1: does not apply */
    const char *certificate; /* fingerprint, where one was shown; or NULL */
    const char *origin;      /* "unix", "link lisbon", "daemon" ... with addresses */
    const char *action;      /* "plan.apply" */
    const char *object;      /* "plan shop"; "" none */
    const char *outcome;     /* "done", "refused", "failed", "begun" ... */
    const char *detail;      /* JSON */
    const char *prev, *hash; /* ignored when appended */
};

/* *ret_seq may be NULL. */
int gw_audit_append(struct gw_catalog *c, const struct gw_audit_entry *entry, uint64_t *ret_seq,
                    struct gw_error *err);
/* Entries after `after`, the oldest first, at most `limit` (0: GW_CATALOG_ROWS_MAX); what is NULL
 * in the filter counts for all. */
struct gw_audit_filter {
    uint64_t after;
    const char *who, *action, *object;
    uint64_t since_wall_ns, until_wall_ns; /* 0: no bound */
    uint64_t limit;
};
int gw_audit_read(struct gw_catalog *c, const struct gw_audit_filter *filter,
                  struct gw_catalog_mem *mem, struct gw_audit_entry **ret_rows, size_t *ret_n,
                  struct gw_error *err);
/* Calls fn for each entry, from the first, page by page and without any lock held; what fn returns
 * other than 0 ends the walk and is returned. */
int gw_audit_walk(struct gw_catalog *c, int (*fn)(void *arg, const struct gw_audit_entry *entry),
                  void *arg, struct gw_error *err);
/* One JSON object a line, the entry with its hash. The caller closes the file. */
int gw_audit_export(struct gw_catalog *c, FILE *to, struct gw_error *err);

struct gw_audit_verdict {
    uint64_t count;                  /* entries that are there */
    char head[GW_CATALOG_HASH_TEXT]; /* hash of the last */
    uint64_t bad_seq;                /* 0: all is well; else the first bad one */
    char what[GW_ERROR_MSG_MAX]; /* is wrong with it, for a person: edited, removed, inserted, cut
                                    off */
};
/* 0 also when something is found; negative when it could not be looked at. */
int gw_audit_verify(struct gw_catalog *c, struct gw_audit_verdict *ret, struct gw_error *err);
/* Is entry `seq` the one that had this hash? 0, or -EBADMSG with a sentence. */
int gw_audit_anchor(struct gw_catalog *c, uint64_t seq, const char *hash, struct gw_error *err);
/* Number and hash of the last entry, to be kept elsewhere. */
int gw_audit_head(struct gw_catalog *c, uint64_t *ret_seq, char ret_hash[GW_CATALOG_HASH_TEXT],
                  struct gw_error *err);
/*
 * Once a finding about audit.head (cut tail, file missing or damaged) was looked into: append an
 * entry that says who accepted it, why, and what audit.head had said, and begin audit.head anew.
 * Until then audit.head is left alone, and verification goes on finding it. A broken chain stays
 * broken. A transaction by itself. -EALREADY: there is nothing to accept.
 */
int gw_audit_accept(struct gw_catalog *c, const char *who, int64_t uid, const char *reason,
                    uint64_t wall_ns, struct gw_error *err);
