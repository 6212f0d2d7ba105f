// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "control/change.h"

#include "base/cleanup.h"
#include "control/message.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int kind_of(const char *word, enum gw_reshape_kind *ret, struct gw_error *err)
{
    for (unsigned k = GW_RESHAPE_GROW; k < GW_RESHAPE_MAX; k++) {
        if (strcmp(word, gw_reshape_name((enum gw_reshape_kind)k)) == 0) {
            *ret = (enum gw_reshape_kind)k;
            return 0;
        }
    }
    return gw_error_set(err, -EINVAL, "'%s' is no change of a volume: grow, add or remove", word);
}

/* Of a volume that is there its own; of a new one what was said. */
static int find_uuid(const json_t *request, struct gw_plan *plan, struct gw_reshape *c,
                     struct gw_error *err)
{
    const char *text = NULL;
    int r = gw_control_arg_text(request, "uuid", false, &text, err);
    if (r < 0)
        return r;
    if (text != NULL && !gw_uuid_parse(text, &c->volume.uuid))
        return gw_error_set(err, -EINVAL, "'%s' is not a uuid", text);
    LOCK_SCOPE(&plan->mu);
    const struct gw_meta *m = &plan->meta;
    int slot = gw_slot_by_name(m->volume, m->n_volumes, c->volume.name);
    if (c->kind != GW_RESHAPE_ADD && slot >= 0) {
        c->volume.uuid = m->volume[slot].uuid;
        if (c->kind == GW_RESHAPE_REMOVE)
            c->volume.bytes = m->volume[slot].bytes;
    } else if (text == NULL) {
        c->volume.uuid = gw_volume_uuid(&m->plan, c->volume.name);
    }
    return 0;
}

int gw_control_arg_change(const json_t *request, struct gw_plan *plan, struct gw_reshape *ret,
                          const char **ret_path, struct gw_error *err)
{
    struct gw_reshape c = { .kind = GW_RESHAPE_NONE };
    const char *word = NULL, *name = NULL, *path = NULL;
    int r = gw_control_arg_text(request, "change", true, &word, err);
    if (r == 0)
        r = kind_of(word, &c.kind, err);
    if (r == 0)
        r = gw_control_arg_text(request, "name", true, &name, err);
    if (r == 0 && !gw_volume_name_ok(name))
        r = gw_error_set(err, -EINVAL, "'%s' is not a volume name", name);
    if (r == 0 && c.kind != GW_RESHAPE_REMOVE)
        r = gw_control_arg_u64(request, "bytes", true, &c.volume.bytes, err);
    if (r == 0)
        r = gw_control_arg_text(request, "path", c.kind == GW_RESHAPE_ADD, &path, err);
    if (r < 0)
        return r;
    snprintf(c.volume.name, sizeof c.volume.name, "%s", name);
    r = find_uuid(request, plan, &c, err);
    if (r < 0)
        return r;
    *ret = c;
    *ret_path = path;
    return 0;
}
