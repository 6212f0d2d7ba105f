// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Routes about runs, sites, events and the audit log. */
#include "base/clock.h"
#include "catalog/audit.h"
#include "catalog/peers.h"
#include "control/message.h"
#include "link/probe.h"
#include "site/actions.h"
#include "site/api.h"
#include "site/evidence.h"
#include "site/mates.h"
#include "site/runs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THROUGHPUT_BYTES (32ull << 20)
#define THROUGHPUT_MS 3000u
#define ASK_MS 20000u
#define PAIR_MS 20000u
#define LIST_MAX 200u

/* ---- runs -------------------------------------------------------------------------------------
 */

int site_api_runs(struct gw_http_call *call, struct gw_error *err)
{
    uint64_t limit = 50;
    json_t *o = NULL;
    int r = gw_http_call_query_u64(call, "limit", &limit, err);
    if (r == 0)
        r = site_run_list_json(site_api_site(call), gw_http_call_query(call, "plan"),
                               limit > LIST_MAX ? LIST_MAX : limit, &o, err);
    return site_api_answer(call, r, o, err);
}

static int run_of(struct gw_http_call *call, char ret[GW_RUN_ID_MAX], struct gw_error *err)
{
    return site_run_find(site_api_site(call), gw_http_call_param(call, "run"), ret, err);
}

int site_api_run(struct gw_http_call *call, struct gw_error *err)
{
    char id[GW_RUN_ID_MAX];
    json_t *o = NULL;
    int r = run_of(call, id, err);
    if (r == 0)
        r = site_run_json(site_api_site(call), id, &o, err);
    return site_api_answer(call, r, o, err);
}

int site_api_run_log(struct gw_http_call *call, struct gw_error *err)
{
    char id[GW_RUN_ID_MAX];
    uint64_t from = 0;
    json_t *o = NULL;
    int r = gw_http_call_query_u64(call, "from", &from, err);
    if (r == 0)
        r = run_of(call, id, err);
    if (r == 0)
        r = site_run_log_json(site_api_site(call), id, from, &o, err);
    return site_api_answer(call, r, o, err);
}

int site_api_run_evidence(struct gw_http_call *call, struct gw_error *err)
{
    char id[GW_RUN_ID_MAX];
    json_t *o = NULL;
    int r = run_of(call, id, err);
    if (r == 0)
        r = site_evidence_json(site_api_site(call), id, &o, err);
    return site_api_answer(call, r, o, err);
}

/* The coordinator answers a choice, so it is asked there; an override holds where it is said. */
static int ask(struct site *s, const char *id, enum gw_choice choice, const struct site_person *who,
               const char *reason, struct gw_error *err)
{
    CLEANUP_FREE struct gw_run_look *look = calloc(1, sizeof *look);
    if (look == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = gw_run_look(site_run_env(s), id, false, look, err);
    if (r < 0)
        return r;
    if (look->view.coordinator == look->me || choice == GW_CHOICE_OVERRIDE)
        return site_run_ask(s, id, choice, who, reason, err);
    char name[200];
    snprintf(name, sizeof name, "%s@%s", who->name, s->name);
    return site_mate_call(s, look->run.site[look->view.coordinator], "ask",
                          json_pack("{s:s, s:s, s:s, s:s}", "run", id, "choice",
                                    gw_choice_name(choice), "who", name, "reason", reason),
                          ASK_MS, NULL, NULL, err);
}

int site_api_run_ask(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    const json_t *body = gw_http_call_json(call);
    const char *word = gw_http_call_param(call, "choice"), *by = site_text(body, "by");
    struct site_person who;
    enum gw_choice choice;
    char id[GW_RUN_ID_MAX];
    json_t *o = NULL;
    site_api_person(call, &who);
    if (by[0] != '\0' && (who.uid == 0 || who.uid == (int64_t)getuid()))
        snprintf(who.name, sizeof who.name, "%s", by);
    if (!gw_choice_parse(word, &choice) || choice == GW_CHOICE_NONE)
        return gw_error_set(err, -ENOENT, "there is no choice '%s'", word);
    if (choice != GW_CHOICE_APPROVE && who.uid != 0 && who.uid != (int64_t)getuid())
        return gw_error_set(err, -EPERM, "user %lld may look and approve, not act",
                            (long long)who.uid);
    int r = run_of(call, id, err);
    if (r == 0)
        r = site_audit(s, &who, word, id, "begun", json_incref((json_t *)(uintptr_t)body), err);
    if (r == 0)
        r = ask(s, id, choice, &who, site_text(body, "reason"), err);
    if (r == 0)
        r = site_run_json(s, id, &o, err);
    return site_api_answer(call, r, o, err);
}

/* ---- sites ------------------------------------------------------------------------------------
 */

static json_t *peer_json(struct site *s, const struct gw_catalog_peer *row)
{
    struct site_mate_state m;
    char when[GW_TIME_TEXT];
    site_mate_state(s, row->site, &m);
    gw_time_format(row->paired_wall_ns, when);
    json_t *o =
        json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "site", row->site, "self", 0,
                  "health", m.reachable ? "HEALTHY" : "UNREACHABLE", "link", row->link_address,
                  "data", row->data_address, "fingerprint", row->fingerprint, "paired", when,
                  "paired_by", row->paired_by, "version", m.version);
    json_object_set_new(o, "rtt_ms",
                        m.clock_known ? json_real((double)m.rtt_ns / 1e6) : json_null());
    json_object_set_new(o, "clock_offset_ms",
                        m.clock_known ? json_real((double)m.offset_ns / 1e6) : json_null());
    if (!m.reachable)
        json_object_set_new(o, "why", gw_control_text(m.why));
    return o;
}

static json_t *self_json(struct site *s)
{
    char print[GW_CERT_FINGERPRINT_TEXT];
    gw_cert_fingerprint_format(&gw_identity_info(s->identity)->fingerprint, print);
    return json_pack("{s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:s}", "site", s->name, "self", 1,
                     "health", "HEALTHY", "link", gw_link_address(s->link), "data",
                     gw_dataport_address(s->data), "fingerprint", print, "version", GODWIT_VERSION,
                     "state_dir", s->state_dir);
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

int site_api_pair_code(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    const json_t *body = gw_http_call_json(call);
    struct site_person who;
    char code[GW_PAIR_CODE_TEXT], when[GW_TIME_TEXT];
    uint64_t expires = 0;
    const char *expect = site_text(body, "site");
    site_api_person(call, &who);
    int r = site_audit(s, &who, "pair-code", expect, "begun", NULL, err);
    if (r == 0)
        r = gw_pair_offer(s->book, expect[0] != '\0' ? expect : NULL, site_true(body, "replace"),
                          code, &expires, err);
    if (r < 0)
        return r;
    gw_time_format(expires, when);
    return gw_http_reply_json(call, 200,
                              json_pack("{s:s, s:s, s:s, s:s}", "code", code, "expires", when,
                                        "site", s->name, "link", gw_link_address(s->link)));
}

int site_api_pair(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    const json_t *body = gw_http_call_json(call);
    struct site_person who;
    struct gw_pair_site peer;
    struct gw_pair_config config = { .identity = s->identity,
                                     .trust = s->trust,
                                     .link = gw_link_address(s->link),
                                     .data = gw_dataport_address(s->data) };
    site_api_person(call, &who);
    int r = site_audit(s, &who, "pair", site_text(body, "link"), "begun", NULL, err);
    if (r == 0)
        r = gw_pair_join(&config, site_text(body, "code"), site_text(body, "link"),
                         site_true(body, "replace"), PAIR_MS, &peer, err);
    /* Where it was reached counts; the data port it names itself. */
    if (r == 0)
        snprintf(peer.link, sizeof peer.link, "%s", site_text(body, "link"));
    if (r == 0)
        r = site_paired(s, &peer, who.name, err);
    if (r < 0)
        return r;
    return gw_http_reply_json(
        call, 200,
        json_pack("{s:s, s:s, s:s}", "paired", peer.site, "link", peer.link, "data", peer.data));
}

int site_api_site_test(struct gw_http_call *call, struct gw_error *err)
{
    struct site *s = site_api_site(call);
    const char *name = gw_http_call_param(call, "site");
    struct site_mate_address at;
    struct gw_cert_info info;
    int r = site_mate_address(s, name, &at, err);
    if (r == 0)
        r = gw_trust_get(s->trust, name, &info, NULL, err);
    if (r < 0)
        return r;
    const struct gw_probe_config config = { .identity = s->identity,
                                            .site = name,
                                            .pin = info.fingerprint,
                                            .link = at.link,
                                            .data = at.data,
                                            .throughput_bytes = THROUGHPUT_BYTES,
                                            .throughput_ms = THROUGHPUT_MS };
    CLEANUP_FREE struct gw_probe_report *report = calloc(1, sizeof *report);
    if (report == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    gw_probe_site(&config, report);
    return gw_http_reply_json(call, 200, gw_probe_report_json(report));
}

/* ---- events and audit -------------------------------------------------------------------------
 */

int site_api_events(struct gw_http_call *call, struct gw_error *err)
{
    return gw_http_reply_events(call, site_api_site(call)->events, gw_http_call_query(call, "plan"),
                                err);
}

int site_api_audit(struct gw_http_call *call, struct gw_error *err)
{
    struct gw_audit_filter f = { .limit = LIST_MAX };
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_audit_entry *rows = NULL;
    size_t n = 0;
    int r = gw_http_call_query_u64(call, "after", &f.after, err);
    if (r == 0)
        r = gw_http_call_query_u64(call, "limit", &f.limit, err);
    if (r == 0)
        r = gw_audit_read(site_api_site(call)->catalog, &f, &mem, &rows, &n, err);
    json_t *a = json_array();
    for (size_t i = 0; r == 0 && i < n; i++) {
        char when[GW_TIME_TEXT];
        gw_time_format(rows[i].wall_ns, when);
        json_array_append_new(
            a, json_pack("{s:I, s:s, s:o, s:s, s:s, s:s, s:s, s:o, s:s}", "seq",
                         (json_int_t)rows[i].seq, "time", when, "who", gw_control_text(rows[i].who),
                         "origin", rows[i].origin, "action", rows[i].action, "object",
                         rows[i].object, "outcome", rows[i].outcome, "detail",
                         json_loads(rows[i].detail, 0, NULL), "hash", rows[i].hash));
    }
    return site_api_answer(call, r, json_pack("{s:o}", "audit", a), err);
}

int site_api_audit_verify(struct gw_http_call *call, struct gw_error *err)
{
    struct gw_audit_verdict v;
    int r = gw_audit_verify(site_api_site(call)->catalog, &v, err);
    if (r < 0)
        return r;
    return gw_http_reply_json(call, 200,
                              json_pack("{s:b, s:I, s:s, s:I, s:s}", "intact", v.bad_seq == 0,
                                        "count", (json_int_t)v.count, "head", v.head, "bad_seq",
                                        (json_int_t)v.bad_seq, "what", v.what));
}
