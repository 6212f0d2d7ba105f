// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What the scenes share: the two sites, the line between them, the ledger's client, the files, and
 * the numbers that the story ends with. demo.c makes and ends it; each scene_*.c is a part of the
 * story, in this order. A scene returns 0 (its checks may have failed), or an error when the story
 * cannot go on.
 */
#pragma once

#include "demo/demo.h"
#include "demo/files.h"
#include "demo/ledger.h"
#include "demo/ledger_reader.h"
#include "demo/site.h"

#define WORLD_FILES_BYTES (256ull << 20)
#define WORLD_LEDGER_BYTES (64ull << 20)

struct numbers {
    uint64_t volume_bytes, files;
    uint64_t seed_bytes;
    double seed_seconds;
    uint64_t acknowledged, lost, in_doubt;
    double failover_seconds; /* kill -9 to the first write acknowledged at DR */
    double takeover_ms;      /* of which: the promotion and the start of the source */
    struct {
        char source[32], target[32];
        uint64_t delta_bytes, tail_blocks;
        double seconds, outage_ms;
    } forecast;
    uint64_t divergent_blocks; /* in the kept tail */
    uint64_t lost_in_tail;     /* lost records found in it */
    uint64_t delta_bytes, sent_bytes;
    double resync_seconds;
    double cutover_outage_ms;
    bool verified_equal;
};

struct world {
    const struct demo_options *options;
    struct story story;
    struct programs programs;
    struct processes *processes;
    struct proxy *to_dr, *to_home;
    struct site home, dr;
    struct ledger *ledger;
    struct numbers n;
    uint64_t kill_ns;
    uint64_t acknowledged_at_cut; /* what came after it cannot be at DR */
    struct ledger_book book;      /* the client's memory when home was dead */
    struct ledger_audit lost;     /* what of it was not at DR */
};

/* So many records of the ledger as come in `share` of a part of life. */
uint64_t world_records(const struct world *w, double share);
/* Acknowledged until now; and until so many more are. */
uint64_t world_acknowledged(struct world *w);
int world_wait_records(struct world *w, uint64_t records, struct gw_error *err);
/*
 * Work on the files through the site's export, as a mounted filesystem would do it: `tree` and the
 * volume change alike.
 */
int world_do_work(struct world *w, const struct site *at, const char *tree,
                  const struct files_work *work, uint64_t *ret_blocks, struct gw_error *err);
/* e2fsck and all checksums of an image of the files, as two checks; `where` is for people. */
int world_check_files(struct world *w, const char *image, const char *where, struct gw_error *err);

int scene_protect(struct world *w, struct gw_error *err);
int scene_disaster(struct world *w, struct gw_error *err);
int scene_failover(struct world *w, struct gw_error *err);
int scene_life_at_dr(struct world *w, struct gw_error *err);
int scene_return(struct world *w, struct gw_error *err);
int scene_resync(struct world *w, struct gw_error *err);
int scene_tail(struct world *w, struct gw_error *err);
int scene_handover(struct world *w, struct gw_error *err);
int scene_end(struct world *w, struct gw_error *err);
