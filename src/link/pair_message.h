// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The two messages of a pairing as JSON. Pure; inside of this folder. */
#pragma once

#include "base/error.h"
#include "link/pair.h"

#include <jansson.h>

#define GW_PAIR_MESSAGE_VERSION 1
#define GW_PAIR_NONCE_TEXT 33
#define GW_PAIR_PATH "/link/v1/pair"

/* Read from JSON: texts are borrowed from it. */
struct gw_pair_message {
    const char *site, *certificate; /* PEM */
    const char *link, *data;
    const char *nonce; /* "" in an answer */
    const char *proof;
};

json_t *gw_pair_message_new(const struct gw_pair_message *m); /* NULL: no memory */
/* -EINVAL, -EPROTONOSUPPORT. The certificate is read too: it must be for `site`. */
int gw_pair_message_read(const json_t *j, struct gw_pair_message *ret,
                         struct gw_cert_info *ret_info, struct gw_error *err);
