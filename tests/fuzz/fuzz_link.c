// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What comes over the link, and what a person types: a pairing code, and three kinds of JSON. */
#include "fuzz.h"
#include "http/json.h"
#include "link/pair_code.h"
#include "link/pair_message.h"
#include "link/probe.h"
#include "link/serve.h"

#include <errno.h>

static void code(const char *text)
{
    struct gw_pair_code c, again;
    struct gw_error err = { 0 };
    char formatted[GW_PAIR_CODE_TEXT];
    int r = gw_pair_code_parse(text, &c, &err);
    if (r < 0) {
        FUZZ_CHECK_ERROR(r, &err);
        FUZZ_CHECK(r == -EINVAL || r == -EPROTONOSUPPORT);
        return;
    }
    gw_pair_code_format(&c, formatted);
    FUZZ_CHECK(gw_pair_code_parse(formatted, &again, &err) == 0);
    FUZZ_CHECK(memcmp(&c, &again, sizeof c) == 0);
}

static void message(const json_t *j)
{
    struct gw_pair_message m;
    struct gw_cert_info info;
    struct gw_error err = { 0 };
    int r = gw_pair_message_read(j, &m, &info, &err);
    if (r < 0)
        FUZZ_CHECK_ERROR(r, &err);
    else
        FUZZ_CHECK(gw_site_name_valid(m.site) && strcmp(m.site, info.name) == 0);
}

static void request(json_t *j)
{
    struct gw_link_request q;
    struct gw_error err = { 0 };
    int r = gw_link_request_read(j, &q, &err);
    if (r < 0)
        FUZZ_CHECK_ERROR(r, &err);
    else
        FUZZ_CHECK(q.from != NULL && q.id != NULL && json_is_object(q.params) && q.protocol >= 1);
}

static void findings(const json_t *j)
{
    struct gw_probe_port p, again;
    struct gw_error err = { 0 };
    int r = gw_probe_port_read(j, &p, &err);
    if (r < 0) {
        FUZZ_CHECK_ERROR(r, &err);
        return;
    }
    CLEANUP_HTTP_JSON json_t *twice = gw_probe_port_json(&p);
    /* A text may have been cut inside a character. */
    if (twice != NULL)
        FUZZ_CHECK(gw_probe_port_read(twice, &again, &err) == 0 && again.n_layers == p.n_layers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    char *text = calloc(1, size);
    CLEANUP_HTTP_JSON json_t *j = NULL;
    memcpy(text, data + 1, size - 1);
    if (data[0] % 4 == 0)
        code(text);
    else if (gw_http_json_parse(text, size - 1, 16384, &j, NULL) == 0 && json_is_object(j)) {
        if (data[0] % 4 == 1)
            message(j);
        else if (data[0] % 4 == 2)
            request(j);
        else
            findings(j);
    }
    free(text);
    return 0;
}
