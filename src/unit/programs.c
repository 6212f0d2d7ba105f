// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
/* Where the programs of the data plane are. */
#include "unit/command.h"

#include "base/checked.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLUGIN "nbdkit-godwit-plugin.so"
#define PATH_BYTES_MAX 8192
#define BUILD_LEVELS 3 /* BUILD/src/LAYER/program */

static bool executable(const char *path)
{
    return access(path, X_OK) == 0;
}

static bool on_path(const char *name, char ret[PATH_MAX])
{
    const char *path = getenv("PATH");
    char dirs[PATH_BYTES_MAX];

    /* A daemon's PATH may lack what is for administrators. */
    if (snprintf(dirs, sizeof dirs, "%s:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin",
                 path != NULL ? path : "") >= (int)sizeof dirs)
        return false;
    char *rest = dirs;
    for (char *dir = strsep(&rest, ":"); dir != NULL; dir = strsep(&rest, ":")) {
        if (dir[0] == '/' && snprintf(ret, PATH_MAX, "%s/%s", dir, name) < PATH_MAX &&
            executable(ret))
            return true;
    }
    return false;
}

static bool join(char ret[PATH_MAX], const char *dir, const char *name)
{
    return snprintf(ret, PATH_MAX, "%s/%s", dir, name) < PATH_MAX;
}

/* All in a build tree, or side by side in one directory. */
static bool look_in(const char *dir, struct gw_programs *p)
{
    static const char *const layout[][3] = {
        { "src/replica/godwit-replica", "src/ctl/godwit-ctl", "src/plugin/" PLUGIN },
        { "godwit-replica", "godwit-ctl", PLUGIN },
    };

    for (size_t i = 0; i < GW_ARRAY_SIZE(layout); i++) {
        if (join(p->replica, dir, layout[i][0]) && executable(p->replica) &&
            join(p->ctl, dir, layout[i][1]) && executable(p->ctl) &&
            join(p->plugin, dir, layout[i][2]) && access(p->plugin, R_OK) == 0) {
            snprintf(p->dir, sizeof p->dir, "%s", dir);
            return true;
        }
    }
    return false;
}

static bool build_tree(char ret[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);

    if (n <= 0)
        return false;
    ret[n] = '\0';
    for (int i = 0; i < BUILD_LEVELS; i++) {
        char *slash = strrchr(ret, '/');
        if (slash == NULL || slash == ret)
            return false;
        *slash = '\0';
    }
    return true;
}

static int look_given(const char *dir, struct gw_programs *p, struct gw_error *err)
{
    char absolute[PATH_MAX];

    if (realpath(dir, absolute) == NULL)
        return gw_error_errno(err, -errno, "cannot look for programs in \"%s\"", dir);
    if (look_in(absolute, p))
        return 0;
    return gw_error_set(err, -ENOENT,
                        "\"%s\" does not hold godwit-replica, godwit-ctl and " PLUGIN
                        ", and is no build directory that does",
                        dir);
}

static int look_installed(struct gw_programs *p, struct gw_error *err)
{
    if (!on_path("godwit-replica", p->replica) || !on_path("godwit-ctl", p->ctl))
        return gw_error_set(err, -ENOENT,
                            "godwit-replica and godwit-ctl were found neither beside this program "
                            "nor on the PATH; GODWIT_PROGRAMS in the environment can say where");
    snprintf(p->plugin, sizeof p->plugin, "godwit");
    p->dir[0] = '\0';
    return 0;
}

int gw_programs_find(const char *dir, struct gw_programs *ret, struct gw_error *err)
{
    struct gw_programs p = { .dir = "" };
    char absolute[PATH_MAX];
    int r = 0;

    if (!on_path("nbdkit", p.nbdkit))
        return gw_error_set(err, -ENOENT, "nbdkit is not installed (package nbdkit)");
    if (dir == NULL)
        dir = getenv("GODWIT_PROGRAMS");
    if (dir != NULL)
        r = look_given(dir, &p, err);
    else if (!build_tree(absolute) || !look_in(absolute, &p))
        r = look_installed(&p, err);
    if (r == 0)
        *ret = p;
    return r;
}
