// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/elapsed.h"

#include "site/site.h"

#include <string.h>

static bool is(const json_t *e, const char *kind)
{
    return strcmp(site_text(e, "kind"), kind) == 0;
}

static bool begins(const json_t *e)
{
    return is(e, "intent") || is(e, "undo");
}

/* Since the entry before, by the clocks on the walls: never less than nothing. */
static uint64_t by_wall(const json_t *before, const json_t *e, int64_t offset_ns)
{
    int64_t d = (int64_t)(site_number(e, "wall_ns") - site_number(before, "wall_ns"));
    if (is(e, "taken_over"))
        d += offset_ns;
    return d > 0 ? (uint64_t)d : 0;
}

uint64_t site_elapsed_ns(const json_t *log, size_t from, size_t to, int64_t offset_ns)
{
    uint64_t at_ns = 0, began_ns = 0;
    bool began = false; /* began_ns is where the step at hand began */
    for (size_t i = from; i <= to && i < json_array_size(log); i++) {
        const json_t *e = json_array_get(log, i);
        uint64_t took_ns = site_number(e, "took_ns");
        if (i > from && took_ns != 0 && begins(e))
            at_ns += took_ns;
        else if (took_ns != 0 && began && !begins(e))
            at_ns = began_ns + took_ns > at_ns ? began_ns + took_ns : at_ns;
        else if (i > from)
            at_ns += by_wall(json_array_get(log, i - 1), e, offset_ns);
        if (begins(e)) {
            began = true;
            began_ns = at_ns;
        }
    }
    return at_ns;
}
