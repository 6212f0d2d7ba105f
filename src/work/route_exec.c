// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* The route driver `exec`: one command sets, another says how it is. */
#include "base/cleanup.h"
#include "work/command.h"
#include "work/driver_internal.h"
#include "work/template.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int expand(const char *const *argv, const char *site, char ***ret, struct gw_error *err)
{
    const struct gw_template_value values[] = { { "site", site }, { NULL, NULL } };
    return gw_template_argv(argv, values, ret, err);
}

static int check(const struct gw_work_route *r, struct gw_error *err)
{
    char **argv = NULL;
    int code = gw_argv_check(r->set, "set", err);
    if (code == 0)
        code = gw_argv_check(r->status, "status", err);
    if (code < 0)
        return code;
    code = expand(r->set, "a-site", &argv, err);
    if (code < 0)
        return gw_error_wrap(err, "set");
    gw_template_argv_free(argv);
    return 0;
}

static int environment(const struct gw_work_route *r, const char *site, struct gw_env **ret,
                       struct gw_error *err)
{
    struct gw_env *e = NULL;
    int code = gw_env_new(&e, err);
    if (code == 0)
        code = gw_env_set(e, err, "GODWIT_ROUTE", "%s", r->name);
    if (code == 0 && site != NULL)
        code = gw_env_set(e, err, "GODWIT_ROUTE_SITE", "%s", site);
    if (code < 0) {
        gw_env_free(e);
        return code;
    }
    *ret = e;
    return 0;
}

static int apply(const struct gw_work_route *r, const char *site, const struct gw_work *w,
                 uint64_t deadline_ns, struct gw_error *err)
{
    char what[GW_WORK_NAME_MAX * 2];
    char **argv = NULL;
    struct gw_env *env = NULL;
    int code = expand(r->set, site, &argv, err);
    if (code < 0)
        return code;
    code = environment(r, site, &env, err);
    snprintf(what, sizeof what, "set of route \"%.63s\"", r->name);
    if (code == 0) {
        const struct gw_work_command c = { .what = what,
                                           .argv = (const char *const *)argv,
                                           .env = env,
                                           .timeout_ms = gw_left_ms(deadline_ns) };
        code = gw_command_must(&c, w, err);
    }
    gw_env_free(env);
    gw_template_argv_free(argv);
    return code;
}

/* The name of a site, alone on the first line. */
static int parse_site(const struct gw_output *o, char ret_site[GW_ROUTE_SITE_MAX],
                      struct gw_error *err)
{
    const char *text = o->text != NULL ? o->text : "";
    size_t n = strcspn(text, "\n");
    bool alone = strspn(text + n, "\n") == strlen(text + n);
    bool word = strcspn(text, " \t") >= n;
    if (n == 0 || n >= GW_ROUTE_SITE_MAX || !alone || !word)
        return gw_error_set(err, -EPROTO, "status printed \"%.60s\", which is not a site's name",
                            text);
    snprintf(ret_site, GW_ROUTE_SITE_MAX, "%.*s", (int)n, text);
    return 0;
}

static int observe(const struct gw_work_route *r, const struct gw_work *w, uint64_t deadline_ns,
                   char ret_site[GW_ROUTE_SITE_MAX], struct gw_error *err)
{
    struct gw_env *env = NULL;
    struct gw_child_result result;
    int code = environment(r, NULL, &env, err);
    if (code < 0)
        return code;
    const struct gw_work_command c = { .what = "status",
                                       .argv = r->status,
                                       .env = env,
                                       .timeout_ms = gw_left_ms(deadline_ns),
                                       .only_looks = true };
    code = gw_command_run(&c, w, &result, err);
    gw_env_free(env);
    if (code < 0)
        return code;
    code = gw_command_verdict("status", &result, err);
    if (code == 0)
        code = parse_site(&result.output, ret_site, err);
    gw_child_result_done(&result);
    return code;
}

const struct gw_route_driver gw_route_exec = {
    .name = "exec", .check = check, .apply = apply, .observe = observe
};
