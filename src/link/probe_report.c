// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* What a site test found, as JSON. */
#include "link/probe.h"

#include "base/clock.h"
#include "http/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const state_names[] = {
    [GW_PROBE_OK] = "ok", [GW_PROBE_FAILED] = "failed", [GW_PROBE_SKIPPED] = "skipped"
};

static double ms_of(double ns)
{
    return ns / (double)GW_NS_PER_MS;
}

static json_t *layer_json(const struct gw_probe_layer *l)
{
    return json_pack("{s:s, s:b, s:s, s:o, s:f}", "layer", l->layer, "ok", l->state == GW_PROBE_OK,
                     "state", state_names[l->state], "detail", gw_http_json_string(l->text), "ms",
                     ms_of((double)l->took_ns));
}

json_t *gw_probe_port_json(const struct gw_probe_port *port)
{
    json_t *layers = json_array();
    for (size_t i = 0; i < port->n_layers; i++)
        json_array_append_new(layers, layer_json(&port->layers[i]));
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:o}", "from", port->from, "to", port->to, "port",
                     port->port, "address", port->address, "ok", (int)port->ok, "layers", layers);
}

static int read_layer(const json_t *j, struct gw_probe_layer *ret, struct gw_error *err)
{
    const char *layer = "", *state = "", *detail = "";
    int r = gw_http_json_text(j, "layer", true, &layer, err);
    if (r == 0)
        r = gw_http_json_text(j, "state", true, &state, err);
    if (r == 0)
        r = gw_http_json_text(j, "detail", true, &detail, err);
    if (r < 0)
        return r;
    snprintf(ret->layer, sizeof ret->layer, "%s", layer);
    snprintf(ret->text, sizeof ret->text, "%s", detail);
    ret->took_ns = 0;
    for (size_t i = 0; i < sizeof state_names / sizeof state_names[0]; i++) {
        if (strcmp(state_names[i], state) == 0) {
            double ms = json_number_value(json_object_get(j, "ms"));
            ret->state = (enum gw_probe_state)i;
            ret->took_ns = ms > 0 && ms < 1e9 ? (uint64_t)(ms * (double)GW_NS_PER_MS) : 0;
            return 0;
        }
    }
    return gw_error_set(err, -EINVAL, "\"%.32s\" is not a state of a layer", state);
}

static int read_layers(json_t *list, struct gw_probe_port *ret, struct gw_error *err)
{
    size_t n = json_array_size(list);
    if (n > GW_PROBE_LAYERS_MAX)
        return gw_error_set(err, -EINVAL, "more than %u layers", GW_PROBE_LAYERS_MAX);
    for (size_t i = 0; i < n; i++) {
        int r = read_layer(json_array_get(list, i), &ret->layers[i], err);
        if (r < 0)
            return r;
    }
    ret->n_layers = n;
    return 0;
}

int gw_probe_port_read(const json_t *object, struct gw_probe_port *ret, struct gw_error *err)
{
    const char *from = "", *to = "", *port = "", *address = "";
    json_t *layers = NULL;
    struct gw_probe_port p = { 0 };
    int r = gw_http_json_text(object, "from", true, &from, err);
    if (r == 0)
        r = gw_http_json_text(object, "to", true, &to, err);
    if (r == 0)
        r = gw_http_json_text(object, "port", true, &port, err);
    if (r == 0)
        r = gw_http_json_text(object, "address", true, &address, err);
    if (r == 0)
        r = gw_http_json_bool(object, "ok", true, &p.ok, err);
    if (r == 0)
        r = gw_http_json_array(object, "layers", true, &layers, err);
    if (r == 0)
        r = read_layers(layers, &p, err);
    if (r < 0)
        return r;
    p.port = strcmp(port, "data") == 0 ? "data" : "link";
    snprintf(p.from, sizeof p.from, "%s", from);
    snprintf(p.to, sizeof p.to, "%s", to);
    snprintf(p.address, sizeof p.address, "%s", address);
    *ret = p;
    return 0;
}

/* What to look at when a layer fails; "" where the words of what was found say it. */
static const char *fix_of(const char *layer)
{
    static const struct {
        const char *layer, *fix;
    } table[] = {
        { "name", "look at DNS and /etc/hosts at the site that asks" },
        { "route", "look at routes, and at firewalls between the sites" },
        { "port", "is godwitd running there, and does every firewall let this port through?" },
        { "tls", "is it godwitd that listens there, and nothing in between that opens TLS?" },
        { "certificate", "pair again: godwit site pair, at both sites" },
        { "http", "is it godwitd that listens there?" },
        { "version", "upgrade the older site" },
        { "clock", "look at the time synchronisation of both sites" },
        { "service", "is it godwitd that listens there?" },
        { "asked", "godwit site pair again with --link and --data, or advertise in the site file" },
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (strcmp(table[i].layer, layer) == 0)
            return table[i].fix;
    }
    return "";
}

static void add_way(json_t *list, const struct gw_probe_port *p)
{
    char way[2 * GW_CERT_NAME_MAX + 16];
    snprintf(way, sizeof way, "%s > %s %s", p->from, p->to, p->port);
    for (size_t i = 0; i < p->n_layers; i++) {
        json_t *j = layer_json(&p->layers[i]);
        enum gw_probe_state state = p->layers[i].state;
        json_object_set_new(j, "way", json_string(way));
        json_object_set_new(j, "from", json_string(way));
        json_object_set_new(j, "skipped", json_boolean(state == GW_PROBE_SKIPPED));
        json_object_set_new(j, "fix",
                            json_string(state == GW_PROBE_OK ? "" : fix_of(p->layers[i].layer)));
        json_array_append_new(list, j);
    }
}

json_t *gw_probe_report_json(const struct gw_probe_report *report)
{
    json_t *layers = json_array();
    for (size_t i = 0; i < 4; i++)
        add_way(layers, &report->ways[i]);
    json_t *j = json_pack("{s:b, s:o, s:o}", "connected", (int)report->connected, "sentence",
                          gw_http_json_string(report->sentence), "layers", layers);
    if (j != NULL && report->has_hello) {
        const struct gw_peer_hello *h = &report->hello;
        json_object_set_new(j, "rtt_ms", json_real(ms_of((double)h->rtt_median_ns)));
        json_object_set_new(j, "clock_offset_ms", json_real(ms_of((double)h->clock.offset_ns)));
        json_object_set_new(j, "clock_uncertain_ms",
                            json_real(ms_of((double)h->clock.uncertain_ns)));
        json_object_set_new(j, "version", gw_http_json_string(h->version));
        json_object_set_new(j, "protocol", json_integer(h->protocol));
    }
    if (j != NULL && report->has_throughput)
        json_object_set_new(j, "throughput_bytes",
                            json_integer((json_int_t)report->throughput_bytes_per_s));
    return j;
}
