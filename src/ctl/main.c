// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * godwit-ctl, the break-glass tool: everything that can be done to one plan at one site, over the
 * control socket of a data-plane process or on a plan directory, without anything else running.
 */
#include "base/log.h"
#include "ctl/ctl.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void log_line(enum gw_log_level level, const char *line)
{
    (void)level;
    fprintf(stderr, "godwit-ctl: %s\n", line);
}

static int help(const struct ctl_args *a)
{
    if (a->command != NULL)
        ctl_help_command(a->command);
    else if (a->group != NULL)
        ctl_help_group(a->group);
    else
        ctl_help_main();
    return CTL_OK;
}

static void print_json(json_t *o)
{
    json_dumpf(o, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
    putchar('\n');
}

/* The answer of a command as JSON: its result, or its error. */
static void print_result(const struct ctl *c)
{
    if (c->err.code != 0) {
        CLEANUP_JSON json_t *error = gw_control_error_json(c->err.code, c->err.msg);
        print_json(error);
    } else if (c->result != NULL) {
        CLEANUP_JSON json_t *o = json_pack("{s:b}", "ok", 1);
        json_object_update(o, c->result);
        print_json(o);
    }
}

static int run(struct ctl *c)
{
    c->json = (c->args.command->flags & CTL_PLAIN) == 0 && ctl_flag(&c->args, "json");
    int r = c->args.command->run(c);
    int code = r < 0 ? ctl_exit_of(c, r) : r;
    if (r < 0 && c->err.code == 0) /* our own omission: still say that it failed */
        gw_error_errno(&c->err, r, "%s", c->args.command->name);
    if (code == CTL_OK)
        c->err.code = 0;
    if (c->json)
        print_result(c);
    if (c->err.code != 0)
        fprintf(stderr, "godwit-ctl: %s\n", c->err.msg);
    json_decref(c->result);
    return code;
}

int main(int argc, char **argv)
{
    gw_log_sink(log_line);
    if (getenv("GODWIT_LOG") == NULL)
        gw_log_level_max(GW_LOG_WARNING);
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of writing, not the end in mid-request */
    struct ctl *c = calloc(1, sizeof *c);
    if (c == NULL)
        return CTL_FAILED;
    int code = CTL_USAGE;
    if (ctl_args_parse(argc, argv, &c->args, &c->err) < 0)
        fprintf(stderr, "godwit-ctl: %s\n", c->err.msg);
    else if (c->args.help)
        code = help(&c->args);
    else if (c->args.version)
        code = printf("godwit-ctl %s\n", GW_VERSION) < 0 ? CTL_FAILED : CTL_OK;
    else
        code = run(c);
    free(c);
    if (fflush(stdout) != 0 && code == CTL_OK) {
        fprintf(stderr, "godwit-ctl: cannot write to standard output\n");
        code = CTL_FAILED;
    }
    return code;
}
