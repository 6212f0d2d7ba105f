// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The site file: defaults, every key, what is refused. */
#include "plan/sitefile.h"

#include "plans.h"

#include <errno.h>

static struct gw_sitefile *site_of(const char *text)
{
    struct gw_sitefile *site = NULL;
    struct gw_error err = { 0 };
    if (gw_sitefile_parse("site.yaml", text, strlen(text), GW_DOC_YAML, NULL, &site, &err) < 0)
        fail_msg("%s", err.msg);
    return site;
}

static void test_defaults(void **state)
{
    (void)state;
    struct gw_sitefile *s = site_of("site: madrid\n");
    assert_string_equal(s->site, "madrid");
    assert_string_equal(s->state_dir, "/var/lib/godwit");
    assert_string_equal(gw_sitefile_api_path(s), "/run/godwit/api.sock");
    assert_null(s->listen.https);
    assert_string_equal(s->listen.link, "0.0.0.0:7001");
    assert_string_equal(s->listen.data, "0.0.0.0:7000");
    assert_int_equal(s->n_peers, 0);
    assert_null(s->witness);
    assert_int_equal(s->alerts.webhooks.n, 0);
    gw_sitefile_free(s);
    gw_sitefile_free(NULL);
}

static void test_everything(void **state)
{
    (void)state;
    struct gw_sitefile *s =
        site_of("site: madrid\nstate_dir: /srv/godwit\n"
                "listen: {api: \"unix:/tmp/a.sock\", https: \"0.0.0.0:7002\", link: "
                "\"127.0.0.1:0\", data: \"127.0.0.1:0\"}\n"
                "peers:\n  - {site: lisbon, link: \"10.1.0.2:7001\", data: \"10.1.0.2:7000\"}\n"
                "witness: {etcd: [\"https://w1:2379\", \"https://w2:2379\"], prefix: /dr}\n"
                "alerts: {webhooks: [\"https://chat.example/x\"], command: [/bin/page, now]}\n");
    assert_string_equal(s->state_dir, "/srv/godwit");
    assert_string_equal(gw_sitefile_api_path(s), "/tmp/a.sock");
    assert_string_equal(s->listen.https, "0.0.0.0:7002");
    assert_string_equal(s->listen.link, "127.0.0.1:0");
    assert_string_equal(gw_sitefile_peer(s, "lisbon")->link, "10.1.0.2:7001");
    assert_string_equal(gw_sitefile_peer(s, "lisbon")->data, "10.1.0.2:7000");
    assert_null(gw_sitefile_peer(s, "porto"));
    assert_int_equal(s->witness->etcd.n, 2);
    assert_string_equal(s->witness->etcd.item[1], "https://w2:2379");
    assert_string_equal(s->witness->prefix, "/dr");
    assert_string_equal(s->alerts.webhooks.item[0], "https://chat.example/x");
    assert_string_equal(s->alerts.command.item[1], "now");
    gw_sitefile_free(s);
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *sentence;
    } rows[] = {
        { "", "s:1: there is nothing in it" },
        { "state_dir: /a\n",
          "s:1: \"site\" is missing: a name (small letters, digits and '-', at most 63)" },
        { "site: a\nlisten: {api: /run/a.sock}\n",
          "s:2: listen.api: \"/run/a.sock\" is not the address of a unix socket "
          "(unix:/run/godwit/api.sock)" },
        { "site: a\nlisten: {link: 7001}\n",
          "s:2: listen.link: \"7001\" is not an address to listen at (0.0.0.0:7001)" },
        { "site: a\nlisten: {link: \"a:1\", data: \"a:1\"}\n",
          "s:2: listen.data: \"a:1\" is the address of listen.link already" },
        { "site: a\npeers: [{site: a, link: \"b:1\", data: \"b:2\"}]\n",
          "s:2: peers[0].site: \"a\" is this site itself" },
        { "site: a\npeers: [{site: b, link: \"b:1\", data: \"b:2\"}, {site: b, link: \"b:1\", "
          "data: \"b:2\"}]\n",
          "s:2: peers[1].site: \"b\" is peers[0] already" },
        { "site: a\npeers: [{site: b, link: \"b:1\"}]\n",
          "s:2: peers[0]: \"data\" is missing: an address (host:port, [::1]:7000)" },
        { "site: a\nstatedir: /x\n", "s:2: statedir: unknown key; did you mean \"state_dir\"? "
                                     "(allowed: site, state_dir, api_group, listen, advertise, "
                                     "peers, witness, alerts)" },
        { "site: a\nwitness: {etcd: []}\n",
          "s:2: witness.etcd: the list is empty; fill it or leave the key out" },
        { "site: a\nwitness: {etcd: [w1]}\n",
          "s:2: witness.etcd[0]: \"w1\" is not a URL (http://host/path or https://; no user or "
          "password in it)" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct gw_sitefile *site = NULL;
        struct gw_error err = { 0 };
        assert_int_equal(gw_sitefile_parse("s", rows[i].text, strlen(rows[i].text), GW_DOC_YAML,
                                           NULL, &site, &err),
                         -EINVAL);
        assert_null(site);
        assert_string_equal(err.msg, rows[i].sentence);
    }
}

static void test_read(void **state)
{
    (void)state;
    char dir[] = "/tmp/godwit-sitefile-XXXXXX", path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/site.json", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs("{\"site\": \"madrid\"}", f);
    fclose(f);
    struct gw_sitefile *s = NULL;
    struct gw_error err = { 0 };
    assert_int_equal(gw_sitefile_read(path, NULL, &s, &err), 0);
    assert_string_equal(s->site, "madrid");
    gw_sitefile_free(s);
    s = NULL;
    f = fopen(path, "w"); /* longer than any document */
    assert_non_null(f);
    assert_int_equal(fseek(f, GW_DOC_BYTES_MAX + 10, SEEK_SET), 0);
    fputc(' ', f);
    fclose(f);
    assert_int_equal(gw_sitefile_read(path, NULL, &s, &err), -EMSGSIZE);
    remove(path);
    assert_int_equal(gw_sitefile_read(path, NULL, &s, &err), -ENOENT);
    assert_non_null(strstr(err.msg, path));
    assert_int_equal(gw_sitefile_read(dir, NULL, &s, &err), -EISDIR);
    assert_null(s);
    remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_everything),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
