// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "unit/command.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "engine/passed.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 64
#define SOCKET_PATH_MAX GW_PASSED_PATH_MAX

struct words {
    char *word[WORDS_MAX];
    unsigned n;
    bool failed;
};

static void words_done(struct words *w)
{
    while (w->n > 0)
        free(w->word[--w->n]);
}

__attribute__((format(printf, 2, 3))) static void add(struct words *w, const char *fmt, ...)
{
    va_list ap;

    if (w->n == WORDS_MAX - 1) {
        w->failed = true;
        return;
    }
    va_start(ap, fmt);
    if (vasprintf(&w->word[w->n], fmt, ap) < 0)
        w->failed = true;
    else
        w->n++;
    va_end(ap);
}

/* The plugin takes KEY=VALUE, the replica --KEY VALUE. */
static void add_text(struct words *w, enum gw_unit_kind kind, const char *key, const char *value)
{
    if (value == NULL)
        return;
    if (kind == GW_UNIT_SOURCE) {
        add(w, "%s=%s", key, value);
    } else {
        add(w, "--%s", key);
        add(w, "%s", value);
    }
}

static void add_number(struct words *w, enum gw_unit_kind kind, const char *key, uint64_t value)
{
    char text[24];

    if (value == 0)
        return;
    snprintf(text, sizeof text, "%" PRIu64, value);
    add_text(w, kind, key, text);
}

/* ---- both kinds ------------------------------------------------------------------------------ */

static void add_common(struct words *w, const struct gw_command_spec *s)
{
    char data[sizeof GW_PASSED_PREFIX + GW_PASSED_PATH_MAX];

    if (s->data != NULL)
        snprintf(data, sizeof data, GW_PASSED_PREFIX "%s", s->data);
    add_text(w, s->kind, "dir", s->dir);
    add_text(w, s->kind, "control", s->control);
    add_text(w, s->kind, "listen", s->data != NULL ? data : s->listen);
    add_text(w, s->kind, "tls-ca", s->tls.ca);
    add_text(w, s->kind, "tls-cert", s->tls.cert);
    add_text(w, s->kind, "tls-key", s->tls.key);
    add_text(w, s->kind, "tls-peer", s->tls.peer);
    add_number(w, s->kind, "link-timeout-ms", s->link_timeout_ms);
}

static void add_source(struct words *w, const struct gw_programs *p,
                       const struct gw_command_spec *s)
{
    add(w, "%s", p->nbdkit);
    add(w, "-f");
    add(w, "-U");
    add(w, "%s", s->nbd);
    add(w, "%s", p->plugin);
    add_common(w, s);
    add_text(w, s->kind, "peer", s->peer);
    add(w, "outlive=yes");
    if (s->plain)
        add(w, "plain=yes");
    if (s->sync)
        add(w, "sync=yes");
    if (s->suspend)
        add(w, "on-link-loss=suspend");
    if (s->isolated_start)
        add(w, "isolated-start=yes");
    if (s->granted)
        add(w, "granted=yes");
    add_number(w, s->kind, "bandwidth", s->bandwidth_bytes);
    add_number(w, s->kind, "zstd", (uint64_t)s->zstd_level);
    add_number(w, s->kind, "ring", s->ring_bytes);
    add_number(w, s->kind, "throttle-ms", s->throttle_ms);
    add_number(w, s->kind, "unsync-ms", s->unsync_ms);
    add_number(w, s->kind, "wait-ms", s->wait_ms);
}

static void add_replica(struct words *w, const struct gw_programs *p,
                        const struct gw_command_spec *s)
{
    add(w, "%s", p->replica);
    add_common(w, s);
    if (s->plain)
        add(w, "--plain");
    add_number(w, s->kind, "journal-max", s->journal_bytes);
    add_number(w, s->kind, "reserve", s->reserve_bytes);
}

/* nbdkit is not built with sanitizers; in tests their runtime must be there before our plugin. */
static void add_environment(struct words *w, const struct gw_command_spec *s)
{
    const char *preload = getenv("GODWIT_NBDKIT_PRELOAD");

    if (s->kind == GW_UNIT_SOURCE && preload != NULL && preload[0] != '\0')
        add(w, "LD_PRELOAD=%s", preload);
}

/* ---- what is wrong with a spec --------------------------------------------------------------- */

static int check_paths(const struct gw_command_spec *s, struct gw_error *err)
{
    const struct {
        const char *what, *path;
        bool needed, socket;
    } all[] = {
        { "plan directory", s->dir, true, false },
        { "control socket", s->control, true, true },
        { "NBD socket", s->nbd, s->kind == GW_UNIT_SOURCE, true },
        { "socket for passed connections", s->data, false, true },
        { "TLS CA file", s->tls.ca, !s->plain, false },
        { "TLS certificate", s->tls.cert, !s->plain, false },
        { "TLS key", s->tls.key, !s->plain, false },
    };

    for (size_t i = 0; i < GW_ARRAY_SIZE(all); i++) {
        if (all[i].path == NULL && all[i].needed)
            return gw_error_set(err, -EINVAL, "the %s is missing", all[i].what);
        if (all[i].path == NULL)
            continue;
        if (all[i].path[0] != '/')
            return gw_error_set(err, -EINVAL, "the path of the %s, \"%s\", is not absolute",
                                all[i].what, all[i].path);
        if (all[i].socket && strlen(all[i].path) >= SOCKET_PATH_MAX)
            return gw_error_set(err, -EINVAL,
                                "the path of the %s, \"%s\", has %zu bytes, at most %d are "
                                "possible: choose a state directory with a shorter name",
                                all[i].what, all[i].path, strlen(all[i].path), SOCKET_PATH_MAX - 1);
    }
    return 0;
}

static int check(const struct gw_command_spec *s, struct gw_error *err)
{
    int r = check_paths(s, err);

    if (r < 0)
        return r;
    if (s->plain && (s->tls.ca != NULL || s->tls.cert != NULL || s->tls.key != NULL))
        return gw_error_set(err, -EINVAL, "TLS files are given, and plain as well");
    if (s->kind == GW_UNIT_REPLICA && s->data == NULL && s->listen == NULL)
        return gw_error_set(err, -EINVAL, "nothing says where the replica takes connections");
    if (s->zstd_level < 0)
        return gw_error_set(err, -EINVAL, "%d is not a zstd level", s->zstd_level);
    return 0;
}

/* ---- the command ----------------------------------------------------------------------------- */

/* Takes the words; one array that ends with NULL. */
static char **to_array(struct words *w)
{
    char **array = w->failed ? NULL : calloc(w->n + 1, sizeof *array);

    if (array != NULL) {
        memcpy(array, w->word, w->n * sizeof *array);
        w->n = 0;
    }
    return array;
}

static void array_free(char **array)
{
    for (char **p = array; p != NULL && *p != NULL; p++)
        free(*p);
    free(array);
}

int gw_command_build(const struct gw_programs *programs, const struct gw_command_spec *spec,
                     struct gw_unit_command *ret, struct gw_error *err)
{
    __attribute__((cleanup(words_done))) struct words argv = { .n = 0 }, env = { .n = 0 };
    int r = check(spec, err);

    if (r < 0)
        return r;
    if (spec->kind == GW_UNIT_SOURCE)
        add_source(&argv, programs, spec);
    else
        add_replica(&argv, programs, spec);
    add_environment(&env, spec);
    struct gw_unit_command c = { .argv = to_array(&argv) };
    c.env = to_array(&env);
    if (c.argv == NULL || c.env == NULL) {
        gw_command_done(&c);
        return gw_error_set(err, -ENOMEM, "out of memory for a command line");
    }
    *ret = c;
    return 0;
}

void gw_command_done(struct gw_unit_command *cmd)
{
    array_free(cmd->argv);
    array_free(cmd->env);
    *cmd = (struct gw_unit_command){ .argv = NULL };
}
