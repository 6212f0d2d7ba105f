// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * What a fence agent says of itself (its action "metadata"): which parameters it has and what it
 * can do. An agent ignores a parameter that it does not know, so that a mistyped one would be found
 * when it is needed; this is where it is found before.
 *
 * Source: ClusterLabs' fence agent API, a resource-agent document in XML, read with expat. Pure;
 * plain memory of the caller, gw_fence_metadata_done() when done. Entities and DTDs are refused.
 */
#pragma once

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

#define GW_FENCE_NAME_MAX 64u        /* of a parameter, with the NUL */
#define GW_FENCE_PARAMETERS_MAX 256u /* of an agent */
#define GW_FENCE_METADATA_BYTES_MAX 65536u

struct gw_fence_parameter {
    char name[GW_FENCE_NAME_MAX];
    char old_name[GW_FENCE_NAME_MAX]; /* still understood; "": none */
    bool required;
    bool deprecated; /* it is the old name of another */
    bool has_default;
};

struct gw_fence_metadata {
    struct gw_fence_parameter *parameter; /* in its order */
    size_t n_parameters;
    bool off, status, monitor; /* actions that it has */
};

/* -EINVAL: it is not such a document; the sentence says what is wrong and where. -ENOMEM. */
int gw_fence_metadata_read(const char *text, size_t len, struct gw_fence_metadata *ret,
                           struct gw_error *err);
void gw_fence_metadata_done(struct gw_fence_metadata *m);
const struct gw_fence_parameter *gw_fence_metadata_find(const struct gw_fence_metadata *m,
                                                        const char *name);
