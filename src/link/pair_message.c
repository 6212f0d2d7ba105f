// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "link/pair_message.h"

#include "http/json.h"
#include "link/identity.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

json_t *gw_pair_message_new(const struct gw_pair_message *m)
{
    return json_pack("{s:i, s:s, s:s, s:s, s:s, s:s, s:s}", "version", GW_PAIR_MESSAGE_VERSION,
                     "site", m->site, "certificate", m->certificate, "link", m->link, "data",
                     m->data, "nonce", m->nonce, "proof", m->proof);
}

static int read_texts(const json_t *j, struct gw_pair_message *ret, struct gw_error *err)
{
    const struct {
        const char *name, **to;
        size_t bytes_max;
    } texts[] = {
        { "site", &ret->site, GW_CERT_NAME_MAX },
        { "certificate", &ret->certificate, GW_CERT_PEM_BYTES_MAX },
        { "link", &ret->link, GW_PAIR_ADDRESS_MAX },
        { "data", &ret->data, GW_PAIR_ADDRESS_MAX },
        { "nonce", &ret->nonce, GW_PAIR_NONCE_TEXT },
        { "proof", &ret->proof, GW_PAIR_PROOF_TEXT },
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int r = gw_http_json_text(j, texts[i].name, true, texts[i].to, err);
        if (r < 0)
            return r;
        if (strlen(*texts[i].to) >= texts[i].bytes_max)
            return gw_error_set(err, -EINVAL, "\"%s\" has more than %zu bytes", texts[i].name,
                                texts[i].bytes_max - 1);
    }
    return 0;
}

int gw_pair_message_read(const json_t *j, struct gw_pair_message *ret,
                         struct gw_cert_info *ret_info, struct gw_error *err)
{
    uint64_t version = 0;
    struct gw_pair_message m = { 0 };
    int r = gw_http_json_u64(j, "version", true, &version, err);
    if (r < 0)
        return r;
    if (version != GW_PAIR_MESSAGE_VERSION)
        return gw_error_set(err, -EPROTONOSUPPORT,
                            "pairing version %" PRIu64 " is not known here, %d is", version,
                            GW_PAIR_MESSAGE_VERSION);
    r = read_texts(j, &m, err);
    if (r == 0 && !gw_site_name_valid(m.site))
        r = gw_error_set(err, -EINVAL, "\"%.64s\" is not a name for a site", m.site);
    if (r == 0)
        r = gw_cert_read_pem(m.certificate, strlen(m.certificate), ret_info, NULL, NULL, err);
    if (r == 0 && strcmp(ret_info->name, m.site) != 0)
        r = gw_error_set(err, -EINVAL, "the certificate is of \"%s\", not of site \"%s\"",
                         ret_info->name, m.site);
    if (r == 0)
        *ret = m;
    return r == -EBADMSG ? gw_error_set(err, -EINVAL, "%s", err != NULL ? err->msg : "") : r;
}
