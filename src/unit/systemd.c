// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "unit/systemd.h"

#include "base/checked.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fork.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define OUTPUT_BYTES_MAX 1024

bool gw_systemd_is_there(void)
{
    return access("/run/systemd/system", F_OK) == 0;
}

/* ---- names and texts ------------------------------------------------------------------------- */

int gw_systemd_name(const char *plan, enum gw_unit_kind kind, char ret[GW_SYSTEMD_NAME_MAX],
                    struct gw_error *err)
{
    char escaped[4 * GW_UNIT_PLAN_MAX + 1];
    size_t n = 0;

    for (const char *p = plan; *p != '\0' && n + 5 < sizeof escaped; p++) {
        const bool plain =
            isalnum((unsigned char)*p) || strchr(":_", *p) != NULL || (*p == '.' && p != plan);
        n += (size_t)snprintf(escaped + n, sizeof escaped - n, plain ? "%c" : "\\x%02x",
                              (unsigned char)*p);
    }
    escaped[n] = '\0';
    if (snprintf(ret, GW_SYSTEMD_NAME_MAX, "godwit-%s@%s.service", gw_unit_kind_name(kind),
                 escaped) < GW_SYSTEMD_NAME_MAX)
        return 0;
    return gw_error_set(err, -ENAMETOOLONG, "the name of plan %s is too long for a unit", plan);
}

struct text {
    char *p;
    size_t cap, len;
    bool failed;
};

static void put(struct text *t, const char *s)
{
    const size_t n = strlen(s);

    if (t->failed || n >= t->cap - t->len) {
        t->failed = true;
        return;
    }
    memcpy(t->p + t->len, s, n + 1);
    t->len += n;
}

/* In double quotes, as systemd reads words; the whole is in single ones, as it reads the file. */
static void put_word(struct text *t, const char *word)
{
    put(t, "\"");
    for (const char *p = word; *p != '\0'; p++) {
        const char one[3] = { '\\', *p, '\0' };
        if (*p == '\'' || (unsigned char)*p < ' ' || *p == 0x7f)
            t->failed = true;
        put(t, *p == '"' || *p == '\\' || *p == '$' ? one : one + 1);
    }
    put(t, "\"");
}

size_t gw_systemd_env(const struct gw_launch *l, char *ret, size_t cap)
{
    struct text t = { .p = ret, .cap = cap };
    char lock[PATH_MAX];

    if (gw_unit_file(l->dir, l->plan, "lock", lock, NULL) < 0)
        return 0;
    put(&t, "GODWIT_LOCK='");
    t.failed = t.failed || strchr(lock, '\'') != NULL || strchr(lock, '\n') != NULL;
    put(&t, lock);
    put(&t, "'\nGODWIT_COMMAND='");
    for (char *const *a = l->argv; *a != NULL; a++) {
        put(&t, a == l->argv ? "" : " ");
        put_word(&t, *a);
    }
    put(&t, "'\n");
    for (char *const *e = l->env; e != NULL && *e != NULL; e++) {
        const char *equals = strchr(*e, '=');
        if (equals == NULL || strchr(*e, '\'') != NULL || strchr(*e, '\n') != NULL)
            return 0;
        char name[128];
        snprintf(name, sizeof name, "%.*s='", (int)(equals - *e), *e);
        put(&t, name);
        put(&t, equals + 1);
        put(&t, "'\n");
    }
    return t.failed ? 0 : t.len;
}

/* ---- systemctl ------------------------------------------------------------------------------- */

/* What it says until it ends, without the last newline. 0: its time is over. */
static bool listen_to(int fd, char *ret, size_t cap)
{
    const uint64_t end_ns = gw_boot_ns() + GW_SYSTEMCTL_MS * GW_NS_PER_MS;
    size_t n = 0;
    char rest[256];

    for (;;) {
        const uint64_t now = gw_boot_ns();
        struct pollfd p = { .fd = fd, .events = POLLIN };
        if (now >= end_ns)
            return false;
        if (poll(&p, 1, (int)((end_ns - now) / GW_NS_PER_MS) + 1) <= 0)
            continue;
        const bool room = n + 1 < cap;
        ssize_t got = read(fd, room ? ret + n : rest, room ? cap - 1 - n : sizeof rest);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        n += room ? (size_t)got : 0;
    }
    while (n > 0 && isspace((unsigned char)ret[n - 1]))
        n--;
    ret[n] = '\0';
    return true;
}

static int spawn(const char *const *argv, int out, pid_t *ret_pid)
{
    union { /* posix_spawn has no const for the sake of old programs */
        const char *const *given;
        char *const *wanted;
    } args = { .given = argv };
    posix_spawn_file_actions_t actions;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, out, 2);
    gw_fork_begin();
    int r = posix_spawnp(ret_pid, argv[0], &actions, NULL, args.wanted, environ);
    gw_fork_end();
    posix_spawn_file_actions_destroy(&actions);
    return -r;
}

static int systemctl(const char *const *argv, char ret[OUTPUT_BYTES_MAX], struct gw_error *err)
{
    int ends[2], status = 0;
    pid_t pid = -1;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return gw_error_errno(err, -errno, "cannot make a pipe");
    int r = spawn(argv, ends[1], &pid);
    close(ends[1]);
    if (r < 0) {
        close(ends[0]);
        return gw_error_errno(err, r, "cannot execute %s", argv[0]);
    }
    const bool ended = listen_to(ends[0], ret, OUTPUT_BYTES_MAX);
    close(ends[0]);
    if (!ended)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!ended)
        return gw_error_set(err, -ETIMEDOUT, "%s %s %s took more than %u s", argv[0], argv[1],
                            argv[2], GW_SYSTEMCTL_MS / 1000);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return gw_error_set(err, -EIO, "%s %s %s failed: %.300s", argv[0], argv[1], argv[2], ret);
    return 0;
}

static int on_unit(const char *program, const char *verb, const char *plan, enum gw_unit_kind kind,
                   struct gw_error *err)
{
    char name[GW_SYSTEMD_NAME_MAX], out[OUTPUT_BYTES_MAX];
    const char *const argv[] = { program, verb, name, NULL };
    int r = gw_systemd_name(plan, kind, name, err);

    return r < 0 ? r : systemctl(argv, out, err);
}

int gw_systemd_stop(const char *program, const char *plan, enum gw_unit_kind kind,
                    struct gw_error *err)
{
    return on_unit(program, "stop", plan, kind, err);
}

int gw_systemd_main_pid(const char *program, const char *plan, enum gw_unit_kind kind, pid_t *ret,
                        struct gw_error *err)
{
    char name[GW_SYSTEMD_NAME_MAX], out[OUTPUT_BYTES_MAX], *end = NULL;
    const char *const argv[] = { program, "show", name, "--property=MainPID", "--value", NULL };
    int r = gw_systemd_name(plan, kind, name, err);

    if (r == 0)
        r = systemctl(argv, out, err);
    if (r < 0)
        return r;
    long pid = strtol(out, &end, 10);
    if (end == out || *end != '\0' || pid < 0 || pid > INT32_MAX)
        return gw_error_set(err, -EPROTO, "%s says that the process of %s is \"%.100s\"", program,
                            name, out);
    *ret = (pid_t)pid;
    return 0;
}

/* ---- start ----------------------------------------------------------------------------------- */

static int write_env(const struct gw_launch *l, struct gw_error *err)
{
    CLEANUP_FREE char *text = malloc(GW_SYSTEMD_ENV_BYTES_MAX);
    char path[PATH_MAX];
    int r = gw_unit_file(l->dir, l->plan, "env", path, err);

    if (text == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    if (r < 0)
        return r;
    size_t len = gw_systemd_env(l, text, GW_SYSTEMD_ENV_BYTES_MAX);
    if (len == 0)
        return gw_error_set(err, -EINVAL,
                            "the command line of plan %s is too long for a unit, or has a quote or "
                            "a line's end in it",
                            l->plan);
    return gw_unit_file_write(path, text, len, err);
}

int gw_systemd_launch(const char *program, const struct gw_launch *l,
                      struct gw_unit_record *ret_record, int *ret_pidfd, struct gw_error *err)
{
    struct gw_unit_record rec = { .kind = l->kind,
                                  .command_hash = l->command_hash,
                                  .began_wall_ns = gw_wall_ns() };
    char path[PATH_MAX];
    CLEANUP_CLOSE int pidfd = -1;
    int r = write_env(l, err);

    if (r == 0)
        r = on_unit(program, "start", l->plan, l->kind, err);
    if (r == 0)
        r = gw_systemd_main_pid(program, l->plan, l->kind, &rec.id.pid, err);
    if (r == 0 && rec.id.pid == 0)
        r = gw_error_set(err, -ECHILD, "it ended at once; see journalctl -u 'godwit-%s@%s'",
                         gw_unit_kind_name(l->kind), l->plan);
    if (r == 0)
        r = gw_pid_of(rec.id.pid, &rec.id, err);
    if (r == 0)
        r = gw_pid_open(&rec.id, &pidfd, err);
    if (r == 0)
        r = gw_unit_file(l->dir, l->plan, "unit", path, err);
    snprintf(rec.plan, sizeof rec.plan, "%s", l->plan);
    snprintf(rec.control, sizeof rec.control, "%s", l->control);
    if (r == 0)
        r = gw_unit_record_write(path, &rec, err);
    if (r < 0)
        return r;
    *ret_record = rec;
    *ret_pidfd = pidfd;
    pidfd = -1;
    return 0;
}
