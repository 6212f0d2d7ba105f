// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/site.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORDS_MAX 24

void site_init(struct site *s, const char *name, struct processes *ps,
               const struct programs *programs, struct story *story, bool sync)
{
    *s = (struct site){
        .name = name, .processes = ps, .programs = programs, .story = story, .sync = sync
    };
    snprintf(s->control, sizeof s->control, "%s.ctl", name);
    snprintf(s->socket, sizeof s->socket, "%s.nbd", name);
    snprintf(s->log, sizeof s->log, "log/%s.log", name);
}

/* ---- processes ----------------------------------------------------------------------------- */

static int start(struct site *s, const struct process_spec *spec, struct gw_error *err)
{
    story_command(s->story, spec->argv, " &");
    return process_start(s->processes, spec, &s->process, err);
}

int site_start_source(struct site *s, const struct site *peer, struct gw_error *err)
{
    char pid[48], dir[64], control[64], line[64], ca[32] = "tls-ca=tls/ca.pem", cert[64], key[64],
                                                  name[64];
    snprintf(pid, sizeof pid, "%s.pid", s->name);
    snprintf(dir, sizeof dir, "dir=%s", s->name);
    snprintf(control, sizeof control, "control=%s", s->control);
    snprintf(line, sizeof line, "peer=%s", proxy_address(peer->inbound));
    snprintf(cert, sizeof cert, "tls-cert=tls/%s.pem", s->name);
    snprintf(key, sizeof key, "tls-key=tls/%s.key", s->name);
    snprintf(name, sizeof name, "tls-peer=%s", peer->name);
    const char *argv[] = { s->programs->nbdkit,
                           "-f",
                           "-U",
                           s->socket,
                           "-P",
                           pid,
                           s->programs->plugin,
                           dir,
                           control,
                           line,
                           ca,
                           cert,
                           key,
                           name,
                           s->sync ? "sync=yes" : NULL,
                           NULL };
    const struct process_spec spec = {
        .name = s->name, .argv = argv, .log = s->log, .preload = getenv("GODWIT_NBDKIT_PRELOAD")
    };
    unlink(s->socket); /* nbdkit does not take the place of one that was killed */
    unlink(pid);
    int r = start(s, &spec, err);
    return r < 0 ? r : process_await_file(s->process, pid, SITE_MS, err);
}

int site_start_replica(struct site *s, const struct site *peer, struct gw_error *err)
{
    char cert[48], key[48], line[160];
    snprintf(cert, sizeof cert, "tls/%s.pem", s->name);
    snprintf(key, sizeof key, "tls/%s.key", s->name);
    const char *argv[] = { s->programs->replica,
                           "--dir",
                           s->name,
                           "--listen",
                           "127.0.0.1:0",
                           "--control",
                           s->control,
                           "--tls-ca",
                           "tls/ca.pem",
                           "--tls-cert",
                           cert,
                           "--tls-key",
                           key,
                           "--tls-peer",
                           peer->name,
                           NULL };
    const struct process_spec spec = {
        .name = s->name, .argv = argv, .log = s->log, .lines = true
    };
    static const char said[] = "listening on ";
    int r = start(s, &spec, err);
    if (r == 0)
        r = process_read_line(s->process, line, sizeof line, SITE_MS, err);
    if (r < 0)
        return r;
    if (strncmp(line, said, sizeof said - 1) != 0)
        return gw_error_set(err, -EPROTO, "godwit-replica said \"%s\" instead of its address",
                            line);
    return proxy_target(s->inbound, line + sizeof said - 1, err);
}

int site_wait_end(struct site *s, struct gw_error *err)
{
    int status = 0;
    int r = process_wait(s->process, SITE_MS, &status, err);
    if (r < 0)
        return r;
    s->process = NULL;
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        return gw_error_set(err, -EIO, "the process of %s did not end well: %s %d (see %s)",
                            s->name, WIFEXITED(status) ? "exit code" : "signal",
                            WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), s->log);
    return 0;
}

int site_kill(struct site *s, struct gw_error *err)
{
    int status = 0;
    story_typed(s->story, "kill -9 %d", (int)process_id(s->process));
    process_kill(s->process, SIGKILL);
    int r = process_wait(s->process, SITE_MS, &status, err);
    if (r == 0)
        s->process = NULL;
    return r;
}

/* ---- godwit-ctl ---------------------------------------------------------------------------- */

static int parse(const char *text, json_t **ret, struct gw_error *err)
{
    json_error_t why;
    json_t *o = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (o == NULL)
        return gw_error_set(err, -EPROTO, "godwit-ctl printed something that is not JSON: %s",
                            why.text);
    *ret = o;
    return 0;
}

static int run_ctl(struct site *s, bool told, json_t **ret, struct gw_error *err, va_list words)
{
    const char *argv[WORDS_MAX + 3] = { s->programs->ctl };
    int n = 1;
    for (const char *word; (word = va_arg(words, const char *)) != NULL;) {
        if (n > WORDS_MAX)
            return gw_error_set(err, -E2BIG, "too many words for godwit-ctl");
        argv[n++] = word;
    }
    if (told)
        story_command(s->story, argv, "");
    argv[n] = "--json";
    CLEANUP_STATUS json_t *answer = NULL;
    struct process_output o;
    int r = process_run(s->processes, argv, SITE_MS, &o, err);
    if (r < 0)
        return r;
    r = parse(o.out, &answer, err);
    /* With an answer, a code that is not 0 is part of it: a verify that found differences. */
    if (o.code != 0 && !status_true(answer, "ok")) {
        const char *why = status_text(answer, "error.message");
        r = gw_error_set(err, -EIO, "godwit-ctl %s failed with exit code %d: %.300s", argv[1],
                         o.code, why[0] != '\0' ? why : o.err);
    }
    if (r == 0 && ret != NULL)
        *ret = json_incref(answer);
    process_output_done(&o);
    return r;
}

int site_command(struct site *s, json_t **ret, struct gw_error *err, ...)
{
    va_list words;
    va_start(words, err);
    int r = run_ctl(s, true, ret, err, words);
    va_end(words);
    return r;
}

int site_ask(struct site *s, json_t **ret, struct gw_error *err, ...)
{
    va_list words;
    va_start(words, err);
    int r = run_ctl(s, false, ret, err, words);
    va_end(words);
    return r;
}

int site_status(struct site *s, json_t **ret, struct gw_error *err)
{
    return site_ask(s, ret, err, "status", "--socket", s->control, NULL);
}

static int read_until(struct site *s, struct process *watch, bool (*ready)(const json_t *status),
                      const char *what, json_t **ret, struct gw_error *err)
{
    uint64_t end = gw_boot_ns() + SITE_MS * GW_NS_PER_MS;
    CLEANUP_FREE char *line = malloc(65536);
    if (line == NULL)
        return gw_error_set(err, -ENOMEM, "out of memory");
    for (;;) {
        CLEANUP_STATUS json_t *status = NULL;
        int r = process_read_line(watch, line, 65536, SITE_MS, err);
        if (r == 0)
            r = processes_alive(s->processes, err);
        if (r == 0)
            r = parse(line, &status, err);
        if (r < 0)
            return r;
        if (ready(status)) {
            if (ret != NULL)
                *ret = json_incref(status);
            return 0;
        }
        if (gw_boot_ns() >= end)
            return gw_error_set(
                err, -ETIMEDOUT, "%s did not get so far as to %s: %s%s, \"%s\" (see %s)", s->name,
                what, status_text(status, "replication"), status_text(status, "state"),
                status_text(status, "reason"), s->log);
    }
}

int site_await(struct site *s, bool (*ready)(const json_t *status), const char *what, json_t **ret,
               struct gw_error *err)
{
    const char *argv[] = { s->programs->ctl, "watch", "--socket", s->control,
                           "--every",        "20ms",  "--json",   NULL };
    const struct process_spec spec = {
        .name = "watch", .argv = argv, .log = s->log, .lines = true
    };
    struct process *watch = NULL;
    int r = process_start(s->processes, &spec, &watch, err);
    if (r < 0)
        return r;
    r = read_until(s, watch, ready, what, ret, err);
    struct gw_error later;
    int status;
    process_kill(watch, SIGKILL); /* it only looks; it would go on for ever */
    process_wait(watch, SITE_MS, &status, &later);
    return r;
}

static bool clean(const json_t *status)
{
    return status_number(status, "dirty_blocks") == 0 &&
           status_number(status, "coarse_extents") == 0;
}

bool site_follows_async(const json_t *status)
{
    return status_is(status, "replication", "async") && clean(status);
}

bool site_follows_sync(const json_t *status)
{
    return status_is(status, "replication", "sync") && clean(status);
}

int site_await_following(struct site *s, json_t **ret, struct gw_error *err)
{
    return site_await(s, s->sync ? site_follows_sync : site_follows_async, "be followed", ret, err);
}
