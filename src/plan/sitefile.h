// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The site file (/etc/godwit/site.yaml): who this site is and where it listens.
 *
 *     r = gw_sitefile_read("/etc/godwit/site.yaml", &errors, &site, &err);
 *     gw_sitefile_free(site);
 *
 * Peers may be written here; those that `godwit site pair` has met are in the catalog. Same
 * notation, errors and ownership as plan/planfile.h.
 */
#pragma once

#include "plan/doc.h"
#include "plan/schema.h"

#define GW_SITEFILE_PEERS_MAX 64u

struct gw_sitefile_listen {
    const char *api;   /* "unix:/run/godwit/api.sock" */
    const char *https; /* host:port; NULL: no HTTPS */
    const char *link;  /* host:port, default 0.0.0.0:7001; port 0: any */
    const char *data;  /* host:port, default 0.0.0.0:7000; port 0: any */
};

/* Where other sites reach us, where that is not what we listen on (0.0.0.0, NAT). */
struct gw_sitefile_advertise {
    const char *link, *data; /* host:port; NULL: not given */
};

struct gw_sitefile_peer {
    const char *site;
    const char *link, *data; /* host:port */
};

struct gw_sitefile_witness {
    struct gw_texts etcd; /* URLs */
    const char *prefix;
};

struct gw_sitefile_alerts {
    struct gw_texts webhooks; /* URLs */
    struct gw_texts command;  /* argv */
};

struct gw_sitefile {
    const char *site;
    const char *state_dir; /* default /var/lib/godwit */
    const char *api_group; /* whose members may look and approve; NULL: nobody but the owner */
    struct gw_sitefile_listen listen;
    struct gw_sitefile_advertise advertise;
    size_t n_peers;
    struct gw_sitefile_peer *peers;
    struct gw_sitefile_witness *witness; /* NULL: pair mode */
    struct gw_sitefile_alerts alerts;

    struct gw_arena *arena; /* of gw_sitefile_free() */
};

int gw_sitefile_parse(const char *name, const void *bytes, size_t len, enum gw_doc_format format,
                      struct gw_plan_errors *errors, struct gw_sitefile **ret,
                      struct gw_error *err);
/* The same from a file, its format by its name. -ENOENT, -EACCES ...: it cannot be read. */
int gw_sitefile_read(const char *path, struct gw_plan_errors *errors, struct gw_sitefile **ret,
                     struct gw_error *err);
void gw_sitefile_free(struct gw_sitefile *site);
/* The path of the API's socket: listen.api without "unix:". */
const char *gw_sitefile_api_path(const struct gw_sitefile *site);
/* NULL: there is none of that name. */
const struct gw_sitefile_peer *gw_sitefile_peer(const struct gw_sitefile *site, const char *name);

char *gw_sitefile_reference(void); /* as gw_planfile_reference() */
