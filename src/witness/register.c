// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What holds for every register, whatever is behind it. */
#include "witness/register.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

const char *gw_register_outcome_name(enum gw_register_outcome outcome)
{
    switch (outcome) {
    case GW_REGISTER_WON:
        return "won";
    case GW_REGISTER_LOST:
        return "lost";
    case GW_REGISTER_NOT_DONE:
        return "not-done";
    case GW_REGISTER_UNKNOWN:
        return "unknown";
    }
    return "unknown";
}

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text < ' ' || *text > '~')
            return false;
    }
    return true;
}

static int check(const char *what, const char *text, size_t max, struct gw_error *err)
{
    if (text[0] == '\0' || strlen(text) > max || !is_printable(text))
        return gw_error_set(err, -EINVAL, "a register's %s has 1 to %zu printable characters", what,
                            max);
    return 0;
}

int gw_register_read(struct gw_register *reg, const char *key, unsigned timeout_ms,
                     struct gw_register_value *ret, struct gw_error *err)
{
    *ret = (struct gw_register_value){ .revision = 0 };
    int r = check("key", key, GW_REGISTER_KEY_BYTES_MAX, err);
    return r < 0 ? r : reg->ops->read(reg, key, timeout_ms, ret, err);
}

int gw_register_cas(struct gw_register *reg, const char *key, uint64_t expected, const char *text,
                    unsigned timeout_ms, struct gw_register_swap *ret, struct gw_error *err)
{
    *ret = (struct gw_register_swap){ .outcome = GW_REGISTER_NOT_DONE };
    int r = check("key", key, GW_REGISTER_KEY_BYTES_MAX, err);
    if (r == 0)
        r = check("text", text, GW_REGISTER_TEXT_BYTES_MAX, err);
    return r < 0 ? r : reg->ops->cas(reg, key, expected, text, timeout_ms, ret, err);
}

int gw_register_health(struct gw_register *reg, unsigned timeout_ms, struct gw_register_health *ret,
                       struct gw_error *err)
{
    *ret = (struct gw_register_health){ .members = 0 };
    return reg->ops->health(reg, timeout_ms, ret, err);
}

void gw_register_identity(struct gw_register *reg, struct gw_register_identity *ret)
{
    reg->ops->identity(reg, ret);
}

void gw_register_cancel(struct gw_register *reg)
{
    reg->ops->cancel(reg);
}

void gw_register_free(struct gw_register *reg)
{
    if (reg != NULL)
        reg->ops->free(reg);
}
