// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Routes about sites: who is there, pairing, the test of the way to another one. */
#include "base/clock.h"
#include "catalog/peers.h"
#include "control/message.h"
#include "link/probe.h"
#include "site/api.h"
#include "site/reach.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THROUGHPUT_BYTES (32ull << 20)
#define THROUGHPUT_MS 3000u
#define PAIR_MS 20000u
#define ADDRESS_MS 5000u

/* Heard is not the same as reached: a line that is cut in one direction is no healthy one. */
static const char *health(const struct site_mate_state *m)
{
    if (!m->heard)
        return "UNREACHABLE";
    return m->reachable && m->one_way[0] == '\0' ? "HEALTHY" : "DEGRADED";
}

static json_t *peer_json(struct site *s, const struct gw_catalog_peer *row)
{
    struct site_mate_state m;
    char when[GW_TIME_TEXT];
    site_mate_state(s, row->site, &m);
    gw_time_format(row->paired_wall_ns, when);
    json_t *o = json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:o, s:o}", "site", row->site,
                          "self", 0, "health", health(&m), "link", row->link_address, "data",
                          row->data_address, "fingerprint", row->fingerprint, "paired", when,
                          "paired_by", gw_control_text(row->paired_by), "version",
                          m.version[0] != '\0' ? gw_control_text(m.version) : json_null());
    json_object_set_new(o, "rtt_ms",
                        m.clock_known ? json_real((double)m.rtt_ns / 1e6) : json_null());
    json_object_set_new(o, "clock_offset_ms",
                        m.clock_known ? json_real((double)m.offset_ns / 1e6) : json_null());
    if (m.one_way[0] != '\0' || !m.reachable)
        json_object_set_new(o, "why", gw_control_text(m.one_way[0] != '\0' ? m.one_way : m.why));
    return o;
}

static json_t *self_json(struct site *s)
{
    char print[GW_CERT_FINGERPRINT_TEXT];
    struct site_mate_address at;
    gw_cert_fingerprint_format(&gw_identity_info(s->identity)->fingerprint, print);
    site_reach(s, "", "", &at);
    return json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:s}", "site", s->name, "self", 1,
                     "health", "HEALTHY", "link",
                     at.link[0] != '\0' ? at.link : gw_link_address(s->link), "data",
                     at.data[0] != '\0' ? at.data : gw_dataport_address(s->data), "fingerprint",
                     print, "version", GODWIT_VERSION, "state_dir", s->state_dir);
}

int site_api_sites(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_peer *rows = NULL;
    size_t n = 0;
    int r = gw_catalog_peer_list(s->catalog, &mem, &rows, &n, err);
    json_t *a = json_array();
    json_array_append_new(a, self_json(s));
    for (size_t i = 0; r == 0 && i < n; i++)
        json_array_append_new(a, peer_json(s, &rows[i]));
    return site_api_answer(call, r, json_pack("{s:o}", "sites", a), err);
}

int site_api_site_get(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_peer row;
    const char *name = gw_http_call_param(call, "site");
    if (strcmp(name, s->name) == 0)
        return gw_http_reply_json(call, 200, self_json(s));
    int r = gw_catalog_peer_get(s->catalog, name, &mem, &row, err);
    return r < 0 ? r : gw_http_reply_json(call, 200, peer_json(s, &row));
}

/* ---- pairing ----------------------------------------------------------------------------------
 */

int site_api_pair_code(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    const json_t *body = gw_http_call_json(call);
    struct site_person who;
    struct site_mate_address at;
    char code[GW_PAIR_CODE_TEXT], when[GW_TIME_TEXT];
    uint64_t expires = 0;
    const char *expect = site_text(body, "site");
    site_api_person(call, &who);
    int r = site_reach_known(s, site_text(body, "our_link"), site_text(body, "our_data"), &at, err);
    struct site_audited log = { .seq = 0 };
    if (r == 0)
        r = site_audit_begin(s, &who, "pair-code", expect, NULL, &log, err);
    if (r == 0)
        r = gw_pair_addresses(s->book, at.link, at.data, err);
    if (r == 0)
        r = gw_pair_offer(s->book, expect[0] != '\0' ? expect : NULL, site_true(body, "replace"),
                          code, &expires, err);
    if (site_audit_end(s, &log, r, NULL, err) < 0)
        return r;
    gw_time_format(expires, when);
    return gw_http_reply_json(call, 200,
                              json_pack("{s:s, s:s, s:s, s:s, s:s}", "code", code, "expires", when,
                                        "site", s->name, "link", at.link, "data", at.data));
}

/* The join itself; in a function that is done once for one Idempotency-Key. */
static int join(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    const json_t *body = gw_http_call_json(call);
    const char *link = site_text(body, "link");
    struct site_person who;
    struct gw_pair_site peer;
    struct site_mate_address own;
    site_api_person(call, &who);
    if (site_true(body, "replace"))
        return gw_error_set(err, -EINVAL,
                            "another machine takes the place of a site with godwit site replace");
    int r =
        site_reach_known(s, site_text(body, "our_link"), site_text(body, "our_data"), &own, err);
    struct site_audited log = { .seq = 0 };
    if (r == 0)
        r = site_audit_begin(s, &who, "pair", link, NULL, &log, err);
    if (r < 0)
        return r;
    struct gw_pair_config config = {
        .identity = s->identity, .trust = s->trust, .link = own.link, .data = own.data
    };
    r = gw_pair_join(&config, site_text(body, "code"), link, false, PAIR_MS, &peer, err);
    if (r == 0) {
        /* Where it was reached counts; the data port it names itself. */
        snprintf(peer.link, sizeof peer.link, "%s", link);
        r = site_paired(s, &peer, who.name, err);
    }
    site_audit_end(s, &log, r, r == 0 ? json_pack("{s:s}", "site", peer.site) : NULL, err);
    if (r < 0)
        return r;
    return gw_http_reply_json(
        call, 200,
        json_pack("{s:s, s:s, s:s}", "site", peer.site, "link", peer.link, "data", peer.data));
}

int site_api_pair(struct gw_http_call *call, struct gw_error *err)
{
    return site_api_once(call, join, err);
}

/* ---- test -------------------------------------------------------------------------------------
 */

/* The way back is tried with the addresses that the other site really uses; if it cannot say, with
 * those that we would tell it. */
static void way_back(struct site *s, const char *name, struct site_mate_address *ret)
{
    CLEANUP_SITE_JSON json_t *answer = NULL;
    struct gw_error none = { 0 };
    site_reach(s, "", "", ret);
    if (site_mate_call(s, name, "address", json_object(), ADDRESS_MS, &answer, NULL, &none) < 0)
        return;
    snprintf(ret->link, sizeof ret->link, "%.279s", site_text(answer, "link"));
    snprintf(ret->data, sizeof ret->data, "%.279s", site_text(answer, "data"));
}

int site_api_site_test(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    const char *name = gw_http_call_param(call, "site");
    struct site_mate_address at, own;
    struct gw_cert_info info;
    if (strcmp(name, s->name) == 0)
        return gw_error_set(err, -EINVAL, "'%s' is this site: there is no way to test", name);
    int r = site_mate_address(s, name, &at, err);
    if (r == 0)
        r = gw_trust_get(s->trust, name, &info, NULL, err);
    CLEANUP_FREE struct gw_probe_report *report = calloc(1, sizeof *report);
    if (r == 0 && report == NULL)
        r = gw_error_set(err, -ENOMEM, "out of memory");
    if (r < 0)
        return r;
    way_back(s, name, &own);
    const struct gw_probe_config config = { .identity = s->identity,
                                            .site = name,
                                            .pin = info.fingerprint,
                                            .link = at.link,
                                            .data = at.data,
                                            .own_link = own.link,
                                            .own_data = own.data,
                                            .throughput_bytes = THROUGHPUT_BYTES,
                                            .throughput_ms = THROUGHPUT_MS };
    gw_probe_site(&config, report);
    return gw_http_reply_json(call, 200, gw_probe_report_json(report));
}
