// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/*
 * A process to supervise: unit_helper MODE CONTROL.
 *
 *     serve     serves CONTROL; `stop` and SIGTERM end it with 0
 *     deaf      serves CONTROL; neither ends it
 *     crash     says why and ends with 3, before it serves
 *     silent    lives, and never serves
 *     slow      serves, but a `status` is never answered until it ends
 * With GODWIT_HELPER_TELL=FILE it appends a line with its pid and session to FILE first.
 */
#include "base/cleanup.h"
#include "control/server.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *mode;
static unsigned asked;

static int on_status(void *ctx, json_t *request, struct gw_control_reply *reply,
                     struct gw_error *err)
{
    (void)ctx;
    (void)request;
    (void)err;
    while (strcmp(mode, "slow") == 0 && gw_control_reply_wait(reply, 1000) == 0) {
    }
    gw_control_reply_set(reply, "process", json_string("helper"));
    gw_control_reply_set(reply, "asked",
                         json_integer(__atomic_add_fetch(&asked, 1, __ATOMIC_SEQ_CST)));
    return 0;
}

static int on_stop(void *ctx, json_t *request, struct gw_control_reply *reply, struct gw_error *err)
{
    (void)ctx;
    (void)request;
    (void)reply;
    (void)err;
    if (strcmp(mode, "deaf") != 0)
        kill(getpid(), SIGTERM);
    return 0;
}

static int on_fail(void *ctx, json_t *request, struct gw_control_reply *reply, struct gw_error *err)
{
    (void)ctx;
    (void)request;
    (void)reply;
    (void)err;
    _exit(4);
}

static void tell(void)
{
    const char *file = getenv("GODWIT_HELPER_TELL");
    if (file == NULL)
        return;
    CLEANUP_CLOSE int fd = open(file, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    dprintf(fd, "%d %d %d\n", (int)getpid(), (int)getsid(0), fcntl(0, F_GETFL) & O_ACCMODE);
}

int main(int argc, char **argv)
{
    static const struct gw_control_command commands[] = {
        { "status", NULL, "say something", on_status },
        { "stop", NULL, "end", on_stop },
        { "fail", NULL, "end badly", on_fail },
    };
    sigset_t signals;
    struct gw_control *control = NULL;
    struct gw_error err;
    int sig;

    if (argc != 3)
        return 2;
    mode = argv[1];
    tell();
    if (strcmp(mode, "crash") == 0) {
        fprintf(stderr, "the moon is in the wrong house\n");
        return 3;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    const struct gw_control_config config = { .path = argv[2],
                                              .commands = commands,
                                              .n_commands = sizeof commands / sizeof commands[0] };
    if (strcmp(mode, "silent") != 0 && gw_control_start(&config, &control, &err) < 0) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    do
        sigwait(&signals, &sig);
    while (strcmp(mode, "deaf") == 0);
    gw_control_stop(control);
    return 0;
}
