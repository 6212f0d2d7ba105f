// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/site.h"

#include "base/clock.h"
#include "base/cond.h"
#include "base/log.h"
#include "catalog/children.h"
#include "catalog/events.h"
#include "catalog/peers.h"
#include "engine/transport.h"
#include "link/probe.h"
#include "site/api.h"
#include "site/documents.h"
#include "site/mates.h"
#include "site/memory.h"
#include "site/monitor.h"
#include "site/recall.h"
#include "site/replace.h"
#include "site/rpc.h"
#include "site/runs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define NOTIFY_END_MS 3000u
#define RESTART_MS 300u /* for the answer to who asked for it */

static const char *const folders[] = { "plans", "run", "units", "evidence", "clones" };

int site_path(const struct site *s, char ret[PATH_MAX], const char *folder, const char *name,
              const char *suffix, struct gw_error *err)
{
    int n = snprintf(ret, PATH_MAX, "%s/%s/%s%s", s->state_dir, folder, name, suffix);
    size_t max = strcmp(folder, "run") == 0 ? SITE_SOCKET_PATH_MAX : PATH_MAX - 1;
    if (n < 0 || (size_t)n > max)
        return gw_error_set(err, -ENAMETOOLONG,
                            "the path '%s/%s/%s%s' is too long (at most %zu bytes): choose a "
                            "shorter state_dir, or name of the plan",
                            s->state_dir, folder, name, suffix, max);
    return 0;
}

static int make_folders(struct site *s, struct gw_error *err)
{
    if (mkdir(s->state_dir, 0700) < 0 && errno != EEXIST)
        return gw_error_errno(err, -errno, "cannot make the state directory '%s'", s->state_dir);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        char path[PATH_MAX];
        int r = site_path(s, path, folders[i], "", "", err);
        if (r < 0)
            return r;
        if (mkdir(path, 0700) < 0 && errno != EEXIST)
            return gw_error_errno(err, -errno, "cannot make '%s'", path);
    }
    return 0;
}

static int take_lock(struct site *s, struct gw_error *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%.*s/lock", (int)(sizeof path - 8), s->state_dir);
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (s->lock_fd < 0)
        return gw_error_errno(err, -errno, "cannot open '%s'", path);
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return gw_error_set(err, -EBUSY, "another godwitd runs on '%s'", s->state_dir);
    return 0;
}

static int read_boot_id(struct site *s, struct gw_error *err)
{
    CLEANUP_CLOSE int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || read(fd, s->boot_id, GW_UUID_TEXT - 1) != GW_UUID_TEXT - 1)
        return gw_error_set(err, -EIO, "cannot read the machine's boot id");
    return 0;
}

static void notice_done(void *ctx, const char *contact, const char *event, bool reached,
                        const char *text)
{
    struct site *s = ctx;
    site_event(s, reached ? "contact.reached" : "contact.failed", NULL, NULL,
               reached ? SITE_INFO : SITE_WARNING, NULL, "contact '%s', %s: %s", contact, event,
               text != NULL ? text : "reached");
}

static void unit_changed(void *arg, const char *plan)
{
    site_monitor_touch(arg, plan);
}

/* ---- the data port ----------------------------------------------------------------------------
 */

static int route_plan(void *arg, const struct gw_uuid *plan, char ret_path[GW_PASSED_PATH_MAX])
{
    struct site *s = arg;
    const struct site_plan *p = site_plan_by_uuid(s, plan);
    char path[PATH_MAX];
    if (p == NULL || site_path(s, path, "run", p->name, ".data", NULL) < 0)
        return -ENOENT;
    snprintf(ret_path, GW_PASSED_PATH_MAX, "%.*s", (int)GW_PASSED_PATH_MAX - 1, path);
    return 0;
}

static void answer_probe(void *arg, int fd)
{
    struct site *s = arg;
    struct gw_error err = { 0 };
    if (gw_probe_answer(fd, s->identity, s->trust, GW_DATAPORT_PROBE_MS, &err) < 0)
        gw_log(GW_LOG_NOTICE, "a probe of the data port failed: %s", err.msg);
}

/* ---- events -----------------------------------------------------------------------------------
 */

static int read_events(void *ctx, uint64_t after, gw_http_events_emit_fn *emit, void *emit_ctx)
{
    struct site *s = ctx;
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    struct gw_catalog_event *rows = NULL;
    size_t n = 0;
    struct gw_error err = { 0 };
    int r = gw_catalog_event_read(s->catalog, after, NULL, 0, &mem, &rows, &n, NULL, &err);
    for (size_t i = 0; r == 0 && i < n; i++) {
        CLEANUP_FREE char *text = site_event_text(&rows[i]);
        if (text == NULL || emit(emit_ctx, rows[i].id, rows[i].kind, rows[i].plan, text) != 0)
            break;
    }
    return r;
}

static int start_events(struct site *s, struct gw_error *err)
{
    struct gw_http_events_config config = { .read = read_events, .ctx = s };
    int r = gw_catalog_event_last(s->catalog, &config.head_id, err);
    return r < 0 ? r : gw_http_events_new(&config, &s->events, err);
}

/* ---- pairing ----------------------------------------------------------------------------------
 */

/* Another certificate under a name that is known: new hardware. Its address and the marks of its
 * plans are one change. */
static int store_peer(struct site *s, const struct gw_catalog_peer *row, bool *ret_replaced,
                      struct gw_error *err)
{
    CLEANUP_CATALOG_MEM struct gw_catalog_mem mem = { 0 };
    CLEANUP_CATALOG_TX struct gw_catalog_tx tx = { 0 };
    struct gw_catalog_peer old;
    struct gw_error none = { 0 };
    bool replaced = gw_catalog_peer_get(s->catalog, row->site, &mem, &old, &none) == 0 &&
                    strcmp(old.fingerprint, row->fingerprint) != 0;
    int r = replaced ? site_replace_check(s, row->site, NULL, err) : 0;
    if (r == 0)
        r = gw_catalog_begin(s->catalog, &tx, err);
    if (r == 0)
        r = gw_catalog_peer_put(s->catalog, row, err);
    if (r == 0 && replaced)
        r = site_replace_mark(s, row->site, row->paired_by, err);
    if (r == 0)
        r = gw_catalog_commit(&tx, err);
    *ret_replaced = replaced;
    return r;
}

int site_paired(struct site *s, const struct gw_pair_site *peer, const char *by,
                struct gw_error *err)
{
    CLEANUP_FREE char *pem = NULL;
    struct gw_cert_info info;
    int r = gw_trust_get(s->trust, peer->site, &info, &pem, err);
    if (r < 0)
        return r;
    char print[GW_CERT_FINGERPRINT_TEXT];
    gw_cert_fingerprint_format(&info.fingerprint, print);
    struct gw_catalog_peer row = { .site = peer->site,
                                   .link_address = peer->link,
                                   .data_address = peer->data,
                                   .fingerprint = print,
                                   .certificate = pem,
                                   .paired_wall_ns = gw_wall_ns(),
                                   .paired_by = by,
                                   .instance = "" };
    bool replaced = false;
    r = store_peer(s, &row, &replaced, err);
    if (r == 0 && replaced)
        site_mates_forget(s, peer->site);
    if (r == 0)
        r = site_mates_load(s, err);
    if (r == 0)
        r = site_memory_note_peers(s, err);
    if (r < 0)
        return r;
    site_event(s, replaced ? "site.replaced" : "site.paired", NULL, NULL, SITE_NOTICE, NULL,
               replaced ? "site '%s' is another machine now (%s)" : "paired with site '%s' (%s)",
               peer->site, peer->link);
    site_replace_repoint(s, peer->site);
    return 0;
}

static int accept_pair(void *ctx, const struct gw_pair_site *peer, struct gw_error *err)
{
    struct site *s = ctx;
    char by[sizeof s->replaced_by];
    pthread_mutex_lock(&s->mu);
    snprintf(by, sizeof by, "%s", s->replaced_by[0] != '\0' ? s->replaced_by : "a one-time code");
    pthread_mutex_unlock(&s->mu);
    struct site_person who = { .uid = -1 };
    struct site_audited log = { .seq = 0 };
    snprintf(who.name, sizeof who.name, "%.*s", (int)sizeof who.name - 1, by);
    snprintf(who.origin, sizeof who.origin, "link %s", peer->site);
    int r = site_audit_begin(s, &who, "pair", peer->link, json_pack("{s:s}", "site", peer->site),
                             &log, err);
    if (r == 0)
        r = site_paired(s, peer, by, err);
    return site_audit_end(s, &log, r, NULL, err);
}

/* ---- start ------------------------------------------------------------------------------------
 */

static int start_files(struct site *s, const struct site_options *o, struct gw_error *err)
{
    int r = make_folders(s, err);
    if (r == 0)
        r = take_lock(s, err);
    if (r == 0)
        r = read_boot_id(s, err);
    if (r == 0)
        r = site_memory_open(s, o, err);
    return r < 0 ? r : gw_programs_find(o->programs, &s->programs, err);
}

static int start_parts(struct site *s, struct gw_error *err)
{
    char units[PATH_MAX];
    int r = gw_stop_new(&s->stop, err);
    if (r == 0)
        r = site_path(s, units, "units", "", "", err);
    struct gw_units_config u = { .dir = units, .arg = s, .changed = unit_changed };
    if (r == 0)
        r = gw_units_new(&u, &s->units, err);
    struct gw_polls_config p = { .arg = s, .changed = unit_changed };
    if (r == 0)
        r = gw_polls_new(&p, &s->polls, err);
    if (r == 0)
        r = gw_notifier_new(notice_done, s, &s->notifier, err);
    if (r == 0)
        r = start_events(s, err);
    if (r == 0)
        r = site_plans_load(s, err);
    return r < 0 ? r : site_mates_load(s, err);
}

static int start_doors(struct site *s, struct gw_error *err)
{
    struct gw_dataport_config d = {
        .listen = s->file->listen.data, .arg = s, .route = route_plan, .probe = answer_probe
    };
    int r = gw_dataport_start(&d, &s->data, err);
    /* A port 0 means any: the peer is told what it became. */
    struct gw_pair_config pair = { .identity = s->identity,
                                   .trust = s->trust,
                                   .link = "",
                                   .data = r == 0 ? gw_dataport_address(s->data) : "",
                                   .accept = accept_pair,
                                   .ctx = s };
    if (r == 0)
        r = gw_pair_book_new(&pair, &s->book, err);
    if (r == 0)
        r = site_rpc_open(s, err);
    return r < 0 ? r : site_api_open(s, err);
}

int site_start(const struct site_options *options, struct site **ret, struct gw_error *err)
{
    struct site *s = calloc(1, sizeof *s);
    if (s == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    s->lock_fd = -1;
    pthread_mutex_init(&s->mu, NULL);
    gw_cond_init(&s->changed);
    int r = gw_sitefile_read(options->config, NULL, &s->file, err);
    if (r == 0) {
        snprintf(s->name, sizeof s->name, "%s", s->file->site);
        snprintf(s->state_dir, sizeof s->state_dir, "%s", s->file->state_dir);
        snprintf(s->config, sizeof s->config, "%s", options->config);
        gw_log_prefix(s->name);
        r = start_files(s, options, err);
    }
    if (r == 0)
        r = start_parts(s, err);
    if (r == 0)
        r = site_monitor_adopt(s, err);
    if (r == 0)
        r = start_doors(s, err);
    if (r == 0)
        r = site_monitor_start(s, err);
    if (r == 0)
        r = site_fenced(s) ? site_recall_start(s, err) : site_runs_resume(s, err);
    if (r < 0) {
        site_stop(s);
        return r;
    }
    site_event(s, "site.started", NULL, NULL, SITE_INFO, NULL, "godwitd %s started",
               GODWIT_VERSION);
    *ret = s;
    return 0;
}

static void free_plans(struct site *s)
{
    while (s->plans != NULL) {
        struct site_plan *p = s->plans;
        s->plans = p->next;
        site_document_unref(p->doc);
        json_decref(p->side);
        json_decref(p->peer_side);
        json_decref(p->last_point);
        pthread_mutex_destroy(&p->plan_mu);
        free(p);
    }
}

void site_restart_soon(struct site *s)
{
    LOCK_SCOPE(&s->mu);
    s->restart_boot_ns = gw_boot_ns() + RESTART_MS * GW_NS_PER_MS;
    s->changes++;
    pthread_cond_broadcast(&s->changed);
}

void site_stop(struct site *s)
{
    if (s == NULL)
        return;
    if (s->stop != NULL)
        gw_stop_set(s->stop);
    if (s->events != NULL)
        gw_http_events_close(s->events);
    gw_http_stop(s->api);
    site_mates_stop(s); /* a run's thread may be in a call */
    site_recall_stop(s);
    site_runs_stop(s);
    gw_link_close(s->link);
    site_monitor_stop(s);
    site_mates_free(s);
    gw_dataport_stop(s->data);
    gw_notifier_free(s->notifier, NOTIFY_END_MS);
    gw_polls_free(s->polls);
    gw_units_free(s->units);
    gw_http_events_free(s->events);
    gw_pair_book_free(s->book);
    free_plans(s);
    gw_trust_free(s->trust);
    gw_identity_free(s->identity);
    gw_catalog_close(s->catalog);
    gw_stop_free(s->stop);
    gw_sitefile_free(s->file);
    if (s->lock_fd >= 0)
        close(s->lock_fd);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mu);
    free(s);
}
