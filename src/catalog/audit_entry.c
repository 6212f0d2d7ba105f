// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "catalog/audit_internal.h"

#include "base/cleanup.h"
#include "catalog/digest.h"
#include "catalog/text.h"

#include <errno.h>
#include <string.h>

int gw_audit_canonical(const struct gw_audit_entry *e, char **ret, struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    const char *detail = NULL;
    int r = gw_text_json(&mem, e->detail, &detail, err);
    if (r == -ENOMEM)
        return r;
    if (r < 0 || strcmp(detail, e->detail) != 0)
        return gw_error_set(err, -EBADMSG, "its detail is not as the log writes it");
    json_t *j = json_pack(
        "{s:I, s:I, s:s, s:I, s:s?, s:s, s:s, s:s, s:s, s:o?, s:s}", "seq", (json_int_t)e->seq,
        "wall_ns", (json_int_t)e->wall_ns, "who", e->who, "uid", (json_int_t)e->uid, "certificate",
        e->certificate, "origin", e->origin, "action", e->action, "object", e->object, "outcome",
        e->outcome, "detail", json_loads(detail, JSON_DECODE_ANY, NULL), "prev", e->prev);
    char *text = j == NULL ? NULL : json_dumps(j, JSON_SORT_KEYS | JSON_COMPACT);
    json_decref(j);
    if (text == NULL)
        return gw_error_set(err, -EBADMSG, "it holds text that is not UTF-8");
    *ret = text;
    return 0;
}

int gw_audit_hash(const struct gw_audit_entry *e, char ret[GW_CATALOG_HASH_TEXT],
                  struct gw_error *err)
{
    CLEANUP_FREE char *text = NULL;
    int r = gw_audit_canonical(e, &text, err);
    return r < 0 || text == NULL ? r : gw_sha256_hex(text, strlen(text), ret, err);
}
