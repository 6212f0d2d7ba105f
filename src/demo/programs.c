// SPDX-License-Identifier: Apache-2.0
// Copyright the godwit authors
#include "demo/programs.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PLUGIN "nbdkit-godwit-plugin.so"

static bool executable(const char *path)
{
    return access(path, X_OK) == 0;
}

bool program_on_path(const char *name, char ret[PATH_MAX])
{
    if (strchr(name, '/') != NULL) {
        int n = snprintf(ret, PATH_MAX, "%s", name);
        return n < PATH_MAX && executable(ret);
    }
    const char *path = getenv("PATH");
    char dirs[8192];
    /* mke2fs and its like are in sbin, which is not on every user's PATH. */
    int n = snprintf(dirs, sizeof dirs, "%s:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin",
                     path != NULL ? path : "");
    if (n >= (int)sizeof dirs)
        return false;
    char *rest = dirs;
    for (char *dir = strsep(&rest, ":"); dir != NULL; dir = strsep(&rest, ":")) {
        if (dir[0] != '/')
            continue;
        if (snprintf(ret, PATH_MAX, "%s/%s", dir, name) < PATH_MAX && executable(ret))
            return true;
    }
    return false;
}

static bool join(char ret[PATH_MAX], const char *dir, const char *name)
{
    return snprintf(ret, PATH_MAX, "%s/%s", dir, name) < PATH_MAX;
}

/* All three in a build tree, or side by side in one directory. */
static bool look_in(const char *dir, struct programs *ret)
{
    static const char *const layout[][3] = {
        { "src/replica/godwit-replica", "src/ctl/godwit-ctl", "src/plugin/" PLUGIN },
        { "godwit-replica", "godwit-ctl", PLUGIN },
    };
    for (size_t i = 0; i < sizeof layout / sizeof layout[0]; i++) {
        if (join(ret->replica, dir, layout[i][0]) && executable(ret->replica) &&
            join(ret->ctl, dir, layout[i][1]) && executable(ret->ctl) &&
            join(ret->plugin, dir, layout[i][2]) && access(ret->plugin, R_OK) == 0) {
            snprintf(ret->build_dir, sizeof ret->build_dir, "%s", dir);
            return true;
        }
    }
    return false;
}

/* BUILD/src/cli/godwit -> BUILD. */
static bool build_tree(char ret[PATH_MAX])
{
    ssize_t n = readlink("/proc/self/exe", ret, PATH_MAX - 1);
    if (n <= 0)
        return false;
    ret[n] = '\0';
    for (int i = 0; i < 3; i++) {
        char *slash = strrchr(ret, '/');
        if (slash == NULL || slash == ret)
            return false;
        *slash = '\0';
    }
    return true;
}

static int find_installed(struct programs *ret, struct gw_error *err)
{
    if (!program_on_path("godwit-replica", ret->replica))
        return gw_error_set(err, -ENOENT,
                            "godwit-replica was found neither beside this program nor on the PATH; "
                            "say where with --programs");
    if (!program_on_path("godwit-ctl", ret->ctl))
        return gw_error_set(err, -ENOENT,
                            "godwit-ctl is not on the PATH beside godwit-replica; "
                            "say where with --programs");
    snprintf(ret->plugin, sizeof ret->plugin, "godwit");
    ret->build_dir[0] = '\0';
    return 0;
}

int programs_find(const char *dir, struct programs *ret, struct gw_error *err)
{
    if (!program_on_path("nbdkit", ret->nbdkit))
        return gw_error_set(err, -ENOENT, "nbdkit is not installed (package nbdkit)");
    char absolute[PATH_MAX];
    if (dir != NULL) {
        if (realpath(dir, absolute) == NULL)
            return gw_error_errno(err, -errno, "cannot look for programs in \"%s\"", dir);
        if (!look_in(absolute, ret))
            return gw_error_set(err, -ENOENT,
                                "\"%s\" does not hold godwit-replica, godwit-ctl and " PLUGIN
                                ", and is no build directory that does",
                                dir);
        return 0;
    }
    if (build_tree(absolute) && look_in(absolute, ret))
        return 0;
    return find_installed(ret, err);
}

int programs_find_site(struct programs *p, struct gw_error *err)
{
    static const char *const layout[][2] = { { "src/site/godwitd", "src/cli/godwit" },
                                             { "godwitd", "godwit" } };
    for (size_t i = 0; p->build_dir[0] != '\0' && i < sizeof layout / sizeof layout[0]; i++) {
        if (join(p->godwitd, p->build_dir, layout[i][0]) && executable(p->godwitd) &&
            join(p->godwit, p->build_dir, layout[i][1]) && executable(p->godwit))
            return 0;
    }
    if (p->build_dir[0] == '\0' && program_on_path("godwitd", p->godwitd) &&
        program_on_path("godwit", p->godwit))
        return 0;
    return gw_error_set(err, -ENOENT,
                        "godwitd and godwit were not found beside godwit-replica; say where all "
                        "are with --programs, or tell the story without them: --engine");
}
