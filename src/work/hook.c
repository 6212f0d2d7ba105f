// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "work/hook.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "work/command.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const point_names[GW_HOOK_POINT_MAX] = {
    [GW_HOOK_PRE_FAILOVER] = "pre_failover",
    [GW_HOOK_POST_RECOVER] = "post_recover",
    [GW_HOOK_PRE_FAILBACK] = "pre_failback",
    [GW_HOOK_POST_FAILBACK] = "post_failback",
};

const char *gw_hook_point_name(enum gw_hook_point point)
{
    return point_names[point];
}

enum gw_hook_point gw_hook_point_parse(const char *name)
{
    int i = 0;
    while (i < GW_HOOK_POINT_MAX && strcmp(point_names[i], name) != 0)
        i++;
    return (enum gw_hook_point)i;
}

/* ---- the environment ------------------------------------------------------------------------- */

static bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* RFC 3986: what is not unreserved, and no '/' of a path, is escaped. */
static void put_escaped(FILE *f, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        if (plain(*p) || strchr("-._~/", *p) != NULL)
            fputc(*p, f);
        else
            fprintf(f, "%%%02X", (unsigned)(unsigned char)*p);
    }
}

char *gw_nbd_uri(const char *socket, const char *export_name)
{
    char *s = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&s, &len);
    if (f == NULL)
        return NULL;
    fputs("nbd+unix:///", f);
    put_escaped(f, export_name);
    fputs("?socket=", f);
    put_escaped(f, socket);
    if (fclose(f) != 0) {
        free(s);
        return NULL;
    }
    return s;
}

/* GODWIT_VOLUME_<name>_<what> */
static int set_of_volume(struct gw_env *e, const char *volume, const char *what, const char *value,
                         struct gw_error *err)
{
    CLEANUP_FREE char *name = NULL;
    if (asprintf(&name, "GODWIT_VOLUME_%s_%s", volume, what) < 0) {
        name = NULL;
        return gw_error_set(err, -ENOMEM, "out of memory");
    }
    for (char *p = name; *p != '\0'; p++) {
        if (!plain(*p))
            *p = '_';
    }
    return gw_env_set(e, err, name, "%s", value);
}

static int set_volume(struct gw_env *e, const struct gw_hook_volume *v, struct gw_error *err)
{
    char size[32];
    int r = 0;
    snprintf(size, sizeof size, "%" PRIu64, v->size_bytes);
    if (v->size_bytes > 0)
        r = set_of_volume(e, v->name, "SIZE", size, err);
    if (v->socket == NULL || r < 0)
        return r;
    CLEANUP_FREE char *uri = gw_nbd_uri(v->socket, v->name);
    if (uri == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    r = set_of_volume(e, v->name, "NBD", uri, err);
    if (r == 0)
        r = set_of_volume(e, v->name, "SOCKET", v->socket, err);
    if (r == 0)
        r = set_of_volume(e, v->name, "EXPORT", v->name, err);
    return r;
}

static int set_volumes(struct gw_env *e, const struct gw_hook_facts *f, struct gw_error *err)
{
    char *names = NULL;
    size_t len = 0;
    int r = 0;
    FILE *list = open_memstream(&names, &len);
    if (list == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    for (size_t i = 0; r == 0 && i < f->n_volumes; i++) {
        fprintf(list, "%s%s", i > 0 ? " " : "", f->volume[i].name);
        r = set_volume(e, &f->volume[i], err);
    }
    if (fclose(list) != 0 && r == 0)
        r = gw_error_set(err, -ENOMEM, "out of memory");
    if (r == 0 && f->n_volumes > 0)
        r = gw_env_set(e, err, "GODWIT_VOLUMES", "%s", names);
    free(names);
    return r;
}

static int set_facts(struct gw_env *e, const struct gw_hook_facts *f, struct gw_error *err)
{
    const struct {
        const char *name, *value;
    } rows[] = {
        { "GODWIT_PLAN", f->plan },
        { "GODWIT_RUN", f->run },
        { "GODWIT_OPERATION", f->operation },
        { "GODWIT_MODE", f->mode },
        { "GODWIT_DIRECTION", f->direction },
        { "GODWIT_SITE", f->site },
        { "GODWIT_RECOVERY_POINT", f->recovery_point },
    };
    char time[GW_TIME_TEXT];
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof rows / sizeof rows[0]; i++) {
        if (rows[i].value != NULL)
            r = gw_env_set(e, err, rows[i].name, "%s", rows[i].value);
    }
    if (r == 0 && f->epoch > 0)
        r = gw_env_set(e, err, "GODWIT_EPOCH", "%" PRIu64, f->epoch);
    gw_time_format(f->recovery_wall_ns, time);
    if (r == 0 && f->recovery_wall_ns > 0)
        r = gw_env_set(e, err, "GODWIT_RECOVERY_TIME", "%s", time);
    return r;
}

int gw_hook_env(const struct gw_hook_facts *facts, struct gw_env **ret, struct gw_error *err)
{
    struct gw_env *e = NULL;
    int r = gw_env_new(&e, err);
    if (r == 0)
        r = set_facts(e, facts, err);
    if (r == 0)
        r = set_volumes(e, facts, err);
    if (r < 0) {
        gw_env_free(e);
        return gw_error_wrap(err, "cannot make the environment of commands");
    }
    *ret = e;
    return 0;
}

/* ---- one hook -------------------------------------------------------------------------------- */

int gw_hook_run(const struct gw_work_hook *hook, const struct gw_work *w,
                struct gw_child_result *ret_result, struct gw_error *err)
{
    char what[GW_WORK_NAME_MAX * 2];
    struct gw_env *env = NULL;
    if (hook->group != NULL)
        snprintf(what, sizeof what, "hook %s of \"%.63s\"", gw_hook_point_name(hook->point),
                 hook->group);
    else
        snprintf(what, sizeof what, "hook %s", gw_hook_point_name(hook->point));
    int r = gw_argv_check(hook->argv, what, err);
    if (r < 0)
        return r;
    r = gw_env_new(&env, err);
    if (r == 0)
        r = gw_env_set(env, err, "GODWIT_HOOK", "%s", gw_hook_point_name(hook->point));
    if (r == 0 && hook->group != NULL)
        r = gw_env_set(env, err, "GODWIT_GROUP", "%s", hook->group);
    if (r == 0) {
        const struct gw_work_command c = { .what = what,
                                           .argv = hook->argv,
                                           .env = env,
                                           .timeout_ms = hook->timeout_ms > 0
                                                             ? hook->timeout_ms
                                                             : GW_CHILD_TIMEOUT_MS };
        r = gw_command_run(&c, w, ret_result, err);
    }
    gw_env_free(env);
    return r;
}
