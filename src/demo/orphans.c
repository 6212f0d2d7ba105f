// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/orphans.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define STAT_BYTES 512
#define ROUNDS_MAX 100 /* a child's end may give us its children: not without end */

int orphans_adopt(struct gw_error *err)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return gw_error_errno(err, -errno, "cannot adopt processes");
    return 0;
}

/* "PID (NAME) STATE PPID ...": the name may hold anything, also ")". */
static pid_t parent_of(const char *pid)
{
    char path[64], text[STAT_BYTES];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    FILE *f = fopen(path, "re");
    size_t n = f != NULL ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f != NULL)
        fclose(f);
    text[n] = '\0';
    const char *name_end = strrchr(text, ')');
    int parent = 0;
    char state;
    return name_end != NULL && sscanf(name_end + 1, " %c %d", &state, &parent) == 2 ? parent : 0;
}

static bool kill_children(void)
{
    DIR *d = opendir("/proc");
    bool any = false;
    if (d == NULL)
        return false;
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        /* Ours, not yet reaped: the number is still its own. */
        if (isdigit((unsigned char)e->d_name[0]) && parent_of(e->d_name) == getpid()) {
            kill((pid_t)strtol(e->d_name, NULL, 10), SIGKILL);
            any = true;
        }
    }
    closedir(d);
    return any;
}

void orphans_end(void)
{
    for (int i = 0; i < ROUNDS_MAX && kill_children(); i++) {
        while (waitpid(-1, NULL, 0) < 0 && errno == EINTR)
            ;
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
    }
}
