// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "site/trial.h"

#include "base/log.h"
#include "site/site.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define POLL_MS 10u
#define WORD_BYTES 8u

static bool read_word(const char *path, char ret[WORD_BYTES])
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, ret, WORD_BYTES - 1);
    if (n <= 0)
        return false;
    ret[n] = '\0';
    ret[strcspn(ret, "\n ")] = '\0';
    return true;
}

static void stand_still(struct site *s, const char *path)
{
    char reached[PATH_MAX + 16];
    snprintf(reached, sizeof reached, "%s.reached", path);
    if (rename(path, reached) < 0)
        return;
    gw_log(GW_LOG_NOTICE, "a trial: waits until '%s' is removed", reached);
    while (access(reached, F_OK) == 0 && !gw_stop_wait(gw_stop_fd(s->stop), POLL_MS))
        ;
}

void site_trial_at(struct site *s, const char *name)
{
    const char *dir = getenv("GODWIT_RUN_TRIALS");
    char path[PATH_MAX], word[WORD_BYTES];
    if (dir == NULL)
        return;
    int n = snprintf(path, sizeof path, "%s/%s", dir, name);
    if (n < 0 || (size_t)n >= sizeof path || !read_word(path, word))
        return;
    if (strcmp(word, "kill") == 0 && unlink(path) == 0) {
        gw_log(GW_LOG_NOTICE, "a trial: '%s'", path);
        raise(SIGKILL);
    }
    if (strcmp(word, "wait") == 0)
        stand_still(s, path);
}

bool site_trial(void *site, enum gw_run_moment moment, const struct gw_run_call *call, bool remote)
{
    char name[160];
    int n =
        snprintf(name, sizeof name, "%s%s.%s%s", call->undo ? "undo_" : "",
                 gw_step_name(call->step->id), gw_run_moment_name(moment), remote ? ".remote" : "");
    if (n > 0 && (size_t)n < sizeof name)
        site_trial_at(site, name);
    return false;
}
