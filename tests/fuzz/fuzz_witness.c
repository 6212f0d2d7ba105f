// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What a witness answers: a range, a transaction, a status, an error. */
#include "fuzz.h"
#include "http/json.h"
#include "witness/etcd_message.h"

#include <errno.h>

#define KEY "/godwit/k"

static void value(const struct gw_register_value *v)
{
    FUZZ_CHECK(memchr(v->text, '\0', sizeof v->text) != NULL);
    FUZZ_CHECK(v->revision != 0 || v->text[0] == '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_HTTP_JSON json_t *j = NULL;
    struct gw_etcd_header header;
    struct gw_register_value v;
    struct gw_register_health health;
    struct gw_error err = { 0 };
    char text[64];
    bool flag;
    int code;
    if (gw_http_json_parse((const char *)data, size, 0, &j, &err) < 0)
        return 0;
    int r = gw_etcd_read_range(j, KEY, &header, &v, &err);
    if (r < 0)
        FUZZ_CHECK_ERROR(r, &err);
    else
        value(&v);
    r = gw_etcd_read_txn(j, KEY, &header, &flag, &v, &err);
    if (r < 0)
        FUZZ_CHECK_ERROR(r, &err);
    else
        FUZZ_CHECK(!flag || (v.revision == header.revision && v.revision != 0));
    (void)gw_etcd_read_status(j, &health, &err);
    gw_etcd_read_error(j, 503, &flag, &code, text, sizeof text);
    FUZZ_CHECK(code < 0 && strlen(text) < sizeof text);
    return 0;
}
