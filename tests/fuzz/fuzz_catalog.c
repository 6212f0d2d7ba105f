// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What the catalog decodes: audit.head, and texts from outside (UTF-8, JSON). The first byte says
 * which. */
#include "catalog/audit_head.h"
#include "catalog/text.h"
#include "fuzz.h"

static void head(const char *data, size_t len)
{
    struct gw_audit_head h;
    char again[GW_AUDIT_HEAD_BYTES];
    if (!gw_audit_head_decode(data, len, &h))
        return;
    FUZZ_CHECK(gw_audit_head_encode(&h, again) == len && memcmp(again, data, len) == 0);
}

static void text(const char *data)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    const char *clean = gw_text_clean(&mem, data), *json = NULL, *twice = NULL, *merged = NULL;
    FUZZ_CHECK(clean != NULL && gw_text_is_utf8(clean));
    FUZZ_CHECK(gw_text_is_utf8(data) == (clean == data));
    if (gw_text_json(&mem, data, &json, NULL) < 0)
        return;
    FUZZ_CHECK(gw_text_is_utf8(json));
    /* The canonical form is its own canonical form: hashes depend on it. */
    FUZZ_CHECK(gw_text_json(&mem, json, &twice, NULL) == 0 && strcmp(json, twice) == 0);
    if (gw_text_json_merge(&mem, "{\"a\":1}", json, false, &merged, NULL) == 0)
        FUZZ_CHECK(gw_text_json_merge(&mem, merged, json, true, &twice, NULL) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *copy = malloc(size);
    if (copy == NULL)
        abort();
    memcpy(copy, data + 1, size - 1);
    copy[size - 1] = '\0';
    if (data[0] == 'h')
        head(copy, size - 1);
    else
        text(copy);
    free(copy);
    return 0;
}
