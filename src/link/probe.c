// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* One port in one direction, layer by layer; and who answers it. */
#include "link/probe.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "link/handshake.h"
#include "link/resolve.h"
#include "link/trust.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define GREETING "godwit "
#define GREETING_MAX 128
#define PINGS 5u

static const char *const link_layers[] = { "name",        "route", "port",    "tls",
                                           "certificate", "http",  "version", "clock" };
static const char *const data_layers[] = {
    "name", "route", "port", "tls", "certificate", "service"
};

static void begin(const struct gw_probe_target *target, const char *port, const char *const *layers,
                  size_t n_layers, struct gw_probe_port *ret)
{
    *ret = (struct gw_probe_port){ .port = port, .n_layers = n_layers };
    snprintf(ret->from, sizeof ret->from, "%s", gw_identity_site(target->identity));
    snprintf(ret->to, sizeof ret->to, "%s", target->site);
    snprintf(ret->address, sizeof ret->address, "%s", target->address);
    for (size_t i = 0; i < n_layers; i++) {
        snprintf(ret->layers[i].layer, sizeof ret->layers[i].layer, "%s", layers[i]);
        ret->layers[i].state = GW_PROBE_SKIPPED;
    }
}

static void note(struct gw_probe_port *p, const char *layer, enum gw_probe_state state,
                 uint64_t took_ns, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

static void note(struct gw_probe_port *p, const char *layer, enum gw_probe_state state,
                 uint64_t took_ns, const char *fmt, ...)
{
    size_t i = 0;
    while (i < p->n_layers && strcmp(p->layers[i].layer, layer) != 0)
        i++;
    if (i == p->n_layers)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(p->layers[i].text, sizeof p->layers[i].text, fmt, ap);
    va_end(ap);
    p->layers[i].state = state;
    p->layers[i].took_ns = took_ns;
}

/* Name, route, port. The connection, or -1. */
static int probe_connect(const struct gw_probe_target *target, uint64_t deadline_ns,
                         struct gw_probe_port *p)
{
    struct gw_connection c;
    struct gw_error err = { 0 };
    int r = gw_connect(target->address, deadline_ns, &c, &err);
    if (r < 0 && c.reached == GW_CONNECT_NAME) {
        note(p, "name", GW_PROBE_FAILED, c.name_ns, "%s", err.msg);
        return -1;
    }
    note(p, "name", GW_PROBE_OK, c.name_ns, "%s", c.addresses);
    if (r < 0 && c.reached == GW_CONNECT_ROUTE) {
        note(p, "route", GW_PROBE_FAILED, c.connect_ns, "%s", err.msg);
        return -1;
    }
    note(p, "route", GW_PROBE_OK, c.connect_ns, "the machine answers");
    if (r < 0) {
        note(p, "port", GW_PROBE_FAILED, c.connect_ns, "%s", err.msg);
        return -1;
    }
    note(p, "port", GW_PROBE_OK, c.connect_ns, "connected to %s", target->address);
    return c.fd;
}

static int check_certificate(const struct gw_probe_target *target, const struct gw_handshake *h,
                             struct gw_probe_port *p)
{
    struct gw_cert_info info;
    struct gw_error err = { 0 };
    char text[GW_CERT_FINGERPRINT_TEXT];
    int r = gw_handshake_peer(h, &info, &err);
    if (r == 0 && !gw_cert_fingerprint_equal(&info.fingerprint, &target->pin)) {
        gw_cert_fingerprint_format(&info.fingerprint, text);
        r = gw_error_set(&err, -EKEYREJECTED,
                         "the certificate there (for \"%s\", SHA-256 %.16s...) is not the pinned "
                         "one of site %s: it is another machine, or the site was set up anew and "
                         "has to be paired again",
                         info.name, text, target->site);
    }
    if (r == 0)
        r = gw_cert_check_times(&info, "its", gw_wall_ns(), &err);
    if (r < 0)
        note(p, "certificate", GW_PROBE_FAILED, 0, "%s", err.msg);
    else
        note(p, "certificate", GW_PROBE_OK, 0, "the pinned one of site %s", target->site);
    return r;
}

/* All below what the port serves. The TLS session over *ret_fd, or NULL. */
static struct gw_handshake *probe_tls(const struct gw_probe_target *target, const char *server_name,
                                      uint64_t deadline_ns, struct gw_probe_port *p, int *ret_fd)
{
    struct gw_handshake *h = NULL;
    struct gw_error err = { 0 };
    *ret_fd = probe_connect(target, deadline_ns, p);
    if (*ret_fd < 0)
        return NULL;
    uint64_t begin_ns = gw_boot_ns();
    int r = gw_handshake_new(*ret_fd, true, target->identity, server_name, deadline_ns, &h, &err);
    uint64_t took_ns = gw_boot_ns() - begin_ns;
    if (r < 0) {
        note(p, r == -EKEYREJECTED ? "certificate" : "tls", GW_PROBE_FAILED, took_ns, "%s",
             err.msg);
        return NULL;
    }
    note(p, "tls", GW_PROBE_OK, took_ns, "TLS 1.3");
    if (check_certificate(target, h, p) < 0) {
        gw_handshake_free(h);
        return NULL;
    }
    return h;
}

static uint64_t deadline_of(const struct gw_probe_target *target)
{
    return gw_boot_ns() +
           (target->timeout_ms != 0 ? target->timeout_ms : GW_PROBE_MS) * GW_NS_PER_MS;
}

/* ---- the link -------------------------------------------------------------------------------- */

static void note_clock(struct gw_probe_port *p, const struct gw_clock_sample *clock)
{
    int64_t off_ms = clock->offset_ns / (int64_t)GW_NS_PER_MS;
    uint64_t size_ms = (uint64_t)(off_ms < 0 ? -off_ms : off_ms);
    bool bad = size_ms > GW_PROBE_CLOCK_MS_MAX + clock->uncertain_ns / GW_NS_PER_MS;
    note(p, "clock", bad ? GW_PROBE_FAILED : GW_PROBE_OK, 0,
         "its clock is %" PRIu64 " ms %s ours (give or take %.1f ms)%s", size_ms,
         off_ms < 0 ? "behind" : "ahead of", (double)clock->uncertain_ns / (double)GW_NS_PER_MS,
         bad ? ": set the clocks of both sites" : "");
}

static void probe_service(const struct gw_probe_target *target, struct gw_probe_port *p)
{
    const struct gw_peer_config config = { .identity = target->identity,
                                           .site = target->site,
                                           .address = target->address,
                                           .pin = target->pin,
                                           .connect_ms = target->timeout_ms };
    struct gw_peer *peer = NULL;
    struct gw_peer_hello hello;
    struct gw_error err = { 0 };
    uint64_t begin_ns = gw_boot_ns();
    int r = gw_peer_new(&config, &peer, &err);
    if (r == 0)
        r = gw_peer_ping(peer, PINGS, target->timeout_ms != 0 ? target->timeout_ms : GW_PROBE_MS,
                         &hello, NULL, &err);
    gw_peer_free(peer);
    uint64_t took_ns = gw_boot_ns() - begin_ns;
    if (r < 0 && r != -EPROTONOSUPPORT) {
        note(p, "http", GW_PROBE_FAILED, took_ns, "%s", err.msg);
        return;
    }
    note(p, "http", GW_PROBE_OK, took_ns, "site %s answers, and knows us", target->site);
    if (r < 0) {
        note(p, "version", GW_PROBE_FAILED, 0, "%s", err.msg);
        return;
    }
    note(p, "version", GW_PROBE_OK, 0, "godwit %s, link protocol %d", hello.version,
         hello.protocol);
    note_clock(p, &hello.clock);
    p->ok = true;
}

void gw_probe_link(const struct gw_probe_target *target, struct gw_probe_port *ret)
{
    int fd = -1;
    begin(target, "link", link_layers, sizeof link_layers / sizeof link_layers[0], ret);
    struct gw_handshake *h = probe_tls(target, NULL, deadline_of(target), ret, &fd);
    bool good = h != NULL;
    gw_handshake_free(h);
    gw_cleanup_close(&fd);
    if (good)
        probe_service(target, ret);
}

/* ---- the data port --------------------------------------------------------------------------- */

static int read_greeting(const struct gw_probe_target *target, struct gw_handshake *h,
                         struct gw_error *err)
{
    char line[GREETING_MAX];
    int r = gw_handshake_read_line(h, line, sizeof line, err);
    if (r < 0)
        return r;
    if (strncmp(line, GREETING, strlen(GREETING)) != 0)
        return gw_error_set(err, -EPROTO, "what listens there is not godwit's data port");
    if (strcmp(line + strlen(GREETING), target->site) != 0)
        return gw_error_set(err, -EPROTO, "what listens there calls itself \"%.64s\"",
                            line + strlen(GREETING));
    return 0;
}

void gw_probe_data(const struct gw_probe_target *target, struct gw_probe_port *ret)
{
    CLEANUP_CLOSE int fd = -1;
    struct gw_error err = { 0 };
    begin(target, "data", data_layers, sizeof data_layers / sizeof data_layers[0], ret);
    struct gw_handshake *h = probe_tls(target, GW_PROBE_SERVER_NAME, deadline_of(target), ret, &fd);
    if (h == NULL)
        return;
    uint64_t begin_ns = gw_boot_ns();
    int r = read_greeting(target, h, &err);
    uint64_t took_ns = gw_boot_ns() - begin_ns;
    gw_handshake_free(h);
    if (r < 0) {
        note(ret, r == -EKEYREJECTED ? "certificate" : "service", GW_PROBE_FAILED, took_ns, "%s",
             err.msg);
        return;
    }
    note(ret, "service", GW_PROBE_OK, took_ns, "the data port of site %s", target->site);
    ret->ok = true;
}

/* ---- who answers it -------------------------------------------------------------------------- */

static int answer(struct gw_handshake *h, const struct gw_identity *identity,
                  struct gw_trust *trust, struct gw_error *err)
{
    struct gw_cert_info info;
    char site[GW_CERT_NAME_MAX], line[GREETING_MAX];
    int r = gw_handshake_peer(h, &info, err);
    if (r < 0)
        return r;
    if (!gw_trust_find(trust, &info.fingerprint, site)) {
        gw_handshake_refuse(h);
        return gw_error_set(err, -EPERM,
                            "a probe of the data port showed a certificate (for \"%s\") that is "
                            "not of a paired site",
                            info.name);
    }
    snprintf(line, sizeof line, GREETING "%s\n", gw_identity_site(identity));
    return gw_handshake_send(h, line, err);
}

int gw_probe_answer(int fd, const struct gw_identity *identity, struct gw_trust *trust,
                    unsigned timeout_ms, struct gw_error *err)
{
    struct gw_handshake *h = NULL;
    uint64_t deadline_ns =
        gw_boot_ns() + (timeout_ms != 0 ? timeout_ms : GW_PROBE_MS) * GW_NS_PER_MS;
    CLEANUP_CLOSE int own = fd;
    int flags = fcntl(own, F_GETFL);
    if (flags < 0 || fcntl(own, F_SETFL, flags | O_NONBLOCK) < 0)
        return gw_error_errno(err, -errno, "cannot set up a connection");
    int r = gw_handshake_new(own, false, identity, NULL, deadline_ns, &h, err);
    if (r == 0)
        r = answer(h, identity, trust, err);
    gw_handshake_free(h);
    return r;
}
