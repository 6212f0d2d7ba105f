// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* {words} in sentences and commands: the plan's own names take their place. */
#include "core/phase.h"

#include "base/checked.h"

#include <string.h>

struct word {
    const char *name, *value;
};

static const char *or_none(const char *value)
{
    return value != NULL && value[0] != '\0' ? value : "?";
}

static const char *site(const struct gw_phase_names *n, enum gw_holder which)
{
    if (which == GW_HOLDER_HOME)
        return or_none(n->home);
    return which == GW_HOLDER_DR ? or_none(n->dr) : "neither site";
}

static enum gw_holder other(enum gw_holder h)
{
    if (h == GW_HOLDER_HOME)
        return GW_HOLDER_DR;
    return h == GW_HOLDER_DR ? GW_HOLDER_HOME : GW_HOLDER_NONE;
}

static size_t put(char *ret, size_t size, size_t at, const char *text, size_t len)
{
    size_t room = size - 1 - at;
    size_t n = GW_MIN(len, room);
    memcpy(ret + at, text, n);
    return at + n;
}

/* The value of the {word} at `p`; its length with braces in *ret_len. NULL: it is none. */
static const char *value_at(const char *p, const struct word *words, size_t n, size_t *ret_len)
{
    const char *end = strchr(p, '}');
    if (*p != '{' || end == NULL)
        return NULL;
    size_t len = (size_t)(end - p) - 1;
    for (size_t i = 0; i < n; i++) {
        if (strlen(words[i].name) == len && memcmp(words[i].name, p + 1, len) == 0) {
            *ret_len = len + 2;
            return words[i].value;
        }
    }
    return NULL;
}

void gw_phase_expand(const char *pattern, const struct gw_phase_names *names, char *ret,
                     size_t size)
{
    const struct word words[] = {
        { "plan", or_none(names->plan) },
        { "home", or_none(names->home) },
        { "dr", or_none(names->dr) },
        { "active", site(names, names->holder) },
        { "standby",
          names->holder == GW_HOLDER_NONE ? "the other site" : site(names, other(names->holder)) },
        { "run", or_none(names->run) },
        { "step", or_none(names->step) },
        { "op", gw_operation_name(names->op) },
        { "choices", or_none(names->choices) },
    };
    if (size == 0)
        return;
    size_t at = 0;
    for (const char *p = pattern; *p != '\0';) {
        size_t len = 1;
        const char *value = value_at(p, words, GW_ARRAY_SIZE(words), &len);
        at = value != NULL ? put(ret, size, at, value, strlen(value)) : put(ret, size, at, p, 1);
        p += len;
    }
    ret[at] = '\0';
}
