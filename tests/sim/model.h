// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The oracle: what clients were promised, and what an image may therefore hold.
 *
 * It knows nothing of seqs, journals or maps. Each write fills its range with cells of 64 bytes
 * that name the operation and the place, so that an image can be read back: which operation is
 * visible in each cell. From two logical times of each operation - when it began, when it was
 * answered - follows an order: a before b if a was answered before b began.
 *
 * An image is a *cut* if, with D = every operation that is visible or was answered before a visible
 * one began, no cell shows something that an operation of D must have overwritten, and every record
 * (the part of an operation in one extent) is whole. A standby's consistent image is a cut. An
 * active's own image after a crash is held to less: no cell may show something older than what was
 * promised (answered; after a power loss: flushed).
 *
 * A *timeline* is a reign: it begins with the image that was promoted, and has the operations
 * since. Operations on different timelines have nothing to do with each other.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MODEL_CELL 64u
#define MODEL_PAGE 4096u
#define MODEL_VOLUMES_MAX 3u

struct image { /* a copy of all volumes; NULL pages are zeros */
    uint8_t **page[MODEL_VOLUMES_MAX];
};

enum op_kind { OP_WRITE, OP_ZERO, OP_FLUSH };

struct timeline;

struct op {
    uint64_t id; /* 1, 2, ... over all timelines */
    struct timeline *timeline;
    enum op_kind kind;
    unsigned volume;
    uint64_t off, len;
    uint64_t start, answered; /* logical time; answered 0: not (yet) with success */
    bool fua;
    bool flushed;       /* survives a power loss of its site */
    bool at_peer;       /* the peer had received it when it was answered, and has not rebooted */
    bool peer_durable;  /* the peer had it durable, in a stream */
    bool unsure;        /* answered, not flushed, and the power was lost since */
    bool soft;          /* nothing is promised of it any more, and it may be torn */
    const void *source; /* who answered; with `seq` a bound of its number */
    uint64_t seq;
};

/* What an image must hold. */
enum need {
    NEED_PEER = 1, /* what the peer had durable or was promised to have received */
    NEED_ANSWERED = 2,
    NEED_FLUSHED = 4,
};

void model_init(unsigned n_volumes, const uint64_t *bytes);
unsigned model_volumes(void);
uint64_t model_bytes(unsigned volume);
const char *model_path(unsigned volume); /* "/vol0" */

/* ---- images ---------------------------------------------------------------------------------- */

void image_take(struct image *ret, int site); /* what a site's volumes hold now */
void image_free(struct image *i);
/* "" if they are equal, else where they differ first (static). */
const char *image_difference(const struct image *a, const struct image *b);
const char *model_sites_differ(void); /* the same, of the two sites' volumes as they are */
/* Do they differ in this block (4 KiB)? */
bool image_block_differs(const struct image *a, const struct image *b, unsigned volume,
                         uint64_t block);

/* ---- operations ------------------------------------------------------------------------------ */

/* base NULL: zeros; else it is the timeline's from now on. */
struct timeline *timeline_new(uint64_t epoch, int site, struct timeline *parent,
                              struct image *base);
/* Of every timeline that is not of this site. */
void model_each_timeline(void (*fn)(struct timeline *t), int not_of_site);
struct timeline *timeline_find(uint64_t epoch); /* NULL: none */
uint64_t timeline_epoch(const struct timeline *t);
struct timeline *timeline_parent(const struct timeline *t);

uint64_t model_tick(void);
struct op *model_begin(struct timeline *t, enum op_kind kind, unsigned volume, uint64_t off,
                       uint64_t len, bool fua);
void model_content(const struct op *o, uint8_t *buf);
void model_answered(struct op *o);
/* A read that began at `start` returned this. */
void model_check_read(struct timeline *t, unsigned volume, uint64_t off, uint64_t len,
                      const uint8_t *buf, uint64_t start);
uint64_t model_ops(void);
uint64_t model_ops_answered(void);

/* `source` knew that everything up to seq was durable at the peer. */
void model_peer_durable(struct timeline *t, const void *source, uint64_t seq);
void model_peer_lost_power(struct timeline *t);
void model_lost_power(struct timeline *t);
/* The process that served is gone: what was in flight may be torn. */
void model_lost_process(struct timeline *t);
/* The side that lost power is the source again: its image counts, whatever it is. */
void model_confirmed(struct timeline *t);

/* ---- checks ---------------------------------------------------------------------------------- */

/* Fails the run if the image is not allowed. */
void model_check(const struct image *i, struct timeline *t, unsigned need, bool cut,
                 const char *what);
/*
 * Blocks where the image, of timeline t, shows an answered operation that was lost: it is neither
 * in the image that `child` (a timeline born from t) began with nor in `later`.
 */
void model_each_lost(const struct image *i, struct timeline *t, struct timeline *child,
                     const struct image *later,
                     void (*fn)(void *arg, unsigned volume, uint64_t block, const struct op *o),
                     void *arg);
