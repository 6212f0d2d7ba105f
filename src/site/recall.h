// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A site whose memory may be old (a catalog that was restored, or lost and made anew) is fenced: it
 * starts nothing, decides nothing, and does not answer the other site's runs. What its data plane
 * does goes on: that has its own memory, in the plan directories.
 *
 *     recall     ask every peer what it knows of the plans that are shared: documents, holder,
 *                epoch, open runs
 *     heal       each plan: documents that are newer; the claim of the highest epoch, be it the
 *                peer's or that of the plan directory here; what shall run here follows from it
 *     runs       logs are pulled from the peer, so that a run goes on where it was, whoever
 *                coordinates it
 *     lift       the generation is above all that the peers have seen; the fence falls, and runs
 *                are taken up
 *
 * All of it is repeated until it was done for every peer in one go, so that a crash is no matter. A
 * peer that does not answer keeps the site fenced: it alone knows what happened since. A person can
 * take the word of this site's memory instead (site_recall_alone).
 *
 * Threads: one of its own while the site is fenced; the functions from any.
 */
#pragma once

#include "link/serve.h"
#include "site/documents.h"

/* The newest runs of a plan that have ended, as they are fixed, the oldest first: for the peer. */
int site_recall_runs(struct site *s, const struct site_plan *p, json_t **ret, struct gw_error *err);

bool site_fenced(struct site *s);
/* -EAGAIN with the sentence while the site is fenced. */
int site_fenced_check(struct site *s, struct gw_error *err);

/* Begin, if the site is fenced. */
int site_recall_start(struct site *s, struct gw_error *err);
void site_recall_stop(struct site *s);
/* A person wants it compared anew. */
int site_recall_begin(struct site *s, const char *why, struct gw_error *err);
/* A person takes the word of this memory: the other sites are lost for good. */
int site_recall_alone(struct site *s, const struct site_person *who, struct gw_error *err);

/* A peer said which memory it has; at each beat. */
void site_recall_heard(struct site *s, const char *peer, const char *instance, uint64_t generation);

/* For rpc.c, what the peer asks of us. */
int site_recall_told(void *ctx, const struct gw_link_request *q, json_t **ret,
                     struct gw_error *err);
int site_recall_document(void *ctx, const struct gw_link_request *q, json_t **ret,
                         struct gw_error *err);

/* ---- the rule, pure ---- */

/* What of a side is known, by its directory and by the word of the peer. */
struct site_recalled {
    bool activated, run_open;
    bool ours; /* the authority is here, by the highest epoch that anybody knows */
    bool held; /* somebody holds it */
    bool dir_there, dir_active, dir_released;
    enum gw_catalog_want runs; /* what runs here already */
};
/* What shall run here; *ret_why: why the side is fenced, or NULL. */
enum gw_catalog_want site_recall_want(const struct site_recalled *r, const char **ret_why);
