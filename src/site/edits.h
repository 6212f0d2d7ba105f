// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * Plan documents: taken in, kept at both sites, exchanged.
 *
 * A plan's document is edited at one site at a time: where the plan is active, or at home before it
 * was activated. The other site is sent the new version; a version that is lower than what is there
 * is refused, an equal one with another hash is drift, which people see.
 *
 * Threads: any.
 */
#pragma once

#include "plan/planfile_diff.h"
#include "site/documents.h"

struct site_applied {
    bool created, unchanged;
    uint64_t version;
    char hash[GW_PLANFILE_HASH_TEXT];
    json_t *changes; /* [{"path","sentence"}] */
};

/*
 * Take a plan file in; one of another plan than `plan_name` is -EINVAL. `expected_version` 0:
 * whatever there is. -EINVAL: `errors` has all of it; -ESTALE: another version; -EHOSTUNREACH: the
 * peer has to be there for an edit; -EPERM: not by an edit, or not here, the sentence says where or
 * how.
 */
int site_edit_apply(struct site *s, const char *plan_name, const char *name, const char *bytes,
                    size_t len, enum gw_doc_format format, uint64_t expected_version,
                    const struct site_person *who, struct gw_plan_errors *errors,
                    struct site_applied *ret, struct gw_error *err);

/* A document that the peer sent. */
int site_edit_received(struct site *s, const char *from, const json_t *params,
                       struct gw_error *err);
/* Send ours if theirs is older, now and then. */
void site_edits_send(struct site *s, struct site_plan *p, const json_t *ours, const json_t *theirs);
/* commit_after has passed. */
void site_edits_commit_due(struct site *s, struct site_plan *p, const json_t *ours);

/* Exchange the labels home and dr; a new version at both sites. */
int site_edit_adopt(struct site *s, struct site_plan *p, const struct site_person *who,
                    struct gw_error *err);
/* Here only: what the other site asks for. */
int site_edit_retire(struct site *s, struct site_plan *p, const struct site_person *who,
                     struct gw_error *err);
/* Retire a plan that is not active, at both sites; its evidence stays, and so do its directories if
 * they were ever used. */
int site_edit_delete(struct site *s, struct site_plan *p, const struct site_person *who,
                     struct gw_error *err);
