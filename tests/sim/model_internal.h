// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Inside of model.c and check.c. */
#pragma once

#include "model.h"

#define CELLS_PER_PAGE (MODEL_PAGE / MODEL_CELL)

struct timeline {
    struct timeline *next;
    struct timeline *parent;
    uint64_t epoch;
    int site;
    struct image base;
    struct op **op;
    size_t n, room;
};

/* Of one page, while an image is checked. */
struct cells {
    const struct op *seen[CELLS_PER_PAGE]; /* NULL: base or zeros */
    bool zero[CELLS_PER_PAGE], base[CELLS_PER_PAGE];
    uint64_t need[CELLS_PER_PAGE]; /* the latest begin of an operation that must be there */
    uint64_t zero_answered[CELLS_PER_PAGE]; /* the latest end of an operation that zeroed it */
};

struct model {
    unsigned n_volumes;
    uint64_t bytes[MODEL_VOLUMES_MAX], n_pages[MODEL_VOLUMES_MAX];
    struct cells **cells[MODEL_VOLUMES_MAX]; /* [page]; empty between checks */
    struct timeline *timelines;
    struct op **by_id;
    uint64_t n_ops, n_answered, room, clock;
};
extern struct model model;

uint64_t model_cell_word(uint64_t id, unsigned volume, uint64_t cell, unsigned i);
