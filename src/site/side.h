// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A side: what a site knows of its half of a plan, as one JSON document. The peer gets the same
 * document with each beat, so that both sites decide from the same words:
 *
 *     {"site", "wall_ns", "boot_id", "version", "hash", "revision",
 *      "activated", "want", "mode", "holder", "epoch", "committed", "fenced",     the catalog's
 *      "synced", "role_changed", "split_brain",
 *      "dir":  {"exists","role","epoch","blank","consistent","released",...},     plandir.h
 *      "dir_error": text,                                                         or null
 *      "unit": {"kind","state","pid","crash_loop","restarts","words"} or null,
 *      "dp_known": bool, "dp": the status of the process or null, "dp_error": text,
 *      "lag": {"seconds","bytes","known"},
 *      "svc": "stopped" ..., "svc_text": text, "svc_age_ms",
 *      "room_bytes", "run": {"id","operation","state","step"} or null}
 *
 * A member that is not known is absent or null; nobody takes its absence for a "no".
 */
#pragma once

#include "core/values.h"
#include "site/site.h"

#define SITE_LAG_SAMPLES 512u

/* How far behind the peer is, in seconds: times at which each number was first seen. */
struct site_lag {
    struct {
        uint64_t seq, boot_ns;
    } sample[SITE_LAG_SAMPLES];
    unsigned n, at; /* ring */
    uint64_t seconds_ms;
    bool known;
};
/* A look at (head, durable) at a time; sets seconds_ms: 0 when all is durable, else how long the
 * oldest number that is not has been there (to the precision of the looks). Pure. */
void site_lag_look(struct site_lag *lag, uint64_t head_seq, uint64_t durable_seq, uint64_t now_ns);

/* What the workload looked like. */
struct site_workload_seen {
    enum gw_svc svc;
    char text[256];
    char service[16]; /* of the data plane, by which svc was judged */
    uint64_t boot_ns; /* 0: never looked */
};

/* The time within the RPO; see rpo.h. */
struct site_rpo {
    uint64_t epoch, total_ms, within_ms;
    uint64_t seen_boot_ns; /* the last look that counted; 0: none */
    uint64_t kept_boot_ns; /* written down */
    bool taken_up;         /* what was written down before this daemon */
};

struct site_plan;
/* Look now and make the document, new; also kept as p->side. */
/* What is here of the plan was never used: no process has served it, nothing was copied to it. Its
 * directory is only what an activation that failed left behind, or there is none. */
bool site_side_unused(struct site *s, const struct site_plan *p);
int site_side_look(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err);
/* The same by what the process says now, for who is about to decide: it is asked, and waited for
 * (GW_POLL_TIMEOUT_MS at most), instead of what it said when it was last polled. */
int site_side_look_now(struct site *s, struct site_plan *p, json_t **ret, struct gw_error *err);
/* As last looked or heard; new references, NULL if never. *ret_peer_age_ns: of theirs. */
void site_sides(struct site *s, struct site_plan *p, json_t **ret_ours, json_t **ret_theirs,
                uint64_t *ret_peer_age_ns);
