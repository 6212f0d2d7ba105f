// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "plan/sitefile.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "plan/arena.h"
#include "plan/parse.h"
#include "plan/reference.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#define AT(type, member) .offset = offsetof(struct type, member)
#define SCHEMA(name, text, type)                                                                   \
    static const struct gw_schema name##_schema = { text, sizeof(struct type), NULL, name,         \
                                                    GW_ARRAY_SIZE(name) }

static const struct gw_field listening[] = {
    { "api", GW_FIELD_UNIX, AT(gw_sitefile_listen, api), .fallback = "unix:/run/godwit/api.sock",
      .help = "Where `godwit` finds the daemon" },
    { "https", GW_FIELD_LISTEN, AT(gw_sitefile_listen, https), .later = true,
      .help = "API and dashboard; left out: none" },
    { "link", GW_FIELD_LISTEN, AT(gw_sitefile_listen, link), .fallback = "0.0.0.0:7001",
      .help = "Daemons of other sites" },
    { "data", GW_FIELD_LISTEN, AT(gw_sitefile_listen, data), .fallback = "0.0.0.0:7000",
      .help = "Data of all plans" },
};
SCHEMA(listening, "where the daemon listens", gw_sitefile_listen);

static const struct gw_field advertised[] = {
    { "link", GW_FIELD_ADDRESS, AT(gw_sitefile_advertise, link),
      .help = "Our link port, as other sites reach it; left out: what `listen` says" },
    { "data", GW_FIELD_ADDRESS, AT(gw_sitefile_advertise, data),
      .help = "Our data port, as other sites reach it; left out: what `listen` says" },
};
SCHEMA(advertised, "where other sites reach this one", gw_sitefile_advertise);

static const struct gw_field peer[] = {
    { "site", GW_FIELD_NAME, AT(gw_sitefile_peer, site), .required = true, .help = "Its name" },
    { "link", GW_FIELD_ADDRESS, AT(gw_sitefile_peer, link), .required = true,
      .help = "Of its daemon" },
    { "data", GW_FIELD_ADDRESS, AT(gw_sitefile_peer, data), .required = true, .help = "For data" },
};
SCHEMA(peer, "a peer", gw_sitefile_peer);

static const struct gw_field witness[] = {
    { "etcd", GW_FIELD_URLS, AT(gw_sitefile_witness, etcd), .required = true,
      .help = "Its members" },
    { "prefix", GW_FIELD_PATH, AT(gw_sitefile_witness, prefix), .fallback = "/godwit",
      .help = "Of all keys" },
};
SCHEMA(witness, "the witness", gw_sitefile_witness);

static const struct gw_field alerts[] = {
    { "webhooks", GW_FIELD_URLS, AT(gw_sitefile_alerts, webhooks),
      .help = "Get a POST with each alert as JSON" },
    { "command", GW_FIELD_ARGV, AT(gw_sitefile_alerts, command),
      .help = "Is run with each alert as JSON on its standard input" },
};
SCHEMA(alerts, "where alerts go", gw_sitefile_alerts);

static const struct gw_field site_keys[] = {
    { "site", GW_FIELD_NAME, AT(gw_sitefile, site), .required = true, .help = "Its name" },
    { "state_dir", GW_FIELD_PATH, AT(gw_sitefile, state_dir), .fallback = "/var/lib/godwit",
      .help = "Identity, catalog, plan directories, evidence" },
    { "api_group", GW_FIELD_TEXT, AT(gw_sitefile, api_group), .min = 1, .max = 32,
      .help = "A group of this machine whose members may look, and approve runs, over the socket; "
              "left out: root and the daemon's user alone" },
    { "listen", GW_FIELD_OBJECT, AT(gw_sitefile, listen), .sub = &listening_schema,
      .help = "Where the daemon listens" },
    { "advertise", GW_FIELD_OBJECT, AT(gw_sitefile, advertise), .sub = &advertised_schema,
      .help = "Where other sites reach this one, if not where it listens" },
    { "peers", GW_FIELD_LIST, AT(gw_sitefile, peers),
      .offset_n = offsetof(struct gw_sitefile, n_peers), .max = GW_SITEFILE_PEERS_MAX,
      .sub = &peer_schema,
      .help = "Addresses of other sites; `godwit site pair` makes them known too" },
    { "witness", GW_FIELD_OPTION, AT(gw_sitefile, witness), .later = true, .sub = &witness_schema,
      .help = "A third vote; left out: pair mode" },
    { "alerts", GW_FIELD_OBJECT, AT(gw_sitefile, alerts), .later = true, .sub = &alerts_schema,
      .help = "Where alerts go" },
};
static const struct gw_schema site_schema = { "a site", sizeof(struct gw_sitefile), NULL, site_keys,
                                              GW_ARRAY_SIZE(site_keys) };

static bool same(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static void check(struct gw_decode *d, const void *file)
{
    const struct gw_sitefile *s = file;
    char path[GW_PLAN_PATH_TEXT];
    for (size_t i = 0; i < s->n_peers; i++) {
        snprintf(path, sizeof path, "peers[%zu].site", i);
        if (same(s->peers[i].site, s->site))
            gw_decode_error(d, path, "\"%s\" is this site itself", s->site);
        for (size_t k = 0; k < i; k++) {
            if (same(s->peers[i].site, s->peers[k].site))
                gw_decode_error(d, path, "\"%s\" is peers[%zu] already", s->peers[i].site, k);
        }
    }
    if (same(s->listen.link, s->listen.data) && strcmp(strrchr(s->listen.link, ':'), ":0") != 0)
        gw_decode_error(d, "listen.data", "\"%s\" is the address of listen.link already",
                        s->listen.data);
}

int gw_sitefile_parse(const char *name, const void *bytes, size_t len, enum gw_doc_format format,
                      struct gw_plan_errors *errors, struct gw_sitefile **ret, struct gw_error *err)
{
    struct gw_arena *arena = NULL;
    void *file = NULL;
    int r =
        gw_parse_file(name, bytes, len, format, &site_schema, check, errors, &arena, &file, err);
    if (r < 0)
        return r;
    struct gw_sitefile *site = file;
    site->arena = arena;
    *ret = site;
    return 0;
}

/* At most one byte more than a document may have, so that a longer one is refused as such. */
static int read_all(int fd, char *room, size_t *ret_len)
{
    size_t len = 0;
    while (len < GW_DOC_BYTES_MAX + 1) {
        ssize_t n = read(fd, room + len, GW_DOC_BYTES_MAX + 1 - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        if (n == 0)
            break;
        len += (size_t)n;
    }
    *ret_len = len;
    return 0;
}

int gw_sitefile_read(const char *path, struct gw_plan_errors *errors, struct gw_sitefile **ret,
                     struct gw_error *err)
{
    size_t len = 0;
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return gw_error_errno(err, -errno, "cannot open %s", path);
    CLEANUP_FREE char *room = malloc(GW_DOC_BYTES_MAX + 1);
    if (room == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    int r = read_all(fd, room, &len);
    if (r < 0)
        return gw_error_errno(err, r, "cannot read %s", path);
    return gw_sitefile_parse(path, room, len, gw_doc_format_of(path), errors, ret, err);
}

void gw_sitefile_free(struct gw_sitefile *site)
{
    if (site != NULL)
        gw_arena_free(site->arena); /* with the site in it */
}

const char *gw_sitefile_api_path(const struct gw_sitefile *site)
{
    return strchr(site->listen.api, ':') + 1;
}

const struct gw_sitefile_peer *gw_sitefile_peer(const struct gw_sitefile *site, const char *name)
{
    for (size_t i = 0; i < site->n_peers; i++) {
        if (strcmp(site->peers[i].site, name) == 0)
            return &site->peers[i];
    }
    return NULL;
}

char *gw_sitefile_reference(void)
{
    return gw_schema_reference(
        &site_schema, "The site file",
        "`/etc/godwit/site.yaml` says who a site is and where its daemon listens. Every key is "
        "here; any other is\nrefused. This page is made from the table that the program itself "
        "decodes by (`src/plan`).");
}
