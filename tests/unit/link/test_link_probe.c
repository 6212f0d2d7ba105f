// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Site test: every layer fails once, and is named. */
#include "certs.h"
#include "sites.h"

/* A data port: each connection is answered as godwitd does. Or a port of something else. */
struct port {
    struct site *site; /* NULL: says nothing, and closes */
    bool silent;       /* takes connections and leaves them */
    int listen_fd, stop[2];
    char address[64];
    pthread_t thread;
};

static void *port_main(void *arg)
{
    struct port *p = arg;
    int held[16], n = 0;
    for (;;) {
        struct pollfd f[2] = { { .fd = p->listen_fd, .events = POLLIN },
                               { .fd = p->stop[0], .events = POLLIN } };
        poll(f, 2, -1);
        if (f[1].revents != 0)
            break;
        int fd = accept(p->listen_fd, NULL, NULL);
        struct gw_error err = { 0 };
        if (p->silent && n < 16)
            held[n++] = fd;
        else if (p->site != NULL)
            gw_probe_answer(fd, p->site->id, p->site->trust, CALL_MS, &err);
        else
            close(fd);
    }
    while (n > 0)
        close(held[--n]);
    return NULL;
}

static void port_open(struct port *p, struct site *site, bool silent)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof a;
    *p = (struct port){ .site = site, .silent = silent };
    p->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(p->listen_fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(p->listen_fd, 16), 0);
    getsockname(p->listen_fd, (struct sockaddr *)&a, &len);
    snprintf(p->address, sizeof p->address, "127.0.0.1:%u", ntohs(a.sin_port));
    assert_int_equal(pipe(p->stop), 0);
    assert_int_equal(pthread_create(&p->thread, NULL, port_main, p), 0);
}

static void port_close(struct port *p)
{
    assert_int_equal(write(p->stop[1], "", 1), 1);
    pthread_join(p->thread, NULL);
    close(p->listen_fd);
    close(p->stop[0]);
    close(p->stop[1]);
}

struct world {
    struct site a, b;
    struct port a_data, b_data;
};

static int open_world(void **state)
{
    static struct world w;
    w = (struct world){ 0 };
    site_open(&w.a, "madrid");
    site_open(&w.b, "lisbon");
    site_trust(&w.a, &w.b);
    site_trust(&w.b, &w.a);
    site_serve(&w.a, NULL, 0, NULL);
    site_serve(&w.b, NULL, 0, NULL);
    port_open(&w.a_data, &w.a, false);
    port_open(&w.b_data, &w.b, false);
    *state = &w;
    return 0;
}

static int close_world(void **state)
{
    struct world *w = *state;
    port_close(&w->a_data);
    port_close(&w->b_data);
    site_close(&w->a);
    site_close(&w->b);
    return 0;
}

static struct gw_probe_config config_of(struct world *w)
{
    return (struct gw_probe_config){ .identity = w->a.id,
                                     .site = "lisbon",
                                     .pin = gw_identity_info(w->b.id)->fingerprint,
                                     .link = w->b.address,
                                     .data = w->b_data.address,
                                     .own_link = w->a.address,
                                     .own_data = w->a_data.address,
                                     .throughput_bytes = 1u << 20,
                                     .throughput_ms = 2000,
                                     .timeout_ms = CALL_MS };
}

static void test_connected(void **state)
{
    struct world *w = *state;
    struct gw_probe_report report;
    const struct gw_probe_config config = config_of(w);
    gw_probe_site(&config, &report);
    assert_string_equal(report.sentence, "CONNECTED");
    assert_true(report.connected && report.has_hello && report.has_throughput);
    for (int i = 0; i < 4; i++) {
        assert_true(report.ways[i].ok);
        for (size_t k = 0; k < report.ways[i].n_layers; k++)
            assert_int_equal(report.ways[i].layers[k].state, GW_PROBE_OK);
    }
    assert_string_equal(report.ways[2].from, "lisbon");
    assert_string_equal(report.ways[3].port, "data");
    json_t *j = gw_probe_report_json(&report);
    assert_int_equal(json_array_size(json_object_get(j, "layers")), 2 * (8 + 6));
    char *text = json_dumps(j, JSON_COMPACT);
    assert_contains(text, "\"way\":\"madrid > lisbon link\"");
    assert_contains(text, "\"version\":\"1.2.3\"");
    assert_true(json_number_value(json_object_get(j, "rtt_ms")) > 0);
    assert_true(json_integer_value(json_object_get(j, "throughput_bytes")) > 0);
    free(text);
    json_decref(j);
}

/* What the first failing layer of a way is, and what it says. */
static void expect(const struct gw_probe_port *p, const char *layer, const char *text)
{
    assert_false(p->ok);
    bool failed = false;
    for (size_t i = 0; i < p->n_layers; i++) {
        const struct gw_probe_layer *l = &p->layers[i];
        if (strcmp(l->layer, layer) == 0) {
            if (l->state != GW_PROBE_FAILED || strstr(l->text, text) == NULL)
                fail_msg("layer %s is %d: %s", layer, l->state, l->text);
            failed = true;
        } else if (l->state != (failed ? GW_PROBE_SKIPPED : GW_PROBE_OK)) {
            fail_msg("layer %s is %d: %s", l->layer, l->state, l->text);
        }
    }
    assert_true(failed);
}

static void probe_for(struct world *w, const char *address, bool data, unsigned timeout_ms,
                      struct gw_probe_port *ret)
{
    const struct gw_probe_target target = { .identity = w->a.id,
                                            .site = "lisbon",
                                            .pin = gw_identity_info(w->b.id)->fingerprint,
                                            .address = address,
                                            .timeout_ms = timeout_ms };
    (data ? gw_probe_data : gw_probe_link)(&target, ret);
}

static void probe(struct world *w, const char *address, bool data, struct gw_probe_port *ret)
{
    probe_for(w, address, data, CALL_MS, ret);
}

static void test_layers(void **state)
{
    struct world *w = *state;
    struct gw_probe_port p;
    struct port other;
    char closed[64];
    probe(w, "no-such-machine.invalid:7001", false, &p);
    expect(&p, "name", "cannot be resolved");
    probe(w, "nonsense", false, &p);
    expect(&p, "name", "is not an address");
    port_open(&other, NULL, false);
    snprintf(closed, sizeof closed, "%s", other.address);
    for (int data = 0; data < 2; data++) {
        probe(w, other.address, data, &p);
        expect(&p, "tls", "closed the connection");
    }
    port_close(&other);
    probe(w, closed, false, &p);
    /* The machine answers (it refuses): route is fine, the port is not. */
    expect(&p, "port", "connection refused");
    port_open(&other, NULL, true);
    probe_for(w, other.address, true, 300, &p);
    expect(&p, "tls", "no answer to the TLS handshake");
    port_close(&other);
    /* The link port speaks TLS, but is no data port. */
    probe_for(w, w->b.address, true, 1500, &p);
    expect(&p, "service", "the other side says nothing");
    probe(w, w->b_data.address, false, &p);
    expect(&p, "http", "");
}

static void test_certificates(void **state)
{
    struct world *w = *state;
    struct gw_probe_port p;
    struct gw_error err = { 0 };
    struct site other;
    struct port data;
    /* Another machine by that name. */
    site_open(&other, "lisbon");
    site_trust(&other, &w->a);
    site_serve(&other, NULL, 0, NULL);
    port_open(&data, &other, false);
    probe(w, other.address, false, &p);
    expect(&p, "certificate", "is not the pinned one of site lisbon");
    probe(w, data.address, true, &p);
    expect(&p, "certificate", "has to be paired again");
    port_close(&data);
    site_close(&other);
    /* We are the ones who are not known there. */
    assert_ok(gw_trust_unpin(w->b.trust, "madrid", &err), &err);
    probe(w, w->b.address, false, &p);
    expect(&p, "http", "is not of a paired site");
    probe(w, w->b_data.address, true, &p);
    assert_false(p.ok);
    assert_int_equal(p.layers[4].state, GW_PROBE_FAILED);
    assert_string_equal(p.layers[4].layer, "certificate");
    assert_contains(p.layers[4].text, "refuses our certificate");
}

/* One-way firewalls: the way there is open, the way back is not. */
static void test_one_way(void **state)
{
    struct world *w = *state;
    struct gw_probe_report report;
    struct gw_probe_config config = config_of(w);
    config.own_data = "127.0.0.1:1"; /* nothing listens there */
    config.throughput_bytes = 0;
    gw_probe_site(&config, &report);
    assert_false(report.connected);
    assert_true(report.ways[0].ok && report.ways[1].ok && report.ways[2].ok);
    expect(&report.ways[3], "port", "connection refused");
    assert_contains(report.sentence, "lisbon > madrid, data port, port: connection refused");
    /* Not known: it says so, and is not called connected. */
    config.own_data = "";
    gw_probe_site(&config, &report);
    assert_false(report.connected);
    assert_contains(report.sentence, "lisbon > madrid, data port was not tried: our own address");
    /* Not reachable at all: the way back cannot be asked for. */
    config.link = "127.0.0.1:1";
    gw_probe_site(&config, &report);
    assert_false(report.connected || report.has_hello);
    assert_contains(report.sentence, "madrid > lisbon, link port, port: connection refused");
    assert_contains(report.ways[2].layers[0].text, "cannot be asked");
}

static void test_report_reading(void **state)
{
    static const char *const bad[] = {
        "{}",
        "{\"from\":\"a\",\"to\":\"b\",\"port\":\"link\",\"address\":\"\",\"ok\":1,\"layers\":[]}",
        "{\"from\":\"a\",\"to\":\"b\",\"port\":\"link\",\"address\":\"\",\"ok\":true,\"layers\":[{}"
        "]}",
        "{\"from\":\"a\",\"to\":\"b\",\"port\":\"link\",\"address\":\"\",\"ok\":true,\"layers\":"
        "[{\"layer\":\"x\",\"state\":\"maybe\",\"detail\":\"\"}]}",
        "{\"from\":\"a\",\"to\":\"b\",\"port\":\"link\",\"address\":\"\",\"ok\":true,\"layers\":"
        "[1,2,3,4,5,6,7,8,9]}",
    };
    struct world *w = *state;
    struct gw_error err = { 0 };
    struct gw_probe_port p, back;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        json_t *j = NULL;
        assert_ok(gw_http_json_parse(bad[i], strlen(bad[i]), 0, &j, &err), &err);
        assert_int_equal(gw_probe_port_read(j, &back, &err), -EINVAL);
        json_decref(j);
    }
    probe(w, w->b.address, false, &p);
    json_t *j = gw_probe_port_json(&p);
    assert_ok(gw_probe_port_read(j, &back, &err), &err);
    assert_int_equal(back.n_layers, p.n_layers);
    assert_true(back.ok);
    assert_string_equal(back.layers[7].text, p.layers[7].text);
    json_decref(j);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_connected, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_layers, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_certificates, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_one_way, open_world, close_world),
        cmocka_unit_test_setup_teardown(test_report_reading, open_world, close_world),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
