// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The words of the core, as text. */
#include "core/words.h"

static const char *const tri_names[GW_TRI_MAX] = { "unknown", "no", "yes" };
static const char *const label_names[GW_LABEL_MAX] = { "home", "dr" };

static const char *pick(const char *const *names, unsigned n, unsigned i)
{
    return i < n ? names[i] : "invalid";
}

const char *gw_tri_name(enum gw_tri t)
{
    return pick(tri_names, GW_TRI_MAX, t);
}

const char *gw_label_name(enum gw_label l)
{
    return pick(label_names, GW_LABEL_MAX, l);
}
