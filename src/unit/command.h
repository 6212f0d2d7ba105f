// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * The command lines of the data plane, from a plain struct.
 *
 *     gw_programs_find(NULL, &programs, &err)           once
 *     gw_command_build(&programs, &spec, &cmd, &err)    cmd.argv, cmd.env for unit/unit.h
 *     gw_command_done(&cmd)
 *
 * All paths in a spec are absolute: the processes run with "/" as their directory. Secrets are in
 * files; none is ever on a command line. Pure but for gw_programs_find, which looks at files.
 *
 * TLS between two sites with self-signed certificates: `ca` is the peer's certificate itself
 * (peers/SITE.pem), and `peer` the name in it.
 */
#pragma once

#include "base/error.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

/* ---- where the programs are ------------------------------------------------------------------ */

struct gw_programs {
    char nbdkit[PATH_MAX], replica[PATH_MAX], ctl[PATH_MAX];
    char plugin[PATH_MAX]; /* the file; "godwit" if nbdkit knows it by name */
    char dir[PATH_MAX];    /* where they were found; "" = installed */
};

/*
 * In this order: dir; the environment's GODWIT_PROGRAMS; the build tree of the running executable;
 * installed. dir and GODWIT_PROGRAMS name a build directory or one that holds all of them; if one
 * is given, elsewhere is not looked. -ENOENT with what is missing.
 */
int gw_programs_find(const char *dir, struct gw_programs *ret, struct gw_error *err);

/* ---- what to run ----------------------------------------------------------------------------- */

enum gw_unit_kind {
    GW_UNIT_SOURCE,  /* nbdkit with the plugin */
    GW_UNIT_REPLICA, /* godwit-replica */
};
const char *gw_unit_kind_name(enum gw_unit_kind kind); /* "source", "replica" */

struct gw_command_spec { /* borrowed strings; NULL or 0: not given */
    enum gw_unit_kind kind;
    const char *dir;     /* the plan directory */
    const char *control; /* control socket */
    const char *nbd;     /* source: NBD socket */
    const char *data;    /* where passed connections arrive: listen=unix:DATA */
    const char *listen;  /* instead of data: "host:port" */
    const char *peer;    /* source: data port of the other site; NULL: alone */
    struct {
        const char *ca, *cert, *key, *peer;
    } tls;
    bool plain; /* no TLS: loopback, tests */

    /* source */
    bool sync;
    bool suspend; /* on-link-loss=suspend */
    bool isolated_start;
    bool granted;
    uint64_t bandwidth_bytes; /* per second; 0: no limit */
    int zstd_level;           /* 0: none */
    uint64_t ring_bytes;
    unsigned throttle_ms, unsync_ms, wait_ms;
    /* replica */
    uint64_t journal_bytes, reserve_bytes;
    /* both */
    unsigned link_timeout_ms;
};

struct gw_unit_command {
    char **argv; /* ends with NULL; argv[0] is an absolute path */
    char **env;  /* NAME=VALUE in addition to ours; ends with NULL */
};

/* -EINVAL with a sentence: a path is not absolute or a socket's too long, or something needed is
 * missing. */
int gw_command_build(const struct gw_programs *programs, const struct gw_command_spec *spec,
                     struct gw_unit_command *ret, struct gw_error *err);
void gw_command_done(struct gw_unit_command *cmd); /* {0} is fine */
