// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/daemon.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "demo/tier.h"
#include "demo/tree.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#define READY_BYTES 1024
#define DIES_MS 10000

/* ---- the site file ------------------------------------------------------------------------- */

/* The ports are any that are free; the other site is told the lines' ends, which stay. */
static int write_config(const struct daemon *d, const char *dir, struct gw_error *err)
{
    json_auto_t *path = json_sprintf("%s/%s", dir, d->name);
    json_auto_t *api = json_sprintf("unix:%s/%s", dir, d->socket);
    CLEANUP_FREE char *path_text = json_dumps(path, JSON_ENCODE_ANY);
    CLEANUP_FREE char *api_text = json_dumps(api, JSON_ENCODE_ANY);
    FILE *f = fopen(d->config, "we");
    if (f == NULL)
        return gw_error_errno(err, -errno, "cannot write \"%s\"", d->config);
    fprintf(f,
            "site: %s\n"
            "state_dir: %s\n"
            "listen: {api: %s, link: \"127.0.0.1:0\", data: \"127.0.0.1:0\"}\n"
            "advertise: {link: \"%s\", data: \"%s\"}\n",
            d->name, path_text, api_text, proxy_address(d->link), proxy_address(d->data));
    return fclose(f) == 0 ? 0 : gw_error_errno(err, -errno, "cannot write \"%s\"", d->config);
}

int daemon_init(struct daemon *d, const char *name, const char *dir, struct processes *ps,
                const struct programs *programs, struct story *story, struct gw_error *err)
{
    *d = (struct daemon){ .name = name, .processes = ps, .programs = programs, .story = story };
    snprintf(d->config, sizeof d->config, "%s.yaml", name);
    snprintf(d->socket, sizeof d->socket, "%s/api.sock", name);
    snprintf(d->log, sizeof d->log, "log/%s.log", name);
    int r = proxy_new(&d->link, err);
    if (r == 0)
        r = proxy_new(&d->data, err);
    if (r == 0)
        r = tree_make(name, err);
    return r < 0 ? r : write_config(d, dir, err);
}

void daemon_done(struct daemon *d)
{
    proxy_free(d->link);
    proxy_free(d->data);
    d->link = d->data = NULL;
}

/* ---- godwitd ------------------------------------------------------------------------------- */

/* "ready: site S, api A, link HOST:PORT, data HOST:PORT" */
static int aim_lines(struct daemon *d, const char *ready, struct gw_error *err)
{
    char link[64], data[64];
    const char *at = strstr(ready, ", link ");
    if (at == NULL || sscanf(at, ", link %63[^,], data %63s", link, data) != 2)
        return gw_error_set(err, -EPROTO, "godwitd of %s said \"%s\" instead of where it listens",
                            d->name, ready);
    int r = proxy_target(d->link, link, err);
    return r < 0 ? r : proxy_target(d->data, data, err);
}

int daemon_start(struct daemon *d, bool first, struct gw_error *err)
{
    const struct programs *p = d->programs;
    const char *argv[8] = { p->godwitd, "-c", d->config };
    char ready[READY_BYTES];
    int n = 3;
    if (first)
        argv[n++] = "--init";
    story_command(d->story, argv, " &");
    if (p->build_dir[0] != '\0') {
        argv[n++] = "--programs";
        argv[n++] = p->build_dir;
    }
    const struct process_spec spec = {
        .name = d->name, .argv = argv, .log = d->log, .lines = true
    };
    int r = process_start(d->processes, &spec, &d->process, err);
    if (r == 0)
        r = process_read_line(d->process, ready, sizeof ready, DAEMON_MS, err);
    return r < 0 ? r : aim_lines(d, ready, err);
}

/* Who listens at the control socket: the kernel knows. */
pid_t daemon_data_plane(const struct daemon *d)
{
    struct sockaddr_un name = { .sun_family = AF_UNIX };
    union {
        const struct sockaddr_un *un;
        const struct sockaddr *any;
    } to = { .un = &name };
    struct ucred peer = { .pid = 0 };
    socklen_t len = sizeof peer;
    CLEANUP_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(name.sun_path, sizeof name.sun_path, "%s/run/shop.sock", d->name);
    if (fd < 0 || connect(fd, to.any, sizeof name) < 0 ||
        getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return 0;
    return peer.pid;
}

/* Until it is dead; whoever its parent is then. */
static int kill_dead(pid_t pid, const char *what, struct gw_error *err)
{
    if (pid <= 0)
        return 0;
    CLEANUP_CLOSE int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return errno == ESRCH ? 0 : gw_error_errno(err, -errno, "cannot watch %s", what);
    struct pollfd f = { .fd = fd, .events = POLLIN };
    if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0 && errno != ESRCH)
        return gw_error_errno(err, -errno, "cannot kill %s", what);
    return poll(&f, 1, DIES_MS) == 1
               ? 0
               : gw_error_set(err, -ETIMEDOUT, "%s (process %d) does not die", what, (int)pid);
}

int daemon_kill_site(struct daemon *d, const char *dir, struct gw_error *err)
{
    pid_t pid[1 + TIER_ROLES] = { daemon_data_plane(d) };
    const char *what[1 + TIER_ROLES] = { "the data plane" };
    char text[128];
    for (int i = 0; i < TIER_ROLES; i++) {
        pid[1 + i] = tier_pid(dir, d->name, (enum tier_role)i);
        what[1 + i] = tier_role_name((enum tier_role)i);
    }
    /* godwitd first: it would start again what dies under it. */
    int n = snprintf(text, sizeof text, "kill -9 %d", (int)process_id(d->process));
    for (int i = 0; i < 1 + TIER_ROLES; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, " %d", (int)pid[i]);
    story_typed(d->story, "%s    # godwitd, data plane, ledger, service, front of %s", text,
                d->name);
    process_kill(d->process, SIGKILL);
    int r = 0, status;
    for (int i = 0; r == 0 && i < 1 + TIER_ROLES; i++)
        r = kill_dead(pid[i], what[i], err);
    if (r == 0)
        r = process_wait(d->process, DAEMON_MS, &status, err);
    d->process = NULL;
    return r;
}

/* ---- the lines ----------------------------------------------------------------------------- */

void daemon_cut(struct daemon *a, struct daemon *b)
{
    proxy_cut(a->data);
    proxy_cut(b->data);
    proxy_cut(a->link);
    proxy_cut(b->link);
}

void daemon_mend(struct daemon *a, struct daemon *b)
{
    proxy_mend(a->link);
    proxy_mend(b->link);
    proxy_mend(a->data);
    proxy_mend(b->data);
}

/* ---- commands ------------------------------------------------------------------------------ */

/* The sentence of an answer that is an error; what was printed last if there is none. */
static const char *why_not(const json_t *answer, const struct process_output *o)
{
    const char *said = status_text(answer, "error.message");
    if (said[0] == '\0')
        said = status_text(answer, "error");
    return said[0] != '\0' ? said : o->err[0] != '\0' ? o->err : o->out;
}

static int run_command(struct daemon *d, const char **argv, json_t **ret, struct gw_error *err)
{
    struct process_output o;
    const char *name = strrchr(argv[0], '/') != NULL ? strrchr(argv[0], '/') + 1 : argv[0];
    int r = process_run(d->processes, argv, DAEMON_MS, &o, err);
    if (r < 0)
        return gw_error_wrap(err, "%s %s %s at %s", name, argv[1], argv[2], d->name);
    CLEANUP_STATUS json_t *answer = json_loads(o.out, 0, NULL);
    if (o.code != 0)
        r = gw_error_set(err, -EIO, "%s %s %s at %s ended with exit code %d: %.300s", name, argv[1],
                         argv[2], d->name, o.code, why_not(answer, &o));
    else if (ret != NULL && answer == NULL)
        r = gw_error_set(err, -EPROTO, "%s %s %s at %s did not answer with JSON: %.100s", name,
                         argv[1], argv[2], d->name, o.out);
    else if (ret != NULL)
        *ret = json_incref(answer);
    process_output_done(&o);
    return r;
}

/* `end`: what is put behind the words. */
static int command(struct daemon *d, const char *program, const char *const end[2], bool told,
                   json_t **ret, struct gw_error *err, va_list words)
{
    const char *argv[PROCESS_ARGS_MAX + 1] = { program };
    int n = 1;
    for (const char *w; (w = va_arg(words, const char *)) != NULL && n < PROCESS_ARGS_MAX - 4;)
        argv[n++] = w;
    argv[n++] = end[0];
    argv[n++] = end[1];
    if (told)
        story_command(d->story, argv, "");
    argv[n++] = "--json";
    return run_command(d, argv, ret, err);
}

int daemon_command(struct daemon *d, json_t **ret, struct gw_error *err, ...)
{
    va_list ap;
    const char *const end[] = { "--socket", d->socket };
    va_start(ap, err);
    int r = command(d, d->programs->godwit, end, true, ret, err, ap);
    va_end(ap);
    return r;
}

int daemon_ask(struct daemon *d, json_t **ret, struct gw_error *err, ...)
{
    va_list ap;
    const char *const end[] = { "--socket", d->socket };
    va_start(ap, err);
    int r = command(d, d->programs->godwit, end, false, ret, err, ap);
    va_end(ap);
    return r;
}

int daemon_ctl(struct daemon *d, bool live, json_t **ret, struct gw_error *err, ...)
{
    va_list ap;
    char path[64];
    const char *const end[] = { live ? "--socket" : "--dir", path };
    snprintf(path, sizeof path, live ? "%s/run/shop.sock" : "%s/plans/shop", d->name);
    va_start(ap, err);
    int r = command(d, d->programs->ctl, end, !live, ret, err, ap);
    va_end(ap);
    return r;
}
